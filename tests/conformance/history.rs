//! What became of slots, and how long that is kept.

use super::*;

over_every_store! {
    the_history_says_all_that_was_recorded
    the_history_is_asked_by_entry_time_and_number
    trimming_keeps_the_newest_slots
    trimming_by_age_keeps_the_newest_record
    trimming_keeps_the_last_outcomes_of_an_entry
    trimming_never_passes_what_is_folded
    outcomes_are_forgotten_with_their_entry
}

async fn the_history_says_all_that_was_recorded<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let late = Line { delay: Duration::from_millis(1500), ..sent("a", leader.slot(9)) };
    let many = Line { count: 10_000, ..skipped("b", leader.slot(8), SkipReason::TooLate) };
    let queue = queue_of("q");
    let writes = [&late, &many].map(|line| {
        let (line, queue, guards) = (line.clone(), Arc::clone(&queue), Guards::default());
        Write { line, queue, message: None, guards }
    });
    leader.dispatch(writes.into()).await.written();
    let manual = leader.manual("c", "r", (Uuid::from_u128(1), 1));
    let by_hand = manual.line.clone();
    leader.send(manual).await;
    let history = leader.history().await;
    let said = history.iter().map(|event| (event.term, event.queue.as_deref(), &event.line));
    let expected =
        [(Some(1), Some("q"), &late), (Some(1), Some("q"), &many), (None, Some("r"), &by_hand)];
    assert_eq!(said.collect::<Vec<_>>(), expected);
    assert!(by_hand.task_id.is_some() && by_hand.by.is_some());
}

/// Ten slots of `a` and of `b`, by turns, a record each.
async fn twenty<R: Rig>(leader: &mut Leader<R>) -> Vec<(Arc<str>, UnixMs)> {
    let mut slots = Vec::new();
    for n in 0..10 {
        for entry in ["a", "b"] {
            let slot = leader.slot(100 - 10 * n);
            leader.dispatch(vec![write(entry, slot, "q")]).await.written();
            slots.push((entry.into(), slot));
        }
    }
    slots
}

fn slots_of(events: &[PastEvent]) -> Vec<(Arc<str>, UnixMs)> {
    events.iter().map(|event| (Arc::clone(&event.line.entry), event.line.slot)).collect()
}

async fn the_history_is_asked_by_entry_time_and_number<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let all = twenty(&mut leader).await;
    let (from, to) = (leader.slot(70), leader.slot(30));
    let of_a = || all.iter().filter(|(entry, _)| **entry == *"a").cloned();
    let within = |slots: &mut dyn Iterator<Item = (Arc<str>, UnixMs)>| {
        slots.filter(|(_, slot)| *slot >= from && *slot < to).collect::<Vec<_>>()
    };
    let limit = 1000;
    let cases = [
        (HistoryQuery { limit, ..HistoryQuery::default() }, all.clone(), false),
        (HistoryQuery { limit: 20, ..HistoryQuery::default() }, all.clone(), false),
        (HistoryQuery { limit: 3, ..HistoryQuery::default() }, all[17..].to_vec(), true),
        (
            HistoryQuery { entry: Some("a".into()), limit, ..HistoryQuery::default() },
            of_a().collect(),
            false,
        ),
        (
            HistoryQuery { entry: Some("a".into()), limit: 2, ..HistoryQuery::default() },
            of_a().skip(8).collect(),
            true,
        ),
        (
            HistoryQuery { from: Some(from), to: Some(to), limit, entry: None },
            within(&mut all.iter().cloned()),
            false,
        ),
        (
            HistoryQuery { from: Some(from), to: Some(to), limit, entry: Some("a".into()) },
            within(&mut of_a()),
            false,
        ),
        (
            HistoryQuery { from: Some(from), to: Some(to), limit: 2, entry: Some("a".into()) },
            within(&mut of_a())[2..].to_vec(),
            true,
        ),
        (
            HistoryQuery { entry: Some("nobody".into()), limit, ..HistoryQuery::default() },
            Vec::new(),
            false,
        ),
    ];
    for (query, expected, more) in cases {
        let history = leader.store.history(query.clone()).await.unwrap();
        assert_eq!(slots_of(&history.events), expected, "{query:?}");
        assert_eq!(history.more, more, "{query:?}");
    }
}

