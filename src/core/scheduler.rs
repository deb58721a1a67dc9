//! The scheduler: takes over, sends due slots, does housekeeping.

mod answers;
mod store_clock;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::batch_size::BatchSize;
use super::carried::Carrying;
use super::counters::Counters;
use super::dispatch::{Slots, Unanswered};
use super::housekeeping::Housekeeping;
use super::lateness::{Lateness, Measured};
use super::log::Log;
use super::pauses::KnownPauses;
use super::pipe::Pipe;
use super::refusals::{Refusals, RefusedWrites};
use super::takeover::{Reading, Writing};
use super::troubles::Troubles;
use super::unfolded::Unfolded;
use super::unseen::UnseenResults;
use super::{Action, Event, Now, Request, RequestId, Settings, Wake};
use crate::clock::SinceBoot;
use crate::leader::lease::{Lease, Reading as ClockReading};
use crate::render::Renderer;
use crate::schedule::Schedule;
use crate::schedule::pause::Pauses;
use crate::schedule::planner::{Ended, Planner};
use crate::schedule::progress::Progress;
use crate::store::contract;
use crate::store::journal::RecordId;
use crate::tzdata::Tzdata;

/// The maximum number of entries that are named because no result was seen.
const MAX_WITHOUT_RESULTS: usize = 100;

/// What is wrong when writes are fenced though the lease is being renewed.
pub const ANOTHER_SERVER: &str = "the broker's address leads to several servers: one renews the lease, and \
                                  another, which is written to, does not have it";

/// What a scheduler is built from.
#[derive(Debug)]
pub struct Parts {
    /// The fixed settings.
    pub settings: Settings,
    /// Renders the messages.
    pub renderer: Renderer,
    /// The first schedule loaded.
    pub schedule: Arc<Schedule>,
    /// Zones for timings that are no longer in the schedule.
    pub zones: Arc<Tzdata>,
    /// Seeds all random numbers.
    pub seed: u64,
}

/// Decides what the leader does, and remembers what it did.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) settings: Settings,
    pub(super) renderer: Renderer,
    pub(super) zones: Arc<Tzdata>,
    pub(super) rng: fastrand::Rng,
    /// The newest schedule loaded.
    pub(super) schedule: Arc<Schedule>,
    lease: Option<Lease>,
    pub(super) stage: Stage,
    /// The planner of the current tenure; between tenures, the memory of the last.
    pub(super) planner: Option<Planner>,
    /// The last lease that it took over under.
    pub(super) last_tenure: Option<Arc<str>>,
    /// The newest record known.
    pub(super) head: Option<RecordId>,
    pub(super) pipe: Pipe,
    pub(super) batch_size: BatchSize,
    /// Planned but not yet sent.
    pub(super) planned: VecDeque<Slots>,
    /// When there may be more to plan, in planning time.
    pub(super) plan_at: UnixMs,
    /// Whether nothing was due at the last plan.
    pub(super) was_idle: bool,
    pub(super) pauses: KnownPauses,
    pub(super) unfolded: Unfolded,
    pub(super) housekeeping: Housekeeping,
    /// Whether a write was refused because the journal is gone.
    pub(super) journal_is_lost: bool,
    store_clock: Option<ClockReading>,
    /// The store's clock when it was last checked; used to notice that it goes back.
    clock_seen: Option<ClockReading>,
    /// Whether the store's clock has gone back, so that records ahead of it need repair.
    pub(super) went_back: bool,
    /// Slots of unanswered requests: the store knows what became of them.
    pub(super) unanswered: Vec<Unanswered>,
    /// Slots that ended with their registration in the tenure of that term, not known to be recorded.
    pub(super) unreported: Vec<(u64, Ended)>,
    pub(super) carrying: Carrying,
    failures: u32,
    retry_at: Option<SinceBoot>,
    /// Whether this tenure's batches get through, as far as known.
    gets_through: Option<bool>,
    /// When [`Scheduler::handle`] was last called.
    pub(super) called_at: SinceBoot,
    pub(super) counters: Counters,
    pub(super) lateness: Measured,
    pub(super) troubles: Troubles,
    pub(super) unseen_results: UnseenResults,
    refusals: Refusals,
    is_stopping: bool,
    /// Whether metrics read the counters while it follows.
    is_watched: bool,
    last_id: u64,
    pub(super) actions: Vec<Action>,
    wake: Wake,
}

