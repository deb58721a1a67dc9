//! How many slots there were, by queue and outcome, as counted by the store.
//!
//! A process never shows a smaller number than before: it keeps its counts even if the store loses its own.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::{Kind, Schedule};
use crate::store::contract::{self, MAX_COUNTED_QUEUES, OTHER_QUEUES};

/// The counters of the namespace, as far as this process knows them.
#[derive(Debug, Default)]
pub struct Counters {
    by_queue: BTreeMap<Arc<str>, BTreeMap<&'static str, u64>>,
    /// Queues of every schedule loaded so far: all their counters are shown, starting at zero.
    scheduled: BTreeSet<Arc<str>>,
}

/// The counts of one queue's slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Messages by kind.
    pub dispatched: BTreeMap<Cow<'static, str>, u64>,
    /// Slots by reason.
    pub skipped: BTreeMap<Cow<'static, str>, u64>,
}

impl Counters {
    /// Shows the counters of a schedule's queues from now on. Those of earlier schedules stay.
    pub(super) fn add_queues(&mut self, schedule: &Schedule) {
        for entry in &schedule.entries {
            if self.scheduled.len() >= MAX_COUNTED_QUEUES {
                break;
            }
            let queue = &entry.message.queue.name;
            if !self.scheduled.contains(queue) {
                self.scheduled.insert(Arc::clone(queue));
            }
        }
    }

    /// Takes over the store's counts.
    pub fn read(&mut self, counters: contract::Counters) {
        for ((queue, outcome), count) in counters.0 {
            let known = self.by_queue.entry(queue).or_default().entry(outcome).or_default();
            *known = count.max(*known);
        }
    }

    /// Counts confirmed slots, by the store's own rule for queues beyond the first few.
    pub(super) fn add(&mut self, queue: &Arc<str>, outcome: Outcome, slots: u64) {
        let count = match self.by_queue.get_mut(queue) {
            Some(counts) => counts.entry(outcome.as_str()).or_default(),
            None => {
                let others = self.by_queue.keys().filter(|name| &***name != OTHER_QUEUES);
                let is_counted_apart = others.count() < MAX_COUNTED_QUEUES;
                let queue = if is_counted_apart { Arc::clone(queue) } else { OTHER_QUEUES.into() };
                self.by_queue.entry(queue).or_default().entry(outcome.as_str()).or_default()
            }
        };
        *count += slots;
    }

    /// Slots by outcome, without zeros: `dispatched` is the total, with each kind but the usual one counted
    /// separately as well.
    #[must_use]
    pub fn slots(&self) -> BTreeMap<String, u64> {
        let mut slots: BTreeMap<String, u64> = BTreeMap::new();
        let mut add = |outcome: &str, count: u64| {
            if count > 0 {
                *slots.entry(outcome.to_owned()).or_default() += count;
            }
        };
        for (word, count) in self.by_queue.values().flatten() {
            match Outcome::from_word(word) {
                Some(outcome @ Outcome::Dispatched(kind)) => {
                    if outcome.is_scheduled() {
                        add("dispatched", *count);
                    }
                    if kind != Kind::Scheduled {
                        add(word, *count);
                    }
                }
                Some(Outcome::Skipped(_)) => add(word, *count),
                None => {}
            }
        }
        slots
    }

    /// Every outcome of every queue.
    #[must_use]
    pub fn queues(&self) -> BTreeMap<String, QueueStatus> {
        let none = BTreeMap::new();
        let names: BTreeSet<&Arc<str>> = self.by_queue.keys().chain(&self.scheduled).collect();
        let of_queue = |queue: &Arc<str>| {
            let counts = self.by_queue.get(queue).unwrap_or(&none);
            let count = |word: &'static str| (word.into(), counts.get(word).copied().unwrap_or(0));
            QueueStatus {
                dispatched: Kind::ALL.map(|kind| count(kind.as_str())).into(),
                skipped: SkipReason::ALL.map(|reason| count(reason.as_str())).into(),
            }
        };
        names.into_iter().map(|queue| (queue.to_string(), of_queue(queue))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::sample;
    use crate::worker::Queue;

    fn schedule_of(queues: &[&str]) -> Arc<Schedule> {
        sample::schedule(queues.iter().map(|queue| {
            let mut entry = sample::every(queue, 60);
            entry.message.queue = Queue::unconfigured(queue);
            entry
        }))
    }

    fn stored(counts: &[(&str, &'static str, u64)]) -> contract::Counters {
        let counts = counts.iter().map(|(queue, word, count)| (((*queue).into(), *word), *count));
        contract::Counters(counts.collect())
    }

    #[test]
    fn queues_of_the_schedule_are_shown_before_anything_is_counted() {
        let mut counters = Counters::default();
        counters.add_queues(&schedule_of(&["mail", "images"]));
        counters.add(&"mail".into(), Outcome::Dispatched(Kind::Scheduled), 1);
        counters.add(&"typed".into(), Outcome::Dispatched(Kind::Manual), 1);
        counters.add(&"images".into(), Outcome::Skipped(SkipReason::Superseded), 7);
        let queues = counters.queues();
        assert_eq!(queues.keys().collect::<Vec<_>>(), ["images", "mail", "typed"]);
        assert_eq!(queues["mail"].dispatched["scheduled"], 1);
        assert_eq!(queues["mail"].dispatched.len(), Kind::ALL.len());
        assert_eq!(queues["mail"].skipped["superseded"], 0);
        assert_eq!(queues["images"].skipped["superseded"], 7);
        let slots: Vec<_> = counters.slots().into_iter().collect();
        let expected = [("dispatched", 1), ("manual", 1), ("superseded", 7)];
        assert_eq!(slots, expected.map(|(outcome, count)| (outcome.to_owned(), count)));
    }

    #[test]
    fn counters_that_the_store_has_lost_are_shown_as_before_and_continue_from_there() {
        let mut counters = Counters::default();
        counters.read(stored(&[("mail", "scheduled", 40), ("mail", "too_late", 2)]));
        counters.read(stored(&[("mail", "scheduled", 3), ("mail", "manual", 1)]));
        counters.add(&"mail".into(), Outcome::Dispatched(Kind::Scheduled), 1);
        let mail = &counters.queues()["mail"];
        assert_eq!((mail.dispatched["scheduled"], mail.dispatched["manual"]), (41, 1));
        assert_eq!(mail.skipped["too_late"], 2);
    }

    #[test]
    fn a_schedule_of_countless_queues_does_not_make_countless_counters() {
        let mut counters = Counters::default();
        let names: Vec<String> =
            (0..MAX_COUNTED_QUEUES + 10).map(|n| format!("queue-{n:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        counters.add_queues(&schedule_of(&names));
        for name in &names {
            counters.add(&(*name).into(), Outcome::Dispatched(Kind::Scheduled), 1);
        }
        let queues = counters.queues();
        assert_eq!(queues.len(), MAX_COUNTED_QUEUES + 1);
        assert_eq!(queues[OTHER_QUEUES].dispatched["scheduled"], 10);
    }
}
