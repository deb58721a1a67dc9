//! Three projects, each moved by one command: Django with django-celery-beat, Flask with `beat_schedule`, RedBeat.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::stored::{folder, place_with, ran, unix_url};
use crate::support::downbeat::Place;
use crate::support::redis::RedisServer;
use crate::support::tools::{apart, needs, python};

/// Copies a project to where the command is run.
fn project(place: &Place, name: &str) -> PathBuf {
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(folder().join("projects").join(name)).arg(place.path());
    ran(&mut copy);
    place.path().join(name)
}

/// Runs one `import` in the project, and returns the schedule file that it wrote, as `check` reads it.
fn moved(place: &Place, folder: &Path, args: &[&str]) -> (Value, String) {
    let python = python().display().to_string();
    let common = ["--python", &python, "--output", "downbeat", "--compare", "50", "--json"];
    let mut command = place.command(&[&["import"], args, &common].concat());
    let output = ran(command.current_dir(folder));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = report["entries"].as_array().unwrap();
    // What is disabled is not compared.
    let is_proved =
        |entry: &Value| entry["comparison"].is_null() || entry["comparison"]["unexplained"] == 0;
    assert!(entries.iter().all(is_proved), "{report:#}");
    let file = folder.join(format!("downbeat/schedules/{}.yaml", args[0]));
    let mut check = place.command(&["check", "downbeat/schedules"]);
    ran(check.current_dir(folder));
    (report, fs::read_to_string(file).unwrap())
}

fn grades(report: &Value) -> Value {
    let entries = report["entries"].as_array().unwrap();
    let grade =
        |entry: &Value| (entry["entry"].as_str().unwrap().to_owned(), entry["grade"].clone());
    entries.iter().map(grade).collect()
}

#[test]
fn a_django_project_is_moved_by_one_command() {
    needs!(Python, Apart);
    let package = "django-celery-beat==2.9.0";
    let place = place_with(package);
    let folder = project(&place, "django_shop");
    ran(apart(package).args(["fill.py", "dump.json"]).current_dir(&folder));
    let (report, file) =
        moved(&place, &folder, &["django-celery-beat", "dump.json", "--app", "shop"]);
    assert_eq!(
        grades(&report),
        json!({
            "Charge orders": "same", "Remind after 3 days": "same", "Nightly report": "same",
            "Monthly report": "same", "Tokyo report": "same", "Prices": "same",
            "Prices (old supplier)": "same", "Shop lights": "same", "Launch": "same", "Advent": "differs",
        })
    );
    for expected in [
        "timezone: Europe/Paris\n",
        "    every: 30s\n    anchor: \"2026-11-29T23:00:00.123+01:00\"\n    kwargs: {batch: 500}\n    queue: payments\n    priority: 0\n",
        "    cron: \"0 7-19 * * mon-fri\"\n    args: [3]\n    kwargs: {channel: sms}\n    queue: mail\n    expires: 1h\n",
        "    timezone: Asia/Tokyo\n",
        "    enabled: false\n",
        "    at: \"2027-06-01T10:00:00+02:00\"\n",
    ] {
        assert!(file.contains(expected), "{expected}\n{file}");
    }
}

#[test]
fn a_flask_project_is_moved_by_one_command() {
    needs!(Python);
    let place = place_with("");
    let folder = project(&place, "flask_shop");
    let (report, file) = moved(&place, &folder, &["celery-beat", "make_celery"]);
    assert_eq!(
        grades(&report),
        json!({
            "warm the cache": "differs", "expire carts": "differs", "daily newsletter": "same",
            "first Monday": "same", "lights": "same",
        })
    );
    for expected in [
        "timezone: America/New_York\n",
        "    cron: {minute: 0, hour: 6, day_of_month: \"1-7\", day_of_week: mon}\n    queue: books\n    options: {time_limit: 3600}\n",
        "    args: [newsletter]\n    kwargs: {segment: subscribers}\n    queue: mail\n",
    ] {
        assert!(file.contains(expected), "{expected}\n{file}");
    }
}

#[test]
fn a_redbeat_project_is_moved_by_one_command() {
    needs!(Redis, Python, Apart);
    let server = RedisServer::start();
    let package = "celery-redbeat==2.4.2";
    let place = place_with(package).env("SHOP_BROKER", &unix_url(&server));
    let folder = project(&place, "redbeat_shop");
    let mut fill = apart(package);
    ran(fill.arg("fill.py").current_dir(&folder).env("SHOP_BROKER", unix_url(&server)));
    let url = server.url();
    let args = ["redbeat", &*url, "--prefix", "shop:", "--app", "shop"];
    let (report, file) = moved(&place, &folder, &args);
    assert_eq!(
        grades(&report),
        json!({
            "celery.backend_cleanup": "same", "cleanup": "same", "export-acme": "same",
            "export-fabrikam": "same", "export-gone": "same", "export-initech": "same",
            "export-umbrella": "same", "heartbeat": "same",
        })
    );
    for expected in [
        "timezone: Asia/Seoul\n",
        "queue: exports\n",
        "    anchor: \"2026-11-30T07:00:00+09:00\"\n",
    ] {
        assert!(file.contains(expected), "{expected}\n{file}");
    }
}
