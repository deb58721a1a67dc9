//! `check` beside what real Celery workers tell of themselves, and queues that nobody configured.

use redis::Commands as _;
use serde_json::{Value, json};

use super::place_with;
use crate::support::celery::CeleryWorker;
use crate::support::downbeat::Place;
use crate::support::kind;
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const SCHEDULE: &str = "
defaults: {queue: reports}
entries:
  right: {task: demo.add, every: 1h}
  of-celery: {task: celery.backend_cleanup, every: 1h}
  typo: {task: demo.ehco, every: 1h}
  unknown: {task: reports.tasks.build, every: 1h}
  elsewhere: {task: mails.send, every: 1h}
  there: {task: mails.send, every: 1h, queue: mail}
  idle: {task: demo.add, every: 1h, queue: reprots}
  idle-too: {task: demo.add, every: 1h, queue: reprots}
  asleep: {task: nobody.knows, every: 1h, enabled: false}
";

/// Settings of workers that answer questions, as they do by default.
fn answering() -> Value {
    json!({"worker_enable_remote_control": true})
}

/// Waits until so many workers hear questions, which is a little after they take messages.
fn wait_until_listening(server: &RedisServer, workers: usize) {
    let mut redis = server.connect();
    eventually(SOON, "the workers listen", || {
        let mut clients = redis::cmd("CLIENT");
        let clients: String =
            clients.arg("LIST").arg("TYPE").arg("PUBSUB").query(&mut redis).unwrap();
        (clients.matches(" psub=1 ").count() == workers).then_some(())
    });
}

