//! Slots within bounds.

use super::*;
use crate::except::Days;
use crate::sample::{cron, every, zone};
use crate::{Slots, Timing};

const DAY_MS: i64 = 86_400_000;

/// A timing with bounds in a zone.
struct Bounded {
    timing: Timing,
    zone: Zone,
    bounds: Bounds,
}

impl Bounded {
    fn slots(&self) -> Slots<'_> {
        Slots::new(&self.timing, &self.zone, Some(&self.bounds))
    }

    fn between(&self, from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
        let next = |slot: &UnixMs| self.slots().next(*slot).filter(|slot| *slot < to);
        std::iter::successors(next(&(from - INSTANT)), next).collect()
    }
}

fn bounded(timing: Timing, bounds: Bounds) -> Bounded {
    Bounded { timing, zone: Zone::utc(), bounds }
}

fn except(days: impl IntoIterator<Item = Days>) -> Bounds {
    Bounds { except: vec![Arc::new(days.into_iter().collect())], ..Bounds::default() }
}

#[test]
fn start_and_end_are_slots_themselves() {
    let (start, end) = (Some(UnixMs(120_000)), Some(UnixMs(240_000)));
    let timing = bounded(every(60), Bounds { start, end, ..Bounds::default() });
    let expected = [120_000, 180_000, 240_000].map(UnixMs);
    assert_eq!(timing.between(UnixMs(0), UnixMs::MAX), expected);
    assert_eq!(timing.slots().last_between(UnixMs(0), UnixMs::MAX), Some(UnixMs(240_000)));
    assert_eq!(timing.slots().last_between(UnixMs(0), UnixMs(119_999)), None);
    assert_eq!(timing.slots().last_between(UnixMs(240_000), UnixMs::MAX), None);
    assert_eq!(timing.slots().count_between(UnixMs(0), UnixMs(200_000), 100), 2);
}

#[test]
fn days_are_those_of_the_zone() {
    // Day 1 in Seoul begins at 15:00 UTC of day 0.
    let mut timing = bounded(every(3600), except([Days::Run(1, 1)]));
    timing.zone = zone("Asia/Seoul");
    let left_out: Vec<_> = (0..48)
        .map(|hour| UnixMs::from_secs(hour * 3600))
        .filter(|slot| timing.slots().next(*slot - INSTANT) != Some(*slot))
        .collect();
    let expected: Vec<_> = (15..39).map(|hour| UnixMs::from_secs(hour * 3600)).collect();
    assert_eq!(left_out, expected);
}

#[test]
fn leaving_out_a_day_leaves_out_the_whole_of_it_when_the_clock_is_set_back_over_midnight() {
    // In Havana on 2025-11-02 the hour from 00:00 to 01:00 came twice.
    let mut timing = bounded(every(1800), except([Days::Run(20_394, 20_394)]));
    timing.zone = zone("America/Havana");
    let kept = timing.between(UnixMs(20_393 * DAY_MS), UnixMs(20_397 * DAY_MS));
    let shown = |slot: &UnixMs| timing.zone.to_rfc3339(*slot);
    assert!(!kept.iter().any(|slot| shown(slot).starts_with("2025-11-02")));
    assert!(kept.iter().any(|slot| shown(slot) == "2025-11-01T23:30:00-04:00"));
    assert!(kept.iter().any(|slot| shown(slot) == "2025-11-03T00:00:00-05:00"));
}

#[test]
fn a_million_left_out_slots_cost_one_step() {
    let timing = bounded(every(1), except([Days::Run(1, 20_000)]));
    assert_eq!(timing.slots().next(UnixMs(DAY_MS)), Some(UnixMs(20_001 * DAY_MS)));
    let last = timing.slots().last_between(UnixMs(0), UnixMs(10_000 * DAY_MS));
    assert_eq!(last, Some(UnixMs(DAY_MS - 1000)));
}

