//! How far each entry has come, and what a store knows of a namespace's schedule.

use std::collections::HashMap;
use std::sync::Arc;

use super::outcome::{Line, Outcome};
use super::registration::Registration;
use super::unix_ms::UnixMs;

/// No more runs of slots settled ahead are remembered of one entry; further ones are merged with the
/// last, so that what lies between counts as settled, too.
pub const MAX_RUNS: usize = 20;

/// Slots of one entry from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first slot.
    pub first: UnixMs,
    /// The last slot; never earlier than the first.
    pub last: UnixMs,
}

/// How far one entry has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every slot up to here is settled.
    pub through: UnixMs,
    /// What became of the newest settled slot; `None` where that is not known.
    pub outcome: Option<Outcome>,
    /// The newest slot that was dispatched, whatever its registration.
    pub dispatched: Option<UnixMs>,
    /// How many slots of this registration were dispatched; kept for entries with a limit only.
    pub count: u64,
    /// Slots later than `through` that were dispatched while a clock was ahead, in order: they are
    /// passed over. At most [`MAX_RUNS`].
    pub ahead: Vec<Run>,
}

impl Progress {
    /// Progress of which nothing but the instant is known.
    #[must_use]
    pub fn through(through: UnixMs) -> Progress {
        Progress { through, ..Progress::default() }
    }

    /// Takes in a line of the journal that is newer than all taken in before. Lines up to `through`
    /// were folded already; manual messages never move progress.
    pub fn take_in(&mut self, line: &Line) {
        if !line.outcome.is_scheduled() || line.slot <= self.through {
            return;
        }
        self.through = line.slot;
        self.outcome = Some(line.outcome);
        if matches!(line.outcome, Outcome::Dispatched(_)) {
            self.dispatched = Some(line.slot);
            self.count += 1;
        }
        self.ahead.retain(|run| run.last > line.slot);
    }
}

/// What a store's records are worth as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// The namespace was never used here, or everything of it was deleted.
    #[default]
    Empty,
    /// Everything that was recorded is there.
    Whole,
    /// Records are missing, and of which entries is not known: part of the journal, or a whole hash.
    Damaged,
}

/// Everything a store holds of a namespace's schedule, read in one go, with the journal replayed.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The store's clock at the moment of reading.
    pub now: UnixMs,
    /// The sequence number that the next fenced write must name.
    pub sequence: u64,
    /// Whether anything is missing.
    pub completeness: Completeness,
    /// By entry name.
    pub registrations: HashMap<Box<str>, Registration>,
    /// By entry name.
    pub progress: HashMap<Box<str>, Progress>,
    /// The slot that a carrier may have taken, if it is later than the entry's progress, by entry
    /// name.
    pub intents: HashMap<Box<str>, UnixMs>,
    /// The names of entries of which something cannot be read, and what; at most 100.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// How many entries that is in all.
    pub unreadable_count: usize,
}
