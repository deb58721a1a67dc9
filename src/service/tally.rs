//! What the service has done since it started, and what stands in its way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::lateness::Lateness;
use super::status::QueueStatus;
use crate::schedule::legacy::SkipReason;
use crate::schedule::legacy_planner::{Action, Item};
use crate::schedule::{Entry, Kind, Schedule};

/// So many queues are counted apart.
const MOST_QUEUES: usize = 200;
/// The rest, and queues that only a trigger named, are counted under this name.
const OTHER: &str = "(other)";

/// Counts and complaints.
#[derive(Debug, Default)]
pub(super) struct Tally {
    queues: HashMap<Arc<str>, Counts>,
    others: Counts,
    pub(super) lateness: Lateness,
    /// Calls of the broker that failed.
    pub(super) broker_errors: u64,
    refusals: HashMap<Arc<str>, Refusal>,
    /// Why nothing can be published at present.
    pub(super) trouble: Option<String>,
}

/// Of one queue.
#[derive(Debug, Default)]
struct Counts {
    dispatched: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<&'static str, u64>,
    unanswered: u64,
}

#[derive(Debug)]
struct Refusal {
    error: String,
    failures: u32,
    /// The write in which it failed last: all refusals of one write are one failure.
    sequence: u64,
}

impl Tally {
    /// Counts the queues of a schedule apart from now on. Those of an earlier one keep their counts.
    pub(super) fn admit(&mut self, schedule: &Schedule) {
        for entry in &schedule.entries {
            if self.queues.len() >= MOST_QUEUES {
                break;
            }
            let queue = &entry.message.queue.name;
            if !self.queues.contains_key(queue) {
                self.queues.insert(Arc::clone(queue), Counts::default());
            }
        }
    }

    /// Counts a settled item under its outcome.
    pub(super) fn count(&mut self, item: &Item, entry: &Entry) {
        match item.action {
            Action::Send(kind) => self.dispatched(&entry.message.queue.name, kind),
            Action::Skip { reason, count } => {
                self.skipped(&entry.message.queue.name, reason, count)
            }
        }
    }

    pub(super) fn dispatched(&mut self, queue: &str, kind: Kind) {
        *self.counts(queue).dispatched.entry(kind.as_str()).or_default() += 1;
    }

    pub(super) fn skipped(&mut self, queue: &str, reason: SkipReason, slots: u64) {
        *self.counts(queue).skipped.entry(reason.as_str()).or_default() += slots;
    }

    /// A slot of which it is not known whether it was dispatched or skipped.
    pub(super) fn unanswered(&mut self, queue: &str) {
        self.counts(queue).unanswered += 1;
    }

    fn counts(&mut self, queue: &str) -> &mut Counts {
        self.queues.get_mut(queue).unwrap_or(&mut self.others)
    }

    /// A slot was sent in time, so long after its due time.
    pub(super) fn late(&mut self, lateness: Duration) {
        self.lateness.add(u64::try_from(lateness.as_millis()).unwrap_or(u64::MAX));
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

    /// Slots by outcome, those that there were.
    pub(super) fn slots(&self) -> BTreeMap<String, u64> {
        let mut slots = BTreeMap::new();
        let mut add = |outcome: &str, count: u64| {
            if count > 0 {
                *slots.entry(outcome.to_owned()).or_default() += count;
            }
        };
        for counts in self.queues.values().chain([&self.others]) {
            for (kind, count) in &counts.dispatched {
                let by_hand = [Kind::Manual, Kind::Backfill].map(Kind::as_str);
                if !by_hand.contains(kind) {
                    add("dispatched", *count);
                }
                if *kind != Kind::Scheduled.as_str() {
                    add(kind, *count);
                }
            }
            counts.skipped.iter().for_each(|(reason, count)| add(reason, *count));
            add("unanswered", counts.unanswered);
        }
        slots
    }

    /// Every outcome of every queue, so that a count is seen to begin at zero.
    pub(super) fn queues(&self) -> BTreeMap<String, QueueStatus> {
        let named = |queue: &Arc<str>, counts: &Counts| (queue.to_string(), counts.status());
        let queues = self.queues.iter().map(|(queue, counts)| named(queue, counts));
        let others = Some((OTHER.to_owned(), self.others.status()));
        queues.chain(others.filter(|_| !self.others.is_empty())).collect()
    }

    pub(super) fn refusing(&self) -> BTreeMap<String, String> {
        let words =
            |(queue, refusal): (&Arc<str>, &Refusal)| (queue.to_string(), refusal.error.clone());
        self.refusals.iter().map(words).collect()
    }
}

impl Counts {
    fn is_empty(&self) -> bool {
        self.dispatched.is_empty() && self.skipped.is_empty() && self.unanswered == 0
    }

    fn status(&self) -> QueueStatus {
        let dispatched = Kind::ALL.map(Kind::as_str).map(|kind| (kind, 0));
        let skipped = SkipReason::ALL.map(SkipReason::as_str).map(|reason| (reason, 0));
        let all = |none: &[(&'static str, u64)], counted: &BTreeMap<&'static str, u64>| {
            let both = none.iter().copied().chain(counted.iter().map(|(name, n)| (*name, *n)));
            both.map(|(name, count)| (name.into(), count)).collect()
        };
        QueueStatus {
            dispatched: all(&dispatched, &self.dispatched),
            skipped: all(&skipped, &self.skipped),
            unanswered: self.unanswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;
    use crate::schedule::sample;

    fn schedule_of(queues: &[String]) -> Arc<Schedule> {
        sample::schedule(queues.iter().map(|queue| {
            let mut entry = sample::every(queue, 60);
            entry.message.queue = Queue::unconfigured(queue);
            entry
        }))
    }

    #[test]
    fn queues_of_the_schedule_are_counted_apart_and_all_others_together() {
        let mut tally = Tally::default();
        tally.admit(&schedule_of(&["mail".to_owned(), "images".to_owned()]));
        tally.dispatched("mail", Kind::Scheduled);
        tally.dispatched("typed-by-hand", Kind::Manual);
        tally.skipped("images", SkipReason::Superseded, 7);
        let queues = tally.queues();
        assert_eq!(queues.keys().collect::<Vec<_>>(), ["(other)", "images", "mail"]);
        assert_eq!(queues["mail"].dispatched["scheduled"], 1);
        assert_eq!(queues["mail"].dispatched.len(), Kind::ALL.len());
        assert_eq!(queues["mail"].skipped["superseded"], 0);
        assert_eq!(queues["images"].skipped["superseded"], 7);
        let slots: Vec<_> = tally.slots().into_iter().collect();
        let expected = [("dispatched", 1), ("manual", 1), ("superseded", 7)];
        assert_eq!(slots, expected.map(|(outcome, count)| (outcome.to_owned(), count)));
    }

    #[test]
    fn a_schedule_of_countless_queues_does_not_make_countless_counters() {
        let mut tally = Tally::default();
        let names: Vec<String> = (0..MOST_QUEUES + 10).map(|n| format!("queue-{n:04}")).collect();
        tally.admit(&schedule_of(&names));
        for name in &names {
            tally.dispatched(name, Kind::Scheduled);
        }
        let queues = tally.queues();
        assert_eq!(queues.len(), MOST_QUEUES + 1);
        assert_eq!(queues[OTHER].dispatched["scheduled"], 10);
    }
}
