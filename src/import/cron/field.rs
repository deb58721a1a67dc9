//! One field of a cron expression, read by the rules of its library.

use super::{Dialect, Refused, WRITE_A_LINE};

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WRITE_TWO: &str = "write an entry for each, or a list of crontab lines";

impl Field {
    fn first(self) -> u32 {
        u32::from(matches!(self, Field::Day | Field::Month))
    }

    fn last(self) -> u32 {
        match self {
            Field::Second | Field::Minute => 59,
            Field::Hour => 23,
            Field::Day => 31,
            Field::Month => 12,
            Field::Weekday => 6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Field::Second => "second",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::Day => "day of month",
            Field::Month => "month",
            Field::Weekday => "weekday",
        }
    }
}

/// Days that differ from month to month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// So many days before the last of the month.
    Last(u32),
    /// The Monday to Friday nearest to a day.
    Near(u32),
    /// The last such weekday.
    LastOf(u32),
    /// The nth such weekday.
    Nth(u32, u32),
}

/// What a field allows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    field: Field,
    /// A bit for each value.
    mask: u64,
    days: Vec<Day>,
    /// The text, if it means the same in a crontab line of ours.
    plain: Option<String>,
    /// The step of `*/STEP` alone, which says more than its values.
    step: Option<u32>,
    /// Whether it restricts nothing: `*` or `?`.
    pub(super) is_any: bool,
}

