//! Slots that were due when their registration ended: they are counted, but never sent.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;

use downbeat_time::{FindZone, StoredTiming, UnixMs};

use super::track::{INSTANT, Open};
use super::{COUNT_CAP, Planner};
use crate::schedule::entry::{Entry, Guards};
use crate::schedule::outcome::{Line, Outcome, SkipReason};
use crate::schedule::progress::Run;
use crate::worker::{Call, Message, Queue};

/// Slots that were due when their registration ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The entry's name.
    pub entry: Arc<str>,
    /// The queue that they would have gone to; `None` if the planner does not know it.
    pub queue: Option<Arc<str>>,
    /// The first slot, or the first instant of which nothing is known.
    pub first: UnixMs,
    /// The newest slot, or, if the slots are not known, when the registration ended.
    pub slot: UnixMs,
    /// `Retimed`, or `Unknown` if their outcome is not known.
    pub reason: SkipReason,
    /// The number of slots (10,000 means "or more").
    pub count: u64,
    /// Whether there may have been more.
    pub at_least: bool,
}

impl Ended {
    /// The line to record for them.
    #[must_use]
    pub fn line(&self) -> Line {
        let is_unknown = self.reason == SkipReason::Unknown && self.first < self.slot;
        let first = is_unknown.then_some(self.first);
        let line = Line::new(Arc::clone(&self.entry), self.slot, Outcome::Skipped(self.reason));
        Line { count: self.count, first, ..line }
    }
}

/// The maximum number of slots counted one by one in a takeover, so that it ends however much was edited; for
/// further entries, only one slot is counted.
const MAX_COUNTED: u64 = 2_000_000;

/// What is known of an ended registration's slots.
pub(super) enum Former<'a> {
    /// They are those of this entry.
    Known(Cow<'a, Entry>),
    /// They are some of this entry's: which times were excluded is not known.
    Among(Entry),
    /// Nothing is known.
    Unknown,
}

impl<'a> Former<'a> {
    /// Reads the canonical form, as far as possible; the rest is taken from `like`.
    pub(super) fn read(form: &str, like: Option<&Entry>, zones: FindZone<'_>) -> Former<'a> {
        let Some((former, limit)) = read_form(form, zones) else { return Former::Unknown };
        let days = like.and_then(|entry| entry.bounds.as_ref());
        let (bounds, is_whole) = former.bounds_with(days.map(|bounds| &*bounds.except));
        let blank = || blank(&former);
        let entry = like.cloned().unwrap_or_else(blank);
        let guards = Guards { limit, ..Guards::default() };
        let (timing, zone) = (former.timing.clone(), Arc::clone(&former.zone));
        let entry = Entry { timing, zone, bounds, guards, ..entry };
        if is_whole { Former::Known(Cow::Owned(entry)) } else { Former::Among(entry) }
    }
}

/// Reads what [`Entry::canonical_timing`] writes: a timing, and the maximum number of dispatched slots.
fn read_form(form: &str, zones: FindZone<'_>) -> Option<(StoredTiming, Option<NonZeroU32>)> {
    let (timing, limit) = match form.rsplit_once(" limit ") {
        Some((timing, limit)) => (timing, Some(limit.parse().ok()?)),
        None => (form, None),
    };
    Some((StoredTiming::read(timing, zones)?, limit))
}

/// An entry with this timing and default values.
fn blank(former: &StoredTiming) -> Entry {
    Entry {
        name: "".into(),
        timing: former.timing.clone(),
        zone: Arc::clone(&former.zone),
        bounds: None,
        delay: None,
        message: Message {
            args: "[]".into(),
            kwargs: "{}".into(),
            call: Call::new("", Queue::unconfigured("")).into(),
        },
        templates: None,
        catch_up: Default::default(),
        within: Default::default(),
        enabled: true,
        about: None,
        guards: Guards::default(),
    }
}

/// The unsettled time of a registration that ended or was lost.
pub(super) struct Gap<'a> {
    pub(super) name: &'a Arc<str>,
    pub(super) queue: Option<&'a Arc<Queue>>,
    /// Nothing is known of slots after this instant …
    pub(super) from: UnixMs,
    /// … except of these.
    pub(super) passed: &'a [Run],
    /// The number of dispatched slots.
    pub(super) dispatched: u64,
    /// When the registration ended.
    pub(super) at: UnixMs,
}

/// Counts slots that were due in gaps.
pub(super) struct Counter {
    left: u64,
    pub(super) ended: Vec<Ended>,
}

