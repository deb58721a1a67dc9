//! A real Celery worker runs messages as their entry says.

use downbeat::schedule::Kind;
use downbeat::worker::{self, Call, Fresh, Message, Queue, Task};
use downbeat_time::UnixMs;
use redis::Commands as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::celery::{CeleryWorker, Event};
use crate::support::kind;
use crate::support::redis::RedisServer;
use crate::support::spool::Folder;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

const SLOT: UnixMs = UnixMs(1_795_230_000_000);

fn message(task: &str, queue: &str, args: &Value, kwargs: &Value) -> Message {
    Message {
        args: args.to_string().into(),
        kwargs: kwargs.to_string().into(),
        call: Call::new(task, Queue::unconfigured(queue)).into(),
    }
}

fn task(message: &Message, id: u128) -> Task<'_> {
    Task {
        entry_name: "nightly-report",
        message,
        task_id: Uuid::from_u128(id),
        slot: SLOT,
        kind: Kind::Scheduled.as_str(),
        expires_at: None,
        now: wall_clock(),
        origin: "downbeat@test",
        fresh: Fresh::draw(&mut fastrand::Rng::new()),
    }
}

fn push(server: &RedisServer, task: &Task<'_>) {
    assert_eq!(worker::check(task.message), Ok(()));
    let writes = worker::render(task);
    server.connect().lpush::<_, _, ()>(writes.key, writes.element).unwrap();
}

fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

fn odd_arguments() -> (Value, Value) {
    let args = json!([1, "é☃ \"quoted\" \\ \n\u{0}", null, 2.5, -0.0, [true, {"deep": [[]]}]]);
    let kwargs = json!({"ü": "日本語 🎉", "big": 9_007_199_254_740_993_i64, "n": {"a": [1, 2]}});
    (args, kwargs)
}

#[test]
fn a_task_runs_with_its_id_arguments_and_headers() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let (args, kwargs) = odd_arguments();
    let mut message = message("demo.echo", "reports", &args, &kwargs);
    message.headers = Some(r#"{"x-trace":"abc","n":5}"#.into());
    // Waits for a worker that has never run before.
    push(&server, &task(&message, 1));
    let [waiting] = &server.queue("reports")[..] else { panic!("not one message") };
    assert_eq!((&waiting.args, &waiting.kwargs), (&args, &kwargs));
    assert_eq!((waiting.kind.as_str(), waiting.entry.as_str()), ("scheduled", "nightly-report"));

    let mut worker = CeleryWorker::start(&server.celery_url(), &["reports"]);
    let run = &worker.wait_for_runs(1)[0];
    assert_eq!(run.id, id(1));
    assert_eq!(run.task, "demo.echo");
    assert_eq!((&run.args, &run.kwargs), (&args, &kwargs));
    assert_eq!((run.queue.as_str(), run.priority), ("reports", Some(0)));
    assert_eq!(run.origin, "downbeat@test");
    assert_eq!(run.headers["x-trace"], "abc");
    assert_eq!(run.headers["n"], 5);
    assert_eq!(run.headers["downbeat_entry"], "nightly-report");
    assert_eq!(run.headers["downbeat_slot"], "2026-11-21T03:00:00.000Z");
    assert_eq!(run.headers["downbeat_kind"], "scheduled");
    assert_eq!(run.headers["periodic_task_name"], "nightly-report");
    assert!(run.headers["traceparent"].as_str().unwrap().starts_with("00-"));
    assert!(server.queue("reports").is_empty());
}

#[test]
fn big_integers_arrive_whole() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let worker = CeleryWorker::start(&server.celery_url(), &["q"]);
    let args = "[1180591620717411303424, 1]".into();
    let message = Message { args, ..message("demo.add", "q", &json!([]), &json!({})) };
    push(&server, &task(&message, 1));
    // The journal's numbers are read as floats here; the worker logs the sum itself.
    eventually(SOON, "the sum is logged", || {
        worker.log().contains("1180591620717411303425").then_some(())
    });
}

#[test]
fn every_priority_is_taken_most_urgent_first() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    for priority in [255, 9, 8, 6, 5, 3, 2, 0] {
        let mut message = message("demo.echo", "q", &json!([]), &json!({}));
        message.priority = Some(priority);
        push(&server, &task(&message, priority.into()));
    }
    let mut worker = CeleryWorker::start(&server.celery_url(), &["q"]);
    let runs = worker.wait_for_runs(8);
    let priorities: Vec<u8> = runs.iter().filter_map(|run| run.priority).collect();
    assert_eq!(priorities, [2, 0, 5, 3, 8, 6, 255, 9]);
}

