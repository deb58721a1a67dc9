//! The matching days of a month, as bits 1 to 31.

use super::{Cron, DayMatch};
use crate::calendar::{days_up_to, month_length};

const SUNDAY: u8 = 1;
const SATURDAY: u8 = 1 << 6;

/// The shape of a month, which its matching days depend on.
#[derive(Clone, Copy)]
pub(super) struct Month {
    /// The weekday of the 1st, 0 (Sunday) to 6.
    pub(super) first: u32,
    /// 28 to 31.
    pub(super) length: u32,
}

impl Month {
    /// Every shape that this month (1 to 12) has within 400 years.
    fn shapes(number: u32) -> impl Iterator<Item = Month> {
        let shortest = month_length(2001, number);
        let lengths = shortest..=month_length(2000, number);
        lengths.flat_map(|length| (0..7).map(move |first| Month { first, length }))
    }

    /// The days with one of these weekdays, and perhaps days after the last.
    fn weekdays(self, week: u8) -> u32 {
        let week = u32::from(week);
        let rotated = u64::from((week >> self.first | week << (7 - self.first)) & 0x7f);
        // Five copies side by side, from bit 1 on.
        (rotated * 0x2040_8102) as u32
    }

    /// The days from Monday to Friday nearest the wanted ones: before a Saturday, after a Sunday, unless that is
    /// in another month. A day that the month does not have counts for nothing.
    fn nearest(self, wanted: u32) -> u32 {
        let (first, last) = (1 << 1, 1 << self.length);
        let saturdays = wanted & self.weekdays(SATURDAY);
        let sundays = wanted & self.weekdays(SUNDAY);
        let before = (saturdays & !first) >> 1 | (sundays & last) >> 2;
        let after = (sundays & !last) << 1 | (saturdays & first) << 2;
        wanted & !saturdays & !sundays | before | after
    }
}

impl Cron {
    pub(super) fn days_in(&self, month: Month) -> u32 {
        let (mut days, mut weekdays) = (self.days, month.weekdays(self.weekdays));
        if self.differs_by_month() {
            days |= self.special_days(month);
            weekdays |= self.special_weekdays(month);
        }
        let matching = match self.day_match {
            DayMatch::And => days & weekdays,
            DayMatch::Or => days | weekdays,
        };
        matching & days_up_to(month.length)
    }

    /// Whether the field has any of `L`, `LW`, `15W`, `friL` and `fri#2`.
    pub(super) fn differs_by_month(&self) -> bool {
        self.days & 1 != 0 || self.nearest != 0 || self.nth != [0; 6]
    }

    fn special_days(&self, month: Month) -> u32 {
        let last = |mask: u32| (mask & 1) << month.length;
        let wanted = (self.nearest | last(self.nearest)) & days_up_to(month.length);
        last(self.days) | month.nearest(wanted)
    }

    fn special_weekdays(&self, month: Month) -> u32 {
        const WEEK: u64 = 0xfe;
        let [numbered @ .., last] = self.nth;
        let in_week = |(nth, week)| month.weekdays(week) & (WEEK << (7 * nth)) as u32;
        let numbered =
            numbered.into_iter().enumerate().map(in_week).fold(0, |all, days| all | days);
        numbered | month.weekdays(last) & (WEEK << (month.length - 7)) as u32
    }

    /// `false` if a month of this length surely has no matching day.
    pub(super) fn may_match_in(&self, length: u32) -> bool {
        self.day_match == DayMatch::Or || (self.days | self.nearest) & (days_up_to(length) | 1) != 0
    }

    /// Whether any month of the expression has a matching day.
    pub(super) fn ever_comes(&self) -> bool {
        let months = (1..=12).filter(|number| self.months >> number & 1 == 1);
        months.flat_map(Month::shapes).any(|month| self.days_in(month) != 0)
    }
}
