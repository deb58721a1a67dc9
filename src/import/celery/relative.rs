//! Intervals with `relative=True`, which Celery rounds down to whole days, hours or minutes of the zone's clock
//! (`remaining` and `delta_resolution` in `celery/utils/time.py`).

use std::time::Duration;

use downbeat_time::{UnixMs, Zone};

use crate::import::{Difference, Job, lengths};
use crate::text::duration;

/// Units in seconds, each with the crontab line of one.
const UNITS: [(u32, &str); 3] = [(86_400, "0 0 * * *"), (3600, "0 * * * *"), (60, "* * * * *")];

pub(super) fn set(job: &mut Job, seconds: f64, last_run: Option<UnixMs>, zone: &Zone) {
    let unit = UNITS.into_iter().find(|(unit, _)| seconds >= f64::from(*unit));
    let Some((unit, line)) = unit.filter(|_| seconds < 1e9) else {
        return seconds_only(job, seconds, last_run, zone);
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 1e9"
    )]
    let count = (seconds / f64::from(unit)).floor() as u32;
    if count == 1 {
        if seconds > f64::from(unit) {
            // Its first run depends on the last one.
            job.differs(Difference::Anchor);
        }
        return job.set("cron", line);
    }
    if last_run.is_none() {
        job.differs(Difference::Anchor);
    }
    if unit == 86_400 {
        let from = last_run.unwrap_or_default();
        let day = zone.to_local(from).strftime("%Y%m%d").to_string();
        return job
            .set("rrule", format!("DTSTART:{day}T000000\nRRULE:FREQ=DAILY;INTERVAL={count}"));
    }
    let every = Duration::from_secs(u64::from(unit) * u64::from(count));
    job.set("every", duration::format(every));
    let from = last_run.unwrap_or_default();
    // Where the offset includes half an hour, the hours of the clock do not begin with those of UTC.
    let offset = i64::from(zone.offset_at(from)) * 1000;
    let anchor = from.0 - (from.0 + offset).rem_euclid(i64::from(unit) * 1000);
    if anchor != 0 {
        job.set("anchor", zone.to_rfc3339(UnixMs(anchor)));
    }
}

/// Below a minute, Celery rounds only fractions of a second.
fn seconds_only(job: &mut Job, seconds: f64, last_run: Option<UnixMs>, zone: &Zone) {
    lengths::set_every(job, seconds.floor().max(seconds.min(1.0)));
    match last_run {
        Some(last_run) => {
            job.set("anchor", zone.to_rfc3339(UnixMs(last_run.0 - last_run.0.rem_euclid(1000))));
        }
        None => job.differs(Difference::Anchor),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LAST: UnixMs = UnixMs(1_774_000_030_500);

    fn keys(seconds: f64, last_run: Option<UnixMs>) -> Value {
        let mut job = Job::new("x");
        set(&mut job, seconds, last_run, &Zone::utc());
        Value::Object(job.keys)
    }

    #[test]
    fn one_unit_is_a_crontab_line_and_several_are_counted_from_the_last_run() {
        assert_eq!(keys(86_400.0, None), json!({"cron": "0 0 * * *"}));
        assert_eq!(keys(5400.0, None), json!({"cron": "0 * * * *"}));
        assert_eq!(keys(60.0, None), json!({"cron": "* * * * *"}));
        assert_eq!(
            keys(7200.0, Some(LAST)),
            json!({"every": "2h", "anchor": "2026-03-20T09:00:00+00:00"})
        );
        assert_eq!(keys(300.0, None), json!({"every": "5m"}));
        assert_eq!(
            keys(10.0, Some(LAST)),
            json!({"every": "10s", "anchor": "2026-03-20T09:47:10+00:00"})
        );
        assert_eq!(
            keys(2.0 * 86_400.0, Some(LAST)),
            json!({"rrule": "DTSTART:20260320T000000\nRRULE:FREQ=DAILY;INTERVAL=2"})
        );
    }
}
