//! A real BullMQ worker runs jobs as their entry says, from paused queues, too.

use std::collections::HashMap;
use std::process::Command;

use redis::Commands as _;
use serde_json::{Value, json};

use crate::support::downbeat::Place;
use crate::support::kind::{self, Ran, fixture};
use crate::support::redis::RedisServer;
use crate::support::tools::{needs, node_modules, tests_folder};
use crate::support::wait::{SOON, eventually};
use crate::support::worker::Worker;

const SCHEDULE: &str = r#"
defaults: {queue: mail}
entries:
  jede-sekunde-☃:
    task: send
    every: 1s
    kwargs: {"ü": "日本語 🎉 \"quoted\" \n", n: {a: [1, 2.5, null, [true, {deep: [[]]}]]}}
    headers: {campaign: spring}
    options: {attempts: 2, backoff: 1s, remove_on_complete: 100, remove_on_fail: 7d}
  minimal: {task: send, cron: "0 0 1 1 *"}
  data:
    task: send
    cron: "0 0 1 1 *"
    kwargs: {to: "é☃", n: [1, 2.5, null, true]}
    options: {attempts: 3, backoff: {type: fixed, delay: 1s}, remove_on_complete: 100}
  failing:
    task: demo.fail
    cron: "0 0 1 1 *"
    options: {attempts: 3, backoff: 1ms, remove_on_fail: true}
"#;

/// Old and new: where the jobs of a paused queue wait differs.
const VERSIONS: [&str; 3] = ["bullmq-4", "bullmq-5", "bullmq"];

fn place(server: &RedisServer) -> Place {
    kind::place(server, "queues: {mail: {worker: bullmq, options: {prefix: shop}}}", SCHEDULE)
}

fn node(server: &RedisServer, version: &str) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", node_modules()).env("DOWNBEAT_TEST_BULLMQ", version);
    command.arg(tests_folder().join("support/bullmq_worker.js")).arg(server.socket());
    command
}

pub(crate) fn worker(server: &RedisServer, version: &str, prefix: &str, queue: &str) -> Worker {
    Worker::spawn("bullmq worker", node(server, version).args([prefix, queue]))
}

/// `pause` or `resume`, by BullMQ's own queue object.
fn give(server: &RedisServer, version: &str, order: &str) {
    let status = node(server, version).args(["shop", "mail", order]).status().unwrap();
    assert!(status.success());
}

fn ran(event: &Value) -> Ran<'_> {
    Ran { id: event["id"].as_str().unwrap(), provenance: &event["opts"] }
}

#[test]
fn every_slot_runs_once_on_a_bullmq_worker() {
    needs!(Redis, Bullmq);
    let server = RedisServer::start();
    let mut worker = worker(&server, "bullmq", "shop", "mail");
    let place = place(&server);
    for job in kind::every_slot_runs_once(&place, &mut worker, ran, |id| id.to_string()) {
        let deep = json!({"a": [1, 2.5, null, [true, {"deep": [[]]}]]});
        assert_eq!(job["data"], json!({"ü": "日本語 🎉 \"quoted\" \n", "n": deep}));
        assert_eq!((&job["name"], &job["opts"]["campaign"]), (&json!("send"), &json!("spring")));
        assert_eq!(job["opts"]["backoff"], json!({"type": "fixed", "delay": 1000}));
        assert_eq!(job["opts"]["removeOnFail"], json!({"age": 604_800}));
    }
}

#[test]
fn jobs_sent_while_a_queue_is_paused_run_once_it_goes_on_whatever_the_version() {
    needs!(Redis, Bullmq);
    for version in VERSIONS {
        let server = RedisServer::start();
        let place = place(&server);
        let mut worker = worker(&server, version, "shop", "mail");
        place.run(&["trigger", "data"]).ok();
        worker.wait_for_events(1);
        give(&server, version, "pause");
        for _ in 0..3 {
            place.run(&["trigger", "data"]).ok();
        }
        // Of a queue that takes jobs nothing is to be seen here for a moment.
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(worker.events().len(), 1, "{version}: ran while paused");
        give(&server, version, "resume");
        let jobs = worker.wait_for_events(4);
        place.run(&["trigger", "minimal"]).ok();
        worker.wait_for_events(5);
        let mut ids: Vec<_> = jobs.iter().map(|job| job["id"].as_str().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 4, "{version}");
    }
}

