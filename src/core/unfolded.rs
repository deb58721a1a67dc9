//! The part of the journal that is not folded into progress yet.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::SinceBoot;
use crate::store::contract::{FoldedThrough, MAX_FOLDED};
use crate::store::journal::RecordId;

/// The unfolded records, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unfolded {
    batches: VecDeque<Recorded>,
    slots: usize,
}

/// Slots that were recorded together.
#[derive(Debug)]
struct Recorded {
    /// The newest record after them.
    head: RecordId,
    /// The names of their entries.
    entries: Vec<Arc<str>>,
    at: SinceBoot,
}

/// The work of one fold.
#[derive(Debug)]
pub(super) struct Step {
    /// The entries whose progress is written: at most [`MAX_FOLDED`], each once.
    pub(super) entries: Vec<Arc<str>>,
    /// How far the journal is folded afterwards.
    pub(super) through: FoldedThrough,
    batches: usize,
    /// The number of entries taken from the first batch that is left.
    of_next: usize,
}

impl Unfolded {
    /// Adds entries whose slots were recorded, with one name per slot; `head` is the newest record.
    pub(super) fn push(&mut self, head: RecordId, entries: Vec<Arc<str>>, at: SinceBoot) {
        if entries.is_empty() {
            return;
        }
        self.slots += entries.len();
        self.batches.push_back(Recorded { head, entries, at });
    }

    /// The number of unfolded slots.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// When the oldest was recorded.
    pub(super) fn oldest(&self) -> Option<SinceBoot> {
        self.batches.front().map(|recorded| recorded.at)
    }

    /// All entries with unfolded slots.
    pub(super) fn entries(&self) -> Vec<Arc<str>> {
        once_each(self.batches.iter().flat_map(|recorded| &recorded.entries).cloned().collect())
    }

    /// The next fold; pass it to [`Unfolded::folded`] once it is written. `None`: nothing is left.
    pub(super) fn next_step(&self) -> Option<Step> {
        let first = self.batches.front()?;
        let mut step =
            Step { entries: Vec::new(), through: FoldedThrough::Unchanged, batches: 0, of_next: 0 };
        let mut slots = 0;
        for recorded in &self.batches {
            slots += recorded.entries.len();
            if slots > MAX_FOLDED {
                break;
            }
            step.entries.extend(recorded.entries.iter().cloned());
            step.through = FoldedThrough::Record(recorded.head);
            step.batches += 1;
        }
        if step.batches == 0 {
            step.of_next = MAX_FOLDED;
            step.entries.extend(first.entries[..MAX_FOLDED].iter().cloned());
        }
        step.entries = once_each(step.entries);
        Some(step)
    }

    /// Notes that the step is written.
    pub(super) fn folded(&mut self, step: &Step) {
        for recorded in self.batches.drain(..step.batches.min(self.batches.len())) {
            self.slots -= recorded.entries.len();
        }
        if let Some(first) = self.batches.front_mut() {
            let entries = first.entries.drain(..step.of_next.min(first.entries.len()));
            self.slots -= entries.len();
        }
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
        self.slots = 0;
    }
}

/// Each name once, sorted. Slots of one instant come in name order, so little is left to sort.
fn once_each(mut names: Vec<Arc<str>>) -> Vec<Arc<str>> {
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: SinceBoot = SinceBoot(std::time::Duration::from_secs(1));

    fn id(number: u64) -> RecordId {
        RecordId { ms: 1, number }
    }

    fn names(range: std::ops::Range<usize>) -> Vec<Arc<str>> {
        range.map(|n| format!("e{n}").into()).collect()
    }

    /// Folds everything; returns the size and the end of each step.
    fn fold(unfolded: &mut Unfolded) -> Vec<(usize, FoldedThrough)> {
        let mut steps = Vec::new();
        while let Some(step) = unfolded.next_step() {
            steps.push((step.entries.len(), step.through));
            unfolded.folded(&step);
        }
        steps
    }

    #[test]
    fn a_step_folds_whole_batches_and_no_entry_twice() {
        let mut unfolded = Unfolded::default();
        for number in 1..=5 {
            unfolded.push(id(number), names(0..400), AT);
        }
        unfolded.push(id(6), Vec::new(), AT);
        assert_eq!((unfolded.slots(), unfolded.entries().len()), (2_000, 400));
        let record = |number| FoldedThrough::Record(id(number));
        assert_eq!(fold(&mut unfolded), [(400, record(2)), (400, record(4)), (400, record(5))]);
        assert_eq!((unfolded.slots(), unfolded.oldest()), (0, None));
    }

    #[test]
    fn a_batch_that_is_too_large_is_folded_in_parts_and_moves_folded_with_the_last() {
        let mut unfolded = Unfolded::default();
        unfolded.push(id(1), names(0..2_500), AT);
        unfolded.push(id(2), names(9_999..10_000), AT);
        let steps = fold(&mut unfolded);
        assert_eq!(steps[..2], [(1_000, FoldedThrough::Unchanged); 2]);
        assert_eq!(steps[2..], [(501, FoldedThrough::Record(id(2)))]);
    }

    #[test]
    fn what_is_recorded_while_a_step_is_on_its_way_stays_for_the_next() {
        let mut unfolded = Unfolded::default();
        unfolded.push(id(1), names(0..3), AT);
        let step = unfolded.next_step().unwrap();
        unfolded.push(id(2), names(0..1), AT);
        unfolded.folded(&step);
        assert_eq!(fold(&mut unfolded), [(1, FoldedThrough::Record(id(2)))]);
    }
}
