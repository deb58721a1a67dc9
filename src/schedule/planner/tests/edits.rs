//! Entries that are edited, removed and added, with and without a leader.

use downbeat_time::cron::{Cron, Quartz};
use downbeat_time::rrule::Rrule;
use downbeat_time::solar::{Event, Solar};
use downbeat_time::{Bounds, Days, Except, Instants, Timing, Zone};

use super::*;
use crate::schedule::delay::Delay;
use crate::schedule::registration::RETIRED_FOR;

const RETIMED: SkipReason = SkipReason::Retimed;
const UNKNOWN: SkipReason = SkipReason::Unknown;

/// What a new leader counts if it finds these records of one entry.
fn counted(
    old: &Entry,
    known: (UnixMs, Option<Progress>),
    now: UnixMs,
    new: Option<Entry>,
) -> Vec<(SkipReason, u64)> {
    let (since, progress) = known;
    let mut state = State { now, completeness: Completeness::Whole, ..State::default() };
    let timing = Some(old.canonical_timing().into());
    state.registrations.insert((&*old.name).into(), Registration { timing, since });
    set(&mut state, (&*old.name).into(), progress);
    let ended = take_over(new, &state, None).ended;
    ended.iter().map(|ended| (ended.reason, ended.count)).collect()
}

#[test]
fn an_edit_of_the_timing_starts_a_new_registration_and_counts_what_was_due() {
    let mut planner = at_noon([every("a", 60), every("b", 60), every("gone", 60)]);
    let takeover = planner.replace(schedule([every("a", 50), every("b", 60)]), at(62));
    assert_eq!(ended(&takeover), [("a", 60, RETIMED, 1), ("gone", 60, RETIMED, 1)]);
    assert_eq!(takeover.ended[0].queue.as_deref(), Some("celery"));
    assert_eq!(takeover.changes.len(), 2);
    planner = takeover.planner;
    // `a` starts at the edit; `b` continues.
    assert_eq!(settle_all(&mut planner, at(62)), [send(60)]);
    assert_eq!(settle_all(&mut planner, at(100)), [send(100)]);
}

#[test]
fn an_edit_of_anything_else_keeps_progress() {
    let mut planner = at_noon([every("a", 60)]);
    assert_eq!(settle_all(&mut planner, at(60)), [send(60)]);
    let mut edited = all(every("a", 60));
    edited.message.queue = Queue::unconfigured("other");
    let takeover = planner.replace(schedule([edited]), at(130));
    assert_eq!((&takeover.changes[..], &takeover.ended[..]), (&[][..], &[][..]));
    planner = takeover.planner;
    assert_eq!(settle_all(&mut planner, at(130)), [send(120)]);
}

#[test]
fn an_edit_does_not_blank_what_was_sent() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    let mut state = state_of(&planner, at(60));
    let takeover = planner.replace(schedule([every("a", 50)]), at(62));
    write(&takeover, &mut state);
    let progress = &state.progress["a"];
    assert_eq!((progress.through, progress.dispatched), (at(60), Some(at(60))));
    assert_eq!(progress.outcome, Some(Outcome::Dispatched(Kind::Scheduled)));
    let unled = take_over([every("a", 40)], &State { now: at(70), ..state }, None);
    assert_eq!(unled.planner.progress_of("a").unwrap().dispatched, Some(at(60)));
}

#[test]
fn enabling_again_starts_a_new_registration() {
    let planner = at_noon([every("a", 60)]);
    let off = Entry { enabled: false, ..every("a", 60) };
    let takeover = planner.replace(schedule([off]), at(70));
    assert!(matches!(&takeover.written()[..], [RegistrationChange::Retire { .. }]));
    let takeover = takeover.planner.replace(schedule([every("a", 60)]), at(200));
    assert!(matches!(&takeover.written()[..], [RegistrationChange::Begin { .. }]));
    let mut planner = takeover.planner;
    assert_eq!(settle_all(&mut planner, at(239)), []);
    assert_eq!(settle_all(&mut planner, at(240)), [send(240)]);
}

