//! A JSON object on a list (LPUSH; consumers take from the right) or in a stream (XADD, as the field
//! `message`), for custom workers.
//!
//! | member | value |
//! | --- | --- |
//! | `id` | the task id |
//! | `task`, `args`, `kwargs` | as the entry says; always there |
//! | `headers` | the entry's own headers, and those of [`Json::provenance`]: `downbeat_entry`, `downbeat_slot`, `downbeat_kind`, `traceparent` |
//! | `expires` | after this a worker should drop the message: RFC 3339 in UTC, or null |

use serde_json::{Map, Value};

use super::json::Json;
use super::peek::{self, Waiting, instant, take_text};
use super::{Push, Task, Unsendable, Writes};
use crate::schedule::{Message, UnixMs};

/// Writes the object to the list with the queue's name.
pub(super) fn render(task: &Task<'_>) -> Writes {
    Writes::element(Push::Left, task.message.queue.name.to_string(), object(task))
}

/// Writes the object to the stream with the queue's name.
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

/// Decodes an object from the list.
pub(super) fn decode(element: &[u8]) -> Result<Waiting, String> {
    let mut object = peek::object(element)?;
    let (headers, odd) = match object.shift_remove("headers") {
        Some(Value::Object(headers)) => (headers, None),
        other => (Map::new(), other.filter(|headers| !headers.is_null())),
    };
    let mut waiting = Waiting {
        task_id: take_text(&mut object, "id"),
        task: take_text(&mut object, "task"),
        args: object.shift_remove("args"),
        kwargs: object.shift_remove("kwargs"),
        expires_at: object.get("expires").and_then(Value::as_str).and_then(instant),
        ..Waiting::with_headers(headers)
    };
    object.shift_remove("expires");
    // Whatever else the producer added.
    waiting.headers.extend(object);
    waiting.headers.extend(odd.map(|headers| ("headers".to_owned(), headers)));
    Ok(waiting)
}

/// Decodes a stream entry: its id, and alternating fields and values. Entries of other producers may
/// lack `message`.
pub(super) fn decode_of_stream(id: &[u8], fields: &[Option<Vec<u8>>]) -> Result<Waiting, String> {
    let id = String::from_utf8_lossy(id);
    let text = |bytes: &Option<Vec<u8>>| {
        String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
    };
    let message = fields.chunks_exact(2).find(|pair| pair[0].as_deref() == Some(b"message"));
    let mut waiting = match message {
        Some(pair) => decode(pair[1].as_deref().unwrap_or_default())?,
        None => {
            let fields = fields.chunks_exact(2);
            let fields = fields.map(|pair| (text(&pair[0]), Value::String(text(&pair[1]))));
            Waiting { kwargs: Some(fields.collect()), ..Waiting::default() }
        }
    };
    // Redis takes ids from its clock: milliseconds, a hyphen, a number.
    waiting.sent_at = id.split_once('-').and_then(|(ms, _)| ms.parse().ok()).map(UnixMs);
    waiting.task_id.get_or_insert_with(|| id.into_owned());
    Ok(waiting)
}

/// Only priorities have no meaning, as there is one list or stream.
pub(super) fn validate(message: &Message, place: &str) -> Result<(), Unsendable> {
    match message.priority {
        None => Ok(()),
        Some(_) => Err(Unsendable::new("priority", format!("{place} knows no priorities"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::envelope::sample;
    use crate::queue::Worker;

    #[test]
    fn the_object_has_everything_of_the_entry_and_its_origin() {
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
