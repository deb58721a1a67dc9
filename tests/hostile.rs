//! No text in schedules, configuration, arguments, environment or Redis acts on a terminal, hides, or
//! begins a line of its own.

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use downbeat::worker::WorkerKind;
use redis::Commands as _;
use serde_json::{Value, json};

use crate::support::downbeat::{Downbeat, Finished, Place};
use crate::support::http;
use crate::support::manager::Manager;
use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// What terminals act on, what breaks lines, what turns text around and what cannot be seen.
const HOSTILE: &str = "x\u{1b}[31m\u{1b}]0;t\u{7}\u{9b}2J\u{90}q\r\nforged\u{85}forged\0\u{7f}\t\u{8}\
                       \u{202e}\u{202a}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{2028}\u{2029}\u{200b}\
                       \u{2060}\u{feff}\u{ad}\u{3164}\u{e0041}y";
/// The same without what no argument of a process can hold.
const ARGUMENT: &str =
    "x\u{1b}[31m\u{9b}2J\r\nforged\u{7f}\t\u{8}\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}y";
/// The same without control characters, which names cannot hold.
const NAME: &str = "n\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{200b}\u{feff}\u{e0041}m";

/// Panics if anything is shown raw: newlines and the tabs between columns are downbeat's own.
#[track_caller]
fn check(what: &str, text: &str) {
    let is_raw = |c: &char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(
                *c,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{200b}'
                    | '\u{200e}'
                    | '\u{200f}'
                    | '\u{3164}'
                    | '\u{feff}'
            )
            || ('\u{2028}'..='\u{202e}').contains(c)
            || ('\u{2060}'..='\u{206f}').contains(c)
            || ('\u{e0000}'..='\u{e007f}').contains(c)
    };
    let raw = text.chars().find(is_raw);
    assert!(raw.is_none(), "{what} shows {raw:?} in {text:?}");
    let forged = text.lines().find(|line| line.trim_start().starts_with("forged"));
    assert!(forged.is_none(), "{what} has a line that is none of its own: {text:?}");
}

#[track_caller]
fn check_run(place: &Place, args: &[&str]) -> Finished {
    let finished = place.run(args);
    check(&format!("standard output of {args:?}"), &finished.stdout);
    check(&format!("standard error of {args:?}"), &finished.stderr);
    assert_ne!(finished.code, None, "{args:?}: {finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{args:?}: {finished:?}");
    finished
}

fn kinds() -> [&'static str; WorkerKind::ALL.len()] {
    WorkerKind::ALL.map(WorkerKind::as_str)
}

/// A place with hostile names, whose queues are for workers of every kind.
fn place() -> Place {
    place_for(&kinds())
}

fn place_for(kinds: &[&str]) -> Place {
    let place = Place::new().env("DOWNBEAT_CONFIG", "c.yaml");
    let queue = |kind: &&str| (format!("{kind}{NAME}"), json!({"worker": kind}));
    let queues: serde_json::Map<String, Value> = kinds.iter().map(queue).collect();
    fs::write(place.path().join("c.yaml"), json!({"queues": queues}).to_string()).unwrap();
    let entry = |kind: &&str| {
        let mut entry = json!({
            "task": format!("demo.{NAME}"), "queue": format!("{kind}{NAME}"), "every": "1h",
            "args": [HOSTILE], "kwargs": {"a": HOSTILE}, "tags": [NAME], "description": HOSTILE,
        });
        let entry_object = entry.as_object_mut().unwrap();
        match *kind {
            "bullmq" | "stream" | "sidekiq" => {
                entry_object.remove("kwargs");
            }
            // RQ imports it by this name.
            "rq" => {
                entry_object.insert("task".to_owned(), json!("demo.task"));
            }
            _ => {}
        }
        if *kind == "bullmq" || *kind == "stream" {
            entry_object.remove("args");
            entry_object.insert("kwargs".to_owned(), json!({"a": HOSTILE}));
        }
        (format!("{kind}{NAME}"), entry)
    };
    let entries: serde_json::Map<String, Value> = kinds.iter().map(entry).collect();
    // A file's name may hold anything but a slash.
    place.write_schedule(
        "a\u{1b}[31m\nforged\u{202e}.json",
        &json!({"entries": entries}).to_string(),
    );
    place
}

