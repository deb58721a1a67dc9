//! The fields of a crontab line by name, as Celery, APScheduler and Temporal have them.

use std::time::Duration;

use downbeat_time::cron::{Cron, MappingFields};

use super::days;
use super::timing::{Timing, When};
use crate::text::Node;
use crate::text::flow::scalar;

/// How the fields are to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// An absent field is any value; weekdays count from 0 for Sunday.
    Celery,
    /// Below the finest field that is given, fields are 0; weekdays count from 0 for Monday.
    ApScheduler,
    /// The same, but weekdays count from 0 for Sunday.
    Loose,
    /// The time of day is 0 unless it is given; weekdays count from 0 for Sunday.
    Temporal,
}

/// Our names and, as letters, those of other schedulers.
const FIELDS: [(&str, &[&str]); 5] = [
    ("minute", &["minute", "minutes"]),
    ("hour", &["hour", "hours"]),
    ("day_of_week", &["dayofweek", "weekday", "dow"]),
    ("day_of_month", &["dayofmonth", "day", "dom"]),
    ("month_of_year", &["monthofyear", "month"]),
];

/// A timing from fields, each a name as letters and a value; other names say nothing about when.
pub(super) fn read(pairs: &[(String, String)], dialect: Dialect) -> Option<Timing> {
    let find = |names: &[&str]| {
        let pair = pairs.iter().find(|(name, _)| names.contains(&&**name));
        pair.map(|(_, value)| value.as_str())
    };
    let mut values: [Option<String>; 5] = FIELDS.map(|(_, names)| find(names).map(str::to_owned));
    let second = find(&["second"]);
    if values.iter().all(Option::is_none) {
        return every(second?);
    }
    if second.is_some_and(|second| second.parse() != Ok(0_u32)) {
        return None;
    }
    let [minute, hour, weekday, day, month] = &mut values;
    if dialect != Dialect::Celery {
        let has_days = [&*weekday, &*day, &*month].iter().any(|field| field.is_some());
        if hour.is_none() && (has_days || dialect == Dialect::Temporal) {
            *hour = Some("0".to_owned());
        }
        minute.get_or_insert_with(|| "0".to_owned());
    }
    if let (Dialect::ApScheduler, Some(weekday)) = (dialect, weekday.as_mut()) {
        *weekday = counted_from_monday(weekday)?;
    }
    write(&values).map(|fields| When::Fields(fields).into())
}

/// Seconds alone: `*/10`.
fn every(second: &str) -> Option<Timing> {
    let step: u64 = second.strip_prefix("*/")?.parse().ok()?;
    let is_even = (1..=60).contains(&step) && 60 % step == 0;
    is_even.then(|| When::Every(Duration::from_secs(step)).into())
}

/// The pairs of `cron` as a mapping, if they are valid.
fn write(values: &[Option<String>; 5]) -> Option<String> {
    let [minute, hour, day_of_week, day_of_month, month_of_year] =
        values.each_ref().map(|value| value.as_deref());
    let fields = MappingFields { minute, hour, day_of_week, day_of_month, month_of_year };
    Cron::from_mapping(fields, None).ok()?;
    let named = FIELDS.iter().zip(values);
    let pairs = named.filter_map(|((name, _), value)| {
        let value = value.as_deref()?;
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        let value = if is_number { value.to_owned() } else { scalar(value) };
        Some(format!("{name}: {value}"))
    });
    Some(pairs.collect::<Vec<_>>().join(", "))
}

/// Weekdays counted from Monday as names.
fn counted_from_monday(weekdays: &str) -> Option<String> {
    if weekdays.contains('/') {
        return None;
    }
    days::ranges(weekdays, "-", |day| match day.starts_with(|c: char| c.is_ascii_digit()) {
        true => days::from_monday(day).map(str::to_owned),
        false => Some(day.to_owned()),
    })
}

/// The value of a field: a scalar, a list, or Temporal's `{start: 9, end: 17, step: 2}`.
pub(super) fn value(node: &Node<'_>) -> Option<String> {
    if let Some(text) = node.as_written() {
        return (text.len() <= 100).then(|| text.to_owned());
    }
    if let Some(items) = node.list() {
        let items: Option<Vec<_>> = items.iter().take(60).map(value).collect();
        return items.map(|items| items.join(","));
    }
    let part = |key: &str| node.pair(key).and_then(|pair| pair.value.as_written());
    let start = part("start")?;
    let range = part("end").map_or_else(|| start.to_owned(), |end| format!("{start}-{end}"));
    Some(part("step").map_or_else(|| range.clone(), |step| format!("{range}/{step}")))
}
