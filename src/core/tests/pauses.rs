//! Pauses written by other replicas apply at once, whoever leads.

use super::rig::answer;
use super::*;
use crate::schedule::pause::{Edit, PauseRequest, Subject};
use crate::store::contract::{ChangePauses, PausesChanged, Store as _, SubjectPauses};

fn entry(name: &str) -> Subject {
    Subject::Entry(name.into())
}

fn pausing(until: Option<UnixMs>) -> PauseRequest {
    PauseRequest::Pause { until, by: Some("ann@host".into()), note: Some("database moves".into()) }
}

impl Rig {
    /// Pauses or resumes, as another replica does.
    fn request(&self, subject: Subject, request: &PauseRequest) {
        let mut store = self.store.clone();
        let read = answer(store.pauses()).unwrap();
        let (pauses, etag) = read.of(&subject);
        let Edit::Write { pauses, forbids, .. } = request.edit(pauses, read.now) else {
            panic!("nothing to write");
        };
        let subjects = vec![SubjectPauses { subject, pauses, etag }];
        let changed = answer(store.change_pauses(ChangePauses { subjects, forbids })).unwrap();
        assert!(matches!(changed, PausesChanged::Written { .. }), "{changed:?}");
    }

    fn paused_subjects(&self) -> Vec<String> {
        let read = answer(self.store.clone().pauses()).unwrap();
        read.subjects.iter().map(|one| one.subject.to_string()).collect()
    }
}

fn slots(sent: &[(String, UnixMs)], name: &str) -> Vec<u64> {
    let slots = sent.iter().filter(|(entry, _)| entry == name);
    slots.map(|(_, slot)| slot.since(START).as_secs()).collect()
}

#[test]
fn another_replicas_pause_applies_at_once_and_its_end_is_not_missed() {
    let mut rig = Rig::new();
    let mut replica = rig.replica([every("a", 1), every("b", 1)]);
    rig.elect(&mut replica, false);
    rig.pass(&mut replica, 3);
    rig.request(entry("a"), &pausing(None));
    rig.pass(&mut replica, 4);
    rig.request(entry("a"), &PauseRequest::Resume);
    rig.pass(&mut replica, 2);
    let sent = rig.sent("celery");
    assert_eq!(slots(&sent, "a"), [1, 2, 3, 8, 9]);
    assert_eq!(slots(&sent, "b"), (1..=9).collect::<Vec<_>>());
    assert_eq!(rig.counted("celery", "paused"), 4);
    let query = HistoryQuery { entry: Some("a".into()), limit: 100, ..HistoryQuery::default() };
    let history = rig.history(query).events;
    let paused = history.iter().filter(|event| event.line.outcome.as_str() == "paused");
    for event in paused {
        let said = (event.line.by.as_deref(), event.line.note.as_deref());
        assert_eq!(said, (Some("ann@host"), Some("database moves")));
    }
    assert_eq!(rig.logged(&["skipped", "reason=paused"]), 4, "{}", rig.log());
    assert_eq!(rig.logged(&["WARN"]), 1, "that the namespace is new:\n{}", rig.log());
}

#[test]
fn each_leader_says_once_that_all_entries_are_paused_and_when_they_no_longer_are() {
    let mut rig = Rig::new();
    let mut replica = rig.replica([every("a", 1)]);
    rig.elect(&mut replica, false);
    rig.request(Subject::All, &pausing(None));
    rig.pass(&mut replica, 30);
    let said = ["all entries are paused", "by=\"ann@host\"", "note=\"database moves\""];
    assert_eq!(rig.logged(&said), 1, "{}", rig.log());
    let mut next = rig.replica([every("a", 1)]);
    rig.elect(&mut next, false);
    assert_eq!(rig.logged(&said), 2, "{}", rig.log());
    rig.request(Subject::All, &PauseRequest::Resume);
    rig.pass(&mut next, 30);
    assert_eq!(rig.logged(&["all entries are resumed"]), 1, "{}", rig.log());
}

#[test]
fn the_slot_at_the_end_of_a_pause_goes() {
    let mut rig = Rig::new();
    let mut replica = rig.replica([every("a", 1)]);
    rig.elect(&mut replica, false);
    rig.request(Subject::All, &pausing(Some(START + SECOND * 4)));
    rig.pass(&mut replica, 6);
    assert_eq!(slots(&rig.sent("celery"), "a"), [4, 5, 6]);
    assert_eq!(rig.counted("celery", "paused"), 3);
}

