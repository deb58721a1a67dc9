//! Cron expressions of other libraries as `cron` of an entry.
//!
//! Libraries agree on most of a field, and differ in its corners: which field is the second, where a step ends,
//! what `L5` is. [`reader`] reads a field by the rules of its library; this module puts the fields together. A
//! crontab line has no seconds and no years, so what has them becomes a Quartz expression.

mod part;
mod quartz;
mod reader;
mod years;

use downbeat_time::cron::Field;

use self::part::Part;
use super::{Job, Refused};

/// Maximum bytes of an expression; the longest that means something lists 59 of 60 values in each field.
const MAX_LENGTH: usize = 1000;

/// Whose rules an expression follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The Ruby library fugit: seconds first, a zone last.
    Fugit,
    /// The JavaScript library cron-parser: seconds first.
    CronParser,
    /// The Python library croniter: seconds sixth, years seventh.
    Croniter,
    /// The Python library crontab: years last; with seven fields, seconds first.
    Crontab,
}

/// Which fields of days must match if both are restricted: both, or either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayMatch {
    And,
    Or,
}

/// An expression, whatever its library.
#[derive(Debug)]
struct Expression {
    second: Part,
    minute: Part,
    hour: Part,
    day: Part,
    month: Part,
    weekday: Part,
    /// `None` means every year.
    years: Option<Vec<u16>>,
    day_match: DayMatch,
    /// The zone that the expression itself names.
    zone: Option<String>,
}

/// Sets `cron`, with `day_match` and `timezone` if the expression needs them. Leaves the job out if its library does
/// not understand the expression, or it has no counterpart here.
pub(crate) fn set(job: &mut Job, text: &str, dialect: Dialect) {
    match read(text, dialect) {
        Ok(expression) => expression.set(job),
        Err(refused) => {
            job.set("cron", text);
            job.refuse(refused);
        }
    }
}

/// The expressions that have a name.
fn named(text: &str, dialect: Dialect) -> Option<&'static str> {
    Some(match (text, dialect) {
        ("@yearly" | "@annually", _) => "0 0 1 1 *",
        ("@monthly", _) => "0 0 1 * *",
        ("@weekly", _) => "0 0 * * 0",
        ("@daily", _) => "0 0 * * *",
        ("@hourly", _) => "0 * * * *",
        ("@midnight", Dialect::Fugit | Dialect::Croniter) => "0 0 * * *",
        ("@noon", Dialect::Fugit) => "0 12 * * *",
        ("@minutely", Dialect::CronParser) => "* * * * *",
        ("@secondly", Dialect::CronParser) => "* * * * * *",
        ("@weekdays", Dialect::CronParser) => "0 0 * * 1-5",
        ("@weekends", Dialect::CronParser) => "0 0 * * 0,6",
        _ => return None,
    })
}

const WRITE_A_LINE: &str = "write a crontab line of five fields, or `rrule`";

fn read(text: &str, dialect: Dialect) -> Result<Expression, Refused> {
    if text.len() > MAX_LENGTH {
        return Err(Refused::new("its cron expression is too long", WRITE_A_LINE));
    }
    let text = text.trim();
    let mut words: Vec<&str> = named(text, dialect).unwrap_or(text).split_whitespace().collect();
    let zone = if dialect == Dialect::Fugit { take_zone(&mut words)? } else { None };
    let [second, minute, hour, day, month, weekday, year] =
        in_order(&words, dialect).ok_or_else(|| match dialect {
            Dialect::Fugit if words.len() != 5 && words.len() != 6 => Refused::new(
                format!("`{text}` is not a cron expression"),
                "if fugit reads it as English, write what `Fugit.parse(…).to_cron_s` returns",
            ),
            _ => Refused::new(format!("`{text}` has {} fields", words.len()), WRITE_A_LINE),
        })?;
    let (day, day_and) = and_sign(day, dialect);
    let (weekday, weekday_and) = and_sign(weekday, dialect);
    let read = |field: Field, text: &str| reader::read(text, field, dialect);
    let is_and = dialect == Dialect::Crontab || day_and || weekday_and;
    Ok(Expression {
        second: read(Field::Second, second)?,
        minute: read(Field::Minute, minute)?,
        hour: read(Field::Hour, hour)?,
        day: read(Field::Day, day)?,
        month: read(Field::Month, month)?,
        weekday: read(Field::Weekday, weekday)?,
        years: years::read(year)?,
        day_match: if is_and { DayMatch::And } else { DayMatch::Or },
        zone,
    })
}

