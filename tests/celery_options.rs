//! A real Celery worker does what `options` of an entry say, and every worker gets the messages of a fanout.

use std::fs;

use redis::Commands as _;
use serde_json::{Value, json};

use crate::support::celery::{CeleryWorker, Run};
use crate::support::downbeat::Place;
use crate::support::kind;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const FOLLOWED: &str = r#"
timezone: Asia/Seoul
defaults: {queue: q}
entries:
  linked:
    task: demo.add
    args: [1, 2]
    every: 1d
    options:
      link: {task: demo.echo, args: ["linked {{ slot | date }}"], kwargs: {entry: "{{ entry }}"}, options: {queue: other, priority: 3}}
  chained:
    task: demo.add
    args: [3, 4]
    every: 1d
    options:
      chain:
        - {task: demo.add, args: [10], options: {queue: q}}
        - {task: demo.echo, args: [last], immutable: true, options: {queue: other}}
  failing:
    task: demo.fail
    every: 1d
    options: {link_error: [{task: demo.alert, options: {queue: other}}]}
"#;

/// The arguments and keyword arguments of each run of a task, in the order of the runs.
fn calls(runs: &[Run], task: &str) -> Vec<(Value, Value)> {
    let of_task = runs.iter().filter(|run| run.task == task);
    of_task.map(|run| (run.args.clone(), run.kwargs.clone())).collect()
}

#[test]
fn tasks_follow_as_links_chains_and_error_handlers() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = kind::place(&server, "", FOLLOWED);
    let settings = json!({"decorated": {"unused": {}}});
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &["q", "other"], &settings);
    place.run(&["trigger", "linked", "--slot", "2026-11-22T00:00:00Z"]).ok();
    let runs = worker.wait_for_runs(2);
    let linked = (json!([3, "linked 2026-11-22"]), json!({"entry": "linked"}));
    assert_eq!(calls(&runs, "demo.echo"), [linked]);
    assert_eq!(runs[1].queue, "other");
    assert_eq!(runs[1].priority, Some(3));

    place.run(&["trigger", "chained"]).ok();
    let runs = worker.wait_for_runs(5);
    assert_eq!(
        calls(&runs, "demo.add")[1..],
        [(json!([3, 4]), json!({})), (json!([7, 10]), json!({}))]
    );
    assert_eq!(calls(&runs, "demo.echo")[1..], [(json!(["last"]), json!({}))]);

    let id = "00000000-0000-4000-8000-000000000007";
    place.run(&["trigger", "failing", "--id", id]).ok();
    let runs = worker.wait_for_runs(7);
    assert_eq!(calls(&runs, "demo.alert"), [(json!([id]), json!({}))]);
}

#[test]
fn secrets_in_arguments_are_hidden_where_workers_show_them() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let schedule = "
entries:
  secret:
    task: demo.echo
    every: 1d
    queue: q
    args: [s3cret]
    kwargs: {token: s3cret}
    options: {argsrepr: (***), kwargsrepr: '{token: ***}'}
";
    let place = kind::place(&server, "", schedule);
    let mut worker = CeleryWorker::start(&server.celery_url(), &["q"]);
    place.run(&["trigger", "secret"]).ok();
    let run = worker.wait_for_runs(1).remove(0);
    assert_eq!((run.args, run.kwargs), (json!(["s3cret"]), json!({"token": "s3cret"})));
    assert_eq!(
        (run.argsrepr.as_deref(), run.kwargsrepr.as_deref()),
        (Some("(***)"), Some("{token: ***}"))
    );
}

/// How often each worker has run a task.
fn counts(workers: &[CeleryWorker]) -> Vec<usize> {
    workers.iter().map(|worker| worker.runs().len()).collect()
}

#[test]
fn every_worker_gets_each_message_of_a_fanout_once() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let queues = "queues: {news: {fanout: true}}";
    let schedule = "entries: {reload: {task: demo.echo, every: 1s, queue: news}}";
    let place = kind::place(&server, queues, schedule);
    let settings = json!({"broadcasts": ["news"]});
    let start =
        |name| CeleryWorker::start_named(name, &server.celery_url(), &["news"], &settings, "");
    let mut workers = [start("one@here"), start("two@here")];
    let mut downbeat = place.start(&["run"]);
    workers.iter_mut().for_each(|worker| drop(worker.wait_for_runs(2)));
    downbeat.process().terminate();
    downbeat.wait(SOON);
    let sent = downbeat.dispatches().len();
    eventually(SOON, "each has run every slot", || (counts(&workers) == [sent; 2]).then_some(()));
    let [one, two] = workers.map(|worker| worker.runs());
    let ids = |runs: &[Run]| runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&one), ids(&two), "in the same order, and none twice");
    let keys: Vec<String> = server.connect().keys("news*").unwrap();
    assert_eq!(keys, [""; 0], "nothing waits anywhere");
}

