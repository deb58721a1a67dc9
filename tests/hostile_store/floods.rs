//! Values, replicas and messages without measure.

use std::fs;
use std::time::Duration;

use redis::Commands as _;
use serde_json::json;

use super::{ALL, KEYS, OTHERS, STEP, Victim, assert_all_accounted_for};
use crate::support::cluster::TTL;
use crate::support::redis::RedisServer;
use crate::support::replica::{LONG, Replica};
use crate::support::tools::needs;
use crate::support::wait::wall_clock;

/// So many bytes more than before may be resident, unoptimized and on a busy machine.
const MAX_GROWTH: u64 = 24 << 20;

/// The resident bytes of a process.
fn resident(replica: &mut Replica) -> u64 {
    let id = replica.downbeat.process().id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// The most that was resident.
fn peak(replica: &mut Replica) -> u64 {
    let id = replica.downbeat.process().id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// One of each hash.
const FIELDS: [(&str, &str); 7] = [
    ("registrations", "bad"),
    ("progress", "bad"),
    ("intents", "bad"),
    ("running", "alone"),
    ("outcomes", "bad"),
    ("counters", "floods\tscheduled"),
    ("replicas", "somebody"),
];

#[test]
fn values_of_fifty_megabytes_stop_nothing_and_are_not_taken_in() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    let huge = vec![b'4'; 50 << 20];
    let before = resident(&mut victim.replica);
    for (key, field) in FIELDS {
        let () = victim.redis.hset(victim.key(key), field, &huge).unwrap();
        victim.wait_for_more(&ALL, key);
    }
    for key in ["head", "folded", "sequence", "term", "marker"] {
        let () = victim.redis.set(victim.key(key), &huge).unwrap();
        victim.wait_for_more(&ALL, key);
    }
    let grown = peak(&mut victim.replica).saturating_sub(before);
    assert!(grown < MAX_GROWTH, "the leader grew by {grown} bytes");
    // All of it is read by a new leader, and by commands that ask the broker.
    victim.restart(|victim| {
        for (key, field) in FIELDS {
            let () = victim.redis.hset(victim.key(key), field, &huge).unwrap();
        }
        for command in [&["list"][..], &["status"], &["next"]] {
            let shown = victim.replica.run(command);
            assert!(shown.stdout.len() < 50_000, "{command:?}: {} bytes", shown.stdout.len());
        }
    });
    victim.wait_for_more(&OTHERS, "a restart");
    let peak = peak(&mut victim.replica);
    assert!(peak < before + MAX_GROWTH, "{peak} bytes, and {before} before");
    let account = victim.finish();
    ALL.iter().for_each(|entry| assert_all_accounted_for(&account, entry));
}

/// Appends a record that the journal's head names.
fn append_record(victim: &mut Victim<'_>, lines: &[u8]) {
    let (journal, head) = (victim.key("journal"), victim.key("head"));
    let before: String = victim.redis.get(&head).unwrap();
    let (before, total) = before.split_once(' ').unwrap();
    let mut add = redis::cmd("XADD");
    add.arg(&journal).arg("*").arg("before").arg(before).arg("term").arg(1);
    add.arg("queue").arg(&victim.namespace).arg("total").arg(total).arg("lines").arg(lines);
    let id: String = add.query(&mut victim.redis).unwrap();
    let () = victim.redis.set(&head, format!("{id} {total}")).unwrap();
}

#[test]
fn records_and_names_of_fifty_megabytes_stop_nothing_and_are_not_taken_in() {
    needs!(Redis);
    let server = RedisServer::start();
    // Every script that looks at the newest record blocks Redis while it is copied.
    let mut victim = Victim::start_with(&server, "floods", LONG);
    let huge = vec![b'4'; 50 << 20];
    let before = resident(&mut victim.replica);
    append_record(&mut victim, &huge);
    victim.wait_for_more(&ALL, "a record under its leader");
    victim.restart(|victim| {
        append_record(victim, &huge);
        let () = victim.redis.hset(victim.key("progress"), &huge, "1").unwrap();
        for command in [&["list"][..], &["status"], &["history"]] {
            let shown = victim.replica.run(command);
            assert!(shown.stdout.len() < 100_000, "{command:?}: {} bytes", shown.stdout.len());
        }
    });
    victim.wait_for_more(&OTHERS, "a restart");
    let peak = peak(&mut victim.replica);
    assert!(peak < before + MAX_GROWTH, "{peak} bytes, and {before} before");
    let account = victim.finish();
    ALL.iter().for_each(|entry| assert_all_accounted_for(&account, entry));
}

#[test]
fn many_values_of_fifty_megabytes_at_once_let_a_replica_take_over() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    let huge = vec![b'4'; 50 << 20];
    victim.restart(|victim| {
        for (key, field) in FIELDS {
            let () = victim.redis.hset(victim.key(key), field, &huge).unwrap();
        }
        for n in 0..3 {
            let () = victim.redis.hset(victim.key("progress"), format!("more-{n}"), &huge).unwrap();
        }
    });
    victim.wait_for_more(&OTHERS, "a restart");
    victim.finish();
}

#[test]
fn many_records_of_fifty_megabytes_at_once_let_a_replica_take_over() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start_with(&server, "floods", LONG);
    let huge = vec![b'4'; 50 << 20];
    victim.restart(|victim| (0..6).for_each(|_| append_record(victim, &huge)));
    victim.wait_for_more(&OTHERS, "a restart");
    victim.finish();
}

