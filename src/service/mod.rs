//! The loop: wait, decide, act.
//!
//! It waits for the next due slot or for an event, plans what is due, and hands it to the store in
//! rounds. Every call it makes has a deadline; while the store is away it goes on waiting, with
//! growing pauses, and sends what is still in its window when the store is back.

mod carried;
mod counters;
pub mod detail;
pub mod heartbeat;
pub mod history;
mod housekeeping;
mod keeper;
pub mod lateness;
mod pauses;
mod refusals;
pub mod reload;
pub mod render;
mod round;
pub mod status;
mod takeover;
mod troubles;
mod unfolded;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use self::carried::Publishing;
use self::counters::Counters;
use self::detail::EntryDetail;
use self::heartbeat::Heartbeat;
use self::housekeeping::Trimming;
use self::lateness::Lateness;
use self::pauses::KnownPauses;
use self::refusals::Refusals;
use self::reload::Loader;
use self::render::Renderer;
use self::round::Unanswered;
use self::status::{EntryStatus, FOLLOWER, LEADER, NextSlot, Status};
use self::troubles::Troubles;
use self::unfolded::Unfolded;
use crate::carrier::Carrier;
use crate::clock::{Clock, SinceBoot};
use crate::config::{self, History};
use crate::leader::campaign::{self, Reports, backoff};
use crate::leader::lease::{Lease, Reading};
use crate::manual::{self, Backfill, Backfilled, Publisher, Refused, Trigger, Triggered};
use crate::pausing;
use crate::pausing::desk::Desk;
use crate::queue::Via;
use crate::schedule::outcome::Line;
use crate::schedule::planner::{Ended, Planner, Repair};
use crate::schedule::progress::{Progress, State};
use crate::schedule::{Entry, Schedule, UnixMs};
use crate::store::contract::{HistoryQuery, Reply, Store, StoreError};
use crate::store::journal::RecordId;
use crate::supervisor::Supervisor;
use crate::tzdata::Tzdata;

/// The clock is looked at again after at most this long.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// The longest pause between attempts to reach the store.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How long a service that stops waits for carriers.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The pause before the store is read again when somebody else wrote.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
/// So many slots that were settled ahead of the clock are looked up when it went back.
const MAX_AHEAD: usize = 50_000;
/// We plan at most so far ahead of the store's clock; the store refuses what is further.
const AHEAD_OF_STORE: Duration = Duration::from_millis(900);

/// What is wrong when writes are fenced by a lease that is renewed all the same.
const ANOTHER_SERVER: &str = "the broker's address leads to several servers: one renews the lease, and another, \
                              which is written to, does not have it";

/// What the service is asked from outside.
#[derive(Debug)]
pub enum Request {
    /// Load the schedule files again; answered with what changed or why it was refused.
    Reload(oneshot::Sender<Result<String, String>>),
    /// Make way for another replica.
    Resign(oneshot::Sender<Result<(), String>>),
    /// What it knows of itself.
    Status(oneshot::Sender<Status>),
    /// What it knows of the entries.
    List(oneshot::Sender<Vec<EntryStatus>>),
    /// What it knows of one entry.
    Entry(String, oneshot::Sender<Result<Box<EntryDetail>, Refused>>),
    /// The schedule that is in force.
    Schedule(oneshot::Sender<Arc<Schedule>>),
    /// Publish a message that somebody asks for.
    Trigger(Box<Trigger>, oneshot::Sender<Result<Triggered, Refused>>),
    /// Publish the first few slots of a stretch of the past.
    Backfill(Box<Backfill>, oneshot::Sender<Result<Backfilled, Refused>>),
    /// Pause or resume.
    Pause(Box<pausing::Asked>, pausing::desk::Answer),
    /// Say in the log what it knows of itself.
    LogState,
    /// Finish the publish in hand, resign and leave.
    Stop,
}

/// What does not change while the service runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keeps several schedulers apart on one store.
    pub namespace: String,
    /// Where state and messages are, but for those of queues on a carrier.
    pub broker: config::Broker,
    /// A slot up to this late is on time.
    pub grace: Duration,
    /// How long the history is kept.
    pub history: History,
}