#[test]
fn an_expired_task_is_revoked_and_a_lasting_one_is_run() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let mut worker = CeleryWorker::start(&server.celery_url(), &["q"]);
    let message = message("demo.echo", "q", &json!([]), &json!({}));
    let now = wall_clock();
    let expired = Some(UnixMs(now.0 - 1));
    let lasting = Some(UnixMs(now.0 + 3_600_000));
    push(&server, &Task { expires_at: expired, ..task(&message, 1) });
    push(&server, &Task { expires_at: lasting, ..task(&message, 2) });
    let runs = worker.wait_for_runs(1);
    assert_eq!(runs[0].id, id(2));
    assert!(runs[0].expires.is_some());
    worker.wait_for("the expired one is revoked", |events| {
        let is_revoked =
            |event: &Event| matches!(event, Event::Revoked { id: revoked } if *revoked == id(1));
        events.iter().any(is_revoked).then_some(())
    });
    assert_eq!(worker.runs().len(), 1);
}

#[test]
fn workers_on_the_rpc_backend_leave_no_results_behind() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let settings = json!({"result_backend": "rpc://"});
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &["q"], &settings);
    let message = message("demo.echo", "q", &json!([]), &json!({}));
    for id in 1..=12 {
        push(&server, &task(&message, id));
    }
    worker.wait_for_runs(12);
    worker.process().terminate();
    worker.process().wait(SOON);
    let mut connection = server.connect();
    let mut keys: Vec<String> = connection.keys("*").unwrap();
    keys.retain(|key| connection.key_type::<_, String>(key).unwrap() == "list");
    assert_eq!(keys, [""; 0]);
}

#[test]
fn files_are_run_in_order_and_expired_ones_are_not() {
    needs!(Python);
    let mut folder = Folder::new();
    let (args, kwargs) = odd_arguments();
    let echo = message("demo.echo", "reports.daily", &args, &kwargs);
    let other = message("anything.at.all", "reports.daily", &json!([]), &json!({}));
    let expired = Some(UnixMs(wall_clock().0 - 1));
    folder.drop_message("reports.daily", &worker::render(&task(&echo, 1)).element);
    let late = Task { expires_at: expired, ..task(&echo, 2) };
    folder.drop_message("reports.daily", &worker::render(&late).element);
    folder.drop_message("reports.daily", &worker::render(&task(&other, 3)).element);
    assert_eq!(folder.files().len(), 3);

    let mut worker = CeleryWorker::start(&folder.celery_url(), &["reports.daily"]);
    let runs = worker.wait_for_runs(2);
    assert_eq!(runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>(), [id(1), id(3)]);
    assert_eq!((&runs[0].args, &runs[0].kwargs), (&args, &kwargs));
    assert_eq!(runs[0].headers["downbeat_slot"], "2026-11-21T03:00:00.000Z");
    assert_eq!(runs[0].queue, "reports.daily");
    assert_eq!(runs[1].task, "anything.at.all");
    // Dropped under the running worker as well.
    folder.drop_message("reports.daily", &worker::render(&task(&other, 4)).element);
    worker.wait_for_runs(3);
    assert!(folder.files().is_empty());
}

#[test]
fn a_queue_with_steps_separator_and_prefix_of_its_own_is_read_by_a_worker_that_has_them() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let configuration = r#"
queues:
  q: {options: {priority_steps: [0, 2, 4, 6, 8], separator: ":", key_prefix: "shop-"}}
"#;
    let priorities = [9, 8, 7, 5, 3, 0];
    let entry = |n| format!("  p{n}: {{task: t, cron: '0 0 1 1 *', queue: q, priority: {n}}}\n");
    let schedule: String = priorities.iter().map(entry).collect();
    let place = kind::place(&server, configuration, &format!("entries:\n{schedule}"));
    for priority in priorities {
        place.run(&["trigger", &format!("p{priority}")]).ok();
    }
    let mut keys: Vec<String> = server.connect().keys("*").unwrap();
    // The bindings are for kombu, and no worker needs them.
    keys.retain(|key| !key.starts_with("downbeat:") && !key.contains("_kombu.binding"));
    keys.sort();
    assert_eq!(keys, ["shop-q", "shop-q:2", "shop-q:4", "shop-q:6", "shop-q:8"]);
    let transport =
        json!({"priority_steps": [0, 2, 4, 6, 8], "sep": ":", "global_keyprefix": "shop-"});
    let settings = json!({"broker_transport_options": transport});
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &["q"], &settings);
    let ran: Vec<_> = worker.wait_for_runs(6).iter().filter_map(|run| run.priority).collect();
    assert_eq!(ran, [0, 3, 5, 7, 9, 8], "by step, and first in, first out within a step");
}
