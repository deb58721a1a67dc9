//! Whatever stands in the keys, reading ends, what it takes is bounded, and what cannot be read
//! concerns its own entry.

use std::collections::BTreeSet;

use super::*;
use crate::support::tools::needs;

const HASHES: [&str; 3] = ["registrations", "progress", "intents"];

#[tokio::test]
async fn an_unreadable_value_concerns_its_own_entry() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let forty = "4".repeat(40);
    let values: [&[u8]; 8] =
        [b"", b"garbage", b"nan", b"1e3", b"\xff\xfe", forty.as_bytes(), b"-", b"7 7 7 \n"];
    for value in values {
        for hash in HASHES {
            let _: () = leader.redis().hset(format!("test:{hash}"), "b", value).unwrap();
        }
        let snapshot = leader.snapshot().await;
        assert_eq!(snapshot.completeness, Completeness::Whole);
        let known: Vec<_> = snapshot.registrations.iter().map(|(entry, _)| &**entry).collect();
        assert_eq!(known, ["a"]);
        let named: Vec<_> = snapshot.unreadable.iter().map(|(entry, _)| &**entry).collect();
        assert_eq!((named, snapshot.unreadable_count), (vec!["b", "b", "b"], 3), "{value:?}");
        for (_, what) in snapshot.unreadable {
            assert!(what.len() < 120 && !what.contains(char::is_control), "{what:?}");
        }
        assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
    }
}

#[tokio::test]
async fn values_of_fifty_megabytes_are_left_out() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let huge = "9".repeat(50_000_000);
    let _: () = leader.redis().hset("test:progress", "b", &huge).unwrap();
    for hash in ["registrations", "intents", "counters"] {
        let _: () = leader.redis().hset(format!("test:{hash}"), "b", &huge[..2_000_000]).unwrap();
    }
    let _: () = leader.redis().hset("test:intents", &huge[..2_000_000], "5 -").unwrap();
    let snapshot = leader.snapshot().await;
    assert_eq!((snapshot.registrations.len(), snapshot.unreadable_count), (1, 4));
    let huge_ones = snapshot.unreadable.iter().filter(|(_, what)| what.contains("000000 bytes"));
    assert_eq!(huge_ones.count(), 3);
    let _: () = leader.redis().hdel("test:progress", "b").unwrap();
    assert_eq!(leader.store.counters().await.unwrap().0.len(), 0);
    for key in ["sequence", "marker", "folded", "head", "lease", "term"] {
        let _: () = leader.redis().set(format!("test:{key}"), &huge).unwrap();
    }
    let snapshot = leader.snapshot().await;
    assert_eq!((snapshot.sequence, snapshot.completeness), (0, Completeness::Damaged));
    let reply = leader.dispatch(vec![send("a", ago(1), "q")]).await;
    assert_eq!(reply, Ok(Reply::Fenced));
}

#[tokio::test]
async fn what_is_too_long_is_named_and_the_fields_beside_it_are_read() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let mut redis = leader.redis();
    // More than are read at once, and more in all than one reply holds.
    let (long, longer) = ("9".repeat(20_000_000), "x".repeat(2_000));
    let timing = format!("5\t1 every 1000+0 {}", "x".repeat(5_000));
    let fields: Vec<_> = (0..2_500).map(|n| (format!("entry-{n}"), timing.clone())).collect();
    let _: () = redis.hset_multiple("test:registrations", &fields).unwrap();
    let _: () = redis.hset("test:registrations", "long", &long).unwrap();
    let _: () = redis.hset("test:registrations", "empty", "").unwrap();
    let _: () = redis.hset("test:registrations", &longer, &timing).unwrap();
    let _: () = redis.hset("test:replicas", "long", &long).unwrap();
    let snapshot = leader.snapshot().await;
    let names: BTreeSet<_> = snapshot.registrations.iter().map(|(entry, _)| &**entry).collect();
    assert_eq!((names.len(), snapshot.registrations.len()), (2_502, 2_502));
    assert_eq!((snapshot.completeness, snapshot.unreadable_count), (Completeness::Whole, 3));
    let told = |name: &str| {
        let found = snapshot.unreadable.iter().find(|(entry, _)| name.starts_with(&**entry));
        found.map(|(_, what)| what.clone()).unwrap_or_default()
    };
    assert_eq!(told("long"), "registration: a value of 20000000 bytes");
    assert_eq!(told("empty"), "registration: ``");
    assert_eq!(told(&longer), format!("registration: a value of {} bytes", timing.len()));
    let announced = leader.store.announce("one".into(), "{}".into(), TTL).await.unwrap();
    assert_eq!((announced.count, announced.replicas[0].replica.as_str()), (1, "one"));
    assert!(!redis.hexists::<_, _, bool>("test:replicas", "long").unwrap());
}

