//! What entries say arrives, by the way they name.

use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use super::{Client, configure, place, servers};
use crate::support::celery::{CeleryWorker, Event};
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

#[test]
fn a_worker_runs_an_entry_with_all_that_it_says() {
    needs!(Redis, Python, RabbitMq);
    let (rabbitmq, redis) = servers();
    let mut worker = CeleryWorker::start(&rabbitmq.url(), &["reports"]);
    let place = place(&rabbitmq.url(), &redis.url());
    place.write_schedule(
        "all.yaml",
        r#"
entries:
  nightly:
    task: demo.echo
    every: 1s
    queue: reports
    args: [1, "é☃ \"quoted\"", null, 2.5, [true, {deep: [[]]}]]
    kwargs: {"ü": "日本語 🎉", big: 9007199254740993, n: {a: [1, 2]}}
    headers: {x-trace: abc, n: 5, big: 5000000000, deep: {list: [1.5, null, true]}}
    priority: 3
    expires: 1h
"#,
    );
    let mut downbeat = place.start(&["run"]);
    let runs = worker.wait_for_runs(3);
    let run = &runs[0];
    assert_eq!(run.args, json!([1, "é☃ \"quoted\"", null, 2.5, [true, {"deep": [[]]}]]));
    let kwargs = json!({"ü": "日本語 🎉", "big": 9_007_199_254_740_993_i64, "n": {"a": [1, 2]}});
    assert_eq!(run.kwargs, kwargs);
    assert_eq!((run.queue.as_str(), run.priority), ("reports", Some(3)));
    assert!(run.expires.is_some());
    assert_eq!(run.headers["x-trace"], "abc");
    assert_eq!((&run.headers["n"], &run.headers["big"]), (&json!(5), &json!(5_000_000_000_i64)));
    assert_eq!(run.headers["deep"], json!({"list": [1.5, null, true]}));
    assert_eq!(run.headers["downbeat_kind"], "scheduled");
    assert_eq!(run.headers["periodic_task_name"], "nightly");
    for pair in runs.windows(2) {
        assert_ne!(pair[0].id, pair[1].id);
    }
    let dispatched = downbeat.log().join("\n");
    assert!(dispatched.contains(&run.id), "{dispatched}");
    downbeat.process().terminate();
    assert!(downbeat.wait(SOON).success());
    let intents: usize =
        redis::cmd("HLEN").arg("downbeat:intents").query(&mut redis.connect()).unwrap();
    assert_eq!(intents, 0, "nothing is in doubt after a clean stop");
}

#[test]
fn messages_that_have_expired_are_not_run() {
    needs!(Redis, Python, RabbitMq);
    let (rabbitmq, redis) = servers();
    let client = Client::connect(&rabbitmq);
    client.declare("brief");
    let place = place(&rabbitmq.url(), &redis.url());
    place.write_schedule(
        "all.yaml",
        "defaults: {queue: brief}\nentries:\n  brief: {task: demo.echo, every: 1h, expires: 1ms}\n  \
         lasting: {task: demo.echo, every: 1h, expires: 1h}\n",
    );
    let sent = place.run(&["trigger", "brief"]).ok();
    assert!(sent.contains(" on amqp://") && !sent.contains("redis"), "{sent}");
    place.run(&["trigger", "lasting"]).ok();
    // RabbitMQ drops it once it has expired, without a worker.
    eventually(SOON, "only the lasting one is left", || (client.count("brief") == 1).then_some(()));
    let mut worker = CeleryWorker::start(&rabbitmq.url(), &["brief"]);
    let runs = worker.wait_for_runs(1);
    assert_eq!(runs[0].headers["downbeat_entry"], "lasting");
    assert!(!worker.events().iter().any(|event| matches!(event, Event::Rejected { .. })));
    assert_eq!(worker.runs().len(), 1);
}

#[test]
fn the_highest_priority_is_taken_first_where_the_queue_has_priorities() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let client = Client::connect(&rabbitmq);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-priority".into(), AMQPValue::LongInt(10));
    client.declare_with("urgent", arguments);
    let place = place(&rabbitmq.url(), &redis.url());
    let mut text = "defaults: {queue: urgent}\nentries:\n".to_owned();
    for priority in [2, 9, 0, 5] {
        text += &format!("  p{priority}: {{task: t, every: 1h, priority: {priority}}}\n");
    }
    place.write_schedule("all.yaml", &text);
    for entry in ["p2", "p9", "p0", "p5"] {
        place.run(&["trigger", entry]).ok();
    }
    let taken = client.wait_for("urgent", 4);
    let priorities: Vec<_> = taken.iter().map(|message| message.priority).collect();
    assert_eq!(priorities, [9, 5, 2, 0]);
    assert!(taken.iter().all(|message| message.kind == "manual"));
}