#[test]
fn an_entry_that_comes_back_starts_after_its_last_progress() {
    let mut planner = at_noon([every("a", 1)]);
    settle_all(&mut planner, at(10));
    // Slots up to 10 were sent by a clock that is now right.
    let takeover = planner.replace(schedule([]), at(3));
    let mut state = state_of(&planner, at(3));
    write(&takeover, &mut state);
    let back = take_over([every("a", 1)], &State { now: at(5), ..state }, None);
    for mut back in [takeover.planner.replace(schedule([every("a", 1)]), at(5)), back] {
        assert_eq!(go_through(&mut back.planner, 5..=12), sent(11..=12));
    }
}

#[test]
fn an_edit_of_the_bounds_starts_a_new_registration() {
    let planner = at_noon([every("a", 60)]);
    let bounds = Bounds { end: Some(NOON + DAY), ..Bounds::default() };
    let edited = Entry { bounds: Some(Box::new(bounds)), ..every("a", 60) };
    let changes = planner.replace(schedule([edited]), at(30)).written();
    assert!(matches!(&changes[..], [RegistrationChange::Begin { .. }]), "{changes:?}");
}

#[test]
fn an_edit_of_the_jitter_keeps_progress_and_counts_nothing() {
    let late = Entry { delay: Some(Box::new(Delay::spread(secs(120), 1, 2))), ..every("a", 120) };
    let mut planner = at_noon([late.clone()]);
    settle_all(&mut planner, at(200));
    let takeover = planner.replace(schedule([every("a", 120)]), at(250));
    assert_eq!((&takeover.changes[..], &takeover.ended[..]), (&[][..], &[][..]));
    planner = takeover.planner;
    assert_eq!(settle_all(&mut planner, at(250)), [send(240)]);
}

#[test]
fn a_slot_that_is_not_due_yet_is_not_counted_when_its_timing_is_edited() {
    let late = Entry { delay: Some(Box::new(Delay::spread(secs(120), 1, 2))), ..every("a", 120) };
    let planner = at_noon([late.clone()]);
    let edited = Entry { timing: period(77), ..late.clone() };
    for (now, count) in [(179, 0), (180, 1)] {
        let in_office = planner.replace(schedule([edited.clone()]), at(now)).ended;
        let unled = take_over([edited.clone()], &state_of(&planner, at(now)), None).ended;
        assert_eq!((in_office.len(), unled.len()), (count, count), "{now}");
    }
}

#[test]
fn slots_of_an_old_timing_are_counted_when_nobody_led_at_the_time_of_the_edit() {
    let mut planner = at_noon([all(every("a", 1)), all(every("gone", 1)), every("off", 60)]);
    settle_all(&mut planner, at(10));
    let entries = || [every("a", 3600), Entry { enabled: false, ..every("off", 60) }];
    let mut state = state_of(&planner, at(130));
    let takeover = take_over(entries(), &state, None);
    let expected =
        [("a", 130, RETIMED, 120), ("gone", 130, RETIMED, 120), ("off", 120, RETIMED, 2)];
    assert_eq!(ended(&takeover), expected);
    let queues: Vec<bool> = takeover.ended.iter().map(|ended| ended.queue.is_some()).collect();
    assert_eq!(queues, [true, false, true]);
    // An edit makes nothing fire, and is counted once.
    write(&takeover, &mut state);
    let mut next = take_over(entries(), &state, None);
    assert_eq!(ended(&next), []);
    assert_eq!(settle_all(&mut next.planner, at(3599)), []);
}

#[test]
fn an_edit_that_was_not_written_counts_the_slots_that_are_due_when_it_is() {
    let mut planner = at_noon([every("a", 1), every("back", 1)]);
    settle_all(&mut planner, at(10));
    let state = |now| state_of(&planner, at(now));
    // Edited twice while the store was away.
    let edited = planner.replace(schedule([every("a", 3600), every("back", 7)]), at(20)).planner;
    let edited = edited.replace(schedule([every("a", 3600), every("back", 1)]), at(30)).planner;
    let entries = || [every("a", 3600), every("back", 1)];
    let mut takeover = take_over(entries(), &state(24), Some(&edited));
    assert_eq!(ended(&takeover), [("a", 24, RETIMED, 14)]);
    assert_eq!(settle_all(&mut takeover.planner, at(24)), sent(11..=24));
}