#[test]
fn when_all_days_of_a_timing_are_left_out_it_never_comes() {
    let timing = bounded(cron("0 3 * * sun"), except([Days::Weekdays(1)]));
    assert_eq!(timing.slots().next(UnixMs(0)), None);
    assert_eq!(timing.slots().last_between(UnixMs::MIN, UnixMs::from_secs(2_000_000_000)), None);
    // All of its slots are on Thursdays, from long before any calendar on.
    let timing = bounded(every(604_800), except([Days::Weekdays(1 << 4)]));
    assert_eq!(
        (timing.slots().next(UnixMs::MIN), timing.slots().last_between(UnixMs::MIN, UnixMs::MAX)),
        (None, None)
    );
}

#[test]
fn days_of_several_calendars_are_excluded_as_if_they_were_one() {
    let (weekend, closed) = (Days::Weekdays(0b100_0001), Days::Run(4, 8));
    let apart = Bounds {
        except: [except([weekend]), except([closed])].map(|b| b.except[0].clone()).into(),
        ..Bounds::default()
    };
    let one = except([closed, weekend]);
    assert_eq!(apart.canonical(&Zone::utc()), one.canonical(&Zone::utc()));
    // Day 1 is a Friday, and the first free Monday is day 11.
    let day_s = DAY_MS / 1000;
    assert_eq!([2, 4].map(|day| apart.free_from(day * day_s)), [Some(11 * day_s); 2]);
    let free =
        |bounds: &Bounds| -> Vec<_> { (0..30).map(|day| bounds.free_from(day * day_s)).collect() };
    assert_eq!(free(&apart), free(&one));
}

#[test]
fn bounds_are_part_of_the_canonical_timing_and_their_absence_is_not() {
    let (timing, zone) = (every(60), Zone::utc());
    assert_eq!(Slots::new(&timing, &zone, None).canonical(), "1 every 60000+0");
    let start = Bounds { start: Some(UnixMs(5)), ..Bounds::default() };
    assert_eq!(bounded(timing, start).slots().canonical(), "1 every 60000+0 from 5");
}

/// What the zone's clock shows at the first few slots from a time on.
fn shown(timing: Timing, zone_name: &str, bounds: Bounds, from: &str, count: usize) -> Vec<String> {
    let timing = Bounded { timing, zone: zone(zone_name), bounds };
    let from = timing.zone.resolve(from.parse().unwrap()) - INSTANT;
    let next = |slot: &UnixMs| timing.slots().next(*slot);
    let slots = std::iter::successors(next(&from), next).take(count);
    slots.map(|slot| timing.zone.to_rfc3339(slot)).collect()
}

#[test]
fn a_slot_that_a_clock_change_moves_over_midnight_keeps_its_weekday_and_date() {
    // In Nuuk on Saturday 2027-03-27 the clock goes from 23:00 to Sunday, 00:00.
    let moved = "2027-03-28T00:00:00-01:00";
    let (saturday, sunday) = (Days::Weekdays(1 << 6), Days::Weekdays(1));
    let run = |day| Days::Run(day, day);
    let saturdays = || cron("30 23 * * sat");
    let first = |timing, days| {
        shown(timing, "America/Nuuk", except([days]), "2027-03-26T00:00", 1).remove(0)
    };
    assert_eq!(first(saturdays(), sunday), moved);
    assert_eq!(first(saturdays(), run(20_905)), moved, "the Sunday");
    assert_eq!(first(saturdays(), run(20_904)), "2027-04-03T23:30:00-01:00", "the Saturday");
    let mapped = crate::cron::MappingFields {
        minute: Some("30"),
        hour: Some("23"),
        day_of_week: Some("sat"),
        ..Default::default()
    };
    let mapped = Timing::Cron(crate::cron::Cron::from_mapping(mapped, None).unwrap().cron);
    assert_eq!(first(mapped, sunday), moved);
    let quartz = crate::cron::Quartz::parse("15 30 23 ? * SAT").unwrap().quartz;
    assert_eq!(first(Timing::Quartz(Box::new(quartz)), sunday), moved);
    let rule = "DTSTART:20270102T233000 RRULE:FREQ=WEEKLY";
    let rule =
        || Timing::Rrule(crate::rrule::Rrule::parse(rule, &Zone::utc(), None).unwrap().rrule);
    assert_eq!(first(rule(), sunday), moved);
    let daily =
        |days| shown(cron("30 23 * * *"), "America/Nuuk", except([days]), "2027-03-26T00:00", 3);
    let before = "2027-03-26T23:30:00-02:00";
    assert_eq!(daily(sunday), [before, moved, "2027-03-29T23:30:00-01:00"]);
    assert_eq!(daily(saturday)[..2], [before, "2027-03-28T23:30:00-01:00"]);
    // Real time names the readings that the clock shows.
    let hourly = shown(every(3600), "America/Nuuk", except([sunday]), "2027-03-27T22:00", 2);
    assert_eq!(hourly, ["2027-03-27T22:00:00-02:00", "2027-03-29T00:00:00-01:00"]);
    // A wildcard skips what the clock skips.
    let wild =
        shown(cron("*/30 23 * * *"), "America/Nuuk", except([sunday]), "2027-03-27T00:00", 1);
    assert_eq!(wild, ["2027-03-29T23:00:00-01:00"]);
}

