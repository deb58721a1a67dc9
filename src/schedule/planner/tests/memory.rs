//! What a leader remembers after the store has forgotten it.

use super::*;

#[test]
fn the_next_leader_continues_where_the_last_one_stopped() {
    let mut first = at_noon([every("a", 60)]);
    go_through(&mut first, 1..=120);
    let next = take_over([every("a", 60)], &state_of(&first, at(125)), None);
    assert_eq!((next.changes, next.ended, next.repaired), (vec![], vec![], vec![]));
    let mut second = next.planner;
    assert_eq!(second.progress_of("a"), first.progress_of("a"));
    assert_eq!(settle_all(&mut second, at(180)), [send(180)]);
}

#[test]
fn progress_is_the_same_of_one_entry_and_of_several_among_others() {
    let mut planner = at_noon(["a", "b", "d", "e", "f"].map(|name| every(name, 60)));
    go_through(&mut planner, 1..=60);
    for names in [&["a", "b", "d", "e", "f"][..], &["b", "e"], &["", "b", "c", "d", "f", "g"], &[]]
    {
        let names: Vec<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
        let of_one = |name: &Arc<str>| Some((Arc::clone(name), planner.progress_of(name)?));
        let each: Vec<_> = names.iter().filter_map(of_one).collect();
        assert_eq!(planner.progress_of_each(&names), each, "{names:?}");
    }
}

#[test]
fn records_that_the_store_lost_are_sent_again_and_marked() {
    let mut planner = at_noon([every("a", 60)]);
    go_through(&mut planner, 1..=120);
    let older = State { now: at(7205), ..state_of(&planner, at(121)) };
    go_through(&mut planner, 121..=7205);
    let mut takeover = take_over([every("a", 60)], &older, Some(&planner));
    assert_eq!(takeover.changes, []);
    let again: Vec<_> = (180..=7200).step_by(60).map(resent).collect();
    assert_eq!(settle_all(&mut takeover.planner, at(7205)), again);
    assert_eq!(settle_all(&mut takeover.planner, at(7260)), [send(7260)]);
}

#[test]
fn what_was_skipped_and_counted_is_passed_over_when_its_record_is_lost() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    let older = state_of(&planner, at(10_810));
    // Nobody led for an hour, twice: skipped and sent in turns.
    assert_eq!(
        settle_all(&mut planner, at(3610)),
        [skip(3540, SkipReason::Superseded, 58), send(3600)]
    );
    settle_all(&mut planner, at(3660));
    let superseded = skip(7140, SkipReason::Superseded, 58);
    assert_eq!(settle_all(&mut planner, at(7210)), [superseded, send(7200)]);
    let none = Entry { catch_up: CatchUp::None, ..every("a", 60) };
    let mut planner = planner.replace(schedule([none]), at(7210)).planner;
    let too_late = skip(10_740, SkipReason::TooLate, 59);
    assert_eq!(planner.plan(at(10_790), 9, 9).items.len(), 1);
    let item = planner.plan(at(10_790), 9, 9).items[0];
    assert_eq!(item.line(planner.entry(item.entry)).count, 59);
    planner.settle(&item);
    assert_eq!((item.slot, item.action), (at(10_740), too_late.1));

    let takeover = take_over([every("a", 60)], &older, Some(&planner));
    let written = takeover.written();
    let mut again = takeover.planner;
    // The next leader must know what is passed over, too.
    let RegistrationChange::Begin { progress: Some(progress), .. } = &written[0] else {
        panic!("{:?}", takeover.changes)
    };
    assert_eq!(progress.through, at(60));
    let just_after = |run: &Run| (run.first - secs(0), run.last);
    let passed: Vec<_> = progress.ahead.iter().map(just_after).collect();
    let ms = Duration::from_millis(1);
    let expected = [(60, 3600), (3660, 7200)];
    let expected = expected.map(|(after, before)| (at(after) + ms, at(before) - ms));
    assert_eq!(passed[..2], expected);
    assert_eq!(passed[2], (at(7200) + ms, at(10_740)));
    assert_eq!(settle_all(&mut again, at(10_790)), [resent(3600), resent(3660), resent(7200)]);
    assert_eq!(settle_all(&mut again, at(10_800)), [send(10_800)]);
    assert_eq!(again.progress_of("a").unwrap().ahead, []);
}

