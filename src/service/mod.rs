//! The loop: waits for events, lets the [scheduler](crate::core) decide, and carries out its actions.
//!
//! It neither retries nor reorders. Every call has a deadline, and the loop waits for none of them: a
//! response is an event like any other.

mod asking;
pub mod campaign;
mod deliver;
pub mod detail;
pub mod heartbeat;
pub mod history;
mod keeper;
mod manual;
pub mod reload;
pub mod status;
mod zone_rules;

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{Span, error_span, info, warn};

use self::asking::Done;
use self::campaign::Reports;
use self::deliver::deliver;
use self::detail::EntryDetail;
use self::heartbeat::Heartbeat;
use self::manual::ManualRequest;
use self::reload::{Loader, ReloadError, Reloading};
use self::status::{EntryStatus, FOLLOWER, LEADER, NextSlot, Status};
use crate::carrier::Carrier;
use crate::clock::{Clock, Now, SinceBoot};
use crate::core::campaign::ResignError;
use crate::core::{self, Action, Event, Scheduler, SkipRuns};
use crate::leader::lease::Reading;
use crate::manual::{Backfill, Backfilled, Trigger, Triggered};
use crate::pausing::writer::PauseWriter;
use crate::pending::Pending;
use crate::refused::Refused;
use crate::render::Renderer;
use crate::schedule::progress::{Progress, State};
use crate::schedule::{Entry, Planner, Schedule};
use crate::store::Retention;
use crate::store::contract::{PausesRead, Snapshot, Store, StoreError};
use crate::supervisor::Supervisor;
use crate::telemetry::BufferedLog;
use crate::tzdata::Tzdata;
use crate::{config, pausing};

/// Maximum time before the clock is read again.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// How long a stopping service waits for carriers.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum age of what watchers see while the loop is busy.
const VIEW_INTERVAL: Duration = Duration::from_millis(100);
/// How long a request for the status waits for the store's counters and pauses.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// A request to the service from outside.
#[derive(Debug)]
pub enum Request {
    /// Load the schedule files again; returns what changed or why it was refused.
    Reload(oneshot::Sender<Result<String, ReloadError>>),
    /// Hand over the lead to another replica.
    Resign(oneshot::Sender<Result<(), ResignError>>),
    /// The status of this replica.
    Status(oneshot::Sender<Status>),
    /// The status of all entries.
    List(oneshot::Sender<Vec<EntryStatus>>),
    /// The status of one entry.
    Entry(String, oneshot::Sender<Result<Box<EntryDetail>, Refused>>),
    /// The active schedule.
    Schedule(oneshot::Sender<Arc<Schedule>>),
    /// Publish a message now.
    Trigger(Box<Trigger>, oneshot::Sender<Result<Triggered, Refused>>),
    /// Publish the first few slots of a range in the past.
    Backfill(Box<Backfill>, oneshot::Sender<Result<Backfilled, Refused>>),
    /// Pause or resume.
    Pause(Box<pausing::Request>, pausing::writer::Answer),
    /// Log a summary of the status.
    LogState,
    /// Finish the publish in progress, resign and exit.
    Stop,
}

/// Settings that do not change while the service runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Separates schedulers on one store.
    pub namespace: String,
    /// Where state and messages are kept, except for queues on a carrier.
    pub broker: config::Broker,
    /// Up to this lateness, a slot is on time.
    pub grace: Duration,
    /// How long the history is kept.
    pub history: Retention,
}

/// The parts of a service, independent of its store.
pub struct Parts<C, K> {
    /// The fixed settings.
    pub settings: Settings,
    /// Determines what is due.
    pub clock: K,
    /// Renders the messages.
    pub renderer: Renderer,
    /// Loads the schedule again.
    pub loader: Loader,
    /// The schedule as first loaded.
    pub schedule: Arc<Schedule>,
    /// Is notified of the service's state.
    pub supervisor: Supervisor,
    /// Takes messages for queues that are not on the store.
    pub carrier: C,
    /// Zones for timings that are no longer in the schedule.
    pub zones: Arc<Tzdata>,
}