/// What a service is made of, whatever its store.
pub struct Parts<C, K> {
    /// What does not change.
    pub settings: Settings,
    /// Decides what is due.
    pub clock: K,
    /// Makes the messages.
    pub renderer: Renderer,
    /// Loads the schedule again.
    pub loader: Loader,
    /// As loaded first.
    pub schedule: Arc<Schedule>,
    /// Tells the campaign the schedule's hash.
    pub announced: watch::Sender<String>,
    /// Is told how the service fares.
    pub supervisor: Supervisor,
    /// Takes messages of queues that are not on the store.
    pub carrier: C,
    /// The zones of timings that are no longer in the schedule.
    pub zones: Arc<Tzdata>,
}

/// The running scheduler.
pub struct Service<S, C, K> {
    settings: Settings,
    store: S,
    clock: K,
    renderer: Renderer,
    loader: Loader,
    schedule: Arc<Schedule>,
    announced: watch::Sender<String>,
    supervisor: Supervisor,
    zones: Arc<Tzdata>,
    /// Pauses and resumes.
    desk: Desk,
    reports: Reports,
    /// The plans while we lead; between tenures, the memory of the last.
    planner: Option<Planner>,
    /// The lease under which `planner` is up to date.
    tenure: Option<Arc<str>>,
    /// The last lease under which this process took over.
    last_tenure: Option<Arc<str>>,
    /// The newest record that we know of.
    head: Option<RecordId>,
    /// The pauses as they were last read.
    pauses: KnownPauses,
    unfolded: Unfolded,
    trimming: Trimming,
    /// Nothing is folded before, as the store could not.
    fold_after: Option<Instant>,
    /// A write was refused because the journal is not there.
    journal_is_lost: bool,
    store_clock: Option<Reading>,
    /// What the store's clock showed when it was last looked at: that it goes back shows against it.
    clock_seen: Option<Reading>,
    /// Slots whose publish was not answered: the store knows what became of them.
    unanswered: Vec<Unanswered>,
    /// Slots whose registration ended in a tenure of that term, and of which it is not known whether the
    /// store has recorded it.
    unreported: Vec<(u64, Ended)>,
    publishing: Publishing<C>,
    failures: u32,
    retry_at: Option<Instant>,
    counters: Counters,
    /// When the store's counters were last read; `None`: they are to be read.
    counters_read_at: Option<Instant>,
    lateness: Lateness,
    troubles: Troubles,
    refusals: Refusals,
    heartbeat: Heartbeat,
    /// For those who look without asking.
    seen: watch::Sender<Arc<Status>>,
}

/// How the service fares, to be looked at without asking the loop.
#[derive(Clone, Debug)]
pub struct View {
    /// When the loop last got on with its work.
    pub heartbeat: Heartbeat,
    seen: watch::Receiver<Arc<Status>>,
    reports: Reports,
}

impl View {
    /// What the loop knew at its last iteration, and all else as it is now.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = Status::clone(&self.seen.borrow());
        status.report(&self.reports, &self.heartbeat);
        status
    }
}

/// When there is something to do again.
#[derive(Clone, Copy, Debug)]
struct Wake {
    /// By planning time.
    at: UnixMs,
    timer: Option<Instant>,
}

impl Wake {
    fn at(at: UnixMs) -> Wake {
        Wake { at, timer: None }
    }
}

