//! What is due now, and when to look again.
//!
//! The planner is told the time and never asks for it. `plan` answers what to send and what to
//! skip; nothing counts as done until `settle` is told so, after the store has recorded it. A
//! slot is judged once, when it is first planned: on time it stays to be sent, however long the
//! broker then takes (until its window ends); missed, its entry's `catch_up` decides.

mod judge;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use self::judge::{Judgement, Verdict};
use super::entry::{CatchUp, Entry, Schedule};
use super::kind::Kind;
use super::outcome::{Line, Outcome, SkipReason};
use super::progress::{Completeness, Progress, State};
use super::registration::{RETIRED_FOR, Registration, RegistrationChange};
use super::unix_ms::UnixMs;
use super::zone::Zone;
use crate::queue::Queue;

/// Counts of skipped slots stop here, so that an entry left alone for years costs no more.
const COUNT_CAP: u64 = 10_000;

/// The plans of one leader, and its memory of them while it is none.
#[derive(Debug)]
pub struct Planner {
    schedule: Arc<Schedule>,
    grace: Duration,
    tracks: Vec<Track>,
    /// When the first unsettled slot of every live entry is due, if it has one.
    agenda: BTreeSet<(UnixMs, u32)>,
    /// Of entries with judged slots that are not settled yet.
    judgements: HashMap<u32, Vec<Judgement>>,
    /// How many slots of its life each live entry with a limit has dispatched.
    sent: HashMap<u32, u64>,
    /// Queues for which nothing is planned.
    held: HashSet<Arc<str>>,
    /// Entries with a slot in a carrier's hands: nothing is planned for them.
    in_flight: HashSet<Arc<str>>,
    /// The store's sequence number after the last write we know of.
    sequence: u64,
}

/// How far one entry has come.
#[derive(Clone, Copy, Debug)]
struct Track {
    /// No slot at or before this instant fires.
    since: UnixMs,
    /// Every slot up to here is settled. `MAX`: not live.
    cursor: UnixMs,
    /// Every slot in `(sent_from, sent_until]` was dispatched, as far as this process knows: if the
    /// broker forgets that, they are sent again, marked.
    sent_from: UnixMs,
    sent_until: UnixMs,
}

impl Track {
    const NOT_LIVE: Track = Track {
        since: UnixMs::MAX,
        cursor: UnixMs::MAX,
        sent_from: UnixMs::MAX,
        sent_until: UnixMs::MAX,
    };

    fn live(since: UnixMs, settled: Option<UnixMs>) -> Track {
        let cursor = settled.map_or(since, |settled| settled.max(since));
        Track { since, cursor, sent_from: since, sent_until: cursor }
    }

    fn is_live(&self) -> bool {
        self.cursor != UnixMs::MAX
    }
}

/// What a planner knows of the present life of an entry.
#[derive(Clone, Copy)]
struct Memory<'a> {
    track: &'a Track,
    judgements: &'a [Judgement],
    sent: u64,
}

/// What to do now, and when to plan again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order of need; the items of one entry stand together, oldest slot first.
    pub items: Vec<Item>,
    /// The next instant at which a plan can hold anything; `MAX` if never. With items it is now:
    /// what comes after them shows when they are settled.
    pub wake_at: UnixMs,
}

/// One slot to send, or one run of slots to skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Index of the entry in the schedule.
    pub entry: u32,
    /// The slot; of a run, its newest.
    pub slot: UnixMs,
    /// What to do with it.
    pub action: Action,
}

/// What to do with a due slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish it.
    Send(Kind),
    /// Record that it is not sent; `count` slots in all (a count of 10,000 means "or more").
    Skip {
        /// Why.
        reason: SkipReason,
        /// How many slots, this one and those before it.
        count: u64,
    },
}

impl Item {
    /// The same slot, which the store has recorded as skipped.
    #[must_use]
    pub fn skipped(self, reason: SkipReason) -> Item {
        Item { action: Action::Skip { reason, count: 1 }, ..self }
    }
}

/// A planner that has taken over a schedule, and what must be written before it sends anything.
#[derive(Debug)]
pub struct Takeover {
    /// The planner.
    pub planner: Planner,
    /// Which entries are live from now on, and which no longer.
    pub changes: Vec<RegistrationChange>,
    /// What became of slots of registrations that ended.
    pub ended: Vec<Ended>,
    /// Which entries had implausible records.
    pub repaired: Vec<Repaired>,
}

