//! Stores in Redis that the real libraries have filled, imported and proved instant by instant.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use redis::Commands as _;
use serde_json::Value;

use crate::support::downbeat::{Finished, Place};
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::{apart, needs, node_modules, python, tests_folder};

/// How many instants of each job are compared; the long run sets more.
fn instants() -> String {
    std::env::var("DOWNBEAT_TEST_INSTANTS").unwrap_or_else(|_| "20".to_owned())
}

/// A script of this folder.
fn script(name: &str) -> PathBuf {
    tests_folder().join("import").join(name)
}

fn lines() -> PathBuf {
    script("lines.json")
}

/// Runs a command that fills a store, and returns how many jobs it made.
fn fill(command: &mut Command) -> u64 {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    told["made"].as_u64().unwrap()
}

/// Every key with its value.
fn everything(server: &RedisServer) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut redis = server.connect();
    let keys: Vec<String> = redis.keys("*").unwrap();
    let dump = |key: String| {
        let value = redis::cmd("DUMP").arg(&key).query(&mut server.connect()).unwrap();
        (key, value)
    };
    keys.into_iter().map(dump).collect()
}

/// What an import prints, however long the libraries take; some jobs are left out.
fn run(place: &Place, words: &[&str]) -> Value {
    let mut command = place.command(words);
    // Where Node and Ruby are.
    command.env("PATH", std::env::var_os("PATH").unwrap());
    Finished::from(command.output().unwrap()).json(1)
}

/// What became of a store.
struct Proved {
    report: Value,
    grades: BTreeMap<String, usize>,
}

impl Proved {
    /// Imports and compares; nothing may be unexplained, and the store must stay as it was.
    fn of(place: &Place, server: &RedisServer, source: &str, args: &[&str]) -> Proved {
        let before = everything(server);
        let (url, count) = (format!("unix://{}", server.socket().display()), instants());
        let words = ["import", source, &url, "--compare", &count, "--json"];
        let report = run(place, &[&words[..], args].concat());
        assert!(before == everything(server), "the store was changed");
        Proved::new(report)
    }

    fn new(report: Value) -> Proved {
        let mut grades = BTreeMap::new();
        for entry in entries(&report) {
            *grades.entry(entry["grade"].as_str().unwrap().to_owned()).or_default() += 1;
            let comparison = &entry["comparison"];
            let is_proved = comparison.is_null()
                || comparison["unexplained"] == 0 && comparison.get("error").is_none();
            assert!(is_proved, "{entry:#}");
        }
        let theirs: u64 =
            entries(&report).filter_map(|entry| entry["comparison"]["theirs"].as_u64()).sum();
        eprintln!("{}: {grades:?}, {theirs} instants", report["source"]);
        Proved { report, grades }
    }

    fn count(&self, grade: &str) -> usize {
        self.grades.get(grade).copied().unwrap_or(0)
    }

    /// The reasons for which jobs are left out.
    fn reasons(&self) -> BTreeSet<&str> {
        entries(&self.report).filter_map(|entry| entry["why"].as_str()).collect()
    }

    fn entry(&self, name: &str) -> &Value {
        entries(&self.report).find(|entry| entry["entry"] == name).unwrap()
    }
}

fn entries(report: &Value) -> impl Iterator<Item = &Value> {
    report["entries"].as_array().unwrap().iter()
}

/// A folder in which Node finds this package as `bullmq`.
fn place_with_bullmq(package: &str) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path().join("node_modules")).unwrap();
    symlink(node_modules().join(package), place.path().join("node_modules/bullmq")).unwrap();
    place
}

fn bullmq(package: &str) {
    let (server, place) = (RedisServer::start(), place_with_bullmq(package));
    let mut node = Command::new("node");
    node.current_dir(place.path()).arg(script("bullmq_store.js"));
    let made = fill(node.arg(server.socket()).arg("shop").arg(lines()));
    assert_eq!(made, 196);
    let proved = Proved::of(&place, &server, "bullmq", &["--prefix", "shop"]);
    assert!(proved.count("same") > 100, "{:?}", proved.grades);
    assert!(proved.count("differs") > 50, "{:?}", proved.grades);
    for why in [
        "its data is no object",
        "its limit of 3 jobs is used up",
        "`shop:mail:repeat:a string` is not a hash",
        "it is a repeatable job of BullMQ before 5.16, whose data only its next job has",
    ] {
        assert!(proved.reasons().contains(why), "{why}: {:?}", proved.reasons());
    }
}

#[test]
fn job_schedulers_of_bullmq_6_are_imported_and_proved() {
    needs!(Redis, Bullmq);
    bullmq("bullmq");
}

#[test]
fn job_schedulers_of_bullmq_5_are_imported_and_proved() {
    needs!(Redis, Bullmq);
    bullmq("bullmq-5");
}

/// A place whose Python has a package apart.
fn place_with(package: Option<&str>) -> Place {
    match package {
        None => Place::new(),
        Some(package) => {
            let path = tests_folder().join(".tools/apart").join(package);
            Place::new().env("PYTHONPATH", path.to_str().unwrap())
        }
    }
}

fn python_of(package: Option<&str>) -> Command {
    package.map_or_else(|| Command::new(python()), apart)
}

fn with_python(source: &str, store: &str, package: Option<&str>, zone: &str) -> Proved {
    let (server, place) = (RedisServer::start(), place_with(package));
    let mut filling = python_of(package);
    let made = fill(filling.arg(script(store)).arg(server.socket()).arg(lines()));
    assert_eq!(made, 200);
    let python = python().display().to_string();
    let proved = Proved::of(&place, &server, source, &["--python", &python, "--timezone", zone]);
    let harmed = format!("{}.harmed", server.socket().display());
    assert!(!Path::new(&harmed).exists(), "a pickle was run");
    proved
}

