//! Simulates several schedulers over one store, with time jumping from event to event. Seeded faults: crashes,
//! stopped processes, lost requests and replies, partitions and outages; a store that hangs, is full, refuses,
//! is rolled back, flushed and damaged, and closes idle connections; carriers with uncertain outcomes; clocks that
//! are set; and files that are edited while they are loaded. A person sends manual messages meanwhile.
//! The code that decides is the service's own ([`core`](crate::core)). Every slot must be sent once, or be
//! counted.

mod backlogs;
mod campaign;
mod connections;
mod entries;
mod faults;
mod ledger;
mod person;
mod reloads;
mod replica;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use downbeat_time::UnixMs;

use self::entries::{EDITED, PERIODS};
use self::faults::FAULTS;
use self::ledger::Ledger;
use self::person::{DEEDS, Person};
use self::replica::{Input, Loss, Packet, Replica};
use crate::carrier::memory::MemoryCarrier;
use crate::core::{self, Event};
use crate::schedule::outcome::Outcome;
use crate::schedule::pause::PauseRequest;
use crate::schedule::progress::{Completeness, State};
use crate::schedule::sample::{DAY, HOUR};
use crate::schedule::{Entry, Kind, Schedule};
use crate::store::contract::{HistoryQuery, Store, StoreError};
use crate::store::memory::{Checkpoint, MemoryStore};

/// The number of seeds: always the same ones, so that only an edit can make the test fail.
const SEEDS: u64 = 2_000;
/// Names the number of other, random seeds to try …
const MORE_SEEDS: &str = "DOWNBEAT_SEEDS";
/// … or the seed to replay.
const SEED: &str = "DOWNBEAT_SEED";
const REPLICAS: u64 = 3;
/// The final time without faults.
const CALM: Duration = Duration::from_secs(4 * 3600);
/// The time until the consequences of a fault are over.
const CALM_AFTER: Duration = Duration::from_secs(40 * 60);
/// The time after which workers empty all queues.
const SHIFT: Duration = Duration::from_secs(6 * 3600);
/// Longer than usual, so that a simulated day does not take too long.
const TTL: Duration = Duration::from_secs(60);
/// The default for this TTL.
const GRACE: Duration = Duration::from_secs(123);
const SECOND: Duration = Duration::from_secs(1);
/// The maximum number of events per hour.
const MAX_TURNS: u64 = 1_000_000;
const FOREVER: UnixMs = UnixMs::MAX;
/// How long the machines have run.
const UPTIME: Duration = Duration::from_secs(1_000_000);
/// 2027-01-01T00:00:00Z
const YEAR: UnixMs = UnixMs::from_secs(1_798_761_600);
const QUEUES: [&str; 3] = ["celery", "fragile", "small"];
/// The store's reasons to refuse a write.
const GUARDS: [&str; 5] = ["fenced", "stale", "revised", "lost", "early"];

/// The answer of a store that answers at once.
fn answer<T>(request: impl Future<Output = Result<T, StoreError>>) -> T {
    match pin!(request).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the memory store answers at once"),
    }
}

/// Something that happens once at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A fault strikes.
    Fault,
    /// The store's clock goes back.
    ClockBehind,
    /// People pause something …
    Paused,
    /// … and resume it.
    Resumed,
    /// The store's clock is set right.
    ClockRight,
    /// The store is restored to its checkpoint.
    RollBack,
    /// The queue takes messages again.
    QueueRepaired,
    /// The carrier takes messages again.
    CarrierRepaired,
    /// People go on editing.
    NextEdit,
    /// Workers empty all queues.
    Shift,
}

/// The time in which an entry had one timing.
struct Epoch {
    since: UnixMs,
    until: UnixMs,
    entry: Entry,
}