#[test]
fn an_edit_without_a_due_slot_counts_nothing() {
    let mut planner = at_noon([every("a", 3600)]);
    settle_all(&mut planner, at(3600));
    for now in [3600, 3601, 7199] {
        assert_eq!(ended(&take_over([every("a", 7)], &state_of(&planner, at(now)), None)), []);
        assert_eq!(ended(&take_over([], &state_of(&planner, at(now)), None)), []);
    }
    assert_eq!(ended(&take_over([], &state_of(&planner, at(7200)), None)).len(), 1);
}

#[test]
fn old_timings_of_every_kind_are_known_from_their_canonical_form() {
    let berlin = Arc::new(zone("Europe/Berlin"));
    let in_berlin = |timing| Entry { zone: Arc::clone(&berlin), ..entry("a", timing) };
    let rule = "DTSTART:20260101T120000 RRULE:FREQ=DAILY;BYHOUR=12,18";
    let rule = Rrule::parse(rule, &berlin, None).unwrap().rrule;
    let instants = Instants::new(vec![at(10), NOON + DAY, NOON + DAY * 9]).unwrap();
    let quartz = Quartz::parse("0 0 12,18 * * ? 2026-2050").unwrap().quartz;
    let entries = [
        in_berlin(Timing::Cron(Cron::parse("0 12,18 * * *").unwrap().cron)),
        in_berlin(Timing::Quartz(Box::new(quartz))),
        every("a", 43_200),
        entry("a", Timing::At(instants)),
        in_berlin(Timing::Rrule(rule)),
    ];
    for old in entries {
        let known = (NOON, None);
        assert_eq!(counted(&old, known, NOON + DAY, None), [(RETIMED, 2)], "{:?}", old.timing);
    }
    let sunset = Solar::new(Event::Sunset, 37.57, 126.98).unwrap();
    let sunset = entry("a", Timing::Solar(sunset));
    assert_eq!(counted(&sunset, (NOON, None), NOON + DAY, None), [(RETIMED, 1)]);
}

#[test]
fn bounds_and_limit_of_an_old_timing_are_known_too() {
    let bounds = Bounds { start: Some(at(120)), end: Some(at(300)), ..Bounds::default() };
    let bounded = Entry { bounds: Some(Box::new(bounds)), ..every("a", 60) };
    assert_eq!(counted(&bounded, (NOON, None), NOON + HOUR, None), [(RETIMED, 4)]);
    let progress = Progress { count: 2, ..Progress::through(at(120)) };
    let known = (NOON, Some(progress));
    assert_eq!(counted(&limited("a", 5), known, NOON + HOUR, None), [(RETIMED, 3)]);
}

/// A minutely entry with excluded days.
fn except(weekdays: u8) -> Entry {
    let except: Except = [Days::Weekdays(weekdays)].into_iter().collect();
    let bounds = Bounds { except: vec![Arc::new(except)], ..Bounds::default() };
    Entry { bounds: Some(Box::new(bounds)), ..every("a", 3600) }
}

#[test]
fn days_left_out_of_an_old_timing_are_known_if_they_stay_left_out() {
    // NOON is on a Friday.
    let weekend = except(0b100_0001);
    let known = || (NOON, None);
    let edited = Entry { timing: period(1800), ..weekend.clone() };
    assert_eq!(counted(&weekend, known(), NOON + DAY * 3, Some(edited)), [(RETIMED, 24)]);
    // Otherwise the slots that may have been due are counted as unknown, and none if there were none.
    let other = Some(except(0b10));
    assert_eq!(counted(&weekend, known(), NOON + DAY, other.clone()), [(UNKNOWN, 24)]);
    assert_eq!(counted(&weekend, known(), at(3599), other), []);
}

#[test]
fn an_old_timing_that_cannot_be_read_counts_one_slot_as_unknown() {
    let mut state = State { now: at(60), completeness: Completeness::Whole, ..State::default() };
    let future = Some("2 lunar full 0 0".into());
    let registration = Registration { timing: future, since: NOON };
    state.registrations.insert("a".into(), registration);
    let takeover = take_over([every("a", 60)], &state, None);
    assert_eq!(ended(&takeover), [("a", 60, UNKNOWN, 1)]);
    state.now = NOON;
    assert_eq!(ended(&take_over([every("a", 60)], &state, None)), []);
    // An unknown zone does not stop the takeover.
    let registration = Registration {
        timing: Some("1 cron 1 8 fffffffe 1ffe 7f and fixed Mars/Olympus".into()),
        since: NOON - DAY,
    };
    state.registrations.insert("a".into(), registration);
    assert_eq!(ended(&take_over([], &state, None)), [("a", 0, UNKNOWN, 1)]);
}

