//! What is due now, and when to look again.
//!
//! The planner is told the time and never asks for it. `plan` answers what to send and what to
//! skip; nothing counts as done until `settle` is told so, after the broker has recorded it. A
//! slot is judged once, when it is first planned: on time it stays to be sent, however long the
//! broker then takes (until its window ends); missed, its entry's `catch_up` decides.

mod judge;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use self::judge::{Judgement, Verdict};
use super::entry::{CatchUp, Entry, Schedule};
use super::kind::Kind;
use super::legacy::{Life, LifeChange, Progress, RETIRED_FOR, SkipReason, State};
use super::unix_ms::UnixMs;

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
    /// Queues that refused a message, and when to try them again.
    held: HashMap<Arc<str>, UnixMs>,
    /// Entries with a slot in the hands of an AMQP broker: nothing is planned for them.
    lent: HashSet<Arc<str>>,
    /// The broker's sequence number after the last write we know of.
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
    /// The same slot, which the broker has recorded as skipped.
    #[must_use]
    pub fn skipped(self, reason: SkipReason) -> Item {
        Item { action: Action::Skip { reason, count: 1 }, ..self }
    }
}

impl Planner {
    /// Takes up the schedule: compares it with what the broker knows and with the memory of an
    /// earlier stay or an earlier schedule, and says what must be written before anything is sent.
    ///
    /// After a reload without a fresh `state`, see [`Planner::replace`].
    #[must_use]
    pub fn take_office(
        schedule: Arc<Schedule>,
        grace: Duration,
        state: &State,
        memory: Option<&Planner>,
    ) -> (Planner, Vec<LifeChange>) {
        let mut planner = Planner::empty(schedule, grace);
        planner.sequence = state.sequence;
        let mut changes = Vec::new();
        let schedule = Arc::clone(&planner.schedule);
        for (index, entry) in (0u32..).zip(&schedule.entries).filter(|(_, entry)| entry.enabled) {
            let remembered = memory.and_then(|memory| memory.remembered(entry));
            let settled = state.progress.get(&*entry.name).copied();
            let timing = entry.canonical_timing();
            let life = state.lives.get(&*entry.name);
            let same_life = life.filter(|life| life.timing.as_deref() == Some(&*timing));
            let (track, sent) = match same_life {
                Some(life) => {
                    let sent = state.sent.get(&*entry.name).copied();
                    (Track::live(life.since, settled), sent.unwrap_or(0))
                }
                None => {
                    // Flushed: only our memory says what was sent. Rolled back: the life that we
                    // wrote goes on. Otherwise the timing is new, or back again: it starts now.
                    // What a rolled back broker does not know of is sent again, and counted then.
                    let flushed = remembered.filter(|_| !state.marked);
                    let lost = memory.is_some_and(|memory| state.sequence < memory.sequence);
                    let begun = remembered.filter(|_| lost).or(flushed);
                    let since = begun.map_or(state.now, |memory| memory.track.since);
                    let cursor = flushed.map(|memory| memory.track.cursor);
                    let sent = flushed.map_or(0, |memory| memory.sent);
                    changes.push(LifeChange::Begin {
                        entry: (&*entry.name).into(),
                        timing: timing.into(),
                        since,
                        settled: cursor,
                        sent,
                    });
                    (Track::live(since, cursor.or(settled)), sent)
                }
            };
            planner.start_track(index, track, sent, remembered);
            // The life of an intent ends with it: what is written above withdraws it.
            let intent = state.intents.get(&*entry.name).filter(|_| same_life.is_some());
            if let Some(slot) = intent.filter(|slot| **slot > track.cursor) {
                planner.doubt(index, *slot);
            }
        }
        changes.extend(retirements(&schedule, state));
        (planner, changes)
    }

