//! What a message writes to Redis.

use std::fmt;

use crate::escape::is_hidden;

/// What one message writes to Redis, all in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Commands that come first, such as one that writes a hash which the list's element names.
    /// Repeating them does no harm.
    pub before: Vec<RedisCommand>,
    /// How to push the element.
    pub push: Push,
    /// The list or stream.
    pub key: String,
    /// What a worker takes from there.
    pub element: Vec<u8>,
}

/// A Redis command: its name and arguments.
pub type RedisCommand = Vec<Vec<u8>>;

/// How an element is pushed to where workers take it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// At the head of a list: `LPUSH`.
    Left,
    /// At the tail of a list: `RPUSH`.
    Right,
    /// As an id in a sorted set, scored by the store's time in milliseconds, from which on workers take it:
    /// `ZADD`.
    Due,
    /// As the id of an RQ job that depends on others: to the list of the queue, or to those that wait for the
    /// others.
    RqDependent,
    /// As an id of BullMQ: at the head of the list for the queue's state, after waking a worker.
    Bullmq,
    /// As the field `message` of a stream entry: `XADD`.
    Stream,
    /// To every subscriber of a channel, and refused if there is none: `PUBLISH`.
    Publish,
    /// As the field `data` of a stream entry, where taskiq's workers look: `XADD`.
    TaskiqStream,
}

impl Push {
    /// The Redis command, or the word that the script uses.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Push::Left => "LPUSH",
            Push::Bullmq => "BULLMQ",
            Push::Right => "RPUSH",
            Push::Due => "ZADD",
            Push::RqDependent => "RQ",
            Push::Stream => "XADD",
            Push::Publish => "PUBLISH",
            Push::TaskiqStream => "TASKIQ",
        }
    }
}

impl Writes {
    /// One element and no other commands.
    pub(super) fn element(push: Push, key: String, element: Vec<u8>) -> Writes {
        Writes { before: Vec::new(), push, key, element }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let before: usize = self.before.iter().flatten().map(Vec::len).sum();
        before + self.element.len()
    }
}

/// The commands as one could type them, or only the element if there are no commands.
impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.before.is_empty() {
            return f.write_str(&String::from_utf8_lossy(&self.element));
        }
        for command in &self.before {
            let words: Vec<_> = command.iter().map(|word| quoted(word)).collect();
            writeln!(f, "{}", words.join(" "))?;
        }
        let (key, element) = (quoted(self.key.as_bytes()), quoted(&self.element));
        match self.push {
            Push::Left => write!(f, "LPUSH {key} {element}"),
            // Unless RQ would hold it back.
            Push::Right | Push::RqDependent => write!(f, "RPUSH {key} {element}"),
            Push::Due => write!(f, "ZADD {key} $(date +%s%3N) {element}"),
            Push::Bullmq => {
                let marker = self.key.trim_end_matches(":wait").to_owned() + ":marker";
                write!(f, "ZADD {} 0 0\nLPUSH {key} {element}", quoted(marker.as_bytes()))
            }
            Push::Stream => write!(f, "XADD {key} * message {element}"),
            Push::TaskiqStream => write!(f, "XADD {key} * data {element}"),
            Push::Publish => write!(f, "PUBLISH {key} {element}"),
        }
    }
}

/// A word as `redis-cli` reads it.
fn quoted(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:/*+".contains(byte);
    match std::str::from_utf8(word) {
        Ok(text) if !word.is_empty() && word.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.contains(|c: char| is_hidden(c) || c == '\'') => format!("'{text}'"),
        _ => format!("\"{}\"", word.escape_ascii()),
    }
}
