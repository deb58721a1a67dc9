//! `overlap: skip` with real workers: no two tasks of an entry run side by side.

use redis::Commands as _;
use serde_json::json;

use crate::support::celery::CeleryWorker;
use crate::support::downbeat::{Downbeat, Place};
use crate::support::kind;
use crate::support::proxy::Proxy;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::RedisServer;
use crate::support::rq::RqWorker;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};
use crate::{arq, bullmq, taskiq};

/// Of this test alone, as tests share a RabbitMQ.
const QUEUE: &str = "one_by_one";

/// An entry every 300 ms whose task, `task`, holds until the gate is opened.
fn place(server: &RedisServer, queue: &str, task: &str, overlap: &str) -> Place {
    let socket = server.socket().display().to_string();
    // BullMQ's jobs have no `args`.
    let args = if queue.contains("bullmq") { String::new() } else { format!(", args: [{socket}]") };
    let schedule = format!(
        "entries:\n  slow: {{task: {task}, every: 300ms, queue: {QUEUE}, overlap: {overlap}{args}}}\n"
    );
    kind::place(server, &format!("queues: {{{QUEUE}: {queue}}}\n"), &schedule)
}

fn run(place: &Place) -> Downbeat {
    place.start(&["run", "--leader-ttl", "1s"])
}

/// Lets one task come to its end.
fn open_gate(server: &RedisServer) {
    let _: () = server.connect().rpush("gate", "x").unwrap();
}

fn sent(downbeat: &Downbeat) -> usize {
    downbeat.dispatches().len()
}

/// Waits until two more slots were skipped, and gives how many that were so far.
fn skips(place: &Place) -> u64 {
    let count = || {
        let status = place.run(&["status", "--json"]).json(0);
        status["slots"]["still_running"].as_u64().unwrap_or(0)
    };
    let before = count();
    eventually(SOON, "two slots are skipped", || Some(count()).filter(|now| *now >= before + 2))
}

/// Three tasks, one behind the other; `runs` waits until so many have begun, and says how many have.
fn one_by_one(server: &RedisServer, place: &Place, mut runs: impl FnMut(usize) -> usize) {
    let downbeat = run(place);
    for task in 1..=2 {
        runs(task);
        skips(place);
        assert_eq!((sent(&downbeat), runs(task)), (task, task));
        open_gate(server);
    }
    runs(3);
    let skipped = skips(place);
    // By hand it goes at once, and its end is nothing to the schedule.
    place.run(&["trigger", "slow"]).ok();
    skips(place);
    assert_eq!(sent(&downbeat), 4);
    let slots = &place.run(&["status", "--json"]).json(0)["slots"];
    assert!(slots["still_running"].as_u64().unwrap() >= skipped, "{slots}");
    assert_eq!((&slots["dispatched"], &slots["manual"]), (&json!(3), &json!(1)), "{slots}");
}

#[test]
fn celerys_tasks_run_one_by_one_and_results_are_in_another_database() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let results = format!("{{options: {{results: '{}?db=1'}}}}", server.url());
    let place = place(&server, &results, "demo.hold", "skip");
    let backend = format!("{}?virtual_host=1", server.celery_url());
    let settings = json!({"result_backend": backend, "task_track_started": true});
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &[QUEUE], &settings);
    one_by_one(&server, &place, |count| worker.wait_for_runs(count).len());
}

#[test]
fn celerys_tasks_run_one_by_one_even_if_they_ignore_their_results() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let results = format!("{{options: {{results: '{}'}}}}", server.url());
    let place = place(&server, &results, "demo.hold", "skip");
    let settings = json!({"result_backend": server.celery_url(), "task_ignore_result": true});
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &[QUEUE], &settings);
    one_by_one(&server, &place, |count| worker.wait_for_runs(count).len());
}