impl Counter {
    pub(super) fn new() -> Counter {
        Counter { left: MAX_COUNTED, ended: Vec::new() }
    }

    /// Counts the slots of an entry.
    pub(super) fn count(&mut self, gap: &Gap<'_>, entry: &Entry, reason: SkipReason) {
        let open = Open { entry, passed: gap.passed };
        // An edit takes back slots that are not due yet; of lost slots nothing is known.
        let through = match reason {
            SkipReason::Retimed => entry.due_through(gap.from, gap.at),
            _ => gap.at,
        };
        let newest = open.last(gap.from, through);
        let remaining = entry.guards.remaining(gap.dispatched);
        let ends = open.next(gap.from).zip(newest).filter(|_| remaining > 0);
        let Some((first, slot)) = ends else { return };
        let cap = COUNT_CAP.min(remaining).min(self.left.max(1));
        let count = open.count(gap.from, slot, cap);
        self.left = self.left.saturating_sub(count);
        // All that the limit leaves are all that there were.
        let at_least = count == cap && cap < remaining;
        self.push(gap, (first, slot), reason, (count, at_least));
    }

    /// Counts the slots of a former registration, as far as they are known.
    pub(super) fn count_former(&mut self, gap: &Gap<'_>, former: &Former<'_>, reason: SkipReason) {
        match former {
            Former::Known(entry) => self.count(gap, entry, reason),
            Former::Among(entry) => self.count(gap, entry, SkipReason::Unknown),
            Former::Unknown => self.count_unknown(gap),
        }
    }

    /// Counts one slot, however many there were.
    pub(super) fn count_unknown(&mut self, gap: &Gap<'_>) {
        if gap.from < gap.at {
            self.push(gap, (gap.from + INSTANT, gap.at), SkipReason::Unknown, (1, true));
        }
    }

    fn push(
        &mut self,
        gap: &Gap<'_>,
        (first, slot): (UnixMs, UnixMs),
        reason: SkipReason,
        (count, at_least): (u64, bool),
    ) {
        let queue = gap.queue.map(|queue| Arc::clone(&queue.name));
        let entry = Arc::clone(gap.name);
        self.ended.push(Ended { entry, queue, first, slot, reason, count, at_least });
    }
}

impl Planner {
    /// Counts the due slots of an entry that ends now.
    pub(super) fn count_ended(&self, index: u32, now: UnixMs, counter: &mut Counter) {
        let (open, cursor) = (self.open(index), self.tracks[index as usize].cursor);
        let gap = Gap {
            name: &open.entry.name,
            queue: Some(&open.entry.message.queue),
            from: cursor,
            passed: open.passed,
            dispatched: self.count_of(index),
            at: now,
        };
        counter.count(&gap, open.entry, SkipReason::Retimed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::sample::{any, find_zone};

    fn slots(entry: &Entry, after: UnixMs) -> Vec<UnixMs> {
        let next = |slot: &UnixMs| entry.next_slot(*slot);
        std::iter::successors(entry.next_slot(after), next).take(30).collect()
    }

    proptest! {
        #[test]
        fn a_form_that_is_read_back_has_the_same_slots_and_limit(
            entry in any::entry(), limit in prop::option::of(1..100_u32),
            after in downbeat_time::arbitrary::instant(),
        ) {
            let limit = limit.and_then(NonZeroU32::new);
            let entry = Entry { guards: Guards { limit, ..Guards::default() }, ..entry };
            let form = entry.canonical_timing();
            let Former::Known(again) = Former::read(&form, Some(&entry), &find_zone) else {
                return Err(TestCaseError::fail("the form is not understood"));
            };
            prop_assert_eq!(again.canonical_timing(), form);
            prop_assert_eq!(again.guards.limit, limit);
            for after in [after, UnixMs::MIN] {
                prop_assert_eq!(slots(&again, after), slots(&entry, after));
            }
        }
    }

    #[test]
    fn a_limit_that_is_not_understood_makes_the_form_unknown() {
        let read = |form| read_form(form, &find_zone).map(|(_, limit)| limit.map(NonZeroU32::get));
        assert_eq!(read("1 every 60000+0"), Some(None));
        assert_eq!(read("1 every 60000+0 limit 7"), Some(Some(7)));
        for form in ["1 every 60000+0 limit 0", "1 every 60000+0 limit 7 from 3", " limit 7"] {
            assert_eq!(read(form), None, "{form}");
        }
    }
}
