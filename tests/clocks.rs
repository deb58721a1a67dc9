//! The service in this process, with a real Redis and a clock that is set while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use downbeat::carrier::amqp::Amqp;
use downbeat::clock::Clock;
use downbeat::config;
use downbeat::leader::{LeaseTimes, Peer};
use downbeat::pausing::writer::PauseWriter;
use downbeat::render::Renderer;
use downbeat::service::campaign::Campaign;
use downbeat::service::reload::Loader;
use downbeat::service::{Parts, Request, Service, Settings};
use downbeat::store::Retention;
use downbeat::store::redis::RedisStore;
use downbeat::supervisor::Supervisor;
use downbeat::tls::Tls;
use downbeat::tzdata::Tzdata;
use downbeat::worker::Queues;
use downbeat_time::UnixMs;
use tokio::sync::mpsc;

use crate::support::redis::{Options, RedisServer};
use crate::support::sent::Sent;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

/// The machine's clock, put forward or back by some milliseconds.
#[derive(Clone, Default)]
struct SetClock(Arc<AtomicI64>);

impl Clock for SetClock {
    fn now(&self) -> UnixMs {
        UnixMs(wall_clock().0 + self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, wake_at: UnixMs) {
        // As a kernel timer does, it notices when the clock is set.
        let set_to = self.0.load(Ordering::SeqCst);
        while self.now() < wake_at && self.0.load(Ordering::SeqCst) == set_to {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A service with one entry a second; it stops when the sender is dropped.
fn start(server: &RedisServer, clock: SetClock) -> mpsc::Sender<Request> {
    start_with(server, clock, Duration::from_secs(15), "every: 1s")
}

/// The same with a grace, and an entry with that timing.
fn start_with(
    server: &RedisServer,
    clock: SetClock,
    grace: Duration,
    timing: &str,
) -> mpsc::Sender<Request> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let schedule = format!("entries:\n  tick: {{task: demo.tick, {timing}, queue: q}}\n");
    std::fs::write(&path, schedule).unwrap();
    let load =
        move || config::load(std::slice::from_ref(&path), &Queues::default(), &Tzdata::bundled());
    let schedule = Arc::new(load().schedule.unwrap());
    let (address, times) = (server.address(), LeaseTimes::new(Duration::from_secs(1)));
    let store = || RedisStore::new(&address, &Tls::default(), "clocks", times.ttl);
    let (campaign, reports) = Campaign::new(store(), times, Peer::myself("here"));
    let settings = Settings {
        namespace: "clocks".into(),
        broker: config::Broker::Redis(address.clone()),
        grace,
        history: Retention::default(),
    };
    let parts = Parts {
        settings,
        clock,
        renderer: Renderer::new("clocks", "here", Arc::default(), false),
        loader: Loader::new(Arc::new(load), Arc::new(Tzdata::bundled()), wall_clock()),
        schedule,
        supervisor: Supervisor::default(),
        carrier: Amqp::new(SOON, &Tls::default()),
        zones: Arc::new(Tzdata::bundled()),
    };
    let service = Service::new(parts, store(), PauseWriter::open(store()), reports);
    let (requests, requested) = mpsc::channel(1);
    tokio::spawn(campaign.run());
    tokio::spawn(service.run(requested));
    requests
}

/// Waits for `more` further messages, and checks that all of them are of one slot each, in order.
async fn further(server: &RedisServer, more: usize) -> Vec<Sent> {
    let (socket, before) = (server.url(), server.queue("q").len());
    let client = redis::Client::open(socket).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut connection = client.get_connection().unwrap();
        eventually(SOON, "further messages", || {
            let queued: usize = redis::cmd("LLEN").arg("q").query(&mut connection).unwrap();
            (queued >= before + more).then_some(())
        });
    })
    .await
    .unwrap();
    let sent = server.queue("q");
    let slots: Vec<i64> = sent.iter().map(slot).collect();
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 1000), "{slots:?}");
    assert!(sent.iter().all(|sent| sent.kind == "scheduled"));
    sent
}

