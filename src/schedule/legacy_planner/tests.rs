use std::num::NonZeroU32;

use super::*;
use crate::queue::{AmqpQueue, Queue};
use crate::schedule::bounds::Bounds;
use crate::schedule::delay::Delay;
use crate::schedule::entry::Expires;
use crate::schedule::legacy::Life;
use crate::schedule::sample::{DAY, HOUR, cron, entry, every, period, schedule};
use crate::schedule::{Guards, Timing};

const GRACE: Duration = Duration::from_secs(15);
const NOON: UnixMs = UnixMs::from_secs(1_800_014_400);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A planner whose entries are all live since `NOON`.
fn at_noon(entries: impl IntoIterator<Item = Entry>) -> Planner {
    let state = State { now: NOON, ..State::default() };
    Planner::take_office(schedule(entries), GRACE, &state, None).0
}

/// What a broker holds once this planner's changes are written.
fn state_of(planner: &Planner, now: UnixMs) -> State {
    let entries = planner.schedule.entries.iter().zip(&planner.tracks);
    let live = entries.filter(|(_, track)| track.is_live());
    let life = |(entry, track): (&Entry, &Track)| {
        let timing = Some(entry.canonical_timing().into());
        ((&*entry.name).into(), Life { timing, since: track.since })
    };
    let entries = || planner.schedule.entries.iter();
    let settled = |entry: &Entry| Some(((&*entry.name).into(), planner.progress_of(entry).last?));
    let sent = |entry: &Entry| ((&*entry.name).into(), planner.progress_of(entry).sent);
    State {
        intents: HashMap::new(),
        now,
        sequence: planner.sequence,
        marked: true,
        lives: live.map(life).collect(),
        progress: entries().filter_map(settled).collect(),
        sent: entries().filter(|entry| entry.guards.limit.is_some()).map(sent).collect(),
    }
}

/// Plans at `now` and settles everything.
fn run(planner: &mut Planner, now: UnixMs) -> Vec<(u64, Action)> {
    let mut done = Vec::new();
    loop {
        let plan = planner.plan(now, 100, 10);
        if plan.items.is_empty() {
            assert!(plan.wake_at > now);
            return done;
        }
        for item in plan.items {
            done.push((item.slot.since(NOON).as_secs(), item.action));
            planner.settle(&item);
        }
    }
}

fn send(slot: u64) -> (u64, Action) {
    (slot, Action::Send(Kind::Scheduled))
}

fn caught_up(slot: u64) -> (u64, Action) {
    (slot, Action::Send(Kind::CatchUp))
}

fn skip(slot: u64, reason: SkipReason, count: u64) -> (u64, Action) {
    (slot, Action::Skip { reason, count })
}