#[test]
fn an_exchange_routes_by_the_key_of_queue_or_entry() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let client = Client::connect(&rabbitmq);
    client.bind_topic("tasks", "slow.#", "slow-tasks");
    client.bind_topic("tasks", "fast.*", "fast-tasks");
    let place = configure(
        place(&rabbitmq.url(), &redis.url()),
        "queues: {work: {options: {exchange: tasks, routing_key: fast.usual}}}\n",
    );
    place.write_schedule(
        "all.yaml",
        "defaults: {queue: work}\nentries:\n  usual: {task: t, every: 1s}\n  \
         deep: {task: t, every: 1s, routing_key: slow.very.deep}\n  \
         nowhere: {task: t, every: 1h, routing_key: neither.here}\n  \
         missing: {task: t, every: 1h, exchange: no-such-exchange}\n",
    );
    let downbeat = place.start(&["run"]);
    let fast = client.wait_for("fast-tasks", 2);
    let slow = client.wait_for("slow-tasks", 2);
    assert!(fast.iter().all(|message| message.entry == "usual"), "{fast:?}");
    assert!(slow.iter().all(|message| message.entry == "deep"), "{slow:?}");
    drop(downbeat);
    let said = place.run(&["trigger", "nowhere"]).refused(1);
    assert!(
        said.contains("NO_ROUTE: no queue for the key `neither.here` of the exchange `tasks`"),
        "{said}"
    );
    let said = place.run(&["trigger", "missing"]).refused(1);
    assert!(said.contains("NOT_FOUND - no exchange 'no-such-exchange'"), "{said}");
}

#[test]
fn a_missing_queue_is_told_and_holds_up_nobody_else() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let client = Client::connect(&rabbitmq);
    client.declare("there");
    let place = place(&rabbitmq.url(), &redis.url());
    place.write_schedule(
        "all.yaml",
        "entries:\n  lost: {task: t, every: 1s, queue: not-there-yet}\n  \
         fine: {task: t, every: 1s, queue: there}\n",
    );
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("queue refused messages");
    client.take("there");
    client.wait_for("there", 3);
    let status = place.run(&["status", "--json"]).json(1);
    let words = status["refusing"]["not-there-yet"].as_str().unwrap().to_owned();
    assert!(words.contains("NO_ROUTE: no queue for the key `not-there-yet`"), "{words}");
    assert_eq!(status["refusing"].as_object().unwrap().len(), 1, "{status}");
    client.declare("not-there-yet");
    downbeat.wait_for_log("queue accepted messages again");
    let taken = client.wait_for("not-there-yet", 3);
    assert_eq!(super::assert_whole(&taken, 1000), 0);
    assert!(taken.iter().all(|message| message.kind == "scheduled"), "none was ever in doubt");
}

#[test]
fn a_queue_is_declared_as_celery_would_only_when_asked() {
    needs!(Redis, Python, RabbitMq);
    let (rabbitmq, redis) = servers();
    let place = configure(
        place(&rabbitmq.url(), &redis.url()),
        "queues: {made: {options: {declare: true}}}\n",
    );
    place.write_schedule(
        "all.yaml",
        "entries:\n  made: {task: demo.echo, every: 1h, queue: made}\n  \
         unmade: {task: demo.echo, every: 1h, queue: unmade}\n",
    );
    place.run(&["trigger", "made"]).ok();
    place.run(&["trigger", "unmade"]).refused(1);
    // A worker would end at a queue that is declared otherwise than it does.
    let mut worker = CeleryWorker::start(&rabbitmq.url(), &["made"]);
    assert_eq!(worker.wait_for_runs(1)[0].queue, "made");
}

#[test]
fn limits_and_full_queues_hold_on_amqp_too() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, redis) = servers();
    let client = Client::connect(&rabbitmq);
    client.declare("limited");
    client.declare("narrow");
    let place = place(&rabbitmq.url(), &redis.url());
    place.write_schedule(
        "all.yaml",
        "entries:\n  limited: {task: t, every: 1s, queue: limited, limit: 2}\n  \
         narrow: {task: t, every: 1s, queue: narrow, max_queued: 1}\n",
    );
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("reached the limit");
    eventually(SOON, "slots are skipped as queue_full", || {
        let status = place.run(&["status", "--json"]).json(0);
        status["slots"]["queue_full"].as_u64().filter(|full| *full >= 2)
    });
    assert_eq!(client.take("narrow").len(), 1);
    assert_eq!(client.take("limited").len(), 2);
    client.wait_for("narrow", 1);
}

#[test]
fn a_dry_run_shows_the_message_and_sends_none() {
    needs!(Redis);
    let redis = RedisServer::start();
    let place = place("amqp://nobody:s3cret@127.0.0.1:1//", &redis.url());
    place.write_schedule(
        "all.yaml",
        "entries:\n  a: {task: demo.echo, every: 1h, args: [1], queue: q, expires: 1m}\n",
    );
    let shown = place.run(&["trigger", "a", "--dry-run"]).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["exchange"], &shown["routing_key"]), (&json!(""), &json!("q")));
    assert_eq!(shown["headers"]["task"], "demo.echo");
    assert_eq!(shown["body"][0], json!([1]));
    assert_eq!(shown["properties"]["delivery_mode"], 2);
    assert_eq!(shown["properties"]["expiration"], "60000");
    let said = place.run(&["trigger", "a"]).refused(3);
    assert!(said.contains("no connection to amqp://nobody:***@127.0.0.1:1//"), "{said}");
    assert!(!said.contains("s3cret"));
}
