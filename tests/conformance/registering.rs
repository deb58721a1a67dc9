//! Which entries are live.

use downbeat::schedule::progress::{Completeness, Run};
use downbeat::schedule::registration::Registration;
use downbeat::store::contract::MAX_CHANGES;

use super::*;

over_every_store! {
    a_registration_is_read_back_as_it_was_written
    a_registration_begins_with_its_progress_or_without_any
    an_entry_that_leaves_keeps_its_records_until_it_is_forgotten
    slots_whose_registration_ended_are_recorded_and_counted
    the_records_are_whole_with_the_last_part
    as_many_changes_as_may_be_fit_into_one_request
    everything_survives_a_restart
}

async fn a_registration_is_read_back_as_it_was_written<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    let since = leader.slot(77);
    let names = ["a", "ünï – 中", "with space", "q'\"\\{}[]", &"x".repeat(255)];
    let timing = "1 cron */5 * * * *\u{1f}Europe/Berlin";
    let begin = |entry: &str| RegistrationChange::Begin {
        entry: entry.into(),
        timing: timing.into(),
        since,
        progress: None,
    };
    leader.register(names.into_iter().map(begin).collect(), Vec::new()).await.written();
    let state = leader.state().await;
    assert_eq!(state.registrations.len(), names.len());
    for name in names {
        let registration = Registration { timing: Some(timing.into()), since };
        assert_eq!(state.registrations[name], registration);
    }
    assert_eq!((state.unreadable_count, state.completeness), (0, Completeness::Whole));
}

async fn a_registration_begins_with_its_progress_or_without_any<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let progress = Progress {
        through: leader.slot(50),
        outcome: Some(Outcome::Skipped(SkipReason::Expired)),
        dispatched: Some(leader.slot(60)),
        count: 7,
        ahead: vec![Run { first: leader.slot(-70), last: leader.slot(-80) }],
    };
    let change = leader.begin("a", Some(progress.clone()));
    leader.register(vec![change], Vec::new()).await.written();
    assert_eq!(leader.state().await.progress["a"], progress);
    let change = leader.begin("a", None);
    leader.register(vec![change], Vec::new()).await.written();
    assert_eq!(leader.state().await.progress.get("a"), None);
    // What is intended of an earlier registration is in doubt no more.
    leader.intend(vec![intent("b", leader.slot(9), "q")]).await.written();
    let change = leader.begin("b", None);
    leader.register(vec![change], Vec::new()).await.written();
    assert!(leader.state().await.intents.is_empty());
}

async fn an_entry_that_leaves_keeps_its_records_until_it_is_forgotten<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    leader.fold_all().await;
    let retire =
        |progress| RegistrationChange::Retire { entry: "a".into(), at: leader.slot(5), progress };
    let (plain, with) = (retire(None), retire(Some(Progress::through(leader.slot(6)))));
    leader.register(vec![plain], Vec::new()).await.written();
    let state = leader.state().await;
    let retired = Registration { timing: None, since: leader.slot(5) };
    assert_eq!(state.registrations["a"], retired);
    assert_eq!(state.progress["a"].through, leader.slot(9));
    leader.register(vec![with], Vec::new()).await.written();
    assert_eq!(leader.through("a").await, Some(leader.slot(6)));
    leader.intend(vec![intent("a", leader.slot(3), "q")]).await.written();
    leader.rig.pass(Duration::from_millis(5)).await;
    leader.write_behind().await;
    let snapshot = leader.read().await;
    leader.sequence = snapshot.sequence;
    let forget = RegistrationChange::Forget { entry: "a".into() };
    leader.register(vec![forget], Vec::new()).await.written();
    let state = leader.state().await;
    assert!(!state.registrations.contains_key("a") && !state.progress.contains_key("a"));
    assert!(state.intents.is_empty());
    assert_eq!(leader.history().await.len(), 1, "the history stays");
}

