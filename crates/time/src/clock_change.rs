//! How a change of its zone's clock affects a slot, in words for people.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::timing::Timing;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// No clock is set back by more than this, except once, over the date line.
const DAY_S: i64 = 86_400;

/// A clock change that affects a slot: a gap that it makes up for, or an hour that is shown twice.
///
/// It is shown as `after the gap 02:00–03:00` or `repeated 01:00–02:00, first time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockChange {
    kind: Kind,
    /// The first reading that is skipped or shown twice.
    from: DateTime,
    /// The first later reading that is neither.
    to: DateTime,
    /// The slot's date by the zone's calendar.
    slot_day: Date,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The clock skipped readings of the timing: this slot makes up for them, or is the first one after those
    /// that do not exist.
    Gap,
    /// The clock shows the slot's reading for the first of two times.
    FirstTime,
    /// The clock shows the slot's reading for the second time.
    SecondTime,
}

impl ClockChange {
    /// The clock change that affects a slot of the timing, if any.
    #[must_use]
    pub fn at(timing: &Timing, zone: &Zone, slot: UnixMs) -> Option<ClockChange> {
        let slot_s = slot.0.div_euclid(1000);
        let index = zone.segment_at(slot_s);
        let segment = zone.segment(index);
        let reading = slot_s + i64::from(segment.offset);
        let (start, fresh) = (segment.wall_start(), segment.wall_fresh());
        let change = |kind, from, to| {
            let slot_day = show(reading).date();
            Some(ClockChange { kind, from: show(from), to: show(to), slot_day })
        };
        if reading < fresh {
            return change(Kind::SecondTime, start, fresh);
        }
        // A clock that has stopped changing ends far later, and has no next segment.
        if segment.end - slot_s <= DAY_S {
            let back_to = zone.segment(index + 1).wall_start();
            if back_to <= reading {
                return change(Kind::FirstTime, back_to, segment.wall_end());
            }
        }
        let is_first = || next_after(timing, zone, segment.start) == Some(slot);
        // In a zone without changes every reading is an instant.
        let first_reading = || next_after(timing, &Zone::utc(), fresh);
        let is_touched =
            || first_reading().is_some_and(|reading| reading < UnixMs::from_secs(start));
        if fresh < start && timing.reads_wall_clock() && is_first() && is_touched() {
            return change(Kind::Gap, fresh, start);
        }
        None
    }
}

/// The first slot at or after a second.
fn next_after(timing: &Timing, zone: &Zone, from_s: i64) -> Option<UnixMs> {
    timing.next(zone, UnixMs(from_s * 1000 - 1))
}

fn show(reading_s: i64) -> DateTime {
    Offset::UTC.to_datetime(UnixMs::from_secs(reading_s).to_jiff())
}

/// Shows `after the gap 02:00–03:00`, `repeated 01:00–02:00, first time`; with the date if it is not the slot's.
impl fmt::Display for ClockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        f.write_str(if self.kind == Kind::Gap { "after the gap " } else { "repeated " })?;
        if [from.date(), to.date()] != [self.slot_day; 2] {
            write!(f, "{} ", from.date())?;
        }
        write!(f, "{}–", Clock(from.time()))?;
        if from.date() != to.date() {
            write!(f, "{} ", to.date())?;
        }
        write!(f, "{}", Clock(to.time()))?;
        f.write_str(match self.kind {
            Kind::Gap => "",
            Kind::FirstTime => ", first time",
            Kind::SecondTime => ", second time",
        })
    }
}

