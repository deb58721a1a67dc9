//! When a row of `PeriodicTask` runs.

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use super::dump::Row;
use super::millis;
use super::task::Task;
use crate::import::celery::schedules;
use crate::import::celery::store::Routed;
use crate::import::{Difference, Job, Refused};

/// The columns that refer to a schedule, in the order in which beat looks at them.
const MODELS: [(&str, &str); 4] = [
    ("interval", "intervalschedule"),
    ("crontab", "crontabschedule"),
    ("solar", "solarschedule"),
    ("clocked", "clockedschedule"),
];
const FIELDS: [&str; 5] = ["minute", "hour", "day_of_week", "day_of_month", "month_of_year"];
/// Units of intervals, in seconds.
const PERIODS: [(&str, f64); 5] = [
    ("days", 86_400.0),
    ("hours", 3600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
    ("microseconds", 1e-6),
];

/// Sets the timing with its bounds, and what the old scheduler is asked for.
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
        // Beat counts from when somebody enables it.
        job.differences.retain(|difference| *difference != Difference::Anchor);
    }
    job.theirs = schedule;
    if let Some(last_run) = last_run {
        job.theirs["since"] = millis(last_run);
    }
    bound(job, task, zone, start);
    if is_enabled {
        overdue(job, task, start, now);
    }
    Ok(())
}

fn schedule(task: &Task<'_>, routed: &Routed) -> Result<Value, Refused> {
    let of = |(column, model): (&'static str, &'static str)| {
        let key = task.value(column);
        (!key.is_null()).then_some((column, model, key))
    };
    let Some((column, model, key)) = MODELS.into_iter().find_map(of) else {
        return Err(Refused { why: "it has no schedule".to_owned(), instead: "write one" });
    };
    let row = task.dump.schedule(model, key).ok_or_else(|| Refused {
        why: format!("its {column} {key} is not in the dump"),
        instead: "dump all models of django_celery_beat",
    })?;
    let parts = match column {
        "interval" => interval(row),
        "crontab" => Ok(crontab(row, routed)),
        "solar" => solar(row),
        _ => clocked(row, task, &routed.zone),
    };
    parts.map_err(|why| Refused { why, instead: "write its rule into the entry" })
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
    let field = |name: &str| {
        let text = match row.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "*".to_owned(),
            Some(other) => other.to_string(),
        };
        (name.to_owned(), Value::from(text))
    };
    let fields = Map::from_iter(FIELDS.map(field));
    let zone = row.get("timezone").and_then(Value::as_str).filter(|_| routed.zone_aware);
    match zone {
        Some(zone) => json!({"type": "crontab", "fields": fields, "timezone": zone}),
        None => json!({"type": "crontab", "fields": fields}),
    }
}

/// Decimals are texts in a dump.
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
    let at = text.as_str().and_then(|text| crate::text::instant::parse(text, zone).ok());
    let at = at.ok_or_else(|| format!("its time is {text}"))?;
    let at = at.max(task.instant("start_time", zone).unwrap_or(at));
    Ok(json!({"type": "clocked", "at": zone.to_rfc3339(at), "at_ms": millis(at)}))
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
    // What is overdue at its start runs then, and is counted from then.
    #[expect(clippy::cast_precision_loss, reason = "it decides only which of two instants counts")]
    let is_passed = |start: UnixMs| (start.0 - last_run.0) as f64 > seconds * 1000.0;
    (!start.is_some_and(is_passed)).then_some(last_run)
}

fn bound(job: &mut Job, task: &Task<'_>, zone: &Zone, start: Option<UnixMs>) {
    if job.keys.contains_key("at") {
        return;
    }
    if let Some(start) = start {
        job.set("start", zone.to_rfc3339(start));
        job.theirs["start"] = millis(start);
        // Slots are counted from there.
        if !job.keys.contains_key("anchor") {
            job.differences.retain(|difference| *difference != Difference::Anchor);
            job.theirs["since"] = millis(start);
        }
    }
    if let Some(end) = task.instant("expires", zone) {
        job.theirs["end"] = millis(UnixMs(end.0 - 1));
    }
    if task.is_true("one_off") {
        job.set("limit", 1);
        job.theirs["limit"] = json!(1);
    }
}

/// What beat would send as soon as it starts.
fn overdue(job: &mut Job, task: &Task<'_>, start: Option<UnixMs>, now: UnixMs) {
    if task.is_true("one_off") && task.value("total_run_count").as_u64() > Some(0) {
        job.set("enabled", false);
        return job.differs(Difference::Other("it has run, and runs once only".to_owned()));
    }
    let at = job.theirs["at_ms"].as_i64();
    if at.is_some_and(|at| at <= now.0) {
        let text = "its time is past: beat would send it as soon as it starts";
        return job.differs(Difference::Other(text.to_owned()));
    }
    let reads_clock = job.keys.contains_key("cron") || job.keys.contains_key("solar");
    if reads_clock && start.is_some_and(|start| start > now) {
        let text = "beat also sends it once at its start, whatever its schedule says";
        job.differs(Difference::Other(text.to_owned()));
    }
}
