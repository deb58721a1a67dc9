//! Values that cannot be read: in single fields, and in the place of what is a text as a whole.

use redis::{Commands as _, Connection};

use super::{ALL, OTHERS, STEP, Victim, assert_all_accounted_for};
use crate::support::redis::RedisServer;
use crate::support::tools::needs;

/// What no part of the state looks like.
fn garbage() -> Vec<Vec<u8>> {
    let texts = ["garbage", "", "nan", "-", "1e3", "1\n2\t3", "\u{202e}\u{1b}[31m"];
    let mut all: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    all.extend([vec![b'4'; 40], b"\xff\xfe".to_vec(), vec![b'x'; 1 << 20]]);
    all
}

/// What people should be told of, and under which entry.
const FIELDS: [(&str, &str, Option<&str>); 6] = [
    ("registrations", "bad", Some("registration")),
    ("progress", "bad", Some("progress")),
    ("intents", "bad", Some("intent")),
    ("running", "alone", None),
    ("outcomes", "bad", None),
    ("counters", "values\tscheduled", None),
];

const TEXTS: [&str; 6] = ["head", "folded", "sequence", "term", "marker", "lease"];

#[test]
fn an_unreadable_field_stops_nothing_while_its_leader_runs() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    for (key, field, _) in FIELDS {
        for value in garbage() {
            let () = victim.redis.hset(victim.key(key), field, &value).unwrap();
            victim.wait_for_more(&ALL, key);
        }
    }
    assert_eq!(victim.replica.logged("became leader"), 1);
    let account = victim.finish();
    ALL.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

#[test]
fn an_unreadable_field_stops_nothing_when_the_next_leader_reads_it() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    for (value, (key, field, output)) in
        garbage().into_iter().cycle().zip(FIELDS.iter().chain(&FIELDS))
    {
        victim.restart(|victim| victim.redis.hset(victim.key(key), *field, &value).unwrap());
        victim.wait_for_more(&OTHERS, key);
        if let Some(what) = output {
            victim.wait_until_named(field, what);
        }
        victim.wait_for_more(&["bad"], key);
    }
    let account = victim.finish();
    OTHERS.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

#[test]
fn an_unreadable_record_of_an_entry_outside_the_schedule_is_repaired_once() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    let progress = victim.key("progress");
    victim.restart(|victim| {
        let () = victim.redis.hset(&progress, "stranger", "garbage").unwrap();
    });
    victim.wait_until_named("stranger", "progress");
    let repaired: String = victim.redis.hget(&progress, "stranger").unwrap();
    assert_ne!(repaired, "garbage");
    victim.restart(|_| {});
    victim.wait_for_more(&ALL, "a restart");
    assert_eq!(victim.replica.status()["bad_record_count"], 0);
    drop(victim.finish());
}

#[test]
fn each_unreadable_record_counts_once() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    for keys in [&["progress"][..], &["progress", "registrations"]] {
        victim.restart(|victim| {
            for key in keys {
                let () = victim.redis.hset(victim.key(key), "bad", "garbage").unwrap();
            }
        });
        victim.wait_until_named("bad", keys[0].trim_end_matches('s'));
        let status = victim.replica.status();
        assert_eq!(status["bad_record_count"], keys.len(), "{status}");
        // It is repaired.
        assert_eq!(status["troubles"], serde_json::json!([]), "{status}");
    }
    drop(victim.finish());
}

#[test]
fn an_unreadable_field_stops_nothing_when_its_leader_is_killed() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    for (key, field, _) in FIELDS {
        let () = victim.redis.hset(victim.key(key), field, "garbage").unwrap();
        victim.replica.crash();
        victim.wait_for_more(&ALL, key);
    }
    let account = victim.finish();
    OTHERS.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

fn set(redis: &mut Connection, key: &str, value: &[u8]) {
    // As long as the lease that was there.
    let left: i64 = redis.pttl(key).unwrap();
    let () = redis.set(key, value).unwrap();
    if left > 0 {
        let () = redis.pexpire(key, left).unwrap();
    }
}

#[test]
fn an_unreadable_text_costs_no_slot_while_its_leader_runs() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    for key in TEXTS {
        let garbage = garbage();
        // Each takes a whole lease.
        let some = if key == "lease" { &garbage[..2] } else { &garbage };
        for value in some {
            let name = victim.key(key);
            set(&mut victim.redis, &name, value);
            victim.wait_for_more(&ALL, key);
        }
    }
    let account = victim.finish();
    ALL.iter().for_each(|entry| account.assert_no_gap(entry, STEP));
}

#[test]
fn an_unreadable_text_costs_no_slot_that_is_not_counted_when_the_next_leader_reads_it() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    for (value, key) in garbage().into_iter().zip(TEXTS) {
        let name = victim.key(key);
        victim.restart(|victim| set(&mut victim.redis, &name, &value));
        victim.wait_for_more(&ALL, key);
        if ["head", "folded", "marker"].contains(&key) && !value.is_empty() {
            victim.wait_until_named("", key);
        }
    }
    let account = victim.finish();
    ALL.iter().for_each(|entry| assert_all_accounted_for(&account, entry));
}

/// A record as a leader writes it, but for a line that says nothing; gives the newest record's id.
fn append_record(victim: &mut Victim<'_>, lines: &[u8]) {
    let (head, journal) = (victim.key("head"), victim.key("journal"));
    let said: String = victim.redis.get(&head).unwrap();
    let (before, total) = said.split_once(' ').unwrap();
    let total = total.parse::<u64>().unwrap() + 1;
    let mut add = redis::cmd("XADD");
    add.arg(&journal).arg("*").arg("before").arg(before).arg("term").arg("").arg("queue");
    add.arg(&victim.namespace).arg("total").arg(total).arg("lines").arg(lines);
    let id: String = add.query(&mut victim.redis).unwrap();
    let () = victim.redis.set(&head, format!("{id} {total}")).unwrap();
}

#[test]
fn an_unreadable_line_of_the_journal_concerns_its_own_entry() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut victim = Victim::start(&server, "values");
    let lines = [&b"bad\tnan"[..], b"bad\t1\tflown", b"bad", b"\xff\xfe\t1", b"", &[b'x'; 600_000]];
    for line in lines {
        victim.restart(|victim| append_record(victim, line));
        victim.wait_for_more(&ALL, "a line of the journal");
        if line.starts_with(b"bad\t") {
            victim.wait_until_named("bad", "");
        }
    }
    let account = victim.finish();
    ["a", "z"].iter().for_each(|entry| account.assert_no_gap(entry, STEP));
    assert_all_accounted_for(&account, "bad");
}
