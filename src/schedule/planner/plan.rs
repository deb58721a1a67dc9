//! What a plan says of each due slot.

use std::sync::Arc;

use downbeat_time::UnixMs;

use crate::schedule::entry::Entry;
use crate::schedule::kind::Kind;
use crate::schedule::outcome::{Line, Outcome, SkipReason};

/// What to do now, and when to plan again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Most urgent first; the items of one entry are together, oldest slot first.
    pub items: Vec<Item>,
    /// The next instant at which a plan can have items; `MAX` if never. If there are items, it is now: settling
    /// them shows what comes next.
    pub wake_at: UnixMs,
}

/// One slot to send, or one run of slots to skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Index of the entry in the schedule.
    pub entry: u32,
    /// The slot; for a run, the newest.
    pub slot: UnixMs,
    /// What to do with it.
    pub action: Action,
}

/// What to do with a due slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish it.
    Send(Kind),
    /// Record that it is skipped; `count` slots in all (10,000 means "or more").
    Skip {
        /// Why.
        reason: SkipReason,
        /// The number of slots, this one and those before it.
        count: u64,
    },
}

impl Item {
    /// The same slot, recorded by the store as skipped.
    #[must_use]
    pub fn skipped(self, reason: SkipReason) -> Item {
        Item { action: Action::Skip { reason, count: 1 }, ..self }
    }

    /// The outcome if it is carried out.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.action {
            Action::Send(kind) => Outcome::Dispatched(kind),
            Action::Skip { reason, .. } => Outcome::Skipped(reason),
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(self.action, Action::Send(_))
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.action == Action::Send(Kind::CatchUp)
    }

    /// The line to record for it; `entry` is the item's entry.
    #[must_use]
    pub fn line(&self, entry: &Entry) -> Line {
        let (outcome, count) = (self.outcome(), self.count());
        let delay = entry.due(self.slot).since(self.slot);
        Line { count, delay, ..Line::new(Arc::clone(&entry.name), self.slot, outcome) }
    }

    /// The number of slots.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self.action {
            Action::Send(_) => 1,
            Action::Skip { count, .. } => count,
        }
    }
}
