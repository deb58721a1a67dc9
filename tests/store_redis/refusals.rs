//! What happens when Redis refuses a queue, or everything.

use std::num::NonZeroU32;

use super::*;
use crate::support::tools::needs;

#[tokio::test]
async fn a_queue_that_refuses_holds_back_only_its_own_slots() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let _: () = leader.redis().set("wrong", "text").unwrap();
    let batch = vec![send("a", ago(1), "wrong"), send("b", ago(1), "q")];
    let exceptions = exceptions(leader.dispatch(batch).await);
    let [(0, Exception::Refused(why))] = &exceptions[..] else { panic!("{exceptions:?}") };
    assert!(why.contains("WRONGTYPE") && why.contains("wrong"), "{why}");
    assert_eq!(leader.queued("q").len(), 1);
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.journal.len(), 1);
    assert_eq!(snapshot.clone().take_state(GRACE).completeness, Completeness::Whole);
    let counters = leader.store.counters().await.unwrap();
    assert_eq!(counters.0.into_keys().collect::<Vec<_>>(), [("q".into(), "scheduled")]);
}

#[tokio::test]
async fn a_queue_that_an_acl_forbids_holds_back_only_its_own_slots() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let rules = ["SETUSER", "default", "resetkeys", "~test:*", "~q", "~_kombu*"];
    let () = redis::cmd("ACL").arg(&rules).query(&mut leader.redis()).unwrap();
    let batch = vec![send("a", ago(1), "secret"), send("b", ago(1), "q")];
    let exceptions = exceptions(leader.dispatch(batch).await);
    let [(0, Exception::Refused(why))] = &exceptions[..] else { panic!("{exceptions:?}") };
    assert!(why.contains("secret"), "{why}");
    assert_eq!(leader.queued("q").len(), 1);
    assert_eq!(leader.completeness().await, Completeness::Whole);
}

#[tokio::test]
async fn queues_that_refuse_for_different_reasons_hold_back_nobody_else() {
    needs!(Redis);
    for max_queued in [None, NonZeroU32::new(9)] {
        let mut leader = Leader::start().await;
        let _: () = leader.redis().set("wrong", "text").unwrap();
        let rules = ["SETUSER", "default", "resetkeys", "~test:*", "~q*", "~wrong*", "~_kombu*"];
        let () = redis::cmd("ACL").arg(&rules).query(&mut leader.redis()).unwrap();
        let guarded = |entry, slot, queue| Write {
            guards: Guards { max_queued, ..Guards::default() },
            ..send(entry, slot, queue)
        };
        let batch = vec![
            guarded("a", ago(3), "wrong"),
            guarded("b", ago(3), "q"),
            guarded("c", ago(3), "secret"),
            guarded("d", ago(3), "q"),
            guarded("e", ago(3), "wrong"),
        ];
        let found = exceptions(leader.dispatch(batch).await);
        let refused: Vec<_> = found.iter().map(|(index, _)| *index).collect();
        assert_eq!(refused, [0, 2, 4], "{found:?}");
        for (index, why) in &found {
            let Exception::Refused(why) = why else { panic!("{found:?}") };
            assert_eq!(why.contains("WRONGTYPE"), *index != 2, "{why}");
        }
        assert_eq!(leader.queued("q").len(), 2);
        let lines: usize = leader.snapshot().await.journal.iter().map(|r| r.lines.len()).sum();
        assert_eq!(lines, 2);
        for queue in ["wrong", "secret"] {
            let message = send("a", ago(1), queue).message.unwrap();
            let line = Line { outcome: Outcome::Dispatched(Kind::Manual), ..sent("a", ago(1)) };
            let manual = ManualMessage { message, line, run: (Uuid::new_v4(), 0) };
            let sent = leader.store.send(manual).await.unwrap();
            assert!(matches!(sent, Sent::Refused(_)), "{sent:?}");
        }
        assert_eq!(leader.completeness().await, Completeness::Whole);
        let counters = leader.store.counters().await.unwrap().0;
        assert_eq!(counters.into_iter().collect::<Vec<_>>(), [(("q".into(), "scheduled"), 2)]);
    }
}