struct World {
    now: UnixMs,
    start: UnixMs,
    /// How far the store's clock is ahead of `now`.
    offset_ms: i64,
    clock: Arc<AtomicI64>,
    rng: fastrand::Rng,
    store: MemoryStore,
    fixed: Vec<Entry>,
    /// The periods of the edited entries.
    periods: [u64; 3],
    files: Arc<Schedule>,
    /// The number of edits that follow in quick succession.
    edits_left: u32,
    replicas: Vec<Replica>,
    person: Person,
    due: BTreeMap<Due, UnixMs>,
    store_back_at: UnixMs,
    /// The store answers nothing until then, and then carries out everything.
    hung_until: UnixMs,
    /// Until then, carriers answer late.
    carrier_slow_until: UnixMs,
    /// The store takes no writes until then.
    full_until: UnixMs,
    lose: Option<Loss>,
    /// How far the machines' clocks are ahead of `now`.
    machine_offset_ms: i64,
    carrier: MemoryCarrier,
    /// How long the store leaves an idle connection open.
    idle_timeout: Duration,
    /// The number of requests made on connections that the store had closed.
    closed_connections: u64,
    /// Messages in flight, by arrival, with the number of their replica.
    wire: BTreeMap<(UnixMs, u64), (u64, Packet)>,
    sequence: u64,
    /// The number of events within this hour.
    turns: u64,
    hour: UnixMs,
    /// The maximum time between two faults.
    fault_within: Duration,
    /// The store carries out one batch at a time, each in this time.
    each_batch_takes: Duration,
    busy_until: UnixMs,
    /// Whether to print what happens, to examine one seed.
    traces: bool,
    /// Entries whose registration was written anew, so that counting may start anew.
    begun: BTreeSet<Arc<str>>,
    /// The number of refusals by each guard of the store.
    refused: BTreeMap<&'static str, u64>,
    started: u64,
    checkpoint: Option<(Checkpoint, Ledger)>,
    was_rolled_back: bool,
    ledger: Ledger,
    epochs: BTreeMap<Arc<str>, Vec<Epoch>>,
    faults: BTreeMap<&'static str, u64>,
    /// When a fault last struck or ended.
    troubled_at: UnixMs,
    /// Until then, perhaps no replica can lead.
    disturbed_until: UnixMs,
    /// The number of times that a leader resigned because it could not publish.
    stuck_resignations: u64,
}

impl World {
    fn new(seed: u64) -> World {
        World::with(seed, entries::fixed)
    }