#[test]
fn celerys_results_may_have_a_prefix_and_be_pickled_or_packed() {
    needs!(Redis, Python);
    for (serializer, prefix) in [("pickle", "shop"), ("msgpack", "shop-")] {
        let server = RedisServer::start();
        let options = format!("{{results: '{}', result_prefix: {prefix}}}", server.url());
        let place = place(&server, &format!("{{options: {options}}}"), "demo.hold", "skip");
        let settings = json!({
            "result_backend": server.celery_url(),
            "result_backend_transport_options": {"global_keyprefix": prefix},
            "result_serializer": serializer,
            "result_accept_content": ["json", serializer],
            "task_track_started": true,
        });
        let mut worker = CeleryWorker::start_with(&server.celery_url(), &[QUEUE], &settings);
        one_by_one(&server, &place, |count| worker.wait_for_runs(count).len());
    }
}

#[test]
fn an_entry_whose_results_are_never_seen_is_named_once() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let options = format!("{{results: '{}'}}", server.url());
    let schedule = format!(
        "entries:\n  quick: {{task: demo.echo, every: 300ms, queue: {QUEUE}, overlap: skip}}\n"
    );
    let queues = format!("queues: {{{QUEUE}: {{options: {options}}}}}\n");
    let place = kind::place(&server, &queues, &schedule);
    let settings = json!({
        "result_backend": server.celery_url(),
        "result_backend_transport_options": {"global_keyprefix": "shop"},
    });
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &[QUEUE], &settings);
    let downbeat = run(&place);
    worker.wait_for_runs(1);
    downbeat.wait_for_log("saw no result of any task of this entry");
    skips(&place);
    let named = downbeat.log().iter().filter(|line| line.contains("saw no result")).count();
    assert_eq!(named, 1);
    let status = place.run(&["status", "--json"]).json(0);
    assert_eq!(status["without_results"], json!(["quick"]));
    let troubles = status["troubles"].to_string();
    assert!(troubles.contains("set `results` and `result_prefix` of the queue"), "{troubles}");
}

#[test]
fn celerys_tasks_run_one_by_one_over_rabbitmq_as_well() {
    needs!(Redis, Python, RabbitMq);
    let (rabbitmq, server) = (RabbitMq::shared(), RedisServer::start());
    let options = format!("{{declare: true, results: '{}'}}", server.url());
    let queue = format!("{{broker: '{}', options: {options}}}", rabbitmq.url());
    let place = place(&server, &queue, "demo.hold", "skip");
    let settings = json!({"result_backend": server.celery_url()});
    let mut worker = CeleryWorker::start_with(&rabbitmq.url(), &[QUEUE], &settings);
    one_by_one(&server, &place, |count| worker.wait_for_runs(count).len());
}

#[test]
fn an_entry_that_keeps_tasks_apart_takes_manual_messages_for_workers_of_any_kind() {
    needs!(Redis);
    let server = RedisServer::start();
    let queues = format!(
        "queues: {{{QUEUE}: {{options: {{results: '{}'}}}}, other: {{worker: json}}}}\n",
        server.url()
    );
    let slow = format!("task: t, every: 1h, queue: {QUEUE}, overlap: skip");
    let schedule = format!(
        "entries:\n  slow: {{{slow}}}\n  says: {{{slow}, options: {{ignore_result: false}}}}\n"
    );
    let place = kind::place(&server, &queues, &schedule);
    place.run(&["trigger", "slow", "--queue", "other"]).ok();
    let refused = place.run(&["trigger", "says", "--queue", "other"]).refused(2);
    assert!(refused.contains("the options are for celery workers"), "{refused}");
    let length: usize = server.connect().llen("other").unwrap();
    assert_eq!(length, 1);
}

#[test]
fn jobs_of_rqs_run_one_by_one() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server, "{worker: rq}", "rq_jobs.hold", "skip");
    let mut worker = RqWorker::start(&server, &[QUEUE]);
    one_by_one(&server, &place, |count| worker.wait_for_runs(count).len());
}

#[test]
fn jobs_of_arqs_run_one_by_one_whatever_their_expiry() {
    needs!(Redis, Python, Apart);
    let server = RedisServer::start();
    let place = place(&server, "{worker: arq}", "demo.hold", "skip, expires: 2s");
    let mut worker = arq::worker(&server, QUEUE, "pickle");
    one_by_one(&server, &place, |count| worker.wait_for_events(count).len());
}

