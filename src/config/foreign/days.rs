//! Names of weekdays as other schedulers write them.

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
