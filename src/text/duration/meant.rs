//! Durations as other tools write them: `90 minutes`, `1.5h`, `PT10M`, `00:10:00`, `30.0`.

use std::time::Duration;

use super::MAX_DURATION;

/// No duration is longer.
const MAX_TEXT: usize = 64;

/// The names of units in other tools, and their lengths in milliseconds.
const UNITS: [(&[&str], f64); 6] = [
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1.0),
    (&["s", "sec", "secs", "second", "seconds"], 1000.0),
    (&["m", "min", "mins", "minute", "minutes"], 60_000.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000.0),
    (&["d", "day", "days"], 86_400_000.0),
    (&["w", "wk", "wks", "week", "weeks"], 604_800_000.0),
];

/// The duration that a text means to another tool: a number of seconds, numbers with units, ISO 8601, or
/// `H:MM:SS`.
pub(super) fn meant(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.len() > MAX_TEXT {
        return None;
    }
    let millis = seconds(text).or_else(|| iso(text)).or_else(|| clock(text));
    // systemd's `M` is a month.
    let units = || if text.contains('M') { None } else { sum(text, &UNITS) };
    whole(millis.or_else(units)?)
}

/// A whole number of milliseconds above zero.
fn whole(millis: f64) -> Option<Duration> {
    let rounded = millis.round();
    let is_whole = (rounded - millis).abs() < 1e-6;
    let is_possible = is_whole && rounded > 0.0 && rounded <= MAX_DURATION.as_millis() as f64;
    is_possible.then(|| Duration::from_millis(rounded as u64))
}

fn seconds(text: &str) -> Option<f64> {
    text.starts_with(|c: char| c.is_ascii_digit())
        .then(|| text.parse::<f64>().ok())?
        .map(|s| s * 1000.0)
}

/// `P1DT2H`; years and months have no fixed length.
fn iso(text: &str) -> Option<f64> {
    let text = text.to_ascii_uppercase();
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    const DATE: [(&[&str], f64); 2] = [(&["w"], 604_800_000.0), (&["d"], 86_400_000.0)];
    let date = if date.is_empty() { Some(0.0) } else { sum(date, &DATE) };
    let time = time.map_or(Some(0.0), |time| sum(time, &UNITS));
    Some(date? + time?)
}

/// `0:10:00`, as Python prints it.
fn clock(text: &str) -> Option<f64> {
    let parts: Vec<f64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    (minutes < 60.0 && seconds < 60.0)
        .then_some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0)
}

/// Numbers, each with a unit, in any order: `1h 30min`, `90 minutes`, `30.minutes`.
fn sum(text: &str, units: &[(&[&str], f64)]) -> Option<f64> {
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let number: f64 = number.trim_end_matches('.').parse().ok()?;
        let after = after.trim_start_matches([' ', '-', '_']);
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit = unit.to_lowercase();
        let (_, millis) = units.iter().find(|(names, _)| names.contains(&&*unit))?;
        total += number * millis;
        let after = after.trim_start_matches([' ', ',']);
        rest = after.strip_prefix("and ").unwrap_or(after);
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::meant;
    use crate::text::duration::format;

    #[test]
    fn durations_of_other_tools_are_understood() {
        for (text, ours) in [
            ("30", "30s"),
            ("30.0", "30s"),
            ("0.5", "500ms"),
            ("90 minutes", "1h30m"),
            ("5min", "5m"),
            ("5minutes", "5m"),
            ("1h 30min", "1h30m"),
            ("1 hour, 30 minutes and 5 seconds", "1h30m5s"),
            ("30m1h", "1h30m"),
            ("1.5h", "1h30m"),
            ("30.minutes", "30m"),
            ("1.day", "1d"),
            ("PT10M", "10m"),
            ("P1D", "1d"),
            ("P1DT12H", "1d12h"),
            ("P2W", "2w"),
            ("0:10:00", "10m"),
            ("00:00:30", "30s"),
        ] {
            assert_eq!(meant(text).map(format).as_deref(), Some(ours), "{text}");
        }
    }

    #[test]
    fn what_has_no_fixed_length_is_not() {
        let long = "1 day ".repeat(1000);
        for text in
            ["", "h", "0", "-5", "1 month", "P1M", "P1Y", "5M", "10:30", "never", "1 day of", &long]
        {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
