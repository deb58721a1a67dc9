//! Clocks that were ahead and are set right.

use super::*;
use crate::schedule::outcome::Line;

fn line(slot: u64, outcome: Outcome) -> Line {
    Line::new("a".into(), at(slot), outcome)
}

fn dispatched(slot: u64) -> Line {
    line(slot, Outcome::Dispatched(Kind::Scheduled))
}

const AN_HOUR: u64 = 3600;

/// A planner whose clock is an hour ahead for ten seconds, from the tenth on.
fn an_hour_ahead() -> Planner {
    let mut planner = at_noon([all(every("a", 1))]);
    go_through(&mut planner, 1..=10);
    go_through(&mut planner, AN_HOUR + 10..=AN_HOUR + 20);
    planner
}

#[test]
fn a_clock_that_was_an_hour_ahead_silences_nothing_and_sends_nothing_twice() {
    let mut planner = at_noon([every("a", 1)]);
    assert_eq!(go_through(&mut planner, 1..=10), sent(1..=10));
    let ahead = go_through(&mut planner, AN_HOUR + 10..=AN_HOUR + 20);
    let superseded = skip(AN_HOUR - 6, SkipReason::Superseded, AN_HOUR - 16);
    assert_eq!(ahead, [vec![superseded], sent(AN_HOUR - 5..=AN_HOUR + 20)].concat());
    let repair = planner.repair(at(20), &[]);
    assert_eq!(repair.repaired.len(), 1);
    assert!(repair.repaired[0].what.contains("by a clock that was ahead"));
    // Slots skipped ahead of their time are sent, those already sent are not.
    let done = go_through(&mut planner, 21..=AN_HOUR + 30);
    assert_eq!(done, [sent(11..=AN_HOUR - 6), sent(AN_HOUR + 21..=AN_HOUR + 30)].concat());
    assert_eq!(planner.progress_of("a").unwrap().ahead, []);
}

#[test]
fn slots_skipped_by_a_wrong_clock_are_sent_if_still_on_time() {
    let mut planner = at_noon([every("a", 1)]);
    go_through(&mut planner, 1..=10);
    go_through(&mut planner, AN_HOUR + 10..=AN_HOUR + 40);
    let _ = planner.repair(at(40), &[]);
    // Earlier ones are already counted. The next plan may be late.
    let done = settle_all(&mut planner, at(42));
    assert_eq!(done, sent(25..=42));
}

#[test]
fn slots_skipped_before_a_clock_was_ahead_stay_skipped() {
    let mut planner = at_noon([every("a", 1)]);
    go_through(&mut planner, 1..=10);
    let skipped = planner.plan(at(11), 1, 1).items[0].skipped(SkipReason::QueueFull);
    planner.settle(&skipped);
    go_through(&mut planner, AN_HOUR + 12..=AN_HOUR + 20);
    let history: Vec<Line> =
        (6..=10).map(dispatched).chain([skipped.line(planner.entry(skipped.entry))]).collect();
    let _ = planner.repair(at(20), &history);
    assert_eq!(go_through(&mut planner, 20..=21), sent(12..=21));
}

#[test]
fn a_repair_sends_nothing_from_before_the_registration() {
    let mut planner = at_noon([every("a", 1)]);
    go_through(&mut planner, 1..=2);
    go_through(&mut planner, AN_HOUR + 3..=AN_HOUR + 5);
    let _ = planner.repair(at(5), &[]);
    assert_eq!(go_through(&mut planner, 5..=6), sent(3..=6));
    // One that began before the first slot was sent, and one that began while the clock was ahead.
    for began_at in [0, AN_HOUR] {
        let state = State { now: at(began_at), ..State::default() };
        let mut planner = take_over([every("a", 1)], &state, None).planner;
        settle_all(&mut planner, at(AN_HOUR + 60));
        let _ = planner.repair(at(2), &[]);
        let first = if began_at == 0 { 1 } else { 3 };
        assert_eq!(go_through(&mut planner, 2..=4), sent(first..=4), "{began_at}");
    }
}