async fn trimming_keeps_the_newest_slots<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let all = twenty(&mut leader).await;
    leader.fold_all().await;
    let counted = leader.store.counters().await.unwrap();
    let before = leader.state().await;
    assert_eq!(leader.trim(20, TTL, 0).await, 0);
    assert_eq!(slots_of(&leader.history().await), all);
    assert_eq!(leader.trim(7, TTL, 0).await, 13);
    assert_eq!(slots_of(&leader.history().await), all[13..]);
    assert_eq!(leader.trim(7, TTL, 0).await, 0);
    assert_eq!(leader.store.counters().await.unwrap(), counted, "counters never shrink");
    let after = leader.state().await;
    assert_eq!((after.completeness, &after.progress), (before.completeness, &before.progress));
    leader.dispatch(vec![write("a", leader.slot(1), "q")]).await.written();
    assert!(leader.read().await.is_chain_whole());
    assert_eq!(leader.history().await.len(), 8);
}

async fn trimming_by_age_keeps_the_newest_record<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let all = twenty(&mut leader).await;
    leader.fold_all().await;
    leader.rig.pass(Duration::from_millis(5)).await;
    assert_eq!(leader.trim(1000, Duration::ZERO, 0).await, 19);
    assert_eq!(slots_of(&leader.history().await), all[19..]);
    leader.rig.pass(Duration::from_millis(5)).await;
    assert_eq!(leader.trim(0, Duration::ZERO, 0).await, 0);
    leader.dispatch(vec![write("a", leader.slot(1), "q")]).await.written();
    assert!(leader.read().await.is_chain_whole());
}

async fn trimming_keeps_the_last_outcomes_of_an_entry<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let all = twenty(&mut leader).await;
    let delay = Duration::from_millis(250);
    let last = Line { delay, count: 3, ..skipped("a", leader.slot(5), SkipReason::Expired) };
    let queue = queue_of("q");
    let write = Write { line: last.clone(), queue, message: None, guards: Guards::default() };
    leader.dispatch(vec![write]).await.written();
    leader.fold_all().await;
    let before = leader.history().await;
    assert_eq!(leader.trim(12, TTL, 3).await, 11);
    let history = leader.history().await;
    assert_eq!(history.last().map(|event| &event.line), Some(&last));
    assert_eq!(slots_of(&history)[6..], slots_of(&before)[11..]);
    // In front of them the three last of each that were dropped, without queue and term.
    let mut kept = slots_of(&history)[..6].to_vec();
    kept.sort();
    let mut expected = all[5..11].to_vec();
    expected.sort();
    assert_eq!(kept, expected);
    for event in &history[..6] {
        let was = before.iter().find(|was| was.line == event.line).unwrap();
        assert_eq!((event.at, &event.queue, event.term), (was.at, &None, None));
    }
    // Of what is kept, the newest stay when more is dropped.
    assert_eq!(leader.trim(0, TTL, 3).await, 9);
    let history = leader.history().await;
    let mut kept = slots_of(&history)[..6].to_vec();
    kept.sort();
    let mut expected = all[14..].to_vec();
    expected.sort();
    assert_eq!(kept, expected);
    assert_eq!((history.len(), history.last().map(|event| &event.line)), (7, Some(&last)));
    let query = HistoryQuery { entry: Some("b".into()), limit: 2, ..HistoryQuery::default() };
    let of_b = leader.store.history(query).await.unwrap();
    assert_eq!((slots_of(&of_b.events).len(), of_b.more), (2, true));
}

async fn trimming_never_passes_what_is_folded<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    if Leader::<R>::CAPABILITIES.folds_itself {
        return;
    }
    let all = twenty(&mut leader).await;
    leader.rig.pass(Duration::from_millis(5)).await;
    assert_eq!(leader.trim(0, Duration::ZERO, 20).await, 0, "nothing was ever folded");
    leader.fold_all().await;
    for n in 0..3 {
        leader.dispatch(vec![write("c", leader.slot(3 - n), "q")]).await.written();
    }
    let known = leader.state().await;
    leader.rig.pass(Duration::from_millis(5)).await;
    let dropped = leader.trim(0, Duration::ZERO, 0).await;
    assert!((19..=20).contains(&dropped), "{dropped} of {}", all.len());
    let state = leader.state().await;
    assert_eq!((state.completeness, &state.progress), (known.completeness, &known.progress));
    assert_eq!(
        slots_of(&leader.history().await)[usize::try_from(20 - dropped).unwrap()..].len(),
        3
    );
}

async fn outcomes_are_forgotten_with_their_entry<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    twenty(&mut leader).await;
    leader.fold_all().await;
    leader.trim(0, TTL, 3).await;
    let of = |history: &[PastEvent], entry: &str| {
        history.iter().filter(|event| *event.line.entry == *entry).count()
    };
    assert_eq!(of(&leader.history().await, "a"), 3);
    let forget = RegistrationChange::Forget { entry: "a".into() };
    leader.register(vec![forget], Vec::new()).await.written();
    let history = leader.history().await;
    assert_eq!((of(&history, "a"), of(&history, "b")), (0, 4));
}
