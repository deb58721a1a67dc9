//! A JSON object on a list (LPUSH; consumers take from the right) or in a stream (XADD, as the field
//! `message`), for workers of one's own.
//!
//! | member | value |
//! | --- | --- |
//! | `id` | the task id |
//! | `task`, `args`, `kwargs` | as the entry says; always there |
//! | `headers` | the entry's own headers, and what [`Json::provenance`] tells: `downbeat_entry`, `downbeat_slot`, `downbeat_kind`, `traceparent` |
//! | `expires` | after this a worker should drop the message: RFC 3339 in UTC, or null |

use super::json::Json;
use super::{Push, Task, Unsendable, Writes};
use crate::schedule::Message;

/// The object, in the list of the queue's name.
pub(super) fn render(task: &Task<'_>) -> Writes {
    Writes::element(Push::Left, task.message.queue.name.to_string(), object(task))
}

/// The object, in the stream of the queue's name.
pub(super) fn render_for_stream(task: &Task<'_>) -> Writes {
    Writes::element(Push::Stream, task.message.queue.name.to_string(), object(task))
}

fn object(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let mut json = Json::with_capacity(512 + message.args.len() + message.kwargs.len());
    json.raw(r#"{"id":""#).uuid(task.task_id);
    json.raw(r#"","task":"#).string(&message.task);
    json.raw(r#","args":"#).raw(&message.args);
    json.raw(r#","kwargs":"#).raw(&message.kwargs);
    json.raw(r#","headers":{"#).members(message.headers.as_deref()).provenance(task);
    json.raw(r#"},"expires":"#);
    match task.expires_at {
        None => json.raw("null"),
        Some(instant) => json.raw("\"").utc_reading(instant).raw("Z\""),
    };
    json.raw("}");
    json.into_bytes()
}

/// Only priorities mean nothing: there is one place.
pub(super) fn fits(message: &Message, place: &str) -> Result<(), Unsendable> {
    match message.priority {
        None => Ok(()),
        Some(_) => Err(Unsendable::new("priority", format!("{place} knows no priorities"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::envelope::sample;
    use crate::queue::Worker;
    use crate::schedule::UnixMs;

    #[test]
    fn the_object_holds_all_that_the_entry_says_and_where_it_comes_from() {
        let mut message = sample::message("jobs", Worker::Json);
        message.headers = Some(r#"{"campaign":"spring"}"#.into());
        let task = sample::task(&message);
        let task_expiry = Some(UnixMs(1_795_230_060_000));
        let writes = render(&super::Task { expires_at: task_expiry, ..task });
        assert_eq!((writes.push, writes.key.as_str()), (Push::Left, "jobs"));
        let object: Value = serde_json::from_slice(&writes.element).unwrap();
        let expected = json!({
            "id": task.task_id.to_string(),
            "task": "demo.add",
            "args": [1, "zwei"],
            "kwargs": {"deep": {"ü": [null, true]}},
            "headers": {
                "campaign": "spring",
                "downbeat_entry": task.entry_name,
                "downbeat_slot": "2026-11-21T03:00:00.000Z",
                "downbeat_kind": "catch_up",
                "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
            },
            "expires": "2026-11-21T03:01:00.000Z",
        });
        assert_eq!(object, expected);
        let in_stream = Writes { push: Push::Stream, ..writes };
        assert_eq!(render_for_stream(&super::Task { expires_at: task_expiry, ..task }), in_stream);
    }
}
