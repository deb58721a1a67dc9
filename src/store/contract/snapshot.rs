//! What a store holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use downbeat_time::UnixMs;

use crate::schedule::progress::{Completeness, Progress};
use crate::schedule::registration::Registration;
use crate::store::journal::{Record, RecordId};

/// The contents of a store.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The store's clock.
    pub now: UnixMs,
    /// The sequence number that the next fenced write must name.
    pub sequence: u64,
    /// Whether anything but the journal is missing: the marker, or a hash's seal.
    pub completeness: Completeness,
    /// By entry name.
    pub registrations: Vec<(Box<str>, Registration)>,
    /// By entry name, as of `folded`.
    pub progress: Vec<(Box<str>, Progress)>,
    /// By entry name, the slot that a carrier may have taken.
    pub intents: Vec<(Box<str>, UnixMs)>,
    /// The newest folded record; `None` before the first fold.
    pub folded: Option<RecordId>,
    /// The newest record; `None` before the first.
    pub head: Option<RecordId>,
    /// The existing records after `folded`, oldest first.
    pub journal: Vec<Record>,
    /// Entries with unreadable values, and what is unreadable; at most 100.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// The total number of unreadable values.
    pub unreadable_count: usize,
}

/// The number of slots by queue and outcome, manual messages included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<(Arc<str>, &'static str), u64>);

/// The maximum number of queues with counters of their own.
pub const MAX_COUNTED_QUEUES: usize = 200;
/// The name that the other queues are counted under.
pub const OTHER_QUEUES: &str = "(other)";