/// The running scheduler.
pub struct Service<S, C, K> {
    settings: Settings,
    store: S,
    carrier: C,
    clock: K,
    renderer: Renderer,
    loader: Loader,
    supervisor: Supervisor,
    /// Writes pauses.
    pause_writer: PauseWriter,
    reports: Reports,
    scheduler: Scheduler,
    /// Requests to store and carriers without a response yet.
    pending: Pending<Done>,
    /// A reload whose schedule is not active yet.
    reloading: Option<Reloading>,
    manual: mpsc::UnboundedReceiver<ManualRequest>,
    to_manual: mpsc::UnboundedSender<ManualRequest>,
    /// How many tasks are sending manual messages.
    manual_tasks: usize,
    heartbeat: Heartbeat,
    started_at: UnixMs,
    /// The status for watchers.
    seen: watch::Sender<Arc<Status>>,
    seen_at: Instant,
    /// The scheduler's span in the log; at the highest level, so that no log level hides it.
    speaker: Span,
    /// Skips that go on.
    skip_runs: SkipRuns,
}

/// A view of the service's status that does not involve the loop.
#[derive(Clone, Debug)]
pub struct View {
    /// When the loop last made progress.
    pub heartbeat: Heartbeat,
    seen: watch::Receiver<Arc<Status>>,
    reports: Reports,
}