async fn slots_whose_registration_ended_are_recorded_and_counted<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let many = Line { count: 40, ..skipped("a", leader.slot(3), SkipReason::Retimed) };
    let ended = vec![
        ("q".into(), many.clone()),
        ("r".into(), skipped("b", leader.slot(4), SkipReason::Retimed)),
        ("q".into(), skipped("c", leader.slot(5), SkipReason::Unknown)),
    ];
    leader.register(Vec::new(), ended).await.written();
    assert_eq!(leader.count("q", "retimed").await, 40);
    assert_eq!(leader.count("r", "retimed").await, 1);
    assert_eq!(leader.count("q", "unknown").await, 1);
    let history = leader.history().await;
    let found = history.iter().find(|event| event.line.entry == many.entry).unwrap();
    assert_eq!((&found.line, found.queue.as_deref(), found.term), (&many, Some("q"), Some(1)));
    assert_eq!(history.len(), 3);
    assert_eq!(leader.through("a").await, Some(leader.slot(3)));
    assert!(leader.read().await.is_chain_whole());
}

async fn the_records_are_whole_with_the_last_part<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    assert_eq!(leader.state().await.completeness, Completeness::Empty);
    for (entry, last, expected) in
        [("a", false, Completeness::Empty), ("b", true, Completeness::Whole)]
    {
        let changes = vec![leader.begin(entry, None)];
        let request = Register { fence: leader.fence(), changes, ended: Vec::new(), last };
        let reply = leader.store.register(request).await.unwrap();
        leader.note(reply).written();
        assert_eq!(leader.state().await.completeness, expected);
    }
    assert_eq!(leader.state().await.registrations.len(), 2);
}

async fn as_many_changes_as_may_be_fit_into_one_request<R: Rig>(rig: R) {
    let mut leader = Leader::unregistered(rig).await;
    let name = |n| format!("{n:0255}");
    let timing = "x".repeat(1_000);
    let change = |n| RegistrationChange::Begin {
        entry: name(n).into(),
        timing: timing.as_str().into(),
        since: UnixMs(5),
        progress: Some(Progress::through(UnixMs(6))),
    };
    let line = |n| ("q".into(), skipped(&name(n), leader.slot(5), SkipReason::Retimed));
    let (changes, ended) = ((0..MAX_CHANGES).map(change), (0..MAX_CHANGES).map(line));
    let (changes, ended) = (changes.collect(), ended.collect());
    leader.register(changes, ended).await.written();
    let state = leader.state().await;
    assert_eq!((state.registrations.len(), state.progress.len()), (MAX_CHANGES, MAX_CHANGES));
    assert_eq!(leader.count("q", "retimed").await, MAX_CHANGES as u64);
}

async fn everything_survives_a_restart<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader
        .dispatch(vec![write("a", leader.slot(9), "q"), write("b", leader.slot(8), "r")])
        .await
        .written();
    leader.dispatch(vec![skip("c", leader.slot(7), "q", SkipReason::TooLate)]).await.written();
    leader.intend(vec![intent("a", leader.slot(6), "s")]).await.written();
    let run = (Uuid::from_u128(5), 1);
    assert_eq!(leader.send(leader.manual("a", "q", run)).await, Sent::Now);
    let retire =
        RegistrationChange::Retire { entry: "c".into(), at: leader.slot(1), progress: None };
    leader.register(vec![retire], Vec::new()).await.written();
    let before = leader.everything().await;
    for _ in 0..2 {
        leader.store = leader.rig.reopen(leader.store);
        assert_eq!(leader.everything().await, before);
    }
    assert_eq!(leader.send(leader.manual("a", "q", run)).await, Sent::Already);
    leader.lease = match Leader::<R>::CAPABILITIES.shared {
        true => leader.lease,
        false => acquire(&mut leader.store, "again").await,
    };
    leader.dispatch(vec![write("a", leader.slot(5), "q")]).await.written();
}
