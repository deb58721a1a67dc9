//! Paused slots are counted, and never caught up.

use super::*;
use crate::schedule::pause::AT_WRITE;

fn pause(from: u64, until: Option<u64>) -> Pause {
    let until = until.map(at);
    Pause { from: at(from), until, by: Some("ann".into()), note: None }
}

fn set(planner: &mut Planner, pauses: Vec<Pause>) {
    planner.set_pauses(Arc::new([(Subject::All, pauses)].into_iter().collect()));
}

#[test]
fn nothing_goes_while_a_pause_is_in_force_and_the_slot_at_its_end_goes() {
    for catch_up in [CatchUp::Latest, CatchUp::All, CatchUp::None] {
        let mut planner = at_noon([Entry { catch_up, ..every("a", 1) }]);
        assert_eq!(go_through(&mut planner, 1..=3), sent(1..=3));
        set(&mut planner, vec![pause(4, Some(8))]);
        let paused = (4..=7).map(|slot| skip(slot, SkipReason::Paused, 1)).collect::<Vec<_>>();
        assert_eq!(go_through(&mut planner, 4..=9), [paused, sent(8..=9)].concat());
    }
}

#[test]
fn what_was_due_before_a_pause_and_has_not_gone_is_paused_with_it() {
    let mut planner = at_noon([all(every("a", 1))]);
    // Judged, but not sent.
    assert_eq!(planner.plan(at(3), 10, 10).items.len(), 3);
    set(&mut planner, vec![pause(4, None)]);
    assert_eq!(settle_all(&mut planner, at(5)), [skip(5, SkipReason::Paused, 5)]);
    // Resumed: nothing is caught up.
    set(&mut planner, vec![pause(4, Some(6))]);
    assert_eq!(settle_all(&mut planner, at(7)), sent(6..=7));
}

#[test]
fn slots_not_recorded_as_paused_before_a_resume_are_sent() {
    let mut planner = at_noon([all(every("a", 1))]);
    set(&mut planner, vec![pause(2, None)]);
    assert_eq!(planner.plan(at(3), 10, 10).items.len(), 1);
    set(&mut planner, vec![pause(2, Some(3))]);
    let expected = [send(1), skip(2, SkipReason::Paused, 1), send(3)];
    assert_eq!(settle_all(&mut planner, at(3)), expected);
}

#[test]
fn after_an_outage_the_slots_in_a_pause_are_paused_and_the_others_missed() {
    let minutely = |catch_up| Entry { catch_up, ..every("a", 60) };
    let after = |catch_up, pauses: Vec<Pause>| {
        let mut planner = at_noon([minutely(catch_up)]);
        set(&mut planner, pauses);
        settle_all(&mut planner, at(630))
    };
    let one = || vec![pause(170, Some(301))];
    let paused = skip(300, SkipReason::Paused, 3);
    let missed = |slots: [u64; 2]| slots.map(caught_up).to_vec();
    let late = (6..=10).map(|n| caught_up(60 * n)).collect::<Vec<_>>();
    assert_eq!(after(CatchUp::All, one()), [missed([60, 120]), vec![paused], late].concat());
    let superseded = |slot, count| skip(slot, SkipReason::Superseded, count);
    let expected = [superseded(120, 2), paused, superseded(540, 4), caught_up(600)];
    assert_eq!(after(CatchUp::Latest, one()), expected);
    let too_late = |slot, count| skip(slot, SkipReason::TooLate, count);
    assert_eq!(after(CatchUp::None, one()), [too_late(120, 2), paused, too_late(600, 5)]);
    // The newest missed slot is the newest one that was not paused.
    let last = || vec![pause(170, Some(301)), pause(470, Some(620))];
    let expected = [
        superseded(120, 2),
        paused,
        superseded(360, 1),
        caught_up(420),
        skip(600, SkipReason::Paused, 3),
    ];
    assert_eq!(after(CatchUp::Latest, last()), expected);
    let whole = || vec![pause(0, Some(625))];
    assert_eq!(after(CatchUp::Latest, whole()), [skip(600, SkipReason::Paused, 10)]);
}

/// The same planner and its memory, as after an edit of another entry.
fn edited(planner: &Planner, now: u64) -> Planner {
    planner.replace(Arc::clone(planner.schedule()), at(now)).planner
}

