//! What the service has done since it started, and what stands in its way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::schedule::Kind;
use crate::schedule::planner::{Action, Item};

/// Counts and complaints.
#[derive(Debug, Default)]
pub(super) struct Tally {
    slots: BTreeMap<&'static str, u64>,
    refusals: HashMap<Arc<str>, Refusal>,
    /// Why nothing can be published at present.
    pub(super) trouble: Option<String>,
}

#[derive(Debug)]
struct Refusal {
    error: String,
    failures: u32,
    /// The write in which it failed last: all refusals of one write are one failure.
    sequence: u64,
}

impl Tally {
    /// Counts a settled item under its outcome.
    pub(super) fn count(&mut self, item: &Item) {
        let (outcome, slots) = match item.action {
            Action::Send(_) => ("dispatched", 1),
            Action::Skip { reason, count } => (reason.as_str(), count),
        };
        self.add(outcome, slots);
        if let Action::Send(kind) = item.action
            && kind != Kind::Scheduled
        {
            self.add(kind.as_str(), 1);
        }
    }

    pub(super) fn add(&mut self, outcome: &'static str, slots: u64) {
        *self.slots.entry(outcome).or_default() += slots;
    }

    /// The queue refused a message; gives how often in a row, or `None` when this write's
    /// refusals were counted already.
    pub(super) fn refused(&mut self, queue: &Arc<str>, error: &str, write: u64) -> Option<u32> {
        let fresh = || Refusal { error: error.to_owned(), failures: 0, sequence: 0 };
        let refusal = self.refusals.entry(Arc::clone(queue)).or_insert_with(fresh);
        if refusal.sequence == write {
            return None;
        }
        refusal.sequence = write;
        refusal.failures += 1;
        error.clone_into(&mut refusal.error);
        Some(refusal.failures)
    }

    /// The queue took a message; gives its name when it had refused before.
    pub(super) fn accepted(&mut self, queue: &str) -> Option<Arc<str>> {
        if self.refusals.is_empty() {
            return None;
        }
        self.refusals.remove_entry(queue).map(|(queue, _)| queue)
    }

    /// Out of office, nothing is known of how queues and broker fare.
    pub(super) fn forget_troubles(&mut self) {
        self.refusals.clear();
        self.trouble = None;
    }

    pub(super) fn slots(&self) -> BTreeMap<String, u64> {
        self.slots.iter().map(|(outcome, slots)| ((*outcome).to_owned(), *slots)).collect()
    }

    pub(super) fn refusing(&self) -> BTreeMap<String, String> {
        let words =
            |(queue, refusal): (&Arc<str>, &Refusal)| (queue.to_string(), refusal.error.clone());
        self.refusals.iter().map(words).collect()
    }
}