fn entry(kind: &str) -> String {
    format!("{kind}{NAME}")
}

/// Every command that looks at entries or at the service, and `broken` arguments in every place.
fn run_all_commands(place: &Place) {
    for command in [
        &["check"][..],
        &["list"],
        &["list", &entry("rq")],
        &["list", ARGUMENT],
        &["history"],
        &["history", &entry("celery")],
        &["history", ARGUMENT],
        &["history", "--from", ARGUMENT],
        &["history", &entry("rq"), "--from", "2026-01-01 00:00", "--to", ARGUMENT],
        &["next", "--count", "30"],
        &["next", &entry("rq")],
        &["plan"],
        &["status"],
        &["status", "--live"],
        &["config"],
        &["explain", ARGUMENT],
        &["explain", ARGUMENT, "--quartz"],
        &["explain", &format!("FREQ=DAILY;{ARGUMENT}")],
        &["explain", "0 0 * * *", "--timezone", ARGUMENT],
        &["explain", "0 0 H * *", "--entry", ARGUMENT],
        &["explain", "0 0 * * *", "--from", ARGUMENT],
        &["next", ARGUMENT],
        &["next", "--from", ARGUMENT],
        &["plan", "--timezone", ARGUMENT],
        &["trigger", ARGUMENT],
        &["trigger", &entry("json"), "--args", ARGUMENT],
        &["trigger", &entry("json"), "--queue", ARGUMENT, "--dry-run"],
        &["trigger", &entry("json"), "--slot", ARGUMENT],
        &["trigger", &entry("json"), "--wait", "--wait-timeout", ARGUMENT],
        &["backfill", ARGUMENT, "--from", "2026-01-01", "--to", "2026-01-02"],
        &["backfill", &entry("rq"), "--from", ARGUMENT, "--to", ARGUMENT],
        &[
            "backfill",
            &entry("rq"),
            "--dry-run",
            "--from",
            "2026-01-01 00:00",
            "--to",
            "2026-01-01 03:00",
        ],
        &["peek", ARGUMENT],
        &["check", ARGUMENT],
        &["diff", ARGUMENT, "schedules"],
        &["diff", "schedules", "/dev/null", "--from", ARGUMENT],
        &["check", "--workers", "--timeout", ARGUMENT],
        &["config", "--config", ARGUMENT],
        &["config", "--namespace", ARGUMENT],
        &["config", "--broker", ARGUMENT],
        &["config", "--broker", &format!("redis://{ARGUMENT}")],
        &["config", "--broker-file", ARGUMENT],
        &["list", "--schedules", ARGUMENT],
        &["list", "--schedules", NAME],
        &["config", "--grace", ARGUMENT],
        &["config", "--leader-ttl", ARGUMENT],
        &["config", "--http", ARGUMENT],
        &["config", "--log-format", ARGUMENT],
        &["config", "--log-level", ARGUMENT],
        &["config", "--state-dir", ARGUMENT],
        &["config", "--runtime-dir", NAME],
        &["config", "--tls-pin", ARGUMENT],
    ] {
        check_run(place, command);
        check_run(place, &[command, &["--json"]].concat());
    }
    for command in [
        &[ARGUMENT][..],
        &["list", ARGUMENT, ARGUMENT],
        &["history", "x", "--count", ARGUMENT],
        &["list", "-\u{1b}"],
        &["list", &format!("--{ARGUMENT}")],
        &["peek", "x", "--count", ARGUMENT],
        &["completions", ARGUMENT],
        &["explain", "1h", "--day-match", ARGUMENT],
        &["reload", "--wait"],
        &["resign", ARGUMENT],
        &["run", "--log-format", ARGUMENT],
        &["run", "--config", ARGUMENT],
    ] {
        check_run(place, command);
    }
    for kind in kinds() {
        let shown = check_run(place, &["trigger", &entry(kind), "--dry-run"]);
        assert!(shown.stdout.contains("forged"), "{kind}: {shown:?}");
        check_run(place, &["trigger", &entry(kind), "--dry-run", "--json"]);
        check_run(place, &["peek", &entry(kind)]);
        check_run(place, &["peek", &entry(kind), "--json"]);
    }
}

