//! Dates, parts of days and hours: `2026-12-25`, `2026-12-24T18:00..2026-12-26T06:00`, `22:00-06:00`.

use downbeat_time::{Days, cron};
use jiff::civil::{Date, date};

use crate::text::shortened;

const DAY_S: i64 = 86_400;

/// What the schema says of an item: dates and parts of days, days of every year, hours, weekdays, names.
pub(in crate::config::language) const PATTERN: &str = r#"{
    "type": "string",
    "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}( *\\.\\. *[0-9]{4}-[0-9]{2}-[0-9]{2})?|[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)? *\\.\\. *[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?|[0-9]{2}-[0-9]{2}|[0-9]{1,2}:[0-9]{2}(:[0-9]{2})? *- *[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?|[0-7]([Ll]|#[1-5])(,.*)?|[A-Za-z].*)$",
    "examples": ["2026-12-25", "2026-12-24..2026-12-26", "12-25", "sat-sun", "mon#1", "22:00-06:00", "2026-12-24T18:00..2026-12-26T06:00"]
}"#;

/// Why a text names no times.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    /// What to write, if that depends on the text.
    pub(super) hint: Option<String>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Wrong {
        Wrong { message, hint: None }
    }
}

/// Whether a text must be times, right or wrong, and can be no name: it begins with a digit, has a time of day, or is
/// a weekday with a `#`.
pub(super) fn is_meant(text: &str) -> bool {
    let is_time = |part: &[u8]| matches!(part, [b'0'..=b'9', b':', b'0'..=b'9']);
    let has_time = || text.as_bytes().windows(3).any(is_time);
    let has_place = || text.split_once('#').is_some_and(|(day, _)| cron::weekdays(day).is_some());
    text.starts_with(|c: char| c.is_ascii_digit()) || has_time() || has_place()
}

/// Reads a text that is meant as times.
pub(super) fn read(text: &str) -> Result<Days, Wrong> {
    if let Some((day, place)) = text.split_once('#') {
        let message = format!("`{}` names no days", shortened(text));
        let hint = match place {
            "L" | "l" => format!("write `{day}L` for the last one of a month"),
            _ => "write `mon#1` to `mon#5`, or `monL` for the last one of a month".to_owned(),
        };
        return Err(Wrong { message, hint: Some(hint) });
    }
    if let Some((month, day)) = yearly(text) {
        // 29 February exists in some years only.
        let date = Date::new(2000, month, day);
        let days = |date: Date| Days::Yearly(date.month() as u8, date.day() as u8);
        return date.map(days).map_err(|_| format!("there is no `{text}`").into());
    }
    match text.split_once("..") {
        None => hours(text).unwrap_or_else(|| date_of(text).map(|day| Days::Run(day, day))),
        Some((from, to)) => span(text, from.trim_end(), to.trim_start()),
    }
}

fn yearly(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    Some((two(month)?, two(day)?))
}

/// From a date or a local time to another one.
fn span(text: &str, from: &str, to: &str) -> Result<Days, Wrong> {
    if time(from).is_some() && time(to).is_some() {
        let message = format!("`{}` is not a span of days", shortened(text));
        return Err(Wrong { message, hint: Some(format!("write hours as `{from}-{to}`")) });
    }
    if from.is_empty() || to.is_empty() {
        return Err(format!("`{}` is not a date", shortened(text)).into());
    }
    let ((first, from_time), (last, to_time)) = (edge(from)?, edge(to)?);
    let from = first * DAY_S + from_time.unwrap_or(0);
    let to = last * DAY_S + to_time.unwrap_or(DAY_S);
    if to <= from {
        return Err(format!("`{}` ends before it begins", shortened(text)).into());
    }
    Ok(match (from_time, to_time) {
        (None, None) => Days::Run(first, last),
        _ => Days::Part(from, to),
    })
}

/// A date, and perhaps a time of day in seconds.
fn edge(text: &str) -> Result<(i64, Option<i64>), Wrong> {
    if !(text.len() > 10 && text.is_char_boundary(10) && is_date(&text[..10])) {
        return Ok((date_of(text)?, None));
    }
    let time = text[10..].strip_prefix(['T', 't', ' ']).and_then(|text| time(text.trim_start()));
    let Some(time) = time.filter(|time| *time < DAY_S) else {
        let message = format!("`{}` is not a date and time", shortened(text));
        let hint = "write it by the entry's clock, without an offset: `2026-12-24T18:00`";
        return Err(Wrong { message, hint: Some(hint.to_owned()) });
    };
    Ok((date_of(&text[..10])?, Some(time)))
}

/// Days since 1970-01-01.
fn date_of(text: &str) -> Result<i64, Wrong> {
    if text.len() > 10 && text.is_char_boundary(10) && is_date(&text[..10]) {
        let message = format!("`{}` is one instant, which has no length", shortened(text));
        let hint = format!("write where it ends: `{}..2026-12-26T06:00`", shortened(text));
        return Err(Wrong { message, hint: Some(hint) });
    }
    if !is_date(text) {
        return Err(format!("`{}` is not a date", shortened(text)).into());
    }
    let day: Date = text.parse().map_err(|_| format!("there is no `{text}`"))?;
    let epoch = date(1970, 1, 1);
    Ok(i64::from(epoch.until(day).map_or(0, |span| span.get_days())))
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Hours of every day, if the text has that form.
fn hours(text: &str) -> Option<Result<Days, Wrong>> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (from.trim_end(), to.trim_start());
    if !(from.contains(':') && to.contains(':')) || is_date(text.get(..10).unwrap_or_default()) {
        return None;
    }
    let (Some(begins), Some(ends)) = (time(from).filter(|time| *time < DAY_S), time(to)) else {
        let message = format!("`{}` are not hours of a day", shortened(text));
        let hint = "write them from `00:00` to `24:00`: `22:00-06:00`, `12:00-13:00`";
        return Some(Err(Wrong { message, hint: Some(hint.to_owned()) }));
    };
    if begins == ends % DAY_S && (begins, ends) != (0, DAY_S) {
        let message = format!("`{}` ends when it begins", shortened(text));
        let hint = "the end itself is left: write `12:00-13:00` for an hour";
        return Some(Err(Wrong { message, hint: Some(hint.to_owned()) }));
    }
    Some(Ok(Days::Hours(begins as u32, ends as u32)))
}

/// Seconds of the day, up to 24:00.
fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut number = |digits: std::ops::RangeInclusive<usize>, max: i64| {
        let part = parts.next()?;
        let is_number = digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|number| is_number && *number <= max)
    };
    let (hour, minute): (i64, i64) = (number(1..=2, 24)?, number(2..=2, 59)?);
    let second = if text.len() > 5 { number(2..=2, 59)? } else { 0 };
    let total = hour * 3600 + minute * 60 + second;
    (parts.next().is_none() && total <= DAY_S).then_some(total)
}
