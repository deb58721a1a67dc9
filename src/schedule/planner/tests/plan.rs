use std::collections::VecDeque;

use downbeat_time::{Bounds, Timing};

use super::*;
use crate::schedule::delay::Delay;
use crate::worker::Expires;

/// An entry of every two minutes, due a minute after each slot.
fn a_minute_late() -> Entry {
    let delay = Delay::spread(secs(120), 1, 2);
    Entry { delay: Some(Box::new(delay)), ..every("a", 120) }
}

#[test]
fn nothing_fires_for_times_before_an_entry_was_known() {
    let mut planner = at_noon([every("a", 60), cron("b", "* * * * *")]);
    assert_eq!(settle_all(&mut planner, NOON), []);
    assert_eq!(planner.plan(NOON, 10, 10).wake_at, NOON + secs(60));
}

#[test]
fn each_slot_is_planned_until_it_is_settled_and_never_again() {
    let mut planner = at_noon([every("a", 60)]);
    let now = NOON + secs(61);
    let first = planner.plan(now, 10, 10);
    assert_eq!(first, planner.plan(now, 10, 10));
    assert_eq!(first.items.len(), 1);
    planner.settle(&first.items[0]);
    assert_eq!(planner.plan(now, 10, 10), Plan { items: vec![], wake_at: NOON + secs(120) });
}

/// Plans batch by batch until nothing is left; each answer arrives while the next two are planned.
fn plan_in_batches(
    planner: &mut Planner,
    now: UnixMs,
    limit: usize,
    per_entry: usize,
) -> Vec<Item> {
    let (mut items, mut in_flight) = (Vec::new(), VecDeque::new());
    loop {
        let batch = planner.plan(now, limit, per_entry).items;
        assert!(batch.len() < limit + per_entry, "{}", batch.len());
        let is_full = batch.is_empty() || in_flight.len() == 2;
        if batch.is_empty() && in_flight.is_empty() {
            return items;
        }
        batch.iter().for_each(|item| planner.mark_in_flight(item.entry));
        items.extend(&batch);
        in_flight.extend((!batch.is_empty()).then_some(batch));
        let answered = if is_full { in_flight.pop_front() } else { None };
        for item in answered.into_iter().flatten() {
            planner.settle(&item);
            planner.mark_returned(item.entry);
        }
    }
}

#[test]
fn what_is_planned_batch_by_batch_is_all_that_is_due_and_nothing_twice() {
    for missed in [false, true] {
        let entry =
            |n: u64| Entry { catch_up: CatchUp::All, ..every(&format!("e{n:02}"), 1 + n % 6) };
        let mut planner = at_noon((0..40).map(entry));
        let until = if missed { 400 } else { 12 };
        let now = at(until);
        let mut slots: Vec<_> = plan_in_batches(&mut planner, now, 10, 4)
            .iter()
            .map(|item| (item.entry, item.slot))
            .collect();
        slots.sort_unstable();
        let all = (0..40_u32).flat_map(|index| {
            let step = 1 + u64::from(index) % 6;
            (1..=until / step).map(move |n| (index, at(n * step)))
        });
        assert_eq!(slots, all.collect::<Vec<_>>());
        assert_eq!(planner.next_due().map(|(due, _)| due), Some(now + secs(1)));
    }
}

/// Settles all slots of an entry before `now`.
fn skip_missed(planner: &mut Planner, entry: u32, now: UnixMs) {
    let action = Action::Skip { reason: SkipReason::Superseded, count: 1 };
    planner.settle(&Item { entry, slot: now - INSTANT, action });
}

#[test]
fn slots_on_time_go_before_a_backlog() {
    let backlog =
        (0..1_500).map(|n| Entry { catch_up: CatchUp::All, ..every(&format!("b{n:04}"), 60) });
    let mut planner = at_noon(backlog.chain([every("live", 1)]));
    let now = NOON + DAY;
    let live = |items: &[Item]| items.iter().filter(|item| item.entry == 1_500).count();
    skip_missed(&mut planner, 1_500, now);
    for second in 0..30 {
        let items = planner.plan(now + secs(second), 100, 10).items;
        assert_eq!((items[0].entry, live(&items)), (1_500, 1), "{second}");
        assert!(items.len() > 90, "{second}: {}", items.len());
        items.iter().for_each(|item| planner.settle(item));
    }
}