#[test]
fn no_command_shows_hidden_characters_of_files_arguments_and_variables() {
    let place = place();
    let listed = check_run(&place, &["next", "--json"]).json(0);
    assert_eq!(listed[0]["entry"], entry("arq"), "in JSON, names are read as they are");
    assert!(check_run(&place, &["next"]).ok().contains(r"arqn\u202e\u2066"));
    run_all_commands(&place);
    let variables = [
        ("DOWNBEAT_\u{1b}[31m\nforged\u{202e}", "x"),
        ("DOWNBEAT_GRACE", ARGUMENT),
        ("DOWNBEAT_BROKER", ARGUMENT),
        ("DOWNBEAT_SCHEDULES", ARGUMENT),
        ("RUST_LOG", ARGUMENT),
        ("REDIS_URL", ARGUMENT),
    ];
    for (name, value) in variables {
        let place = Place::new().env(name, value);
        for command in [&["config"][..], &["config", "--json"], &["check"], &["run"]] {
            if command != ["run"] || name != "REDIS_URL" {
                check_run(&place, command);
            }
        }
    }
}

#[test]
fn no_problem_of_a_file_shows_hidden_characters() {
    let place = Place::new();
    let text = HOSTILE.replace('\0', "");
    for (number, broken) in [
        format!("entries: {{a: {{task: t, cron: '{text}'}}}}"),
        format!("entries: {{\"{ARGUMENT}\": {{task: t, every: 1h}}}}"),
        format!("entries: {{a: {{task: t, {NAME}: 1}}}}"),
        json!({"entries": {HOSTILE: {HOSTILE: HOSTILE}}, HOSTILE: 1}).to_string(),
        json!({"entries": {"a": {"task": HOSTILE, "every": HOSTILE, "queue": HOSTILE}}})
            .to_string(),
        json!({"entries": {"a": {"task": NAME, "rrule": HOSTILE, "timezone": HOSTILE}}})
            .to_string(),
        json!({"entries": {"a": {"task": NAME, "at": HOSTILE, "worker": HOSTILE}}}).to_string(),
        json!({"calendars": {HOSTILE: [HOSTILE]}, "entries": {}}).to_string(),
        HOSTILE.to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let extension = if broken.starts_with('{') { "json" } else { "yaml" };
        place.write_schedule(&format!("{number}\u{9b}\nforged\u{202e}.{extension}"), broken);
    }
    let not_utf_8 = OsString::from_vec(b"10\xff\x1b\n.yaml".to_vec());
    fs::write(place.schedules().join(not_utf_8), b"\xff\x1b[31m").unwrap();
    check_run(&place, &["check"]).refused(1);
    assert!(
        check_run(&place, &["check", "--json"]).json(1)["problems"].as_array().unwrap().len() > 9
    );
    for command in [&["list"][..], &["next"], &["plan"], &["explain", "x"]] {
        check_run(&place, command);
    }
    let manager = Manager::abstract_name();
    let place = manager.supervises(place);
    check_run(&place, &["run", "--broker", "spool:s"]).refused(78);
    let (_, reported) = manager.wait_for("the failure is reported", |m| m.contains("ERRNO="));
    check("STATUS", &reported);
    assert_eq!(reported.lines().count(), 2, "{reported:?}");

    // A configuration repeats no values, but has names.
    let place = Place::new().env("DOWNBEAT_CONFIG", "c.yaml");
    for text in [
        json!({HOSTILE: HOSTILE}).to_string(),
        json!({"namespace": HOSTILE, "queues": {HOSTILE: {"worker": HOSTILE, HOSTILE: 1}}})
            .to_string(),
        json!({"log": {"level": HOSTILE}, "schedules": [HOSTILE], "broker": HOSTILE}).to_string(),
        format!("broker: '{text}'\n{NAME}: 1\n"),
    ] {
        fs::write(place.path().join("c.yaml"), text).unwrap();
        for command in [&["check"][..], &["check", "--json"], &["config"], &["list"], &["run"]] {
            check_run(&place, command);
        }
    }
}

