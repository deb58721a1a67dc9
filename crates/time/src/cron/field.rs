//! Reads one field of an expression, in either dialect, into bit masks.

use std::ops::Range;

use super::days::SpecialDays;
use super::error::{CronError, CronWarning, Problem};
use super::special::Special;
use super::uneven::Steps;
use crate::token::{Token, number};

/// A field of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 0 to 59; only a Quartz line has it.
    Second,
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// 1 to 12 or a name.
    Month,
    /// 0 (Sunday) to 6 or a name; 7 is Sunday too in a crontab line.
    Weekday,
}

/// The English names of the months; January, the first, is month 1.
pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The English names of the weekdays, from Sunday (0) to Saturday.
pub const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl Field {
    /// The name of the field in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Field::Second => "second",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::Day => "day of month",
            Field::Month => "month",
            Field::Weekday => "weekday",
        }
    }

    /// The name of the field in Celery's `crontab(…)`, such as `day_of_month`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Field::Second => "second",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::Day => "day_of_month",
            Field::Month => "month_of_year",
            Field::Weekday => "day_of_week",
        }
    }

    /// The least value.
    #[must_use]
    pub fn first(self) -> u32 {
        u32::from(matches!(self, Field::Day | Field::Month))
    }

    /// The greatest value; of weekdays 6, Saturday.
    #[must_use]
    pub fn last(self) -> u32 {
        match self {
            Field::Second | Field::Minute => 59,
            Field::Hour => 23,
            Field::Day => 31,
            Field::Month => 12,
            Field::Weekday => 6,
        }
    }

    /// All values as bits.
    #[must_use]
    pub fn full_mask(self) -> u64 {
        (2 << self.last()) - (1 << self.first())
    }

    /// The English names of the values, from the first on; none if they have no names.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Field::Month => &MONTHS,
            Field::Weekday => &WEEKDAYS,
            Field::Second | Field::Minute | Field::Hour | Field::Day => &[],
        }
    }
}

impl Field {
    /// The values that a text stands for in a crontab line, as bits; `None` if it is not understood, depends on the
    /// entry's name, or stands for days that differ from month to month.
    #[must_use]
    pub fn values(self, text: &str) -> Option<u64> {
        let mut notes = Notes::default();
        let dialect = Dialect::Crontab;
        let mut reader = FieldReader { field: self, dialect, entry: None, notes: &mut notes };
        let set = reader.read(Token { text, at: 0 }).ok()?;
        (set.special == SpecialDays::default() && set.mask & !self.full_mask() == 0)
            .then_some(set.mask)
    }

    /// Whether a crontab line can have this in the field.
    pub(super) fn is_understood(self, text: &str) -> bool {
        let mut notes = Notes::default();
        let dialect = Dialect::Crontab;
        let mut reader = FieldReader { field: self, dialect, entry: Some(""), notes: &mut notes };
        reader.read(Token { text, at: 0 }).is_ok()
    }
}

/// Reads weekdays as bits 0 (Sunday) to 6: those with English names, as in `sat` and `mon-fri`; and those that count
/// only as the first to the fifth in a month or as the last, as in `mon#1`, `friL` and `5L`.
#[must_use]
pub fn weekdays(text: &str) -> Option<(u8, [u8; 6])> {
    let named = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) || part.contains(['#', 'l', 'L'])
    };
    if !text.split(['-', ',']).all(named) {
        return None;
    }
    let (field, dialect, mut notes) = (Field::Weekday, Dialect::Crontab, Notes::default());
    let mut reader = FieldReader { field, dialect, entry: None, notes: &mut notes };
    let set = reader.read(Token { text, at: 0 }).ok()?;
    Some((set.mask as u8, set.special.nth))
}

/// The rules that a field is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 7 is Sunday, `N/step` runs to the end of the field, a step that is too large is an error; `L`, `W`, `#`,
    /// `?` and `H` are allowed.
    Crontab,
    /// Celery's `crontab(…)`, without what Celery accepts but does not understand.
    Celery,
    /// The kinds of days of a Quartz line, in which weekdays are 1 (Sunday) to 7.
    Quartz,
}

/// The values that a field matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// In a day field, bit 0 is the last day of a month.
    pub(super) mask: u64,
    pub(super) special: SpecialDays,
    /// Whether the text begins with `*`, or with `?`, which means the same in a day field.
    pub(super) star: bool,
}

/// What reading an expression yields besides its values.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) warnings: Vec<CronWarning>,
    /// The position of each `H`, and the value that it stands for.
    pub(super) hashed: Vec<(Range<usize>, String)>,
    /// Items with a step.
    pub(super) steps: Vec<Steps>,
}

/// Reads one field.
pub(super) struct FieldReader<'n> {
    pub(super) field: Field,
    pub(super) dialect: Dialect,
    /// The name that `H` is hashed from.
    pub(super) entry: Option<&'n str>,
    pub(super) notes: &'n mut Notes,
}

