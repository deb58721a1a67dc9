//! Real RQ workers run jobs as their entry says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use downbeat::schedule::{Kind, TaskIds};
use downbeat::worker::rq::Callback;
use downbeat::worker::{
    self, Call, Fresh, Message, Options, Queue, RqOptions, RqQueue, Task, Worker, Writes,
};
use downbeat_time::UnixMs;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use redis::Commands as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::downbeat::Place;
use crate::support::redis::RedisServer;
use crate::support::rq::{RqWorker, Run, django_stats, rq_info};
use crate::support::sent::instant;
use crate::support::tools::{answers, needs};
use crate::support::wait::{SOON, eventually};

mod options;

const QUEUES: &str = "
queues:
  images: {worker: rq}
  plain: {worker: rq, options: {serializer: json}}
";

/// What an entry can say, and odd arguments.
const JOBS: &str = r#"
defaults: {queue: images}
entries:
  thumbnails:
    task: rq_jobs.echo
    every: 1s
    limit: 4
    args: [1, "é☃ \"quoted\" \\ \n", null, 2.5, -0.0, [true, {deep: [[]]}]]
    kwargs: {"ü": "日本語 🎉", big: 9007199254740993, "self": {a: [1, -2]}}
    headers: {x-campaign: spring, n: [5]}
    expires: 1h
    options: {timeout: 1h, result_ttl: 1d, failure_ttl: 1w}
  crowded: {task: rq_jobs.echo, every: 1s, max_queued: 2, queue: nobody}
  plain: {task: rq_jobs.echo, at: 2030-01-01 00:00, queue: plain, args: [[{a: 1}]], kwargs: {b: ☃}}
  flaky: {task: rq_jobs.fail, at: 2030-01-01 00:00, options: {retry: 2, description: Never works}}
  endless: {task: rq_jobs.echo, at: 2030-01-01 00:00, options: {timeout: -1}}
  hasty: {task: rq_jobs.echo, at: 2030-01-01 00:00, expires: 1s}
"#;

fn place(server: &RedisServer) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    let place = place.env("DOWNBEAT_CONFIG", "downbeat.yaml");
    let queues = format!("{QUEUES}  nobody: {{worker: rq}}\n");
    std::fs::write(place.path().join("downbeat.yaml"), queues).unwrap();
    place.write_schedule("jobs.yaml", JOBS);
    place
}

/// The id of the one job that is triggered.
fn trigger(place: &Place, entry: &str) -> String {
    let sent = place.run(&["trigger", entry, "--json"]).json(0);
    sent["task_id"].as_str().unwrap().to_owned()
}

fn status(server: &RedisServer, id: &str) -> Option<String> {
    server.connect().hget(format!("rq:job:{id}"), "status").unwrap()
}

fn check_thumbnails(run: &Run) {
    let args = json!([1, "é☃ \"quoted\" \\ \n", null, 2.5, -0.0, [true, {"deep": [[]]}]]);
    let kwargs =
        json!({"ü": "日本語 🎉", "big": 9_007_199_254_740_993_i64, "self": {"a": [1, -2]}});
    assert_eq!((&run.args, &run.kwargs), (&args, &kwargs));
    assert_eq!((run.queue.as_str(), &run.timeout), ("images", &json!(3600)));
    let call = run.description.as_str().unwrap();
    assert!(call.starts_with("rq_jobs.echo(1, 'é☃ \"quoted\" \\\\ \\n', None, 2.5"), "{call}");
    assert_eq!((&run.meta["x-campaign"], &run.meta["n"]), (&json!("spring"), &json!([5])));
    assert_eq!(run.meta["downbeat_entry"], "thumbnails");
    assert!(run.meta["traceparent"].as_str().unwrap().starts_with("00-"));
    let slot = instant(run.meta["downbeat_slot"].as_str().unwrap());
    let id = TaskIds::new("downbeat").id("thumbnails", slot);
    assert_eq!(run.id, id.to_string());
}

