//! What a service manager receives: sd_notify over a test's own socket.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::support::downbeat::Place;
use crate::support::lines::Lines;
use crate::support::manager::Manager;
use crate::support::process::Process;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const HOURLY: &str = "entries:\n  hourly: {task: t, every: 1h}\n";

/// A place whose service publishes to a Redis at `broker`.
fn place_with(text: &str, broker: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", broker).env("DOWNBEAT_LEADER_TTL", "1s");
    place.write_schedule("a.yaml", text);
    place
}

#[test]
fn ready_is_told_with_the_schedule_loaded_whether_or_not_redis_answers() {
    let place = place_with(HOURLY, "redis://127.0.0.1:1");
    let manager = Manager::of_path(&place);
    let place = manager.supervises(place);
    let mut downbeat = place.start(&["run"]);
    let first = manager.next(SOON).unwrap();
    // Redis may have refused by then.
    let said = ["the broker has not answered yet; follower", "the broker is unavailable: "];
    let begins = |said: &str| first.starts_with(&format!("READY=1\nSTATUS={said}"));
    assert!(said.into_iter().any(begins), "{first}");
    // Whoever was told so can ask it.
    assert!(place.run(&["list"]).ok().contains("hourly"));
    let is_trouble = |m: &str| m.starts_with("READY=1\nSTATUS=the broker is unavailable: ");
    if !is_trouble(&first) {
        manager.wait_for("the trouble is told", is_trouble);
    }
    downbeat.process().terminate();
    let (_, last) = manager.wait_for("the stop is told", |m| m.contains("STOPPING=1"));
    assert_eq!(last, "STOPPING=1\nSTATUS=stopping");
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

#[test]
fn the_status_tells_role_and_next_slot_and_how_a_reload_went() {
    needs!(Redis);
    let server = RedisServer::start();
    let manager = Manager::abstract_name();
    let place = manager.supervises(place_with(HOURLY, &server.url()));
    let mut downbeat = place.start(&["run"]);
    manager.wait_for("the leader's status", |m| m.contains("STATUS=leader; next is hourly at 20"));

    let reloaded = || {
        manager.wait_for("the reload's begin", |m| {
            let usec = m.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::parse::<u64>);
            usec.is_some_and(|usec| usec.unwrap() > 0)
        });
        manager.wait_for("the reload's end", |m| m.starts_with("READY=1\n")).1
    };
    let kept_at = eventually(SOON, "the schedule is kept", || {
        let status = place.run(&["status", "--json"]).json(0);
        status["schedule"]["kept_at"].as_str().map(str::to_owned)
    });
    place.write_schedule("a.yaml", "entries: [");
    let refused = reloaded();
    let said = format!(
        "STATUS=the last reload failed (./schedules/a.yaml:1:10: `[` is never closed): \
         running the schedule accepted at {kept_at}, and will again after a restart; fixed files are \
         loaded automatically; leader; next is hourly"
    );
    assert!(refused.contains(&said), "{refused}");
    place.write_schedule("a.yaml", HOURLY);
    let mended = reloaded();
    assert!(mended.contains("STATUS=leader; next"), "{mended}");
    place.run(&["reload", "--wait"]).ok();
    assert!(reloaded().contains("STATUS=leader"));
    downbeat.process().signal(Signal::HUP);
    assert!(reloaded().contains("STATUS=leader"));
}

#[test]
fn why_a_start_failed_is_told_so_that_nobody_waits_for_it() {
    let place = place_with("entries:\n  a: {task: t, crom: x}\n", "redis://127.0.0.1:1");
    let manager = Manager::of_path(&place);
    let place = manager.supervises(place);
    place.run(&["run"]).refused(78);
    let said = manager.next(SOON).unwrap();
    assert!(said.starts_with("STATUS=invalid schedule: ./schedules/a.yaml:2:16: "), "{said}");
    assert!(said.ends_with("unknown key `crom` in an entry\nERRNO=22"), "{said}");
    let place = place.env("DOWNBEAT_BROKER_FILE", "/nowhere/broker").env("DOWNBEAT_BROKER", "");
    place.run(&["run"]).refused(78);
    let said = manager.next(SOON).unwrap();
    let reason = "environment:DOWNBEAT_BROKER_FILE: the broker's file cannot be read: no such file";
    assert!(said.contains(reason), "{said}");
}

/// A service that owes a sign of life every 300 ms.
const LIMIT: Duration = Duration::from_millis(300);

fn watched(place: Place) -> Place {
    place.env("WATCHDOG_USEC", &LIMIT.as_micros().to_string())
}

fn is_alive(message: &str) -> bool {
    message == "WATCHDOG=1"
}

#[test]
fn an_idle_service_gives_signs_of_life_until_it_is_stopped_short() {
    let place = watched(place_with(HOURLY, "redis://127.0.0.1:1"));
    let manager = Manager::of_path(&place);
    let place = manager.supervises(place);
    let mut downbeat = place.start(&["run"]);
    manager.wait_for("the first sign", is_alive);
    let began = Instant::now();
    for _ in 0..10 {
        manager.wait_for("a sign of life", is_alive);
    }
    // Ten thirds, and no more of them than needed.
    assert!(began.elapsed() > 2 * LIMIT, "{:?}", began.elapsed());
    downbeat.process().pause();
    while manager.next(Duration::from_millis(1)).is_some() {}
    assert_eq!(manager.next(2 * LIMIT), None);
    downbeat.process().resume();
    manager.wait_for("a sign of life", is_alive);
}

#[test]
fn a_loop_that_is_stuck_gives_no_signs_of_life() {
    // Nobody reads the log, which this fills: the loop waits for room in the pipe.
    let entries = |n: u32| format!("  e{n}: {{task: t, every: 100ms, phase: {n}ms}}\n");
    let text = format!("entries:\n{}", (0..90).map(entries).collect::<String>());
    let place = watched(Place::new().env("DOWNBEAT_BROKER", "spool:spool"));
    place.write_schedule("a.yaml", &text);
    let manager = Manager::of_path(&place);
    let place = manager.supervises(place);
    let mut command = place.command(&["run"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process::spawn("downbeat", &mut command);
    manager.wait_for("the first sign", is_alive);
    eventually(SOON, "no sign of life", || manager.next(2 * LIMIT).is_none().then_some(()));
    assert!(process.exited().is_none());
    // All else goes on: only the loop is stuck.
    let _log = Lines::of(process.child().stderr.take().unwrap());
    manager.wait_for("signs of life again", is_alive);
}