/// What a replica says of itself.
fn announcement(at: i64, name: &str) -> String {
    let said = json!({"host": name, "pid": 1, "version": "9", "schedule": "x", "skew_ms": 0});
    format!("{at} {said}")
}

#[test]
fn sixty_thousand_replicas_that_nobody_started_stop_nothing_and_are_forgotten() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    let before = resident(&mut victim.replica);
    let (now, replicas) = (wall_clock().0, victim.key("replicas"));
    for thousand in 0..60 {
        let names = (0..1_000).map(|n| format!("replica-{thousand}-{n}"));
        let all: Vec<_> = names.map(|name| (name.clone(), announcement(now, &name))).collect();
        let () = victim.redis.hset_multiple(&replicas, &all).unwrap();
    }
    victim.wait_for_more(&ALL, "replicas");
    let status = victim.replica.status();
    let shown = status["replicas"].as_array().unwrap().len();
    assert!(shown <= 100, "{shown} replicas are shown");
    let grown = peak(&mut victim.replica).saturating_sub(before);
    assert!(grown < MAX_GROWTH, "the leader grew by {grown} bytes");
    // They have said nothing since.
    let left = || victim.server.connect().hlen::<_, usize>(&replicas).unwrap();
    crate::support::wait::eventually(Duration::from_secs(60), "they are forgotten", || {
        (left() < 10).then_some(())
    });
    victim.wait_for_more(&ALL, "replicas");
    let account = victim.finish();
    ALL.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

#[test]
fn an_announcement_of_the_future_is_no_replica() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    let replicas = victim.key("replicas");
    let future = [
        ("tomorrow", announcement(wall_clock().0 + 86_400_000, "tomorrow")),
        ("never", announcement(i64::MAX, "never")),
        ("nobody", "nan {}".to_owned()),
        ("digits", format!("{} {{}}", "4".repeat(40))),
    ];
    let () = victim.redis.hset_multiple(&replicas, &future).unwrap();
    victim.wait_for_more(&ALL, "announcements");
    victim.replica.wait_for_status("only one replica is there", |status| {
        (status["replicas"].as_array()?.len() == 1).then_some(())
    });
    victim.replica.run(&["status"]).ok();
    drop(victim.finish());
}

#[test]
fn a_lease_without_an_end_is_told_of_and_taken_over() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    let lease = victim.key("lease");
    for endless in ["77 somebody:1:00000000", "garbage", ""] {
        let () = victim.redis.set(&lease, endless).unwrap();
        let seen = victim.replica.wait_for_status("the lease is reported", |status| {
            status["lease_error"].as_str().map(str::to_owned)
        });
        assert!(seen.contains("TTL") || seen.contains("string"), "{seen}");
        victim.wait_for_more(&ALL, "an endless lease");
        let left: i64 = victim.redis.pttl(&lease).unwrap();
        assert!((1..=TTL.as_millis() as i64).contains(&left), "{left} ms are left");
    }
    // So is that of a leader that somebody has made endless: nobody else could ever lead.
    let () = victim.redis.persist(&lease).unwrap();
    victim.wait_for_more(&ALL, "its own lease");
    let account = victim.finish();
    ALL.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

#[test]
fn a_lease_that_cannot_be_read_keeps_nobody_from_leading_where_nothing_is_known() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    for garbage in ["7 \u{1b}[31m", "77 somebody:1:00000000"] {
        victim.restart(|victim| {
            let () = victim.redis.del(victim.key("marker")).unwrap();
            let () = victim.redis.set(victim.key("lease"), garbage).unwrap();
            let status = victim.replica.run(&["status", "--json"]).json(1);
            let output = status["lease_error"].as_str().unwrap();
            assert!(
                output.contains("cannot be read") || output.contains("never runs out"),
                "{output}"
            );
        });
        victim.wait_for_more(&ALL, "a lease in an unmarked namespace");
    }
    let account = victim.finish();
    ALL.iter().for_each(|entry| assert_all_accounted_for(&account, entry));
}

#[test]
fn three_hundred_thousand_messages_on_the_channel_cost_neither_memory_nor_slots() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    let before = resident(&mut victim.replica);
    let channel = victim.key("resigned");
    for _ in 0..300 {
        let mut pipeline = redis::pipe();
        for _ in 0..1_000 {
            pipeline.publish(&channel, "x").ignore();
        }
        let () = pipeline.query(&mut victim.redis).unwrap();
    }
    victim.wait_for_more(&ALL, "messages");
    let grown = peak(&mut victim.replica).saturating_sub(before);
    assert!(grown < MAX_GROWTH, "the leader grew by {grown} bytes");
    let account = victim.finish();
    ALL.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

#[test]
fn all_keys_flooded_with_garbage_at_once_stop_nothing() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "floods");
    let mut at_once = redis::pipe();
    at_once.atomic();
    for key in KEYS.map(|key| victim.key(key)) {
        at_once.del(&key).ignore().rpush(&key, vec![b'x'; 1 << 20]).ignore();
    }
    let () = at_once.query(&mut victim.redis).unwrap();
    victim.wait_for_more(&ALL, "everything");
    victim.restart(|_| ());
    victim.wait_for_more(&ALL, "a restart");
    drop(victim.finish());
}