fn rq_cron(package: Option<&str>, zone: &str) {
    let proved = with_python("rq-cron", "rq_cron_store.py", package, zone);
    assert!(proved.count("same") > 130, "{:?}", proved.grades);
    assert!(proved.reasons().contains("its `args` are not JSON, and RQ does not show them"));
    assert!(proved.report["notes"].to_string().contains("its jobs are not JSON"));
    assert_eq!(proved.entry("shop.tasks.poll-2")["grade"], "same");
}

#[test]
fn a_cron_scheduler_of_rq_2_is_imported_and_proved() {
    needs!(Redis, Python);
    rq_cron(None, "UTC");
}

#[test]
fn a_cron_scheduler_of_rq_3_reads_the_clock_of_its_machine() {
    needs!(Redis, Python, Apart);
    rq_cron(Some("rq==3.0.0"), "Europe/Berlin");
}

fn rq_scheduler(package: &str, zone: &str) {
    let proved = with_python("rq-scheduler", "rq_scheduler_store.py", Some(package), zone);
    assert!(proved.count("differs") > 120, "{:?}", proved.grades);
    assert_eq!(
        proved.entry("bomb")["why"],
        "its call cannot be read: a pickle of more than plain values"
    );
    for why in ["its arguments hold bytes", "its arguments hold a set", "its job is gone"] {
        assert!(proved.reasons().contains(why), "{why}: {:?}", proved.reasons());
    }
}

#[test]
fn jobs_of_rq_scheduler_0_14_are_imported_and_proved() {
    needs!(Redis, Python, Apart);
    rq_scheduler("rq-scheduler==0.14.0", "Europe/Berlin");
}

#[test]
fn jobs_of_rq_scheduler_0_13_are_imported_and_proved() {
    needs!(Redis, Python, Apart);
    rq_scheduler("rq-scheduler==0.13.1", "America/New_York");
}

/// A store, and a schedule file with the same jobs.
fn sidekiq_cron(layout: &str) -> (RedisServer, Place, String) {
    let (server, place) = (RedisServer::start(), Place::new());
    let file = place.path().join("schedule.yml").display().to_string();
    let mut ruby = Command::new("ruby");
    ruby.arg(script("sidekiq_cron_store.rb")).arg(server.socket()).arg(lines());
    assert_eq!(fill(ruby.args([&file, layout])), 197);
    (server, place, file)
}

#[test]
fn jobs_of_sidekiq_cron_are_imported_from_redis_and_from_their_file() {
    needs!(Redis, Sidekiq);
    let (server, place, file) = sidekiq_cron("1");
    let proved = Proved::of(&place, &server, "sidekiq-cron", &[]);
    assert!(proved.count("same") > 90, "{:?}", proved.grades);
    assert!(proved.reasons().contains("`every day at five` is no cron expression"));
    assert_eq!(proved.entry("night/line 0")["grade"], "same");
    let count = instants();
    let words = ["import", "sidekiq-cron", &file, "--compare", &count, "--json"];
    let proved = Proved::new(run(&place, &words));
    // The options of classes are not in the file.
    assert!(proved.count("differs") > 100, "{:?}", proved.grades);
}

#[test]
fn jobs_of_sidekiq_cron_2_are_found_in_their_namespaces() {
    needs!(Redis, Sidekiq);
    let (server, place, _) = sidekiq_cron("2");
    let proved = Proved::of(&place, &server, "sidekiq-cron", &[]);
    assert!(proved.count("same") > 90, "{:?}", proved.grades);
}

#[test]
fn erb_in_a_schedule_file_is_not_run() {
    let place = Place::new();
    let file = place.path().join("schedule.yml");
    std::fs::write(&file, "a: {cron: '0 3 * * *', class: A, queue: <%= `touch harmed` %>}\n")
        .unwrap();
    let words = ["import", "sidekiq-cron", file.to_str().unwrap()];
    let said = place.run(&words);
    assert!(said.stdout.contains("# left out: it holds ERB, which is not run"), "{said:?}");
    std::fs::write(&file, "<% 3.times do %>\na:\n<% end %>\n").unwrap();
    let said = place.run(&words).refused(1);
    assert!(said.contains("it holds ERB, which is not run"), "{said}");
    assert!(!place.path().join("harmed").exists());
}

#[test]
fn a_store_that_is_empty_silent_or_locked_says_so_without_its_password() {
    needs!(Redis);
    let server = RedisServer::start_with(Options {
        args: ["--requirepass", "s3cret"].map(str::to_owned).to_vec(),
        password: "s3cret",
        ..Options::default()
    });
    let place = Place::new();
    let socket = server.socket().display().to_string();
    let open = format!("unix://:s3cret@{socket}");
    for source in ["sidekiq-cron", "bullmq", "rq-cron", "rq-scheduler"] {
        for (url, code, text) in [
            (&*open, 1, ":***@"),
            (&format!("unix://:wr0ng@{socket}"), 3, "redis refused the login"),
            ("redis://:wr0ng@127.0.0.1:1/0", 3, "no connection to redis://:***@127.0.0.1:1/0"),
        ] {
            let said = place.run(&["import", source, url]).refused(code);
            assert!(said.contains(text), "{source} {url}: {said}");
            assert!(!said.contains("s3cret") && !said.contains("wr0ng"), "{said}");
        }
    }
    let place = place.env("DOWNBEAT_BROKER", &open);
    let said = place.run(&["import", "bullmq"]).refused(1);
    assert!(said.contains("no job scheduler in unix://:***@"), "{said}");
}
