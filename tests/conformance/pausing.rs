//! Pauses: what the store keeps of them, and what it lets go.

use downbeat::schedule::pause::{Edit, Pause, PauseRequest, Subject, pruned};
use downbeat::store::contract::{
    ChangePauses, Etag, MAX_PAUSED, MAX_PAUSES_CHANGED, PausesChanged, PausesRead, PrunePauses,
    SubjectPauses,
};

use super::*;

over_every_store! {
    a_pause_is_kept_until_somebody_resumes_and_its_end_after_that
    of_two_who_write_at_once_nothing_is_lost
    what_is_planned_before_a_pause_is_refused_whole
    resuming_keeps_nothing_from_being_sent
    only_who_knows_every_pause_records_slots_as_paused
    who_does_not_lead_hears_that_first
    ended_pauses_are_dropped_unless_somebody_has_changed_them
    subjects_are_bounded_in_number
    of_slots_that_carriers_are_handed_the_open_ones_are_told
}

impl<R: Rig> Leader<R> {
    pub(super) async fn read_pauses(&mut self) -> PausesRead {
        self.store.pauses().await.unwrap()
    }

    /// Pauses or resumes as somebody else does, whose change the leader does not know of.
    async fn request(&mut self, subject: &Subject, request: &PauseRequest) -> PausesChanged {
        let read = self.read_pauses().await;
        self.request_after(&read, subject, request).await
    }

    async fn request_after(
        &mut self,
        read: &PausesRead,
        subject: &Subject,
        request: &PauseRequest,
    ) -> PausesChanged {
        let (pauses, etag) = read.of(subject);
        let Edit::Write { pauses, forbids, .. } = request.edit(pauses, read.now) else {
            panic!("nothing to write");
        };
        let subjects = vec![SubjectPauses { subject: subject.clone(), pauses, etag }];
        self.store.change_pauses(ChangePauses { subjects, forbids }).await.unwrap()
    }

    async fn update_pauses(&mut self) {
        self.pauses = self.read_pauses().await.mark;
    }
}

fn pausing() -> PauseRequest {
    pausing_until(None)
}

fn pausing_until(until: Option<UnixMs>) -> PauseRequest {
    PauseRequest::Pause {
        until,
        by: Some("ann@host".into()),
        note: Some("moving \"now 1\"".into()),
    }
}

fn entry(name: &str) -> Subject {
    Subject::Entry(name.into())
}

#[track_caller]
fn written(changed: PausesChanged) -> (UnixMs, PausesMark) {
    match changed {
        PausesChanged::Written { now, mark, replicated: None } => (now, mark),
        other => panic!("{other:?}"),
    }
}

async fn a_pause_is_kept_until_somebody_resumes_and_its_end_after_that<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    assert!(leader.read_pauses().await.subjects.is_empty());
    let subjects = [Subject::All, Subject::Tag("x".into()), entry("a")];
    let mut began = Vec::new();
    for subject in &subjects {
        let (now, mark) = written(leader.request(subject, &pausing()).await);
        assert_eq!((mark.revision, leader.read_pauses().await.mark), (mark.version, mark));
        began.push(now);
    }
    leader.store = leader.rig.reopen(leader.store);
    let read = leader.read_pauses().await;
    let found = read.subjects.iter().map(|one| (one.subject.clone(), one.pauses.clone()));
    let pause = |from: UnixMs, until| {
        let (by, note) = (Some("ann@host".into()), Some("moving \"now 1\"".into()));
        vec![Pause { from, until, by, note }]
    };
    let expected = subjects.iter().cloned().zip(began.iter().map(|from| pause(*from, None)));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    leader.rig.pass(Duration::from_millis(20)).await;
    let (ended, mark) = written(leader.request(&entry("a"), &PauseRequest::Resume).await);
    assert!(ended > began[2] && mark.version > read.mark.version);
    assert_eq!(mark.revision, read.mark.revision);
    leader.store = leader.rig.reopen(leader.store);
    let read = leader.read_pauses().await;
    assert_eq!((read.of(&entry("a")).0, read.mark), (&*pause(began[2], Some(ended)), mark));
    assert_eq!(read.unreadable, []);
}

