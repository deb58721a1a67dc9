//! Redis with a separate user for downbeat, which has no more permissions than it needs.

use std::fs;

use downbeat::worker::WorkerKind;

use crate::support::downbeat::Place;
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const KINDS: [WorkerKind; WorkerKind::ALL.len()] = WorkerKind::ALL;

/// What docs/brokers.md says that everybody needs.
fn base() -> Vec<String> {
    let page = page();
    let (_, rules) = page.split_once("ACL SETUSER downbeat ").unwrap();
    let rules = rules.split("```").next().unwrap().replace("PASSWORD", "s3cret");
    rules.split_whitespace().map(str::to_owned).collect()
}

/// What it says of one kind, whose queue is `queue`, or of something else that needs more.
fn more(name: &str, queue: &str) -> Vec<String> {
    let page = page();
    let (_, rules) = page.split_once("ACL SETUSER").unwrap();
    let (_, row) = rules.split_once(&format!("\n| `{name}` |")).unwrap();
    let row = row.lines().next().unwrap().replace("QUEUE", queue).replace("\\|", "|");
    row.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/brokers.md")).unwrap()
}

fn server() -> RedisServer {
    RedisServer::start_with(Options { tcp: true, ..Options::default() })
}

/// Gives the user these rights and no others.
fn permit(server: &RedisServer, rules: &[Vec<String>]) {
    let rules = rules.concat();
    redis::cmd("ACL")
        .arg("SETUSER")
        .arg("downbeat")
        .arg("reset")
        .arg(rules)
        .exec(&mut server.connect())
        .unwrap();
}

fn place(server: &RedisServer) -> Place {
    let url = server.tcp_url().replace("redis://", "redis://downbeat:s3cret@");
    let place = Place::new().env("DOWNBEAT_BROKER", &url).env("DOWNBEAT_LEADER_TTL", "1s");
    let queue = |kind: &WorkerKind| format!("  {kind}-queue: {{worker: {kind}}}\n");
    let queues: String = KINDS.iter().map(queue).collect();
    let queues = queues.replace("worker: stream", "worker: stream, options: {maxlen: 1}");
    let config = place.path().join("c.yaml");
    fs::write(&config, format!("queues:\n{queues}")).unwrap();
    place.env("DOWNBEAT_CONFIG", config.to_str().unwrap())
}

/// What was refused so far, in Redis' words; the server's settings may be.
fn refused(server: &RedisServer) -> Vec<String> {
    let log: Vec<Vec<redis::Value>> =
        redis::cmd("ACL").arg("LOG").query(&mut server.connect()).unwrap();
    let text = |entry: Vec<redis::Value>| format!("{entry:?}");
    log.into_iter()
        .map(text)
        .filter(|entry| !["\"info\"", "config|get"].iter().any(|may| entry.contains(may)))
        .collect()
}

#[test]
fn the_documented_rights_are_enough_for_the_service() {
    needs!(Redis);
    let server = server();
    let kinds = KINDS.map(|kind| more(kind.as_str(), &format!("{kind}-queue")));
    let others = ["events", "peek", "trigger --wait", "check --workers"];
    let others = others.map(|name| more(name, ""));
    permit(&server, &[vec![base()], kinds.to_vec(), others.to_vec()].concat());
    let place = place(&server);
    let config = place.path().join("c.yaml");
    let text = fs::read_to_string(&config).unwrap() + "events: true\n";
    fs::write(config, text).unwrap();
    let entry = |kind: WorkerKind| {
        let guard = if kind == WorkerKind::Stream { "" } else { ", max_queued: 50" };
        format!("  {kind}: {{task: t, every: 1s, queue: {kind}-queue, limit: 9{guard}}}\n")
    };
    let entries: String = KINDS.map(entry).concat();
    place.write_schedule("all.yaml", &format!("entries:\n{entries}"));
    let downbeat = place.start(&["run"]);
    for kind in KINDS {
        downbeat.wait_for_dispatches(kind.as_str(), 0, 3);
    }
    eventually(SOON, "the stream is trimmed", || {
        let mut ask = redis::cmd("INFO");
        let info: String = ask.arg("commandstats").query(&mut server.connect()).unwrap();
        info.contains("cmdstat_xtrim").then_some(())
    });
    place.run(&["status"]).ok();
    place.run(&["resign"]).ok();
    drop(downbeat);
    place.run(&["list"]).ok();
    for kind in KINDS {
        let queue = format!("{kind}-queue");
        assert!(place.run(&["peek", &queue]).ok().contains(kind.as_str()));
    }
    place.run(&["check", "--workers"]).ok();
    for kind in ["celery", "rq", "arq"] {
        place.run(&["trigger", kind, "--wait", "--wait-timeout", "100ms"]);
    }
    assert_eq!(refused(&server), [""; 0]);
}

#[test]
fn the_documented_rights_of_each_kind_are_enough_for_it() {
    needs!(Redis);
    let server = server();
    for kind in KINDS {
        permit(&server, &[base(), more(kind.as_str(), &format!("{kind}-queue"))]);
        let place = place(&server);
        let entry = format!("  e: {{task: t, every: 1s, queue: {kind}-queue}}\n");
        place.write_schedule("all.yaml", &format!("entries:\n{entry}"));
        place.run(&["trigger", "e"]).ok();
    }
    assert_eq!(refused(&server), [""; 0]);
}

#[test]
fn a_missing_right_is_told_with_what_it_is_for() {
    needs!(Redis);
    let server = server();
    let place = place(&server);
    let schedule = "entries:\n  a: {task: t, every: 1s, queue: celery-queue}\n  \
                    b: {task: t, every: 1s, queue: json-queue}\n";
    place.write_schedule("all.yaml", schedule);
    let without = |rule: &str| base().into_iter().filter(|kept| kept != rule).collect::<Vec<_>>();
    let celery = more("celery", "celery-queue");
    for (rule, names) in [("+evalsha", "'evalsha'"), ("+script|load", "'script|load'")] {
        permit(&server, &[without(rule), celery.clone()]);
        let said = place.run(&["trigger", "a"]).refused(1);
        assert!(said.contains(names) && said.contains("docs/brokers.md"), "{said}");
    }
    permit(&server, &[without("~downbeat:*"), celery.clone()]);
    let downbeat = place.start(&["run"]);
    let said = downbeat.wait_for_log("found the broker unavailable");
    assert!(said.contains("docs/brokers.md"), "{said}");

    // Now only one queue is forbidden.
    permit(&server, &[base(), celery]);
    let said = downbeat.wait_for_log("queue refused messages");
    assert!(said.contains("json-queue") && said.contains("LPUSH"), "{said}");
    downbeat.wait_for_dispatches("a", 0, 2);
    let status = place.run(&["status"]).stdout;
    assert!(status.contains("json-queue"), "{status}");
    permit(&server, &[base(), more("celery", "celery-queue"), more("json", "json-queue")]);
    downbeat.wait_for_dispatches("b", 0, 2);
}
