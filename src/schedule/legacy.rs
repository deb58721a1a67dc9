//! What is known of each entry: since when it is live, and how far it has come.

use std::collections::HashMap;
use std::time::Duration;

use super::entry::Entry;
use super::unix_ms::UnixMs;

/// Records of entries that left the schedule are kept this long, so that an entry which comes back
/// is not taken for one whose slots were never sent.
pub const RETIRED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

pub use super::outcome::SkipReason;

/// One stay of an entry in the schedule with one timing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The timing in its canonical form; `None` once the entry has left the schedule.
    pub timing: Option<Box<str>>,
    /// No slot at or before this instant fires. Of a retired entry: when it left.
    pub since: UnixMs,
}

/// Everything the broker holds of a namespace's schedule, read in one go.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The broker's clock at the moment of reading.
    pub now: UnixMs,
    /// The sequence number that the next fenced write must name.
    pub sequence: u64,
    /// `false` when the namespace was never used here or its keys were flushed.
    pub marked: bool,
    /// By entry name.
    pub lives: HashMap<Box<str>, Life>,
    /// The last slot settled (dispatched or skipped), by entry name.
    pub progress: HashMap<Box<str>, UnixMs>,
    /// The slot that an AMQP broker may have taken, if it is later than the entry's progress, by
    /// entry name.
    pub intents: HashMap<Box<str>, UnixMs>,
    /// How many slots of its last life were dispatched, by name of an entry with a limit.
    pub sent: HashMap<Box<str>, u64>,
}

impl State {
    /// How far the entry has come with its present timing.
    #[must_use]
    pub fn progress_of(&self, entry: &Entry) -> Progress {
        let name = &*entry.name;
        let sent = self.sent.get(name).filter(|_| {
            let timing = self.lives.get(name).and_then(|life| life.timing.as_deref());
            timing == Some(&*entry.canonical_timing())
        });
        Progress { last: self.progress.get(name).copied(), sent: sent.copied().unwrap_or(0) }
    }
}

/// How far one entry has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last slot settled, in this life or one before it.
    pub last: Option<UnixMs>,
    /// Slots dispatched in this life, if the entry has a limit.
    pub sent: u64,
}

/// One fenced write that changes which entries are live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifeChange {
    /// A life begins, or a remembered one is written down again.
    Begin {
        /// The entry's name.
        entry: Box<str>,
        /// Its timing in canonical form.
        timing: Box<str>,
        /// No slot at or before this instant fires; the broker raises it to the entry's last
        /// progress.
        since: UnixMs,
        /// Progress to write along with it, when the broker has lost its own.
        settled: Option<UnixMs>,
        /// The slots that this life has dispatched, of an entry with a limit.
        sent: u64,
    },
    /// The entry left the schedule or was disabled.
    Retire {
        /// The entry's name.
        entry: Box<str>,
        /// When.
        at: UnixMs,
    },
    /// The records of an entry that left long ago are dropped.
    Forget {
        /// The entry's name.
        entry: Box<str>,
    },
}
