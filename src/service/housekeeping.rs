//! What is done while nothing is due: folding the journal into progress, trimming it, reading the
//! counters.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, info};

use super::takeover::Position;
use super::unfolded::Step as FoldStep;
use super::{Service, Step, Wake};
use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::leader::lease::Lease;
use crate::schedule::planner::Planner;
use crate::schedule::progress::Progress;
use crate::store::Fence;
use crate::store::contract::{
    Fold, FoldedThrough, MAX_FOLDED, MAX_TRIMMED, Remembered, Reply, Store, StoreError, Trim,
    Trimmed,
};
use crate::store::journal::RecordId;

/// House is kept when nothing is due for so long …
const IDLE: Duration = Duration::from_millis(50);
/// … or, once much has piled up, for as long as one step takes.
const SHORT_IDLE: Duration = Duration::from_millis(5);
/// From so many unfolded slots on, some are folded whenever there is time …
const FOLD_FROM: usize = 1_000;
/// … and from so many on, in the shortest of times.
const FOLD_SOON_FROM: usize = 10_000;
/// They are folded at the latest when the oldest is this old and there is time.
const FOLD_AFTER: Duration = Duration::from_secs(10);
/// From so many on, some are folded after each batch, time or not.
const MAX_UNFOLDED: usize = 50_000;
/// The journal is trimmed this often, and whenever it has grown by a tenth of what is kept.
const TRIM_EVERY: Duration = Duration::from_secs(600);
/// So many outcomes of an entry survive the trimming …
const OUTCOMES: usize = 20;
/// … and so many when there are more than [`MANY_ENTRIES`].
const FEW_OUTCOMES: usize = 3;
const MANY_ENTRIES: usize = 100_000;
/// The store could not fold or trim: it is asked again after so long.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The counters are read again after so long: others may have sent manual messages.
const COUNTERS_EVERY: Duration = Duration::from_secs(10);
/// Reading them takes no longer.
const COUNTERS_TIMEOUT: Duration = Duration::from_secs(1);

/// When the journal is trimmed.
#[derive(Debug, Default)]
pub(super) struct Trimming {
    at: Option<Instant>,
    /// Slots recorded since there was nothing to drop.
    slots: u64,
    /// The store has more to drop.
    has_more: bool,
}

impl Trimming {
    /// When the next call is due if no more slots are recorded; `None`: now.
    fn due(&self, max_slots: u64) -> Option<Instant> {
        let is_due = self.has_more || self.slots > max_slots / 10;
        self.at.filter(|_| !is_due).map(|at| at + TRIM_EVERY)
    }

    /// For how long nothing may be due for the next call to be made.
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

    /// The state after a call at `now`. The count is kept until there is nothing more to drop, so that the
    /// next call does not wait for a longer idle time than this one.
    fn after(&self, trimmed: Trimmed, now: Instant) -> Trimming {
        let slots = if trimmed.more { self.slots } else { 0 };
        Trimming { at: Some(now), slots, has_more: trimmed.more }
    }
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// Nothing is due before `wake`: does one thing that keeps the store in order, if there is time.
    pub(super) async fn keep_house(
        &mut self,
        lease: &Lease,
        wake: Wake,
    ) -> Result<Wake, StoreError> {
        let max_slots = self.settings.history.slots;
        let free = wake.at.since(self.planning_time());
        let now = Instant::now();
        let again = Ok(Wake { at: wake.at, timer: Some(now) });
        let fold_at = match self.unfolded.oldest() {
            Some(_) if self.unfolded.slots() >= FOLD_FROM => Some(now),
            oldest => oldest.map(|oldest| oldest + FOLD_AFTER),
        };
        let fold_at = fold_at.max(self.fold_after.filter(|_| fold_at.is_some()));
        let soon = self.unfolded.slots() >= FOLD_SOON_FROM;
        if free >= (if soon { SHORT_IDLE } else { IDLE }) && fold_at.is_some_and(|at| at <= now) {
            self.fold_now(lease).await?;
            return again;
        }
        let trim_at = self.trimming.due(max_slots);
        if free >= self.trimming.idle(max_slots) && trim_at.is_none_or(|at| at <= now) {
            self.trim(lease).await;
            return again;
        }
        if free < IDLE {
            return Ok(wake);
        }
        self.keep_pauses(lease).await;
        if self.counters_read_at.is_none_or(|at| at + COUNTERS_EVERY <= now) {
            self.read_counters().await;
        }
        let timer = wake.timer.into_iter().chain(fold_at).chain(trim_at).min();
        Ok(Wake { at: wake.at, timer })
    }

