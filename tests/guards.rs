//! `limit` and `max_queued` on the real binary: what is sent, what is skipped, and how both are shown.

use std::collections::{BTreeMap, BTreeSet};

use redis::Commands as _;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

fn place_with(schedule: &str, broker: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", broker);
    place.write_schedule("jobs.yaml", schedule);
    place
}

fn stop(mut downbeat: Downbeat) -> usize {
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    downbeat.dispatches().len()
}

#[test]
fn a_restart_does_not_reset_a_limit() {
    needs!(Redis);
    let server = RedisServer::start();
    let few = "entries: {few: {task: t, every: 1s, queue: q, limit: 3}}";
    let place = place_with(few, &server.url());
    let first = place.start(&["run", "--leader-ttl", "1s"]);
    first.wait_for_dispatches("few", 0, 1);
    let sent = stop(first);
    let listed = place.run(&["list", "--json"]).json(0);
    assert_eq!((&listed[0]["limit"], &listed[0]["sent"]), (&3.into(), &sent.into()));
    let coming = place.run(&["next", "--count", "9"]).ok();
    assert_eq!(coming.lines().count(), 3 - sent, "{coming}");
    assert!(coming.ends_with("few\tthe last: limit of 3\n"), "{coming}");

    let second = place.start(&["run", "--leader-ttl", "1s"]);
    let line = second.wait_for_log("reached the limit");
    assert!(line.contains("entry=\"few\" limit=3"), "{line}");
    // Also with the service.
    for _ in 0..2 {
        let listed = place.run(&["list"]).ok();
        assert!(listed.starts_with("few\t-\t2"), "{listed}");
        assert!(listed.ends_with("\tdone: limit of 3 reached\n"), "{listed}");
        let next = place.run(&["next"]);
        let said = "downbeat: `few` is done: it has reached its limit of 3\n";
        assert_eq!((next.stdout.as_str(), next.stderr.as_str()), ("", said));
    }
    let status = place.run(&["status"]).ok();
    assert!(status.contains("done       1 entry has reached its limit\n"), "{status}");
    assert!(!status.contains("\nnext"), "{status}");
    let messages = server.queue("q");
    let slots: BTreeSet<i64> = messages.iter().map(|sent| sent.slot_ms()).collect();
    assert_eq!((messages.len(), slots.len()), (3, 3));

    // A manual message is neither refused nor counted.
    place.run(&["trigger", "few"]).ok();
    assert_eq!(server.queue("q").len(), 4);
    assert_eq!(place.run(&["list", "--json"]).json(0)[0]["sent"], 3);
    // Another limit is another life.
    place.write_schedule("jobs.yaml", &few.replace("limit: 3", "limit: 2"));
    server.wait_for_queue("q", 6);
    second.wait_for_log("limit=2");
    stop(second);
    assert_eq!(server.queue("q").len(), 6);
}

#[test]
fn an_entry_that_is_done_stays_so_when_the_service_is_killed_or_redis_flushed() {
    needs!(Redis);
    let mut server = RedisServer::start();
    let schedule = "entries: {few: {task: t, every: 100ms, queue: q, limit: 3}, \
                    tick: {task: t, every: 100ms, queue: ticks}}";
    let place = place_with(schedule, &server.url());
    let run = ["run", "--leader-ttl", "1s"];
    let mut downbeat = place.start(&run);
    downbeat.wait_for_log("reached the limit");
    downbeat.process().kill();
    let downbeat = place.start(&run);
    downbeat.wait_for_dispatches("tick", 0, 3);
    assert_eq!(server.queue("q").len(), 3);
    server.restart_empty();
    downbeat.wait_for_log("found all records lost");
    server.wait_for_queue("ticks", 3);
    assert_eq!(server.queue("q").len(), 0);
    assert_eq!(place.run(&["list", "--json"]).json(0)[0]["sent"], 3);
}

