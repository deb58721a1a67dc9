//! The loop: wait, decide, act.
//!
//! It waits for the next due slot or for an event, plans what is due, and hands it to the broker in
//! rounds. Every call it makes has a deadline; while the broker is away it goes on waiting, with
//! growing pauses, and sends what is still in its window when the broker is back.

pub mod heartbeat;
mod keeper;
pub mod lateness;
mod outbox;
pub mod reload;
pub mod render;
mod round;
pub mod status;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use self::heartbeat::Heartbeat;
use self::outbox::Outbox;
use self::reload::Loader;
use self::render::Renderer;
use self::status::{EntryStatus, FOLLOWER, LEADER, NextSlot, Status};
use self::tally::Tally;
use crate::by_hand::{self, Backfill, Backfilled, Refused, Trigger, Triggered};
use crate::carrier::amqp::Amqp;
use crate::clock::{Clock, SinceBoot};
use crate::config;
use crate::leader::campaign::{self, Reports, backoff};
use crate::leader::lease::{Lease, Reading};
use crate::schedule::legacy::Progress;
use crate::schedule::legacy_planner::Planner;
use crate::schedule::{Entry, Kind, Schedule, UnixMs};
use crate::store::{Broker, BrokerError, Fence, Reply};
use crate::supervisor::Supervisor;

/// The clock is looked at again after at most this long.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The longest pause between attempts to reach the broker.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a service that stops waits for AMQP brokers.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The pause before the broker is read again when somebody else wrote.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
/// We plan at most so far ahead of the broker's clock; the broker refuses what is further.
const AHEAD_OF_BROKER: Duration = Duration::from_millis(900);

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
    /// Publish a message by hand.
    Trigger(Box<Trigger>, oneshot::Sender<Result<Triggered, Refused>>),
    /// Publish the first few slots of a stretch of the past.
    Backfill(Box<Backfill>, oneshot::Sender<Result<Backfilled, Refused>>),
    /// Say in the log what it knows of itself.
    LogState,
    /// Finish the publish in hand, resign and leave.
    Stop,
}

/// What does not change while the service runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keeps several schedulers apart on one broker.
    pub namespace: String,
    /// Where state and messages are, but for those of queues on AMQP.
    pub broker: config::Broker,
    /// A slot up to this late is on time.
    pub grace: Duration,
}

/// What a service is made of, whatever its broker.
pub struct Parts<C> {
    /// What does not change.
    pub settings: Settings,
    /// Decides what is due.
    pub clock: C,
    /// Makes the messages.
    pub renderer: Renderer,
    /// Loads the schedule again.
    pub loader: Loader,
    /// As loaded first.
    pub schedule: Arc<Schedule>,
    /// Tells the campaign the schedule's hash.
    pub announced: watch::Sender<String>,
    /// Hears how the service fares.
    pub supervisor: Supervisor,
    /// Takes messages of queues that are on AMQP.
    pub amqp: Amqp,
}

/// The running scheduler.
pub struct Service<B, C> {
    settings: Settings,
    broker: B,
    clock: C,
    renderer: Renderer,
    loader: Loader,
    schedule: Arc<Schedule>,
    announced: watch::Sender<String>,
    supervisor: Supervisor,
    reports: Reports,
    /// The plans while in office; between stays, the memory of the last.
    planner: Option<Planner>,
    /// The lease under which `planner` is up to date.
    office: Option<Arc<str>>,
    broker_clock: Option<Reading>,
    /// Items whose publish was not answered: the broker knows what became of them.
    unanswered: Vec<round::Unanswered>,
    outbox: Outbox,
    failures: u32,
    retry_at: Option<Instant>,
    tally: Tally,
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
    /// What the loop knew at its last turn, and all else as it is now.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = Status::clone(&self.seen.borrow());
        status.report(&self.reports, &self.heartbeat);
        status
    }
}

/// When there is something to do again.
struct Wake {
    at: UnixMs,
    retry_at: Option<Instant>,
}

