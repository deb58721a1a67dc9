//! A real arq worker runs jobs as their entry says, whatever its serializer.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use redis::Commands as _;
use serde_json::{Value, json};

use crate::support::downbeat::Place;
use crate::support::kind::{self, Ran, fixture};
use crate::support::redis::RedisServer;
use crate::support::tools::{answers, apart, needs, tests_folder};
use crate::support::wait::{SOON, eventually};
use crate::support::worker::Worker;

const SCHEDULE: &str = r#"
defaults: {queue: mail}
entries:
  jede-sekunde-☃:
    task: demo.echo
    every: 1s
    args: [1, "é☃ \"quoted\" \n", null, 2.5, [true, {deep: [[]]}]]
    kwargs: {"ü": "日本語 🎉", n: {a: [1, 2]}, big: 9007199254740993}
    headers: {campaign: spring}
    expires: 1h
  short: {task: demo.echo, cron: "0 0 1 1 *", expires: 50ms}
  retrying: {task: demo.retry, cron: "0 0 1 1 *", options: {job_try: 4}}
  numbered: {task: demo.echo, cron: "0 0 1 1 *", catch_up: all, args: ["{{ slot | unix }}"]}
  minimal: {task: add, cron: "0 0 1 1 *", args: [1, 2]}
  full: {task: add, cron: "0 0 1 1 *", args: [1], kwargs: {b: é}, expires: 1m}
"#;

fn place(server: &RedisServer, serializer: &str) -> Place {
    let queues =
        format!("queues: {{mail: {{worker: arq, options: {{serializer: {serializer}}}}}}}");
    kind::place(server, &queues, SCHEDULE)
}

pub(crate) fn worker(server: &RedisServer, queue: &str, serializer: &str) -> Worker {
    let mut command = apart("arq==0.28.0");
    command.arg(tests_folder().join("support/arq_worker.py")).arg(server.socket());
    Worker::spawn("arq worker", command.args([queue, serializer]))
}

fn wait_until_done(server: &RedisServer) {
    eventually(SOON, "all jobs have ended", || {
        let left: usize = server.connect().zcard("mail").unwrap();
        (left == 0).then_some(())
    });
}

fn ran(event: &Value) -> Ran<'_> {
    Ran { id: event["id"].as_str().unwrap(), provenance: &event["job"] }
}

#[test]
fn every_slot_runs_once_on_an_arq_worker() {
    needs!(Redis, Python, Apart);
    for serializer in ["pickle", "json", "msgpack"] {
        let server = RedisServer::start();
        let mut worker = worker(&server, "mail", serializer);
        let place = place(&server, serializer);
        for run in kind::every_slot_runs_once(&place, &mut worker, ran, |id| id.to_string()) {
            let args = json!([1, "é☃ \"quoted\" \n", null, 2.5, [true, {"deep": [[]]}]]);
            assert_eq!((&run["args"], &run["try"]), (&args, &json!(1)));
            let kwargs =
                json!({"ü": "日本語 🎉", "n": {"a": [1, 2]}, "big": 9_007_199_254_740_993_i64});
            assert_eq!(run["kwargs"], kwargs);
            assert_eq!(
                (&run["job"]["f"], &run["job"]["campaign"]),
                (&json!("demo.echo"), &json!("spring"))
            );
        }
        wait_until_done(&server);
    }
}

#[test]
fn a_queue_holds_as_many_jobs_as_it_may() {
    needs!(Redis);
    let server = RedisServer::start();
    let schedule = "entries: {crowded: {task: t, every: 300ms, max_queued: 2, queue: nobody}}";
    let place = kind::place(&server, "queues: {nobody: {worker: arq}}", schedule);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("queue_full");
    assert_eq!(server.connect().zcard("nobody"), Ok(2));
}

#[test]
fn a_job_that_has_expired_is_not_run_and_a_later_try_is_given_up_sooner() {
    needs!(Redis, Python, Apart);
    let server = RedisServer::start();
    let place = place(&server, "pickle");
    place.run(&["trigger", "short"]).ok();
    eventually(SOON, "the job has expired", || {
        let jobs: Vec<String> = server.connect().keys("arq:job:*").unwrap();
        jobs.is_empty().then_some(())
    });
    place.run(&["trigger", "retrying"]).ok();
    let mut worker = worker(&server, "mail", "pickle");
    worker.wait_for_events(2);
    wait_until_done(&server);
    // Of at most five tries, the first was the fourth.
    let tries: Vec<_> = worker.events().iter().map(|run| run["try"].as_i64().unwrap()).collect();
    assert_eq!(tries, [4, 5]);
}

