//! Crontab lines of other schedulers: with a zone, a second, a year, or steps that span fields.

use std::time::Duration;

use downbeat_time::cron::{Quartz, WEEKDAYS};

use super::days;
use super::timing::{Timing, When, line};
use crate::tzdata;

/// A line with or without a zone.
pub(super) fn read(text: &str) -> Option<Timing> {
    let (text, zone) = zone(text);
    let fields: Vec<&str> = text.split_whitespace().take(8).collect();
    let timing = match fields[..] {
        [nickname] if nickname.starts_with('@') => line(nickname).map(Timing::from),
        [minute, hour, "*", "*", "*"] => {
            long_step(minute, hour).or_else(|| line(text)).map(Timing::from)
        }
        [_, _, _, _, _] => line(text).map(Timing::from),
        // The year comes last, and days begin one field earlier, in EventBridge.
        [_, _, "?", _, _, _] | [_, _, _, _, "?", _] => event_bridge(text),
        [second, ref rest @ ..] if matches!(rest.len(), 5 | 6) => with_second(second, rest),
        _ => None,
    };
    Some(timing?.with_zone(zone))
}

/// `CRON_TZ=Asia/Seoul 0 3 * * *`, or with the zone at the end.
fn zone(text: &str) -> (&str, Option<&str>) {
    let is_zone = |name: &str| {
        (name.contains('/') || ["UTC", "GMT"].contains(&name)) && tzdata::parse_name(name).is_ok()
    };
    let named = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
    if let Some((zone, line)) = named.and_then(|named| named.split_once(' '))
        && is_zone(zone)
    {
        return (line.trim_start(), Some(zone));
    }
    match text.rsplit_once(' ') {
        Some((line, zone)) if is_zone(zone) => (line.trim_end(), Some(zone)),
        _ => (text, None),
    }
}

/// Steps that are longer than an hour or a day: `*/90 * * * *`, `0 */48 * * *`.
fn long_step(minute: &str, hour: &str) -> Option<When> {
    let step = |field: &str| field.strip_prefix("*/")?.parse::<u32>().ok();
    let secs = match (step(minute), hour, step(hour)) {
        (Some(minutes @ 60..=100_000), "*", _) => minutes * 60,
        (_, _, Some(hours @ 24..=10_000)) if minute == "0" => hours * 3600,
        _ => return None,
    };
    Some(When::Every(Duration::from_secs(secs.into())))
}

/// Six or seven fields that begin with the second, as in Quartz, Spring, node-cron and rufus-scheduler.
fn with_second(second: &str, rest: &[&str]) -> Option<Timing> {
    let [minute, hour, day, month, weekday, ref year @ ..] = *rest else { return None };
    if rest.iter().all(|field| ["*", "?"].contains(field))
        && let Some(secs) = seconds(second)
    {
        return Some(When::Every(Duration::from_secs(secs)).into());
    }
    let quartz = format!("{second} {}", rest.join(" "));
    let quartz = Quartz::parse(&quartz).is_ok().then_some(quartz);
    if !second.trim_start_matches('0').is_empty() {
        return quartz.map(|quartz| When::Quartz(quartz).into());
    }
    let day = if day == "?" { "*" } else { day };
    let line_on = |weekday: &str| match line(format!("{minute} {hour} {day} {month} {weekday}"))? {
        When::Line(line) => Some(line),
        _ => None,
    };
    let is_numbered = weekday.contains(|c: char| c.is_ascii_digit());
    // Only Quartz has years, or a `?`.
    let is_quartz = !year.is_empty() || rest.contains(&"?");
    if is_numbered && !is_quartz {
        let (line, quartz) = (line_on(weekday)?, quartz?);
        return Some(When::Either { line, quartz }.into());
    }
    let crontab = || {
        let timing = Timing::from(When::Line(line_on(&named(weekday)?)?));
        // Spring's days must match both.
        let both_days = day != "*" && !["*", "?"].contains(&weekday);
        Some(if both_days { timing.with("day_match: and") } else { timing })
    };
    let quartz = quartz.map(|quartz| Timing::from(When::Quartz(quartz)));
    match (year, quartz) {
        (["*"] | [], quartz) => crontab().or(quartz),
        (_, Some(quartz)) => Some(quartz),
        (years, None) => within(years.first()?, crontab()?),
    }
}

/// The timing in a year or a range of years.
fn within(years: &str, timing: Timing) -> Option<Timing> {
    let (first, last) = years.split_once('-').unwrap_or((years, years));
    let is_year = |year: &str| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    (is_year(first) && is_year(last)).then(|| {
        timing.with(format!("start: {first}-01-01 00:00")).with(format!("end: {last}-12-31 23:59"))
    })
}

/// How many seconds apart a field of seconds fires, if evenly.
fn seconds(field: &str) -> Option<u64> {
    let step = field.strip_prefix("*/").or_else(|| field.strip_prefix("0/"));
    match (field, step) {
        ("*", _) => Some(1),
        ("0" | "00", _) => Some(60),
        (_, Some(step)) => {
            step.parse().ok().filter(|step| (1..60).contains(step) && 60 % step == 0)
        }
        _ => None,
    }
}

/// Six fields that end with the year: Quartz's without the second.
pub(super) fn event_bridge(text: &str) -> Option<Timing> {
    let fields: Vec<&str> = text.split_whitespace().take(7).collect();
    (fields.len() == 6).then(|| with_second("0", &fields))?
}

/// A field of weekdays in Quartz, where 1 is Sunday, by names: `2-6` as `mon-fri`, `6L` as `friL`.
fn named(weekdays: &str) -> Option<String> {
    if ["*", "?"].contains(&weekdays) {
        return Some("*".to_owned());
    }
    days::ranges(weekdays, "-", |day| {
        let digits = day.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = day.split_at(digits);
        if number.is_empty() {
            return Some(day.to_owned());
        }
        let name = WEEKDAYS.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        Some(format!("{}{rest}", &name[..3]))
    })
}
