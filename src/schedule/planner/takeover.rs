//! Takes over a schedule: from what the store knows, from what this process remembers, or from an older
//! schedule.

mod builder;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{FindZone, UnixMs};

use self::builder::TakeoverBuilder;
use super::ended::Counter;
use super::judge::{self, Finding, Judgement, push_judgement};
use super::track::{INSTANT, MAX_OLDER, Track, between, keep_after, keep_until};
use super::{Ended, Planner, Repaired, of, prune};
use crate::schedule::entry::{Entry, Schedule};
use crate::schedule::progress::{Progress, Run, State, insert_run};
use crate::schedule::registration::RegistrationChange;

/// A planner for a new tenure or an edited schedule, and what must be written before it sends anything.
#[derive(Debug)]
pub struct Takeover {
    /// The planner.
    pub planner: Planner,
    /// Which entries become live, and which no longer are; at most one change per entry.
    pub changes: Vec<Change>,
    /// Slots of registrations that ended; at most one per entry.
    pub ended: Vec<Ended>,
    /// Entries with implausible or unreadable records.
    pub repaired: Vec<Repaired>,
    /// Whether everything must be folded after the changes are written, before anything is sent: the journal has
    /// records made by a clock that was ahead, which would one day count as the newest.
    pub fold_first: bool,
}

/// A change of a registration that must be written. There may be a million: the texts are only made when one is
/// [written](Planner::written).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A registration begins, or a remembered or repaired one is written again.
    Begin {
        /// The entry.
        index: u32,
        /// See [`RegistrationChange::Begin`].
        since: UnixMs,
        /// See [`RegistrationChange::Begin`].
        progress: Option<Box<Progress>>,
    },
    /// An entry has left the schedule, now or long ago.
    Leave(Box<RegistrationChange>),
}

/// The maximum number of runs settled ahead that are remembered for one entry.
pub(super) const MAX_PASSED: usize = 2 * MAX_OLDER;

/// What is wrong with an entry that has half of its records, if an unnamed unreadable one may be the other half.
pub const MISSING_RECORDS: &str = "some of its records are missing";

/// What a planner knows of an entry's current registration.
#[derive(Clone, Copy)]
struct Memory<'a> {
    planner: &'a Planner,
    index: u32,
}

impl<'a> Memory<'a> {
    fn track(&self) -> Track {
        self.planner.tracks[self.index as usize]
    }

    fn entry(&self) -> &'a Entry {
        self.planner.entry(self.index)
    }

    fn runs(&self) -> Vec<Run> {
        self.planner.runs(self.index)
    }
}

impl Planner {
    /// Takes over the schedule: compares it with what the store knows and with the memory of an earlier tenure
    /// of this process, and says what must be written before anything is sent. Memory is believed if the store's
    /// records are missing: the caller only passes it if no other leader has written since.
    ///
    /// After a reload without a new `state`, see [`Planner::replace`]. The caller must mark held queues and
    /// entries in flight again.
    #[must_use]
    pub fn take_over(
        schedule: Arc<Schedule>,
        grace: Duration,
        state: &State,
        memory: Option<&Planner>,
        zones: FindZone<'_>,
    ) -> Takeover {
        let mut planner = Planner::empty(Arc::clone(&schedule), grace);
        planner.sequence = state.sequence;
        planner.buckets = memory.map_or_else(HashMap::new, |memory| memory.buckets.clone());
        let unreadable = state.unreadable.iter().map(|(name, what)| (&**name, &**what)).collect();
        let mut taking = TakeoverBuilder {
            planner,
            state,
            memory,
            zones,
            unreadable,
            found: 0,
            changes: Vec::new(),
            appointments: Vec::new(),
            counter: Counter::new(),
            repaired: Vec::new(),
        };
        for (index, entry) in (0u32..).zip(&schedule.entries) {
            if entry.enabled {
                taking.take_entry(index, entry);
            }
        }
        taking.retire_others(&schedule);
        taking.finish()
    }