#[test]
fn each_slot_runs_once_with_its_id_however_many_schedulers_there_are() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let (one, other) = (place(&server), place(&server));
    let mut worker = RqWorker::start(&server, &["images"]);
    let mut leader = one.start(&["run", "--leader-ttl", "1s"]);
    leader.wait_for_log("became leader");
    let follower = other.start(&["run", "--leader-ttl", "1s"]);
    worker.wait_for_runs(1);
    leader.process().kill();
    follower.wait_for_log("became leader");
    let runs = worker.wait_for_runs(4);
    follower.wait_for_log("reached the limit");
    runs.iter().for_each(check_thumbnails);
    let ids: BTreeSet<_> = runs.iter().map(|run| run.id.clone()).collect();
    assert_eq!((runs.len(), ids.len()), (4, 4));
    eventually(SOON, "the last job is done", || {
        let done = |id: &String| status(&server, id).as_deref() == Some("finished");
        ids.iter().all(done).then_some(())
    });
    // Nothing is left where a worker that dies leaves its job.
    assert_eq!(server.connect().llen("rq:queue:images:intermediate"), Ok(0));
    let result_ttl: i64 = server.connect().ttl(format!("rq:job:{}", ids.first().unwrap())).unwrap();
    assert!((86_000..=86_400).contains(&result_ttl), "{result_ttl}");
    // The queue that nobody works on holds as many as it may.
    assert_eq!(server.connect().llen("rq:queue:nobody"), Ok(2));
    follower.wait_for_log("queue_full");
}

#[test]
fn workers_that_read_json_get_json() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server);
    let id = trigger(&place, "plain");
    let mut worker = RqWorker::start(&server, &["--serializer", "json", "plain"]);
    let run = &worker.wait_for_runs(1)[0];
    assert_eq!((&run.id, run.queue.as_str()), (&id, "plain"));
    assert_eq!((&run.args, &run.kwargs), (&json!([[{"a": 1}]]), &json!({"b": "☃"})));
    assert_eq!(run.meta["downbeat_kind"], "manual");
    // RQ's own limit.
    assert_eq!(run.timeout, Value::Null);
}

#[test]
fn options_mean_what_rq_takes_them_for() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server);
    let mut worker = RqWorker::start(&server, &["images"]);
    let flaky = trigger(&place, "flaky");
    let runs = worker.wait_for_runs(3);
    assert!(runs.iter().all(|run| run.id == flaky && run.description == "Never works"));
    eventually(SOON, "it has failed", || {
        (status(&server, &flaky).as_deref() == Some("failed")).then_some(())
    });
    let endless = trigger(&place, "endless");
    let runs = worker.wait_for_runs(4);
    assert_eq!((&runs[3].id, &runs[3].timeout), (&endless, &json!(-1)));
}

#[test]
fn a_job_that_nobody_took_in_time_is_gone() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server);
    let hasty = trigger(&place, "hasty");
    assert_eq!(server.connect().hget(format!("rq:job:{hasty}"), "ttl"), Ok("1".to_owned()));
    eventually(SOON, "the job has expired", || status(&server, &hasty).is_none().then_some(()));
    let later = trigger(&place, "endless");
    let mut worker = RqWorker::start(&server, &["images"]);
    let runs = worker.wait_for_runs(1);
    assert_eq!(runs.iter().map(|run| &run.id).collect::<Vec<_>>(), [&later]);
}

#[test]
fn dashboards_see_the_queue_and_django_rq_works_on_it() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server);
    let ids = [trigger(&place, "endless"), trigger(&place, "endless")];
    let info = rq_info(&server);
    assert!(info.contains("queue images 2, 0 executing, 0 finished, 0 failed"), "{info}");
    assert_eq!(django_stats(&server)["jobs"], 2);
    let mut worker = RqWorker::start_django(&server);
    let runs = worker.wait_for_runs(2);
    assert_eq!([&runs[0].id, &runs[1].id], [&ids[0], &ids[1]]);
    eventually(SOON, "both are counted", || {
        (django_stats(&server)["finished_jobs"] == 2).then_some(())
    });
}

