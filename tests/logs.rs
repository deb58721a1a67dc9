//! How the log looks, in each format and under journald.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::process::Process;
use crate::support::redis::{RedisServer, free_port};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

fn place() -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:spool");
    place.write_schedule("jobs.yaml", "entries: {nightly: {task: t, cron: '@yearly'}}");
    place
}

/// The log of a service that has led, sent a manual message, and stopped.
fn log_of(place: &Place, args: &[&str]) -> Vec<String> {
    let mut downbeat = place.start(&[&["run"], args].concat());
    stop_after_a_trigger(place, &mut downbeat);
    downbeat.log()
}

fn stop_after_a_trigger(place: &Place, downbeat: &mut Downbeat) {
    eventually(SOON, "it leads", || (place.run(&["status"]).code == Some(0)).then_some(()));
    place.run(&["trigger", "nightly", "--slot", "2026-01-01 00:00"]).ok();
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

/// A line without its task id, which is drawn afresh.
fn without_id(line: &str) -> String {
    let (before, id) = line.split_once("task_id=").unwrap_or_else(|| panic!("{line}"));
    format!("{before}task_id={}", id.get(36..).unwrap())
}

#[test]
fn logfmt_lines_are_pairs_that_begin_with_the_time() {
    let log = log_of(&place(), &["--log-format", "logfmt"]);
    let untimed = |line: &String| {
        let (time, rest) = line.strip_prefix("ts=").unwrap().split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
        rest.to_owned()
    };
    let log: Vec<String> = log.iter().map(untimed).collect();
    let has = |line: &str| assert!(log.iter().any(|logged| logged == line), "{line}: {log:#?}");
    has("level=info msg=\"became leader\" term=1 entries=1 changes=1 began=nightly span=dispatch");
    has("level=info msg=stopped");
    let sent = log.iter().find(|line| line.contains("msg=dispatched")).unwrap();
    assert_eq!(
        without_id(sent),
        "level=info msg=dispatched entry=nightly queue=celery slot=2026-01-01T00:00:00Z \
         task_id= kind=manual"
    );
}

#[test]
fn json_lines_are_objects_with_the_same_fields() {
    let log = log_of(&place(), &["--log-format", "json"]);
    let log: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent = log.iter().find(|line| line["message"] == "dispatched").unwrap();
    assert_eq!((&sent["level"], &sent["entry"]), (&"INFO".into(), &"nightly".into()));
    assert_eq!((&sent["slot"], &sent["kind"]), (&"2026-01-01T00:00:00Z".into(), &"manual".into()));
    assert!(sent["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
}

#[test]
fn the_level_decides_what_is_logged() {
    assert!(log_of(&place(), &["--log-level", "error"]).is_empty());
    let text = log_of(&place(), &[]).join("\n");
    assert!(
        text.contains("  INFO dispatch: became leader term=") && !text.contains("DEBUG"),
        "{text}"
    );
    // RUST_LOG may choose more finely.
    let place = place().env("RUST_LOG", "error,downbeat::manual=info");
    let log = log_of(&place, &["--log-format", "logfmt"]);
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("msg=dispatched"), "{log:?}");
}

/// The log of a service whose standard error is a file, which it may or may not be told is
/// journald's.
fn journal_of(format: &str, stream: impl Fn(&File) -> String) -> Vec<String> {
    let place = place();
    let path = place.path().join("journal");
    let journal = File::create(&path).unwrap();
    let mut command = place.command(&["run", "--log-format", format]);
    command.env("JOURNAL_STREAM", stream(&journal)).stdin(Stdio::null()).stderr(journal);
    let mut process = Process::spawn("downbeat", &mut command);
    eventually(SOON, "it leads", || (place.run(&["status"]).code == Some(0)).then_some(()));
    process.terminate();
    assert_eq!(process.wait(SOON).code(), Some(0));
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn stream_of(file: &File) -> String {
    let metadata = file.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

#[test]
fn under_journald_lines_have_their_priority_and_no_time() {
    let text = journal_of("text", stream_of);
    assert!(
        text.contains(
            &"<6> INFO dispatch: became leader term=\"1\" entries=1 changes=1 began=\"nightly\""
                .to_owned()
        ),
        "{text:?}"
    );
    let logfmt = journal_of("logfmt", stream_of);
    assert_eq!(logfmt.last().unwrap(), "<6>level=info msg=stopped");
    let json = journal_of("json", stream_of);
    let stopped: Value =
        serde_json::from_str(json.last().unwrap().strip_prefix("<6>").unwrap()).unwrap();
    assert_eq!(stopped, serde_json::json!({"level": "INFO", "message": "stopped"}));
}

#[test]
fn a_journal_stream_that_is_somebody_elses_changes_nothing() {
    let text = journal_of("text", |file| stream_of(file) + "1");
    let stopped = text.last().unwrap();
    let (time, rest) = stopped.split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{stopped}");
    assert_eq!(rest, " INFO stopped");
}

#[test]
fn no_level_logs_a_password() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut password = redis::cmd("CONFIG");
    password.arg(&["SET", "requirepass", "s3cret"]).exec(&mut server.connect()).unwrap();
    let right = format!("unix://{}?pass=s3cret", server.socket().display());
    let wrong = format!("unix://{}?pass=s3cret-not", server.socket().display());
    let nobody = format!("redis://me:s3cret@127.0.0.1:{}/0", free_port());
    for (broker, until) in [(&right, "became leader"), (&wrong, "WARN"), (&nobody, "WARN")] {
        let place = place().env("DOWNBEAT_BROKER", broker).env("RUST_LOG", "trace");
        let mut downbeat = place.start(&["run", "--leader-ttl", "1s"]);
        downbeat.wait_for_log(until);
        downbeat.process().signal(rustix::process::Signal::USR1);
        downbeat.wait_for_log("state status=");
        let shown = ["status", "config"].map(|command| place.run(&[command]));
        let all = format!("{:?}{shown:?}", downbeat.log());
        assert!(!all.contains("s3cret"), "{all}");
    }
}
