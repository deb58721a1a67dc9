//! Publishing and recording in one step.

use std::num::NonZeroU32;

use super::*;

over_every_store! {
    a_batch_is_published_in_order_and_recorded
    each_queue_has_a_record_of_its_own_in_one_chain
    without_the_lease_nothing_is_written
    without_knowing_the_last_write_nothing_is_written
    a_slot_ahead_of_the_clock_is_early_and_nothing_is_written
    a_refused_queue_leaves_nothing_and_touches_nobody_else
    what_is_skipped_waits_for_a_queue_that_refuses
    skipped_slots_are_recorded_without_a_message
    behind_a_request_that_did_nothing_none_is_carried_out
    requests_are_carried_out_in_the_order_in_which_they_are_made
    a_full_queue_takes_no_guarded_message
    messages_of_the_same_batch_fill_a_queue
    a_task_that_runs_keeps_the_next_from_being_sent
    where_results_cannot_be_seen_overlap_is_refused
    a_batch_of_500_slots_fits
}

async fn a_batch_is_published_in_order_and_recorded<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let writes: Vec<_> = (1..=4).map(|n| write("a", leader.slot(10 - n), "q")).collect();
    let late = Line { delay: Duration::from_millis(70), ..sent("b", leader.slot(3)) };
    let late = Line { outcome: Outcome::Dispatched(Kind::CatchUp), ..late };
    let last = Write { line: late.clone(), ..write("b", leader.slot(3), "q") };
    leader.dispatch(writes[..2].to_vec()).await.written();
    leader.dispatch([&writes[2..], &[last]].concat()).await.written();
    let slots = [9, 8, 7, 6].map(|ago| element("a", leader.slot(ago)));
    let mut messages = slots.to_vec();
    messages.push(element("b", leader.slot(3)));
    assert_eq!(leader.rig.messages("q"), messages);
    let history = leader.history().await;
    let lines: Vec<_> = history.iter().map(|event| event.line.clone()).collect();
    let mut expected: Vec<_> = writes.into_iter().map(|write| write.line).collect();
    expected.push(late);
    assert_eq!(lines, expected);
    let now = leader.read().await.now;
    for event in &history {
        assert_eq!((event.term, event.queue.as_deref()), (Some(1), Some("q")));
        assert!(event.at >= leader.start && event.at <= now, "{event:?}");
    }
    assert_eq!(leader.count("q", "scheduled").await, 4);
    assert_eq!(leader.count("q", "catch_up").await, 1);
    let state = leader.state().await;
    let progress = &state.progress["a"];
    assert_eq!((progress.through, progress.count), (leader.slot(6), 4));
    assert_eq!(progress.outcome, Some(Outcome::Dispatched(Kind::Scheduled)));
    assert_eq!(state.sequence, leader.sequence);
}

async fn each_queue_has_a_record_of_its_own_in_one_chain<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    for n in 0..3 {
        let slot = leader.slot(10 - n);
        let writes = ["q", "r", "q"].into_iter().zip(["a", "b", "c"]);
        leader
            .dispatch(writes.map(|(queue, entry)| write(entry, slot, queue)).collect())
            .await
            .written();
    }
    let snapshot = leader.read().await;
    assert_eq!(snapshot.head, leader.head);
    assert!(snapshot.is_chain_whole());
    if Leader::<R>::CAPABILITIES.folds_itself {
        assert_eq!((snapshot.journal.len(), snapshot.folded), (0, snapshot.head));
        return;
    }
    let mut before = None;
    let found: Vec<_> = snapshot
        .journal
        .iter()
        .map(|record| {
            assert_eq!(record.before, before);
            assert!(Some(record.id) > before, "names grow");
            before = Some(record.id);
            let entries: Vec<_> = record.lines.iter().map(|line| &*line.entry).collect();
            (&*record.queue, entries.concat(), record.total, record.term)
        })
        .collect();
    let expected = [0, 3, 6]
        .map(|n| [("q", "ac".to_owned(), n + 2, Some(1)), ("r", "b".to_owned(), n + 3, Some(1))]);
    assert_eq!(found, expected.concat());
}