/// Slots of a registration that ended while they were due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The entry's name.
    pub entry: Arc<str>,
    /// Where they would have gone; `None` where that is no longer known.
    pub queue: Option<Arc<Queue>>,
    /// The newest of them.
    pub slot: UnixMs,
    /// `Retimed`; `Unknown` where it is not known what became of them.
    pub reason: SkipReason,
    /// How many (10,000 means "or more").
    pub count: u64,
}

/// An entry whose records cannot be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The entry's name.
    pub entry: Arc<str>,
    /// What was wrong.
    pub what: String,
}

/// What must be written after a clock went back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// The registrations and progress that are corrected.
    pub changes: Vec<RegistrationChange>,
    /// Their entries.
    pub repaired: Vec<Repaired>,
}

/// Finds a zone by its name.
pub type FindZone<'a> = &'a dyn Fn(&str) -> Option<Arc<Zone>>;

impl Planner {
    /// Takes over the schedule: compares it with what the store knows and with the memory of an
    /// earlier tenure of this process, and says what must be written before anything is sent.
    ///
    /// After a reload without a fresh `state`, see [`Planner::replace`]. Holds and marks of what is in
    /// flight are the caller's to set again.
    #[must_use]
    pub fn take_over(
        schedule: Arc<Schedule>,
        grace: Duration,
        state: &State,
        memory: Option<&Planner>,
        _zones: FindZone<'_>,
    ) -> Takeover {
        let mut planner = Planner::empty(schedule, grace);
        planner.sequence = state.sequence;
        let mut changes = Vec::new();
        let schedule = Arc::clone(&planner.schedule);
        for (index, entry) in (0u32..).zip(&schedule.entries).filter(|(_, entry)| entry.enabled) {
            let remembered = memory.and_then(|memory| memory.remembered(entry));
            let progress = state.progress.get(&*entry.name);
            let timing = entry.canonical_timing();
            let known = state.registrations.get(&*entry.name);
            let same = known.filter(|known| known.timing.as_deref() == Some(&*timing));
            let (track, sent) = match same {
                Some(known) => {
                    let settled = progress.map(|progress| progress.through);
                    (Track::live(known.since, settled), progress.map_or(0, |p| p.count))
                }
                None => {
                    let flushed = remembered.filter(|_| state.completeness != Completeness::Whole);
                    let lost = memory.is_some_and(|memory| state.sequence < memory.sequence);
                    let begun = remembered.filter(|_| lost).or(flushed);
                    let since = begun.map_or(state.now, |memory| memory.track.since);
                    let cursor = flushed.map(|memory| memory.track.cursor);
                    let sent = flushed.map_or(0, |memory| memory.sent);
                    let through = cursor.or(progress.map(|progress| progress.through));
                    changes.push(RegistrationChange::Begin {
                        entry: (&*entry.name).into(),
                        timing: timing.into(),
                        since,
                        progress: through
                            .map(|through| Progress { count: sent, ..Progress::through(through) }),
                    });
                    (Track::live(since, through), sent)
                }
            };
            planner.start_track(index, track, sent, remembered);
            // The registration of an intent ends with it: what is written above withdraws it.
            let intent = state.intents.get(&*entry.name).filter(|_| same.is_some());
            if let Some(slot) = intent.filter(|slot| **slot > track.cursor) {
                planner.mark_uncertain(index, *slot);
            }
        }
        changes.extend(retirements(&schedule, state));
        Takeover { planner, changes, ended: Vec::new(), repaired: Vec::new() }
    }