#[test]
fn what_a_dry_run_prints_is_what_would_be_written() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let printed = place.run(&["trigger", "hasty", "--dry-run"]).ok();
    let lines: Vec<&str> = printed.lines().collect();
    let [del, hset, expire, sadd, push] = lines[..] else { panic!("{printed}") };
    let id = del.strip_prefix("DEL rq:job:").unwrap();
    assert!(hset.starts_with(&format!("HSET rq:job:{id} created_at 20")), "{hset}");
    assert!(hset.contains(r#" data "\x80\x02(X\x0c\x00\x00\x00rq_jobs.echo"#), "{hset}");
    assert!(expire.starts_with(&format!("PEXPIREAT rq:job:{id} ")), "{expire}");
    assert_eq!(sadd, "SADD rq:queues rq:queue:images");
    assert_eq!(push, format!("RPUSH rq:queue:images {id}"));
    let keys: u64 = redis::cmd("DBSIZE").query(&mut server.connect()).unwrap();
    assert_eq!(keys, 0, "a dry run writes nothing");
}

#[test]
fn a_queue_of_a_wrong_type_is_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    server.connect().set::<_, _, ()>("rq:queue:images", "no list").unwrap();
    let said = place.run(&["trigger", "endless"]).refused(1);
    assert!(said.contains("WRONGTYPE"), "{said}");
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    let line = downbeat.wait_for_log("WRONGTYPE");
    assert!(line.contains("queue=images "), "{line}");
    assert_eq!(server.connect().get("rq:queue:images"), Ok("no list".to_owned()));
}

fn message(queue: &str, task: &str, args: &str, kwargs: &str) -> Message {
    let worker = Worker::Rq(RqQueue::default());
    let queue = Queue { name: queue.into(), worker, amqp: None, catch_up_rate: None };
    Message { args: args.into(), kwargs: kwargs.into(), call: Call::new(task, queue.into()).into() }
}

fn rendered(message: &Message, lifetime_ms: Option<i64>) -> Writes {
    assert_eq!(worker::check(message), Ok(()));
    worker::render(&Task {
        entry_name: "entry",
        message,
        task_id: Uuid::from_u128(7),
        slot: UnixMs(0),
        kind: Kind::Scheduled.as_str(),
        expires_at: lifetime_ms.map(UnixMs),
        now: UnixMs(0),
        origin: "downbeat@host",
        fresh: Fresh::draw(&mut fastrand::Rng::with_seed(1)),
    })
}

/// The fields of the job's hash; those that are no text are in base64.
fn fields(writes: &Writes) -> BTreeMap<String, Value> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let value = |name: &str, bytes: &[u8]| match name {
        "data" | "meta" => json!({"b64": BASE64_STANDARD.encode(bytes)}),
        _ => text(bytes).into(),
    };
    let hash = writes.before.iter().find(|command| command[0] == b"HSET").unwrap();
    let pairs = hash[2..].chunks(2).map(|pair| (text(&pair[0]), &pair[1]));
    pairs.map(|(name, bytes)| (name.clone(), value(&name, bytes))).collect()
}

/// Reads base64, a line each: what is in it, as Python shows it, whether it is compressed or not.
const UNPICKLE: &str = "
import base64, json, pickle, sys, zlib
for line in sys.stdin:
    data = base64.b64decode(json.loads(line))
    try:
        data = zlib.decompress(data)
    except zlib.error:
        pass
    print(json.dumps(repr(pickle.loads(data))))
";

fn unpickled(field: &Value) -> Value {
    answers(UNPICKLE, std::slice::from_ref(&field["b64"])).remove(0)
}

fn assert_equals_capture(name: &str, message: &Message, not_ours: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rq");
    let text = std::fs::read_to_string(folder.join(name).with_extension("json")).unwrap();
    let capture: Value = serde_json::from_str(&text).unwrap();
    let lifetime = Some(capture["ttl"].as_i64().unwrap() * 1000).filter(|ttl| *ttl > 0);
    let writes = rendered(message, lifetime);
    let push = [writes.push.command(), &writes.key, "ID"];
    assert_eq!(capture["push"].as_array().unwrap()[..2], push[..2]);
    let queues = [b"SADD".to_vec(), b"rq:queues".to_vec(), writes.key.clone().into()];
    assert_eq!(writes.before.last().unwrap(), &queues);
    assert_eq!(capture["queues"], writes.key);

    let theirs = capture["job"].as_object().unwrap().clone();
    let mut theirs: BTreeMap<String, Value> = theirs.into_iter().collect();
    let mut ours = fields(&writes);
    let (our_meta, their_meta) = (ours.remove("meta"), theirs.remove("meta"));
    if let Some(their_meta) = their_meta {
        let (ours, theirs) = (unpickled(&our_meta.unwrap()), unpickled(&their_meta));
        let theirs = theirs.as_str().unwrap().trim_end_matches('}');
        assert!(ours.as_str().unwrap().starts_with(theirs), "{ours}");
    }
    for (name, value) in ours.iter_mut().chain(theirs.iter_mut()) {
        match name.as_str() {
            "data" => *value = unpickled(value),
            "created_at" | "enqueued_at" => {
                let time = value.as_str().unwrap();
                assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
                *value = json!("a time");
            }
            _ => {}
        }
    }
    for name in not_ours {
        assert!(theirs.remove(*name).is_some(), "{name}");
        ours.remove(*name);
    }
    assert_eq!(ours, theirs, "{name}");
}

