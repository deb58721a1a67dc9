//! `peek` shows what waits in a queue, whoever sent it, in the order in which workers take it, and
//! leaves it there.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use downbeat::worker::taskiq::TaskiqStream;
use downbeat::worker::{
    Bodies, BullmqQueue, DecodeError, DramatiqQueue, Queue, RqQueue, SidekiqQueue, TaskiqQueue,
    Waiting, Worker, WorkerKind,
};
use downbeat_time::UnixMs;
use redis::Commands as _;
use serde_json::{Value, json};

use crate::commands::output::on_a_terminal;
use crate::support::celery::CeleryWorker;
use crate::support::downbeat::{Finished, Place};
use crate::support::kind;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::RedisServer;
use crate::support::tools::{needs, python, tests_folder};

const QUEUES: &str = "
queues:
  reports: {}
  images: {worker: rq}
  plain: {worker: rq, options: {serializer: json}}
  thumbs: {worker: dramatiq}
  mail: {worker: sidekiq}
  letters: {worker: bullmq}
  audit: {worker: json}
  clicks: {worker: stream}
  jobs: {worker: arq}
  jobs-packed: {worker: arq, options: {serializer: msgpack}}
  tasks: {worker: taskiq}
  tasks-stream: {worker: taskiq, options: {stream: true}}
";

/// An entry for each queue, of its name.
const ENTRIES: &str = r#"
defaults: {args: [1, "é☃"], kwargs: {n: {a: [1, 2.5, null, true]}}}
entries:
  reports: {task: t, every: 1h, queue: reports, expires: 1h, priority: 5}
  images: {task: t, every: 1h, queue: images, expires: 1h}
  plain: {task: t, every: 1h, queue: plain}
  thumbs: {task: t, every: 1h, queue: thumbs, expires: 1h}
  mail: {task: t, every: 1h, queue: mail, kwargs: {}}
  letters: {task: t, every: 1h, queue: letters, args: []}
  audit: {task: t, every: 1h, queue: audit, expires: 1h}
  clicks: {task: t, every: 1h, queue: clicks}
  jobs: {task: t, every: 1h, queue: jobs, expires: 1h}
  jobs-packed: {task: t, every: 1h, queue: jobs-packed}
  tasks: {task: t, every: 1h, queue: tasks}
  tasks-stream: {task: t, every: 1h, queue: tasks-stream}
"#;

const NAMES: [&str; 12] = [
    "reports",
    "images",
    "plain",
    "thumbs",
    "mail",
    "letters",
    "audit",
    "clicks",
    "jobs",
    "jobs-packed",
    "tasks",
    "tasks-stream",
];

fn lines(finished: Finished) -> Vec<Value> {
    finished.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn peek(place: &Place, queue: &str) -> Vec<Value> {
    lines(place.run(&["peek", queue, "--json"]))
}

#[test]
fn each_kind_of_message_is_shown_and_stays_where_it_is() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, QUEUES, ENTRIES);
    for name in NAMES {
        let sent = place.run(&["trigger", name, "--json"]).json(0);
        let found = peek(&place, name);
        let [message] = &found[..] else { panic!("{found:?}") };
        let id = sent["task_id"].as_str().unwrap().replace('-', "");
        let shown = message["task_id"].as_str().unwrap().replace('-', "");
        assert!(!shown.is_empty() && id.starts_with(&shown), "{id}: {message}");
        let facts =
            ["task", "entry", "kind", "queue", "error", "unread"].map(|name| &message[name]);
        assert_eq!(
            facts,
            [&json!("t"), &json!(name), &json!("manual"), &json!(name), &json!(null), &json!(null)]
        );
        assert_eq!(message["slot"], sent["slot_utc"], "{sent}");
        if name != "letters" {
            assert_eq!(message["args"], json!([1, "é☃"]), "{name}");
        }
        if name != "mail" {
            assert_eq!(message["kwargs"], json!({"n": {"a": [1, 2.5, null, true]}}), "{name}");
        }
        let row = place.run(&["peek", name]);
        assert_eq!(row.stdout.matches('\n').count(), 1, "{row:?}");
        assert!(row.stdout.starts_with(&format!("t\t{name}\tmanual\t")), "{row:?}");
        assert_eq!(lasting(peek(&place, name)), lasting(found));
    }
}

/// Messages without what is new each time: arq's expire when their key does, in so many milliseconds from now.
fn lasting(mut messages: Vec<Value>) -> Vec<Value> {
    for message in messages.iter_mut().filter(|message| message["worker"] == "arq") {
        message.as_object_mut().unwrap().remove("expires_at");
    }
    messages
}

