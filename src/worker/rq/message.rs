//! The job: its hash, and its id.

use downbeat_time::UnixMs;

use super::{RqOptions, RqQueue, Serializer};
use crate::worker::json_writer::JsonWriter;
use crate::worker::python::{pickle, repr};
use crate::worker::{Command, Message, Push, Task, Unsendable, Writes};

/// The list that RQ's workers take job ids from.
pub(super) fn list_key(queue: &str) -> String {
    format!("rq:queue:{queue}")
}

/// The key of a job without its id.
pub(super) const JOB: &str = "rq:job:";

fn job_key(task: &Task<'_>) -> String {
    format!("{JOB}{}", task.task_id)
}

/// Writes the job, adds the queue to the set of all queues, and pushes the id.
pub(super) fn render(task: &Task<'_>, settings: RqQueue) -> Writes {
    let list = list_key(&task.message.queue.name);
    let job = job_key(task);
    // Fields of an earlier job with this id would mix with the new ones.
    let mut before = vec![command(&["DEL", &job]), hash(task, &job, settings.serializer)];
    if let Some(UnixMs(expires_at)) = task.expires_at {
        before.push(command(&["PEXPIREAT", &job, &expires_at.to_string()]));
    }
    before.push(command(&["SADD", "rq:queues", &list]));
    Writes { before, push: Push::Right, key: list, element: task.task_id.to_string().into() }
}

pub(super) fn command(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn hash(task: &Task<'_>, key: &str, serializer: Serializer) -> Command {
    let message = task.message;
    let default = RqOptions::default();
    let options = RqOptions::of(message).unwrap_or(&default);
    let now = reading(task.now);
    let mut command = command(&["HSET", key]);
    let mut field = |name: &str, value: Vec<u8>| command.extend([name.into(), value]);
    field("created_at", now.clone());
    field("enqueued_at", now);
    field("status", b"queued".to_vec());
    field("origin", message.queue.name.as_bytes().to_vec());
    field("description", description(message, options).into());
    field("data", serialized(&call(message), CALL_TUPLES, serializer));
    field("meta", serialized(&meta(task), 0, serializer));
    let mut number = |name: &str, value: Option<i64>| {
        if let Some(value) = value {
            field(name, value.to_string().into());
        }
    };
    number("timeout", options.timeout.map(Into::into));
    number("result_ttl", options.result_ttl.map(Into::into));
    number("failure_ttl", options.failure_ttl.map(Into::into));
    number("ttl", task.expires_at.map(|until| seconds_left(task.now, until)));
    number("retries_left", options.retry.map(Into::into));
    if !options.retry_intervals.is_empty() {
        field("retry_intervals", format!("{:?}", options.retry_intervals).into());
    }
    command
}

/// `2026-11-21T03:00:00.000Z`: workers crash on an offset.
fn reading(instant: UnixMs) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(24);
    json.utc_reading(instant).raw("Z");
    json.into_bytes()
}

/// Whole seconds, at least one: RQ restarts the lifetime when it retries a job.
fn seconds_left(now: UnixMs, until: UnixMs) -> i64 {
    let left = until.since(now).as_millis().div_ceil(1000).max(1);
    i64::try_from(left).unwrap_or(i64::MAX)
}

/// The call as Python would write it.
fn description(message: &Message, options: &RqOptions) -> String {
    if let Some(description) = &options.description {
        return description.to_string();
    }
    let args = repr(&message.args);
    let args = args.strip_prefix('[').unwrap_or(&args);
    let args = args.strip_suffix(']').unwrap_or(args);
    let (comma, kwargs) = match &*message.kwargs {
        "{}" => ("", String::new()),
        kwargs => (if args.is_empty() { "" } else { ", " }, format!("**{}", repr(kwargs))),
    };
    format!("{}({args}{comma}{kwargs})", message.task)
}

/// Function, instance, args and kwargs.
fn call(message: &Message) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(64 + message.args.len() + message.kwargs.len());
    json.raw("[").string(&message.task).raw(",null,").raw(&message.args);
    json.raw(",").raw(&message.kwargs).raw("]");
    json.into_bytes()
}

/// RQ's producer pickles the call and its args as tuples.
const CALL_TUPLES: u8 = 2;

fn meta(task: &Task<'_>) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(256);
    json.raw("{").members(task.message.headers.as_deref()).provenance(task).raw("}");
    json.into_bytes()
}