/// Every fenced request once, each of which could be carried out.
async fn every_request<R: Rig>(
    leader: &mut Leader<R>,
    fence: &Fence,
) -> Vec<(&'static str, Reply)> {
    let fence = || fence.clone();
    let slot = leader.slot(1);
    let (changes, ended) = (vec![leader.begin("d", None)], vec![("q".into(), sent("a", slot))]);
    let register = Register { fence: fence(), changes, ended, last: true };
    let register = leader.store.register(register).await.unwrap();
    let dispatch = Batch {
        pauses: PausesMark::default(),
        fence: fence(),
        writes: vec![write("a", slot, "q")],
    };
    let dispatch = leader.store.dispatch(dispatch).await.unwrap();
    let intend = Intend {
        pauses: PausesMark::default(),
        fence: fence(),
        slots: vec![intent("a", slot, "q")],
    };
    let intend = leader.store.intend(intend).await.unwrap();
    let settle = vec![settled("b", Some(sent("b", slot)), "q")];
    let settle = leader.store.settle(Settle { fence: fence(), slots: settle }).await.unwrap();
    let progress = vec![("a".into(), Progress::through(slot))];
    let fold = Fold { fence: fence(), progress, through: FoldedThrough::Unchanged };
    let fold = leader.store.fold(fold).await.unwrap();
    let fold_anew = Fold {
        fence: fence(),
        progress: Vec::new(),
        through: FoldedThrough::Anew(Remembered::All),
    };
    let fold_anew = leader.store.fold(fold_anew).await.unwrap();
    vec![
        ("register", register),
        ("dispatch", dispatch),
        ("intend", intend),
        ("settle", settle),
        ("fold", fold),
        ("fold anew", fold_anew),
    ]
}

async fn without_the_lease_nothing_is_written<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(5), "q")]).await.written();
    let before = leader.everything().await;
    let lease = Arc::from(format!("{}0", leader.lease));
    let other: Arc<str> = "2 another".into();
    for lease in [lease, other, "".into()] {
        let fence = Fence::after(&lease, leader.sequence);
        for (request, reply) in every_request(&mut leader, &fence).await {
            assert_eq!(reply, Reply::Fenced, "{request}");
        }
        let trim = Trim { lease, keep: Duration::ZERO, slots: 0, outcomes: 0 };
        leader.rig.pass(Duration::from_millis(5)).await;
        assert_eq!(leader.store.trim(trim).await, Ok(Trimmed { slots: 0, more: false }));
        assert_eq!(leader.everything().await, before);
    }
}

async fn without_knowing_the_last_write_nothing_is_written<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(5), "q")]).await.written();
    leader.write_behind().await;
    let before = leader.everything().await;
    for sequence in [leader.sequence, 0, u64::from(u32::MAX)] {
        let fence = Fence::after(&leader.lease, sequence);
        for (request, reply) in every_request(&mut leader, &fence).await {
            assert_eq!(reply, Reply::Stale, "{request}");
        }
    }
    assert_eq!(leader.everything().await, before);
}

async fn a_slot_ahead_of_the_clock_is_early_and_nothing_is_written<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let before = leader.everything().await;
    let ahead = leader.slot(-60);
    let writes = vec![write("a", leader.slot(5), "q"), write("b", ahead, "r")];
    let reply = leader.dispatch(writes).await;
    assert!(matches!(reply, Reply::Early { now } if now >= leader.start), "{reply:?}");
    let slots = vec![intent("a", leader.slot(5), "q"), intent("b", ahead, "r")];
    let reply = leader.intend(slots).await;
    assert!(matches!(reply, Reply::Early { .. }), "{reply:?}");
    assert_eq!(leader.everything().await, before);
    let nearly = UnixMs(leader.start.0 + 990);
    leader.dispatch(vec![write("a", nearly, "q")]).await.written();
}

async fn a_refused_queue_leaves_nothing_and_touches_nobody_else<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let refusing = leader.rig.refuse();
    let writes = vec![
        write("a", leader.slot(9), refusing),
        write("a", leader.slot(8), refusing),
        write("b", leader.slot(7), "q"),
        write("c", leader.slot(6), refusing),
    ];
    let refused = |exceptions: &[(usize, Exception)]| {
        let indexes = exceptions.iter().map(|(index, why)| {
            let Exception::Refused(words) = why else { panic!("{why:?}") };
            assert!(!words.is_empty() && words.len() < 1_000);
            *index
        });
        indexes.collect::<Vec<_>>()
    };
    let exceptions = leader.dispatch(writes.clone()).await.exceptions();
    assert_eq!(refused(&exceptions), [0, 1, 3]);
    assert_eq!(leader.rig.messages("q"), [element("b", leader.slot(7))]);
    let history = leader.history().await;
    assert_eq!(history.iter().map(|event| &*event.line.entry).collect::<Vec<_>>(), ["b"]);
    assert_eq!(leader.count(refusing, "scheduled").await, 0);
    assert_eq!((leader.through("a").await, leader.through("c").await), (None, None));
    assert!(leader.read().await.is_chain_whole());
    // Alone, too, it leaves the chain as it was.
    let head = leader.head;
    let exceptions = leader.dispatch(vec![write("a", leader.slot(9), refusing)]).await.exceptions();
    assert_eq!((refused(&exceptions), leader.head), (vec![0], head));
    if leader.rig.stop_refusing() {
        leader.dispatch(writes).await.written();
        assert_eq!(leader.rig.messages(refusing).len(), 3);
    }
    assert!(leader.read().await.is_chain_whole());
}

