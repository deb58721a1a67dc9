//! Cron expressions: which readings of a wall clock are slots, and when they come.
//!
//! Two ways of writing one: a crontab line of five fields ([`Cron::parse`], in `parse`) and the
//! arguments of Celery's `crontab(…)` ([`Cron::from_mapping`], in `mapping`). Both end in the same
//! bit masks, and from there on nothing knows how it was written. Whatever is not wholly understood
//! is refused, with the place and what to write instead (`error`).
//!
//! The rule of clock changes, which `next` keeps:
//!
//! - An expression is *wildcard* when the text of its minute or hour field begins with `*`, else
//!   *fixed*.
//! - Wildcard: it fires at every real instant whose wall reading matches. Skipped readings do not
//!   exist, repeated ones fire again.
//! - Fixed: each matching reading fires once, at the first instant at which the zone's clock shows
//!   that reading or a later one: in a repeated hour the first time, in a gap right after it.
//!   Readings that fall on one instant make one slot. A clock set forward by more than 3 hours drops
//!   the readings it jumped over.
//!
//! Slots lie between the epoch and the end of year 9999.

mod describe;
mod error;
mod field;
mod mapping;
mod next;
mod parse;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;

pub use error::{CronError, CronWarning, Problem};
pub(super) use field::MONTHS;
pub use field::{Field, WEEKDAYS, weekdays};
pub use mapping::MappingFields;

use super::calendar;
use super::wall::Class;
use field::Set;

/// Minutes and hours are one mask each; a slot is a day that matches and a time that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    /// Bits 0 to 59.
    minutes: u64,
    /// Bits 0 to 23.
    hours: u32,
    /// Bits 1 to 31.
    days: u32,
    /// Bits 1 to 12.
    months: u16,
    /// Bits 0 (Sunday) to 6.
    weekdays: u8,
    /// [`DayMatch::And`] unless both day fields are restricted.
    day_match: DayMatch,
    class: Class,
}

// A million entries are kept in memory; three bytes and spare bits in each mask are left for days
// like `L`, `15W` and `fri#2`.
const _: () = assert!(size_of::<Cron>() <= 24);

/// When a day matches that has to do with two restricted day fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayMatch {
    /// The day of the month and the weekday must both match.
    And,
    /// One of them is enough.
    Or,
}

/// A parsed expression and what its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The expression.
    pub cron: Cron,
    /// Not errors, but `check` shows them; empty most of the time.
    pub warnings: Vec<CronWarning>,
}

/// The five fields, read but not yet put together.
struct Sets {
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
}

impl Sets {
    /// Puts the fields together. Where both day fields are restricted, `day_match` decides how they
    /// combine; a field that is all of `*` is not restricted and never lets a day in by itself.
    fn into_cron(self, day_match: DayMatch) -> Cron {
        let class = if self.minute.star || self.hour.star { Class::Wildcard } else { Class::Fixed };
        Cron {
            minutes: self.minute.mask,
            hours: self.hour.mask as u32,
            days: self.day.mask as u32,
            months: self.month.mask as u16,
            weekdays: self.weekday.mask as u8,
            day_match: if self.both_days_restricted() { day_match } else { DayMatch::And },
            class,
        }
    }

    fn both_days_restricted(&self) -> bool {
        let unrestricted = |set: &Set, field: Field| set.star && set.mask == field.full_mask();
        !unrestricted(&self.day, Field::Day) && !unrestricted(&self.weekday, Field::Weekday)
    }
}

impl Cron {
    /// Whether some month of the expression has one of its days.
    fn ever_comes(&self) -> bool {
        let longest =
            |month: u32| if month == 2 { 29 } else { calendar::month_length(2000, month) };
        let comes = |month: u32| self.days & calendar::days_up_to(longest(month)) != 0;
        self.day_match == DayMatch::Or
            || (1..=12).any(|month| self.months >> month & 1 == 1 && comes(month))
    }

    /// Whether each reading comes once, wherever the clock is set.
    pub(super) fn is_fixed(&self) -> bool {
        self.class == Class::Fixed
    }

    /// What decides the slots, in one form for all ways of writing them: masks in hexadecimal
    /// (minutes, hours, days, months, weekdays), the day rule and the class.
    pub(super) fn canonical(&self) -> String {
        let Cron { minutes, hours, days, months, weekdays, .. } = self;
        let class = match self.class {
            Class::Wildcard => "wild",
            Class::Fixed => "fixed",
        };
        let day_match = self.day_match;
        format!("cron {minutes:x} {hours:x} {days:x} {months:x} {weekdays:x} {day_match} {class}")
    }
}

/// `and` or `or`, as schedules write it.
impl fmt::Display for DayMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DayMatch::And => "and",
            DayMatch::Or => "or",
        })
    }
}
