//! `status` and `resign`: who leads, whom one asks, and what is wrong.

use std::time::Duration;

use redis::Commands as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{place_with, place_with_three};
use crate::support::downbeat::Place;
use crate::support::redis::{RedisServer, free_port};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

#[test]
fn status_without_a_service_says_that_nobody_leads_a_spool() {
    let place = place_with_three().env("DOWNBEAT_BROKER", "spool:spool");
    let status = place.run(&["status"]);
    assert_eq!(status.code, Some(1));
    assert!(status.stdout.contains("no service runs here"), "{status:?}");
    assert!(status.stdout.contains("nobody"), "{status:?}");
    let json = place.run(&["status", "--json"]).json(1);
    assert!(json["leader"].is_null() && json["pid"].is_null(), "{json}");
}

#[test]
fn status_of_a_service_on_a_spool_shows_its_leader_and_schedule() {
    let place = place_with_three();
    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    let json = place.run(&["status", "--json"]).json(0);
    assert_eq!((&json["role"], &json["namespace"]), (&"leader".into(), &"downbeat".into()));
    assert_eq!(json["pid"], downbeat.process().id());
    assert_eq!(json["schedule"]["entries"], 3);
    assert!(json["broker"].as_str().unwrap().starts_with("spool:"));
    let shown = place.run(&["status"]).ok();
    assert!(!shown.contains("TROUBLE"), "{shown}");
    assert!(shown.contains("leader     this process"), "{shown}");
    assert!(shown.contains("3 entries"), "{shown}");
    let next = json["next"]["entry"].as_str().unwrap();
    assert!(shown.lines().any(|line| line.starts_with("next ") && line.contains(next)), "{shown}");
}

