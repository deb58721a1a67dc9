//! Reads Quartz lines: second, minute, hour, day of month, month, weekday (1 is Sunday) and perhaps year.
//!
//! The crate `cron` defines what each item means. Its reader does not need a space after a `*`, so it reads `**`
//! or `*5` as two fields, and it allows spaces within a list. A line is therefore first checked against a
//! grammar in which fields end unambiguously. Both day fields must match, as in the crate. Slots, also across
//! clock changes, are found by our own search: the crate's search loses and repeats hours, and knows no years
//! after 2100.

use std::str::FromStr as _;

use ::cron::{Schedule, TimeUnitSpec};

use super::error::{CronError, Problem};
use super::next::DAY_MIN;
use super::parse::refuse_stray;
use super::special::Special;
use super::{Cron, DayMatch};
use crate::calendar::{Date, date_of, day_of};
use crate::canonical::{Form, is_ascending, list};
use crate::token::{Token, number};
use crate::unix_ms::UnixMs;
use crate::wall::{self, Class};
use crate::zone::Zone;

/// A Quartz expression: a cron expression to the second, in some years or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quartz {
    /// The minutes with slots, in any year.
    pub(super) cron: Cron,
    /// Bits 0 to 59.
    pub(super) seconds: u64,
    /// Sorted; `None` for every year.
    pub(super) years: Option<Box<[u16]>>,
}

/// Each field's name, and what it allows.
const FIELDS: [(&str, &str); 7] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "`?`, 1 to 31"),
    ("month", "1 to 12, names"),
    ("weekday", "`?`, 1 (Sunday) to 7, names"),
    ("year", "1970 to 2100"),
];

impl Quartz {
    /// Reads a Quartz line of six or seven fields; without a year, it means every year.
    ///
    /// # Errors
    /// When any part of the line is not wholly understood, and when its dates never come.
    pub fn parse(text: &str) -> Result<Quartz, CronError> {
        let line = Token { text, at: 0 }.trim();
        refuse_stray(line)?;
        let fields: Vec<Token<'_>> = line.fields().collect();
        if !(6..=7).contains(&fields.len()) {
            return Err(CronError::of_line(Problem::QuartzFieldCount(fields.len()), line));
        }
        for (index, item) in items(&fields) {
            check_shape(index, item)?;
        }
        let schedule = Schedule::from_str(line.text).map_err(|_| refused(&fields))?;
        let quartz = Quartz::from_crate(&schedule, &fields);
        if quartz.cron.ever_comes() && quartz.minute_from(0).is_some() {
            return Ok(quartz);
        }
        let (first, last) = (fields[3], fields[fields.len() - 1]);
        let dates = Token { text: &text[first.at..last.span().end], at: first.at };
        Err(CronError::of_line(Problem::NeverComes, dates))
    }

    fn from_crate(schedule: &Schedule, fields: &[Token<'_>]) -> Quartz {
        let star = |field: &Token<'_>| field.text.starts_with('*');
        let cron = Cron {
            minutes: mask(schedule.minutes()),
            hours: mask(schedule.hours()) as u32,
            days: mask(schedule.days_of_month()) as u32,
            nearest: 0,
            months: mask(schedule.months()) as u16,
            weekdays: (mask(schedule.days_of_week()) >> 1) as u8,
            nth: [0; 6],
            day_match: DayMatch::And,
            class: if fields[..3].iter().any(star) { Class::Wildcard } else { Class::Fixed },
        };
        let every_year = fields.get(6).is_none_or(|year| year.text == "*");
        let years = || schedule.years().iter().map(|year| year as u16).collect();
        let years = (!every_year).then(years);
        Quartz { cron, seconds: mask(schedule.seconds()), years }
    }

    /// Whether each reading comes once, however the clock is set.
    pub(crate) fn is_fixed(&self) -> bool {
        self.cron.is_fixed()
    }

    /// The first slot strictly later than `after`, or `None` if there is none, or year 9999 ends before it.
    ///
    /// Depends only on its arguments, and takes about as long for far slots as for near ones.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        wall::next(self.cron.class, zone, after, |from_s| self.reading_from(from_s))
    }

