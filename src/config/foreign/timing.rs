//! What a foreign text says about when to run, in our words.

use std::fmt;
use std::time::Duration;

use downbeat_time::Zone;
use downbeat_time::cron::{Cron, Line};
use downbeat_time::interval::MIN_PERIOD;
use downbeat_time::rrule::Rrule;

use super::{calls, lines, mapping, on_calendar, phrases};
use crate::text::flow::{quoted, scalar};
use crate::text::{Node, Pair, Scalar, duration, instant};

/// Longer texts are not looked into.
const MAX_TEXT: usize = 200;
/// Longer lists are not repeated.
const MAX_ITEMS: usize = 8;

/// When to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(super) when: When,
    /// Pairs that go with it: `timezone: Asia/Seoul`.
    pub(super) beside: Vec<String>,
}

/// The timing itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// A crontab line.
    Line(String),
    /// The items of a list of `cron`.
    Items(Vec<String>),
    /// A line with seconds first, in which 1 is Sunday.
    Quartz(String),
    /// Seconds first, and a number for the weekday: Sunday is 0 to some schedulers, 1 to others.
    Either {
        line: String,
        quartz: String,
    },
    /// The fields of `cron` as a mapping, without the braces.
    Fields(String),
    Every(Duration),
    At(String),
    Rrule(String),
    /// The keys of `solar`, without the braces.
    Solar(String),
}

impl From<When> for Timing {
    fn from(when: When) -> Timing {
        Timing { when, beside: Vec::new() }
    }
}

impl Timing {
    /// Reads what the value of a key means to another scheduler; `mapping` is where the key is written.
    pub(crate) fn of(value: &Node<'_>, mapping: &[Pair<'_>]) -> Option<Timing> {
        Timing::read(value, mapping).filter(Timing::is_possible)
    }

    fn read(value: &Node<'_>, mapping: &[Pair<'_>]) -> Option<Timing> {
        if let Some(pairs) = value.map() {
            return mapping::read(pairs);
        }
        if let Some(items) = value.list() {
            return Timing::of_list(items, mapping);
        }
        let text = value.as_written()?;
        match value.scalar()? {
            Scalar::Int(_) | Scalar::Float(_) => mapping::count(text, mapping),
            Scalar::Text(text) => mapping::named(text, mapping).or_else(|| Timing::parse(text)),
            _ => None,
        }
    }

    /// One item, which options may follow, or several crontab lines.
    fn of_list(items: &[Node<'_>], mapping: &[Pair<'_>]) -> Option<Timing> {
        match items {
            [only] => Timing::of(only, mapping),
            [first, options] if first.map().is_none() && options.map().is_some() => {
                Timing::of(first, mapping)
            }
            [] => None,
            _ => Timing::union(items, |item| match item.scalar()? {
                Scalar::Text(text) => line(text).map(Timing::from).or_else(|| Timing::parse(text)),
                _ => None,
            }),
        }
    }

    /// All of several, if one entry can have them.
    pub(super) fn union(
        items: &[Node<'_>],
        read: impl Fn(&Node<'_>) -> Option<Timing>,
    ) -> Option<Timing> {
        match items {
            [only] => read(only),
            _ if items.len() > MAX_ITEMS => None,
            _ => {
                let items: Option<_> = items.iter().map(|item| read(item)?.item()).collect();
                items.map(|items| When::Items(items).into())
            }
        }
    }

    /// As an item in a list of `cron`, if it can be one.
    fn item(&self) -> Option<String> {
        match &self.when {
            _ if !self.beside.is_empty() => None,
            When::Line(line) => Some(quoted(line)),
            When::Quartz(line) => Some(format!("{{quartz: {}}}", quoted(line))),
            When::Fields(fields) => Some(format!("{{{fields}}}")),
            _ => None,
        }
    }

    /// What to write instead of an item in a list of `cron`.
    pub(crate) fn as_item(&self) -> String {
        match (&self.when, self.item()) {
            (_, Some(item)) => format!("`{item}`"),
            (When::Either { line, quartz }, None) if self.beside.is_empty() => format!(
                "`{}` if 0 is Sunday, or `{{quartz: {}}}` if 1 is Sunday",
                quoted(line),
                quoted(quartz)
            ),
            _ => format!("an entry of its own with {self}"),
        }
    }

    /// Reads a text of another scheduler.
    pub(crate) fn parse(text: &str) -> Option<Timing> {
        let text = value_of_pair(text.trim());
        if text.is_empty() || text.len() > MAX_TEXT || text.contains(['`', '\n']) {
            return None;
        }
        const READERS: [fn(&str) -> Option<Timing>; 7] =
            [calls::read, lines::read, phrases::read, every, at, on_calendar::read, rrule];
        READERS.iter().find_map(|read| read(text)).filter(Timing::is_possible)
    }

    fn is_possible(&self) -> bool {
        !matches!(self.when, When::Every(period) if period < MIN_PERIOD)
    }

    /// The same with another pair.
    pub(super) fn with(mut self, pair: impl Into<String>) -> Timing {
        self.beside.push(pair.into());
        self
    }

    /// The same in a zone, if there is one.
    pub(super) fn with_zone(self, zone: Option<&str>) -> Timing {
        match zone {
            Some(zone) => self.with(format!("timezone: {zone}")),
            None => self,
        }
    }

    /// Whether it is a recurrence rule.
    pub(crate) fn is_rule(&self) -> bool {
        matches!(self.when, When::Rrule(_))
    }

    /// For `explain`, which takes the value alone, and the zone as an option.
    pub(crate) fn expression(&self) -> String {
        let zone = self.beside.iter().find_map(|pair| pair.strip_prefix("timezone: "));
        self.value() + &zone.map_or_else(String::new, |zone| format!(" with `--timezone {zone}`"))
    }

    fn value(&self) -> String {
        match &self.when {
            When::Line(line) => format!("`{line}`"),
            When::Either { line, quartz } => {
                format!("`{line}` if 0 is Sunday, or `{quartz}` with `--quartz` if 1 is Sunday")
            }
            When::Quartz(line) => format!("`{line}` with `--quartz`"),
            When::Every(period) => format!("`{}`", duration::format(*period)),
            When::Rrule(rule) => format!("`{rule}`"),
            When::Items(_) | When::Fields(_) | When::At(_) | When::Solar(_) => {
                self.to_string() + " in an entry"
            }
        }
    }
}

/// The pairs of an entry, each in backticks.
impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timing = match &self.when {
            When::Line(line) => write!(f, "`cron: {}`", quoted(line)),
            When::Items(items) => write!(f, "`cron: [{}]`", items.join(", ")),
            When::Quartz(line) => write!(f, "`cron: {{quartz: {}}}`", quoted(line)),
            When::Either { line, quartz } => write!(
                f,
                "`cron: {}` if 0 is Sunday, or `cron: {{quartz: {}}}` if 1 is Sunday",
                quoted(line),
                quoted(quartz)
            ),
            When::Fields(fields) => write!(f, "`cron: {{{fields}}}`"),
            When::Every(period) => write!(f, "`every: {}`", duration::format(*period)),
            When::At(instant) => write!(f, "`at: {}`", scalar(instant)),
            When::Rrule(rule) => write!(f, "`rrule: {}`", quoted(rule)),
            When::Solar(keys) => write!(f, "`solar: {{{keys}}}`"),
        };
        timing?;
        self.beside.iter().try_for_each(|pair| write!(f, " and `{pair}`"))
    }
}

