//! RQ's cron scheduler, which keeps its jobs in Redis while it runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use super::{old, options, queue_settings};
use crate::import::cron::{self, Dialect};
use crate::import::names::Names;
use crate::import::redis_reader::RedisReader;
use crate::import::{Difference, Found, ImportError, Job, json, lengths};
use crate::text::instant;

/// Sorted set: the name of each scheduler → when it was last seen.
const SCHEDULERS: &str = "rq:cron_schedulers";
/// The key of a scheduler without its name: a hash.
const SCHEDULER: &str = "rq:cron_scheduler:";
/// What RQ writes instead of arguments that JSON cannot carry.
const NOT_JSON: &str = "<not JSON serializable>";

/// Imports the jobs of all running schedulers. Their lines are read in `timezone`.
///
/// # Errors
///
/// If none runs, or Redis does not answer.
pub(crate) fn from_cron(
    reader: &mut RedisReader,
    timezone: Option<String>,
    python: Option<PathBuf>,
) -> Result<Found, ImportError> {
    let names: Vec<Vec<u8>> =
        reader.zrange(SCHEDULERS)?.into_iter().map(|(name, _)| name).collect();
    let keys: Vec<Vec<u8>> =
        names.iter().map(|name| [SCHEDULER.as_bytes(), name].concat()).collect();
    let zone = timezone.unwrap_or_else(|| "UTC".to_owned());
    let mut found = Found {
        source: format!("the cron schedulers of RQ in {}", reader.address()),
        timezone: Some(zone.clone()),
        old: Some(old(python, "rq-cron", &zone)),
        notes: notes(&zone),
        ..Found::default()
    };
    let (mut given, mut seen) = (Names::default(), BTreeSet::new());
    for held in reader.hgetall(&keys)? {
        let hash = match held {
            Ok(hash) if hash.is_empty() => continue,
            Ok(hash) => hash,
            Err(why) => {
                found.notes.push(format!("A scheduler is left out: {why}."));
                continue;
            }
        };
        let text = hash.get(&b"cron_jobs"[..]).map_or(&b"[]"[..], Vec::as_slice);
        let Ok(Value::Array(records)) = serde_json::from_slice(text) else {
            found.notes.push("A scheduler is left out: its jobs are not JSON.".to_owned());
            continue;
        };
        for record in records {
            // Schedulers with the same configuration have the same jobs.
            if seen.insert(identity(&record)) {
                found.jobs.push(job(&record, &mut given, &zone));
            }
        }
    }
    if found.jobs.is_empty() {
        return Err(ImportError::Invalid(format!(
            "{} has no jobs of a running cron scheduler of RQ; start `rq cron CONFIG`, or name the database with /N",
            reader.address()
        )));
    }
    found.set_queues(|_| queue_settings(false));
    Ok(found)
}

fn notes(zone: &str) -> Vec<String> {
    vec![
        format!(
            "Lines are read in {zone}. RQ 2 reads them in UTC, RQ 3 in the time zone of the scheduler's machine: name \
             it with --timezone."
        ),
        "RQ fires each interval when its scheduler starts, and counts from then. Here a restart moves no slot."
            .to_owned(),
        "RQ writes a tuple inside arguments as a list, so it arrives as a list.".to_owned(),
    ]
}

/// What tells one job from another: everything but its times.
fn identity(record: &Value) -> String {
    let mut record = record.clone();
    if let Value::Object(pairs) = &mut record {
        pairs.retain(|key, _| !key.ends_with("_enqueue_time"));
    }
    record.to_string()
}

fn job(record: &Value, names: &mut Names, zone: &str) -> Job {
    let text = |part: &str| record[part].as_str().filter(|text| !text.is_empty());
    let func = text("func_name").unwrap_or_default();
    let mut job = Job::new(names.unique(text("name").unwrap_or(func)));
    job.set("task", func);
    when(&mut job, record, zone);
    job.set("queue", text("queue_name").unwrap_or("default"));
    let args = read_json(&mut job, record, "args");
    let kwargs = read_json(&mut job, record, "kwargs");
    options::set_arguments(&mut job, args, kwargs);
    if let Value::Object(meta) = read_json(&mut job, record, "meta") {
        options::set_meta(&mut job, meta, &[]);
    }
    let mut settings = Map::new();
    for (theirs, name) in [
        ("job_timeout", "timeout"),
        ("result_ttl", "result_ttl"),
        ("failure_ttl", "failure_ttl"),
        ("ttl", "ttl"),
        ("webhooks", "webhooks"),
    ] {
        settings.extend(record.get(theirs).map(|value| (name.to_owned(), value.clone())));
    }
    settings.retain(|_, value| !value.is_null());
    options::set(&mut job, &settings);
    job
}

fn when(job: &mut Job, record: &Value, zone: &str) {
    if let Some(line) = record["cron"].as_str() {
        cron::set(job, line, Dialect::Croniter);
        job.theirs = json!({"cron": line, "timezone": zone});
        return;
    }
    let Some(seconds) = record["interval"].as_f64() else {
        return job.cannot("it has neither `cron` nor `interval`", Some("write `cron` or `every`"));
    };
    lengths::set_every(job, seconds);
    let next = record["next_enqueue_time"].as_str();
    let next = next.and_then(|text| instant::parse(text, &Zone::utc()).ok());
    match next {
        Some(next @ UnixMs(ms)) => {
            job.set("anchor", Zone::utc().to_rfc3339(next));
            job.theirs = json!({"interval": seconds, "next": ms});
        }
        None => {
            job.differs(Difference::Anchor);
            job.theirs = json!({"interval": seconds});
        }
    }
}

/// Reads a part that RQ writes as JSON in a text.
fn read_json(job: &mut Job, record: &Value, part: &str) -> Value {
    match record[part].as_str() {
        None => Value::Null,
        Some(NOT_JSON) => {
            job.cannot(
                format!("its `{part}` are not JSON, and RQ does not keep them in Redis"),
                Some("pass texts and numbers only"),
            );
            Value::Null
        }
        Some(text) => json::read(text).unwrap_or_else(|why| {
            job.cannot(
                format!("its `{part}` cannot be read: {why}"),
                Some("write them into an entry"),
            );
            Value::Null
        }),
    }
}
