//! A start that finds invalid schedule files uses the ones that were accepted before, and says so.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::http::{address, get, sample, scrape};
use crate::support::sent::Sent;
use crate::support::spool::messages;
use crate::support::wait::{SOON, eventually, wall_clock};

const RUN: [&str; 3] = ["run", "--http", "127.0.0.1:0"];

const TICKING: &str = "entries:\n  tick: {task: t, every: 1s}\n";
/// A typo in it.
const BROKEN: &str = "entries:\n  tick: {task: t, evry: 1s}\n";
const PROBLEM: &str = "schedules/jobs.yaml:2:19: ";

/// Its spool is not in the state directory, which some of these services lack.
fn place() -> Place {
    let place = Place::new();
    let spool = format!("spool:{}", place.path().join("spool").display());
    let place = place.env("DOWNBEAT_BROKER", &spool);
    place.write_schedule("jobs.yaml", TICKING);
    place
}

fn status(place: &Place) -> Value {
    place.run(&["status", "--json"]).json(0)
}

/// Waits until the schedule in force is kept, and gives when it was accepted.
fn wait_until_kept(place: &Place) -> String {
    eventually(SOON, "the schedule files are kept", || {
        status(place)["schedule"]["kept_at"].as_str().map(str::to_owned)
    })
}

/// The one copy in the state directory.
fn copy(place: &Place) -> PathBuf {
    let items = fs::read_dir(place.state()).unwrap().map(|item| item.unwrap().path());
    let copies: Vec<_> =
        items.filter(|path| path.display().to_string().contains("/accepted-")).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    copies[0].clone()
}

/// Runs until the schedule is kept, and dies.
fn run_once(place: &Place) -> String {
    let mut downbeat = place.start(&RUN);
    downbeat.wait_for_log("became leader");
    let accepted_at = wait_until_kept(place);
    downbeat.process().kill();
    accepted_at
}

fn start(place: &Place) -> Downbeat {
    let downbeat = place.start(&RUN);
    downbeat.wait_for_log("became leader");
    downbeat
}

/// The line of `status` that begins with TROUBLE.
fn trouble(place: &Place) -> Option<String> {
    let shown = place.run(&["status"]).ok();
    shown.lines().find(|line| line.starts_with("TROUBLE")).map(str::to_owned)
}

#[test]
fn a_restart_with_a_typo_goes_on_with_the_schedule_accepted_before_and_says_so() {
    let place = place();
    let mut first = place.start(&RUN);
    first.wait_for_dispatches("tick", 0, 2);
    let accepted_at = wait_until_kept(&place);
    let hash = status(&place)["schedule"]["hash"].clone();
    place.write_schedule("jobs.yaml", BROKEN);
    first.wait_for_log("reload failed; keeping the previous schedule");
    let said = trouble(&place).unwrap();
    let fate = format!(
        "running the schedule accepted at {accepted_at}, and will again after a restart; fixed files \
         are loaded automatically"
    );
    assert!(said.contains("the last reload failed (./schedules/jobs.yaml:2:19: "), "{said}");
    assert!(said.ends_with(&fate), "{said}");
    first.process().kill();

    let second = start(&place);
    second.wait_for_dispatches("tick", wall_clock().0, 2);
    let log = second.log().join("\n");
    for part in ["ERROR", "started from the kept schedule files", "accepted_at=", PROBLEM] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let said = trouble(&place).unwrap();
    assert!(
        said.contains("the schedule files are invalid (./schedules/jobs.yaml:2:19: "),
        "{said}"
    );
    wait_until_kept(&place);
    assert!(trouble(&place).unwrap().ends_with(&fate), "{said}");
    let schedule = status(&place)["schedule"].clone();
    assert_eq!((&schedule["hash"], &schedule["kept_at"]), (&hash, &accepted_at.into()));
    let address = address(&second);
    assert_eq!(get(&address, "/readyz").code, 200);
    let metric = |name: &str| sample(&scrape(&address), name).unwrap();
    assert_eq!(metric("downbeat_schedule_from_kept_files"), 1.0);
    assert_eq!(metric("downbeat_last_reload_successful"), 0.0);
    assert!(place.run(&["check"]).refused(1).contains(PROBLEM));
    // What is still wrong changes nothing.
    place.run(&["reload", "--wait"]).refused(1);
    assert!(trouble(&place).unwrap().contains("the schedule files are invalid"));

    // Mended, and written in another way: the same timing, so no registration begins anew.
    place.write_schedule("jobs.yaml", "entries: {tick: {every: 1000ms, task: t}}");
    second.wait_for_log("reloaded difference=");
    assert_eq!(trouble(&place), None);
    second.wait_for_dispatches("tick", wall_clock().0, 2);
    assert_eq!(metric("downbeat_schedule_from_kept_files"), 0.0);
    let log = second.log().join("\n");
    assert!(!log.contains("skipped") && !log.contains("retimed"), "{log}");
    let sent = messages(&place.path().join("spool/queue"));
    let slots: Vec<i64> = sent.iter().map(Sent::slot_ms).collect();
    let expected: Vec<i64> = (slots[0]..=slots[slots.len() - 1]).step_by(1000).collect();
    assert_eq!(slots, expected, "every second once");
}