    /// The same with these entries, which are never edited.
    fn with(seed: u64, fixed: impl FnOnce(UnixMs) -> Vec<Entry>) -> World {
        // What the tested code draws comes from this seed, too.
        fastrand::seed(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let start = YEAR + HOUR * rng.u32(..365 * 24);
        let idle_timeout = Duration::from_secs(rng.u64(connections::TIMEOUTS_S));
        let clock = Arc::new(AtomicI64::new(start.0));
        let shown = Arc::clone(&clock);
        let fixed = fixed(start);
        let files = entries::files(&fixed, [PERIODS[0]; 3]);
        let replicas =
            (0..REPLICAS).map(|number| Replica::new(number, start, &files, rng.u64(..))).collect();
        World {
            now: start,
            offset_ms: 0,
            clock,
            rng,
            store: MemoryStore::new("simulated", move || UnixMs(shown.load(Ordering::Relaxed))),
            periods: [PERIODS[0]; 3],
            replicas,
            person: Person::new(start, &fixed, seed),
            files,
            edits_left: 0,
            fixed,
            start,
            due: BTreeMap::from([(Due::Shift, start + SHIFT), (Due::Fault, start + HOUR)]),
            store_back_at: start,
            hung_until: start,
            carrier_slow_until: start,
            full_until: start,
            lose: None,
            machine_offset_ms: 0,
            carrier: MemoryCarrier::default(),
            idle_timeout,
            closed_connections: 0,
            wire: BTreeMap::new(),
            sequence: 0,
            turns: 0,
            hour: start,
            fault_within: HOUR * 2,
            each_batch_takes: Duration::ZERO,
            busy_until: start,
            traces: std::env::var_os(SEED).is_some(),
            begun: BTreeSet::new(),
            refused: BTreeMap::new(),
            started: REPLICAS,
            checkpoint: None,
            was_rolled_back: false,
            ledger: Ledger::default(),
            epochs: BTreeMap::new(),
            faults: BTreeMap::new(),
            troubled_at: start,
            disturbed_until: start,
            stuck_resignations: 0,
        }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.traces {
            println!("{} {}", self.now, what());
        }
    }

    fn within(&mut self, max: Duration) -> Duration {
        Duration::from_millis(self.rng.u64(1..=u64::try_from(max.as_millis()).unwrap()))
    }

    /// What the store's clock shows.
    fn store_now(&self) -> UnixMs {
        UnixMs(self.now.0 + self.offset_ms)
    }

    fn set_now(&mut self, now: UnixMs) {
        self.now = now;
        self.clock.store(self.store_now().0, Ordering::Relaxed);
    }

    fn set_clock(&mut self, offset_ms: i64, machine_offset_ms: i64) {
        // A lease lasts longer if the store's clock goes back.
        let back_ms = u64::try_from(self.offset_ms - offset_ms).unwrap_or(0);
        self.disturb(TTL + Duration::from_millis(back_ms));
        (self.offset_ms, self.machine_offset_ms) = (offset_ms, machine_offset_ms);
        self.set_now(self.now);
    }

    /// For this long, perhaps no replica can lead.
    fn disturb(&mut self, length: Duration) {
        self.disturbed_until = self.disturbed_until.max(self.now + length);
    }

    /// Runs with faults for `trouble`, and without after that.
    fn run(&mut self, trouble: Duration) {
        let start = self.now;
        self.run_until(start + trouble);
        self.due.remove(&Due::Fault);
        self.run_until(start + trouble + CALM);
        self.check_records();
        self.check_all_loaded();
        self.check_slots();
        self.check_wishes();
    }

    fn run_until(&mut self, until: UnixMs) {
        loop {
            let wakes = self.replicas.iter().map(Replica::next);
            let wire = self.wire.keys().next().map(|(at, _)| *at);
            let others = wire.into_iter().chain([self.person.next()]);
            let next =
                wakes.chain(self.due.values().copied()).chain(others).min().unwrap_or(FOREVER);
            if next > until {
                return;
            }
            self.set_now(self.now.max(next));
            let now = self.now;
            if now >= self.hour + HOUR {
                (self.hour, self.turns) = (now, 0);
            }
            self.turns += 1;
            assert!(self.turns < MAX_TURNS, "it never comes to rest");
            let due: Vec<Due> =
                self.due.iter().filter(|(_, at)| **at <= now).map(|(due, _)| *due).collect();
            for due in due {
                self.due.remove(&due);
                self.happen(due);
            }
            while let Some(first) = self.wire.first_entry().filter(|first| first.key().0 <= now) {
                let (number, packet) = first.remove();
                self.arrive(number, packet);
            }
            self.let_person_act();
            for index in 0..self.replicas.len() {
                self.wake(index);
            }
        }
    }

    fn wake(&mut self, index: usize) {
        let Replica { wake_at, campaign_wakes_at, stopped_until, .. } = &self.replicas[index];
        let (wakes, campaigns) = (*wake_at <= self.now, *campaign_wakes_at <= self.now);
        if let Some(until) = stopped_until {
            if *until <= self.now {
                self.resume_process(index);
            }
            return;
        }
        if campaigns {
            self.handle_input(index, Input::Campaign(core::campaign::Event::Wake));
        }
        if wakes {
            self.handle_input(index, Input::Scheduler(Event::Wake));
        }
        if self.replicas[index].link.connection.ping_at() <= self.now {
            self.ping(index);
        }
    }

    /// Whether there has been no fault for a while, so that due slots are sent at once.
    fn is_calm(&self) -> bool {
        let last = self.troubled_at.max(self.disturbed_until);
        let is_mended = self.due.keys().all(|due| matches!(due, Due::Fault | Due::Shift));
        is_mended && self.now > last + CALM_AFTER
    }

    fn happen(&mut self, due: Due) {
        if !matches!(due, Due::Fault | Due::Shift) {
            self.troubled_at = self.now;
        }
        match due {
            Due::Fault => {
                self.check_records();
                if let Some(leader) = self.leader()
                    && let Some(fault) = self.strike(leader)
                {
                    self.trace(|| fault.to_owned());
                    self.troubled_at = self.now;
                    *self.faults.entry(fault).or_default() += 1;
                }
                let next = self.now + self.within(self.fault_within);
                self.due.insert(Due::Fault, next);
            }
            Due::ClockRight => {
                if let Some(leader) = self.leader().filter(|_| self.rng.bool()) {
                    self.crash(leader, SECOND);
                }
                self.set_clock(0, 0);
            }
            Due::CarrierRepaired => self.carrier.set_fault("carried", None),
            Due::ClockBehind => self.set_clock_behind_back(),
            Due::Paused if self.ledger.paused.is_some() => {}
            Due::Paused => self.pause(),
            Due::Resumed => {
                self.due.remove(&Due::Paused);
                if let Some(subject) = self.ledger.paused.take() {
                    self.request(&subject, &PauseRequest::Resume);
                }
            }
            Due::NextEdit => self.edit_repeatedly(self.edits_left),
            Due::RollBack => self.roll_back(),
            Due::QueueRepaired => {
                // Slots of the old timing are open.
                if self.offset_ms == 0 && self.rng.bool() {
                    self.edit(0);
                }
                self.store.set_refusal("fragile", None);
            }
            Due::Shift => {
                for queue in QUEUES {
                    let found = self.store.take(queue).len() as u64;
                    assert_eq!(found, self.ledger.take(queue), "messages in {queue}");
                }
                self.due.insert(Due::Shift, self.now + SHIFT);
            }
        }
    }

    fn leader(&self) -> Option<usize> {
        self.replicas.iter().position(|replica| replica.lease.is_some())
    }

    /// Notes since when entries have their timing.
    fn open_epochs(&mut self, index: usize) {
        let (now, planner) = (self.store_now(), self.replicas[index].planner());
        let live = planner.schedule().entries.iter();
        let names: BTreeSet<_> = self.epochs.keys().chain(live.map(|entry| &entry.name)).collect();
        for name in names.into_iter().cloned().collect::<Vec<_>>() {
            let live = planner.find(&name).map(|(_, entry)| entry).zip(planner.progress_of(&name));
            let epochs = self.epochs.entry(Arc::clone(&name)).or_default();
            let open = epochs.last_mut().filter(|epoch| epoch.until == FOREVER);
            let Some((entry, progress)) = live else {
                // It may have left a little earlier.
                open.into_iter().for_each(|open| open.until = now - SECOND);
                continue;
            };
            let since = progress.through;
            match open {
                Some(open) if open.entry.timing == entry.timing => {
                    open.since = open.since.min(since)
                }
                open => {
                    open.into_iter().for_each(|open| open.until = since);
                    // A new timing skips everything that lies among sent slots.
                    for run in &progress.ahead {
                        self.ledger.pass(&name, run.first - SECOND, run.last);
                    }
                    epochs.push(Epoch { since, until: FOREVER, entry: entry.clone() });
                }
            }
        }
    }

    /// Checks that the limit counts every slot sent for a registration, once.
    fn check_counts(&mut self, index: usize) {
        let planner = self.replicas[index].planner();
        for name in std::mem::take(&mut self.begun) {
            let progress = planner.progress_of(&name);
            *self.ledger.count(&name) = progress.map_or(0, |progress| progress.count);
        }
        let entries = planner.schedule().entries.iter();
        for Entry { name, .. } in entries.filter(|entry| entry.guards.limit.is_some()) {
            let counted = planner.progress_of(name).unwrap().count;
            assert_eq!(counted, *self.ledger.count(name), "{name}");
        }
    }

    /// Notes what nobody can count when a replica takes over from this state.
    fn excuse(&mut self, state: &State, remembers: bool) {
        let now = self.store_now();
        let is_lost = state.completeness != Completeness::Whole && !remembers;
        if is_lost {
            self.ledger.forget_after(self.now);
        }
        let was_rolled_back = std::mem::take(&mut self.was_rolled_back);
        for name in self.epochs.keys() {
            let is_edited = EDITED.contains(&&**name);
            let is_garbled = state.unreadable.iter().any(|(garbled, _)| garbled == name);
            let is_known = state.registrations.contains_key(&**name)
                || state.progress.contains_key(&**name) && !is_edited;
            // Additions and edits are forgotten with the rest.
            if (is_lost || is_garbled) && !is_known || was_rolled_back && is_edited {
                self.ledger.excuse(name, now);
            }
        }
    }

    /// Checks that the store has counted and journalled what the ledger has.
    fn check_records(&mut self) {
        self.check_progress();
        self.check_schedules();
        assert_eq!(answer(self.store.counters()).0, self.ledger.counters);
        let query = HistoryQuery { limit: 200, ..HistoryQuery::default() };
        let history = answer(self.store.history(query)).events;
        for event in self.ledger.in_journal(50) {
            let is_there = history.iter().any(|past| past.line == event.line);
            assert!(is_there, "not in the journal: {event:?}");
        }
    }

    /// Checks that a new leader shows no smaller count than the store.
    fn check_shown(&self, index: usize) {
        let shown = self.replicas[index].scheduler.counters().queues();
        let manual = [Kind::Manual, Kind::Backfill].map(|kind| Outcome::Dispatched(kind).as_str());
        // Others may have sent manual messages since the replica read the counters.
        let counted = self.ledger.counters.iter().filter(|((_, word), _)| !manual.contains(word));
        for ((queue, word), count) in counted {
            let shown = &shown[&**queue];
            let shown = shown.dispatched.get(*word).or(shown.skipped.get(*word));
            assert!(shown >= Some(count), "{queue}: {count} {word}, but shown are {shown:?}");
        }
    }

    /// Checks that, once the clocks are right, no entry is silenced by records made before.
    fn check_progress(&self) {
        let Some(leader) = self.leader().filter(|_| self.is_calm()) else { return };
        let Some(planner) = self.replicas[leader].scheduler.plans() else { return };
        for entry in &planner.schedule().entries {
            let through = planner.progress_of(&entry.name).map(|progress| progress.through);
            let is_ahead = through.is_some_and(|through| through > self.store_now() + GRACE);
            assert!(!is_ahead, "{} is settled up to {through:?}", entry.name);
        }
    }

    /// Checks that every slot is sent or counted.
    fn check_slots(&mut self) {
        let end = self.now - HOUR;
        for (name, epochs) in &self.epochs {
            for Epoch { since, until, entry } in epochs {
                if entry.guards.limit.is_some() {
                    continue;
                }
                let next = |slot: &UnixMs| entry.next_slot(*slot);
                let slots = std::iter::successors(entry.next_slot(*since), next);
                let required = slots.take_while(|slot| slot <= until && *slot < end);
                let lost = self.ledger.first_lost(name, required);
                assert_eq!(lost, None, "{name}: lost, of {since} to {until}");
            }
        }
    }
}

/// Prints the seed when the test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed: repeat with {SEED}={}", self.0);
        }
    }
}

