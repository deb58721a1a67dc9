//! Items beyond cronie's grammar: days that differ from month to month, `?` and `H`.

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
    /// `L-3`
    BeforeLastDay,
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
            [b'l' | b'L', b'-', ..] => Some(Special::BeforeLastDay),
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
            Special::BeforeLastDay => "a day counted from the end of the month",
            Special::LastWorkday => "the last day of the month from Monday to Friday",
            Special::Nearest(_) => "the nearest day from Monday to Friday",
            Special::Last(_) => "the last such weekday of the month",
            Special::Nth(..) => "the nth such weekday of the month",
            Special::Hash(_) => "a value hashed from the entry's name",
            Special::Random => "a random value",
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
        if self.dialect != Dialect::Crontab {
            return Err(self.error(Problem::CrontabOnly(special.meaning()), item));
        }
        match (special, self.field) {
            (Special::Hash(tail), _) => set.mask |= self.hashed(item, tail)?,
            (Special::BeforeLastDay | Special::Random, _) => {
                return Err(self.error(Problem::Unsupported(special.meaning()), item));
            }
            (Special::Any, Field::Day | Field::Weekday) => set.mask |= self.field.full_mask(),
            (Special::LastDay, Field::Day) => set.mask |= 1,
            (Special::LastWorkday, Field::Day) => set.nearest |= 1,
            (Special::Nearest(day), Field::Day) if day.text.is_empty() => {
                return Err(self.error(Problem::NearestWhat, item));
            }
            (Special::Nearest(day), Field::Day) => set.nearest |= 1 << self.value(day)?,
            (Special::Last(weekday), Field::Weekday) => {
                set.nth[5] |= 1 << self.wrap(self.value(weekday)?);
            }
            (Special::Nth(weekday, nth), Field::Weekday) => {
                let weekday = self.wrap(self.value(weekday)?);
                let Some(nth @ 1..=5) = number(nth.text) else {
                    return Err(self.error(Problem::BadNth, nth));
                };
                set.nth[nth as usize - 1] |= 1 << weekday;
            }
            _ => return Err(self.error(Problem::Misplaced(special.meaning()), item)),
        }
        Ok(())
    }
}