#[test]
fn what_waits_for_its_turn_is_judged_while_it_is_on_time() {
    let entries = (0..500).map(|n| every(&format!("e{n:03}"), 3_600));
    let mut planner = at_noon(entries);
    let mut sent = 0;
    // 20 slots a second: the last ones are sent long after the grace.
    for second in 3_600..3_630 {
        for item in planner.plan(at(second), 20, 10).items {
            assert_eq!(item.action, Action::Send(Kind::Scheduled), "{second}");
            planner.settle(&item);
            sent += 1;
        }
    }
    assert_eq!(sent, 500);
}

#[test]
fn entries_with_missed_slots_take_turns() {
    let dense = Entry { catch_up: CatchUp::All, ..every("a-dense", 1) };
    let latest = (0..50).map(|n| every(&format!("b{n:02}"), 3_600));
    let mut planner = at_noon([dense].into_iter().chain(latest));
    let now = NOON + secs(7_000);
    let items = planner.plan(now, 100, 20).items;
    // Although the first has thousands of slots that are older than theirs.
    assert_eq!(items.iter().filter(|item| item.entry == 0).count(), 10);
    let caught_up = |item: &&Item| item.action == Action::Send(Kind::CatchUp) && item.entry > 0;
    assert_eq!(items.iter().filter(caught_up).count(), 50);
}

/// Sends everything planned until `until`, and waits as long as each plan says. Returns what was sent when.
fn send_until(planner: &mut Planner, mut now: UnixMs, until: UnixMs) -> Vec<(UnixMs, Item)> {
    let mut sent = Vec::new();
    while now < until {
        let plan = planner.plan(now, 125, 125);
        for item in plan.items {
            planner.charge(&item);
            planner.settle(&item);
            sent.push((now, item));
        }
        now = plan.wake_at.max(now);
    }
    sent
}

#[test]
fn missed_slots_go_at_the_rate_of_their_queue_and_nothing_waits_for_them() {
    let slow = (0..20).map(|n| slowly("10/s", all(every(&format!("a-slow{n:02}"), 60))));
    let others = [all(every("b-other", 60)), slowly("10/s", every("c-live", 1))];
    let mut planner = at_noon(slow.chain(others));
    let now = at(6_000);
    skip_missed(&mut planner, 21, now);
    let sent = send_until(&mut planner, now, at(6_030));
    let caught_up = |item: &Item| item.action == Action::Send(Kind::CatchUp);
    let slow = sent.iter().filter(|(_, item)| item.entry < 20 && caught_up(item));
    assert!((299..=301).contains(&slow.clone().count()), "{}", slow.count());
    for second in 0..30 {
        let (from, until) = (at(6_000 + second), at(6_001 + second));
        let went = slow.clone().filter(|(at, _)| (from..until).contains(at)).count();
        assert!((9..=11).contains(&went), "{went} in second {second}");
    }
    // The other queue is done at once, and no slot on time is late.
    let other = sent.iter().filter(|(at, item)| *at == now && item.entry == 20);
    assert_eq!(other.count(), 100);
    let live: Vec<_> = sent.iter().filter(|(_, item)| item.entry == 21).collect();
    assert_eq!(live.len(), 30);
    assert!(live.iter().all(|(at, item)| *at == item.slot), "{live:?}");
}

#[test]
fn what_waits_for_the_rate_of_its_queue_is_too_late_in_the_end() {
    let slow = Entry { within: secs(3_600), ..slowly("1/m", all(every("a", 30))) };
    let planner = &mut at_noon([slow]);
    let sent = send_until(planner, at(3_600), at(3_600 + 7_000));
    let (mut went, mut too_late) = (0, 0);
    for (at, item) in &sent {
        match item.action {
            Action::Send(_) => {
                assert!(at.since(item.slot) <= secs(3_600));
                went += 1;
            }
            Action::Skip { reason, count } => {
                assert_eq!(reason, SkipReason::TooLate);
                too_late += count;
            }
        }
    }
    let settled = planner.progress_of("a").unwrap().through.since(NOON).as_secs() / 30;
    assert_eq!(went + too_late, settled);
    assert!(too_late > 50, "{went} {too_late}");
}