#[test]
fn a_failing_job_is_attempted_as_often_as_asked_and_removed() {
    needs!(Redis, Bullmq);
    let server = RedisServer::start();
    let place = place(&server);
    let mut worker = worker(&server, "bullmq", "shop", "mail");
    place.run(&["trigger", "failing"]).ok();
    let jobs = worker.wait_for_events(3);
    let id = jobs[0]["id"].as_str().unwrap();
    eventually(SOON, "the job is gone", || {
        let is_there: bool = server.connect().exists(format!("shop:mail:{id}")).unwrap();
        (!is_there).then_some(())
    });
    let attempts: Vec<_> = jobs.iter().map(|job| job["attemptsMade"].as_i64().unwrap()).collect();
    assert_eq!(attempts, [0, 1, 2]);
}

#[test]
fn jobs_equal_those_of_bullmqs_own_client() {
    needs!(Redis);
    let captures = fixture("bullmq.json");
    for name in ["minimal", "data"] {
        let server = RedisServer::start();
        place(&server).run(&["trigger", name]).ok();
        let mut connection = server.connect();
        let ids: Vec<String> = connection.lrange("shop:mail:wait", 0, -1).unwrap();
        let [id] = &ids[..] else { panic!("{ids:?}") };
        let marker: Vec<(String, i64)> =
            connection.zrange_withscores("shop:mail:marker", 0, -1).unwrap();
        let pushes = json!([
            ["LPUSH", "bull:mail:wait", captures[name]["pushes"][0][2]],
            ["ZADD", "bull:mail:marker", marker[0].1.to_string(), marker[0].0],
        ]);
        assert_eq!(pushes, captures[name]["pushes"]);

        let ours: HashMap<String, String> = connection.hgetall(format!("shop:mail:{id}")).unwrap();
        let mut ours = json!(ours);
        let mut captured = captures[name]["hash"].clone();
        for hash in [&mut ours, &mut captured] {
            hash["timestamp"] = json!(hash["timestamp"].as_str().unwrap().len());
            hash["data"] = serde_json::from_str(hash["data"].as_str().unwrap()).unwrap();
            let mut options: Value = serde_json::from_str(hash["opts"].as_str().unwrap()).unwrap();
            let members = options.as_object_mut().unwrap();
            members.remove("jobId");
            members.retain(|name, _| !name.starts_with("downbeat_") && name != "traceparent");
            if name == "minimal" {
                // Only ours never lets jobs pile up that are done.
                members.remove("removeOnComplete");
            }
            hash["opts"] = options;
        }
        assert_eq!(ours, captured, "{name}");
    }
}

#[test]
fn a_queue_of_unknown_form_is_refused_and_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let refused = |said: &str| {
        let refusal = place.run(&["trigger", "minimal"]).refused(1);
        assert!(refusal.contains(said), "{refusal}");
        assert_eq!(server.connect().llen::<_, usize>("shop:mail:wait").unwrap_or(0), 0);
    };
    let mut connection = server.connect();
    let () = connection.hset("shop:mail:meta", "paused", "1").unwrap();
    refused("the queue is paused, and does not say by which version of BullMQ");
    let () = connection.hset("shop:mail:meta", "version", "bullmq:7.0.1").unwrap();
    refused("the queue is kept by `bullmq:7.0.1`, and only versions 4 to 6 of BullMQ are known");
    let () = connection.hset("shop:mail:meta", "version", "bullmq:6.0.0").unwrap();
    let () = connection.set("shop:mail:wait", "not a list").unwrap();
    let refusal = place.run(&["trigger", "minimal"]).refused(1);
    assert!(refusal.contains("WRONGTYPE"), "{refusal}");
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    assert!(downbeat.wait_for_log("WRONGTYPE").contains("mail"));
}

#[test]
fn a_dry_run_shows_all_writes() {
    needs!(Redis);
    let server = RedisServer::start();
    let shown = place(&server).run(&["trigger", "data", "--dry-run"]).ok();
    let [store, wake, push] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    let id = push.strip_prefix("LPUSH shop:mail:wait ").unwrap();
    assert!(store.starts_with(&format!("HSET shop:mail:{id} name send data '")), "{store}");
    assert_eq!(wake, "ZADD shop:mail:marker 0 0");
}
