//! Work for idle times: folding the journal into progress, trimming the journal, reading the counters.

use std::sync::Arc;
use std::time::Duration;

use super::log::Log;
use super::pipe::Work;
use super::scheduler::Scheduler;
use super::{Now, Request, RequestId, Wake};
use crate::clock::SinceBoot;
use crate::leader::lease::Lease;
use crate::store::Fence;
use crate::store::contract::{Counters, Fold, StoreError, Trim, Trimmed};
use crate::store::journal::RecordId;

/// The idle time that housekeeping needs …
const IDLE: Duration = Duration::from_millis(50);
/// … or, once much has piled up, the time of a single step.
const SHORT_IDLE: Duration = Duration::from_millis(5);
/// From this many unfolded slots on, folds whenever there is time …
const FOLD_FROM: usize = 1_000;
/// … and from this many on, even in [`SHORT_IDLE`].
const FOLD_SOON_FROM: usize = 10_000;
/// Folds, if there is time, when the oldest unfolded slot is this old.
const FOLD_AFTER: Duration = Duration::from_secs(10);
/// From this many unfolded slots on, folds after each batch, idle or not.
const MAX_UNFOLDED: usize = 50_000;
/// The journal is trimmed this often, and whenever it has grown by a tenth of what is kept.
const TRIM_EVERY: Duration = Duration::from_secs(600);
/// The number of an entry's outcomes that survive trimming …
const OUTCOMES: usize = 20;
/// … and their number if there are more than [`MANY_ENTRIES`].
const FEW_OUTCOMES: usize = 3;
const MANY_ENTRIES: usize = 100_000;
/// The pause after the store could not fold or trim.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The counters are read again after this long: others may have sent manual messages.
const READ_COUNTERS_EVERY: Duration = Duration::from_secs(10);

/// The state of the housekeeping tasks.
#[derive(Debug, Default)]
pub(super) struct Housekeeping {
    trimming: Trimming,
    /// The trim in flight.
    trim: Option<RequestId>,
    /// No fold before this time, because the store failed to fold.
    fold_after: Option<SinceBoot>,
    /// Whether a fold comes next: the last write was not one.
    folds_next: bool,
    /// The request for the counters in flight.
    count: Option<RequestId>,
    /// When the counters were last asked for; `None`: they must be read.
    counted_at: Option<SinceBoot>,
}

impl Housekeeping {
    /// Postpones folding after a failure.
    pub(super) fn put_off_folding(&mut self, now: Now) {
        self.fold_after = Some(now.since_boot + RETRY_AFTER);
    }

    /// Has the counters read again.
    pub(super) fn counters_moved(&mut self) {
        self.counted_at = None;
    }

    fn counters_at(&self) -> Option<SinceBoot> {
        self.counted_at.map(|at| at + READ_COUNTERS_EVERY)
    }
}

/// When to trim the journal.
#[derive(Debug, Default)]
struct Trimming {
    at: Option<SinceBoot>,
    /// Slots recorded since there was nothing left to drop.
    slots: u64,
    /// Whether the store has more to drop.
    has_more: bool,
}

impl Trimming {
    /// When the next call is due if no more slots are recorded; `None`: now.
    fn due(&self, max_slots: u64) -> Option<SinceBoot> {
        let is_due = self.has_more || self.slots > max_slots / 10;
        self.at.filter(|_| !is_due).map(|at| at + TRIM_EVERY)
    }

    /// How long the leader must be idle for the next call.
    fn idle(&self, max_slots: u64) -> Duration {
        match self.slots {
            slots if slots > max_slots / 2 => Duration::ZERO,
            slots if slots > max_slots / 5 => SHORT_IDLE,
            _ => IDLE,
        }
    }

    /// Whether so much has piled up that the leader seems never to be idle.
    fn is_overdue(&self, max_slots: u64) -> bool {
        self.slots > max_slots
    }

    /// The state after a call at `now`. Keeps the count until nothing is left to drop, so that the next call
    /// does not need a longer idle time than this one.
    fn after(&self, trimmed: Trimmed, now: SinceBoot) -> Trimming {
        let slots = if trimmed.more { self.slots } else { 0 };
        Trimming { at: Some(now), slots, has_more: trimmed.more }
    }
}

impl Scheduler {
    /// Does one housekeeping task if there is time before `wake`.
    pub(super) fn run_housekeeping(
        &mut self,
        fence: &Fence,
        lease: &Lease,
        wake: Wake,
        now: Now,
    ) -> Wake {
        let max_slots = self.settings.history.slots;
        let free = self.plan_at.since(self.planning_time(now));
        let at = now.since_boot;
        let fold_at = match self.unfolded.oldest() {
            Some(_) if self.unfolded.slots() >= FOLD_FROM => Some(at),
            oldest => oldest.map(|oldest| oldest + FOLD_AFTER),
        };
        let fold_at = fold_at.max(self.housekeeping.fold_after.filter(|_| fold_at.is_some()));
        let soon = self.unfolded.slots() >= FOLD_SOON_FROM;
        if free >= (if soon { SHORT_IDLE } else { IDLE })
            && fold_at.is_some_and(|fold_at| fold_at <= at)
            && self.fold(fence)
        {
            return Wake::NOW;
        }
        let trim_at = self.housekeeping.trimming.due(max_slots);
        let is_trimming = self.housekeeping.trim.is_some();
        if !is_trimming
            && free >= self.housekeeping.trimming.idle(max_slots)
            && trim_at.is_none_or(|trim_at| trim_at <= at)
        {
            self.trim(lease);
            return wake;
        }
        if free < IDLE {
            return wake;
        }
        if self.housekeeping.counters_at().is_none_or(|counters_at| counters_at <= at) {
            self.read_counters(now);
        }
        let trim_at = trim_at.filter(|_| !is_trimming);
        let timers = [Some(wake.since_boot), fold_at, trim_at];
        let since_boot = timers.into_iter().flatten().min().unwrap_or(SinceBoot::NEVER);
        Wake { since_boot, ..wake }
    }

