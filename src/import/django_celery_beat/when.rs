//! When a row of `PeriodicTask` runs.

use downbeat_time::{UnixMs, Zone};
use serde_json::{Value, json};

use super::dump::Row;
use super::task::Task;
use crate::import::celery::crontab::{crontab_fields, field_text};
use crate::import::celery::schedules;
use crate::import::celery::store::Routed;
use crate::import::{Difference, Job, Refused};
use crate::text::instant;

/// The columns that refer to a schedule, in the order in which beat looks at them.
const SCHEDULES: [&str; 4] = ["interval", "crontab", "solar", "clocked"];
/// Units of intervals, in seconds.
const PERIODS: [(&str, f64); 5] = [
    ("days", 86_400.0),
    ("hours", 3600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
    ("microseconds", 1e-6),
];

/// Sets the timing with its bounds, and what beat's own code is asked for it.
pub(super) fn set(
    job: &mut Job,
    task: &Task<'_>,
    routed: &Routed,
    now: UnixMs,
) -> Result<(), Refused> {
    let zone = &*routed.zone;
    let schedule = schedule(task, routed)?;
    let is_enabled = task.is_true("enabled") || !task.row.contains_key("enabled");
    let start = task.instant("start_time", zone);
    let last_run = last_run(task, &schedule, zone, start);
    schedules::set(job, &schedule, last_run, zone);
    if !is_enabled {
        job.set("enabled", false);
        // Beat will count from the instant at which somebody enables it.
        job.differences.retain(|difference| *difference != Difference::Anchor);
    }
    job.theirs = schedule;
    if let Some(last_run) = last_run {
        job.theirs["since"] = json!(last_run.0);
    }
    set_bounds(job, task, zone, start);
    if is_enabled {
        note_overdue(job, task, start, now);
    }
    Ok(())
}

fn schedule(task: &Task<'_>, routed: &Routed) -> Result<Value, Refused> {
    let Some(column) = SCHEDULES.into_iter().find(|column| !task.value(column).is_null()) else {
        return Err(Refused::new("it has no schedule", "write one"));
    };
    let key = task.value(column);
    let row = task.dump.schedule(&format!("{column}schedule"), key).ok_or_else(|| {
        let why = format!("its {column} {key} is not in the dump");
        Refused::new(why, "dump all models of django_celery_beat")
    })?;
    let parts = match column {
        "interval" => interval(row),
        "crontab" => Ok(crontab(row, routed)),
        "solar" => solar(row),
        _ => clocked(row, task, &routed.zone),
    };
    parts.map_err(|why| Refused::new(why, "write its timing into the entry"))
}

fn interval(row: &Row) -> Result<Value, String> {
    let (every, period) = (&row["every"], row["period"].as_str().unwrap_or_default());
    let unit = PERIODS.into_iter().find(|(name, _)| *name == period);
    match (every.as_f64(), unit) {
        (Some(every), Some((_, unit))) => {
            Ok(json!({"type": "interval", "seconds": every * unit, "relative": false}))
        }
        _ => Err(format!("its interval is {every} {period:?}")),
    }
}

fn crontab(row: &Row, routed: &Routed) -> Value {
    let fields = crontab_fields(|name| row.get(name).map_or_else(|| "*".to_owned(), field_text));
    let zone = row.get("timezone").and_then(Value::as_str).filter(|_| routed.zone_aware);
    match zone {
        Some(zone) => json!({"type": "crontab", "fields": fields, "timezone": zone}),
        None => json!({"type": "crontab", "fields": fields}),
    }
}

/// A dump holds decimals as texts.
fn solar(row: &Row) -> Result<Value, String> {
    let degrees = |name: &str| {
        let value = &row[name];
        let number = value.as_str().and_then(|text| text.parse().ok()).or(value.as_f64());
        number.ok_or_else(|| format!("its {name} is {value}"))
    };
    let (latitude, longitude) = (degrees("latitude")?, degrees("longitude")?);
    Ok(
        json!({"type": "solar", "event": row["event"], "latitude": latitude, "longitude": longitude}),
    )
}

fn clocked(row: &Row, task: &Task<'_>, zone: &Zone) -> Result<Value, String> {
    let text = &row["clocked_time"];
    let at = text.as_str().and_then(|text| instant::parse(text, zone).ok());
    let at = at.ok_or_else(|| format!("its time is {text}"))?;
    let at = at.max(task.instant("start_time", zone).unwrap_or(at));
    Ok(json!({"type": "clocked", "at": zone.to_rfc3339(at), "at_ms": at.0}))
}

/// Where an interval is counted from: its last run, or its last change if it has not run yet.
fn last_run(
    task: &Task<'_>,
    schedule: &Value,
    zone: &Zone,
    start: Option<UnixMs>,
) -> Option<UnixMs> {
    let seconds = schedule["seconds"].as_f64()?;
    let ran = task.instant("last_run_at", zone);
    let changed = || task.instant("date_changed", zone).filter(|_| start.is_none());
    let last_run = ran.or_else(changed).filter(|_| task.value("enabled") != false)?;
    // A task that is overdue at its start runs then, and is counted from then.
    #[expect(clippy::cast_precision_loss, reason = "it decides only which of two instants counts")]
    let is_passed = |start: UnixMs| (start.0 - last_run.0) as f64 > seconds * 1000.0;
    (!start.is_some_and(is_passed)).then_some(last_run)
}

fn set_bounds(job: &mut Job, task: &Task<'_>, zone: &Zone, start: Option<UnixMs>) {
    if job.keys.contains_key("at") {
        return;
    }
    if let Some(start) = start {
        job.set("start", zone.to_rfc3339(start));
        job.theirs["start"] = json!(start.0);
        // Slots are counted from there.
        if !job.keys.contains_key("anchor") {
            job.differences.retain(|difference| *difference != Difference::Anchor);
            job.theirs["since"] = json!(start.0);
        }
    }
    if let Some(end) = task.instant("expires", zone) {
        job.theirs["end"] = json!(end.0 - 1);
    }
    if task.is_true("one_off") {
        job.set("limit", 1);
        job.theirs["limit"] = json!(1);
    }
}

/// Says what beat would send at once, and downbeat does not.
fn note_overdue(job: &mut Job, task: &Task<'_>, start: Option<UnixMs>, now: UnixMs) {
    if task.is_true("one_off") && task.value("total_run_count").as_u64() > Some(0) {
        job.set("enabled", false);
        let text = "it was to run once, and has run; so it is disabled";
        return job.differs(Difference::Other(text.to_owned()));
    }
    let at = job.theirs["at_ms"].as_i64();
    if at.is_some_and(|at| at <= now.0) {
        let text =
            "its time has passed: beat would send it at its next start, downbeat does not send it";
        return job.differs(Difference::Other(text.to_owned()));
    }
    let reads_clock = job.keys.contains_key("cron") || job.keys.contains_key("solar");
    if reads_clock && start.is_some_and(|start| start > now) {
        job.differs(Difference::AtStart);
    }
}
