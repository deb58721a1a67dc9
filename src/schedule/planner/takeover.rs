//! Takes over a schedule: from what the store knows, from what this process remembers, or from an older
//! schedule.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{FindZone, UnixMs};

use super::ended::{Counter, Former, Gap};
use super::judge::{self, Finding, Judgement, push_judgement};
use super::track::{INSTANT, MAX_OLDER, Track, between, keep_after, keep_until};
use super::{Appointment, Change, Planner, Repaired, Takeover, of, prune};
use crate::schedule::entry::{Entry, Schedule};
use crate::schedule::outcome::SkipReason;
use crate::schedule::progress::{Completeness, Progress, Run, State, insert_run};
use crate::schedule::registration::{RETIRED_FOR, Registration, RegistrationChange};

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
                Some(memory) => planner.keep_registration(index, memory),
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

/// A takeover in progress.
struct TakeoverBuilder<'a> {
    planner: Planner,
    state: &'a State,
    memory: Option<&'a Planner>,
    zones: FindZone<'a>,
    /// Unreadable values, by entry name.
    unreadable: HashMap<&'a str, &'a str>,
    /// How many of the store's records belong to entries of the schedule.
    found: usize,
    changes: Vec<Change>,
    /// When entries are due.
    appointments: Vec<Appointment>,
    counter: Counter,
    repaired: Vec<Repaired>,
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

    fn take_entry(&mut self, index: u32, entry: &Entry) {
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
            let what = format!(
                "its slots up to {} were settled by a clock that was ahead",
                progress.through
            );
            self.push_repaired(name, what);
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
        let former = match (known.timing(), remembered, entry) {
            (_, Some(old), _) => Former::Known(Cow::Borrowed(old.entry())),
            (Some(timing), None, Some(entry)) if timing == entry.canonical_timing() => {
                Former::Known(Cow::Borrowed(entry))
            }
            (Some(timing), None, _) => Former::read(timing, entry, self.zones),
            (None, None, Some(entry)) if known.progress.is_some() => {
                Former::Known(Cow::Borrowed(entry))
            }
            (None, None, _) => Former::Unknown,
        };
        let is_edited_in_memory = !self.is_whole() && remembered.is_some();
        let reason = match is_believed || is_edited_in_memory {
            true => SkipReason::Retimed,
            false => SkipReason::Unknown,
        };
        self.counter.count_former(&gap, &former, reason);
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
    fn retire_others(&mut self, schedule: &Schedule) {
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

    fn finish(self) -> Takeover {
        let TakeoverBuilder {
            mut planner, state, changes, appointments, counter, repaired, ..
        } = self;
        planner.agenda.add_all(appointments);
        let fold_first = state.is_ahead(planner.grace) || !repaired.is_empty();
        Takeover { planner, changes, ended: counter.ended, repaired, fold_first }
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