#[test]
fn what_a_leader_before_us_settled_is_judged_anew_when_its_record_is_lost() {
    let mut first = at_noon([all(every("a", 60))]);
    settle_all(&mut first, at(60));
    let older = state_of(&first, at(310));
    go_through(&mut first, 61..=240);
    let newer = state_of(&first, at(245));
    let mut second = take_over([all(every("a", 60))], &newer, None).planner;
    second.advance(newer.sequence + 1);
    settle_all(&mut second, at(300));
    let mut third = take_over([all(every("a", 60))], &older, Some(&second)).planner;
    let expected = [caught_up(120), caught_up(180), caught_up(240), resent(300)];
    assert_eq!(settle_all(&mut third, at(310)), expected);
}

#[test]
fn what_memory_no_longer_reaches_is_counted_and_not_sent_again() {
    let mut planner = at_noon([every("a", 1)]);
    let older = state_of(&planner, at(100));
    for second in 1..=80 {
        let item = planner.plan(at(second), 9, 9).items[0];
        let is_sent = second % 2 == 0;
        let running = item.skipped(SkipReason::StillRunning);
        planner.settle(if is_sent { &item } else { &running });
    }
    planner.advance(99);
    let mut again = take_over([every("a", 1)], &older, Some(&planner)).planner;
    // The newest run and 32 before it.
    let resent: Vec<_> = (16..=80).step_by(2).map(resent).collect();
    let unknown = skip(15, SkipReason::Unknown, 15);
    let newer = [skip(84, SkipReason::Superseded, 4)];
    let on_time = sent(85..=100);
    let expected = [vec![unknown], resent, newer.to_vec(), on_time].concat();
    assert_eq!(settle_all(&mut again, at(100)), expected);
}

#[test]
fn a_second_rollback_while_slots_are_sent_again_sends_each_once_more() {
    let mut planner = at_noon([every("a", 60)]);
    let older = state_of(&planner, at(330));
    go_through(&mut planner, 1..=320);
    let mut again = take_over([every("a", 60)], &older, Some(&planner)).planner;
    let mut sequence = planner.sequence();
    for expected in [60, 120] {
        let item = again.plan(at(330), 9, 9).items[0];
        assert_eq!(item.slot, at(expected));
        again.settle(&item);
        sequence += 1;
        again.advance(sequence);
    }
    let mut third = take_over([every("a", 60)], &older, Some(&again)).planner;
    let expected = [60, 120, 180, 240, 300].map(resent);
    assert_eq!(settle_all(&mut third, at(330)), expected);
}

#[test]
fn a_leader_that_lost_an_answer_continues_from_what_the_store_has() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    let mut ahead = at_noon([every("a", 60)]);
    go_through(&mut ahead, 1..=180);
    let state = state_of(&ahead, at(190));
    let takeover = take_over([every("a", 60)], &state, Some(&planner));
    assert_eq!(takeover.changes, []);
    let mut planner = takeover.planner;
    assert_eq!(settle_all(&mut planner, at(240)), [send(240)]);
}

#[test]
fn if_others_have_led_the_store_is_believed() {
    let mut planner = at_noon([every("a", 60)]);
    go_through(&mut planner, 1..=180);
    // Rolled back, and written since by another leader.
    let mut other = at_noon([every("a", 60)]);
    go_through(&mut other, 1..=60);
    other.advance(planner.sequence() + 1);
    let takeover = take_over([every("a", 60)], &state_of(&other, at(185)), Some(&planner));
    assert_eq!(takeover.changes, []);
    let mut planner = takeover.planner;
    let done = settle_all(&mut planner, at(185));
    assert_eq!(done, [skip(120, SkipReason::Superseded, 1), send(180)]);
}

#[test]
fn a_registration_that_the_store_lost_continues_from_memory() {
    let mut planner = at_noon([every("a", 60)]);
    go_through(&mut planner, 1..=120);
    let older = State { now: at(125), completeness: Completeness::Whole, ..State::default() };
    let takeover = take_over([every("a", 60)], &older, Some(&planner));
    let begins = |change: &RegistrationChange| match change {
        RegistrationChange::Begin { since, .. } => *since,
        other => panic!("{other:?}"),
    };
    assert_eq!(takeover.written().iter().map(begins).collect::<Vec<_>>(), [NOON]);
    let mut planner = takeover.planner;
    assert_eq!(settle_all(&mut planner, at(125)), [resent(60), resent(120)]);
}

