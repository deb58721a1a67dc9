//! rq-scheduler: a sorted set of jobs. Each is a hash of RQ, with the schedule in its `meta`.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use downbeat_time::UnixMs;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::when::{self, Due};
use super::{old, options, queue_settings};
use crate::import::names::Names;
use crate::import::redis_reader::{Hash, RedisReader};
use crate::import::{Difference, Found, ImportError, Job};
use crate::worker::rq::{Changed, StoredCall, stored_call, stored_meta};

/// Sorted set: job id → when it is due, in seconds since 1970.
const SCHEDULED: &str = "rq:scheduler:scheduled_jobs";
/// The key of a job without its id: a hash.
const JOB: &str = "rq:job:";
/// What rq-scheduler keeps in the `meta` of a job.
const OWN_META: [&str; 5] =
    ["interval", "repeat", "cron_string", "use_local_timezone", "queue_class_name"];

/// Imports the jobs of rq-scheduler. Their lines are read in `timezone`.
///
/// # Errors
///
/// If Redis does not answer, or holds no such jobs.
pub(crate) fn from_scheduler(
    reader: &mut RedisReader,
    timezone: Option<String>,
    python: Option<PathBuf>,
    now: UnixMs,
) -> Result<Found, ImportError> {
    let scheduled = reader.zrange(SCHEDULED)?;
    if scheduled.is_empty() {
        return Err(ImportError::Invalid(format!(
            "{} holds no jobs of rq-scheduler: `{SCHEDULED}` is empty; name the database with /N",
            reader.address()
        )));
    }
    let zone = timezone.unwrap_or_else(|| "UTC".to_owned());
    let keys: Vec<Vec<u8>> =
        scheduled.iter().map(|(id, _)| [JOB.as_bytes(), id].concat()).collect();
    let (mut names, mut jobs, mut are_json) = (Names::default(), Vec::new(), Vec::new());
    for ((id, due), held) in scheduled.iter().zip(reader.hgetall(&keys)?) {
        let id = String::from_utf8_lossy(id);
        let read = held.and_then(|hash| match hash.is_empty() {
            true => Err("its job is gone".to_owned()),
            false => Ok(hash),
        });
        let read = read.map(|hash| (stored_call(field(&hash, "data")), hash));
        are_json.push(read.as_ref().ok().and_then(|(call, _)| Some(call.as_ref().ok()?.is_json)));
        jobs.push(match read {
            Ok((call, hash)) => {
                let call = call.map_err(|error| error.to_string());
                job(&id, &hash, call, Due { score: *due, now, zone: &zone }, &mut names)
            }
            Err(why) => Job::left_out(names.unique(&id), why, Some("schedule it again")),
        });
    }
    let json_queues = keep_one_serializer(&mut jobs, &are_json);
    let mut found = Found {
        source: format!("rq-scheduler in {}", reader.address()),
        old: Some(old(python, "rq-scheduler", &zone)),
        notes: notes(&zone),
        timezone: Some(zone),
        jobs,
        ..Found::default()
    };
    found.set_queues(|queue| queue_settings(json_queues.contains(queue)));
    Ok(found)
}

/// Returns the queues most of whose jobs are JSON. The workers of a queue read one serializer, so jobs of the other are
/// left out; `are_json` says what each job is, if it can be read.
fn keep_one_serializer(jobs: &mut [Job], are_json: &[Option<bool>]) -> HashSet<String> {
    let mut more_json: HashMap<String, isize> = HashMap::new();
    for (job, is_json) in jobs.iter().zip(are_json) {
        let count = more_json.entry(job.text("queue").to_owned()).or_default();
        *count += is_json.map_or(0, |is_json| if is_json { 1 } else { -1 });
    }
    more_json.retain(|_, more| *more > 0);
    let json_queues: HashSet<String> = more_json.into_keys().collect();
    for (job, is_json) in jobs.iter_mut().zip(are_json) {
        let is_odd = |is_json: bool| is_json != json_queues.contains(job.text("queue"));
        let Some(is_json) = is_json.filter(|is_json| is_odd(*is_json)) else { continue };
        let (own, others) = if is_json { ("JSON", "pickles") } else { ("a pickle", "JSON") };
        job.cannot(
            format!("it is {own}, and most jobs of its queue are {others}: workers read only one of them"),
            Some("give it a queue of its own, whose workers read it"),
        );
    }
    json_queues
}

