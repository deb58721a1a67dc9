//! A burst: many entries due at one instant, from the real binary to a real Redis, against one raw
//! client that writes the same messages with pipelined commands and checks nothing. For each kind of
//! worker; runs alternate; medians are printed.
//!
//! `cargo bench --bench burst` (10,000 entries), `cargo bench --bench burst -- 100000 celery`.

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

use downbeat::config;
use downbeat::envelope::{self, Fresh, Kind, Push, Task, Writes};
use downbeat::queue::{
    BullmqQueue, CeleryQueue, DramatiqQueue, Queue, Queues, RqQueue, SidekiqQueue, StreamQueue,
    Worker,
};
use downbeat::schedule::{Schedule, TaskIds, UnixMs};
use downbeat::tzdata::Tzdata;
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

fn workers() -> Vec<Worker> {
    vec![
        Worker::Celery(CeleryQueue::default()),
        Worker::Rq(RqQueue::default()),
        Worker::Dramatiq(DramatiqQueue::default()),
        Worker::Sidekiq(SidekiqQueue::default()),
        Worker::Bullmq(BullmqQueue::default()),
        Worker::Json,
        Worker::Stream(StreamQueue::default()),
    ]
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let test = args.iter().any(|arg| arg == "--test");
    let asked = args.iter().find_map(|arg| arg.parse().ok());
    let (entries, runs) = if test { (1_000, 1) } else { (asked.unwrap_or(10_000), 7) };
    let mut workers = workers();
    if args.iter().any(|arg| Worker::KINDS.contains(&arg.as_str())) {
        workers.retain(|worker| args.iter().any(|arg| arg == worker.kind()));
    }
    for worker in workers {
        measure(&worker, entries, runs);
    }
}

fn measure(worker: &Worker, entries: usize, runs: usize) {
    let mut done: Vec<Run> = (0..runs).map(|_| run(worker, entries)).collect();
    done.sort_by(|a, b| (a.raw / a.downbeat).total_cmp(&(b.raw / b.downbeat)));
    let ratios: Vec<f64> = done.iter().map(|run| run.raw / run.downbeat).collect();
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    let median = &done[done.len() / 2];
    let rate = |seconds: f64| (entries as f64 / seconds / 1000.0).round();
    println!(
        "burst/{}/{entries}: downbeat {} k/s ({:.1} ms), raw {} k/s, {} bytes a message; \
         ratio {:.2} ({least:.2} to {most:.2}, {runs} runs)",
        worker.kind(),
        rate(median.downbeat),
        median.downbeat * 1000.0,
        rate(median.raw),
        median.bytes,
        median.raw / median.downbeat,
    );
}

