//! Reads Quartz lines: second, minute, hour, day of month, month, weekday (1 is Sunday) and perhaps year.
//!
//! The crate `cron` defines what each item means, except for kinds of days (`L`, `L-3`, `LW`, `15W`, `6L`, `6#5`),
//! which it lacks: these are read as in a crontab line, and the crate gets the line without them. Its reader does
//! not need a space after a `*`, so it reads `**` or `*5` as two fields, and it allows spaces within a list. A line
//! is therefore first checked against a grammar in which fields end unambiguously. Both day fields must match, as in
//! the crate. Slots, also across clock changes, are found by our own search: the crate's search loses and repeats
//! hours, and knows no years after 2100.

use std::str::FromStr as _;

use ::cron::{Schedule, TimeUnitSpec};

use super::error::{CronError, CronWarning, Problem};
use super::field::{Dialect, Field, FieldReader, Notes, Set};
use super::next::DAY_MIN;
use super::parse::refuse_stray;
use super::special::Special;
use super::uneven::{Stepped, Steps};
use super::zoned::refuse_zone;
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

/// The index of the field for the day of the month, and that for the weekday.
const DAY: usize = 3;
const WEEKDAY: usize = 5;

/// What reading a Quartz line gives: the expression, and warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedQuartz {
    /// The expression.
    pub quartz: Quartz,
    /// What its author should know; usually empty.
    pub warnings: Vec<CronWarning>,
}

impl Quartz {
    /// Reads a Quartz line of six or seven fields; without a year, it means every year.
    ///
    /// # Errors
    /// When any part of the line is not wholly understood, and when its dates never come.
    pub fn parse(text: &str) -> Result<ParsedQuartz, CronError> {
        let line = Token { text, at: 0 }.trim();
        refuse_zone(line, 6, |text| Quartz::parse(text).is_ok())?;
        refuse_stray(line)?;
        let fields: Vec<Token<'_>> = line.fields().collect();
        if !(6..=7).contains(&fields.len()) {
            return Err(CronError::of_line(Problem::QuartzFieldCount(fields.len()), line));
        }
        let mut notes = Notes::default();
        let kinds = KindsOfDays::read(&fields, &mut notes)?;
        let plain: Vec<String> =
            (0..fields.len()).map(|index| kinds.without(index, &fields)).collect();
        let schedule = Schedule::from_str(&plain.join(" ")).map_err(|_| refused(&fields))?;
        let quartz = Quartz::from_crate(&schedule, &fields, &kinds);
        if quartz.cron.ever_comes() && quartz.minute_from(0).is_some() {
            let warnings = quartz.warnings(&fields);
            return Ok(ParsedQuartz { quartz, warnings });
        }
        let (first, last) = (fields[DAY], fields[fields.len() - 1]);
        let dates = Token { text: &text[first.at..last.span().end], at: first.at };
        Err(CronError::of_line(Problem::NeverComes, dates))
    }

