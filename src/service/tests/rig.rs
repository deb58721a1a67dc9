//! A service over a store and a carrier in memory, with a clock that stands still between steps.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tracing::subscriber::DefaultGuard;

use super::super::{Parts, Service, Settings};
use crate::carrier::memory::MemoryCarrier;
use crate::clock::{Clock, SinceBoot};
use crate::config::{Broker, History, Loaded};
use crate::leader::campaign::Reports;
use crate::leader::lease::{Lease, Reading};
use crate::pausing::desk::Desk;
use crate::schedule::{Entry, Schedule, UnixMs, sample};
use crate::service::reload::Loader;
use crate::service::render::Renderer;
use crate::store::contract;
use crate::store::contract::{
    Acquire, Acquired, Announced, BackfillNote, Batch, Capabilities, ChangePauses, Counters, Fold,
    HistoryQuery, Intend, ManualMessage, ManualNote, Noted, OpenBackfill, PausesChanged,
    PausesRead, PrunePauses, Register, Renewed, Reply, Sent, Settle, Snapshot, Store, StoreError,
    Trim, Trimmed,
};
use crate::store::memory::MemoryStore;
use crate::supervisor::Supervisor;
use crate::tzdata::Tzdata;

/// 2027-01-01T00:00:00Z
pub(super) const START: UnixMs = UnixMs::from_secs(1_798_761_600);
pub(super) const GRACE: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

/// A clock that tests set.
#[derive(Clone, Debug)]
pub(super) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(super) fn new(at: UnixMs) -> TestClock {
        TestClock(Arc::new(AtomicI64::new(at.0)))
    }

    pub(super) fn set(&self, at: UnixMs) {
        self.0.store(at.0, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::Relaxed))
    }

    async fn sleep_until(&self, _: UnixMs) {
        std::future::pending().await
    }
}

/// What becomes of one fenced request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    None,
    LostRequest,
    LostReply,
    Unavailable,
}

/// What a replica asks of its store, and what becomes of that.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) faults: VecDeque<Fault>,
    pub(super) batches: Vec<usize>,
    pub(super) registers: Vec<(usize, bool)>,
    pub(super) folds: Vec<usize>,
    pub(super) reads: usize,
}

/// The store as one replica reaches it.
pub(super) struct Reached {
    store: MemoryStore,
    wire: Arc<Mutex<Wire>>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Reply, StoreError>> + Send>>;

fn carry(reached: &mut Reached, request: impl FnOnce(&mut MemoryStore) -> Answer) -> Answer {
    let fault = reached.wire.lock().unwrap().faults.pop_front().unwrap_or(Fault::None);
    let answer = match fault {
        Fault::None | Fault::LostReply => Some(request(&mut reached.store)),
        Fault::LostRequest | Fault::Unavailable => None,
    };
    Box::pin(async move {
        match (answer, fault) {
            (Some(answer), Fault::None) => answer.await,
            (Some(answer), _) => {
                answer.await?;
                Err(StoreError::Unanswered("no answer".to_owned()))
            }
            (None, Fault::Unavailable) => Err(StoreError::Unavailable("busy".to_owned())),
            (None, _) => Err(StoreError::Unanswered("no answer".to_owned())),
        }
    })
}

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $request:ty),*) -> $answer:ty;)+) => {$(
        fn $name(
            &mut self
            $(, $arg: $request)*
        ) -> impl Future<Output = Result<$answer, StoreError>> + Send + 'static {
            self.store.$name($($arg),*)
        }
    )+};
}

impl Store for Reached {
    const CAPABILITIES: Capabilities = MemoryStore::CAPABILITIES;

    fn read(&mut self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send + 'static {
        self.wire.lock().unwrap().reads += 1;
        self.store.read()
    }

    fn register(
        &mut self,
        request: Register,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        let seen = (request.changes.len(), request.last);
        self.wire.lock().unwrap().registers.push(seen);
        carry(self, |store| Box::pin(store.register(request)))
    }

    fn dispatch(
        &mut self,
        request: Batch,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.wire.lock().unwrap().batches.push(request.writes.len());
        carry(self, |store| Box::pin(store.dispatch(request)))
    }

    fn intend(
        &mut self,
        request: Intend,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        carry(self, |store| Box::pin(store.intend(request)))
    }

