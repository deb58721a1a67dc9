//! `downbeat import celery-beat`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::stored::ran;
use crate::support::downbeat::Place;
use crate::support::tools::{needs, python};

/// An application with an entry of each kind.
const SHOP: &str = r#"
from datetime import timedelta
from celery import Celery
from celery.beat import BeatLazyFunc
from celery.schedules import crontab, schedule, solar

print("what an application prints is no answer")
app = Celery("shop", broker="redis://:s3cret@127.0.0.1:1/0")
app.conf.timezone = "Europe/Berlin"
app.conf.task_routes = {"shop.mail.*": {"queue": "mail"}}

class Weekdays(crontab):
    pass

class Moon(schedule):
    def is_due(self, last_run_at):
        return super().is_due(last_run_at)

@app.task(name="shop.poll", queue="fast", priority=5, expires=120)
def poll():
    pass

app.conf.beat_schedule = {
    "poll": {"task": "shop.poll", "schedule": 10.0, "options": {"expires": 8}},
    "weekdays": {"task": "shop.poll", "schedule": Weekdays(minute=[30, 45], hour="2", day_of_week="mon-fri")},
    "both days": {"task": "shop.mail.send", "schedule": crontab(0, 3, day_of_month="1-7", day_of_week="mon"),
                  "args": ("{{ name }}", {"deep": [1.5, None]})},
    "sunset": {"task": "shop.mail.send", "schedule": solar("sunset", 52.5, 13.4)},
    "moon": {"task": "shop.mail.send", "schedule": Moon(30)},
    "lazy": {"task": "shop.mail.send", "schedule": 30.0, "args": (BeatLazyFunc(list),)},
    "object": {"task": "shop.mail.send", "schedule": 30.0, "args": (timedelta(1),)},
    "huge": {"task": "shop.mail.send", "schedule": 30.0, "kwargs": {"n": 2**70}},
}

@app.on_after_finalize.connect
def add(sender, **_):
    sender.add_periodic_task(crontab(hour=7, minute=30), poll.s(), name="added")
"#;

fn shop() -> Place {
    let place = Place::new();
    fs::write(place.path().join("shop.py"), SHOP).unwrap();
    place
}

#[test]
fn an_application_becomes_a_schedule_file_that_is_proved_entry_by_entry() {
    needs!(Python);
    let place = shop();
    let python = python().display().to_string();
    let args = [
        "import",
        "celery-beat",
        "shop",
        "--python",
        &python,
        "--output",
        "moved",
        "--compare",
        "200",
    ];
    let report = place.run(&[&args[..], &["--json"]].concat()).json(1);
    let entries = report["entries"].as_array().unwrap();
    let grade =
        |name: &str| entries.iter().find(|entry| entry["entry"] == name).unwrap()["grade"].as_str();
    for (name, expected) in [
        ("poll", "differs"),
        ("weekdays", "same"),
        ("both days", "same"),
        ("sunset", "same"),
        ("added", "same"),
        ("moon", "cannot"),
        ("lazy", "cannot"),
        ("object", "cannot"),
        ("huge", "cannot"),
    ] {
        assert_eq!(grade(name), Some(expected), "{name}: {report:#}");
    }
    for entry in entries.iter().filter(|entry| entry["grade"] != "cannot") {
        let compared = &entry["comparison"];
        assert_eq!(
            (&compared["theirs"], &compared["unexplained"]),
            (&200.into(), &0.into()),
            "{entry:#}"
        );
    }
    let file = fs::read_to_string(place.path().join("moved/schedules/celery-beat.yaml")).unwrap();
    assert!(!file.contains("s3cret"), "{file}");
    assert!(file.contains("\n  # lazy:\n"), "what is left out is kept as a comment: {file}");
    place.run(&["check", "moved/schedules"]).ok();
    // As beat sends them, with options of the decorator, the route and the entry.
    let sent = |entry: &str| -> Value {
        let args = ["trigger", entry, "--dry-run", "--json", "--schedules", "moved/schedules"];
        place.run(&args).json(0)
    };
    let poll = sent("poll").to_string();
    assert!(poll.contains("\"fast\"") && poll.contains("priority"), "{poll}");
    assert!(sent("both days").to_string().contains("{{ name }}"), "braces are sent as they are");
    // Nothing is overwritten.
    let again = place.run(&args).refused(2);
    assert!(again.contains("moved/schedules/celery-beat.yaml exists"), "{again}");
}