#[test]
fn a_repair_is_written_and_continues_under_the_next_leader() {
    let mut planner = an_hour_ahead();
    let mut state = state_of(&planner, at(20));
    let repair = planner.repair(at(20), &[]);
    let takeover = Takeover {
        planner,
        changes: repair.changes,
        ended: vec![],
        repaired: vec![],
        fold_first: true,
    };
    write(&takeover, &mut state);
    let progress = &state.progress["a"];
    let first = at(20) + Duration::from_millis(1);
    assert_eq!(progress.through, at(20));
    assert_eq!(progress.ahead, [Run { first, last: at(AN_HOUR + 20) }]);
    let mut next = take_over([all(every("a", 1))], &state, None);
    assert_eq!((repaired(&next), &next.changes[..]), (vec![], &[][..]));
    let done = go_through(&mut next.planner, 20..=AN_HOUR + 22);
    assert_eq!(done, sent(AN_HOUR + 21..=AN_HOUR + 22));
}

#[test]
fn a_clock_set_back_by_less_than_the_grace_sends_nothing_twice() {
    let mut planner = at_noon([every("a", 1)]);
    go_through(&mut planner, 1..=14);
    assert_eq!(planner.repair(NOON, &[]), Repair::default());
    assert_eq!(go_through(&mut planner, 0..=16), sent(15..=16));
    let state = state_of(&planner, at(2));
    let mut next = take_over([every("a", 1)], &state, None);
    assert_eq!((repaired(&next), &next.changes[..]), (vec![], &[][..]));
    assert_eq!(go_through(&mut next.planner, 2..=18), sent(17..=18));
}

#[test]
fn a_clock_set_back_by_more_than_the_grace_and_forward_sends_each_slot_once() {
    let mut planner = at_noon([every("a", 1)]);
    go_through(&mut planner, 1..=30);
    assert_eq!(planner.repair(at(10), &[]).repaired.len(), 1);
    // A second repair finds nothing.
    assert_eq!(planner.repair(at(11), &[]), Repair::default());
    assert_eq!(go_through(&mut planner, 10..=18), []);
    assert_eq!(go_through(&mut planner, 38..=45), sent(31..=45));
}

#[test]
fn slots_judged_by_a_wrong_clock_are_judged_anew() {
    let mut planner = at_noon([all(every("a", 1))]);
    go_through(&mut planner, 1..=10);
    // The queue refuses while the clock is wrong.
    planner.hold(&"celery".into());
    let _ = planner.plan(at(AN_HOUR), 10, 10);
    planner.release("celery");
    assert_eq!(planner.repair(at(12), &[]), Repair::default());
    assert_eq!(go_through(&mut planner, 12..=14), sent(11..=14));
}

#[test]
fn an_uncertain_slot_ahead_of_the_clock_is_sent_again_marked_at_its_time() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    planner.mark_uncertain(0, at(AN_HOUR));
    let _ = planner.repair(at(61), &[]);
    let done = go_through(&mut planner, 61..=AN_HOUR + 60);
    let expected = (120..=AN_HOUR + 60).step_by(60);
    let marked = |slot| if slot <= AN_HOUR { resent(slot) } else { send(slot) };
    assert_eq!(done, expected.map(marked).collect::<Vec<_>>());
    let mut state = state_of(&at_noon([every("a", 60)]), at(61));
    state.intents.insert("a".into(), at(AN_HOUR));
    let mut next = take_over([every("a", 60)], &state, None).planner;
    let done = go_through(&mut next, 61..=AN_HOUR);
    assert_eq!(done[0], send(60));
    assert_eq!(done.last(), Some(&resent(AN_HOUR)));
}