/// How one step of the leader's work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Done,
    /// The store has done nothing: what to do about it is settled, and this round is over.
    Refused,
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// A service that runs once `run` is awaited.
    pub fn new(parts: Parts<C, K>, store: S, desk: Desk, reports: Reports) -> Service<S, C, K> {
        let Parts {
            settings,
            clock,
            renderer,
            loader,
            schedule,
            announced,
            supervisor,
            carrier,
            zones,
        } = parts;
        let mut counters = Counters::default();
        counters.admit(&schedule);
        Service {
            settings,
            store,
            clock,
            renderer,
            loader,
            schedule,
            announced,
            supervisor,
            zones,
            desk,
            reports,
            planner: None,
            tenure: None,
            last_tenure: None,
            head: None,
            pauses: KnownPauses::default(),
            unfolded: Unfolded::default(),
            trimming: Trimming::default(),
            fold_after: None,
            journal_is_lost: false,
            store_clock: None,
            clock_seen: None,
            unanswered: Vec::new(),
            unreported: Vec::new(),
            publishing: Publishing::new(carrier),
            failures: 0,
            retry_at: None,
            counters,
            counters_read_at: None,
            lateness: Lateness::default(),
            troubles: Troubles::default(),
            refusals: Refusals::default(),
            heartbeat: Heartbeat::new(),
            seen: watch::Sender::default(),
        }
    }

    /// A view of the service, which goes on while it runs.
    pub fn view(&self) -> View {
        self.seen.send_replace(Arc::new(self.own_status()));
        let (heartbeat, reports) = (self.heartbeat.clone(), self.reports.clone());
        View { heartbeat, seen: self.seen.subscribe(), reports }
    }

    /// Serves until told to stop; then nothing is half done.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let (loaded_in, mut loaded) = mpsc::channel(4);
        self.tick();
        loop {
            let wake = self.work().await;
            let max_sleep = self.tick().min(MAX_SLEEP);
            let now = self.clock.now();
            let sleep_until = self.on_wall_clock(wake.at).min(now + max_sleep);
            let timer = async {
                match wake.timer {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    None | Some(Request::Stop) => break,
                    Some(Request::Reload(answer)) => {
                        self.supervisor.reloading();
                        self.loader.start(answer, &loaded_in);
                    }
                    Some(request) => self.answer(request).await,
                },
                Some((result, answer)) = loaded.recv() => {
                    let outcome = self.apply_reload(result).await;
                    // First: whoever waits for the answer may look at the status next.
                    self.supervisor.reloaded();
                    self.tick();
                    let _ = answer.send(outcome);
                }
                event = self.publishing.event() => self.on_event(event),
                () = self.desk.changed() => self.refresh_pauses().await,
                Ok(()) = self.reports.leadership.changed() => self.retry_at = None,
                // These are of interest to those who watch only.
                Ok(()) = self.loader.kept.changed() => {}
                Ok(()) = self.reports.leader.changed() => {}
                Ok(()) = self.reports.trouble.changed() => {}
                Ok(()) = self.reports.lease_trouble.changed() => {}
                () = timer => {}
                () = self.clock.sleep_until(sleep_until) => {}
            }
        }
        self.supervisor.stopping();
        self.finish_publishing().await;
        info!("stopped");
    }

    /// Waits a little for what carriers have in hand, and records it.
    async fn finish_publishing(&mut self) {
        let until = Instant::now() + LAST_ANSWERS;
        while !self.publishing.is_idle()
            && let Ok(event) = tokio::time::timeout_at(until, self.publishing.event()).await
        {
            self.on_event(event);
        }
        let lease = self.reports.leadership.borrow().clone();
        if let Some(lease) = lease.filter(|lease| self.tenure.as_ref() == Some(&lease.text))
            && let Err(error) = self.record_returned(&lease).await
        {
            warn!(%error, "could not record what was published last");
        }
    }

    /// Records a loop iteration and notifies watchers. Gives how long the loop may sleep before the
    /// supervisor wants to be told again.
    fn tick(&mut self) -> Duration {
        self.heartbeat.beat();
        if self.seen.receiver_count() > 0 {
            self.seen.send_replace(Arc::new(self.own_status()));
        }
        let status = self.supervisor.is_status_due().then(|| self.status().summary());
        self.supervisor.turn(status.as_deref())
    }

    /// Does what is due, one round of it, if we lead.
    async fn work(&mut self) -> Wake {
        let idle = |timer| Wake { at: UnixMs::MAX, timer };
        let lease = self.reports.leadership.borrow().clone();
        let Some(lease) = lease.filter(|lease| lease.is_trusted(SinceBoot::now())) else {
            (self.tenure, self.retry_at, self.failures) = (None, None, 0);
            self.clock_seen = None;
            self.leave_unrecorded();
            self.troubles.forget();
            self.refresh_counters().await;
            self.refresh_old_pauses().await;
            return idle(None);
        };
        if lease.broker_clock.map(|reading| reading.at) > self.store_clock.map(|reading| reading.at)
        {
            self.store_clock = lease.broker_clock;
        }
        if self.retry_at.is_some_and(|at| at > Instant::now()) {
            return idle(self.retry_at);
        }
        let done = if self.tenure.as_ref() == Some(&lease.text) {
            match self.repair_after_jump(&lease).await {
                Ok(Step::Done) => self.round(&lease).await,
                Ok(Step::Refused) => Ok(Wake::at(self.clock.now())),
                Err(error) => {
                    // What is mended in memory only is read and mended anew.
                    self.tenure = None;
                    Err(error)
                }
            }
        } else {
            self.take_over(&lease).await.map(|()| Wake::at(self.clock.now()))
        };
        match done {
            // It may have been set meanwhile.
            Ok(wake) => match self.retry_at.filter(|at| *at > Instant::now()) {
                None => wake,
                retry_at => idle(retry_at),
            },
            Err(error) => {
                // Where nothing was done, what we remember is still the store's record.
                if !error.is_undone() {
                    self.tenure = None;
                }
                self.failures += 1;
                let pause = backoff(self.failures, MAX_PAUSE);
                if self.failures == 1 {
                    warn!(%error, pause_ms = pause.as_millis(), "could not publish");
                }
                self.troubles.store_errors += 1;
                self.troubles.error = Some(error.to_string());
                self.retry_at = Some(Instant::now() + pause);
                idle(self.retry_at)
            }
        }
    }

    /// What to do about a write that was refused as a whole.
    async fn on_refusal(&mut self, refusal: &Reply, lease: &Lease) -> Result<(), StoreError> {
        match refusal {
            Reply::Fenced | Reply::Stale => self.back_off(refusal),
            Reply::Revised => {
                debug!("somebody has paused or resumed");
                self.read_pauses().await?;
            }
            Reply::Lost => {
                self.refusals.note(refusal);
                self.replace_journal(lease).await?;
            }
            Reply::Early { now } => {
                debug!("early by the broker's clock");
                self.read_store_clock(*now);
            }
            Reply::Written { .. } => {}
        }
        Ok(())
    }

    /// Reads everything anew after a moment or, if the lease is another's by now, when the campaign
    /// knows of that, too.
    fn back_off(&mut self, refusal: &Reply) {
        self.refusals.note(refusal);
        let is_fenced = *refusal == Reply::Fenced;
        if is_fenced && self.refusals.is_lease_elsewhere(self.reports.leadership.borrow().as_ref())
        {
            self.find_server();
        }
        let pause = if is_fenced { MAX_PAUSE } else { AFTER_CONFLICT };
        self.tenure = None;
        self.retry_at = Some(Instant::now() + pause);
    }

    /// Lease and state are on different servers, as after a failover that only one connection has followed:
    /// connects anew.
    fn find_server(&mut self) {
        self.failures += 1;
        if self.troubles.error.as_deref() != Some(ANOTHER_SERVER) {
            error!("{ANOTHER_SERVER}; connecting anew");
        }
        self.troubles.error = Some(ANOTHER_SERVER.to_owned());
        self.store.reconnect();
    }

    /// What a reply tells beside what was written.
    fn on_written(&mut self, now: UnixMs, sequence: u64, head: Option<RecordId>) {
        self.refusals.end();
        self.read_store_clock(now);
        self.head = head;
        if let Some(planner) = &mut self.planner {
            planner.advance(sequence);
        }
    }

    /// A store that only one process uses has no clock but ours.
    fn read_store_clock(&mut self, shown: UnixMs) {
        if !S::CAPABILITIES.shared {
            return;
        }
        self.store_clock = Some(Reading { shown, at: SinceBoot::now() });
    }

    /// The instant to plan for: our clock's, but never far ahead of the store's.
    fn planning_time(&self) -> UnixMs {
        let now = self.clock.now();
        match self.store_clock {
            Some(reading) => now.min(reading.now(SinceBoot::now()) + AHEAD_OF_STORE),
            None => now,
        }
    }

    /// What our own clock shows when planning time is `instant`.
    fn on_wall_clock(&self, instant: UnixMs) -> UnixMs {
        instant + self.clock.now().since(self.planning_time())
    }

    /// The store's clock, or ours before that was read.
    fn store_now(&self) -> UnixMs {
        self.store_clock.map_or_else(|| self.clock.now(), |clock| clock.now(SinceBoot::now()))
    }

    /// Where the store's clock has gone back against a clock that nobody sets, records that were made
    /// while it was ahead are mended: they would silence their entries.
    async fn repair_after_jump(&mut self, lease: &Lease) -> Result<Step, StoreError> {
        let (shown, at) = (self.store_now(), SinceBoot::now());
        let before = self.clock_seen.replace(Reading { shown, at });
        let back = before.map_or(Duration::ZERO, |before| before.now(at).since(shown));
        if back <= self.settings.grace {
            return Ok(Step::Done);
        }
        warn!(back_ms = back.as_millis(), "a clock went back");
        let history = self.history_from(shown - self.settings.grace).await?;
        let Some(planner) = &mut self.planner else { return Ok(Step::Done) };
        let Repair { changes, repaired } = planner.repair(shown, &history);
        if changes.is_empty() {
            return Ok(Step::Done);
        }
        self.note_repaired(&repaired);
        match self.write_changes(&lease.text, changes, &[]).await? {
            // In the journal, what was settled ahead would be taken for the newest some day.
            Step::Done => self.fold_everything(&lease.text).await,
            Step::Refused => Ok(Step::Refused),
        }
    }

    /// What was recorded of slots from `from` on, in order; of very many, the newest.
    async fn history_from(&mut self, from: UnixMs) -> Result<Vec<Line>, StoreError> {
        let from = Some(from);
        let query = HistoryQuery { from, limit: MAX_AHEAD, ..HistoryQuery::default() };
        let history = self.store.history(query).await?;
        Ok(history.events.into_iter().map(|event| event.line).collect())
    }

    async fn answer(&mut self, request: Request) {
        match request {
            Request::Resign(answer) => {
                let _ = self.reports.requests.send(campaign::Request::Resign(answer)).await;
            }
            Request::Status(answer) => {
                self.read_counters().await;
                self.refresh_pauses().await;
                let _ = answer.send(self.status());
            }
            Request::List(answer) => drop(answer.send(self.list().await)),
            Request::Entry(name, answer) => drop(answer.send(self.detail(&name).await)),
            Request::Schedule(answer) => drop(answer.send(Arc::clone(&self.schedule))),
            Request::Trigger(asked, answer)
                if !asked.dry_run && self.is_carried(&asked.entry, asked.queue.as_deref()) =>
            {
                let paused = self.pause_of(&asked.entry).await;
                self.trigger_over_carrier(asked, paused, answer);
            }
            Request::Trigger(asked, answer) => {
                let paused = self.pause_of(&asked.entry).await;
                let mut publisher =
                    Publisher { store: &mut self.store, carrier: self.publishing.carrier.clone() };
                let done = manual::trigger(
                    &mut publisher,
                    Some(&self.settings.broker),
                    &self.renderer,
                    &self.schedule,
                    &asked,
                )
                .await;
                self.counters_read_at = None;
                let _ = answer.send(done.map(|done| Triggered { paused, ..done }));
            }
            Request::Backfill(asked, answer)
                if !asked.dry_run && self.is_carried(&asked.entry, asked.queue.as_deref()) =>
            {
                let paused = self.pause_of(&asked.entry).await;
                self.backfill_over_carrier(asked, paused, answer);
            }
            Request::Backfill(asked, answer) => {
                let paused = self.pause_of(&asked.entry).await;
                let now = self.clock.now();
                let mut publisher =
                    Publisher { store: &mut self.store, carrier: self.publishing.carrier.clone() };
                let done = manual::backfill(
                    &mut publisher,
                    Some(&self.settings.broker),
                    &self.renderer,
                    &self.schedule,
                    &asked,
                    now,
                )
                .await;
                self.counters_read_at = None;
                let _ = answer.send(done.map(|done| Backfilled { paused, ..done }));
            }
            Request::Pause(asked, answer) => {
                self.desk.ask(*asked, Arc::clone(&self.schedule), answer);
            }
            Request::LogState => {
                let status =
                    serde_json::to_string(&self.status().with_troubles()).unwrap_or_default();
                info!(%status, "state");
            }
            Request::Reload(_) | Request::Stop => {}
        }
    }

    /// Whether a manual message goes to a carrier: then the loop does not wait for it.
    fn is_carried(&self, entry: &str, instead: Option<&str>) -> bool {
        let queue = manual::queue_of(&self.renderer, &self.schedule, entry, instead);
        queue.is_some_and(|queue| queue.via() != Via::Store)
    }

    fn status(&self) -> Status {
        let mut status = self.own_status();
        status.report(&self.reports, &self.heartbeat);
        status
    }

    /// What the loop itself knows.
    fn own_status(&self) -> Status {
        let leads = self.tenure.is_some();
        let planner = self.planner.as_ref().filter(|_| leads);
        let next = planner.and_then(Planner::next_due);
        let (bad_records, bad_record_count) = self.troubles.bad_records();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: Some(std::process::id()),
            role: Some(if leads { LEADER } else { FOLLOWER }.to_owned()),
            namespace: self.settings.namespace.clone(),
            broker: self.settings.broker.to_string(),
            broker_error: self.troubles.error.clone(),
            broker_errors: self.troubles.store_errors,
            refused_writes: self.refusals.counts,
            schedule: Some(self.loader.status(&self.schedule)),
            slots: self.counters.slots(),
            queues: self.counters.queues(),
            lateness: self.lateness.clone(),
            refusing: self.troubles.refusing(),
            bad_records,
            bad_record_count,
            done: planner.map(Planner::done),
            next: next.map(|(slot, entry)| NextSlot {
                entry: entry.name.to_string(),
                slot: entry.zone.to_rfc3339(slot),
                slot_utc: slot,
                overdue_ms: None,
                clock: Some(Reading { shown: self.planning_time(), at: SinceBoot::now() }),
                grace: self.settings.grace,
            }),
            ..Status::default()
        };
        self.add_pauses(&mut status);
        status
    }

    async fn list(&mut self) -> Vec<EntryStatus> {
        let now = self.clock.now();
        let state = self.state().await;
        self.refresh_pauses().await;
        let (pauses, store_now) = (&self.pauses.pauses, self.store_now());
        let status = |entry| {
            let progress = self.progress_of(entry, state.as_ref());
            status::entry_status(entry, progress.as_ref(), now)
                .with_pauses(entry, pauses, store_now)
        };
        self.schedule.entries.iter().map(status).collect()
    }

    async fn detail(&mut self, name: &str) -> Result<Box<EntryDetail>, Refused> {
        let state = self.state().await;
        let paused = self.pause_of(name).await;
        let entry = manual::find(&self.schedule, name)?;
        let progress = self.progress_of(entry, state.as_ref());
        let mut detail = EntryDetail::new(entry, progress.as_ref(), self.clock.now());
        detail.status.paused = paused;
        Ok(Box::new(detail))
    }

    /// What the store knows, unless the planner knows it.
    async fn state(&mut self) -> Option<State> {
        match self.tenure {
            Some(_) => None,
            None => {
                let snapshot = self.store.read().await.ok();
                snapshot.map(|mut snapshot| snapshot.take_state(self.settings.grace))
            }
        }
    }

    fn progress_of(&self, entry: &Entry, state: Option<&State>) -> Option<Progress> {
        match (state, &self.planner) {
            (Some(state), _) => status::progress_in(state, entry),
            // A follower: what was known when the store last answered.
            (None, Some(planner)) => planner.known_progress(&entry.name),
            (None, None) => None,
        }
    }
}
