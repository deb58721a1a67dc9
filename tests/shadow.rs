//! A shadow run decides and records like any other, and sends nothing.

use std::process::Command;

use serde_json::Value;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::http::{address, get, sample, scrape};
use crate::support::kind;
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::spool::files;
use crate::support::tools::{needs, tests_folder};
use crate::support::wait::{SOON, eventually};

const SHADOW: [&str; 4] = ["run", "--shadow", "--leader-ttl", "1s"];
const REAL: [&str; 3] = ["run", "--leader-ttl", "1s"];
const TICK: &str = "entries: {tick: {task: demo.add, every: 1s, args: [1, 2]}}\n";

fn place(broker: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", broker);
    place.write_schedule("jobs.yaml", TICK);
    place
}

/// All keys, sorted.
fn keys(server: &RedisServer) -> Vec<String> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut server.connect()).unwrap();
    keys.sort_unstable();
    keys
}

/// The slots that the shadow run has recorded as sent.
fn recorded(place: &Place, entry: &str) -> usize {
    let events = place.events(&["--shadow", entry]);
    events.iter().filter(|event| event["kind"] == "scheduled").count()
}

fn stop(mut downbeat: Downbeat) {
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

#[test]
fn nothing_is_pushed_to_a_queue_of_any_kind_or_to_a_carrier() {
    needs!(Redis);
    let server = RedisServer::start();
    // Nobody listens there: a carrier that is asked is in trouble.
    let amqp = format!("amqp://127.0.0.1:{}//", free_port());
    let configuration = format!(
        "events: true\nqueues:\n  rq: {{worker: rq}}\n  dramatiq: {{worker: dramatiq}}\n  \
         sidekiq: {{worker: sidekiq}}\n  bullmq: {{worker: bullmq}}\n  json: {{worker: json}}\n  \
         stream: {{worker: stream}}\n  news: {{worker: celery, fanout: true}}\n  \
         carried: {{worker: celery, broker: \"{amqp}\"}}\n"
    );
    let mut schedule = "entries:\n".to_owned();
    let names =
        ["celery", "rq", "dramatiq", "sidekiq", "bullmq", "json", "stream", "news", "carried"];
    for name in names {
        schedule += &format!("  {name}: {{task: demo.add, every: 1s, queue: {name}}}\n");
    }
    let place = kind::place(&server, &configuration, &schedule);
    let shadow = place.start(&SHADOW);
    for name in names {
        shadow.wait_for_dispatches(name, 0, 2);
        assert!(recorded(&place, name) >= 2, "{name}");
    }
    let found = keys(&server);
    assert!(found.iter().all(|key| key.starts_with("downbeat-shadow:")), "{found:?}");
    let stats: String =
        redis::cmd("INFO").arg("commandstats").query(&mut server.connect()).unwrap();
    for command in ["lpush", "rpush", "publish", "zadd", "sadd"] {
        assert!(!stats.contains(&format!("cmdstat_{command}:")), "{command}: {stats}");
    }
    let status = place.run(&["status", "--shadow", "--json"]).json(0);
    assert_eq!(status["troubles"], serde_json::json!([]));
}

#[test]
fn what_depends_on_the_queue_is_left_out_rather_than_guessed() {
    needs!(Redis);
    let server = RedisServer::start();
    redis::cmd("LPUSH").arg("full").arg("x").query::<()>(&mut server.connect()).unwrap();
    let schedule = "entries:\n  full: {task: t, every: 1s, queue: full, max_queued: 1}\n  \
                    alone: {task: jobs.a, every: 1s, queue: rq, overlap: skip}\n  \
                    twice: {task: t, every: 1s, limit: 2}\n";
    let place = kind::place(&server, "queues: {rq: {worker: rq}}", schedule);
    let shadow = place.start(&SHADOW);
    for name in ["full", "alone"] {
        shadow.wait_for_dispatches(name, 0, 3);
    }
    let events = place.events(&["--shadow"]);
    assert!(events.iter().all(|event| event["kind"] == "scheduled"), "{events:?}");
    // What the records themselves decide holds.
    assert_eq!(recorded(&place, "twice"), 2);
    assert_eq!(server.queue("celery"), []);
}

/// A shadow run beside a service with the same settings and the same directories.
fn both_run_side_by_side(broker: &str, sent: impl Fn() -> usize) {
    let place = place(broker);
    let real = place.start(&REAL);
    let shadow = place.start(&[&SHADOW[..], &["--http", "127.0.0.1:0"]].concat());
    shadow.wait_for_dispatches("tick", 0, 2);
    real.wait_for_dispatches("tick", 0, 2);
    let lines = shadow.log();
    let begins = lines.iter().take(3).any(|line| line.contains("shadow run: nothing is sent"));
    assert!(begins && lines.iter().any(|line| line.contains("shadow: dispatched")), "{lines:?}");
    let status = |args: &[&str]| place.run(&[&["status", "--json"], args].concat()).json(0);
    let of = |status: Value| (status["namespace"].clone(), status["shadow"].clone());
    assert_eq!(of(status(&[])), ("downbeat".into(), false.into()));
    assert_eq!(of(status(&["--shadow"])), ("downbeat-shadow".into(), true.into()));
    let shown = place.run(&["status", "--shadow"]).ok();
    assert!(shown.contains("\nshadow     nothing is sent"), "{shown}");
    let address = address(&shadow);
    let health: Value = serde_json::from_str(&get(&address, "/status").body).unwrap();
    assert_eq!(of(health), ("downbeat-shadow".into(), true.into()));
    assert_eq!(sample(&scrape(&address), "downbeat_shadow"), Some(1.0));

    // The commands of a service ask the shadow run as well.
    assert!(place.run(&["list", "--shadow"]).ok().starts_with("tick\t"));
    assert!(recorded(&place, "tick") >= 2);
    place.run(&["pause", "tick", "--shadow"]).ok();
    let paused = |args: &[&str]| place.run(&[&["list", "--paused"], args].concat()).ok();
    assert!(paused(&["--shadow"]).contains("tick") && !paused(&[]).contains("tick"));
    place.run(&["resume", "tick", "--shadow"]).ok();
    place.write_schedule("jobs.yaml", "entries: {tock: {task: t, every: 1s}}\n");
    place.run(&["reload", "--wait", "--shadow"]).ok();
    shadow.wait_for_dispatches("tock", 0, 1);

    stop(real);
    let count = sent();
    shadow.wait_for_dispatches("tock", 0, 3);
    assert_eq!(sent(), count);
    stop(shadow);
}

#[test]
fn a_shadow_run_works_beside_a_service_on_the_same_redis() {
    needs!(Redis);
    let server = RedisServer::start();
    both_run_side_by_side(&server.url(), || server.queue("celery").len());
}

#[test]
fn a_shadow_run_works_beside_a_service_on_the_same_spool() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let broker = format!("spool:{}", spool.display());
    both_run_side_by_side(&broker, || files(&spool.join("queue")).len());
    assert!(files(&spool.join("shadow/queue")).is_empty());
}

