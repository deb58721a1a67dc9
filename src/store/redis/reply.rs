//! Reads the answers of the scripts.

use downbeat_time::UnixMs;
use redis::Value;

use crate::schedule::outcome::SkipReason;
use crate::store::contract::{Exception, Reply, RunOf, StoreError};

/// The maximum length of a refusal in bytes; the rest is cut off.
const MAX_REFUSAL: usize = 300;

/// The error for an answer that none of our scripts gives: what the script did is uncertain.
pub(super) fn unexpected_answer() -> StoreError {
    StoreError::Unanswered("redis gave an answer of another form".to_owned())
}

pub(super) fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(unexpected_answer()),
    }
}

/// Reads a text; replaces invalid UTF-8.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

pub(super) fn instant(value: &Value) -> Option<UnixMs> {
    match value {
        Value::Int(ms) => Some(UnixMs(*ms)),
        _ => None,
    }
}

/// Reads entry and queue of a run, in the format of `run.lua`.
pub(super) fn run_of(value: &Value) -> Result<RunOf, StoreError> {
    let text = text(value).ok_or_else(unexpected_answer)?;
    let (entry, queue) = text.split_once('\t').ok_or_else(unexpected_answer)?;
    Ok(RunOf { entry: entry.into(), queue: queue.into() })
}

/// Reads the outcome of a fenced write; `next` is the sequence number that it was to leave behind, and `items`
/// maps a number of the script to indexes.
pub(super) fn fenced<'l>(
    answer: Value,
    next: u64,
    items: impl Fn(i64) -> &'l [usize],
) -> Result<Reply, StoreError> {
    let fields = list(answer)?;
    let [said, now, rest @ ..] = fields.as_slice() else { return Err(unexpected_answer()) };
    let now = instant(now).ok_or_else(unexpected_answer)?;
    match (text(said).as_deref(), rest) {
        (Some("fenced"), []) => Ok(Reply::Fenced),
        (Some("stale"), []) => Ok(Reply::Stale),
        (Some("revised"), []) => Ok(Reply::Revised),
        (Some("lost"), []) => Ok(Reply::Lost),
        (Some("early"), []) => Ok(Reply::Early { now }),
        (Some("astray"), []) => Err(StoreError::Refused(
            "redis chose another database than that of the state: nothing was sent".to_owned(),
        )),
        (Some("written"), [head, exceptions @ ..]) => {
            let head = text(head).ok_or_else(unexpected_answer)?;
            let head = match head.as_str() {
                "" => None,
                id => Some(id.parse().map_err(|_| unexpected_answer())?),
            };
            let mut found = Vec::new();
            for pair in exceptions.chunks(2) {
                let [Value::Int(number), why] = pair else { return Err(unexpected_answer()) };
                let why = exception(text(why).ok_or_else(unexpected_answer)?);
                let items = items(*number);
                if items.is_empty() {
                    return Err(unexpected_answer());
                }
                found.extend(items.iter().map(|item| (*item, why.clone())));
            }
            found.sort_by_key(|(item, _)| *item);
            Ok(Reply::Written { now, sequence: next, head, exceptions: found })
        }
        _ => Err(unexpected_answer()),
    }
}

fn exception(why: String) -> Exception {
    match why.as_str() {
        "queue_full" => Exception::Skipped(SkipReason::QueueFull),
        "still_running" => Exception::Skipped(SkipReason::StillRunning),
        _ => Exception::Refused(refusal(why)),
    }
}

/// The server's words, shortened.
pub(super) fn refusal(mut why: String) -> String {
    if why.len() > MAX_REFUSAL {
        let end = (0..=MAX_REFUSAL).rev().find(|end| why.is_char_boundary(*end)).unwrap_or(0);
        why.truncate(end);
        why.push('…');
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn an_answer_of_another_form_is_an_error_not_a_success() {
        let none = |_| [].as_slice();
        let written = |rest: &[Value]| {
            let start = [bulk("written"), Value::Int(5), bulk("7-1")];
            Value::Array(start.into_iter().chain(rest.iter().cloned()).collect())
        };
        assert!(fenced(written(&[]), 1, none).is_ok());
        for answer in [
            Value::Okay,
            Value::Array(vec![bulk("written")]),
            Value::Array(vec![bulk("written"), Value::Int(5), bulk("nan")]),
            Value::Array(vec![bulk("stale"), bulk("5")]),
            written(&[Value::Int(1)]),
            written(&[Value::Int(1), bulk("queue_full")]),
        ] {
            assert!(matches!(fenced(answer, 1, none), Err(StoreError::Unanswered(_))));
        }
    }

    #[test]
    fn a_refusal_is_shortened() {
        assert_eq!(refusal("WRONGTYPE".to_owned()), "WRONGTYPE");
        assert!(refusal("é".repeat(500)).len() <= MAX_REFUSAL + '…'.len_utf8());
    }
}
