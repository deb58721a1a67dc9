//! Rows of django-celery-beat, as `manage.py dumpdata` writes them.

mod dump;
mod task;
mod when;

use std::path::Path;

use downbeat_time::UnixMs;
use serde_json::json;

use self::task::Task;
use super::celery::store::{self, Asked};
use super::{Found, ImportError, Job, Refused, names};

/// Imports a dump; `-` is standard input.
///
/// # Errors
///
/// If it is no dump with rows of django-celery-beat, or the application cannot be asked.
pub(crate) fn from_dump(path: &Path, asked: &Asked, now: UnixMs) -> Result<Found, ImportError> {
    let dump = dump::read(path)?;
    let tasks: Vec<Task<'_>> = dump.tasks.iter().map(|row| Task { row, dump: &dump }).collect();
    let read: Vec<_> = tasks.iter().map(Task::sent).collect();
    let sent: Vec<_> = read.iter().map(|(sent, _)| sent.clone()).collect();
    let mut routed = store::route(&sent, asked)?;
    let mut jobs = Vec::new();
    for (index, (task, (sent, refused))) in tasks.iter().zip(&read).enumerate() {
        let mut job = Job::new(task.text("name"));
        job.set("task", sent.task.clone());
        if !task.text("description").trim().is_empty() {
            job.set("description", task.text("description"));
        }
        if let Err(Refused { why, instead }) = when::set(&mut job, task, &routed, now) {
            job.cannot(why, Some(instead));
        }
        routed.set(&mut job, index, sent);
        task.set_end(&mut job, &routed.zone);
        if let Some(Refused { why, instead }) = refused {
            job.cannot(why.clone(), Some(instead));
        }
        jobs.push(job);
    }
    names::fit(&mut jobs);
    let found = &mut routed.found;
    found.source = format!("django-celery-beat's rows in {}", path.display());
    if let Some(zone) = common_zone(&jobs) {
        found.timezone = Some(zone);
    }
    if dump.has_naive_times {
        found.notes.push(format!(
            "Times without an offset (`USE_TZ = False`) are read by the clock of {}: name another with --timezone.",
            routed.zone.name()
        ));
    }
    found.jobs = jobs;
    Ok(routed.found)
}

/// The zone of most crontabs, unless one has none of its own.
fn common_zone(jobs: &[Job]) -> Option<String> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    let reads_clock = |job: &&Job| job.keys.contains_key("cron") && job.cannot.is_none();
    for job in jobs.iter().filter(reads_clock) {
        *counts.entry(job.keys.get("timezone")?.as_str()?).or_default() += 1;
    }
    let (zone, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some(zone.to_owned())
}

/// An instant in milliseconds, for the script.
fn millis(at: UnixMs) -> serde_json::Value {
    json!(at.0)
}