    fn from_crate(schedule: &Schedule, fields: &[Token<'_>], kinds: &KindsOfDays) -> Quartz {
        let star = |field: &Token<'_>| field.text.starts_with('*');
        let KindsOfDays { day, weekday } = kinds;
        let days = if kinds.are_all(DAY, fields) { 0 } else { mask(schedule.days_of_month()) };
        let weekdays = match kinds.are_all(WEEKDAY, fields) {
            true => 0,
            false => mask(schedule.days_of_week()) >> 1,
        };
        let cron = Cron {
            minutes: mask(schedule.minutes()),
            hours: mask(schedule.hours()) as u32,
            days: (days | day.mask) as u32,
            special: day.special.and(weekday.special).boxed(),
            months: mask(schedule.months()) as u16,
            weekdays: (weekdays | weekday.mask) as u8,
            day_match: DayMatch::And,
            class: if fields[..DAY].iter().any(star) { Class::Wildcard } else { Class::Fixed },
        };
        let every_year = fields.get(6).is_none_or(|year| year.text == "*");
        let years = || schedule.years().iter().map(|year| year as u16).collect();
        let years = (!every_year).then(years);
        Quartz { cron, seconds: mask(schedule.seconds()), years }
    }

    fn warnings(&self, fields: &[Token<'_>]) -> Vec<CronWarning> {
        const WITH_STEPS: [Field; 6] =
            [Field::Second, Field::Minute, Field::Hour, Field::Day, Field::Month, Field::Weekday];
        let items = WITH_STEPS.into_iter().zip(fields);
        let items = items.flat_map(|(field, text)| text.split(',').map(move |item| (field, item)));
        let steps: Vec<Steps> = items.filter_map(|(field, item)| steps(field, item)).collect();
        let (seconds, every_year) = (self.seconds, self.years.is_none());
        Stepped { cron: &self.cron, seconds, every_year, first_weekday: 1 }.warnings(&steps)
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

    /// The first reading at or after `from_s` that falls on a slot, in seconds since 1970 on the wall.
    pub(crate) fn reading_on(&self, zone: &Zone, slot: UnixMs, from_s: i64) -> Option<i64> {
        wall::reading_on(self.cron.class, zone, slot, from_s, |from_s| self.reading_from(from_s))
    }

    /// The number of times on a matching day.
    pub(crate) fn times_a_day(&self) -> u32 {
        self.seconds.count_ones() * self.cron.times_a_day()
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
        let years = self.years.as_deref().map_or(0, size_of_val);
        size_of::<Quartz>() + years + self.cron.heap_size()
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

/// The kinds of days among the items of the two day fields.
#[derive(Default)]
struct KindsOfDays {
    day: Set,
    weekday: Set,
}

impl KindsOfDays {
    /// Reads them, and checks the shape of every other item.
    fn read(fields: &[Token<'_>], notes: &mut Notes) -> Result<KindsOfDays, CronError> {
        let mut kinds = KindsOfDays::default();
        for (index, item) in items(fields) {
            let Some(kind) = kind_of_day(index, item) else {
                check_shape(index, item)?;
                continue;
            };
            let (field, set) = match index {
                DAY => (Field::Day, &mut kinds.day),
                _ => (Field::Weekday, &mut kinds.weekday),
            };
            let dialect = Dialect::Quartz;
            FieldReader { field, dialect, entry: None, notes: &mut *notes }
                .special(kind, item, set)?;
        }
        Ok(kinds)
    }

    /// Whether a field has no other items.
    fn are_all(&self, index: usize, fields: &[Token<'_>]) -> bool {
        fields[index].split(',').all(|item| kind_of_day(index, item).is_some())
    }

    /// A field for the crate.
    fn without(&self, index: usize, fields: &[Token<'_>]) -> String {
        let items = fields[index].split(',').filter(|item| kind_of_day(index, *item).is_none());
        let items: Vec<&str> = items.map(|item| item.text).collect();
        if items.is_empty() { "*".to_owned() } else { items.join(",") }
    }
}

/// A kind of day that the crate lacks.
fn kind_of_day(index: usize, item: Token<'_>) -> Option<Special<'_>> {
    let is_for_crate =
        |kind: &Special<'_>| matches!(kind, Special::Any | Special::Hash(_) | Special::Random);
    let kind = Special::of(item).filter(|kind| !is_for_crate(kind));
    kind.filter(|_| [DAY, WEEKDAY].contains(&index))
}

/// An item with a step; `None` if it has none, or has names.
fn steps(field: Field, item: Token<'_>) -> Option<Steps> {
    let (range, step) = item.split_once('/');
    let (from, to) = match range.split_once('-') {
        (one, None) if ["*", "?"].contains(&one.text) => (field.first(), field.last()),
        (one, to) => {
            let ends = (number(one.text)?, to.map_or(Some(field.last()), |to| number(to.text))?);
            // Weekdays begin with 1.
            match field {
                Field::Weekday => (ends.0 - 1, if to.is_some() { ends.1 - 1 } else { ends.1 }),
                _ => ends,
            }
        }
    };
    Some(Steps::new(field, item, from, to, number(step?.text)?))
}

/// Accepts `*`, `?`, a value or a range, with or without a step; values are digits or letters.
fn check_shape(index: usize, item: Token<'_>) -> Result<(), CronError> {
    if let Some(special @ (Special::Hash(_) | Special::Random)) = Special::of(item) {
        let (meaning, line) = (special.meaning(), special.line());
        return Err(CronError::of_line(Problem::NeedsLine { meaning, line }, item));
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
        let is_for_crate = kind_of_day(*index, *item).is_none();
        is_for_crate && Schedule::from_str(&alone.join(" ")).is_err()
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