fn notes(zone: &str) -> Vec<String> {
    vec![
        format!(
            "Lines are read in {zone}. rq-scheduler reads them in the time zone of its machine, with and without \
             `use_local_timezone`: name it with --timezone."
        ),
        "rq-scheduler sends a job up to one polling interval late (60 s by default), and always with the same id. Here \
         each slot has an id of its own."
            .to_owned(),
    ]
}

fn job(
    id: &str,
    hash: &Hash,
    call: Result<StoredCall, String>,
    due: Due<'_>,
    names: &mut Names,
) -> Job {
    let described = String::from_utf8_lossy(field(hash, "description"));
    let func = match &call {
        Ok(call) => call.func.clone(),
        Err(_) => described.split('(').next().unwrap_or_default().to_owned(),
    };
    // A random id is no name.
    let is_chosen = Uuid::parse_str(id).is_err();
    let mut job = Job::new(names.unique(if is_chosen || func.is_empty() { id } else { &func }));
    job.set("task", func.clone());
    let (meta, changed) = match field(hash, "meta") {
        [] => (Map::new(), Changed::default()),
        bytes => stored_meta(bytes).unwrap_or_else(|error| {
            job.cannot(format!("its `meta` cannot be read: {error}"), Some("schedule it again"));
            (Map::new(), Changed::default())
        }),
    };
    note_changes(&mut job, "`meta` holds", changed);
    when::set(&mut job, &meta, due);
    let queue = String::from_utf8_lossy(field(hash, "origin"));
    job.set("queue", if queue.is_empty() { "default" } else { &*queue });
    match call {
        Ok(call) => {
            note_changes(&mut job, "arguments hold", call.changed);
            options::set_arguments(&mut job, call.args, call.kwargs);
        }
        Err(why) => job.cannot(
            format!("its call cannot be read: {why}"),
            Some("schedule a function with plain arguments"),
        ),
    }
    set_options(&mut job, hash, &described, &func);
    if meta.contains_key("queue_class_name") {
        job.differs(Difference::Dropped("the class of its queue".to_owned()));
    }
    options::set_meta(&mut job, meta, &OWN_META);
    job
}

fn set_options(job: &mut Job, hash: &Hash, described: &str, func: &str) {
    let mut settings: Map<String, Value> = Map::new();
    for (name, value) in hash {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        if !value.is_empty() && name != "data" && name != "meta" {
            settings.insert(name.into_owned(), value.into_owned().into());
        }
    }
    let repeats = !job.keys.contains_key("at");
    // The result shares a key with rq-scheduler's own record of the job, which has to stay.
    if repeats && settings.get("result_ttl").is_some_and(|ttl| ttl == "-1") {
        settings.remove("result_ttl");
        job.differs(Difference::Results);
    }
    options::set(job, &settings);
    let is_own = !described.is_empty() && !described.starts_with(&format!("{func}("));
    if is_own && let Some(Value::Object(options)) = job.keys.get_mut("options") {
        options.insert("description".to_owned(), described.into());
    } else if is_own {
        job.set("options", json!({"description": described}));
    }
}

/// Leaves the job out if the worker would get arguments of another type; a tuple may become a list.
fn note_changes(job: &mut Job, holder: &str, changed: Changed) {
    let lost = [
        (changed.bytes, "bytes"),
        (changed.number, "a number that JSON cannot hold"),
        (changed.key, "a key that is not a text"),
        (changed.set, "a set"),
    ];
    let lost: Vec<&str> = lost.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    if !lost.is_empty() {
        job.cannot(
            format!("its {holder} {}", lost.join(", ")),
            Some("pass texts, numbers, lists and mappings with texts as keys"),
        );
    }
    if changed.tuple {
        job.differs(Difference::Other("a tuple arrives as a list".to_owned()));
    }
}

fn field<'h>(hash: &'h Hash, name: &str) -> &'h [u8] {
    hash.get(name.as_bytes()).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Grade;

    #[test]
    fn a_job_whose_serializer_is_not_that_of_its_queue_is_left_out() {
        let job = |queue: &str| {
            let mut job = Job::new("x");
            job.set("queue", queue);
            job
        };
        let mut jobs = ["a", "a", "a", "b", "b", "b", "c"].map(job);
        let are_json = [Some(false), Some(false), Some(true), Some(true), None, None, Some(false)];
        let json_queues = keep_one_serializer(&mut jobs, &are_json);
        assert_eq!(json_queues, HashSet::from(["b".to_owned()]));
        let left_out = |job: &Job| job.grade() == Grade::Cannot;
        assert_eq!(jobs.each_ref().map(left_out), [false, false, true, false, false, false, false]);
    }
}