    /// The first matching reading at or after `from_s`, both in seconds since 1970 on the wall.
    fn reading_from(&self, from_s: i64) -> Option<i64> {
        let (minute, second) = (from_s.div_euclid(60), from_s.rem_euclid(60));
        let later_seconds = self.seconds >> second;
        let from = if later_seconds == 0 { minute + 1 } else { minute };
        let found = self.minute_from(from)?;
        let second = match found == minute {
            true => second + i64::from(later_seconds.trailing_zeros()),
            false => i64::from(self.seconds.trailing_zeros()),
        };
        Some(found * 60 + second)
    }

    /// The first matching minute at or after `from`, both in minutes since 1970 on the wall.
    fn minute_from(&self, mut from: i64) -> Option<i64> {
        loop {
            let found = self.cron.reading_from(from)?;
            let Some(years) = &self.years else { return Some(found) };
            let year = date_of(found.div_euclid(DAY_MIN)).year;
            let listed =
                years.iter().map(|listed| u32::from(*listed)).find(|listed| *listed >= year)?;
            if listed == year {
                return Some(found);
            }
            from = day_of(Date { year: listed, month: 1, day: 1 }) * DAY_MIN;
        }
    }

    /// The size in bytes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Quartz>() + self.years.as_deref().map_or(0, size_of_val)
    }

    /// The canonical form: that of an equivalent crontab line, if there is one; else with the mask of seconds
    /// and the years in front.
    pub(crate) fn canonical(&self) -> String {
        let cron = self.cron.canonical();
        match (self.seconds, &self.years) {
            (1, None) => cron,
            (seconds, None) => format!("quartz {seconds:x} * {cron}"),
            (seconds, Some(years)) => {
                let years: Vec<String> = years.iter().map(ToString::to_string).collect();
                format!("quartz {seconds:x} {} {cron}", years.join(","))
            }
        }
    }

    /// Reads the form back, unless it is a crontab line's.
    pub(crate) fn from_canonical(words: &mut Form<'_>) -> Option<Quartz> {
        words.literal("quartz")?;
        let seconds = words.mask((1 << 60) - 1)?;
        let years = match words.next()? {
            "*" => None,
            years => {
                let year = |year: &str| {
                    year.parse().ok().filter(|year: &u16| (1970..=2100).contains(year))
                };
                Some(list(years, 131, year)?).filter(|years| is_ascending(years))
            }
        };
        let quartz =
            Quartz { cron: Cron::from_canonical(words)?, seconds, years: years.map(Into::into) };
        quartz.minute_from(0).is_some().then_some(quartz)
    }
}

/// The items of every field, with the field's index.
fn items<'t>(fields: &[Token<'t>]) -> impl Iterator<Item = (usize, Token<'t>)> {
    let fields = fields.iter().enumerate();
    fields.flat_map(|(index, field)| field.split(',').map(move |item| (index, item)))
}

/// Accepts `*`, `?`, a value or a range, with or without a step; values are digits or letters.
fn check_shape(index: usize, item: Token<'_>) -> Result<(), CronError> {
    match Special::of(item) {
        None | Some(Special::Any) => {}
        Some(special) => {
            return Err(CronError::of_line(Problem::CrontabOnly(special.meaning()), item));
        }
    }
    let is_digits = |text: &str| number(text).is_some();
    let is_letters =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_value = |token: Token<'_>| is_digits(token.text) || is_letters(token.text);
    let (range, step) = item.split_once('/');
    let is_range_valid = match range.split_once('-') {
        (one, None) => ["*", "?"].contains(&one.text) || is_value(one),
        (one, Some(two)) => is_value(one) && is_value(two),
    };
    if is_range_valid && step.is_none_or(|step| is_digits(step.text)) {
        return Ok(());
    }
    Err(misfit(index, item))
}

/// The error for a line of valid shape that the crate refuses: its first item that the crate also refuses alone.
fn refused(fields: &[Token<'_>]) -> CronError {
    let is_refused = |(index, item): &(usize, Token<'_>)| {
        let mut alone = ["*"; FIELDS.len()];
        alone[*index] = item.text;
        Schedule::from_str(&alone.join(" ")).is_err()
    };
    let (index, item) = items(fields).find(is_refused).unwrap_or((0, fields[0]));
    misfit(index, item)
}

fn misfit(index: usize, item: Token<'_>) -> CronError {
    let (field, takes) = FIELDS[index];
    CronError::of_line(Problem::QuartzMisfit { field, takes }, item)
}

/// The values as bits; only years are above 60.
fn mask(values: &impl TimeUnitSpec) -> u64 {
    values.iter().fold(0, |mask, value| mask | 1 << value)
}
