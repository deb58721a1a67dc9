//! The options of a scheduler's jobs as options of an entry.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::drop_option;
use crate::import::literal::literal;
use crate::import::{Difference, Job, json};
use crate::text::duration;
use crate::worker::{BullmqQueue, Protocol as _};

/// Options that BullMQ sets for each job itself, or that change nothing.
const OF_EACH_JOB: [&str; 11] = [
    "repeat",
    "jobId",
    "prevMillis",
    "repeatJobKey",
    "rjk",
    "timestamp",
    "delay",
    "telemetry",
    "tm",
    "omc",
    "stackTraceLimit",
];

/// Sets `options` and `headers` from a JSON object.
pub(super) fn set(job: &mut Job, text: &str) {
    let theirs = match json::read(text) {
        Ok(Value::Object(theirs)) => theirs,
        Ok(_) => return job.cannot("its options are not a JSON object", None),
        Err(why) => return job.cannot(format!("its options cannot be read: {why}"), None),
    };
    let (mut options, mut headers) = (Map::new(), Map::new());
    if !theirs.contains_key("removeOnComplete") {
        options.insert("remove_on_complete".to_owned(), json!(false));
    }
    let queue = BullmqQueue::default();
    for (name, value) in theirs {
        let ours = match &*name {
            "removeOnComplete" => keep(job, &name, &value).map(|kept| ("remove_on_complete", kept)),
            "removeOnFail" => keep(job, &name, &value).map(|kept| ("remove_on_fail", kept)),
            "attempts" => {
                let count = number(&value);
                if count.is_none() {
                    drop_option(job, &name);
                }
                #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
                count.filter(|count| *count != 0.0).map(|count| ("attempts", json!(count as i64)))
            }
            "backoff" => backoff(job, &value).map(|backoff| ("backoff", backoff)),
            "priority" if value.as_f64() == Some(0.0) => None,
            "priority" => {
                job.differs(Difference::Dropped(format!(
                    "its priority of {value}: BullMQ runs jobs without a priority first"
                )));
                None
            }
            "lifo" if value == Value::Bool(false) => None,
            name if OF_EACH_JOB.contains(&name) => None,
            name if queue.is_reserved_header(name) => {
                drop_option(job, name);
                None
            }
            name => {
                headers.insert(name.to_owned(), value);
                None
            }
        };
        options.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    }
    if !options.is_empty() {
        job.set("options", options);
    }
    if !headers.is_empty() {
        job.set("headers", literal(Value::Object(headers)));
    }
}

/// How long finished jobs are kept: whether at all, how many, or up to which age.
fn keep(job: &mut Job, name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::Number(count) => Some(newest(count.as_f64()?)),
        Value::Object(kept) => {
            let (age, count) = (kept.get("age"), kept.get("count"));
            if age.is_some() && count.is_some() {
                drop_option(job, &format!("{name}.count"));
            }
            let length = |age: &Value| {
                Some(duration::format(Duration::try_from_secs_f64(number(age)?).ok()?))
            };
            let kept = match (age, count) {
                (Some(age), _) => length(age).map(|age| json!(age)),
                (None, Some(count)) => number(count).map(newest),
                // No limit: all are kept.
                (None, None) => Some(json!(false)),
            };
            if kept.is_none() {
                drop_option(job, name);
            }
            kept
        }
        Value::Null => None,
        Value::String(_) | Value::Array(_) => {
            drop_option(job, name);
            None
        }
    }
}

/// A number, which may be in a text: JavaScript computes with both.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(0.0),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}

/// So many of the newest jobs: 0 keeps none, a negative number keeps all.
#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
fn newest(count: f64) -> Value {
    match count as i64 {
        0 => json!(true),
        count if count < 0 => json!(false),
        count => json!(count),
    }
}

fn backoff(job: &mut Job, value: &Value) -> Option<Value> {
    let length = |ms: &Value| {
        let length = Duration::try_from_secs_f64(number(ms)? / 1000.0).ok()?;
        Some(duration::format(length)).filter(|_| !length.is_zero())
    };
    match value {
        Value::Null => return None,
        Value::Number(_) => return length(value).map(|pause| json!(pause)),
        Value::Object(_) => {}
        Value::Bool(_) | Value::String(_) | Value::Array(_) => {
            drop_option(job, "backoff");
            return None;
        }
    }
    let kind = value["type"].as_str().unwrap_or("fixed");
    if value.get("jitter").is_some_and(|jitter| jitter.as_f64() != Some(0.0)) {
        drop_option(job, "backoff.jitter");
    }
    match (kind, length(&value["delay"])) {
        ("fixed", Some(pause)) => Some(json!(pause)),
        ("exponential", Some(pause)) => Some(json!({"type": "exponential", "delay": pause})),
        (_, None) if kind == "fixed" => None,
        _ => {
            drop_option(job, &format!("backoff.type: {kind}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_texts_are_read_and_others_are_named() {
        let of = |text: &str| {
            let mut job = Job::new("x");
            set(&mut job, text);
            (job.keys.remove("options").unwrap_or_default(), job.differences.len())
        };
        for (text, options, differences) in [
            (r#"{"attempts": "3"}"#, json!({"attempts": 3}), 0),
            (r#"{"attempts": null}"#, json!({}), 0),
            (r#"{"attempts": "many"}"#, json!({}), 1),
            (r#"{"backoff": {"type": "fixed", "delay": "100"}}"#, json!({"backoff": "100ms"}), 0),
            (r#"{"backoff": "100"}"#, json!({}), 1),
            (r#"{"removeOnFail": {"age": "60"}}"#, json!({"remove_on_fail": "1m"}), 0),
            (r#"{"removeOnFail": {}}"#, json!({"remove_on_fail": false}), 0),
            (r#"{"removeOnFail": "all"}"#, json!({}), 1),
        ] {
            let mut expected = json!({"remove_on_complete": false});
            expected.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
            assert_eq!(of(text), (expected, differences), "{text}");
        }
    }
}