    fn settle(
        &mut self,
        request: Settle,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        carry(self, |store| Box::pin(store.settle(request)))
    }

    fn fold(
        &mut self,
        request: Fold,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.wire.lock().unwrap().folds.push(request.progress.len());
        carry(self, |store| Box::pin(store.fold(request)))
    }

    pass_on! {
        trim(request: Trim) -> Trimmed;
        send(request: ManualMessage) -> Sent;
        note(note: ManualNote) -> Noted;
        note_backfill(note: BackfillNote) -> Option<OpenBackfill>;
        history(query: HistoryQuery) -> contract::History;
        pauses() -> PausesRead;
        change_pauses(request: ChangePauses) -> PausesChanged;
        prune_pauses(request: PrunePauses) -> usize;
        open_intents(entries: Vec<Arc<str>>) -> Vec<Arc<str>>;
        counters() -> Counters;
        acquire(request: Acquire) -> Acquired;
        renew(lease: Arc<str>, ttl: Duration) -> Renewed;
        resign(lease: Arc<str>) -> ();
        announce(replica: Arc<str>, said: String, forgotten_after: Duration) -> Announced;
    }

    async fn resigned(&mut self) {
        self.store.resigned().await;
    }

    fn reconnect(&mut self) {}
}

/// One replica.
pub(super) struct Replica {
    pub(super) service: Service<Reached, MemoryCarrier, TestClock>,
    pub(super) wire: Arc<Mutex<Wire>>,
    leadership: watch::Sender<Option<Lease>>,
}

/// A store, a carrier and their clock.
pub(super) struct Rig {
    pub(super) clock: TestClock,
    pub(super) store_clock: TestClock,
    pub(super) store: MemoryStore,
    pub(super) carrier: MemoryCarrier,
    holders: u32,
    log: Log,
    _logging: DefaultGuard,
}

impl Rig {
    pub(super) fn new() -> Rig {
        let (clock, store_clock) = (TestClock::new(START), TestClock::new(START));
        let shown = store_clock.clone();
        let store = MemoryStore::new("tests", move || shown.now());
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        let logging = tracing::subscriber::set_default(subscriber);
        let carrier = MemoryCarrier::default();
        Rig { clock, store_clock, store, carrier, holders: 0, log, _logging: logging }
    }

    /// A replica that has just started with this schedule.
    pub(super) fn replica(&self, entries: impl IntoIterator<Item = Entry>) -> Replica {
        let wire = Arc::<Mutex<Wire>>::default();
        let store = Reached { store: self.store.clone(), wire: Arc::clone(&wire) };
        let (leadership, seen) = watch::channel(None);
        let reports = Reports { leadership: seen, ..Reports::silent() };
        let schedule = sample::schedule(entries);
        let parts = Parts {
            settings: Settings {
                namespace: "tests".to_owned(),
                broker: Broker::Spool("nowhere".into()),
                grace: GRACE,
                history: History::default(),
            },
            clock: self.clock.clone(),
            renderer: Renderer::new("tests", "here", Arc::default(), false),
            loader: Loader::new(Arc::new(Loaded::default), String::new()),
            schedule,
            announced: watch::channel(String::new()).0,
            supervisor: Supervisor::of(&|_| None),
            carrier: self.carrier.clone(),
            zones: Arc::new(Tzdata::bundled()),
        };
        Replica {
            service: Service::new(parts, store, Desk::open(self.store.clone()), reports),
            wire,
            leadership,
        }
    }

    /// Gives the replica the lease, whoever had it.
    pub(super) async fn elect(&mut self, replica: &mut Replica, continues: bool) {
        self.store.set_lease(None, None);
        self.holders += 1;
        let holder = format!("holder{}", self.holders).into();
        let request =
            Acquire { holder, ttl: SECOND * 86_400 * 365, even_unmarked: true, replaces: None };
        let Ok(Acquired::Ours { lease, .. }) = self.store.clone().acquire(request).await else {
            panic!("the lease is not to be had");
        };
        let broker_clock = Some(self.reading());
        let trusted_until = SinceBoot::NEVER;
        let lease = Lease { text: lease, trusted_until, continues, broker_clock };
        replica.leadership.send_replace(Some(lease));
        replica.run().await;
    }