#[test]
fn status_fits_a_terminal_of_eighty_columns() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with_three().env("DOWNBEAT_BROKER", &server.url());
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    let shown = place.run(&["status"]).ok();
    // Addresses are as long as they are.
    let wide: Vec<_> = shown.lines().filter(|line| !line.starts_with("broker")).collect();
    assert!(wide.iter().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn status_tells_leader_from_follower_and_the_broker_answers_for_both() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = |_| place_with_three().env("DOWNBEAT_BROKER", &server.url());
    let [here, there, elsewhere] = [0, 1, 2].map(place);
    let nobody = elsewhere.run(&["status"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    let run = ["run", "--leader-ttl", "1s"];
    let mut leader = here.start(&run);
    leader.wait_for_log("became leader");
    let mut follower = there.start(&run);
    follower.wait_for_log("became follower");

    let led = here.run(&["status", "--json"]).json(0);
    assert_eq!(led["role"], "leader");
    let holder = led["leader"].clone();
    let followed = there.run(&["status", "--json"]).json(0);
    assert_eq!((&followed["role"], &followed["leader"]), (&"follower".into(), &holder));
    assert!(followed["next"].is_null());
    let asked = elsewhere.run(&["status", "--json"]).json(0);
    assert_eq!((&asked["role"], &asked["leader"]), (&Value::Null, &holder));
    eventually(SOON, "both replicas are shown", || {
        let asked = elsewhere.run(&["status", "--json"]).json(0);
        (asked["replicas"].as_array().unwrap().len() == 2).then_some(())
    });
    let shown = elsewhere.run(&["status"]).ok();
    assert!(shown.contains("no service runs here; this is what the broker knows"), "{shown}");
    // Of the replicas, everybody marks the one that leads.
    for place in [&here, &there, &elsewhere] {
        eventually(SOON, "the leader is marked", || {
            let shown = place.run(&["status"]).ok();
            let replicas: Vec<_> = shown.lines().filter(|l| l.starts_with("replica ")).collect();
            let leading = replicas.iter().filter(|line| line.contains(", leads, ")).count();
            (replicas.len() == 2 && leading == 1).then_some(())
        });
    }

    // Nor is a dead one taken for one that lives.
    follower.process().kill();
    assert!(follower.wait(SOON).code().is_none());
    let pid = follower.process().id();
    eventually(SOON, "the dead one is marked", || {
        let status = here.run(&["status", "--json"]).json(0);
        let replicas = status["replicas"].as_array().unwrap();
        replicas.iter().find(|replica| replica["pid"] == pid && replica["dead"] == true).map(drop)
    });
    let follower = there.start(&run);
    follower.wait_for_log("became follower");

    // A clean stop: the other one takes over, and nobody is left after it.
    leader.process().terminate();
    assert_eq!(leader.wait(SOON).code(), Some(0));
    follower.wait_for_log("became leader");
    drop(follower);
    eventually(SOON, "nobody leads", || (elsewhere.run(&["status"]).code == Some(1)).then_some(()));
}

#[test]
fn status_says_when_the_broker_does_not_answer() {
    let url = format!("redis://:s3cret@127.0.0.1:{}/0", free_port());
    let place = place_with_three().env("DOWNBEAT_BROKER", &url);
    let said = place.run(&["status"]).refused(3);
    assert!(said.contains("the broker says: "), "{said}");
    assert!(said.to_lowercase().contains("refused"), "{said}");
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("WARN");
    let status = eventually(SOON, "the trouble is known", || {
        let status = place.run(&["status"]);
        status.stdout.contains("TROUBLE").then_some(status)
    });
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(status.stdout.contains("leader     not known"), "{status:?}");
    assert!(status.stdout.contains("the broker is unavailable"), "{status:?}");
    assert!(!status.stdout.contains("s3cret"), "{status:?}");
}

#[test]
fn status_shows_a_queue_that_refuses_messages() {
    needs!(Redis);
    let server = RedisServer::start();
    let _: () = server.connect().set("wrong", "not a list").unwrap();
    let place = place_with("entries: {tick: {task: t, every: 1s, queue: wrong}}");
    let place = place.env("DOWNBEAT_BROKER", &server.url());
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("queue refused messages");
    let shown = place.run(&["status"]);
    let said = "TROUBLE    queue `wrong` refuses messages: ";
    assert!(shown.stdout.contains(said) && shown.stdout.contains("WRONGTYPE"), "{shown:?}");
    assert_eq!(shown.code, Some(1), "slots do not go: {shown:?}");
    place.run(&["status", "--live"]).ok();
}

#[test]
fn a_slot_that_is_later_than_the_grace_is_called_overdue() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut redis = server.connect();
    let () = redis.set("wrong", "not a list").unwrap();
    let place = place_with("entries: {tick: {task: t, every: 1s, queue: wrong}}");
    let place = place.env("DOWNBEAT_BROKER", &server.url());
    let downbeat = place.start(&["run", "--leader-ttl", "1s", "--grace", "3s"]);
    downbeat.wait_for_log("queue refused messages");
    let status = || place.run(&["status", "--json"]);
    let overdue = eventually(SOON, "the slot is overdue", || {
        let shown = status();
        shown.stdout.contains("is overdue by").then(|| shown.json(1))
    });
    assert!(overdue["next"]["overdue_ms"].as_u64() > Some(3_000), "{overdue}");
    let reports_result =
        |trouble: &Value| trouble.as_str().unwrap().starts_with("`tick` is overdue by ");
    assert!(overdue["troubles"].as_array().unwrap().iter().any(reports_result), "{overdue}");
    let shown = place.run(&["status"]);
    assert!(shown.stdout.contains("TROUBLE    `tick` is overdue by "), "{shown:?}");
    let next = shown.stdout.split("next       tick\n").nth(1).unwrap();
    assert!(next.lines().next().unwrap().contains("Z), overdue by "), "{shown:?}");
    let () = redis.del("wrong").unwrap();
    let fine = eventually(SOON, "slots go again", || {
        let status = status();
        (status.code == Some(0)).then(|| status.json(0))
    });
    assert_eq!(fine["troubles"], json!([]));
}

#[test]
fn resign_hands_over_and_says_why_it_cannot() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = || place_with_three().env("DOWNBEAT_BROKER", &server.url());
    let (here, there) = (place(), place());
    let said = here.run(&["resign"]).refused(3);
    assert!(said.contains("no service listens on "), "{said}");
    assert!(said.contains(here.runtime().to_str().unwrap()), "{said}");
    let run = ["run", "--leader-ttl", "2s"];
    let first = here.start(&run);
    first.wait_for_log("became leader");
    let second = there.start(&run);
    second.wait_for_log("became follower");
    let said = there.run(&["resign"]).refused(1);
    assert!(said.contains("this replica does not lead"), "{said}");
    assert_eq!(here.run(&["resign"]).ok(), "resigned\n");
    second.wait_for_log("became leader");
    assert_eq!(here.run(&["status", "--json"]).json(0)["role"], "follower");
}

