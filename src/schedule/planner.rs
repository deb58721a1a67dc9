//! What is due now, and when to look again.
//!
//! The planner is told the time and never asks for it. `plan` answers what to send and what to
//! skip; nothing counts as done until `settle` is told so, after the broker has recorded it. A
//! slot is judged once, when it is first planned: on time it stays to be sent, however long the
//! broker then takes (until its window ends); missed, its entry's `catch_up` decides.

mod judge;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use self::judge::{Judgement, Verdict};
use super::entry::{CatchUp, Entry, Schedule};
use super::kind::Kind;
use super::progress::{Life, LifeChange, RETIRED_FOR, SkipReason, State};
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
    /// Queues that refused a message, and when to try them again.
    held: HashMap<Arc<str>, UnixMs>,
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
            let track = match life.filter(|life| life.timing.as_deref() == Some(&*timing)) {
                Some(life) => Track::live(life.since, settled),
                None => {
                    // Flushed: only our memory says what was sent. Rolled back: the life that we
                    // wrote goes on. Otherwise the timing is new, or back again: it starts now.
                    let flushed = remembered.filter(|_| !state.marked).map(|(track, _)| track);
                    let lost = memory.is_some_and(|memory| state.sequence < memory.sequence);
                    let begun = remembered.filter(|_| lost).map(|(track, _)| track.since);
                    let since = begun.or(flushed.map(|track| track.since)).unwrap_or(state.now);
                    changes.push(LifeChange::Begin {
                        entry: (&*entry.name).into(),
                        timing: timing.into(),
                        since,
                        settled: flushed.map(|track| track.cursor),
                    });
                    Track::live(since, flushed.map(|track| track.cursor).or(settled))
                }
            };
            planner.start_track(index, track, remembered);
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
        planner.sequence = self.sequence;
        let mut changes = Vec::new();
        let schedule = Arc::clone(&planner.schedule);
        for (index, entry) in (0u32..).zip(&schedule.entries).filter(|(_, entry)| entry.enabled) {
            let remembered = self.remembered(entry);
            let track = remembered.map_or_else(
                || {
                    changes.push(LifeChange::Begin {
                        entry: (&*entry.name).into(),
                        timing: entry.canonical_timing().into(),
                        since: now,
                        settled: None,
                    });
                    Track::live(now, None)
                },
                |(track, _)| *track,
            );
            planner.start_track(index, track, remembered);
        }
        let mut retimed = Vec::new();
        for (old, track) in self.schedule.entries.iter().zip(&self.tracks) {
            if !track.is_live() {
                continue;
            }
            let new = schedule.get(&old.name).filter(|new| new.enabled);
            if new.is_none() {
                changes.push(LifeChange::Retire { entry: (&*old.name).into(), at: now });
            }
            if new.is_none_or(|new| !same_timing(old, new)) {
                let due_through = old.due_through(track.cursor, now);
                let due = old.count_slots(track.cursor, due_through, COUNT_CAP);
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
            held: HashMap::new(),
            sequence: 0,
        }
    }

    /// The track and judgements of a live entry of the same name and timing.
    fn remembered(&self, entry: &Entry) -> Option<(&Track, &[Judgement])> {
        let (index, old) = self.find(&entry.name)?;
        let track = &self.tracks[index as usize];
        let live = track.is_live() && same_timing(old, entry);
        live.then(|| (track, self.judgements.get(&index).map_or(&[][..], Vec::as_slice)))
    }

    fn start_track(
        &mut self,
        index: u32,
        mut track: Track,
        remembered: Option<(&Track, &[Judgement])>,
    ) {
        if let Some((memory, judgements)) = remembered {
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
        if let Some(slot) = entry.next_slot(track.cursor) {
            self.agenda.insert((entry.due(slot), index));
        }
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

    /// How far each live entry has come, for listings.
    #[must_use]
    pub fn progress(&self) -> HashMap<Box<str>, UnixMs> {
        let entries = self.schedule.entries.iter().zip(&self.tracks);
        let settled = entries.filter(|(_, track)| track.is_live() && track.cursor > track.since);
        settled.map(|(entry, track)| ((&*entry.name).into(), track.cursor)).collect()
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
            if let Some(until) = self.held.get(&entry.message.queue) {
                wake_at = wake_at.min(*until);
                continue;
            }
            let entry = (index, entry);
            judge::unroll(entry, cursor, judgements, now, self.grace, per_entry, &mut items);
        }
        let wake_at = if items.is_empty() { wake_at } else { now };
        Plan { items, wake_at }
    }

    /// The broker has recorded the item: its slot and all before it are settled.
    pub fn settle(&mut self, item: &Item) {
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
        let next = entry.next_slot(item.slot);
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

    /// The broker's clock says that the slot is still to come: what was judged by our own clock
    /// is forgotten.
    pub fn unjudge(&mut self, item: &Item) {
        self.judgements.remove(&item.entry);
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

fn retirements(schedule: &Schedule, state: &State) -> Vec<LifeChange> {
    let left = |name: &str| !schedule.get(name).is_some_and(|entry| entry.enabled);
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
