//! Sidekiq's jobs: a JSON object on the queue's list, and the queue's name in the set of all queues,
//! which the dashboard reads.
//!
//! `jid` is the first 24 hexadecimal digits of the task id. The entry's own headers are members beside
//! the standard ones, where middleware finds them, with `downbeat_entry`, `downbeat_slot`,
//! `downbeat_kind` and `traceparent`.

use serde_json::Value;

use super::json::Json;
use super::peek::{Waiting, object, take_text};
use super::{Push, Task, Unsendable, Writes};
use crate::queue::SidekiqQueue;
use crate::schedule::entry::{Options, SidekiqOptions};
use crate::schedule::{Message, UnixMs};

/// Members that Sidekiq or its commercial editions use.
const RESERVED: &[&str] = &[
    "class",
    "args",
    "jid",
    "queue",
    "retry",
    "created_at",
    "enqueued_at",
    "at",
    "bid",
    "wrapped",
    "backtrace",
    "dead",
    "retry_queue",
    "retry_count",
    "failed_at",
    "retried_at",
    "error_message",
    "error_class",
    "error_backtrace",
    "unique_for",
    "unique_until",
    "unlocks_at",
    "expires_in",
    "expiry",
    "encrypt",
    "locale",
    "cattr",
    "profile",
    "traceparent",
];

/// The list that Sidekiq's workers take jobs from.
pub(super) fn list_key(queue: &str, settings: &SidekiqQueue) -> String {
    key(&format!("queue:{queue}"), settings)
}

fn key(name: &str, settings: &SidekiqQueue) -> String {
    match &settings.namespace {
        Some(namespace) => format!("{namespace}:{name}"),
        None => name.to_owned(),
    }
}

/// Writes the job, and adds the queue to the set of all queues.
pub(super) fn render(task: &Task<'_>, settings: &SidekiqQueue) -> Writes {
    let queue = &task.message.queue.name;
    let announce = [b"SADD".to_vec(), key("queues", settings).into(), queue.as_bytes().to_vec()];
    Writes {
        before: vec![announce.into()],
        push: Push::Left,
        key: list_key(queue, settings),
        element: job(task),
    }
}

fn job(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let mut json = Json::with_capacity(512 + message.args.len());
    json.raw("{").members(message.headers.as_deref());
    json.raw(r#""class":"#).string(&message.task);
    json.raw(r#","args":"#).raw(&message.args);
    json.raw(r#","jid":""#).hex(&task.task_id.as_bytes()[..12]);
    json.raw(r#"","queue":"#).string(&message.queue.name);
    json.raw(r#","retry":"#);
    match options(message).and_then(|options| options.retry) {
        None => json.raw("true"),
        Some(0) => json.raw("false"),
        Some(times) => json.display(times),
    };
    // Seconds with a fraction: Sidekiq 8 reads them as well as its own milliseconds.
    let now = format!("{}.{:03}", task.now.0.div_euclid(1000), task.now.0.rem_euclid(1000));
    json.raw(r#","created_at":"#).raw(&now).raw(r#","enqueued_at":"#).raw(&now);
    json.raw(",").provenance(task).raw("}");
    json.into_bytes()
}

fn options(message: &Message) -> Option<&SidekiqOptions> {
    match message.options.as_deref() {
        Some(Options::Sidekiq(options)) => Some(options),
        _ => None,
    }
}

/// Decodes a job from the list.
pub(super) fn decode(element: &[u8]) -> Result<Waiting, String> {
    let mut job = object(element)?;
    let Some(task) = take_text(&mut job, "class") else {
        return Err("a job without `class`, which no worker runs".to_owned());
    };
    let sent_at = job.get("enqueued_at").or(job.get("created_at")).and_then(time);
    Ok(Waiting {
        task_id: take_text(&mut job, "jid"),
        task: Some(task),
        args: job.shift_remove("args"),
        sent_at,
        ..Waiting::with_headers(job)
    })
}

/// Versions before 8 write seconds with a fraction, later ones milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
fn time(value: &Value) -> Option<UnixMs> {
    match value.as_i64() {
        Some(ms) if ms > 100_000_000_000 => Some(UnixMs(ms)),
        _ => Some(UnixMs((value.as_f64()? * 1000.0).round() as i64)),
    }
}

/// Sidekiq's jobs have positional arguments only, no priority within a queue, and no expiry.
pub(super) fn validate(message: &Message) -> Result<(), Unsendable> {
    if &*message.kwargs != "{}" {
        return Err(Unsendable::new("kwargs", "Sidekiq jobs have no kwargs, only args"));
    }
    if message.priority.is_some() {
        return Err(Unsendable::new("priority", "Sidekiq's queues know no priorities"));
    }
    if message.expires.is_some() {
        return Err(Unsendable::new("expires", "Sidekiq runs a job however old it is"));
    }
    Ok(())
}

/// Whether a header of this name would overwrite one of Sidekiq's own members.
pub(super) fn is_reserved_header(name: &str) -> bool {
    RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::envelope::sample;
    use crate::queue::Worker;

    #[test]
    fn a_job_is_what_the_client_of_sidekiq_writes() {
        let mut message = sample::message("mail", Worker::Sidekiq(SidekiqQueue::default()));
        message.headers = Some(r#"{"tags":["spring"]}"#.into());
        message.options = Some(Box::new(Options::Sidekiq(SidekiqOptions { retry: Some(3) })));
        let task = sample::task(&message);
        let writes = render(&task, &SidekiqQueue { namespace: Some("shop".into()) });
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let announced: Vec<Vec<u8>> = words(&["SADD", "shop:queues", "mail"]);
        assert_eq!((writes.before, writes.key.as_str()), (vec![announced], "shop:queue:mail"));
        let job: Value = serde_json::from_slice(&writes.element).unwrap();
        let expected = json!({
            "tags": ["spring"],
            "class": "demo.add",
            "args": [1, "zwei"],
            "jid": "000000000000000000000000",
            "queue": "mail",
            "retry": 3,
            "created_at": 1_795_230_000.25,
            "enqueued_at": 1_795_230_000.25,
            "downbeat_entry": task.entry_name,
            "downbeat_slot": "2026-11-21T03:00:00.000Z",
            "downbeat_kind": "catch_up",
            "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
        });
        assert_eq!(job, expected);
    }
}
