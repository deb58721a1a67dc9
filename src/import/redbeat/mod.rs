//! Entries of RedBeat, which are hashes in Redis.

mod entry;
mod object;

use std::collections::BTreeMap;

use downbeat_time::UnixMs;
use serde_json::json;

use self::entry::Entry;
use super::celery::schedules;
use super::celery::store::{self, Application, Routed};
use super::redis_reader::{Hash, Held, RedisReader};
use super::{Difference, Found, ImportError, Job, names};

/// Imports the entries whose keys begin with `prefix`.
///
/// # Errors
///
/// If Redis does not answer, there are no entries, or the application cannot be asked.
pub(crate) fn from_redis(
    redis: &mut RedisReader,
    prefix: &str,
    application: &Application,
    now: UnixMs,
) -> Result<Found, ImportError> {
    let stored = stored(redis, prefix)?;
    let statics = redis.smembers(format!("{prefix}:statics"))?;
    if stored.iter().all(|stored| stored.score.is_none()) {
        return Err(ImportError::Invalid(format!(
            "{} has no plan of RedBeat, `{prefix}:schedule`; name all of `redbeat_key_prefix` with --prefix, such as \
             `redbeat:`, and the database with /N",
            redis.address()
        )));
    }
    let entries: Vec<Entry> =
        stored.iter().map(|stored| Entry::read(stored, prefix, now)).collect();
    let messages: Vec<_> = entries.iter().map(|entry| entry.message.clone()).collect();
    let mut routed = store::route(&messages, application)?;
    let jobs = entries.iter().enumerate().map(|(index, entry)| job(entry, index, &routed));
    let mut jobs: Vec<Job> = jobs.collect();
    names::fit(&mut jobs);
    routed.found.jobs = jobs;
    routed.found.source = format!("RedBeat's keys `{prefix}*` in {}", redis.address());
    routed.found.notes.extend(notes(&entries, statics.len()));
    Ok(routed.found)
}

/// A key, its score in RedBeat's plan (the sorted set `PREFIX:schedule`), and its hash.
#[derive(Debug)]
struct Stored {
    key: String,
    /// When it is due, in seconds since 1970; negative: never again; `None`: not in the plan.
    score: Option<f64>,
    hash: Held<Hash>,
}

/// All keys of the plan, and all hashes beside it that look like entries.
fn stored(redis: &mut RedisReader, prefix: &str) -> Result<Vec<Stored>, ImportError> {
    let planned = redis.zrange(format!("{prefix}:schedule"))?;
    let mut keys: BTreeMap<Vec<u8>, Option<f64>> =
        redis.scan(prefix, "hash")?.into_iter().map(|key| (key, None)).collect();
    keys.extend(planned.into_iter().map(|(key, score)| (key, Some(score))));
    let names: Vec<&Vec<u8>> = keys.keys().collect();
    let hashes = redis.hgetall(&names)?;
    let stored = keys.iter().zip(hashes).map(|((key, score), hash)| Stored {
        key: String::from_utf8_lossy(key).into_owned(),
        score: *score,
        hash,
    });
    let is_entry = |stored: &Stored| {
        let looks_like_one =
            stored.hash.as_ref().is_ok_and(|hash| hash.contains_key(&b"definition"[..]));
        stored.score.is_some() || looks_like_one
    };
    Ok(stored.filter(is_entry).collect())
}

fn job(entry: &Entry, index: usize, routed: &Routed) -> Job {
    let mut job = Job::new(entry.name.clone());
    job.set("task", entry.message.task.clone());
    if let Some(schedule) = &entry.schedule {
        schedules::set(&mut job, &schedule.parts, entry.last_run, &routed.zone);
        job.theirs = json!({"type": "redbeat", "schedule": schedule.text});
        if let Some(last_run) = entry.last_run.filter(|_| schedule.parts["type"] == "interval") {
            job.theirs["since"] = json!(last_run.0);
        }
    }
    if !entry.enabled {
        job.set("enabled", false);
    }
    routed.set(&mut job, index, &entry.message);
    let others = entry.differences.iter().cloned();
    others.for_each(|text| job.differs(Difference::Other(text)));
    if let Some(refused) = &entry.refused {
        job.refuse(refused.clone());
    }
    job
}

fn notes(entries: &[Entry], statics: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if statics > 0 {
        notes.push(format!(
            "{statics} of these entries come from the application's `beat_schedule`. Import them here or with \
             `celery-beat`, not both."
        ));
    }
    if entries.iter().any(|entry| entry.lost_ordinals) {
        notes.push(
            "RedBeat stores `MO(+2)` as `MO`, so its monthly and yearly rules with weekdays run on every such weekday, \
             and so do the entries. Write `BYDAY=2MO` if the second Monday is meant."
                .to_owned(),
        );
    }
    notes
}
