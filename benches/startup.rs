//! How the service starts and what it costs while it runs: the real binary, leading on a real Redis.
//!
//! Start-up is measured from the start of the process to its first message in Redis, after a restart
//! with a slot that has become due meanwhile. Programs that do less start in turn with it, and a
//! thread that only sleeps is as late as the machine makes everybody; medians are printed.
//!
//! `cargo bench --bench startup`

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

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use redis::{Commands as _, Connection};
use rustix::time::{ClockId, clock_gettime};
use support::downbeat::Place;
use support::process::Process;
use support::redis::{Options, RedisServer};
use support::sent::Sent;
use support::wait::{SOON, eventually};
use tokio::time::Instant;

const QUEUE: &str = "startup";

/// How long everything is measured.
struct Patience {
    starts: usize,
    /// Of a leader with nothing due.
    idle: Duration,
    /// Of a leader with something due.
    busy: Duration,
}

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let (idle, busy) = (Duration::from_secs(60), Duration::from_secs(45));
    let measured = Patience { starts: 15, idle, busy };
    let (idle, busy) = (Duration::from_millis(100), Duration::from_secs(1));
    let tested = Patience { starts: 2, idle, busy };
    let patience = if test { tested } else { measured };
    let sizes: &[(usize, f64, f64)] =
        if test { &[(10, 30.0, 8.0)] } else { &[(10, 30.0, 8.0), (10_000, 100.0, 10.0)] };
    for &(entries, ms, mb) in sizes {
        startup(entries, &patience, ms);
        footprint(entries, &patience, mb);
    }
    for per_second in [1, 50] {
        lateness(per_second, patience.busy);
    }
}

/// A folder of schedules and a Redis, in which what was sent stays after a restart.
struct Rig {
    server: RedisServer,
    place: Place,
}

impl Rig {
    fn new(schedule: &str) -> Rig {
        let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
        let place = Place::new();
        place.write_schedule("all.json", schedule);
        Rig { server, place }
    }

