//! A service that is restarted after a crash leads at once if it can know that the process before it is
//! gone. The lease would last much longer than any of these tests.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use redis::Commands as _;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::support::cluster::{time_of, used_before};
use crate::support::downbeat::{Downbeat, Place};
use crate::support::preload::compiled;
use crate::support::random::seed;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually, wall_clock};

const OFTEN: &str = "entries: {tick: {task: t, every: 100ms, queue: q}}\n";
const STEP_MS: usize = 100;
const GONE: &str = "found the leader's process gone; replacing its lease";

fn server() -> RedisServer {
    used_before(RedisServer::start())
}

/// A place whose services share a lease of that TTL.
fn place_with(server: &RedisServer, ttl: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", &server.url());
    let place = place.env("DOWNBEAT_LEADER_TTL", ttl).env("DOWNBEAT_GRACE", "5m");
    place.write_schedule("a.yaml", OFTEN);
    place
}

fn place(server: &RedisServer) -> Place {
    place_with(server, "2m")
}

fn leader(place: &Place) -> Downbeat {
    let leader = place.start(&["run"]);
    leader.wait_for_log("became leader");
    leader.wait_for_log(" dispatched ");
    leader
}

/// One that waits for the end of the lease.
fn follower(place: &Place) -> Downbeat {
    let follower = place.start(&["run"]);
    follower.wait_for_log("became follower");
    follower
}

fn lease(server: &RedisServer) -> Option<String> {
    server.connect().get("downbeat:lease").unwrap()
}