    /// Whether so much is unfolded that a takeover would take too long.
    pub(super) fn must_fold(&self) -> bool {
        self.unfolded.slots() >= MAX_UNFOLDED
    }

    /// What to fold next, and the request for it.
    pub(super) fn next_fold(&self, fence: &Fence) -> Option<(FoldStep, Fold)> {
        let planner = self.planner.as_ref()?;
        let step = self.unfolded.next_step()?;
        // Of those that have left the schedule, it was written when they did.
        let progress = |name: &Arc<str>| Some((Arc::clone(name), planner.progress_of(name)?));
        let progress = step.entries.iter().filter_map(progress).collect();
        let request = Fold { fence: fence.clone(), progress, through: step.through };
        Some((step, request))
    }

    async fn fold_now(&mut self, lease: &Lease) -> Result<Step, StoreError> {
        let sequence = self.planner.as_ref().map_or(0, |planner| planner.sequence());
        let fence = Fence::after(&lease.text, sequence);
        let Some((step, request)) = self.next_fold(&fence) else { return Ok(Step::Done) };
        let reply = match self.store.fold(request).await {
            // Slots need not wait for that.
            Err(error) if error.is_undone() => {
                debug!(%error, "could not fold");
                self.fold_after = Some(Instant::now() + RETRY_AFTER);
                return Ok(Step::Done);
            }
            answer => answer?,
        };
        let Reply::Written { now, sequence, head, .. } = reply else {
            self.on_refusal(&reply, lease).await?;
            return Ok(Step::Refused);
        };
        self.on_written(now, sequence, head);
        self.unfolded.folded(&step);
        debug!(entries = step.entries.len(), left = self.unfolded.slots(), "folded");
        Ok(Step::Done)
    }

    /// Slots of these entries were recorded, and `head` is the newest record now.
    pub(super) fn note_recorded(&mut self, head: Option<RecordId>, entries: Vec<Arc<str>>) {
        self.trimming.slots = self.trimming.slots.saturating_add(entries.len() as u64);
        if let Some(head) = head.filter(|_| !S::CAPABILITIES.folds_itself) {
            self.unfolded.push(head, entries);
        }
    }

    /// After a round of so many slots: drops as many, if the leader is never idle.
    pub(super) async fn keep_up_trimming(&mut self, lease: &Lease, slots: usize) {
        let steps = 1 + slots as u64 / MAX_TRIMMED;
        for _ in 0..steps {
            if !self.trimming.is_overdue(self.settings.history.slots) {
                break;
            }
            self.trim(lease).await;
        }
    }

    /// Drops what the history need not keep. Slots never wait for that, whatever goes wrong.
    async fn trim(&mut self, lease: &Lease) {
        let history = &self.settings.history;
        let is_large = self.schedule.entries.len() > MANY_ENTRIES;
        let request = Trim {
            lease: Arc::clone(&lease.text),
            keep: history.keep,
            slots: history.slots,
            outcomes: if is_large { FEW_OUTCOMES } else { OUTCOMES },
        };
        let now = Instant::now();
        self.trimming = match self.store.trim(request).await {
            Ok(trimmed) => {
                if trimmed.slots > 0 {
                    debug!(slots = trimmed.slots, "trimmed the journal");
                }
                self.trimming.after(trimmed, now)
            }
            Err(error) => {
                debug!(%error, "could not trim the journal");
                let at = now.checked_sub(TRIM_EVERY - RETRY_AFTER).unwrap_or(now);
                Trimming { at: Some(at), slots: 0, has_more: false }
            }
        };
    }

