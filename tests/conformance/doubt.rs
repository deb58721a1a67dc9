//! Slots that carriers are handed.

use std::num::NonZeroU32;

use super::*;

over_every_store! {
    an_intended_slot_is_in_doubt_until_it_is_settled
    a_slot_that_was_not_taken_leaves_no_record
    a_task_that_a_carrier_took_keeps_the_next_from_being_sent
    what_is_in_doubt_is_let_through_again
    many_slots_are_settled_at_once
}

async fn an_intended_slot_is_in_doubt_until_it_is_settled<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let (first, second) = (leader.slot(9), leader.slot(8));
    leader.intend(vec![intent("a", first, "q"), intent("b", second, "r")]).await.written();
    let state = leader.state().await;
    assert_eq!((state.intents["a"], state.intents["b"]), (first, second));
    assert_eq!((leader.history().await.len(), leader.count("q", "scheduled").await), (0, 0));
    leader.settle(vec![settled("a", Some(sent("a", first)), "q")]).await.written();
    let state = leader.state().await;
    assert_eq!(state.intents.into_iter().collect::<Vec<_>>(), [("b".into(), second)]);
    assert_eq!(state.progress["a"].through, first);
    assert_eq!(leader.count("q", "scheduled").await, 1);
    let full = skipped("b", second, SkipReason::QueueFull);
    leader.settle(vec![settled("b", Some(full.clone()), "r")]).await.written();
    assert!(leader.state().await.intents.is_empty());
    assert_eq!(leader.count("r", "queue_full").await, 1);
    let history = leader.history().await;
    let said: Vec<_> =
        history.into_iter().map(|event| (event.queue, event.term, event.line)).collect();
    let (q, r) = (Some("q".into()), Some("r".into()));
    assert_eq!(said, [(q, Some(1), sent("a", first)), (r, Some(1), full)]);
    assert!(leader.rig.messages("q").is_empty(), "the carrier has it, not the store");
}

async fn a_slot_that_was_not_taken_leaves_no_record<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.intend(vec![intent("a", leader.slot(9), "q")]).await.written();
    let head = leader.head;
    leader.settle(vec![settled("a", None, "q")]).await.written();
    assert!(leader.state().await.intents.is_empty());
    assert_eq!((leader.history().await.len(), leader.through("a").await), (0, None));
    assert_eq!(leader.head, head);
}

fn alone() -> Guards {
    Guards { overlap: NonZeroU32::new(3_600_000), ..Guards::default() }
}

async fn a_task_that_a_carrier_took_keeps_the_next_from_being_sent<R: Rig>(rig: R) {
    if !Leader::<R>::CAPABILITIES.sees_results {
        return;
    }
    let mut leader = Leader::start(rig).await;
    let queue = leader.rig.queue_with_results();
    let guards = alone();
    let intended = |slot| Intent { guards, queue: Arc::clone(&queue), ..intent("a", slot, "q") };
    let (first, second, third) = (leader.slot(9), leader.slot(8), leader.slot(7));
    let task_id = Uuid::from_u128(71);
    leader.intend(vec![intended(first)]).await.written();
    let line = Some(sent("a", first));
    let done = Settled { task_id, guards, queue: Arc::clone(&queue), ..settled("a", line, "q") };
    leader.settle(vec![done]).await.written();
    let exceptions = leader.intend(vec![intended(second)]).await.exceptions();
    assert_eq!(exceptions, [(0, Exception::Skipped(SkipReason::StillRunning))]);
    assert_eq!(leader.count(&queue.name, "still_running").await, 1);
    assert_eq!(leader.through("a").await, Some(second));
    assert!(leader.state().await.intents.is_empty());
    leader.rig.end_task(task_id);
    leader.intend(vec![intended(third)]).await.written();
    assert_eq!(leader.state().await.intents["a"], third);
}

async fn what_is_in_doubt_is_let_through_again<R: Rig>(rig: R) {
    if !Leader::<R>::CAPABILITIES.sees_results {
        return;
    }
    let mut leader = Leader::start(rig).await;
    let queue = leader.rig.queue_with_results();
    let (first, second) = (leader.slot(9), leader.slot(8));
    let intended = || {
        let guards = alone();
        Intent { guards, queue: Arc::clone(&queue), ..intent("a", second, "q") }
    };
    leader.intend(vec![intended()]).await.written();
    // Another task of the entry runs since, such as one of an earlier slot.
    let line = Some(sent("a", first));
    let guards = alone();
    let other = Settled { guards, queue: Arc::clone(&queue), ..settled("a", line, "q") };
    leader.settle(vec![other]).await.written();
    let exceptions = leader.intend(vec![intended()]).await.exceptions();
    assert_eq!(exceptions.len(), 1, "settling has ended the doubt");
    let later = Intent { slot: leader.slot(3), ..intended() };
    leader.rig.end_task(Uuid::nil());
    leader.intend(vec![later.clone()]).await.written();
    leader.intend(vec![later]).await.written();
}

async fn many_slots_are_settled_at_once<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let slot = leader.slot(9);
    let names: Vec<String> = (0..500).map(|n| format!("{n:0200}")).collect();
    leader.intend(names.iter().map(|name| intent(name, slot, "q")).collect()).await.written();
    assert_eq!(leader.state().await.intents.len(), 500);
    let done = names.iter().map(|name| settled(name, Some(sent(name, slot)), "q"));
    leader.settle(done.collect()).await.written();
    assert!(leader.state().await.intents.is_empty());
    assert_eq!(leader.count("q", "scheduled").await, 500);
}