#[test]
fn a_flushed_store_gets_what_we_remember() {
    let mut planner = at_noon([every("a", 60)]);
    go_through(&mut planner, 1..=120);
    let empty = State { now: at(185), ..State::default() };
    let mut going_on = take_over([every("a", 60), every("new", 60)], &empty, Some(&planner));
    assert_eq!((ended(&going_on), repaired(&going_on)), (vec![], vec![]));
    let mut state = empty.clone();
    write(&going_on, &mut state);
    assert_eq!(state.progress["a"], planner.progress_of("a").unwrap());
    assert_eq!(state.registrations["a"].since, NOON);
    assert_eq!(state.registrations["new"].since, at(185));
    assert_eq!(settle_all(&mut going_on.planner, at(185)), [send(180)]);
    let mut anew = take_over([every("a", 60)], &empty, None);
    assert_eq!(ended(&anew), []);
    assert_eq!(settle_all(&mut anew.planner, at(185)), []);
    assert_eq!(settle_all(&mut anew.planner, at(240)), [send(240)]);
}

#[test]
fn what_was_edited_or_removed_while_the_store_was_flushed_is_counted() {
    let planner = at_noon([every("a", 60), every("gone", 60)]);
    let empty = State { now: at(185), ..State::default() };
    let takeover = take_over([every("a", 50)], &empty, Some(&planner));
    let retimed = SkipReason::Retimed;
    assert_eq!(ended(&takeover), [("a", 180, retimed, 3), ("gone", 180, retimed, 3)]);
}

#[test]
fn if_records_are_missing_everything_starts_now_and_the_gap_is_unknown() {
    let mut planner = at_noon([every("a", 60), every("b", 60), every("idle", 3600), every("c", 7)]);
    settle_all(&mut planner, at(60));
    let mut state = State { completeness: Completeness::Damaged, ..state_of(&planner, at(185)) };
    state.registrations.remove("b");
    state.progress.remove("c");
    let newcomer = every("new", 60);
    let entries = || [every("a", 60), every("b", 60), every("idle", 3600), newcomer.clone()];
    let mut takeover = take_over(entries(), &state, None);
    let unknown = SkipReason::Unknown;
    let expected = [("a", 180, unknown, 2), ("b", 180, unknown, 2), ("c", 180, unknown, 26)];
    assert_eq!(ended(&takeover), expected);
    write(&takeover, &mut state);
    assert_eq!(state.registrations["a"].since, at(185));
    assert_eq!(state.progress["a"].dispatched, Some(at(60)));
    assert_eq!(state.registrations["c"].timing, None);
    let done = settle_all(&mut takeover.planner, at(239));
    assert_eq!(done, []);
    assert_eq!(settle_all(&mut takeover.planner, at(240)), [send(240); 3]);
}

#[test]
fn if_records_are_missing_a_leader_with_memory_continues_from_it() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    let mut state = State { completeness: Completeness::Damaged, ..state_of(&planner, at(185)) };
    go_through(&mut planner, 61..=120);
    let mut takeover = take_over([every("a", 60)], &state, Some(&planner));
    assert_eq!(ended(&takeover), []);
    write(&takeover, &mut state);
    assert_eq!(state.progress["a"].through, at(120));
    assert_eq!(settle_all(&mut takeover.planner, at(185)), [send(180)]);
    // If the store knows more, the store is believed.
    state.progress.get_mut("a").unwrap().through = at(180);
    state.completeness = Completeness::Damaged;
    let mut takeover = take_over([every("a", 60)], &state, Some(&planner));
    assert_eq!(settle_all(&mut takeover.planner, at(239)), []);
}

#[test]
fn a_deleted_marker_among_records_sends_nothing_twice() {
    let mut planner = at_noon([every("a", 60)]);
    go_through(&mut planner, 1..=120);
    let state = State { completeness: Completeness::Empty, ..state_of(&planner, at(185)) };
    let mut takeover = take_over([every("a", 60)], &state, None);
    assert_eq!(ended(&takeover), [("a", 180, SkipReason::Unknown, 1)]);
    assert_eq!(go_through(&mut takeover.planner, 185..=240), [send(240)]);
}

