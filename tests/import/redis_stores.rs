//! Stores in Redis that the real libraries have filled, imported and compared instant by instant.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::stored::{Report, folder, place_with, ran, unix_url, values};
use crate::support::downbeat::Place;
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::{apart, needs, node_modules, python};

fn lines() -> PathBuf {
    folder().join("lines.json")
}

/// Runs a command that fills a store, and returns how many jobs it made.
fn fill(command: &mut Command) -> u64 {
    let told: Value = serde_json::from_slice(&ran(command).stdout).unwrap();
    told["made"].as_u64().unwrap()
}

/// Imports and compares; the store must stay as it was.
fn import(place: &Place, server: &RedisServer, source: &str, args: &[&str]) -> Report {
    let before = values(server);
    let report = Report::of(place, &[&[source, &unix_url(server)], args].concat());
    assert!(values(server) == before, "the import changed the store");
    report
}

/// A folder in which Node finds this package as `bullmq`.
fn place_with_bullmq(package: &str) -> Place {
    let place = Place::new();
    fs::create_dir(place.path().join("node_modules")).unwrap();
    symlink(node_modules().join(package), place.path().join("node_modules/bullmq")).unwrap();
    place
}

fn bullmq(package: &str) {
    let (server, place) = (RedisServer::start(), place_with_bullmq(package));
    let mut node = Command::new("node");
    node.current_dir(place.path()).arg(folder().join("bullmq_store.js"));
    let made = fill(node.arg(server.socket()).arg("shop").arg(lines()));
    assert_eq!(made, 196);
    let report = import(&place, &server, "bullmq", &["--prefix", "shop"]);
    assert!(report.count("same") > 100, "{report:?}");
    assert!(report.count("differs") > 50, "{report:?}");
    for why in [
        "its data is not an object",
        "its limit of 3 jobs is used up",
        "`shop:mail:repeat:a string` is not a hash",
        "it is a repeatable job of BullMQ before 5.16, whose data is in its next job only",
        "its `limit` is some, and not a number",
        "its next job is due inf ms after 1970",
    ] {
        assert!(report.reasons().contains(why), "{why}: {:?}", report.reasons());
    }
    assert_eq!(report.entry("mail/texts")["grade"], "same");
    assert!(report.0["notes"].to_string().contains("`--prefix shop:other`"), "{report:?}");
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

fn with_python(source: &str, store: &str, package: &str, zone: &str) -> Report {
    let (server, place) = (RedisServer::start(), place_with(package));
    let mut filling = apart(package);
    let made = fill(filling.arg(folder().join(store)).arg(server.socket()).arg(lines()));
    assert_eq!(made, 200);
    let python = python().display().to_string();
    let report = import(&place, &server, source, &["--python", &python, "--timezone", zone]);
    let harmed = format!("{}.harmed", server.socket().display());
    assert!(!Path::new(&harmed).exists(), "a pickle was run");
    report
}

fn rq_cron(package: &str, zone: &str) {
    let report = with_python("rq-cron", "rq_cron_store.py", package, zone);
    assert!(report.count("same") > 130, "{report:?}");
    assert!(
        report.reasons().contains("its `args` are not JSON, and RQ does not keep them in Redis")
    );
    assert!(report.0["notes"].to_string().contains("its jobs are not JSON"));
    assert_eq!(report.entry("shop.tasks.poll-2")["grade"], "same");
}

#[test]
fn a_cron_scheduler_of_rq_2_is_imported_and_proved() {
    needs!(Redis, Python);
    rq_cron("", "UTC");
}

#[test]
fn a_cron_scheduler_of_rq_3_reads_the_clock_of_its_machine() {
    needs!(Redis, Python, Apart);
    rq_cron("rq==3.0.0", "Europe/Berlin");
}

fn rq_scheduler(package: &str, zone: &str) {
    let report = with_python("rq-scheduler", "rq_scheduler_store.py", package, zone);
    assert!(report.count("differs") > 120, "{report:?}");
    assert_eq!(
        report.entry("bomb")["why"],
        "its call cannot be read: a pickle of more than plain values"
    );
    for why in [
        "its arguments hold bytes",
        "its arguments hold a set",
        "its job is gone",
        "it is due inf s after 1970",
        "the name of its queue holds a control character",
        "it is JSON, and most jobs of its queue are pickles: workers read only one of them",
        "its call cannot be read: a call whose arguments are not a list and a mapping",
    ] {
        assert!(report.reasons().contains(why), "{why}: {:?}", report.reasons());
    }
    let meta = report.entry("old pickle")["why"].to_string();
    assert!(meta.contains("neither JSON nor a pickle of protocol 2 or later"), "{meta}");
    assert_eq!(report.entry("texts")["grade"], "differs");
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
    ruby.arg(folder().join("sidekiq_cron_store.rb")).arg(server.socket()).arg(lines());
    assert_eq!(fill(ruby.args([&file, layout])), 197);
    (server, place, file)
}

#[test]
fn jobs_of_sidekiq_cron_are_imported_from_redis_and_from_their_file() {
    needs!(Redis, Sidekiq);
    let (server, place, file) = sidekiq_cron("1");
    let report = import(&place, &server, "sidekiq-cron", &[]);
    assert!(report.count("same") > 90, "{report:?}");
    assert!(report.reasons().contains("`every day at five` is not a cron expression"));
    assert_eq!(report.entry("night/line 0")["grade"], "same");
    assert!(report.reasons().contains("its hash is gone"));
    let huge = report.entry("huge")["why"].to_string();
    assert!(huge.contains("does not fit into 64 bits"), "{huge}");
    let report = Report::of(&place, &["sidekiq-cron", &file]);
    // The options of classes are not in the file.
    assert!(report.count("differs") > 100, "{report:?}");
    assert!(report.reasons().contains("`!ruby/regexp` is a tag that only Ruby reads"));
    assert!(report.0["notes"].to_string().contains("The job `twice` on line"), "{report:?}");
}

#[test]
fn jobs_of_sidekiq_cron_2_are_found_in_their_namespaces() {
    needs!(Redis, Sidekiq);
    let (server, place, _) = sidekiq_cron("2");
    let report = import(&place, &server, "sidekiq-cron", &[]);
    assert!(report.count("same") > 90, "{report:?}");
}

#[test]
fn erb_in_a_schedule_file_is_not_run() {
    let place = Place::new();
    let file = place.path().join("schedule.yml");
    fs::write(&file, "a: {cron: '0 3 * * *', class: A, queue: <%= `touch harmed` %>}\n").unwrap();
    let words = ["import", "sidekiq-cron", file.to_str().unwrap()];
    let said = place.run(&words);
    assert!(said.stdout.contains("# left out: it holds ERB, which is not run"), "{said:?}");
    fs::write(&file, "<% 3.times do %>\na:\n<% end %>\n").unwrap();
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