#[test]
fn what_was_missed_is_judged_by_the_pauses_that_there_are_when_it_goes() {
    for (catch_up, missed) in [
        (CatchUp::All, (1..=44).map(caught_up).collect()),
        (CatchUp::Latest, vec![skip(44, SkipReason::Superseded, 44)]),
        (CatchUp::None, vec![skip(44, SkipReason::TooLate, 44)]),
    ] {
        let mut planner = at_noon([Entry { catch_up, ..every("a", 1) }]);
        set(&mut planner, vec![pause(58, None)]);
        let planned = planner.plan(at(60), 10, 10).items;
        assert_eq!(planned.iter().map(Item::count).collect::<Vec<_>>(), [60]);
        let mut planner = edited(&planner, 60);
        // Resumed before it was recorded.
        set(&mut planner, vec![pause(58, Some(60))]);
        let others = [sent(45..=57), vec![skip(59, SkipReason::Paused, 2), send(60)]].concat();
        assert_eq!(settle_all(&mut planner, at(60)), [missed, others].concat());
    }
}

#[test]
fn the_newest_that_was_missed_does_not_go_beside_another_that_is_due_by_now() {
    let mut planner = at_noon([every("a", 10)]);
    set(&mut planner, vec![pause(45, Some(61))]);
    let planned = planner.plan(at(62), 10, 10).items;
    assert_eq!(planned[1].outcome(), Outcome::Dispatched(Kind::CatchUp));
    let mut planner = edited(&planner, 62);
    let superseded = skip(40, SkipReason::Superseded, 4);
    let expected = [superseded, skip(60, SkipReason::Paused, 2), send(70)];
    assert_eq!(settle_all(&mut planner, at(70)), expected);
}

#[test]
fn a_pause_applies_by_the_stores_clock_however_far_ahead_plans_are() {
    let mut planner = at_noon([every("a", 1), every("b", 60)]);
    planner.set_store_behind(secs(2));
    set(&mut planner, vec![pause(0, Some(5))]);
    assert_eq!(settle_all(&mut planner, at(4)), [skip(4, SkipReason::Paused, 4)]);
    // The store's clock shows 4.
    let plan = planner.plan(at(6), 10, 10);
    assert_eq!((plan.items, plan.wake_at), (vec![], at(7)));
    assert_eq!(settle_all(&mut planner, at(7)), sent(5..=7));
}

#[test]
fn a_pause_by_tag_leaves_the_others_alone() {
    let about = crate::schedule::entry::About { tags: vec!["x".into()], ..Default::default() };
    let tagged = Entry { about: about.some(), ..every("a", 1) };
    let mut planner = at_noon([tagged, every("b", 1)]);
    let subject = Subject::Tag("x".into());
    let pauses = [(subject.clone(), vec![pause(0, None)])];
    planner.set_pauses(Arc::new(pauses.into_iter().collect()));
    let items = planner.plan(at(1), 10, 10).items;
    assert_eq!(
        items.iter().map(|item| (item.entry, item.outcome())).collect::<Vec<_>>(),
        [(0, Outcome::Skipped(SkipReason::Paused)), (1, Outcome::Dispatched(Kind::Scheduled)),]
    );
    assert_eq!(planner.pause_of(&items[0], at(1)), Some(&pause(0, None)));
    assert_eq!(planner.pause_of(&items[1], at(1)), None);
    // The pause also covers tomorrow's schedule.
    let mut replaced = planner.replace(Arc::clone(planner.schedule()), at(1)).planner;
    assert_eq!(replaced.plan(at(1), 10, 10).items, items);
    assert!(planner.is_past(&subject, at(1)) && !planner.is_past(&subject, at(2)));
    planner.settle(&items[0]);
    assert!(planner.is_past(&subject, at(2)) && !planner.is_past(&Subject::All, at(2)));
    for (name, is_past) in [("a", true), ("b", false), ("gone", true)] {
        assert_eq!(planner.is_past(&Subject::Entry(name.into()), at(2)), is_past, "{name}");
    }
}

#[test]
fn what_was_sent_and_forgotten_is_not_sent_again_while_paused() {
    let mut planner = at_noon([on_amqp(every("a", 1))]);
    planner.mark_uncertain(0, at(1));
    let until = Some(AT_WRITE);
    set(&mut planner, vec![Pause { until, ..pause(2, None) }]);
    assert_eq!(settle_all(&mut planner, at(1)), [skip(1, SkipReason::Paused, 1)]);
}
