//! A journal that somebody else has deleted, replaced or shortened, and a server that dies.

use std::collections::BTreeSet;

use super::*;
use crate::support::tools::needs;

/// A leader with two records, of which the first is folded.
async fn leader() -> Leader {
    let mut leader = Leader::start().await;
    leader.dispatch(vec![send("a", ago(5), "q")]).await.unwrap();
    let through = FoldedThrough::Record(leader.head.unwrap());
    leader.fold(&[("a", ago(5))], through).await;
    leader.dispatch(vec![send("a", ago(4), "q")]).await.unwrap();
    leader
}

/// Every way in which a journal can be lost.
const LOSSES: [(&str, &[&str]); 10] = [
    ("the journal is deleted", &["DEL", "test:journal"]),
    ("the journal is emptied", &["XTRIM", "test:journal", "MAXLEN", "0"]),
    ("something else is in its place", &["RENAME", "test:registrations", "test:journal"]),
    ("the head is deleted", &["DEL", "test:head"]),
    ("the head is no text", &["RENAME", "test:registrations", "test:head"]),
    ("the head is garbage", &["SET", "test:head", "garbage"]),
    ("the head is a number of forty digits", &["SET", "test:head", FORTY]),
    ("the head is of another time", &["SET", "test:head", "1-1 5"]),
    ("a stranger's record is the newest", &["XADD", "test:journal", "*", "x", "y"]),
    ("there is no place behind it", &["XADD", "test:journal", LAST, "x", "y"]),
];
const FORTY: &str =
    "4444444444444444444444444444444444444444 4444444444444444444444444444444444444444";
const LAST: &str = "18446744073709551615-18446744073709551615";

#[tokio::test]
async fn a_lost_journal_stops_every_write_until_all_is_folded_anew() {
    needs!(Redis);
    for (what, command) in LOSSES {
        let mut leader = leader().await;
        let keep = ["COPY", "test:registrations", "copy"];
        let () = redis::cmd(keep[0]).arg(&keep[1..]).query(&mut leader.redis()).unwrap();
        let _: redis::Value =
            redis::cmd(command[0]).arg(&command[1..]).query(&mut leader.redis()).unwrap();
        let _: bool = leader.redis().rename_nx("copy", "test:registrations").unwrap();
        let _: () = leader.redis().del("copy").unwrap();
        // A stranger's record hides nothing of what was recorded before.
        let hides = !what.contains("stranger") && !what.contains("no place");
        let expected = if hides { Completeness::Damaged } else { Completeness::Whole };
        assert_eq!(leader.completeness().await, expected, "{what}");
        let before = leader.dump();
        let reply = leader.dispatch(vec![send("a", ago(3), "q")]).await;
        assert_eq!(reply, Ok(Reply::Lost), "{what}");
        assert_eq!(leader.register(vec![begin("b")], true).await, Reply::Lost, "{what}");
        let through = FoldedThrough::Record(leader.head.unwrap());
        assert_eq!(leader.fold(&[("a", ago(4))], through).await, Reply::Lost, "{what}");
        let intent = Intend { pauses: PausesMark::default(), fence: leader.fence(), slots: vec![] };
        assert_eq!(leader.store.intend(intent).await, Ok(Reply::Lost), "{what}");
        let settle = Settle { fence: leader.fence(), slots: vec![] };
        assert_eq!(leader.store.settle(settle).await, Ok(Reply::Lost), "{what}");
        assert_eq!(leader.dump(), before, "{what}");
        // A manual message goes, and hides nothing.
        let message = send("a", ago(1), "q").message.unwrap();
        let line = Line { outcome: Outcome::Dispatched(Kind::Manual), ..sent("a", ago(1)) };
        let manual = ManualMessage { message, line, run: (Uuid::new_v4(), 0) };
        assert_eq!(leader.store.send(manual).await, Ok(Sent::Now), "{what}");
        let reply = leader.dispatch(vec![send("a", ago(3), "q")]).await;
        assert_eq!(reply, Ok(Reply::Lost), "{what}");
        // What the leader remembers is written down in two parts.
        let slot = ago(4);
        let part = leader.fold(&[("a", slot)], FoldedThrough::Unchanged).await;
        assert!(matches!(part, Reply::Written { .. }), "{what}: {part:?}");
        assert_eq!(leader.completeness().await, expected, "{what}");
        let last = leader.fold(&[("b", slot)], FoldedThrough::Anew(Remembered::All)).await;
        assert!(matches!(last, Reply::Written { .. }), "{what}: {last:?}");
        assert_eq!(leader.completeness().await, Completeness::Whole, "{what}");
        let slot = ago(1);
        let reply = leader.dispatch(vec![send("a", slot, "q")]).await;
        assert_eq!(exceptions(reply), [], "{what}");
        let state = leader.snapshot().await.take_state(GRACE);
        assert_eq!((state.completeness, state.progress["a"].through), (Completeness::Whole, slot));
        assert_eq!(state.unreadable, [], "{what}");
    }
}

