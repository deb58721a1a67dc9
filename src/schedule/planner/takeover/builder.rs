//! Goes through the entries one by one: which continue, which begin, and what became of the slots of those that ended.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use downbeat_time::{FindZone, UnixMs};

use super::super::ended::{Counter, Former, Gap};
use super::super::repair::settled_ahead;
use super::super::track::{Track, keep_after};
use super::super::{Appointment, Planner, Repaired, of};
use super::{Change, MISSING_RECORDS, Memory, Takeover, same_timing};
use crate::schedule::entry::{Entry, Schedule};
use crate::schedule::outcome::SkipReason;
use crate::schedule::progress::{Completeness, Progress, Run, State};
use crate::schedule::registration::{RETIRED_FOR, Registration, RegistrationChange};

/// A takeover in progress.
pub(super) struct TakeoverBuilder<'a> {
    pub(super) planner: Planner,
    pub(super) state: &'a State,
    pub(super) memory: Option<&'a Planner>,
    pub(super) zones: FindZone<'a>,
    /// Unreadable values, by entry name.
    pub(super) unreadable: HashMap<&'a str, &'a str>,
    /// How many of the store's records belong to entries of the schedule.
    pub(super) found: usize,
    pub(super) changes: Vec<Change>,
    /// When entries are due.
    pub(super) appointments: Vec<Appointment>,
    pub(super) counter: Counter,
    pub(super) repaired: Vec<Repaired>,
}

/// What the store has of one entry.
#[derive(Clone, Copy)]
struct Known<'a> {
    registration: Option<&'a Registration>,
    progress: Option<&'a Progress>,
}

impl<'a> Known<'a> {
    /// Every slot up to here is settled.
    fn cursor(&self) -> UnixMs {
        let since = self.registration.map_or(UnixMs::MIN, |registration| registration.since);
        self.progress.map_or(since, |progress| progress.through.max(since))
    }

    /// The timing, if the entry is live.
    fn timing(&self) -> Option<&'a str> {
        self.registration.and_then(|registration| registration.timing.as_deref())
    }
}

