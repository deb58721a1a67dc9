//! What happens to records is noticed before anything is written, and mended without sending anything
//! twice.

use downbeat::schedule::progress::Completeness;
use downbeat::store::memory::Damage;

use super::*;

over_every_store! {
    with_a_lost_journal_nothing_is_written_whatever_is_asked_for
    a_lost_journal_is_begun_anew_with_what_the_leader_remembers
    what_nobody_remembers_stays_damaged_until_all_is_registered
    a_manual_message_is_sent_while_the_journal_is_lost
    a_new_leader_sees_what_is_missing
    records_that_are_folded_may_be_missing
    a_store_that_was_rolled_back_is_written_by_nobody_who_remembers_more
    two_futures_of_one_past_have_different_sequence_numbers
    a_flushed_namespace_is_empty
}

/// All ways in which the journal can be lost.
const LOSSES: [Damage; 4] = [
    Damage::JournalDeleted,
    Damage::JournalReplaced,
    Damage::NewestRecordDeleted,
    Damage::HeadDeleted,
];

/// A leader with three records, of which the first is folded, and with a slot in doubt; then the
/// damage. `None` where it cannot happen.
async fn damaged<R: Rig>(mut rig: R, damage: Damage) -> Result<Leader<R>, R> {
    rig.damage(Damage::Flushed);
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(30), "q")]).await.written();
    leader.fold_all().await;
    leader.dispatch(vec![write("a", leader.slot(20), "q")]).await.written();
    let slot = leader.slot(20);
    leader
        .dispatch(vec![write("b", slot, "q"), skip("c", slot, "q", SkipReason::TooLate)])
        .await
        .written();
    leader.intend(vec![intent("c", leader.slot(10), "r")]).await.written();
    if leader.rig.damage(damage) { Ok(leader) } else { Err(leader.rig) }
}

async fn with_a_lost_journal_nothing_is_written_whatever_is_asked_for<R: Rig>(mut rig: R) {
    for damage in LOSSES {
        let mut leader = match damaged(rig, damage).await {
            Ok(leader) => leader,
            Err(_) => return,
        };
        let before = leader.everything().await;
        let slot = leader.slot(5);
        let begin = leader.begin("d", None);
        assert_eq!(leader.register(vec![begin], Vec::new()).await, Reply::Lost, "{damage:?}");
        let ended = vec![("q".into(), skipped("a", slot, SkipReason::Retimed))];
        assert_eq!(leader.register(Vec::new(), ended).await, Reply::Lost, "{damage:?}");
        assert_eq!(leader.dispatch(vec![write("a", slot, "q")]).await, Reply::Lost, "{damage:?}");
        assert_eq!(leader.intend(vec![intent("a", slot, "q")]).await, Reply::Lost, "{damage:?}");
        let done = settled("c", Some(sent("c", leader.slot(10))), "r");
        assert_eq!(leader.settle(vec![done]).await, Reply::Lost, "{damage:?}");
        let done = settled("c", None, "r");
        assert_eq!(leader.settle(vec![done]).await, Reply::Lost, "{damage:?}");
        let through = FoldedThrough::Record(leader.head.unwrap());
        let progress = vec![("a".into(), Progress::through(slot))];
        assert_eq!(leader.fold(progress, through).await, Reply::Lost, "{damage:?}");
        leader.rig.pass(Duration::from_millis(5)).await;
        assert_eq!(leader.trim(0, Duration::ZERO, 0).await, 0, "{damage:?}");
        assert_eq!(leader.everything().await, before, "{damage:?}");
        assert_eq!(leader.state().await.completeness, Completeness::Damaged, "{damage:?}");
        rig = leader.rig;
    }
}

