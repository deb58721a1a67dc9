//! Outcomes: what became of slots.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::kind::Kind;

/// The reason why a slot is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SkipReason {
    /// Older than the entry's `within` (with `catch_up: none`: than the grace).
    TooLate,
    /// A newer missed slot of the same entry is sent instead.
    Superseded,
    /// Its message's own `expires` has passed.
    Expired,
    /// The entry's timing was edited, or the entry removed, while the slot was due.
    Retimed,
    /// The queue held as many messages as the entry's `max_queued`, or more.
    QueueFull,
    /// The task of the entry's last dispatched slot was still running.
    StillRunning,
    /// The entry was paused.
    Paused,
    /// The records of its outcome are lost.
    Unknown,
}

impl SkipReason {
    /// All reasons.
    pub const ALL: [SkipReason; 8] = [
        SkipReason::TooLate,
        SkipReason::Superseded,
        SkipReason::Expired,
        SkipReason::Retimed,
        SkipReason::QueueFull,
        SkipReason::StillRunning,
        SkipReason::Paused,
        SkipReason::Unknown,
    ];

    /// The word in the journal, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SkipReason::TooLate => "too_late",
            SkipReason::Superseded => "superseded",
            SkipReason::Expired => "expired",
            SkipReason::Retimed => "retimed",
            SkipReason::QueueFull => "queue_full",
            SkipReason::StillRunning => "still_running",
            SkipReason::Paused => "paused",
            SkipReason::Unknown => "unknown",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of a slot, or of a run of skipped slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its message was sent, for this reason.
    Dispatched(Kind),
    /// It was skipped, for this reason.
    Skipped(SkipReason),
}

impl Outcome {
    /// The word in the journal, metrics and the history: a kind or a reason.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Dispatched(kind) => kind.as_str(),
            Outcome::Skipped(reason) => reason.as_str(),
        }
    }

    /// The outcome with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Outcome> {
        let kinds = Kind::ALL.into_iter().map(Outcome::Dispatched);
        let mut all = kinds.chain(SkipReason::ALL.into_iter().map(Outcome::Skipped));
        all.find(|outcome| outcome.as_str() == word)
    }

    /// Whether the slot belongs to the schedule: manual messages never move it.
    #[must_use]
    pub fn is_scheduled(self) -> bool {
        !matches!(self, Outcome::Dispatched(Kind::Manual | Kind::Backfill))
    }
}

/// One line of the journal: the outcome of one slot, or of a run of skipped slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The entry's name.
    pub entry: Arc<str>,
    /// The slot; for a run, the newest.
    pub slot: UnixMs,
    /// What became of it.
    pub outcome: Outcome,
    /// The number of slots: 1, or more for a run (10,000 means "or more").
    pub count: u64,
    /// The first of several slots whose records were lost.
    pub first: Option<UnixMs>,
    /// The time from slot to due time: its jitter.
    pub delay: Duration,
    /// A manual message's id. Scheduled ones follow from entry and slot.
    pub task_id: Option<Uuid>,
    /// Who asked for a manual message, or who paused the slot.
    pub by: Option<Box<str>>,
    /// Why the slot was paused.
    pub note: Option<Box<str>>,
}

impl Line {
    /// Creates a line for a single scheduled slot, due at once.
    #[must_use]
    pub fn new(entry: Arc<str>, slot: UnixMs, outcome: Outcome) -> Line {
        let (count, delay) = (1, Duration::ZERO);
        Line {
            entry,
            slot,
            outcome,
            count,
            first: None,
            delay,
            task_id: None,
            by: None,
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_found_by_its_word() {
        for kind in Kind::ALL {
            let outcome = Outcome::Dispatched(kind);
            assert_eq!(Outcome::from_word(outcome.as_str()), Some(outcome));
        }
        for reason in SkipReason::ALL {
            let outcome = Outcome::Skipped(reason);
            assert_eq!(Outcome::from_word(outcome.as_str()), Some(outcome));
        }
        assert_eq!(Outcome::from_word("dispatched"), None);
    }
}