/// What `check` tells of a place, each problem in one line with its hint.
fn said(place: &Place, args: &[&str]) -> Vec<String> {
    let checked = place.run(&[&["check", "--json"], args].concat()).json(0);
    let line = |problem: &Value| {
        assert_eq!(problem["severity"], "warning");
        let text = |name: &str| problem[name].as_str().unwrap().to_owned();
        format!("{}: {} / {}", problem["line"], text("message"), text("hint"))
    };
    checked["problems"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn check_warns_of_tasks_and_queues_that_no_live_worker_has() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = kind::place(&server, "", SCHEDULE);
    let start = |name, queues: &[&str], tasks| {
        CeleryWorker::start_named(name, &server.celery_url(), queues, &answering(), tasks)
    };
    let _reports = start("one@here", &["reports", "other"], "");
    let _mail = start("two@here", &["mail"], "mails.send");
    wait_until_listening(&server, 2);
    let expected = [
        "6: `demo.ehco` of `typo` is registered by no live worker that takes from `reports` (one@here) / \
         did you mean `demo.echo`?",
        "7: `reports.tasks.build` of `unknown` is registered by no live worker that takes from `reports` \
         (one@here) / they register `demo.add`, `demo.echo`, `demo.fail`, `demo.hold`",
        "8: `mails.send` of `elsewhere` is registered by no live worker that takes from `reports` \
         (one@here) / two@here registers it, and takes from `mail`",
        "10: no live worker takes from the queue `reprots` of `idle` and another entry / \
         did you mean `reports`?",
    ];
    let mut found = said(&place, &["--workers", "--timeout", "20s"]);
    found.sort_by_key(|line| line.split(':').next().unwrap().parse::<u32>().unwrap());
    assert_eq!(found, expected);
    assert!(said(&place, &[]).is_empty(), "nobody is asked unless told to");
    // Nothing is left behind.
    let keys: Vec<String> = server.connect().keys("*reply.celery.pidbox*").unwrap();
    assert_eq!(keys, [""; 0]);
}

#[test]
fn check_asks_workers_under_their_own_key_prefix_and_in_their_database() {
    needs!(Redis, Python);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let queues = "queues: {reports: {options: {key_prefix: shop-, separator: ':'}}}";
    let schedule = "
defaults: {queue: reports}
entries:
  right: {task: demo.add, every: 1h}
  wrong: {task: demo.subtract, every: 1h}
";
    let url = server.tcp_url().replace("/0", "/3");
    let place = kind::place(&server, queues, schedule).env("DOWNBEAT_BROKER", &url);
    let mut settings = answering();
    settings["broker_transport_options"] = json!({"global_keyprefix": "shop-", "sep": ":"});
    let _worker = CeleryWorker::start_named("one@here", &url, &["reports"], &settings, "");
    wait_until_listening(&server, 1);
    let found = said(&place, &["--workers", "--timeout", "20s"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("`demo.subtract` of `wrong` is registered by no live worker"),
        "{found:?}"
    );
    // In another database there are others, or none.
    let place = place.env("DOWNBEAT_BROKER", &server.tcp_url());
    let other = &said(&place, &["--workers"])[0];
    assert!(other.contains("no Celery worker listens on `shop-/0.celery.pidbox`"), "{other}");
}

#[test]
fn check_says_so_when_no_worker_answers() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = kind::place(&server, "", SCHEDULE);
    let found = said(&place, &["--workers"]);
    let none = "0: no Celery worker listens on `/0.celery.pidbox` / is one running on this database, with remote \
                control enabled? The options `key_prefix`, `control_exchange` and `fanout_prefix` of the queue must \
                be those of the workers";
    assert_eq!(found, [none]);
    let mut worker =
        CeleryWorker::start_named("one@here", &server.celery_url(), &["reports"], &answering(), "");
    wait_until_listening(&server, 1);
    worker.process().signal(rustix::process::Signal::STOP);
    let found = said(&place, &["--workers", "--timeout", "300ms"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("1 Celery worker listens and did not answer in time"), "{found:?}");
    let printed = place.run(&["check", "--workers", "--timeout", "300ms"]);
    assert_eq!(printed.stdout, "ok: 9 entries, 1 warning; 0 Celery workers answered\n");
}

#[test]
fn check_needs_the_broker_only_to_ask_workers() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, "", SCHEDULE);
    drop(server);
    place.run(&["check"]).ok();
    let refused = place.run(&["check", "--workers"]).refused(3);
    assert!(
        refused.starts_with("downbeat: --workers: the broker is unavailable: no connection to "),
        "{refused}"
    );
    let refused =
        place_with(SCHEDULE).run(&["check", "--workers", "--broker", "spool:spool"]).refused(2);
    assert!(refused.contains("the broker is a spool"), "{refused}");
    for timeout in ["2", "2m"] {
        place.run(&["check", "--workers", "--timeout", timeout]).refused(2);
    }
    place.run(&["check", "--timeout", "1s"]).refused(2);
    // What is wrong with the schedule comes first, and nobody is asked.
    place.write_schedule("kind.yaml", "entries: {a: {task: t}}");
    place.run(&["check", "--workers"]).refused(1);
}