#[test]
fn before_the_first_term_status_says_until_when_nothing_is_sent_and_why() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with("entries: {tick: {task: t, every: 1s}}");
    let place = place.env("DOWNBEAT_BROKER", &server.url());
    let downbeat = place.start(&["run", "--leader-ttl", "60s"]);
    let line = downbeat.wait_for_log("waiting for replicas that remember it");
    assert!(line.contains("wait_ms=60000"), "{line}");
    let waiting = place.run(&["status", "--json"]).json(1);
    let until = waiting["waits_until"].as_str().unwrap();
    let shown = place.run(&["status"]);
    let said = format!(
        "waits      nothing is sent before {until}: this namespace is new to the broker, so downbeat \
         first waits in case a running replica remembers what was sent\n"
    );
    assert!(shown.stdout.contains(&said), "{shown:?}");
}

#[test]
fn a_leader_that_has_left_or_lost_its_broker_is_not_shown_as_one() {
    needs!(Redis);
    let mut server = RedisServer::start();
    let place = place_with("entries: {tick: {task: t, every: 1s}}");
    let place = place.env("DOWNBEAT_BROKER", &server.url());
    let downbeat = place.start(&["run", "--leader-ttl", "3s"]);
    downbeat.wait_for_dispatches("tick", 0, 1);
    // Nobody else is there, and who resigns holds back for half a lease.
    place.run(&["resign"]).ok();
    let left = place.run(&["status"]);
    assert_eq!(left.code, Some(1), "{left:?}");
    assert!(left.stdout.contains("TROUBLE    nobody leads"), "{left:?}");
    let from = downbeat.log().len();
    downbeat.wait_for_log_from(from, "became leader");
    assert_eq!(place.run(&["status"]).code, Some(0));

    server.kill();
    let lost = eventually(SOON, "no leader is known", || {
        let status = place.run(&["status"]);
        status.stdout.contains("leader     not known").then_some(status)
    });
    assert!(lost.stdout.contains("TROUBLE    the broker is unavailable"), "{lost:?}");
    assert_eq!(lost.code, Some(1), "{lost:?}");
    let list = place.run(&["list", "--json"]).json(0);
    assert!(list[0]["last"].is_string(), "what was known is shown: {list}");
}

#[test]
fn resign_on_a_spool_says_at_once_that_nobody_could_take_over() {
    let place = place_with_three();
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    let asked_at = Instant::now();
    let said = place.run(&["resign"]).refused(1);
    assert!(asked_at.elapsed() < Duration::from_secs(5));
    assert!(said.contains("only one process can use a spool"), "{said}");
    place.run(&["status"]).ok();
}

#[test]
fn a_service_that_hangs_is_told_from_one_that_does_not_run() {
    let place: Place = place_with_three();
    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    downbeat.process().pause();
    let said = place.run(&["status"]).refused(3);
    assert!(said.contains("did not answer within 5 s"), "{said}");
    assert!(!said.contains("os error"), "{said}");
}
