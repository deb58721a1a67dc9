//! The commands in README.md and docs/installing.md do what these say.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use redis::Commands as _;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::celery::CeleryWorker;
use crate::support::downbeat::Place;
use crate::support::machine::{Init, Machine};
use crate::support::process::Process;
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::{needs, python, tests_folder};
use crate::support::wait::{SOON, eventually, wall_clock};

/// A page, by its path from the root of the project.
fn page(path: &str) -> String {
    fs::read_to_string(tests_folder().join("..").join(path)).unwrap()
}

/// The text of README.md below a heading, up to the next one of its level.
pub(crate) fn section(heading: &str) -> String {
    let page = page("README.md");
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The first block in that language.
pub(crate) fn block(section: &str, language: &str) -> String {
    let (_, rest) = section.split_once(&format!("```{language}\n")).unwrap();
    rest.split("```").next().unwrap().to_owned()
}

/// The words of the line of code that begins with `start`, without what follows a `#`.
pub(crate) fn command<'s>(section: &'s str, start: &str) -> Vec<&'s str> {
    let mut lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    let line = lines.find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}"));
    line.split(" #").next().unwrap().split_whitespace().collect()
}

/// A folder with the schedule of the first steps.
fn first_steps() -> (String, Place) {
    let (steps, place) = (section("First steps"), Place::new());
    fs::write(place.path().join("hello.yaml"), block(&steps, "yaml")).unwrap();
    (steps, place)
}

#[test]
fn the_first_steps_check_a_schedule_show_it_and_send_without_a_server() {
    let (steps, place) = first_steps();
    place.run(&command(&steps, "downbeat check")[1..]).ok();
    let next = place.run(&command(&steps, "downbeat next")[1..]).ok();
    assert_eq!(next.matches("T08:00:00+00:00").count(), 3, "{next}");
    let mut downbeat = place.start(&command(&steps, "downbeat run")[1..]);
    let sent = eventually(Duration::from_secs(10), "a message", || downbeat.dispatches().pop());
    assert_eq!(sent.entry, "hello");
    // The log names the folder.
    assert!(downbeat.wait_for_log("using a spool").contains("spool/queue"));
    downbeat.process().signal(Signal::INT);
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

#[test]
fn the_task_of_the_first_steps_arrives_in_a_celery_worker_over_redis() {
    needs!(Redis, Python);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let ((_, place), tell) = (first_steps(), section("With Redis and a Celery worker"));
    let here = |text: &str| text.replace("redis://127.0.0.1:6379/0", &server.tcp_url());
    fs::write(place.path().join("hello.py"), here(&block(&tell, "python"))).unwrap();
    let log = place.path().join("worker.log");
    let celery = command(&tell, "celery ");
    let mut worker = Command::new(python().with_file_name("celery"));
    worker.args(&celery[1..]).current_dir(place.path()).stdin(Stdio::null());
    let out = File::create(&log).unwrap();
    worker.stdout(out.try_clone().unwrap()).stderr(out);
    let mut worker = Process::spawn("celery", &mut worker);
    let run = command(&tell, "downbeat run").into_iter().map(here).collect::<Vec<_>>();
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let _downbeat = place.start(&run[1..]);
    eventually(2 * SOON, "a greeting", || {
        fs::read_to_string(&log).unwrap().contains("hello world").then_some(())
    });
    worker.terminate();
    worker.wait(SOON);
}

/// Types the lines of code of docs/installing.md from that which begins with `first` to that which begins
/// with `last`.
fn type_lines(machine: &Machine, first: &str, last: &str) {
    let install = page("docs/installing.md");
    let lines: Vec<_> = install.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let find = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
    let script = lines[find(first)..=find(last)].join("\n");
    // The folder is elsewhere there.
    let script = script.replace(" systemd/", " /usr/share/downbeat/");
    machine.run(&format!("set -e\n{script}")).ok();
}

/// The machine has the binary already.
const FIRST: &str = "install -Dm644 systemd/downbeat.sysusers";

#[test]
fn a_service_that_is_installed_by_hand_under_systemd_starts_and_sends_nothing_yet() {
    needs!(Systemd);
    let Some(machine) = Machine::boot(Init::Systemd) else { return };
    type_lines(&machine, FIRST, "systemctl daemon-reload");
    let active = machine.run("systemctl is-active downbeat").ok();
    assert_eq!(active.trim(), "active");
    let listed = machine.run("downbeat list").ok();
    assert_eq!(listed.matches("disabled").count(), 2, "{listed}");
}

#[test]
fn a_service_that_is_installed_by_hand_without_systemd_starts_and_sends_nothing_yet() {
    needs!(Systemd);
    let Some(machine) = Machine::boot(Init::Bare) else { return };
    type_lines(&machine, FIRST, "echo 'broker:");
    type_lines(&machine, "adduser ", "update-rc.d ");
    machine.run("service downbeat status").ok();
    let listed = machine.run("downbeat list").ok();
    assert_eq!(listed.matches("disabled").count(), 2, "{listed}");
    machine.run("service downbeat stop").ok();
}

#[test]
fn workers_that_do_not_accept_json_refuse_messages() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let (_, place) = first_steps();
    let place = place.env("DOWNBEAT_BROKER", &server.url());
    let settings = json!({"accept_content": ["yaml"]});
    let worker = CeleryWorker::start_with(&server.celery_url(), &["celery"], &settings);
    place.run(&["trigger", "hello", "--schedules", "hello.yaml"]).ok();
    eventually(SOON, "the message is refused", || {
        worker.log().contains("Refusing to deserialize").then_some(())
    });
    assert!(worker.runs().is_empty());
}