async fn what_is_skipped_waits_for_a_queue_that_refuses<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let refusing = leader.rig.refuse();
    let skipped = skip("b", leader.slot(9), refusing, SkipReason::TooLate);
    let writes = vec![skipped.clone(), write("a", leader.slot(8), refusing)];
    let exceptions = leader.dispatch(writes).await.exceptions();
    assert_eq!(exceptions.len(), 2, "nothing of the queue's part is recorded: {exceptions:?}");
    assert_eq!(leader.count(refusing, "too_late").await, 0);
    // Alone it needs no room in the queue.
    leader.dispatch(vec![skipped]).await.written();
    assert_eq!(leader.count(refusing, "too_late").await, 1);
}

async fn skipped_slots_are_recorded_without_a_message<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let many = Line { count: 12, ..skipped("a", leader.slot(9), SkipReason::Superseded) };
    let mut writes = vec![skip("a", leader.slot(20), "q", SkipReason::TooLate)];
    writes.push(Write { line: many.clone(), ..writes[0].clone() });
    writes.push(write("a", leader.slot(8), "q"));
    leader.dispatch(writes).await.written();
    assert_eq!(leader.rig.messages("q"), [element("a", leader.slot(8))]);
    assert_eq!(leader.count("q", "superseded").await, 12);
    assert_eq!(leader.count("q", "too_late").await, 1);
    assert_eq!(leader.history().await[1].line, many);
    let state = leader.state().await;
    assert_eq!((state.progress["a"].through, state.progress["a"].count), (leader.slot(8), 1));
}

async fn behind_a_request_that_did_nothing_none_is_carried_out<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let (lease, sequence) = (Arc::clone(&leader.lease), leader.sequence);
    let other: Arc<str> = "7 another".into();
    let early = write("b", leader.slot(-60), "q");
    let fine = write("b", leader.slot(5), "q");
    let before = leader.everything().await;
    for (first, writes, why) in [
        (Fence::after(&other, sequence), vec![fine.clone()], "fenced"),
        (Fence::after(&lease, sequence + 1), vec![fine.clone()], "stale"),
        (Fence::after(&lease, sequence), vec![early], "early"),
    ] {
        let second = Fence::after(&lease, first.next);
        let first =
            leader.store.dispatch(Batch { pauses: PausesMark::default(), fence: first, writes });
        let next = vec![write("c", leader.slot(4), "q")];
        let second = leader.store.dispatch(Batch {
            pauses: PausesMark::default(),
            fence: second,
            writes: next,
        });
        let first = first.await.unwrap();
        assert!(!matches!(first, Reply::Written { .. }), "{why}: {first:?}");
        assert_eq!(second.await, Ok(Reply::Stale), "{why}");
        assert_eq!(leader.everything().await, before, "{why}");
    }
}

async fn requests_are_carried_out_in_the_order_in_which_they_are_made<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let mut answers = Vec::new();
    let mut sequence = leader.sequence;
    for n in 0..20 {
        let fence = Fence::after(&leader.lease, sequence);
        sequence = fence.next;
        let writes = vec![write("a", leader.slot(100 - n), "q")];
        answers.push(leader.store.dispatch(Batch { pauses: PausesMark::default(), fence, writes }));
    }
    // Waited for the other way round.
    for answer in answers.into_iter().rev() {
        answer.await.unwrap().written();
    }
    let expected: Vec<_> = (0..20).map(|n| element("a", leader.slot(100 - n))).collect();
    assert_eq!(leader.rig.messages("q"), expected);
    assert_eq!(leader.read().await.sequence, sequence);
}

fn at_most(max_queued: u32) -> Guards {
    Guards { max_queued: NonZeroU32::new(max_queued), ..Guards::default() }
}

async fn a_full_queue_takes_no_guarded_message<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    let guarded = |guards, slot| Write { guards, ..write("b", slot, "q") };
    let reason = SkipReason::QueueFull;
    let delay = Duration::from_secs(3);
    let mut full = guarded(at_most(1), leader.slot(8));
    full.line.delay = delay;
    let exceptions = leader.dispatch(vec![full]).await.exceptions();
    assert_eq!(exceptions, [(0, Exception::Skipped(reason))]);
    assert_eq!(leader.rig.messages("q").len(), 1);
    assert_eq!(
        (leader.count("q", "queue_full").await, leader.count("q", "scheduled").await),
        (1, 1)
    );
    let line = Line { delay, ..skipped("b", leader.slot(8), reason) };
    assert_eq!(leader.history().await[1].line, line);
    assert_eq!(leader.through("b").await, Some(leader.slot(8)));
    // Others go, and so does a guarded one once there is room.
    leader.dispatch(vec![write("a", leader.slot(7), "q")]).await.written();
    leader.rig.take("q");
    leader.dispatch(vec![guarded(at_most(1), leader.slot(6))]).await.written();
    assert_eq!(leader.rig.messages("q"), [element("b", leader.slot(6))]);
}