async fn a_lost_journal_is_begun_anew_with_what_the_leader_remembers<R: Rig>(mut rig: R) {
    for damage in LOSSES {
        let mut leader = match damaged(rig, damage).await {
            Ok(leader) => leader,
            Err(_) => return,
        };
        assert_eq!(leader.dispatch(vec![write("a", leader.slot(5), "q")]).await, Reply::Lost);
        // In two parts; a crash between them leaves the chain broken.
        let of_a = Progress { count: 2, ..Progress::through(leader.slot(20)) };
        let part = vec![("a".into(), of_a.clone())];
        leader.fold(part, FoldedThrough::Unchanged).await.written();
        assert_eq!(leader.state().await.completeness, Completeness::Damaged, "{damage:?}");
        assert_eq!(leader.dispatch(vec![write("a", leader.slot(5), "q")]).await, Reply::Lost);
        let of_b = Progress { count: 1, ..Progress::through(leader.slot(20)) };
        let of_c = Progress::through(leader.slot(20));
        let part = vec![("b".into(), of_b.clone()), ("c".into(), of_c.clone())];
        let before = leader.head;
        leader.fold(part, FoldedThrough::Anew(Remembered::All)).await.written();
        assert!(leader.head > before, "a new chain begins with a record of its own");
        let snapshot = leader.read().await;
        assert!(snapshot.is_chain_whole(), "{damage:?}");
        assert_eq!((snapshot.folded, snapshot.head), (snapshot.head, leader.head));
        let state = snapshot.clone().take_state(GRACE);
        assert_eq!(state.completeness, Completeness::Whole, "{damage:?}");
        for (entry, progress) in [("a", of_a), ("b", of_b), ("c", of_c)] {
            assert_eq!(state.progress[entry], progress, "{damage:?}");
        }
        assert_eq!(state.intents["c"], leader.slot(10), "what is in doubt stays so");
        leader.dispatch(vec![write("a", leader.slot(5), "q")]).await.written();
        assert_eq!(leader.state().await.progress["a"].count, 3, "{damage:?}");
        assert!(leader.read().await.is_chain_whole(), "{damage:?}");
        assert_eq!(leader.count("q", "scheduled").await, 4, "counters are not lost");
        rig = leader.rig;
    }
}

async fn what_nobody_remembers_stays_damaged_until_all_is_registered<R: Rig>(mut rig: R) {
    for damage in LOSSES {
        let mut leader = match damaged(rig, damage).await {
            Ok(leader) => leader,
            Err(_) => return,
        };
        let of_a = Progress::through(leader.slot(30));
        let part = vec![("a".into(), of_a.clone())];
        leader.fold(part, FoldedThrough::Anew(Remembered::Nothing)).await.written();
        assert_eq!(leader.state().await.completeness, Completeness::Damaged, "{damage:?}");
        assert_eq!(leader.state().await.progress["a"].through, of_a.through, "{damage:?}");
        let lost = vec![("q".into(), skipped("a", leader.slot(1), SkipReason::Unknown))];
        let (changes, fence) = (vec![leader.begin("a", Some(of_a))], leader.fence());
        let request = Register { fence, changes, ended: lost, last: false };
        let reply = leader.store.register(request).await.unwrap();
        leader.note(reply).written();
        assert_eq!(leader.state().await.completeness, Completeness::Damaged, "{damage:?}");
        leader.register(Vec::new(), Vec::new()).await.written();
        assert_eq!(leader.state().await.completeness, Completeness::Whole, "{damage:?}");
        assert_eq!(leader.count("q", "unknown").await, 1, "{damage:?}");
        rig = leader.rig;
    }
}

async fn a_manual_message_is_sent_while_the_journal_is_lost<R: Rig>(mut rig: R) {
    for damage in LOSSES {
        let mut leader = match damaged(rig, damage).await {
            Ok(leader) => leader,
            Err(_) => return,
        };
        let history = leader.history().await;
        let run = (Uuid::from_u128(9), 1);
        assert_eq!(leader.send(leader.manual("a", "q", run)).await, Sent::Now, "{damage:?}");
        assert_eq!(leader.send(leader.manual("a", "q", run)).await, Sent::Already, "{damage:?}");
        assert_eq!(leader.rig.messages("q").len(), 4, "{damage:?}");
        let carried = (Uuid::from_u128(10), 1);
        for step in [ManualStep::Intended, ManualStep::Published] {
            assert_eq!(leader.note_manual(step, carried).await, Noted::Now, "{damage:?}");
        }
        assert_eq!(leader.count("s", "manual").await, 1, "{damage:?}");
        assert_eq!(leader.count("q", "manual").await, 1, "{damage:?}");
        assert_eq!(leader.history().await, history, "{damage:?}");
        // Its leader still sees that the journal is lost.
        assert_eq!(leader.dispatch(vec![write("a", leader.slot(5), "q")]).await, Reply::Lost);
        rig = leader.rig;
    }
}

