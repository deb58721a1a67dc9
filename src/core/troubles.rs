//! What keeps slots from being sent: a store that does not answer, queues that refuse messages, unusable
//! records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff;
use crate::clock::SinceBoot;
use crate::store::contract::StoreError;

/// The longest pause before a refusing queue is tried again.
const MAX_HOLD: Duration = Duration::from_secs(30);
/// The maximum number of entries with bad records that are named.
const MAX_NAMED: usize = 10;

/// Everything that currently keeps slots from being sent.
#[derive(Debug, Default)]
pub struct Troubles {
    /// Calls of the store that failed since the start.
    pub store_errors: u64,
    /// Why nothing can be published at present.
    pub error: Option<StoreError>,
    refusals: BTreeMap<Arc<str>, Refusal>,
    bad_records: Vec<BadRecord>,
    bad_record_count: usize,
}

/// An entry's unusable record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecord {
    /// The entry's name, as far as it is known.
    pub entry: String,
    /// What was wrong, or what was done about it.
    pub what: String,
}

/// The state of a queue that refuses messages.
#[derive(Debug)]
struct Refusal {
    /// The latest error.
    error: String,
    failures: u32,
    /// Nothing is sent to the queue until then.
    held_until: Option<SinceBoot>,
}

impl Troubles {
    /// Holds a queue that refused a message for a while, longer each time. Returns the number of refusals in a
    /// row, or `None` if the queue is already held: messages in flight at that time are refused as well.
    pub(super) fn refused(
        &mut self,
        queue: &Arc<str>,
        error: &str,
        now: SinceBoot,
        rng: &mut fastrand::Rng,
    ) -> Option<u32> {
        let fresh = || Refusal { error: String::new(), failures: 0, held_until: None };
        let refusal = self.refusals.entry(Arc::clone(queue)).or_insert_with(fresh);
        error.clone_into(&mut refusal.error);
        if refusal.held_until.is_some() {
            return None;
        }
        refusal.failures += 1;
        refusal.held_until = Some(now + backoff(refusal.failures + 3, MAX_HOLD, rng));
        Some(refusal.failures)
    }

    /// Notes that the queue took a message. Returns whether it had refused one before.
    pub(super) fn accepted(&mut self, queue: &str) -> bool {
        !self.refusals.is_empty() && self.refusals.remove(queue).is_some()
    }

    /// The queues that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = &Arc<str>> {
        self.refusals.iter().filter_map(|(queue, refusal)| refusal.held_until.map(|_| queue))
    }

    pub(super) fn is_held(&self, queue: &str) -> bool {
        self.refusals.get(queue).is_some_and(|refusal| refusal.held_until.is_some())
    }

    /// Releases the queues whose hold is over, and returns them.
    pub(super) fn release(&mut self, now: SinceBoot) -> Vec<Arc<str>> {
        let is_due = |(_, refusal): &(&Arc<str>, &mut Refusal)| {
            refusal.held_until.is_some_and(|until| until <= now)
        };
        let released = self.refusals.iter_mut().filter(is_due).map(|(queue, refusal)| {
            refusal.held_until = None;
            Arc::clone(queue)
        });
        released.collect()
    }

    /// When the next hold is over.
    pub(super) fn next_release(&self) -> Option<SinceBoot> {
        self.refusals.values().filter_map(|refusal| refusal.held_until).min()
    }

    /// Forgets errors and refusals, which a follower does not see.
    pub(super) fn forget(&mut self) {
        self.refusals.clear();
        self.error = None;
    }

    /// Forgets the bad records before all are read anew.
    pub(super) fn forget_bad_records(&mut self) {
        self.bad_records.clear();
        self.bad_record_count = 0;
    }

    /// Notes an unusable record of an entry; only the first few are named.
    pub(super) fn note_bad_record(&mut self, entry: &str, what: &str) {
        self.bad_record_count += 1;
        if self.bad_records.len() < MAX_NAMED {
            let (entry, what) = (entry.to_owned(), what.to_owned());
            self.bad_records.push(BadRecord { entry, what });
        }
    }

    /// Counts bad records without naming them.
    pub(super) fn count_bad_records(&mut self, more: usize) {
        self.bad_record_count += more;
    }

    /// The first few bad records, and their total number.
    #[must_use]
    pub fn bad_records(&self) -> (Vec<BadRecord>, usize) {
        (self.bad_records.clone(), self.bad_record_count)
    }

    /// The queues that refuse messages, each with its latest error.
    #[must_use]
    pub fn refusing(&self) -> BTreeMap<String, String> {
        let words =
            |(queue, refusal): (&Arc<str>, &Refusal)| (queue.to_string(), refusal.error.clone());
        self.refusals.iter().map(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_refuses_is_left_alone_longer_each_time() {
        let (mut troubles, queue) = (Troubles::default(), "mail".into());
        let (mut now, mut rng) = (SinceBoot(Duration::ZERO), fastrand::Rng::with_seed(1));
        let mut last = Duration::ZERO;
        for failures in 1..=3 {
            assert_eq!(troubles.refused(&queue, "WRONGTYPE", now, &mut rng), Some(failures));
            // Messages in flight at that time are refused as well.
            assert_eq!(troubles.refused(&queue, "WRONGTYPE", now, &mut rng), None);
            assert!(troubles.is_held("mail") && troubles.release(now).is_empty());
            let until = troubles.next_release().unwrap();
            assert!(until.since(now) > last, "{failures}");
            (last, now) = (until.since(now) / 2, until);
            assert_eq!(troubles.release(now), [Arc::clone(&queue)]);
            assert!(!troubles.is_held("mail") && troubles.next_release().is_none());
        }
        assert_eq!(troubles.refusing()["mail"], "WRONGTYPE");
        assert!(troubles.accepted("mail") && !troubles.accepted("mail"));
        assert_eq!(troubles.refused(&queue, "WRONGTYPE", now, &mut rng), Some(1));
    }

    #[test]
    fn of_many_bad_records_a_few_are_named_and_all_are_counted() {
        let mut troubles = Troubles::default();
        (0..100).for_each(|n| troubles.note_bad_record(&format!("e{n}"), "`garbage`"));
        let (named, count) = troubles.bad_records();
        assert_eq!((named.len(), named[0].entry.as_str(), count), (MAX_NAMED, "e0", 100));
    }
}
