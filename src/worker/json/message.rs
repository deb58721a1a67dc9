//! The object.

use serde_json::{Map, Value};

use crate::worker::decode::{self, instant, take_text};
use crate::worker::json_writer::JsonWriter;
use crate::worker::{DecodeError, Task, Waiting};

/// The object of one message.
pub(in crate::worker) fn object(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let mut json = JsonWriter::with_capacity(512 + message.args.len() + message.kwargs.len());
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
pub(in crate::worker) fn decode(element: &[u8]) -> Result<Waiting, DecodeError> {
    let mut object = decode::object(element)?;
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
