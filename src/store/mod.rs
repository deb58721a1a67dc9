//! Stores: where messages and records go. A store keeps one namespace's lease, journal and progress, and takes
//! messages in the step that records them. [`contract`] says what every store promises.

pub mod contract;
pub mod journal;
pub(crate) mod keep_alive;
pub mod last_outcomes;
pub mod memory;
pub(crate) mod model;
mod open_backfills;
pub mod redis;
mod retention;
pub mod spool;
pub mod text;

use std::sync::Arc;

use crate::worker::{Queue, Writes};

pub use self::retention::Retention;

/// The condition for a write: the store carries it out only if all of it matches.
#[derive(Clone, Debug)]
pub struct Fence {
    /// `"<term> <holder>"`, as in the lease.
    pub lease: Arc<str>,
    /// The sequence number that the last write known to the caller left behind.
    pub sequence: u64,
    /// The sequence number that this write leaves behind.
    pub next: u64,
}

impl Fence {
    /// The fence for the write after the one that left `sequence` behind.
    ///
    /// Numbers grow by random steps, so the next request can be sent before this one is answered: if this one
    /// does nothing, or the store forgets it, the store can never reach the number that the next one names.
    #[must_use]
    pub fn after(lease: &Arc<str>, sequence: u64) -> Fence {
        Fence::drawn(lease, sequence, &mut fastrand::Rng::new())
    }

    /// The same, with a step drawn from `rng`.
    #[must_use]
    pub fn drawn(lease: &Arc<str>, sequence: u64, rng: &mut fastrand::Rng) -> Fence {
        let next = sequence.saturating_add(rng.u64(1..1 << 20));
        Fence { lease: Arc::clone(lease), sequence, next }
    }
}

/// A message for a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The queue that it goes to.
    pub queue: Arc<Queue>,
    /// The commands that write it.
    pub writes: Writes,
    /// The event for Celery's consumers once the message is sent; see [`event`](crate::worker::event).
    pub event: Option<Vec<u8>>,
}

/// The result of looking at a queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Peeked {
    /// Messages, or none.
    Messages {
        /// The number of waiting messages, as far as it can be counted.
        total: u64,
        /// The consumer groups of a stream.
        groups: Vec<Group>,
        /// The first messages, in the order in which workers take them.
        found: Vec<Found>,
    },
    /// A key holds something that cannot be messages of this kind.
    Unexpected {
        /// The key.
        key: String,
        /// What it holds instead.
        found: String,
    },
}

/// One waiting message.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The whole message.
    Whole {
        /// Its position, from 0.
        place: usize,
        /// What a worker would take from there.
        element: Vec<u8>,
        /// What is stored for it under other keys.
        stored: Vec<Option<Vec<u8>>>,
    },
    /// The message is too large and was not read.
    TooLarge {
        /// Its position, from 0.
        place: usize,
        /// Its size in bytes.
        bytes: u64,
    },
}

/// A stream's consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The number of entries not delivered to it yet, if Redis knows.
    pub lag: Option<u64>,
    /// The number of entries delivered but not acknowledged.
    pub pending: u64,
}
