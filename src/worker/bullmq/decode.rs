//! Where jobs wait, and what they say.

use downbeat_time::UnixMs;
use serde_json::Value;

use super::BullmqQueue;
use super::message::{job_key, list_keys};
use crate::worker::decode::object;
use crate::worker::{Bodies, DecodeError, Location, Next, Waiting};

/// The fields of a job's hash to read.
const FIELDS: &[&str] = &["name", "data", "opts", "timestamp", "priority"];

/// Where jobs wait: first those without priority, then by priority, then those of a paused queue.
pub(super) fn locations(queue: &str, settings: &BullmqQueue) -> Vec<Location> {
    let [wait, paused] = list_keys(queue, settings);
    let prefix = job_key(queue, settings);
    let prioritized = format!("{prefix}prioritized");
    [(wait, Next::Right), (prioritized, Next::Lowest), (paused, Next::Right)]
        .map(|(key, next)| {
            let prefix = prefix.clone();
            Location { key, next, bodies: Some(Bodies::Hash { prefix, fields: FIELDS }) }
        })
        .into()
}

/// Decodes a job from its id and its hash.
pub(super) fn decode(element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let [name, data, opts, timestamp, priority] = stored else {
        return Err(DecodeError::Malformed("an answer of another form"));
    };
    // The marker with which versions 4 and 5 wake workers.
    if element.starts_with(b"0:") {
        return Err(DecodeError::Malformed("a marker that wakes workers, no job"));
    }
    if stored.iter().all(Option::is_none) {
        return Err(DecodeError::Gone("its job is gone"));
    }
    let number = |field: &Option<Vec<u8>>| text(field.as_deref()?).parse::<i64>().ok();
    let (kwargs, unread) = match data.as_deref().map(serde_json::from_slice::<Value>) {
        None => (None, None),
        Some(Ok(data)) => (Some(data), None),
        Some(Err(error)) => (None, Some(DecodeError::NotJson(error).to_string())),
    };
    let options = object(opts.as_deref().unwrap_or(b"{}"));
    let options =
        options.map_err(|error| DecodeError::Field { field: "opts", error: error.into() })?;
    Ok(Waiting {
        task_id: Some(text(element)),
        task: name.as_deref().map(text),
        kwargs,
        unread,
        sent_at: number(timestamp).map(UnixMs),
        priority: number(priority).filter(|priority| *priority != 0),
        ..Waiting::with_headers(options)
    })
}
