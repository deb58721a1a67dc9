//! Decodes jobs from any producer: calls in JSON, and in pickles of plain values.

use downbeat_time::UnixMs;
use serde_json::{Map, Value};

use super::message::JOB;
use crate::worker::decode::{inflated, instant};
use crate::worker::python::unpickle::{self, Changed};
use crate::worker::{Bodies, DecodeError, Waiting};

/// The fields of a job's hash to read.
const FIELDS: &[&str] = &["data", "description", "enqueued_at", "created_at", "ttl", "meta"];

/// Where the jobs are.
pub(super) fn jobs() -> Bodies {
    Bodies::Hash { prefix: JOB.to_owned(), fields: FIELDS }
}

/// Decodes a job from its id and its hash.
pub(super) fn decode(element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
    let [Some(data), description, enqueued_at, created_at, ttl, meta] = stored else {
        return Err(DecodeError::Gone("its job is gone, as when it has expired"));
    };
    let text = |field: &Option<Vec<u8>>| {
        let text = String::from_utf8_lossy(field.as_deref()?).into_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    let meta = match meta.as_deref().map(value) {
        Some(Ok(Value::Object(meta))) => meta,
        _ => Map::new(),
    };
    let sent_at = text(enqueued_at).or(text(created_at)).and_then(|time| instant(&time));
    let ttl = text(ttl).and_then(|ttl| ttl.parse::<i64>().ok()).filter(|ttl| *ttl > 0);
    let expires_at = sent_at
        .zip(ttl)
        .map(|(UnixMs(sent_at), ttl)| UnixMs(sent_at.saturating_add(ttl.saturating_mul(1000))));
    let waiting = Waiting {
        task_id: Some(String::from_utf8_lossy(element).into_owned()),
        sent_at,
        expires_at,
        ..Waiting::with_headers(meta)
    };
    Ok(match call(data) {
        Ok((task, args, kwargs)) => {
            Waiting { task: Some(task), args: Some(args), kwargs: Some(kwargs), ..waiting }
        }
        Err(why) => {
            let call = text(description);
            let task = call.as_deref().and_then(|call| call.split_once('('));
            let task = task.map(|(task, _)| task.to_owned());
            Waiting { task, call, unread: Some(why.to_string()), ..waiting }
        }
    })
}

/// Function, args and kwargs.
fn call(data: &[u8]) -> Result<(String, Value, Value), DecodeError> {
    parts(value(&inflated(data)?)?)
}

fn parts(call: Value) -> Result<(String, Value, Value), DecodeError> {
    let Value::Array(parts) = call else {
        return Err(DecodeError::Malformed("a call of another form"));
    };
    match <[Value; 4]>::try_from(parts) {
        Ok(
            [Value::String(task), Value::Null, args @ Value::Array(_), kwargs @ Value::Object(_)],
        ) => Ok((task, args, kwargs)),
        Ok([Value::String(_), Value::Null, ..]) => {
            Err(DecodeError::Malformed("a call whose arguments are not a list and a mapping"))
        }
        Ok(_) => Err(DecodeError::Malformed("a call of a method of an object")),
        Err(_) => Err(DecodeError::Malformed("a call of another form")),
    }
}

/// The call of a job, to be sent again by an entry.
#[derive(Debug)]
pub(crate) struct StoredCall {
    /// The dotted path of the function.
    pub(crate) func: String,
    pub(crate) args: Value,
    pub(crate) kwargs: Value,
    /// Whether the job's serializer is JSON.
    pub(crate) is_json: bool,
    /// What became another type.
    pub(crate) changed: Changed,
}

/// Reads the field `data` of a job's hash.
pub(crate) fn stored_call(data: &[u8]) -> Result<StoredCall, DecodeError> {
    let data = inflated(data)?;
    let is_json = !is_pickle(&data);
    let (call, changed) = value_with_changes(&data)?;
    let (func, args, kwargs) = parts(call)?;
    Ok(StoredCall { func, args, kwargs, is_json, changed })
}

/// Reads the field `meta` of a job's hash.
pub(crate) fn stored_meta(meta: &[u8]) -> Result<(Map<String, Value>, Changed), DecodeError> {
    match value_with_changes(meta)? {
        (Value::Object(meta), changed) => Ok((meta, changed)),
        _ => Err(DecodeError::Malformed("`meta` is not a mapping")),
    }
}

/// Decodes a pickle or JSON.
fn value(bytes: &[u8]) -> Result<Value, DecodeError> {
    value_with_changes(bytes).map(|(value, _)| value)
}

fn value_with_changes(bytes: &[u8]) -> Result<(Value, Changed), DecodeError> {
    if is_pickle(bytes) {
        return Ok(unpickle::to_json_with_changes(bytes)?);
    }
    let value = serde_json::from_slice(bytes).map_err(DecodeError::NeitherPickleNorJson)?;
    Ok((value, Changed::default()))
}

/// A pickle of protocol 2 or later begins with the opcode of its protocol number.
fn is_pickle(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x80)
}
