//! Counters are what is in queues and journal.

use downbeat::store::contract::{MAX_COUNTED_QUEUES, OTHER_QUEUES};

use super::*;

over_every_store! {
    every_outcome_is_counted_by_its_word
    queues_beyond_the_first_are_counted_together
}

async fn every_outcome_is_counted_by_its_word<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let kinds = [Kind::Scheduled, Kind::CatchUp, Kind::Resent].map(Outcome::Dispatched);
    let outcomes = kinds.into_iter().chain(SkipReason::ALL.into_iter().map(Outcome::Skipped));
    let outcomes: Vec<_> = outcomes.collect();
    for (n, outcome) in (1..).zip(&outcomes) {
        let slot = leader.slot(100 - n);
        let line = Line { count: u64::try_from(n).unwrap(), ..line("a", slot, *outcome) };
        let (queue, guards) = (queue_of("q"), Guards::default());
        leader.dispatch(vec![Write { line, queue, message: None, guards }]).await.written();
    }
    let counters = leader.store.counters().await.unwrap();
    assert_eq!(counters.0.len(), outcomes.len());
    for (n, outcome) in (1..).zip(&outcomes) {
        assert_eq!(counters.0[&("q".into(), outcome.as_str())], n);
    }
}

async fn queues_beyond_the_first_are_counted_together<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let queues = MAX_COUNTED_QUEUES + 30;
    let name = |n: usize| format!("queue-{n}");
    for _ in 0..2 {
        let slot = leader.slot(9);
        let writes = (0..queues).map(|n| skip(&name(n), slot, &name(n), SkipReason::TooLate));
        leader.dispatch(writes.collect()).await.written();
    }
    let counters = leader.store.counters().await.unwrap().0;
    let mut names: Vec<_> = counters.keys().map(|(queue, _)| queue).collect();
    names.dedup();
    assert_eq!(names.len(), MAX_COUNTED_QUEUES + 1);
    assert_eq!(counters.values().sum::<u64>(), 2 * queues as u64);
    assert_eq!(counters[&(OTHER_QUEUES.into(), "too_late")], 60);
    assert_eq!(counters[&("queue-7".into(), "too_late")], 2);
}
