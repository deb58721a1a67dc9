//! The scheduler: takes over, sends due slots, does housekeeping.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::batch_size::BatchSize;
use super::campaign::Writes;
use super::carried::Carrying;
use super::counters::Counters;
use super::dispatch::{Slots, Unanswered};
use super::housekeeping::Housekeeping;
use super::lateness::{Lateness, Measured};
use super::log::Log;
use super::pauses::KnownPauses;
use super::pipe::{Pipe, Position, Work, Write};
use super::refusals::{Refusals, RefusedWrites};
use super::takeover::{Reading, Writing};
use super::troubles::Troubles;
use super::unfolded::Unfolded;
use super::{Action, Answer, Event, Now, Request, RequestId, Settings, Wake, backoff};
use crate::clock::SinceBoot;
use crate::leader::lease::{Lease, Reading as ClockReading};
use crate::render::Renderer;
use crate::schedule::Schedule;
use crate::schedule::pause::Pauses;
use crate::schedule::planner::{Ended, Planner, Repair};
use crate::schedule::progress::Progress;
use crate::store::contract::{self, History, HistoryQuery, Reply, StoreError};
use crate::store::journal::RecordId;
use crate::tzdata::Tzdata;

/// The longest pause between attempts to reach the store.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// The pause before the store is read again after another leader wrote.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);
/// The maximum number of slots settled ahead of the clock that are looked up after it went back.
const MAX_AHEAD: usize = 50_000;
/// The maximum time to plan ahead of the store's clock; the store refuses slots more than 1 s ahead.
const MAX_AHEAD_OF_STORE: Duration = Duration::from_millis(900);

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
    went_back: bool,
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
    fn is_edited(&self) -> bool {
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

    fn on_answer(&mut self, id: RequestId, answer: Result<Answer, StoreError>, now: Now) {
        match answer {
            Ok(Answer::Reply(reply)) => {
                if self.pipe.answer(id, Ok(reply)) {
                    self.handle_answers(now);
                }
            }
            Err(error) => {
                if self.pipe.answer(id, Err(error.clone())) {
                    return self.handle_answers(now);
                }
                let asked_at = self.is_reading(id).then(|| self.reading_since(now));
                self.on_pauses_error(id, &error);
                self.on_housekeeping_error(id, &error, now);
                if let Some(asked_at) = asked_at {
                    self.note_time_out(&error, asked_at);
                    self.fail(&error, now);
                }
            }
            Ok(Answer::Snapshot(snapshot)) => self.on_snapshot(id, *snapshot),
            Ok(Answer::Counters(counters)) => self.on_counters(id, counters),
            Ok(Answer::History(history)) => self.on_history(id, &history),
            Ok(Answer::Trimmed(trimmed)) => self.on_trimmed(id, trimmed, now),
            Ok(Answer::Pauses(read)) => self.on_pauses(id, read, now),
            Ok(Answer::Pruned(subjects)) => self.on_pruned(id, subjects),
        }
    }

    /// Whether the stage waits for this request.
    fn is_reading(&self, id: RequestId) -> bool {
        match &self.stage {
            Stage::Reading(reading) => reading.waits_for(id),
            Stage::Repairing { history, .. } => *history == id,
            Stage::Leading => self.pauses.waits_for(id),
            Stage::Waiting | Stage::Writing(_) => false,
        }
    }

    /// When the request that the stage waits for was made.
    fn reading_since(&self, now: Now) -> SinceBoot {
        match &self.stage {
            Stage::Reading(reading) => reading.asked_at,
            Stage::Repairing { .. } | Stage::Leading | Stage::Waiting | Stage::Writing(_) => {
                now.since_boot
            }
        }
    }

    fn on_history(&mut self, id: RequestId, history: &History) {
        if !self.is_reading(id) {
            return;
        }
        if let Stage::Repairing { shown, .. } = self.stage {
            return self.repair_ahead(shown, history);
        }
        self.on_history_of_takeover(history);
    }

    /// Handles the answers of the oldest writes.
    fn handle_answers(&mut self, now: Now) {
        while let Some((write, answer)) = self.pipe.pop_answered() {
            match answer {
                Ok(Reply::Written { now: shown, sequence, head, exceptions }) => {
                    self.refusals.end();
                    self.read_store_clock(shown, now);
                    self.on_confirmed(Position { sequence, head });
                    self.on_written(write, exceptions, head, now);
                }
                Ok(refusal) => return self.on_refusal(write, &refusal, now),
                Err(error) => return self.on_failure(write, &error, now),
            }
        }
    }

    fn on_confirmed(&mut self, position: Position) {
        self.pipe.confirm(position);
        // Until a takeover is written, the memory is that of an earlier tenure.
        if self.leads() {
            self.head = position.head;
            if let Some(planner) = &mut self.planner {
                planner.advance(position.sequence);
            }
        }
    }

    /// Handles a write that the store refused. Those behind it write nothing either.
    fn on_refusal(&mut self, write: Write, refusal: &Reply, now: Now) {
        let is_part = matches!(write.work, Work::Part);
        self.take_back(write);
        self.give_up_writes(false);
        if let Some(reason) = self.refusals.note(refusal) {
            self.log(Log::WroteNothing(reason));
        }
        match refusal {
            Reply::Revised if !is_part => self.on_revised(now),
            Reply::Lost if !is_part && self.leads() => self.begin_new_journal(),
            Reply::Early { now: shown } if !is_part => {
                self.log(Log::Early);
                self.read_store_clock(*shown, now);
                if let Some(planner) = &mut self.planner {
                    planner.unjudge(*shown);
                }
            }
            _ => {
                self.journal_is_lost |= *refusal == Reply::Lost;
                let fenced = *refusal == Reply::Fenced;
                if fenced && self.refusals.is_lease_on_another_server(self.lease.as_ref()) {
                    self.find_server();
                }
                // If the lease is another's by now, the campaign will soon know.
                let pause = if fenced { MAX_PAUSE } else { CONFLICT_PAUSE };
                self.end_tenure();
                self.retry_at = Some(now.since_boot + pause);
            }
        }
    }

    /// Reconnects because lease and state are on different servers, as after a failover that only one connection
    /// has followed.
    fn find_server(&mut self) {
        self.failures += 1;
        let error = Some(StoreError::Unavailable(ANOTHER_SERVER.to_owned()));
        if self.troubles.error != error {
            self.log(Log::AnotherServer);
        }
        self.troubles.error = error;
        self.actions.push(Action::Reconnect);
    }

    /// Handles a write that failed or was not answered.
    fn on_failure(&mut self, write: Write, error: &StoreError, now: Now) {
        let is_lost = !error.is_undone();
        let is_fold = matches!(write.work, Work::Fold(_));
        if self.lease.as_ref().is_some_and(|lease| lease.text == write.lease) {
            self.note_time_out(error, write.asked_at);
        }
        if is_lost && !write.work.items().is_empty() {
            self.batch_size.shrink(write.work.items().len(), now.since_boot);
        }
        if is_lost {
            self.leave_unanswered(&write);
        }
        self.take_back(write);
        self.give_up_writes(is_lost);
        if is_fold && !is_lost {
            // Slots need not wait for a fold.
            self.housekeeping.put_off_folding(now);
            self.log(Log::CouldNotFold(error.clone()));
        } else {
            self.fail(error, now);
        }
    }

    /// Schedules a retry after the store failed or did not answer.
    pub(super) fn fail(&mut self, error: &StoreError, now: Now) {
        // If nothing was written, our memory is still the store's record.
        if !error.is_undone() || !matches!(self.stage, Stage::Leading) {
            self.end_tenure();
        }
        self.failures += 1;
        let pause = backoff(self.failures, MAX_PAUSE, &mut self.rng);
        if self.failures == 1 {
            self.log(Log::CouldNotPublish { error: error.clone(), pause });
        }
        self.troubles.store_errors += 1;
        self.troubles.error = Some(error.clone());
        self.retry_at = Some(now.since_boot + pause);
    }

    /// Notes that a request made at `asked_at` timed out. An error of the store itself is an answer, and would
    /// be the same for other replicas.
    fn note_time_out(&mut self, error: &StoreError, asked_at: SinceBoot) {
        if !error.is_refusal() && self.gets_through.replace(false) != Some(false) {
            self.actions.push(Action::Writes(Writes::TimeOut(asked_at)));
        }
    }

    /// Notes that the store has carried out a batch.
    pub(super) fn note_batch(&mut self, now: Now) {
        self.batch_size.grow(now.since_boot);
        if self.gets_through.replace(true) != Some(true) {
            self.actions.push(Action::Writes(Writes::Succeed));
        }
        self.note_success();
    }

    /// Notes that the store carries out requests.
    pub(super) fn note_success(&mut self) {
        if self.failures > 0 {
            (self.failures, self.troubles.error) = (0, None);
            self.log(Log::Publishing);
        }
    }

    /// Abandons the writes in flight; `may_be_done`: the store may still carry them out.
    fn give_up_writes(&mut self, may_be_done: bool) {
        for write in self.pipe.abandon() {
            if may_be_done {
                self.leave_unanswered(&write);
            }
            self.take_back(write);
        }
        self.take_back_planned();
    }

    /// Notes the store's clock. A store that only one process uses has no clock but ours.
    fn read_store_clock(&mut self, shown: UnixMs, now: Now) {
        if self.settings.capabilities.shared {
            self.store_clock = Some(ClockReading { shown, at: now.since_boot });
        }
    }

    /// The instant to plan for: the machine's clock, but never far ahead of the store's.
    #[must_use]
    pub fn planning_time(&self, now: Now) -> UnixMs {
        match self.store_clock {
            Some(reading) => now.wall.min(reading.now(now.since_boot) + MAX_AHEAD_OF_STORE),
            None => now.wall,
        }
    }

    /// What the machine's clock shows when planning time is `instant`.
    pub(super) fn on_wall_clock(&self, instant: UnixMs, now: Now) -> UnixMs {
        instant + now.wall.since(self.planning_time(now))
    }

    /// The store's clock, or ours until that has been read.
    #[must_use]
    pub fn store_now(&self, now: Now) -> UnixMs {
        self.store_clock.map_or(now.wall, |clock| clock.now(now.since_boot))
    }

    /// Checks whether the store's clock has gone back against a monotonic one. If so, records made ahead of it
    /// are repaired: they would silence their entries.
    pub(super) fn look_at_clock(&mut self, now: Now) {
        let (shown, at) = (self.store_now(now), now.since_boot);
        let before = self.clock_seen.replace(ClockReading { shown, at });
        let back = before.map_or(Duration::ZERO, |before| before.now(at).since(shown));
        if back > self.settings.grace {
            self.log(Log::ClockWentBack(back));
            self.went_back = true;
        }
    }

    fn begin_repairing(&mut self, now: Now) {
        self.went_back = false;
        let shown = self.store_now(now);
        let history = self.ask_history(shown - self.settings.grace);
        self.stage = Stage::Repairing { history, shown };
    }

    fn repair_ahead(&mut self, shown: UnixMs, history: &History) {
        self.stage = Stage::Leading;
        let Some(planner) = &mut self.planner else { return };
        let lines: Vec<_> = history.events.iter().map(|event| event.line.clone()).collect();
        let Repair { changes, repaired } = planner.repair(shown, &lines);
        if changes.is_empty() {
            return;
        }
        self.note_repaired(repaired);
        self.begin_repair(changes);
    }

    /// Asks what was recorded of slots from `from` on; if there are very many, of the newest.
    pub(super) fn ask_history(&mut self, from: UnixMs) -> RequestId {
        let from = Some(from);
        let query = HistoryQuery { from, limit: MAX_AHEAD, ..HistoryQuery::default() };
        self.ask(Request::History(query))
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

    /// What keeps slots from being sent.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }
}