fn slot(sent: &Sent) -> i64 {
    UnixMs::from(sent.slot.parse::<jiff::Timestamp>().unwrap()).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_an_hour_ahead_neither_sends_the_hour_nor_drops_it() {
    needs!(Redis);
    let server = RedisServer::start();
    let clock = SetClock::default();
    let _service = start(&server, clock.clone());
    further(&server, 2).await;
    clock.0.store(3_600_000, Ordering::SeqCst);
    let sent = further(&server, 3).await;
    let ahead = sent.last().map(slot).unwrap() - wall_clock().0;
    assert!(ahead <= 1000, "{ahead} ms ahead of redis");
    clock.0.store(0, Ordering::SeqCst);
    further(&server, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_sends_nothing_twice_and_makes_up_for_what_it_was_late_for() {
    needs!(Redis);
    let server = RedisServer::start();
    let clock = SetClock::default();
    let _service = start(&server, clock.clone());
    further(&server, 2).await;
    clock.0.store(-3_000, Ordering::SeqCst);
    further(&server, 1).await;
    clock.0.store(0, Ordering::SeqCst);
    further(&server, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_with_different_clocks_send_each_slot_once() {
    needs!(Redis);
    let server = RedisServer::start();
    let clocks = [SetClock::default(), SetClock::default()];
    clocks[0].0.store(700, Ordering::SeqCst);
    clocks[1].0.store(-1_500, Ordering::SeqCst);
    let first = start(&server, clocks[0].clone());
    further(&server, 2).await;
    let second = start(&server, clocks[1].clone());
    let mut leading = [Some(first), Some(second)];
    for turn in 0..4 {
        let service = leading[turn % 2].take().unwrap();
        // It resigns and leaves; the other takes over, and a fresh one stands by.
        drop(service);
        further(&server, 2).await;
        leading[turn % 2] = Some(start(&server, clocks[turn % 2].clone()));
    }
}

const EACH: &str = "every: 200ms, catch_up: all";
const GRACE: Duration = Duration::from_secs(3);

/// Sets the machine's clock, and that of the server on it.
fn set(server: &RedisServer, clock: &SetClock, ahead_ms: i64) {
    server.set_clock(ahead_ms);
    clock.0.store(ahead_ms, Ordering::SeqCst);
}

/// Waits until a slot is in the queue that is later than `after` and has come by our own clock; gives all
/// slots, and fails if one is there twice.
async fn wait_for_slot(server: &RedisServer, after: i64) -> Vec<i64> {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let slots: Vec<i64> = server.queue("q").iter().map(slot).collect();
        let now = wall_clock().0;
        if slots.iter().any(|slot| (after..=now).contains(slot)) {
            let mut sorted = slots.clone();
            sorted.sort_unstable();
            assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]), "twice: {slots:?}");
            return slots;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "nothing after {after} at {now}: {slots:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_of_machine_and_redis_that_were_both_ahead_at_first_silence_nothing() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { settable_clock: true, ..Options::default() });
    let clock = SetClock::default();
    set(&server, &clock, 7_200_000);
    let _service = start_with(&server, clock.clone(), GRACE, EACH);
    further_any(&server, 3).await;
    set(&server, &clock, 0);
    let now = wall_clock().0;
    wait_for_slot(&server, now).await;
    let later = now + 2_000;
    wait_for_slot(&server, later).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_sent_while_both_clocks_were_ahead_are_not_sent_again_when_their_time_comes() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { settable_clock: true, ..Options::default() });
    let clock = SetClock::default();
    let _service = start_with(&server, clock.clone(), GRACE, EACH);
    further_any(&server, 3).await;
    set(&server, &clock, 5_000);
    further_any(&server, 5).await;
    set(&server, &clock, 0);
    let newest = server.queue("q").iter().map(slot).max().unwrap();
    assert!(newest > wall_clock().0 + 4_000, "it was ahead");
    // Past all that was sent ahead of its time.
    let mut slots = wait_for_slot(&server, newest + 1_000).await;
    slots.sort_unstable();
    let expected: Vec<i64> = (0..slots.len() as i64).map(|n| slots[0] + 200 * n).collect();
    assert_eq!(slots, expected, "no slot is missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_clocks_an_hour_ahead_left_out_go_at_their_time() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { settable_clock: true, ..Options::default() });
    let clock = SetClock::default();
    let grace = Duration::from_secs(15);
    let _service = start_with(&server, clock.clone(), grace, "every: 200ms");
    further_any(&server, 3).await;
    set(&server, &clock, 3_600_000);
    further_any(&server, 5).await;
    set(&server, &clock, 0);
    let now = wall_clock().0;
    let mut slots = wait_for_slot(&server, now + 2_000).await;
    slots.sort_unstable();
    let sent_in_time = slots.partition_point(|slot| *slot <= now + 2_000);
    let expected: Vec<i64> = (0..sent_in_time as i64).map(|n| slots[0] + 200 * n).collect();
    assert_eq!(slots[..sent_in_time], expected, "no slot is missing");
    assert!(slots.last().unwrap() - now > 3_500_000, "some were sent an hour ahead");
}

/// Waits for `more` further messages, whatever they are.
async fn further_any(server: &RedisServer, more: usize) {
    let before = server.queue("q").len();
    let deadline = tokio::time::Instant::now() + SOON;
    while server.queue("q").len() < before + more {
        assert!(tokio::time::Instant::now() < deadline, "no {more} further messages");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
