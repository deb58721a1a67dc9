//! Matching days: BYMONTH, BYWEEKNO, BYYEARDAY, BYMONTHDAY and BYDAY combined.
//!
//! Days are found by month, as a mask of bits 1 to 31.

use crate::calendar::{Date, date_of, day_of, days_up_to, month_length, weekday_of};

/// The days of a rule. A day matches if every field has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    /// Bits 1 to 12.
    pub(super) months: u16,
    /// Bits 1 to 31.
    pub(super) month_days: u32,
    /// Counted from the month's end, bits 1 (the last) to 31.
    pub(super) month_days_back: u32,
    /// Bits 0 (Sunday) to 6.
    pub(super) weekdays: u8,
    /// A number and a weekday: the first for `1`, the last for `-1` in the month, or in the year. Such a day
    /// need not be in `weekdays`.
    pub(super) numbered: Box<[(i8, u8)]>,
    /// Whether `numbered` counts from the ends of the year.
    pub(super) numbered_in_year: bool,
    /// 1 to 366, or -1 (the last day of the year) to -366; empty: every day.
    pub(super) year_days: Box<[i16]>,
    /// Weeks of the year: bits 1 to 53. Both masks empty: every week.
    pub(super) weeks: u64,
    /// Counted from the end of the year, bits 1 (the last week) to 53.
    pub(super) weeks_back: u64,
    /// The first day of a week, 0 (Sunday) to 6.
    pub(super) week_start: u32,
}

impl Days {
    pub(super) const ALL_MONTHS: u16 = 0x1ffe;
    pub(super) const ALL_MONTH_DAYS: u32 = !1;
    pub(super) const ALL_WEEKDAYS: u8 = 0x7f;

    /// Whether only weekdays restrict the days.
    pub(super) fn only_weekdays(&self) -> bool {
        self.months == Days::ALL_MONTHS
            && self.month_days == Days::ALL_MONTH_DAYS
            && self.numbered.is_empty()
            && self.year_days.is_empty()
            && !self.has_weeks()
    }

    pub(super) fn has_weeks(&self) -> bool {
        self.weeks | self.weeks_back != 0
    }

    /// The matching days of the month that begins on day `first`.
    pub(super) fn of_month(&self, year: u32, month: u32, first: i64) -> u32 {
        if self.months >> month & 1 == 0 {
            return 0;
        }
        let length = month_length(year, month);
        let back = (self.month_days_back.reverse_bits() << 1) >> (31 - length);
        let mut days = (self.month_days | back) & days_up_to(length);
        if days != 0 && self.weekdays != Days::ALL_WEEKDAYS {
            days &= self.on_weekdays(year, month, first);
        }
        if days != 0 && !self.year_days.is_empty() {
            days &= self.on_year_days(year, first);
        }
        if days != 0 && self.has_weeks() {
            days &= self.in_weeks(first, length);
        }
        days
    }

    fn on_weekdays(&self, year: u32, month: u32, first: i64) -> u32 {
        let (week, shift) = (u32::from(self.weekdays), weekday_of(first));
        let rotated = u64::from((week >> shift | week << (7 - shift)) & 0x7f);
        // Five copies side by side, from bit 1 on.
        let mut days = (rotated * 0x2040_8102) as u32;
        if self.numbered.is_empty() {
            return days;
        }
        let (from, until) = match self.numbered_in_year {
            true => (new_year(year), new_year(year + 1) - 1),
            false => (first, first + i64::from(month_length(year, month)) - 1),
        };
        for (number, weekday) in &self.numbered {
            let weeks = 7 * i64::from(number.unsigned_abs() - 1);
            let day = if *number > 0 {
                from + days_between(weekday_of(from), u32::from(*weekday)) + weeks
            } else {
                until - days_between(u32::from(*weekday), weekday_of(until)) - weeks
            };
            days |= bit(day - first + 1);
        }
        days
    }

    fn on_year_days(&self, year: u32, first: i64) -> u32 {
        let (new_year, next_year) = (new_year(year), new_year(year + 1));
        let day = |number: &i16| match *number {
            number if number > 0 => new_year + i64::from(number) - 1,
            number => next_year + i64::from(number),
        };
        self.year_days.iter().fold(0, |days, number| days | bit(day(number) - first + 1))
    }

    fn in_weeks(&self, first: i64, length: u32) -> u32 {
        let mut week = first - days_between(self.week_start, weekday_of(first));
        let mut days = 0;
        while week < first + i64::from(length) {
            if self.has_week(week) {
                (week..week + 7).for_each(|day| days |= bit(day - first + 1));
            }
            week += 7;
        }
        days
    }

    /// Whether the week that begins on day `week` matches.
    ///
    /// Week 1 of a year is the first with four of its days in it (ISO 8601, for any first day of a week): a week
    /// belongs to the year of its fourth day.
    fn has_week(&self, week: i64) -> bool {
        let fourth = week + 3;
        let year = date_of(fourth).year;
        let number = (fourth - new_year(year)) / 7 + 1;
        let back = (new_year(year + 1) - 1 - fourth) / 7 + 1;
        self.weeks >> number & 1 == 1 || self.weeks_back >> back & 1 == 1
    }
}

/// The number of days from one weekday to another.
fn days_between(earlier: u32, later: u32) -> i64 {
    i64::from((later + 7 - earlier) % 7)
}

fn new_year(year: u32) -> i64 {
    day_of(Date { year, month: 1, day: 1 })
}

/// The bit of a day of the month; none for days outside.
fn bit(day: i64) -> u32 {
    u32::try_from(day).ok().filter(|day| (1..=31).contains(day)).map_or(0, |day| 1 << day)
}