#[test]
fn messages_are_shown_in_the_order_in_which_a_celery_worker_runs_them() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let schedule = "
defaults: {queue: reports}
entries:
  last: {task: demo.echo, every: 1h, priority: 9}
  third: {task: demo.echo, every: 1h, priority: 4}
  first: {task: demo.echo, every: 1h}
";
    let place = kind::place(&server, QUEUES, schedule);
    for entry in ["last", "third", "first", "third", "first", "last"] {
        place.run(&["trigger", entry]).ok();
    }
    let ids = |messages: &[Value]| -> Vec<String> {
        messages.iter().map(|message| message["task_id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&peek(&place, "reports"));
    let few = place.run(&["peek", "reports", "--count", "3", "--json"]);
    assert!(few.stderr.contains("6 messages wait; the first 3 are shown"), "{few:?}");
    assert_eq!(ids(&lines(few)), all[..3]);
    let mut worker = CeleryWorker::start(&server.celery_url(), &["reports"]);
    let run: Vec<_> = worker.wait_for_runs(6).into_iter().map(|run| run.id).collect();
    assert_eq!(run, all);
}

#[test]
fn messages_of_other_producers_are_shown_as_far_as_they_can_be_read() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let mut producers = Command::new(python());
    producers.arg(tests_folder().join("support/producers.py")).arg(server.socket());
    Finished::from(producers.output().unwrap()).ok();
    let queues = |worker: &str| {
        format!("queues: {{foreign: {{worker: {worker}}}, foreign-json: {{worker: rq}}}}")
    };
    let found = |worker, queue| peek(&kind::place(&server, &queues(worker), "entries: {}"), queue);
    let (args, kwargs) = (json!([1, "é☃"]), json!({"n": {"a": [1, 2.5, null, true]}}));

    let messages = found("celery", "foreign");
    assert_eq!(messages.len(), 6, "{messages:?}");
    for (message, task) in
        messages.iter().zip(["plain", "packed", "pickled", "yaml", "bzip2", "later"])
    {
        assert_eq!((&message["task"], &message["entry"]), (&json!(task), &json!(null)));
        if ["yaml", "bzip2"].contains(&task) {
            assert_eq!((&message["args"], &message["error"]), (&json!(null), &json!(null)));
            assert_eq!(message["call"], "[1, 'é☃'] {'n': {'a': [1, 2.5, None, True]}}");
        } else {
            assert_eq!((&message["args"], &message["kwargs"]), (&args, &kwargs), "{task}");
        }
    }
    assert_eq!(
        (&messages[0]["task_id"], &messages[0]["headers"]["x-trace"]),
        (&json!("celery-1"), &json!("abc"))
    );
    assert_eq!(messages[3]["unread"], "a body of the type application/x-yaml");
    assert_eq!(messages[4]["unread"], "a body compressed as application/x-bz2");
    let later = ["not_before", "expires_at", "priority"].map(|name| &messages[5][name]);
    assert_eq!(later, [&json!("2030-01-01T00:00:00Z"), &json!("2031-01-01T00:00:00Z"), &json!(9)]);

    let jobs = found("rq", "foreign");
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!((&jobs[0]["task"], &jobs[0]["task_id"]), (&json!("tasks.plain"), &json!("rq-1")));
    assert_eq!(
        (&jobs[0]["args"], &jobs[0]["kwargs"], &jobs[0]["headers"]),
        (&args, &kwargs, &json!({"trace": "abc"}))
    );
    assert!(jobs[0]["sent_at"].is_string() && jobs[0]["expires_at"].is_string());
    assert_eq!(
        (&jobs[1]["task"], &jobs[1]["call"]),
        (&json!("tasks.object"), &json!("tasks.object(Redis)"))
    );
    assert_eq!(jobs[1]["unread"], "a pickle of more than plain values");
    let jobs = found("rq", "foreign-json");
    assert_eq!((&jobs[0]["task"], &jobs[0]["args"]), (&json!("tasks.json"), &args));

    let messages = found("dramatiq", "foreign");
    assert_eq!((messages.len(), &messages[0]["task"]), (1, &json!("act")));
    assert_eq!((&messages[0]["args"], &messages[0]["kwargs"]), (&args, &kwargs));
    assert!(messages[0]["sent_at"].is_string());
}

fn captures(folder: &str) -> Vec<(String, Value)> {
    let files = std::fs::read_dir(tests_folder().join("fixtures").join(folder)).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let json = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let read = |path: &Path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    json.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), read(&path))).collect()
}

fn queue(worker: Worker) -> Queue {
    Queue { name: "q".into(), worker, amqp: None, catch_up_rate: None }
}

