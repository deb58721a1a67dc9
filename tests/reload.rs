//! Schedule files are edited while the service runs: a valid edit takes effect at once and as a whole,
//! an invalid one changes nothing, and nothing fires because of an edit.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::sent::Sent;
use crate::support::spool::messages;
use crate::support::wait::{SOON, eventually, wall_clock};

/// An edit is in effect after 100 ms of quiet and a load; the rest is for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

fn ticking(args: &str) -> String {
    format!("entries:\n  tick: {{task: t, every: 1s, args: {args}}}\n")
}

fn start(place: &Place) -> Downbeat {
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    downbeat
}

fn sent(place: &Place, entry: &str) -> Vec<Sent> {
    let mut sent = messages(&place.state().join("spool/queue"));
    sent.retain(|sent| sent.entry == entry);
    sent
}

fn status(place: &Place) -> Value {
    place.run(&["status", "--json"]).json(0)
}

/// Does `edit` and waits for the log to tell of its `effect`, which it must do at once.
fn edit(downbeat: &Downbeat, effect: &str, edit: impl FnOnce()) -> String {
    let from = downbeat.log().len();
    let began = Instant::now();
    edit();
    let (_, line) = downbeat.wait_for_log_from(from, effect);
    assert!(began.elapsed() < AT_ONCE, "took {:?}: {line}", began.elapsed());
    line
}

