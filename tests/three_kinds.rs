//! The example schedule for three kinds of workers runs on all three.

use std::collections::HashMap;

use downbeat::schedule::TaskIds;
use serde_json::{Value, json};

use crate::support::celery::CeleryWorker;
use crate::support::downbeat::Place;
use crate::support::kind;
use crate::support::redis::RedisServer;
use crate::support::sent::instant;
use crate::support::tools::{needs, tests_folder};
use crate::{bullmq, sidekiq};

/// With the configuration that the example's first lines say.
fn place(server: &RedisServer) -> Place {
    let file = tests_folder().join("../schedules/three-kinds.yaml");
    let schedule = std::fs::read_to_string(file).unwrap();
    let said = schedule.lines().map_while(|line| line.strip_prefix('#'));
    let configuration = said.filter_map(|line| line.strip_prefix("     ")).collect::<Vec<_>>();
    assert_eq!(configuration.len(), 5, "{configuration:?}");
    kind::place(server, &configuration.join("\n"), &schedule)
}

#[test]
fn one_schedule_runs_on_celery_sidekiq_and_bullmq_at_once() {
    needs!(Redis, Python, Sidekiq, Bullmq);
    let server = RedisServer::start();
    let place = place(&server);
    let output = place.run(&["check"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    let mut celery = CeleryWorker::start(&server.celery_url(), &["prices"]);
    let mut sidekiq = sidekiq::worker(&server, "mailers");
    let mut bullmq = bullmq::worker(&server, "bullmq", "bull", "thumbnails");
    let _downbeat = place.start(&["run", "--leader-ttl", "1s"]);

    let run = celery.wait_for_runs(1).remove(0);
    let mail = sidekiq.wait_for_events(1).remove(0);
    let job = bullmq.wait_for_events(1).remove(0);
    let ids = TaskIds::new("downbeat");
    let task_id = |provenance: &Value| {
        let [entry, slot] = ["downbeat_entry", "downbeat_slot"].map(|name| &provenance[name]);
        ids.id(entry.as_str().unwrap(), instant(slot.as_str().unwrap()))
    };
    assert_eq!(run.id, task_id(&run.headers).to_string());
    assert_eq!(mail["jid"], sidekiq::jid(task_id(&mail)));
    assert_eq!(job["id"], task_id(&job["opts"]).to_string());

    assert_eq!((run.task.as_str(), &run.args), ("shop.tasks.refresh_prices", &json!([])));
    assert_eq!(run.kwargs["markets"], json!(["eu", "uk"]));
    assert_eq!(mail["class"], "Mails::Send");
    assert_eq!(mail["args"][0], "abandoned_cart");
    assert_eq!((&job["name"], &job["data"]["folder"]), (&json!("resize"), &json!("uploads")));
    // All three are filled in from slots of one grid.
    let since = job["data"]["since"].as_i64().unwrap();
    let times: HashMap<_, _> = [
        ("celery", instant(run.kwargs["as_of"].as_str().unwrap()).0),
        ("sidekiq", instant(mail["args"][1]["since"].as_str().unwrap()).0),
        ("bullmq", since * 1000),
    ]
    .into();
    assert!(times.values().all(|time| time % 10_000 == 0), "{times:?}");
}
