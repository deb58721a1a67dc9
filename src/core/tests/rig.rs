//! Schedulers over a store and a carrier in memory, with clocks that stand still between steps.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use downbeat_time::UnixMs;
use tracing::subscriber::DefaultGuard;

use crate::carrier::Carrier as _;
use crate::carrier::memory::MemoryCarrier;
use crate::clock::{Now, SinceBoot};
use crate::core::campaign::Writes;
use crate::core::{
    Action, Answer, Carried, Delivery, Event, Parts, Publish, Request, RequestId, Scheduler,
    Settings, SkipRuns,
};
use crate::leader::lease::{Lease, Reading};
use crate::render::Renderer;
use crate::schedule::{Entry, Schedule, sample};
use crate::store::Retention;
use crate::store::contract::{
    self, Acquire, Acquired, HistoryQuery, Reply, Snapshot, Store, StoreError,
};
use crate::store::memory::MemoryStore;
use crate::tzdata::Tzdata;

/// 2027-01-01T00:00:00Z
pub(super) const START: UnixMs = UnixMs::from_secs(1_798_761_600);
pub(super) const GRACE: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

/// A clock that tests set.
#[derive(Clone, Debug)]
pub(super) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn new(at: UnixMs) -> TestClock {
        TestClock(Arc::new(AtomicI64::new(at.0)))
    }

    pub(super) fn set(&self, at: UnixMs) {
        self.0.store(at.0, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::Relaxed))
    }
}

/// What happens to a fenced request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    None,
    LostRequest,
    LostReply,
    Unavailable,
    Refused,
}

/// A replica's connection to its store, with faults.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) faults: VecDeque<Fault>,
    pub(super) batches: Vec<usize>,
    pub(super) registers: Vec<(usize, bool)>,
    pub(super) folds: Vec<usize>,
    pub(super) reads: usize,
}

/// The output of a future that is ready at once.
pub(super) fn answer<T>(request: impl Future<Output = T>) -> T {
    match pin!(request).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("what is in memory answers at once"),
    }
}

/// One replica.
pub(super) struct Replica {
    pub(super) scheduler: Scheduler,
    pub(super) wire: Wire,
    /// What was reported to the campaign.
    pub(super) writes: Vec<Writes>,
    /// Whether the answers to publishes are held back.
    pub(super) publishes_slowly: bool,
    /// Answers that are held back.
    late: Vec<Event>,
    store: MemoryStore,
    carrier: MemoryCarrier,
    clock: TestClock,
    since_boot: Arc<AtomicU64>,
    lease: Option<Lease>,
    events: VecDeque<Event>,
}

