//! How fast a follower takes over from a killed leader: real binaries on a real Redis.
//!
//! It measures the time from the end of the dead leader's lease to the next message: with 50,000
//! entries whose slots are all in the journal and not folded, and with a million entries of which ten
//! are due each second. The baselines in the same run are ten entries, and a client that only reads the
//! same keys. It prints medians.
//!
//! `cargo bench --bench takeover`, `cargo bench --bench takeover -- 1000000`

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

use downbeat_time::UnixMs;
use redis::{Commands as _, Connection, Value};
use shared::{
    Language, Replica, Sorted, info, megabytes, ms, read_journal, redis_server, seldom_due,
    slots_through, wait_for_message, wall_ms, write_schedule,
};
use support::process::Process;
use support::redis::RedisServer;
use support::wait::{SOON, START, eventually, wall_clock};
use tokio::time::Instant;

/// The queue of entries that are due all the time.
const TICKS: &str = "ticks";
/// The queue of those that are due once.
const BURST: &str = "burst";
const TTL: &str = "2s";

/// What a leader leaves behind.
#[derive(Clone, Copy)]
enum Left {
    /// So many entries, each with a slot in the journal that is not folded.
    Unfolded(usize),
    /// So many entries, of which ten are due each second.
    Entries(usize),
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|arg| arg == "--test") {
        measure(Left::Unfolded(500), 1);
        measure(Left::Entries(500), 1);
        return;
    }
    let sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        measure(Left::Unfolded(50_000), 7);
    }
    measure(Left::Entries(10), 7);
    for entries in if sizes.is_empty() { vec![1_000_000] } else { sizes } {
        measure(Left::Entries(entries), 3);
    }
}

/// One takeover.
struct TakenOver {
    /// From the end of the lease to the next message.
    after_ms: f64,
    /// How many slots were not folded.
    unfolded: u64,
    /// The CPU time of the follower that became the leader, and of Redis.
    own_ms: f64,
    redis_ms: f64,
    /// The longest of Redis' commands.
    longest_ms: f64,
    /// How long a client that only reads takes.
    read_ms: f64,
    /// The new leader's memory.
    resident: f64,
}

fn measure(left: Left, runs: usize) {
    let all: Vec<TakenOver> = (0..runs).map(|_| take_over(left)).collect();
    let of = |value: fn(&TakenOver) -> f64| Sorted::new(all.iter().map(value).collect());
    let (name, budget) = match left {
        Left::Unfolded(slots) => (format!("takeover/unfolded/{slots}"), " (budget 300)"),
        Left::Entries(entries) => (format!("takeover/entries/{entries}"), ""),
    };
    let (after, read) = (of(|one| one.after_ms), of(|one| one.read_ms));
    println!(
        "{name}: the next message {:.0} ms{budget} after the lease's end ({}, {runs} runs), with {:.0} \
         slots unfolded; a client that only reads the same keys {:.1} ms: ratio {:.2}",
        after.median(),
        after.range(),
        of(|one| one.unfolded as f64).median(),
        read.median(),
        read.median() / after.median(),
    );
    println!(
        "{name}: CPU {:.0} ms, of Redis {:.0} ms; its longest command {:.1} ms; the new leader {:.0} MB \
         resident",
        of(|one| one.own_ms).median(),
        of(|one| one.redis_ms).median(),
        of(|one| one.longest_ms).at(1.0),
        of(|one| one.resident).median(),
    );
}