#[test]
fn a_slot_on_time_supersedes_the_missed_one_that_waits_for_its_queue() {
    let slow = (0..3).map(|n| slowly("1/h", every(&format!("a{n}"), 60)));
    let mut planner = at_noon(slow);
    let sent = send_until(&mut planner, at(590), at(661));
    let slots = |action: Action| {
        let sent = sent.iter().filter(move |(_, item)| item.action == action);
        sent.map(|(now, item)| (now.since(NOON).as_secs(), item.slot.since(NOON).as_secs()))
            .collect::<Vec<_>>()
    };
    assert_eq!(slots(Action::Send(Kind::CatchUp)), [(590, 540)]);
    assert_eq!(
        slots(Action::Send(Kind::Scheduled)),
        [600, 600, 600, 660, 660, 660].map(|at| (at, at))
    );
    let superseded = Action::Skip { reason: SkipReason::Superseded, count: 9 };
    assert_eq!(slots(superseded), [(600, 540), (600, 540)]);
}

#[test]
fn a_backlog_has_a_share_even_if_slots_on_time_fill_every_plan() {
    let busy = (0..200).map(|n| every(&format!("busy{n:03}"), 1));
    let late = Entry { catch_up: CatchUp::All, ..every("late", 60) };
    let mut planner = at_noon(busy.chain([late]));
    let now = NOON + secs(600);
    for index in 0..200 {
        skip_missed(&mut planner, index, now);
    }
    let items = planner.plan(now, 80, 10).items;
    assert_eq!(items.iter().filter(|item| item.entry < 200).count(), 70);
    assert_eq!(items.iter().filter(|item| item.entry == 200).count(), 10);
}

#[test]
fn clock_set_back_dispatches_nothing_twice() {
    let mut planner = at_noon([every("a", 60)]);
    for at in [60, 120, 180] {
        assert_eq!(settle_all(&mut planner, NOON + secs(at)), [send(at)]);
    }
    assert_eq!(settle_all(&mut planner, NOON - HOUR), []);
    assert_eq!(settle_all(&mut planner, NOON + secs(180)), []);
    assert_eq!(settle_all(&mut planner, NOON + secs(240)), [send(240)]);
}

#[test]
fn clock_set_forward_makes_slots_missed_and_counted() {
    let mut planner = at_noon([every("a", 60)]);
    assert_eq!(
        settle_all(&mut planner, NOON + secs(3610)),
        [skip(3540, SkipReason::Superseded, 59), send(3600)]
    );
}

#[test]
fn slots_within_the_grace_go_each_one_in_order() {
    let mut planner = at_noon([every("a", 1)]);
    let done = settle_all(&mut planner, NOON + secs(15));
    assert_eq!(done, sent(1..=15));
}

#[test]
fn latest_sends_only_the_newest_missed_slot() {
    let mut planner = at_noon([every("a", 3600)]);
    assert_eq!(
        settle_all(&mut planner, NOON + secs(3 * 3600 + 600)),
        [skip(2 * 3600, SkipReason::Superseded, 2), caught_up(3 * 3600)]
    );
}

#[test]
fn all_sends_every_missed_slot_in_order() {
    let planner = &mut at_noon([Entry { catch_up: CatchUp::All, ..every("a", 3600) }]);
    let expected: Vec<_> = (1..=20).map(|n| caught_up(n * 3600)).collect();
    assert_eq!(settle_all(planner, NOON + secs(20 * 3600 + 600)), expected);
}

#[test]
fn none_sends_no_missed_slot() {
    let planner = &mut at_noon([Entry { catch_up: CatchUp::None, ..every("a", 3600) }]);
    assert_eq!(
        settle_all(planner, NOON + secs(3 * 3600 + 600)),
        [skip(3 * 3600, SkipReason::TooLate, 3)]
    );
    assert_eq!(settle_all(planner, NOON + secs(4 * 3600 + 10)), [send(4 * 3600)]);
}

#[test]
fn slots_older_than_within_are_too_late() {
    let within = HOUR * 3;
    let all = &mut at_noon([Entry { catch_up: CatchUp::All, within, ..every("a", 3600) }]);
    let now = NOON + secs(5 * 3600 + 600);
    let expected = [
        skip(2 * 3600, SkipReason::TooLate, 2),
        caught_up(10800),
        caught_up(14400),
        caught_up(18000),
    ];
    assert_eq!(settle_all(all, now), expected);
    let latest = &mut at_noon([Entry { within: secs(60), ..every("a", 3600) }]);
    assert_eq!(settle_all(latest, now), [skip(5 * 3600, SkipReason::TooLate, 5)]);
}

#[test]
fn a_slot_past_its_own_expiry_is_expired() {
    let mut entry = every("a", 1);
    entry.message.expires = Some(Expires::Next);
    let planner = &mut at_noon([entry]);
    assert_eq!(settle_all(planner, NOON + secs(5)), [skip(4, SkipReason::Expired, 4), send(5)]);
}