/// Leaves hostile values under every key that is read, and messages in `queue`.
fn poison(server: &RedisServer, queue: &str) {
    let mut redis = server.connect();
    let long = HOSTILE.repeat((1 << 20) / HOSTILE.len());
    let () = redis.pset_ex("downbeat:lease", format!("7 {HOSTILE}{long}"), 600_000).unwrap();
    let () = redis.set("downbeat:term", 7).unwrap();
    let peer = |text: &str| {
        let said =
            json!({"host": text, "pid": 1, "version": text, "schedule": text, "skew_ms": 99_000});
        format!("{} {said}", jiff::Timestamp::now().as_millisecond())
    };
    let replicas = [(HOSTILE, peer(HOSTILE)), ("b", peer(&long)), ("c", HOSTILE.to_owned())];
    let () = redis.hset_multiple("downbeat:replicas", &replicas).unwrap();
    let name = entry("celery");
    let records =
        [(&*name, HOSTILE.to_owned()), (HOSTILE, format!("1 {HOSTILE} -")), ("z", long.clone())];
    for key in ["progress", "registrations", "intents", "running", "counters", "outcomes"] {
        let () = redis.hset_multiple(format!("downbeat:{key}"), &records).unwrap();
    }
    for key in ["head", "folded", "sequence"] {
        let () = redis.set(format!("downbeat:{key}"), HOSTILE).unwrap();
    }
    for lines in [HOSTILE.to_owned(), format!("{NAME}\t1\t{HOSTILE}\n{NAME}\t1"), long.clone()] {
        let record = ["before", HOSTILE, "term", "7", "queue", NAME, "lines", &*lines];
        let mut add = redis::cmd("XADD");
        add.arg("downbeat:journal").arg("*").arg(&record).exec(&mut redis).unwrap();
    }
    // And one that can be read: whoever asked, and the queue, may be called anything.
    let by = HOSTILE.replace(['\n', '\t'], "");
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let line = format!("{name}\t1798761600000\tmanual\tid={id}\tby={by}");
    let record = ["before", HOSTILE, "term", "", "queue", HOSTILE, "total", "1", "lines", &line];
    let mut add = redis::cmd("XADD");
    add.arg("downbeat:journal").arg("*").arg(&record).exec(&mut redis).unwrap();
    let counter = format!("{HOSTILE}\tscheduled");
    let () = redis.hset("downbeat:counters", counter, 5).unwrap();
    let message = json!({
        "body": json!([[HOSTILE, long], {HOSTILE: HOSTILE}, {}]).to_string(),
        "headers": {"task": HOSTILE, "id": HOSTILE, "downbeat_entry": long, "downbeat_kind": HOSTILE},
        "properties": {"delivery_tag": HOSTILE}, "content-type": "application/json",
        "content-encoding": "utf-8",
    });
    for text in [
        HOSTILE.as_bytes(),
        b"\xff\x1b[31m\nforged",
        long.as_bytes(),
        message.to_string().as_bytes(),
    ] {
        let () = redis.rpush(queue, text).unwrap();
        let () = redis.rpush("bull:jobs:wait", text).unwrap();
        let () = redis.rpush("rq:queue:rq", text).unwrap();
        let () =
            redis.hset(format!("rq:job:{}", String::from_utf8_lossy(text)), "data", text).unwrap();
    }
    let () = redis.set("wrong", HOSTILE).unwrap();
    let () = redis.set(format!("wrong{NAME}"), HOSTILE).unwrap();
}

/// Has a leader with a hostile name.
fn lead(server: &RedisServer) {
    let () = server.connect().pset_ex("downbeat:lease", format!("7 {NAME}"), 600_000).unwrap();
}