#[test]
fn of_readings_that_fall_on_one_slot_one_that_is_left_is_enough() {
    // Saturday 23:30 is skipped and falls on Sunday 00:00, which is a slot itself.
    let moved = "2027-03-28T00:00:00-01:00";
    let first = |days| {
        shown(cron("0,30 0,23 * * *"), "America/Nuuk", except([days]), "2027-03-27T22:00", 1)
    };
    assert_eq!(first(Days::Weekdays(1)), [moved]);
    assert_eq!(first(Days::Weekdays(1 << 6)), [moved]);
    assert_eq!(first(Days::Weekdays(0b100_0001)), ["2027-03-29T00:00:00-01:00"]);
}

#[test]
fn midnights_that_the_clock_skips_stay_on_their_day() {
    // The clock goes from 00:00 to 01:00.
    for (zone_name, day, slot) in [
        ("Asia/Beirut", "2027-03-28", "2027-03-28T01:00:00+03:00"),
        ("Africa/Cairo", "2027-04-30", "2027-04-30T01:00:00+03:00"),
        ("America/Havana", "2024-03-10", "2024-03-10T01:00:00-04:00"),
        ("America/Santiago", "2027-09-05", "2027-09-05T01:00:00-03:00"),
        ("America/Asuncion", "2023-10-01", "2023-10-01T01:00:00-03:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"),
        ("Atlantic/Azores", "2027-03-28", "2027-03-28T01:00:00+00:00"),
    ] {
        let epoch = jiff::civil::date(1970, 1, 1);
        let date: jiff::civil::Date = day.parse().unwrap();
        let day = i64::from(epoch.until(date).unwrap().get_days());
        let first = |left_out: i64| {
            let days = except([Days::Run(left_out, left_out)]);
            shown(cron("30 0 * * *"), zone_name, days, &format!("{date}T00:00"), 1).remove(0)
        };
        assert_eq!(first(day - 1), slot);
        assert!(*first(day) > *slot, "{zone_name}");
    }
}

#[test]
fn hours_that_the_clock_shows_twice_are_left_out_twice_and_no_more() {
    // In New York on 2026-11-01 the clock goes from 02:00 back to 01:00.
    let bounds = except([Days::Hours(5400, 7200)]);
    let all = shown(cron("*/15 * * * *"), "America/New_York", bounds, "2026-11-01T01:00", 6);
    let minutes: Vec<&str> = all.iter().map(|slot| &slot[11..]).collect();
    assert_eq!(
        minutes,
        [
            "01:00:00-04:00",
            "01:15:00-04:00",
            "01:00:00-05:00",
            "01:15:00-05:00",
            "02:00:00-05:00",
            "02:15:00-05:00"
        ]
    );
}

#[test]
fn a_fixed_time_in_a_gap_is_left_out_by_the_hour_that_it_names() {
    let first = |from, to| {
        let hours = except([Days::Hours(from, to)]);
        shown(cron("30 2 * * *"), "America/New_York", hours, "2027-03-14T00:00", 1)
    };
    assert_eq!(first(3 * 3600, 4 * 3600), ["2027-03-14T03:00:00-04:00"]);
    assert_eq!(first(2 * 3600, 3 * 3600), [""; 0]);
}
