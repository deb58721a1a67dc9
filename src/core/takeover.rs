//! Takes over: reads what the store knows, and writes which entries are live. Whatever else must be written
//! before anything is sent goes the same way, in parts, one behind the other.

mod writing;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::writing::{Part, Purpose, Registering, new_journal};
use super::log::{self, Log};
use super::pipe::{Position, Work};
use super::scheduler::{Scheduler, Stage};
use super::{Action, Now, Request, RequestId};
use crate::clock::SinceBoot;
use crate::leader::lease::{self, Lease};
use crate::schedule::Schedule;
use crate::schedule::outcome::Outcome;
use crate::schedule::planner::{Change, Ended, MISSING_RECORDS, Planner, Repaired, Takeover};
use crate::schedule::progress::{Completeness, Progress, State};
use crate::store::contract::{Counters, History, OTHER_QUEUES, Remembered, Snapshot};
use crate::store::journal::Record;
use crate::tzdata;

pub(super) use self::writing::Writing;

/// The reads that precede a takeover.
#[derive(Debug)]
pub(super) struct Reading {
    /// The tenure that is about to begin.
    pub(super) lease: Arc<str>,
    pub(super) asked_at: SinceBoot,
    read: RequestId,
    counted: RequestId,
    /// The request for the pauses, until it is answered.
    paused: Option<RequestId>,
    history: Option<RequestId>,
    snapshot: Option<(Snapshot, State)>,
    counters: Option<Counters>,
}

impl Reading {
    pub(super) fn waits_for(&self, id: RequestId) -> bool {
        id == self.read || id == self.counted || self.paused == Some(id) || self.history == Some(id)
    }
}

/// The entries whose registrations a takeover changes, for the log.
#[derive(Debug)]
struct ChangedEntries {
    count: usize,
    began: Option<String>,
    retired: Option<String>,
}

impl ChangedEntries {
    fn of(changes: &[Change], schedule: &Schedule) -> ChangedEntries {
        let began = changes.iter().filter_map(|change| match change {
            Change::Begin { index, .. } => Some(&*schedule.entries[*index as usize].name),
            Change::Leave(_) => None,
        });
        let retired = changes.iter().filter_map(|change| match change {
            Change::Leave(left) => Some(left.entry()),
            Change::Begin { .. } => None,
        });
        ChangedEntries { count: changes.len(), began: log::few(began), retired: log::few(retired) }
    }
}

/// A tenure that begins once everything is written.
#[derive(Debug)]
struct NewTenure {
    planner: Planner,
    snapshot: Snapshot,
    counters: Counters,
    state: State,
    /// The sequence number of our own memory.
    remembered: Option<u64>,
    ended: Vec<Ended>,
    repaired: Vec<Repaired>,
    changed: ChangedEntries,
    is_new_journal: bool,
}

impl Scheduler {
    /// Asks the store for everything it knows.
    pub(super) fn begin_reading(&mut self, lease: &Lease, now: Now) {
        let (read, counted) = (self.ask(Request::Read), self.ask(Request::Counters));
        let paused = Some(self.read_pauses(now));
        self.stage = Stage::Reading(Box::new(Reading {
            lease: Arc::clone(&lease.text),
            asked_at: now.since_boot,
            read,
            counted,
            paused,
            history: None,
            snapshot: None,
            counters: None,
        }));
    }

    pub(super) fn on_snapshot(&mut self, id: RequestId, mut snapshot: Snapshot) {
        let grace = self.settings.grace;
        let Stage::Reading(reading) = &mut self.stage else { return };
        if reading.read != id {
            return;
        }
        let state = snapshot.take_state(grace);
        let is_ahead = state.is_ahead(grace).then_some(state.now);
        reading.snapshot = Some((snapshot, state));
        if let Some(from) = is_ahead {
            let history = self.ask_history(from);
            if let Stage::Reading(reading) = &mut self.stage {
                reading.history = Some(history);
            }
        }
        self.take_over_once_read();
    }

