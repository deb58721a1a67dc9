//! Reads crontab lines: cronie's grammar, strictly, and what many users expect besides: whole English names,
//! ranges that wrap, `N/step`, `L`, `LW`, `15W`, `friL`, `fri#2`, `?`, and `H`.

use std::ops::Range;

use super::error::{CronError, CronWarning, Problem};
use super::field::{Dialect, Field, FieldReader, Notes, Set};
use super::uneven::Stepped;
use super::zoned::refuse_zone;
use super::{Cron, DayMatch, Parsed, Sets};
use crate::spelling::nearest;
use crate::token::Token;

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const ORDER: [Field; 5] = [Field::Minute, Field::Hour, Field::Day, Field::Month, Field::Weekday];

/// A crontab line, and what else its meaning depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line<'a> {
    /// Five fields, or one of the names `@hourly` to `@yearly`.
    pub text: &'a str,
    /// How two restricted day fields combine. If not set, cronie's rule applies: one is enough, unless the text
    /// of either begins with `*` (or `?`), then both must match; a warning says so.
    pub day_match: Option<DayMatch>,
    /// The name of the entry that has this line, from which each `H` is hashed.
    pub entry: Option<&'a str>,
}

impl<'a> From<&'a str> for Line<'a> {
    fn from(text: &'a str) -> Line<'a> {
        Line { text, ..Line::default() }
    }
}

impl Cron {
    /// Reads a crontab line.
    ///
    /// # Errors
    /// When any part of the line is not wholly understood, and when its dates never come.
    pub fn parse<'a>(line: impl Into<Line<'a>>) -> Result<Parsed, CronError> {
        let Line { text, day_match, entry } = line.into();
        let trimmed = Token { text, at: 0 }.trim();
        let is_read = |text: &str| Cron::parse(Line { entry: Some(""), ..text.into() }).is_ok();
        refuse_zone(trimmed, ORDER.len(), is_read)?;
        if trimmed.text.starts_with('@') {
            return Cron::parse(nickname(trimmed)?);
        }
        refuse_stray(trimmed)?;
        if trimmed.text.starts_with("crontab(") {
            return Err(CronError::of_line(Problem::CeleryCall, trimmed));
        }
        let fields = split(trimmed)?;
        let mut notes = Notes::default();
        let mut read = |index: usize| -> Result<Set, CronError> {
            let (field, dialect) = (ORDER[index], Dialect::Crontab);
            FieldReader { field, dialect, entry, notes: &mut notes }.read(fields[index])
        };
        let (minute, hour, day) = (read(0)?, read(1)?, read(2)?);
        let sets = Sets { minute, hour, day, month: read(3)?, weekday: read(4)? };
        let cronie = if day.star || sets.weekday.star { DayMatch::And } else { DayMatch::Or };
        if day_match.is_none() && sets.both_days_restricted() {
            notes.warnings.push(CronWarning::AmbiguousDays(cronie));
        }
        let cron = sets.into_cron(day_match.unwrap_or(cronie));
        if !cron.ever_comes() {
            let last = if cron.differs_by_month() { 4 } else { 3 };
            let at = fields[2].at;
            let dates = Token { text: &text[at..fields[last].span().end], at };
            return Err(CronError::of_line(Problem::NeverComes, dates));
        }
        let stepped = Stepped { cron: &cron, seconds: 1, every_year: true, first_weekday: 0 };
        notes.warnings.extend(stepped.warnings(&notes.steps));
        let resolved = (!notes.hashed.is_empty()).then(|| resolve(text, &notes.hashed));
        Ok(Parsed { cron, warnings: notes.warnings, resolved })
    }
}

/// The line with each `H` replaced; `hashed` is in the order of the text.
fn resolve(text: &str, hashed: &[(Range<usize>, String)]) -> Box<str> {
    let (mut line, mut done) = (String::new(), 0);
    for (span, value) in hashed {
        line += &text[done..span.start];
        line += value;
        done = span.end;
    }
    line += &text[done..];
    line.trim().into()
}

/// Refuses line breaks and the like, which would be invisible in a message about a field.
pub(super) fn refuse_stray(line: Token<'_>) -> Result<(), CronError> {
    let is_stray = |c: char| c != '\t' && (c.is_control() || (c != ' ' && c.is_whitespace()));
    match line.text.char_indices().find(|(_, c)| is_stray(*c)) {
        None => Ok(()),
        Some((at, stray)) => {
            let stray = Token { text: &line.text[at..at + stray.len_utf8()], at: line.at + at };
            Err(CronError::of_line(Problem::StrayCharacter, stray))
        }
    }
}

fn nickname(line: Token<'_>) -> Result<&'static str, CronError> {
    let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(line.text));
    if let Some((_, fields)) = known {
        return Ok(fields);
    }
    let word = line.text.split([' ', '\t']).next().unwrap_or_default();
    if ["@reboot", "@every"].iter().any(|name| name.eq_ignore_ascii_case(word)) {
        return Err(CronError::of_line(Problem::NoTimes, line));
    }
    let names = NICKNAMES.map(|(name, _)| name);
    let suggestion = nearest(line.text, names).map(str::to_owned);
    Err(CronError { suggestion, ..CronError::of_line(Problem::UnknownNickname, line) })
}

fn split(line: Token<'_>) -> Result<[Token<'_>; 5], CronError> {
    let mut fields = [Token { text: "", at: 0 }; 5];
    let mut count = 0;
    for field in line.fields() {
        if let Some(slot) = fields.get_mut(count) {
            *slot = field;
        }
        count += 1;
    }
    match count {
        5 => Ok(fields),
        6 | 7 => Err(CronError::of_line(Problem::ManyDialects(count), line)),
        _ => Err(CronError::of_line(Problem::FieldCount(count), line)),
    }
}