    /// Takes over an edited schedule while leading, without asking the store; `now` is the store's clock. If
    /// that was set back, call [`Planner::repair`] before.
    #[must_use]
    pub fn replace(&self, schedule: Arc<Schedule>, now: UnixMs) -> Takeover {
        let mut planner = Planner::empty(Arc::clone(&schedule), self.grace);
        self.held.keys().for_each(|queue| planner.hold(queue));
        planner.buckets.clone_from(&self.buckets);
        planner.retired.clone_from(&self.retired);
        planner.pauses.clone_from(&self.pauses);
        planner.store_behind = self.store_behind;
        planner.sequence = self.sequence;
        let (mut changes, mut counter) = (Vec::new(), Counter::new());
        for (index, entry) in (0u32..).zip(&schedule.entries).filter(|(_, entry)| entry.enabled) {
            match self.remembered(entry) {
                Some(memory) => {
                    planner.keep_registration(index, memory);
                    planner.pass_readings_again(index, memory.entry());
                }
                None => {
                    changes.push(planner.begin(index, self.known_progress(&entry.name), 0, now));
                    planner.retired.remove(&entry.name);
                }
            }
            planner.put_on_agenda(index);
            if self.find(&entry.name).is_some_and(|(old, _)| self.in_flight.contains_key(&old)) {
                planner.mark_in_flight(index);
            }
        }
        for (index, old) in (0u32..).zip(&self.schedule.entries) {
            if !self.tracks[index as usize].is_live() {
                continue;
            }
            let new = schedule.get(&old.name).filter(|new| new.enabled);
            if new.is_none_or(|new| !same_timing(old, new)) {
                self.count_ended(index, now, &mut counter);
            }
            if new.is_none() {
                let entry = (&*old.name).into();
                let progress = self.progress(index);
                planner.retired.insert(Arc::clone(&old.name), progress.clone());
                let progress = Some(progress);
                let retire = RegistrationChange::Retire { entry, at: now, progress };
                changes.push(Change::Leave(Box::new(retire)));
            }
        }
        let (ended, repaired) = (counter.ended, Vec::new());
        Takeover { planner, changes, ended, repaired, fold_first: false }
    }

    /// The memory of a live entry of that name.
    fn live(&self, name: &str) -> Option<Memory<'_>> {
        let (index, _) = self.find(name)?;
        self.tracks[index as usize].is_live().then_some(Memory { planner: self, index })
    }

    fn live_names(&self) -> impl Iterator<Item = &str> {
        let entries = self.schedule.entries.iter().zip(&self.tracks);
        entries.filter(|(_, track)| track.is_live()).map(|(entry, _)| &*entry.name)
    }

    /// The memory of a live entry of the same name and timing.
    fn remembered(&self, entry: &Entry) -> Option<Memory<'_>> {
        self.live(&entry.name).filter(|old| same_timing(old.entry(), entry))
    }

    /// All runs of slots known to be dispatched and settled.
    pub(super) fn runs(&self, index: u32) -> Vec<Run> {
        let older = self.older.get(&index).into_iter().flatten().copied();
        older.chain(self.tracks[index as usize].run()).collect()
    }

    pub(super) fn set_runs(&mut self, index: u32, mut runs: Vec<Run>) {
        self.tracks[index as usize].set_run(runs.pop());
        self.older.remove(&index);
        if !runs.is_empty() {
            self.older.insert(index, runs);
        }
    }

    /// Continues exactly the remembered registration.
    fn keep_registration(&mut self, index: u32, memory: Memory<'_>) {
        let Memory { planner, index: old } = memory;
        self.tracks[index as usize] = planner.tracks[old as usize];
        let judgements = planner.known_judgements(old);
        if !judgements.is_empty() {
            self.judgements.insert(index, judgements);
        }
        copy(&planner.older, old, &mut self.older, index);
        copy(&planner.passed, old, &mut self.passed, index);
        copy(&planner.forgotten, old, &mut self.forgotten, index);
        self.set_count(index, planner.count_of(old));
    }

    /// If new zone rules set the entry's clock back, readings that were dispatched come again. They are passed
    /// over, as in a repeated hour.
    fn pass_readings_again(&mut self, index: u32, old: &Entry) {
        let (new, track) = (self.entry(index), self.tracks[index as usize]);
        if Arc::ptr_eq(&old.zone, &new.zone) || !new.timing.fires_once_a_reading() {
            return;
        }
        let Some(newest) = track.dispatched() else { return };
        let last = new.zone.resolve(old.zone.to_local(newest));
        if last > track.cursor {
            self.pass(index, Run { first: track.cursor + INSTANT, last });
        }
    }

    fn set_count(&mut self, index: u32, count: u64) {
        if self.entry(index).guards.limit.is_some() {
            self.counts.insert(index, count);
        }
    }

    /// Begins a registration now, or after the entry's last progress, if that is later.
    fn begin(&mut self, index: u32, known: Option<Progress>, count: u64, now: UnixMs) -> Change {
        let since = known.as_ref().map_or(now, |known| known.through.max(now));
        let progress = known.map(|known| Progress { count, ..known });
        let mut track = Track::from(since);
        if let Some(known) = &progress {
            track.outcome = known.outcome;
            track.set_dispatched(known.dispatched);
            for run in &known.ahead {
                self.pass_after(index, *run, since);
            }
        }
        self.tracks[index as usize] = track;
        self.set_count(index, count);
        Change::Begin { index, since, progress: progress.map(Box::new) }
    }

    /// The change that writes the entry's current registration.
    pub(super) fn registration(&self, index: u32, since: UnixMs) -> Change {
        Change::Begin { index, since, progress: Some(Box::new(self.progress(index))) }
    }

    /// A change of this planner in the form that the store takes.
    #[must_use]
    pub fn written(&self, change: Change) -> RegistrationChange {
        match change {
            Change::Begin { index, since, progress } => {
                let entry = self.entry(index);
                let (entry, timing) = ((&*entry.name).into(), entry.canonical_timing().into());
                let progress = progress.map(|progress| *progress);
                RegistrationChange::Begin { entry, timing, since, progress }
            }
            Change::Leave(change) => *change,
        }
    }

    /// Handles slots after the cursor that the store has forgotten: dispatched ones are sent again, skipped ones
    /// are passed over, and those before our memory are judged as by a leader without one.
    fn restore(&mut self, index: u32, memory: Memory<'_>, now: UnixMs) {
        let Memory { planner, index: old } = memory;
        let remembered = memory.track();
        let cursor = self.tracks[index as usize].cursor;
        let from = remembered.known_from.max(cursor);
        let all = planner.runs(old);
        let mut lost = all.clone();
        keep_after(&mut lost, from);
        let mut judgements = Vec::new();
        if from > cursor {
            let on_time_from = now - self.grace;
            let entry = self.entry(index);
            judge::find_due(entry, cursor, &mut judgements, now, on_time_from);
            judge::cut(&mut judgements, from);
        }
        let mut settled = from;
        if let Some(first) = lost.first().filter(|_| all.len() > MAX_OLDER && from < all[0].first) {
            settled = first.first - INSTANT;
            push_judgement(&mut judgements, settled, Finding::Unknown);
        }
        let passed = self.passed.entry(index).or_default();
        for run in &lost {
            passed.extend(between(settled, run.first));
            settled = run.last;
        }
        passed.extend(between(settled, remembered.cursor + INSTANT));
        if let Some(last) = lost.last() {
            judgements.push(Judgement::new(last.last, Finding::Resent));
        }
        judgements.extend(planner.known_judgements(old));
        if !judgements.is_empty() {
            self.judgements.insert(index, judgements);
        }
        for run in planner.passed.get(&old).into_iter().flatten() {
            // Slots dispatched ahead of their time are forgotten as well.
            match run.last > now {
                true => self.mark_forgotten(index, vec![*run]),
                false => self.pass(index, *run),
            }
        }
        self.mark_forgotten(index, of(&planner.forgotten, old).to_vec());
        let mut kept = all;
        keep_until(&mut kept, cursor);
        if !kept.is_empty() {
            self.set_runs(index, kept);
        }
        let track = &mut self.tracks[index as usize];
        track.known_from = remembered.known_from.min(cursor);
    }

    fn mark_forgotten(&mut self, index: u32, runs: Vec<Run>) {
        for run in runs {
            insert_run(self.forgotten.entry(index).or_default(), run, MAX_PASSED);
        }
    }

    /// Drops judgements of slots that are settled.
    fn drop_settled(&mut self, index: u32) {
        let cursor = self.tracks[index as usize].cursor;
        prune(&mut self.judgements, index, |judgement| judgement.through > cursor);
    }
}

