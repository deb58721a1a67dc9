//! redis-py reads JSON objects from lists and streams, as their entry says.

use std::process::Command;

use redis::Commands as _;
use serde_json::{Value, json};

use crate::support::downbeat::Place;
use crate::support::kind::{self, Ran};
use crate::support::redis::RedisServer;
use crate::support::sent::instant;
use crate::support::tools::{needs, python, tests_folder};
use crate::support::wait::{SOON, eventually};
use crate::support::worker::Worker;

/// A queue `audit` of that kind, and an entry for every second.
fn place(server: &RedisServer, kind: &str) -> Place {
    let schedule = r#"
defaults: {queue: audit}
entries:
  jede-sekunde-☃:
    task: audit.note
    every: 1s
    args: [1, "é☃ \"quoted\" \n", null, 2.5, [true, {deep: [[]]}]]
    kwargs: {"ü": "日本語 🎉", n: {a: [1, 2]}}
    headers: {campaign: spring}
    expires: 1h
"#;
    kind::place(server, &format!("queues: {{audit: {kind}}}"), schedule)
}

fn consumer(server: &RedisServer, kind: &str) -> Worker {
    let mut command = Command::new(python());
    command.arg(tests_folder().join("support/consumer.py")).arg(server.socket());
    Worker::spawn("consumer", command.args([kind, "audit"]))
}

fn length(server: &RedisServer) -> usize {
    redis::cmd("XLEN").arg("audit").query(&mut server.connect()).unwrap()
}

fn ran(event: &Value) -> Ran<'_> {
    Ran { id: event["id"].as_str().unwrap(), provenance: &event["headers"] }
}

fn check(server: &RedisServer, kind: &str, consumer: &mut Worker) {
    let place = place(server, kind);
    for event in kind::every_slot_runs_once(&place, consumer, ran, |id| id.to_string()) {
        assert_eq!(event["task"], "audit.note");
        let args = json!([1, "é☃ \"quoted\" \n", null, 2.5, [true, {"deep": [[]]}]]);
        assert_eq!(event["args"], args);
        assert_eq!(event["kwargs"], json!({"ü": "日本語 🎉", "n": {"a": [1, 2]}}));
        assert_eq!(event["headers"]["campaign"], "spring");
        let time = |text: &Value| instant(text.as_str().unwrap()).0;
        let lifetime = time(&event["expires"]) - time(&event["headers"]["downbeat_slot"]);
        assert_eq!(lifetime, 3_600_000);
        assert_eq!(event.as_object().unwrap().len(), 6, "{event}");
    }
}

#[test]
fn every_slot_is_taken_off_a_list_once() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    check(&server, "{worker: json}", &mut consumer(&server, "list"));
    let left: usize = server.connect().llen("audit").unwrap();
    assert_eq!(left, 0);
}

#[test]
fn every_slot_is_read_from_a_stream_by_a_group_once() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let mut consumer = consumer(&server, "stream");
    check(&server, "{worker: stream}", &mut consumer);
    let read = consumer.events().len();
    let kept = length(&server);
    assert_eq!(kept, read, "what has been read stays");
}

#[test]
fn a_stream_is_trimmed_to_about_its_length_some_time_after_a_message() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut pipeline = redis::pipe();
    for n in 0..25_000 {
        pipeline.cmd("XADD").arg(&["audit", "*", "n"]).arg(n).ignore();
    }
    let () = pipeline.query(&mut server.connect()).unwrap();
    let place = place(&server, "{worker: stream, options: {maxlen: 1000}}");
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("dispatched");
    // Whole nodes of a hundred entries go.
    eventually(SOON, "the stream is trimmed", || (length(&server) < 1_200).then_some(()));
    assert!(length(&server) >= 1000);
}

#[test]
fn a_dry_run_shows_the_object_and_a_key_of_wrong_type_is_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let () = server.connect().set("audit", "neither").unwrap();
    for kind in ["{worker: json}", "{worker: stream}"] {
        let place = place(&server, kind);
        let shown = place.run(&["trigger", "jede-sekunde-☃", "--dry-run"]).ok();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["headers"]["downbeat_kind"], "manual");
        let said = place.run(&["trigger", "jede-sekunde-☃"]).refused(1);
        assert!(said.contains("WRONGTYPE"), "{said}");
        let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
        assert!(downbeat.wait_for_log("WRONGTYPE").contains("audit"));
    }
}