#[test]
fn no_command_shows_hidden_characters_of_redis() {
    needs!(Redis);
    let server = RedisServer::start();
    let queue = entry("celery");
    poison(&server, &queue);
    let place = place().env("DOWNBEAT_BROKER", &server.url());
    run_all_commands(&place);
    for command in [&["history"][..], &["history", &entry("celery")]] {
        let shown = check_run(&place, command).ok();
        assert!(shown.contains(r"manual") && shown.contains(r"x\u001b[31m"), "{shown}");
        check_run(&place, &[command, &["--json"]].concat()).ok();
    }
    let status = check_run(&place, &["status"]);
    assert!(status.stdout.contains("5 sent"), "{status:?}");
    let reported = r"the lease cannot be used: it cannot be read: `7 x\u001b[31m";
    assert!(status.stdout.contains(reported) && status.stdout.len() < 50_000, "{status:?}");
    let status = check_run(&place, &["status", "--json"]).json(1);
    assert!(status["lease_error"].as_str().unwrap().len() < 500, "{status:?}");
    lead(&server);
    let status = check_run(&place, &["status"]);
    assert!(status.stdout.contains(r"leader     n\u202e"), "{status:?}");
    let status = check_run(&place, &["status", "--json"]).json(0);
    assert_eq!(status["leader"], format!("7 {NAME}"));
    for queue in [&*queue, "wrong", &format!("wrong{NAME}"), "jobs", "rq"] {
        let shown = check_run(&place, &["peek", queue, "--count", "100"]);
        assert!(shown.stdout.len() < 100_000, "{}", shown.stdout.len());
        let shown = check_run(&place, &["peek", queue, "--json", "--count", "100"]);
        for line in shown.stdout.lines() {
            let _: Value = serde_json::from_str(line).unwrap();
        }
    }
    let shown = check_run(&place, &["peek", &queue, "--json"]);
    let first: Value = serde_json::from_str(shown.stdout.lines().next().unwrap()).unwrap();
    assert!(shown.stdout.len() > 2 << 20, "nothing is cut in JSON");
    assert!(first.to_string().contains("forged"), "{first}");
}

#[test]
fn neither_commands_nor_the_log_show_hidden_characters_of_a_spool() {
    let place = place_for(&["celery"]).env("DOWNBEAT_BROKER", "spool:s");
    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    downbeat.process().terminate();
    downbeat.wait(SOON);
    let (name, by) = (entry("celery"), HOSTILE.replace(['\n', '\t'], ""));
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let lines = format!("{name}\t1798761600000\tmanual\tid={id}\tby={by}\n{name}\t{by}");
    let left = json!({
        "seq": 1_000_000_000_000_000_u64,
        "registrations": {HOSTILE: HOSTILE, &name: HOSTILE},
        "progress": {HOSTILE: HOSTILE, NAME: HOSTILE},
        "intents": {HOSTILE: HOSTILE, &name: HOSTILE},
        "running": {HOSTILE: HOSTILE},
        "counters": {format!("{HOSTILE}\tscheduled"): 5},
        "journal": [["1798761600000-9", "7", HOSTILE, lines]],
    });
    let records = eventually(SOON, "the spool's records", || {
        let folders = [place.path().join("s"), place.state()];
        folders.iter().flat_map(|folder| find(folder, "records")).next()
    });
    let mut text = fs::read(&records).unwrap();
    text.extend_from_slice(format!("{left}\n").as_bytes());
    fs::write(&records, text).unwrap();
    let look = || {
        for command in [
            &["status"][..],
            &["list"],
            &["list", &name],
            &["history"],
            &["history", &name],
            &["peek", &name],
            &["next"],
            &["trigger", &name],
        ] {
            check_run(&place, command);
            check_run(&place, &[command, &["--json"]].concat());
        }
    };
    look();
    let shown = check_run(&place, &["history", &name]).ok();
    assert!(shown.contains(r"x\u001b[31m"), "{shown}");
    for format in ["text", "logfmt", "json"] {
        let mut downbeat = place.start(&["run", "--log-format", format, "--log-level", "debug"]);
        downbeat.wait_for_log("became leader");
        look();
        let shown = check_run(&place, &["history", &name]).ok();
        assert!(shown.contains(r"x\u001b[31m"), "{shown}");
        downbeat.process().terminate();
        downbeat.wait(SOON);
        check_log(format, &downbeat);
    }
}

/// All files of that name in a folder and the folders in it.
fn find(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => find(&path, name),
            false => vec![path],
        })
        .filter(|path| path.ends_with(name))
        .collect()
}