    /// Handles the records that were ahead of the clock.
    pub(super) fn on_history_of_takeover(&mut self, history: &History) {
        let Stage::Reading(reading) = &mut self.stage else { return };
        if let Some((_, state)) = &mut reading.snapshot {
            state.apply_ahead(history.events.iter().map(|event| &event.line));
        }
        reading.history = None;
        self.take_over_once_read();
    }

    pub(super) fn on_counters_of_takeover(&mut self, id: RequestId, counters: Counters) {
        let Stage::Reading(reading) = &mut self.stage else { return };
        if reading.counted == id {
            reading.counters = Some(counters);
            self.take_over_once_read();
        }
    }

    /// Handles pauses that were read for a takeover. Returns whether they were.
    pub(super) fn on_pauses_of_takeover(&mut self, id: RequestId) -> bool {
        let Stage::Reading(reading) = &mut self.stage else { return false };
        let was_waiting = reading.paused.take_if(|paused| *paused == id).is_some();
        self.take_over_once_read();
        was_waiting
    }

    fn take_over_once_read(&mut self) {
        let Stage::Reading(reading) = &mut self.stage else { return };
        let is_waiting = reading.history.is_some() || reading.paused.is_some();
        if is_waiting || reading.snapshot.is_none() || reading.counters.is_none() {
            return;
        }
        let Stage::Reading(reading) = std::mem::replace(&mut self.stage, Stage::Waiting) else {
            return;
        };
        let Reading { lease, snapshot, counters, .. } = *reading;
        if let (Some((snapshot, state)), Some(counters)) = (snapshot, counters) {
            self.take_over(lease, snapshot, state, counters);
        }
    }

    /// Decides which entries are live, and what must be written first.
    fn take_over(&mut self, lease: Arc<str>, snapshot: Snapshot, state: State, counters: Counters) {
        // If records are missing, our memory counts only if no other leader has written since.
        let is_whole = state.completeness == Completeness::Whole;
        let is_newest = self.continues() || self.last_tenure.as_ref() == Some(&lease);
        let memory = self.planner.as_ref().filter(|_| is_whole || is_newest);
        let remembered = memory.map(Planner::sequence);
        let (schedule, zones) = (Arc::clone(&self.schedule), &self.zones);
        let zone = |name: &str| zones.zone(tzdata::parse_name(name).ok()?);
        let takeover = Planner::take_over(schedule, self.settings.grace, &state, memory, &zone);
        let is_damaged = state.completeness == Completeness::Damaged;
        let mut parts = Vec::new();
        let mut is_new_journal = is_damaged || self.journal_is_lost;
        if is_new_journal {
            // If this takeover is cut short, the next leader must count what was lost.
            let is_forgotten = is_damaged && remembered.is_none();
            let known = if is_forgotten { Remembered::Nothing } else { Remembered::All };
            parts.extend(new_journal(takeover.settled(&state, memory), known));
        }
        let Takeover { planner, changes, mut ended, repaired, fold_first } = takeover;
        find_queues(&snapshot, &mut ended);
        let changed = ChangedEntries::of(&changes, planner.schedule());
        parts.push(Part::Register(Registering::new(changes, &ended, true)));
        if fold_first && !is_new_journal {
            parts.extend(new_journal(all_progress(&planner), Remembered::All));
            is_new_journal = true;
        }
        if is_damaged {
            self.log(Log::RecordsMissing { remembered: remembered.is_some() });
        }
        self.pipe.begin_at(Position { sequence: state.sequence, head: snapshot.head });
        let purpose = Purpose::Takeover(Box::new(NewTenure {
            planner,
            snapshot,
            counters,
            state,
            remembered,
            ended,
            repaired,
            changed,
            is_new_journal,
        }));
        self.stage = Stage::Writing(Box::new(Writing { lease, parts: parts.into(), purpose }));
    }

