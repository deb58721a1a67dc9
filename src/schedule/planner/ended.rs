//! Slots that were due when their registration ended: they are counted, but never sent.

use std::borrow::Cow;
use std::sync::Arc;

use super::track::{INSTANT, Open};
use super::{COUNT_CAP, Ended, FindZone, Planner};
use crate::queue::Queue;
use crate::schedule::canonical::FormerTiming;
use crate::schedule::entry::{Call, Entry, Guards, Message};
use crate::schedule::outcome::SkipReason;
use crate::schedule::progress::Run;
use crate::schedule::unix_ms::UnixMs;

/// The maximum number of slots counted one by one in a takeover, so that it ends however much was edited; for
/// further entries, only one slot is counted.
const MAX_COUNTED: u64 = 2_000_000;

/// What is known of an ended registration's slots.
pub(super) enum Former<'a> {
    /// They are those of this entry.
    Known(Cow<'a, Entry>),
    /// They are some of this entry's: which days were excluded is not known.
    Among(Entry),
    /// Nothing is known.
    Unknown,
}

impl<'a> Former<'a> {
    /// Reads the canonical form, as far as possible; the rest is taken from `like`.
    pub(super) fn read(form: &str, like: Option<&Entry>, zones: FindZone<'_>) -> Former<'a> {
        let Some(former) = FormerTiming::read(form, zones) else { return Former::Unknown };
        let days = like.and_then(|entry| entry.bounds.as_ref());
        let (bounds, is_whole) = former.bounds_with(days.map(|bounds| &*bounds.except));
        let blank = || blank(&former);
        let entry = like.cloned().unwrap_or_else(blank);
        let guards = Guards { limit: former.limit, ..Guards::default() };
        let (timing, zone) = (former.timing.clone(), Arc::clone(&former.zone));
        let entry = Entry { timing, zone, bounds, guards, ..entry };
        if is_whole { Former::Known(Cow::Owned(entry)) } else { Former::Among(entry) }
    }
}

/// An entry with this timing and default values.
fn blank(former: &FormerTiming) -> Entry {
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
        self.push(gap, (first, slot), reason, count);
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
            self.push(gap, (gap.from + INSTANT, gap.at), SkipReason::Unknown, 1);
        }
    }

    fn push(
        &mut self,
        gap: &Gap<'_>,
        (first, slot): (UnixMs, UnixMs),
        reason: SkipReason,
        count: u64,
    ) {
        let queue = gap.queue.map(|queue| Arc::clone(&queue.name));
        let entry = Arc::clone(gap.name);
        self.ended.push(Ended { entry, queue, first, slot, reason, count });
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