#[test]
fn a_slot_judged_on_time_is_sent_however_long_the_store_is_away() {
    let planner = &mut at_noon([every("a", 60)]);
    // Planned when due, not settled: the store is away.
    assert_eq!(planner.plan(NOON + secs(60), 10, 10).items.len(), 1);
    assert_eq!(planner.plan(NOON + secs(120), 10, 10).items.len(), 2);
    // Nobody planned for 1,000 s: what came due meanwhile is missed, what was judged before is not.
    let done = settle_all(planner, NOON + secs(1130));
    assert_eq!(
        done,
        [send(60), send(120), skip(1020, SkipReason::Superseded, 15), caught_up(1080)]
    );
}

#[test]
fn a_slot_judged_on_time_is_too_late_once_its_window_has_ended() {
    let planner = &mut at_noon([every("a", 60)]);
    assert_eq!(planner.plan(NOON + secs(60), 10, 10).items.len(), 1);
    let done = settle_all(planner, NOON + DAY + secs(90));
    assert_eq!(done[0], skip(60, SkipReason::TooLate, 1));
    let none = &mut at_noon([Entry { catch_up: CatchUp::None, ..every("a", 60) }]);
    assert_eq!(none.plan(NOON + secs(60), 10, 10).items.len(), 1);
    assert_eq!(settle_all(none, NOON + secs(76)), [skip(60, SkipReason::TooLate, 1)]);
}

#[test]
fn a_queue_that_refuses_delays_no_other() {
    let mut refused = every("refused", 60);
    refused.message.queue = Queue::unconfigured("wrong");
    let planner = &mut at_noon([refused, every("fine", 60)]);
    planner.hold(&"wrong".into());
    let plan = planner.plan(NOON + secs(60), 10, 10);
    assert_eq!(plan.items.len(), 1);
    assert_eq!(&*planner.entry(plan.items[0].entry).name, "fine");
    planner.settle(&plan.items[0]);
    assert_eq!(planner.plan(NOON + secs(61), 10, 10).items, []);
    assert_eq!(planner.next_due().map(|(due, _)| due), Some(at(60)));
    planner.release("wrong");
    assert_eq!(settle_all(planner, NOON + secs(65)), [send(60)]);
}

#[test]
fn what_is_over_the_limit_is_planned_in_the_next_round() {
    let mut planner = at_noon((0..30).map(|n| every(&format!("e{n:02}"), 60)));
    let plan = planner.plan(NOON + secs(60), 20, 10);
    assert_eq!((plan.items.len(), plan.wake_at), (20, NOON + secs(60)));
    assert_eq!(settle_all(&mut planner, NOON + secs(60)).len(), 30);
}

#[test]
fn one_time_entries_fire_once_or_are_missed() {
    let planner = &mut at_noon([entry("a", Timing::At((NOON + secs(10)).into()))]);
    assert_eq!(settle_all(planner, NOON + secs(10)), [send(10)]);
    assert_eq!(planner.plan(NOON + DAY, 10, 10), Plan { items: vec![], wake_at: UnixMs::MAX });
}

#[test]
fn a_year_without_a_leader_is_not_walked() {
    let all = CatchUp::All;
    let mut planner = at_noon((0..100).map(|n| Entry {
        catch_up: all,
        within: secs(60),
        ..cron(&format!("e{n:02}"), "* * * * *")
    }));
    let plan = planner.plan(NOON + DAY * 365, 1000, 10);
    let skips = plan.items.iter().filter(|item| matches!(item.action, Action::Skip { .. }));
    assert_eq!(skips.count(), 100);
}

#[test]
fn a_slot_with_a_delay_is_planned_when_it_is_due() {
    let mut planner = at_noon([a_minute_late()]);
    let plan = planner.plan(NOON + secs(179), 100, 10);
    assert_eq!((plan.items, plan.wake_at), (vec![], NOON + secs(180)));
    assert_eq!(settle_all(&mut planner, NOON + secs(180)), [send(120)]);
    assert_eq!(settle_all(&mut planner, NOON + secs(299)), []);
    assert_eq!(settle_all(&mut planner, NOON + secs(300)), [send(240)]);
}