/// The value of `every: 90m` or `cron: "0 3 * * *"`; any other text as it is.
fn value_of_pair(text: &str) -> &str {
    let keys = ["cron: ", "every: ", "at: ", "rrule: "];
    let value = keys.iter().find_map(|key| text.strip_prefix(key));
    value.map_or(text, |value| value.trim().trim_matches(['"', '\'']))
}

/// A crontab line, if it is one.
pub(super) fn line(text: impl Into<String>) -> Option<When> {
    let text = text.into();
    let line = Line { text: &text, day_match: None, entry: Some("entry") };
    Cron::parse(line).is_ok().then_some(When::Line(text))
}

/// `every 90 minutes`, `@every 1h30m`, and the durations of all tools.
fn every(text: &str) -> Option<Timing> {
    let lower = text.to_ascii_lowercase();
    let is_word = |word: &&&str| lower.starts_with(**word);
    let word = ["@every ", "every ", "each "].iter().find(is_word);
    let rest = &text[word.map_or(0, |word| word.len())..];
    let (period, phase) = match rest.split_once('/') {
        // Temporal's `@every 1h/15m`.
        Some((period, phase)) => (period, Some(duration::parse_any(phase)?)),
        None => (rest, None),
    };
    let period = match period.trim() {
        "second" => "1s",
        "minute" => "1m",
        "hour" => "1h",
        other => other,
    };
    let timing = Timing::from(When::Every(duration::parse_any(period)?));
    Some(match phase {
        Some(phase) => timing.with(format!("phase: {}", duration::format(phase))),
        None => timing,
    })
}

/// A recurrence rule; one that needs a start and has none begins in 2026.
fn rrule(text: &str) -> Option<Timing> {
    let upper = text.to_ascii_uppercase();
    let with_start =
        || format!("DTSTART:20260101T000000\nRRULE:{}", text.trim_start_matches("RRULE:"));
    let is_valid = |rule: &String| Rrule::parse(rule, &Zone::utc(), None).is_ok();
    let rules = [text.to_owned(), with_start()];
    let rule = rules.into_iter().find(|rule| upper.contains("FREQ=") && is_valid(rule))?;
    Some(When::Rrule(rule).into())
}

fn at(text: &str) -> Option<Timing> {
    instant::written_here(text).map(|ours| When::At(ours).into())
}