/// Beat's own file, after it has sent `poll` at 09:46:43.217.
const LAST_RUNS: &str = r#"
from datetime import datetime, timezone
from celery.beat import PersistentScheduler
from shop import app

scheduler = PersistentScheduler(app=app, schedule_filename="celerybeat-schedule")
scheduler.schedule["poll"].last_run_at = datetime(2026, 3, 20, 9, 46, 43, 217000, timezone.utc)
scheduler.close()
"#;

#[test]
fn intervals_go_on_from_the_last_runs_that_beat_keeps() {
    needs!(Python);
    let place = shop();
    ran(Command::new(python()).args(["-c", LAST_RUNS]).current_dir(place.path()));
    let python = python().display().to_string();
    let args = ["import", "celery-beat", "shop", "--python", &python, "--compare", "50", "--json"];
    let last_runs = ["--last-runs", "celerybeat-schedule", "--output", "moved"];
    let report = place.run(&[&args[..], &last_runs].concat()).json(1);
    let entries = report["entries"].as_array().unwrap();
    let poll = entries.iter().find(|entry| entry["entry"] == "poll").unwrap();
    assert_eq!(poll["grade"], "same", "{poll:#}");
    assert_eq!(poll["comparison"]["same"], 50, "{poll:#}");
    assert_eq!(poll["comparison"]["explained"], json!({}));
    let file = fs::read_to_string(place.path().join("moved/schedules/celery-beat.yaml")).unwrap();
    assert!(file.contains("anchor: \"2026-03-20T10:46:43.217+01:00\""), "{file}");
    fs::write(place.path().join("no-shelf"), "x").unwrap();
    for wrong in ["nowhere", "no-shelf"] {
        let said = place.run(&[&args[..7], &["--last-runs", wrong]].concat()).refused(1);
        assert!(said.contains(&format!("{wrong}: ")) && said.contains("celery beat -s"), "{said}");
    }
}

#[test]
fn an_application_that_cannot_be_imported_says_why_and_nothing_is_written() {
    needs!(Python);
    let place = shop();
    let python = python().display().to_string();
    let args = ["import", "celery-beat", "shopp", "--python", &python, "--output", "moved"];
    let refused = place.run(&args).refused(1);
    assert!(refused.contains("No module named 'shopp'"), "{refused}");
    let nowhere =
        place.run(&["import", "celery-beat", "shop", "--python", "/nowhere/python"]).refused(1);
    assert!(
        nowhere.contains("/nowhere/python: cannot be run") && nowhere.contains("--python PATH"),
        "{nowhere}"
    );
    for (code, expected) in [
        ("app = (", "odd.py:1: SyntaxError: "),
        ("import sys\nsys.exit(3)", "odd.py:2: the application ended Python"),
        (
            "from celery import Celery\napp = Celery('odd')\napp.conf.beat_schedule = {'b': 5}",
            "the entry 'b' of `beat_schedule` is not an entry",
        ),
    ] {
        fs::write(place.path().join("odd.py"), code).unwrap();
        let said = place.run(&["import", "celery-beat", "odd", "--python", &python]).refused(1);
        assert!(said.contains(expected), "{said}");
    }
    assert!(!place.path().join("moved").exists());
    let script = place.run(&["import", "celery-beat", "--print-script"]).ok();
    assert!(script.contains("def main():"), "{script}");
}