#[tokio::test]
async fn something_else_in_the_place_of_any_key_is_survived() {
    needs!(Redis);
    for key in [
        "lease",
        "term",
        "marker",
        "sequence",
        "head",
        "folded",
        "journal",
        "registrations",
        "progress",
        "intents",
        "running",
        "counters",
        "outcomes",
        "replicas",
    ] {
        for other in ["list", "hash", "string", "stream"] {
            let mut leader = Leader::start().await;
            leader.dispatch(vec![send("a", ago(2), "q")]).await.unwrap();
            let mut redis = leader.redis();
            let place = format!("test:{key}");
            let _: () = redis.del(&place).unwrap();
            let _: () = match other {
                "list" => redis.lpush(&place, "x").unwrap(),
                "hash" => redis.hset(&place, "x", "y").unwrap(),
                "string" => redis.set(&place, "x").unwrap(),
                _ => redis::cmd("XADD").arg(&[&place, "*", "x", "y"]).query(&mut redis).unwrap(),
            };
            // Nothing here fails but with words.
            let snapshot = leader.snapshot().await;
            leader.sequence = snapshot.sequence;
            let history = HistoryQuery { limit: 9, ..HistoryQuery::default() };
            leader.store.history(history).await.unwrap();
            leader.store.counters().await.unwrap();
            leader.store.announce("one".into(), "{}".into(), TTL).await.unwrap();
            let lease = Arc::clone(&leader.lease);
            leader.store.renew(Arc::clone(&lease), TTL).await.unwrap();
            let trim = Trim { lease, keep: TTL, slots: 0, outcomes: 3 };
            leader.store.trim(trim).await.unwrap();
            let reply = leader.dispatch(vec![send("a", ago(1), "q")]).await.unwrap();
            match (key, reply) {
                ("lease", Reply::Fenced) => {}
                ("head" | "journal", Reply::Lost) => {
                    leader.fold(&[("a", ago(1))], FoldedThrough::Anew(Remembered::All)).await;
                }
                (_, Reply::Written { exceptions, .. }) => assert_eq!(exceptions, []),
                (key, reply) => panic!("{key} is a {other}: {reply:?}"),
            }
            if key == "lease" {
                continue;
            }
            // A leader that takes over makes all of it whole.
            leader.register(vec![begin("a"), begin("b")], true).await;
            if let Some(head) = leader.head {
                leader.fold(&[("a", ago(1))], FoldedThrough::Record(head)).await;
            }
            assert_eq!(leader.completeness().await, Completeness::Whole, "{key} was a {other}");
            assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(0), "q")]).await), []);
            let counted = leader.store.counters().await.unwrap();
            assert!(counted.0[&("q".into(), "scheduled")] >= 1);
        }
    }
}

#[tokio::test]
async fn records_that_cannot_be_read_are_named_and_the_others_are_read() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    leader.dispatch(vec![send("a", ago(2), "q")]).await.unwrap();
    let head = leader.head.unwrap().to_string();
    let mut redis = leader.redis();
    let long = "x".repeat(5_000_000);
    let mut before = head;
    let mut add = |lines: &str| {
        let fields =
            [("before", &*before), ("term", "1"), ("queue", "q"), ("total", "9"), ("lines", lines)];
        let fields = fields.map(|(name, value)| [name, value]).concat();
        let mut add = redis::cmd("XADD");
        before = add.arg("test:journal").arg("*").arg(fields).query(&mut redis).unwrap();
        let _: () = redis.set("test:head", format!("{before} 9")).unwrap();
    };
    ["b\tnan", "b\t5\tflown", "b\t6\ta\t7\nb\t7"].into_iter().for_each(&mut add);
    let state = leader.snapshot().await.take_state(GRACE);
    assert_eq!(state.completeness, Completeness::Whole);
    assert_eq!((state.progress["b"].through, state.unreadable_count), (UnixMs(7), 3));
    assert!(state.unreadable.iter().all(|(entry, _)| &**entry == "b"));
    // What names no entry may be about any.
    ["\u{1b}[31m", &long].into_iter().for_each(add);
    let state = leader.snapshot().await.take_state(GRACE);
    assert_eq!((state.completeness, state.unreadable_count), (Completeness::Damaged, 5));
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
}