fn read(queue: &Queue, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
    queue.worker.protocol().decode(element, stored)
}

#[test]
fn every_captured_message_is_read() {
    let celery = Queue::unconfigured("celery");
    for (name, capture) in captures("celery") {
        // Others are events, and messages on AMQP.
        let (Some(_), Some(envelope)) = (capture.get("list"), capture.get("envelope")) else {
            continue;
        };
        let waiting = read(&celery, envelope.to_string().as_bytes(), &[]).unwrap();
        assert_eq!(
            (waiting.unread, waiting.task_id.as_deref()),
            (None, envelope["headers"]["id"].as_str()),
            "{name}"
        );
        assert!(waiting.args.unwrap().is_array() && waiting.kwargs.unwrap().is_object(), "{name}");
    }
    let rq = queue(Worker::Rq(RqQueue::default()));
    let Some(Bodies::Hash { fields, .. }) = &rq.locations()[0].bodies else { panic!() };
    for (name, capture) in captures("rq") {
        let field = |name: &&str| match &capture["job"][name] {
            Value::String(text) => Some(text.clone().into_bytes()),
            Value::Null => None,
            packed => Some(BASE64_STANDARD.decode(packed["b64"].as_str().unwrap()).unwrap()),
        };
        let stored: Vec<_> = fields.iter().map(field).collect();
        let waiting = read(&rq, b"id", &stored).unwrap();
        assert_eq!(waiting.unread, None, "{name}");
        assert!(waiting.task.unwrap().starts_with("rqtasks."), "{name}");
        assert!(waiting.args.unwrap().is_array() && waiting.kwargs.unwrap().is_object(), "{name}");
    }
    let dramatiq = queue(Worker::Dramatiq(DramatiqQueue::default()));
    for (name, writes) in kind::fixture("dramatiq.json").as_object().unwrap() {
        let stored = writes[0][3].as_str().unwrap();
        let waiting = read(&dramatiq, b"id", &[Some(stored.into())]).unwrap();
        assert!(waiting.task.is_some() && waiting.sent_at.is_some(), "{name}");
    }
    let sidekiq = queue(Worker::Sidekiq(SidekiqQueue::default()));
    for (name, job) in kind::fixture("sidekiq.json").as_object().unwrap() {
        let waiting = read(&sidekiq, job.as_str().unwrap().as_bytes(), &[]).unwrap();
        assert!(waiting.task.is_some() && waiting.sent_at.is_some(), "{name}");
    }
    let arq = queue(Worker::usual(WorkerKind::Arq));
    for (name, writes) in kind::fixture("arq.json").as_object().unwrap() {
        let job = BASE64_STANDARD.decode(writes[0][3]["b64"].as_str().unwrap()).unwrap();
        let due = writes[1][2].as_str().unwrap().as_bytes().to_vec();
        let waiting = read(&arq, b"id", &[Some(job), None, Some(due)]).unwrap();
        assert_eq!((waiting.task.as_deref(), waiting.unread), (Some("add"), None), "{name}");
        assert!(waiting.args.unwrap().is_array() && waiting.kwargs.unwrap().is_object(), "{name}");
        // One was to wait for five seconds.
        let waits = waiting.not_before.map(|due| due.since(waiting.sent_at.unwrap()).as_secs());
        assert_eq!(waits, (name == "full").then_some(5));
    }
    let stream = Some(TaskiqStream::default());
    let stream = queue(Worker::Taskiq(TaskiqQueue { stream, ..TaskiqQueue::default() }));
    let taskiq = kind::fixture("taskiq.json");
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let (list, entry) = (&taskiq["ListQueueBroker"][0], &taskiq["RedisStreamBroker"][1]);
    let list = read(&queue(Worker::usual(WorkerKind::Taskiq)), &text(&list[2]), &[]).unwrap();
    let fields = [Some(text(&entry[3])), Some(text(&entry[4]))];
    let entry = read(&stream, b"1795236627186-0", &fields).unwrap();
    for waiting in [&list, &entry] {
        assert_eq!((waiting.task.as_deref(), &waiting.args), (Some("t.add"), &Some(json!([1]))));
        assert_eq!(waiting.kwargs, Some(json!({"b": "é"})));
    }
    assert_eq!((list.sent_at, entry.sent_at), (None, Some(UnixMs(1_795_236_627_186))));
    let bullmq = queue(Worker::Bullmq(BullmqQueue::default()));
    let Some(Bodies::Hash { fields, .. }) = &bullmq.locations()[0].bodies else { panic!() };
    for (name, capture) in kind::fixture("bullmq.json").as_object().unwrap() {
        let field = |field: &&str| Some(capture["hash"][field].as_str()?.as_bytes().to_vec());
        let waiting = read(&bullmq, b"1", &fields.iter().map(field).collect::<Vec<_>>()).unwrap();
        assert_eq!((waiting.task.as_deref(), waiting.unread), (Some("send"), None), "{name}");
    }
}

