//! What Redis keeps of many slots, with a real leader that records them.
//!
//! - `day`: a day of 200 slots a second with the default `history`. Nobody led for a day (the entries
//!   registered while Redis' clock was a day behind), and the leader sends all of it as fast as it can.
//! - `busy`: a slot each millisecond, so that the leader is never idle for long, with a short history, in
//!   real time.
//!
//! It prints the sizes of the keys as `MEMORY USAGE` shows them, and, as a baseline, the size of the bare
//! lines of the slots that are kept.
//!
//! `cargo bench --bench history`, `cargo bench --bench history -- day`

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
use std::thread::sleep;
use std::time::Duration;

use redis::Connection;
use shared::{JOURNAL, Language, Replica, info, read_journal, slots_through, stop, write_schedule};
use support::redis::{Options, RedisServer};
use tokio::time::Instant;

const QUEUE: &str = "sink";

/// What is sent, and for how long.
struct Load {
    name: &'static str,
    entries: usize,
    /// Between the slots of one entry and those of the next.
    apart_ms: usize,
    seconds: u64,
    /// Whether the time has passed already, and all is sent at once.
    is_backlog: bool,
    history: &'static str,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let asked_for = |word: &str| args.iter().any(|arg| arg == word);
    let (day, busy) = if asked_for("--test") { (20, 3) } else { (86_400, 150) };
    let history = if asked_for("--test") { "{slots: 1000}" } else { "{slots: 200000}" };
    let loads = [
        Load { name: "day", entries: 200, apart_ms: 0, seconds: day, is_backlog: true, history },
        Load {
            name: "busy",
            entries: 1000,
            apart_ms: 1,
            seconds: busy,
            is_backlog: false,
            history: "{slots: 5000}",
        },
    ];
    let is_all = !loads.iter().any(|load| asked_for(load.name));
    loads.iter().filter(|load| is_all || asked_for(load.name)).for_each(measure);
}

fn measure(load: &Load) {
    let options = Options { tcp: true, settable_clock: true, ..Options::default() };
    let (server, replica) = (RedisServer::start_with(options), configured(load));
    let mut connection = server.connect();
    let before = info(&mut connection, "memory", "used_memory");
    if load.is_backlog {
        server.set_clock(-(load.seconds as i64 * 1000));
        stop(replica.lead(&server, &[]));
        server.set_clock(0);
    }
    // A line for each slot would fill the disk.
    let (began, leader) = (Instant::now(), replica.start(&server, &["--log-level", "warn"]));
    let (mut sent, mut kept, mut watched_at) = (0, 0, began);
    while sent < load.seconds * load.entries as u64 {
        sleep(Duration::from_millis(50));
        sent += drain(&mut connection);
        if watched_at.elapsed() > Duration::from_secs(1) {
            watched_at = Instant::now();
            kept = kept.max(kept_slots(&mut connection));
        }
    }
    let took = began.elapsed().as_secs_f64();
    // Until the rest is folded and trimmed.
    for _ in 0..if load.seconds > 100 { 200 } else { 10 } {
        sleep(Duration::from_millis(100));
        sent += drain(&mut connection);
    }
    kept = kept.max(kept_slots(&mut connection));
    print(load, &mut connection, sent, took, kept, before);
    stop(leader);
}

fn configured(load: &Load) -> Replica {
    let replica = Replica::new();
    let configuration = replica.place.state().join("downbeat.yaml");
    let text = format!("history: {}\nqueues: {{{QUEUE}: {{worker: json}}}}\n", load.history);
    fs::write(&configuration, text).unwrap();
    let place = replica.place.env("DOWNBEAT_CONFIG", &configuration.display().to_string());
    write_schedule(&place, Language::Json, load.entries, |n| {
        let every = vec![
            ("every", "\"1s\"".to_owned()),
            ("phase", format!("\"{}ms\"", n * load.apart_ms)),
            ("catch_up", "\"all\"".to_owned()),
            ("within", "\"2d\"".to_owned()),
        ];
        (QUEUE, every)
    });
    Replica { place }
}

/// Takes all messages, as workers would. Gives how many there were.
fn drain(connection: &mut Connection) -> u64 {
    let mut both = redis::pipe();
    let (count,) =
        both.atomic().llen(QUEUE).cmd("UNLINK").arg(QUEUE).ignore().query(connection).unwrap();
    count
}

/// How many slots the journal holds.
fn kept_slots(connection: &mut Connection) -> u64 {
    let newest = slots_through(connection, "XREVRANGE", "+", "-");
    newest - slots_through(connection, "XRANGE", "-", "+")
}

fn print(
    load: &Load,
    connection: &mut Connection,
    sent: u64,
    seconds: f64,
    most: u64,
    before: f64,
) {
    let name = format!("history/{}", load.name);
    let (kept, used) = (kept_slots(connection), info(connection, "memory", "used_memory") - before);
    let records: u64 = redis::cmd("XLEN").arg(JOURNAL).query(connection).unwrap();
    let mut size = |key: &str| -> f64 {
        let mut call = redis::cmd("MEMORY");
        let bytes: Option<f64> = call
            .arg("USAGE")
            .arg(format!("downbeat:{key}"))
            .arg("SAMPLES")
            .arg(0)
            .query(connection)
            .unwrap();
        bytes.unwrap_or(0.0)
    };
    let journal = size("journal");
    println!(
        "{name}: {sent} slots in {seconds:.0} s; the journal keeps {kept} of them in {records} records, at \
         most {most} (`history: {}`)",
        load.history
    );
    println!(
        "{name}: journal {:.1} MB, {:.0} bytes a slot; outcomes {:.1} kB, {:.0} bytes an entry; counters \
         {:.1} kB; progress {:.1} kB; registrations {:.1} kB",
        journal / 1e6,
        journal / kept as f64,
        size("outcomes") / 1e3,
        size("outcomes") / load.entries as f64,
        size("counters") / 1e3,
        size("progress") / 1e3,
        size("registrations") / 1e3,
    );
    let lines = lines_size(connection);
    println!(
        "{name}: Redis uses {:.1} MB more than empty; the bare lines of the slots {:.1} MB, {:.0} bytes each: \
         ratio {:.2}",
        used / 1e6,
        lines / 1e6,
        lines / kept as f64,
        lines / journal,
    );
}

/// The bytes of the lines that the journal holds.
fn lines_size(connection: &mut Connection) -> f64 {
    let (mut from, mut bytes) = ("-".to_owned(), 0);
    loop {
        let records = read_journal(connection, "XRANGE", &from, "+", 1_000);
        let Some((last, _)) = records.last() else { return bytes as f64 };
        from = format!("({last}");
        let fields = records.iter().flat_map(|(_, fields)| fields);
        bytes +=
            fields.filter(|(name, _)| name == "lines").map(|(_, lines)| lines.len()).sum::<usize>();
    }
}
