//! How late messages arrive, and what each costs, when few are due: the real binary, leading on a real
//! Redis.
//!
//! Lateness is from the slot to the arrival of its message at a waiting client. Two baselines run at the
//! same time. A thread that only sleeps until the same instants shows how late the machine makes everybody.
//! Between the slots, a thread sleeps and then pushes as many bytes with one command, for another waiting
//! client: it shows the minimum lateness and cost of a message that passes through three processes.
//!
//! `cargo bench --bench lateness` (1, 50 and 500 a second), `cargo bench --bench lateness -- 50`

#![allow(
    missing_docs,
    dead_code,
    unused_imports,
    unused_macros,
    clippy::unwrap_used,
    reason = "a bench, sharing the tests' rigs"
)]

#[path = "../tests/support/mod.rs"]
mod support;

mod shared;

use std::fs;
use std::thread::{self, sleep};
use std::time::Duration;

use redis::{Commands as _, Connection};
use rustix::time::{ClockId, clock_gettime};
use shared::{
    Language, Replica, Sorted, ms, redis_server, seldom_due, stop, wait_for_message, wall_ms,
    write_schedule,
};
use support::process::Process;
use support::sent::Sent;

const QUEUE: &str = "lateness";
/// The list of the thread that pushes.
const PUSHED: &str = "pushed";
/// About as long as a message.
const BYTES: usize = 1_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|arg| arg == "--test") {
        return lateness(50, Duration::from_secs(1));
    }
    let mut rates: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if rates.is_empty() {
        rates = vec![1, 50, 500];
    }
    for per_second in rates {
        // Enough for a percentile at one a second.
        lateness(per_second, Duration::from_secs(if per_second < 10 { 120 } else { 40 }));
    }
}

fn lateness(per_second: usize, length: Duration) {
    let (server, replica) = (redis_server(), Replica::new());
    let entries = per_second.max(10);
    write_schedule(&replica.place, Language::Json, entries, seldom_due(per_second, QUEUE));
    let downbeat = replica.lead(&server, &[]);
    let mut connection = server.connect();
    wait_for_message(&mut connection, QUEUE);
    let period = 1000.0 / per_second as f64;
    let until = wall_ms() + ms(length);
    let sleeper = thread::spawn(move || sleep_through(period, 0.0, until, |_| ()));
    let (pushes_to, takes_from) = (server.connect(), server.connect());
    let pusher = thread::spawn(move || push_through(period, until, pushes_to));
    let taker = thread::spawn(move || take_through(period, until, takes_from));
    let before = Spent::by(&downbeat);
    let mut slots = Vec::new();
    while wall_ms() < until {
        let message = wait_for_message(&mut connection, QUEUE);
        slots.push((wall_ms(), Sent::decode(&message).slot_ms() as f64));
    }
    let after = Spent::by(&downbeat);
    assert!(
        slots.windows(2).all(|pair| pair[1].1 - pair[0].1 == period),
        "each slot once, in order"
    );
    let late: Vec<f64> = slots.iter().map(|(arrived_at, slot)| arrived_at - slot).collect();
    assert!(late.iter().all(|late| *late >= 0.0), "never before its slot");
    let slots = late.len() as f64;
    stop(downbeat);
    let (late, sleeper, pushed) =
        (Sorted::new(late), sleeper.join().unwrap(), taker.join().unwrap());
    let percentiles = |late: &Sorted| (late.median(), late.at(0.99));
    let ((p50, p99), sleeps, pushes) =
        (percentiles(&late), percentiles(&sleeper), percentiles(&pushed));
    println!(
        "lateness/{per_second} a second: p50 {p50:.2} ms, p99 {p99:.2} ms; a thread that sleeps p50 {:.2}, \
         p99 {:.2}: {:.2} and {:.2} more (budget 0.5 and 1.5); one that sleeps and pushes p50 {:.2}, p99 \
         {:.2}: ratios {:.2} and {:.2}; {slots} slots",
        sleeps.0,
        sleeps.1,
        p50 - sleeps.0,
        p99 - sleeps.1,
        pushes.0,
        pushes.1,
        p50 / pushes.0,
        p99 / pushes.1,
    );
    let (cpu_ms, switches) =
        ((after.cpu_ms - before.cpu_ms) / slots, (after.switches - before.switches) / slots);
    let pusher = pusher.join().unwrap();
    println!(
        "cpu/{per_second} a second: {cpu_ms:.3} ms a message, {switches:.1} wake-ups; a thread that sleeps and \
         pushes as many bytes {pusher:.3} ms: ratio {:.1}",
        cpu_ms / pusher
    );
}

/// What a process has had.
struct Spent {
    cpu_ms: f64,
    /// How often a thread of it went to sleep.
    switches: f64,
}

impl Spent {
    fn by(process: &Process) -> Spent {
        let threads = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
        let switches = |status: String| {
            let number =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            number.unwrap().trim().parse::<f64>().unwrap()
        };
        let statuses = threads
            .filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok());
        Spent { cpu_ms: ms(process.cpu_time()), switches: statuses.map(switches).sum() }
    }
}

/// How late a thread wakes that does little but sleep until instants `period` apart, all in milliseconds; `act`
/// gets each instant.
fn sleep_through(period: f64, phase: f64, until: f64, mut act: impl FnMut(f64)) -> Sorted {
    let (mut late, mut wake_at) = (Vec::new(), (wall_ms() / period).ceil() * period + phase);
    // Where the machine stands still, it is late for each of them, as downbeat is.
    while wake_at < until {
        sleep(Duration::from_secs_f64(((wake_at - wall_ms()) / 1000.0).max(0.0)));
        late.push(wall_ms() - wake_at);
        act(wake_at);
        wake_at += period;
    }
    Sorted::new(late)
}

/// Pushes a message at each instant, which it begins with. Gives the CPU time in milliseconds that the thread
/// needs for one.
fn push_through(period: f64, until: f64, mut connection: Connection) -> f64 {
    let mut pushes = 0;
    let cpu_ms = || {
        let used = clock_gettime(ClockId::ThreadCPUTime);
        used.tv_sec as f64 * 1e3 + used.tv_nsec as f64 / 1e6
    };
    let before = cpu_ms();
    sleep_through(period, period / 2.0, until, |instant| {
        let () = connection.lpush(PUSHED, format!("{instant:<BYTES$}")).unwrap();
        pushes += 1;
    });
    (cpu_ms() - before) / f64::from(pushes)
}

/// How late these messages come.
fn take_through(period: f64, until: f64, mut connection: Connection) -> Sorted {
    let (mut late, mut instant) = (Vec::new(), 0.0);
    while instant + period < until {
        let message = wait_for_message(&mut connection, PUSHED);
        let arrived_at = wall_ms();
        instant = String::from_utf8(message).unwrap().trim().parse::<f64>().unwrap();
        late.push(arrived_at - instant);
    }
    Sorted::new(late)
}