async fn of_two_who_write_at_once_nothing_is_lost<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let read = leader.read_pauses().await;
    written(leader.request_after(&read, &entry("a"), &pausing()).await);
    let before = leader.read_pauses().await;
    let outdated = leader.request_after(&read, &entry("a"), &pausing()).await;
    assert_eq!(outdated, PausesChanged::Outdated);
    // Neither is a part of it written.
    let both = ["a", "b"].map(|name| {
        let (_, etag) = read.of(&entry(name));
        SubjectPauses { subject: entry(name), pauses: Vec::new(), etag }
    });
    let request = ChangePauses { subjects: both.into(), forbids: true };
    assert_eq!(leader.store.change_pauses(request).await, Ok(PausesChanged::Outdated));
    let after = leader.read_pauses().await;
    assert_eq!((after.subjects, after.mark), (before.subjects, before.mark));
    // Another subject is nobody's concern.
    written(leader.request_after(&read, &entry("b"), &pausing()).await);
    assert_eq!(leader.read_pauses().await.subjects.len(), 2);
}

async fn what_is_planned_before_a_pause_is_refused_whole<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    leader.dispatch(vec![write("a", leader.slot(9), "q")]).await.written();
    written(leader.request(&entry("c"), &pausing()).await);
    let before = leader.everything().await;
    let writes = vec![write("a", leader.slot(8), "q"), write("b", leader.slot(8), "r")];
    assert_eq!(leader.dispatch(writes.clone()).await, Reply::Revised);
    let intents = vec![intent("b", leader.slot(7), "s")];
    assert_eq!(leader.intend(intents.clone()).await, Reply::Revised);
    assert_eq!(leader.everything().await, before);
    // What came back from carriers, and what is no sending at all, is recorded all the same.
    leader.settle(Vec::new()).await.written();
    leader.fold_all().await;
    leader.update_pauses().await;
    leader.dispatch(writes).await.written();
    leader.intend(intents).await.written();
    assert_eq!(leader.rig.messages("q").len(), 2);
}

async fn resuming_keeps_nothing_from_being_sent<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    for name in ["a", "b"] {
        written(leader.request(&entry(name), &pausing()).await);
    }
    leader.update_pauses().await;
    written(leader.request(&entry("a"), &PauseRequest::Resume).await);
    let end = leader.read_pauses().await.now + Duration::from_secs(9);
    written(leader.request(&entry("b"), &pausing_until(Some(end))).await);
    leader.dispatch(vec![write("c", leader.slot(9), "q")]).await.written();
    leader.intend(vec![intent("c", leader.slot(8), "s")]).await.written();
    // An end that comes later forbids more.
    let later = pausing_until(Some(end + Duration::from_secs(9)));
    written(leader.request(&entry("b"), &later).await);
    assert_eq!(leader.dispatch(vec![write("c", leader.slot(7), "q")]).await, Reply::Revised);
}

async fn only_who_knows_every_pause_records_slots_as_paused<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    written(leader.request(&entry("a"), &pausing()).await);
    leader.update_pauses().await;
    let line = Line {
        by: Some("ann@host".into()),
        note: Some("moving".into()),
        count: 3,
        ..skipped("a", leader.slot(9), SkipReason::Paused)
    };
    let paused = Write { line: line.clone(), ..skip("a", leader.slot(9), "q", SkipReason::Paused) };
    written(leader.request(&entry("a"), &PauseRequest::Resume).await);
    let before = leader.everything().await;
    let writes = vec![write("b", leader.slot(9), "q"), paused];
    assert_eq!(leader.dispatch(writes.clone()).await, Reply::Revised);
    assert_eq!(leader.everything().await, before);
    leader.update_pauses().await;
    leader.dispatch(writes).await.written();
    assert_eq!(leader.count("q", "paused").await, 3);
    assert_eq!(leader.history().await.last().map(|event| event.line.clone()), Some(line));
}

