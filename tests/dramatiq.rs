//! A real Dramatiq worker runs messages as their entry says.

use std::process::Command;

use downbeat::schedule::TaskIds;
use redis::Commands as _;
use serde_json::{Value, json};

use crate::support::downbeat::Place;
use crate::support::kind::{self, Ran, fixture};
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::RedisServer;
use crate::support::sent::instant;
use crate::support::tools::{needs, python, tests_folder};
use crate::support::wait::{SOON, eventually};
use crate::support::worker::Worker;

const QUEUES: &str = "queues: {images: {worker: dramatiq, options: {namespace: shop}}}";

const SCHEDULE: &str = r#"
defaults: {queue: images}
entries:
  jede-sekunde-☃:
    task: demo.echo
    every: 1s
    args: [1, "é☃ \"quoted\" \n", null, 2.5, [true, {deep: [[]]}]]
    kwargs: {"ü": "日本語 🎉", n: {a: [1, 2]}}
    headers: {campaign: spring}
    expires: 1h
    options: {max_retries: 2, time_limit: 1m}
  short:
    task: demo.echo
    cron: "0 0 1 1 *"
    expires: 1s
  failing:
    task: demo.fail
    cron: "0 0 1 1 *"
    options: {max_retries: 2, min_backoff: 1ms, max_backoff: 2ms}
  add: {task: add, cron: "0 0 1 1 *"}
  add-unicode:
    task: add
    cron: "0 0 1 1 *"
    args: [1, "é☃"]
    kwargs: {k: "日本", n: {a: [1, 2.5, null, true]}}
  rep:
    task: rep
    cron: "0 0 1 1 *"
    args: [1]
    kwargs: {k: v}
    headers: {custom: x}
    expires: 5s
    options: {max_retries: 1, time_limit: 1s}
"#;

fn place(server: &RedisServer) -> Place {
    kind::place(server, QUEUES, SCHEDULE)
}

fn worker(server: &RedisServer) -> Worker {
    worker_on(server.socket().to_str().unwrap(), "images")
}

fn worker_on(server: &str, queue: &str) -> Worker {
    let mut command = Command::new(python());
    command.arg(tests_folder().join("support/dramatiq_worker.py"));
    Worker::spawn("dramatiq worker", command.args([server, "shop", queue]))
}

fn ran(event: &Value) -> Ran<'_> {
    Ran { id: event["message_id"].as_str().unwrap(), provenance: &event["options"] }
}

#[test]
fn every_slot_runs_once_on_a_dramatiq_worker() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let mut worker = worker(&server);
    let place = place(&server);
    for event in kind::every_slot_runs_once(&place, &mut worker, ran, |id| id.to_string()) {
        assert_eq!((&event["event"], &event["actor_name"]), (&json!("run"), &json!("demo.echo")));
        let args = json!([1, "é☃ \"quoted\" \n", null, 2.5, [true, {"deep": [[]]}]]);
        assert_eq!(event["args"], args);
        assert_eq!(event["kwargs"], json!({"ü": "日本語 🎉", "n": {"a": [1, 2]}}));
        let options = &event["options"];
        assert_eq!(options["campaign"], "spring");
        assert_eq!((&options["max_retries"], &options["time_limit"]), (&json!(2), &json!(60_000)));
        let max_age = options["max_age"].as_i64().unwrap();
        assert!((3_590_000..=3_600_000).contains(&max_age), "{max_age}");
    }
    // Acknowledged: nothing is left to be run again.
    eventually(SOON, "nothing is left", || {
        let left: usize = server.connect().exists(&["shop:images.msgs", "shop:images"]).unwrap();
        (left == 0).then_some(())
    });
}

#[test]
fn a_worker_on_rabbitmq_runs_what_the_entry_says() {
    needs!(Redis, Python, RabbitMq);
    let (server, rabbitmq) = (RedisServer::start(), RabbitMq::shared());
    let queues =
        format!("queues: {{pictures: {{worker: dramatiq, broker: '{}'}}}}", rabbitmq.url());
    let schedule = r#"
defaults: {queue: pictures}
entries:
  jede-sekunde-☃:
    task: demo.echo
    every: 1s
    args: [1, "é☃"]
    kwargs: {"ü": "日本語 🎉", n: {a: [1, 2]}}
    headers: {campaign: spring}
    priority: 7
    expires: 1h
    options: {max_retries: 2}
"#;
    let place = kind::place(&server, &queues, schedule);
    // The worker makes the queue, with arguments of its own: until then, slots wait.
    let mut downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("NO_ROUTE");
    let mut worker = worker_on(&rabbitmq.url(), "pictures");
    let ids = TaskIds::new("downbeat");
    for event in worker.wait_for_events(2) {
        assert_eq!((&event["event"], &event["actor_name"]), (&json!("run"), &json!("demo.echo")));
        assert_eq!(event["args"], json!([1, "é☃"]));
        assert_eq!(event["kwargs"], json!({"ü": "日本語 🎉", "n": {"a": [1, 2]}}));
        let options = &event["options"];
        assert_eq!((&options["campaign"], &options["max_retries"]), (&json!("spring"), &json!(2)));
        let max_age = options["max_age"].as_i64().unwrap();
        assert!((3_500_000..=3_600_000).contains(&max_age), "{max_age}");
        assert_eq!(
            (&options["broker_priority"], &options["redis_message_id"]),
            (&json!(7), &Value::Null)
        );
        let slot = instant(options["downbeat_slot"].as_str().unwrap());
        assert_eq!(event["message_id"], json!(ids.id("jede-sekunde-☃", slot).to_string()));
    }
    downbeat.process().terminate();
    assert!(downbeat.wait(SOON).success());
}

