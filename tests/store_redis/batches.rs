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
    let state = snapshot.clone().take_state(GRACE);
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
    let state = snapshot.clone().take_state(GRACE);
    assert_eq!((state.progress["a"].through, state.progress["b"].through), (first, second));
    assert_eq!(state.completeness, Completeness::Whole);
    assert_eq!(state.unreadable, []);
}

#[tokio::test]
async fn a_batch_that_may_not_be_written_changes_nothing() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    leader.dispatch(vec![send("a", ago(3), "q")]).await.unwrap();
    let before = leader.dump();
    let early = wall_clock() + Duration::from_secs(5);
    let reply = leader.dispatch(vec![send("a", ago(1), "q"), send("b", early, "q")]).await;
    assert!(matches!(reply, Ok(Reply::Early { .. })), "{reply:?}");
    let sequence = leader.sequence;
    leader.sequence += 1;
    assert_eq!(leader.dispatch(vec![send("a", ago(1), "q")]).await, Ok(Reply::Stale));
    leader.sequence = sequence;
    let lease = std::mem::replace(&mut leader.lease, "1 other".into());
    assert_eq!(leader.dispatch(vec![send("a", ago(1), "q")]).await, Ok(Reply::Fenced));
    leader.lease = lease;
    assert_eq!(leader.dump(), before);
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
}

#[tokio::test]
async fn a_request_behind_one_that_was_refused_does_nothing() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let first = leader.fence();
    let second = Fence::after(&leader.lease, first.next);
    let early = wall_clock() + Duration::from_secs(5);
    // Neither is waited for before both are made.
    let first =
        Batch { pauses: PausesMark::default(), fence: first, writes: vec![send("a", early, "q")] };
    let first = leader.store.dispatch(first);
    let second = Batch {
        pauses: PausesMark::default(),
        fence: second,
        writes: vec![send("b", ago(1), "q")],
    };
    let second = leader.store.dispatch(second);
    assert_eq!(second.await, Ok(Reply::Stale));
    assert!(matches!(first.await, Ok(Reply::Early { .. })));
    assert_eq!(leader.queued("q"), [""; 0]);
}

#[tokio::test]
async fn requests_are_carried_out_in_the_order_in_which_they_are_made() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let mut fence = leader.fence();
    let mut answers = Vec::new();
    for _ in 0..60 {
        let next = Fence::after(&leader.lease, fence.next);
        let fence = std::mem::replace(&mut fence, next);
        answers.push(leader.store.dispatch(Batch {
            pauses: PausesMark::default(),
            fence,
            writes: vec![send("a", ago(1), "q")],
        }));
    }
    // Whichever answer is looked at first.
    for answer in answers.into_iter().rev() {
        assert_eq!(exceptions(answer.await), []);
    }
    assert_eq!(leader.queued("q").len(), 60);
    assert_eq!(leader.completeness().await, Completeness::Whole);
}

#[tokio::test]
async fn large_batches_and_many_queues_are_journalled_whole() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let slot = ago(1);
    let many = |n: usize| send(&format!("e{n}"), slot, &format!("q{}", n % 300));
    let batch: Vec<Write> = (0..1_300)
        .map(many)
        .chain((0..1_200).map(|n| send(&format!("f{n}"), slot, "large")))
        .collect();
    assert_eq!(exceptions(leader.dispatch(batch).await), []);
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.journal.iter().map(|record| record.lines.len()).sum::<usize>(), 2_500);
    assert_eq!(snapshot.journal.last().unwrap().total, 2_500);
    assert_eq!(leader.completeness().await, Completeness::Whole);
    // Not every queue is counted apart.
    let counters = leader.store.counters().await.unwrap().0;
    assert_eq!(counters.len(), MAX_COUNTED_QUEUES + 1);
    assert_eq!(counters.values().sum::<u64>(), 2_500);
    // A later leader counts the same queues apart.
    let again = vec![send("a", ago(1), "new"), send("b", ago(1), "q7")];
    leader.snapshot().await;
    assert_eq!(exceptions(leader.dispatch(again).await), []);
    let after = leader.store.counters().await.unwrap().0;
    assert_eq!(after.len(), MAX_COUNTED_QUEUES + 1);
    let grown = |queue: &str| {
        let key = (queue.into(), "scheduled");
        after[&key] - counters[&key]
    };
    assert_eq!((grown(OTHER_QUEUES), grown("q7")), (1, 1));
}

#[tokio::test]
async fn registrations_come_and_go_with_all_that_is_kept_of_their_entry() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (since, slot) = (ago(9), ago(3));
    let progress = Some(through_slot(slot));
    let change = RegistrationChange::Retire { entry: "a".into(), at: since, progress };
    leader.register(vec![change], false).await;
    let snapshot = leader.snapshot().await;
    let a = snapshot.registrations.iter().find(|(entry, _)| &**entry == "a").unwrap();
    assert_eq!((a.1.timing.as_deref(), a.1.since), (None, since));
    assert_eq!(snapshot.progress, [("a".into(), through_slot(slot))]);
    let keys = ["registrations", "progress", "intents", "running", "outcomes"];
    for key in &keys[2..] {
        let _: () = leader.redis().hset(format!("test:{key}"), "a", slot.0).unwrap();
    }
    leader.register(vec![begin("a")], false).await;
    let snapshot = leader.snapshot().await;
    // What was in doubt belonged to the registration before.
    assert_eq!((snapshot.progress.len(), snapshot.intents.len()), (0, 0));
    leader.register(vec![RegistrationChange::Forget { entry: "a".into() }], true).await;
    for key in keys {
        let is_there: bool = leader.redis().hexists(format!("test:{key}"), "a").unwrap();
        assert!(!is_there, "{key}");
    }
    assert_eq!(leader.completeness().await, Completeness::Whole);
}