    /// Takes up an edited schedule while in office, without asking the broker: `now` is the
    /// broker's clock. Gives the changes to write, and the still due slots of edited timings.
    #[must_use]
    pub fn replace(
        &self,
        schedule: Arc<Schedule>,
        now: UnixMs,
    ) -> (Planner, Vec<LifeChange>, Vec<Retimed>) {
        let mut planner = Planner::empty(schedule, self.grace);
        planner.held.clone_from(&self.held);
        planner.lent.clone_from(&self.lent);
        planner.sequence = self.sequence;
        let mut changes = Vec::new();
        let schedule = Arc::clone(&planner.schedule);
        for (index, entry) in (0u32..).zip(&schedule.entries).filter(|(_, entry)| entry.enabled) {
            let remembered = self.remembered(entry);
            let (track, sent) = remembered.map_or_else(
                || {
                    changes.push(LifeChange::Begin {
                        entry: (&*entry.name).into(),
                        timing: entry.canonical_timing().into(),
                        since: now,
                        settled: None,
                        sent: 0,
                    });
                    (Track::live(now, None), 0)
                },
                |memory| (*memory.track, memory.sent),
            );
            planner.start_track(index, track, sent, remembered);
        }
        let mut retimed = Vec::new();
        for ((index, old), track) in (0u32..).zip(&self.schedule.entries).zip(&self.tracks) {
            if !track.is_live() {
                continue;
            }
            let new = schedule.get(&old.name).filter(|new| new.enabled);
            if new.is_none() {
                changes.push(LifeChange::Retire { entry: (&*old.name).into(), at: now });
            }
            if new.is_none_or(|new| !same_timing(old, new)) {
                let most = COUNT_CAP.min(self.remaining(index));
                let due_through = old.due_through(track.cursor, now);
                let due = old.count_slots(track.cursor, due_through, most);
                if due > 0 {
                    retimed.push(Retimed { entry: Arc::clone(&old.name), count: due });
                }
            }
        }
        (planner, changes, retimed)
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
            held: HashMap::new(),
            lent: HashSet::new(),
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

    /// The broker acknowledged a fenced write.
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

    /// How far the entry has come, for listings.
    #[must_use]
    pub fn progress_of(&self, entry: &Entry) -> Progress {
        let track = self.find(&entry.name).map(|(index, _)| &self.tracks[index as usize]);
        let settled = track.filter(|track| track.is_live() && track.cursor > track.since);
        let limited = entry.guards.limit.and_then(|_| self.remembered(entry));
        Progress {
            last: settled.map(|track| track.cursor),
            sent: limited.map_or(0, |memory| memory.sent),
        }
    }

    /// The instant up to which every slot of the entry is settled; `None` when it is not live.
    #[must_use]
    pub fn settled_until(&self, index: u32) -> Option<UnixMs> {
        let track = &self.tracks[index as usize];
        track.is_live().then_some(track.cursor)
    }

    /// What is due at `now`: at most about `limit` items, and of one entry at most `per_entry`.
    ///
    /// Only judgement is remembered: planning again without `settle` gives the same slots.
    #[must_use]
    pub fn plan(&mut self, now: UnixMs, limit: usize, per_entry: usize) -> Plan {
        let mut items = Vec::new();
        let mut wake_at = UnixMs::MAX;
        self.held.retain(|_, until| *until > now);
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
            if let Some(until) = self.held.get(&entry.message.queue.name) {
                wake_at = wake_at.min(*until);
                continue;
            }
            if self.lent.contains(&entry.name) {
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

    /// The broker has recorded the item: its slot and all before it are settled.
    pub fn settle(&mut self, item: &Item) {
        if let Action::Send(_) = item.action
            && item.slot > self.tracks[item.entry as usize].cursor
            && let Some(sent) = self.sent.get_mut(&item.entry)
        {
            *sent += 1;
        }
        self.pass(item);
    }

    /// The broker had recorded the item's slot before, and counted it then if it was sent.
    pub fn pass(&mut self, item: &Item) {
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

    /// The broker says that the entry has reached its limit: it has no more slots.
    pub fn exhaust(&mut self, index: u32) {
        let entry = &self.schedule.entries[index as usize];
        let Some(limit) = entry.guards.limit else { return };
        self.sent.insert(index, u64::from(limit.get()));
        if let Some(slot) = entry.next_slot(self.tracks[index as usize].cursor) {
            self.agenda.remove(&(entry.due(slot), index));
        }
        self.judgements.remove(&index);
    }

    /// The broker's clock says that the slot is still to come: what was judged by our own clock
    /// is forgotten.
    pub fn unjudge(&mut self, item: &Item) {
        self.judgements.remove(&item.entry);
    }

    /// A slot of the entry is being published by an AMQP broker: until it is given back, nothing is
    /// planned for the entry.
    pub fn lend(&mut self, entry: &Arc<str>) {
        self.lent.insert(Arc::clone(entry));
    }

    /// What became of the slot is known, or that it is not.
    pub fn give_back(&mut self, entry: &str) {
        self.lent.remove(entry);
    }

    /// What the planner before this one, in the same process, has lent stays so.
    pub fn keep_lent(&mut self, before: &Planner) {
        self.lent.clone_from(&before.lent);
    }

    /// Whether the slot was published is not known: it and those before it are sent again, marked,
    /// as long as they are not too old.
    pub fn doubt(&mut self, index: u32, slot: UnixMs) {
        let judgements = self.judgements.entry(index).or_default();
        judgements.retain(|judgement| judgement.through > slot);
        judgements.insert(0, Judgement::new(slot, Verdict::Send(Kind::Resent)));
    }

    /// The queue refused a message: nothing is planned for it before `until`.
    pub fn hold(&mut self, queue: &Arc<str>, until: UnixMs) {
        self.held.insert(Arc::clone(queue), until);
    }

    /// When the first unsettled slot of all live entries is due; `None` when there is none.
    #[must_use]
    pub fn next_due(&self) -> Option<(UnixMs, &Entry)> {
        let (due, index) = self.agenda.first()?;
        Some((*due, self.entry(*index)))
    }
}

/// Slots that were due when their entry's timing was edited or the entry removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retimed {
    /// The entry's name.
    pub entry: Arc<str>,
    /// How many (10,000 means "or more").
    pub count: u64,
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

fn retirements(schedule: &Schedule, state: &State) -> Vec<LifeChange> {
    let enabled = schedule.entries.iter().filter(|entry| entry.enabled);
    let enabled: HashSet<&str> = enabled.map(|entry| &*entry.name).collect();
    let left = |name: &str| !enabled.contains(name);
    let change = |(name, life): (&str, &Life)| {
        let entry = name.into();
        match life.timing {
            Some(_) if left(name) => Some(LifeChange::Retire { entry, at: state.now }),
            None if left(name) && state.now.since(life.since) > RETIRED_FOR => {
                Some(LifeChange::Forget { entry })
            }
            _ => None,
        }
    };
    let mut changes: Vec<_> =
        state.lives.iter().map(|(name, life)| (&**name, life)).filter_map(change).collect();
    changes.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    changes
}

fn name_of(change: &LifeChange) -> &str {
    match change {
        LifeChange::Begin { entry, .. }
        | LifeChange::Retire { entry, .. }
        | LifeChange::Forget { entry } => entry,
    }
}

/// The longest age at which a slot of the entry is still sent.
fn window(entry: &Entry, grace: Duration) -> Duration {
    match entry.catch_up {
        CatchUp::None => grace,
        CatchUp::Latest | CatchUp::All => entry.within,
    }
}

#[cfg(test)]
mod tests;
