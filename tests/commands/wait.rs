//! `trigger --wait`: what real workers make of a task, told in words and as the exit status.

use serde_json::{Value, json};

use super::place_with;
use crate::support::celery::CeleryWorker;
use crate::support::downbeat::{Finished, Place};
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::RedisServer;
use crate::support::rq::RqWorker;
use crate::support::tools::needs;
use crate::{arq, taskiq};

const CELERY: &str = r#"
entries:
  add: {task: demo.add, at: 2030-01-01 00:00, args: [1, 2]}
  fail: {task: demo.fail, at: 2030-01-01 00:00}
  silent: {task: demo.add, at: 2030-01-01 00:00, options: {ignore_result: true}}
  plain: {task: t, at: 2030-01-01 00:00, queue: plain}
"#;

fn configured(place: Place, text: &str) -> Place {
    std::fs::write(place.path().join("downbeat.yaml"), text).unwrap();
    place.env("DOWNBEAT_CONFIG", "downbeat.yaml")
}

fn wait(place: &Place, args: &[&str]) -> Finished {
    place.run(&[&["trigger", "--wait"], args].concat())
}

/// The second line, after that on what was sent.
fn said(finished: &Finished, code: i32) -> &str {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    let (sent, said) = finished.stdout.split_once('\n').unwrap();
    assert!(sent.starts_with("sent "), "{finished:?}");
    said.trim_end()
}

fn wait_for_celery_in_every_way(place: &Place) {
    assert_eq!(said(&wait(place, &["add"]), 0), "succeeded: 3");
    assert_eq!(said(&wait(place, &["fail"]), 1), "failed: ValueError: no such ☃");
    let waiting = wait(place, &["add", "--queue", "nobody", "--wait-timeout", "300ms"]);
    assert_eq!(said(&waiting, 3), "not finished within 300ms: no result");
    let start = "downbeat: no result yet; looking for `celery-task-meta-";
    assert!(waiting.stderr.starts_with(start), "{waiting:?}");
    for part in [
        "` on ",
        "`downbeat peek nobody`",
        "`result_backend`",
        "`queues: {nobody: {worker: celery, options: {results: redis://…}}}`",
    ] {
        assert!(waiting.stderr.contains(part), "{part} is not in {waiting:?}");
    }

    let json = wait(place, &["add", "--json", "--args", "[\"é\", \"☃\"]"]).json(0);
    assert_eq!((&json["outcome"], &json["result"]), (&"succeeded".into(), &"é☃".into()));
    assert_eq!((&json["sent"], &json["reason"]), (&true.into(), &Value::Null));
    let json = wait(place, &["fail", "--json"]).json(1);
    let reason = json!("ValueError: no such ☃");
    assert_eq!((&json["outcome"], &json["reason"]), (&"failed".into(), &reason));
    let waiting = ["add", "--json", "--queue", "nobody", "--wait-timeout", "1ms"];
    assert_eq!(wait(place, &waiting).json(3)["outcome"], "pending");
    assert_eq!(place.run(&["trigger", "add", "--json"]).json(0)["outcome"], Value::Null);

    for (args, why) in [
        (&["silent"][..], "--wait: `ignore_result` leaves no result"),
        (&["plain"], "--wait: json workers leave no result"),
        (&["add", "--wait-timeout", "5"], "--wait-timeout: the duration `5` has no unit"),
        (&["add", "--dry-run"], "cannot be used with"),
    ] {
        let refused = wait(place, args).refused(2);
        assert!(refused.contains(why), "{args:?}: {refused}");
    }
}

#[test]
fn celery_tells_through_another_database_without_a_service() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place_with(CELERY).env("DOWNBEAT_BROKER", &server.url());
    let results = format!("unix://{}?db=1", server.socket().display());
    let queues = format!(
        "queues: {{celery: {{options: {{results: '{results}'}}}}, plain: {{worker: json}}}}\n"
    );
    let place = configured(place, &queues);
    let results = format!("{}?virtual_host=1", server.celery_url());
    let settings = json!({"result_backend": results});
    let worker = CeleryWorker::start_with(&server.celery_url(), &["celery"], &settings);
    wait_for_celery_in_every_way(&place);
    assert_eq!(server.queue("plain").len(), 0, "what cannot be waited for is not sent");
    drop(worker);
}

#[test]
fn celery_tells_through_the_broker_with_a_service() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place_with(CELERY).env("DOWNBEAT_BROKER", &server.url());
    let place = configured(place, "queues: {plain: {worker: json}}\n");
    let settings = json!({"result_backend": server.celery_url()});
    let worker = CeleryWorker::start_with(&server.celery_url(), &["celery"], &settings);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    wait_for_celery_in_every_way(&place);
    drop(worker);
}

