//! The embedded broker: every slot is in the queue's directory exactly once, whatever is killed and
//! when, and manual messages are delivered.

mod strangers;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use downbeat::schedule::TaskIds;
use downbeat::store::spool::{SpoolError, SpoolStore};
use tempfile::TempDir;

use crate::support::downbeat::Place;
use crate::support::random::seed;
use crate::support::sent::instant;
use crate::support::spool::{files, messages, open_released};
use crate::support::wait::{SOON, eventually, wall_clock};

const ENTRIES: usize = 20;
const ROUNDS: usize = 12;
const KILLS: usize = 3;

fn every_second(count: usize) -> String {
    let entry = |n| format!("  e{n}: {{task: demo.echo, every: 1s, args: [{n}]}}\n");
    format!("entries:\n{}", (0..count).map(entry).collect::<String>())
}

/// By entry, how often each slot is in the queue.
fn count_slots(queue: &Path) -> BTreeMap<String, BTreeMap<i64, usize>> {
    let mut slots = BTreeMap::<String, BTreeMap<i64, usize>>::new();
    for sent in messages(queue) {
        *slots.entry(sent.entry.clone()).or_default().entry(sent.slot_ms()).or_default() += 1;
        let id = TaskIds::new("downbeat").id(&sent.entry, instant(&sent.slot));
        assert_eq!(sent.id, id.to_string());
    }
    slots
}

