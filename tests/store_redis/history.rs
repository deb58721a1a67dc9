//! The history, and what trimming leaves of it.

use super::*;
use crate::support::tools::needs;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn everything(limit: usize) -> HistoryQuery {
    HistoryQuery { limit, ..HistoryQuery::default() }
}

fn of(entry: &str) -> HistoryQuery {
    HistoryQuery { entry: Some(entry.into()), limit: 1_000, ..HistoryQuery::default() }
}

/// A leader that has sent `count` slots of `a` and `b` by turns, a record each, and folded them.
async fn leader(count: u64) -> Leader {
    let mut leader = Leader::start().await;
    for n in 0..count {
        let entry = ["a", "b"][usize::from(n % 2 == 1)];
        leader.dispatch(vec![send(entry, ago(2 * count - n), "q")]).await.unwrap();
    }
    let through = FoldedThrough::Record(leader.head.unwrap());
    leader.fold(&[("a", ago(count + 1)), ("b", ago(count + 1))], through).await;
    leader
}

impl Leader {
    async fn history(&mut self, query: HistoryQuery) -> (Vec<UnixMs>, bool) {
        let history = self.store.history(query).await.unwrap();
        (history.events.iter().map(|event| event.line.slot).collect(), history.more)
    }

    async fn trim(&mut self, keep: Duration, slots: u64, outcomes: usize) -> u64 {
        let lease = Arc::clone(&self.lease);
        let trim = Trim { lease, keep, slots, outcomes };
        let mut dropped = 0;
        loop {
            let trimmed = self.store.trim(trim.clone()).await.unwrap();
            dropped += trimmed.slots;
            if !trimmed.more {
                return dropped;
            }
        }
    }

    fn journal_length(&self) -> usize {
        redis::cmd("XLEN").arg("test:journal").query(&mut self.redis()).unwrap()
    }
}

#[tokio::test]
async fn the_newest_that_are_asked_for_are_given_oldest_first() {
    needs!(Redis);
    let mut leader = leader(100).await;
    let (all, more) = leader.history(everything(1_000)).await;
    assert!(all.len() == 100 && all.is_sorted() && !more);
    assert_eq!(leader.history(everything(100)).await, (all.clone(), false));
    assert_eq!(leader.history(everything(10)).await, (all[90..].to_vec(), true));
    assert_eq!(leader.history(everything(0)).await, (vec![], true));
    let a: Vec<_> = all.iter().step_by(2).copied().collect();
    assert_eq!(leader.history(of("a")).await, (a.clone(), false));
    let between = HistoryQuery { from: Some(all[20]), to: Some(all[30]), ..of("a") };
    assert_eq!(leader.history(between).await, (a[10..15].to_vec(), false));
    assert_eq!(leader.history(of("nobody")).await, (vec![], false));
    let event = leader.store.history(everything(1)).await.unwrap().events.remove(0);
    assert_eq!((event.term, event.queue.as_deref()), (Some(1), Some("q")));
    assert!(event.at.since(ago(60)).as_secs() < 120);
}

#[tokio::test]
async fn trimming_keeps_the_last_outcomes_of_every_entry() {
    needs!(Redis);
    let mut leader = leader(100).await;
    let (all, _) = leader.history(everything(1_000)).await;
    assert_eq!(leader.trim(DAY, 10, 5).await, 90);
    assert_eq!(leader.journal_length(), 10);
    let (left, more) = leader.history(everything(1_000)).await;
    assert_eq!((left, more), (all[80..].to_vec(), false));
    let a: Vec<_> = all[80..].iter().step_by(2).copied().collect();
    assert_eq!(leader.history(of("a")).await, (a, false));
    assert_eq!(leader.history(everything(15)).await, (all[85..].to_vec(), true));
    assert_eq!(leader.completeness().await, Completeness::Whole);
    // Those that are older are merged with what was kept before.
    assert_eq!(leader.trim(DAY, 2, 5).await, 8);
    assert_eq!(leader.history(everything(1_000)).await.0, all[88..]);
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
}

