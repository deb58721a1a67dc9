//! Where slots go whose day is excluded.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::Slots;
use crate::arbitrary::{self, ZONES};
use crate::except::Days;
use crate::sample::{cron, every, zone};
use crate::zone::Zone;

const WEEKEND: Days = Days::Weekdays(0b100_0001);

/// Days since 1970-01-01.
fn day(date: &str) -> i64 {
    let date: jiff::civil::Date = date.parse().unwrap();
    i64::from(jiff::civil::date(1970, 1, 1).until(date).unwrap().get_days())
}

fn one(date: &str) -> Days {
    Days::Run(day(date), day(date))
}

#[derive(Debug)]
struct Moved {
    timing: Timing,
    zone: Zone,
    bounds: Bounds,
}

impl Moved {
    fn new(timing: Timing, days: impl IntoIterator<Item = Days>, to: Move) -> Moved {
        let except = vec![Arc::new(days.into_iter().collect())];
        let bounds = Bounds { except, move_to: Some(to), ..Bounds::default() };
        Moved { timing, zone: zone("Europe/London"), bounds }
    }

    fn slots(&self) -> Slots<'_> {
        Slots::new(&self.timing, &self.zone, Some(&self.bounds))
    }

    /// The first slots from a day on, without seconds and offset; `←` before the reading that the timing names.
    fn from(&self, date: &str, count: usize) -> Vec<String> {
        let from = UnixMs(self.zone.resolve(format!("{date}T00:00").parse().unwrap()).0 - 1);
        let next = |slot: &UnixMs| self.slots().next(*slot);
        let show = |slot: UnixMs| {
            let Origin { slot, nominal } = self.slots().origin(slot);
            let reading = &self.zone.to_rfc3339(slot.at)[..16];
            match slot == nominal {
                true => reading.to_owned(),
                false => format!("{reading} ← {}", nominal.reading().date()),
            }
        };
        std::iter::successors(next(&from), next).take(count).map(show).collect()
    }
}

#[test]
fn payroll_on_the_25th_goes_to_the_nearest_business_day() {
    let bank = [WEEKEND, one("2026-12-25"), one("2026-12-28")];
    let payday = || cron("0 9 25 * *");
    let next = Moved::new(payday(), bank, Move::Next).from("2026-10-01", 4);
    assert_eq!(
        next,
        [
            "2026-10-26T09:00 ← 2026-10-25",
            "2026-11-25T09:00",
            "2026-12-29T09:00 ← 2026-12-25",
            "2027-01-25T09:00"
        ]
    );
    let previous = Moved::new(payday(), bank, Move::Previous).from("2026-10-01", 3);
    assert_eq!(
        previous,
        ["2026-10-23T09:00 ← 2026-10-25", "2026-11-25T09:00", "2026-12-24T09:00 ← 2026-12-25"]
    );
}

#[test]
fn a_slot_moves_on_from_the_day_on_which_it_was_found() {
    let payday = Moved::new(cron("0 9 25 * *"), [WEEKEND], Move::Next);
    let before = |text: &str| UnixMs::from(text.parse::<jiff::Timestamp>().unwrap());
    let slot = before("2026-10-26T09:00:00Z");
    for after in ["2026-09-26T00:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:59:59Z"] {
        assert_eq!(payday.slots().next(before(after)), Some(slot), "{after}");
    }
    assert_eq!(payday.slots().last_between(UnixMs::MIN, slot), Some(slot));
    assert_eq!(payday.slots().next(slot), Some(before("2026-11-25T09:00:00Z")));
}

#[test]
fn of_slots_that_move_to_one_instant_one_remains() {
    let daily = Moved::new(cron("0 9 * * *"), [WEEKEND], Move::Next).from("2026-11-27", 3);
    assert_eq!(daily, ["2026-11-27T09:00", "2026-11-30T09:00", "2026-12-01T09:00"]);
    let ends = || cron("0 9 * * sat,sun");
    let next = Moved::new(ends(), [WEEKEND], Move::Next).from("2026-11-27", 2);
    assert_eq!(next, ["2026-11-30T09:00 ← 2026-11-29", "2026-12-07T09:00 ← 2026-12-06"]);
    let previous = Moved::new(ends(), [WEEKEND], Move::Previous).from("2026-11-27", 2);
    assert_eq!(previous, ["2026-11-27T09:00 ← 2026-11-28", "2026-12-04T09:00 ← 2026-12-05"]);
}