fn simulate(seed: u64) -> World {
    let _named = Seed(seed);
    let mut world = World::new(seed);
    world.run(DAY);
    world
}

/// The numbers of faults, refusals and outcomes.
#[derive(Default)]
struct Totals {
    faults: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
    outcomes: BTreeMap<&'static str, u64>,
    deeds: BTreeMap<&'static str, u64>,
    stuck_resignations: u64,
    closed_connections: u64,
}

impl Totals {
    fn add(&mut self, counts: [Counts; 4]) {
        let Totals { faults, refused, outcomes, deeds, .. } = self;
        for (all, some) in [faults, refused, outcomes, deeds].into_iter().zip(counts) {
            some.into_iter().for_each(|(word, n)| *all.entry(word).or_default() += n);
        }
    }
}

type Counts = BTreeMap<&'static str, u64>;

/// Simulates on all processors.
fn simulate_all(first: u64, seeds: u64) -> Totals {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let simulate_some = |thread: u64| {
        let mut totals = Totals::default();
        for n in (thread..seeds).step_by(usize::try_from(threads).unwrap()) {
            let world = simulate(first.wrapping_add(n));
            totals.stuck_resignations += world.stuck_resignations;
            totals.closed_connections += world.closed_connections;
            let World { faults, refused, ledger, person, .. } = world;
            totals.add([faults, refused, ledger.outcomes, person.deeds]);
        }
        totals
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || simulate_some(thread))).collect();
        let mut totals = Totals::default();
        for thread in threads {
            let Totals { faults, refused, outcomes, deeds, stuck_resignations, closed_connections } =
                thread.join().expect("a seed has failed");
            totals.add([faults, refused, outcomes, deeds]);
            totals.stuck_resignations += stuck_resignations;
            totals.closed_connections += closed_connections;
        }
        totals
    })
}

