//! Celery's schedules as timings.

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value};

use super::{crontab, relative, rrule};
use crate::import::{Difference, Job, lengths, zones};

/// Sets the timing from a schedule in the script's words: a `type` and its parts. An interval is counted from
/// `last_run`, if that is known. `zone` is that of schedules that name none.
pub(crate) fn set(job: &mut Job, schedule: &Value, last_run: Option<UnixMs>, zone: &Zone) {
    let seconds = || schedule["seconds"].as_f64().unwrap_or(f64::NAN);
    match schedule["type"].as_str() {
        Some("crontab") => {
            crontab::set(job, schedule);
            if let Some(zone) = schedule["timezone"].as_str() {
                job.set("timezone", zones::named(zone).unwrap_or_else(|| zone.to_owned()));
            }
        }
        Some("interval") if schedule["relative"] == true => {
            relative::set(job, seconds(), last_run, zone);
        }
        Some("interval") => {
            lengths::set_every(job, seconds());
            match last_run {
                Some(last_run) => job.set("anchor", zone.to_rfc3339(last_run)),
                None => job.differs(Difference::Anchor),
            }
        }
        Some("solar") => {
            let place = ["event", "latitude", "longitude"]
                .map(|part| (part.to_owned(), schedule[part].clone()));
            job.set("solar", Map::from_iter(place));
            if schedule["horizon"] == true {
                job.differs(Difference::Horizon);
            }
        }
        Some("clocked") => job.set("at", schedule["at"].clone()),
        Some("rrule") => rrule::set(job, schedule),
        _ => refuse_own_class(job, schedule),
    }
}

fn refuse_own_class(job: &mut Job, schedule: &Value) {
    let class = schedule["class"].as_str().unwrap_or("?");
    job.cannot(
        format!("its schedule is a class of the application's own, `{class}`"),
        Some("write its timing as `cron` or `rrule`, or list its instants with `at`"),
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn timed(schedule: &Value, last_run: Option<UnixMs>) -> Job {
        let mut job = Job::new("x");
        set(&mut job, schedule, last_run, &Zone::utc());
        job
    }

    #[test]
    fn an_interval_is_counted_from_the_last_run() {
        let schedule = json!({"type": "interval", "seconds": 90.0, "relative": false});
        let job = timed(&schedule, Some(UnixMs(1_774_000_000_123)));
        assert_eq!(
            Value::Object(job.keys),
            json!({"every": "1m30s", "anchor": "2026-03-20T09:46:40.123+00:00"})
        );
        assert_eq!(job.differences, []);
        assert_eq!(timed(&schedule, None).differences, [Difference::Anchor]);
    }

    #[test]
    fn a_class_of_the_application_is_named() {
        let job = timed(&json!({"type": "own", "class": "shop.Lunar"}), None);
        assert!(job.cannot.unwrap().why.contains("`shop.Lunar`"));
    }
}