#[test]
fn what_sends_by_hand_is_refused() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server.url());
    let shadow = place.start(&SHADOW);
    shadow.wait_for_dispatches("tick", 0, 1);
    let backfill = ["backfill", "tick", "--from", "1h", "--to", "59m"];
    let said = "a shadow run sends nothing; leave out --shadow to ask the service that sends";
    for args in [&["trigger", "tick"][..], &backfill] {
        let shown = place.run(&[args, &["--shadow"]].concat()).refused(1);
        assert!(shown.contains(said), "{shown}");
        // Without the flag, but with the directory of the shadow run.
        let runtime = place.runtime().join("shadow");
        let args = [args, &["--runtime-dir", runtime.to_str().unwrap()]].concat();
        let shown = place.run(&args).refused(1);
        assert!(shown.contains(said), "{shown}");
        place.run(&[&args[..], &["--dry-run"]].concat()).ok();
    }
    assert_eq!(server.queue("celery"), []);
    stop(shadow);
    place.run(&["trigger", "tick", "--shadow"]).refused(1);
}

#[test]
fn neither_takes_the_progress_of_the_other_for_its_own() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    place.write_schedule("jobs.yaml", "entries: {twice: {task: t, every: 1s, limit: 2}}\n");
    let shadow = place.start(&SHADOW);
    shadow.wait_for_log("reached the limit");
    stop(shadow);
    assert_eq!(server.queue("celery"), []);
    let real = place.start(&REAL);
    assert_eq!(server.wait_for_queue("celery", 2).len(), 2);
    real.wait_for_log("reached the limit");
    stop(real);
    // The shadow run remembers its own.
    let shadow = place.start(&SHADOW);
    shadow.wait_for_log("became leader");
    let status = eventually(SOON, "the shadow run knows what it has done", || {
        let status = place.run(&["status", "--shadow", "--json"]).json(0);
        (status["done"] == 1).then_some(status)
    });
    assert_eq!(status["slots"]["dispatched"], 2);
    let named = place.run(&["run", "--namespace", "downbeat-shadow"]).refused(78);
    assert!(named.contains("only a shadow run's namespace ends in `-shadow`"), "{named}");
}

#[test]
fn the_line_in_the_docs_removes_what_it_left() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let place = place(&server.tcp_url());
    let real = place.start(&REAL);
    let shadow = place.start(&SHADOW);
    shadow.wait_for_dispatches("tick", 0, 1);
    real.wait_for_dispatches("tick", 0, 1);
    stop(shadow);
    stop(real);
    let page = std::fs::read_to_string(tests_folder().join("../docs/shadow.md")).unwrap();
    let line = page.lines().find(|line| line.contains("--scan --pattern")).unwrap().trim();
    let line = line.replace("redis://127.0.0.1:6379/0", &server.tcp_url());
    assert!(Command::new("sh").args(["-c", &line]).output().unwrap().status.success());
    let left = keys(&server);
    assert!(left.iter().any(|key| key.starts_with("downbeat:")), "{left:?}");
    assert!(!left.iter().any(|key| key.starts_with("downbeat-shadow:")), "{left:?}");
}
