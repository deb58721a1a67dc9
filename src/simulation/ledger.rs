//! The true outcome of each slot, recorded beside the store by an observer of everything.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::SECOND;
use super::person::ManualRecords;
use crate::schedule::outcome::{Line, Outcome, SkipReason};
use crate::schedule::pause::Subject;
use crate::schedule::planner::Item;
use crate::schedule::{CatchUp, Entry, Kind};
use crate::worker::Via;

/// A line that the store has recorded, for the slots after `from` up to its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) from: UnixMs,
    pub(super) line: Line,
    pub(super) queue: Arc<str>,
    /// By the store's clock.
    pub(super) at: UnixMs,
}

/// What the store should know of one entry.
#[derive(Clone, Debug, Default)]
struct Account {
    sent: HashSet<UnixMs>,
    /// The number of slots sent for its registration.
    count: u64,
    /// When its last task was sent.
    running_since: Option<UnixMs>,
}

/// The outcomes of one entry's slots, even if the store has forgotten them.
#[derive(Clone, Debug, Default)]
struct Truth {
    sent: HashSet<UnixMs>,
    /// Runs of slots, after one instant and up to another, that were counted or that nobody can count.
    counted: Vec<(UnixMs, UnixMs)>,
    /// The newest slot that was due when an outcome was recorded.
    newest: UnixMs,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) events: Vec<Event>,
    /// The index of the first event in the journal.
    journal_from: usize,
    accounts: HashMap<Arc<str>, Account>,
    pub(super) counters: BTreeMap<(Arc<str>, &'static str), u64>,
    queued: BTreeMap<Arc<str>, u64>,
    /// What people have paused.
    pub(super) paused: Option<Subject>,
    /// What the store should know of manual messages.
    pub(super) manual: ManualRecords,
    truth: HashMap<Arc<str>, Truth>,
    /// Slots that a leader has recorded without an answer.
    unanswered: HashSet<(Arc<str>, UnixMs)>,
    /// Those whose records are lost: they may be sent again, marked.
    uncertain: HashSet<(Arc<str>, UnixMs)>,
    /// The number of times that each outcome was recorded.
    pub(super) outcomes: BTreeMap<&'static str, u64>,
}

impl Ledger {
    fn account(&mut self, entry: &Arc<str>) -> &mut Account {
        self.accounts.entry(Arc::clone(entry)).or_default()
    }

    fn truth(&mut self, entry: &Arc<str>) -> &mut Truth {
        self.truth.entry(Arc::clone(entry)).or_default()
    }

    /// Notes a line that the store has recorded.
    pub(super) fn record(&mut self, event: Event) {
        let Line { entry, slot, outcome, count, .. } = &event.line;
        *self.outcomes.entry(outcome.as_str()).or_default() += 1;
        let counter = (Arc::clone(&event.queue), outcome.as_str());
        *self.counters.entry(counter).or_default() += count;
        let truth = self.truth(entry);
        if *slot <= event.at {
            truth.newest = truth.newest.max(*slot);
        }
        if let Outcome::Dispatched(_) = outcome {
            truth.sent.insert(*slot);
            let is_resent = *outcome == Outcome::Dispatched(Kind::Resent);
            let is_excused = is_resent && self.uncertain.remove(&(Arc::clone(entry), *slot));
            let account = self.account(entry);
            let is_new = account.sent.insert(*slot);
            assert!(is_new || is_excused, "twice: {event:?}");
            account.count += u64::from(is_new);
            *self.queued.entry(Arc::clone(&event.queue)).or_default() += 1;
        } else {
            truth.counted.push((event.from, *slot));
        }
        self.events.push(event);
    }

    /// Notes a manual message. Without a journal, it is only counted.
    pub(super) fn record_manual(&mut self, event: Event, is_journalled: bool, is_in_store: bool) {
        let counter = (Arc::clone(&event.queue), event.line.outcome.as_str());
        *self.counters.entry(counter).or_default() += 1;
        if is_in_store {
            *self.queued.entry(Arc::clone(&event.queue)).or_default() += 1;
        }
        if is_journalled {
            self.events.push(event);
        }
    }