    fn start(&self) -> Process {
        let log = File::options().create(true).append(true).open(self.place.path().join("log"));
        let mut command = self.place.command(&["run", "--broker", &self.server.tcp_url()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap());
        Process::spawn("downbeat", &mut command)
    }

    /// Starts it for the first time: from here on its entries are live.
    fn start_first(&self) -> Process {
        let downbeat = self.start();
        eventually(SOON, "it leads", || {
            let log = fs::read_to_string(self.place.path().join("log")).unwrap();
            log.contains("took office").then_some(())
        });
        downbeat
    }
}

/// `entries` of which `busy` are due once a second, one after the other, and the rest on leap days.
fn schedule(entries: usize, busy: usize) -> String {
    let mut text = String::from("{\"entries\": {");
    for n in 0..entries {
        let comma = if n > 0 { "," } else { "" };
        let when = if n < busy {
            format!("\"every\": \"1s\", \"phase\": \"{}ms\"", n * 1000 / busy)
        } else {
            format!("\"cron\": \"{} {} 29 2 *\", \"timezone\": \"Asia/Seoul\"", n % 60, n % 24)
        };
        let _ = write!(
            text,
            "{comma}\n\"entry-{n}\": {{\"task\": \"shop.tasks.job\", \"queue\": \"{QUEUE}\", \
             \"args\": [\"daily\", {n}], {when}}}"
        );
    }
    text + "}}\n"
}

fn startup(entries: usize, patience: &Patience, budget_ms: f64) {
    let rig = Rig::new(&schedule(entries, 1));
    let mut connection = rig.server.connect();
    stop(rig.start_first());
    let [mut first, mut version, mut nothing] = [const { Vec::new() }; 3];
    for _ in 0..patience.starts {
        // Until a slot is due that nobody has sent.
        sleep(Duration::from_millis(1100));
        let () = connection.del(QUEUE).unwrap();
        let began = Instant::now();
        let downbeat = rig.start();
        let message = wait_for_message(&mut connection);
        first.push(ms(began.elapsed()));
        assert_eq!(Sent::decode(&message).entry, "entry-0");
        stop(downbeat);
        version.push(run(&mut rig.place.command(&["--version"])));
        nothing.push(run(&mut Command::new("/bin/true")));
    }
    let [first, version, nothing] = [first, version, nothing].map(Sorted::new);
    println!(
        "startup/{entries}: first message after {:.1} ms ({:.1} to {:.1}, {} starts; budget \
         {budget_ms}); in turn with it, `downbeat --version` {:.1} ms, /bin/true {:.1} ms",
        first.median(),
        first.at(0.0),
        first.at(1.0),
        patience.starts,
        version.median(),
        nothing.median(),
    );
}

/// Milliseconds from the start of a command to its end.
fn run(command: &mut Command) -> f64 {
    let began = Instant::now();
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    ms(began.elapsed())
}

fn stop(mut downbeat: Process) {
    downbeat.terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

fn wait_for_message(connection: &mut Connection) -> Vec<u8> {
    let answer: Option<(String, Vec<u8>)> = connection.brpop(QUEUE, SOON.as_secs_f64()).unwrap();
    answer.expect("a message comes").1
}

fn footprint(entries: usize, patience: &Patience, budget_mb: f64) {
    let rig = Rig::new(&schedule(entries, 0));
    let downbeat = rig.start_first();
    // What start-up has left to do is done by then.
    sleep(patience.idle.min(Duration::from_secs(3)));
    let (began, before) = (Instant::now(), downbeat.cpu_time());
    sleep(patience.idle);
    let used = (downbeat.cpu_time() - before).as_secs_f64();
    let per_hour = used / began.elapsed().as_secs_f64() * 3600.0;
    let status = fs::read_to_string(format!("/proc/{}/status", downbeat.id())).unwrap();
    let mb = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024.0 / 1e6
    };
    println!(
        "memory/{entries}: {:.1} MB resident (budget {budget_mb}), {:.1} of it written to and {:.1} \
         mapped from files; at most {:.1}",
        mb("VmRSS:"),
        mb("RssAnon:"),
        mb("RssFile:"),
        mb("VmHWM:")
    );
    println!(
        "idle/{entries}: {per_hour:.2} s of CPU an hour (budget 1), from {} s",
        patience.idle.as_secs_f64()
    );
    stop(downbeat);
}

/// From the slot to the arrival of its message at a client that waits for it.
fn lateness(per_second: usize, stretch: Duration) {
    let rig = Rig::new(&schedule(per_second.max(10), per_second));
    let downbeat = rig.start_first();
    let mut connection = rig.server.connect();
    wait_for_message(&mut connection);
    let sleeper = std::thread::spawn(move || sleeper(per_second, stretch));
    let until = wall_ms() + ms(stretch);
    let mut late = Vec::new();
    while wall_ms() < until {
        let message = wait_for_message(&mut connection);
        let arrived_at = wall_ms();
        late.push(arrived_at - Sent::decode(&message).slot_ms() as f64);
    }
    assert!(late.iter().all(|late| *late >= 0.0), "never before its slot");
    stop(downbeat);
    let (late, sleeper) = (Sorted::new(late), sleeper.join().unwrap());
    println!(
        "lateness/{per_second} a second: p50 {:.2} ms, p99 {:.2} ms; a thread that sleeps p50 {:.2}, \
         p99 {:.2} (budget 0.5 and 1.5 more), {} slots",
        late.median(),
        late.at(0.99),
        sleeper.median(),
        sleeper.at(0.99),
        late.0.len()
    );
}

/// How late a thread wakes that does nothing but sleep until the same instants.
fn sleeper(per_second: usize, stretch: Duration) -> Sorted {
    let period = 1000.0 / per_second as f64;
    let until = wall_ms() + ms(stretch);
    let mut late = Vec::new();
    while wall_ms() < until {
        let wake_at = (wall_ms() / period).floor() * period + period;
        sleep(Duration::from_secs_f64(((wake_at - wall_ms()) / 1000.0).max(0.0)));
        late.push(wall_ms() - wake_at);
    }
    Sorted::new(late)
}

/// Milliseconds of the wall clock, with what is below them.
fn wall_ms() -> f64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn ms(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}

struct Sorted(Vec<f64>);

impl Sorted {
    fn new(mut values: Vec<f64>) -> Sorted {
        assert!(!values.is_empty());
        values.sort_by(f64::total_cmp);
        Sorted(values)
    }

    /// The value below which `part` of all lie: 0 is the least, 1 the greatest.
    fn at(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part).round() as usize]
    }

    fn median(&self) -> f64 {
        self.at(0.5)
    }
}
