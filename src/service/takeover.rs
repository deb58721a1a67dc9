//! Taking over: reads what the store knows, and writes which entries are live.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tracing::{error, info, warn};

use super::housekeeping::all_progress;
use super::round::term_of;
use super::{Service, Step};
use crate::carrier::Carrier;
use crate::clock::{Clock, SinceBoot};
use crate::leader::lease::{Lease, Reading};
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::planner::{Ended, MISSING_RECORDS, Planner, Repaired, Takeover};
use crate::schedule::progress::{Completeness, Progress, State};
use crate::schedule::registration::RegistrationChange;
use crate::store::Fence;
use crate::store::contract::{
    MAX_CHANGES, OTHER_QUEUES, Register, Remembered, Reply, Snapshot, Store, StoreError,
};
use crate::store::journal::{Record, RecordId};
use crate::telemetry::Gathering;
use crate::tzdata;

/// Of slots whose registration ended, so many entries are logged; the rest as a number.
const MAX_LOGGED: usize = 1_000;

/// Where writes have got to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) sequence: u64,
    pub(super) head: Option<RecordId>,
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// Reads what the store knows, and writes which entries are live.
    pub(super) async fn take_over(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let (snapshot, state) = self.read_state().await?;
        let counters = self.store.counters().await?;
        self.read_pauses().await?;
        // Where records are missing, nobody else may have written since what is remembered.
        let is_whole = state.completeness == Completeness::Whole;
        let is_newest = lease.continues || self.last_tenure.as_ref() == Some(&lease.text);
        let memory = self.planner.as_ref().filter(|_| is_whole || is_newest);
        let remembered = memory.map(Planner::sequence);
        let (schedule, zones) = (Arc::clone(&self.schedule), Arc::clone(&self.zones));
        let zone = |name: &str| zones.zone(tzdata::parse_name(name).ok()?);
        let takeover = Planner::take_over(schedule, self.settings.grace, &state, memory, &zone);
        let mut position = Position { sequence: state.sequence, head: snapshot.head };
        let is_damaged = state.completeness == Completeness::Damaged;
        if is_damaged {
            report_damage(remembered.is_some());
        }
        let mut is_new_journal = is_damaged || self.journal_is_lost;
        if is_new_journal {
            let settled = takeover.settled(&state, memory);
            // If this takeover is cut short, the next leader has to count what was lost.
            let is_forgotten = is_damaged && remembered.is_none();
            let known = if is_forgotten { Remembered::Nothing } else { Remembered::All };
            let begun = self.try_to_begin_journal(lease, position, settled, known).await?;
            let Some(reached) = begun else { return Ok(()) };
            position = reached;
            self.journal_is_lost = false;
        }
        let Takeover { mut planner, changes, mut ended, repaired, fold_first } = takeover;
        find_queues(&snapshot, &mut ended);
        let count = changes.len();
        let recorded = match self.register(&lease.text, position, changes, &ended).await? {
            Ok((reached, recorded)) => {
                position = reached;
                recorded
            }
            Err(refusal) => {
                self.journal_is_lost = refusal == Reply::Lost;
                self.back_off(&refusal);
                return Ok(());
            }
        };
        if fold_first && !is_new_journal {
            let (progress, known) = (all_progress(&planner), Remembered::All);
            let begun = self.try_to_begin_journal(lease, position, progress, known).await?;
            let Some(reached) = begun else { return Ok(()) };
            position = reached;
            is_new_journal = true;
        }
        planner.advance(position.sequence);
        self.report_recorded(&snapshot);
        self.find_unfolded(if is_new_journal { &[] } else { &snapshot.journal });
        self.note_recorded(position.head, recorded);
        self.begin_tenure(lease, planner, position.head);
        self.counters.read(counters);
        self.count_ended(&ended);
        self.note_bad_records(&state, &repaired);
        report_lost_records(&state, remembered);
        let entries = self.schedule.entries.len();
        info!(term = lease.term(), entries, changes = count, "took office");
        Ok(())
    }

    /// Tells of slots that were recorded and not reported before.
    fn report_recorded(&mut self, snapshot: &Snapshot) {
        self.report_unanswered(snapshot);
        self.report_unreported(snapshot);
        self.report_others(snapshot);
    }

    /// Everything is written: from now on the planner says what is sent.
    fn begin_tenure(&mut self, lease: &Lease, mut planner: Planner, head: Option<RecordId>) {
        // What this process has on its way stays so, whatever it remembers else.
        for name in self.publishing.pending() {
            if let Some((index, _)) = planner.find(name) {
                planner.mark_in_flight(index);
            }
        }
        self.troubles.held().for_each(|queue| planner.hold(queue));
        planner.set_pauses(Arc::clone(&self.pauses.pauses));
        self.planner = Some(planner);
        self.head = head;
        self.last_tenure = Some(Arc::clone(&lease.text));
        self.clock_seen = Some(Reading { shown: self.store_now(), at: SinceBoot::now() });
        self.tenure = Some(Arc::clone(&lease.text));
    }

    /// Reads what the store knows; the snapshot keeps the journal.
    async fn read_state(&mut self) -> Result<(Snapshot, State), StoreError> {
        let mut snapshot = self.store.read().await?;
        let mut state = snapshot.take_state(self.settings.grace);
        if state.is_ahead(self.settings.grace) {
            let history = self.history_from(state.now).await?;
            state.take_in_ahead(&history);
        }
        Ok((snapshot, state))
    }

    /// Notes which records are still to be folded.
    fn find_unfolded(&mut self, journal: &[Record]) {
        self.unfolded.clear();
        if S::CAPABILITIES.folds_itself {
            return;
        }
        for record in journal {
            let names = record.lines.iter().map(|line| Arc::clone(&line.entry));
            self.unfolded.push(record.id, names.collect());
        }
    }

    /// Writes progress, with which a new journal begins; `None`: that was refused, and the loop backs
    /// off.
    async fn try_to_begin_journal(
        &mut self,
        lease: &Lease,
        position: Position,
        progress: Vec<(Arc<str>, Progress)>,
        remembered: Remembered,
    ) -> Result<Option<Position>, StoreError> {
        let begun = self.begin_journal(&lease.text, position, progress, remembered).await?;
        Ok(begun.map_err(|refusal| self.back_off(&refusal)).ok())
    }

    /// Writes changes of registrations in parts, with what became of slots that ended with them. Gives
    /// where the writes have got to and the entries of which something was recorded, or the reply that
    /// refused.
    pub(super) async fn register(
        &mut self,
        lease: &Arc<str>,
        mut position: Position,
        changes: Vec<RegistrationChange>,
        ended: &[Ended],
    ) -> Result<Result<(Position, Vec<Arc<str>>), Reply>, StoreError> {
        let mut parts = parts(changes, ended).into_iter().peekable();
        while let Some((changes, lines)) = parts.next() {
            let fence = Fence::after(lease, position.sequence);
            let last = parts.peek().is_none();
            let request = Register { fence, changes, ended: lines, last };
            match self.store.register(request).await {
                Ok(Reply::Written { now, sequence, head, .. }) => {
                    position = Position { sequence, head };
                    self.read_store_clock(now);
                }
                refusal => {
                    // Some parts may be written.
                    self.leave_unreported(lease, ended);
                    return refusal.map(Err);
                }
            }
            self.heartbeat.beat();
            self.supervisor.beat();
        }
        let recorded = ended.iter().map(|ended| Arc::clone(&ended.entry)).collect();
        Ok(Ok((position, recorded)))
    }

    /// Counts and logs slots that ended with their registration.
    pub(super) fn count_ended(&mut self, ended: &[Ended]) {
        for ended in ended {
            self.counters.add(&queue_name(ended), Outcome::Skipped(ended.reason), ended.count);
        }
        report_ended(ended);
    }

    /// Remembers slots that ended with their registration and may have been recorded.
    fn leave_unreported(&mut self, lease: &Arc<str>, ended: &[Ended]) {
        let Some(term) = term_of(lease) else { return };
        let key = |(term, ended): &(u64, Ended)| (*term, Arc::clone(&ended.entry), ended.slot);
        self.unreported.extend(ended.iter().map(|ended| (term, ended.clone())));
        self.unreported.sort_by_cached_key(key);
        self.unreported.dedup_by_key(|unreported| key(unreported));
    }

    /// Logs slots whose registration ended with a write that was not answered, if the store has recorded
    /// it. Their counts are the store's.
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
        report_ended(&recorded);
    }

    /// Tells once of slots that another leader has recorded since this process led.
    fn report_others(&self, snapshot: &Snapshot) {
        let last_term = self.last_tenure.as_deref().and_then(term_of);
        let (Some(head), Some(last_term)) = (self.head, last_term) else { return };
        let is_other = |term: Option<u64>| term.is_some_and(|term| term != last_term);
        let records = snapshot.journal.iter().filter(|record| record.id > head);
        let others = records.filter(|record| is_other(record.term));
        let slots: u64 = others.flat_map(|record| &record.lines).map(|line| line.count).sum();
        if slots > 0 {
            info!(slots, "another leader recorded slots meanwhile");
        }
    }

    fn note_bad_records(&mut self, state: &State, repaired: &[Repaired]) {
        self.troubles.forget_bad_records();
        for (entry, what) in &state.unreadable {
            self.troubles.note_bad_record(entry, what);
        }
        let unnamed = state.unreadable_count.saturating_sub(state.unreadable.len());
        self.troubles.count_bad_records(unnamed);
        if state.unreadable_count > 0 {
            let (first, what) = state.unreadable.first().cloned().unwrap_or_default();
            warn!(records = state.unreadable_count, entry = &*first, %what, "unreadable records");
        }
        let noted: HashSet<(&str, &str)> =
            state.unreadable.iter().map(|(entry, what)| (&**entry, &**what)).collect();
        for Repaired { entry, what } in repaired {
            if what != MISSING_RECORDS && !noted.contains(&(&**entry, &**what)) {
                self.troubles.note_bad_record(entry, what);
            }
        }
        report_repaired(repaired);
    }

    /// Notes and logs records that were implausible and are mended.
    pub(super) fn note_repaired(&mut self, repaired: &[Repaired]) {
        for Repaired { entry, what } in repaired {
            self.troubles.note_bad_record(entry, what);
        }
        report_repaired(repaired);
    }

    /// Without asking the store, writes what an edited schedule changes. Where that fails, all is read
    /// anew.
    pub(super) async fn replace_schedule(&mut self) -> Result<Step, StoreError> {
        let (Some(lease), Some(planner)) = (self.tenure.clone(), &self.planner) else {
            return Ok(Step::Done);
        };
        let takeover = planner.replace(Arc::clone(&self.schedule), self.store_now());
        let Takeover { planner: mut replaced, changes, ended, repaired, .. } = takeover;
        // The planner before it goes on until all is written.
        let before = self.planner.take();
        replaced.advance(before.as_ref().map_or(0, Planner::sequence));
        self.planner = Some(replaced);
        let end = self.write_changes(&lease, changes, &ended).await;
        match end {
            Ok(Step::Done) => {
                self.count_ended(&ended);
                self.note_repaired(&repaired);
            }
            Ok(Step::Refused) | Err(_) => self.planner = before,
        }
        end
    }

    /// Writes changes of registrations while leading.
    pub(super) async fn write_changes(
        &mut self,
        lease: &Arc<str>,
        changes: Vec<RegistrationChange>,
        ended: &[Ended],
    ) -> Result<Step, StoreError> {
        let sequence = self.planner.as_ref().map_or(0, Planner::sequence);
        let position = Position { sequence, head: self.head };
        match self.register(lease, position, changes, ended).await? {
            Ok((position, recorded)) => {
                if let Some(planner) = &mut self.planner {
                    planner.advance(position.sequence);
                }
                self.head = position.head;
                self.note_recorded(position.head, recorded);
                Ok(Step::Done)
            }
            Err(refusal) => {
                self.journal_is_lost = refusal == Reply::Lost;
                self.back_off(&refusal);
                Ok(Step::Refused)
            }
        }
    }
}