#[test]
fn no_slot_passes_another_one_of_its_entry() {
    // Monday is left out; 17:00 of Monday would come after 09:00 of Tuesday.
    let often = "DTSTART:20261102T090000 RRULE:FREQ=DAILY;BYDAY=MO,TU;BYHOUR=9,17";
    let rule =
        |text| Timing::Rrule(crate::rrule::Rrule::parse(text, &Zone::utc(), None).unwrap().rrule);
    let monday = [Days::Weekdays(0b10)];
    let next = Moved::new(rule(often), monday, Move::Next);
    assert_eq!(
        next.from("2026-11-02", 3),
        ["2026-11-03T09:00", "2026-11-03T17:00", "2026-11-10T09:00"]
    );
    // Saturday at 17:00 and Sunday at 09:00 both go to Monday, or both to Friday.
    let both = "DTSTART:20261101T000000\nRRULE:FREQ=WEEKLY;BYDAY=SA;BYHOUR=17\n\
                RDATE:20261108T090000,20261115T090000";
    let next = Moved::new(rule(both), [WEEKEND], Move::Next).from("2026-11-07", 1);
    assert_eq!(next, ["2026-11-09T09:00 ← 2026-11-08"]);
    let previous = Moved::new(rule(both), [WEEKEND], Move::Previous).from("2026-11-05", 1);
    assert_eq!(previous, ["2026-11-06T17:00 ← 2026-11-07"]);
}

#[test]
fn slots_of_a_day_keep_their_times() {
    let moved = Moved::new(cron("0 9,17 * * sat"), [WEEKEND], Move::Next).from("2026-11-27", 3);
    assert_eq!(
        moved,
        [
            "2026-11-30T09:00 ← 2026-11-28",
            "2026-11-30T17:00 ← 2026-11-28",
            "2026-12-07T09:00 ← 2026-12-05"
        ]
    );
}

#[test]
fn start_and_end_are_for_where_a_slot_goes() {
    let mut payday = Moved::new(cron("0 9 25 * *"), [WEEKEND], Move::Next);
    let at = |text: &str| Some(UnixMs::from(text.parse::<jiff::Timestamp>().unwrap()));
    payday.bounds.start = at("2026-10-26T00:00:00Z");
    payday.bounds.end = at("2027-04-25T12:00:00Z");
    // 2027-04-25 is a Sunday.
    let slots = payday.from("2026-01-01", 9);
    assert_eq!(slots.first().unwrap(), "2026-10-26T09:00 ← 2026-10-25");
    assert_eq!(slots.last().unwrap(), "2027-03-25T09:00");
}

#[test]
fn a_time_that_is_left_out_every_day_moves_nowhere() {
    let night = Days::Hours(22 * 3600, 6 * 3600);
    let moved = Moved::new(cron("0 9,23 * * sat"), [WEEKEND, night], Move::Next);
    assert_eq!(
        moved.from("2026-11-27", 2),
        ["2026-11-30T09:00 ← 2026-11-28", "2026-12-07T09:00 ← 2026-12-05"]
    );
    let never = Moved::new(cron("0 23 * * sat"), [WEEKEND, night], Move::Previous);
    assert_eq!(never.from("2026-11-27", 1), [""; 0]);
}

#[test]
fn times_that_move_nowhere_do_not_end_the_others() {
    // 49 of 98 times a day are left out every day.
    let closed = [Days::Run(day("2027-01-02"), day("2027-03-31")), Days::Hours(0, 8 * 3600)];
    let moved = Moved::new(cron("0-59/9 1-7,10-16 * * *"), closed, Move::Next);
    assert_eq!(moved.from("2027-01-02", 1), ["2027-04-01T10:00"]);
}