/// A store, a carrier and their clocks.
pub(super) struct Rig {
    pub(super) clock: TestClock,
    pub(super) store_clock: TestClock,
    since_boot: Arc<AtomicU64>,
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
        let since_boot = Arc::new(AtomicU64::new(1_000_000));
        Rig { clock, store_clock, since_boot, store, carrier, holders: 0, log, _logging: logging }
    }

    /// Creates a replica that has just started with this schedule.
    pub(super) fn replica(&self, entries: impl IntoIterator<Item = Entry>) -> Replica {
        let parts = Parts {
            settings: Settings {
                capabilities: MemoryStore::CAPABILITIES,
                grace: GRACE,
                history: Retention::default(),
            },
            renderer: Renderer::new("tests", "here", Arc::default(), false),
            schedule: sample::schedule(entries),
            zones: Arc::new(Tzdata::bundled()),
            seed: 1,
        };
        Replica {
            scheduler: Scheduler::new(parts),
            wire: Wire::default(),
            writes: Vec::new(),
            publishes_slowly: false,
            late: Vec::new(),
            store: self.store.clone(),
            carrier: self.carrier.clone(),
            clock: self.clock.clone(),
            since_boot: Arc::clone(&self.since_boot),
            lease: None,
            events: VecDeque::new(),
        }
    }

    /// Gives the replica the lease, whoever had it.
    pub(super) fn elect(&mut self, replica: &mut Replica, continues: bool) {
        self.give_lease(replica, continues);
        replica.run();
    }

    /// Gives the replica the lease, without letting it act yet.
    pub(super) fn give_lease(&mut self, replica: &mut Replica, continues: bool) {
        self.store.set_lease(None, None);
        self.holders += 1;
        let holder = format!("holder{}", self.holders).into();
        let request =
            Acquire { holder, ttl: SECOND * 86_400 * 365, even_unmarked: true, replaces: None };
        let Ok(Acquired::Ours { lease, .. }) = answer(self.store.clone().acquire(request)) else {
            panic!("the lease is not to be had");
        };
        let (trusted_until, broker_clock) = (SinceBoot::NEVER, Some(self.reading()));
        replica.have(Some(Lease { text: lease, trusted_until, continues, broker_clock }));
    }

    /// Takes the lease from the replica, which knows it.
    pub(super) fn depose(&self, replica: &mut Replica) {
        replica.have(None);
        replica.run();
    }

    /// Ends the trust in the lease without the replica knowing yet.
    pub(super) fn distrust(&self, replica: &mut Replica) {
        let lease = replica.lease.clone();
        let trusted_until = SinceBoot(Duration::ZERO);
        replica.have(lease.map(|lease| Lease { trusted_until, ..lease }));
    }

    fn reading(&self) -> Reading {
        Reading { shown: self.store_clock.now(), at: self.since_boot() }
    }

    pub(super) fn since_boot(&self) -> SinceBoot {
        SinceBoot(Duration::from_millis(self.since_boot.load(Ordering::Relaxed)))
    }

    /// Sets the clocks of the replicas and of the store.
    pub(super) fn move_clocks(&self, to: impl Fn(UnixMs) -> UnixMs) {
        for clock in [&self.clock, &self.store_clock] {
            clock.set(to(clock.now()));
        }
    }

    /// Lets time pass on the monotonic clock only.
    pub(super) fn advance(&self, length: Duration) {
        let length = u64::try_from(length.as_millis()).unwrap();
        self.since_boot.fetch_add(length, Ordering::Relaxed);
    }

    /// Lets time pass, and runs the replica every second.
    pub(super) fn pass(&self, replica: &mut Replica, seconds: u32) {
        for _ in 0..seconds {
            self.clock.set(self.clock.now() + SECOND);
            self.store_clock.set(self.store_clock.now() + SECOND);
            self.advance(SECOND);
            self.renew(replica);
            replica.run();
        }
    }

    /// Lets the replica read the store's clock.
    pub(super) fn renew(&self, replica: &mut Replica) {
        let broker_clock = Some(self.reading());
        let lease = replica.lease.clone();
        replica.have(lease.map(|lease| Lease { broker_clock, ..lease }));
    }

    /// The same, without letting it act yet.
    pub(super) fn read_clock(&self, replica: &mut Replica) {
        self.advance(Duration::from_millis(1));
        self.renew(replica);
    }

    /// Makes the replica read the counters although it follows.
    pub(super) fn watch(&self, replica: &mut Replica) {
        replica.scheduler.watch();
        replica.run();
    }

    pub(super) fn read(&self) -> Snapshot {
        answer(self.store.clone().read()).unwrap()
    }

    pub(super) fn history(&self, query: HistoryQuery) -> contract::History {
        answer(self.store.clone().history(query)).unwrap()
    }

    /// The slots of the messages in a queue, with their entries, in the order of sending.
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

    pub(super) fn counted(&self, queue: &str, outcome: &'static str) -> u64 {
        let counters = answer(self.store.clone().counters()).unwrap();
        counters.0.get(&(queue.into(), outcome)).copied().unwrap_or(0)
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.0.lock().unwrap()).into_owned()
    }

    /// The number of lines with all of these texts.
    pub(super) fn logged(&self, texts: &[&str]) -> usize {
        self.log().lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    }
}

impl Replica {
    fn now(&self) -> Now {
        let since_boot = Duration::from_millis(self.since_boot.load(Ordering::Relaxed));
        Now { since_boot: SinceBoot(since_boot), wall: self.clock.now() }
    }

    /// The lease that it leads under.
    pub(super) fn lease(&self) -> Lease {
        self.lease.clone().unwrap()
    }

    fn have(&mut self, lease: Option<Lease>) {
        self.lease.clone_from(&lease);
        self.events.push_back(Event::Lease(lease));
    }