    /// Writes an edited schedule's changes without asking the store. If that fails, everything is read anew.
    pub(super) fn begin_reload(&mut self, now: Now) {
        let Some(planner) = &self.planner else { return };
        let takeover = planner.replace(Arc::clone(&self.schedule), self.store_now(now));
        let Takeover { planner, changes, ended, repaired, .. } = takeover;
        let parts = vec![Part::Register(Registering::new(changes, &ended, false))];
        let purpose = Purpose::Reload { planner: Box::new(planner), ended, repaired };
        self.begin_writing(parts, purpose);
    }

    /// Writes repaired registrations. A journal with slots settled ahead would one day count as newest, so
    /// everything is folded.
    pub(super) fn begin_repair(&mut self, changes: Vec<Change>) {
        let mut parts = vec![Part::Register(Registering::new(changes, &[], false))];
        let progress = self.planner.as_ref().map(all_progress).unwrap_or_default();
        parts.extend(new_journal(progress, Remembered::All));
        self.begin_writing(parts, Purpose::Repair);
    }

    /// Replaces a lost journal: writes all progress that it held, from memory, and begins a new one.
    pub(super) fn begin_new_journal(&mut self) {
        self.log(Log::JournalLost(self.unfolded.slots()));
        let Some(planner) = &self.planner else { return };
        let progress = if self.settings.capabilities.folds_itself {
            all_progress(planner)
        } else {
            let names = self.unfolded.entries().into_iter();
            names
                .filter_map(|name| Some((Arc::clone(&name), planner.progress_of(&name)?)))
                .collect()
        };
        self.begin_writing(new_journal(progress, Remembered::All), Purpose::Journal);
    }

    fn begin_writing(&mut self, parts: Vec<Part>, purpose: Purpose) {
        let lease = self.tenure();
        self.stage = Stage::Writing(Box::new(Writing { lease, parts: parts.into(), purpose }));
    }

    /// Writes further parts, and continues once all are confirmed.
    pub(super) fn write_next(&mut self, now: Now) {
        while let Stage::Writing(writing) = &mut self.stage
            && !self.pipe.is_full()
            && !writing.parts.is_empty()
        {
            let fence = self.pipe.fence(&writing.lease, &mut self.rng);
            if let Some(request) = writing.next_request(&fence, self.planner.as_ref()) {
                self.send(&fence, request, Work::Part);
            }
        }
        if self.pipe.is_empty()
            && let Stage::Writing(writing) = std::mem::replace(&mut self.stage, Stage::Leading)
        {
            self.on_all_written(*writing, now);
        }
    }

    fn on_all_written(&mut self, writing: Writing, now: Now) {
        let Writing { lease, purpose, .. } = writing;
        let position = self.pipe.confirmed();
        match purpose {
            Purpose::Takeover(tenure) => self.begin_tenure(&lease, *tenure, now),
            Purpose::Reload { mut planner, ended, repaired } => {
                planner.advance(position.sequence);
                self.mark_pending(&mut planner);
                self.planner = Some(*planner);
                self.note_recorded(position.head, names(&ended), now);
                self.count_ended(ended);
                self.note_repaired(repaired);
                self.actions.push(Action::Applied);
            }
            Purpose::Repair | Purpose::Journal => {
                self.unfolded.clear();
                self.log(Log::JournalBegun);
            }
        }
        self.note_success();
    }

