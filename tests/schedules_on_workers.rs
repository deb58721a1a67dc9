//! Real Celery workers run schedule files: from YAML to a task that runs.

use std::collections::HashMap;

use downbeat::schedule::TaskIds;
use downbeat_time::UnixMs;
use redis::Commands as _;
use serde_json::{Value, json};

use crate::fresh_clone::place_with_examples;
use crate::support::celery::{CeleryWorker, Run};
use crate::support::downbeat::{Downbeat, Place};
use crate::support::redis::RedisServer;
use crate::support::sent::instant;
use crate::support::spool::{celery_url, files};
use crate::support::tools::needs;
use crate::support::wait::{SOON, wall_clock};

const QUEUES: [&str; 4] = ["ticks", "one.offs", "nightly", "filled"];
const MINUTE: i64 = 60_000;

/// An interval, a one-off that comes soon, and a cron entry that comes every minute.
fn schedule(one_off: UnixMs) -> String {
    let at = one_off.to_string();
    format!(
        r#"
timezone: Asia/Seoul
defaults: {{headers: {{x-from: defaults}}}}
entries:
  every second:
    task: demo.echo
    every: 1s
    queue: ticks
    args: [1, "é☃ \"quoted\" \n", null, 2.5, [true, {{deep: [[]]}}]]
    kwargs: {{"ü": "日本語 🎉", n: {{a: [1, 2]}}}}
  einmal-☃:
    task: demo.add
    at: "{at}"
    queue: one.offs
    args: [2, 3]
    headers: {{x-previous: "{{{{ previous_slot }}}}"}}
  by-the-minute:
    task: anything.at.all
    cron: "* * * * *"
    queue: nightly
    priority: 6
    headers: {{x-from: entry}}
"#
    ) + FILLED
}

/// Values that differ from slot to slot, as themselves and within texts.
const FILLED: &str = r#"
  "filled \"in\"":
    task: demo.echo
    every: 1s
    queue: filled
    args: ["{{ slot }}", "{{ slot | unix }}", "{{ previous_slot | unix }}", "{{ slot | date }}"]
    kwargs:
      when: "{{ slot | format('%A, %-d %B %Y, %H:%M:%S %Z (%z)') }}"
      names: ["{{ entry }}", "{{ task_id }}", 'as text: {{ "{{" }} entry }}']
      text: "{{ entry }} at {{ slot | unix }}"
    headers: {x-unix: "{{ slot | unix }}", x-text: "{{ slot | unix }}s"}
"#;

/// As Seoul's clock shows it, which has been nine hours ahead for long.
fn in_seoul(slot: i64, format: &str) -> String {
    let zone = chrono::FixedOffset::east_opt(9 * 3600).unwrap();
    let slot = chrono::DateTime::from_timestamp_millis(slot).unwrap();
    slot.with_timezone(&zone).format(format).to_string()
}