#[test]
fn each_way_to_write_a_file_takes_effect_within_a_second() {
    let place = Place::new();
    let file = place.schedules().join("a.yaml");
    fs::write(&file, ticking("[0]")).unwrap();
    let downbeat = start(&place);

    edit(&downbeat, "reloaded difference=changed tick", || {
        place.write_schedule("a.yaml", &ticking("[1]"))
    });
    edit(&downbeat, "reloaded difference=changed tick", || {
        fs::write(&file, ticking("[2]")).unwrap()
    });
    edit(&downbeat, "reloaded difference=added more", || {
        place.write_schedule("b.json", r#"{"entries": {"more": {"task": "t", "every": "1h"}}}"#);
    });
    // vim's way: the old file goes aside, a new one is written, the old one is deleted.
    edit(&downbeat, "reloaded difference=changed tick", || {
        fs::rename(&file, place.schedules().join("a.yaml~")).unwrap();
        fs::write(&file, ticking("[3]")).unwrap();
        fs::remove_file(place.schedules().join("a.yaml~")).unwrap();
    });
    edit(&downbeat, "reloaded difference=removed more", || {
        fs::remove_file(place.schedules().join("b.json")).unwrap();
    });
    // Moved over as a deployment does that replaces the whole folder.
    let log = downbeat.log().join("\n");
    assert!(!log.contains("REFUSED") && !log.contains("refused"), "{log}");
}

#[test]
fn a_config_map_is_reloaded_when_its_link_is_swapped() {
    let place = Place::new();
    let mount = place.schedules();
    let publish = |version: &str, text: &str| {
        fs::create_dir(mount.join(version)).unwrap();
        fs::write(mount.join(version).join("jobs.yaml"), text).unwrap();
        symlink(version, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("..2026_11_21_1", &ticking("[1]"));
    symlink("..data/jobs.yaml", mount.join("jobs.yaml")).unwrap();
    let downbeat = start(&place);
    edit(&downbeat, "reloaded difference=changed tick", || {
        publish("..2026_11_21_2", &ticking("[2]"))
    });
    fs::remove_dir_all(mount.join("..2026_11_21_1")).unwrap();
    edit(&downbeat, "reloaded difference=changed tick", || {
        publish("..2026_11_21_3", &ticking("[3]"))
    });
}

#[test]
fn a_single_file_named_without_a_folder_is_watched() {
    let place = Place::new();
    let file = place.path().join("jobs.yaml");
    fs::write(&file, ticking("[0]")).unwrap();
    let downbeat = place.start(&["run", "--schedules", "jobs.yaml"]);
    downbeat.wait_for_log("became leader");
    edit(&downbeat, "reloaded difference=changed tick", || {
        fs::write(&file, ticking("[1]")).unwrap()
    });
    let log = downbeat.log().join("\n");
    assert!(!log.contains("failed to watch"), "{log}");
}

/// Writes files that are no schedule, and gives the reloads that follow within a second.
fn reload_after_other_files(place: &Place, folder: &Path, names: &[&str]) -> Value {
    for name in names {
        fs::write(folder.join(name), "a line\n").unwrap();
        fs::write(folder.join(name), "another line\n").unwrap();
    }
    fs::remove_file(folder.join(names[0])).unwrap();
    let now = wall_clock().0;
    eventually(SOON, "a watch has had the time to ask for a reload", || {
        (wall_clock().0 > now + 1000).then_some(())
    });
    status(place)["schedule"]["reload"].clone()
}

#[test]
fn other_files_of_the_folder_reload_nothing() {
    let place = Place::new();
    place.write_schedule("a.yaml", &ticking("[0]"));
    let _downbeat = start(&place);
    let names = ["run.log", "run.yaml.swp", ".a.yaml", "a.yaml~", "yaml"];
    assert_eq!(reload_after_other_files(&place, &place.schedules(), &names), Value::Null);
}

#[test]
fn other_files_beside_a_single_schedule_file_reload_nothing() {
    let place = Place::new();
    fs::write(place.path().join("jobs.conf"), ticking("[0]")).unwrap();
    let downbeat = place.start(&["run", "--schedules", "jobs.conf"]);
    downbeat.wait_for_log("became leader");
    let names = ["run.log", "other.yaml"];
    assert_eq!(reload_after_other_files(&place, place.path(), &names), Value::Null);
    edit(&downbeat, "reloaded difference=changed tick", || {
        fs::write(place.path().join("jobs.conf"), ticking("[1]")).unwrap();
    });
}

#[test]
fn a_link_of_any_name_on_the_way_to_a_schedule_file_is_watched() {
    let place = Place::new();
    for version in ["1", "2"] {
        fs::create_dir(place.path().join(version)).unwrap();
        let file = place.path().join(version).join("a.yaml");
        fs::write(file, ticking(&format!("[{version}]"))).unwrap();
    }
    let current = place.schedules().join("current");
    symlink("../1", &current).unwrap();
    symlink("current/a.yaml", place.schedules().join("a.yaml")).unwrap();
    let downbeat = start(&place);
    edit(&downbeat, "reload failed", || fs::remove_file(&current).unwrap());
    edit(&downbeat, "reloaded difference=changed tick", || symlink("../2", &current).unwrap());
}

#[test]
fn a_reload_of_the_same_content_leaves_when_it_was_loaded_and_what_is_kept() {
    let place = Place::new().env("DOWNBEAT_LOG_LEVEL", "debug");
    place.write_schedule("a.yaml", &ticking("[0]"));
    let downbeat = start(&place);
    downbeat.wait_for_log("kept the schedule files");
    let loaded_at = status(&place)["schedule"]["loaded_at"].clone();
    assert!(loaded_at.is_string());
    for _ in 0..2 {
        assert_eq!(place.run(&["reload", "--wait"]).ok(), "nothing changed\n");
    }
    // The watch sees it touched.
    place.write_schedule("a.yaml", &ticking("[0]"));
    downbeat.wait_for_dispatches("tick", wall_clock().0, 2);
    assert_eq!(status(&place)["schedule"]["loaded_at"], loaded_at);
    let log = downbeat.log();
    let about = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(about("kept the schedule files"), 1, "{}", log.join("\n"));
    assert_eq!(about("reload"), 0, "{}", log.join("\n"));
}

#[test]
fn a_folder_that_is_replaced_is_watched_on() {
    let place = Place::new();
    place.write_schedule("a.yaml", &ticking("[0]"));
    let downbeat = start(&place);
    for version in 1..=2 {
        let next = place.path().join("next");
        fs::create_dir(&next).unwrap();
        fs::write(next.join("a.yaml"), ticking(&format!("[{version}]"))).unwrap();
        edit(&downbeat, "reloaded difference=changed tick", || {
            fs::rename(place.schedules(), place.path().join(format!("old{version}"))).unwrap();
            fs::rename(&next, place.schedules()).unwrap();
        });
    }
    edit(&downbeat, "reloaded difference=changed tick", || {
        place.write_schedule("a.yaml", &ticking("[9]"))
    });
}

/// A place whose schedule file is edited behind a link, where the watch does not see it.
fn unwatched_place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path().join("elsewhere")).unwrap();
    symlink("../elsewhere/a.yaml", place.schedules().join("a.yaml")).unwrap();
    write_unwatched(&place, &ticking("[0]"));
    place
}

fn write_unwatched(place: &Place, text: &str) {
    fs::write(place.path().join("elsewhere/a.yaml"), text).unwrap();
}

#[test]
fn a_hangup_signal_reloads() {
    let place = unwatched_place();
    let mut downbeat = start(&place);
    downbeat.process().signal(Signal::HUP);
    eventually(SOON, "the reload is told of", || {
        (status(&place)["schedule"]["reload"]["text"] == "nothing changed").then_some(())
    });
    write_unwatched(&place, &ticking("[1]"));
    let from = downbeat.log().len();
    downbeat.process().signal(Signal::HUP);
    downbeat.wait_for_log_from(from, "reloaded difference=changed tick");
    assert!(downbeat.process().exited().is_none());
}

#[test]
fn reload_prints_what_changed_or_why_it_was_refused() {
    let place = unwatched_place();
    let downbeat = start(&place);
    assert_eq!(place.run(&["reload", "--wait"]).ok(), "nothing changed\n");
    let more = "  more: {task: t, every: 1h}\n";
    write_unwatched(&place, &(ticking("[1]") + more));
    assert_eq!(place.run(&["reload", "--wait"]).ok(), "added more; changed tick\n");
    write_unwatched(&place, &(ticking("[1") + more + "  crom: {task: t, crom: 1h}\n"));
    let refused = place.run(&["reload", "--wait"]);
    assert_eq!(refused.stdout, "");
    let said = refused.refused(1);
    assert!(
        said.starts_with("downbeat: reload refused; the old schedule stays in effect\n"),
        "{said}"
    );
    assert!(said.contains("schedules/a.yaml:"), "{said}");
    write_unwatched(&place, &ticking("[2]"));
    let asked = place.run(&["reload"]).ok();
    assert!(asked.contains("reload asked for"), "{asked}");
    downbeat.wait_for_log("reloaded difference=changed tick; removed more");
}

#[test]
fn a_broken_edit_changes_nothing_and_is_told_once_until_it_is_mended() {
    let place = Place::new();
    place.write_schedule("a.yaml", &ticking("[0]"));
    let downbeat = start(&place);
    assert!(status(&place)["schedule"]["reload"].is_null());
    let broken = ticking("[1]").replace("every", "evry");
    let line = edit(&downbeat, "reload failed; keeping the previous schedule", || {
        place.write_schedule("a.yaml", &broken);
    });
    assert!(line.contains("ERROR"), "{line}");
    let said = place.run(&["reload", "--wait"]).refused(1);
    assert!(said.contains("a.yaml:2:19: ") && said.contains("`every`"), "{said}");
    // The same again, from the watch: the file was touched.
    place.write_schedule("a.yaml", &broken);
    place.write_schedule("ignored.txt", "");
    place.run(&["reload", "--wait"]).refused(1);
    let refusals = |log: Vec<String>| log.iter().filter(|l| l.contains("reload failed")).count();
    assert_eq!(refusals(downbeat.log()), 1, "{}", downbeat.log().join("\n"));

    let shown = place.run(&["status"]).ok();
    assert!(shown.contains("REFUSED") && shown.contains("a.yaml:2:19: "), "{shown}");
    let reload = &status(&place)["schedule"]["reload"];
    assert_eq!(reload["accepted"], false);
    let now = wall_clock().0;
    downbeat.wait_for_dispatches("tick", now, 1);

    // Broken in another way is told.
    edit(&downbeat, "reload failed", || place.write_schedule("a.yaml", "entries: ["));
    edit(&downbeat, "reloaded difference=changed tick", || {
        place.write_schedule("a.yaml", &ticking("[2]"))
    });
    let shown = place.run(&["status"]).ok();
    assert!(!shown.contains("REFUSED"), "{shown}");
    // Mended and broken as before is told again.
    edit(&downbeat, "reload failed", || place.write_schedule("a.yaml", &broken));
    assert_eq!(refusals(downbeat.log()), 3);
    // Undone: nothing changed, and nothing is wrong any more.
    place.write_schedule("a.yaml", &ticking("[2]"));
    eventually(SOON, "the reload is accepted", || {
        (status(&place)["schedule"]["reload"]["accepted"] == true).then_some(())
    });
    downbeat.wait_for_log("found the schedule files valid again");
}

#[test]
fn an_edit_of_arguments_keeps_progress_and_fires_nothing() {
    let place = Place::new();
    let text = |args: &str| {
        let seldom = format!("  seldom: {{task: t, cron: '0 0 1 1 *', args: {args}}}\n");
        ticking(args) + &seldom
    };
    place.write_schedule("a.yaml", &text("[0]"));
    let downbeat = start(&place);
    downbeat.wait_for_dispatches("tick", 0, 2);
    edit(&downbeat, "reloaded difference=changed seldom, tick", || {
        place.write_schedule("a.yaml", &text("[1]"));
    });
    let edited = wall_clock().0;
    downbeat.wait_for_dispatches("tick", edited, 2);
    let sent_ticks = sent(&place, "tick");
    let slots: Vec<i64> = sent_ticks.iter().map(Sent::slot_ms).collect();
    let expected: Vec<i64> = (slots[0]..=slots[slots.len() - 1]).step_by(1000).collect();
    assert_eq!(slots, expected, "every second once");
    let args: Vec<i64> = sent_ticks.iter().map(|sent| sent.args[0].as_i64().unwrap()).collect();
    assert!(args.is_sorted() && args[0] == 0 && args[args.len() - 1] == 1, "{args:?}");
    assert!(sent(&place, "seldom").is_empty());
    assert!(!downbeat.log().join("\n").contains("skipped"));
}

#[test]
fn an_edit_of_timing_fires_nothing_for_the_past() {
    let place = Place::new();
    // An hour ago, half an hour ago: all of it would be due had the entry always been so.
    let second = wall_clock().0 / 1000;
    place.write_schedule("a.yaml", &(ticking("[]") + "  edited: {task: t, every: 1h}\n"));
    let downbeat = start(&place);
    let edited = |timing: &str| {
        let text = ticking("[]") + &format!("  edited: {{task: t, {timing}, catch_up: all}}\n");
        let before = wall_clock().0;
        edit(&downbeat, "reloaded difference=changed edited", || {
            place.write_schedule("a.yaml", &text)
        });
        before
    };
    let before = edited("every: 2s");
    let first = downbeat.wait_for_dispatches("edited", 0, 1)[0].slot_ms;
    assert!(first >= before, "{first} is before the edit at {before}");
    let before = edited("every: 1s");
    let fresh = downbeat.wait_for_dispatches("edited", before, 2);
    assert!(fresh.iter().all(|dispatch| dispatch.kind.is_none()), "{fresh:?}");
    // An instant of the past, and a slot that comes once an hour and has just been.
    let past = downbeat_time::UnixMs(second * 1000).to_string();
    let before = edited(&format!("at: '{past}'"));
    downbeat.wait_for_dispatches("tick", before, 2);
    let before = edited(&format!("every: 1h, phase: {}s", second % 3600));
    downbeat.wait_for_dispatches("tick", before, 2);
    let late = sent(&place, "edited").into_iter().filter(|sent| sent.slot_ms() > before).count();
    assert_eq!(late, 0);
    let slots: Vec<i64> = sent(&place, "edited").iter().map(Sent::slot_ms).collect();
    assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len(), "{slots:?}");
}

