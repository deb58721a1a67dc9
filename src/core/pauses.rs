//! Reads the pauses, plans by them, and drops those that are over.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::log::Log;
use super::scheduler::Scheduler;
use super::{Now, Request, RequestId};
use crate::clock::SinceBoot;
use crate::schedule::Planner;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::pause::{Pause, Pauses, Subject, pruned};
use crate::schedule::planner::Item;
use crate::store::contract::{
    MAX_PAUSES_CHANGED, PausesMark, PausesRead, PrunePauses, StoreError, SubjectPauses, Write,
};

/// The pauses are read again after this long: others may have changed them.
const READ_EVERY: Duration = Duration::from_secs(10);

/// The pauses as they were last read.
#[derive(Debug, Default)]
pub(super) struct KnownPauses {
    read: PausesRead,
    /// The same in the planner's form.
    pauses: Arc<Pauses>,
    /// When they were last asked for; `None`: they must be read.
    asked_at: Option<SinceBoot>,
    /// The read in flight.
    reading: Option<RequestId>,
    /// Somebody has changed them: nothing is sent before they are read.
    are_revised: bool,
    /// The request in flight that drops pauses.
    pruning: Option<RequestId>,
    /// The pause of all entries that was last logged as in force.
    logged: Option<Pause>,
}

impl KnownPauses {
    /// The mark that each batch names.
    pub(super) fn mark(&self) -> PausesMark {
        self.read.mark
    }

    /// The pauses as last read.
    pub(super) fn read(&self) -> &PausesRead {
        &self.read
    }

    /// The pauses in the planner's form.
    pub(super) fn pauses(&self) -> &Arc<Pauses> {
        &self.pauses
    }

    /// Whether they must be read before anything is planned.
    pub(super) fn are_revised(&self) -> bool {
        self.are_revised
    }

    /// Whether a read is in flight.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) fn waits_for(&self, id: RequestId) -> bool {
        self.are_revised && self.reading == Some(id)
    }

    /// Adds to the records of paused slots who paused them and why.
    pub(super) fn explain(
        &self,
        planner: &Planner,
        items: &[Item],
        at: UnixMs,
        writes: &mut [Write],
    ) {
        let paused = Outcome::Skipped(SkipReason::Paused);
        for (item, write) in items.iter().zip(writes) {
            if write.line.outcome == paused
                && let Some(pause) = planner.pause_of(item, at)
            {
                write.line.by.clone_from(&pause.by);
                write.line.note.clone_from(&pause.note);
            }
        }
    }
}

impl Scheduler {
    /// Handles a batch that was refused because the pauses changed: they are read before anything else is
    /// planned.
    pub(super) fn on_revised(&mut self, now: Now) {
        self.log(Log::Revised);
        self.pauses.are_revised = true;
        self.read_pauses(now);
    }

    /// Reads the pauses. Batches planned by them are refused if they have changed since.
    pub(super) fn read_pauses(&mut self, now: Now) -> RequestId {
        let id = self.ask(Request::Pauses);
        (self.pauses.reading, self.pauses.asked_at) = (Some(id), Some(now.since_boot));
        id
    }

    /// Handles pauses that were read.
    pub(super) fn on_pauses(&mut self, id: RequestId, read: PausesRead, now: Now) {
        if self.pauses.reading.take_if(|reading| *reading == id).is_none() {
            return;
        }
        self.update_pauses(read);
        self.pauses.are_revised = false;
        if !self.on_pauses_of_takeover(id) {
            self.log_pause_of_all(now);
            self.prune_pauses(now);
        }
    }

    /// Logs a pause of all entries that is in force when a tenure begins: a leader that sends nothing would
    /// look broken.
    pub(super) fn log_pauses_of_takeover(&mut self, now: Now) {
        self.pauses.logged = None;
        self.log_pause_of_all(now);
    }

    /// Logs that all entries are paused, or that they no longer are, if that is news.
    fn log_pause_of_all(&mut self, now: Now) {
        let at = self.store_now(now);
        let (pauses, _) = self.pauses.read.of(&Subject::All);
        let in_force = pauses.iter().rfind(|pause| pause.is_in_force(at)).cloned();
        if in_force == self.pauses.logged {
            return;
        }
        self.log(in_force.clone().map_or(Log::AllResumed, Log::AllPaused));
        self.pauses.logged = in_force;
    }

    /// Takes over pauses that somebody else read or just changed.
    pub fn update_pauses(&mut self, read: PausesRead) {
        if read.mark != self.pauses.read.mark {
            // What is planned was judged by older pauses, but would be sent under the new mark.
            self.take_back_planned();
        }
        let pauses = Arc::new(read.to_pauses());
        if let Some(planner) = &mut self.planner {
            planner.set_pauses(Arc::clone(&pauses));
        }
        (self.pauses.read, self.pauses.pauses) = (read, pauses);
    }

    /// Gives the pauses to a planner.
    pub(super) fn plan_by_pauses(&self, planner: &mut Planner) {
        planner.set_pauses(Arc::clone(&self.pauses.pauses));
    }

    /// Reads the pauses again now and then. Slots never wait for this, whatever goes wrong.
    pub(super) fn refresh_pauses(&mut self, now: Now) {
        let is_old = self.pauses.asked_at.is_none_or(|at| now.since_boot.since(at) >= READ_EVERY);
        if is_old && self.pauses.reading.is_none() && self.troubles.error.is_none() {
            self.read_pauses(now);
        }
    }

    /// Drops pauses that are over and whose slots are all settled.
    fn prune_pauses(&mut self, now: Now) {
        let at = self.store_now(now);
        if !self.leads() || self.pauses.pruning.is_some() {
            return;
        }
        let Some(planner) = &self.planner else { return };
        let left = |subject: &SubjectPauses| {
            let is_past = |until| planner.is_past(&subject.subject, until);
            let pauses = pruned(&subject.pauses, at, is_past)?;
            Some(SubjectPauses { pauses, ..subject.clone() })
        };
        let subjects = self.pauses.read.subjects.iter().filter_map(left);
        let subjects: Vec<_> = subjects.take(MAX_PAUSES_CHANGED).collect();
        if subjects.is_empty() {
            return;
        }
        let request = PrunePauses { lease: self.tenure(), subjects };
        self.pauses.pruning = Some(self.ask(Request::PrunePauses(request)));
    }

    pub(super) fn on_pruned(&mut self, id: RequestId, subjects: usize) {
        if self.pauses.pruning.take_if(|pruning| *pruning == id).is_some() {
            self.log(Log::DroppedPauses(subjects));
        }
    }

    /// Handles a failure to read or drop pauses; nothing waits for either.
    pub(super) fn on_pauses_error(&mut self, id: RequestId, error: &StoreError) {
        self.pauses.reading.take_if(|reading| *reading == id);
        if self.pauses.pruning.take_if(|pruning| *pruning == id).is_some() {
            self.log(Log::CouldNotDropPauses(error.clone()));
        }
    }
}
