//! `compare` beside a real celery beat, and beside a service.

use std::fs::File;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::beat::Beat;
use crate::support::downbeat::{Finished, Place};
use crate::support::kind;
use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const SHADOW: [&str; 4] = ["run", "--shadow", "--leader-ttl", "1s"];

/// A beat with two entries; nobody takes what it sends.
fn beat(server: &RedisServer, events: bool) -> Beat {
    let every = |task: &str, args: Value, kwargs: Value| json!({"task": task, "schedule": 2.0, "args": args, "kwargs": kwargs});
    let settings = json!({
        "task_send_sent_event": events,
        "beat_schedule": {
            "poll": every("demo.poll", json!([1, "it's ü"]), json!({"b": [1.5, null], "a": true})),
            "old": every("demo.old", json!([]), json!({})),
        },
    });
    Beat::start(&server.celery_url(), &settings)
}

const POLL: &str = "  poll: {task: demo.poll, every: 2s, args: [1, \"it's ü\"], \
                    kwargs: {a: true, b: [1.5, null]}}\n";
const OLD: &str = "  old: {task: demo.old, every: 2s}\n";
const NEW: &str =
    "  new: {task: demo.new, every: 2s}\n  elsewhere: {task: t, every: 1s, queue: other}\n";

fn schedule(entries: &[&str]) -> String {
    format!("entries:\n{}", entries.concat())
}

/// The counts of an entry, or of a task that is only there.
fn counts<'r>(report: &'r Value, name: &str) -> &'r Value {
    let entries = report["entries"].as_array().unwrap();
    let is_it = |entry: &&Value| {
        entry["entry"] == name || entry["entry"].is_null() && entry["task"] == name
    };
    entries.iter().find(is_it).unwrap_or_else(|| panic!("no {name}: {report:#}"))
}

/// The verdicts that an entry has, other than at the edges.
fn verdicts(report: &Value, name: &str) -> Vec<String> {
    let counts = counts(report, name);
    let words = ["same", "early", "late", "only_there", "only_here", "no_time"];
    let found = words.into_iter().filter(|word| counts[word].as_u64().unwrap() > 0);
    found.map(str::to_owned).collect()
}

fn compare(place: &Place, args: &[&str]) -> Finished {
    place.run(&[&["compare"], args].concat())
}

#[test]
fn events_of_beat_are_compared_by_their_times() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = kind::place(&server, "", &schedule(&[POLL, NEW]));
    let early = compare(&place, &["--with-events", "--for", "1s"]).refused(1);
    assert!(early.contains("no shadow run is at work in the namespace downbeat-shadow"), "{early}");
    let shadow = place.start(&SHADOW);
    let _beat = beat(&server, true);
    shadow.wait_for_dispatches("poll", 0, 1);
    let events = ["--with-events", "--for", "12s", "--json"];
    let report = compare(&place, &events).json(1);
    assert_eq!(verdicts(&report, "poll"), ["same"], "{report:#}");
    assert_eq!(verdicts(&report, "demo.old"), ["only_there"], "{report:#}");
    assert_eq!(verdicts(&report, "new"), ["only_here"], "{report:#}");
    assert!(counts(&report, "poll")["same"].as_u64() >= Some(3), "{report:#}");
    let instants = report["instants"].as_array().unwrap();
    let poll = instants.iter().find(|instant| instant["verdict"] == "same").unwrap();
    assert!(poll["difference_ms"].as_i64().unwrap().abs() <= 2_000, "{poll}");
    assert!(poll["here_utc"].is_string() && poll["there"].is_string(), "{poll}");

    // The schedule of beat, moved over: nothing is left to explain.
    place.write_schedule("kind.yaml", &schedule(&[POLL, OLD]));
    place.run(&["reload", "--wait", "--shadow"]).ok();
    shadow.wait_for_dispatches("old", 0, 1);
    let shown = compare(&place, &["--with-events", "--for", "10s"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let rows: Vec<Vec<&str>> =
        shown.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["old", "poll"], "{shown:?}");
    assert!(rows.iter().all(|row| row[1] != "0" && row[2..7] == ["0"; 5]), "{shown:?}");
    assert!(shown.stderr.contains(" same"), "{shown:?}");
}