#[test]
fn the_schedule_accepted_last_is_the_one_that_is_kept() {
    let place = place();
    let mut downbeat = start(&place);
    let text = |args: usize| format!("entries:\n  tick: {{task: t, every: 1s, args: [{args}]}}\n");
    for args in 1..=20 {
        place.write_schedule("jobs.yaml", &text(args));
        place.run(&["reload", "--wait"]).ok();
    }
    wait_until_kept(&place);
    let hash = status(&place)["schedule"]["hash"].clone();
    assert!(fs::read_to_string(copy(&place)).unwrap().ends_with(&text(20)));
    // What is accepted without a change is not written again.
    let written = fs::metadata(copy(&place)).unwrap().modified().unwrap();
    place.run(&["reload", "--wait"]).ok();
    wait_until_kept(&place);
    assert_eq!(fs::metadata(copy(&place)).unwrap().modified().unwrap(), written);
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    place.write_schedule("jobs.yaml", BROKEN);
    let downbeat = start(&place);
    assert_eq!(status(&place)["schedule"]["hash"], hash);
    // Undone: the files are again those that are kept.
    place.write_schedule("jobs.yaml", &text(20));
    downbeat.wait_for_log("found the schedule files valid again");
    assert_eq!(trouble(&place), None);
}

#[test]
fn a_schedule_that_is_not_there_yet_is_no_outage_either() {
    let place = place();
    run_once(&place);
    fs::rename(place.schedules(), place.path().join("unmounted")).unwrap();
    let mut downbeat = place.start(&["run", "--schedules", "./schedules"]);
    downbeat.wait_for_log("schedules: cannot be read: no such file or directory");
    downbeat.wait_for_dispatches("tick", wall_clock().0, 1);
    fs::rename(place.path().join("unmounted"), place.schedules()).unwrap();
    downbeat.wait_for_log("found the schedule files valid again");
    downbeat.process().kill();
    fs::remove_file(place.schedules().join("jobs.yaml")).unwrap();
    start(&place).wait_for_log("no schedule files in this directory");
}

#[test]
fn a_strict_start_refuses_invalid_files_whatever_is_kept() {
    let place = place();
    run_once(&place);
    // The status of a strict service says what its next start will do.
    let mut strict = place.start(&["run", "--strict"]);
    strict.wait_for_log("became leader");
    place.write_schedule("jobs.yaml", BROKEN);
    strict.wait_for_log("reload failed");
    eventually(SOON, "it is told that the next start fails", || {
        trouble(&place)?.contains("the next start will fail: it is `run --strict`; ").then_some(())
    });
    strict.process().kill();
    let mut refused = place.start(&["run", "--strict"]);
    refused.wait_for_log("downbeat: invalid schedule");
    refused.wait_for_log(PROBLEM);
    assert_eq!(refused.wait(SOON).code(), Some(78));
    let said = refused.log().join("\n");
    assert!(!said.contains("kept"), "{said}");
    start(&place);
}