    /// Takes over an edited schedule while leading, without asking the store: `now` is the store's
    /// clock.
    #[must_use]
    pub fn replace(&self, schedule: Arc<Schedule>, now: UnixMs) -> Takeover {
        let mut planner = Planner::empty(schedule, self.grace);
        planner.held.clone_from(&self.held);
        planner.in_flight.clone_from(&self.in_flight);
        planner.sequence = self.sequence;
        let mut changes = Vec::new();
        let schedule = Arc::clone(&planner.schedule);
        for (index, entry) in (0u32..).zip(&schedule.entries).filter(|(_, entry)| entry.enabled) {
            let remembered = self.remembered(entry);
            let (track, sent) = remembered.map_or_else(
                || {
                    changes.push(RegistrationChange::Begin {
                        entry: (&*entry.name).into(),
                        timing: entry.canonical_timing().into(),
                        since: now,
                        progress: None,
                    });
                    (Track::live(now, None), 0)
                },
                |memory| (*memory.track, memory.sent),
            );
            planner.start_track(index, track, sent, remembered);
        }
        let mut ended = Vec::new();
        for ((index, old), track) in (0u32..).zip(&self.schedule.entries).zip(&self.tracks) {
            if !track.is_live() {
                continue;
            }
            let new = schedule.get(&old.name).filter(|new| new.enabled);
            if new.is_none() {
                changes.push(RegistrationChange::Retire {
                    entry: (&*old.name).into(),
                    at: now,
                    progress: self.progress_of(&old.name),
                });
            }
            if new.is_none_or(|new| !same_timing(old, new)) {
                let most = COUNT_CAP.min(self.remaining(index));
                let due_through = old.due_through(track.cursor, now);
                let count = old.count_slots(track.cursor, due_through, most);
                if let Some(slot) = old.last_slot(track.cursor, due_through).filter(|_| count > 0) {
                    let queue = Some(Arc::clone(&old.message.queue));
                    let (entry, reason) = (Arc::clone(&old.name), SkipReason::Retimed);
                    ended.push(Ended { entry, queue, slot, reason, count });
                }
            }
        }
        Takeover { planner, changes, ended, repaired: Vec::new() }
    }

    /// The store's clock was set back to `now`, or was found to have been: whatever was settled
    /// further ahead of it than the grace is taken back, but for what was dispatched.
    #[must_use]
    pub fn repair(&mut self, _now: UnixMs) -> Repair {
        Repair::default()
    }

    fn empty(schedule: Arc<Schedule>, grace: Duration) -> Planner {
        let tracks = vec![Track::NOT_LIVE; schedule.entries.len()];
        Planner {
            schedule,
            grace,
            tracks,
            agenda: BTreeSet::new(),
            judgements: HashMap::new(),
            sent: HashMap::new(),
            held: HashSet::new(),
            in_flight: HashSet::new(),
            sequence: 0,
        }
    }

