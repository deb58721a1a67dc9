//! Celery applications, django-celery-beat and RedBeat, at two versions each: every kind of schedule, spelling and
//! option that they know is imported and compared with what their own code says.

use std::fs;

use super::stored::{Report, folder, place_with, run_script, unix_url, values};
use crate::support::downbeat::Place;
use crate::support::redis::RedisServer;
use crate::support::tools::{needs, python};

/// How many entries a vocabulary has at least.
const ENOUGH: usize = 200;

/// Imports, and compares from a fixed instant, after the last runs in the stores.
fn import(place: &Place, source: &[&str]) -> Report {
    let python = python().display().to_string();
    let common = ["--python", &python, "--from", "2026-11-30T12:00:00Z", "--output", "moved"];
    let report = Report::of(place, &[source, &common].concat());
    assert!(report.entries().count() >= ENOUGH);
    report
}

#[test]
fn an_application_of_the_newest_celery_is_proved() {
    needs!(Python, Apart);
    let file = application("", &["same"]);
    assert!(file.contains("within: 2h\n"), "{file}");
}

#[test]
fn an_application_of_an_old_celery_is_proved() {
    needs!(Python, Apart);
    // It computes the astronomical dusk for the afternoon.
    application("celery==5.2.7", &["differs", "same"]);
}

/// Returns the schedule file.
fn application(package: &str, sun: &[&str]) -> String {
    let place = place_with(package);
    fs::copy(folder().join("vocabulary.py"), place.path().join("vocabulary.py")).unwrap();
    let report = import(&place, &["celery-beat", "vocabulary"]);
    for (word, grades) in [
        ("shop.tasks.cron", &["same"][..]),
        ("shop.tasks.nowfun", &["same"]),
        ("shop.tasks.own", &["cannot"]),
        ("shop.tasks.lazy", &["cannot"]),
        ("home.tasks.sun", sun),
        ("shop.tasks.routed", &["same"]),
        ("shop.tasks.routed_by_function", &["same"]),
        ("shop.tasks.decorated", &["same"]),
        ("shop.tasks.unregistered", &["same"]),
        ("shop.tasks.own_apply_async", &["differs"]),
        ("shop.tasks.own_shadow_name", &["differs"]),
        ("shop.tasks.broken_router", &["differs"]),
        ("shop.tasks.routed_with_expires", &["differs"]),
        ("shop.tasks.unsendable", &["cannot"]),
        ("shop.tasks.decorated_unsendable", &["cannot"]),
        ("shop.tasks.to_fast", &["same"]),
        ("shop.tasks.to_default", &["same"]),
        ("shop.tasks.to_media", &["same"]),
        ("shop.tasks.to_logs", &["same"]),
        ("shop.tasks.to_news", &["same"]),
        ("added with set", &["same"]),
    ] {
        assert_eq!(report.grades(word), grades, "{word}");
    }
    let file = fs::read_to_string(place.path().join("moved/schedules/celery-beat.yaml")).unwrap();
    for expected in ["queue: by_function\n", "queue: mail\n", "ignore_result: false"] {
        assert!(file.contains(expected), "{expected}: {file}");
    }
    let chain = file.find("shop.tasks.first").zip(file.find("shop.tasks.last"));
    assert!(chain.is_some_and(|(first, last)| first < last), "{chain:?}");
    for queue in ["fast", "media", "logs", "news"] {
        let task = format!("task: shop.tasks.to_{queue}\n");
        let keys = file.split(&task).skip(1).map(|rest| rest.split("task: ").next().unwrap());
        let (right, wrong): (Vec<&str>, Vec<&str>) =
            keys.partition(|keys| keys.contains(&format!("queue: {queue}\n")));
        assert!(!right.is_empty() && wrong.is_empty(), "{queue}: {wrong:?}");
    }
    let settings = fs::read_to_string(place.path().join("moved/downbeat.yaml")).unwrap();
    assert!(
        settings.contains("news: {fanout: true, options: {routing_key: default}}"),
        "{settings}"
    );
    file
}

#[test]
fn the_newest_django_celery_beat_is_proved() {
    django("django-celery-beat==2.9.0");
}

#[test]
fn an_old_django_celery_beat_is_proved() {
    django("django-celery-beat==2.2.1");
}

fn django(package: &str) {
    needs!(Python, Apart);
    let place = place_with(package);
    let dump = place.path().join("dump.json").display().to_string();
    run_script(package, "fill_django.py", &[&dump]);
    let report = import(&place, &["django-celery-beat", "dump.json"]);
    for (word, grades) in [
        ("shop.tasks.cron", &["same"][..]),
        ("shop.tasks.zoned", &["same"]),
        ("shop.tasks.refused", &["cannot"]),
        ("shop.tasks.broken", &["cannot"]),
        ("shop.tasks.no_schedule", &["cannot"]),
        ("shop.tasks.orphan", &["cannot"]),
        ("shop.tasks.never", &["cannot"]),
        ("home.tasks.sun", &["same"]),
    ] {
        assert_eq!(report.grades(word), grades, "{word}");
    }
}

#[test]
fn the_newest_redbeat_is_proved() {
    redbeat("celery-redbeat==2.4.2");
}

#[test]
fn an_old_redbeat_is_proved() {
    redbeat("celery-redbeat==2.0.0");
}

fn redbeat(package: &str) {
    needs!(Redis, Python, Apart);
    let server = RedisServer::start();
    let place = place_with(package);
    run_script(package, "fill_redbeat.py", &[&unix_url(&server), "red*beat:"]);
    let before = values(&server);
    let url = server.url();
    let zone = ["--timezone", "Europe/Berlin", "--prefix", "red*beat:"];
    let report = import(&place, &[&["redbeat", &*url], &zone[..]].concat());
    assert!(values(&server) == before, "the import changed the store");
    for (word, grades) in [
        ("shop.tasks.cron", &["same"][..]),
        ("shop.tasks.off", &["same"]),
        ("shop.tasks.rule", &["cannot", "same"]),
        ("shop.tasks.unplanned", &["cannot", "differs"]),
        ("not-json", &["cannot"]),
        ("not-utf8", &["cannot"]),
        ("typed-args", &["cannot"]),
        ("gone", &["cannot"]),
        ("a-string", &["cannot"]),
        ("no-dtstart", &["differs"]),
    ] {
        assert_eq!(report.grades(word), grades, "{word}");
    }
}