/// The file that names tenures.
fn tenure_file(place: &Place) -> PathBuf {
    let items = fs::read_dir(place.state()).unwrap().map(|item| item.unwrap().path());
    let files: Vec<_> =
        items.filter(|path| path.display().to_string().contains("/tenure-")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Every slot from the first to the last was sent once.
fn assert_every_slot_once(server: &RedisServer) {
    let slots: Vec<i64> = server.queue("q").iter().map(|sent| sent.slot_ms()).collect();
    let expected: Vec<i64> = (slots[0]..=slots[slots.len() - 1]).step_by(STEP_MS).collect();
    assert_eq!(slots, expected);
}

fn assert_waits(downbeat: &Downbeat) {
    assert_eq!(
        downbeat.last_log(|line| line.contains(GONE) || line.contains("became leader")),
        None
    );
}

#[test]
fn a_killed_leader_that_is_started_again_sends_the_next_message_at_once() {
    needs!(Redis);
    let server = server();
    let place = place(&server);
    let mut downbeat = leader(&place);
    let mut silences = Vec::new();
    for _ in 0..5 {
        downbeat.process().kill();
        let killed_at = wall_clock();
        let before = lease(&server).unwrap();
        downbeat = place.start(&["run"]);
        let (line, gone) = downbeat.wait_for_log_from(0, GONE);
        assert!(gone.contains(&before), "{gone}");
        let (_, sent) = downbeat.wait_for_log_from(line, " dispatched ");
        silences.push(time_of(&sent).since(killed_at));
    }
    println!("the next message came {silences:?} after the kill");
    silences.sort();
    // Other tests share the machine, and any of them can hold up one start.
    assert!(silences[0] < Duration::from_millis(300), "{silences:?}");
    drop(downbeat);
    assert_every_slot_once(&server);
}

#[test]
fn a_stopped_leader_is_not_taken_for_dead() {
    needs!(Redis);
    let server = server();
    let ttl = Duration::from_secs(3);
    let place = place_with(&server, "3s");
    let mut stopped = leader(&place);
    stopped.process().pause();
    let paused_at = Instant::now();
    let other = follower(&place);
    other.wait_for_log("became leader");
    // It was renewed at most a third of the TTL before.
    assert!(paused_at.elapsed() >= ttl * 2 / 3, "{:?}", paused_at.elapsed());
    assert_eq!(other.last_log(|line| line.contains(GONE)), None);
    other.wait_for_log(" dispatched ");
    stopped.process().resume();
    stopped.wait_for_log("became follower");
    // Now the stopped one is gone, and it was not the leader.
    stopped.process().kill();
    let from = wall_clock().0;
    other.wait_for_dispatches("tick", from, 3);
    drop(other);
    assert_every_slot_once(&server);
}

#[test]
fn a_zombie_is_gone_once_all_of_it_is_and_not_before() {
    needs!(Redis);
    let server = server();
    let place = place_with(&server, "6s");
    let state = |downbeat: &mut Downbeat| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", downbeat.process().id())).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    let mut headless = place.command(&["run"]);
    let mut headless = Downbeat::spawn(headless.env("LD_PRELOAD", compiled("headless")));
    headless.wait_for_log(" dispatched ");
    headless.process().signal(Signal::USR2);
    eventually(SOON, "its main thread is a zombie", || (state(&mut headless) == 'Z').then_some(()));
    let held = lease(&server).unwrap();
    let mut other = follower(&place);
    // Its campaign goes on.
    let left = || server.connect().pttl::<_, i64>("downbeat:lease").unwrap();
    let shortly_before = left();
    eventually(SOON, "the lease is renewed", || (left() > shortly_before).then_some(()));
    assert_eq!(lease(&server), Some(held));
    assert_waits(&other);
    other.process().kill();

    // Nobody has asked how it ended, so its number is still there; nothing else is.
    headless.process().signal(Signal::KILL);
    let last = leader(&place);
    assert_eq!(state(&mut headless), 'Z');
    last.wait_for_log(GONE);
}

#[test]
fn a_copied_state_directory_proves_nothing() {
    needs!(Redis);
    let server = server();
    let (place, copied) = (place(&server), place(&server));
    let mut downbeat = leader(&place);
    let copy = || {
        let file = tenure_file(&place);
        let target = copied.state().join(file.file_name().unwrap());
        fs::copy(&file, &target).unwrap();
        assert_ne!(fs::metadata(file).unwrap().ino(), fs::metadata(target).unwrap().ino());
    };
    copy();
    let mut heir = follower(&copied);
    downbeat.process().kill();
    heir.process().kill();
    copy();
    // Its process is gone by now, which the copy cannot tell.
    assert_waits(&follower(&copied));
    leader(&place).wait_for_log(GONE);
}

#[test]
fn a_replaced_file_proves_nothing() {
    needs!(Redis);
    let server = server();
    let place = place(&server);
    let mut downbeat = leader(&place);
    let file = tenure_file(&place);
    let copy = place.path().join("copy");
    fs::copy(&file, &copy).unwrap();
    fs::rename(&copy, &file).unwrap();
    let mut second = follower(&place);
    downbeat.process().kill();
    second.process().kill();
    assert_waits(&follower(&place));
}

#[test]
fn of_two_that_are_started_at_once_one_leads() {
    needs!(Redis);
    let server = server();
    let place = place(&server);
    leader(&place).process().kill();
    let both = [place.start(&["run"]), place.start(&["run"])];
    let led =
        |downbeat: &Downbeat| downbeat.last_log(|line| line.contains("became leader")).is_some();
    let at = eventually(SOON, "one leads", || both.iter().position(led));
    let [leader, other] = [&both[at], &both[1 - at]];
    leader.wait_for_log(GONE);
    other.wait_for_log("became follower");
    leader.wait_for_dispatches("tick", wall_clock().0, 3);
    assert_waits(other);
    drop(both);
    assert_every_slot_once(&server);
}

#[test]
fn a_lease_that_a_third_has_taken_is_left_to_it() {
    needs!(Redis);
    let server = server();
    let (place, elsewhere) = (place_with(&server, "1s"), place_with(&server, "1s"));
    let mut downbeat = leader(&place);
    let third = follower(&elsewhere);
    downbeat.process().kill();
    third.wait_for_log("became leader");
    let again = follower(&place);
    third.wait_for_dispatches("tick", wall_clock().0, 3);
    assert_waits(&again);
    drop((third, again));
    assert_every_slot_once(&server);
}

#[test]
fn a_clean_stop_leaves_nothing_to_replace() {
    needs!(Redis);
    let server = server();
    let place = place(&server);
    for _ in 0..2 {
        let mut downbeat = leader(&place);
        assert_eq!(downbeat.last_log(|line| line.contains(GONE)), None);
        downbeat.process().terminate();
        assert_eq!(downbeat.wait(SOON).code(), Some(0));
        assert_eq!(lease(&server), None);
    }
    assert_every_slot_once(&server);
}

#[test]
fn namespaces_on_one_state_directory_do_not_mistake_each_other() {
    needs!(Redis);
    let server = server();
    let () = server.connect().set("other:marker", "1").unwrap();
    let place = place(&server);
    let mut one = leader(&place);
    let mut other = place.start(&["run", "--namespace", "other", "--runtime-dir", "other"]);
    other.wait_for_log("became leader");
    one.process().kill();
    leader(&place).wait_for_log(GONE);
    other.process().kill();
    let other = place.start(&["run", "--namespace", "other", "--runtime-dir", "other"]);
    other.wait_for_log(GONE);
    other.wait_for_log("became leader");
}

#[test]
fn whenever_it_is_killed_the_next_start_leads_at_once() {
    needs!(Redis);
    let mut random = fastrand::Rng::with_seed(seed());
    let server = server();
    let place = place(&server);
    leader(&place).process().kill();
    let mut leads = 0;
    for _ in 0..40 {
        let mut downbeat = place.start(&["run"]);
        // Before it names itself, before it asks for the lease, before it hears the answer, or later.
        sleep(Duration::from_millis(random.u64(0..80)));
        downbeat.process().kill();
        leads += usize::from(downbeat.log().iter().any(|line| line.contains("became leader")));
        // Its own lease is the only one that it could be waiting for.
        assert_eq!(downbeat.last_log(|line| line.contains("became follower")), None);
    }
    println!("{leads} of 40 led before they were killed");
    leader(&place);
    assert_every_slot_once(&server);
}

#[test]
fn in_memory_a_state_directory_is_as_good() {
    needs!(Redis);
    let server = server();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let place = place(&server).env("STATE_DIRECTORY", memory.path().to_str().unwrap());
    leader(&place).process().kill();
    leader(&place).wait_for_log(GONE);
}

#[test]
fn without_a_state_directory_the_lease_has_to_run_out() {
    needs!(Redis);
    let server = server();
    let place = place(&server).env("STATE_DIRECTORY", "/proc/no/downbeat");
    leader(&place).process().kill();
    let second = follower(&place);
    let said = second.wait_for_log("after a crash, a restart waits until the lease expires");
    assert!(said.contains("INFO") && said.contains("/proc/no/downbeat/tenure-downbeat-"), "{said}");
    assert_waits(&second);
}

#[test]
fn replicas_that_share_a_state_directory_say_so_once() {
    needs!(Redis);
    let server = server();
    let place = place_with(&server, "1s");
    let mut first = leader(&place);
    let runtime_dir = place.path().join("another");
    let second = place.start(&["run", "--runtime-dir", runtime_dir.to_str().unwrap()]);
    let said = "another replica uses this state directory; give each its own";
    second.wait_for_log(said);
    // Until then it asks for the lease again and again.
    first.process().kill();
    second.wait_for_log("became leader");
    assert_eq!(second.log().iter().filter(|line| line.contains(said)).count(), 1);
}

/// Of the file systems that every kernel has, one that is not known to be local.
#[test]
fn locks_of_a_file_system_that_may_be_shared_prove_nothing() {
    needs!(Redis);
    let server = server();
    let place = place(&server);
    let mount = format!("mount -t mqueue none {}", place.state().display());
    let apart = |args: &[&str]| {
        let inner = place.command_after(&mount, args);
        let mut command = Command::new("unshare");
        // Message queues outlive their mount, but not their namespace.
        command.args(["--mount", "--ipc", "--propagation", "private"]);
        command.arg(inner.get_program()).args(inner.get_args());
        command.current_dir(place.path()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Downbeat::spawn(&mut command)
    };
    let tried = Command::new("unshare").args(["--mount", "--ipc", "true"]).status();
    if !tried.is_ok_and(|status| status.success()) {
        println!("skipped: the kernel gives no namespace");
        return;
    }
    let first = apart(&["run"]);
    let said = first.wait_for_log("after a crash, a restart waits until the lease expires");
    assert!(said.contains("its file system may be shared with other machines"), "{said}");
    first.wait_for_log("became leader");
    let held = lease(&server).unwrap();
    assert_eq!(held.split(':').count(), 3, "it is not marked: {held}");
}
