//! When rq-scheduler sends a job: by its `meta`, read as rq-scheduler's own code does.

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use crate::import::cron::{self, Dialect};
use crate::import::{Difference, Job, Refused, instants, lengths};

/// When a job is due next, and how to read its line.
#[derive(Clone, Copy)]
pub(super) struct Due<'z> {
    /// When it is due, in seconds since 1970.
    pub(super) score: f64,
    pub(super) now: UnixMs,
    /// The zone of lines.
    pub(super) zone: &'z str,
}

/// Sets when the job is sent, and how often.
pub(super) fn set(job: &mut Job, meta: &Map<String, Value>, due: Due<'_>) {
    if let Err(refused) = try_set(job, meta, due) {
        job.refuse(refused);
    }
}

fn try_set(
    job: &mut Job,
    meta: &Map<String, Value>,
    Due { score, now, zone }: Due<'_>,
) -> Result<(), Refused> {
    let due = instants::from_millis(score * 1000.0).ok_or_else(|| {
        Refused::new(format!("it is due {score} s after 1970"), "schedule it again")
    })?;
    let due_text = Zone::utc().to_rfc3339(due);
    let left = left(meta.get("repeat"))?;
    let line = meta.get("cron_string").filter(|line| is_true(line));
    if let Some(seconds) = interval(meta.get("interval"))? {
        #[expect(clippy::cast_precision_loss, reason = "an interval has few digits")]
        lengths::set_every(job, seconds as f64);
        job.set("anchor", due_text.clone());
        if due.0.saturating_sub(now.0) > seconds.saturating_mul(1000) {
            job.set("start", due_text);
        }
        job.differs(Difference::Drift);
        job.theirs = json!({"interval": seconds, "next": due.0, "repeat": left});
    } else if let Some(line) = line {
        let line = line.as_str().ok_or_else(|| {
            Refused::new(format!("its `cron_string` is {line}"), "write a crontab line")
        })?;
        cron::set(job, line, Dialect::Crontab);
        job.theirs = json!({"cron": line, "timezone": zone, "repeat": left});
    } else {
        job.set("at", due_text.clone());
        job.theirs = json!({"at": due.0});
        if due <= now {
            return Err(Refused::new(
                format!("it was due once, at {due_text}, which is past"),
                "let rq-scheduler send it before you stop rq-scheduler",
            ));
        }
        return Ok(());
    }
    if let Some(left) = left {
        job.set("limit", left);
    }
    Ok(())
}

/// The interval in whole seconds; `None` if there is none.
fn interval(interval: Option<&Value>) -> Result<Option<i64>, Refused> {
    let Some(interval) = interval.filter(|interval| is_true(interval)) else { return Ok(None) };
    match whole(interval).filter(|seconds| *seconds > 0) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(Refused::new(
            format!("its interval is {interval}, and not a number of seconds above 0"),
            "write `every: 10s`, or another length",
        )),
    }
}

/// How many jobs are left; `None` means no limit.
fn left(repeat: Option<&Value>) -> Result<Option<i64>, Refused> {
    match repeat {
        None | Some(Value::Null) => Ok(None),
        // rq-scheduler stops when the count is 0 after a job, so at 0 it still sends one.
        Some(Value::Bool(false)) => Ok(Some(1)),
        Some(repeat) => match whole(repeat) {
            Some(0) if repeat.is_number() && !is_true(repeat) => Ok(Some(1)),
            Some(count) if count > 0 => Ok(Some(count)),
            // It counts down from there, and never comes to 0.
            Some(_) => Ok(None),
            None => Err(Refused::new(
                format!("its `repeat` is {repeat}, and not a number"),
                "write `limit` into an entry",
            )),
        },
    }
}

/// Whether Python takes it for true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(pairs) => !pairs.is_empty(),
    }
}

/// What Python's `int` makes of it.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(flag) => Some((*flag).into()),
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().map(|number| number as i64))
        }
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(meta: Value, score: f64) -> Job {
        let Value::Object(meta) = meta else { panic!() };
        let mut job = Job::new("x");
        set(&mut job, &meta, Due { score, now: UnixMs(1_900_000_000_000), zone: "UTC" });
        job
    }

    #[test]
    fn intervals_are_whole_seconds_whatever_their_type() {
        for (interval, every) in [
            (json!(60), "1m"),
            (json!("60"), "1m"),
            (json!(1.9), "1s"),
            (json!(true), "1s"),
            (json!(0), ""),
            (json!(null), ""),
        ] {
            let job = of(json!({"interval": interval}), 1_900_000_001.0);
            assert_eq!(job.text("every"), every, "{interval}");
            assert!(job.cannot.is_none(), "{interval}");
        }
        for interval in [json!(-5), json!(0.5), json!("soon"), json!([1])] {
            assert!(of(json!({"interval": interval}), 1_900_000_001.0).cannot.is_some());
        }
    }

    #[test]
    fn a_count_is_read_as_rq_scheduler_counts() {
        for (repeat, left) in [
            (json!(null), json!(null)),
            (json!(3), json!(3)),
            (json!("3"), json!(3)),
            (json!(true), json!(1)),
            (json!(0), json!(1)),
            (json!("0"), json!(null)),
            (json!(-1), json!(null)),
        ] {
            let job = of(json!({"interval": 60, "repeat": repeat}), 1_900_000_001.0);
            assert_eq!(job.theirs["repeat"], left, "{repeat}");
        }
        assert!(of(json!({"interval": 60, "repeat": "often"}), 1_900_000_001.0).cannot.is_some());
    }

    #[test]
    fn what_never_comes_or_is_past_is_left_out() {
        for score in [f64::INFINITY, -1.0, 1_900_000_000.0] {
            assert!(of(json!({}), score).cannot.is_some(), "{score}");
        }
        assert!(of(json!({"cron_string": 5}), 1_900_000_001.0).cannot.is_some());
        assert_eq!(of(json!({}), 1_900_000_001.0).text("at"), "2030-03-17T17:46:41+00:00");
    }
}