#[tokio::test]
async fn what_is_dropped_between_the_reads_of_journal_and_outcomes_is_shown_once() {
    needs!(Redis);
    let mut leader = leader(20).await;
    let all = leader.store.history(everything(1_000)).await.unwrap().events;
    let (key, mut redis) = ("test:journal", leader.redis());
    let journal: Vec<u8> = redis::cmd("DUMP").arg(key).query(&mut redis).unwrap();
    assert_eq!(leader.trim(DAY, 10, 20).await, 10);
    // The journal as it was when it was read, and the outcomes as they are.
    let mut restore = redis::cmd("RESTORE");
    let () = restore.arg(key).arg(0).arg(journal).arg("REPLACE").query(&mut redis).unwrap();
    assert_eq!(leader.store.history(everything(1_000)).await.unwrap().events, all);
    let (a, more) = leader.history(of("a")).await;
    assert_eq!((a.len(), more), (10, false));
    assert!(!leader.history(everything(20)).await.1);
}

#[tokio::test]
async fn neither_the_newest_record_nor_what_is_not_folded_is_dropped() {
    needs!(Redis);
    let mut leader = leader(20).await;
    for _ in 0..5 {
        leader.dispatch(vec![send("a", ago(1), "q")]).await.unwrap();
    }
    assert_eq!(leader.trim(Duration::ZERO, 0, 0).await, 20);
    assert_eq!(leader.journal_length(), 5);
    let through = FoldedThrough::Record(leader.head.unwrap());
    leader.fold(&[("a", ago(1))], through).await;
    assert_eq!(leader.trim(Duration::ZERO, 0, 0).await, 4);
    assert_eq!(leader.journal_length(), 1);
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(0), "q")]).await), []);
    assert_eq!(leader.completeness().await, Completeness::Whole);
}

#[tokio::test]
async fn only_who_leads_trims() {
    needs!(Redis);
    let mut leader = leader(20).await;
    leader.lease = "1 other".into();
    assert_eq!(leader.trim(Duration::ZERO, 0, 20).await, 0);
    assert_eq!(leader.journal_length(), 20);
}

#[tokio::test]
async fn journal_and_outcomes_are_small() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let entry = |n: usize| format!("reports-nightly-{n:03}");
    for n in 0..100_u64 {
        let slot = UnixMs(1_798_761_600_000 + i64::try_from(n).unwrap() * 60_000);
        let batch = (0..500).map(|n| {
            let line = sent(&entry(n), slot);
            Write { line, message: None, ..send(&entry(n), slot, "q") }
        });
        // The slots are of another time than the server's.
        leader.dispatch(batch.map(past).collect()).await.unwrap();
    }
    let usage = |key: &str, redis: &mut Connection| -> u64 {
        redis::cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0).query(redis).unwrap()
    };
    let journal = usage("test:journal", &mut leader.redis()) / 50_000;
    assert!(journal <= 45, "{journal} bytes a slot");
    let through = FoldedThrough::Record(leader.head.unwrap());
    leader.fold(&[], through).await;
    leader.trim(DAY, 0, 20).await;
    let outcomes = usage("test:outcomes", &mut leader.redis()) / 500;
    assert!(outcomes <= 550, "{outcomes} bytes an entry");
    let mut redis = leader.redis();
    for n in 0..500 {
        let length: usize =
            redis::cmd("HSTRLEN").arg("test:outcomes").arg(entry(n)).query(&mut redis).unwrap();
        assert!((200..=400).contains(&length), "{length}");
    }
}

/// The same a year before, so that no slot is ahead of the server's clock.
fn past(mut write: Write) -> Write {
    write.line.slot = write.line.slot - Duration::from_secs(366 * 24 * 3600);
    write
}

#[tokio::test]
async fn garbage_in_the_history_stops_nobody() {
    needs!(Redis);
    let mut leader = leader(20).await;
    let mut redis = leader.redis();
    leader.trim(DAY, 10, 20).await;
    let _: () = redis.hset("test:outcomes", "a", vec![0xff_u8; 9]).unwrap();
    let _: () = redis.hset("test:outcomes", vec![0xff_u8; 9], "x").unwrap();
    let _: () = redis.hset("test:outcomes", "c", "x".repeat(1_000_000)).unwrap();
    assert_eq!(leader.history(everything(1_000)).await.0.len(), 15);
    assert_eq!(leader.history(of("c")).await.0.len(), 0);
    leader.trim(DAY, 2, 20).await;
    let _: () = redis.del("test:outcomes").unwrap();
    let _: () = redis.set("test:outcomes", "text").unwrap();
    assert_eq!(leader.history(of("a")).await.0.len(), 1);
    assert_eq!(leader.history(everything(1_000)).await.0.len(), 2);
    leader.trim(DAY, 1, 20).await;
    assert_eq!(leader.history(everything(1_000)).await.0.len(), 2);
}
