//! Progress and `folded` move together.

use downbeat::schedule::progress::{MAX_RUNS, Run};
use downbeat::store::contract::MAX_FOLDED;

use super::*;

over_every_store! {
    folding_moves_progress_and_folded_together
    folding_changes_nothing_of_what_is_known
    parts_of_a_fold_leave_folded_where_it_is
    as_many_entries_as_may_be_are_folded_at_once
    progress_is_read_back_as_it_was_folded
}

async fn folding_moves_progress_and_folded_together<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    if Leader::<R>::CAPABILITIES.folds_itself {
        leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
        let snapshot = leader.read().await;
        let progress: Vec<_> =
            snapshot.progress.iter().map(|(entry, of)| (&**entry, of.through)).collect();
        assert_eq!(progress, [("a", leader.slot(9))]);
        assert_eq!((snapshot.folded, snapshot.journal.len()), (snapshot.head, 0));
        return;
    }
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let first = leader.head.unwrap();
    leader.dispatch(vec![write("b", leader.slot(8), "q")]).await.written();
    let progress = vec![("a".into(), Progress::through(leader.slot(9)))];
    leader.fold(progress, FoldedThrough::Record(first)).await.written();
    let snapshot = leader.read().await;
    assert_eq!(snapshot.folded, Some(first));
    let through: Vec<_> =
        snapshot.progress.iter().map(|(entry, of)| (&**entry, of.through)).collect();
    assert_eq!(through, [("a", leader.slot(9))]);
    assert_eq!(snapshot.journal.len(), 1);
    assert_eq!(&*snapshot.journal[0].lines[0].entry, "b");
    assert!(snapshot.is_chain_whole());
}

async fn folding_changes_nothing_of_what_is_known<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    for n in 0..5 {
        let slot = leader.slot(20 - n);
        let writes = vec![write("a", slot, "q"), skip("b", slot, "q", SkipReason::Superseded)];
        leader.dispatch(writes).await.written();
    }
    leader.intend(vec![intent("c", leader.slot(9), "q")]).await.written();
    let known = |state: State| {
        let mut progress: Vec<_> = state.progress.into_iter().collect();
        progress.sort_by(|(one, _), (other, _)| one.cmp(other));
        (progress, state.intents, state.completeness)
    };
    let (before, history) = (known(leader.state().await), leader.history().await);
    leader.fold_all().await;
    assert_eq!(known(leader.state().await), before);
    assert_eq!(leader.history().await, history, "folding never trims");
    leader.fold_all().await;
    assert_eq!(known(leader.state().await), before);
    leader.dispatch(vec![write("a", leader.slot(3), "q")]).await.written();
    assert_eq!(leader.state().await.progress["a"].count, 6);
}

async fn parts_of_a_fold_leave_folded_where_it_is<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    leader.fold_all().await;
    let folded = leader.read().await.folded;
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    leader.dispatch(vec![write("b", leader.slot(8), "q")]).await.written();
    let progress = vec![("a".into(), Progress { count: 2, ..Progress::through(leader.slot(8)) })];
    leader.fold(progress, FoldedThrough::Unchanged).await.written();
    let snapshot = leader.read().await;
    if !Leader::<R>::CAPABILITIES.folds_itself {
        assert_eq!(snapshot.folded, folded);
    }
    let state = snapshot.clone().take_state(GRACE);
    assert_eq!((state.progress["a"].through, state.progress["a"].count), (leader.slot(8), 2));
    assert_eq!(state.progress["b"].through, leader.slot(8));
}

async fn as_many_entries_as_may_be_are_folded_at_once<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let run = |n: i64| Run { first: leader.slot(-1000 * n), last: leader.slot(-1000 * n - 10) };
    let progress = Progress {
        through: leader.slot(7),
        outcome: Some(Outcome::Skipped(SkipReason::StillRunning)),
        dispatched: Some(leader.slot(8)),
        count: u64::from(u32::MAX),
        ahead: (1..=MAX_RUNS as i64).map(run).collect(),
    };
    let name = |n| Arc::from(format!("{n:0255}"));
    let folded = (0..MAX_FOLDED).map(|n| (name(n), progress.clone())).collect();
    leader.fold(folded, FoldedThrough::Unchanged).await.written();
    let state = leader.state().await;
    assert_eq!((state.progress.len(), state.unreadable_count), (MAX_FOLDED, 0));
    assert!(state.progress.values().all(|found| *found == progress));
}

async fn progress_is_read_back_as_it_was_folded<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let plain = Progress::through(UnixMs(-5));
    let kinds = Kind::ALL.into_iter().map(Outcome::Dispatched);
    let outcomes = kinds.chain(SkipReason::ALL.into_iter().map(Outcome::Skipped));
    let all = outcomes.map(|outcome| Progress { outcome: Some(outcome), ..plain.clone() });
    let all: Vec<_> = all.chain([plain.clone()]).collect();
    let named = (0..).zip(&all).map(|(n, progress)| (format!("{n}").into(), progress.clone()));
    leader.fold(named.collect(), FoldedThrough::Unchanged).await.written();
    let state = leader.state().await;
    for (n, progress) in all.iter().enumerate() {
        assert_eq!(state.progress[&*n.to_string()], *progress);
    }
}