#[test]
fn a_message_to_all_waits_until_a_worker_listens() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    // As of an application with a `task_default_queue` and a `global_keyprefix`.
    let options = "{key_prefix: shop-, fanout_prefix: '/f{db}.', routing_key: default}";
    let queues = format!("queues: {{news: {{fanout: true, options: {options}}}}}");
    let schedule = "entries: {reload: {task: demo.echo, every: 1s, queue: news, within: 1h}}";
    let place = kind::place(&server, &queues, schedule);
    let nothing = place.run(&["peek", "news"]).refused(1);
    assert!(nothing.contains("nothing waits in `news`"), "{nothing}");
    let refused = place.run(&["trigger", "reload"]).refused(1);
    assert!(refused.contains("no worker listens (PUBLISH shop-/f0.news/default)"), "{refused}");
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("queue refused messages; retrying");
    eventually(SOON, "the status says why", || {
        let status: Value = serde_json::from_str(&place.run(&["status", "--json"]).stdout).ok()?;
        status["refusing"]["news"]
            .as_str()
            .filter(|why| why.contains("no worker listens"))
            .map(drop)
    });
    let transport = json!({"global_keyprefix": "shop-", "fanout_prefix": "/f{db}."});
    let settings = json!({
        "broadcasts": ["news"],
        "task_default_queue": "default",
        "broker_transport_options": transport,
    });
    let mut worker = CeleryWorker::start_with(&server.celery_url(), &["news"], &settings);
    worker.wait_for_runs(2);
    downbeat.wait_for_log("queue accepted messages again");
}

#[test]
fn every_worker_gets_the_messages_of_a_fanout_over_rabbitmq() {
    needs!(Redis, Python, RabbitMq);
    let (rabbitmq, server) = (RabbitMq::shared(), RedisServer::start());
    let queues = format!("queues: {{fanned: {{broker: '{}', fanout: true}}}}", rabbitmq.url());
    let schedule = "entries: {reload: {task: demo.echo, every: 1d, queue: fanned}}";
    let place = kind::place(&server, &queues, schedule);
    let settings = json!({"broadcasts": ["fanned"]});
    let start = |name| CeleryWorker::start_named(name, &rabbitmq.url(), &["fanned"], &settings, "");
    let mut workers = [start("one@here"), start("two@here")];
    place.run(&["trigger", "reload"]).ok();
    let ids = workers.each_mut().map(|worker| worker.wait_for_runs(1).remove(0).id);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn what_means_nothing_for_a_fanout_is_refused() {
    let server = "broker: redis://localhost\n";
    for (queue, entry, refused) in [
        ("{fanout: true}", "priority: 3", "a fanout has no order"),
        ("{fanout: true}", "max_queued: 3", "nothing waits in a fanout"),
        ("{fanout: true}", "overlap: skip", "every worker runs it"),
        ("{worker: rq, fanout: true}", "tags: [x]", "rq workers know no fanout"),
        ("{fanout: yes please}", "tags: [x]", "expected true or false"),
        ("{options: {fanout: true}}", "tags: [x]", "write `fanout: true` beside `options`"),
        ("{options: {routing_key: x}}", "tags: [x]", "a `routing_key` on Redis, without `fanout`"),
    ] {
        let place = Place::new();
        let file = place.path().join("downbeat.yaml");
        fs::write(&file, format!("{server}queues: {{news: {queue}}}\n")).unwrap();
        let entry = format!("entries: {{a: {{task: t, every: 1h, queue: news, {entry}}}}}");
        place.write_schedule("a.yaml", &entry);
        let said = place.run(&["check", "--config", file.to_str().unwrap()]).refused(1);
        assert!(said.contains(refused), "{queue} {entry}: {said}");
    }
}