/// A thread that does `work` again and again until the guard is dropped.
struct Repeating {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Repeating {
    /// Does some work until it is dropped, which the work can see.
    fn start(mut work: impl FnMut(&AtomicBool) + Send + 'static) -> Repeating {
        let ends = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                work(&seen);
            }
        });
        Repeating { ends, thread: Some(thread) }
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn nothing_that_workers_say_is_shown_raw() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place().env("DOWNBEAT_BROKER", &server.url());
    let mut redis = server.connect();
    let traceback = format!("Traceback\n  File\nValueError: {}", HOSTILE.replace('\n', ""));
    for (result, code) in [
        (json!({"status": "SUCCESS", "result": {HOSTILE: HOSTILE}}), 0),
        (json!({"status": "SUCCESS", "result": HOSTILE.repeat(20_000)}), 0),
        (json!({"status": "FAILURE", "traceback": traceback}), 1),
        (
            json!({"status": "FAILURE", "result": {"exc_type": HOSTILE, "exc_message": [HOSTILE]}}),
            1,
        ),
        (json!({"status": "REVOKED", "result": HOSTILE}), 1),
        (json!({"status": HOSTILE}), 3),
    ] {
        for json in [&[][..], &["--json"]] {
            // Answers each message that comes, as a worker does.
            let (mut worker, queue, text) = (server.connect(), entry("celery"), result.to_string());
            let _worker = Repeating::start(move |_| {
                let popped: Option<(String, String)> =
                    worker.brpop(&queue, 0.05).unwrap_or_default();
                let Some((_, message)) = popped else { return };
                let message: Value = serde_json::from_str(&message).unwrap();
                let id = message["headers"]["id"].as_str().unwrap();
                let () = worker.set(format!("celery-task-meta-{id}"), &text).unwrap();
            });
            let args = ["trigger", &entry("celery"), "--wait", "--wait-timeout", "3s"];
            let shown = check_run(&place, &[&args, json].concat());
            assert_eq!(shown.code, Some(code), "{shown:?}");
            assert!(!json.is_empty() || shown.stdout.len() < 20_000, "{}", shown.stdout.len());
        }
    }

    let (mut listener, mut worker) = (server.connect(), server.connect());
    let _worker = Repeating::start(move |ends| {
        let mut channel = listener.as_pubsub();
        channel.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        channel.subscribe("/0.celery.pidbox").unwrap();
        while !ends.load(Ordering::Relaxed) {
            let Ok(message) = channel.get_message() else { continue };
            let asked: Value =
                serde_json::from_slice(&message.get_payload::<Vec<u8>>().unwrap()).unwrap();
            let id = asked["properties"]["delivery_tag"].as_str().unwrap();
            for (ticket, reported) in [
                ("registered", json!({HOSTILE: [format!("demo.{HOSTILE}"), "demo.nm"]})),
                ("active_queues", json!({HOSTILE: [{"name": HOSTILE}, {"name": entry("celery")}]})),
            ] {
                let answer = json!({
                    "body": reported.to_string(), "content-type": "application/json",
                    "headers": {"ticket": ticket}, "properties": {},
                });
                let () =
                    worker.lpush(format!("{id}.reply.celery.pidbox"), answer.to_string()).unwrap();
            }
        }
    });
    eventually(SOON, "the worker listens", || {
        let (_, listening): (String, u64) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg("/0.celery.pidbox").query(&mut redis).unwrap();
        (listening == 1).then_some(())
    });
    let shown = check_run(&place, &["check", "--workers", "--timeout", "10s"]);
    assert!(shown.stderr.contains("registered by no live worker"), "{shown:?}");
    check_run(&place, &["check", "--workers", "--json"]);
}

