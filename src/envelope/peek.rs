//! What waits in a queue, made out from what workers would take: for eyes only.
//!
//! Anybody may have written it. So nothing is believed, nothing is run, and what cannot be read is
//! told in words.

use std::borrow::Cow;

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{bullmq, celery, dramatiq, plain, rq, sidekiq};
use crate::queue::{Queue, Worker};
use crate::schedule::UnixMs;

/// A message is not read beyond so many bytes, neither as it lies there nor unpacked.
pub const MOST_BYTES: usize = 8 << 20;

/// Where messages of a queue wait on Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A list, sorted set or stream.
    pub key: String,
    /// Which one is taken next.
    pub next: Next,
    /// Where the message itself is, if only its id waits.
    pub store: Option<Store>,
}

/// Which end of a place is taken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The first of a list.
    Left,
    /// The last of a list.
    Right,
    /// The one of the lowest score in a sorted set.
    Lowest,
    /// The oldest of a stream that some group of consumers has not been given.
    Oldest,
}

/// Where messages are of which only the ids wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// Each in a hash of its own.
    Hash {
        /// Stands in front of the id in the key.
        prefix: String,
        /// What to read of it.
        fields: &'static [&'static str],
    },
    /// All in one hash, each under its id.
    Field {
        /// The hash.
        key: String,
    },
}

impl Place {
    fn list(key: impl Into<String>, next: Next) -> Place {
        Place { key: key.into(), next, store: None }
    }
}

/// One message, as far as it can be made out; `None` is what it does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The id that its worker goes by.
    pub task_id: Option<String>,
    /// What is to run.
    pub task: Option<String>,
    /// A list, unless its producer thought otherwise.
    pub args: Option<Value>,
    /// A mapping, unless its producer thought otherwise.
    pub kwargs: Option<Value>,
    /// What its producer says of the arguments, where they cannot be read.
    pub call: Option<String>,
    /// Why they cannot be read.
    pub unread: Option<String>,
    /// The entry that it was sent for, if a scheduler sent it.
    pub entry: Option<String>,
    /// The slot that it was sent for.
    pub slot: Option<UnixMs>,
    /// Why downbeat sent it: one of [`Kind`](super::Kind)'s words.
    pub kind: Option<String>,
    /// When it was sent, where the kind tells.
    pub sent_at: Option<UnixMs>,
    /// Workers hold it back until then.
    pub not_before: Option<UnixMs>,
    /// Workers drop it after that.
    pub expires_at: Option<UnixMs>,
    /// How urgent it is; what the number means depends on the kind.
    pub priority: Option<i64>,
    /// All that travels beside the arguments, as it is.
    pub headers: Map<String, Value>,
}

impl Waiting {
    /// One that carries `headers`, of which those that downbeat writes are read.
    pub(super) fn with_headers(headers: Map<String, Value>) -> Waiting {
        let text = |name: &str| headers.get(name).and_then(Value::as_str);
        Waiting {
            entry: text("downbeat_entry").map(str::to_owned),
            slot: text("downbeat_slot").and_then(instant),
            kind: text("downbeat_kind").map(str::to_owned),
            headers,
            ..Waiting::default()
        }
    }
}

/// Where to look for the messages of `queue` on Redis, in the order in which workers do.
#[must_use]
pub fn places(queue: &Queue) -> Vec<Place> {
    let name = &*queue.name;
    match &queue.worker {
        Worker::Celery(settings) => {
            let keys = celery::list_keys(name, settings);
            keys.into_iter().map(|key| Place::list(key, Next::Right)).collect()
        }
        Worker::Rq(_) => {
            let store = Some(rq::store());
            vec![Place { store, ..Place::list(rq::list_key(name), Next::Left) }]
        }
        Worker::Dramatiq(settings) => {
            let store = Some(Store::Field { key: dramatiq::messages_key(name, settings) });
            vec![Place { store, ..Place::list(dramatiq::list_key(name, settings), Next::Left) }]
        }
        Worker::Sidekiq(settings) => {
            vec![Place::list(sidekiq::list_key(name, settings), Next::Right)]
        }
        Worker::Bullmq(settings) => bullmq::places(name, settings),
        Worker::Json => vec![Place::list(name, Next::Right)],
        Worker::Stream(_) => vec![Place::list(name, Next::Oldest)],
    }
}

/// Reads a message of `queue`: what waits in its place, and what the place's store holds for that.
/// Of a stream it is the id of an entry, and its fields and values by turns.
///
/// # Errors
/// What is wrong with it, in a few words.
pub fn read(queue: &Queue, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, String> {
    match &queue.worker {
        Worker::Celery(_) => celery::decode(element),
        Worker::Rq(_) => rq::decode(element, stored),
        Worker::Dramatiq(_) => dramatiq::decode(stored),
        Worker::Sidekiq(_) => sidekiq::decode(element),
        Worker::Bullmq(_) => bullmq::decode(element, stored),
        Worker::Json => plain::decode(element),
        Worker::Stream(_) => plain::decode_of_stream(element, stored),
    }
}

/// A JSON object.
pub(super) fn object(json: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

/// Takes a member that is a text.
pub(super) fn take_text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.get(name) {
        Some(Value::String(_)) => match members.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// An instant in RFC 3339, or without an offset, which means UTC.
pub(super) fn instant(text: &str) -> Option<UnixMs> {
    let timestamp = text.parse::<jiff::Timestamp>();
    let timestamp = timestamp.or_else(|error| {
        let reading = text.parse::<jiff::civil::DateTime>().map_err(|_| error)?;
        reading.to_zoned_datetime(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    timestamp.ok().map(UnixMs::from)
}

/// What `packed` holds in zlib's form, or `packed` itself if it has another.
///
/// # Errors
/// When it would be larger than [`MOST_BYTES`].
pub(super) fn inflated(packed: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    use miniz_oxide::inflate::TINFLStatus;
    match decompress_to_vec_zlib_with_limit(packed, MOST_BYTES) {
        Ok(whole) => Ok(Cow::Owned(whole)),
        Err(error) if error.status == TINFLStatus::HasMoreOutput => {
            Err(format!("larger than {} MiB when unpacked", MOST_BYTES >> 20))
        }
        Err(_) => Ok(Cow::Borrowed(packed)),
    }
}

#[cfg(test)]
mod tests;
