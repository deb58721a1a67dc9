//! Reading and trimming the history.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use crate::schedule::outcome::Line;

/// The approximate number of slots that one `trim` drops.
pub const MAX_TRIMMED: u64 = 1_000;

/// How long to keep the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trim {
    /// The caller's lease; with another's, nothing is dropped.
    pub lease: Arc<str>,
    /// Drop records older than this.
    pub keep: Duration,
    /// Drop the oldest slots beyond this number.
    pub slots: u64,
    /// The number of an entry's outcomes to keep beyond that.
    pub outcomes: usize,
}

/// The outcome of a `trim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// Slots dropped from the journal by this call.
    pub slots: u64,
    /// Whether there is more to drop.
    pub more: bool,
}

/// The part of the history to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of this entry; `None`: of all.
    pub entry: Option<Arc<str>>,
    /// Slots from this instant on; `None`: from the oldest.
    pub from: Option<UnixMs>,
    /// Slots before this instant; `None`: up to the newest.
    pub to: Option<UnixMs>,
    /// The maximum number of events; the newest are taken.
    pub limit: usize,
}

/// What became of slots, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The events, in the order in which they were recorded.
    pub events: Vec<PastEvent>,
    /// Whether there are more events than asked for.
    pub more: bool,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEvent {
    /// When it was recorded, by the store's clock.
    pub at: UnixMs,
    /// The term of the leader that recorded it; `None` if unknown or for a manual message.
    pub term: Option<u64>,
    /// The queue; `None` if no longer known.
    pub queue: Option<Arc<str>>,
    /// What was recorded.
    pub line: Line,
}