/// What ends a registration stands in the same part as the change that ends it.
type Part = (Vec<RegistrationChange>, Vec<(Arc<str>, Line)>);

/// Cuts changes into parts that are written one by one; there is at least one.
fn parts(changes: Vec<RegistrationChange>, ended: &[Ended]) -> Vec<Part> {
    let mut by_entry: HashMap<&str, Vec<&Ended>> = HashMap::new();
    for ended in ended {
        by_entry.entry(&ended.entry).or_default().push(ended);
    }
    let mut parts: Vec<Part> = vec![Part::default()];
    let mut add = |change: Option<RegistrationChange>, ended: Vec<&Ended>| {
        let full = parts.last().is_none_or(|(changes, lines)| {
            changes.len() >= MAX_CHANGES || lines.len() + ended.len() > MAX_CHANGES
        });
        if full {
            parts.push(Part::default());
        }
        if let Some((changes, lines)) = parts.last_mut() {
            changes.extend(change);
            lines.extend(ended.into_iter().map(|ended| (queue_name(ended), ended.line())));
        }
    };
    for change in changes {
        let ended = by_entry.remove(change.entry()).unwrap_or_default();
        add(Some(change), ended);
    }
    let mut rest: Vec<_> = by_entry.into_values().collect();
    rest.sort_by(|a, b| a[0].entry.cmp(&b[0].entry));
    rest.into_iter().for_each(|ended| add(None, ended));
    parts
}