    /// The replica has the lease no more, and knows it.
    pub(super) async fn depose(&self, replica: &mut Replica) {
        replica.leadership.send_replace(None);
        replica.run().await;
    }

    /// The replica could not renew its lease in time, and does not know yet.
    pub(super) fn distrust(&self, replica: &Replica) {
        replica.leadership.send_modify(|lease| {
            if let Some(lease) = lease {
                lease.trusted_until = SinceBoot(Duration::ZERO);
            }
        });
    }

    fn reading(&self) -> Reading {
        Reading { shown: self.store_clock.now(), at: SinceBoot::now() }
    }

    /// Lets time pass, and the replica do what is due every second.
    pub(super) async fn pass(&self, replica: &mut Replica, seconds: u32) {
        for _ in 0..seconds {
            self.clock.set(self.clock.now() + SECOND);
            self.store_clock.set(self.store_clock.now() + SECOND);
            tokio::time::advance(SECOND).await;
            self.renew(replica);
            replica.run().await;
        }
    }

    /// The replica has read the store's clock anew.
    pub(super) fn renew(&self, replica: &Replica) {
        let reading = self.reading();
        replica.leadership.send_modify(|lease| {
            if let Some(lease) = lease {
                lease.broker_clock = Some(reading);
            }
        });
    }

    /// The slots whose messages are in a queue, by entry, in the order in which they were sent.
    pub(super) fn sent(&self, queue: &str) -> Vec<(String, UnixMs)> {
        let read = |message: crate::store::Outgoing| {
            let message: serde_json::Value =
                serde_json::from_slice(&message.writes.element).unwrap();
            let header = |name: &str| message["headers"][name].as_str().unwrap().to_owned();
            let slot: jiff::Timestamp = header("downbeat_slot").parse().unwrap();
            (header("downbeat_entry"), UnixMs(slot.as_millisecond()))
        };
        self.store.messages(queue).into_iter().map(read).collect()
    }

    /// Fails if a slot of the entry is missing or there twice.
    pub(super) fn assert_every_second(&self, queue: &str, entry: &str, first: u32, last: u32) {
        let mut slots: Vec<UnixMs> = self
            .sent(queue)
            .into_iter()
            .filter(|(name, _)| name == entry)
            .map(|(_, slot)| slot)
            .collect();
        slots.sort();
        let expected: Vec<UnixMs> = (first..=last).map(|n| START + SECOND * n).collect();
        assert_eq!(slots, expected, "{}", self.log());
    }

    pub(super) async fn counted(&self, queue: &str, outcome: &'static str) -> u64 {
        let counters = self.store.clone().counters().await.unwrap();
        counters.0.get(&(queue.into(), outcome)).copied().unwrap_or(0)
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.0.lock().unwrap()).into_owned()
    }

    /// How many lines hold all of these texts.
    pub(super) fn logged(&self, texts: &[&str]) -> usize {
        self.log().lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    }
}

impl Replica {
    /// The lease under which it leads.
    pub(super) fn lease(&self) -> Lease {
        self.leadership.borrow().clone().unwrap()
    }

    /// Works until nothing is left to do now.
    pub(super) async fn run(&mut self) {
        for _ in 0..1_000 {
            let wake = self.service.work().await;
            // What carriers do takes no time.
            tokio::task::yield_now().await;
            while let Some(event) = self.service.publishing.try_event() {
                self.service.on_event(event);
            }
            let now = tokio::time::Instant::now();
            let is_due =
                wake.at <= self.service.planning_time() || wake.timer.is_some_and(|at| at <= now);
            if !is_due && !self.service.publishing.has_returned() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// What becomes of the next fenced requests.
    pub(super) fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.wire.lock().unwrap().faults.extend(faults);
    }

    /// Applies an edited schedule.
    pub(super) async fn reload(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let Schedule { entries, .. } = Arc::unwrap_or_clone(sample::schedule(entries));
        let schedule = Some(Schedule { entries, hash: uuid::Uuid::from_u128(fastrand::u128(..)) });
        let loaded = Loaded { schedule, ..Loaded::default() };
        self.service.apply_reload(loaded).await.unwrap();
    }
}

/// What was logged.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
