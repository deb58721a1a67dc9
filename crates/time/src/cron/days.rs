//! The matching days of a month, as bits 1 to 31.

use super::{Cron, DayMatch};
use crate::calendar::{days_up_to, month_length};
use crate::canonical::{Form, mask};

const SUNDAY: u8 = 1;
const SATURDAY: u8 = 1 << 6;

/// Kinds of days that differ from month to month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SpecialDays {
    /// Bits 1 to 31: the day from Monday to Friday nearest that one, in the same month; bit 0: nearest the last
    /// day.
    pub(super) nearest: u32,
    /// Weekdays that count only as the first to the fifth in a month, or as the last.
    pub(super) nth: [u8; 6],
    /// Bits 1 to 30: so many days before the last.
    pub(super) before_last: u32,
    /// Bits 1 to 30: the day from Monday to Friday nearest the one so many days before the last.
    pub(super) near_before_last: u32,
}

impl SpecialDays {
    /// The most days before the last: the first of a month with 31.
    pub(super) const MAX_BEFORE_LAST: u32 = 30;

    /// Those of two fields.
    pub(super) fn and(self, weekdays: SpecialDays) -> SpecialDays {
        SpecialDays { nth: weekdays.nth, ..self }
    }

    /// Boxes them, if there are any.
    pub(super) fn boxed(self) -> Option<Box<SpecialDays>> {
        (self != SpecialDays::default()).then(|| Box::new(self))
    }

    /// Hexadecimal masks: nearest days, first to fifth and last weekdays, then days before the last, if there
    /// are any.
    pub(super) fn canonical(&self) -> String {
        let SpecialDays { nearest, nth, before_last, near_before_last } = self;
        let [first, second, third, fourth, fifth, last] = nth;
        let form =
            format!("{nearest:x} {first:x}:{second:x}:{third:x}:{fourth:x}:{fifth:x}:{last:x}");
        match (before_last, near_before_last) {
            (0, 0) => form,
            _ => format!("{form} {before_last:x}:{near_before_last:x}"),
        }
    }

    /// Reads the form back.
    pub(super) fn from_canonical(words: &mut Form<'_>) -> Option<SpecialDays> {
        let nearest = mask(words.next()?, u32::MAX.into())? as u32;
        let nth = masks(words.next()?, 0x7f)?.map(|week| week as u8);
        // No zone's name has a colon.
        let [before_last, near_before_last] = match words.peek() {
            Some(word) if word.contains(':') => {
                words.next();
                masks(word, 0x7fff_fffe)?.map(|days| days as u32)
            }
            _ => [0, 0],
        };
        Some(SpecialDays { nearest, nth, before_last, near_before_last })
    }

    fn days(&self, month: Month) -> u32 {
        let last = (self.nearest & 1) << month.length;
        let wanted = self.nearest | last | month.before_last(self.near_before_last);
        month.before_last(self.before_last) | month.nearest(wanted & days_up_to(month.length))
    }

    fn weekdays(&self, month: Month) -> u32 {
        const WEEK: u64 = 0xfe;
        let [numbered @ .., last] = self.nth;
        let in_week = |(nth, week)| month.weekdays(week) & (WEEK << (7 * nth)) as u32;
        let numbered =
            numbered.into_iter().enumerate().map(in_week).fold(0, |all, days| all | days);
        numbered | month.weekdays(last) & (WEEK << (month.length - 7)) as u32
    }

    /// Whether a month of this length may have one of the days of the month.
    fn may_match_in(&self, length: u32) -> bool {
        let counted_back = self.before_last | self.near_before_last;
        self.nearest & (days_up_to(length) | 1) != 0 || counted_back & days_up_to(length - 1) != 0
    }
}

/// As many masks as the array has, each a subset of `all`.
fn masks<const N: usize>(text: &str, all: u64) -> Option<[u64; N]> {
    let masks: Option<Vec<u64>> = text.split(':').take(N + 1).map(|word| mask(word, all)).collect();
    masks?.try_into().ok()
}

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

    /// The days so many days before the last.
    fn before_last(self, counts: u32) -> u32 {
        counts.reverse_bits() >> (31 - self.length) & !1
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
        days |= (days & 1) << month.length;
        if let Some(special) = &self.special {
            days |= special.days(month);
            weekdays |= special.weekdays(month);
        }
        let matching = match self.day_match {
            DayMatch::And => days & weekdays,
            DayMatch::Or => days | weekdays,
        };
        matching & days_up_to(month.length)
    }

    /// Whether a day field has a kind of day: `L`, `L-3`, `LW`, `15W`, `friL` or `fri#2`.
    pub(super) fn differs_by_month(&self) -> bool {
        self.days & 1 != 0 || self.special.is_some()
    }

    /// `false` if a month of this length surely has no matching day.
    pub(super) fn may_match_in(&self, length: u32) -> bool {
        self.day_match == DayMatch::Or
            || self.days & (days_up_to(length) | 1) != 0
            || self.special.as_ref().is_some_and(|special| special.may_match_in(length))
    }

    /// Whether any month of the expression has a matching day.
    pub(super) fn ever_comes(&self) -> bool {
        let months = (1..=12).filter(|number| self.months >> number & 1 == 1);
        months.flat_map(Month::shapes).any(|month| self.days_in(month) != 0)
    }
}