fn take_over(left: Left) -> TakenOver {
    let server = redis_server();
    let (replicas, mut connection) = ([Replica::new(), Replica::new()], server.connect());
    let due = wall_clock() + Duration::from_secs(12);
    for replica in &replicas {
        write(replica, left, due);
    }
    let args = ["--leader-ttl", TTL];
    let mut leader = replicas[0].lead(&server, &args);
    let follower = replicas[1].start(&server, &args);
    eventually(START, "it follows", || (replicas[1].logged("became follower") > 0).then_some(()));
    if let Left::Unfolded(entries) = left {
        assert!(wall_clock() < due, "the machine is too busy");
        eventually(SOON, "all is sent", || {
            (connection.llen::<_, usize>(BURST).unwrap() == entries).then_some(())
        });
    } else {
        // What a leader does first is done by then.
        sleep(Duration::from_secs(3));
    }
    leader.kill();
    let left_ms: f64 = connection.pttl("downbeat:lease").unwrap();
    let (lease_end, unfolded) = (wall_ms() + left_ms.max(0.0), unfolded(&mut connection));
    watch_commands(&mut connection);
    let cpu = |connection: &mut Connection| {
        let redis =
            info(connection, "cpu", "used_cpu_user") + info(connection, "cpu", "used_cpu_sys");
        (ms(follower.cpu_time()), redis * 1e3)
    };
    let (own, redis) = cpu(&mut connection);
    let () = connection.del(TICKS).unwrap();
    wait_for_message(&mut connection, TICKS);
    let after_ms = wall_ms() - lease_end;
    let (own_after, redis_after) = cpu(&mut connection);
    let longest_ms = longest_command(&mut connection);
    let read_ms = read_all(&mut connection);
    // It goes on to lead.
    sleep(Duration::from_millis(500));
    for text in ["lost the lease", "stepped down", "failed to renew"] {
        assert_eq!(replicas[1].logged(text), 0, "{text}");
    }
    TakenOver {
        after_ms,
        unfolded,
        own_ms: own_after - own,
        redis_ms: redis_after - redis,
        longest_ms,
        read_ms,
        resident: megabytes(&follower, "VmRSS"),
    }
}

fn write(replica: &Replica, left: Left, due: UnixMs) {
    match left {
        Left::Unfolded(entries) => {
            write_schedule(&replica.place, Language::Json, entries, |_| {
                (BURST, vec![("at", format!("\"{due}\""))])
            });
            let tick =
                r#"{"entries": {"tick": {"task": "t", "every": "100ms", "queue": "ticks"}}}"#;
            replica.place.write_schedule("tick.json", tick);
        }
        Left::Entries(entries) => {
            write_schedule(&replica.place, Language::Json, entries, seldom_due(10, TICKS));
        }
    }
}

/// How many slots the journal has after what is folded.
fn unfolded(connection: &mut Connection) -> u64 {
    let folded: Option<String> = connection.get("downbeat:folded").unwrap();
    let folded = folded.map_or(0, |id| slots_through(connection, "XRANGE", &id, &id));
    slots_through(connection, "XREVRANGE", "+", "-") - folded
}

fn watch_commands(connection: &mut Connection) {
    for (name, value) in [("slowlog-log-slower-than", "0"), ("slowlog-max-len", "100000")] {
        let () = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query(connection).unwrap();
    }
    let () = redis::cmd("SLOWLOG").arg("RESET").query(connection).unwrap();
}

/// Milliseconds of the longest command since they were watched.
fn longest_command(connection: &mut Connection) -> f64 {
    let all: Vec<Vec<Value>> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query(connection).unwrap();
    let micros = all.iter().map(|one| match one[2] {
        Value::Int(micros) => micros,
        _ => panic!("{one:?}"),
    });
    micros.max().unwrap() as f64 / 1e3
}

/// Reads what a new leader has to read, and gives how many milliseconds that takes.
fn read_all(connection: &mut Connection) -> f64 {
    let began = Instant::now();
    for hash in ["downbeat:registrations", "downbeat:progress", "downbeat:intents"] {
        let mut cursor = 0_u64;
        loop {
            let page: (u64, Value) = redis::cmd("HSCAN")
                .arg(hash)
                .arg(cursor)
                .arg("COUNT")
                .arg(1000)
                .query(connection)
                .unwrap();
            cursor = page.0;
            if cursor == 0 {
                break;
            }
        }
    }
    let folded: Option<String> = connection.get("downbeat:folded").unwrap();
    let mut from = folded.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
    while let Some((last, _)) = read_journal(connection, "XRANGE", &from, "+", 30).last() {
        from = format!("({last}");
    }
    ms(began.elapsed())
}
