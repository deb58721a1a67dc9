//! What happens when Redis refuses a queue, or everything.

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
    assert_eq!(snapshot.state(GRACE).completeness, Completeness::Whole);
    let counters = leader.store.counters().await.unwrap();
    assert_eq!(counters.0.into_keys().collect::<Vec<_>>(), [("q".into(), "scheduled")]);
}
