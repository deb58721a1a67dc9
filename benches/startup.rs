//! How fast the service starts and what it costs while idle: the real binary, leading on a real Redis.
//!
//! Start-up is measured from the start of the process to its first message in Redis, after a restart
//! with a slot that has become due meanwhile. Simpler programs start in turn with it; medians are
//! printed.
//!
//! `cargo bench --bench startup`, `cargo bench --bench startup -- 1000000 yaml`

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

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use redis::Commands as _;
use shared::{
    Language, Replica, Sorted, megabytes, ms, redis_server, seldom_due, stop, wait_for_message,
    write_schedule,
};
use support::sent::Sent;
use tokio::time::Instant;

const QUEUE: &str = "startup";

/// How much is measured.
struct Sampling {
    starts: usize,
    /// Of a leader with nothing due.
    idle: Duration,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let asked_for = |word: &str| args.iter().any(|arg| arg == word);
    let language = if asked_for("yaml") { Language::Yaml } else { Language::Json };
    let sampling = Sampling { starts: 15, idle: Duration::from_secs(60) };
    if asked_for("--test") {
        let sampling = Sampling { starts: 2, idle: Duration::from_millis(100) };
        startup(10, Language::Yaml, &sampling);
        footprint(10, language, &sampling);
        return;
    }
    let sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        for entries in [10, 10_000] {
            startup(entries, language, &sampling);
            footprint(entries, language, &sampling);
        }
    }
    for entries in sizes {
        let starts = if entries > 10_000 { 5 } else { sampling.starts };
        startup(entries, language, &Sampling { starts, ..sampling });
        footprint(entries, language, &sampling);
    }
}

/// Milliseconds to the first message.
fn budget_ms(entries: usize, language: Language) -> u32 {
    match (entries, language) {
        (0..=10, _) => 30,
        (11..=10_000, _) => 100,
        (_, Language::Json) => 3_000,
        (_, Language::Yaml) => 8_000,
    }
}

/// Megabytes of a leader, beside the text that it keeps of a million entries.
fn budget_mb(entries: usize) -> u32 {
    match entries {
        0..=10 => 10,
        11..=10_000 => 18,
        _ => 300,
    }
}

fn startup(entries: usize, language: Language, sampling: &Sampling) {
    let (server, replica) = (redis_server(), Replica::new());
    write_schedule(&replica.place, language, entries, seldom_due(1, QUEUE));
    let mut connection = server.connect();
    stop(replica.lead(&server, &[]));
    let [mut first, mut version, mut nothing] = [const { Vec::new() }; 3];
    for _ in 0..sampling.starts {
        // Until a slot is due that nobody has sent.
        sleep(Duration::from_millis(1100));
        let () = connection.del(QUEUE).unwrap();
        let began = Instant::now();
        let downbeat = replica.start(&server, &[]);
        let message = wait_for_message(&mut connection, QUEUE);
        first.push(ms(began.elapsed()));
        assert_eq!(Sent::decode(&message).entry, "entry-0");
        stop(downbeat);
        version.push(run(&mut replica.place.command(&["--version"])));
        nothing.push(run(&mut Command::new("/bin/true")));
    }
    let [first, version, nothing] = [first, version, nothing].map(Sorted::new);
    println!(
        "startup/{entries}/{}: first message after {:.1} ms ({}, {} starts; budget {}); in turn with it, \
         `downbeat --version` {:.1} ms, /bin/true {:.1} ms",
        language.extension(),
        first.median(),
        first.range(),
        sampling.starts,
        budget_ms(entries, language),
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

fn footprint(entries: usize, language: Language, sampling: &Sampling) {
    let (server, replica) = (redis_server(), Replica::new());
    let text = write_schedule(&replica.place, language, entries, seldom_due(0, QUEUE));
    let downbeat = replica.lead(&server, &[]);
    // What start-up has left to do is done by then.
    sleep(sampling.idle.min(Duration::from_secs(3)));
    let (began, before) = (Instant::now(), downbeat.cpu_time());
    sleep(sampling.idle);
    let used = (downbeat.cpu_time() - before).as_secs_f64();
    let per_hour = used / began.elapsed().as_secs_f64() * 3600.0;
    let mb = |name| megabytes(&downbeat, name);
    println!(
        "memory/{entries}/{}: {:.1} MB resident, {:.1} of it text of the schedule (budget {} beside that); \
         {:.1} written to and {:.1} mapped from files; at most {:.1}",
        language.extension(),
        mb("VmRSS"),
        text as f64 / 1e6,
        budget_mb(entries),
        mb("RssAnon"),
        mb("RssFile"),
        mb("VmHWM")
    );
    println!(
        "idle/{entries}: {per_hour:.2} s of CPU an hour (budget 1), from {} s",
        sampling.idle.as_secs_f64()
    );
    stop(downbeat);
}
