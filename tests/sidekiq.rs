//! A real Sidekiq runs jobs as their entry says, and they look as its client writes them.

use std::process::Command;

use redis::Commands as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::downbeat::Place;
use crate::support::kind::{self, Ran, fixture};
use crate::support::redis::RedisServer;
use crate::support::tools::{needs, tests_folder};
use crate::support::worker::Worker;

const SCHEDULE: &str = r#"
defaults: {queue: mail}
entries:
  jede-sekunde-☃:
    task: Mails::Send
    every: 1s
    args: [1, "é☃ \"quoted\" \n", null, 2.5, {"ü": [true, {deep: [[]]}]}]
    headers: {tags: [spring]}
    options: {retry: 2}
  unicode: {task: PlainJob, cron: "0 0 1 1 *", args: [1, "é☃", {n: [1, 2.5, null, true]}]}
  once: {task: Foo, cron: "0 0 1 1 *", args: [1], options: {retry: 0}, headers: {custom: {a: 1}}}
"#;

fn place(server: &RedisServer, options: &str) -> Place {
    kind::place(server, &format!("queues: {{mail: {{worker: sidekiq{options}}}}}"), SCHEDULE)
}

pub(crate) fn worker(server: &RedisServer, queue: &str) -> Worker {
    let mut command = Command::new("sidekiq");
    command.env("DOWNBEAT_TEST_REDIS", server.socket()).args(["-c", "1", "-q", queue, "-r"]);
    Worker::spawn("sidekiq", command.arg(tests_folder().join("support/sidekiq_worker.rb")))
}

fn ran(event: &Value) -> Ran<'_> {
    Ran { id: event["jid"].as_str().unwrap(), provenance: event }
}

/// The first 24 digits.
pub(crate) fn jid(id: Uuid) -> String {
    id.simple().to_string()[..24].to_owned()
}

#[test]
fn every_slot_runs_once_on_sidekiq() {
    needs!(Redis, Sidekiq);
    let server = RedisServer::start();
    let mut worker = worker(&server, "mail");
    let place = place(&server, "");
    for job in kind::every_slot_runs_once(&place, &mut worker, ran, jid) {
        let args = json!([1, "é☃ \"quoted\" \n", null, 2.5, {"ü": [true, {"deep": [[]]}]}]);
        assert_eq!((&job["class"], &job["args"]), (&json!("Mails::Send"), &args));
        assert_eq!((&job["queue"], &job["retry"]), (&json!("mail"), &json!(2)));
        assert_eq!(job["tags"], json!(["spring"]));
    }
    let queues: Vec<String> = server.connect().smembers("queues").unwrap();
    assert_eq!(queues, ["mail"]);
}

/// Leaves out what differs from push to push and from queue to queue, and what we add.
fn normalised(job: &str) -> Value {
    let mut job: Value = serde_json::from_str(job).unwrap();
    let members = job.as_object_mut().unwrap();
    for time in ["created_at", "enqueued_at"] {
        assert!(members.remove(time).unwrap().as_f64().unwrap() > 1.7e9);
    }
    assert_eq!(members.remove("jid").unwrap().as_str().unwrap().len(), 24);
    members.remove("queue").unwrap();
    members.retain(|name, _| !name.starts_with("downbeat_") && name != "traceparent");
    job
}

#[test]
fn jobs_equal_those_of_sidekiqs_own_client() {
    needs!(Redis);
    let captures = fixture("sidekiq.json");
    for (entry, capture) in [("unicode", "args_unicode"), ("once", "client_push")] {
        let server = RedisServer::start();
        place(&server, "").run(&["trigger", entry]).ok();
        let ours: Vec<String> = server.connect().lrange("queue:mail", 0, -1).unwrap();
        let [ours] = &ours[..] else { panic!("{ours:?}") };
        let captured = captures[capture].as_str().unwrap();
        assert_eq!(normalised(ours), normalised(captured), "{capture}");
    }
}

#[test]
fn a_dry_run_shows_both_writes_and_a_queue_of_wrong_type_is_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server, ", options: {namespace: shop}");
    let shown = place.run(&["trigger", "unicode", "--dry-run"]).ok();
    let [announce, push] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    assert_eq!(announce, "SADD shop:queues mail");
    assert!(push.starts_with(r#"LPUSH shop:queue:mail '{"class":"PlainJob","args":[1,"#), "{push}");
    let () = server.connect().set("shop:queue:mail", "not a list").unwrap();
    let said = place.run(&["trigger", "unicode"]).refused(1);
    assert!(said.contains("WRONGTYPE"), "{said}");
}
