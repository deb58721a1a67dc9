//! Errors of recurrences: what is wrong, where, and what to write instead.

use std::ops::Range;

use super::{MAX_DATES, MAX_TEXT};
use crate::token::Token;

/// The error of a recurrence rule that is refused: what is wrong, and where.
///
/// Shown as one line: what is wrong, then what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RruleError {
    /// What is wrong.
    pub problem: Problem,
    /// Its position in the text, in bytes.
    pub span: Range<usize>,
}

/// What is wrong with a recurrence rule. Texts in it are as written, shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says it in its message")]
pub enum Problem {
    #[error(
        "a recurrence of more than {MAX_TEXT} bytes; `FREQ` and the parts of a rule say more with less"
    )]
    TooLong,
    #[error("there is no rule; add a line like `RRULE:FREQ=MONTHLY;BYDAY=-1FR`")]
    NoRule,
    #[error(
        "the rule does not say from when on it counts; set `start`, or add a line like `DTSTART:20260101T090000`"
    )]
    NoStart,
    #[error("the rule has no FREQ; write `FREQ=DAILY`, or another of {FREQS}")]
    NoFreq,
    #[error("`{name}` is not known here; {}", hint(.near, "write DTSTART, RRULE, EXDATE or RDATE"))]
    UnknownProperty { name: Box<str>, near: Option<String> },
    #[error("`{0}` says nothing here; write TZID=… or VALUE=DATE-TIME, or leave it out")]
    UnknownParameter(Box<str>),
    #[error("`{name}` is not a part of a rule; {}", hint(.near, "write NAME=value with a name of RFC 5545"))]
    UnknownPart { name: Box<str>, near: Option<String> },
    #[error("`EXRULE` is no longer part of RFC 5545; {}", except_hint(.days))]
    Exrule { days: Option<String> },
    #[error("BYEASTER is not part of RFC 5545; write the dates as RDATE")]
    Easter,
    #[error("a second {0}; keep one of the two")]
    Twice(&'static str),
    #[error("`{0}` has no value; write one, or leave the part out")]
    NoValue(Box<str>),
    #[error("`{token}` is not a frequency; {}", hint(.near, &format!("write one of {FREQS}")))]
    UnknownFreq { token: Box<str>, near: Option<String> },
    #[error("`{token}` is not a weekday; {}", hint(.near, "write MO, TU, WE, TH, FR, SA or SU"))]
    UnknownWeekday { token: Box<str>, near: Option<String> },
    #[error("`{0}` is not a number; write {1}")]
    NotANumber(Box<str>, Allowed),
    #[error("`{0}` is out of range; write {1}")]
    OutOfRange(Box<str>, Allowed),
    #[error("`{0}` is not a date and time; write it like `20260101T090000`")]
    NotADate(Box<str>),
    #[error(
        "there is no `{0}`; write a date of the years {FIRST_YEAR} to 9999, and a time up to 235959"
    )]
    NoSuchDate(Box<str>),
    #[error("`{0}` has no time of day; write it like `20260101T090000`")]
    NoTime(Box<str>),
    #[error("`{0}` is not what its VALUE says; leave VALUE out")]
    NotTheValue(Box<str>),
    #[error(
        "`{token}` is a time in UTC, but the entry's zone is {zone}; write `{local}`, or set `timezone: UTC`"
    )]
    NotInUtc { token: Box<str>, zone: &'static str, local: String },
    #[error(
        "the zone `{token}` contradicts the entry's, which is {zone}; set `timezone: {token}`, or leave TZID out"
    )]
    AnotherZone { token: Box<str>, zone: &'static str },
    #[error("`{0}` has both a zone and a `Z`; keep one of the two")]
    TwoZones(Box<str>),
    #[error("more than {MAX_DATES} dates; write a rule that needs fewer")]
    TooManyDates,
    #[error("{part} does not go with FREQ={freq}; {hint}")]
    NotWithFreq { part: &'static str, freq: &'static str, hint: &'static str },
    #[error(
        "`{0}` counts weekdays; write it with FREQ=MONTHLY, or with FREQ=YEARLY without BYWEEKNO"
    )]
    Numbered(Box<str>),
    #[error("BYSETPOS chooses among what other parts give; add one, like BYDAY, or leave it out")]
    NothingToChoose,
    #[error("COUNT contradicts UNTIL; keep one of the two")]
    CountAndUntil,
    #[error("UNTIL is before DTSTART, so the rule never comes; write a later one")]
    UntilBeforeStart,
    #[error("COUNT is too large for a rule whose periods are not all alike; write UNTIL instead")]
    CountTooLarge,
    #[error(
        "the rule never comes, or too rarely to be found; check that its parts have a date in common"
    )]
    NeverComes,
}

/// The numbers that a part allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub(super) least: u32,
    pub(super) greatest: u32,
    /// Whether a sign is allowed.
    pub(super) signed: bool,
}

impl Allowed {
    pub(super) const fn from(least: u32, greatest: u32) -> Allowed {
        Allowed { least, greatest, signed: false }
    }

    /// From 1, or counted from the end.
    pub(super) const fn signed(greatest: u32) -> Allowed {
        Allowed { least: 1, greatest, signed: true }
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Allowed { least, greatest, signed } = self;
        write!(f, "{least} to {greatest}")?;
        if *signed { write!(f, ", or -{least} to -{greatest}") } else { Ok(()) }
    }
}

pub(super) const FREQS: &str = "YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY";
/// The first year allowed: schedules need no earlier dates, and the calendar's arithmetic begins not long
/// before.
pub(super) const FIRST_YEAR: u32 = 1600;

fn except_hint(days: &Option<String>) -> String {
    match days {
        Some(days) => format!("write `except: [{days}]` beside `rrule`"),
        None => "write `except` beside `rrule`, or the dates as EXDATE".to_owned(),
    }
}

fn hint(near: &Option<String>, otherwise: &str) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => otherwise.to_owned(),
    }
}

impl Problem {
    pub(super) fn at(self, token: Token<'_>) -> RruleError {
        RruleError { problem: self, span: token.span() }
    }
}

impl Token<'_> {
    /// The text as quoted in messages.
    pub(super) fn quoted(self) -> Box<str> {
        const MAX_QUOTED_CHARS: usize = 40;
        let mut quoted: String =
            self.text.chars().take(MAX_QUOTED_CHARS).flat_map(char::escape_debug).collect();
        if self.text.chars().nth(MAX_QUOTED_CHARS).is_some() {
            quoted.push('…');
        }
        quoted.into()
    }
}