#[test]
fn a_clock_that_is_ahead_ends_no_pause_early() {
    let mut rig = Rig::new();
    let mut replica = rig.replica([every("a", 1)]);
    rig.clock.set(START + SECOND * 5);
    rig.elect(&mut replica, false);
    rig.store_clock.set(START + SECOND / 2);
    rig.request(Subject::All, &pausing(Some(START + SECOND * 4)));
    rig.pass(&mut replica, 3);
    // By the leader's clock it is over, by the store's it lasts for another half second.
    assert_eq!(slots(&rig.sent("celery"), "a"), [0; 0]);
    rig.pass(&mut replica, 1);
    assert_eq!(slots(&rig.sent("celery"), "a"), [4, 5]);
    assert_eq!(rig.counted("celery", "paused"), 3);
}

#[test]
fn a_new_leader_counts_the_slots_of_a_pause_that_nobody_saw() {
    let mut rig = Rig::new();
    let all = || Entry { catch_up: CatchUp::All, ..every("a", 1) };
    let mut replica = rig.replica([all()]);
    rig.elect(&mut replica, false);
    rig.pass(&mut replica, 2);
    rig.depose(&mut replica);
    rig.pass(&mut replica, 2);
    rig.request(entry("a"), &pausing(None));
    rig.pass(&mut replica, 3);
    rig.request(entry("a"), &PauseRequest::Resume);
    rig.pass(&mut replica, 3);
    let mut next = rig.replica([all()]);
    rig.elect(&mut next, false);
    // Paused at 4, resumed at 7.
    assert_eq!(slots(&rig.sent("celery"), "a"), [1, 2, 3, 7, 8, 9, 10]);
    assert_eq!(rig.counted("celery", "paused"), 3);
    assert_eq!(rig.paused_subjects(), ["entry:a"]);
    rig.pass(&mut next, 21);
    assert_eq!(rig.paused_subjects(), [""; 0], "every slot of it is settled");
}

#[test]
fn a_carrier_gets_no_paused_slots() {
    let mut rig = Rig::new();
    let mut replica = rig.replica([carried("a"), carried("b")]);
    rig.elect(&mut replica, false);
    rig.pass(&mut replica, 2);
    rig.request(entry("a"), &pausing(None));
    rig.pass(&mut replica, 3);
    assert_eq!(rig.carrier.messages("carried").len(), 2 + 5);
    assert_eq!(rig.counted("carried", "scheduled"), 2 + 5);
    assert_eq!(rig.counted("carried", "paused"), 3);
}

#[test]
fn an_uncertain_slot_is_not_published_again_while_paused() {
    let mut rig = Rig::new();
    let mut replica = rig.replica([carried("a")]);
    rig.elect(&mut replica, false);
    rig.carrier.set_fault("carried", Some(CarrierFault::LoseAnswer));
    rig.pass(&mut replica, 1);
    rig.carrier.set_fault("carried", None);
    let handed_over = rig.carrier.messages("carried").len();
    rig.request(Subject::All, &pausing(None));
    rig.depose(&mut replica);
    let mut next = rig.replica([carried("a")]);
    rig.elect(&mut next, false);
    rig.pass(&mut next, 5);
    assert_eq!(rig.carrier.messages("carried").len(), handed_over);
    assert_eq!(rig.counted("carried", "paused"), 6);
}

#[test]
fn what_was_planned_before_a_pause_is_judged_again_even_if_the_pause_is_known_by_then() {
    let mut rig = Rig::new();
    // They go in two requests, one behind the other.
    let mut replica = rig.replica([carried("a"), every("b", 1)]);
    rig.elect(&mut replica, false);
    for clock in [&rig.clock, &rig.store_clock] {
        clock.set(START + SECOND);
    }
    rig.advance(SECOND);
    rig.renew(&mut replica);
    replica.step();
    rig.request(entry("b"), &pausing(None));
    replica.scheduler.update_pauses(answer(rig.store.clone().pauses()).unwrap());
    replica.run();
    assert_eq!(slots(&rig.sent("celery"), "b"), [0; 0]);
    assert_eq!(rig.counted("celery", "paused"), 1);
}
