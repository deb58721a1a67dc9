//! A burst: many entries due at one instant, from the real binary to a real Redis, against one raw
//! client that puts the same bytes there by pipelined LPUSH. Runs alternate; medians are printed.
//!
//! `cargo bench --bench burst` (10,000 entries), `cargo bench --bench burst -- 100000`.

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

use std::fs::File;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use redis::{Commands as _, Connection};
use support::downbeat::Place;
use support::process::Process;
use support::redis::{Options, RedisServer};
use support::wait::wall_clock;

/// As many commands as a pipeline of the raw client holds.
const PIPELINED: usize = 500;
const QUEUE: &str = "burst";

/// One run: seconds from the due instant to the last message, and seconds of the raw client.
struct Run {
    downbeat: f64,
    raw: f64,
    bytes: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let test = args.iter().any(|arg| arg == "--test");
    let asked = args.iter().find_map(|arg| arg.parse().ok());
    let (entries, runs) = if test { (1_000, 1) } else { (asked.unwrap_or(10_000), 7) };
    let mut done: Vec<Run> = (0..runs).map(|_| run(entries)).collect();
    done.sort_by(|a, b| (a.raw / a.downbeat).total_cmp(&(b.raw / b.downbeat)));
    let ratios: Vec<f64> = done.iter().map(|run| run.raw / run.downbeat).collect();
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    let median = &done[done.len() / 2];
    let rate = |seconds: f64| (entries as f64 / seconds / 1000.0).round();
    println!(
        "burst/{entries}: downbeat {} k/s ({:.1} ms), raw LPUSH {} k/s, {} bytes a message; \
         ratio {:.2} ({least:.2} to {most:.2}, {runs} runs)",
        rate(median.downbeat),
        median.downbeat * 1000.0,
        rate(median.raw),
        median.bytes,
        median.raw / median.downbeat,
    );
}

fn run(entries: usize) -> Run {
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let place = Place::new();
    let due = wall_clock() + Duration::from_secs(3) + Duration::from_millis(entries as u64 / 20);
    let one = |n: usize| {
        format!(
            r#""entry-{n:06}": {{"task": "demo.task", "at": "{due}", "queue": "{QUEUE}",
                "args": [{n}, "abc"], "kwargs": {{"tenant": {n}}}}}"#
        )
    };
    let all: Vec<String> = (0..entries).map(one).collect();
    place.write_schedule("burst.json", &format!("{{\"entries\": {{{}}}}}", all.join(",\n")));

    let log = File::create(place.path().join("log")).unwrap();
    let mut command = place.command(&["run", "--broker", &server.tcp_url(), "--leader-ttl", "1s"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let _downbeat = Process::spawn("downbeat", &mut command);
    let mut connection = server.connect();
    let last = wait_for(&mut connection, entries);
    let downbeat = last.since(due).as_secs_f64();

    let messages: Vec<Vec<u8>> = connection.lrange(QUEUE, 0, -1).unwrap();
    assert_eq!(messages.len(), entries);
    let bytes = messages.iter().map(Vec::len).sum::<usize>() / entries;
    let raw = raw(&server, &messages);
    Run { downbeat, raw, bytes }
}

/// When the last message arrived, to about half a millisecond.
fn wait_for(connection: &mut Connection, entries: usize) -> downbeat::schedule::UnixMs {
    let latest = wall_clock() + Duration::from_secs(120);
    loop {
        let queued: usize = connection.llen(QUEUE).unwrap();
        if queued >= entries {
            return wall_clock();
        }
        assert!(wall_clock() < latest, "only {queued} of {entries} messages came");
        sleep(Duration::from_micros(500));
    }
}

/// Seconds that one client takes to push the messages to an empty list, over TCP as downbeat.
fn raw(server: &RedisServer, messages: &[Vec<u8>]) -> f64 {
    let client = redis::Client::open(server.tcp_url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let packed: Vec<redis::Pipeline> = messages
        .chunks(PIPELINED)
        .map(|chunk| {
            let mut pipeline = redis::Pipeline::with_capacity(chunk.len());
            for message in chunk {
                pipeline.lpush("raw", message).ignore();
            }
            pipeline
        })
        .collect();
    let started = wall_clock_us();
    for pipeline in &packed {
        let () = pipeline.query(&mut connection).unwrap();
    }
    let took = wall_clock_us() - started;
    assert_eq!(connection.llen::<_, usize>("raw").unwrap(), messages.len());
    took / 1e6
}

fn wall_clock_us() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}
