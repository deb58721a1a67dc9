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
    /// At the head of a list from whose tail workers take: `LPUSH`.
    Left,
    /// At the tail of a list from whose head workers take: `RPUSH`.
    Right,
    /// As an id of BullMQ: at the head of the list for the queue's state, after waking a worker.
    Bullmq,
    /// As the field `message` of a stream entry: `XADD`.
    Stream,
}

impl Push {
    /// The Redis command, or the word that the script uses.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Push::Left => "LPUSH",
            Push::Bullmq => "BULLMQ",
            Push::Right => "RPUSH",
            Push::Stream => "XADD",
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
        let (mut command, key) = (self.push.command(), quoted(self.key.as_bytes()));
        if self.push == Push::Bullmq {
            let marker = self.key.trim_end_matches(":wait").to_owned() + ":marker";
            writeln!(f, "ZADD {} 0 0", quoted(marker.as_bytes()))?;
            command = Push::Left.command();
        }
        write!(f, "{command} {key} {}", quoted(&self.element))
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