#[tokio::test]
async fn a_new_journal_begins_with_a_record_of_its_own_whatever_size_those_before_it_have() {
    needs!(Redis);
    let mut leader = leader().await;
    leader.dispatch(vec![send("a", ago(3), "q")]).await.unwrap();
    let mut redis = leader.redis();
    let mut add = redis::cmd("XADD");
    add.arg("test:journal").arg("*").arg("lines").arg(vec![b'4'; 40 << 20]);
    let large: String = add.query(&mut redis).unwrap();
    assert_eq!(leader.dispatch(vec![send("a", ago(2), "q")]).await, Ok(Reply::Lost));
    // The log of slow commands has those that scripts call, too.
    let set = ["SET", "slowlog-log-slower-than"];
    let () = redis::cmd("CONFIG").arg(&set).arg(0).query(&mut redis).unwrap();
    let () = redis::cmd("SLOWLOG").arg("RESET").query(&mut redis).unwrap();
    leader.fold(&[("a", ago(3))], FoldedThrough::Unchanged).await;
    leader.fold(&[("b", ago(3))], FoldedThrough::Anew(Remembered::All)).await;
    let () = redis::cmd("CONFIG").arg(&set).arg(-1).query(&mut redis).unwrap();
    let slow: Vec<redis::Value> =
        redis::cmd("SLOWLOG").arg("GET").arg(100).query(&mut redis).unwrap();
    let slow = format!("{slow:?}");
    assert!(slow.contains("\"XADD\"") && !slow.contains("\"XREVRANGE\""), "{slow}");
    assert!(leader.head.unwrap() > large.parse().unwrap());
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(2), "q")]).await), []);
    assert_eq!(leader.completeness().await, Completeness::Whole);
}

#[tokio::test]
async fn records_that_are_missing_from_the_middle_are_noticed_by_the_next_leader() {
    needs!(Redis);
    for command in [
        &["XTRIM", "test:journal", "MAXLEN", "1"][..],
        &["DEL", "test:progress"],
        &["SET", "test:progress", "garbage"],
        &["DEL", "test:registrations"],
        &["HDEL", "test:progress", ""],
        &["HSET", "test:registrations", "", "1"],
        &["SET", "test:marker", "garbage"],
        &["LPUSH", "test:marker2", "x"],
    ] {
        let mut leader = leader().await;
        leader.dispatch(vec![send("b", ago(1), "q")]).await.unwrap();
        let () = redis::cmd(command[0]).arg(&command[1..]).query(&mut leader.redis()).unwrap();
        if command[1] == "test:marker2" {
            let _: () = leader.redis().rename("test:marker2", "test:marker").unwrap();
        }
        assert_eq!(leader.completeness().await, Completeness::Damaged, "{command:?}");
        // Whoever takes over writes all of it anew.
        leader.register(vec![begin("a"), begin("b")], true).await;
        let head = FoldedThrough::Record(leader.head.unwrap());
        leader.fold(&[("a", ago(1)), ("b", ago(1))], head).await;
        assert_eq!(leader.completeness().await, Completeness::Whole, "{command:?}");
    }
}