#[tokio::test]
async fn a_hundred_thousand_entries_are_read_in_steps_that_hold_up_nobody() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let mut redis = leader.redis();
    let entries = 100_000;
    let fields = |value: &str| -> Vec<_> {
        (0..entries).map(|n| (format!("entry-{n}"), value.to_owned())).collect()
    };
    let _: () = redis.hset_multiple("test:registrations", &fields("5\t1 every 1000+0")).unwrap();
    let _: () = redis.hset_multiple("test:progress", &fields("1700000000000 scheduled")).unwrap();
    let _: () = redis.hset_multiple("test:intents", &fields("garbage")).unwrap();
    let () = redis::cmd("CONFIG").arg("RESETSTAT").query(&mut redis).unwrap();
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.registrations.len(), entries + 2);
    let names: BTreeSet<_> = snapshot.progress.iter().map(|(entry, _)| entry).collect();
    assert_eq!(names.len(), entries);
    assert_eq!((snapshot.unreadable.len(), snapshot.unreadable_count), (100, entries));
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut redis).unwrap();
    let calls = |command: &str| -> u64 {
        let start = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    assert!(calls("hscan") >= 150, "{stats}");
    assert_eq!((calls("hgetall"), calls("hkeys"), calls("hvals")), (0, 0, 0));
}

#[tokio::test]
async fn what_stands_in_the_place_of_a_run_and_is_no_place_keeps_no_message_back() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let digits = "4".repeat(40);
    for garbage in ["garbage", "", "nan", "-5", "1e9", &digits, "3\ta", "3\t\tq", "hash"] {
        let run = Uuid::new_v4();
        let key = format!("test:run:{run}");
        let _: () = match garbage {
            "hash" => leader.redis().hset(&key, "x", "y").unwrap(),
            _ => leader.redis().set(&key, garbage).unwrap(),
        };
        let message = send("a", ago(1), "q").message.unwrap();
        let line = Line { outcome: Outcome::Dispatched(Kind::Manual), ..sent("a", ago(1)) };
        let manual = ManualMessage { message, line, run: (run, 3) };
        assert_eq!(leader.store.send(manual.clone()).await, Ok(Sent::Now), "{garbage}");
        assert_eq!(leader.store.send(manual).await, Ok(Sent::Already), "{garbage}");
    }
    assert_eq!(leader.queued("q").len(), 9);
}

#[tokio::test]
async fn what_stands_in_the_place_of_backfills_and_is_none_keeps_none_back() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (huge, dashes) = ("9".repeat(50_000_000), "-".repeat(36));
    let far = format!("{} 9999999999999 0 9000 q", Uuid::nil());
    let soon = ago(0).0 + 1_000_000;
    let no_run = format!("{dashes} {soon} 0 9000 q");
    let digits = format!("{} {soon} 0 {}", Uuid::nil(), "4".repeat(40));
    for garbage in ["garbage", "", "\n\n", &huge, &far, &no_run, &digits, "hash"] {
        let scope = Uuid::new_v4();
        let key = format!("test:open:{scope}");
        let _: () = match garbage {
            "hash" => leader.redis().hset(&key, "x", "y").unwrap(),
            _ => leader.redis().set(&key, garbage).unwrap(),
        };
        let note = |run, step| {
            let run = Uuid::from_u128(run);
            let backfill = OpenBackfill { run, from: UnixMs(0), to: UnixMs(9_000), queue: None };
            BackfillNote { scope, backfill, step }
        };
        let shown = &garbage[..garbage.len().min(60)];
        let begun = leader.store.note_backfill(note(1, BackfillStep::BeginsAgain)).await;
        assert_eq!(begun, Ok(None), "{shown}");
        let other = leader.store.note_backfill(note(2, BackfillStep::Begins)).await.unwrap();
        assert_eq!(other.map(|other| other.run), Some(Uuid::from_u128(1)), "{shown}");
    }
}

#[tokio::test]
async fn counters_that_are_none_are_begun_anew() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    for value in ["garbage", "9223372036854775807", "1.5", ""] {
        let _: () = leader.redis().hset("test:counters", "q\tscheduled", value).unwrap();
        assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
        let counters = leader.store.counters().await.unwrap().0;
        assert_eq!(counters[&("q".into(), "scheduled")], 1, "{value}");
    }
    let _: () = leader.redis().hset("test:counters", "no tab", "5").unwrap();
    let _: () = leader.redis().hset("test:counters", "q\tflown", "5").unwrap();
    assert_eq!(leader.store.counters().await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn what_is_larger_than_any_of_ours_is_not_sent_where_a_hash_is_not_heavy() {
    needs!(Redis);
    let large = "x".repeat(3_000_000);
    for (field, value) in [("bad", &*large), (&*large, "1")] {
        let mut leader = Leader::start().await;
        let mut redis = leader.redis();
        let () = redis.hset("test:progress", field, value).unwrap();
        let sent = |redis: &mut Connection| {
            let stats: redis::InfoDict = redis::cmd("INFO").arg("stats").query(redis).unwrap();
            stats.get::<u64>("total_net_output_bytes").unwrap()
        };
        let before = sent(&mut redis);
        assert_eq!(leader.snapshot().await.unreadable_count, 1);
        let bytes = sent(&mut redis) - before;
        assert!(bytes < 100_000, "{bytes} bytes");
    }
}