#[test]
fn the_example_of_a_beat_schedule_is_converted_into_one_that_sends_the_same() {
    needs!(Python);
    let page = page("docs/celery-beat.md");
    let place = Place::new();
    place.write_schedule("a.yaml", &block(&page, "yaml"));
    assert_eq!(place.run(&["check"]).ok(), "ok: 4 entries\n");
    let script = format!(
        "import json, celery\nfrom celery.schedules import crontab, solar\napp = celery.Celery()\n\
         {}\nprint(json.dumps(app.conf.beat_schedule, default=str))",
        block(&page, "python")
    );
    let beat = Command::new(python()).args(["-c", &script]).output().unwrap();
    let beat: BTreeMap<String, Value> = serde_json::from_slice(&beat.stdout).unwrap();
    assert_eq!(beat.len(), 4);
    for (name, entry) in beat {
        let message = place.run(&["trigger", &name, "--dry-run"]).json(0);
        let (headers, properties) = (&message["headers"], &message["properties"]);
        let repr = |value: &Value, none: &str| match value {
            Value::Null => none.to_owned(),
            value => value.to_string().replace('"', "'").replace(':', ": "),
        };
        assert_eq!(headers["task"], entry["task"]);
        assert_eq!(headers["argsrepr"], repr(&entry["args"], "()"), "{name}");
        assert_eq!(headers["kwargsrepr"], repr(&entry["kwargs"], "{}"), "{name}");
        let options = &entry["options"];
        assert_eq!(headers["timelimit"][0], options["time_limit"], "{name}");
        let queue = options["queue"].as_str().unwrap_or("celery");
        assert_eq!(properties["delivery_info"]["routing_key"], queue, "{name}");
        assert_eq!(properties["priority"], options["priority"].as_u64().unwrap_or(0), "{name}");
        let expires = options["expires"].as_u64().map(|seconds| format!("{seconds}000"));
        assert_eq!(properties["expiration"].as_str(), expires.as_deref(), "{name}");
    }
}

#[test]
fn the_entry_that_stands_in_for_beats_own_cleans_up_on_a_worker() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let page = page("docs/celery-beat.md");
    let (_, page) = page.split_once("\n## Expired results\n").unwrap();
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    place.write_schedule("a.yaml", &block(page, "yaml"));
    let results = place.path().join("results");
    fs::create_dir(&results).unwrap();
    let expired = results.join("celery-task-meta-old");
    fs::write(&expired, "{}").unwrap();
    let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    File::options().write(true).open(&expired).unwrap().set_times(long_ago).unwrap();
    let settings = json!({"result_backend": format!("file://{}", results.display())});
    let _worker = CeleryWorker::start_with(&server.celery_url(), &["celery"], &settings);
    place.run(&["trigger", "celery.backend_cleanup"]).ok();
    eventually(SOON, "the old result is gone", || (!expired.exists()).then_some(()));
}

#[test]
fn an_expired_message_stays_in_redis_until_a_worker_drops_it() {
    needs!(Redis, Python);
    let server = RedisServer::start();
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    place.write_schedule("a.yaml", "entries: {a: {task: t, every: 1h, expires: 100ms}}\n");
    place.run(&["trigger", "a"]).ok();
    let [sent] = &server.queue("celery")[..] else { panic!("not one message") };
    // By hand a message lives for a second at least.
    let expired_at = wall_clock() + Duration::from_secs(1);
    eventually(SOON, "it has expired", || (wall_clock() > expired_at).then_some(()));
    let length: usize = server.connect().llen("celery").unwrap();
    assert_eq!((length, sent.entry.as_str()), (1, "a"));
    let mut worker = CeleryWorker::start(&server.celery_url(), &["celery"]);
    worker.wait_for("it is dropped", |events| {
        let revoked = |event: &_| matches!(event, crate::support::celery::Event::Revoked { .. });
        events.iter().any(revoked).then_some(())
    });
    assert!(worker.runs().is_empty());
}