impl Takeover {
    /// How far each entry is settled before the changes are written, as far as `state` and `memory` know. A new
    /// journal begins with this. Slots that end with their registration are settled only once their end is
    /// recorded.
    #[must_use]
    pub fn settled(&self, state: &State, memory: Option<&Planner>) -> Vec<(Arc<str>, Progress)> {
        let ended: HashSet<&str> = self.ended.iter().map(|ended| &*ended.entry).collect();
        let entries = self.planner.schedule.entries.iter().map(|entry| &*entry.name);
        let names: BTreeSet<&str> =
            entries.chain(state.progress.keys().map(|name| &**name)).collect();
        let settled = |name| {
            if !ended.contains(name) {
                return self.planner.known_progress(name);
            }
            let remembered = memory.and_then(|memory| memory.progress_of(name));
            let known = state.progress.get(name).cloned();
            remembered.into_iter().chain(known).max_by_key(|progress| progress.through)
        };
        names.into_iter().filter_map(|name| Some((name.into(), settled(name)?))).collect()
    }
}

fn copy<T: Clone>(from: &HashMap<u32, Vec<T>>, old: u32, to: &mut HashMap<u32, Vec<T>>, new: u32) {
    if let Some(items) = from.get(&old) {
        to.insert(new, items.clone());
    }
}

fn same_timing(old: &Entry, new: &Entry) -> bool {
    let is_alike = old.timing == new.timing
        && old.bounds == new.bounds
        && old.guards.limit == new.guards.limit
        && old.zone.name() == new.zone.name();
    is_alike || old.canonical_timing() == new.canonical_timing()
}
