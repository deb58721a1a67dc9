//! Recurrence rules of RFC 5545 (iCalendar): `DTSTART`, `RRULE`, `EXDATE` and `RDATE`.
//!
//! A rule is a set of readings of the zone's wall clock. Each fires once, at the first instant at which the
//! clock shows it or a later one: the rule for clock changes of fixed cron expressions, in `wall`. COUNT and
//! EXDATE count and drop readings, whatever the clock does with them.
//!
//! The text is read as `dateutil` reads it, if RFC 5545 defines it (`parse`, `build`); what is not wholly
//! understood is refused, with its position and what to write instead (`error`). Where the two differ or are
//! silent:
//!
//! - DTSTART is a slot only when the rule has it (as in `dateutil`); a date alone is its midnight.
//! - What the rule leaves open comes from DTSTART: month, day and time of day. `BYWEEKNO` alone means
//!   all days of the week (as in `dateutil`).
//! - UNTIL is a reading, or with a `Z` an instant. A date alone is that whole day, as the RFC says of
//!   rules of whole days; to `dateutil` it is the day's first second.
//! - BYSETPOS chooses in whole periods, also in the week of DTSTART; there, `dateutil` takes only the
//!   days from DTSTART on.
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

/// The maximum length of the whole text in bytes.
pub(crate) const MAX_TEXT: usize = 16 * 1024;
/// The maximum number of dates in all EXDATEs together, and in all RDATEs.
pub(crate) const MAX_DATES: usize = 500;
/// The greatest INTERVAL and COUNT: 31 years of seconds.
pub(crate) const MAX_NUMBER: u32 = 1_000_000_000;
/// The maximum number of periods and months examined to find where COUNT ends a rule whose periods differ, so
/// that its readings must be counted one by one.
pub(crate) const MAX_COUNTED: u32 = 20_000;

/// A recurrence rule of RFC 5545, with its DTSTART, EXDATEs and RDATEs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrule {
    // All readings are in seconds since 1970-01-01T00:00:00 on the wall.
    /// DTSTART: no earlier reading matches.
    start: i64,
    periods: Periods,
    days: Days,
    times: Times,
    /// BYSETPOS: positions in each period's readings, 1 the first and -1 the last; empty: all.
    positions: Box<[i16]>,
    /// No later reading matches; the end of year 9999 if there is no end.
    last: i64,
    /// No later slot comes; [`UnixMs::MAX`] if there is no end.
    until: UnixMs,
    /// COUNT as written; `last` is what it amounts to.
    count: Option<u32>,
    /// EXDATE, sorted.
    excluded: Box<[i64]>,
    /// RDATE, sorted, without excluded ones.
    added: Box<[i64]>,
}

/// What reading a recurrence rule gives: the rule, and warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The rule, boxed as [`Timing`](super::Timing) keeps it.
    pub rrule: Box<Rrule>,
    /// What its author should know; usually empty.
    pub warnings: Vec<RruleWarning>,
}

/// A warning about a rule that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rule has no `{date}` that could be left out; write date and time as the rule has them"
)]
pub struct RruleWarning {
    /// An EXDATE as written.
    pub date: Box<str>,
    /// Its position in the text, in bytes.
    pub span: Range<usize>,
}

impl Rrule {
    /// The size in bytes.
    pub(super) fn size(&self) -> usize {
        let dates = size_of_val(&*self.excluded) + size_of_val(&*self.added);
        let days = size_of_val(&*self.days.numbered) + size_of_val(&*self.days.year_days);
        size_of::<Rrule>() + dates + days + size_of_val(&*self.positions)
    }
}
