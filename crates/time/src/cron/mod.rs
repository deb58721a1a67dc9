//! Cron expressions: which readings of a wall clock are slots, and when they come.
//!
//! There are three ways to write one: a crontab line of five fields ([`Cron::parse`], in `parse`), the arguments
//! of Celery's `crontab(…)` ([`Cron::from_mapping`], in `mapping`), and a Quartz line, which also has seconds
//! and years ([`Quartz::parse`], in `quartz`). All become the same bit masks, whatever the notation. What is not
//! wholly understood is refused, with its position and what to write instead (`error`).
//!
//! The rule for clock changes, implemented in `next`:
//!
//! - An expression is *wildcard* when the text of its minute or hour field (or second, in Quartz)
//!   begins with `*`, else *fixed*.
//! - Wildcard: it fires at every real instant whose wall reading matches. Skipped readings do not
//!   exist, repeated ones fire again.
//! - Fixed: each matching reading fires once, at the first instant at which the zone's clock shows
//!   that reading or a later one: in a repeated hour the first time, in a gap right after it.
//!   Readings that fall on one instant make one slot. A clock set forward by more than 3 hours drops
//!   the readings it jumped over.
//!
//! Slots lie between the epoch and the end of year 9999.

mod days;
mod describe;
mod error;
mod field;
mod hash;
mod mapping;
mod next;
mod parse;
mod quartz;
mod special;
mod uneven;
mod zoned;

#[cfg(test)]
mod tests;

use std::fmt;

pub use error::{CronError, CronWarning, Problem};
pub(super) use field::MONTHS;
pub use field::{Field, WEEKDAYS, weekdays};
pub use mapping::MappingFields;
pub use parse::Line;
pub use quartz::{ParsedQuartz, Quartz};

use super::canonical::{Form, mask};
use super::wall::Class;
use days::SpecialDays;
use field::Set;

/// A cron expression to the minute: days and times of a zone's clock that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// Bits 0 to 59.
    minutes: u64,
    /// Bits 0 to 23.
    hours: u32,
    /// Bits 1 to 31; bit 0 is the last day of a month.
    days: u32,
    /// Bits 1 to 12.
    months: u16,
    /// Bits 0 (Sunday) to 6.
    weekdays: u8,
    /// Days that differ from month to month; `None` if there are none but the last day.
    special: Option<Box<SpecialDays>>,
    /// [`DayMatch::And`] unless both day fields are restricted.
    day_match: DayMatch,
    class: Class,
}

// A million entries are kept in memory.
const _: () = assert!(size_of::<Cron>() <= 32);

/// How the day of the month and the weekday combine if both are restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayMatch {
    /// The day of the month and the weekday must both match.
    And,
    /// One of them is enough.
    Or,
}

/// What reading an expression gives: the expression, and warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The expression.
    pub cron: Cron,
    /// What its author should know; usually empty.
    pub warnings: Vec<CronWarning>,
    /// The line with a value for each `H`; `None` if it has none.
    pub resolved: Option<Box<str>>,
}

/// The five fields before they are combined.
struct Sets {
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
}

impl Sets {
    /// Combines the fields. If both day fields are restricted, `day_match` decides how they combine; a field
    /// that has all of `*` is not restricted and never lets a day in by itself.
    fn into_cron(self, day_match: DayMatch) -> Cron {
        let class = if self.minute.star || self.hour.star { Class::Wildcard } else { Class::Fixed };
        Cron {
            minutes: self.minute.mask,
            hours: self.hour.mask as u32,
            days: self.day.mask as u32,
            special: self.day.special.and(self.weekday.special).boxed(),
            months: self.month.mask as u16,
            weekdays: self.weekday.mask as u8,
            day_match: if self.both_days_restricted() { day_match } else { DayMatch::And },
            class,
        }
    }

    fn both_days_restricted(&self) -> bool {
        let unrestricted =
            |set: &Set, field: Field| set.star && set.mask & field.full_mask() == field.full_mask();
        !unrestricted(&self.day, Field::Day) && !unrestricted(&self.weekday, Field::Weekday)
    }
}

impl Cron {
    /// Whether each reading comes once, however the clock is set.
    pub(super) fn is_fixed(&self) -> bool {
        self.class == Class::Fixed
    }

    /// The size of what it keeps on the heap, in bytes.
    pub(crate) fn heap_size(&self) -> usize {
        self.special.as_deref().map_or(0, size_of_val)
    }

    /// The expression in canonical form, the same for all ways of writing it: masks in hexadecimal (minutes,
    /// hours, days, months, weekdays), the day rule and the class, then what differs from month to month, if
    /// anything.
    pub(super) fn canonical(&self) -> String {
        let Cron { minutes, hours, days, months, weekdays, .. } = self;
        let class = match self.class {
            Class::Wildcard => "wild",
            Class::Fixed => "fixed",
        };
        let day_match = self.day_match;
        let line = format!(
            "cron {minutes:x} {hours:x} {days:x} {months:x} {weekdays:x} {day_match} {class}"
        );
        match &self.special {
            None => line,
            Some(special) => format!("{line} {}", special.canonical()),
        }
    }

    /// Reads the form back.
    pub(super) fn from_canonical(words: &mut Form<'_>) -> Option<Cron> {
        words.literal("cron")?;
        let (minutes, hours) = (words.mask(Field::Minute.full_mask())?, words.mask(0xff_ffff)?);
        // A special kind of day or weekday may be the only one.
        let (days, months) = (mask(words.next()?, u32::MAX.into())?, words.mask(0x1ffe)?);
        let weekdays = mask(words.next()?, 0x7f)?;
        let day_match = match words.next()? {
            "and" => DayMatch::And,
            "or" => DayMatch::Or,
            _ => return None,
        };
        let class = match words.next()? {
            "wild" => Class::Wildcard,
            "fixed" => Class::Fixed,
            _ => return None,
        };
        // No zone's name is a number.
        let is_special = words.peek().is_some_and(|word| mask(word, u32::MAX.into()).is_some());
        let special = if is_special { SpecialDays::from_canonical(words)?.boxed() } else { None };
        let (hours, days, months) = (hours as u32, days as u32, months as u16);
        let weekdays = weekdays as u8;
        let cron = Cron { minutes, hours, days, special, months, weekdays, day_match, class };
        cron.ever_comes().then_some(cron)
    }
}

/// Shows `and` or `or`.
impl fmt::Display for DayMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DayMatch::And => "and",
            DayMatch::Or => "or",
        })
    }
}
