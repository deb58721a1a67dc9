//! Decodes jobs from any producer: in JSON, in MessagePack, and in pickles of plain values.

use downbeat_time::UnixMs;
use serde_json::Value;

use super::message::JOB;
use crate::worker::decode::take_text;
use crate::worker::python::unpickle;
use crate::worker::{Bodies, DecodeError, Waiting, msgpack};

/// Where the jobs are.
pub(super) fn jobs() -> Bodies {
    Bodies::Text { prefix: JOB.to_owned() }
}

/// Decodes a job from its id and what is stored for it: its text, when that expires, and its place in the
/// queue, the instant from which workers take it.
pub(super) fn decode(element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
    let [Some(job), expires_at, due_at] = stored else {
        return Err(DecodeError::Gone("its job is gone, as when it has expired"));
    };
    let instant = |text: &Option<Vec<u8>>| {
        let text = std::str::from_utf8(text.as_deref()?).ok()?;
        // A score may have a fraction.
        text.split('.').next()?.parse().ok().map(UnixMs)
    };
    let task_id = Some(String::from_utf8_lossy(element).into_owned());
    let expires_at = instant(expires_at);
    let mut members = match value(job) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return Err(DecodeError::Malformed("a job that is not a mapping")),
        // What it calls is in there as well.
        Err(why) => {
            let unread = Some(why.to_string());
            return Ok(Waiting { task_id, expires_at, unread, ..Waiting::default() });
        }
    };
    let sent_at = members.shift_remove("et").and_then(|at| at.as_i64()).map(UnixMs);
    let Some(task) = take_text(&mut members, "f") else {
        return Err(DecodeError::Malformed("a job without a function, which no worker runs"));
    };
    if let Some(Value::Null) = members.get("t") {
        members.shift_remove("t");
    }
    Ok(Waiting {
        task_id,
        task: Some(task),
        args: members.shift_remove("a"),
        kwargs: members.shift_remove("k"),
        sent_at,
        not_before: instant(due_at).filter(|due_at| is_deferred(*due_at, sent_at)),
        expires_at,
        ..Waiting::with_headers(members)
    })
}

/// Whether a job was to wait from the start. One that is due at once has a score by the clock of whoever pushed
/// it, which may be ahead of the clock that says when it was made.
fn is_deferred(UnixMs(due_at): UnixMs, sent_at: Option<UnixMs>) -> bool {
    sent_at.is_some_and(|UnixMs(sent_at)| due_at > sent_at.saturating_add(1000))
}

/// Reads JSON, MessagePack or a pickle. A pickle begins with the byte 0x80, as only an empty mapping does in
/// MessagePack, and that is no job.
pub(super) fn value(bytes: &[u8]) -> Result<Value, DecodeError> {
    match bytes.first() {
        Some(0x80) => Ok(unpickle::to_json(bytes)?),
        Some(0x81..) => Ok(msgpack::to_json(bytes)?),
        _ => serde_json::from_slice(bytes).map_err(DecodeError::NotJson),
    }
}