impl FieldReader<'_> {
    pub(super) fn read(&mut self, token: Token<'_>) -> Result<Set, CronError> {
        let star = token.text.starts_with(['*', '?']);
        let mut set = Set { star, ..Set::default() };
        for item in token.split(',') {
            // Celery's own reader allows the spaces of `1, 15`; between crontab fields they separate.
            let item = if self.dialect == Dialect::Celery { item.trim() } else { item };
            match Special::of(item) {
                Some(special) => self.special(special, item, &mut set)?,
                None => set.mask |= self.item(item)?,
            }
        }
        Ok(set)
    }

    fn item(&mut self, item: Token<'_>) -> Result<u64, CronError> {
        if item.text == "*" {
            return Ok(self.field.full_mask());
        }
        if item.text.is_empty() {
            return Err(self.error(Problem::Empty, item));
        }
        let (range, step) = item.split_once('/');
        let (first, tail) = range.split_once('-');
        for part in [Some(first), tail].into_iter().flatten() {
            if let Some(special) = Special::of(part) {
                return Err(self.error(special.in_a_range(), item));
            }
        }
        let step_value = step.map_or(Ok(1), |step| self.step(step))?;
        if range.text == "*" {
            return Ok(self.steps(item, self.field.first(), self.field.last(), step_value));
        }
        if range.text.starts_with('*') {
            return Err(self.error(Problem::StrayStar, item));
        }
        let from = self.value(first)?;
        match tail {
            Some(to) => {
                let to = self.value(to)?;
                let (from, to) = self.sunday_at_both_ends(from, to);
                Ok(self.steps(item, from, to, step_value))
            }
            None if step.is_none() => Ok(self.walk(from, from, 1)),
            None if self.field == Field::Weekday || self.dialect == Dialect::Celery => {
                Err(self.error(Problem::StepWithoutRange, item))
            }
            None => Ok(self.steps(item, from, self.field.last(), step_value)),
        }
    }

    /// Sunday is 7 at the end of a range (`5-7`), and 0 at its beginning (`7-2`).
    pub(super) fn sunday_at_both_ends(&self, from: u32, to: u32) -> (u32, u32) {
        match (from, to) {
            (7, 7) if self.field == Field::Weekday => (0, 0),
            (7, to) if self.field == Field::Weekday => (0, to),
            ends => ends,
        }
    }

    /// Every `step`-th value of the range, which is noted.
    pub(super) fn steps(&mut self, item: Token<'_>, from: u32, to: u32, step: u32) -> u64 {
        if step > 1 {
            self.notes.steps.push(Steps::new(self.field, item, from, to, step));
        }
        self.walk(from, to, step)
    }

    /// Every `step`-th value of the range, which may wrap around the end of the field.
    pub(super) fn walk(&self, from: u32, to: u32, step: u32) -> u64 {
        let to = from + self.length(from, to) - 1;
        (from..=to).step_by(step as usize).fold(0, |mask, at| mask | 1 << self.wrap(at))
    }

    /// The number of values in the range.
    pub(super) fn length(&self, from: u32, to: u32) -> u32 {
        let around = if from <= to { 0 } else { self.field.last() + 1 - self.field.first() };
        around + to + 1 - from
    }

    /// The value in the field; 7, for Sunday, wraps too.
    pub(super) fn wrap(&self, at: u32) -> u32 {
        let (first, last) = (self.field.first(), self.field.last());
        if at > last { at - (last + 1 - first) } else { at }
    }

    pub(super) fn step(&mut self, token: Token<'_>) -> Result<u32, CronError> {
        let Some(step) = number(token.text) else {
            return Err(self.error(Problem::BadStep, token));
        };
        if step == 0 {
            return Err(self.error(Problem::ZeroStep, token));
        }
        if step > self.greatest() {
            match self.dialect {
                Dialect::Crontab | Dialect::Quartz => {
                    return Err(self.error(Problem::StepTooLarge, token));
                }
                Dialect::Celery => self.notes.warnings.push(CronWarning::StepTooLarge {
                    field: self.field,
                    step: token.text.into(),
                    span: token.span(),
                }),
            }
        }
        // A step above the range has one value, whatever its size.
        Ok(step.min(64))
    }

    pub(super) fn value(&self, token: Token<'_>) -> Result<u32, CronError> {
        if let Some(value) = number(token.text) {
            let allowed = self.least()..=self.greatest();
            return if allowed.contains(&value) {
                Ok(value + self.field.first() - self.least())
            } else {
                Err(self.error(Problem::OutOfRange, token))
            };
        }
        if token.text.is_empty() {
            return Err(self.error(Problem::Empty, token));
        }
        if !token.text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(self.error(Problem::NotAValue, token));
        }
        self.named(token.text).ok_or_else(|| self.error(Problem::UnknownName, token))
    }

    /// The value whose English name begins with these letters, at least three.
    fn named(&self, text: &str) -> Option<u32> {
        let matches = |name: &&str| {
            text.len() >= 3
                && name.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text))
        };
        let index = self.field.names().iter().position(matches)?;
        Some(index as u32 + self.field.first())
    }

    /// The least number that may be written.
    fn least(&self) -> u32 {
        let one = self.field == Field::Weekday && self.dialect == Dialect::Quartz;
        self.field.first() + u32::from(one)
    }

    /// The greatest number that may be written.
    fn greatest(&self) -> u32 {
        let seven = self.field == Field::Weekday && self.dialect != Dialect::Celery;
        self.field.last() + u32::from(seven)
    }

    pub(super) fn error(&self, problem: Problem, token: Token<'_>) -> CronError {
        let allowed = (self.least(), self.greatest());
        CronError::in_field(problem, self.field, allowed, token)
    }
}