#[test]
fn messages_of_beat_carry_no_time_and_are_compared_by_number() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = kind::place(&server, "", &schedule(&[POLL, NEW]));
    let none = compare(&place, &["--with-queue", "celery"]).refused(1);
    assert!(none.contains("no shadow run has recorded a slot"), "{none}");
    let shadow = place.start(&SHADOW);
    shadow.wait_for_dispatches("poll", 0, 1);
    let _beat = beat(&server, false);
    shadow.wait_for_dispatches("new", 0, 5);
    let waiting =
        || -> usize { redis::cmd("LLEN").arg("celery").query(&mut server.connect()).unwrap() };
    let before = eventually(SOON, "beat has sent some", || Some(waiting()).filter(|n| *n >= 6));
    let report = compare(&place, &["--with-queue", "celery", "--json"]).json(1);
    assert_eq!(verdicts(&report, "poll"), ["no_time"], "{report:#}");
    assert_eq!(verdicts(&report, "demo.old"), ["only_there"], "{report:#}");
    assert_eq!(verdicts(&report, "new"), ["only_here"], "{report:#}");
    // Of another queue.
    assert!(!report.to_string().contains("elsewhere"), "{report:#}");
    let notes = report["notes"].to_string();
    assert!(notes.contains("carry no time") && notes.contains("--with-events"), "{notes}");
    assert!(waiting() >= before, "something was taken");
}

#[test]
fn a_service_and_its_shadow_run_send_the_same() {
    needs!(Redis);
    let server = RedisServer::start();
    // RQ's jobs carry the time at which they were sent.
    let jobs = "entries:\n  a: {task: jobs.a, every: 1s, queue: rq, args: [1]}\n  \
                b: {task: jobs.b, every: 1s, queue: rq, args: [\"{{ slot | unix }}\"]}\n";
    let place = kind::place(&server, "queues: {rq: {worker: rq}}", jobs);
    let service = place.start(&["run", "--leader-ttl", "1s"]);
    let shadow = place.start(&SHADOW);
    service.wait_for_dispatches("a", 0, 2);
    shadow.wait_for_dispatches("b", 0, 6);
    place.run(&["trigger", "a"]).ok();
    let report = compare(&place, &["--with-queue", "rq", "--json"]).json(0);
    for name in ["a", "b"] {
        assert_eq!(verdicts(&report, name), ["same"], "{report:#}");
        assert!(counts(&report, name)["same"].as_u64() >= Some(3), "{report:#}");
    }
}

#[test]
fn ctrl_c_ends_the_listening_and_compares_what_was_heard() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(&server, "", "entries: {a: {task: t, every: 1h}}");
    let shadow = place.start(&SHADOW);
    shadow.wait_for_log("became leader");
    let heard = place.path().join("heard");
    let mut command = place.command(&["compare", "--with-events", "--for", "1h"]);
    command.stdout(Stdio::null()).stderr(File::create(&heard).unwrap());
    let mut listening = Process::spawn("compare", &mut command);
    let said = |text: &str| std::fs::read_to_string(&heard).unwrap().contains(text).then_some(());
    eventually(SOON, "it listens", || said("listening"));
    listening.signal(Signal::INT);
    assert_eq!(listening.wait(SOON).code(), Some(1), "nothing was compared");
    said("nothing was sent on either side").expect("the result");
}

#[test]
fn nothing_hostile_in_a_message_reaches_the_terminal() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = kind::place(
        &server,
        "queues: {jobs: {worker: json}}",
        "entries: {a: {task: t, every: 1s, queue: jobs}}",
    );
    let shadow = place.start(&SHADOW);
    shadow.wait_for_dispatches("a", 0, 2);
    let hostile =
        json!({"task": "\u{1b}[2Jt\n\u{202e}evil", "args": ["\u{1b}]0;x\u{7}"], "kwargs": {}});
    for message in [hostile.to_string(), "{".to_owned(), "\u{0}".to_owned()] {
        redis::cmd("LPUSH").arg("jobs").arg(message).query::<()>(&mut server.connect()).unwrap();
    }
    for args in [&["--with-queue", "jobs"][..], &["--with-queue", "jobs", "--json"]] {
        let Finished { code, stdout, stderr } = compare(&place, args);
        assert_eq!(code, Some(1), "{stderr}");
        for text in [stdout, stderr] {
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{0}']), "{text:?}");
        }
    }
    let shown = compare(&place, &["--with-queue", "jobs"]);
    assert!(shown.stderr.contains("messages that cannot be compared are left out: 2"), "{shown:?}");
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_do() {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:spool");
    place.write_schedule("a.yaml", "entries: {a: {task: t, every: 1s}}");
    for (args, said) in [
        (&["--with-events"][..], "events can only be heard on Redis, and the broker is a spool"),
        (&["--with-queue", "q", "--from", "soon"], "--from: `soon` is not a date and time"),
        (
            &["--with-queue", "q", "--from", "1h", "--to", "2h"],
            "the end is not after the beginning",
        ),
        (&["--with-events", "--for", "1"], "--for: "),
        (&["--with-events", "--for", "8d"], "listening for longer than"),
        (&["--with-events", "--tolerance", "x"], "--tolerance: "),
        (&["--with-events", "--from", "1h"], "cannot be used with"),
        (&[], "--with-queue"),
    ] {
        let shown = compare(&place, args).refused(2);
        assert!(shown.contains(said), "{args:?}: {shown}");
    }
}
