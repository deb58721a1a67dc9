//! Days without slots: those of `except`, and of a calendar.

use downbeat_time::{Days, Except, cron};

use crate::text::{Node, Report, Span, expect, nearest, shortened};

/// Maximum number of items of an `except` or calendar.
const MAX_EXCEPT: usize = 2000;
/// Maximum bytes of a calendar's name.
const MAX_CALENDAR_NAME: usize = 100;

const EXCEPT_HINT: &str = "write `2026-12-25`, `2026-12-24..2026-12-26`, `12-25` for every year, \
                           `sat` or `sat-sun`, or the name of a calendar";
const CALENDAR_HINT: &str =
    "write `2026-12-25`, `2026-12-24..2026-12-26`, `12-25` for every year, or `sat-sun`";

/// A calendar that an entry's `except` names; resolved when all files are read.
#[derive(Debug)]
pub(super) struct CalendarRef {
    pub(super) name: Box<str>,
    pub(super) span: Span,
}

/// The hint if no day is left.
pub(super) const NO_DAY_HINT: &str = "leave out six weekdays at most";

/// The days of a list or a single item. Adds names of calendars to `calendars`, if those are allowed
/// here.
pub(super) fn days(
    node: &Node<'_>,
    mut calendars: Option<&mut Vec<CalendarRef>>,
    report: &mut Report<'_>,
) -> Except {
    let items = node.list().unwrap_or(std::slice::from_ref(node));
    if items.len() > MAX_EXCEPT {
        let message = format!("{} items, more than {MAX_EXCEPT}", items.len());
        report
            .error(node.span, message)
            .hint("put runs of days together: `2026-12-24..2026-12-26`");
        return Except::default();
    }
    report.spend(size_of_val(items));
    items.iter().filter_map(|item| day(item, calendars.as_deref_mut(), report)).collect()
}

fn day(
    node: &Node<'_>,
    calendars: Option<&mut Vec<CalendarRef>>,
    report: &mut Report<'_>,
) -> Option<Days> {
    let hint = if calendars.is_some() { EXCEPT_HINT } else { CALENDAR_HINT };
    let text = match node.as_written().filter(|text| !text.is_empty()) {
        Some(text) => text,
        None => {
            report
                .error(node.span, format!("expected days, found {}", report.found(node)))
                .hint(hint);
            return None;
        }
    };
    if let Some(weekdays) = cron::weekdays(text) {
        return Some(Days::Weekdays(weekdays));
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let days = run(text);
        if let Err(message) = &days {
            report.error(node.span, message).hint(hint);
        }
        return days.ok();
    }
    match calendars {
        Some(calendars) if calendar_name(node, report) => {
            calendars.push(CalendarRef { name: text.into(), span: node.span });
        }
        Some(_) => {}
        None => {
            let near = nearest(&text.to_lowercase(), &cron::WEEKDAYS);
            let hint = near.map_or(hint.to_owned(), |near| format!("did you mean `{near}`?"));
            report.error(node.span, format!("`{}` names no days", shortened(text))).hint(hint);
        }
    }
    None
}

/// Whether a calendar can have this name; it must not look like days.
pub(super) fn calendar_name(node: &Node<'_>, report: &mut Report<'_>) -> bool {
    let name = node.as_written().unwrap_or_default();
    let is_valid =
        expect::check_name(name, node.span, "a calendar's name", MAX_CALENDAR_NAME, report);
    let is_days = cron::weekdays(name).is_some() || name.starts_with(|c: char| c.is_ascii_digit());
    if is_valid && is_days {
        let message = format!("`{}` is no name for a calendar", shortened(name));
        report.error(node.span, message).hint("begin with a letter, and not with a weekday alone");
    }
    is_valid && !is_days
}

fn run(text: &str) -> Result<Days, String> {
    if let Some((month, day)) = yearly(text) {
        // 29 February exists in some years only.
        let date = jiff::civil::Date::new(2000, month, day);
        let days = |date: jiff::civil::Date| Days::Yearly(date.month() as u8, date.day() as u8);
        return date.map(days).map_err(|_| format!("there is no `{text}`"));
    }
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let date = |part: &str| if part.is_empty() { date(text) } else { date(part) };
    let (first, last) = (date(first.trim_end())?, date(last.trim_start())?);
    if last < first {
        return Err(format!("`{}` ends before it begins", shortened(text)));
    }
    Ok(Days::Run(first, last))
}

fn yearly(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    Some((two(month)?, two(day)?))
}

/// Days since 1970-01-01.
fn date(text: &str) -> Result<i64, String> {
    let form = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !form {
        return Err(format!("`{}` is not a date", shortened(text)));
    }
    let date: jiff::civil::Date = text.parse().map_err(|_| format!("there is no `{text}`"))?;
    let epoch = jiff::civil::date(1970, 1, 1);
    Ok(i64::from(epoch.until(date).map_or(0, |span| span.get_days())))
}
