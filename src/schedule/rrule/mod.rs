//! Recurrence rules of RFC 5545 (iCalendar): `DTSTART`, `RRULE`, `EXDATE` and `RDATE`.
//!
//! A rule is a set of readings of the zone's wall clock. Each fires once, at the first instant at
//! which the clock shows it or a later one: the rule of clock changes for fixed cron expressions, in
//! `wall`. COUNT and EXDATE count and drop readings, whatever the clock does with them.
//!
//! The text is taken as `dateutil` takes it, if RFC 5545 gives it a meaning (`parse`, `build`); what
//! is not wholly understood is refused, with the place and what to write instead (`error`). Where
//! the two differ or are silent:
//!
//! - DTSTART is a slot only when the rule has it (as in `dateutil`); a date alone is its midnight.
//! - What the rule leaves open comes from DTSTART: month, day and time of day. `BYWEEKNO` alone means
//!   all days of the week (as in `dateutil`).
//! - UNTIL is a reading, or with a `Z` an instant. A date alone is that whole day, as the RFC says of
//!   rules of whole days; to `dateutil` it is the day's first second.
//! - BYSETPOS chooses in whole periods, also in the week of DTSTART, of which `dateutil` takes the
//!   days from DTSTART on only.
//! - `BYDAY=MO,1TU` is every Monday and the first Tuesday; `dateutil` finds no day that is both.
//! - The last week of a year has its days in the next year too, whatever its number. (`dateutil`
//!   miscounts some.)
//!
//! Slots lie between the epoch and the end of year 9999.

mod build;
mod canonical;
mod days;
mod describe;
mod error;
mod next;
mod parse;
mod periods;
mod times;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use error::{Problem, RruleError};

use super::unix_ms::UnixMs;
use days::Days;
use periods::Periods;
use times::Times;

/// Bytes of a whole text.
pub const MAX_TEXT: usize = 16 * 1024;
/// Dates in all EXDATEs together, and in all RDATEs.
pub const MAX_DATES: usize = 500;
/// The greatest INTERVAL and COUNT: 31 years of seconds.
pub const MAX_NUMBER: u32 = 1_000_000_000;
/// Periods and months that are looked at to find where COUNT ends a rule whose periods differ, so
/// that its readings must be counted one by one.
pub const MAX_COUNTED: u32 = 20_000;

/// A recurrence rule; all readings are in seconds since 1970-01-01T00:00:00 on the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrule {
    /// DTSTART: no earlier reading matches.
    start: i64,
    periods: Periods,
    days: Days,
    times: Times,
    /// BYSETPOS: places in each period's readings, 1 the first and -1 the last; empty: all.
    positions: Box<[i16]>,
    /// No later reading matches; the end of year 9999 when there is no such end.
    last: i64,
    /// No later slot comes; [`UnixMs::MAX`] when there is no such end.
    until: UnixMs,
    /// COUNT as it was written: `last` says what it means.
    count: Option<u32>,
    /// EXDATE, in order.
    excluded: Box<[i64]>,
    /// RDATE, in order, without those that are excluded.
    added: Box<[i64]>,
}

/// A parsed rule and what its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The rule, boxed as `Timing` keeps it.
    pub rrule: Box<Rrule>,
    /// Not errors, but `check` shows them; empty most of the time.
    pub warnings: Vec<RruleWarning>,
}

/// What an author should know about a rule that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rule has no `{date}` that could be left out; write date and time as the rule has them"
)]
pub struct RruleWarning {
    /// An EXDATE as written.
    pub date: Box<str>,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
}

impl Rrule {
    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        let dates = size_of_val(&*self.excluded) + size_of_val(&*self.added);
        let days = size_of_val(&*self.days.numbered) + size_of_val(&*self.days.year_days);
        size_of::<Rrule>() + dates + days + size_of_val(&*self.positions)
    }
}