#[test]
fn without_a_state_directory_an_invalid_schedule_fails_before_anything_is_sent() {
    let place = place().env("STATE_DIRECTORY", "/proc/no/downbeat");
    let mut downbeat = start(&place);
    let said = downbeat.wait_for_log("failed to keep the schedule files");
    assert!(said.contains("INFO") && said.contains("no state directory: /proc/no/"), "{said}");
    place.write_schedule("jobs.yaml", BROKEN);
    downbeat.wait_for_log("reload failed");
    let said = trouble(&place).unwrap();
    assert!(said.contains("the next start will fail: the files are not kept: no state"), "{said}");
    downbeat.process().kill();
    let before = messages(&place.path().join("spool/queue")).len();
    let said = place.run(&["run"]).refused(78);
    assert!(said.contains("invalid schedule\n") && !said.contains("kept in"), "{said}");
    assert_eq!(messages(&place.path().join("spool/queue")).len(), before);
}

#[test]
fn whoever_locks_the_state_directory_delays_neither_the_copy_nor_the_end() {
    let place = place();
    // Any user who can read it can do that.
    let folder = fs::File::open(place.state()).unwrap();
    flock(&folder, FlockOperation::LockExclusive).unwrap();
    let mut downbeat = start(&place);
    wait_until_kept(&place);
    let changed = "entries:\n  tick: {task: t, every: 1s, args: [1]}\n";
    place.write_schedule("jobs.yaml", changed);
    downbeat.wait_for_log("reloaded difference=changed tick");
    wait_until_kept(&place);
    assert!(fs::read_to_string(copy(&place)).unwrap().ends_with(changed));
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

#[test]
fn a_copy_that_cannot_be_written_is_warned_of_once_and_the_service_goes_on() {
    let place = place();
    run_once(&place);
    // Nothing can be renamed over a folder that holds something.
    let copy = copy(&place);
    fs::remove_file(&copy).unwrap();
    fs::create_dir_all(copy.join("in-the-way")).unwrap();
    let downbeat = start(&place);
    let said = downbeat.wait_for_log("failed to keep the schedule files");
    assert!(said.contains("WARN") && said.contains("cannot write "), "{said}");
    for _ in 0..3 {
        place.run(&["reload", "--wait"]).ok();
    }
    downbeat.wait_for_dispatches("tick", wall_clock().0, 1);
    assert_eq!(downbeat.log().iter().filter(|line| line.contains("failed to keep")).count(), 1);
    assert!(place.run(&["status"]).ok().contains("\nkept       nothing: a start that finds"));
    fs::remove_dir_all(&copy).unwrap();
    place.run(&["reload", "--wait"]).ok();
    wait_until_kept(&place);
}

#[test]
fn a_schedule_that_cannot_be_kept_leaves_the_one_from_before_to_the_next_start() {
    let place = place();
    let accepted_at = run_once(&place);
    let large = format!("{TICKING}  other: {{task: t, every: 1h}}\n# {}\n", "x".repeat(1 << 17));
    // The disk is full for whatever is larger than 64 KiB.
    let start_limited = |args: &[&str]| {
        place.write_schedule("jobs.yaml", &large);
        let mut limited = place.command_after("trap '' XFSZ; ulimit -f 128", args);
        let downbeat = Downbeat::spawn(&mut limited);
        downbeat.wait_for_log("became leader");
        let logged = downbeat.wait_for_log("failed to keep the schedule files");
        place.write_schedule("jobs.yaml", BROKEN);
        downbeat.wait_for_log("reload failed");
        (downbeat, logged, trouble(&place).unwrap())
    };
    let (mut strict, _, said) = start_limited(&["run", "--strict"]);
    assert!(said.contains("the next start will fail: the files are not kept: cannot"), "{said}");
    strict.process().kill();
    let (mut downbeat, logged, said) = start_limited(&["run"]);
    for part in ["WARN", " error=cannot write", &format!(" older={accepted_at}")] {
        assert!(logged.contains(part), "{logged}");
    }
    let fate = format!("the next start will run the one accepted at {accepted_at}: the files are");
    assert!(said.contains(&fate), "{said}");
    let shown = place.run(&["status"]).ok();
    let kept = format!("\nkept       only an older schedule, of {accepted_at} (");
    assert!(shown.contains(&kept), "{shown}");
    assert_eq!(status(&place)["schedule"]["entries"], 2);
    downbeat.process().kill();
    let downbeat = start(&place);
    downbeat.wait_for_log("started from the kept schedule files");
    assert_eq!(status(&place)["schedule"]["entries"], 1);
}

#[test]
fn a_copy_that_is_not_what_was_written_is_not_trusted() {
    let place = place();
    run_once(&place);
    place.write_schedule("jobs.yaml", BROKEN);
    let copy = copy(&place);
    let intact = fs::read(&copy).unwrap();
    let refused = |why: &str| {
        let said = place.run(&["run"]).refused(78);
        let expected = format!("the files kept in {} cannot be used either: ", copy.display());
        for part in ["invalid schedule\n", PROBLEM, &expected, why] {
            assert!(said.contains(part), "{part}: {said}");
        }
    };
    // Each byte matters; here are those at both ends.
    for at in [0, 1, intact.len() - 1] {
        let mut damaged = intact.clone();
        damaged[at] ^= 1;
        fs::write(&copy, damaged).unwrap();
        refused("damaged");
    }
    fs::write(&copy, &intact[..intact.len() - 1]).unwrap();
    refused("it is damaged");
    fs::write(&copy, &intact).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o666)).unwrap();
    refused("others may write to it");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    start(&place);
}