async fn messages_of_the_same_batch_fill_a_queue<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let slots: Vec<_> = (0..5).map(|n| leader.slot(20 - n)).collect();
    let guarded = |slot: &UnixMs| Write { guards: at_most(3), ..write("a", *slot, "q") };
    let exceptions = leader.dispatch(slots.iter().map(guarded).collect()).await.exceptions();
    let full = Exception::Skipped(SkipReason::QueueFull);
    assert_eq!(exceptions, [(3, full.clone()), (4, full)]);
    assert_eq!(leader.rig.messages("q").len(), 3);
    let history = leader.history().await;
    let slots_recorded: Vec<_> = history.iter().map(|event| event.line.slot).collect();
    assert_eq!(slots_recorded, slots, "in order");
    assert_eq!(leader.count("q", "queue_full").await, 2);
    // What is skipped anyway is no matter of a full queue.
    let anyway = skip("b", leader.slot(9), "q", SkipReason::Expired);
    leader.dispatch(vec![Write { guards: at_most(1), ..anyway }]).await.written();
}

fn alone(ms: u32) -> Guards {
    Guards { overlap: NonZeroU32::new(ms), ..Guards::default() }
}

async fn a_task_that_runs_keeps_the_next_from_being_sent<R: Rig>(rig: R) {
    if !Leader::<R>::CAPABILITIES.sees_results {
        return;
    }
    let mut leader = Leader::start(rig).await;
    let queue = leader.rig.queue_with_results();
    let ids = downbeat::schedule::TaskIds::new("test");
    let guarded = |slot| {
        let message = Some(message(&queue, "a", slot));
        let queue = Arc::clone(&queue);
        Write { guards: alone(3_600_000), message, queue, ..write("a", slot, "q") }
    };
    let running = Exception::Skipped(SkipReason::StillRunning);
    // Of one batch the first goes.
    let slots = [9, 8, 7, 6, 5].map(|ago| leader.slot(ago));
    let exceptions = leader.dispatch(slots[..2].iter().copied().map(guarded).collect()).await;
    assert_eq!(exceptions.exceptions(), [(1, running.clone())]);
    let exceptions = leader.dispatch(vec![guarded(slots[2])]).await.exceptions();
    assert_eq!(exceptions, [(0, running)]);
    assert_eq!(leader.count(&queue.name, "still_running").await, 2);
    leader.rig.end_task(ids.id("a", slots[0]));
    leader.dispatch(vec![guarded(slots[3])]).await.written();
    // However long it runs, it stops counting at some time.
    leader.rig.pass(Duration::from_secs(3600)).await;
    if Leader::<R>::CAPABILITIES.shared {
        leader.store.renew(Arc::clone(&leader.lease), TTL).await.unwrap();
        leader.lease = acquire(&mut leader.store, "two").await;
    }
    leader.dispatch(vec![guarded(slots[4])]).await.written();
    let sent = [slots[0], slots[3], slots[4]].map(|slot| element("a", slot));
    assert_eq!(leader.rig.messages(&queue.name), sent);
}

async fn where_results_cannot_be_seen_overlap_is_refused<R: Rig>(rig: R) {
    if Leader::<R>::CAPABILITIES.sees_results {
        return;
    }
    let mut leader = Leader::start(rig).await;
    let guarded = Write { guards: alone(1000), ..write("a", leader.slot(9), "q") };
    let writes = vec![guarded.clone(), write("b", leader.slot(9), "q"), guarded];
    let exceptions = leader.dispatch(writes).await.exceptions();
    assert!(matches!(&exceptions[..], [(0, Exception::Refused(_)), (2, Exception::Refused(_))]));
    assert_eq!(leader.rig.messages("q"), [element("b", leader.slot(9))]);
    let mut intended = intent("c", leader.slot(9), "q");
    intended.guards = alone(1000);
    let exceptions = leader.intend(vec![intended]).await.exceptions();
    assert!(matches!(&exceptions[..], [(0, Exception::Refused(_))]), "{exceptions:?}");
}

async fn a_batch_of_500_slots_fits<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let name = |n: i64| format!("{n:0255}");
    let writes = (0..500).map(|n| write(&name(n), leader.slot(5), "q"));
    leader.dispatch(writes.collect()).await.written();
    assert_eq!(leader.rig.messages("q").len(), 500);
    assert_eq!(leader.history().await.len(), 500);
    assert_eq!(leader.state().await.progress.len(), 500);
}
