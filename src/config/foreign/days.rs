//! Weekdays as other schedulers write them.

use downbeat_time::cron::WEEKDAYS;

/// The crontab name of a weekday that is written in full or shortened, in any case.
pub(super) fn name(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    let is_start = |full: &&&str| lower.len() >= 3 && full.starts_with(&lower);
    // Long enough for all forms, such as `tues` and `thurs`.
    WEEKDAYS.iter().find(is_start).map(|full| &full[..3])
}

/// A weekday counted from 0 for Monday, as Python and APScheduler do.
pub(super) fn from_monday(number: &str) -> Option<&'static str> {
    let number: usize = number.parse().ok().filter(|number| *number < 7)?;
    WEEKDAYS.get((number + 1) % 7).map(|full| &full[..3])
}

/// A list of weekdays or ranges of them in the words of a crontab line: `mon-fri,sun`.
///
/// `to` is what stands between the ends of a range; `day` reads an end.
pub(super) fn ranges(
    weekdays: &str,
    to: &str,
    day: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let range = |range: &str| {
        let ends: Option<Vec<_>> = range.trim().split(to).map(&day).collect();
        ends.map(|ends| ends.join("-"))
    };
    let ranges: Option<Vec<_>> = weekdays.split(',').map(range).collect();
    ranges.map(|ranges| ranges.join(","))
}