    /// Runs until nothing is left to do now.
    pub(super) fn run(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Handles one event and performs the actions. Returns whether there is more to do.
    pub(super) fn step(&mut self) -> bool {
        let event = self.events.pop_front().unwrap_or(Event::Wake);
        for action in self.scheduler.handle(event, self.now()) {
            let event = match action {
                Action::Request(id, request) => Some(Event::Answered(id, self.ask(request))),
                Action::Publish(id, publish) => {
                    let published = self.publish(id, publish);
                    if self.publishes_slowly {
                        self.late.push(published);
                        None
                    } else {
                        Some(published)
                    }
                }
                Action::Log(event) => {
                    event.write(&mut SkipRuns::default());
                    None
                }
                Action::Writes(writes) => {
                    self.writes.push(writes);
                    None
                }
                Action::Applied | Action::Reconnect => None,
            };
            self.events.extend(event);
        }
        !self.events.is_empty() || self.scheduler.wake().is_due(self.now())
    }

    fn ask(&mut self, request: Request) -> Result<Answer, StoreError> {
        let store = &mut self.store.clone();
        match request {
            Request::Read => {
                self.wire.reads += 1;
                answer(store.read()).map(|snapshot| Answer::Snapshot(Box::new(snapshot)))
            }
            Request::Counters => answer(store.counters()).map(Answer::Counters),
            Request::History(query) => answer(store.history(query)).map(Answer::History),
            Request::Trim(request) => answer(store.trim(request)).map(Answer::Trimmed),
            Request::Pauses => answer(store.pauses()).map(Answer::Pauses),
            Request::PrunePauses(request) => {
                answer(store.prune_pauses(request)).map(Answer::Pruned)
            }
            Request::Register(request) => {
                self.wire.registers.push((request.changes.len(), request.last));
                self.carry(|| answer(store.register(request)))
            }
            Request::Dispatch(request) => {
                self.wire.batches.push(request.writes.len());
                self.carry(|| answer(store.dispatch(request)))
            }
            Request::Intend(request) => self.carry(|| answer(store.intend(request))),
            Request::Settle(request) => self.carry(|| answer(store.settle(request))),
            Request::Fold(request) => {
                self.wire.folds.push(request.progress.len());
                self.carry(|| answer(store.fold(request)))
            }
        }
    }

    fn carry(
        &mut self,
        request: impl FnOnce() -> Result<Reply, StoreError>,
    ) -> Result<Answer, StoreError> {
        match self.wire.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => request().map(Answer::Reply),
            Fault::LostReply => {
                request()?;
                Err(StoreError::Unanswered("no answer".to_owned()))
            }
            Fault::LostRequest => Err(StoreError::Unanswered("no answer".to_owned())),
            Fault::Unavailable => Err(StoreError::Unavailable("busy".to_owned())),
            Fault::Refused => Err(StoreError::Refused("OOM".to_owned())),
        }
    }

    fn publish(&self, id: RequestId, publish: Publish) -> Event {
        let Publish { queue, messages, not_after } = publish;
        let publications: Vec<_> =
            messages.into_iter().map(|Carried { publication, .. }| publication).collect();
        let may_send = || self.now().since_boot < not_after;
        let outcomes = answer(self.carrier.publish_all(&queue, &publications, may_send));
        Event::Published(id, outcomes.into_iter().map(Delivery::Tried).collect())
    }

    /// Delivers the answers that were held back.
    pub(super) fn answer_publishes(&mut self) {
        self.publishes_slowly = false;
        self.events.extend(self.late.drain(..));
        self.run();
    }

    /// Sets what happens to the next fenced requests.
    pub(super) fn fail_next(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.wire.faults.extend(faults);
    }

    /// Applies an edited schedule.
    pub(super) fn reload(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let Schedule { entries, .. } = Arc::unwrap_or_clone(sample::schedule(entries));
        let hash = uuid::Uuid::from_u128(fastrand::u128(..));
        self.events.push_back(Event::Schedule(Arc::new(Schedule { entries, hash })));
        self.run();
    }

    /// The number of slots with that outcome that it knows of.
    pub(super) fn slots(&self, outcome: &str) -> u64 {
        self.scheduler.counters().slots().get(outcome).copied().unwrap_or(0)
    }
}

/// The captured log.
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