#[test]
fn check_says_that_workers_on_amqp_are_not_asked() {
    needs!(Redis);
    let server = RedisServer::start();
    let queues = "queues: {reports: {broker: 'amqp://127.0.0.1:1//'}, reprots: {broker: 'amqp://127.0.0.1:1//'}, mail: {worker: rq}}";
    let schedule =
        "entries: {a: {task: t, every: 1h, queue: reports}, b: {task: t, every: 1h, queue: mail}}";
    let found = said(&kind::place(&server, queues, schedule), &["--workers"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("workers of `reports` and other queues on AMQP are not asked"),
        "{found:?}"
    );
}

#[test]
fn check_warns_of_queues_that_the_configuration_does_not_name_if_it_names_any() {
    let schedule = "
entries:
  a: {task: t, every: 1h, queue: imagse}
  b: {task: t, every: 1h, queue: imagse}
  c: {task: t, every: 1h, queue: something-else}
  d: {task: t, every: 1h, queue: images}
  e: {task: t, every: 1h}
  f: {task: t, every: 1h, queue: off, enabled: false}
";
    let place = place_with(schedule);
    assert!(said(&place, &[]).is_empty());
    let file = place.path().join("downbeat.yaml");
    std::fs::write(&file, "queues: {images: {worker: rq}}").unwrap();
    let only = "is not in the configuration: only Celery workers can take from it";
    let expected = [
        format!("3: the queue `imagse` of `a` and another entry {only} / did you mean `images`?"),
        format!(
            "5: the queue `something-else` of `c` {only} / if that is so, name it: \
             `queues: {{something-else: {{worker: celery}}}}`"
        ),
    ];
    let args = ["--config", file.to_str().unwrap()];
    assert_eq!(said(&place, &args), expected);
    std::fs::write(
        &file,
        "queues: {images: {worker: rq}, imagse: {worker: celery}, something-else: {}}",
    )
    .unwrap();
    assert!(said(&place, &args).is_empty());
}

/// What `check` says of a schedule beside one worker with these settings and a configuration for downbeat.
fn beside(settings: Value, queues: &[&str], configuration: &str, schedule: &str) -> Vec<String> {
    beside_within("20s", settings, queues, configuration, schedule)
}

fn beside_within(
    timeout: &str,
    settings: Value,
    queues: &[&str],
    configuration: &str,
    schedule: &str,
) -> Vec<String> {
    let server = RedisServer::start();
    let place = kind::place(&server, configuration, schedule);
    let mut all = answering();
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let text = all.to_string().replace("BROKER", &server.celery_url());
    let all: Value = serde_json::from_str(&text).unwrap();
    let listening = 1 + all["broadcasts"].as_array().map_or(0, Vec::len);
    let _worker = CeleryWorker::start_named("one@here", &server.celery_url(), queues, &all, "");
    wait_until_listening(&server, listening);
    said(&place, &["--workers", "--timeout", timeout])
}

#[test]
fn check_names_what_the_application_would_have_added_as_beat_does() {
    needs!(Redis, Python);
    let schedule = "
entries:
  decorated: {task: demo.routed, every: 1h}
  routed: {task: demo.show, every: 1h}
  same: {task: demo.routed, every: 1h, queue: special, priority: 5, expires: 60s}
  single: {task: single.poll, every: 1h, queue: default}
  plain: {task: demo.add, every: 1h}
  on-purpose: {task: demo.show, every: 1h, queue: special}
";
    let settings = json!({
        "task_default_queue": "default",
        "task_routes": {"demo.sh*": {"queue": "shows"}},
        "decorated": {
            "demo.routed": {"queue": "special", "priority": 5, "expires": 60},
            "demo.show": {},
            "single.poll": {"singleton": true},
        },
    });
    let queues = ["default", "special", "shows"];
    let mut found = beside(settings, &queues, "", schedule);
    found.sort();
    let otherwise = |task, entry, with| {
        format!(
            "the application sends `{task}` differently from `{entry}`: by its routes or the task's decorator, \
             with {with} / beat would do the same; write"
        )
    };
    let expected = [
        otherwise(
            "demo.routed",
            "decorated",
            "`queue: special`, `priority: 5`, `expires: 60s`",
        ) + " `queue: special` and `priority: 5` and `expires: 60s` in the entry",
        otherwise("demo.show", "routed", "`queue: shows`") + " `queue: shows` in the entry",
        "`single.poll` of `single` has its own `apply_async` (`Singleton`), which runs only where the application \
         sends it / for one task at a time, write `overlap: skip`; other checks belong in the task"
            .to_owned(),
        "no live worker takes from the queue `celery` of `plain` / the workers' `task_default_queue` is \
         `default`: write `defaults: {queue: default}`"
            .to_owned(),
    ];
    let lines = [3, 4, 6, 7];
    let expected: Vec<_> =
        lines.iter().zip(expected).map(|(line, text)| format!("{line}: {text}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn check_compares_the_settings_of_a_queue_with_those_of_its_workers() {
    needs!(Redis, Python);
    let schedule = "entries:\n  nightly: {task: demo.add, cron: 0 3 * * *, queue: reports}\n";
    let plain = "queues: {reports: {}}";
    let results = "queues: {reports: {options: {results: 'unix:///nowhere.sock?db=2'}}}";
    let prefixed =
        "queues: {reports: {options: {results: 'unix:///nowhere.sock?db=1', result_prefix: shop}}}";
    let backend = json!({"result_backend": "BROKER?virtual_host=1"});
    let prefixed_backend = json!({
        "result_backend": "BROKER?virtual_host=1",
        "result_backend_transport_options": {"global_keyprefix": "shop"},
    });
    for (settings, configuration, expected) in [
        (json!({}), plain, vec![]),
        (
            json!({"broker_transport_options": {"priority_steps": [0, 5]}}),
            plain,
            vec!["`queues: {reports: {options: {priority_steps: [0, 5]}}}`"],
        ),
        (
            json!({"timezone": "Asia/Seoul"}),
            plain,
            vec!["write `timezone: Asia/Seoul` beside `entries`"],
        ),
        (backend.clone(), plain, vec![]),
        (backend.clone(), results, vec!["keep results in database 1, and `results` names 2"]),
        (json!({"result_backend": "rpc://"}), results, vec!["at rpc://, which is not Redis"]),
        (json!({}), results, vec!["the workers of `reports` keep no results"]),
        (prefixed_backend.clone(), prefixed, vec![]),
        (backend, prefixed, vec!["leave `result_prefix` out"]),
        (
            prefixed_backend,
            &prefixed.replace(", result_prefix: shop", ""),
            vec!["`queues: {reports: {options: {result_prefix: …}}}`"],
        ),
    ] {
        let found = beside(settings.clone(), &["reports"], configuration, schedule);
        assert_eq!(found.len(), expected.len(), "{settings}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{settings}: {found:?}");
        }
    }
}

#[test]
fn workers_that_cannot_answer_are_named_as_such() {
    needs!(Redis, Python);
    let schedule = "entries: {a: {task: demo.add, every: 1h, queue: reports}}";
    // Questions are in JSON as well, and with another separator a worker finds no way for its answer.
    for settings in [
        json!({"accept_content": ["pickle"], "task_serializer": "pickle"}),
        json!({"broker_transport_options": {"sep": ":"}}),
    ] {
        let found = beside_within("500ms", settings, &["reports"], "", schedule);
        assert_eq!(found.len(), 1, "{found:?}");
        let why = "nor those that accept no JSON (`accept_content`) or have another `sep`";
        assert!(found[0].contains(why), "{found:?}");
    }
}

#[test]
fn check_knows_a_queue_of_which_every_worker_gets_each_message() {
    needs!(Redis, Python);
    let schedule = "entries: {reload: {task: demo.echo, every: 1h, queue: news}}";
    let settings = json!({"broadcasts": ["news"], "task_default_queue": "default"});
    let hint = "`queues: {news: {fanout: true, options: {routing_key: \"default\"}}}`";
    let found = beside(settings.clone(), &["news"], "", schedule);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`news` is a fanout for one@here (`Broadcast`)"), "{found:?}");
    assert!(found[0].contains(hint), "{found:?}");
    let found = beside(settings.clone(), &["news"], "queues: {news: {fanout: true}}", schedule);
    assert!(found.len() == 1 && found[0].contains(hint), "{found:?}");
    let right = "queues: {news: {fanout: true, options: {routing_key: default}}}";
    assert_eq!(beside(settings, &["news"], right, schedule), [""; 0]);
    let found = beside(json!({}), &["news"], right, schedule);
    assert!(found.len() == 1 && found[0].contains("leave out `fanout`"), "{found:?}");
}

#[test]
fn check_names_the_options_that_reach_workers_with_other_names() {
    needs!(Redis, Python);
    let schedule = "entries: {a: {task: demo.add, every: 1h, queue: reports}}";
    let settings = json!({
        "control_exchange": "ctl",
        "broker_transport_options": {"global_keyprefix": "shop-"},
    });
    let found = beside(settings.clone(), &["reports"], "", schedule);
    let expected = "0: no Celery worker listens on `/0.celery.pidbox` / workers with other names have been here: \
                    if they are meant, give the queue `options: {key_prefix: \"shop-\", control_exchange: ctl}`";
    assert_eq!(found, [expected]);
    let options = "queues: {reports: {options: {key_prefix: shop-, control_exchange: ctl}}}";
    assert_eq!(beside(settings, &["reports"], options, schedule), [""; 0]);
}