#[test]
fn what_is_kept_of_other_paths_or_of_another_namespace_is_not_used() {
    let place = place();
    run_once(&place);
    fs::create_dir(place.path().join("others")).unwrap();
    fs::write(place.path().join("others/jobs.yaml"), BROKEN).unwrap();
    place.write_schedule("jobs.yaml", BROKEN);
    for other in [["--schedules", "others"], ["--namespace", "other"]] {
        let said = place.run(&[&["run"], &other[..]].concat()).refused(78);
        assert!(!said.contains("kept"), "{said}");
    }
    // The same path in other words.
    let same = place.schedules().display().to_string();
    place.start(&["run", "--schedules", &same]).wait_for_log("became leader");
}

#[test]
fn kept_files_that_the_configuration_no_longer_allows_are_told_of_beside_the_others() {
    let config = |place: &Place, queues: &str| {
        fs::write(place.path().join("downbeat.yaml"), format!("queues: {{{queues}}}\n")).unwrap();
    };
    // Nobody answers there, which is no reason not to be ready.
    let place = Place::new()
        .env("DOWNBEAT_BROKER", "redis://127.0.0.1:1/0")
        .env("DOWNBEAT_CONFIG", "downbeat.yaml");
    config(&place, "q: {worker: rq}");
    let text = "entries: {a: {task: t, every: 1h, queue: q, options: {timeout: 3m}}}\n";
    place.write_schedule("jobs.yaml", text);
    let mut downbeat = place.start(&["run"]);
    eventually(SOON, "the schedule is kept", || {
        let shown = place.run(&["status", "--json"]);
        shown.stdout.contains("\"kept_at\": \"").then_some(())
    });
    downbeat.process().kill();
    place.write_schedule("jobs.yaml", BROKEN);
    config(&place, "");
    let said = place.run(&["run"]).refused(78);
    for part in [PROBLEM, "cannot be used either", "invalid\n", "jobs.yaml:1:", "`timeout`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