impl<'a> TakeoverBuilder<'a> {
    fn known(&self, name: &str) -> Known<'a> {
        let registration = self.state.registrations.get(name);
        Known { registration, progress: self.state.progress.get(name) }
    }

    fn is_whole(&self) -> bool {
        self.state.completeness == Completeness::Whole
    }

    /// What is unreadable among the entry's records. If some unreadable values are not named, a missing record
    /// may be one of them: then half of an entry's records is not believed, and an entry without records does
    /// not count as new.
    fn unreadable(&self, name: &str, known: Known<'_>) -> Option<&'a str> {
        let is_whole = known.registration.is_some() && known.progress.is_some();
        let is_suspect = self.state.unreadable_count > self.state.unreadable.len() && !is_whole;
        let what = self.unreadable.get(name).copied();
        what.or_else(|| is_suspect.then_some(MISSING_RECORDS))
    }

    fn push_repaired(&mut self, entry: &Arc<str>, what: String) {
        self.repaired.push(Repaired { entry: Arc::clone(entry), what });
    }

    pub(super) fn take_entry(&mut self, index: u32, entry: &Entry) {
        let known = self.known(&entry.name);
        self.found += usize::from(known.registration.is_some());
        self.found += usize::from(known.progress.is_some());
        let remembered = self.memory.and_then(|memory| memory.remembered(entry));
        let unreadable = self.unreadable(&entry.name, known);
        if let Some(what) = unreadable {
            self.push_repaired(&entry.name, what.to_owned());
        }
        let is_same = known.timing().is_some_and(|timing| timing == entry.canonical_timing());
        let forgotten = self.forgotten_edit(&entry.name, known, Some(entry));
        // Whether the registration continues, and whether that must be written.
        let goes_on = if !self.is_whole() {
            remembered.map(|memory| {
                self.keep_registration(index, memory, known);
                true
            })
        } else if let Some(memory) =
            remembered.filter(|memory| self.is_exact(memory, known, is_same))
        {
            self.keep_registration(index, memory, known);
            Some(unreadable.is_some() || !is_same || known.cursor() != memory.track().cursor)
        } else if unreadable.is_some() || forgotten.is_some() {
            None
        } else if is_same {
            Some(self.resume(index, known.cursor(), known, remembered))
        } else if let Some(memory) = remembered.filter(|memory| self.has_forgotten(memory, known)) {
            // The beginning of the registration is forgotten, too.
            let settled = known.progress.map_or(UnixMs::MIN, |progress| progress.through);
            let cursor = settled.max(memory.track().known_from);
            self.resume(index, cursor, known, remembered);
            Some(true)
        } else {
            None
        };
        match goes_on {
            Some(is_new) => {
                let since = known.registration.filter(|_| is_same).map(|known| known.since);
                self.finish_entry(index, since, is_new, remembered);
            }
            None => {
                let is_unreadable = unreadable.is_some();
                self.count_ended(&entry.name, known, Some(entry), forgotten, is_unreadable);
                self.begin(index, entry, known, unreadable.is_some());
            }
        }
        self.appointments.extend(self.planner.appoint(index));
    }

    /// Whether nobody has written since what is remembered was recorded.
    fn is_exact(&self, memory: &Memory<'_>, known: Known<'_>, is_same: bool) -> bool {
        let track = memory.track();
        let horizon = self.state.now + self.planner.grace;
        // A registration that an edit began may never have been written.
        let is_settled = |progress: &Progress| progress.is_settled(track.known_from);
        let is_recorded = known.cursor() >= track.known_from
            || known.progress.is_some_and(is_settled)
            || known.registration.is_some_and(|known| known.since == track.known_from);
        self.state.sequence == memory.planner.sequence
            && (track.cursor >= known.cursor() || known.cursor() > horizon)
            && (known.timing().is_none() || is_same && is_recorded)
    }

    /// Whether the store has forgotten something written in this memory's time.
    fn is_rolled_back(&self, memory: &Memory<'_>) -> bool {
        self.state.sequence < memory.planner.sequence
    }

    /// Whether the store has forgotten that this memory's registration began. One that began later is another
    /// leader's edit.
    fn has_forgotten(&self, memory: &Memory<'_>, known: Known<'_>) -> bool {
        let known_from = memory.track().known_from;
        let is_later = known.registration.is_some_and(|known| known.since > known_from);
        self.is_rolled_back(memory) && !is_later
    }

    /// The memory of the entry with another timing, if the store has forgotten the edit that began it: another
    /// edit has ended it since.
    fn forgotten_edit(
        &self,
        name: &str,
        known: Known<'_>,
        entry: Option<&Entry>,
    ) -> Option<Memory<'a>> {
        let old = self.memory.filter(|_| self.is_whole())?.live(name)?;
        let goes_on = entry.is_some_and(|entry| same_timing(old.entry(), entry));
        let is_edited = !goes_on && self.has_forgotten(&old, known);
        // What the store knows of that timing says what was due.
        let is_known =
            known.timing().is_some_and(|timing| timing == old.entry().canonical_timing());
        (is_edited && !is_known).then_some(old)
    }

    /// Continues with what is remembered, or further if the store has later records.
    fn keep_registration(&mut self, index: u32, memory: Memory<'_>, known: Known<'_>) {
        self.planner.keep_registration(index, memory);
        let horizon = self.state.now + self.planner.grace;
        let settled = known.progress.map_or(UnixMs::MIN, |progress| progress.through);
        if settled > memory.track().cursor && settled <= horizon {
            self.planner.tracks[index as usize].cursor = settled;
            self.planner.tracks[index as usize].known_from = settled;
        }
        self.pass_ahead(index, known);
    }

    /// Continues from what the store has, and returns whether more is passed over than the store knows.
    fn resume(
        &mut self,
        index: u32,
        cursor: UnixMs,
        known: Known<'_>,
        remembered: Option<Memory<'_>>,
    ) -> bool {
        let mut track = Track::from(cursor);
        if let Some(progress) = known.progress {
            track.outcome = progress.outcome;
            track.set_dispatched(progress.dispatched);
        }
        let is_rolled_back = remembered.filter(|memory| self.is_rolled_back(memory)).is_some();
        let planner = &mut self.planner;
        planner.tracks[index as usize] = track;
        let mut is_new = false;
        match remembered {
            Some(memory) if memory.track().cursor <= cursor => {
                planner.keep_registration(index, memory);
                if memory.track().cursor < cursor {
                    // Slots settled by other leaders are not remembered, nor are those before.
                    planner.older.remove(&index);
                    planner.tracks[index as usize] = track;
                }
            }
            Some(memory) if is_rolled_back => {
                planner.restore(index, memory, self.state.now);
                is_new = of(&planner.passed, index).iter().any(|run| run.last > cursor);
            }
            // Others have led since: the store is believed.
            Some(_) | None => {}
        }
        planner.set_count(index, known.progress.map_or(0, |progress| progress.count));
        self.pass_ahead(index, known);
        is_new
    }

    fn pass_ahead(&mut self, index: u32, known: Known<'_>) {
        let Some(progress) = known.progress else { return };
        let newest = progress.dispatched.map(|slot| Run { first: slot, last: slot });
        // A cursor that is ahead is about to be set back.
        let is_ahead = self.planner.is_ahead(index, self.state.now);
        let cursor = self.planner.tracks[index as usize].cursor;
        let after = if is_ahead { UnixMs::MIN } else { cursor };
        for run in progress.ahead.iter().copied().chain(newest) {
            self.planner.pass_after(index, run, after);
        }
    }

    /// Repairs what is ahead of the store's clock, adds uncertain slots, and writes everything that is new to
    /// the store.
    fn finish_entry(
        &mut self,
        index: u32,
        since: Option<UnixMs>,
        mut is_new: bool,
        remembered: Option<Memory<'_>>,
    ) {
        let now = self.state.now;
        if self.planner.is_ahead(index, now) {
            // Memory knows what the store has forgotten, unless a later leader settled slots ahead.
            let name = &self.planner.entry(index).name;
            let through = self.known(name).progress.map_or(UnixMs::MIN, |known| known.through);
            let is_forgotten = |memory: &Memory<'_>| self.is_rolled_back(memory) && through <= now;
            let cursor = remembered
                .filter(is_forgotten)
                .map_or(now, |memory| memory.track().cursor.max(through).min(now));
            let what = self.planner.set_back(index, now, cursor);
            for run in remembered.into_iter().flat_map(|memory| memory.runs()) {
                self.planner.pass_after(index, run, cursor);
            }
            let name = Arc::clone(&self.planner.entry(index).name);
            self.push_repaired(&name, what);
            is_new = true;
        }
        let track = self.planner.tracks[index as usize];
        let intent = self.state.intents.get(&*self.planner.entry(index).name);
        if let Some(slot) = intent.copied().filter(|slot| *slot > track.cursor) {
            if slot > now + self.planner.grace {
                self.planner.mark_forgotten(index, vec![Run { first: slot, last: slot }]);
            } else {
                self.planner.mark_uncertain(index, slot);
            }
        }
        self.planner.drop_settled(index);
        if is_new {
            let since = since.map_or(track.known_from, |since| since.min(track.cursor));
            self.changes.push(self.planner.registration(index, since));
        }
    }

    /// Begins a registration now.
    fn begin(&mut self, index: u32, entry: &Entry, known: Known<'a>, is_unreadable: bool) {
        let progress = self.believable(&entry.name, known.progress);
        let is_same = known.timing().is_none_or(|timing| timing == entry.canonical_timing());
        let is_lost = is_unreadable || !self.is_whole();
        // Slots sent before their records were lost count against the limit.
        let count = progress.as_ref().map_or(0, |progress| progress.count);
        let count = if is_lost && is_same { count } else { 0 };
        let change = self.planner.begin(index, progress, count, self.state.now);
        self.changes.push(change);
    }

    /// The believable part of the progress of a registration that does not continue.
    fn believable(&mut self, name: &Arc<str>, progress: Option<&Progress>) -> Option<Progress> {
        let now = self.state.now;
        let mut progress = match (progress.cloned(), self.memory) {
            (None, Some(memory)) if !self.is_whole() => {
                let retired = memory.retired.get(name).cloned();
                memory.progress_of(name).or(retired)
            }
            (progress, _) => progress,
        }?;
        if progress.through > now + self.planner.grace {
            self.push_repaired(name, settled_ahead(progress.through));
            progress.through = now;
        }
        if let Some(slot) = progress.dispatched.filter(|slot| *slot > progress.through) {
            progress.settle_ahead(Run { first: slot, last: slot });
        }
        keep_after(&mut progress.ahead, progress.through);
        Some(progress)
    }

    /// Counts the due slots of a registration that does not continue.
    fn count_ended(
        &mut self,
        name: &Arc<str>,
        known: Known<'a>,
        entry: Option<&Entry>,
        forgotten: Option<Memory<'_>>,
        is_unreadable: bool,
    ) {
        match forgotten {
            Some(old) => old.planner.count_ended(old.index, self.state.now, &mut self.counter),
            None => self.count_gap(name, known, entry, is_unreadable),
        }
    }

    /// Counts the due slots of a registration that the store knows, or that was lost.
    fn count_gap(
        &mut self,
        name: &Arc<str>,
        known: Known<'a>,
        entry: Option<&Entry>,
        is_unreadable: bool,
    ) {
        let now = self.state.now;
        let old = self.memory.and_then(|memory| memory.live(name));
        let remembered = old.filter(|old| match known.timing() {
            Some(timing) => timing == old.entry().canonical_timing(),
            None => !self.is_whole() && known.registration.is_none(),
        });
        let is_live = known.timing().is_some() || remembered.is_some();
        let is_retired = known.registration.is_some() && !is_live;
        let is_believed = self.is_whole() && !is_unreadable;
        if is_retired || is_believed && !is_live {
            return;
        }
        if !is_live && known.progress.is_none() && !is_unreadable {
            return;
        }
        let queue = remembered.map(|old| &old.entry().message.queue);
        let queue = queue.or(entry.map(|entry| &entry.message.queue)).cloned();
        let mut from = known.cursor();
        if let Some(old) = remembered.filter(|_| !self.is_whole()) {
            from = from.max(old.track().cursor);
        }
        let gap = Gap {
            name,
            queue: queue.as_ref(),
            // A clock that was ahead has counted everything up to there.
            from: if from > now { now } else { from },
            passed: known.progress.map_or(&[][..], |progress| &progress.ahead),
            dispatched: known.progress.map_or(0, |progress| progress.count),
            at: now,
        };
        let former = self.former(known, remembered, entry);
        let is_edited_in_memory = !self.is_whole() && remembered.is_some();
        let reason = match is_believed || is_edited_in_memory {
            true => SkipReason::Retimed,
            false => SkipReason::Unknown,
        };
        self.counter.count_former(&gap, &former, reason);
    }

    /// What is known of the slots of a registration that ended.
    fn former<'e>(
        &self,
        known: Known<'_>,
        remembered: Option<Memory<'e>>,
        entry: Option<&'e Entry>,
    ) -> Former<'e> {
        match (known.timing(), remembered, entry) {
            (_, Some(old), _) => Former::Known(Cow::Borrowed(old.entry())),
            (Some(timing), None, Some(entry)) if timing == entry.canonical_timing() => {
                Former::Known(Cow::Borrowed(entry))
            }
            (Some(timing), None, _) => Former::read(timing, entry, self.zones),
            (None, None, Some(entry)) if known.progress.is_some() => {
                Former::Known(Cow::Borrowed(entry))
            }
            (None, None, _) => Former::Unknown,
        }
    }

    /// The memory, if the store has lost some of it.
    fn believed_memory(&self) -> Option<&'a Planner> {
        let is_rolled_back = |memory: &&Planner| self.state.sequence < memory.sequence;
        self.memory.filter(|memory| !self.is_whole() || is_rolled_back(memory))
    }

    /// Whether anything may be known of entries that are no longer in the schedule.
    fn has_leftovers(&self) -> bool {
        let records = self.state.registrations.len() + self.state.progress.len();
        let is_remembered = self.believed_memory().is_some();
        self.found != records || !self.unreadable.is_empty() || is_remembered
    }

    /// Retires entries that are no longer in the schedule, and forgets those that left long ago.
    pub(super) fn retire_others(&mut self, schedule: &Schedule) {
        // Looking up a million names takes a while.
        if !self.has_leftovers() {
            return;
        }
        let mut enabled = HashSet::with_capacity(schedule.entries.len());
        let entries = schedule.entries.iter().filter(|entry| entry.enabled);
        enabled.extend(entries.map(|entry| &*entry.name));
        let known = self.state.registrations.keys().chain(self.state.progress.keys());
        let mut names: Vec<&str> = known.map(|name| &**name).collect();
        names.extend(self.unreadable.keys().filter(|name| !name.is_empty()));
        if let Some(memory) = self.believed_memory() {
            names.extend(memory.live_names());
        }
        // A name that no entry can have is not retired.
        names.retain(|name| !enabled.contains(name) && !name.contains(char::is_control));
        names.sort_unstable();
        names.dedup();
        for name in names {
            self.leave(name, schedule.get(name));
        }
    }

    fn leave(&mut self, name: &str, entry: Option<&Entry>) {
        let (known, now) = (self.known(name), self.state.now);
        let unreadable = self.unreadable(name, known);
        let is_retired = known.registration.is_some() && known.timing().is_none();
        let name: Arc<str> = name.into();
        if let Some(what) = unreadable {
            self.push_repaired(&name, what.to_owned());
        }
        let since = known.registration.map_or(now, |registration| registration.since);
        if is_retired && now.since(since) > RETIRED_FOR {
            let forget = RegistrationChange::Forget { entry: (&*name).into() };
            return self.changes.push(Change::Leave(Box::new(forget)));
        }
        let forgotten = self.forgotten_edit(&name, known, None);
        self.count_ended(&name, known, entry, forgotten, unreadable.is_some());
        let progress = self.believable(&name, known.progress);
        // Something must take the place of what cannot be read.
        let progress = progress.or_else(|| unreadable.map(|_| Progress::through(now)));
        let is_plausible = since <= now + self.planner.grace;
        if !is_retired || unreadable.is_some() || !is_plausible {
            let (entry, progress) = ((&*name).into(), progress.clone());
            let retire = RegistrationChange::Retire { entry, at: now, progress };
            self.changes.push(Change::Leave(Box::new(retire)));
        }
        self.planner.retired.extend(progress.map(|progress| (name, progress)));
    }

    pub(super) fn finish(self) -> Takeover {
        let TakeoverBuilder {
            mut planner, state, changes, appointments, counter, repaired, ..
        } = self;
        planner.agenda.add_all(appointments);
        let fold_first = state.is_ahead(planner.grace) || !repaired.is_empty();
        Takeover { planner, changes, ended: counter.ended, repaired, fold_first }
    }
}