#[test]
fn a_message_that_makes_no_sense_is_a_line_among_the_others() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, QUEUES, ENTRIES);
    place.run(&["trigger", "audit"]).ok();
    let mut redis = server.connect();
    let () = redis.lpush("audit", "\u{1b}[2Jnonsense\n").unwrap();
    let () = redis.lpush("audit", vec![b'x'; (8 << 20) + 1]).unwrap();
    place.run(&["trigger", "audit"]).ok();
    let found = peek(&place, "audit");
    assert_eq!(found.len(), 4);
    assert_eq!((&found[0]["task"], &found[3]["task"]), (&json!("t"), &json!("t")));
    assert!(found[1]["error"].as_str().unwrap().starts_with("not JSON: "), "{}", found[1]);
    assert_eq!(found[1]["raw"], "\u{1b}[2Jnonsense\n");
    assert_eq!(
        (&found[2]["error"], &found[2]["raw"]),
        (&json!("too large to show (8388609 bytes)"), &json!(null))
    );
    let rows = place.run(&["peek", "audit"]).ok();
    assert_eq!(rows.lines().count(), 4, "{rows:?}");
    assert!(rows.contains("\\u001b[2Jnonsense\\n") && !rows.contains('\u{1b}'), "{rows:?}");
    // Ids whose messages have gone.
    let () = redis.rpush("rq:queue:images", "gone").unwrap();
    let () = redis.set("rq:job:gone", "no hash").unwrap();
    let () = redis.rpush("dramatiq:thumbs", "gone").unwrap();
    let () = redis.lpush("bull:letters:wait", "gone").unwrap();
    let () = redis.zadd("jobs", "gone", 1).unwrap();
    for queue in ["images", "thumbs", "letters", "jobs"] {
        let said = peek(&place, queue);
        assert!(said[0]["error"].as_str().unwrap().contains("is gone"), "{said:?}");
        assert_eq!(said[0]["raw"], "gone");
    }
}

#[test]
fn jobs_of_bullmq_with_a_priority_come_after_those_without_and_the_most_urgent_first() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, QUEUES, ENTRIES);
    let mut redis = server.connect();
    for (id, score) in [("low", 9), ("high", 2)] {
        let () = redis.zadd("bull:letters:prioritized", id, score).unwrap();
        let fields = [("name", id), ("data", "{}"), ("opts", "{}"), ("priority", "2")];
        let () = redis.hset_multiple(format!("bull:letters:{id}"), &fields).unwrap();
    }
    place.run(&["trigger", "letters"]).ok();
    let found = peek(&place, "letters");
    let tasks: Vec<_> = found.iter().map(|message| message["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["t", "high", "low"]);
}

#[test]
fn of_a_stream_what_some_group_was_not_given_is_shown() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, QUEUES, ENTRIES);
    let mut redis = server.connect();
    let mut call = |words: &str| {
        let words: Vec<_> = words.split(' ').collect();
        let () = redis::cmd(words[0]).arg(&words[1..]).query(&mut redis).unwrap();
    };
    (1..=4).for_each(|n| call(&format!("XADD clicks {n}-0 n {n}")));
    let ids = |place: &Place| -> Vec<String> {
        let found = peek(place, "clicks");
        found.iter().map(|entry| entry["task_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&place), ["1-0", "2-0", "3-0", "4-0"], "without groups all of it");
    call("XGROUP CREATE clicks fast 0");
    call("XGROUP CREATE clicks slow 0");
    call("XREADGROUP GROUP fast me COUNT 3 STREAMS clicks >");
    call("XREADGROUP GROUP slow me COUNT 2 STREAMS clicks >");
    assert_eq!(ids(&place), ["3-0", "4-0"]);
    let said = place.run(&["peek", "clicks"]).stderr;
    assert!(said.contains("4 entries, read or not"), "{said}");
    assert!(said.contains("group slow: 2 not delivered, 2 not acknowledged"), "{said}");
    call("XREADGROUP GROUP fast me STREAMS clicks >");
    call("XREADGROUP GROUP slow me STREAMS clicks >");
    assert!(ids(&place).is_empty());
    let said = place.run(&["peek", "clicks"]).stderr;
    assert!(said.contains("none is left for a group"), "{said}");
}

#[test]
fn where_nothing_waits_it_says_where_it_looked() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, QUEUES, ENTRIES);
    let empty = place.run(&["peek", "images"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), ""));
    assert!(empty.stderr.starts_with("images (rq): no messages on "), "{empty:?}");
    assert!(empty.stderr.ends_with(" in rq:queue:images\n"), "{empty:?}");
    let unknown = place.run(&["peek", "imagse"]).stderr;
    let places = " in imagse and its 3 lists for other priorities";
    assert!(unknown.contains(places) && !unknown.contains('\\'), "{unknown}");
    let kind =
        "the configuration does not name this queue, so its workers are taken to be celery's";
    assert!(unknown.contains(kind), "{unknown}");
    assert!(unknown.ends_with("; no entry uses this queue\n"), "{unknown}");
}