    /// What is known of a live entry of the same name and timing.
    fn remembered(&self, entry: &Entry) -> Option<Memory<'_>> {
        let (index, old) = self.find(&entry.name)?;
        let track = &self.tracks[index as usize];
        let live = track.is_live() && same_timing(old, entry);
        live.then(|| Memory {
            track,
            judgements: self.judgements.get(&index).map_or(&[][..], Vec::as_slice),
            sent: self.sent_of(index),
        })
    }

    fn start_track(
        &mut self,
        index: u32,
        mut track: Track,
        sent: u64,
        remembered: Option<Memory<'_>>,
    ) {
        if let Some(Memory { track: memory, judgements, .. }) = remembered {
            track.sent_from = track.sent_from.max(memory.sent_from);
            track.sent_until = track.sent_until.max(memory.sent_until);
            let mut judgements = judgements.to_vec();
            // What this process settled before the broker lost it is not judged again: what was
            // sent is sent once more, what was skipped stays skipped.
            if memory.cursor > track.cursor {
                let settled = [
                    Judgement::new(memory.sent_from, Verdict::Skip(SkipReason::TooLate)),
                    Judgement::new(memory.sent_until, Verdict::Send(Kind::Resent)),
                    Judgement::new(memory.cursor, Verdict::Skip(SkipReason::TooLate)),
                ];
                judgements.splice(0..0, settled);
            }
            judgements.retain(|judgement| judgement.through > track.cursor);
            if !judgements.is_empty() {
                self.judgements.insert(index, judgements);
            }
        }
        self.tracks[index as usize] = track;
        let entry = &self.schedule.entries[index as usize];
        if entry.guards.limit.is_some() {
            self.sent.insert(index, sent);
        }
        if let Some(slot) = entry.next_slot(track.cursor).filter(|_| !self.is_done(index)) {
            self.agenda.insert((entry.due(slot), index));
        }
    }

    fn sent_of(&self, index: u32) -> u64 {
        self.sent.get(&index).copied().unwrap_or(0)
    }

    /// How many slots of the entry's life may still be dispatched.
    fn remaining(&self, index: u32) -> u64 {
        self.entry(index).guards.remaining(self.sent_of(index))
    }

    /// Whether the entry has reached its limit: it has no more slots.
    #[must_use]
    pub fn is_done(&self, index: u32) -> bool {
        self.remaining(index) == 0
    }

    /// How many entries have reached their limit.
    #[must_use]
    pub fn done(&self) -> usize {
        self.sent.keys().filter(|index| self.is_done(**index)).count()
    }

    /// The sequence number to name in the next fenced write.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The store acknowledged a fenced write.
    pub fn advance(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// The schedule that is planned.
    #[must_use]
    pub fn schedule(&self) -> &Arc<Schedule> {
        &self.schedule
    }

    /// The entry an item speaks of.
    #[must_use]
    pub fn entry(&self, index: u32) -> &Entry {
        &self.schedule.entries[index as usize]
    }

    /// The entry of that name and its index.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(u32, &Entry)> {
        let entries = &self.schedule.entries;
        let index = entries.binary_search_by(|entry| (*entry.name).cmp(name)).ok()?;
        Some((u32::try_from(index).ok()?, &entries[index]))
    }

    /// How far the entry has come, to be folded and listed; `None` when it is not live.
    #[must_use]
    pub fn progress_of(&self, name: &str) -> Option<Progress> {
        let (index, _) = self.find(name)?;
        let track = &self.tracks[index as usize];
        let progress = Progress { count: self.sent_of(index), ..Progress::through(track.cursor) };
        track.is_live().then_some(progress)
    }

    /// The line to record of an item.
    #[must_use]
    pub fn line(&self, item: &Item) -> Line {
        let entry = self.entry(item.entry);
        let (outcome, count) = match item.action {
            Action::Send(kind) => (Outcome::Dispatched(kind), 1),
            Action::Skip { reason, count } => (Outcome::Skipped(reason), count),
        };
        let delay = entry.due(item.slot).since(item.slot);
        Line { count, delay, ..Line::new(Arc::clone(&entry.name), item.slot, outcome) }
    }

    /// What is due at `now`: at most about `limit` items, and of one entry at most `per_entry`.
    ///
    /// Only judgement is remembered: planning again without `settle` gives the same slots.
    #[must_use]
    pub fn plan(&mut self, now: UnixMs, limit: usize, per_entry: usize) -> Plan {
        let mut items = Vec::new();
        let mut wake_at = UnixMs::MAX;
        for &(due, index) in &self.agenda {
            if due > now {
                wake_at = wake_at.min(due);
                break;
            }
            if items.len() >= limit {
                break;
            }
            let entry = &self.schedule.entries[index as usize];
            let judgements = self.judgements.entry(index).or_default();
            let cursor = self.tracks[index as usize].cursor;
            judge::judge(entry, cursor, judgements, now, self.grace);
            if self.held.contains(&entry.message.queue.name) || self.in_flight.contains(&entry.name)
            {
                continue;
            }
            // So that after a crash no more than one slot of an entry is in doubt.
            let per_entry = if entry.message.queue.amqp.is_some() { 1 } else { per_entry };
            let first = items.len();
            let named = (index, entry);
            judge::unroll(named, cursor, judgements, now, self.grace, per_entry, &mut items);
            if entry.guards.limit.is_some() {
                keep_sends(&mut items, first, self.remaining(index));
            }
        }
        let wake_at = if items.is_empty() { wake_at } else { now };
        Plan { items, wake_at }
    }

    /// The store has recorded the item: its slot and all before it are settled.
    pub fn settle(&mut self, item: &Item) {
        if let Action::Send(_) = item.action
            && item.slot > self.tracks[item.entry as usize].cursor
            && let Some(sent) = self.sent.get_mut(&item.entry)
        {
            *sent += 1;
        }
        let done = self.is_done(item.entry);
        let track = &mut self.tracks[item.entry as usize];
        if item.slot <= track.cursor {
            return;
        }
        let entry = &self.schedule.entries[item.entry as usize];
        if let Some(slot) = entry.next_slot(track.cursor) {
            self.agenda.remove(&(entry.due(slot), item.entry));
        }
        track.cursor = item.slot;
        match item.action {
            Action::Send(_) => track.sent_until = track.sent_until.max(item.slot),
            Action::Skip { .. } if item.slot > track.sent_until => {
                (track.sent_from, track.sent_until) = (item.slot, item.slot);
            }
            Action::Skip { .. } => {}
        }
        let next = entry.next_slot(item.slot).filter(|_| !done);
        if let Some(slot) = next {
            self.agenda.insert((entry.due(slot), item.entry));
        }
        if let Some(judgements) = self.judgements.get_mut(&item.entry) {
            judgements.retain(|judgement| next.is_some_and(|slot| slot <= judgement.through));
            if judgements.is_empty() {
                self.judgements.remove(&item.entry);
            }
        }
    }

    /// The store's clock says that the slot is still to come: what was judged by our own clock
    /// is forgotten.
    pub fn unjudge(&mut self, item: &Item) {
        self.judgements.remove(&item.entry);
    }

    /// A carrier is about to be handed a slot of the entry: until that is over, nothing is planned for
    /// the entry.
    pub fn mark_in_flight(&mut self, entry: &Arc<str>) {
        self.in_flight.insert(Arc::clone(entry));
    }

    /// What became of the slot is known, or that it is not.
    pub fn mark_returned(&mut self, entry: &str) {
        self.in_flight.remove(entry);
    }

    /// Whether the slot was published is not known: it and those before it are sent again, marked,
    /// as long as they are not too old.
    pub fn mark_uncertain(&mut self, index: u32, slot: UnixMs) {
        let judgements = self.judgements.entry(index).or_default();
        judgements.retain(|judgement| judgement.through > slot);
        judgements.insert(0, Judgement::new(slot, Verdict::Send(Kind::Resent)));
    }

    /// The queue refused a message: nothing is planned for it until it is released.
    pub fn hold(&mut self, queue: &Arc<str>) {
        self.held.insert(Arc::clone(queue));
    }

    /// The queue is to be tried again.
    pub fn release(&mut self, queue: &str) {
        self.held.remove(queue);
    }

    /// When the first unsettled slot of all live entries is due; `None` when there is none.
    #[must_use]
    pub fn next_due(&self) -> Option<(UnixMs, &Entry)> {
        let (due, index) = self.agenda.first()?;
        Some((*due, self.entry(*index)))
    }
}