#[test]
fn an_old_timing_that_memory_has_need_not_be_read() {
    let weekend = except(0b100_0001);
    let planner = at_noon([weekend.clone()]);
    let state = state_of(&planner, NOON + DAY * 3);
    let takeover = take_over([except(0b10)], &state, Some(&planner));
    assert_eq!(takeover.ended[0].reason, RETIMED);
    assert_eq!(takeover.ended[0].count, 24);
}

#[test]
fn counting_ends_however_much_was_edited() {
    let lines = (0..1_000).map(|n| cron(&format!("e{n:03}"), "* * * * *"));
    let planner = at_noon(lines);
    let takeover = take_over([], &state_of(&planner, NOON + DAY * 30), None);
    assert_eq!(takeover.ended.len(), 1_000);
    let count = |index: usize| takeover.ended[index].count;
    assert_eq!((count(0), count(199), count(200), count(999)), (10_000, 10_000, 1, 1));
}

#[test]
fn a_timing_edited_back_starts_a_new_registration() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    let other = entry("a", period(7));
    let timing = Some(other.canonical_timing().into());
    let mut state = state_of(&planner, at(600));
    state.sequence += 5;
    state.registrations.insert("a".into(), Registration { timing, since: at(70) });
    let mut takeover = take_over([every("a", 60)], &state, Some(&planner));
    assert_eq!(takeover.changes.len(), 1);
    assert_eq!(settle_all(&mut takeover.planner, at(630)), []);
    assert_eq!(settle_all(&mut takeover.planner, at(660)), [send(660)]);
}

#[test]
fn an_edit_after_a_rollback_is_not_taken_for_what_was_forgotten() {
    let mut planner = at_noon([every("a", 60)]);
    settle_all(&mut planner, at(60));
    let mut state = State { now: at(610), ..state_of(&planner, at(610)) };
    planner.advance(planner.sequence() + 9);
    // Another leader found the file edited; since then it was edited back.
    let timing = Some(every("a", 120).canonical_timing().into());
    state.registrations.insert("a".into(), Registration { timing, since: at(70) });
    let mut takeover = take_over([every("a", 60)], &state, Some(&planner));
    assert_eq!(ended(&takeover), [("a", 600, SkipReason::Retimed, 5)]);
    assert_eq!(settle_all(&mut takeover.planner, at(660)), [send(660)]);
}

#[test]
fn records_of_entries_that_left_are_dropped_after_a_week() {
    let registration =
        |timing: Option<&str>, since| Registration { timing: timing.map(Into::into), since };
    let mut state = State { now: NOON, completeness: Completeness::Whole, ..State::default() };
    let mut know = |name: &str, registration| state.registrations.insert(name.into(), registration);
    know("left", registration(Some("1 every 1000000000+0"), NOON - secs(1)));
    know("recent", registration(None, NOON - DAY));
    know("old", registration(None, NOON - RETIRED_FOR - secs(1)));
    know("ahead", registration(None, NOON + DAY));
    state.progress.insert("nobody".into(), Progress::through(NOON - DAY));
    let retired = |name: &str, progress: Option<Progress>| RegistrationChange::Retire {
        entry: name.into(),
        at: NOON,
        progress,
    };
    let nobody = Progress::through(NOON - DAY);
    let forget = RegistrationChange::Forget { entry: "old".into() };
    let changes = take_over([], &state, None).written();
    assert_eq!(
        changes,
        [retired("ahead", None), retired("left", None), retired("nobody", Some(nobody)), forget]
    );
}

#[test]
fn a_changed_zone_matters_only_if_its_clock_is_read() {
    let (one, two) = (Arc::new(Zone::utc()), Arc::new(zone("Europe/Berlin")));
    let line = |zone: &Arc<Zone>| Entry { zone: Arc::clone(zone), ..cron("a", "0 3 * * *") };
    let planner = at_noon([line(&one), Entry { zone: Arc::clone(&one), ..every("b", 60) }]);
    let edited = [line(&two), Entry { zone: two, ..every("b", 60) }];
    let changes = planner.replace(schedule(edited), at(1)).written();
    assert_eq!(changes.iter().map(RegistrationChange::entry).collect::<Vec<_>>(), ["a"]);
}
