//! Reads one field by the rules of its library.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use downbeat_time::cron::Field;

use super::part::{Day, Part};
use super::{Dialect, Refused, WRITE_A_LINE};

const WRITE_TWO: &str = "write an entry for each, or a list of crontab lines";
const WRITE_BYDAY: &str = "write it as `rrule`, such as `FREQ=MONTHLY;BYDAY=-2MO`";
const WRITE_FORTNIGHT: &str =
    "write `rrule` with `FREQ=WEEKLY;INTERVAL=2`, and a DTSTART in one of its weeks";

/// Reads a field.
pub(super) fn read(text: &str, field: Field, dialect: Dialect) -> Result<Part, Refused> {
    let text = text.to_ascii_lowercase();
    let reader = Reader { field, dialect, text: &text };
    let items: Vec<&str> = text.split(',').collect();
    let (mut mask, mut days) = (0, Vec::new());
    for item in &items {
        match reader.days(item)? {
            Some(more) => days.extend(more),
            None => mask |= reader.values(item)?,
        }
    }
    let step = match items[..] {
        [item] => item.strip_prefix("*/").and_then(|step| step.parse::<u32>().ok()),
        _ => None,
    };
    let part = Part {
        field,
        mask,
        days,
        plain: items.iter().all(|item| reader.is_plain(item)).then(|| text.clone()),
        step: step.filter(|step| *step <= field.last()),
        is_any: items.iter().any(|item| *item == "*" || *item == "?"),
    };
    reader.check_weekdays(&part)?;
    Ok(part)
}

struct Reader<'t> {
    field: Field,
    dialect: Dialect,
    text: &'t str,
}