/// A server that answers everything with an error of hostile words; gives its address.
fn refusing_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let words = HOSTILE.replace(['\r', '\n'], "").repeat(1000);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = format!("-ERR {words}\r\n").repeat(8);
            thread::spawn(move || {
                let (mut stream, mut bytes) = (stream, [0; 4096]);
                while stream.read(&mut bytes).is_ok_and(|read| read > 0) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    format!("redis://{address}")
}

fn check_log(format: &str, downbeat: &Downbeat) {
    for line in downbeat.log() {
        check(&format!("the log as {format}"), &line);
        assert!(line.len() < 100_000, "{format}: {} bytes", line.len());
        let begins = match format {
            "text" => line.as_bytes()[0] == b'2' && line.contains("Z "),
            "logfmt" => line.starts_with("ts="),
            _ => serde_json::from_str::<Value>(&line).is_ok_and(|line| line.is_object()),
        };
        assert!(begins, "{format}: {line}");
    }
}

#[test]
fn the_log_in_each_format_and_the_status_show_nothing_raw() {
    needs!(Redis);
    for format in ["text", "logfmt", "json"] {
        // A follower of a hostile leader, among hostile replicas.
        let server = RedisServer::start();
        poison(&server, &entry("celery"));
        let manager = Manager::abstract_name();
        let place = manager.supervises(place()).env("DOWNBEAT_BROKER", &server.url());
        let run = ["run", "--log-format", format, "--log-level", "debug", "--http", "127.0.0.1:0"];
        let mut downbeat = place.start(&run);
        downbeat.wait_for_log("found an unusable lease");
        lead(&server);
        downbeat.wait_for_log("became follower");
        downbeat.wait_for_log("clock is off");
        run_all_commands(&place);
        place.write_schedule("b.json", &json!({"entries": {HOSTILE: {HOSTILE: 1}}}).to_string());
        check_run(&place, &["reload", "--wait"]).refused(1);
        let (_, reported) =
            manager.wait_for("the refusal is reported", |m| m.contains("fixed files are loaded"));
        check("STATUS", &reported);
        place.write_schedule(
            "b.json",
            &json!({"entries": {NAME: {"task": "t", "every": "1h"}}}).to_string(),
        );
        check_run(&place, &["reload", "--wait"]).ok();
        downbeat.process().signal(rustix::process::Signal::USR1);
        let state = ["state status=", "msg=state ", "\"message\":\"state\""];
        let is_state = |line: &str| state.iter().any(|state| line.contains(state));
        eventually(SOON, "the state is logged", || downbeat.last_log(is_state));
        if format != "json" {
            let address = http::address(&downbeat);
            let status = http::get(&address, "/status").body;
            check("/status", &status);
            let _: Value = serde_json::from_str(&status).unwrap();
        }
        // It takes over, and finds what the leader has left behind.
        let () = server.connect().del("downbeat:lease").unwrap();
        downbeat.wait_for_log("became leader");
        check_run(&place, &["status"]);
        check_run(&place, &["list"]);
        check_run(&place, &["trigger", &entry("json")]).ok();
        check_log(format, &downbeat);
        downbeat.process().terminate();
        downbeat.wait(SOON);
        check_log(format, &downbeat);

        // A broker that answers with hostile errors.
        let place = manager.supervises(self::place()).env("DOWNBEAT_BROKER", &refusing_server());
        let mut downbeat = place.start(&run[..5]);
        let (_, reported) = manager
            .wait_for("the trouble is told", |m| m.contains("forged") && m.contains("STATUS="));
        check("STATUS", &reported);
        assert!(reported.len() < 1000, "{reported}");
        let waits = |line: &str| line.contains("forged");
        eventually(SOON, "the trouble is logged", || downbeat.last_log(waits));
        run_all_commands(&place);
        check_log(format, &downbeat);
        downbeat.process().terminate();
        downbeat.wait(SOON);
        for command in [&["status"][..], &["list"], &["peek", "x"], &["trigger", &entry("celery")]]
        {
            check_run(&place, command);
        }
    }
}

#[test]
fn under_journald_no_value_begins_a_line_with_a_priority_of_its_own() {
    let place = place_for(&["celery"]).env("DOWNBEAT_BROKER", "spool:s");
    let path = place.path().join("journal");
    let journal = fs::File::create(&path).unwrap();
    let mut command = place.command(&["run"]);
    let metadata = journal.metadata().unwrap();
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    command.stdin(Stdio::null()).stderr(journal);
    let mut process = Process::spawn("downbeat", &mut command);
    eventually(SOON, "it says that it started", || {
        fs::read_to_string(&path).unwrap().contains("started").then_some(())
    });
    place.write_schedule(&format!("b\n<0>{NAME}.yaml"), "entries: [");
    check_run(&place, &["reload", "--wait"]);
    process.terminate();
    process.wait(SOON);
    let log = fs::read_to_string(&path).unwrap();
    check("the journal", &log);
    for line in log.lines() {
        let priorities = ["<3>ERROR ", "<4> WARN ", "<6> INFO "];
        assert!(priorities.iter().any(|priority| line.starts_with(priority)), "{line}");
    }
}
