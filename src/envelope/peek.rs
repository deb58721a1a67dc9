//! Decodes what waits in a queue, for display only.
//!
//! Anybody may have written it. So it trusts nothing and runs nothing, and says what cannot be read.

use std::borrow::Cow;

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{bullmq, celery, dramatiq, plain, rq, sidekiq};
use crate::queue::{Queue, Worker};
use crate::schedule::UnixMs;

/// Maximum bytes of a message that are read, both packed and unpacked.
pub const MAX_BYTES: usize = 8 << 20;

/// Where messages of a queue wait in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A list, sorted set or stream.
    pub key: String,
    /// Which message is taken next.
    pub next: Next,
    /// Where the message itself is, if only its id waits.
    pub store: Option<Store>,
}

/// Which end of a list, set or stream workers take from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The head of a list.
    Left,
    /// The tail of a list.
    Right,
    /// The lowest score of a sorted set.
    Lowest,
    /// The oldest entry of a stream that some consumer group has not received.
    Oldest,
}

/// Where the messages are, if only their ids wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// Each in its own hash.
    Hash {
        /// The key of the hash without the id.
        prefix: String,
        /// Which fields to read.
        fields: &'static [&'static str],
    },
    /// All in one hash, by id.
    Field {
        /// The hash.
        key: String,
    },
}

impl Location {
    fn list(key: impl Into<String>, next: Next) -> Location {
        Location { key: key.into(), next, store: None }
    }
}

/// One message, as far as it could be read; `None` for what it does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The id that its worker uses.
    pub task_id: Option<String>,
    /// The task to run.
    pub task: Option<String>,
    /// A list, unless its producer used something else.
    pub args: Option<Value>,
    /// A mapping, unless its producer used something else.
    pub kwargs: Option<Value>,
    /// The producer's description of the call, if the arguments cannot be read.
    pub call: Option<String>,
    /// Why the arguments cannot be read.
    pub unread: Option<String>,
    /// The entry that it was sent for, if a scheduler sent it.
    pub entry: Option<String>,
    /// The slot that it was sent for.
    pub slot: Option<UnixMs>,
    /// Why downbeat sent it: one of [`Kind`](super::Kind)'s words.
    pub kind: Option<String>,
    /// When it was sent, if the message says so.
    pub sent_at: Option<UnixMs>,
    /// Workers hold it back until then.
    pub not_before: Option<UnixMs>,
    /// Workers drop it after that.
    pub expires_at: Option<UnixMs>,
    /// How urgent it is; what the number means depends on the kind.
    pub priority: Option<i64>,
    /// Everything else that the message carries, unchanged.
    pub headers: Map<String, Value>,
}

impl Waiting {
    /// A message with these `headers`; reads the ones that downbeat writes.
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

/// Where the messages of `queue` wait in Redis, in the order in which workers look.
#[must_use]
pub fn places(queue: &Queue) -> Vec<Location> {
    let name = &*queue.name;
    match &queue.worker {
        Worker::Celery(settings) => {
            let keys = celery::list_keys(name, settings);
            keys.into_iter().map(|key| Location::list(key, Next::Right)).collect()
        }
        Worker::Rq(_) => {
            let store = Some(rq::store());
            vec![Location { store, ..Location::list(rq::list_key(name), Next::Left) }]
        }
        Worker::Dramatiq(settings) => {
            let store = Some(Store::Field { key: dramatiq::messages_key(name, settings) });
            vec![Location {
                store,
                ..Location::list(dramatiq::list_key(name, settings), Next::Left)
            }]
        }
        Worker::Sidekiq(settings) => {
            vec![Location::list(sidekiq::list_key(name, settings), Next::Right)]
        }
        Worker::Bullmq(settings) => bullmq::places(name, settings),
        Worker::Json => vec![Location::list(name, Next::Right)],
        Worker::Stream(_) => vec![Location::list(name, Next::Oldest)],
    }
}

/// Decodes a message of `queue`: the waiting element, and what the place's store holds for it. In a
/// stream, the element is an entry's id, followed by alternating fields and values.
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

/// Removes a member that is a text.
pub(super) fn take_text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.get(name) {
        Some(Value::String(_)) => match members.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Parses an instant in RFC 3339; without an offset it is UTC.
pub(super) fn instant(text: &str) -> Option<UnixMs> {
    let timestamp = text.parse::<jiff::Timestamp>();
    let timestamp = timestamp.or_else(|error| {
        let reading = text.parse::<jiff::civil::DateTime>().map_err(|_| error)?;
        reading.to_zoned_datetime(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    timestamp.ok().map(UnixMs::from)
}

/// Unpacks `packed` if it is in zlib's format; else returns it unchanged.
///
/// # Errors
/// If it would be larger than [`MAX_BYTES`].
pub(super) fn inflated(packed: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    use miniz_oxide::inflate::TINFLStatus;
    match decompress_to_vec_zlib_with_limit(packed, MAX_BYTES) {
        Ok(whole) => Ok(Cow::Owned(whole)),
        Err(error) if error.status == TINFLStatus::HasMoreOutput => {
            Err(format!("larger than {} MiB when unpacked", MAX_BYTES >> 20))
        }
        Err(_) => Ok(Cow::Borrowed(packed)),
    }
}

#[cfg(test)]
mod tests;