/// A scheduler's stage within its tenure.
#[derive(Debug)]
pub(super) enum Stage {
    /// It does not lead, or must read everything anew.
    Waiting,
    /// It reads what the store knows.
    Reading(Box<Reading>),
    /// It writes what must be recorded before anything is sent.
    Writing(Box<Writing>),
    /// It looks up records ahead of a clock that has gone back.
    Repairing { history: RequestId, shown: UnixMs },
    /// It sends due slots.
    Leading,
}

impl Scheduler {
    /// Creates a scheduler that has not seen an event yet.
    #[must_use]
    pub fn new(parts: Parts) -> Scheduler {
        let Parts { settings, renderer, schedule, zones, seed } = parts;
        let mut counters = Counters::default();
        counters.add_queues(&schedule);
        Scheduler {
            settings,
            renderer,
            zones,
            rng: fastrand::Rng::with_seed(seed),
            schedule,
            lease: None,
            stage: Stage::Waiting,
            planner: None,
            last_tenure: None,
            head: None,
            pipe: Pipe::default(),
            batch_size: BatchSize::default(),
            planned: VecDeque::new(),
            plan_at: UnixMs::MIN,
            was_idle: true,
            pauses: KnownPauses::default(),
            unfolded: Unfolded::default(),
            housekeeping: Housekeeping::default(),
            journal_is_lost: false,
            store_clock: None,
            clock_seen: None,
            went_back: false,
            unanswered: Vec::new(),
            unreported: Vec::new(),
            carrying: Carrying::default(),
            failures: 0,
            retry_at: None,
            gets_through: None,
            called_at: SinceBoot(Duration::ZERO),
            counters,
            lateness: Measured::default(),
            troubles: Troubles::default(),
            unseen_results: UnseenResults::default(),
            refusals: Refusals::default(),
            is_stopping: false,
            is_watched: false,
            last_id: 0,
            actions: Vec::new(),
            wake: Wake::NOW,
        }
    }