    /// Starts the tenure once everything is written: from now on slots are sent.
    fn begin_tenure(&mut self, lease: &Arc<str>, tenure: NewTenure, now: Now) {
        let NewTenure { mut planner, snapshot, counters, state, remembered, .. } = tenure;
        let NewTenure { ended, repaired, changed, is_new_journal, .. } = tenure;
        let position = self.pipe.confirmed();
        planner.advance(position.sequence);
        let is_behind = remembered.is_some_and(|remembered| state.sequence < remembered);
        let has_forgotten = is_behind || state.completeness != Completeness::Whole;
        self.resolve_unanswered(&snapshot, has_forgotten, &mut planner, now);
        self.report_unreported(&snapshot);
        self.report_others(&snapshot);
        self.find_unfolded(if is_new_journal { &[] } else { &snapshot.journal }, now);
        self.note_recorded(position.head, names(&ended), now);
        self.keep_intended(&mut planner, &state.intents);
        self.mark_pending(&mut planner);
        self.planner = Some(planner);
        self.head = position.head;
        self.last_tenure = Some(Arc::clone(lease));
        self.journal_is_lost = false;
        self.look_at_clock(now);
        self.counters.read(counters);
        self.count_ended(ended);
        self.note_bad_records(&state, repaired);
        self.report_lost_records(&state, remembered);
        let term = lease::term(lease).into();
        let entries = self.planner.as_ref().map_or(0, |planner| planner.schedule().entries.len());
        let ChangedEntries { count: changes, began, retired } = changed;
        self.log(Log::TookOver { term, entries, changes, began, retired });
        self.log_pauses_of_takeover(now);
    }

    /// Marks slots that are still with carriers and queues that are held in a new planner.
    fn mark_pending(&self, planner: &mut Planner) {
        for name in self.carrying.entries() {
            if let Some((index, _)) = planner.find(name) {
                planner.mark_in_flight(index);
            }
        }
        self.troubles.held().for_each(|queue| planner.hold(queue));
        self.plan_by_pauses(planner);
    }

    /// Abandons writes, some of which may be done. What ended with them is reported once that is known.
    pub(super) fn abandon(&mut self, writing: Writing) {
        let ended = match writing.purpose {
            Purpose::Takeover(tenure) => tenure.ended,
            Purpose::Reload { ended, .. } => ended,
            Purpose::Repair | Purpose::Journal => return,
        };
        let Some(term) = term_of(&writing.lease) else { return };
        let key = |(term, ended): &(u64, Ended)| (*term, Arc::clone(&ended.entry), ended.slot);
        self.unreported.extend(ended.into_iter().map(|ended| (term, ended)));
        self.unreported.sort_by_cached_key(key);
        self.unreported.dedup_by_key(|unreported| key(unreported));
    }

    /// Notes which records are not folded yet.
    fn find_unfolded(&mut self, journal: &[Record], now: Now) {
        self.unfolded.clear();
        if self.settings.capabilities.folds_itself {
            return;
        }
        for record in journal {
            let names = record.lines.iter().map(|line| Arc::clone(&line.entry));
            self.unfolded.push(record.id, names.collect(), now.since_boot);
        }
    }

    /// Counts and logs slots that ended with their registration.
    fn count_ended(&mut self, ended: Vec<Ended>) {
        for ended in &ended {
            self.counters.add(&queue_name(ended), Outcome::Skipped(ended.reason), ended.count);
        }
        self.report_ended(ended);
    }

    fn report_ended(&mut self, ended: Vec<Ended>) {
        if !ended.is_empty() {
            self.log(Log::Ended(ended));
        }
    }

    /// Logs slots that ended with their registration in an unanswered write, if the store has recorded them. The
    /// store has counted them.
    fn report_unreported(&mut self, snapshot: &Snapshot) {
        let unreported = std::mem::take(&mut self.unreported);
        let recorded: Vec<Ended> = unreported
            .chunk_by(|(one, _), (other, _)| one == other)
            .flat_map(|of_a_term| {
                let recorded = snapshot.recorded_in(of_a_term[0].0);
                let is_recorded = move |ended: &&Ended| {
                    let outcome = Outcome::Skipped(ended.reason);
                    recorded.get(&(&*ended.entry, ended.slot)) == Some(&outcome)
                };
                of_a_term.iter().map(|(_, ended)| ended).filter(is_recorded).cloned()
            })
            .collect();
        self.report_ended(recorded);
    }