#[test]
fn whatever_fails_every_slot_is_sent_once_or_counted() {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let (only, more) = (number(SEED), number(MORE_SEEDS));
    let (first, seeds) = match (only, more) {
        (Some(seed), _) => (seed, 1),
        (None, Some(seeds)) => (fastrand::u64(..), seeds),
        (None, None) => (0, SEEDS),
    };
    let Totals { faults, refused, outcomes, deeds, stuck_resignations, closed_connections } =
        simulate_all(first, seeds);
    println!(
        "faults: {faults:?}\nguards: {refused:?}\noutcomes: {outcomes:?}\nstuck resignations: \
         {stuck_resignations}\nclosed connections: {closed_connections}"
    );
    println!("manual messages: {deeds:?}");
    if only.is_none() {
        assert!(GUARDS.iter().all(|guard| refused[guard] >= 20), "{refused:?}");
        assert!(FAULTS.iter().all(|fault| faults[fault] >= 100), "{faults:?}");
        assert!(DEEDS.iter().all(|deed| deeds[deed] * 20 >= seeds), "{deeds:?}");
        assert!(stuck_resignations >= 20, "{stuck_resignations}");
        assert!(closed_connections >= 100, "{closed_connections}");
        assert!(outcomes.len() >= 9 && outcomes.values().all(|n| *n >= 20), "{outcomes:?}");
        let sent = ["scheduled", "catch_up", "resent"].map(|word| outcomes[word]);
        assert!(sent.iter().sum::<u64>() > outcomes.values().sum::<u64>() * 3 / 4, "{outcomes:?}");
    }
}

#[test]
fn whatever_fails_within_a_year_every_slot_is_sent_once_or_counted() {
    let _named = Seed(0);
    let mut world = World::new(0);
    world.fault_within = DAY * 2;
    world.run(DAY * 365);
    println!("faults: {:?}\noutcomes: {:?}", world.faults, world.ledger.outcomes);
    assert!(world.faults.values().sum::<u64>() > 300, "{:?}", world.faults);
    assert!(world.ledger.outcomes["scheduled"] > 200_000, "{:?}", world.ledger.outcomes);
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    let seed = SEEDS;
    let [one, two] = [simulate(seed), simulate(seed)];
    assert!(one.faults == two.faults && one.ledger.events == two.ledger.events, "{SEED}={seed}");
}
