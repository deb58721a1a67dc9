//! Batches, records and folds.

use super::*;
use crate::support::tools::needs;

#[tokio::test]
async fn a_batch_is_pushed_in_order_and_journalled_a_record_a_queue() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (first, second) = (ago(2), ago(1));
    let late = Line { delay: Duration::from_millis(7), ..sent("b", first) };
    let batch = vec![
        skip("a", ago(9), "q"),
        send("a", first, "q"),
        send("a", second, "q"),
        Write { line: late.clone(), ..send("b", first, "r") },
    ];
    assert_eq!(exceptions(leader.dispatch(batch).await), []);
    assert_eq!(leader.queued("q"), [format!("a@{}", first.0), format!("a@{}", second.0)]);
    assert_eq!(leader.queued("r").len(), 1);
    let snapshot = leader.snapshot().await;
    let [q, r] = &snapshot.journal[..] else { panic!("{:?}", snapshot.journal) };
    assert_eq!((q.before, r.before, Some(r.id)), (None, Some(q.id), leader.head));
    assert_eq!((&*q.queue, q.total, q.term, q.lines.len()), ("q", 3, Some(1), 3));
    assert_eq!((&*r.queue, r.total, &r.lines), ("r", 4, &vec![late]));
    let state = snapshot.state(GRACE);
    assert_eq!((state.completeness, state.sequence), (Completeness::Whole, leader.sequence));
    assert_eq!((state.progress["a"].through, state.progress["b"].through), (second, first));
    let counters = leader.store.counters().await.unwrap().0;
    let counted = |queue: &str, outcome| counters[&(queue.into(), outcome)];
    assert_eq!(counted("q", "scheduled"), 2);
    assert_eq!((counted("q", "too_late"), counted("r", "scheduled")), (1, 1));
}

#[tokio::test]
async fn what_was_folded_is_progress_and_what_came_after_is_the_journal() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (first, second) = (ago(2), ago(1));
    leader.dispatch(vec![send("a", first, "q"), send("b", first, "q")]).await.unwrap();
    let head = leader.head.unwrap();
    leader.dispatch(vec![send("b", second, "q")]).await.unwrap();
    let through = FoldedThrough::Record(head);
    leader.fold(&[("a", first), ("b", first)], through).await;
    let snapshot = leader.snapshot().await;
    assert_eq!((snapshot.folded, snapshot.journal.len()), (Some(head), 1));
    let state = snapshot.state(GRACE);
    assert_eq!((state.progress["a"].through, state.progress["b"].through), (first, second));
    assert_eq!(state.completeness, Completeness::Whole);
    assert_eq!(state.unreadable, []);
}