#[test]
fn no_slot_is_lost_or_doubled_by_kill_9_at_any_instant() {
    let mut random = fastrand::Rng::with_seed(seed());
    let place = Place::new();
    place.write_schedule("all.yaml", &every_second(ENTRIES));
    let queue = place.state().join("spool/queue");
    let (mut cut_short, mut unfinished) = (0, 0);
    for kill in 0..ROUNDS * KILLS {
        let mut downbeat = place.start(&["run"]);
        downbeat.wait_for_log("started");
        // In each round once while the slots of a second are written, and then while what that
        // kill has left is put right.
        let until_slots = if kill % KILLS == 0 { 1000 - wall_clock().0 % 1000 } else { 0 };
        let pause = 1000 * u64::try_from(until_slots).unwrap() + random.u64(..20_000);
        std::thread::sleep(Duration::from_micros(pause));
        downbeat.process().kill();
        cut_short += files_in(&place.state().join("spool/stage"));
        unfinished += usize::from(!downbeat.log().join("\n").contains("became leader"));
    }
    println!("{cut_short} messages were staged and {unfinished} starts unfinished when killed");

    let mut downbeat = place.start(&["run"]);
    let now = wall_clock().0;
    for entry in 0..ENTRIES {
        downbeat.wait_for_dispatches(&format!("e{entry}"), now, 1);
    }
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    assert_eq!(files_in(&place.state().join("spool/stage")), 0);
    let slots = count_slots(&queue);
    assert_eq!(slots.len(), ENTRIES);
    for (entry, slots) in slots {
        let (first, last) = (slots.keys().next().unwrap(), slots.keys().last().unwrap());
        assert!(last - first >= 5_000, "{entry}: {slots:?}");
        for slot in (*first..=*last).step_by(1000) {
            assert_eq!(slots.get(&slot), Some(&1), "{entry} at {slot}: {slots:?}");
        }
        assert_eq!(i64::try_from(slots.len()).unwrap(), (last - first) / 1000 + 1);
    }
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_second_process_is_kept_out_and_told_so() {
    let place = Place::new();
    place.write_schedule("all.yaml", &every_second(1));
    let mut first = place.start(&["run"]);
    first.wait_for_log("became leader");
    let spool = place.state().join("spool");
    assert!(
        matches!(SpoolStore::open(&spool, "downbeat"), Err(SpoolError::Locked(path)) if path == spool)
    );
    let runtime = place.path().join("another");
    let second = place.run(&["run", "--runtime-dir", runtime.to_str().unwrap()]).refused(78);
    let said = format!("the spool {} is in use by another process", spool.display());
    assert!(second.contains(&said), "{second}");
    assert!(first.process().exited().is_none());
    first.process().kill();
    // What a killed process held is free at once.
    drop(open_released(|| SpoolStore::open(&spool, "downbeat")));
}

/// A file system of `size`, unmounted when dropped.
struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    fn mount(size: &str) -> Option<Tmpfs> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "downbeat-test"]);
        let output = mount.arg(folder.path()).output().ok()?;
        if output.status.success() {
            return Some(Tmpfs { folder });
        }
        println!("skipped: cannot mount: {}", String::from_utf8_lossy(&output.stderr).trim());
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still hold it.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// Leaves no room on the file system.
fn fill(folder: &Path) -> PathBuf {
    use std::io::Write as _;
    let path = folder.join("ballast");
    let mut file = fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

#[test]
fn a_full_disk_loses_nothing_and_the_queue_goes_on_when_there_is_room() {
    let Some(disk) = Tmpfs::mount("1m") else { return };
    let place = Place::new().env("DOWNBEAT_STATE_DIR", disk.folder.path().to_str().unwrap());
    place.write_schedule("all.yaml", &every_second(3));
    let mut downbeat = place.start(&["run", "--grace", "5m"]);
    downbeat.wait_for_dispatches("e0", 0, 1);
    let ballast = fill(disk.folder.path());
    downbeat.wait_for_log("No space left on device");
    let status = place.run(&["status"]);
    assert!(status.stdout.contains("No space left on device"), "{status:?}");
    // Not only the first second of it.
    let full_at = wall_clock().0;
    eventually(SOON, "two seconds more", || (wall_clock().0 > full_at + 2000).then_some(()));
    fs::remove_file(ballast).unwrap();
    let room_at = wall_clock().0;
    for entry in ["e0", "e1", "e2"] {
        downbeat.wait_for_dispatches(entry, room_at, 1);
    }
    let status = place.run(&["status"]).ok();
    assert!(!status.contains("No space left on device"), "{status}");
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    for (entry, slots) in count_slots(&disk.folder.path().join("spool/queue")) {
        let (first, last) = (slots.keys().next().unwrap(), slots.keys().last().unwrap());
        assert!(*first < full_at && *last >= room_at);
        for slot in (*first..=*last).step_by(1000) {
            assert_eq!(slots.get(&slot), Some(&1), "{entry} at {slot}: {slots:?}");
        }
    }
}

#[test]
fn starting_on_a_full_disk_may_be_cured_by_starting_again() {
    let Some(disk) = Tmpfs::mount("256k") else { return };
    let place = Place::new().env("DOWNBEAT_STATE_DIR", disk.folder.path().to_str().unwrap());
    place.write_schedule("all.yaml", &every_second(1));
    fs::create_dir(disk.folder.path().join("spool")).unwrap();
    let ballast = fill(disk.folder.path());
    let refused = place.run(&["run"]).refused(4);
    assert!(refused.contains("No space left on device"), "{refused}");
    assert!(refused.contains("/spool/"), "{refused}");
    fs::remove_file(ballast).unwrap();
    place.start(&["run"]).wait_for_log("became leader");
}

#[test]
fn trigger_puts_a_message_in_with_and_without_a_running_service() {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:state/spool");
    place.write_schedule("all.yaml", "entries: {yearly: {task: t, cron: '0 0 1 1 *'}}");
    let queue = place.state().join("spool/queue");
    let printed = place.run(&["trigger", "yearly"]).ok();
    let [sent] = &messages(&queue)[..] else { panic!("not one message") };
    assert!(printed.contains(&sent.id), "{printed}");
    assert_eq!((sent.entry.as_str(), sent.kind.as_str()), ("yearly", "manual"));

    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    let printed = place.run(&["trigger", "yearly", "--queue", "other"]).ok();
    let [_, second] = &messages(&queue)[..] else { panic!("not two messages") };
    assert!(printed.contains(&second.id), "{printed}");
    assert!(files(&queue)[1].ends_with(".other.msg"));
    downbeat.wait_for_log("kind=\"manual\"");
    assert_eq!(files_in(&place.state().join("spool/stage")), 0);
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    assert_eq!(messages(&queue).len(), 2);
}

#[test]
fn a_manual_run_in_a_spool_is_repeated_without_a_double_whether_or_not_it_is_in_use() {
    let place = Place::new().env("DOWNBEAT_BROKER", "spool:state/spool");
    place.write_schedule("a.yaml", "entries: {hourly: {task: t, every: 1h}}");
    let id = ["--id", "00000000-0000-4000-8000-000000000007"];
    let trigger = [&["trigger", "hourly"], &id[..]].concat();
    let segment = ["--from", "2026-01-01 00:00", "--to", "2026-01-02 00:00", "--run", id[1]];
    let backfill = [&["backfill", "hourly"], &segment[..]].concat();
    let queue = place.state().join("spool/queue");
    assert!(place.run(&trigger).ok().starts_with("sent hourly "));
    assert_eq!(place.run(&backfill).ok().matches("sent hourly ").count(), 24);
    // By another process, without a service and with one.
    let repeat = || {
        assert!(place.run(&trigger).ok().starts_with("already sent: hourly "));
        assert_eq!(place.run(&backfill).ok().matches("already sent: hourly ").count(), 24);
        assert_eq!(messages(&queue).len(), 25);
    };
    repeat();
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    repeat();
    // A command that cannot ask the service does not go behind its back.
    let elsewhere = place.path().join("elsewhere");
    let said = place.run(&["trigger", "hourly", "--runtime-dir", elsewhere.to_str().unwrap()]);
    let said = said.refused(3);
    assert!(
        said.contains("not sent: the spool ") && said.contains("is in use by another"),
        "{said}"
    );
    assert_eq!(messages(&queue).len(), 25);
}
