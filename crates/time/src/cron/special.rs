//! Items beyond cronie's grammar: days that differ from month to month, `?` and `H`.

use super::days::SpecialDays;
use super::error::{CronError, Problem};
use super::field::{Dialect, Field, FieldReader, Set, WEEKDAYS};
use crate::token::{Token, number};

/// An item that some cron gives a meaning to; not checked yet.
#[derive(Clone, Copy)]
pub(super) enum Special<'a> {
    /// `?`
    Any,
    /// `L`
    LastDay,
    /// `L-3`, `L-3W`: what follows the `L-`.
    BeforeLast(Token<'a>),
    /// `LW`
    LastWorkday,
    /// `15W`: the day.
    Nearest(Token<'a>),
    /// `friL`: the weekday.
    Last(Token<'a>),
    /// `fri#2`: the weekday, and which one in the month.
    Nth(Token<'a>, Token<'a>),
    /// `H`, and what follows.
    Hash(Token<'a>),
    /// `0~30`
    Random,
}

impl<'a> Special<'a> {
    pub(super) fn of(item: Token<'a>) -> Option<Special<'a>> {
        let text = item.text;
        match text.as_bytes() {
            b"?" => Some(Special::Any),
            b"l" | b"L" => Some(Special::LastDay),
            [b'l' | b'L', b'-', ..] => Some(Special::BeforeLast(item.after(2))),
            [b'l' | b'L', b'w' | b'W'] => Some(Special::LastWorkday),
            // No name begins with an H.
            [b'h' | b'H', ..] => Some(Special::Hash(item.after(1))),
            [days @ .., b'w' | b'W'] if days.iter().all(u8::is_ascii_digit) => {
                Some(Special::Nearest(item.before(1)))
            }
            [.., b'l' | b'L'] if is_weekday(&text[..text.len() - 1]) => {
                Some(Special::Last(item.before(1)))
            }
            _ if text.contains('~') => Some(Special::Random),
            _ if text.contains(['-', '/']) => None,
            _ => match item.split_once('#') {
                (weekday, Some(nth)) => Some(Special::Nth(weekday, nth)),
                _ => None,
            },
        }
    }

    /// The meaning in words, for errors where it is not allowed.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Special::Any => "any day",
            Special::LastDay => "the last day of the month",
            Special::BeforeLast(_) => "a day counted from the end of the month",
            Special::LastWorkday => "the last day of the month from Monday to Friday",
            Special::Nearest(_) => "the nearest day from Monday to Friday",
            Special::Last(_) => "the last such weekday of the month",
            Special::Nth(..) => "the nth such weekday of the month",
            Special::Hash(_) => "a value hashed from the entry's name",
            Special::Random => "a random value",
        }
    }

    /// A crontab line that has such an item.
    pub(super) fn line(self) -> &'static str {
        match self {
            Special::Hash(_) | Special::Random => "H 3 * * *",
            Special::Nth(..) | Special::Last(_) => "30 9 * * fri#2",
            _ => "30 9 L * *",
        }
    }

    /// The error if it is part of a range, or has a step.
    pub(super) fn in_a_range(self) -> Problem {
        match self {
            Special::Hash(_) => Problem::BadHash,
            _ => Problem::SpecialInRange,
        }
    }
}

fn is_weekday(text: &str) -> bool {
    let lower = || text.to_ascii_lowercase();
    number(text).is_some()
        || text.len() >= 3 && WEEKDAYS.iter().any(|name| name.starts_with(&lower()))
}

impl FieldReader<'_> {
    /// Reads a special item into the field's set.
    pub(super) fn special(
        &mut self,
        special: Special<'_>,
        item: Token<'_>,
        set: &mut Set,
    ) -> Result<(), CronError> {
        if self.dialect == Dialect::Celery {
            let (meaning, line) = (special.meaning(), special.line());
            return Err(self.error(Problem::NeedsLine { meaning, line }, item));
        }
        match (special, self.field) {
            (Special::Hash(tail), _) => set.mask |= self.hashed(item, tail)?,
            (Special::Random, _) => return Err(self.error(Problem::Random, item)),
            (Special::Any, Field::Day | Field::Weekday) => set.mask |= self.field.full_mask(),
            (Special::LastDay, Field::Day) => set.mask |= 1,
            (Special::LastDay, Field::Weekday) if self.dialect == Dialect::Quartz => {
                set.mask |= 1 << self.field.last();
            }
            (Special::BeforeLast(tail), Field::Day) => self.before_last(item, tail, set)?,
            (Special::LastWorkday, Field::Day) => set.special.nearest |= 1,
            (Special::Nearest(day), Field::Day) if day.text.is_empty() => {
                return Err(self.error(Problem::NearestWhat, item));
            }
            (Special::Nearest(day), Field::Day) => set.special.nearest |= 1 << self.value(day)?,
            (Special::Last(weekday), Field::Weekday) => {
                set.special.nth[5] |= 1 << self.wrap(self.value(weekday)?);
            }
            (Special::Nth(weekday, nth), Field::Weekday) => {
                let weekday = self.wrap(self.value(weekday)?);
                let Some(nth @ 1..=5) = number(nth.text) else {
                    return Err(self.error(Problem::BadNth, nth));
                };
                set.special.nth[nth as usize - 1] |= 1 << weekday;
            }
            _ => return Err(self.error(Problem::Misplaced(special.meaning()), item)),
        }
        Ok(())
    }

    /// Reads what follows `L-`: `3`, or `3W`.
    fn before_last(
        &self,
        item: Token<'_>,
        tail: Token<'_>,
        set: &mut Set,
    ) -> Result<(), CronError> {
        let is_near = tail.text.ends_with(['w', 'W']);
        let count = if is_near { tail.before(1) } else { tail };
        let special = &mut set.special;
        match (number(count.text), is_near) {
            (Some(0), false) => set.mask |= 1,
            (Some(0), true) => special.nearest |= 1,
            (Some(count @ ..=SpecialDays::MAX_BEFORE_LAST), false) => {
                special.before_last |= 1 << count;
            }
            (Some(count @ ..=SpecialDays::MAX_BEFORE_LAST), true) => {
                special.near_before_last |= 1 << count;
            }
            _ => return Err(self.error(Problem::BadBeforeLast, item)),
        }
        Ok(())
    }
}