#[test]
fn a_task_that_ignores_its_result_is_waited_for_all_the_same() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place_with(CELERY).env("DOWNBEAT_BROKER", &server.url());
    let settings = json!({"result_backend": server.celery_url(), "task_ignore_result": true});
    let worker = CeleryWorker::start_with(&server.celery_url(), &["celery"], &settings);
    assert_eq!(said(&wait(&place, &["add"]), 0), "succeeded: 3");
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    assert_eq!(said(&wait(&place, &["add"]), 0), "succeeded: 3");
    drop(worker);
}

#[test]
fn results_of_celery_may_be_pickled_or_packed_and_have_a_prefix() {
    needs!(Redis, Python);
    for serializer in ["pickle", "msgpack"] {
        let server = RedisServer::start();
        let place = place_with(CELERY).env("DOWNBEAT_BROKER", &server.url());
        let place = configured(place, "queues: {celery: {options: {result_prefix: shop}}}\n");
        let settings = json!({
            "result_backend": server.celery_url(),
            "result_serializer": serializer,
            "result_accept_content": ["json", serializer],
            "result_backend_transport_options": {"global_keyprefix": "shop"},
        });
        let worker = CeleryWorker::start_with(&server.celery_url(), &["celery"], &settings);
        assert_eq!(said(&wait(&place, &["add"]), 0), "succeeded: 3");
        assert_eq!(said(&wait(&place, &["fail"]), 1), "failed: ValueError: no such ☃");
        drop(worker);
    }
}

#[test]
fn after_some_seconds_it_is_said_where_a_result_is_expected() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with(CELERY).env("DOWNBEAT_BROKER", &server.url());
    let printed = place.run(&["trigger", "add", "--wait", "--wait-timeout", "5s"]);
    assert_eq!(printed.stderr.matches("no result yet").count(), 1, "{printed:?}");
    assert!(printed.stderr.contains("looking for `celery-task-meta-"), "{printed:?}");
    assert!(printed.stderr.contains("set `results` and `result_prefix`"), "{printed:?}");
}

#[test]
fn celery_over_rabbitmq_tells_where_the_queue_says() {
    needs!(Redis, Python, RabbitMq);
    let (rabbitmq, server) = (RabbitMq::shared(), RedisServer::start());
    let place = place_with(CELERY).env("DOWNBEAT_BROKER", &rabbitmq.url());
    let place = place.env("DOWNBEAT_STATE", &server.url());
    let place = configured(
        place,
        &format!("queues: {{sums: {{options: {{results: '{}'}}}}}}\n", server.url()),
    );
    let settings = json!({"result_backend": server.celery_url()});
    let worker = CeleryWorker::start_with(&rabbitmq.url(), &["sums"], &settings);
    assert_eq!(said(&wait(&place, &["add", "--queue", "sums"]), 0), "succeeded: 3");
    let refused = wait(&place, &["add"]).refused(2);
    assert!(refused.contains("set the option `results: redis://…`"), "{refused}");
    drop(worker);
}

const RQ: &str = r#"
defaults: {queue: plain}
entries:
  echo: {task: rq_jobs.echo, at: 2030-01-01 00:00, args: [1, é]}
  fail: {task: rq_jobs.fail, at: 2030-01-01 00:00, options: {retry: 1}}
  nap: {task: rq_jobs.nap, at: 2030-01-01 00:00, args: [3]}
  hasty: {task: rq_jobs.echo, at: 2030-01-01 00:00, queue: nobody, expires: 1s}
  silent: {task: rq_jobs.echo, at: 2030-01-01 00:00, options: {result_ttl: 0}}
"#;

const RQ_QUEUES: &str = "
queues:
  plain: {worker: rq, options: {serializer: json}}
  pickled: {worker: rq}
  nobody: {worker: rq}
";

fn wait_for_rq_in_every_way(place: &Place) {
    assert_eq!(said(&wait(place, &["echo"]), 0), "succeeded: [[1,\"é\"],{}]");
    assert_eq!(said(&wait(place, &["fail"]), 1), "failed: ValueError: no such ☃");
    let napping = wait(place, &["nap", "--wait-timeout", "2s"]);
    assert_eq!(said(&napping, 3), "not finished within 2s: started");
    let waiting = wait(place, &["echo", "--queue", "nobody", "--wait-timeout", "1ms"]);
    assert_eq!(said(&waiting, 3), "not finished within 1ms: queued");
    let gone = "failed: the job is gone: it expired, or its worker keeps no results";
    assert_eq!(said(&wait(place, &["hasty"]), 1), gone);
    let refused = wait(place, &["silent"]).refused(2);
    assert!(refused.contains("--wait: `result_ttl: 0` leaves no result"), "{refused}");
}

