//! How long a crash takes to recover from: the leader is killed and restarted on the same machine, with real
//! binaries, a real Redis and the default TTL.
//!
//! It measures the time from the kill to the next message, and what the start spends it on: first with a
//! supervisor that restarts at once, then, if a machine can be booted, under the unit in `systemd/`. It
//! prints medians.
//!
//! `cargo bench --bench restart`, `cargo bench --bench restart -- 10000 json`

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

use redis::Commands as _;
use serde_json::Value;
use shared::{
    Language, Replica, Sorted, redis_server, seldom_due, stop, wait_for_message, wall_ms,
    write_schedule,
};
use support::machine::{Init, Machine};
use support::sent::{Sent, instant};
use support::wait::{START, eventually};

const QUEUE: &str = "restart";
const BUDGET_MS: u32 = 300;
/// The pause of the unit, and what a crash costs before and after it.
const PAUSED_AFTER: Duration = Duration::from_secs(10);
/// So many slots a second are due.
const BUSY: usize = 10;

/// What a start logs, and what is done by then.
const STEPS: [(&str, &str); 4] = [
    (" started ", "loaded"),
    ("found the leader's process gone", "looked at the lease"),
    ("became leader", "took it over, read the state"),
    (" dispatched ", "sent"),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let asked_for = |word: &str| args.iter().any(|arg| arg == word);
    if asked_for("--test") {
        restart(10, Language::Yaml, 2);
        return;
    }
    let sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    for entries in if sizes.is_empty() { vec![10, 10_000] } else { sizes } {
        let language = if asked_for("json") { Language::Json } else { Language::Yaml };
        restart(entries, language, 15);
        under_systemd(entries, language, 5);
    }
}

/// Milliseconds after the kill.
#[derive(Default)]
struct Restarts {
    steps: [Vec<f64>; STEPS.len()],
    message: Vec<f64>,
}

impl Restarts {
    fn note(&mut self, killed_at: f64, logged_at: impl Fn(&str) -> f64) {
        for (step, (text, _)) in self.steps.iter_mut().zip(STEPS) {
            step.push(logged_at(text) - killed_at);
        }
    }

    fn print(self, name: &str, entries: usize, language: Language) {
        let message = Sorted::new(self.message);
        println!(
            "{name}/{entries}/{}: the next message {:.0} ms after the kill ({}, {} kills; budget {BUDGET_MS})",
            language.extension(),
            message.median(),
            message.range(),
            message.count(),
        );
        let mut before = 0.0;
        for (step, (_, what)) in self.steps.into_iter().zip(STEPS) {
            let at = Sorted::new(step).median();
            println!("    {what} by {at:.0} ms (+{:.0})", at - before);
            before = at;
        }
    }
}

fn restart(entries: usize, language: Language, kills: usize) {
    let (server, replica) = (redis_server(), Replica::new());
    let () = server.connect().set("downbeat:marker", "1").unwrap();
    write_schedule(&replica.place, language, entries, seldom_due(BUSY, QUEUE));
    let mut connection = server.connect();
    let mut downbeat = replica.lead(&server, &[]);
    let mut restarts = Restarts::default();
    for _ in 0..kills {
        // It has gone on for a while.
        sleep(Duration::from_millis(1_050));
        let killed_at = wall_ms();
        downbeat.kill();
        let () = connection.del(QUEUE).unwrap();
        let log = replica.place.state().join("log");
        let before = fs::read_to_string(&log).unwrap().len();
        downbeat = replica.start(&server, &[]);
        wait_for_message(&mut connection, QUEUE);
        restarts.message.push(wall_ms() - killed_at);
        let logged_at = |text: &str| {
            eventually(START, text, || {
                let log = fs::read_to_string(&log).unwrap();
                let line = log[before..].lines().find(|line| line.contains(text))?;
                Some(instant_ms(line.split(' ').next()?))
            })
        };
        restarts.note(killed_at, logged_at);
    }
    stop(downbeat);
    restarts.print("restart", entries, language);
}

/// With fractions.
fn instant_ms(text: &str) -> f64 {
    text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as f64 / 1e6
}

const REDIS: &str = "[Service]\nExecStart=/usr/bin/redis-server --save '' --port 6379\n";

fn under_systemd(entries: usize, language: Language, kills: usize) {
    let Some(machine) = Machine::boot(Init::Systemd) else { return };
    let install = "cd /usr/share/downbeat && cp *.service /etc/systemd/system/ &&
        cp downbeat.sysusers /usr/lib/sysusers.d/downbeat.conf && systemd-sysusers &&
        systemctl daemon-reload";
    machine.run(install).ok();
    machine.write("/etc/systemd/system/redis.service", REDIS);
    machine.write("/etc/credstore/downbeat.broker", "redis://127.0.0.1:6379/0\n");
    let replica = Replica::new();
    write_schedule(&replica.place, language, entries, seldom_due(BUSY, QUEUE));
    for file in fs::read_dir(replica.place.schedules()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        machine.write(&format!("/etc/downbeat/schedules/{name}"), &text);
    }
    machine.run("systemctl start redis downbeat").ok();
    let main = || machine.run("systemctl show --value -p MainPID downbeat").ok().trim().to_owned();
    let logged_at = |pid: &str, text: &str| {
        eventually(START, &format!("process {pid} logs: {text}"), || {
            let lines =
                machine.run(&format!("journalctl --sync; journalctl -o json _PID={pid}")).ok();
            let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            // A space stands at both ends of a text that is a whole word.
            let of = |line: &Value| format!(" {} ", line["MESSAGE"].as_str().unwrap_or_default());
            let line = lines.find(|line| of(line).contains(text))?;
            Some(line["__REALTIME_TIMESTAMP"].as_str()?.parse::<f64>().unwrap() / 1e3)
        })
    };
    let mut restarts = Restarts::default();
    let mut pid = main();
    for _ in 0..kills {
        logged_at(&pid, " dispatched ");
        // Else it would pause.
        sleep(PAUSED_AFTER);
        let killed_at = machine.run(&format!("date +%s%6N; kill -9 {pid}")).ok();
        let killed_at = killed_at.trim().parse::<f64>().unwrap() / 1e3;
        pid = eventually(START, "another process", || {
            Some(main()).filter(|main| ![&*pid, "0"].contains(&&**main))
        });
        restarts.message.push(logged_at(&pid, " dispatched ") - killed_at);
        restarts.note(killed_at, |text| logged_at(&pid, text));
    }
    machine.run("systemctl stop downbeat").ok();
    restarts.print("systemd", entries, language);
}