#[test]
fn nothing_fires_for_times_before_an_entry_was_known() {
    let mut planner = at_noon([every("a", 60), cron("b", "* * * * *")]);
    assert_eq!(run(&mut planner, NOON), []);
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

#[test]
fn clock_set_back_dispatches_nothing_twice() {
    let mut planner = at_noon([every("a", 60)]);
    for at in [60, 120, 180] {
        assert_eq!(run(&mut planner, NOON + secs(at)), [send(at)]);
    }
    assert_eq!(run(&mut planner, NOON - HOUR), []);
    assert_eq!(run(&mut planner, NOON + secs(180)), []);
    assert_eq!(run(&mut planner, NOON + secs(240)), [send(240)]);
}

#[test]
fn clock_set_forward_makes_slots_missed_and_counted() {
    let mut planner = at_noon([every("a", 60)]);
    assert_eq!(
        run(&mut planner, NOON + secs(3610)),
        [skip(3540, SkipReason::Superseded, 59), send(3600)]
    );
}

#[test]
fn slots_within_the_grace_go_each_one_in_order() {
    let mut planner = at_noon([every("a", 1)]);
    let sent = run(&mut planner, NOON + secs(15));
    assert_eq!(sent, (1..=15).map(send).collect::<Vec<_>>());
}

#[test]
fn latest_sends_only_the_newest_missed_slot() {
    let mut planner = at_noon([every("a", 3600)]);
    assert_eq!(
        run(&mut planner, NOON + secs(3 * 3600 + 600)),
        [skip(2 * 3600, SkipReason::Superseded, 2), caught_up(3 * 3600)]
    );
}

#[test]
fn all_sends_every_missed_slot_in_order() {
    let planner = &mut at_noon([Entry { catch_up: CatchUp::All, ..every("a", 3600) }]);
    let expected: Vec<_> = (1..=20).map(|n| caught_up(n * 3600)).collect();
    assert_eq!(run(planner, NOON + secs(20 * 3600 + 600)), expected);
}

#[test]
fn none_sends_no_missed_slot() {
    let planner = &mut at_noon([Entry { catch_up: CatchUp::None, ..every("a", 3600) }]);
    assert_eq!(run(planner, NOON + secs(3 * 3600 + 600)), [skip(3 * 3600, SkipReason::TooLate, 3)]);
    assert_eq!(run(planner, NOON + secs(4 * 3600 + 10)), [send(4 * 3600)]);
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
    assert_eq!(run(all, now), expected);
    let latest = &mut at_noon([Entry { within: secs(60), ..every("a", 3600) }]);
    assert_eq!(run(latest, now), [skip(5 * 3600, SkipReason::TooLate, 5)]);
}

#[test]
fn a_slot_past_its_own_expiry_is_expired() {
    let mut entry = every("a", 1);
    entry.message.expires = Some(Expires::Next);
    let planner = &mut at_noon([entry]);
    assert_eq!(run(planner, NOON + secs(5)), [skip(4, SkipReason::Expired, 4), send(5)]);
}

#[test]
fn a_slot_judged_on_time_is_sent_however_long_the_broker_is_away() {
    let planner = &mut at_noon([every("a", 60)]);
    // Planned when due, not settled: the broker is away.
    assert_eq!(planner.plan(NOON + secs(60), 10, 10).items.len(), 1);
    assert_eq!(planner.plan(NOON + secs(120), 10, 10).items.len(), 2);
    // Nobody planned for 1,000 s; what comes due meanwhile is missed, what was judged is not.
    let sent = run(planner, NOON + secs(1130));
    assert_eq!(
        sent,
        [send(60), send(120), skip(1020, SkipReason::Superseded, 15), caught_up(1080)]
    );
}

#[test]
fn a_slot_judged_on_time_is_too_late_once_its_window_has_ended() {
    let planner = &mut at_noon([every("a", 60)]);
    assert_eq!(planner.plan(NOON + secs(60), 10, 10).items.len(), 1);
    let sent = run(planner, NOON + DAY + secs(90));
    assert_eq!(sent[0], skip(60, SkipReason::TooLate, 1));
    let none = &mut at_noon([Entry { catch_up: CatchUp::None, ..every("a", 60) }]);
    assert_eq!(none.plan(NOON + secs(60), 10, 10).items.len(), 1);
    assert_eq!(run(none, NOON + secs(76)), [skip(60, SkipReason::TooLate, 1)]);
}

#[test]
fn a_queue_that_refuses_holds_up_nobody_else() {
    let mut refused = every("refused", 60);
    refused.message.queue = Queue::unconfigured("wrong");
    let planner = &mut at_noon([refused, every("fine", 60)]);
    planner.hold(&"wrong".into(), NOON + secs(65));
    let plan = planner.plan(NOON + secs(60), 10, 10);
    assert_eq!(plan.items.len(), 1);
    assert_eq!(&*planner.entry(plan.items[0].entry).name, "fine");
    planner.settle(&plan.items[0]);
    assert_eq!(planner.plan(NOON + secs(61), 10, 10).wake_at, NOON + secs(65));
    assert_eq!(run(planner, NOON + secs(65)), [send(60)]);
}

#[test]
fn what_is_over_the_limit_is_planned_in_the_next_round() {
    let mut planner = at_noon((0..30).map(|n| every(&format!("e{n:02}"), 60)));
    let plan = planner.plan(NOON + secs(60), 20, 10);
    assert_eq!((plan.items.len(), plan.wake_at), (20, NOON + secs(60)));
    assert_eq!(run(&mut planner, NOON + secs(60)).len(), 30);
}

#[test]
fn an_edit_of_the_timing_starts_a_new_life_and_counts_what_was_due() {
    let planner = at_noon([every("a", 60), every("b", 60), every("gone", 60)]);
    let now = NOON + secs(62);
    let (mut planner, changes, retimed) =
        planner.replace(schedule([every("a", 50), every("b", 60)]), now);
    let names: Vec<_> = retimed.iter().map(|retimed| (&*retimed.entry, retimed.count)).collect();
    assert_eq!(names, [("a", 1), ("gone", 1)]);
    assert_eq!(changes.len(), 2);
    // `a` starts at the edit; `b` goes on where it was.
    assert_eq!(run(&mut planner, now), [send(60)]);
    assert_eq!(run(&mut planner, NOON + secs(100)), [send(100)]);
}

#[test]
fn an_edit_of_anything_else_keeps_progress() {
    let mut planner = at_noon([every("a", 60)]);
    assert_eq!(run(&mut planner, NOON + secs(60)), [send(60)]);
    let mut edited = every("a", 60);
    edited.message.queue = Queue::unconfigured("other");
    edited.catch_up = CatchUp::All;
    let (mut planner, changes, retimed) = planner.replace(schedule([edited]), NOON + secs(130));
    assert!(changes.is_empty() && retimed.is_empty());
    assert_eq!(run(&mut planner, NOON + secs(130)), [send(120)]);
}

#[test]
fn enabling_again_starts_a_new_life() {
    let planner = at_noon([every("a", 60)]);
    let off = Entry { enabled: false, ..every("a", 60) };
    let (planner, changes, _) = planner.replace(schedule([off]), NOON + secs(70));
    assert!(matches!(&changes[..], [LifeChange::Retire { .. }]));
    let (mut planner, changes, _) = planner.replace(schedule([every("a", 60)]), NOON + secs(200));
    assert!(matches!(&changes[..], [LifeChange::Begin { .. }]));
    assert_eq!(run(&mut planner, NOON + secs(239)), []);
    assert_eq!(run(&mut planner, NOON + secs(240)), [send(240)]);
}

#[test]
fn the_next_leader_goes_on_where_the_last_one_stopped() {
    let mut first = at_noon([every("a", 60)]);
    run(&mut first, NOON + secs(120));
    let state = state_of(&first, NOON + secs(125));
    let (mut second, changes) =
        Planner::take_office(schedule([every("a", 60)]), GRACE, &state, None);
    assert!(changes.is_empty());
    assert_eq!(run(&mut second, NOON + secs(180)), [send(180)]);
}

#[test]
fn records_that_the_broker_lost_are_sent_again_and_marked() {
    let mut planner = at_noon([every("a", 60)]);
    run(&mut planner, NOON + secs(120));
    let older = State { sequence: 0, ..state_of(&planner, NOON + secs(121)) };
    planner.advance(9);
    for at in (180..=7200).step_by(60) {
        run(&mut planner, NOON + secs(at));
    }
    let now = NOON + secs(7205);
    let (mut planner, changes) =
        Planner::take_office(schedule([every("a", 60)]), GRACE, &older, Some(&planner));
    assert!(changes.is_empty());
    let again: Vec<_> =
        (180..=7200).step_by(60).map(|slot| (slot, Action::Send(Kind::Resent))).collect();
    assert_eq!(run(&mut planner, now), again);
    assert_eq!(run(&mut planner, NOON + secs(7260)), [send(7260)]);
}

#[test]
fn what_was_skipped_is_not_sent_when_its_record_is_lost() {
    let mut planner = at_noon([every("a", 3600)]);
    let older = state_of(&planner, NOON);
    let now = NOON + secs(3 * 3600 + 600);
    assert_eq!(run(&mut planner, now).len(), 2);
    let (mut planner, _) =
        Planner::take_office(schedule([every("a", 3600)]), GRACE, &older, Some(&planner));
    let resent = (3 * 3600, Action::Send(Kind::Resent));
    assert_eq!(run(&mut planner, now), [skip(2 * 3600, SkipReason::TooLate, 2), resent]);
}

#[test]
fn a_life_that_the_broker_lost_goes_on_from_memory() {
    let mut planner = at_noon([every("a", 60)]);
    planner.advance(9);
    run(&mut planner, NOON + secs(60));
    run(&mut planner, NOON + secs(120));
    let older = State { now: NOON + secs(125), marked: true, ..State::default() };
    let (mut planner, changes) =
        Planner::take_office(schedule([every("a", 60)]), GRACE, &older, Some(&planner));
    let since = NOON;
    assert!(matches!(&changes[..], [LifeChange::Begin { since: s, .. }] if *s == since));
    let resent = |slot| (slot, Action::Send(Kind::Resent));
    assert_eq!(run(&mut planner, NOON + secs(125)), [resent(60), resent(120)]);
}

#[test]
fn a_flushed_broker_gets_the_progress_that_we_remember() {
    let mut planner = at_noon([every("a", 60)]);
    run(&mut planner, NOON + secs(120));
    let empty = State { now: NOON + secs(185), ..State::default() };
    let memory = Some(&planner);
    let (mut going_on, changes) =
        Planner::take_office(schedule([every("a", 60)]), GRACE, &empty, memory);
    let settled = Some(NOON + secs(120));
    assert!(matches!(&changes[..], [LifeChange::Begin { settled: s, .. }] if *s == settled));
    assert_eq!(run(&mut going_on, NOON + secs(185)), [send(180)]);
    let (mut anew, _) = Planner::take_office(schedule([every("a", 60)]), GRACE, &empty, None);
    assert_eq!(run(&mut anew, NOON + secs(185)), []);
}

#[test]
fn a_timing_edited_back_is_not_taken_for_the_life_it_once_had() {
    let mut planner = at_noon([every("a", 60)]);
    run(&mut planner, NOON + secs(60));
    let other = entry("a", period(7));
    let timing = Some(other.canonical_timing().into());
    let mut state = state_of(&planner, NOON + secs(600));
    state.sequence += 5;
    state.lives.insert("a".into(), Life { timing, since: NOON + secs(70) });
    let (mut planner, changes) =
        Planner::take_office(schedule([every("a", 60)]), GRACE, &state, Some(&planner));
    assert_eq!(changes.len(), 1);
    assert_eq!(run(&mut planner, NOON + secs(630)), []);
    assert_eq!(run(&mut planner, NOON + secs(660)), [send(660)]);
}

#[test]
fn records_of_entries_that_left_are_dropped_after_a_week() {
    let life = |timing: Option<&str>, since| Life { timing: timing.map(Into::into), since };
    let mut state = State { now: NOON, marked: true, ..State::default() };
    state.lives.insert("left".into(), life(Some("1 every 1000+0"), NOON - DAY));
    state.lives.insert("recent".into(), life(None, NOON - DAY));
    state.lives.insert("old".into(), life(None, NOON - DAY * 8));
    let (_, changes) = Planner::take_office(schedule([]), GRACE, &state, None);
    let left = LifeChange::Retire { entry: "left".into(), at: NOON };
    assert_eq!(changes, [left, LifeChange::Forget { entry: "old".into() }]);
}

#[test]
fn one_time_entries_fire_once_or_are_missed() {
    let planner = &mut at_noon([entry("a", Timing::At((NOON + secs(10)).into()))]);
    assert_eq!(run(planner, NOON + secs(10)), [send(10)]);
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

/// Due a minute after each slot, which come every two minutes.
fn a_minute_late() -> Entry {
    let delay = Delay::spread(secs(120), 1, 2);
    Entry { delay: Some(Box::new(delay)), ..every("a", 120) }
}

#[test]
fn a_slot_with_a_delay_is_planned_when_it_is_due() {
    let mut planner = at_noon([a_minute_late()]);
    let plan = planner.plan(NOON + secs(179), 100, 10);
    assert_eq!((plan.items, plan.wake_at), (vec![], NOON + secs(180)));
    assert_eq!(run(&mut planner, NOON + secs(180)), [send(120)]);
    assert_eq!(run(&mut planner, NOON + secs(299)), []);
    assert_eq!(run(&mut planner, NOON + secs(300)), [send(240)]);
}

#[test]
fn lateness_counts_from_the_due_time() {
    let due = |slot: u64| slot + 60;
    let missed = due(120) + GRACE.as_secs() + 1;
    assert_eq!(run(&mut at_noon([a_minute_late()]), NOON + secs(missed - 1)), [send(120)]);
    assert_eq!(run(&mut at_noon([a_minute_late()]), NOON + secs(missed)), [caught_up(120)]);
    let within = Entry { within: secs(100), ..a_minute_late() };
    let too_late = skip(120, SkipReason::TooLate, 1);
    let newest = caught_up(240);
    let late = NOON + secs(due(240) + 16);
    assert_eq!(run(&mut at_noon([within]), late), [too_late, newest]);
    let mut expires = a_minute_late();
    expires.message.expires = Some(Expires::After(secs(10)));
    assert_eq!(run(&mut at_noon([expires.clone()]), NOON + secs(due(120) + 9)), [send(120)]);
    let expired = skip(120, SkipReason::Expired, 1);
    assert_eq!(run(&mut at_noon([expires]), NOON + secs(due(120) + 10)), [expired]);
}

#[test]
fn an_edit_of_the_jitter_keeps_progress_and_counts_nothing() {
    let mut planner = at_noon([a_minute_late()]);
    run(&mut planner, NOON + secs(200));
    let at = NOON + secs(250);
    let (mut planner, changes, retimed) = planner.replace(schedule([every("a", 120)]), at);
    assert_eq!((changes, retimed), (vec![], vec![]));
    assert_eq!(run(&mut planner, at), [send(240)]);
}

#[test]
fn a_slot_that_is_not_due_yet_is_not_counted_when_its_timing_is_edited() {
    let planner = at_noon([a_minute_late()]);
    let retimed = |at| planner.replace(schedule([every("a", 77)]), at).2;
    assert_eq!(retimed(NOON + secs(179)), []);
    assert_eq!(retimed(NOON + secs(180)), [Retimed { entry: "a".into(), count: 1 }]);
}

#[test]
fn an_entry_past_its_end_leaves_the_agenda() {
    let end = Some(NOON + secs(120));
    let bounds = Bounds { end, ..Bounds::default() };
    let mut planner = at_noon([Entry { bounds: Some(Box::new(bounds)), ..every("a", 60) }]);
    assert_eq!(
        run(&mut planner, NOON + secs(121)),
        [skip(60, SkipReason::Superseded, 1), send(120)]
    );
    assert_eq!(planner.plan(NOON + DAY, 100, 10).wake_at, UnixMs::MAX);
}

#[test]
fn an_edit_of_the_bounds_starts_a_new_life() {
    let planner = at_noon([every("a", 60)]);
    let bounds = Bounds { end: Some(NOON + DAY), ..Bounds::default() };
    let edited = Entry { bounds: Some(Box::new(bounds)), ..every("a", 60) };
    let (_, changes, _) = planner.replace(schedule([edited]), NOON + secs(30));
    assert!(matches!(&changes[..], [LifeChange::Begin { .. }]), "{changes:?}");
}

/// Every minute, so many times.
fn limited(name: &str, limit: u32) -> Entry {
    let guards = Guards { limit: NonZeroU32::new(limit), ..Guards::default() };
    Entry { guards, ..every(name, 60) }
}

/// Runs at each of these minutes.
fn minutes(planner: &mut Planner, minutes: std::ops::RangeInclusive<u64>) -> Vec<(u64, Action)> {
    minutes.flat_map(|minute| run(planner, NOON + secs(60 * minute))).collect()
}

#[test]
fn an_entry_that_reached_its_limit_has_no_more_slots() {
    let mut planner = at_noon([limited("a", 3)]);
    assert_eq!(minutes(&mut planner, 1..=1), [send(60)]);
    assert_eq!(planner.progress_of(&limited("a", 3)).sent, 1);
    assert_eq!(planner.next_due().unwrap().0, NOON + secs(120));
    assert_eq!(minutes(&mut planner, 2..=5), [send(120), send(180)]);
    assert_eq!((planner.next_due(), planner.done()), (None, 1));
    // Neither sent nor counted as skipped, whatever comes.
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
fn skips_do_not_count_and_none_is_counted_behind_the_last_slot() {
    let none = Entry { catch_up: CatchUp::None, ..limited("a", 2) };
    let mut planner = at_noon([none]);
    let missed = skip(3540, SkipReason::TooLate, 59);
    assert_eq!(run(&mut planner, NOON + secs(3610)), [missed, send(3600)]);
    assert_eq!(run(&mut planner, NOON + secs(3670)), [send(3660)]);
    assert_eq!(run(&mut planner, NOON + DAY), []);
}

#[test]
fn a_slot_that_met_a_full_queue_is_not_one_of_those_sent() {
    let mut planner = at_noon([limited("a", 2)]);
    let older = state_of(&planner, NOON);
    planner.advance(9);
    let full = planner.plan(NOON + secs(60), 10, 10).items[0].skipped(SkipReason::QueueFull);
    planner.settle(&full);
    assert_eq!(planner.progress_of(&limited("a", 2)).sent, 0);
    assert_eq!(run(&mut planner, NOON + secs(120)), [send(120)]);
    // Where the records are lost, it is not sent again.
    let (mut planner, _) =
        Planner::take_office(schedule([limited("a", 2)]), GRACE, &older, Some(&planner));
    let again = (120, Action::Send(Kind::Resent));
    assert_eq!(run(&mut planner, NOON + secs(130)), [skip(60, SkipReason::TooLate, 1), again]);
}

#[test]
fn a_slot_that_was_recorded_before_is_not_counted_twice() {
    let mut planner = at_noon([limited("a", 2)]);
    let item = planner.plan(NOON + secs(60), 10, 10).items[0];
    planner.pass(&item);
    assert_eq!(planner.progress_of(&limited("a", 2)).sent, 0);
    planner.settle(&item);
    assert_eq!(planner.progress_of(&limited("a", 2)).sent, 0);
    assert_eq!(minutes(&mut planner, 2..=4), [send(120), send(180)]);
}

#[test]
fn an_entry_whose_limit_the_broker_finds_reached_is_done() {
    let mut planner = at_noon([limited("a", 3), every("b", 60)]);
    assert_eq!(planner.plan(NOON + secs(60), 10, 10).items.len(), 2);
    planner.exhaust(0);
    assert!(planner.is_done(0) && !planner.is_done(1));
    let items = planner.plan(NOON + secs(60), 10, 10).items;
    assert_eq!((items.len(), items[0].entry), (1, 1));
}

#[test]
fn the_next_leader_goes_on_with_the_count() {
    let mut first = at_noon([limited("a", 3)]);
    minutes(&mut first, 1..=2);
    let state = state_of(&first, NOON + secs(125));
    assert_eq!(state.progress_of(&limited("a", 3)).sent, 2);
    let (mut second, changes) =
        Planner::take_office(schedule([limited("a", 3)]), GRACE, &state, None);
    assert!(changes.is_empty());
    assert_eq!(minutes(&mut second, 3..=9), [send(180)]);
    let state = state_of(&second, NOON + secs(185));
    let (mut third, _) = Planner::take_office(schedule([limited("a", 3)]), GRACE, &state, None);
    assert_eq!((run(&mut third, NOON + HOUR), third.done()), (vec![], 1));
}

#[test]
fn what_the_broker_lost_is_sent_again_and_counted_again() {
    let mut planner = at_noon([limited("a", 3)]);
    run(&mut planner, NOON + secs(60));
    let older = state_of(&planner, NOON + secs(181));
    planner.advance(9);
    run(&mut planner, NOON + secs(120));
    run(&mut planner, NOON + secs(180));
    assert!(planner.is_done(0));
    let memory = Some(&planner);
    let again = |slot| (slot, Action::Send(Kind::Resent));
    let (mut rolled_back, _) =
        Planner::take_office(schedule([limited("a", 3)]), GRACE, &older, memory);
    assert_eq!(run(&mut rolled_back, NOON + HOUR), [again(120), again(180)]);
    // Rolled back behind the life: of that the broker has sent nothing.
    let nothing = State { now: NOON + secs(181), marked: true, ..State::default() };
    let (mut rolled_back, changes) =
        Planner::take_office(schedule([limited("a", 3)]), GRACE, &nothing, memory);
    assert!(matches!(&changes[..], [LifeChange::Begin { sent: 0, .. }]));
    assert_eq!(run(&mut rolled_back, NOON + HOUR), [again(60), again(120), again(180)]);
}

#[test]
fn a_flushed_broker_gets_the_count_that_we_remember() {
    let mut planner = at_noon([limited("a", 3)]);
    minutes(&mut planner, 1..=2);
    let empty = State { now: NOON + secs(185), ..State::default() };
    let (mut going_on, changes) =
        Planner::take_office(schedule([limited("a", 3)]), GRACE, &empty, Some(&planner));
    assert!(matches!(&changes[..], [LifeChange::Begin { sent: 2, .. }]));
    assert_eq!(minutes(&mut going_on, 3..=9), [send(180)]);
}

#[test]
fn an_edit_of_the_limit_starts_a_new_life_and_any_other_keeps_the_count() {
    let mut planner = at_noon([limited("a", 2)]);
    run(&mut planner, NOON + secs(60));
    let mut edited = limited("a", 2);
    edited.message.queue = Queue::unconfigured("other");
    edited.guards.max_queued = NonZeroU32::new(5);
    let now = NOON + secs(70);
    let (mut same, changes, _) = planner.replace(schedule([edited]), now);
    assert!(changes.is_empty());
    assert_eq!(minutes(&mut same, 2..=5), [send(120)]);
    let now_done = NOON + secs(300);
    let (mut anew, changes, _) = same.replace(schedule([limited("a", 1)]), now_done);
    assert!(matches!(&changes[..], [LifeChange::Begin { sent: 0, .. }]));
    assert_eq!(minutes(&mut anew, 6..=9), [send(360)]);
    let (_, changes, _) = planner.replace(schedule([every("a", 60)]), now);
    assert!(matches!(&changes[..], [LifeChange::Begin { .. }]));
}

#[test]
fn slots_behind_the_limit_are_not_counted_as_retimed() {
    let mut planner = at_noon([limited("done", 1), limited("one-left", 2)]);
    run(&mut planner, NOON + secs(60));
    let (_, _, retimed) = planner.replace(schedule([]), NOON + secs(600));
    let counts: Vec<_> = retimed.iter().map(|retimed| (&*retimed.entry, retimed.count)).collect();
    assert_eq!(counts, [("one-left", 1)]);
}

#[test]
fn the_limit_is_part_of_the_canonical_timing_and_the_room_is_not() {
    let mut entry = every("a", 60);
    assert_eq!(entry.canonical_timing(), "1 every 60000+0");
    entry.guards.max_queued = NonZeroU32::new(5);
    assert_eq!(entry.canonical_timing(), "1 every 60000+0");
    assert_eq!(limited("a", 3).canonical_timing(), "1 every 60000+0 limit 3");
}

fn on_amqp(mut entry: Entry) -> Entry {
    let mut queue = Queue::clone(&entry.message.queue);
    let env = |name: &str| match name {
        "DOWNBEAT_BROKER" => Some("amqp://localhost".to_owned()),
        "DOWNBEAT_STATE" => Some("redis://localhost".to_owned()),
        _ => None,
    };
    let config = crate::config::ServiceConfig::load(crate::config::Overrides::default(), &env);
    queue.amqp = config.unwrap().amqp.map(AmqpQueue::on);
    entry.message.queue = queue.into();
    entry
}

#[test]
fn one_slot_of_an_entry_on_amqp_goes_at_a_time() {
    let mut planner = at_noon([on_amqp(every("a", 1)), every("b", 1)]);
    let plan = planner.plan(NOON + secs(3), 10, 10);
    assert_eq!(plan.items.iter().filter(|item| item.entry == 0).count(), 1);
    assert_eq!(plan.items.iter().filter(|item| item.entry == 1).count(), 3);
    planner.lend(&"a".into());
    let lent = planner.plan(NOON + secs(3), 10, 10);
    assert!(lent.items.iter().all(|item| item.entry == 1), "{lent:?}");
    planner.settle(&plan.items[0]);
    planner.give_back("a");
    let sent = run(&mut planner, NOON + secs(3));
    assert_eq!(sent.len(), 2 + 3);
}

#[test]
fn a_slot_in_doubt_is_sent_again_marked_and_in_time_only() {
    let resent = |slot: u64| (slot, Action::Send(Kind::Resent));
    let mut planner = at_noon([on_amqp(every("a", 60))]);
    assert_eq!(planner.plan(NOON + secs(61), 10, 10).items.len(), 1);
    planner.doubt(0, NOON + secs(60));
    assert_eq!(run(&mut planner, NOON + secs(121)), [resent(60), send(120)]);

    // After a restart hours later, too: it is not superseded, as it may be the one that went.
    let mut state = state_of(&planner, NOON + HOUR * 2);
    state.intents.insert("a".into(), NOON + secs(180));
    let schedule = Arc::clone(&planner.schedule);
    let (mut next, _) = Planner::take_office(Arc::clone(&schedule), GRACE, &state, None);
    let sent = run(&mut next, NOON + HOUR * 2);
    assert_eq!(sent[0], resent(180));
    assert_eq!(sent[1].1, Action::Skip { reason: SkipReason::Superseded, count: 116 });

    // Beyond its window it is too late, and what is recorded is in doubt no more.
    state.now = NOON + HOUR * 48;
    let (mut late, _) = Planner::take_office(Arc::clone(&schedule), GRACE, &state, None);
    assert!(
        run(&mut late, state.now).iter().all(|(_, action)| *action != Action::Send(Kind::Resent))
    );
    state.progress.insert("a".into(), NOON + secs(180));
    state.now = NOON + secs(181);
    let (mut done, _) = Planner::take_office(schedule, GRACE, &state, None);
    assert_eq!(run(&mut done, state.now), []);
}
