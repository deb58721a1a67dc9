//! Finds the next slot of an expression: which readings of the wall clock match.

use super::Cron;
use super::days::Month;
use crate::calendar::{Date, date_of, day_of, days_up_to, month_length, weekday_of};
use crate::unix_ms::UnixMs;
use crate::wall;
use crate::zone::Zone;

pub(super) const DAY_MIN: i64 = 24 * 60;

impl Cron {
    /// The first slot strictly later than `after`, or `None` if year 9999 ends before it.
    ///
    /// Depends only on its arguments, and takes about as long for far slots as for near ones.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        wall::next(self.class, zone, after, |from_s| self.second_from(from_s))
    }

    /// The first reading at or after `from_s` that falls on a slot, in seconds since 1970 on the wall.
    pub(crate) fn reading_on(&self, zone: &Zone, slot: UnixMs, from_s: i64) -> Option<i64> {
        wall::reading_on(self.class, zone, slot, from_s, |from_s| self.second_from(from_s))
    }

    /// The first matching reading at or after `from_s`, both in seconds since 1970 on the wall.
    fn second_from(&self, from_s: i64) -> Option<i64> {
        // The first whole minute at or after it.
        self.reading_from((from_s + 59).div_euclid(60)).map(|minute| minute * 60)
    }

    /// The number of times on a matching day.
    pub(crate) fn times_a_day(&self) -> u32 {
        self.minutes.count_ones() * self.hours.count_ones()
    }

    /// The first matching reading at or after `from`, both in minutes since 1970 on the wall.
    pub(super) fn reading_from(&self, from: i64) -> Option<i64> {
        let (day, minute) = (from.div_euclid(DAY_MIN), from.rem_euclid(DAY_MIN) as u32);
        let date = date_of(day);
        let first_of_month = day - i64::from(date.day - 1);
        let days = self.days_of(date, first_of_month);
        if days >> date.day & 1 == 1
            && let Some(time) = self.time_from(minute)
        {
            return Some(day * DAY_MIN + time);
        }
        let later_days = days & !days_up_to(date.day);
        let day = match later_days {
            0 => self.day_after_month(date)?,
            _ => first_of_month - 1 + i64::from(later_days.trailing_zeros()),
        };
        Some(day * DAY_MIN + self.first_time())
    }

    /// The first matching day in a later month.
    ///
    /// The rarest dates that come at all, such as a Monday the 29th of February, come every 40 years, so this
    /// examines at most 40 months found by mask.
    fn day_after_month(&self, date: Date) -> Option<i64> {
        let Date { mut year, mut month, .. } = date;
        loop {
            let later_months = u32::from(self.months) & (!0 << (month + 1));
            if later_months == 0 {
                year += 1;
                month = 0;
                if year > 9999 {
                    return None;
                }
                continue;
            }
            month = later_months.trailing_zeros();
            // Skips the weekdays of a month that is too short: most Februaries for the 29th.
            if !self.may_match_in(month_length(year, month)) {
                continue;
            }
            let first = Date { year, month, day: 1 };
            let first_of_month = day_of(first);
            let days = self.days_of(first, first_of_month);
            if days != 0 {
                return Some(first_of_month - 1 + i64::from(days.trailing_zeros()));
            }
        }
    }

    /// The matching days of the date's month, as bits 1 to 31.
    fn days_of(&self, date: Date, first_of_month: i64) -> u32 {
        if self.months >> date.month & 1 == 0 {
            return 0;
        }
        let (first, length) = (weekday_of(first_of_month), month_length(date.year, date.month));
        self.days_in(Month { first, length })
    }

    /// The first matching time of day at or after `minute`, in minutes.
    fn time_from(&self, minute: u32) -> Option<i64> {
        let (hour, minute) = (minute / 60, minute % 60);
        let later_minutes = self.minutes >> minute;
        if self.hours >> hour & 1 == 1 && later_minutes != 0 {
            return Some(i64::from(hour * 60 + minute + later_minutes.trailing_zeros()));
        }
        let later_hours = self.hours >> (hour + 1);
        let hours = hour + 1 + later_hours.trailing_zeros();
        (later_hours != 0).then(|| i64::from(hours * 60 + self.minutes.trailing_zeros()))
    }

    fn first_time(&self) -> i64 {
        i64::from(self.hours.trailing_zeros() * 60 + self.minutes.trailing_zeros())
    }
}
