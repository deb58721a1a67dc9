//! The crontab line: cronie's grammar, strictly, and what many users expect on top of it (whole
//! English names, ranges that wrap, `N/step`).

use super::error::{CronError, CronWarning, Problem};
use super::field::{Dialect, Field, FieldReader, Set};
use super::{Cron, DayMatch, Parsed, Sets};
use crate::schedule::token::{Token, near};

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

impl Cron {
    /// Reads a crontab line of five fields, or one of the names `@hourly` to `@yearly`.
    ///
    /// Where both day fields are restricted, `day_match` decides how they combine. Without it
    /// cronie's rule holds: one is enough, unless the text of either begins with `*`, then both
    /// must match; a warning says so.
    ///
    /// # Errors
    /// When any part of the line is not wholly understood, and when its dates never come.
    pub fn parse(text: &str, day_match: Option<DayMatch>) -> Result<Parsed, CronError> {
        let line = trim(text);
        if line.text.starts_with('@') {
            return Cron::parse(nickname(line)?, day_match);
        }
        if let Some((at, stray)) = line.text.char_indices().find(|(_, c)| is_stray(*c)) {
            let text = &line.text[at..at + stray.len_utf8()];
            return Err(CronError::of_line(
                Problem::StrayCharacter,
                Token { text, at: line.at + at },
            ));
        }
        let fields = split(line)?;
        let mut warnings = Vec::new();
        let mut read = |index: usize| -> Result<Set, CronError> {
            let (field, dialect) = (ORDER[index], Dialect::Crontab);
            FieldReader { field, dialect, warnings: &mut warnings }.read(fields[index])
        };
        let (minute, hour, day) = (read(0)?, read(1)?, read(2)?);
        let sets = Sets { minute, hour, day, month: read(3)?, weekday: read(4)? };
        let cronie = if day.star || sets.weekday.star { DayMatch::And } else { DayMatch::Or };
        if day_match.is_none() && sets.both_days_restricted() {
            warnings.push(CronWarning::AmbiguousDays(cronie));
        }
        let cron = sets.into_cron(day_match.unwrap_or(cronie));
        if cron.ever_comes() {
            return Ok(Parsed { cron, warnings });
        }
        let at = fields[2].at;
        let dates = &text[at..fields[3].span().end];
        Err(CronError::of_line(Problem::NeverComes, Token { text: dates, at }))
    }
}

fn trim(text: &str) -> Token<'_> {
    let blank = [' ', '\t'];
    let at = text.len() - text.trim_start_matches(blank).len();
    Token { text: text.trim_matches(blank), at }
}

/// Line breaks and their like would otherwise hide in a message about a field.
fn is_stray(c: char) -> bool {
    c != '\t' && (c.is_control() || (c != ' ' && c.is_whitespace()))
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
    let suggestion = near(line.text, &names);
    Err(CronError { suggestion, ..CronError::of_line(Problem::UnknownNickname, line) })
}

fn split(line: Token<'_>) -> Result<[Token<'_>; 5], CronError> {
    let mut fields = [Token { text: "", at: 0 }; 5];
    let (mut count, mut at) = (0, line.at);
    for text in line.text.split([' ', '\t']) {
        if !text.is_empty() {
            if let Some(slot) = fields.get_mut(count) {
                *slot = Token { text, at };
            }
            count += 1;
        }
        at += text.len() + 1;
    }
    match count {
        5 => Ok(fields),
        6 | 7 => Err(CronError::of_line(Problem::ManyDialects(count), line)),
        _ => Err(CronError::of_line(Problem::FieldCount(count), line)),
    }
}