#[test]
fn rq_tells_with_a_service_and_without() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place_with(RQ).env("DOWNBEAT_BROKER", &server.url());
    let place = configured(place, RQ_QUEUES);
    let plain = RqWorker::start(&server, &["--serializer", "json", "plain"]);
    wait_for_rq_in_every_way(&place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    wait_for_rq_in_every_way(&place);
    drop(plain);
    let pickled = RqWorker::start(&server, &["pickled"]);
    // What is in a pickle is not shown.
    assert_eq!(said(&wait(&place, &["echo", "--queue", "pickled"]), 0), "succeeded");
    let failed = wait(&place, &["fail", "--queue", "pickled"]);
    assert_eq!(said(&failed, 1), "failed: ValueError: no such ☃");
    drop(pickled);
}

const ARQ: &str = r#"
defaults: {queue: mail}
entries:
  echo: {task: demo.echo, at: 2030-01-01 00:00, args: [1, é]}
  fail: {task: demo.fail, at: 2030-01-01 00:00}
  thing: {task: demo.thing, at: 2030-01-01 00:00}
  hasty: {task: demo.echo, at: 2030-01-01 00:00, queue: nobody, expires: 1s}
"#;

#[test]
fn arq_tells_whatever_its_serializer() {
    needs!(Redis, Python, Apart);
    for serializer in ["pickle", "json", "msgpack"] {
        let server = RedisServer::start();
        let place = place_with(ARQ).env("DOWNBEAT_BROKER", &server.url());
        let queue = format!("{{worker: arq, options: {{serializer: {serializer}}}}}");
        let place = configured(place, &format!("queues: {{mail: {queue}, nobody: {queue}}}\n"));
        let worker = arq::worker(&server, "mail", serializer);
        assert_eq!(said(&wait(&place, &["echo"]), 0), "succeeded: [[1,\"é\"],{}]");
        let failed = if serializer == "pickle" {
            // An object is not shown, but an exception is.
            assert_eq!(said(&wait(&place, &["thing"]), 0), "succeeded");
            "failed: ValueError: no such ☃"
        } else {
            "failed: unable to serialize result"
        };
        assert_eq!(said(&wait(&place, &["fail"]), 1), failed);
        let waiting = wait(&place, &["echo", "--queue", "nobody", "--wait-timeout", "1ms"]);
        assert_eq!(said(&waiting, 3), "not finished within 1ms: queued");
        let gone = "failed: the job is gone: it expired, or its function keeps no results";
        assert_eq!(said(&wait(&place, &["hasty"]), 1), gone);
        drop(worker);
    }
}

const TASKIQ: &str = r#"
defaults: {queue: mail}
entries:
  echo: {task: demo.echo, at: 2030-01-01 00:00, args: [1, é]}
  fail: {task: demo.fail, at: 2030-01-01 00:00}
"#;

#[test]
fn taskiq_tells_where_the_queue_says() {
    needs!(Redis, Python);
    for (serializer, form) in [("pickle", "list"), ("json", "stream")] {
        let server = RedisServer::start();
        let place = place_with(TASKIQ).env("DOWNBEAT_BROKER", &server.url());
        let queue = |options: &str| {
            let stream = if form == "stream" { "stream: true, " } else { "" };
            format!("{{worker: taskiq, options: {{{stream}{options}}}}}")
        };
        let results = format!("results: '{}', result_prefix: shop", server.url());
        let queues = format!("queues: {{mail: {}, mute: {}}}\n", queue(&results), queue(""));
        let place = configured(place, &queues);
        let worker = taskiq::worker(&server, &["mail", form, serializer, "shop"]);
        assert_eq!(said(&wait(&place, &["echo"]), 0), "succeeded: [[1,\"é\"],{}]");
        assert_eq!(said(&wait(&place, &["fail"]), 1), "failed: ValueError: no such ☃");
        let refused = wait(&place, &["echo", "--queue", "mute"]).refused(2);
        assert!(refused.contains("set the option `results: redis://…`"), "{refused}");
        drop(worker);
    }
}

#[test]
fn nothing_is_sent_where_no_result_could_be_read() {
    let place = place_with(CELERY).env("DOWNBEAT_BROKER", "spool:state/spool");
    let refused = wait(&place, &["add"]).refused(2);
    assert!(refused.contains("set the option `results: redis://…`"), "{refused}");
    assert!(!place.state().join("spool").exists());
}