#[test]
fn a_part_of_a_day_moves_its_slots_to_the_day_on_which_their_time_is_left() {
    let at = |date: &str, hour: i64| day(date) * DAY_S + hour * 3600;
    let freeze = [Days::Part(at("2026-12-24", 18), at("2026-12-26", 6))];
    let moved = |line: &str, to| Moved::new(cron(line), freeze, to).from("2026-12-20", 1).remove(0);
    assert_eq!(moved("0 20 24 * *", Move::Next), "2026-12-26T20:00 ← 2026-12-24");
    assert_eq!(moved("0 20 24 * *", Move::Previous), "2026-12-23T20:00 ← 2026-12-24");
    assert_eq!(moved("0 5 26 * *", Move::Previous), "2026-12-24T05:00 ← 2026-12-26");
    assert_eq!(moved("0 5 25 * *", Move::Next), "2026-12-27T05:00 ← 2026-12-25");
    assert_eq!(moved("0 17 24 * *", Move::Next), "2026-12-24T17:00");
}

#[test]
fn a_slot_that_finds_no_day_within_a_year_is_left_out() {
    let closed = [Days::Run(day("2027-01-01"), day("2029-12-31"))];
    for (to, expected) in [
        (Move::Next, ["2026-07-01T09:00", "2030-01-01T09:00 ← 2029-07-01", "2030-07-01T09:00"]),
        (Move::Previous, ["2026-07-01T09:00", "2026-12-31T09:00 ← 2027-07-01", "2030-07-01T09:00"]),
    ] {
        let yearly = Moved::new(cron("0 9 1 7 *"), closed, to);
        assert_eq!(yearly.from("2026-02-01", 3), expected);
        let lost = yearly.slots().first_lost(UnixMs(0), UnixMs::MAX, 200).unwrap();
        let first = if to == Move::Next { "2027-07-01" } else { "2028-07-01" };
        assert_eq!(yearly.zone.to_rfc3339(lost)[..10], *first);
    }
    // As many slots as are left out, there is an end.
    let daily = Moved::new(
        cron("0 9 * * *"),
        [Days::Run(day("2027-01-01"), day("2199-12-31"))],
        Move::Next,
    );
    assert_eq!(daily.from("2027-01-01", 1), ["2200-01-01T09:00"]);
}

#[test]
fn in_a_gap_of_the_new_day_a_slot_comes_right_after_it() {
    // In London on Sunday 2027-03-28 the clock goes from 01:00 to 02:00.
    let saturday = [Days::Weekdays(1 << 6)];
    let moved = Moved::new(cron("30 1 * * sat"), saturday, Move::Next).from("2027-03-27", 2);
    assert_eq!(moved, ["2027-03-28T02:00 ← 2027-03-27", "2027-04-04T01:30 ← 2027-04-03"]);
    let twice = Moved::new(cron("15,30 1 * * sat"), saturday, Move::Next).from("2027-03-27", 2);
    assert_eq!(twice, ["2027-03-28T02:00 ← 2027-03-27", "2027-04-04T01:15 ← 2027-04-03"]);
    let mut nuuk = Moved::new(cron("30 23 * * fri"), [Days::Weekdays(1 << 5)], Move::Next);
    nuuk.zone = zone("America/Nuuk");
    let slot = UnixMs::from("2027-03-28T01:00:00Z".parse::<jiff::Timestamp>().unwrap());
    assert_eq!(nuuk.slots().next(slot - INSTANT), Some(slot));
    let origin = nuuk.slots().origin(slot);
    assert_eq!(origin.slot.reading().to_string(), "2027-03-27T23:30:00");
    assert_eq!(origin.nominal.reading().to_string(), "2027-03-26T23:30:00");
    assert_eq!(
        origin.slot.strftime(&nuuk.zone, "%F %R %z %s").unwrap(),
        "2027-03-27 23:30 -0200 1806195600"
    );
}