/// Everything that [`check`] accepts can be pickled.
fn serialized(json: &[u8], tuples: u8, serializer: Serializer) -> Vec<u8> {
    match serializer {
        Serializer::Pickle => pickle::of_json(json, tuples).unwrap_or_default(),
        Serializer::Json => json.to_vec(),
    }
}

/// Accepts a message that can be pickled.
pub(super) fn check(message: &Message) -> Result<(), Unsendable> {
    match pickle::of_json(&call(message), CALL_TUPLES) {
        Ok(_) => Ok(()),
        Err(error) => Err(Unsendable::new("args", format!("cannot be pickled: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::worker::{Options, Worker, sample};

    fn message() -> Message {
        let mut message = sample::message("high", Worker::Rq(RqQueue::default()));
        message.headers = Some(r#"{"trace":"abc"}"#.into());
        message
    }

    /// The fields of the job, as text.
    fn fields(task: &Task<'_>) -> BTreeMap<String, String> {
        let writes = render(task, RqQueue { serializer: Serializer::Json });
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        writes.before[1][2..].chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    }

    #[test]
    fn a_job_is_rewritten_and_its_id_pushed_last() {
        let message = message();
        let task = sample::task(&message);
        let task = Task { expires_at: Some(UnixMs(1_795_230_060_001)), ..task };
        let writes = render(&task, RqQueue::default());
        let id = "00000000-0000-0000-0000-000000000001";
        let job = format!("rq:job:{id}");
        assert_eq!(writes.before[0], command(&["DEL", &job]));
        assert_eq!(writes.before[1][..2], command(&["HSET", &job]));
        assert_eq!(writes.before[2], command(&["PEXPIREAT", &job, "1795230060001"]));
        assert_eq!(writes.before[3], command(&["SADD", "rq:queues", "rq:queue:high"]));
        assert_eq!(writes.before.len(), 4);
        assert_eq!((writes.push, &*writes.key), (Push::Right, "rq:queue:high"));
        assert_eq!(writes.element, id.as_bytes());
    }

    #[test]
    fn a_job_has_the_call_and_its_origin() {
        let message = message();
        let task = sample::task(&message);
        let fields = fields(&task);
        let json = |name: &str| serde_json::from_str::<Value>(&fields[name]).unwrap();
        let call = json!(["demo.add", null, [1, "zwei"], {"deep": {"ü": [null, true]}}]);
        assert_eq!(json("data"), call);
        let meta = json!({
            "trace": "abc",
            "downbeat_entry": task.entry_name,
            "downbeat_slot": "2026-11-21T03:00:00.000Z",
            "downbeat_kind": "catch_up",
            "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
        });
        assert_eq!(json("meta"), meta);
        assert_eq!(fields["description"], "demo.add(1, 'zwei', **{'deep': {'ü': [None, True]}})");
        assert_eq!(fields["created_at"], "2026-11-21T03:00:00.250Z");
        assert_eq!(fields["enqueued_at"], fields["created_at"]);
        assert_eq!((&*fields["status"], &*fields["origin"]), ("queued", "high"));
        // Everything else is left to the worker.
        assert_eq!(fields.len(), 7, "{fields:?}");
    }

    #[test]
    fn options_and_lifetime_are_whole_seconds() {
        let mut message = message();
        message.options = Some(Box::new(Options::Rq(RqOptions {
            timeout: Some(-1),
            result_ttl: Some(0),
            failure_ttl: Some(86_400),
            retry: Some(3),
            retry_intervals: vec![1, 60],
            description: Some("my job".into()),
        })));
        let task = sample::task(&message);
        let ttl = |after_ms| {
            let expires_at = Some(UnixMs(task.now.0 + after_ms));
            fields(&Task { expires_at, ..task })["ttl"].clone()
        };
        assert_eq!((ttl(-5), ttl(1000), ttl(1001)), ("1".into(), "1".into(), "2".into()));
        let fields = fields(&task);
        let expected = [
            ("timeout", "-1"),
            ("result_ttl", "0"),
            ("failure_ttl", "86400"),
            ("retries_left", "3"),
            ("retry_intervals", "[1, 60]"),
            ("description", "my job"),
        ];
        for (name, value) in expected {
            assert_eq!(fields[name], value, "{name}");
        }
        assert!(!fields.contains_key("ttl"));
    }

    #[test]
    fn what_cannot_be_pickled_is_refused() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for args in ["nonsense", &deep] {
            let message = Message { args: args.into(), ..message() };
            assert!(
                check(&message).unwrap_err().message.starts_with("cannot be pickled"),
                "{args}"
            );
        }
        assert_eq!(check(&message()), Ok(()));
    }
}
