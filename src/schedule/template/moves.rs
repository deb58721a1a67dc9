//! Where a template moves an instant: by a length of time, or by business days.
//!
//! Minutes and hours are real time. Days, weeks, months and years are those of the zone's calendar: the time of
//! day stays, and a day that the month does not have becomes its last (31 March, a month earlier, is 28 or 29
//! February). Moves apply one after the other. Between two moves by the calendar, the reading is kept even if
//! the clock skips it: a day on and a day back is always the same reading.
//!
//! An entry's own `move` ([`downbeat_time::Move`]) is something else: it decides on which day a slot fires. These moves
//! only change what a message says.

mod shift;

use std::ops::RangeInclusive;
use std::time::Duration;

use downbeat_time::{Except, Moment, Zone};
use jiff::ToSpan as _;
use jiff::civil::Date;

pub(super) use shift::parse as parse_shift;
pub use shift::{Shift, ShiftError, Unit};

/// The maximum number of business days in one move.
pub const MAX_BUSINESS_DAYS: i32 = 1000;
/// The maximum number of days searched for business days: five times what [`MAX_BUSINESS_DAYS`] take in weeks with
/// only one. If they are not found in that time, there is no such day.
const MAX_WALK: i64 = 35_000;

/// One step that moves an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// By a length of time.
    Shift(Shift),
    /// By business days.
    BusinessDays(BusinessDays),
}

/// A number of business days: those that are neither in the calendar nor at a weekend.
///
/// The weekend is Saturday and Sunday, unless the calendar names weekdays itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessDays {
    /// How many: negative for earlier ones, never 0.
    pub count: i32,
    /// The calendar's name.
    pub calendar: Option<Box<str>>,
}

impl Step {
    /// The calendar that it needs.
    #[must_use]
    pub fn calendar(&self) -> Option<&str> {
        match self {
            Step::Shift(_) => None,
            Step::BusinessDays(days) => days.calendar.as_deref(),
        }
    }

    /// Moves a moment; `None` if that leads beyond the calendar, or no business day is found.
    pub(super) fn apply<'c>(
        &self,
        moment: Moment,
        zone: &Zone,
        calendar: impl Fn(&str) -> Option<&'c Except>,
    ) -> Option<Moment> {
        match self {
            Step::Shift(shift) => shift.apply(moment, zone),
            Step::BusinessDays(days) => {
                let calendar = days.calendar.as_deref().and_then(calendar);
                let reading = moment.reading();
                let date = days.from(reading.date(), calendar)?;
                Some(Moment::of(date.to_datetime(reading.time()), zone))
            }
        }
    }
}

impl Shift {
    fn apply(self, moment: Moment, zone: &Zone) -> Option<Moment> {
        let span = match self.unit {
            Unit::Minute => return Some(self.in_real_time(moment, 60, zone)),
            Unit::Hour => return Some(self.in_real_time(moment, 3600, zone)),
            Unit::Day => self.amount.days(),
            Unit::Week => self.amount.weeks(),
            Unit::Month => self.amount.months(),
            Unit::Year => self.amount.years(),
        };
        let moved = moment.reading().checked_add(span).ok()?;
        Some(Moment::of(moved, zone))
    }

    fn in_real_time(self, moment: Moment, seconds: u64, zone: &Zone) -> Moment {
        let length = Duration::from_secs(u64::from(self.amount.unsigned_abs()) * seconds);
        let at = if self.amount < 0 { moment.at - length } else { moment.at + length };
        Moment::at(at, zone)
    }
}

impl BusinessDays {
    /// The business day that many after a date, or before it.
    fn from(&self, date: Date, calendar: Option<&Except>) -> Option<Date> {
        let (first, step) = (day_of(date), i64::from(self.count.signum()));
        let days = (1..=MAX_WALK).map(|walked| first + step * walked);
        let coming = days.take_while(|day| DAYS.contains(day));
        let nth = self.count.unsigned_abs() as usize - 1;
        let mut found = coming.filter(|day| is_business_day(*day, calendar));
        EPOCH.checked_add(found.nth(nth)?.days()).ok()
    }
}

/// Day 0.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);
/// The days of the years 1 to 9999, for which calendars work.
const DAYS: RangeInclusive<i64> = -719_162..=2_932_896;

/// Days since 1970-01-01.
fn day_of(date: Date) -> i64 {
    EPOCH.until(date).map_or(0, |span| i64::from(span.get_days()))
}

fn is_business_day(day: i64, calendar: Option<&Except>) -> bool {
    let has_own_weekend = calendar.is_some_and(Except::names_weekdays);
    // 1970-01-01 is a Thursday; 0 is Sunday.
    let is_weekend = matches!((day + 4).rem_euclid(7), 0 | 6);
    (has_own_weekend || !is_weekend) && !calendar.is_some_and(|days| days.holds(day))
}

#[cfg(test)]
mod tests;