/// Logs records that are mended.
fn report_repaired(repaired: &[Repaired]) {
    let _gathering = (repaired.len() > 1).then(Gathering::start);
    for Repaired { entry, what } in repaired.iter().take(MAX_LOGGED) {
        warn!(entry = &**entry, %what, "repaired");
    }
}

/// Logs slots that ended with their registration.
fn report_ended(ended: &[Ended]) {
    let _gathering = (ended.len() > 1).then(Gathering::start);
    for Ended { entry, slot, reason, count, .. } in ended.iter().take(MAX_LOGGED) {
        warn!(entry = &**entry, %slot, %reason, count, "skipped");
    }
    if let Some(rest) = ended.get(MAX_LOGGED..).filter(|rest| !rest.is_empty()) {
        let count: u64 = rest.iter().map(|ended| ended.count).sum();
        warn!(entries = rest.len(), count, "skipped slots of further entries");
    }
}

/// Of entries that are no longer in the schedule, the unfolded journal may say where their slots went.
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

/// The queue that the slots would have gone to, where it is known.
fn queue_name(ended: &Ended) -> Arc<str> {
    ended.queue.clone().unwrap_or_else(|| OTHER_QUEUES.into())
}

/// Says what the store does not know any more; `remembered` is the sequence number of our own memory.
fn report_lost_records(state: &State, remembered: Option<u64>) {
    let is_empty = state.completeness == Completeness::Empty;
    match remembered {
        None if is_empty => {
            warn!(
                "nothing is known of this namespace, as at a first start: every entry starts now"
            );
        }
        Some(_) if is_empty => {
            warn!("the broker has lost all records; going on from memory");
        }
        Some(sequence) if state.sequence < sequence => {
            warn!("the broker has lost records; what it does not know of is sent again");
        }
        _ => {}
    }
}

fn report_damage(remembers: bool) {
    if remembers {
        error!("records are missing; what this process remembers is written again");
    } else {
        error!(
            "records are missing, and nobody remembers them: every entry starts now, and what was due \
             since its last record is counted `unknown`"
        );
    }
}