fn with(options: RqOptions, mut message: Message) -> Message {
    message.options = Some(Box::new(Options::Rq(options)));
    message
}

#[test]
fn a_job_is_what_rqs_own_producer_writes() {
    needs!(Python);
    let usual = RqOptions { timeout: Some(180), ..RqOptions::default() };
    let call = message(
        "default",
        "rqtasks.rec",
        r#"[1,"é☃"]"#,
        r#"{"k":"日本","n":{"a":[1,2.5,null,true]}}"#,
    );
    // The producer writes keyword arguments out one by one.
    assert_equals_capture("args_kwargs_unicode", &with(usual.clone(), call), &["description"]);

    let full = RqOptions {
        timeout: Some(120),
        result_ttl: Some(3600),
        failure_ttl: Some(7200),
        retry: Some(3),
        retry_intervals: vec![1, 2, 3],
        description: Some("my job".into()),
        on_success: Some(Callback { func: "rqtasks.cb".into(), timeout: Some(60) }),
        on_failure: Some(Callback { func: "rqtasks.cb".into(), timeout: Some(60) }),
        ..RqOptions::default()
    };
    let mut call = message("high", "rqtasks.rec", "[1]", r#"{"k":"v"}"#);
    call.headers = Some(r#"{"trace":"abc"}"#.into());
    assert_equals_capture("full", &with(full, call), &[]);

    let add = || message("default", "rqtasks.add", "[1,2]", "{}");
    let timeout_str = RqOptions { timeout: Some(3600), result_ttl: Some(-1), ..usual.clone() };
    assert_equals_capture("timeout_str", &with(timeout_str, add()), &[]);
    let at_front = RqOptions { at_front: true, ..usual.clone() };
    assert_equals_capture("at_front", &with(at_front, add()), &[]);
    let result_ttl_0 = RqOptions { result_ttl: Some(0), ..usual };
    assert_equals_capture("result_ttl_0", &with(result_ttl_0, add()), &[]);
}

/// Reads args, kwargs and a pickled call, a line each: whether they are the same, types included.
const COMPARE: &str = "
import base64, json, pickle, sys
for line in sys.stdin:
    args, kwargs, data = json.loads(line)
    args, kwargs = json.loads(args), json.loads(kwargs)
    call = pickle.loads(base64.b64decode(data))
    print(json.dumps(repr(call) == repr(('t', None, tuple(args), kwargs))))
";

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (i64::MAX as u64..).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

#[test]
fn python_unpickles_what_the_json_says() {
    needs!(Python);
    let mut runner = TestRunner::deterministic();
    let args = prop::collection::vec(any_value(), 0..6);
    let kwargs = prop::collection::hash_map(any::<String>(), any_value(), 0..4);
    let mut question = || {
        let args = Value::from(args.new_tree(&mut runner).unwrap().current()).to_string();
        let kwargs = kwargs.new_tree(&mut runner).unwrap().current();
        let kwargs = kwargs.into_iter().collect::<Value>().to_string();
        let data = fields(&rendered(&message("q", "t", &args, &kwargs), None))["data"].clone();
        json!([args, kwargs, data["b64"]])
    };
    let questions: Vec<Value> = (0..1000).map(|_| question()).collect();
    for (question, same) in questions.iter().zip(answers(COMPARE, &questions)) {
        assert_eq!(same, true, "{question}");
    }
}
