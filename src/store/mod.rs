//! Where messages and records go. A store keeps lease, journal and progress of one namespace, and takes
//! messages in the step that records them. [`contract`] says what every store promises.

pub mod contract;
pub mod journal;
pub mod last_outcomes;
pub mod memory;
pub(crate) mod model;
mod open_backfills;
pub mod redis;
pub mod spool;
pub mod text;

use std::sync::Arc;

use crate::envelope::Writes;
use crate::queue::Queue;

/// What a fenced write must match to be done at all.
#[derive(Clone, Debug)]
pub struct Fence {
    /// `"<term> <holder>"`, as the lease holds it.
    pub lease: Arc<str>,
    /// The sequence number that the last write known to the caller has left behind.
    pub sequence: u64,
    /// The sequence number that this write leaves behind.
    pub next: u64,
}

impl Fence {
    /// The write after the one that left `sequence` behind.
    ///
    /// Numbers grow by steps drawn at random. So the next request can be sent before the reply to this
    /// one is there: should this one do nothing, or the store forget it, the number that the next
    /// one names is none that the store could have by another way.
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
    /// Where it goes.
    pub queue: Arc<Queue>,
    /// What its workers take.
    pub writes: Writes,
    /// What to tell Celery's event consumers once it is there; see [`event`](crate::envelope::event).
    pub event: Option<Vec<u8>>,
}

/// What was found where messages wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Peeked {
    /// Messages, or none.
    There {
        /// How many wait in all, as far as that can be counted.
        total: u64,
        /// Who reads a stream.
        groups: Vec<Group>,
        /// The first of them, in the order in which they are taken.
        found: Vec<Found>,
    },
    /// Something that messages of this kind cannot be in.
    Wrong {
        /// Where.
        key: String,
        /// What it is instead.
        found: String,
    },
}

/// One message of those that wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// All of it.
    Whole {
        /// The number of its place, from 0 on.
        place: usize,
        /// What a worker would take from there.
        element: Vec<u8>,
        /// What is kept for it elsewhere.
        stored: Vec<Option<Vec<u8>>>,
    },
    /// It was left where it is.
    TooLarge {
        /// The number of its place, from 0 on.
        place: usize,
        /// Its size.
        bytes: u64,
    },
}

/// A group of consumers of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many entries it was not given, if Redis can tell.
    pub lag: Option<u64>,
    /// How many it was given and has not acknowledged.
    pub pending: u64,
}
