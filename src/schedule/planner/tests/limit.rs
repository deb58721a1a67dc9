use super::*;

#[test]
fn an_entry_that_reached_its_limit_has_no_more_slots() {
    let mut planner = at_noon([limited("a", 3)]);
    assert_eq!(settle_all(&mut planner, at(60)), [send(60)]);
    assert_eq!(planner.progress_of("a").unwrap().count, 1);
    assert_eq!(planner.next_due().unwrap().0, NOON + secs(120));
    assert_eq!(go_through(&mut planner, 61..=300), [send(120), send(180)]);
    assert_eq!((planner.next_due(), planner.done()), (None, 1));
    // Neither sent nor counted as skipped, however long.
    assert_eq!(planner.plan(NOON + DAY, 10, 10), Plan { items: vec![], wake_at: UnixMs::MAX });
}

#[test]
fn no_more_slots_are_planned_at_once_than_the_limit_leaves() {
    let mut planner = at_noon([Entry { catch_up: CatchUp::All, ..limited("a", 3) }]);
    let items = planner.plan(NOON + HOUR, 100, 50).items;
    assert_eq!(items.len(), 3);
    planner.settle(&items[0]);
    assert_eq!(planner.plan(NOON + HOUR, 100, 50).items, items[1..]);
}

#[test]
fn skips_do_not_count_against_the_limit_and_none_follow_the_last_slot() {
    let none = Entry { catch_up: CatchUp::None, ..limited("a", 2) };
    let mut planner = at_noon([none]);
    let missed = skip(3540, SkipReason::TooLate, 59);
    assert_eq!(settle_all(&mut planner, NOON + secs(3610)), [missed, send(3600)]);
    assert_eq!(settle_all(&mut planner, NOON + secs(3670)), [send(3660)]);
    assert_eq!(settle_all(&mut planner, NOON + DAY), []);
}

#[test]
fn the_limit_is_part_of_the_canonical_timing_and_the_room_is_not() {
    let mut entry = every("a", 60);
    assert_eq!(entry.canonical_timing(), "1 every 60000+0");
    entry.guards.max_queued = NonZeroU32::new(5);
    assert_eq!(entry.canonical_timing(), "1 every 60000+0");
    assert_eq!(limited("a", 3).canonical_timing(), "1 every 60000+0 limit 3");
}

#[test]
fn a_slot_skipped_for_a_full_queue_does_not_count_against_the_limit() {
    let mut planner = at_noon([limited("a", 2)]);
    let full = planner.plan(at(60), 10, 10).items[0].skipped(SkipReason::QueueFull);
    planner.settle(&full);
    assert_eq!(planner.progress_of("a").unwrap().count, 0);
    assert_eq!(go_through(&mut planner, 61..=400), [send(120), send(180)]);
}

#[test]
fn a_slot_that_is_settled_twice_counts_once() {
    let mut planner = at_noon([limited("a", 2)]);
    let item = planner.plan(at(60), 10, 10).items[0];
    planner.settle(&item);
    planner.settle(&item);
    assert_eq!(planner.progress_of("a").unwrap().count, 1);
    assert_eq!(go_through(&mut planner, 61..=400), [send(120)]);
}

#[test]
fn the_next_leader_continues_the_count() {
    let mut first = at_noon([limited("a", 3)]);
    go_through(&mut first, 1..=120);
    let next = take_over([limited("a", 3)], &state_of(&first, at(125)), None);
    assert_eq!(next.changes, []);
    let mut second = next.planner;
    assert_eq!(go_through(&mut second, 126..=400), [send(180)]);
    let state = state_of(&second, at(400));
    let mut third = take_over([limited("a", 3)], &state, None).planner;
    assert_eq!((settle_all(&mut third, NOON + HOUR), third.done()), (vec![], 1));
}

#[test]
fn what_the_store_lost_is_sent_again_and_counted_once() {
    let mut planner = at_noon([limited("a", 3)]);
    settle_all(&mut planner, at(60));
    let older = state_of(&planner, at(181));
    go_through(&mut planner, 61..=180);
    assert!(planner.is_done(0));
    let memory = Some(&planner);
    let mut rolled_back = take_over([limited("a", 3)], &older, memory).planner;
    assert_eq!(rolled_back.progress_of("a").unwrap().count, 1);
    assert_eq!(settle_all(&mut rolled_back, NOON + HOUR), [resent(120), resent(180)]);
    assert_eq!(rolled_back.progress_of("a").unwrap().count, 3);
    // Rolled back to before the registration: the store has sent nothing of it.
    let nothing = State { now: at(181), completeness: Completeness::Whole, ..State::default() };
    let mut rolled_back = take_over([limited("a", 3)], &nothing, memory).planner;
    let again = [resent(60), resent(120), resent(180)];
    assert_eq!(settle_all(&mut rolled_back, NOON + HOUR), again);
}

#[test]
fn a_flushed_store_gets_the_count_that_we_remember() {
    let mut planner = at_noon([limited("a", 3)]);
    go_through(&mut planner, 1..=120);
    let empty = State { now: at(185), ..State::default() };
    let mut going_on = take_over([limited("a", 3)], &empty, Some(&planner));
    let RegistrationChange::Begin { progress: Some(progress), .. } = &going_on.written()[0] else {
        panic!("{:?}", going_on.changes)
    };
    assert_eq!(progress.count, 2);
    assert_eq!(go_through(&mut going_on.planner, 185..=400), [send(180)]);
}

#[test]
fn an_edit_of_the_limit_starts_a_new_registration_and_any_other_keeps_the_count() {
    let mut planner = at_noon([limited("a", 2)]);
    settle_all(&mut planner, at(60));
    let mut edited = limited("a", 2);
    edited.message.queue = Queue::unconfigured("other");
    edited.guards.max_queued = NonZeroU32::new(5);
    let same = planner.replace(schedule([edited]), at(70));
    assert_eq!(same.changes, []);
    let mut same = same.planner;
    assert_eq!(go_through(&mut same, 71..=300), [send(120)]);
    let mut anew = same.replace(schedule([limited("a", 1)]), at(301)).planner;
    assert_eq!(anew.progress_of("a").unwrap().count, 0);
    assert_eq!(go_through(&mut anew, 301..=500), [send(360)]);
}

#[test]
fn slots_beyond_the_limit_are_not_counted_as_retimed() {
    let mut planner = at_noon([limited("done", 1), limited("one-left", 2)]);
    settle_all(&mut planner, at(60));
    let expected = [("one-left", 600, SkipReason::Retimed, 1)];
    assert_eq!(ended(&planner.replace(schedule([]), at(600))), expected);
    let state = State { now: at(600), ..state_of(&planner, at(600)) };
    assert_eq!(ended(&take_over([], &state, None)), expected);
}

#[test]
fn an_entry_whose_records_are_lost_continues_with_the_known_count() {
    let mut planner = at_noon([limited("a", 1), limited("b", 3)]);
    settle_all(&mut planner, at(60));
    let state = State { completeness: Completeness::Damaged, ..state_of(&planner, at(90)) };
    let entries = || [limited("a", 1), limited("b", 3)];
    let mut next = take_over(entries(), &state, None).planner;
    assert_eq!(go_through(&mut next, 90..=400), [send(120), send(180)]);
    // An edit restarts the count.
    let mut next = take_over([limited("a", 2)], &state, None).planner;
    assert_eq!(go_through(&mut next, 90..=400), [send(120), send(180)]);
}
