//! RQ's cron scheduler, which shows its jobs in Redis while it runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use super::{old, options, queues};
use crate::import::cron::{self, Dialect};
use crate::import::names::Names;
use crate::import::redis_reader::RedisReader;
use crate::import::{Difference, Found, ImportError, Job, lengths};
use crate::text::instant;

/// Sorted set: the name of each scheduler → when it was last seen.
const SCHEDULERS: &str = "rq:cron_schedulers";
/// The key of a scheduler without its name: a hash.
const SCHEDULER: &str = "rq:cron_scheduler:";
/// What RQ shows instead of arguments that JSON cannot carry.
const NOT_JSON: &str = "<not JSON serializable>";

/// Imports the jobs of the schedulers that run. Their lines are read by the clock of `timezone`.
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
            // Several schedulers with one configuration send each job several times.
            if seen.insert(identity(&record)) {
                found.jobs.push(job(&record, &mut given, &zone));
            }
        }
    }
    if found.jobs.is_empty() {
        return Err(ImportError::Invalid(format!(
            "no cron scheduler of RQ runs on {}: it shows its jobs only while it runs; start `rq cron CONFIG`",
            reader.address()
        )));
    }
    found.queues = queues(found.jobs.iter().map(|job| job.text("queue")), false);
    Ok(found)
}

fn notes(zone: &str) -> Vec<String> {
    vec![
        format!(
            "Lines are read by the clock of {zone}: RQ reads them in UTC, and from version 3 on by the clock of the \
             scheduler's machine; say which with --timezone."
        ),
        "RQ fires each interval when its scheduler starts, and counts the next from then; here the slots go on \
         through restarts."
            .to_owned(),
        "A tuple within arguments looks like a list in what RQ shows, and arrives as a list.".to_owned(),
    ]
}

/// What makes a job another: all but its times.
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
    let args = carried(&mut job, record, "args");
    let kwargs = carried(&mut job, record, "kwargs");
    options::set_arguments(&mut job, args, kwargs);
    if let Value::Object(meta) = carried(&mut job, record, "meta") {
        options::set_meta(&mut job, meta, &[]);
    }
    let mut told = Map::new();
    for (theirs, name) in [
        ("job_timeout", "timeout"),
        ("result_ttl", "result_ttl"),
        ("failure_ttl", "failure_ttl"),
        ("ttl", "ttl"),
        ("webhooks", "webhooks"),
    ] {
        told.extend(record.get(theirs).map(|value| (name.to_owned(), value.clone())));
    }
    told.retain(|_, value| !value.is_null());
    options::set(&mut job, &told);
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

/// A value that RQ shows as a text of JSON.
fn carried(job: &mut Job, record: &Value, part: &str) -> Value {
    match record[part].as_str() {
        None => Value::Null,
        Some(NOT_JSON) => {
            job.cannot(
                format!("its `{part}` are not JSON, and RQ does not show them"),
                Some("pass texts and numbers, or let the task read the rest"),
            );
            Value::Null
        }
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| {
            job.cannot(format!("its `{part}` cannot be read"), Some("write them by hand"));
            Value::Null
        }),
    }
}
