//! A recurrence of RedBeat, which has the parts of `dateutil.rrule`, as text of RFC 5545.

use serde_json::Value;

use crate::import::{Job, zones};

const FREQUENCIES: [&str; 7] =
    ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"];
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
/// dateutil's name of each part, and ours, in the order in which we write them.
const PARTS: [(&str, &str); 13] = [
    ("interval", "INTERVAL"),
    ("bymonth", "BYMONTH"),
    ("byweekno", "BYWEEKNO"),
    ("byyearday", "BYYEARDAY"),
    ("bymonthday", "BYMONTHDAY"),
    ("byeaster", "BYEASTER"),
    ("byweekday", "BYDAY"),
    ("byhour", "BYHOUR"),
    ("byminute", "BYMINUTE"),
    ("bysecond", "BYSECOND"),
    ("bysetpos", "BYSETPOS"),
    ("wkst", "WKST"),
    ("count", "COUNT"),
];

/// Sets `rrule` and its `timezone`. RedBeat keeps the offset of `dtstart` through every clock change; only a rule that
/// the application itself made can have a zone.
pub(super) fn set(job: &mut Job, schedule: &Value) {
    let offset = schedule["dtstart_tz"].as_f64().unwrap_or(0.0);
    let zone =
        schedule["timezone"].as_str().and_then(zones::named).or_else(|| zones::fixed(offset));
    let Some(zone) = zone else {
        return job.cannot(
            format!("its `dtstart` is {offset} minutes ahead of UTC, and no zone has that offset"),
            Some("write it as `rrule` with a `timezone`"),
        );
    };
    let start = schedule["dtstart"].as_f64().map(|start| compact(start + 60.0 * offset));
    let (Some(frequency), Some(Some(start))) = (frequency(&schedule["freq"]), start) else {
        return job.cannot("its rule lacks `freq` or `dtstart`", Some("write it as `rrule`"));
    };
    let mut rule = format!("DTSTART:{start}\nRRULE:FREQ={frequency}");
    for (theirs, ours) in PARTS {
        let Some(text) = part(&schedule[theirs], ours) else { continue };
        let is_default = matches!((ours, &*text), ("INTERVAL", "1") | ("WKST", "MO"));
        if !is_default && !text.is_empty() {
            rule += &format!(";{ours}={text}");
        }
    }
    if let Some(until) = schedule["until"].as_f64().and_then(compact) {
        rule += &format!(";UNTIL={until}Z");
    }
    job.set("rrule", rule);
    job.set("timezone", zone);
}

fn frequency(value: &Value) -> Option<&str> {
    match value {
        Value::String(name) => {
            FREQUENCIES.into_iter().find(|frequency| frequency.eq_ignore_ascii_case(name))
        }
        other => FREQUENCIES.get(usize::try_from(other.as_u64()?).ok()?).copied(),
    }
}

/// A value, or a list of them; `None` if there is none.
fn part(value: &Value, name: &str) -> Option<String> {
    let is_of_days = ["BYDAY", "WKST"].contains(&name);
    let one = |value: &Value| if is_of_days { weekday(value) } else { value.to_string() };
    match value {
        Value::Null => None,
        Value::Array(values) => Some(values.iter().map(one).collect::<Vec<_>>().join(",")),
        value => Some(one(value)),
    }
}

/// A number counted from Monday, or a weekday of dateutil, which may have its number in the month or year.
fn weekday(value: &Value) -> String {
    let day = value.as_u64().or_else(|| value["wkday"].as_u64());
    let name = day.and_then(|day| WEEKDAYS.get(usize::try_from(day).ok()?));
    match (name, value["n"].as_i64()) {
        (Some(name), Some(number)) => format!("{number}{name}"),
        (Some(name), None) => (*name).to_owned(),
        (None, _) => value.to_string(),
    }
}

/// Seconds since 1970 as `20260101T090000`.
fn compact(seconds: f64) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, reason = "jiff checks the range")]
    let at = jiff::Timestamp::from_second(seconds.floor() as i64).ok()?;
    Some(at.strftime("%Y%m%dT%H%M%S").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(schedule: &Value) -> (String, String) {
        let mut job = Job::new("x");
        set(&mut job, schedule);
        assert_eq!(job.cannot, None);
        (job.text("rrule").to_owned(), job.text("timezone").to_owned())
    }

    #[test]
    fn the_parts_of_a_rule_keep_their_meaning() {
        let (text, zone) = rule(&json!({
            "freq": 1, "interval": 2, "wkst": null, "count": 5, "byweekday": [{"__type__": "weekday", "wkday": 4}, 0],
            "bysetpos": -1, "byhour": [9, 17], "dtstart": 1_774_000_000, "dtstart_tz": 60.0, "until": null,
        }));
        assert_eq!(
            text,
            "DTSTART:20260320T104640\nRRULE:FREQ=MONTHLY;INTERVAL=2;BYDAY=FR,MO;BYHOUR=9,17;BYSETPOS=-1;COUNT=5"
        );
        assert_eq!(zone, "Etc/GMT-1");
        let (text, zone) = rule(&json!({
            "freq": "weekly", "interval": 1, "wkst": 6, "dtstart": 0, "until": 1_774_000_000,
            "byweekday": {"wkday": 0, "n": 2}, "timezone": "Europe/Berlin",
        }));
        assert_eq!(
            text,
            "DTSTART:19700101T000000\nRRULE:FREQ=WEEKLY;BYDAY=2MO;WKST=SU;UNTIL=20260320T094640Z"
        );
        assert_eq!(zone, "Europe/Berlin");
    }

    #[test]
    fn a_rule_without_beginning_or_with_an_odd_clock_is_left_out() {
        for schedule in [json!({"freq": 3}), json!({"freq": 3, "dtstart": 0, "dtstart_tz": 17})] {
            let mut job = Job::new("x");
            set(&mut job, &schedule);
            assert!(job.cannot.is_some(), "{schedule}");
        }
    }
}