#[tokio::test]
async fn what_is_folded_is_told_by_the_whole_journal_as_well() {
    needs!(Redis);
    for command in [&["DEL", "test:folded"][..], &["SET", "test:folded", "garbage"]] {
        let mut leader = leader().await;
        let () = redis::cmd(command[0]).arg(&command[1..]).query(&mut leader.redis()).unwrap();
        assert_eq!(leader.completeness().await, Completeness::Whole, "{command:?}");
        // Without its beginning nobody knows what is missing.
        let () = redis::cmd("XTRIM")
            .arg("test:journal")
            .arg("MAXLEN")
            .arg(1)
            .query(&mut leader.redis())
            .unwrap();
        assert_eq!(leader.completeness().await, Completeness::Damaged, "{command:?}");
    }
}

#[tokio::test]
async fn without_a_marker_nothing_is_known() {
    needs!(Redis);
    let mut leader = leader().await;
    let _: () = leader.redis().del("test:marker").unwrap();
    assert_eq!(leader.completeness().await, Completeness::Empty);
    let () = redis::cmd("FLUSHALL").query(&mut leader.redis()).unwrap();
    let snapshot = leader.snapshot().await;
    assert_eq!((snapshot.completeness, snapshot.sequence), (Completeness::Empty, 0));
    assert_eq!(snapshot.unreadable, []);
}

#[tokio::test]
async fn databases_that_are_swapped_take_no_batch_along() {
    needs!(Redis);
    let mut leader = leader().await;
    let () = redis::cmd("SWAPDB").arg(0).arg(1).query(&mut leader.redis()).unwrap();
    let reply = leader.dispatch(vec![send("a", ago(1), "q")]).await;
    assert_eq!(reply, Ok(Reply::Fenced));
    let keys: Vec<String> = leader.redis().keys("*").unwrap();
    assert_eq!(keys, [""; 0]);
    let () = redis::cmd("SWAPDB").arg(0).arg(1).query(&mut leader.redis()).unwrap();
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
}

#[tokio::test]
async fn a_server_that_is_killed_has_journalled_just_what_is_queued() {
    needs!(Redis);
    let options = Options { appendonly: true, ..Options::default() };
    let mut leader = Leader::on(RedisServer::start_with(options)).await;
    let mut number = 0;
    for _ in 0..3 {
        let mut fence = leader.fence();
        let mut answers = Vec::new();
        for _ in 0..200 {
            let next = Fence::after(&leader.lease, fence.next);
            let fence = std::mem::replace(&mut fence, next);
            let slot = |n: i64| UnixMs(1_700_000_000_000 + n);
            let writes = (0..20).map(|n| send("a", slot(number + n), ["q", "r"][n as usize % 2]));
            answers.push(Box::pin(leader.store.dispatch(Batch {
                pauses: PausesMark::default(),
                fence,
                writes: writes.collect(),
            })));
            number += 20;
        }
        // Somewhere in the middle of them.
        for answer in answers.iter_mut().take(20) {
            answer.await.unwrap();
        }
        leader.server.kill();
        leader.server.start_again();
        leader.sequence = leader.snapshot().await.sequence;
    }
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.clone().take_state(Duration::MAX).completeness, Completeness::Whole);
    let lines = snapshot.journal.iter().flat_map(|record| &record.lines);
    let journalled: BTreeSet<String> = lines.map(|line| format!("a@{}", line.slot.0)).collect();
    let queued: Vec<String> = [leader.queued("q"), leader.queued("r")].concat();
    assert_eq!(queued.len(), journalled.len());
    assert_eq!(queued.into_iter().collect::<BTreeSet<_>>(), journalled);
    let counters = leader.store.counters().await.unwrap().0;
    assert_eq!(counters.values().sum::<u64>(), journalled.len() as u64);
}
