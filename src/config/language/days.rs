//! Times without slots: those of `except`, and of a calendar.

mod moved;
mod times;

use downbeat_time::{Days, Except, cron, nearest};

use crate::text::{Node, Report, Span, expect, shortened};

pub(super) use moved::{EXCEPT, read as except};
pub(super) use times::PATTERN;

/// Maximum number of items of an `except` or calendar.
const MAX_EXCEPT: usize = 2000;
/// Maximum bytes of a calendar's name.
const MAX_CALENDAR_NAME: usize = 100;

const EXCEPT_HINT: &str = "write `2026-12-25`, `2026-12-24..2026-12-26`, `12-25` for every year, \
                           `sat-sun` or `mon#1`, hours such as `22:00-06:00`, a part of a day such as \
                           `2026-12-24T18:00..2026-12-26T06:00`, or the name of a calendar";
const CALENDAR_HINT: &str = "write `2026-12-25`, `2026-12-24..2026-12-26`, `12-25` for every year, \
                             `sat-sun` or `mon#1`, hours such as `22:00-06:00`, or a part of a day such \
                             as `2026-12-24T18:00..2026-12-26T06:00`";

/// A calendar that an entry's `except`, or a template, names; resolved when all files are read.
#[derive(Clone, Debug)]
pub(super) struct CalendarRef {
    pub(super) name: Box<str>,
    pub(super) span: Span,
}

/// The hint if no time is left.
pub(super) const NO_DAY_HINT: &str = "leave out six weekdays at most";

/// The days and hours of a list or a single item. Adds names of calendars to `calendars`, if those are allowed
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
    items.iter().flat_map(|item| item_days(item, calendars.as_deref_mut(), report)).collect()
}

/// The days and hours of one item; none if it names a calendar.
fn item_days(
    node: &Node<'_>,
    calendars: Option<&mut Vec<CalendarRef>>,
    report: &mut Report<'_>,
) -> Vec<Days> {
    let hint = if calendars.is_some() { EXCEPT_HINT } else { CALENDAR_HINT };
    let text = match node.as_written().filter(|text| !text.is_empty()) {
        Some(text) => text,
        None => {
            report
                .error(node.span, format!("expected days, found {}", report.found(node)))
                .hint(hint);
            return Vec::new();
        }
    };
    if let Some((weekdays, nth)) = cron::weekdays(text) {
        return vec![Days::Weekdays(weekdays), Days::Nth(nth)];
    }
    if times::is_meant(text) {
        let read = times::read(text);
        if let Err(error) = &read {
            report.error(node.span, &*error.message).hint(error.hint.as_deref().unwrap_or(hint));
        }
        return read.into_iter().collect();
    }
    match calendars {
        Some(calendars) if calendar_name(node, report) => {
            calendars.push(CalendarRef { name: text.into(), span: node.span });
        }
        Some(_) => {}
        None => {
            let near = meant(text).or_else(|| nearest(text, cron::WEEKDAYS));
            let hint = near.map_or(hint.to_owned(), |near| format!("did you mean `{near}`?"));
            report.error(node.span, format!("`{}` names no days", shortened(text))).hint(hint);
        }
    }
    Vec::new()
}

/// What the words of other languages for days are here.
pub(super) fn meant(text: &str) -> Option<&'static str> {
    match &*text.to_lowercase() {
        "weekend" | "weekends" => Some("sat-sun"),
        "weekday" | "weekdays" | "workday" | "workdays" | "business-days" => Some("mon-fri"),
        _ => None,
    }
}

/// Whether a calendar can have this name; it must not look like days or times.
pub(super) fn calendar_name(node: &Node<'_>, report: &mut Report<'_>) -> bool {
    let name = node.as_written().unwrap_or_default();
    let is_valid =
        expect::check_name(name, node.span, "a calendar's name", MAX_CALENDAR_NAME, report);
    let is_days = cron::weekdays(name).is_some() || times::is_meant(name);
    if is_valid && is_days {
        let message = format!("`{}` cannot be the name of a calendar", shortened(name));
        report.error(node.span, message).hint("begin with a letter, and not with a weekday alone");
    }
    is_valid && !is_days
}