    /// Reads the store's counters, unless it is known to be away. That it does not answer is noticed
    /// elsewhere.
    pub(super) async fn read_counters(&mut self) {
        let is_away = self.troubles.error.is_some() || self.reports.trouble.borrow().is_some();
        if is_away {
            return;
        }
        self.counters_read_at = Some(Instant::now());
        let read = tokio::time::timeout(COUNTERS_TIMEOUT, self.store.counters()).await;
        if let Ok(Ok(counters)) = read {
            self.counters.read(counters);
        }
    }

    /// A follower reads the counters now and then, for those who watch without asking.
    pub(super) async fn refresh_counters(&mut self) {
        let is_old = self.counters_read_at.is_none_or(|at| at.elapsed() >= COUNTERS_EVERY);
        if is_old && self.seen.receiver_count() > 0 {
            self.read_counters().await;
        }
    }

    /// The journal was lost: writes all progress that it held, from memory, and begins a new one.
    pub(super) async fn replace_journal(&mut self, lease: &Lease) -> Result<Step, StoreError> {
        error!(
            slots = self.unfolded.slots(),
            "the journal was evicted or deleted: its history is lost; progress is written from memory"
        );
        let Some(planner) = &self.planner else { return Ok(Step::Refused) };
        if S::CAPABILITIES.folds_itself {
            return self.fold_everything(&lease.text).await;
        }
        let names = self.unfolded.entries().into_iter();
        let progress =
            names.filter_map(|name| planner.progress_of(&name).map(|progress| (name, progress)));
        let progress = progress.collect();
        self.write_progress(&lease.text, progress).await
    }

    /// Folds the whole journal at once, from memory.
    pub(super) async fn fold_everything(&mut self, lease: &Arc<str>) -> Result<Step, StoreError> {
        let Some(planner) = &self.planner else { return Ok(Step::Refused) };
        let progress = all_progress(planner);
        self.write_progress(lease, progress).await
    }

    /// Writes progress, with which a new journal begins.
    async fn write_progress(
        &mut self,
        lease: &Arc<str>,
        progress: Vec<(Arc<str>, Progress)>,
    ) -> Result<Step, StoreError> {
        let sequence = self.planner.as_ref().map_or(0, Planner::sequence);
        let position = Position { sequence, head: self.head };
        match self.begin_journal(lease, position, progress, Remembered::All).await? {
            Ok(Position { sequence, head }) => {
                self.unfolded.clear();
                self.head = head;
                if let Some(planner) = &mut self.planner {
                    planner.advance(sequence);
                }
                info!("a new journal has begun");
                Ok(Step::Done)
            }
            Err(refusal) => {
                self.back_off(&refusal);
                Ok(Step::Refused)
            }
        }
    }

    /// Writes progress in parts. The last begins a new journal. Gives where the writes have got to, or the
    /// reply that refused.
    pub(super) async fn begin_journal(
        &mut self,
        lease: &Arc<str>,
        mut position: Position,
        progress: Vec<(Arc<str>, Progress)>,
        remembered: Remembered,
    ) -> Result<Result<Position, Reply>, StoreError> {
        let mut parts = progress.chunks(MAX_FOLDED).peekable();
        loop {
            let progress = parts.next().unwrap_or_default().to_vec();
            let is_last = parts.peek().is_none();
            let through =
                if is_last { FoldedThrough::Anew(remembered) } else { FoldedThrough::Unchanged };
            let fence = Fence::after(lease, position.sequence);
            match self.store.fold(Fold { fence, progress, through }).await? {
                Reply::Written { sequence, head, .. } => position = Position { sequence, head },
                refusal => return Ok(Err(refusal)),
            }
            self.heartbeat.beat();
            self.supervisor.beat();
            if is_last {
                return Ok(Ok(position));
            }
        }
    }
}

/// How far the live entries have come.
pub(super) fn all_progress(planner: &Planner) -> Vec<(Arc<str>, Progress)> {
    let names = planner.schedule().entries.iter().map(|entry| &entry.name);
    names.filter_map(|name| Some((Arc::clone(name), planner.progress_of(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_piled_up_is_trimmed_in_ever_shorter_pauses_until_nothing_is_left() {
        const MAX_SLOTS: u64 = 200_000;
        let now = Instant::now();
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
