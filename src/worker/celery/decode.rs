//! Decodes kombu's envelope from any producer: protocols 2 and 1, bodies in JSON and in pickles of
//! plain values, possibly compressed with zlib.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::worker::decode::{inflated, instant, object, take_text};
use crate::worker::msgpack;
use crate::worker::python::{self, unpickle};
use crate::worker::{DecodeError, Waiting};

type Members = Map<String, Value>;

/// Decodes an element of a list, or the content of a file.
pub(super) fn decode(element: &[u8]) -> Result<Waiting, DecodeError> {
    let mut envelope = object(element)?;
    let Some(headers) = take_object(&mut envelope, "headers") else {
        return Err(DecodeError::Malformed("an envelope without `headers`, which workers drop"));
    };
    let properties = take_object(&mut envelope, "properties").unwrap_or_default();
    let text = |name: &str| headers.get(name).and_then(Value::as_str);
    let mut waiting = Waiting {
        task_id: text("id").map(str::to_owned),
        task: text("task").map(str::to_owned),
        not_before: text("eta").and_then(instant),
        expires_at: text("expires").and_then(instant),
        priority: properties.get("priority").and_then(Value::as_i64),
        ..Waiting::with_headers(headers.clone())
    };
    waiting.entry = waiting.entry.or_else(|| text("periodic_task_name").map(str::to_owned));
    match body(&envelope, &headers, &properties) {
        Ok(Value::Array(parts)) => {
            let mut parts = parts.into_iter();
            (waiting.args, waiting.kwargs) = (parts.next(), parts.next());
        }
        Ok(Value::Object(message)) => first_protocol(&mut waiting, message),
        Ok(_) => waiting.unread = Some("a body of another form".to_owned()),
        Err(why) => {
            waiting.unread = Some(why.to_string());
            let repr = |name: &str| text(name).filter(|repr| !["()", "{}"].contains(repr));
            let reprs: Vec<_> =
                [repr("argsrepr"), repr("kwargsrepr")].into_iter().flatten().collect();
            waiting.call = Some(reprs.join(" ")).filter(|call| !call.is_empty());
        }
    }
    Ok(waiting)
}

fn take_object(members: &mut Members, name: &str) -> Option<Members> {
    match members.shift_remove(name) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// Decodes the body, or says why it cannot be read.
pub(super) fn body(
    envelope: &Members,
    headers: &Members,
    properties: &Members,
) -> Result<Value, DecodeError> {
    let text = |members: &Members, name: &str| members.get(name)?.as_str().map(str::to_owned);
    let body = envelope.get("body").and_then(Value::as_str);
    let body = body.ok_or(DecodeError::Malformed("no body, or one that is not text"))?;
    let bytes = match text(properties, "body_encoding").as_deref() {
        Some("base64") => {
            Cow::Owned(BASE64_STANDARD.decode(body).map_err(DecodeError::BodyNotBase64)?)
        }
        _ => Cow::Borrowed(body.as_bytes()),
    };
    let bytes = match text(headers, "compression") {
        None => bytes,
        // Kombu's name for zlib.
        Some(name) if name == "application/x-gzip" => Cow::Owned(inflated(&bytes)?.into_owned()),
        Some(other) => return Err(DecodeError::Compressed(other)),
    };
    match text(envelope, "content-type").as_deref() {
        Some("application/json") => python::json::read(&bytes).map_err(DecodeError::BodyNotJson),
        Some("application/x-msgpack") => Ok(msgpack::to_json(&bytes)?),
        Some("application/x-python-serialize") => Ok(unpickle::to_json(&bytes)?),
        Some(other) => Err(DecodeError::BodyType(other.to_owned())),
        None => Err(DecodeError::Malformed("a body without a type, which ends workers")),
    }
}

/// In protocol 1, everything is in the body.
fn first_protocol(waiting: &mut Waiting, mut message: Members) {
    let time = |name: &str| message.get(name).and_then(Value::as_str).and_then(instant);
    (waiting.not_before, waiting.expires_at) = (time("eta"), time("expires"));
    waiting.task = take_text(&mut message, "task");
    waiting.task_id = take_text(&mut message, "id");
    waiting.args = message.shift_remove("args");
    waiting.kwargs = message.shift_remove("kwargs");
    waiting.headers.extend(message);
}
