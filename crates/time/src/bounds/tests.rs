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
    let timing = bounded(every(60), Bounds { start, end, except: vec![] });
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
    assert_eq!([2, 4].map(|day| apart.free_from(day)), [Some(11), Some(11)]);
    assert_eq!(
        (0..30).map(|day| apart.free_from(day)).collect::<Vec<_>>(),
        (0..30).map(|day| one.free_from(day)).collect::<Vec<_>>()
    );
}

#[test]
fn bounds_are_part_of_the_canonical_timing_and_their_absence_is_not() {
    let (timing, zone) = (every(60), Zone::utc());
    assert_eq!(Slots::new(&timing, &zone, None).canonical(), "1 every 60000+0");
    let start = Bounds { start: Some(UnixMs(5)), ..Bounds::default() };
    assert_eq!(bounded(timing, start).slots().canonical(), "1 every 60000+0 from 5");
}
