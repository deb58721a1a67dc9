//! Rows of django-celery-beat, as `manage.py dumpdata` writes them.

mod dump;
mod task;
mod when;

use std::collections::BTreeMap;
use std::path::Path;

use downbeat_time::UnixMs;

use self::task::Task;
use super::celery::store::{self, Application};
use super::{Found, ImportError, Job, names};

/// Imports a dump; `-` is standard input.
///
/// # Errors
///
/// If the file is not a dump with rows of django-celery-beat, or the application cannot be asked.
pub(crate) fn from_dump(
    path: &Path,
    application: &Application,
    now: UnixMs,
) -> Result<Found, ImportError> {
    let dump = dump::read(path)?;
    let tasks: Vec<Task<'_>> = dump.tasks.iter().map(|row| Task { row, dump: &dump }).collect();
    let (messages, refused): (Vec<_>, Vec<_>) = tasks.iter().map(Task::message).unzip();
    let mut routed = store::route(&messages, application)?;
    let mut jobs = Vec::new();
    for (index, (task, refused)) in tasks.iter().zip(refused).enumerate() {
        let mut job = Job::new(task.text("name"));
        job.set("task", messages[index].task.clone());
        if !task.text("description").trim().is_empty() {
            job.set("description", task.text("description"));
        }
        if let Err(refused) = when::set(&mut job, task, &routed, now) {
            job.refuse(refused);
        }
        routed.set(&mut job, index, &messages[index]);
        task.set_end(&mut job, &routed.zone);
        if let Some(refused) = refused {
            job.refuse(refused);
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
            "Times without an offset (`USE_TZ = False`) are read in {}; name another zone with --timezone.",
            routed.zone.name()
        ));
    }
    found.jobs = jobs;
    Ok(routed.found)
}

/// The zone that most crontabs name; `None` if one names none.
fn common_zone(jobs: &[Job]) -> Option<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    let reads_clock = |job: &&Job| job.keys.contains_key("cron") && job.cannot.is_none();
    for job in jobs.iter().filter(reads_clock) {
        *counts.entry(job.keys.get("timezone")?.as_str()?).or_default() += 1;
    }
    let (zone, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some(zone.to_owned())
}