#[test]
fn slots_are_left_out_and_counted_while_their_queue_is_full() {
    needs!(Redis);
    let server = RedisServer::start();
    let schedule = "defaults: {queue: q, max_queued: 3}\n\
                    entries:\n  a: {task: t, every: 100ms}\n  b: {task: t, every: 100ms, priority: 9}";
    let place = place_with(schedule, &server.url());
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    let line = downbeat.wait_for_log("skipped");
    assert!(line.contains("reason=queue_full count=1"), "{line}");
    assert_eq!(server.queue("q").len(), 3);
    let counted = |what: &str| {
        let slots = &place.run(&["status", "--json"]).json(0)["slots"];
        slots[what].as_u64().unwrap_or(0)
    };
    eventually(SOON, "more are left out", || (counted("queue_full") > 9).then_some(()));
    assert_eq!((server.queue("q").len(), counted("dispatched")), (3, 3));
    // By hand it goes, full or not; and what is due once there is room.
    place.run(&["trigger", "a"]).ok();
    assert_eq!(server.queue("q").len(), 4);
    let _: () = server.connect().del("q").unwrap();
    let _: () = server.connect().del("q\u{6}\u{16}9").unwrap();
    eventually(SOON, "it is full again", || (counted("dispatched") == 6).then_some(()));
    assert_eq!(server.queue("q").len(), 3);
}

#[test]
fn equal_skips_share_a_line_of_the_log_and_its_counts_add_up() {
    needs!(Redis);
    let server = RedisServer::start();
    let schedule = "entries: {a: {task: t, every: 100ms, queue: q, max_queued: 2}}";
    let place = place_with(schedule, &server.url());
    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_dispatches("a", 0, 1);
    let skipped = || place.run(&["status", "--json"]).json(0)["slots"]["queue_full"].as_u64();
    eventually(SOON, "some are left out", || skipped().filter(|count| *count > 5));
    let _: () = server.connect().del("q").unwrap();
    downbeat.wait_for_dispatches("a", 0, 4);
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    let log = downbeat.log();
    let lines: Vec<_> = log.iter().filter(|line| line.contains("skipped ")).collect();
    let count = |line: &&String| {
        let (_, rest) = line.split_once("count=").unwrap();
        rest.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let counts: Vec<usize> = lines.iter().map(count).collect();
    // The first one at once and the rest of the run, for each time that the queue was full.
    assert!((2..=4).contains(&counts.len()) && counts[0] == 1 && counts[1] > 4, "{lines:#?}");
    let counters: BTreeMap<String, usize> = server.connect().hgetall("downbeat:counters").unwrap();
    let skipped = counters.iter().filter(|(field, _)| field.ends_with("queue_full"));
    assert_eq!(
        counts.iter().sum::<usize>(),
        skipped.map(|(_, count)| count).sum::<usize>(),
        "{log:#?}"
    );
}

#[test]
fn a_lost_reply_counts_no_slot_twice_and_none_is_left_uncounted() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let schedule = "entries:\n  few: {task: t, every: 300ms, queue: q, limit: 8}\n  \
                    room: {task: t, every: 300ms, queue: r, max_queued: 5}";
    let place = place_with(schedule, &proxy.url());
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_dispatches("few", 0, 1);
    for lost in 1..=2 {
        let from = downbeat.log().len();
        proxy.lose_a_reply();
        eventually(SOON, "a reply is lost", || (proxy.replies_lost() == lost).then_some(()));
        downbeat.wait_for_log_from(from, "resumed publishing");
    }
    downbeat.wait_for_log("reached the limit");
    // What the store has recorded is told, sent or left out.
    downbeat.wait_for_log("recovered=true");
    assert_eq!(downbeat.dispatches().iter().filter(|sent| sent.entry == "few").count(), 8);
    let slots: BTreeSet<i64> = server.queue("q").iter().map(|sent| sent.slot_ms()).collect();
    assert_eq!((server.queue("q").len(), slots.len()), (8, 8));
    let slots = eventually(SOON, "the queue is full", || {
        Some(place.settled("room")).filter(|slots| slots.len() > 6)
    });
    assert_eq!((server.queue("q").len(), server.queue("r").len()), (8, 5));
    // Each slot has its outcome, and the store has counted them all.
    assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == 300), "{slots:?}");
    let counted = &place.run(&["status", "--json"]).json(0)["queues"]["r"];
    assert_eq!(counted["dispatched"]["scheduled"], 5);
    assert!(counted["skipped"]["queue_full"].as_u64().unwrap() >= slots.len() as u64 - 5);
}