/// Shows hours and minutes, and seconds if there are any.
struct Clock(Time);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())?;
        match self.0.second() {
            0 => Ok(()),
            second => write!(f, ":{second:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter::successors;

    use super::*;
    use crate::rrule::Rrule;
    use crate::sample::{cron, every, zone};

    /// Checks readings and notes of the slots from `from` on; readings are without days.
    #[track_caller]
    fn check(timing: Timing, zone_name: &str, from: &str, expected: &[(&str, &str)]) {
        let zone = zone(zone_name);
        let before = UnixMs(zone.resolve(from.parse().unwrap()).0 - 1);
        let slots = successors(timing.next(&zone, before), |slot| timing.next(&zone, *slot));
        let shown = slots.take(expected.len()).map(|slot| {
            let note = ClockChange::at(&timing, &zone, slot).map(|change| change.to_string());
            let reading = zone.to_rfc3339(slot);
            (reading[11..16].to_owned() + &reading[19..], note.unwrap_or_default())
        });
        let shown: Vec<_> = shown.collect();
        let shown: Vec<_> = shown.iter().map(|(at, note)| (at.as_str(), note.as_str())).collect();
        assert_eq!(shown, expected, "{} in {zone_name}", timing.describe(&zone));
    }

    const NY: &str = "America/New_York";
    const LONDON: &str = "Europe/London";
    const LORD_HOWE: &str = "Australia/Lord_Howe";

    #[test]
    fn a_slot_made_up_for_a_gap_names_the_gap() {
        let gap = "after the gap 02:00–03:00";
        let days = [("02:30-05:00", ""), ("03:00-04:00", gap), ("02:30-04:00", "")];
        check(cron("30 2 * * *"), NY, "2027-03-13T00:00", &days);
        // A matching reading right after the gap is nothing special.
        check(cron("0 3 * * *"), NY, "2027-03-14T00:00", &[("03:00-04:00", "")]);
        // Two readings, one of them in the gap, make one slot.
        check(cron("0 2,3 * * *"), NY, "2027-03-14T00:00", &[("03:00-04:00", gap)]);
        let gap = "after the gap 01:00–02:00";
        check(cron("59 1 * * *"), LONDON, "2027-03-28T00:00", &[("02:00+01:00", gap)]);
        let gap = "after the gap 02:00–02:30";
        check(cron("15 2 * * *"), LORD_HOWE, "2027-10-03T00:00", &[("02:30+11:00", gap)]);
        check(cron("45 2 * * *"), LORD_HOWE, "2027-10-03T00:00", &[("02:45+11:00", "")]);
    }

    #[test]
    fn the_first_slot_after_readings_that_do_not_exist_names_the_gap() {
        let gap = "after the gap 02:00–03:00";
        let halves = [("01:30-05:00", ""), ("03:00-04:00", gap), ("03:30-04:00", "")];
        check(cron("*/30 * * * *"), NY, "2027-03-14T01:30", &halves);
        check(
            cron("0 */4 * * *"),
            NY,
            "2027-03-14T00:00",
            &[("00:00-05:00", ""), ("04:00-04:00", "")],
        );
        let gap = "after the gap 2027-03-14 02:00–03:00";
        let days = [("02:00-05:00", ""), ("02:59-05:00", ""), ("02:00-04:00", gap)];
        check(cron("*/59 2 * * sun"), NY, "2027-03-07T00:00", &days);
    }

    #[test]
    fn a_recurrence_reads_the_same_clock() {
        let text = "DTSTART:20270312T023000 RRULE:FREQ=DAILY";
        let days = Rrule::parse(text, &Zone::utc(), None).unwrap().rrule;
        let gap = "after the gap 02:00–03:00";
        let slots = [("02:30-05:00", ""), ("03:00-04:00", gap), ("02:30-04:00", "")];
        check(Timing::Rrule(days), NY, "2027-03-13T00:00", &slots);
    }

    #[test]
    fn readings_shown_twice_say_which_time_it_is() {
        let (first, second) =
            ("repeated 01:00–02:00, first time", "repeated 01:00–02:00, second time");
        let hours = [
            ("00:00-04:00", ""),
            ("01:00-04:00", first),
            ("01:00-05:00", second),
            ("02:00-05:00", ""),
        ];
        check(cron("0 * * * *"), NY, "2027-11-07T00:00", &hours);
        // A fixed reading fires the first time only.
        let days = [("01:30-04:00", first), ("01:30-05:00", "")];
        check(cron("30 1 * * *"), NY, "2027-11-07T00:00", &days);
        let hours = [
            ("00:00+01:00", ""),
            ("01:00+01:00", first),
            ("01:00+00:00", second),
            ("02:00+00:00", ""),
        ];
        check(cron("0 * * * *"), LONDON, "2027-10-31T00:00", &hours);
        // Intervals of real time are shown twice, too, though no change moves them.
        check(every(3600), LONDON, "2027-10-31T00:00", &hours);
        check(every(3600), LONDON, "2027-03-28T00:00", &[("00:00+00:00", ""), ("02:00+01:00", "")]);
    }

    #[test]
    fn half_an_hour_is_repeated_on_lord_howe() {
        let (first, second) =
            ("repeated 01:30–02:00, first time", "repeated 01:30–02:00, second time");
        let quarters = [
            ("01:15+11:00", ""),
            ("01:30+11:00", first),
            ("01:45+11:00", first),
            ("01:30+10:30", second),
            ("01:45+10:30", second),
            ("02:00+10:30", ""),
        ];
        check(cron("*/15 * * * *"), LORD_HOWE, "2027-04-04T01:15", &quarters);
        check(
            cron("45 1 * * *"),
            LORD_HOWE,
            "2027-04-04T00:00",
            &[("01:45+11:00", first), ("01:45+10:30", "")],
        );
    }

    #[test]
    fn a_day_that_was_skipped_is_a_gap_with_dates() {
        let gap = "after the gap 2011-12-30 00:00–2011-12-31 00:00";
        let days = [("03:00-10:00", ""), ("03:00+14:00", gap), ("03:00+14:00", "")];
        check(cron("0 3 * * *"), "Pacific/Apia", "2011-12-29T00:00", &days);
    }

    #[test]
    fn a_clock_that_has_stopped_changing_changes_nothing() {
        check(cron("0 3 * * *"), "Asia/Seoul", "2027-03-14T00:00", &[("03:00+09:00", ""); 3]);
        check(cron("0 3 * * *"), "UTC", "9999-12-29T00:00", &[("03:00+00:00", "")]);
    }
}