#[test]
fn whole_days_of_real_time_move_by_the_clock() {
    let weekly = Moved::new(every(7 * 86_400), [Days::Weekdays(1 << 4)], Move::Next);
    // 00:00 UTC on a Thursday is 01:00 in summer.
    assert_eq!(
        weekly.from("2026-10-22", 2),
        ["2026-10-23T01:00 ← 2026-10-22", "2026-10-30T00:00 ← 2026-10-29"]
    );
}

/// Every slot of a timing in a range, moved by looking at one day after the other.
fn day_by_day(moved: &Moved, from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
    let Moved { timing, zone, bounds } = moved;
    let sign = if bounds.move_to == Some(Move::Next) { 1 } else { -1 };
    let free = |reading: &i64| bounds.free_from(*reading) == Some(*reading);
    let margin = (MAX_MOVE_DAYS + 3) * DAY_S * 1000;
    let next = |slot: &UnixMs| timing.next(zone, *slot);
    let own = std::iter::successors(next(&UnixMs((from.0 - margin).max(-1))), next);
    let own = own.take_while(|slot| slot.0 < to.0 + margin);
    let goes = |slot: UnixMs| {
        let shown = timing.reading_on(zone, slot, i64::MIN).unwrap();
        let on = std::iter::successors(Some(shown), |reading| {
            timing.reading_on(zone, slot, reading + 1)
        });
        if on.into_iter().any(|reading| free(&reading)) {
            return Some(slot);
        }
        let days = (1..=MAX_MOVE_DAYS).map(|days| shown + sign * days * DAY_S);
        days.filter(free)
            .find_map(|reading| instant_at(zone, reading * 1000 + slot.0.rem_euclid(1000)))
    };
    let goes: Vec<UnixMs> = own.filter_map(goes).collect();
    let stays = |index: usize| {
        let (before, after) = (&goes[..index], &goes[index + 1..]);
        match sign {
            1 => after.iter().all(|other| *other > goes[index]),
            _ => before.iter().all(|other| *other < goes[index]),
        }
    };
    let start = bounds.start.unwrap_or(UnixMs(0));
    let end = bounds.end.unwrap_or(UnixMs::MAX);
    let kept = (0..goes.len()).filter(|index| stays(*index)).map(|index| goes[index]);
    kept.filter(|slot| (start..=end).contains(slot) && (from..to).contains(slot)).collect()
}

/// Timings that come a few times a day at most, with excluded times from which their slots move.
fn moved() -> impl Strategy<Value = Moved> {
    let seldom = |timing: &Timing| timing.times_a_day() <= 24;
    // Boxed: such values are too large for a test's stack.
    let timing = arbitrary::timing().boxed().prop_filter("too often", seldom).boxed();
    let excluding = |bounds: &Bounds| !bounds.except.is_empty();
    let bounds = arbitrary::bounds().boxed().prop_filter("nothing is excluded", excluding).boxed();
    let to = prop::sample::select(vec![Move::Next, Move::Previous]);
    (timing, bounds, to, prop::sample::select(&**ZONES)).prop_map(|(timing, bounds, to, zone)| {
        Moved { timing, zone: (*zone).clone(), bounds: Bounds { move_to: Some(to), ..bounds } }
    })
}

proptest! {
    #[test]
    fn moved_slots_are_those_found_day_by_day(moved in moved(), from in arbitrary::instant()) {
        let to = UnixMs(from.0 + 60 * DAY_S * 1000);
        let next = |slot: &UnixMs| moved.slots().next(*slot).filter(|slot| *slot < to);
        let found: Vec<UnixMs> = std::iter::successors(next(&(from - INSTANT)), next).collect();
        prop_assert_eq!(&found, &day_by_day(&moved, from, to));
        for slot in found {
            let Origin { slot: there, nominal } = moved.slots().origin(slot);
            prop_assert_eq!(there.at, slot);
            let own = moved.timing.next(&moved.zone, nominal.at - INSTANT);
            prop_assert_eq!(own, Some(nominal.at));
        }
    }
}