fn run(worker: &Worker, entries: usize) -> Run {
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let place = Place::new();
    let due = wall_clock() + Duration::from_secs(3) + Duration::from_millis(entries as u64 / 20);
    // As much as the kind takes.
    let arguments = |n: usize| match worker {
        Worker::Sidekiq(_) => format!(r#""args": [{n}, "abc", {{"tenant": {n}}}]"#),
        Worker::Bullmq(_) => format!(r#""kwargs": {{"n": {n}, "abc": "abc", "tenant": {n}}}"#),
        _ => format!(r#""args": [{n}, "abc"], "kwargs": {{"tenant": {n}}}"#),
    };
    let one = |n: usize| {
        format!(
            r#""entry-{n:06}": {{"task": "demo.task", "at": "{due}", "queue": "{QUEUE}",
                {}}}"#,
            arguments(n)
        )
    };
    let all: Vec<String> = (0..entries).map(one).collect();
    place.write_schedule("burst.json", &format!("{{\"entries\": {{{}}}}}", all.join(",\n")));
    let configuration = place.path().join("downbeat.yaml");
    let queue = format!("queues: {{{QUEUE}: {{worker: {}}}}}", worker.kind());
    std::fs::write(&configuration, queue).unwrap();
    let messages = messages(&place, worker, due);
    assert_eq!(messages.len(), entries);

    let log = File::create(place.path().join("log")).unwrap();
    let mut command = place.command(&["run", "--broker", &server.tcp_url(), "--leader-ttl", "1s"]);
    command.env("DOWNBEAT_CONFIG", &configuration);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let downbeat_process = Process::spawn("downbeat", &mut command);
    let mut connection = server.connect();
    let last = wait_for(&mut connection, &messages);
    let downbeat = last.since(due).as_secs_f64();
    drop(downbeat_process);

    let () = redis::cmd("FLUSHALL").arg("SYNC").query(&mut connection).unwrap();
    let raw = raw(&server, &messages);
    assert_eq!(length(&mut connection, &messages), entries);
    let bytes = messages.iter().map(Writes::size).sum::<usize>() / entries;
    Run { downbeat, raw, bytes }
}

/// What downbeat will write, but for the random numbers.
fn messages(place: &Place, worker: &Worker, now: UnixMs) -> Vec<Writes> {
    let queues: Queues =
        [Queue { amqp: None, name: QUEUE.into(), worker: worker.clone() }].into_iter().collect();
    let loaded = config::load(&[place.schedules()], &queues, &Tzdata::bundled());
    let Schedule { entries, .. } = loaded.schedule.unwrap();
    let (ids, rng) = (TaskIds::new("downbeat"), &mut fastrand::Rng::new());
    let mut writes = |entry: &downbeat::schedule::Entry| {
        envelope::render(&Task {
            entry_name: &entry.name,
            message: &entry.message,
            task_id: ids.id(&entry.name, now),
            slot: now,
            kind: Kind::Scheduled,
            expires_at: None,
            now,
            origin: "downbeat@host",
            fresh: Fresh::draw(rng),
        })
    };
    entries.iter().map(&mut writes).collect()
}

/// When the last message arrived, to about half a millisecond.
fn wait_for(connection: &mut Connection, messages: &[Writes]) -> UnixMs {
    let latest = wall_clock() + Duration::from_secs(120);
    loop {
        let queued = length(connection, messages);
        if queued >= messages.len() {
            return wall_clock();
        }
        assert!(wall_clock() < latest, "only {queued} of {} messages came", messages.len());
        sleep(Duration::from_micros(500));
    }
}

/// How many messages lie where they all go.
fn length(connection: &mut Connection, messages: &[Writes]) -> usize {
    let Writes { push, key, .. } = &messages[0];
    let command = if *push == Push::Stream { "XLEN" } else { "LLEN" };
    redis::cmd(command).arg(key).query(connection).unwrap()
}

/// Seconds that one client takes to write the messages to an empty server, over TCP as downbeat.
fn raw(server: &RedisServer, messages: &[Writes]) -> f64 {
    let client = redis::Client::open(server.tcp_url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let packed: Vec<redis::Pipeline> = messages.chunks(PIPELINED).map(pipeline).collect();
    let started = wall_clock_us();
    for pipeline in &packed {
        let () = pipeline.query(&mut connection).unwrap();
    }
    (wall_clock_us() - started) / 1e6
}

fn pipeline(messages: &[Writes]) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::with_capacity(messages.len());
    for Writes { before, push, key, element } in messages {
        for command in before {
            pipeline.cmd(std::str::from_utf8(&command[0]).unwrap()).arg(&command[1..]).ignore();
        }
        match push {
            Push::Left => pipeline.lpush(key, element),
            Push::Right => pipeline.rpush(key, element),
            Push::Stream => pipeline.cmd("XADD").arg(key).arg("*").arg("message").arg(element),
            Push::Bullmq => {
                let marker = key.replace(":wait", ":marker");
                pipeline.zadd(marker, "0", 0).ignore().lpush(key, element)
            }
        };
        pipeline.ignore();
    }
    pipeline
}

fn wall_clock_us() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}
