//! Where messages wait in Redis.

/// Maximum bytes of a waiting message that are read, both packed and unpacked.
pub const MAX_PEEK_BYTES: usize = 8 << 20;

/// Where messages of a queue wait in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A list, sorted set or stream.
    pub key: String,
    /// Which message is taken next.
    pub next: Next,
    /// Where the message itself is, if only its id waits.
    pub bodies: Option<Bodies>,
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
pub enum Bodies {
    /// Each in its own hash.
    Hash {
        /// The key of the hash without the id.
        prefix: String,
        /// Which fields to read.
        fields: &'static [&'static str],
    },
    /// Each as a text, of which are read: its value, the instant at which it expires (UTC ms), and the score of
    /// its id in the sorted set in which that waits.
    Text {
        /// The key of the text without the id.
        prefix: String,
    },
    /// All in one hash, by id.
    Field {
        /// The hash.
        key: String,
    },
}

impl Bodies {
    /// The key, or what all keys begin with.
    pub(super) fn into_key(self) -> String {
        match self {
            Bodies::Hash { prefix, .. } | Bodies::Text { prefix } => prefix,
            Bodies::Field { key } => key,
        }
    }
}

impl Location {
    /// Where whole messages wait.
    pub(super) fn at(key: impl Into<String>, next: Next) -> Location {
        Location { key: key.into(), next, bodies: None }
    }
}