impl View {
    /// The status: what the loop knew at its last iteration, with everything else up to date.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        let mut status = Status::clone(&self.seen.borrow());
        status.report(&self.reports, &self.heartbeat, now);
        status
    }
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// A service that starts when `run` is awaited.
    pub fn new(
        parts: Parts<C, K>,
        store: S,
        pause_writer: PauseWriter,
        reports: Reports,
    ) -> Service<S, C, K> {
        let Parts { settings, clock, renderer, loader, schedule, supervisor, carrier, zones } =
            parts;
        let scheduler = Scheduler::new(core::Parts {
            settings: core::Settings {
                capabilities: S::CAPABILITIES,
                grace: settings.grace,
                history: settings.history,
            },
            renderer: renderer.clone(),
            schedule,
            zones,
            seed: fastrand::u64(..),
        });
        let (to_manual, manual) = mpsc::unbounded_channel();
        let started_at = clock.now();
        // What is logged as sent in a shadow run is not.
        let speaker =
            if renderer.is_shadow() { error_span!("shadow") } else { error_span!("dispatch") };
        Service {
            settings,
            store,
            carrier,
            clock,
            renderer,
            loader,
            supervisor,
            pause_writer,
            reports,
            scheduler,
            pending: Pending::default(),
            reloading: None,
            manual,
            to_manual,
            manual_tasks: 0,
            heartbeat: Heartbeat::new(),
            started_at,
            seen: watch::Sender::default(),
            seen_at: Instant::now(),
            speaker,
            skip_runs: SkipRuns::default(),
        }
    }

    /// A view of the service, which stays up to date while it runs.
    pub fn view(&mut self) -> View {
        self.scheduler.watch();
        self.seen.send_replace(Arc::new(self.own_status()));
        let (heartbeat, reports) = (self.heartbeat.clone(), self.reports.clone());
        View { heartbeat, seen: self.seen.subscribe(), reports }
    }

    /// When the loop last made progress.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Serves until told to stop; then nothing is left half done.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let lease = self.reports.leadership.borrow_and_update().clone();
        self.handle(Event::Lease(lease)).await;
        loop {
            let max_sleep = self.tick().min(MAX_SLEEP);
            let (now, wake) = (self.now(), self.scheduler.wake());
            let is_due = wake.is_due(now);
            let wall = wake.wall.min(now.wall + max_sleep);
            let timer = wake.since_boot.since(now.since_boot).min(max_sleep);
            let event = tokio::select! {
                biased;
                request = requests.recv() => match request {
                    None | Some(Request::Stop) => break,
                    Some(Request::Reload(answer)) => {
                        if self.loader.loads.ask(answer) {
                            self.supervisor.reloading();
                        }
                        continue;
                    }
                    Some(request) => {
                        self.answer(request).await;
                        continue;
                    }
                },
                loaded = self.loader.loads.next() => match self.begin_reload(loaded) {
                    Some(schedule) => Event::Schedule(schedule),
                    None => continue,
                },
                Ok(()) = self.reports.leadership.changed() => {
                    Event::Lease(self.reports.leadership.borrow_and_update().clone())
                }
                done = self.pending.next() => match self.on_done(done) {
                    Some(event) => event,
                    None => continue,
                },
                Some(request) = self.manual.recv() => match self.on_manual(request) {
                    Some(event) => event,
                    None => continue,
                },
                () = self.pause_writer.changed() => {
                    let read = self.store.pauses();
                    self.pending.push(async move { Done::Paused(read.await.ok()) });
                    continue;
                }
                // Only watchers are interested in this.
                Ok(()) = self.loader.kept.changed() => continue,
                Ok(()) = self.reports.status.changed() => continue,
                () = std::future::ready(()), if is_due => Event::Wake,
                () = tokio::time::sleep(timer) => Event::Wake,
                () = self.clock.sleep_until(wall) => Event::Wake,
            };
            self.handle(event).await;
        }
        self.supervisor.stopping();
        self.finish().await;
        self.speaker.in_scope(|| self.skip_runs.end_all());
        info!("stopped");
    }

    /// Waits briefly for pending responses, and records them.
    async fn finish(&mut self) {
        let until = Instant::now() + DRAIN_TIMEOUT;
        self.handle(Event::Stop).await;
        while !(self.scheduler.is_at_rest() && self.manual_tasks == 0) {
            if self.scheduler.wake().is_due(self.now()) {
                self.handle(Event::Wake).await;
                continue;
            }
            let event = tokio::select! {
                done = self.pending.next() => self.on_done(done),
                Some(request) = self.manual.recv() => self.on_manual(request),
                Ok(()) = self.reports.leadership.changed() => {
                    Some(Event::Lease(self.reports.leadership.borrow_and_update().clone()))
                }
                () = tokio::time::sleep_until(until) => {
                    warn!("stopped without an answer to what was being sent");
                    return;
                }
            };
            if let Some(event) = event {
                self.handle(event).await;
            }
        }
    }

    fn now(&self) -> Now {
        Now { since_boot: SinceBoot::now(), wall: self.clock.now() }
    }

    /// Lets the scheduler decide what follows, and does it.
    async fn handle(&mut self, event: Event) {
        let actions = self.scheduler.handle(event, self.now());
        let mut asks = false;
        for action in actions {
            match action {
                Action::Request(id, request) => {
                    asking::ask(&mut self.pending, &mut self.store, id, request);
                    asks = true;
                }
                Action::Publish(id, publish) => {
                    let carrier = self.carrier.clone();
                    self.pending
                        .push(async move { Done::Published(id, deliver(&carrier, publish).await) });
                }
                Action::Writes(writes) => self.send_to_campaign(campaign::Request::Writes(writes)),
                Action::Reconnect => self.store.reconnect(),
                Action::Applied => {
                    self.speaker.in_scope(|| self.skip_runs.end_all());
                    self.on_applied();
                }
                Action::Log(event) => {
                    let _buffered = event.is_burst().then(BufferedLog::start);
                    self.speaker.in_scope(|| event.write(&mut self.skip_runs));
                }
            }
        }
        if !self.scheduler.leads() {
            self.speaker.in_scope(|| self.skip_runs.end_all());
        }
        if asks {
            // Lets the connection's tasks send it now, not only when the next one is rendered.
            self.pending.send_off().await;
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn send_to_campaign(&self, request: campaign::Request) {
        // The campaign ends first only if the store is unusable, and then the process ends, too.
        let _ = self.reports.requests.send(request);
    }

    /// Handles a response of the store or of a carrier.
    fn on_done(&mut self, done: Done) -> Option<Event> {
        self.heartbeat.beat();
        self.supervisor.beat();
        match done {
            Done::Answered(id, answer) => Some(Event::Answered(id, answer)),
            Done::Published(id, deliveries) => Some(Event::Published(id, deliveries)),
            Done::Counted(counters, pauses, answer) => {
                if let Some(counters) = counters {
                    self.scheduler.count(counters);
                }
                self.on_pauses_read(pauses);
                let _ = answer.send(self.status());
                None
            }
            Done::Paused(pauses) => {
                self.on_pauses_read(pauses);
                None
            }
            Done::Listed(snapshot, pauses, answer) => {
                self.on_pauses_read(pauses);
                let state = snapshot.map(|mut snapshot| snapshot.take_state(self.settings.grace));
                let _ = answer.send(self.list(state.as_ref()));
                None
            }
            Done::Detailed(snapshot, pauses, name, answer) => {
                self.on_pauses_read(pauses);
                let state = snapshot.map(|mut snapshot| snapshot.take_state(self.settings.grace));
                let _ = answer.send(self.detail(&name, state.as_ref()));
                None
            }
        }
    }

    /// Records a loop iteration and notifies watchers. Returns how long the loop may sleep before the
    /// supervisor needs another notification.
    fn tick(&mut self) -> Duration {
        self.heartbeat.beat();
        let is_due = self.scheduler.wake().is_due(self.now());
        if self.seen.receiver_count() > 0 && (!is_due || self.seen_at.elapsed() >= VIEW_INTERVAL) {
            self.seen.send_replace(Arc::new(self.own_status()));
            self.seen_at = Instant::now();
        }
        let status = self.supervisor.is_status_due().then(|| self.status().summary());
        self.supervisor.tick(status.as_deref())
    }

    async fn answer(&mut self, request: Request) {
        match request {
            Request::Resign(answer) => {
                self.send_to_campaign(campaign::Request::Resign(answer));
            }
            Request::Status(answer) if self.is_store_unavailable() => {
                drop(answer.send(self.status()))
            }
            Request::Status(answer) => {
                let (counted, pauses) = (self.store.counters(), self.store.pauses());
                self.pending.push(async move {
                    let (counted, pauses) = tokio::join!(in_time(counted), in_time(pauses));
                    Done::Counted(counted, pauses, answer)
                });
            }
            Request::List(answer) => {
                let read = self.read_unless_leading();
                let pauses = self.store.pauses();
                self.pending.push(async move {
                    let (read, pauses) = tokio::join!(read, in_time(pauses));
                    Done::Listed(read, pauses, answer)
                });
            }
            Request::Entry(name, answer) => {
                let read = self.read_unless_leading();
                let pauses = self.store.pauses();
                self.pending.push(async move {
                    let (read, pauses) = tokio::join!(read, in_time(pauses));
                    Done::Detailed(read, pauses, name, answer)
                });
            }
            Request::Pause(asked, answer) => {
                self.pause_writer.ask(*asked, Arc::clone(self.scheduler.schedule()), answer);
            }
            Request::Schedule(answer) => {
                drop(answer.send(Arc::clone(self.scheduler.schedule())));
            }
            Request::Trigger(asked, answer) => self.trigger(asked, answer),
            Request::Backfill(asked, answer) => self.backfill(asked, answer),
            Request::LogState => {
                let status =
                    serde_json::to_string(&self.status().with_troubles()).unwrap_or_default();
                info!(%status, "state");
            }
            Request::Reload(_) | Request::Stop => {}
        }
    }

    /// Reads progress from the store, unless the planner knows it.
    fn read_unless_leading(&mut self) -> impl Future<Output = Option<Snapshot>> + Send + 'static {
        let read = (!self.scheduler.leads()).then(|| self.store.read());
        async move {
            match read {
                Some(read) => read.await.ok(),
                None => None,
            }
        }
    }

    fn on_pauses_read(&mut self, pauses: Option<PausesRead>) {
        if let Some(pauses) = pauses {
            self.scheduler.update_pauses(pauses);
        }
    }

    /// Whether the store is known to be unavailable: then no request waits for it.
    fn is_store_unavailable(&self) -> bool {
        self.scheduler.troubles().error.is_some() || self.reports.status.borrow().trouble.is_some()
    }

    fn status(&self) -> Status {
        let mut status = self.own_status();
        status.report(&self.reports, &self.heartbeat, self.now());
        status
    }

    /// The status as far as the loop knows it.
    fn own_status(&self) -> Status {
        let (scheduler, now) = (&self.scheduler, self.now());
        let (planner, error) = (scheduler.plans(), scheduler.troubles().error.as_ref());
        let next = planner.and_then(Planner::next_due);
        let (bad_records, bad_record_count) = scheduler.troubles().bad_records();
        let (pauses, pause_count) = status::pauses_in_force(
            scheduler.pauses(),
            Some(scheduler.schedule()),
            scheduler.store_now(now),
        );
        let bad_pause = |(subject, what): &(Arc<str>, String)| core::BadRecord {
            entry: subject.to_string(),
            what: what.clone(),
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: Some(std::process::id()),
            started_at: Some(self.started_at),
            role: Some(if planner.is_some() { LEADER } else { FOLLOWER }.to_owned()),
            namespace: self.settings.namespace.clone(),
            shadow: self.renderer.is_shadow(),
            broker: self.settings.broker.to_string(),
            broker_error: error.map(ToString::to_string),
            broker_refuses: error.is_some_and(StoreError::is_refusal),
            broker_errors: scheduler.troubles().store_errors,
            refused_writes: scheduler.refused_writes(),
            schedule: Some(self.loader.status(scheduler.schedule())),
            slots: scheduler.counters().slots(),
            queues: scheduler.counters().queues(),
            lateness: scheduler.lateness(),
            refusing: scheduler.troubles().refusing(),
            bad_records,
            bad_record_count,
            pauses,
            pause_count,
            bad_pauses: scheduler.pauses_read().unreadable.iter().map(bad_pause).collect(),
            without_results: scheduler.without_results(),
            done: planner.map(Planner::done),
            next: next.map(|(slot, entry)| NextSlot {
                entry: entry.name.to_string(),
                slot: entry.zone.to_rfc3339(slot),
                slot_utc: slot,
                overdue_ms: None,
                clock: Some(Reading { shown: scheduler.planning_time(now), at: now.since_boot }),
                grace: self.settings.grace,
            }),
            ..Status::default()
        }
    }

    /// `state` is read from the store, unless the planner knows it.
    fn list(&self, state: Option<&State>) -> Vec<EntryStatus> {
        let now = self.now();
        let (pauses, store_now) = (self.scheduler.pauses(), self.scheduler.store_now(now));
        let status = |entry| {
            status::entry_status(entry, self.progress_of(entry, state).as_ref(), now.wall)
                .with_pauses(entry, pauses, store_now)
        };
        self.scheduler.schedule().entries.iter().map(status).collect()
    }

    fn detail(&self, name: &str, state: Option<&State>) -> Result<Box<EntryDetail>, Refused> {
        let entry = crate::refused::find(self.scheduler.schedule(), name)?;
        let progress = self.progress_of(entry, state);
        let now = self.now();
        let mut detail = EntryDetail::new(entry, progress.as_ref(), now.wall);
        let store_now = self.scheduler.store_now(now);
        detail.status.paused = status::pause_of(entry, self.scheduler.pauses(), store_now);
        Ok(Box::new(detail))
    }

    /// If the store has not responded: what was known when it last did.
    fn progress_of(&self, entry: &Entry, state: Option<&State>) -> Option<Progress> {
        match state {
            Some(state) => status::progress_in(state, entry),
            None => self.scheduler.known_progress(&entry.name),
        }
    }
}

/// A response, if it arrives soon.
async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    tokio::time::timeout(LOOK_TIMEOUT, answer).await.ok()?.ok()
}