fn same_timing(old: &Entry, new: &Entry) -> bool {
    old.timing == new.timing && old.canonical_timing() == new.canonical_timing()
}

/// Of the items from `first` on, leaves out all behind the last that the limit lets be sent.
fn keep_sends(items: &mut Vec<Item>, first: usize, most: u64) {
    let is_send = |at: &usize| matches!(items[*at].action, Action::Send(_));
    let more = usize::try_from(most.saturating_sub(1)).unwrap_or(usize::MAX);
    if let Some(last) = (first..items.len()).filter(is_send).nth(more) {
        items.truncate(last + 1);
    }
}

fn retirements(schedule: &Schedule, state: &State) -> Vec<RegistrationChange> {
    let enabled = schedule.entries.iter().filter(|entry| entry.enabled);
    let enabled: HashSet<&str> = enabled.map(|entry| &*entry.name).collect();
    let left = |name: &str| !enabled.contains(name);
    let change = |(name, known): (&str, &Registration)| {
        let entry = name.into();
        let progress = state.progress.get(name).cloned();
        match known.timing {
            Some(_) if left(name) => {
                Some(RegistrationChange::Retire { entry, at: state.now, progress })
            }
            None if left(name) && state.now.since(known.since) > RETIRED_FOR => {
                Some(RegistrationChange::Forget { entry })
            }
            _ => None,
        }
    };
    let known = state.registrations.iter().map(|(name, known)| (&**name, known));
    let mut changes: Vec<_> = known.filter_map(change).collect();
    changes.sort_by(|a, b| a.entry().cmp(b.entry()));
    changes
}

/// The longest age at which a slot of the entry is still sent.
fn window(entry: &Entry, grace: Duration) -> Duration {
    match entry.catch_up {
        CatchUp::None => grace,
        CatchUp::Latest | CatchUp::All => entry.within,
    }
}
