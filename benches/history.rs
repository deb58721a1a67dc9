//! How much Redis keeps about many slots, with a real leader that records them.
//!
//! - `day`: a day of 200 slots a second with the default `history`. Nobody led for a day (the entries
//!   registered while Redis' clock was a day behind), and the leader sends all of them as fast as it can.
//! - `busy`: a slot each millisecond, so that the leader is never idle for long, with a short history, in
//!   real time.
//!
//! It asserts that each recorded slot is one message, and that the journal keeps what `history` says and
//! little more. It prints the sizes of the keys (`MEMORY USAGE`) and, as a baseline, of the bare lines of the
//! slots that are kept.
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
use std::time::Duration;

use redis::Connection;
use shared::{JOURNAL, Language, Replica, info, read_journal, slots_through, stop, write_schedule};
use support::redis::{Options, RedisServer};
use support::wait::eventually;
use tokio::time::Instant;

const QUEUE: &str = "sink";
/// Sending and trimming take no longer than this, beside the time in which slots come due.
const LIMIT: Duration = Duration::from_secs(1_800);
/// Slots that are kept beside: records are dropped as a whole.
const UNTRIMMED: u64 = 500;
/// Slots that are kept beside by a leader that is never idle: so many are folded at the latest.
const MAX_UNFOLDED: u64 = 50_000;

/// What is sent, and for how long.
struct Load {
    name: &'static str,
    entries: usize,
    /// Between the slots of one entry and those of the next.
    apart_ms: usize,
    seconds: u64,
    /// Whether the time has passed already, and all is sent at once.
    is_backlog: bool,
    /// How many slots are to be kept.
    history: u64,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let asked_for = |word: &str| args.iter().any(|arg| arg == word);
    let (day, busy) = if asked_for("--test") { (20, 3) } else { (86_400, 150) };
    let history = if asked_for("--test") { 1_000 } else { 200_000 };
    let loads = [
        Load { name: "day", entries: 200, apart_ms: 0, seconds: day, is_backlog: true, history },
        Load {
            name: "busy",
            entries: 1000,
            apart_ms: 1,
            seconds: busy,
            is_backlog: false,
            history: 5_000,
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
    let (mut sent, mut most, mut watched_at) = (0, 0, began);
    eventually(LIMIT, "all is sent", || {
        sent += drain(&mut connection);
        if watched_at.elapsed() > Duration::from_secs(1) {
            watched_at = Instant::now();
            most = most.max(kept_slots(&mut connection));
        }
        (sent >= load.seconds * load.entries as u64).then_some(())
    });
    let took = began.elapsed().as_secs_f64();
    let beside = if load.is_backlog { UNTRIMMED } else { MAX_UNFOLDED };
    let kept = eventually(LIMIT, "the journal is trimmed", || {
        sent += drain(&mut connection);
        let kept = kept_slots(&mut connection);
        (kept <= load.history + beside).then_some(kept)
    });
    stop(leader);
    sent += drain(&mut connection);
    let recorded = slots_through(&mut connection, "XREVRANGE", "+", "-");
    assert_eq!(sent, recorded, "each slot that is recorded is one message");
    assert!(kept + UNTRIMMED >= load.history.min(recorded), "{kept} of {recorded} are kept");
    print(load, &mut connection, sent, took, most.max(kept), before);
}

fn configured(load: &Load) -> Replica {
    let replica = Replica::new();
    let configuration = replica.place.state().join("downbeat.yaml");
    let text =
        format!("history: {{slots: {}}}\nqueues: {{{QUEUE}: {{worker: json}}}}\n", load.history);
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
         most {most} (`slots: {}`)",
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