async fn who_does_not_lead_hears_that_first<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    written(leader.request(&Subject::All, &pausing()).await);
    let fence = leader.fence();
    let writes = vec![write("a", leader.slot(9), "q")];
    for (fence, expected) in [
        (Fence { lease: "9 another".into(), ..fence.clone() }, Reply::Fenced),
        (Fence { sequence: fence.sequence + 1, ..fence.clone() }, Reply::Stale),
        (fence, Reply::Revised),
    ] {
        let batch = Batch { fence, pauses: leader.pauses, writes: writes.clone() };
        assert_eq!(leader.store.dispatch(batch).await, Ok(expected));
    }
}

async fn ended_pauses_are_dropped_unless_somebody_has_changed_them<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    for name in ["a", "b", "c"] {
        written(leader.request(&entry(name), &pausing()).await);
    }
    for name in ["a", "b"] {
        written(leader.request(&entry(name), &PauseRequest::Resume).await);
    }
    leader.rig.pass(Duration::from_millis(5)).await;
    let read = leader.read_pauses().await;
    let left = |subject: &SubjectPauses| {
        let pauses = pruned(&subject.pauses, read.now, |_| true)?;
        Some(SubjectPauses { pauses, ..subject.clone() })
    };
    let subjects: Vec<_> = read.subjects.iter().filter_map(left).collect();
    assert_eq!(subjects.len(), 2);
    let prune = |lease| PrunePauses { lease, subjects: subjects.clone() };
    assert_eq!(leader.store.prune_pauses(prune("9 another".into())).await, Ok(0));
    written(leader.request(&entry("b"), &pausing()).await);
    let before = leader.read_pauses().await;
    assert_eq!(leader.store.prune_pauses(prune(Arc::clone(&leader.lease))).await, Ok(1));
    let after = leader.read_pauses().await;
    let found: Vec<_> =
        after.subjects.iter().map(|one| (one.subject.to_string(), one.pauses.len())).collect();
    assert_eq!(found, [("entry:b".to_owned(), 2), ("entry:c".to_owned(), 1)]);
    assert_eq!(after.mark, before.mark);
}

async fn subjects_are_bounded_in_number<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let names: Vec<_> = (0..MAX_PAUSED).map(|n| format!("e{n}")).collect();
    let pause = |name: &String| {
        let from = UnixMs(1_798_761_600_000);
        let pauses = vec![Pause { from, until: None, by: None, note: None }];
        SubjectPauses { subject: entry(name), pauses, etag: Etag::default() }
    };
    for names in names.chunks(MAX_PAUSES_CHANGED) {
        let request = ChangePauses { subjects: names.iter().map(pause).collect(), forbids: true };
        written(leader.store.change_pauses(request).await.unwrap());
    }
    assert_eq!(leader.request(&entry("more"), &pausing()).await, PausesChanged::TooMany);
    written(leader.request(&entry("e7"), &PauseRequest::Resume).await);
    assert_eq!(leader.read_pauses().await.subjects.len(), MAX_PAUSED);
}

async fn of_slots_that_carriers_are_handed_the_open_ones_are_told<R: Rig>(rig: R) {
    let mut leader = Leader::start(rig).await;
    let slot = leader.slot(9);
    leader.intend(["a", "b", "c"].map(|name| intent(name, slot, "s")).into()).await.written();
    leader.settle(vec![settled("a", Some(sent("a", slot)), "s")]).await.written();
    // It is left out after all.
    leader.dispatch(vec![skip("b", slot, "s", SkipReason::TooLate)]).await.written();
    leader.fold_all().await;
    let entries = ["a", "b", "c", "d"].map(Arc::from).into();
    assert_eq!(leader.store.open_intents(entries).await, Ok(vec!["c".into()]));
}