#[test]
fn implausible_progress_is_repaired_and_dispatched_slots_are_passed_over() {
    let planner = at_noon([every("a", 1), every("b", 1)]);
    let mut state = state_of(&planner, at(20));
    let newest = Some(at(AN_HOUR + 8));
    let progress = Progress { dispatched: newest, ..Progress::through(at(AN_HOUR + 9)) };
    state.progress.insert("a".into(), progress);
    assert!(state.is_ahead(GRACE));
    // What the history names.
    let skipped = line(AN_HOUR + 5, Outcome::Skipped(SkipReason::StillRunning));
    let manual = line(AN_HOUR + 30, Outcome::Dispatched(Kind::Manual));
    let lines = [AN_HOUR + 2, AN_HOUR + 3, AN_HOUR + 4].map(dispatched);
    let more = [19, AN_HOUR + 6, AN_HOUR + 7].map(dispatched);
    state.apply_ahead(lines.iter().chain([&skipped]).chain(&more).chain([&manual]));
    let takeover = take_over([every("a", 1), every("b", 1)], &state, None);
    assert_eq!((repaired(&takeover), ended(&takeover)), (vec!["a"], vec![]));
    write(&takeover, &mut state);
    let ahead = [run(AN_HOUR + 2, AN_HOUR + 4), run(AN_HOUR + 6, AN_HOUR + 8)];
    let progress = &state.progress["a"];
    assert_eq!(progress.ahead[0], ahead[0]);
    assert!((AN_HOUR + 6..=AN_HOUR + 8).all(|slot| progress.is_settled(at(slot))));
    assert!(!progress.is_settled(at(AN_HOUR + 5)));
    let next = take_over([every("a", 1), every("b", 1)], &state, None);
    for mut planner in [takeover.planner, next.planner] {
        let done = go_through(&mut planner, 20..=AN_HOUR + 10);
        for slot in 21..=AN_HOUR + 10 {
            let is_passed = ahead.iter().any(|run| run.contains(at(slot)));
            let count = done.iter().filter(|done| **done == send(slot)).count();
            assert_eq!(count, if is_passed { 1 } else { 2 }, "{slot}");
        }
    }
}

#[test]
fn a_registration_from_the_future_starts_now() {
    let mut state = state_of(&at_noon([every("a", 1)]), at(20));
    state.registrations.get_mut("a").unwrap().since = at(AN_HOUR);
    let mut takeover = take_over([every("a", 1)], &state, None);
    assert_eq!((repaired(&takeover), ended(&takeover)), (vec!["a"], vec![]));
    write(&takeover, &mut state);
    assert_eq!(state.registrations["a"].since, at(20));
    assert_eq!(go_through(&mut takeover.planner, 20..=22), sent(21..=22));
}

#[test]
fn an_edit_after_implausible_progress_starts_now_and_sends_nothing_twice() {
    let planner = at_noon([every("a", 5)]);
    let mut state = state_of(&planner, at(20));
    let ahead = Some(at(AN_HOUR));
    let progress = Progress { dispatched: ahead, ..Progress::through(at(AN_HOUR)) };
    state.progress.insert("a".into(), progress);
    let mut takeover = take_over([every("a", 6)], &state, None);
    assert_eq!((repaired(&takeover), ended(&takeover)), (vec!["a"], vec![]));
    let done = go_through(&mut takeover.planner, 20..=AN_HOUR + 6);
    let expected = (24..=AN_HOUR + 6).step_by(6).filter(|slot| *slot != AN_HOUR);
    assert_eq!(done, expected.map(send).collect::<Vec<_>>());
}

#[test]
fn a_leader_with_memory_repairs_what_it_sent_itself() {
    let planner = an_hour_ahead();
    let state = state_of(&planner, at(20));
    let mut takeover = take_over([all(every("a", 1))], &state, Some(&planner));
    assert_eq!(repaired(&takeover), ["a"]);
    let done = go_through(&mut takeover.planner, 20..=AN_HOUR + 22);
    assert_eq!(done, sent(AN_HOUR + 21..=AN_HOUR + 22));
}

#[test]
fn what_was_sent_ahead_of_its_time_counts_once_against_the_limit() {
    let mut planner = at_noon([limited("a", 3)]);
    go_through(&mut planner, 1..=60);
    settle_all(&mut planner, at(AN_HOUR + 1));
    let _ = planner.repair(at(62), &[]);
    assert_eq!(planner.progress_of("a").unwrap().count, 2);
    assert_eq!(go_through(&mut planner, 62..=AN_HOUR + 600), [send(120)]);
}