#[test]
fn an_unreadable_record_affects_only_its_own_entry() {
    let entries = || ["a", "b", "c", "d"].map(|name| every(name, 60));
    let mut planner = at_noon(entries());
    settle_all(&mut planner, at(60));
    let mut state = state_of(&planner, at(185));
    state.progress.remove("b");
    state.registrations.remove("c");
    state.progress.remove("d");
    state.registrations.remove("d");
    for name in ["b", "c", "d", "stranger", "", "a\nb"] {
        state.unreadable.push((name.into(), "progress: `garbage`".to_owned()));
    }
    state.unreadable_count = state.unreadable.len();
    let mut takeover = take_over(entries(), &state, None);
    assert_eq!(repaired(&takeover), ["b", "c", "d", "stranger"]);
    assert_eq!(takeover.repaired[0].what, "progress: `garbage`");
    let unknown = SkipReason::Unknown;
    let expected = [
        // Since its registration, because nothing later can be read.
        ("b", 180, unknown, 3),
        ("c", 180, unknown, 2),
        ("d", 185, unknown, 1),
        ("stranger", 185, unknown, 1),
    ];
    assert_eq!(ended(&takeover), expected);
    let done = settle_all(&mut takeover.planner, at(185));
    assert_eq!(done, [skip(120, SkipReason::Superseded, 1), send(180)]);
    write(&takeover, &mut state);
    assert_eq!(state.registrations["b"].since, at(185));
    assert_eq!(state.registrations["stranger"].timing, None);
    assert_eq!(state.progress["stranger"], Progress::through(at(185)));
    assert!(!state.registrations.contains_key("a\nb"));
}

#[test]
fn an_unreadable_record_is_repaired_by_the_leader_that_wrote_it() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    let mut state = state_of(&planner, at(125));
    state.progress.clear();
    state.unreadable = vec![("a".into(), "progress: `garbage`".to_owned())];
    state.unreadable_count = 1;
    let mut takeover = take_over([every("a", 60)], &state, Some(&planner));
    assert_eq!((ended(&takeover), repaired(&takeover)), (vec![], vec!["a"]));
    assert_eq!(settle_all(&mut takeover.planner, at(125)), [send(120)]);
    write(&takeover, &mut state);
    assert_eq!(state.progress["a"].through, at(60));
}

#[test]
fn an_entry_with_half_of_its_records_is_not_believed_if_some_unreadable_values_are_unnamed() {
    let entries = || ["a", "b", "c"].map(|name| every(name, 60));
    let mut planner = at_noon(entries());
    settle_all(&mut planner, at(60));
    let mut state = state_of(&planner, at(185));
    state.progress.remove("b");
    state.progress.remove("c");
    state.registrations.remove("c");
    state.unreadable_count = 1_000;
    let mut takeover = take_over(entries(), &state, None);
    assert_eq!(repaired(&takeover), ["b", "c"]);
    let unknown = SkipReason::Unknown;
    assert_eq!(ended(&takeover), [("b", 180, unknown, 3), ("c", 185, unknown, 1)]);
    let done = settle_all(&mut takeover.planner, at(185));
    assert_eq!(done, [skip(120, SkipReason::Superseded, 1), send(180)]);
}

#[test]
fn an_uncertain_slot_is_sent_again_marked_within_its_window() {
    let mut planner = at_noon([on_amqp(every("a", 60))]);
    assert_eq!(planner.plan(at(61), 10, 10).items.len(), 1);
    planner.mark_uncertain(0, at(60));
    assert_eq!(settle_all(&mut planner, at(121)), [resent(60), send(120)]);

    // Even after a restart hours later it is not superseded: it may be the one that was sent.
    let mut state = state_of(&planner, NOON + HOUR * 2);
    state.intents.insert("a".into(), at(180));
    let entries = || [on_amqp(every("a", 60))];
    let mut next = take_over(entries(), &state, None).planner;
    let done = settle_all(&mut next, NOON + HOUR * 2);
    assert_eq!(done[0], resent(180));
    assert_eq!(done[1].1, Action::Skip { reason: SkipReason::Superseded, count: 116 });

    // Beyond its window it is too late, and once recorded it is no longer uncertain.
    state.now = NOON + HOUR * 48;
    let mut late = take_over(entries(), &state, None).planner;
    let is_resent = |(_, action): &(u64, Action)| *action == Action::Send(Kind::Resent);
    assert!(!settle_all(&mut late, state.now).iter().any(is_resent));
    state.progress.insert("a".into(), Progress::through(at(180)));
    state.now = at(181);
    let mut done = take_over(entries(), &state, None).planner;
    assert_eq!(settle_all(&mut done, state.now), []);
}

#[test]
fn a_slot_that_is_not_due_yet_is_counted_where_its_entry_starts_now() {
    let delay = Some(Box::new(crate::schedule::delay::Delay::spread(secs(120), 1, 2)));
    let late = || Entry { delay: delay.clone(), ..every("a", 120) };
    let planner = at_noon([late()]);
    let damaged = State { completeness: Completeness::Damaged, ..state_of(&planner, at(130)) };
    let mut takeover = take_over([late()], &damaged, None);
    assert_eq!(ended(&takeover), [("a", 120, SkipReason::Unknown, 1)]);
    assert_eq!(settle_all(&mut takeover.planner, at(200)), []);
}