#[test]
fn a_job_that_is_sent_again_while_it_waits_runs_once() {
    needs!(Redis, Python, Apart);
    let server = RedisServer::start();
    let place = place(&server, "pickle");
    let id = "3e7f0b5c-58bd-43b3-b2bb-da9ccc7470a1";
    place.run(&["trigger", "numbered", "--id", id]).ok();
    // As if nobody remembered.
    let () = server.connect().del(format!("downbeat:run:{id}")).unwrap();
    assert!(place.run(&["trigger", "numbered", "--id", id]).ok().starts_with("sent "));
    let mut worker = worker(&server, "mail", "pickle");
    worker.wait_for_events(1);
    wait_until_done(&server);
    assert_eq!(worker.events().len(), 1);
}

#[test]
fn jobs_of_one_batch_are_due_in_the_order_of_their_slots() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server, "json");
    let range = ["--from", "2000-01-01 00:00", "--to", "2009-01-02 00:00"];
    place.run(&[&["backfill", "numbered"][..], &range].concat()).ok();
    let ids: Vec<String> = server.connect().zrange("mail", 0, -1).unwrap();
    assert_eq!(ids.len(), 10);
    let slots = ids.iter().map(|id| {
        let job: String = server.connect().get(format!("arq:job:{id}")).unwrap();
        serde_json::from_str::<Value>(&job).unwrap()["a"][0].as_i64().unwrap()
    });
    assert!(slots.collect::<Vec<_>>().is_sorted());
}

/// Reads base64, a line each: what the pickle holds, as Python shows it.
const UNPICKLE: &str = "
import base64, json, pickle, sys
for line in sys.stdin:
    print(json.dumps(repr(pickle.loads(base64.b64decode(json.loads(line))))))
";

#[test]
fn jobs_equal_those_of_arqs_own_client() {
    needs!(Redis, Python);
    let captures = fixture("arq.json");
    for (name, lifetime) in [("minimal", 86_400_000), ("full", 60_000)] {
        let server = RedisServer::start();
        place(&server, "pickle").run(&["trigger", name]).ok();
        let mut connection = server.connect();
        let [store, add] = [&captures[name][0], &captures[name][1]];
        assert_eq!([&store[0], &add[0]], ["PSETEX", "ZADD"]);
        let waiting: Vec<(String, f64)> = connection.zrange_withscores("mail", 0, -1).unwrap();
        let [(id, due)] = &waiting[..] else { panic!("{waiting:?}") };
        let key = format!("arq:job:{id}");
        let left: i64 = connection.pttl(&key).unwrap();
        assert!((lifetime - 5_000..=lifetime).contains(&left), "{left}");
        assert_eq!(store[2], json!(lifetime.to_string()));
        // Of 13 digits, as theirs.
        assert_eq!((*due as i64).to_string().len(), add[2].as_str().unwrap().len());
        let ours: Vec<u8> = connection.get(&key).unwrap();
        let both = [json!(BASE64_STANDARD.encode(ours)), store[3]["b64"].clone()];
        let both = answers(UNPICKLE, &both);
        let [ours, theirs] = [&both[0], &both[1]].map(|text| text.as_str().unwrap());
        // The time differs, and what follows is ours.
        let (same, _) = theirs.split_once("'et': ").unwrap();
        assert!(ours.starts_with(same), "{ours}\n{theirs}");
        assert!(ours.contains("'downbeat_entry': "), "{ours}");
    }
}

#[test]
fn a_dry_run_shows_both_writes_and_a_queue_of_wrong_type_is_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server, "json");
    let shown = place.run(&["trigger", "full", "--dry-run"]).ok();
    let [store, add] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    let id = add.strip_prefix("ZADD mail $(date +%s%3N) ").unwrap();
    let expected = format!("PSETEX arq:job:{id} ");
    assert!(
        store.starts_with(&expected) && store.contains(r#"{"t":null,"f":"add","a":[1]"#),
        "{store}"
    );
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut server.connect()).unwrap(), 0);

    let () = server.connect().set("mail", "no set").unwrap();
    let said = place.run(&["trigger", "full"]).refused(1);
    assert!(said.contains("WRONGTYPE"), "{said}");
    assert_eq!(server.connect().keys::<_, Vec<String>>("arq:*").unwrap(), [""; 0]);
}