#[test]
fn what_was_sent_ahead_of_its_time_and_forgotten_is_marked_when_it_is_sent_again() {
    let mut planner = at_noon([every("a", 1)]);
    go_through(&mut planner, 1..=10);
    let older = state_of(&planner, at(30));
    go_through(&mut planner, AN_HOUR + 10..=AN_HOUR + 12);
    let _ = planner.repair(at(12), &[]);
    go_through(&mut planner, 12..=20);
    let mut again = take_over([every("a", 1)], &older, Some(&planner)).planner;
    let done = go_through(&mut again, 30..=AN_HOUR + 13);
    assert_eq!(done[..10], (11..=20).map(resent).collect::<Vec<_>>());
    assert_eq!(done[10], send(21));
    let marked: Vec<_> = done[10..].iter().filter(|done| **done == resent(done.0)).collect();
    let expected: Vec<_> = (AN_HOUR - 5..=AN_HOUR + 12).map(resent).collect();
    assert_eq!(marked, expected.iter().collect::<Vec<_>>());
    assert_eq!(done.last(), Some(&send(AN_HOUR + 13)));
}

#[test]
fn what_a_leader_before_us_sent_ahead_of_its_time_is_known_from_the_history() {
    let mut first = at_noon([every("a", 1)]);
    go_through(&mut first, 1..=10);
    go_through(&mut first, 40..=50);
    let mut second = take_over([every("a", 1)], &state_of(&first, at(50)), None).planner;
    assert!(!second.needs_repair(at(50)) && second.needs_repair(at(12)));
    let history: Vec<Line> = (9..=50).map(dispatched).collect();
    assert_eq!(second.repair(at(12), &history).repaired.len(), 1);
    assert_eq!(go_through(&mut second, 12..=52), sent(51..=52));
}

#[test]
fn what_may_have_been_sent_ahead_of_its_time_is_passed_over() {
    let planner = at_noon([all(every("a", 1))]);
    let damaged = State { completeness: Completeness::Damaged, ..state_of(&planner, at(50)) };
    let mut takeover = take_over([all(every("a", 1))], &damaged, None);
    assert_eq!(ended(&takeover), [("a", 50, SkipReason::Unknown, 50)]);
    // The clock that showed this was ahead.
    let unknown = Line { count: 50, ..line(50, Outcome::Skipped(SkipReason::Unknown)) };
    assert_eq!(takeover.planner.repair(at(12), [&unknown]).repaired.len(), 1);
    assert_eq!(go_through(&mut takeover.planner, 12..=52), sent(51..=52));
}

#[test]
fn a_registration_from_the_future_that_a_rollback_brings_back_costs_no_slot() {
    let mut older = state_of(&at_noon([all(every("a", 1))]), at(20));
    older.registrations.get_mut("a").unwrap().since = at(AN_HOUR);
    let mut planner = at_noon([all(every("a", 1))]);
    go_through(&mut planner, 1..=10);
    // Some are due when the store is rolled back.
    let mut again = take_over([all(every("a", 1))], &older, Some(&planner));
    assert_eq!(repaired(&again), ["a"]);
    assert_eq!(settle_all(&mut again.planner, at(20)), sent(11..=20));
}

#[test]
fn what_a_later_leader_sent_after_a_rollback_is_not_sent_again_once_its_clock_is_right() {
    let mut first = at_noon([all(every("a", 1))]);
    let older = state_of(&first, at(10));
    go_through(&mut first, 1..=10);
    first.advance(first.sequence() + 90_000);
    let mut second = take_over([all(every("a", 1))], &older, None).planner;
    go_through(&mut second, 11..=20);
    go_through(&mut second, AN_HOUR + 20..=AN_HOUR + 20);
    let mut ahead = state_of(&second, at(22));
    ahead.apply_ahead(&(1..=AN_HOUR + 20).map(dispatched).collect::<Vec<_>>());
    let mut again = take_over([all(every("a", 1))], &ahead, Some(&first));
    assert_eq!(repaired(&again), ["a"]);
    assert_eq!(settle_all(&mut again.planner, at(25)), []);
}