/// Whatever the leader asks for.
async fn ask_for_everything(leader: &mut Leader) -> Vec<Result<(), StoreError>> {
    let begun = Register {
        fence: leader.fence(),
        changes: vec![begin("a")],
        ended: Vec::new(),
        last: true,
    };
    let queue = Queue::unconfigured("q");
    let guards = Guards::default();
    let intent = Intent { entry: "a".into(), slot: ago(1), queue: Arc::clone(&queue), guards };
    let settled = Settled {
        entry: "a".into(),
        queue,
        line: Some(sent("a", ago(1))),
        task_id: Uuid::nil(),
        guards,
    };
    let fold = Fold {
        fence: leader.fence(),
        progress: vec![("a".into(), through_slot(ago(1)))],
        through: FoldedThrough::Unchanged,
    };
    let message = send("a", ago(1), "q").message.unwrap();
    let line = Line { outcome: Outcome::Dispatched(Kind::Manual), ..sent("a", ago(1)) };
    let manual = ManualMessage { message, line, run: (Uuid::new_v4(), 0) };
    let fence = leader.fence();
    let intend =
        Intend { pauses: PausesMark::default(), fence: leader.fence(), slots: vec![intent] };
    let settle = Settle { fence: leader.fence(), slots: vec![settled] };
    let store = &mut leader.store;
    let batch =
        Batch { pauses: PausesMark::default(), fence, writes: vec![send("a", ago(1), "q")] };
    vec![
        store.dispatch(batch).await.map(drop),
        store.register(begun).await.map(drop),
        store.fold(fold).await.map(drop),
        store.intend(intend).await.map(drop),
        store.settle(settle).await.map(drop),
        store.send(manual).await.map(drop),
    ]
}

async fn assert_nothing_is_done(leader: &mut Leader, why: &str) {
    let before = leader.dump();
    let sequence: u64 = leader.redis().get("test:sequence").unwrap();
    for answer in ask_for_everything(leader).await {
        let Err(StoreError::Refused(said)) = answer else { panic!("{why}: {answer:?}") };
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(leader.dump(), before);
    assert_eq!(leader.redis().get::<_, u64>("test:sequence").unwrap(), sequence);
}

fn config(leader: &Leader, name: &str, value: &str) {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(&mut leader.redis()).unwrap();
}

#[tokio::test]
async fn a_full_redis_does_nothing_and_that_is_known() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    config(&leader, "maxmemory", "1");
    assert_nothing_is_done(&mut leader, "OOM").await;
    config(&leader, "maxmemory", "0");
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
    assert_eq!(leader.completeness().await, Completeness::Whole);
}

#[tokio::test]
async fn a_redis_that_cannot_replicate_does_nothing_and_that_is_known() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    config(&leader, "min-replicas-to-write", "1");
    assert_nothing_is_done(&mut leader, "NOREPLICAS").await;
}

#[tokio::test]
async fn a_redis_that_cannot_save_does_nothing_and_that_is_known() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let folder: Vec<String> =
        redis::cmd("CONFIG").arg("GET").arg("dir").query(&mut leader.redis()).unwrap();
    config(&leader, "save", "1000000 1000000");
    // The file would have the place of a folder.
    std::fs::create_dir(std::path::Path::new(&folder[1]).join("dump.rdb")).unwrap();
    let saved: redis::RedisResult<()> = redis::cmd("BGSAVE").query(&mut leader.redis());
    saved.unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        let info = |leader: &Leader| -> String {
            redis::cmd("INFO").arg("persistence").query(&mut leader.redis()).unwrap()
        };
        while !info(&leader).contains("rdb_last_bgsave_status:err") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_nothing_is_done(&mut leader, "MISCONF").await;
}

#[tokio::test]
async fn a_replica_does_nothing_and_that_is_known() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query(&mut leader.redis()).unwrap();
    assert_nothing_is_done(&mut leader, "READONLY").await;
}

#[tokio::test]
async fn a_user_without_the_right_to_write_does_nothing_and_that_is_known() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let rules = ["SETUSER", "default", "resetkeys", "~other*"];
    let () = redis::cmd("ACL").arg(&rules).query(&mut leader.redis()).unwrap();
    for answer in ask_for_everything(&mut leader).await {
        let Err(StoreError::Refused(said)) = answer else { panic!("{answer:?}") };
        assert!(said.contains("NOPERM") && said.contains("docs/brokers.md"), "{said}");
    }
}
