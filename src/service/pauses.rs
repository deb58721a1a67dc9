//! Pauses: reads them, plans by them, and drops those that are over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::Service;
use super::status::{self, BadRecord, Status};
use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::leader::lease::Lease;
use crate::pausing::PauseStatus;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::pause::{Pauses, pruned};
use crate::schedule::planner::Item;
use crate::store::contract::{
    MAX_PAUSES_CHANGED, PausesRead, PrunePauses, Store, StoreError, SubjectPauses, Write,
};

/// The pauses are read again after so long: others may have changed them.
const READ_EVERY: Duration = Duration::from_secs(10);
/// Reading them for somebody who asks takes no longer.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The pauses as they were last read.
#[derive(Debug, Default)]
pub(super) struct KnownPauses {
    pub(super) read: PausesRead,
    /// The same for the planner.
    pub(super) pauses: Arc<Pauses>,
    read_at: Option<Instant>,
    /// Those that were in force, as they are shown, and how many they were.
    shown: (Vec<PauseStatus>, usize),
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// Reads the pauses. What is planned by them is refused if they have changed since.
    pub(super) async fn read_pauses(&mut self) -> Result<(), StoreError> {
        let read = self.store.pauses().await?;
        self.know_pauses(read);
        Ok(())
    }

    /// Reads the pauses for somebody who asks, unless the store is known to be away.
    pub(super) async fn refresh_pauses(&mut self) {
        if self.troubles.error.is_none() && self.reports.trouble.borrow().is_none() {
            let reading = tokio::time::timeout(READ_TIMEOUT, self.store.pauses()).await;
            if let Ok(Ok(read)) = reading {
                self.know_pauses(read);
            }
        }
    }

    fn know_pauses(&mut self, read: PausesRead) {
        let pauses = Arc::new(read.to_pauses());
        if let Some(planner) = &mut self.planner {
            planner.set_pauses(Arc::clone(&pauses));
        }
        let shown = status::pauses_in_force(&pauses, Some(&self.schedule), read.now);
        self.pauses = KnownPauses { read, pauses, read_at: Some(Instant::now()), shown };
    }

    /// A follower reads the pauses now and then, for those who watch without asking.
    pub(super) async fn refresh_old_pauses(&mut self) {
        let is_old = self.pauses.read_at.is_none_or(|at| at.elapsed() >= READ_EVERY);
        if is_old && self.seen.receiver_count() > 0 {
            self.refresh_pauses().await;
        }
    }

    /// What the status says of pauses.
    pub(super) fn add_pauses(&self, status: &mut Status) {
        let now = self.store_now();
        let KnownPauses { read, shown: (pauses, count), .. } = &self.pauses;
        let in_force =
            pauses.iter().filter(|pause| pause.until_utc.is_none_or(|until| until > now));
        status.pauses = in_force.cloned().collect();
        status.pause_count = count - (pauses.len() - status.pauses.len());
        let bad = |(subject, what): &(Arc<str>, String)| BadRecord {
            entry: subject.to_string(),
            what: what.clone(),
        };
        status.bad_pauses = read.unreadable.iter().map(bad).collect();
    }

    /// The pause of an entry that somebody asks about.
    pub(super) async fn pause_of(&mut self, entry: &str) -> Option<PauseStatus> {
        self.refresh_pauses().await;
        status::pause_of(self.schedule.get(entry)?, &self.pauses.pauses, self.store_now())
    }

    /// Now and then reads the pauses again, and drops those that have ended and whose slots are all settled.
    /// Slots never wait for that, whatever goes wrong.
    pub(super) async fn keep_pauses(&mut self, lease: &Lease) {
        if self.pauses.read_at.is_some_and(|at| at.elapsed() < READ_EVERY) {
            return;
        }
        self.refresh_pauses().await;
        let now = self.store_now();
        let Some(planner) = &self.planner else { return };
        let left = |subject: &SubjectPauses| {
            let is_past = |until| planner.is_past(&subject.subject, until);
            let pauses = pruned(&subject.pauses, now, is_past)?;
            Some(SubjectPauses { pauses, ..subject.clone() })
        };
        let subjects = self.pauses.read.subjects.iter().filter_map(left);
        let subjects: Vec<_> = subjects.take(MAX_PAUSES_CHANGED).collect();
        if subjects.is_empty() {
            return;
        }
        let request = PrunePauses { lease: Arc::clone(&lease.text), subjects };
        match self.store.prune_pauses(request).await {
            Ok(subjects) => debug!(subjects, "dropped pauses that have ended"),
            Err(error) => debug!(%error, "could not drop pauses that have ended"),
        }
    }

    /// Says in what is recorded of paused slots who paused, and why.
    pub(super) fn explain_pauses(&self, items: &[Item], writes: &mut [Write]) {
        let Some(planner) = self.planner.as_ref() else { return };
        let paused = Outcome::Skipped(SkipReason::Paused);
        for (item, write) in items.iter().zip(writes) {
            if write.line.outcome == paused
                && let Some(pause) = planner.pause_of(item, self.planning_time())
            {
                write.line.by.clone_from(&pause.by);
                write.line.note.clone_from(&pause.note);
            }
        }
    }
}