fn check_filled(runs: &[Run]) {
    let runs = runs_of(runs, r#"filled "in""#);
    assert!(!runs.is_empty());
    for (slot, run) in runs {
        let (unix, name) = (slot / 1000, r#"filled "in""#);
        let (rfc3339, date) = (in_seoul(slot, "%FT%T%:z"), in_seoul(slot, "%Y-%m-%d"));
        assert_eq!(run.args, json!([rfc3339, unix, unix - 1, date]));
        let when = in_seoul(slot, "%A, %-d %B %Y, %H:%M:%S KST (%z)");
        let names = json!([name, run.id, "as text: {{ entry }}"]);
        let text = format!("{name} at {unix}");
        assert_eq!(run.kwargs, json!({"when": when, "names": names, "text": text}));
        assert_eq!(run.headers["x-unix"], unix);
        assert_eq!(run.headers["x-text"], format!("{unix}s"));
    }
}

/// The runs of one entry by slot, each checked against the id that its slot must have.
fn runs_of(runs: &[Run], entry: &str) -> HashMap<i64, Run> {
    let ids = TaskIds::new("shop");
    let mut found = HashMap::new();
    for run in runs.iter().filter(|run| run.headers["downbeat_entry"] == entry) {
        let slot = instant(run.headers["downbeat_slot"].as_str().unwrap());
        assert_eq!(run.id, ids.id(entry, slot).to_string(), "{run:?}");
        assert_eq!(run.headers["periodic_task_name"], entry);
        assert_eq!(run.headers["downbeat_kind"], "scheduled");
        assert!(found.insert(slot.0, run.clone()).is_none(), "ran twice: {run:?}");
    }
    found
}

/// Waits until each entry ran, and checks how.
fn check_runs(worker: &mut CeleryWorker, one_off: UnixMs, last_minute: i64) {
    let have = |runs: &[Run], queue: &str| runs.iter().filter(|run| run.queue == queue).count();
    let runs = worker.wait_for("each entry runs", |events| {
        let run = |event| match event {
            crate::support::celery::Event::Run(run) => Some(*run),
            _ => None,
        };
        let runs: Vec<Run> = events.into_iter().filter_map(run).collect();
        let enough = have(&runs, "ticks") >= 3
            && have(&runs, "one.offs") >= 1
            && have(&runs, "nightly") >= 1
            && have(&runs, "filled") >= 2;
        enough.then_some(runs)
    });

    let ticks = runs_of(&runs, "every second");
    let (first, last) = (ticks.keys().min().unwrap(), ticks.keys().max().unwrap());
    assert_eq!(first % 1000, 0);
    assert_eq!((last - first) / 1000 + 1, i64::try_from(ticks.len()).unwrap(), "no slot left out");
    for (slot, run) in &ticks {
        assert!(run.received * 1000.0 >= *slot as f64, "before its time: {run:?}");
        assert_eq!((run.task.as_str(), run.queue.as_str()), ("demo.echo", "ticks"));
        let args = json!([1, "é☃ \"quoted\" \n", null, 2.5, [true, {"deep": [[]]}]]);
        assert_eq!(run.args, args);
        assert_eq!(run.kwargs, json!({"ü": "日本語 🎉", "n": {"a": [1, 2]}}));
        assert_eq!(run.headers["x-from"], "defaults");
    }

    let one_offs = runs_of(&runs, "einmal-☃");
    assert_eq!(one_offs.keys().copied().collect::<Vec<_>>(), [one_off.0]);
    let run = &one_offs[&one_off.0];
    assert_eq!((run.task.as_str(), run.queue.as_str()), ("demo.add", "one.offs"));
    assert_eq!((&run.args, &run.kwargs), (&json!([2, 3]), &json!({})));
    assert_eq!(run.headers.get("x-previous"), Some(&Value::Null), "nothing comes before it");

    check_filled(&runs);

    let minutes = runs_of(&runs, "by-the-minute");
    assert!(minutes.contains_key(&last_minute), "{minutes:?}");
    for (slot, run) in minutes {
        assert_eq!(slot % MINUTE, 0);
        assert_eq!((run.task.as_str(), run.queue.as_str()), ("anything.at.all", "nightly"));
        assert_eq!(run.headers["x-from"], "entry");
        assert_eq!((run.args, run.kwargs), (json!([]), json!({})));
    }
}

/// A cron entry comes once a minute at most. So that no test waits for one, the service is
/// started, stopped, and made to believe that it was away when the present minute began.
fn one_off_soon() -> (UnixMs, i64) {
    let now = wall_clock();
    (UnixMs((now.0 / 1000 + 8) * 1000), now.0 / MINUTE * MINUTE)
}

fn start(place: &Place) -> Downbeat {
    // The present minute may have begun a minute ago, and is still on time.
    place.start(&["run", "--namespace", "shop", "--leader-ttl", "1s", "--grace", "5m"])
}

fn stop(mut downbeat: Downbeat) {
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

#[test]
fn cron_interval_and_one_off_entries_run_on_a_worker_over_redis() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    let (one_off, last_minute) = one_off_soon();
    place.write_schedule("all.yaml", &schedule(one_off));
    let downbeat = start(&place);
    downbeat.wait_for_log("became leader");
    stop(downbeat);
    let mut connection = server.connect();
    let known: String = connection.hget("shop:registrations", "by-the-minute").unwrap();
    let (_, timing) = known.split_once('\t').unwrap();
    let known = format!("{}\t{timing}", last_minute - 1);
    connection.hset::<_, _, _, ()>("shop:registrations", "by-the-minute", known).unwrap();

    let _downbeat = start(&place);
    let mut worker = CeleryWorker::start(&server.celery_url(), &QUEUES);
    check_runs(&mut worker, one_off, last_minute);
}

#[test]
fn cron_interval_and_one_off_entries_run_on_a_worker_over_a_spool() {
    needs!(Python);
    let place = Place::new();
    let (one_off, last_minute) = one_off_soon();
    place.write_schedule("all.yaml", &schedule(one_off));
    let downbeat = start(&place);
    downbeat.wait_for_log("became leader");
    stop(downbeat);
    let spool = place.state().join("spool");
    let records = std::fs::read_to_string(spool.join("records")).unwrap();
    let writes = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut known = writes.filter_map(|line| line["registrations"].get("by-the-minute").cloned());
    let known = known.next().unwrap();
    let (since, _) = known.as_str().unwrap().split_once('\t').unwrap();
    let believed = records.replace(
        &format!(r#""by-the-minute":"{since}\t"#),
        &format!(r#""by-the-minute":"{}\t"#, last_minute - 1),
    );
    assert_ne!(believed, records);
    std::fs::write(spool.join("records"), believed).unwrap();

    let downbeat = start(&place);
    let mut worker = CeleryWorker::start(&celery_url(&spool.join("queue")), &QUEUES);
    check_runs(&mut worker, one_off, last_minute);
    stop(downbeat);
    worker.wait_for("the queue is empty", |_| files(&spool.join("queue")).is_empty().then_some(()));
}

#[test]
fn the_heartbeat_of_the_examples_runs_on_a_worker() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = place_with_examples().env("DOWNBEAT_BROKER", &server.url());
    let _downbeat = start(&place);
    let mut worker = CeleryWorker::start(&server.celery_url(), &["celery"]);
    let runs = worker.wait_for_runs(1);
    let heartbeats = runs_of(&runs, "heartbeat");
    assert_eq!(heartbeats.len(), runs.len(), "{runs:?}");
    for (slot, run) in heartbeats {
        assert_eq!(slot % 5000, 0);
        assert_eq!((run.task.as_str(), run.queue.as_str()), ("shop.tasks.heartbeat", "celery"));
        assert!(run.expires.is_some());
    }
}