#[test]
fn lateness_counts_from_the_due_time() {
    let due = |slot: u64| slot + 60;
    let missed = due(120) + GRACE.as_secs() + 1;
    assert_eq!(settle_all(&mut at_noon([a_minute_late()]), NOON + secs(missed - 1)), [send(120)]);
    assert_eq!(settle_all(&mut at_noon([a_minute_late()]), NOON + secs(missed)), [caught_up(120)]);
    let within = Entry { within: secs(100), ..a_minute_late() };
    let too_late = skip(120, SkipReason::TooLate, 1);
    let newest = caught_up(240);
    let late = NOON + secs(due(240) + 16);
    assert_eq!(settle_all(&mut at_noon([within]), late), [too_late, newest]);
    let mut expires = a_minute_late();
    expires.message.expires = Some(Expires::After(secs(10)));
    assert_eq!(settle_all(&mut at_noon([expires.clone()]), NOON + secs(due(120) + 9)), [send(120)]);
    let expired = skip(120, SkipReason::Expired, 1);
    assert_eq!(settle_all(&mut at_noon([expires]), NOON + secs(due(120) + 10)), [expired]);
}

#[test]
fn an_entry_past_its_end_leaves_the_agenda() {
    let end = Some(NOON + secs(120));
    let bounds = Bounds { end, ..Bounds::default() };
    let mut planner = at_noon([Entry { bounds: Some(Box::new(bounds)), ..every("a", 60) }]);
    assert_eq!(
        settle_all(&mut planner, NOON + secs(121)),
        [skip(60, SkipReason::Superseded, 1), send(120)]
    );
    assert_eq!(planner.plan(NOON + DAY, 100, 10).wake_at, UnixMs::MAX);
}

#[test]
fn one_slot_of_an_entry_on_amqp_goes_at_a_time() {
    let mut planner = at_noon([on_amqp(every("a", 1)), every("b", 1)]);
    let plan = planner.plan(NOON + secs(3), 10, 10);
    assert_eq!(plan.items.iter().filter(|item| item.entry == 0).count(), 1);
    assert_eq!(plan.items.iter().filter(|item| item.entry == 1).count(), 3);
    planner.mark_in_flight(0);
    let in_flight = planner.plan(NOON + secs(3), 10, 10);
    assert!(in_flight.items.iter().all(|item| item.entry == 1), "{in_flight:?}");
    planner.settle(&plan.items[0]);
    planner.mark_returned(0);
    let done = settle_all(&mut planner, NOON + secs(3));
    assert_eq!(done.len(), 2 + 3);
}

#[test]
fn the_next_slot_is_the_first_that_is_not_settled_wherever_it_is() {
    for now in [at(3), at(300)] {
        let mut planner = at_noon([all(every("a", 1)), every("b", 3_600)]);
        let items = planner.plan(now, 1_000, 1_000).items;
        planner.mark_in_flight(0);
        assert_eq!(planner.next_due().map(|(due, entry)| (due, &*entry.name)), Some((at(1), "a")));
        items.iter().for_each(|item| planner.settle(item));
        planner.mark_returned(0);
        assert_eq!(planner.next_due().map(|(due, _)| due), Some(now + secs(1)));
        planner.mark_in_flight(0);
        assert_eq!(planner.next_due().map(|(due, _)| due), Some(now + secs(1)));
    }
}

#[test]
fn what_was_judged_by_a_clock_that_was_ahead_is_planned_when_it_is_due() {
    let planner = &mut at_noon([every("a", 1)]);
    assert_eq!(planner.plan(at(10), 100, 100).items.len(), 10);
    assert_eq!(planner.plan(at(3), 100, 100).items.len(), 3);
    assert_eq!(settle_all(planner, at(10)), sent(1..=10));
}

#[test]
fn early_slots_are_judged_anew_and_uncertain_ones_stay_uncertain() {
    let planner = &mut at_noon([every("a", 60)]);
    planner.mark_uncertain(0, at(60));
    assert_eq!(planner.plan(at(3_650), 10, 10).items.len(), 2);
    planner.unjudge(at(130));
    assert_eq!(settle_all(planner, at(130)), [resent(60), send(120)]);
}

#[test]
fn a_line_says_what_became_of_an_item_and_when_it_was_due() {
    let planner = &mut at_noon([Entry { catch_up: CatchUp::None, ..a_minute_late() }]);
    let items = planner.plan(at(600), 10, 10).items;
    let line = items[0].line(planner.entry(items[0].entry));
    assert_eq!((&*line.entry, line.slot, line.count), ("a", at(480), 4));
    assert_eq!(line.outcome, Outcome::Skipped(SkipReason::TooLate));
    assert_eq!((line.delay, line.task_id, line.by), (secs(60), None, None));
}