    /// Reports once how many slots another leader has recorded since this process led.
    fn report_others(&mut self, snapshot: &Snapshot) {
        let last_term = self.last_tenure.as_deref().and_then(term_of);
        let (Some(head), Some(last_term)) = (self.head, last_term) else { return };
        let is_other = |term: Option<u64>| term.is_some_and(|term| term != last_term);
        let records = snapshot.journal.iter().filter(|record| record.id > head);
        let others = records.filter(|record| is_other(record.term));
        let slots: u64 = others.flat_map(|record| &record.lines).map(|line| line.count).sum();
        if slots > 0 {
            self.log(Log::OthersRecorded(slots));
        }
    }

    fn note_bad_records(&mut self, state: &State, repaired: Vec<Repaired>) {
        self.troubles.forget_bad_records();
        for (entry, what) in &state.unreadable {
            self.troubles.note_bad_record(entry, what);
        }
        let unnamed = state.unreadable_count.saturating_sub(state.unreadable.len());
        self.troubles.count_bad_records(unnamed);
        if state.unreadable_count > 0 {
            let (entry, what) = state.unreadable.first().cloned().unwrap_or_default();
            self.log(Log::Unreadable { records: state.unreadable_count, entry, what });
        }
        let noted: HashSet<(&str, &str)> =
            state.unreadable.iter().map(|(entry, what)| (&**entry, &**what)).collect();
        for Repaired { entry, what } in &repaired {
            if what != MISSING_RECORDS && !noted.contains(&(&**entry, &**what)) {
                self.troubles.note_bad_record(entry, what);
            }
        }
        self.report_repaired(repaired);
    }

    /// Notes and logs implausible records that were repaired.
    pub(super) fn note_repaired(&mut self, repaired: Vec<Repaired>) {
        for Repaired { entry, what } in &repaired {
            self.troubles.note_bad_record(entry, what);
        }
        self.report_repaired(repaired);
    }

    fn report_repaired(&mut self, repaired: Vec<Repaired>) {
        if !repaired.is_empty() {
            self.log(Log::Repaired(repaired));
        }
    }

    /// Logs what the store has lost; `remembered` is the sequence number of our own memory.
    fn report_lost_records(&mut self, state: &State, remembered: Option<u64>) {
        let is_empty = state.completeness == Completeness::Empty;
        match remembered {
            None if is_empty => self.log(Log::NothingKnown),
            Some(_) if is_empty => self.log(Log::AllRecordsLost),
            Some(sequence) if state.sequence < sequence => self.log(Log::RecordsLost),
            _ => {}
        }
    }
}

/// The entries with something recorded.
fn names(ended: &[Ended]) -> Vec<Arc<str>> {
    ended.iter().map(|ended| Arc::clone(&ended.entry)).collect()
}

/// The progress of all live entries.
fn all_progress(planner: &Planner) -> Vec<(Arc<str>, Progress)> {
    let names = planner.schedule().entries.iter().map(|entry| &entry.name);
    names.filter_map(|name| Some((Arc::clone(name), planner.progress_of(name)?))).collect()
}

/// The term at the start of a lease.
pub(super) fn term_of(lease: &str) -> Option<u64> {
    lease::term(lease).parse().ok()
}

/// Finds the queues of entries that are no longer in the schedule in the unfolded journal.
fn find_queues(snapshot: &Snapshot, ended: &mut [Ended]) {
    if ended.iter().all(|ended| ended.queue.is_some()) {
        return;
    }
    let mut queues: HashMap<&str, &Arc<str>> = HashMap::new();
    for record in snapshot.journal.iter().filter(|record| record.term.is_some()) {
        queues.extend(record.lines.iter().map(|line| (&*line.entry, &record.queue)));
    }
    for ended in ended.iter_mut().filter(|ended| ended.queue.is_none()) {
        ended.queue = queues.get(&*ended.entry).map(|queue| Arc::clone(queue));
    }
}

/// The queue that the slots would have gone to, if known.
fn queue_name(ended: &Ended) -> Arc<str> {
    ended.queue.clone().unwrap_or_else(|| OTHER_QUEUES.into())
}