/// Reads a field.
pub(super) fn read(text: &str, field: Field, dialect: Dialect) -> Result<Part, Refused> {
    let text = text.to_ascii_lowercase();
    let mut part =
        Part { field, mask: 0, days: Vec::new(), plain: None, step: None, is_any: false };
    let reader = Reader { field, dialect, text: &text };
    let items: Vec<&str> = text.split(',').collect();
    part.plain = items.iter().all(|item| reader.is_plain(item)).then(|| text.clone());
    for item in &items {
        match reader.day(item)? {
            Some(days) => part.days.extend(days),
            None => part.mask |= reader.item(item)?,
        }
    }
    part.is_any = items.iter().any(|item| *item == "*" || *item == "?");
    if let [item] = items[..]
        && let Some(step) = item.strip_prefix("*/")
    {
        part.step = step.parse().ok().filter(|step| *step <= field.last());
    }
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
        Refused::new(format!("`{}` as {} is not understood", self.text, self.field.name()), instead)
    }

    /// Days that differ from month to month; `None` if the item is another.
    fn day(&self, item: &str) -> Result<Option<Vec<Day>>, Refused> {
        let number = |text: &str| text.parse::<u32>().ok();
        let one = |day: Day| Ok(Some(vec![day]));
        match (self.field, self.dialect) {
            (Field::Day, _) if item == "l" => one(Day::Last(0)),
            (Field::Day, Dialect::Fugit) if item == "last" => one(Day::Last(0)),
            (Field::Day, Dialect::Fugit) if item.starts_with('-') => {
                self.counted_from_the_end(item)
            }
            (Field::Day, Dialect::Croniter) if item.contains('w') => {
                let day = number(item.trim_matches('w')).filter(|day| (1..=31).contains(day));
                one(Day::Near(day.ok_or_else(|| self.refuse(WRITE_A_LINE))?))
            }
            (Field::Day, Dialect::Crontab) if item.starts_with('z') => {
                let days = self.range(&item[1..], 0, 7)?;
                Ok(Some(days.map(Day::Last).collect()))
            }
            (Field::Weekday, Dialect::Crontab) if item.starts_with('l') => {
                let days = self.range(&item[1..], 0, 7)?;
                Ok(Some(days.map(|day| Day::LastOf(day % 7)).collect()))
            }
            (Field::Weekday, Dialect::Croniter) if item.starts_with('l') && item.len() > 1 => {
                one(Day::LastOf(self.value(&item[1..])? % 7))
            }
            (Field::Weekday, Dialect::CronParser) if item.ends_with('l') && item.len() > 1 => {
                one(Day::LastOf(self.value(&item[..item.len() - 1])? % 7))
            }
            (Field::Weekday, _) => {
                let Some((day, nth)) = item.split_once('#') else { return Ok(None) };
                let day = self.value(day)? % 7;
                match (nth, self.dialect) {
                    ("l" | "last" | "-1", Dialect::Fugit) => one(Day::LastOf(day)),
                    (nth, _) => match number(nth) {
                        Some(nth @ 1..=5) => one(Day::Nth(day, nth)),
                        _ => Err(self.refuse("write `rrule` with `BYDAY=-2MO`, or another")),
                    },
                }
            }
            _ => Ok(None),
        }
    }

    /// fugit's `-1` for the last day, and ranges of such days.
    fn counted_from_the_end(&self, item: &str) -> Result<Option<Vec<Day>>, Refused> {
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
        Ok(Some((to..=from).rev().map(|day| Day::Last(day - 1)).collect()))
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

    /// The values of an item: `*`, `5`, `1-5`, `*/15`, `10/20`, `1-20/5`.
    fn item(&self, item: &str) -> Result<u64, Refused> {
        let (first, last) = (self.field.first(), self.field.last());
        // Some count Sunday as 7, too, when a step walks to the end of the week.
        let week_end = match self.dialect {
            Dialect::CronParser if self.field == Field::Weekday => 7,
            _ => last,
        };
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let is_days = matches!(self.field, Field::Day | Field::Weekday);
        let by = step.unwrap_or(1);
        match range.split_once('-') {
            _ if range == "*" || (range == "?" && is_days && self.dialect != Dialect::Fugit) => {
                Ok(self.walk(first, week_end, by))
            }
            None if range.is_empty() && step.is_some() && self.dialect == Dialect::Fugit => {
                Ok(self.walk(first, last, by))
            }
            None => {
                let from = match self.value(range)? {
                    7 if self.field == Field::Weekday && self.dialect == Dialect::Croniter => 0,
                    from => from,
                };
                match step {
                    None => Ok(self.walk(from, from, 1)),
                    // fugit walks from such a weekday to itself.
                    Some(_) if self.field == Field::Weekday && self.dialect == Dialect::Fugit => {
                        Ok(self.walk(from, from, 1))
                    }
                    Some(1) if self.dialect == Dialect::Fugit => Ok(self.walk(from, from, 1)),
                    Some(step) => Ok(self.walk(from, week_end.max(from), step)),
                }
            }
            Some((from, to)) => self.bounded(from, to, by),
        }
    }

    fn bounded(&self, from: &str, to: &str, by: u32) -> Result<u64, Refused> {
        let from = self.value(from)?;
        let to = match (to, self.field, self.dialect) {
            ("l" | "last", Field::Day, Dialect::Fugit | Dialect::Croniter) => 31,
            _ => self.value(to)?,
        };
        let is_day = matches!(self.field, Field::Day | Field::Weekday);
        let to = if self.dialect == Dialect::Crontab && is_day && to == 0 { 7 } else { to };
        match from.cmp(&to) {
            std::cmp::Ordering::Less => Ok(self.walk(from, to, by)),
            // The whole field, as in `jan-jan`.
            std::cmp::Ordering::Equal if self.dialect == Dialect::Croniter => {
                let end = if self.field == Field::Weekday { 7 } else { self.field.last() };
                Ok(self.walk(self.field.first(), end, by))
            }
            std::cmp::Ordering::Equal => Ok(self.walk(from, to, by)),
            std::cmp::Ordering::Greater => {
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

    /// Numbers from one to another, in a library's words of its own.
    fn range(
        &self,
        text: &str,
        least: u32,
        most: u32,
    ) -> Result<std::ops::RangeInclusive<u32>, Refused> {
        let number = |text: &str| text.parse().ok().filter(|n| (least..=most).contains(n));
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => Ok(from..=to),
            _ => Err(self.refuse(WRITE_A_LINE)),
        }
    }

    fn value(&self, text: &str) -> Result<u32, Refused> {
        let names: &[&str] = match self.field {
            Field::Month => &MONTHS,
            Field::Weekday => &WEEKDAYS,
            Field::Second | Field::Minute | Field::Hour | Field::Day => &[],
        };
        if let Some(at) = names.iter().position(|name| *name == text) {
            return Ok(u32::try_from(at).unwrap_or(0) + self.field.first());
        }
        let most = match (self.field, self.dialect) {
            (Field::Weekday, _) => 7,
            (Field::Hour, Dialect::Fugit) => 24,
            _ => self.field.last(),
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number =
            text.parse().ok().filter(|number| (self.field.first()..=most).contains(number));
        match number {
            Some(number) if is_number => Ok(number),
            _ if self.dialect == Dialect::Fugit && text.contains('%') => Err(self.refuse(
                "write `rrule` with `FREQ=WEEKLY;INTERVAL=2`, and a DTSTART in one of its weeks",
            )),
            _ => Err(self.refuse(WRITE_A_LINE)),
        }
    }

    /// Libraries read only the first of several kinds of one weekday, or mix them in ways of their own.
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

impl Part {
    /// Whether it allows this value only.
    pub(super) fn is_only(&self, value: u32) -> bool {
        self.mask == 1 << value && self.days.is_empty()
    }

    /// The field in a crontab line.
    pub(super) fn in_a_line(&self) -> String {
        if let Some(text) = &self.plain {
            return text.clone();
        }
        self.written(
            |value| value.to_string(),
            |day| match day {
                Day::Last(0) => "L".to_owned(),
                Day::Last(before) => format!("L-{before}"),
                Day::Near(day) => format!("{day}W"),
                Day::LastOf(weekday) => format!("{weekday}L"),
                Day::Nth(weekday, nth) => format!("{weekday}#{nth}"),
            },
        )
    }

    /// The field in a Quartz expression, in which Sunday is 1.
    pub(super) fn in_quartz(&self) -> String {
        let names = |value: u32| match self.field {
            Field::Weekday => WEEKDAYS[value as usize].to_ascii_uppercase(),
            _ => value.to_string(),
        };
        self.written(names, |day| match day {
            Day::Last(0) => "L".to_owned(),
            Day::Last(before) => format!("L-{before}"),
            Day::Near(day) => format!("{day}W"),
            Day::LastOf(weekday) => format!("{}L", weekday + 1),
            Day::Nth(weekday, nth) => format!("{}#{nth}", weekday + 1),
        })
    }

    fn written(&self, value: impl Fn(u32) -> String, day: impl Fn(&Day) -> String) -> String {
        if self.is_any {
            return "*".to_owned();
        }
        if let Some(step) = self.step {
            return if step == 1 { "*".to_owned() } else { format!("*/{step}") };
        }
        let runs = self.runs().into_iter().map(|(from, to)| match to - from {
            0 => value(from),
            1 => format!("{},{}", value(from), value(to)),
            _ => format!("{}-{}", value(from), value(to)),
        });
        runs.chain(self.days.iter().map(day)).collect::<Vec<_>>().join(",")
    }

    /// Neighbouring values as ranges.
    fn runs(&self) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for value in (0..64).filter(|value| self.mask >> value & 1 == 1) {
            match runs.last_mut() {
                Some((_, to)) if *to + 1 == value => *to = value,
                _ => runs.push((value, value)),
            }
        }
        runs
    }
}

/// Years, as both Python libraries write them; `None` means all.
pub(super) fn years(text: &str) -> Result<Option<Vec<u16>>, Refused> {
    const RANGE: std::ops::RangeInclusive<u16> = 1970..=2099;
    if text == "*" {
        return Ok(None);
    }
    let refused = || Refused::new(format!("`{text}` as year is not understood"), WRITE_A_LINE);
    let year =
        |text: &str| text.parse().ok().filter(|year| RANGE.contains(year)).ok_or_else(refused);
    let mut years = std::collections::BTreeSet::new();
    for item in text.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step = step.parse().ok().filter(|step| *step > 0_usize).ok_or_else(refused)?;
        let has_step = item.contains('/');
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (*RANGE.start(), *RANGE.end()),
            Some((from, to)) => (year(from)?, year(to)?),
            None if has_step => (year(range)?, *RANGE.end()),
            None => (year(range)?, year(range)?),
        };
        if from > to {
            return Err(refused());
        }
        years.extend((from..=to).step_by(step));
    }
    Ok(Some(years.into_iter().collect()))
}
