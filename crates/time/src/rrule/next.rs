//! Finds the next slot of a rule: which readings of the wall clock match.
//!
//! A reading matches if it is in a counted period (`periods`), on a matching day (`days`) and at a matching time
//! (`times`). The search leaps from one to the other until they agree, at most month by month, and never walks
//! through what does not match.

use super::Rrule;
use super::times::nth_bit;
use crate::calendar::{DAY_S, Date, END_S, date_of, day_of, days_up_to, month_length};
use crate::unix_ms::UnixMs;
use crate::wall::{self, Class};
use crate::zone::Zone;

/// The maximum number of periods and months that one search examines; a rule whose next reading is further away
/// has ended.
///
/// The calendar repeats after 4,800 months, so no rule of years or months is cut short. The limit is for rules
/// whose INTERVAL hardly ever meets their days and times: 09:00:00 in steps of 86,399 seconds, for example.
pub(super) const MAX_STEPS: u32 = 5_000;

impl Rrule {
    /// The first slot strictly later than `after`, or `None` if there is none.
    ///
    /// Depends only on its arguments, and takes about as long for far slots as for near ones.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        let slot = |reading_from: &dyn Fn(i64) -> Option<i64>| {
            wall::next(Class::Fixed, zone, after, reading_from)
        };
        let ruled = || slot(&|from| self.reading_from(from)).filter(|slot| *slot <= self.until);
        let ruled = if after < self.until { ruled() } else { None };
        let added = || slot(&|from| self.added_from(from));
        let added = if self.added.is_empty() { None } else { added() };
        ruled.into_iter().chain(added).min()
    }

    /// The first reading at or after `from` that falls on a slot, in seconds since 1970 on the wall.
    pub(crate) fn reading_on(&self, zone: &Zone, slot: UnixMs, from: i64) -> Option<i64> {
        let is_ruled = slot <= self.until;
        wall::reading_on(Class::Fixed, zone, slot, from, |from| {
            let ruled = if is_ruled { self.reading_from(from) } else { None };
            ruled.into_iter().chain(self.added_from(from)).min()
        })
    }

    /// At most this many times a day: those of the rule, and all RDATEs.
    pub(crate) fn times_a_day(&self) -> u32 {
        self.times.count() + self.added.len() as u32
    }

    /// The first RDATE at or after `from`.
    fn added_from(&self, from: i64) -> Option<i64> {
        self.added.get(self.added.partition_point(|reading| *reading < from)).copied()
    }

    /// The first reading of the rule at or after `from` that is not an EXDATE.
    fn reading_from(&self, from: i64) -> Option<i64> {
        let mut reading = self.chosen_from(from)?;
        while self.excluded.binary_search(&reading).is_ok() {
            reading = self.chosen_from(reading + 1)?;
        }
        (reading <= self.last).then_some(reading)
    }

    /// The first reading at or after `from`, before the end and the exceptions are applied.
    pub(super) fn chosen_from(&self, from: i64) -> Option<i64> {
        let mut steps_left = MAX_STEPS;
        self.chosen_within(from, &mut steps_left)
    }

    /// The same with another limit; the unused part of it is left in `steps_left`.
    pub(super) fn chosen_within(&self, from: i64, steps_left: &mut u32) -> Option<i64> {
        let mut from = from.max(self.start);
        loop {
            let reading = self.matching_from(from, steps_left)?;
            if self.positions.is_empty() {
                return Some(reading);
            }
            let (start, end) = self.periods.around(reading);
            match self.position_from(from, start, end) {
                Some(reading) => return Some(reading),
                None => from = end,
            }
        }
    }

    /// Whether `chosen_from` finds a reading.
    pub(super) fn has(&self, reading: i64) -> bool {
        let (start, end) = self.periods.around(reading);
        let chosen = || {
            self.positions.is_empty() || self.position_from(reading, start, end) == Some(reading)
        };
        // One step is enough to check a reading.
        reading >= self.start && self.matching_from(reading, &mut 1) == Some(reading) && chosen()
    }

    /// The first reading at or after `from` that matches all but BYSETPOS.
    fn matching_from(&self, from: i64, steps_left: &mut u32) -> Option<i64> {
        let mut reading = from;
        loop {
            let counted = self.periods.counted_from(reading);
            if counted >= END_S {
                return None;
            }
            *steps_left = steps_left.checked_sub(1)?;
            reading = self.leap_from(counted);
            if reading == counted {
                return Some(reading);
            }
        }
    }

    /// The first reading at or after `from` in the same month on a matching day and at a matching time; if there
    /// is none, the beginning of the next month in BYMONTH.
    fn leap_from(&self, from: i64) -> i64 {
        let (day, second) = (from.div_euclid(DAY_S), from.rem_euclid(DAY_S));
        let date = date_of(day);
        let first = day - i64::from(date.day - 1);
        let days = self.days.of_month(date.year, date.month, first);
        if days >> date.day & 1 == 1
            && let Some(time) = self.times.from(second)
        {
            return day * DAY_S + time;
        }
        match days & !days_up_to(date.day) {
            0 => self.month_after(date) * DAY_S,
            later => (first - 1 + i64::from(later.trailing_zeros())) * DAY_S + self.times.first(),
        }
    }

    /// The first day of the next month in BYMONTH.
    fn month_after(&self, date: Date) -> i64 {
        let Date { year, month, .. } = date;
        let months = u32::from(self.days.months);
        let (year, month) = match months & (!0 << (month + 1)) {
            0 => (year + 1, months.trailing_zeros()),
            later => (year, later.trailing_zeros()),
        };
        day_of(Date { year, month, day: 1 })
    }

    /// The first reading at or after `from` that BYSETPOS chooses in a period that is not empty.
    fn position_from(&self, from: i64, start: i64, end: i64) -> Option<i64> {
        let months = self.months_of(start.div_euclid(DAY_S), (end - 1).div_euclid(DAY_S));
        let times = self.times.within(self.periods.freq(), start);
        let days: u32 = months.iter().map(|(_, days)| days.count_ones()).sum();
        let total = i64::from(days) * i64::from(times.count());
        let reading = |position: &i16| {
            let position = i64::from(*position);
            let index = if position > 0 { position - 1 } else { total + position };
            let index = u32::try_from(index).ok().filter(|index| i64::from(*index) < total)?;
            let day = nth_day(&months, index / times.count())?;
            Some(day * DAY_S + times.nth(index % times.count()))
        };
        let readings = self.positions.iter().filter_map(reading);
        readings.filter(|reading| *reading >= from).min()
    }

    /// The matching days from `from` to `until`: the day before each month, and bits 1 to 31.
    fn months_of(&self, from: i64, until: i64) -> Vec<(i64, u32)> {
        let mut months = Vec::new();
        let mut day = from;
        while day <= until {
            let Date { year, month, day: of_month } = date_of(day);
            let before = day - i64::from(of_month);
            let first = before + 1;
            let length = month_length(year, month);
            let last = u32::try_from(until - before).unwrap_or(0).min(length);
            let days = self.days.of_month(year, month, first);
            months.push((before, days & days_up_to(last) & !days_up_to(of_month - 1)));
            day = first + i64::from(length);
        }
        months
    }
}

fn nth_day(months: &[(i64, u32)], mut index: u32) -> Option<i64> {
    for (before, days) in months {
        let count = days.count_ones();
        if index < count {
            return Some(before + i64::from(nth_bit(u64::from(*days), index)));
        }
        index -= count;
    }
    None
}