#[test]
fn added_removed_disabled_and_enabled_entries_fire_only_while_they_are_live() {
    let place = Place::new();
    let text = |entries: &str| format!("{}{entries}", ticking("[]"));
    let entry = |name: &str| format!("  {name}: {{task: t, every: 1s, catch_up: all}}\n");
    let disabled = "  switched: {task: t, every: 1s, catch_up: all, enabled: false}\n";
    place.write_schedule("a.yaml", &text(&(entry("switched") + &entry("removed"))));
    let downbeat = start(&place);
    for name in ["tick", "switched", "removed"] {
        downbeat.wait_for_dispatches(name, 0, 1);
    }
    edit(&downbeat, "reloaded difference=added added; changed switched; removed removed", || {
        place.write_schedule("a.yaml", &text(&(disabled.to_owned() + &entry("added"))));
    });
    let left = wall_clock().0;
    downbeat.wait_for_dispatches("added", left, 2);
    let begun = wall_clock().0;
    edit(&downbeat, "reloaded difference=added removed; changed switched", || {
        let all = entry("switched") + &entry("added") + &entry("removed");
        place.write_schedule("a.yaml", &text(&all));
    });
    for name in ["tick", "switched", "added", "removed"] {
        downbeat.wait_for_dispatches(name, begun, 2);
    }
    for name in ["switched", "removed"] {
        let slots: Vec<i64> = sent(&place, name).iter().map(Sent::slot_ms).collect();
        let meanwhile = slots.iter().filter(|slot| (left..begun).contains(*slot)).count();
        assert_eq!(meanwhile, 0, "{name} left at {left}, back at {begun}: {slots:?}");
    }
    let list = place.run(&["list"]).ok();
    assert!(!list.contains("disabled"), "{list}");
}

#[test]
fn a_reload_of_one_among_two_thousand_entries_delays_no_other() {
    let place = Place::new();
    let text = |changed: usize| {
        let entry = |n: usize| {
            let args = if n == 1000 { changed } else { 0 };
            format!("  e{n}: {{task: t, cron: '{} 3 1 1 *', args: [{args}]}}\n", n % 60)
        };
        ticking("[]") + &(0..2000).map(entry).collect::<String>()
    };
    place.write_schedule("a.yaml", &text(0));
    let downbeat = start(&place);
    let began = wall_clock().0;
    for changed in 1..=3 {
        let from = downbeat.log().len();
        place.write_schedule("a.yaml", &text(changed));
        downbeat.wait_for_log_from(from, "reloaded difference=changed e1000");
        let reloaded = wall_clock().0;
        downbeat.wait_for_dispatches("tick", reloaded, 1);
    }
    let ticks = downbeat.wait_for_dispatches("tick", began, 1);
    let latest = ticks.iter().filter_map(|tick| tick.lateness_ms).max().unwrap();
    // Unoptimized, on a machine with other things to do.
    assert!(latest < 500, "{ticks:?}");
}