#[test]
fn an_expired_message_is_skipped_and_a_failing_one_is_run_again() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server);
    place.run(&["trigger", "short"]).ok();
    let stored: Vec<String> = server.connect().hvals("shop:images.msgs").unwrap();
    let stored: Value = serde_json::from_str(&stored[0]).unwrap();
    let (sent, max_age) = (&stored["message_timestamp"], &stored["options"]["max_age"]);
    let gone = sent.as_i64().unwrap() + max_age.as_i64().unwrap();
    eventually(SOON, "it is over", || (crate::support::wait::wall_clock().0 > gone).then_some(()));
    place.run(&["trigger", "failing"]).ok();
    let mut worker = worker(&server);
    let events = worker.wait_for_events(4);
    let said: Vec<_> =
        events.iter().map(|event| [&event["event"], &event["options"]["downbeat_entry"]]).collect();
    let (skip, run, short, failing) =
        (json!("skip"), json!("run"), json!("short"), json!("failing"));
    assert_eq!(said, [[&skip, &short], [&run, &failing], [&run, &failing], [&run, &failing]]);
}

/// Leaves out what differs from push to push and from queue to queue, and what we add; the id under
/// which it is stored must be in it.
fn normalised(message: &str, stored_as: &str) -> Value {
    let mut message: Value = serde_json::from_str(message).unwrap();
    let members = message.as_object_mut().unwrap();
    members.remove("queue_name").unwrap();
    assert!(members.remove("message_timestamp").unwrap().as_i64().unwrap() > 1_700_000_000_000);
    assert_eq!(members.remove("message_id").unwrap().as_str().unwrap().len(), 36);
    let options = members["options"].as_object_mut().unwrap();
    assert_eq!(options.remove("redis_message_id").unwrap(), stored_as);
    options.retain(|name, _| !name.starts_with("downbeat_") && name != "traceparent");
    message
}

#[test]
fn messages_equal_those_of_dramatiqs_own_producer() {
    needs!(Redis);
    let captures = fixture("dramatiq.json");
    let pairs =
        [("add", "minimal"), ("add-unicode", "args_kwargs_unicode"), ("rep", "actor_options")];
    for (entry, capture) in pairs {
        let server = RedisServer::start();
        place(&server).run(&["trigger", entry]).ok();
        let mut connection = server.connect();
        let ours: Vec<(String, String)> = connection.hgetall("shop:images.msgs").unwrap();
        let [(id, ours)] = &ours[..] else { panic!("{ours:?}") };
        let pushed: Vec<String> = connection.lrange("shop:images", 0, -1).unwrap();
        assert_eq!(pushed, [id.as_str()]);
        let [hset, rpush] = [&captures[capture][0], &captures[capture][1]];
        assert_eq!((&hset[0], &rpush[0], &hset[2]), (&json!("hset"), &json!("rpush"), &rpush[2]));
        let captured = normalised(hset[3].as_str().unwrap(), rpush[2].as_str().unwrap());
        assert_eq!(normalised(ours, id), captured, "{capture}");
    }
}

#[test]
fn a_dry_run_shows_both_writes_and_a_queue_of_wrong_type_is_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let shown = place.run(&["trigger", "short", "--dry-run"]).ok();
    let [store, push] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    let id = push.strip_prefix("RPUSH shop:images ").unwrap();
    assert!(
        store.starts_with(&format!("HSET shop:images.msgs {id} '{{\"queue_name\":")),
        "{store}"
    );
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut server.connect()).unwrap(), 0);

    let () = server.connect().set("shop:images", "not a list").unwrap();
    let said = place.run(&["trigger", "short"]).refused(1);
    assert!(said.contains("WRONGTYPE"), "{said}");
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    let line = downbeat.wait_for_log("WRONGTYPE");
    assert!(line.contains("images"), "{line}");
}
