//! Warns of whole days that `every` counts in a zone whose clock changes, and names what keeps the hour.

use std::collections::BTreeSet;
use std::time::Duration;

use downbeat_time::interval::Interval;
use downbeat_time::{UnixMs, Zone};
use jiff::civil::{DateTime, Time};

use super::draft::Draft;
use crate::text::{Node, Report, duration};

const DAY: Duration = Duration::from_secs(86_400);
const WEEK_DAYS: u64 = 7;
/// 2026-01-01T00:00:00Z: without an anchor, slots from here on are examples.
const NEW_YEAR: UnixMs = UnixMs::from_secs(1_767_225_600);

/// Warns at `node`, the value of `every`; `anchor` is what slots are counted from.
pub(super) fn warn(
    node: &Node<'_>,
    interval: &Interval,
    anchor: Option<UnixMs>,
    draft: &Draft<'_, '_>,
    zone: &Zone,
    report: &mut Report<'_>,
) {
    let Some(days) = whole_days(interval.period()) else { return };
    let from = anchor.unwrap_or(NEW_YEAR) - Duration::from_millis(1);
    let Some(first) = interval.next(from).filter(|_| zone.keeps_changing()) else { return };
    let times: Vec<String> = times_of_a_year(first, zone).into_iter().map(in_words).collect();
    let (every, zone_name) = (duration::format(interval.period()), zone.name());
    let message = format!(
        "`every: {every}` is real time, so the hour changes with the clock of {zone_name}: {}",
        times.join(" or ")
    );
    let local = zone.to_local(first);
    let others = [draft.phase, draft.anchor].into_iter().flatten();
    let others: String = others.map(|pair| format!(" and `{}`", pair.name())).collect();
    let (timing, time) = (same_hour(days, local), in_words(local.time()));
    let hint = format!("write `{timing}` instead of `every`{others} to keep {time}");
    report.warning(node.span, message).hint(hint);
}

/// The number of days, if the period has nothing else.
fn whole_days(period: Duration) -> Option<u64> {
    let days = period.as_secs() / DAY.as_secs();
    (days > 0 && period == DAY * u32::try_from(days).ok()?).then_some(days)
}

/// The times of day that the zone's clock shows within a year, whole days apart.
fn times_of_a_year(first: UnixMs, zone: &Zone) -> BTreeSet<Time> {
    (0..53_u32).map(|week| zone.to_local(first + 7 * week * DAY).time()).collect()
}

/// `09:00`, with seconds if there are some.
fn in_words(time: Time) -> String {
    let format = if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    time.strftime(format).to_string()
}

/// The timing that fires so many days apart from `first` on, always at its time of day.
fn same_hour(days: u64, first: DateTime) -> String {
    let (hour, minute, second) = (first.hour(), first.minute(), first.second());
    let weekday = first.strftime("%a").to_string();
    match (days, second) {
        (1, 0) => format!("cron: \"{minute} {hour} * * *\""),
        (1, _) => format!("cron: {{quartz: \"{second} {minute} {hour} * * ?\"}}"),
        (WEEK_DAYS, 0) => format!("cron: \"{minute} {hour} * * {}\"", weekday.to_lowercase()),
        (WEEK_DAYS, _) => {
            let weekday = weekday.to_uppercase();
            format!("cron: {{quartz: \"{second} {minute} {hour} ? * {weekday}\"}}")
        }
        _ => {
            let (unit, count) = match days.is_multiple_of(WEEK_DAYS) {
                true => ("WEEKLY", days / WEEK_DAYS),
                false => ("DAILY", days),
            };
            let start = first.strftime("%Y%m%dT%H%M%S");
            format!("rrule: \"DTSTART:{start}\\nRRULE:FREQ={unit};INTERVAL={count}\"")
        }
    }
}
