//! How late slots are while people pause and resume: three replicas on a real Redis send 500 slots a second,
//! and each handles a third of 100 pauses and resumes a second, all of entries that are due within the
//! second.
//!
//! Lateness is from the slot to its record in the journal, by one clock; first without changes, then with
//! them.
//! `cargo bench --bench pausing`

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

use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::json;
use shared::{Replica, Sorted, ms, redis_server, stop};
use support::http::ask_socket;
use support::recorded::{recorded, server_ms};
use support::redis::RedisServer;
use support::wait::eventually;
use tokio::time::Instant;

/// As many entries, each due every second.
const SLOTS_PER_SECOND: usize = 500;
const CHANGES_PER_SECOND: u32 = 100;
const REPLICAS: usize = 3;
/// No slot is to be later while pauses change.
const BUDGET_MS: f64 = 50.0;

fn main() {
    let is_test = std::env::args().any(|arg| arg == "--test");
    let length = Duration::from_secs(if is_test { 2 } else { 30 });
    let server = redis_server();
    let replicas: Vec<Replica> = (0..REPLICAS).map(|_| replica()).collect();
    let leader = replicas[0].lead(&server, &[]);
    let others: Vec<_> = replicas[1..].iter().map(|replica| replica.start(&server, &[])).collect();
    let sockets: Vec<PathBuf> =
        replicas.iter().map(|replica| replica.place.runtime().join("control.sock")).collect();
    eventually(Duration::from_secs(30), "they listen", || {
        sockets.iter().all(|socket| socket.exists()).then_some(())
    });
    thread::sleep(Duration::from_secs(2));
    let began = server_ms(&mut server.connect());
    thread::sleep(length);
    report("no changes", &server, began);
    let began = server_ms(&mut server.connect());
    let askers: Vec<_> = sockets.into_iter().enumerate().collect();
    let askers =
        askers.into_iter().map(|(n, socket)| thread::spawn(move || ask(n, &socket, length)));
    let askers: Vec<_> = askers.collect();
    let took: Vec<f64> = askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect();
    let took = Sorted::new(took);
    println!(
        "{} pauses and resumes, answered after {:.1} ms (p50), {:.1} ms (p99), {:.1} ms at most",
        took.count(),
        took.median(),
        took.at(0.99),
        took.at(1.0)
    );
    report("with changes", &server, began);
    others.into_iter().for_each(stop);
    stop(leader);
}

fn replica() -> Replica {
    let replica = Replica::new();
    let mut text = String::from("defaults: {queue: pausing}\nentries:\n");
    for n in 0..SLOTS_PER_SECOND {
        let phase = 1000 * n / SLOTS_PER_SECOND;
        writeln!(text, "  e{n:03}: {{task: t, every: 1s, phase: {phase}ms}}").unwrap();
    }
    replica.place.write_schedule("all.yaml", &text);
    replica
}

/// Pauses and resumes at an even pace; gives how many ms each answer took.
fn ask(number: usize, socket: &std::path::Path, length: Duration) -> Vec<f64> {
    let pace = Duration::from_secs(1) * u32::try_from(REPLICAS).unwrap() / CHANGES_PER_SECOND;
    let (began, mut took, mut at) = (Instant::now(), Vec::new(), Duration::ZERO);
    let mut step = 0;
    while at < length {
        thread::sleep(at.saturating_sub(began.elapsed()));
        // Each entry is paused, and resumed with the next step.
        let entry = format!("e{:03}", (REPLICAS * (step / 2) + number) % SLOTS_PER_SECOND);
        let path = if step % 2 == 0 { "/v1/pause" } else { "/v1/resume" };
        let body = json!({"entries": [entry]}).to_string();
        let asked = Instant::now();
        let answer = ask_socket(
            socket,
            &format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        took.push(ms(asked.elapsed()));
        (step, at) = (step + 1, at + pace);
    }
    took
}

fn report(what: &str, server: &RedisServer, began: i64) {
    let ended = server_ms(&mut server.connect());
    let all = recorded(&mut server.connect());
    let lines = all.values().flatten().filter(|one| (began..ended).contains(&one.at_ms));
    let sent = lines.clone().filter(|one| one.is_sent());
    let late = sent.map(|one| (one.at_ms - one.line.slot.0) as f64);
    let late = Sorted::new(late.collect());
    let paused: u64 = lines.filter(|one| one.is_paused()).map(|one| one.line.count).sum();
    let seconds = (ended - began) as f64 / 1000.0;
    println!(
        "{what}: {:.0} slots/s sent, {paused} paused; late by {:.0} ms (p50), {:.0} ms (p99), {:.0} ms at \
         most (budget {BUDGET_MS} ms)",
        late.count() as f64 / seconds,
        late.median(),
        late.at(0.99),
        late.at(1.0)
    );
}