#[tokio::test]
async fn what_became_of_slots_whose_registration_ended_is_journalled_and_counted() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let outcome = Outcome::Skipped(SkipReason::Retimed);
    let line = Line { outcome, count: 4, ..sent("a", ago(2)) };
    let ended = vec![("q".into(), line.clone()), ("r".into(), Line { count: 1, ..line.clone() })];
    let fence = leader.fence();
    let request = Register { fence, changes: vec![begin("a")], ended, last: true };
    let reply = leader.store.register(request).await;
    leader.note(reply).unwrap();
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.journal[0].lines, [line]);
    assert_eq!((snapshot.journal.len(), snapshot.journal[1].total), (2, 5));
    let counters = leader.store.counters().await.unwrap().0;
    assert_eq!((counters[&("q".into(), "retimed")], counters[&("r".into(), "retimed")]), (4, 1));
}

#[tokio::test]
async fn a_slot_that_a_carrier_was_handed_is_in_doubt_until_it_is_settled() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    let (queue, slot) = (Queue::unconfigured("q"), ago(1));
    let intent = |entry: &str| Intent {
        entry: entry.into(),
        slot,
        queue: Arc::clone(&queue),
        guards: Guards::default(),
    };
    let fence = leader.fence();
    let reply = leader
        .store
        .intend(Intend {
            pauses: PausesMark::default(),
            fence,
            slots: vec![intent("a"), intent("b")],
        })
        .await;
    assert_eq!(exceptions(leader.note(reply)), []);
    let mut snapshot = leader.snapshot().await;
    snapshot.intents.sort();
    assert_eq!(snapshot.intents, [("a".into(), slot), ("b".into(), slot)]);
    let settled = |entry: &str, line| Settled {
        entry: entry.into(),
        queue: Arc::clone(&queue),
        line,
        task_id: Uuid::from_u128(7),
        guards: Guards::default(),
    };
    let slots = vec![settled("a", Some(sent("a", slot))), settled("b", None)];
    let reply = leader.store.settle(Settle { fence: leader.fence(), slots }).await;
    assert_eq!(exceptions(leader.note(reply)), []);
    let snapshot = leader.snapshot().await;
    assert_eq!(snapshot.intents, []);
    assert_eq!(snapshot.journal[0].lines, [sent("a", slot)]);
    assert_eq!(leader.store.counters().await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn a_manual_message_is_journalled_and_moves_no_sequence() {
    needs!(Redis);
    let mut leader = Leader::start().await;
    leader.dispatch(vec![send("a", ago(2), "q")]).await.unwrap();
    let run = Uuid::from_u128(5);
    let manual = |place| {
        let outcome = Outcome::Dispatched(Kind::Manual);
        let (task_id, by) = (Some(run), Some("ann@host".into()));
        let line = Line { outcome, task_id, by, ..sent("a", ago(1)) };
        let message = send("a", ago(1), "q").message.unwrap();
        ManualMessage { message, line, run: (run, place) }
    };
    let mut other = store(&leader.server);
    assert_eq!(other.send(manual(0)).await, Ok(Sent::Now));
    assert_eq!(other.send(manual(0)).await, Ok(Sent::Already));
    assert_eq!(other.send(manual(1)).await, Ok(Sent::Now));
    assert_eq!(leader.queued("q").len(), 3);
    assert_eq!(exceptions(leader.dispatch(vec![send("a", ago(1), "q")]).await), []);
    let snapshot = leader.snapshot().await;
    assert_eq!((snapshot.journal.len(), snapshot.journal[1].term), (4, None));
    assert_eq!(snapshot.journal[1].lines[0].by.as_deref(), Some("ann@host"));
    assert_eq!(leader.completeness().await, Completeness::Whole);
    let ttl: i64 = leader.redis().ttl(format!("test:run:{run}")).unwrap();
    assert!((1..=86_400).contains(&ttl), "{ttl}");
    // A refused one may be sent once it is not.
    let _: () = leader.redis().rename("q", "q2").unwrap();
    let _: () = leader.redis().set("q", "text").unwrap();
    assert!(matches!(other.send(manual(2)).await, Ok(Sent::Refused(_))));
    let _: () = leader.redis().del("q").unwrap();
    assert_eq!(other.send(manual(1)).await, Ok(Sent::Already));
    assert_eq!(other.send(manual(2)).await, Ok(Sent::Now));
    assert_eq!(leader.completeness().await, Completeness::Whole);
}