#[test]
fn another_type_of_key_and_a_broker_that_is_away_are_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, QUEUES, ENTRIES);
    let () = server.connect().hset("audit", "a", 1).unwrap();
    let said = place.run(&["peek", "audit"]).refused(1);
    assert!(said.contains("audit is a hash, which json workers do not read"), "{said}");
    place.run(&["trigger", "clicks"]).ok();
    let other = kind::place(&server, "queues: {clicks: {worker: json}}", ENTRIES);
    let said = other.run(&["peek", "clicks"]).refused(1);
    assert!(said.contains("set `worker: stream`"), "{said}");
    drop(server);
    let said = place.run(&["peek", "audit"]).refused(3);
    assert!(said.starts_with("downbeat: the broker is unavailable: no connection to "), "{said}");
    place.run(&["peek", "audit", "--count", "0"]).refused(2);
}

#[test]
fn messages_in_a_spool_are_shown_in_their_order() {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:state/spool");
    place.write_schedule(
        "jobs.yaml",
        "entries: {a: {task: t, every: 1h, queue: q}, b: {task: u, every: 1h, queue: q.x}}",
    );
    let empty = place.run(&["peek", "q"]);
    assert!(empty.stderr.starts_with("q (celery): no messages on spool:"), "{empty:?}");
    assert!(!place.state().join("spool").exists(), "looking makes nothing");
    let sent: Vec<_> =
        (0..3).map(|_| place.run(&["trigger", "a", "--json"]).json(0)["task_id"].clone()).collect();
    place.run(&["trigger", "b"]).ok();
    let found: Vec<_> =
        peek(&place, "q").iter().map(|message| message["task_id"].clone()).collect();
    assert_eq!(found, sent);
    assert_eq!(peek(&place, "q.x")[0]["task"], "u");
}

#[test]
fn messages_on_amqp_are_counted_and_left_alone() {
    needs!(Redis, RabbitMq);
    let (server, rabbit) = (RedisServer::start(), RabbitMq::shared());
    let queue = format!("peek-{}", uuid::Uuid::new_v4());
    let options = "{declare: true}";
    let configuration =
        format!("queues: {{{queue}: {{broker: '{}', options: {options}}}}}", rabbit.url());
    let schedule = format!("entries: {{a: {{task: t, every: 1h, queue: {queue}}}}}");
    let place = kind::place(&server, &configuration, &schedule);
    let missing = place.run(&["peek", &queue]).refused(1);
    assert!(missing.contains("NOT_FOUND"), "{missing}");
    place.run(&["trigger", "a"]).ok();
    place.run(&["trigger", "a"]).ok();
    for _ in 0..2 {
        let said = place.run(&["peek", &queue]).refused(1);
        assert!(said.contains("2 messages wait in"), "{said}");
        assert!(said.contains("marked as redelivered") && !said.contains("guest:guest"), "{said}");
    }
}

#[test]
fn on_a_terminal_it_fits_and_nothing_moves_the_cursor() {
    needs!(Redis);
    let server = RedisServer::start();
    let schedule = r#"
entries:
  nightly: {task: reports.tasks.build, every: 1h, queue: reports, expires: 1h, priority: 3, args: ["\e[2J", 이름]}
"#;
    let schedule = schedule.replace("이름", &"이름".repeat(100));
    let place = kind::place(&server, QUEUES, &schedule);
    place.run(&["trigger", "nightly"]).ok();
    let Some(shown) = on_a_terminal(&place, "peek reports") else { return };
    assert!(shown.contains("TASK ID") && !shown.contains('\u{1b}'), "{shown:?}");
    assert!(!shown.contains("AGE"), "what no message tells has no column: {shown}");
    for line in shown.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    assert!(shown.lines().any(|line| line.contains("이름") && line.ends_with('…')), "{shown}");
}
