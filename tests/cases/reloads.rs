//! Files change while they are loaded: the schedule in force is the one that they say in the end.

use std::fs;
use std::mem::MaybeUninit;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::process::Signal;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::wait::{SOON, eventually};

const FILE: &str = "a.yaml";

fn text(entries: &str) -> String {
    format!("entries:\n{entries}")
}

fn entry(name: &str) -> String {
    format!("  {name}: {{task: t, every: 1h}}\n")
}

/// So many that others are loaded many times meanwhile.
fn many(name: &str, count: usize) -> String {
    (0..count).map(|number| entry(&format!("{name}-{number:05}"))).collect()
}

/// Edits the schedule, and waits until the file has been read to be loaded.
fn edit_and_wait_until_it_is_read(place: &Place, entries: &str) {
    let staged = place.path().join("staged");
    fs::write(&staged, text(entries)).unwrap();
    let seen = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&seen, &staged, WatchFlags::CLOSE_NOWRITE).unwrap();
    fs::rename(staged, place.schedules().join(FILE)).unwrap();
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut events = Reader::new(&seen, &mut buffer);
    eventually(SOON, "the file is read", || events.next().ok().map(drop));
}

fn start(entries: &str) -> (Place, Downbeat) {
    let place = Place::new();
    place.write_schedule(FILE, &text(entries));
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    (place, downbeat)
}

/// The names of all entries in force.
fn names(place: &Place) -> Vec<String> {
    let list = place.run(&["list", "--json"]).json(0);
    let name = |entry: &serde_json::Value| entry["entry"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

fn is_accepted(place: &Place) -> bool {
    let status = place.run(&["status", "--json"]).json(0);
    status["schedule"]["reload"]["accepted"].as_bool().unwrap()
}

#[test]
fn of_two_edits_the_newer_wins_though_the_older_takes_longer_to_load() {
    let (place, downbeat) = start(&entry("first"));
    edit_and_wait_until_it_is_read(&place, &many("bulk", 20_000));
    place.write_schedule(FILE, &text(&entry("wanted")));
    let (older, _) = downbeat.wait_for_log_from(0, "reloaded difference=added");
    let (_, newer) = downbeat.wait_for_log_from(older + 1, "reloaded difference=added");
    assert!(newer.contains("added wanted; removed bulk-00000"), "{newer}");
    assert_eq!(names(&place), ["wanted"]);
}

#[test]
fn a_file_with_a_mistake_does_not_have_the_last_word_for_taking_longer_to_load() {
    let (place, downbeat) = start(&entry("first"));
    edit_and_wait_until_it_is_read(&place, &(many("bulk", 20_000) + "  wrong: {task: t}\n"));
    place.write_schedule(FILE, &text(&entry("wanted")));
    downbeat.wait_for_log("reload failed");
    downbeat.wait_for_log("reloaded difference=added wanted; removed first");
    assert!(is_accepted(&place));
    assert_eq!(names(&place), ["wanted"]);
}

#[test]
fn a_storm_of_requests_while_files_change_ends_with_the_last_of_them() {
    let (place, mut downbeat) = start(&entry("first"));
    for number in 0..30 {
        let entries = match number % 3 {
            0 => many("bulk", 2_000),
            1 => entry("small"),
            _ => "  wrong: {task: t}\n".to_owned(),
        };
        place.write_schedule(FILE, &text(&(entries + &entry(&format!("edit-{number:02}")))));
        downbeat.process().signal(Signal::HUP);
    }
    place.write_schedule(FILE, &text(&entry("wanted")));
    place.run(&["reload", "--wait"]).ok();
    assert_eq!(names(&place), ["wanted"]);
    place.run(&["reload", "--wait"]).ok();
    assert_eq!(names(&place), ["wanted"]);
    assert!(is_accepted(&place));
}
