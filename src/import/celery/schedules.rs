//! Celery's schedules as timings.

use serde_json::{Map, Value};

use crate::import::{Difference, Job, lengths};

/// The fields of `crontab(…)`, in the order of a crontab line.
const FIELDS: [&str; 5] = ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"];

/// Sets the timing from what the script says of a schedule: its `type` with its parts.
pub(super) fn set(job: &mut Job, schedule: &Value) {
    let number = |part: &str| schedule[part].as_f64().unwrap_or(f64::NAN);
    match schedule["type"].as_str() {
        Some("crontab") => crontab(job, schedule),
        Some("interval") => {
            lengths::set_every(job, number("seconds"));
            job.differs(Difference::Anchor);
        }
        Some("solar") => {
            let place = ["event", "latitude", "longitude"]
                .map(|part| (part.to_owned(), schedule[part].clone()));
            job.set("solar", Map::from_iter(place));
        }
        Some("clocked") => job.set("at", schedule["at"].clone()),
        _ => own(job, schedule),
    }
}

/// A crontab line, or a mapping if both fields of days are restricted: Celery wants both to match.
fn crontab(job: &mut Job, schedule: &Value) {
    let field = |name: &str| schedule["fields"][name].as_str().unwrap_or("*").trim().to_owned();
    let fields = FIELDS.map(|name| (name, field(name)));
    let is_any = |name: &str| field(name) == "*";
    if is_any("day_of_month") || is_any("day_of_week") {
        let line: Vec<&str> = fields.iter().map(|(_, text)| &**text).collect();
        // What Celery tolerates between numbers would be another field here.
        let line: Vec<String> = line.iter().map(|text| text.split_whitespace().collect()).collect();
        job.set("cron", line.join(" "));
    } else {
        let restricted = fields.into_iter().filter(|(name, text)| *name == "minute" || text != "*");
        job.set(
            "cron",
            Map::from_iter(restricted.map(|(name, text)| (name.to_owned(), value(&text)))),
        );
    }
    if let Some(zone) = schedule["timezone"].as_str() {
        job.set("timezone", zone);
    }
}

/// A number as a number.
fn value(text: &str) -> Value {
    text.parse::<u8>().map_or_else(|_| Value::from(text), Value::from)
}

/// A class of the application's own.
fn own(job: &mut Job, schedule: &Value) {
    let class = schedule["class"].as_str().unwrap_or("?");
    job.cannot(
        format!("its schedule is a class of its own, `{class}`"),
        Some("write its rule as `cron`, `rrule`, or as a list of instants with `at`"),
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn timed(schedule: &Value) -> Job {
        let mut job = Job::new("x");
        set(&mut job, schedule);
        job
    }

    fn cron(fields: Value) -> Value {
        timed(&json!({"type": "crontab", "fields": fields})).keys["cron"].clone()
    }

    #[test]
    fn a_crontab_is_a_line_unless_both_fields_of_days_must_match() {
        assert_eq!(cron(json!({"minute": "0", "hour": "3"})), "0 3 * * *");
        assert_eq!(
            cron(json!({"minute": "*/15", "day_of_week": "mon, tue"})),
            "*/15 * * * mon,tue"
        );
        assert_eq!(
            cron(json!({"minute": "0", "hour": "3", "day_of_month": "1-7", "day_of_week": "mon"})),
            json!({"minute": 0, "hour": 3, "day_of_month": "1-7", "day_of_week": "mon"})
        );
    }

    #[test]
    fn a_class_of_the_application_is_named() {
        let job = timed(&json!({"type": "own", "class": "shop.Lunar"}));
        assert!(job.cannot.unwrap().why.contains("`shop.Lunar`"));
    }
}