#[test]
fn taskiqs_tasks_run_one_by_one_if_they_leave_results() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let options = format!("results: '{}', result_prefix: shop", server.url());
    let queue = format!("{{worker: taskiq, options: {{{options}}}}}");
    let place = place(&server, &queue, "demo.hold", "skip");
    let mut worker = taskiq::worker(&server, &[QUEUE, "list", "pickle", "shop"]);
    one_by_one(&server, &place, |count| worker.wait_for_events(count).len());
}

#[test]
fn jobs_of_bullmqs_run_one_by_one() {
    needs!(Redis, Bullmq);
    let server = RedisServer::start();
    let place = place(&server, "{worker: bullmq, options: {prefix: shop}}", "demo.hold", "skip");
    let mut worker = bullmq::worker(&server, "bullmq", "shop", QUEUE);
    one_by_one(&server, &place, |count| worker.wait_for_events(count).len());
}

/// The second slot that was sent came about so long after the first.
fn assert_apart(downbeat: &Downbeat, length_ms: i64) {
    let slots = eventually(SOON, "two slots are sent", || {
        let sent = downbeat.dispatches();
        Some((sent.first()?.slot_ms, sent.get(1)?.slot_ms))
    });
    // Either may have been late.
    let range = length_ms - 1000..length_ms + 4000;
    assert!(range.contains(&(slots.1 - slots.0)), "{slots:?}");
}

#[test]
fn a_task_that_was_lost_with_its_worker_holds_up_its_entry_for_so_long_only() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let results = format!("{{options: {{results: '{}'}}}}", server.url());
    let place = place(&server, &results, "demo.hold", "{skip: 4s}");
    let settings = json!({"result_backend": server.celery_url()});
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &[QUEUE], &settings);
    let downbeat = run(&place);
    worker.wait_for_runs(1);
    worker.process().kill();
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &[QUEUE], &settings);
    worker.wait_for_runs(1);
    assert_apart(&downbeat, 4000);
    assert!(downbeat.log().iter().any(|line| line.contains("reason=still_running")));
}

#[test]
fn a_job_that_was_lost_with_its_worker_holds_up_its_entry_for_so_long_only() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place(&server, "{worker: rq}", "rq_jobs.hold", "{skip: 4s}");
    let mut worker = RqWorker::start(&server, &[QUEUE]);
    let downbeat = run(&place);
    worker.wait_for_runs(1);
    worker.process().kill();
    let mut worker = RqWorker::start(&server, &[QUEUE]);
    worker.wait_for_runs(1);
    assert_apart(&downbeat, 4000);
}

#[test]
fn a_lost_answer_leaves_no_slot_over_rabbitmq_uncounted() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, server) = (RabbitMq::shared(), RedisServer::start());
    let proxy = Proxy::start(&server);
    // Nobody works on it, so that all slots but the first are skipped.
    let options = format!("{{declare: true, results: '{}'}}", proxy.url());
    let queue = format!("{{broker: '{}', options: {options}}}", rabbitmq.url());
    let place = kind::place(
        &server,
        &format!("queues: {{unanswered: {queue}}}\n"),
        "entries:\n  slow: {task: t, every: 300ms, queue: unanswered, overlap: skip}\n",
    );
    let place = place.env("DOWNBEAT_BROKER", &proxy.url());
    let downbeat = run(&place);
    downbeat.wait_for_dispatches("slow", 0, 1);
    skips(&place);
    for lost in 1..=4 {
        let from = downbeat.log().len();
        proxy.lose_a_reply();
        eventually(SOON, "a reply is lost", || (proxy.replies_lost() == lost).then_some(()));
        downbeat.wait_for_log_from(from, "resumed publishing");
        skips(&place);
    }
    let slots = place.settled("slow");
    assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == 300), "{slots:?}");
}