/// The fields from second to year.
fn in_order<'t>(words: &[&'t str], dialect: Dialect) -> Option<[&'t str; 7]> {
    Some(match (words, dialect) {
        (&[minute, hour, day, month, weekday], _) => ["0", minute, hour, day, month, weekday, "*"],
        (&[second, minute, hour, day, month, weekday], Dialect::Fugit | Dialect::CronParser) => {
            [second, minute, hour, day, month, weekday, "*"]
        }
        (&[minute, hour, day, month, weekday, second], Dialect::Croniter) => {
            [second, minute, hour, day, month, weekday, "*"]
        }
        (&[minute, hour, day, month, weekday, second, year], Dialect::Croniter) => {
            [second, minute, hour, day, month, weekday, year]
        }
        (&[minute, hour, day, month, weekday, year], Dialect::Crontab) => {
            ["0", minute, hour, day, month, weekday, year]
        }
        (&[second, minute, hour, day, month, weekday, year], Dialect::Crontab) => {
            [second, minute, hour, day, month, weekday, year]
        }
        _ => return None,
    })
}

/// fugit's zone: a name, or an offset of whole hours.
fn take_zone(words: &mut Vec<&str>) -> Result<Option<String>, Refused> {
    let Some(last) = words.last().copied().filter(|_| words.len() > 5) else { return Ok(None) };
    let is_name = last.starts_with(|c: char| c.is_ascii_uppercase())
        && last.len() > 2
        && !last.contains([',', '#', '*']);
    let is_offset = last.starts_with(['+', '-']);
    if !is_name && !is_offset {
        return Ok(None);
    }
    // A sixth word may be a weekday in capitals.
    if words.len() == 6 && reader::read(last, Field::Weekday, Dialect::Fugit).is_ok() {
        return Ok(None);
    }
    words.pop();
    if is_name {
        return Ok(Some(last.to_owned()));
    }
    let (sign, digits) = last.split_at(1);
    let hours = digits.strip_suffix("00").map(|hours| hours.trim_end_matches(':'));
    match hours.and_then(|hours| hours.parse::<u8>().ok()) {
        // The names of POSIX count to the west.
        Some(hours @ 0..=12) if sign == "+" => Ok(Some(format!("Etc/GMT-{hours}"))),
        Some(hours @ 0..=12) => Ok(Some(format!("Etc/GMT+{hours}"))),
        _ => Err(Refused::new(
            format!("the offset `{last}` is not of whole hours"),
            "name a zone, such as `Asia/Kolkata`",
        )),
    }
}

/// fugit's `&` at a field of days: both must match.
fn and_sign(text: &str, dialect: Dialect) -> (&str, bool) {
    match text.strip_suffix('&').or(text.strip_prefix('&')) {
        Some(rest) if dialect == Dialect::Fugit => (rest, true),
        _ => (text, false),
    }
}

impl Expression {
    fn are_both_days_restricted(&self) -> bool {
        !self.day.is_any && !self.weekday.is_any
    }

    fn set(self, job: &mut Job) {
        if let Some(zone) = &self.zone {
            job.set("timezone", zone.clone());
        }
        let is_to_the_minute = self.second.is_only(0) && self.years.is_none();
        if !is_to_the_minute {
            job.set("cron", quartz::write(&self));
            return;
        }
        let parts = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        job.set("cron", parts.map(Part::in_a_line).join(" "));
        if self.are_both_days_restricted() {
            let word = if self.day_match == DayMatch::And { "and" } else { "or" };
            job.set("day_match", word);
        }
    }
}

#[cfg(test)]
mod tests;