    /// Handles an event and returns the actions to perform, in order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        self.called_at = now.since_boot;
        match event {
            Event::Lease(lease) => {
                // A new or regained lease ends the back-off.
                if self.lease.as_ref().map(|lease| &lease.text)
                    != lease.as_ref().map(|lease| &lease.text)
                {
                    self.retry_at = None;
                }
                self.lease = lease;
            }
            Event::Answered(id, answer) => self.on_answer(id, answer, now),
            Event::Published(id, deliveries) => self.carrying.on_published(id, deliveries),
            Event::Schedule(schedule) => {
                self.counters.add_queues(&schedule);
                self.schedule = schedule;
                if !self.leads() {
                    // It is read with the next tenure.
                    self.actions.push(Action::Applied);
                }
            }
            Event::CountersMoved => self.housekeeping.counters_moved(),
            Event::Stop => self.is_stopping = true,
            Event::Wake => {}
        }
        self.wake = self.turn(now);
        std::mem::take(&mut self.actions)
    }

    /// Keeps the counters fresh while this replica follows, for metrics that read them passively.
    pub fn watch(&mut self) {
        self.is_watched = true;
    }

    /// Takes over counters that somebody else read from the store.
    pub fn count(&mut self, counters: contract::Counters) {
        self.counters.read(counters);
    }

    /// When to call [`Scheduler::handle`] with [`Event::Wake`] if nothing else happens before.
    #[must_use]
    pub fn wake(&self) -> Wake {
        self.wake
    }

    /// Does what is due now.
    fn turn(&mut self, now: Now) -> Wake {
        let Some(lease) = self.lease.take() else { return self.follow(now) };
        if !lease.is_trusted(now.since_boot) {
            self.lease = Some(lease);
            return self.follow(now);
        }
        if lease.broker_clock.map(|reading| reading.at) > self.store_clock.map(|reading| reading.at)
        {
            self.store_clock = lease.broker_clock;
        }
        let wake = self.turn_as_leader(&lease, now);
        self.lease = Some(lease);
        wake
    }

    fn turn_as_leader(&mut self, lease: &Lease, now: Now) -> Wake {
        if self.is_of_another_tenure(lease) {
            self.end_tenure();
        }
        if let Some(retry_at) = self.retry_at.filter(|at| *at > now.since_boot) {
            return Wake { since_boot: retry_at, ..Wake::NEVER };
        }
        match &self.stage {
            Stage::Waiting if self.is_stopping => Wake::NEVER,
            Stage::Waiting => {
                // Writes of an earlier tenure are waited for first.
                if self.pipe.is_empty() {
                    self.begin_reading(lease, now);
                }
                Wake::NEVER
            }
            Stage::Reading(_) | Stage::Repairing { .. } => Wake::NEVER,
            Stage::Writing(_) => {
                self.write_next(now);
                if matches!(self.stage, Stage::Writing(_)) { Wake::NEVER } else { Wake::NOW }
            }
            // Requests for them may have failed.
            Stage::Leading if self.pauses.are_revised() => {
                if !self.pauses.is_reading() {
                    self.read_pauses(now);
                }
                Wake::NEVER
            }
            Stage::Leading => {
                self.look_at_clock(now);
                if self.prepare(now) {
                    return self.lead(lease, now);
                }
                // Writes in flight are waited for first.
                if matches!(self.stage, Stage::Leading) { Wake::NEVER } else { Wake::NOW }
            }
        }
    }

    /// Whether the stage belongs to another tenure.
    fn is_of_another_tenure(&self, lease: &Lease) -> bool {
        match &self.stage {
            Stage::Waiting => false,
            Stage::Reading(reading) => reading.lease != lease.text,
            Stage::Writing(writing) => writing.lease != lease.text,
            Stage::Repairing { .. } | Stage::Leading => {
                self.last_tenure.as_ref() != Some(&lease.text)
            }
        }
    }

    /// Does what must come between batches. Returns whether more can be sent.
    fn prepare(&mut self, now: Now) -> bool {
        if !self.is_edited() && !self.went_back {
            return true;
        }
        // Slots that are with carriers still belong to the old registrations.
        if !self.carrying.is_empty() {
            return true;
        }
        if !self.pipe.is_empty() {
            return false;
        }
        self.take_back_planned();
        if self.went_back {
            self.begin_repairing(now);
        } else {
            self.begin_reload(now);
        }
        false
    }

    /// Follows: another replica leads, or none.
    fn follow(&mut self, now: Now) -> Wake {
        (self.retry_at, self.failures, self.gets_through) = (None, 0, None);
        self.end_tenure();
        self.leave_unrecorded();
        self.troubles.forget();
        self.unseen_results.forget();
        if self.is_watched && !self.is_stopping {
            self.refresh_pauses(now);
            return self.refresh_counters(now);
        }
        Wake::NEVER
    }

    /// Whether everything that the tenure needs is written, so that slots are sent.
    #[must_use]
    pub fn leads(&self) -> bool {
        matches!(self.stage, Stage::Leading | Stage::Repairing { .. })
            || matches!(&self.stage, Stage::Writing(writing) if !writing.is_takeover())
    }

    /// Sends nothing more under this tenure; everything is read anew before the next batch.
    pub(super) fn end_tenure(&mut self) {
        if matches!(self.stage, Stage::Waiting) {
            return;
        }
        self.take_back_planned();
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Writing(writing) => self.abandon(*writing),
            Stage::Waiting | Stage::Reading(_) | Stage::Repairing { .. } | Stage::Leading => {}
        }
        self.clock_seen = None;
        self.went_back = false;
        if self.is_edited() {
            self.actions.push(Action::Applied);
        }
    }

    /// Whether a schedule other than the planned one is loaded.
    pub(super) fn is_edited(&self) -> bool {
        let planner = self.planner.as_ref();
        planner.is_some_and(|planner| !Arc::ptr_eq(planner.schedule(), &self.schedule))
    }

    /// The lease of the current or last tenure.
    pub(super) fn tenure(&self) -> Arc<str> {
        self.last_tenure.clone().unwrap_or_default()
    }

    /// Until when a tenure is trusted, as far as is known now.
    pub(super) fn trusted_until(&self, tenure: &str) -> SinceBoot {
        let lease = self.lease.as_ref().filter(|lease| &*lease.text == tenure);
        lease.map_or(SinceBoot(Duration::ZERO), |lease| lease.trusted_until)
    }

    /// Whether nobody has led since our own last tenure, as far as we know.
    pub(super) fn continues(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.continues)
    }

    /// Sends a request to the store, after all earlier ones.
    pub(super) fn ask(&mut self, request: Request) -> RequestId {
        let id = self.new_id();
        self.actions.push(Action::Request(id, request));
        id
    }

    pub(super) fn new_id(&mut self) -> RequestId {
        self.last_id += 1;
        RequestId(self.last_id)
    }

    pub(super) fn log(&mut self, log: Log) {
        self.actions.push(Action::Log(log));
    }

    /// Whether everything that was in flight is settled.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.pipe.is_empty() && self.carrying.is_empty()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// The last tenure that this replica took over in.
    #[cfg(test)]
    pub(crate) fn last_tenure(&self) -> Option<&Arc<str>> {
        self.last_tenure.as_ref()
    }

    /// Whether it remembers what it did in an earlier tenure.
    #[cfg(test)]
    pub(crate) fn remembers(&self) -> bool {
        self.planner.is_some()
    }

    /// The planner, while it leads.
    #[must_use]
    pub fn plans(&self) -> Option<&Planner> {
        self.planner.as_ref().filter(|_| self.leads())
    }

    /// An entry's progress when this replica last led.
    #[must_use]
    pub fn known_progress(&self, name: &str) -> Option<Progress> {
        self.planner.as_ref()?.known_progress(name)
    }

    /// The newest schedule loaded.
    #[must_use]
    pub fn schedule(&self) -> &Arc<Schedule> {
        &self.schedule
    }

    /// The pauses as last read.
    #[must_use]
    pub fn pauses_read(&self) -> &contract::PausesRead {
        self.pauses.read()
    }

    /// The pauses in the planner's form.
    #[must_use]
    pub fn pauses(&self) -> &Arc<Pauses> {
        self.pauses.pauses()
    }

    /// The number of writes that the store has refused as a whole, by reason.
    #[must_use]
    pub fn refused_writes(&self) -> RefusedWrites {
        self.refusals.counts
    }

    /// The number of slots by queue and outcome.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How late slots were sent.
    #[must_use]
    pub fn lateness(&self) -> Lateness {
        self.lateness.to_lateness()
    }

    /// Entries that may not overlap and whose slots are skipped though no result of their tasks was ever seen: a
    /// selection.
    #[must_use]
    pub fn without_results(&self) -> Vec<String> {
        let Some(planner) = &self.planner else { return Vec::new() };
        let entries = self.unseen_results.entries().filter(|entry| planner.find(entry).is_some());
        entries.take(MAX_WITHOUT_RESULTS).map(ToString::to_string).collect()
    }

    /// What keeps slots from being sent.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }
}