    /// Between batches, does what cannot wait for an idle time. Returns whether it made a fenced write.
    pub(super) fn run_urgent_housekeeping(&mut self, fence: &Fence, lease: &Lease) -> bool {
        let is_overdue = self.housekeeping.trimming.is_overdue(self.settings.history.slots);
        if is_overdue && self.housekeeping.trim.is_none() {
            self.trim(lease);
        }
        // With more unfolded slots, a takeover would take too long.
        let must_fold = self.unfolded.slots() >= MAX_UNFOLDED;
        let folds_next = std::mem::replace(&mut self.housekeeping.folds_next, !must_fold);
        must_fold && folds_next && !self.pipe.has_fold() && self.fold(fence)
    }

    /// Folds the next step, if anything is unfolded.
    fn fold(&mut self, fence: &Fence) -> bool {
        let (Some(planner), Some(step)) = (&self.planner, self.unfolded.next_step()) else {
            return false;
        };
        // Entries that have left the schedule had their progress written when they left.
        let progress = planner.progress_of_each(&step.entries);
        let fold = Fold { fence: fence.clone(), progress, through: step.through };
        self.send(fence, Request::Fold(fold), Work::Fold(step));
        true
    }

    /// Notes entries whose slots were recorded; `head` is the newest record.
    pub(super) fn note_recorded(
        &mut self,
        head: Option<RecordId>,
        entries: Vec<Arc<str>>,
        now: Now,
    ) {
        let trimming = &mut self.housekeeping.trimming;
        trimming.slots = trimming.slots.saturating_add(entries.len() as u64);
        if let Some(head) = head.filter(|_| !self.settings.capabilities.folds_itself) {
            self.unfolded.push(head, entries, now.since_boot);
        }
    }

    /// Trims what the history need not keep. Slots never wait for this, whatever goes wrong.
    fn trim(&mut self, lease: &Lease) {
        let history = &self.settings.history;
        let is_large = self.schedule.entries.len() > MANY_ENTRIES;
        let request = Request::Trim(Trim {
            lease: Arc::clone(&lease.text),
            keep: history.keep,
            slots: history.slots,
            outcomes: if is_large { FEW_OUTCOMES } else { OUTCOMES },
        });
        self.housekeeping.trim = Some(self.ask(request));
    }

    pub(super) fn on_trimmed(&mut self, id: RequestId, trimmed: Trimmed, now: Now) {
        if self.housekeeping.trim.take_if(|trim| *trim == id).is_none() {
            return;
        }
        if trimmed.slots > 0 {
            self.log(Log::Trimmed(trimmed.slots));
        }
        self.housekeeping.trimming = self.housekeeping.trimming.after(trimmed, now.since_boot);
    }

    /// Reads the store's counters, unless the store is known to be away. Other requests notice if it does not
    /// answer.
    fn read_counters(&mut self, now: Now) {
        if self.troubles.error.is_some() || self.housekeeping.count.is_some() {
            return;
        }
        self.housekeeping.counted_at = Some(now.since_boot);
        self.housekeeping.count = Some(self.ask(Request::Counters));
    }

    pub(super) fn on_counters(&mut self, id: RequestId, counters: Counters) {
        if self.housekeeping.count.take_if(|count| *count == id).is_some() {
            self.counters.read(counters);
        } else {
            self.on_counters_of_takeover(id, counters);
        }
    }

    /// Refreshes a follower's counters now and then, for metrics that read them passively.
    pub(super) fn refresh_counters(&mut self, now: Now) -> Wake {
        if self.housekeeping.counters_at().is_none_or(|at| at <= now.since_boot) {
            self.read_counters(now);
        }
        let since_boot = self.housekeeping.counters_at().unwrap_or(SinceBoot::NEVER);
        Wake { since_boot, ..Wake::NEVER }
    }

    /// Handles the failure of a request that nothing waits for.
    pub(super) fn on_housekeeping_error(&mut self, id: RequestId, error: &StoreError, now: Now) {
        if self.housekeeping.trim.take_if(|trim| *trim == id).is_some() {
            self.log(Log::CouldNotTrim(error.clone()));
            let at = SinceBoot(now.since_boot.0.saturating_sub(TRIM_EVERY - RETRY_AFTER));
            self.housekeeping.trimming = Trimming { at: Some(at), slots: 0, has_more: false };
        }
        self.housekeeping.count.take_if(|count| *count == id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::MAX_TRIMMED;

    #[test]
    fn a_backlog_is_trimmed_in_ever_shorter_pauses_until_nothing_is_left() {
        const MAX_SLOTS: u64 = 200_000;
        let now = SinceBoot(Duration::from_secs(1_000));
        let step = |more| Trimmed { slots: MAX_TRIMMED, more };
        for (slots, idle) in [(0, IDLE), (40_001, SHORT_IDLE), (100_001, Duration::ZERO)] {
            let mut trimming = Trimming { at: Some(now), slots, has_more: false };
            for _ in 0..100 {
                trimming = trimming.after(step(true), now);
                assert_eq!((trimming.idle(MAX_SLOTS), trimming.due(MAX_SLOTS)), (idle, None));
            }
            trimming = trimming.after(step(false), now);
            assert_eq!(trimming.idle(MAX_SLOTS), IDLE);
            assert_eq!(trimming.due(MAX_SLOTS), Some(now + TRIM_EVERY));
        }
    }
}
