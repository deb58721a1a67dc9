//! A namespace that an older version has kept.

use super::*;
use crate::support::tools::needs;

const KEPT: [(&str, &str, &str); 8] = [
    ("lives", "a", "5\t1 every 1000+0"),
    ("lives", "b", "6\t1 every 2000+0"),
    ("lives", "gone", "7\t-"),
    ("progress", "a", "1700000000000 dispatched 0b1f"),
    ("progress", "b", "1700000000500 superseded -"),
    ("progress", "bad", "garbage"),
    ("sent", "a", "3"),
    ("intents", "b", "1700000000900 intended -"),
];

fn older() -> RedisServer {
    let server = RedisServer::start();
    let mut redis = server.connect();
    for (hash, entry, value) in KEPT {
        let _: () = redis.hset(format!("test:{hash}"), entry, value).unwrap();
    }
    let _: () = redis.set("test:marker", "1699999999999").unwrap();
    let _: () = redis.set("test:sequence", "71").unwrap();
    let _: () = redis.set("test:term", "4").unwrap();
    server
}

fn check(snapshot: &Snapshot) {
    let state = snapshot.clone().take_state(GRACE);
    assert_eq!(state.completeness, Completeness::Whole);
    assert_eq!(state.registrations.len(), 3);
    assert_eq!(state.registrations["a"].timing.as_deref(), Some("1 every 1000+0"));
    assert_eq!((state.registrations["gone"].timing.as_deref(), state.progress.len()), (None, 2));
    let a = &state.progress["a"];
    assert_eq!((a.through, a.count), (UnixMs(1_700_000_000_000), 3));
    assert_eq!(a.dispatched, Some(a.through));
    let b = &state.progress["b"];
    assert_eq!(b.outcome, Some(Outcome::Skipped(SkipReason::Superseded)));
    assert_eq!(state.intents["b"], UnixMs(1_700_000_000_900));
}

#[tokio::test]
async fn an_upgrade_takes_over_all_that_was_recorded() {
    needs!(Redis);
    let server = older();
    let mut store = store(&server);
    // Whoever only looks changes nothing.
    check(&store.read().await.unwrap());
    let marker: String = server.connect().get("test:marker").unwrap();
    assert_eq!(marker, "1699999999999");
    let lease = acquire(&mut store, "one").await;
    assert_eq!(&*lease, "5 one");
    let snapshot = store.read().await.unwrap();
    check(&snapshot);
    assert!(snapshot.sequence > 71);
    let mut redis = server.connect();
    let marker: String = redis.get("test:marker").unwrap();
    let old: usize = redis.exists(&["test:lives", "test:sent"]).unwrap();
    assert_eq!((&*marker, old), ("2", 0));
    let fence = Fence::after(&lease, snapshot.sequence);
    let reply = store
        .dispatch(Batch {
            pauses: PausesMark::default(),
            fence,
            writes: vec![send("a", ago(1), "q")],
        })
        .await;
    assert_eq!(exceptions(reply), []);
    // It is done once.
    store.resign(lease).await.unwrap();
    acquire(&mut store, "two").await;
    let state = store.read().await.unwrap().take_state(GRACE);
    assert_eq!((state.progress["a"].count, state.completeness), (4, Completeness::Whole));
}

#[tokio::test]
async fn an_upgrade_that_was_interrupted_is_done_again() {
    needs!(Redis);
    let server = older();
    let mut redis = server.connect();
    // Part of it was converted, and the leader fell.
    let _: () = redis.hset("test:registrations", "a", "5\t1 every 1000+0").unwrap();
    let _: () = redis.hset("test:progress", "a", "1700000000000 scheduled n=3").unwrap();
    let mut store = store(&server);
    acquire(&mut store, "one").await;
    check(&store.read().await.unwrap());
}

#[tokio::test]
async fn a_large_namespace_is_converted_in_steps_that_prolong_the_lease() {
    needs!(Redis);
    let server = older();
    let mut redis = server.connect();
    let entries = 20_000;
    let lives: Vec<_> = (0..entries).map(|n| (format!("e{n}"), "5\t1 every 1000+0")).collect();
    let _: () = redis.hset_multiple("test:lives", &lives).unwrap();
    let progress: Vec<_> = (0..entries).map(|n| (format!("e{n}"), "1700 dispatched x")).collect();
    let _: () = redis.hset_multiple("test:progress", &progress).unwrap();
    let mut store = store(&server);
    acquire(&mut store, "one").await;
    let snapshot = store.read().await.unwrap();
    assert_eq!(snapshot.registrations.len(), entries + 3);
    assert_eq!(snapshot.progress.len(), entries + 2);
    assert_eq!(snapshot.completeness, Completeness::Whole);
    // Every step leaves another number behind.
    assert!(snapshot.sequence > 71 + 40);
}

#[tokio::test]
async fn an_older_replica_that_still_runs_is_waited_for() {
    needs!(Redis);
    let server = older();
    let mut redis = server.connect();
    let mut store = store(&server);
    // A newer one may be announced all the same.
    store.announce("new".into(), "{}".into(), TTL).await.unwrap();
    let said = format!("{} {{\"host\":\"h\"}}", wall_clock().0);
    let _: () = redis.hset("test:replicas", "h:7:abc", said).unwrap();
    let acquired = ask_for_lease(&mut store, "one", TTL).await.unwrap();
    let Acquired::Unreadable { why, .. } = acquired else { panic!("{acquired:?}") };
    assert!(why.contains("h:7:abc") && why.contains("older"), "{why}");
    let marker: String = redis.get("test:marker").unwrap();
    assert_eq!(marker, "1699999999999");
    // It has left, or has been silent for long.
    let said = format!("{} {{}}", ago(4 * TTL.as_secs()).0);
    let _: () = redis.hset("test:replicas", "h:7:abc", said).unwrap();
    acquire(&mut store, "one").await;
}