async fn a_new_leader_sees_what_is_missing<R: Rig>(mut rig: R) {
    for (damage, expected) in [
        (Damage::JournalDeleted, Completeness::Damaged),
        (Damage::JournalReplaced, Completeness::Damaged),
        (Damage::NewestRecordDeleted, Completeness::Damaged),
        (Damage::OldestRecordsDeleted(2), Completeness::Damaged),
        (Damage::OldestRecordsDeleted(3), Completeness::Damaged),
        (Damage::HeadDeleted, Completeness::Damaged),
        (Damage::RegistrationsDeleted, Completeness::Damaged),
        (Damage::ProgressDeleted, Completeness::Damaged),
        (Damage::MarkerDeleted, Completeness::Empty),
    ] {
        let mut leader = match damaged(rig, damage).await {
            Ok(leader) => leader,
            Err(_) => return,
        };
        assert_eq!(leader.state().await.completeness, expected, "{damage:?}");
        rig = leader.rig;
    }
    // Without `folded` the journal is read from its start, which is still there.
    let Ok(mut leader) = damaged(rig, Damage::FoldedDeleted).await else { return };
    let state = leader.state().await;
    assert_eq!(state.completeness, Completeness::Whole);
    assert_eq!((state.progress["a"].through, state.progress["a"].count), (leader.slot(20), 2));
}

async fn records_that_are_folded_may_be_missing<R: Rig>(rig: R) {
    let Ok(mut leader) = damaged(rig, Damage::OldestRecordsDeleted(1)).await else { return };
    let state = leader.state().await;
    assert_eq!(state.completeness, Completeness::Whole);
    assert_eq!((state.progress["a"].through, state.progress["a"].count), (leader.slot(20), 2));
    leader.dispatch(vec![write("a", leader.slot(5), "q")]).await.written();
    // Where `folded` is gone as well, nobody can tell what is missing.
    leader.rig.damage(Damage::FoldedDeleted);
    assert_eq!(leader.state().await.completeness, Completeness::Damaged);
}

async fn a_store_that_was_rolled_back_is_written_by_nobody_who_remembers_more<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let before = leader.everything().await;
    let checkpoint = leader.rig.checkpoint();
    let sequence = leader.sequence;
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    leader.send(leader.manual("a", "q", (Uuid::from_u128(3), 1))).await;
    leader.store = leader.rig.roll_back(leader.store, &checkpoint);
    assert_eq!(leader.everything().await, before);
    if !Leader::<R>::CAPABILITIES.shared {
        leader.lease = acquire(&mut leader.store, "two").await;
    }
    let writes = vec![write("a", leader.slot(7), "q")];
    assert_eq!(leader.dispatch(writes.clone()).await, Reply::Stale);
    let fold = leader.fold(Vec::new(), FoldedThrough::Anew(Remembered::All)).await;
    assert_eq!(fold, Reply::Stale);
    assert_eq!(leader.everything().await, before);
    // Once it has read anew, it goes on from there.
    let snapshot = leader.read().await;
    assert_eq!(snapshot.sequence, sequence);
    assert_eq!(snapshot.clone().take_state(GRACE).completeness, Completeness::Whole);
    leader.sequence = snapshot.sequence;
    leader.dispatch(writes).await.written();
    assert!(leader.read().await.is_chain_whole());
}

async fn two_futures_of_one_past_have_different_sequence_numbers<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let checkpoint = leader.rig.checkpoint();
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let forgotten = leader.sequence;
    leader.store = leader.rig.roll_back(leader.store, &checkpoint);
    if !Leader::<R>::CAPABILITIES.shared {
        leader.lease = acquire(&mut leader.store, "two").await;
    }
    leader.sequence = leader.read().await.sequence;
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    // Who remembers the other future is not taken for who wrote this one.
    leader.sequence = forgotten;
    assert_eq!(leader.dispatch(vec![write("a", leader.slot(7), "q")]).await, Reply::Stale);
}

async fn a_flushed_namespace_is_empty<R: Rig>(rig: R) {
    let Ok(mut leader) = damaged(rig, Damage::Flushed).await else { return };
    assert_eq!(leader.dispatch(vec![write("a", leader.slot(5), "q")]).await, Reply::Fenced);
    let state = leader.state().await;
    assert_eq!((state.completeness, state.sequence), (Completeness::Empty, 0));
    assert!(state.registrations.is_empty() && state.progress.is_empty());
    assert!(leader.history().await.is_empty());
    leader.lease = acquire(&mut leader.store, "two").await;
    assert_eq!(leader.dispatch(vec![write("a", leader.slot(5), "q")]).await, Reply::Stale);
}
