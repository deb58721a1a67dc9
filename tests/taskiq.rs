//! A real taskiq worker runs messages as their entry says, from a list and from a stream.

use std::process::Command;

use redis::Commands as _;
use serde_json::{Value, json};

use crate::support::downbeat::Place;
use crate::support::kind::{self, Ran, fixture};
use crate::support::redis::RedisServer;
use crate::support::tools::{needs, python, tests_folder};
use crate::support::wait::{SOON, eventually};
use crate::support::worker::Worker;

const SCHEDULE: &str = r#"
defaults: {queue: mail}
entries:
  jede-sekunde-☃:
    task: demo.echo
    every: 1s
    args: [1, "é☃ \"quoted\" \n", null, 2.5, [true, {deep: [[]]}]]
    kwargs: {"ü": "日本語 🎉", n: {a: [1, 2]}}
    headers: {campaign: spring}
    options: {timeout: 1m}
  failing: {task: demo.fail, cron: "0 0 1 1 *", options: {retry_on_error: true, max_retries: 3}}
  slow: {task: demo.nap, cron: "0 0 1 1 *", args: [60], options: {timeout: 50ms}}
  captured: {task: t.add, cron: "0 0 1 1 *", args: [1], kwargs: {b: é}}
"#;

/// Options of the queue for each form of it.
const FORMS: [(&str, &str); 2] = [("list", ""), ("stream", "stream: true, maxlen: 1000")];

fn place(server: &RedisServer, options: &str) -> Place {
    let queues = format!("queues: {{mail: {{worker: taskiq, options: {{{options}}}}}}}");
    kind::place(server, &queues, SCHEDULE)
}

/// A worker; `args` are the queue, `list` or `stream`, and where results go.
pub(crate) fn worker(server: &RedisServer, args: &[&str]) -> Worker {
    let mut command = Command::new(python());
    command.arg(tests_folder().join("support/taskiq_worker.py")).arg(server.socket());
    Worker::spawn("taskiq worker", command.args(args))
}

fn ran(event: &Value) -> Ran<'_> {
    Ran { id: event["id"].as_str().unwrap(), provenance: &event["labels"] }
}

#[test]
fn every_slot_runs_once_on_a_taskiq_worker() {
    needs!(Redis, Python);
    for (form, options) in FORMS {
        let server = RedisServer::start();
        let mut worker = worker(&server, &["mail", form]);
        let place = place(&server, options);
        for run in kind::every_slot_runs_once(&place, &mut worker, ran, |id| id.to_string()) {
            assert_eq!(run["task"], "demo.echo");
            let args = json!([1, "é☃ \"quoted\" \n", null, 2.5, [true, {"deep": [[]]}]]);
            assert_eq!(run["args"], args);
            assert_eq!(run["kwargs"], json!({"ü": "日本語 🎉", "n": {"a": [1, 2]}}));
            let labels = &run["labels"];
            assert_eq!((&labels["campaign"], &labels["timeout"]), (&json!("spring"), &json!(60)));
        }
    }
}

#[test]
fn what_is_sent_to_a_stream_before_its_first_worker_starts_is_not_lost() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server, "stream: true");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let sent = place.run(&["trigger", "jede-sekunde-☃", "--json"]).json(0);
        ids.push(sent["task_id"].clone());
    }
    let mut worker = worker(&server, &["mail", "stream"]);
    let runs = worker.wait_for_events(2);
    assert_eq!(runs.iter().map(|run| run["id"].clone()).collect::<Vec<_>>(), ids);
    eventually(SOON, "all is acknowledged", || {
        let pending: (usize, redis::Value, redis::Value, redis::Value) =
            redis::cmd("XPENDING").arg("mail").arg("taskiq").query(&mut server.connect()).unwrap();
        (pending.0 == 0).then_some(())
    });
}

#[test]
fn options_mean_what_taskiq_takes_them_for() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server, "");
    let mut worker = worker(&server, &["mail", "list", "json"]);
    place.run(&["trigger", "failing"]).ok();
    let runs = worker.wait_for_events(3);
    assert!(runs.iter().all(|run| run["id"] == runs[0]["id"]), "{runs:?}");
    let id =
        place.run(&["trigger", "slow", "--json"]).json(0)["task_id"].as_str().unwrap().to_owned();
    let result = eventually(SOON, "the slow task is cancelled", || {
        server.connect().get::<_, Option<String>>(&id).unwrap()
    });
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(
        (&result["is_err"], &result["error"]["exc_type"]),
        (&json!(true), &json!("TimeoutError"))
    );
    assert_eq!(worker.events().len(), 4);
}

#[test]
fn messages_equal_those_of_taskiqs_own_client() {
    needs!(Redis);
    let captures = fixture("taskiq.json");
    let parsed = |text: &str| -> Value {
        let mut message: Value = serde_json::from_str(text).unwrap();
        assert!(message["task_id"].take().is_string());
        let labels = message["labels"].as_object_mut().unwrap();
        labels.retain(|name, _| !name.starts_with("downbeat_") && name != "traceparent");
        message
    };
    let server = RedisServer::start();
    place(&server, "").run(&["trigger", "captured"]).ok();
    let pushed: Vec<String> = server.connect().lrange("mail", 0, -1).unwrap();
    let capture = &captures["ListQueueBroker"][0];
    assert_eq!(capture[0], "LPUSH");
    assert_eq!(parsed(&pushed[0]), parsed(capture[2].as_str().unwrap()));

    let server = RedisServer::start();
    place(&server, "stream: true").run(&["trigger", "captured"]).ok();
    let [group, add] = [&captures["RedisStreamBroker"][0], &captures["RedisStreamBroker"][1]];
    assert_eq!(*group, json!(["XGROUP", "CREATE", "taskiq", "taskiq", "$", "MKSTREAM"]));
    type Entry = (String, Vec<(String, String)>);
    let mut range = redis::cmd("XRANGE");
    let entries: Vec<Entry> = range.arg(&["mail", "-", "+"]).query(&mut server.connect()).unwrap();
    let [(_, fields)] = &entries[..] else { panic!("{entries:?}") };
    let [(field, message)] = &fields[..] else { panic!("{fields:?}") };
    assert_eq!((&add[0], &add[3]), (&json!("XADD"), &json!(field)));
    assert_eq!(parsed(message), parsed(add[4].as_str().unwrap()));
    let mut groups = redis::cmd("XINFO");
    let groups: redis::Value =
        groups.arg(&["GROUPS", "mail"]).query(&mut server.connect()).unwrap();
    assert!(format!("{groups:?}").contains("taskiq"), "{groups:?}");
}

#[test]
fn a_dry_run_shows_all_writes_and_a_queue_of_wrong_type_is_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server, "stream: true, group: shop");
    let shown = place.run(&["trigger", "captured", "--dry-run"]).ok();
    let [group, add] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    assert_eq!(group, "XGROUP CREATE mail shop '$' MKSTREAM");
    assert!(add.starts_with("XADD mail * data '{\"task_id\":"), "{add}");
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut server.connect()).unwrap(), 0);

    let () = server.connect().set("mail", "no stream").unwrap();
    let said = place.run(&["trigger", "captured"]).refused(1);
    assert!(said.contains("WRONGTYPE"), "{said}");
}
