//! Messages that somebody asked for.

use super::*;

over_every_store! {
    a_manual_message_is_sent_and_recorded_without_moving_the_schedule
    a_run_that_is_repeated_sends_nothing_twice
    a_refused_manual_message_leaves_nothing
    manual_messages_go_whoever_leads
    a_message_that_a_carrier_has_taken_is_recorded_once
    a_message_that_a_carrier_has_not_taken_leaves_nothing
    one_at_a_time_goes_on_with_a_run_over_a_carrier
}

const RUN: Uuid = Uuid::from_u128(77);

async fn a_manual_message_is_sent_and_recorded_without_moving_the_schedule<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let (sequence, before) = (leader.sequence, leader.state().await.progress);
    let message = leader.manual("a", "q", (RUN, 1));
    assert_eq!(leader.send(message.clone()).await, Sent::Now);
    let slots = [leader.slot(9), leader.slot(0)].map(|slot| element("a", slot));
    assert_eq!(leader.rig.messages("q"), slots);
    let snapshot = leader.read().await;
    assert_eq!((snapshot.sequence, &snapshot.state(GRACE).progress), (sequence, &before));
    assert!(snapshot.is_chain_whole());
    assert!(snapshot.head > leader.head, "it is part of the chain");
    let event = leader.history().await.pop().unwrap();
    assert_eq!((event.term, event.queue.as_deref()), (None, Some("q")));
    assert_eq!(event.line, message.line);
    assert_eq!((leader.count("q", "manual").await, leader.count("q", "scheduled").await), (1, 1));
    // The leader need not hear of it.
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    let backfill = Line { outcome: Outcome::Dispatched(Kind::Backfill), ..message.line.clone() };
    let backfill = ManualMessage { line: backfill, run: (RUN, 2), ..message };
    assert_eq!(leader.send(backfill).await, Sent::Now);
    assert_eq!(leader.count("q", "backfill").await, 1);
    leader.fold_all().await;
    assert!(leader.read().await.is_chain_whole());
    assert_eq!(leader.through("a").await, Some(leader.slot(8)));
}

async fn a_run_that_is_repeated_sends_nothing_twice<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    for (place, expected) in [
        (1, Sent::Now),
        (1, Sent::Already),
        (2, Sent::Now),
        (1, Sent::Already),
        (2, Sent::Already),
        (5, Sent::Now),
        (4, Sent::Already),
    ] {
        assert_eq!(leader.send(leader.manual("a", "q", (RUN, place))).await, expected, "{place}");
    }
    let other = leader.manual("a", "q", (Uuid::from_u128(78), 1));
    assert_eq!(leader.send(other).await, Sent::Now, "another run");
    assert_eq!((leader.rig.messages("q").len(), leader.history().await.len()), (4, 4));
    assert_eq!(leader.count("q", "manual").await, 4);
}

async fn a_refused_manual_message_leaves_nothing<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let refusing = leader.rig.refuse();
    let head = leader.read().await.head;
    let refused = leader.send(leader.manual("a", refusing, (RUN, 1))).await;
    assert!(matches!(&refused, Sent::Refused(words) if !words.is_empty()), "{refused:?}");
    assert_eq!(leader.read().await.head, head);
    assert_eq!((leader.history().await.len(), leader.count(refusing, "manual").await), (0, 0));
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    // The place is not taken.
    assert_eq!(leader.send(leader.manual("a", "q", (RUN, 1))).await, Sent::Now);
    if leader.rig.stop_refusing() {
        assert_eq!(leader.send(leader.manual("a", refusing, (RUN, 2))).await, Sent::Now);
    }
}

async fn manual_messages_go_whoever_leads<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    leader.store.resign(Arc::clone(&leader.lease)).await.unwrap();
    let mut other = leader.rig.another(&leader.store);
    let message = leader.manual("a", "q", (RUN, 1));
    assert_eq!(other.send(message).await, Ok(Sent::Now));
    let snapshot = leader.read().await;
    assert!(snapshot.is_chain_whole() && snapshot.head.is_some());
    assert_eq!(leader.rig.messages("q").len(), 1);
}

async fn a_message_that_a_carrier_has_taken_is_recorded_once<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let (sequence, before) = (leader.sequence, leader.state().await.progress);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Now);
    assert_eq!(leader.history().await.len(), 1, "nothing is sent yet");
    assert_eq!(leader.note_manual(ManualStep::Published, (RUN, 1)).await, Noted::Now);
    for step in [ManualStep::Published, ManualStep::Intended] {
        assert_eq!(leader.note_manual(step, (RUN, 1)).await, Noted::Already, "{step:?}");
    }
    let snapshot = leader.read().await;
    assert_eq!((snapshot.sequence, &snapshot.state(GRACE).progress), (sequence, &before));
    assert!(snapshot.is_chain_whole());
    assert!(snapshot.head > leader.head, "it is part of the chain");
    let [_, event] = &leader.history().await[..] else { panic!("not two") };
    assert_eq!((event.term, event.queue.as_deref()), (None, Some("s")));
    assert_eq!(event.line, leader.manual("a", "s", (RUN, 1)).line);
    assert_eq!(leader.count("s", "manual").await, 1);
    assert!(leader.rig.messages("s").is_empty(), "the carrier has it");
    // The leader need not hear of it, and a process that begins anew knows of it.
    leader.dispatch(vec![write("a", leader.slot(8), "q")]).await.written();
    leader.store = leader.rig.reopen(leader.store);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Already);
    assert_eq!(leader.send(leader.manual("a", "q", (RUN, 1))).await, Sent::Already);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 2)).await, Noted::Now);
}

async fn a_message_that_a_carrier_has_not_taken_leaves_nothing<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let before = leader.everything().await;
    for _ in 0..2 {
        assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Now);
        assert_eq!(leader.note_manual(ManualStep::NotPublished, (RUN, 1)).await, Noted::Now);
    }
    assert_eq!(leader.everything().await, before);
}

async fn one_at_a_time_goes_on_with_a_run_over_a_carrier<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let other = Uuid::from_u128(78);
    for run in [RUN, other] {
        assert_eq!(leader.note_manual(ManualStep::Intended, (run, 1)).await, Noted::Now);
        assert_eq!(leader.note_manual(ManualStep::Intended, (run, 1)).await, Noted::Busy);
    }
    // Whoever intended it may have ended without a word.
    leader.rig.pass(INTENT_KEPT - Duration::from_secs(5)).await;
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Busy);
    leader.rig.pass(Duration::from_secs(6)).await;
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 1)).await, Noted::Now);
    assert_eq!(leader.note_manual(ManualStep::Published, (RUN, 1)).await, Noted::Now);
    assert_eq!(leader.note_manual(ManualStep::Intended, (RUN, 2)).await, Noted::Now);
    // One that comes late is recorded all the same.
    assert_eq!(leader.note_manual(ManualStep::Published, (other, 1)).await, Noted::Now);
    assert_eq!(leader.count("s", "manual").await, 2);
}