impl Reader<'_> {
    fn refuse(&self, instead: &'static str) -> Refused {
        let why = format!("`{}` is not understood in the {} field", self.text, self.field.name());
        Refused::new(why, instead)
    }

    /// Days that differ from month to month; `None` if the item is another.
    fn days(&self, item: &str) -> Result<Option<Vec<Day>>, Refused> {
        let one = |day: Day| Ok(Some(vec![day]));
        match (self.field, self.dialect) {
            (Field::Day, _) if item == "l" => one(Day::Last(0)),
            (Field::Day, Dialect::Fugit) if item == "last" => one(Day::Last(0)),
            (Field::Day, Dialect::Fugit) if item.starts_with('-') => {
                self.counted_from_the_end(item).map(Some)
            }
            (Field::Day, Dialect::Croniter) if item.contains('w') => {
                let day = item.trim_matches('w').parse().ok();
                let day = day.filter(|day| (1..=31).contains(day));
                one(Day::Near(day.ok_or_else(|| self.refuse(WRITE_A_LINE))?))
            }
            (Field::Day, Dialect::Crontab) if item.starts_with('z') => {
                Ok(Some(self.up_to_seven(&item[1..])?.map(Day::Last).collect()))
            }
            (Field::Weekday, Dialect::Crontab) if item.starts_with('l') => {
                let days = self.up_to_seven(&item[1..])?;
                Ok(Some(days.map(|day| Day::LastOf(day % 7)).collect()))
            }
            (Field::Weekday, Dialect::Croniter) if item.starts_with('l') && item.len() > 1 => {
                one(Day::LastOf(self.value(&item[1..])? % 7))
            }
            (Field::Weekday, Dialect::CronParser) if item.ends_with('l') && item.len() > 1 => {
                one(Day::LastOf(self.value(&item[..item.len() - 1])? % 7))
            }
            (Field::Weekday, dialect) if dialect != Dialect::Crontab => {
                match item.split_once('#') {
                    Some((day, nth)) => one(self.nth(day, nth)?),
                    None => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// `5#2` and, for fugit, `5#-1`.
    fn nth(&self, day: &str, nth: &str) -> Result<Day, Refused> {
        let day = self.value(day)? % 7;
        match (nth, self.dialect) {
            ("l" | "last" | "-1", Dialect::Fugit) => Ok(Day::LastOf(day)),
            (nth, _) => match nth.parse::<u32>() {
                Ok(nth @ 1..=5) => Ok(Day::Nth(day, nth)),
                _ => Err(self.refuse(WRITE_BYDAY)),
            },
        }
    }

    /// fugit's `-1` for the last day, and ranges of such days.
    fn counted_from_the_end(&self, item: &str) -> Result<Vec<Day>, Refused> {
        let refused = || self.refuse(WRITE_A_LINE);
        let day = |text: &str| match text {
            "l" | "last" => Some(1),
            text => {
                text.strip_prefix('-')?.parse::<u32>().ok().filter(|day| (1..=31).contains(day))
            }
        };
        let (from, to) = match item[1..].split_once('-') {
            Some((from, to)) => (format!("-{from}"), to),
            None => (item.to_owned(), item),
        };
        let (from, to) = (day(&from).ok_or_else(refused)?, day(to).ok_or_else(refused)?);
        if from < to {
            return Err(refused());
        }
        Ok((to..=from).rev().map(|day| Day::Last(day - 1)).collect())
    }

    /// Whether all libraries and a crontab line of ours read it alike: `5`, `mon-fri`, `10-50/10`.
    fn is_plain(&self, item: &str) -> bool {
        let value = |text: &str| self.value(text).ok().filter(|value| *value <= self.field.last());
        let (range, step) =
            item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let is_step = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
        match range.split_once('-') {
            Some((from, to)) => {
                is_step && value(from).zip(value(to)).is_some_and(|(from, to)| from < to)
            }
            None => step.is_none() && value(range).is_some(),
        }
    }

    /// The values of an item as bits: `*`, `5`, `1-5`, `*/15`, `10/20`, `1-20/5`.
    fn values(&self, item: &str) -> Result<u64, Refused> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let (first, by) = (self.field.first(), step.unwrap_or(1));
        let is_fugit = self.dialect == Dialect::Fugit;
        // In a list of weekdays, fugit takes `*` for no day at all.
        if is_fugit && self.field == Field::Weekday && item == "*" && self.text != "*" {
            return Err(self.refuse("leave out the `*`, or write only the `*`"));
        }
        if range == "*" || (range == "?" && self.is_of_days() && !is_fugit) {
            return Ok(self.walk(first, self.end_of_steps(), by));
        }
        if range.is_empty() && step.is_some() && is_fugit {
            return Ok(self.walk(first, self.field.last(), by));
        }
        match range.split_once('-') {
            Some((from, to)) => self.between(from, to, by),
            None => self.from(range, step),
        }
    }

    /// A value, or with a step the values from there to the end: `10/20`.
    fn from(&self, text: &str, step: Option<u32>) -> Result<u64, Refused> {
        let is_weekday = self.field == Field::Weekday;
        let from = match (self.value(text)?, self.dialect) {
            (7, Dialect::Croniter) if is_weekday => 0,
            (from, _) => from,
        };
        let to = match (step, self.dialect) {
            (None | Some(1), Dialect::Fugit) | (None, _) => from,
            // fugit walks from such a weekday to itself.
            (Some(_), Dialect::Fugit) if is_weekday => from,
            (Some(_), _) => self.end_of_steps().max(from),
        };
        Ok(self.walk(from, to, step.unwrap_or(1)))
    }

    fn between(&self, from: &str, to: &str, by: u32) -> Result<u64, Refused> {
        let from = self.value(from)?;
        let to = match (to, self.field, self.dialect) {
            ("l" | "last", Field::Day, Dialect::Fugit | Dialect::Croniter) => 31,
            _ => self.value(to)?,
        };
        let to =
            if self.dialect == Dialect::Crontab && self.is_of_days() && to == 0 { 7 } else { to };
        match from.cmp(&to) {
            Ordering::Less => Ok(self.walk(from, to, by)),
            // The whole field, as in `jan-jan`.
            Ordering::Equal if self.dialect == Dialect::Croniter => {
                let end = if self.field == Field::Weekday { 7 } else { self.field.last() };
                Ok(self.walk(self.field.first(), end, by))
            }
            Ordering::Equal => Ok(self.walk(from, to, by)),
            Ordering::Greater => {
                let wraps = match self.dialect {
                    Dialect::Fugit => self.field != Field::Weekday || by == 1,
                    Dialect::Croniter => by == 1,
                    Dialect::CronParser | Dialect::Crontab => false,
                };
                if !wraps {
                    return Err(self.refuse(WRITE_A_LINE));
                }
                let around = self.field.last() + 1 - self.field.first();
                Ok(self.walk(from, to + around, by))
            }
        }
    }

    fn is_of_days(&self) -> bool {
        matches!(self.field, Field::Day | Field::Weekday)
    }

    /// The last value that steps may reach. Those of cron-parser reach Sunday once more, as 7.
    fn end_of_steps(&self) -> u32 {
        match self.dialect {
            Dialect::CronParser if self.field == Field::Weekday => 7,
            _ => self.field.last(),
        }
    }

    /// Every `step`-th value, around the end of the field if need be.
    fn walk(&self, from: u32, to: u32, step: u32) -> u64 {
        let (first, last) = (self.field.first(), self.field.last());
        let wrap = |at: u32| if at > last { at - (last + 1 - first) } else { at };
        (from..=to).step_by(step as usize).fold(0, |mask, at| mask | 1 << wrap(at))
    }

    fn step(&self, text: &str) -> Result<u32, Refused> {
        let step = text.parse().ok().filter(|step| (1..=100).contains(step));
        step.ok_or_else(|| self.refuse(WRITE_A_LINE))
    }

    /// A number from 0 to 7, or a range of them, without names.
    fn up_to_seven(&self, text: &str) -> Result<RangeInclusive<u32>, Refused> {
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= 7);
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => Ok(from..=to),
            _ => Err(self.refuse(WRITE_A_LINE)),
        }
    }

    /// A number, or the first three letters of a name.
    fn value(&self, text: &str) -> Result<u32, Refused> {
        let first = self.field.first();
        let mut named = (first..).zip(self.field.names());
        if let Some((value, _)) = named.find(|(_, name)| name[..3] == *text) {
            return Ok(value);
        }
        let last = match (self.field, self.dialect) {
            (Field::Weekday, _) => 7,
            (Field::Hour, Dialect::Fugit) => 24,
            _ => self.field.last(),
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| (first..=last).contains(number));
        match number {
            Some(number) if is_number => Ok(number),
            _ if self.dialect == Dialect::Fugit && text.contains('%') => {
                Err(self.refuse(WRITE_FORTNIGHT))
            }
            _ => Err(self.refuse(WRITE_A_LINE)),
        }
    }

    /// Refuses mixtures such as `mon,mon#1`: some libraries read only a part of them, and each another part.
    fn check_weekdays(&self, part: &Part) -> Result<(), Refused> {
        if self.field != Field::Weekday || part.days.is_empty() {
            return Ok(());
        }
        let weekday = |day: &Day| match day {
            Day::Nth(weekday, _) | Day::LastOf(weekday) => *weekday,
            Day::Last(_) | Day::Near(_) => 0,
        };
        let mut seen = part.mask;
        for day in part.days.iter().map(weekday) {
            if self.dialect == Dialect::Fugit && seen >> day & 1 == 1 {
                return Err(self.refuse(WRITE_TWO));
            }
            seen |= 1 << day;
        }
        let is_mixed = part.mask != 0 || part.days.len() > 1;
        if is_mixed && self.dialect == Dialect::CronParser {
            return Err(self.refuse(WRITE_TWO));
        }
        Ok(())
    }
}