impl<B: Broker, C: Clock> Service<B, C> {
    /// A service that runs once `run` is awaited.
    pub fn new(parts: Parts<C>, broker: B, reports: Reports) -> Service<B, C> {
        let Parts { settings, clock, renderer, loader, schedule, announced, supervisor, amqp } =
            parts;
        let mut tally = Tally::default();
        tally.admit(&schedule);
        Service {
            settings,
            broker,
            clock,
            renderer,
            loader,
            schedule,
            announced,
            supervisor,
            reports,
            planner: None,
            office: None,
            broker_clock: None,
            unanswered: Vec::new(),
            outbox: Outbox::new(amqp),
            failures: 0,
            retry_at: None,
            tally,
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
        self.come_round();
        loop {
            let wake = self.work().await;
            let longest = self.come_round().min(LONGEST_SLEEP);
            let now = self.clock.now();
            let sleep_until = self.on_wall_clock(wake.at).min(now + longest);
            let retry = async {
                match wake.retry_at {
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
                    let outcome = self.take_up(result).await;
                    // First: whoever waits for the answer may look at the status next.
                    self.supervisor.reloaded();
                    self.come_round();
                    let _ = answer.send(outcome);
                }
                told = self.outbox.told() => self.hear(told),
                Ok(()) = self.reports.leadership.changed() => self.retry_at = None,
                // These are of interest to those who watch only.
                Ok(()) = self.loader.kept.changed() => {}
                Ok(()) = self.reports.leader.changed() => {}
                Ok(()) = self.reports.trouble.changed() => {}
                Ok(()) = self.reports.lease_trouble.changed() => {}
                () = retry => self.retry_at = None,
                () = self.clock.sleep_until(sleep_until) => {}
            }
        }
        self.supervisor.stopping();
        self.finish_publishing().await;
        info!("stopped");
    }

    /// Waits a little for what AMQP brokers have in hand, and records it.
    async fn finish_publishing(&mut self) {
        let until = Instant::now() + LAST_ANSWERS;
        while !self.outbox.is_empty()
            && let Ok(told) = tokio::time::timeout_at(until, self.outbox.told()).await
        {
            self.hear(told);
        }
        let lease = self.reports.leadership.borrow().clone();
        if let Some(lease) = lease.filter(|lease| self.office.as_ref() == Some(&lease.text))
            && let Err(error) = self.record_returned(&lease).await
        {
            warn!(%error, "could not record what was published last");
        }
    }

    /// The loop has come round, which those who watch it are told. Gives how long it may sleep for
    /// the supervisor's sake.
    fn come_round(&mut self) -> Duration {
        self.heartbeat.beat();
        if self.seen.receiver_count() > 0 {
            self.seen.send_replace(Arc::new(self.own_status()));
        }
        let status = self.supervisor.is_status_due().then(|| self.status().summary());
        self.supervisor.turn(status.as_deref())
    }

    /// Does what is due, one round of it, if we lead.
    async fn work(&mut self) -> Wake {
        let idle = |retry_at| Wake { at: UnixMs::MAX, retry_at };
        let lease = self.reports.leadership.borrow().clone();
        let Some(lease) = lease.filter(|lease| lease.is_trusted(SinceBoot::now())) else {
            (self.office, self.retry_at, self.failures) = (None, None, 0);
            self.leave_unrecorded();
            self.tally.forget_troubles();
            return idle(None);
        };
        if lease.broker_clock.map(|reading| reading.at)
            > self.broker_clock.map(|reading| reading.at)
        {
            self.broker_clock = lease.broker_clock;
        }
        if self.retry_at.is_some_and(|at| at > Instant::now()) {
            return idle(self.retry_at);
        }
        let done = if self.office.as_ref() == Some(&lease.text) {
            self.round(&lease).await
        } else {
            self.take_office(&lease).await.map(|()| self.clock.now())
        };
        match done {
            Ok(at) => Wake { at, retry_at: None },
            Err(error) => {
                self.office = None;
                self.failures += 1;
                let pause = backoff(self.failures, LONGEST_PAUSE);
                if self.failures == 1 {
                    warn!(%error, pause_ms = pause.as_millis(), "could not publish");
                }
                self.tally.broker_errors += 1;
                self.tally.trouble = Some(error.to_string());
                self.retry_at = Some(Instant::now() + pause);
                idle(self.retry_at)
            }
        }
    }

    /// Reads what the broker knows, and writes which entries are live.
    async fn take_office(&mut self, lease: &Lease) -> Result<(), BrokerError> {
        let state = self.broker.read().await?;
        let memory = self.planner.as_ref().filter(|_| state.marked || lease.continues);
        let remembered = memory.map(Planner::sequence);
        let schedule = Arc::clone(&self.schedule);
        let (mut planner, changes) =
            Planner::take_office(schedule, self.settings.grace, &state, memory);
        let fence = Fence::after(&lease.text, state.sequence);
        let reply = self.broker.adopt(&fence, &changes).await?;
        let Reply::Written { sequence, .. } = reply else {
            self.stand_back(&reply);
            return Ok(());
        };
        planner.advance(sequence);
        if let Some(before) = &self.planner {
            planner.keep_lent(before);
        }
        self.planner = Some(planner);
        self.settle_unanswered(lease);
        self.office = Some(Arc::clone(&lease.text));
        match remembered {
            None if !state.marked => {
                warn!(
                    "nothing is known of this namespace, as at a first start: every entry starts now"
                );
            }
            Some(_) if !state.marked => {
                warn!("the broker has lost all records; going on from memory");
            }
            Some(sequence) if state.sequence < sequence => {
                warn!("the broker has lost records; what it does not know of is sent again");
            }
            _ => {}
        }
        info!(
            term = lease.term(),
            entries = self.schedule.entries.len(),
            changes = changes.len(),
            "became leader"
        );
        Ok(())
    }

    /// A write was refused: reads everything anew after a moment or, if the lease is another's by
    /// now, when the campaign has heard of that, too.
    fn stand_back(&mut self, refusal: &Reply) {
        let pause = if *refusal == Reply::Fenced { LONGEST_PAUSE } else { AFTER_CONFLICT };
        self.office = None;
        self.retry_at = Some(Instant::now() + pause);
    }

    /// The instant to plan for: our clock's, but never far ahead of the broker's.
    fn planning_time(&self) -> UnixMs {
        let now = self.clock.now();
        match self.broker_clock {
            Some(reading) => now.min(reading.now(SinceBoot::now()) + AHEAD_OF_BROKER),
            None => now,
        }
    }

    /// What our own clock shows when planning time is `instant`.
    fn on_wall_clock(&self, instant: UnixMs) -> UnixMs {
        instant + self.clock.now().since(self.planning_time())
    }

    /// The broker's clock, or ours where it has none.
    fn broker_now(&self) -> UnixMs {
        self.broker_clock.map_or_else(|| self.clock.now(), |clock| clock.now(SinceBoot::now()))
    }

    async fn answer(&mut self, request: Request) {
        match request {
            Request::Resign(answer) => {
                let _ = self.reports.requests.send(campaign::Request::Resign(answer)).await;
            }
            Request::Status(answer) => drop(answer.send(self.status())),
            Request::List(answer) => drop(answer.send(self.list().await)),
            Request::Trigger(asked, answer)
                if !asked.dry_run && self.is_on_amqp(&asked.entry, asked.queue.as_deref()) =>
            {
                self.trigger_over_amqp(asked, answer);
            }
            Request::Trigger(asked, answer) => {
                let done = by_hand::trigger(
                    &mut self.broker,
                    Some(&self.settings.broker),
                    &self.renderer,
                    &self.schedule,
                    &asked,
                )
                .await;
                if let Ok(triggered) = &done
                    && triggered.sent
                {
                    self.tally.dispatched(&triggered.queue, Kind::Manual);
                }
                let _ = answer.send(done);
            }
            Request::Backfill(asked, answer)
                if !asked.dry_run && self.is_on_amqp(&asked.entry, asked.queue.as_deref()) =>
            {
                self.backfill_over_amqp(asked, answer);
            }
            Request::Backfill(asked, answer) => {
                let now = self.clock.now();
                let done = by_hand::backfill(
                    &mut self.broker,
                    Some(&self.settings.broker),
                    &self.renderer,
                    &self.schedule,
                    &asked,
                    now,
                )
                .await;
                if let Ok(done) = &done
                    && !asked.dry_run
                {
                    for slot in &done.slots {
                        self.tally.dispatched(&slot.queue, Kind::Backfill);
                    }
                }
                let _ = answer.send(done);
            }
            Request::LogState => {
                let status =
                    serde_json::to_string(&self.status().with_troubles()).unwrap_or_default();
                info!(%status, "state");
            }
            Request::Reload(_) | Request::Stop => {}
        }
    }

    /// Whether a message by hand goes to an AMQP broker: then the loop does not wait for it.
    fn is_on_amqp(&self, entry: &str, instead: Option<&str>) -> bool {
        let queue = by_hand::queue_of(&self.renderer, &self.schedule, entry, instead);
        queue.is_some_and(|queue| queue.amqp.is_some())
    }

    fn status(&self) -> Status {
        let mut status = self.own_status();
        status.report(&self.reports, &self.heartbeat);
        status
    }

    /// What the loop itself knows.
    fn own_status(&self) -> Status {
        let leads = self.office.is_some();
        let planner = self.planner.as_ref().filter(|_| leads);
        let next = planner.and_then(Planner::next_due);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: Some(std::process::id()),
            role: Some(if leads { LEADER } else { FOLLOWER }.to_owned()),
            namespace: self.settings.namespace.clone(),
            broker: self.settings.broker.to_string(),
            broker_error: self.tally.trouble.clone(),
            broker_errors: self.tally.broker_errors,
            schedule: Some(self.loader.status(&self.schedule)),
            slots: self.tally.slots(),
            queues: self.tally.queues(),
            lateness: self.tally.lateness.clone(),
            refusing: self.tally.refusing(),
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
        }
    }

    async fn list(&mut self) -> Vec<EntryStatus> {
        let now = self.clock.now();
        let state = match self.office {
            Some(_) => None,
            None => self.broker.read().await.ok(),
        };
        let progress_of = |entry: &Entry| match (&state, &self.planner) {
            (Some(state), _) => state.progress_of(entry),
            // Out of office: what was known when the broker last answered.
            (None, Some(planner)) => planner.progress_of(entry),
            (None, None) => Progress::default(),
        };
        let status = |entry| status::entry_status(entry, progress_of(entry), now);
        self.schedule.entries.iter().map(status).collect()
    }
}