    /// Checks the guards for an event that is about to be recorded.
    pub(super) fn check(&mut self, entry: &Entry, event: &Event) {
        let Event { line, at, queue, .. } = event;
        let queued = self.queued.get(queue).copied().unwrap_or(0);
        let is_sent = matches!(line.outcome, Outcome::Dispatched(_));
        let is_skipped = |reason| line.outcome == Outcome::Skipped(reason);
        if let Some(room) = entry.guards.max_queued {
            let is_full = queued >= room.get().into();
            assert!(!is_sent || !is_full, "{queued} queued: {event:?}");
            assert!(!is_skipped(SkipReason::QueueFull) || is_full, "{queued} queued: {event:?}");
        }
        if let Some(overlap) = entry.guards.overlap {
            let overlap = Duration::from_millis(overlap.get().into());
            let account = self.account(&line.entry);
            let since = account.running_since.filter(|since| since.since(*at) <= SECOND);
            let runs = since.is_some_and(|since| at.since(since) < overlap);
            assert!(!is_sent || !runs, "{since:?}: {event:?}");
            assert!(!is_skipped(SkipReason::StillRunning) || runs, "{since:?}: {event:?}");
            if is_sent {
                account.running_since = Some(*at);
            }
        }
        let is_missed = is_skipped(SkipReason::Superseded) || is_skipped(SkipReason::TooLate);
        assert!(entry.catch_up != CatchUp::All || !is_missed, "{event:?}");
        let is_paused = self.paused.as_ref().is_some_and(|subject| subject.covers(entry));
        // A carrier's message is recorded later, when the clock may have been set.
        let is_carried = entry.message.queue.via() != Via::Store;
        assert!(is_carried || !is_sent || !is_paused, "paused: {event:?}");
        assert!(is_carried || line.slot <= *at + SECOND, "early: {event:?}");
    }

    /// Checks that a slot logged as sent was really sent.
    pub(super) fn check_logged(&mut self, entry: &Arc<str>, item: &Item) {
        let was_sent = self.truth(entry).sent.contains(&item.slot);
        let is_sent = matches!(item.outcome(), Outcome::Dispatched(_));
        assert!(was_sent || !is_sent, "logged and never sent: {entry} {item:?}");
    }

    /// The number of slots sent for an entry's registration.
    pub(super) fn count(&mut self, entry: &Arc<str>) -> &mut u64 {
        &mut self.account(entry).count
    }

    /// Notes that the slots of a run are settled, for whatever reason.
    pub(super) fn pass(&mut self, entry: &Arc<str>, from: UnixMs, until: UnixMs) {
        self.truth(entry).counted.push((from, until));
    }

    /// Notes that nobody can count the slots due since the newest one with an outcome.
    pub(super) fn excuse(&mut self, entry: &Arc<str>, until: UnixMs) {
        let newest = self.truth(entry).newest;
        self.pass(entry, newest, until);
    }

    /// Notes that nobody knows what was sent ahead of `now`.
    pub(super) fn forget_after(&mut self, now: UnixMs) {
        self.accounts.values_mut().for_each(|account| account.sent.retain(|slot| *slot <= now));
    }

    /// Restores the ledger to `before`, as the store was.
    pub(super) fn roll_back(&mut self, before: Ledger) {
        let Ledger { truth, outcomes, .. } = std::mem::replace(self, before);
        (self.truth, self.outcomes) = (truth, outcomes);
    }

    /// Notes that records of the journal were deleted.
    pub(super) fn lose_journal(&mut self) {
        self.journal_from = self.events.len();
        self.uncertain.extend(self.unanswered.drain());
    }

    /// Notes that the leader got no answer to what recorded the events from that index on.
    pub(super) fn leave_unanswered(&mut self, from: usize) {
        let slots = self.events[from..].iter().map(|event| &event.line);
        self.unanswered.extend(slots.map(|line| (Arc::clone(&line.entry), line.slot)));
    }

    /// Notes that a leader has read the journal.
    pub(super) fn note_reading(&mut self) {
        self.unanswered.clear();
    }

    /// The newest events, which the journal must have if it keeps more than `slots` slots.
    pub(super) fn in_journal(&self, mut slots: u64) -> &[Event] {
        let newest = self.events[self.journal_from..].iter().rev();
        let count = newest.take_while(|event| {
            let has_room = slots > event.line.count;
            slots = slots.saturating_sub(event.line.count);
            has_room
        });
        &self.events[self.events.len() - count.count()..]
    }

    /// Notes that workers have emptied a queue, and returns the number of messages.
    pub(super) fn take(&mut self, queue: &str) -> u64 {
        self.queued.remove(queue).unwrap_or(0)
    }

    /// The first of these slots, in order, that was neither sent nor counted.
    pub(super) fn first_lost(
        &self,
        entry: &str,
        mut slots: impl Iterator<Item = UnixMs>,
    ) -> Option<UnixMs> {
        let Truth { sent, counted, .. } = &self.truth.get(entry)?;
        let mut runs = counted.clone();
        runs.sort_unstable();
        let mut runs = runs.into_iter().peekable();
        let mut counted_to = UnixMs::MIN;
        slots.find(|slot| {
            while let Some((_, to)) = runs.next_if(|(from, _)| from < slot) {
                counted_to = counted_to.max(to);
            }
            !sent.contains(slot) && *slot > counted_to
        })
    }
}
