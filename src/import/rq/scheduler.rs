//! rq-scheduler: a sorted set of jobs. Each is a hash of RQ, with the schedule in its `meta`.

use std::path::PathBuf;

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{old, options, queue_settings};
use crate::import::cron::{self, Dialect};
use crate::import::names::Names;
use crate::import::redis_reader::{Hash, RedisReader};
use crate::import::{Difference, Found, ImportError, Job, lengths};
use crate::worker::rq::{StoredCall, stored_call, stored_meta};

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
    let (mut names, mut jobs, mut is_json) = (Names::default(), Vec::new(), false);
    for ((id, due), held) in scheduled.iter().zip(reader.hgetall(&keys)?) {
        let id = String::from_utf8_lossy(id);
        let read = held.and_then(|hash| match hash.is_empty() {
            true => Err("its job is gone".to_owned()),
            false => Ok(hash),
        });
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let due = UnixMs((due * 1000.0) as i64);
        jobs.push(match read {
            Ok(hash) => {
                let call = stored_call(field(&hash, "data"));
                is_json |= call.as_ref().is_ok_and(|call| call.is_json);
                let call = call.map_err(|error| error.to_string());
                job(&id, &hash, call, Due { due, now, zone: &zone }, &mut names)
            }
            Err(why) => Job::left_out(names.unique(&id), why, Some("schedule it again")),
        });
    }
    let mut found = Found {
        source: format!("rq-scheduler in {}", reader.address()),
        old: Some(old(python, "rq-scheduler", &zone)),
        notes: notes(&zone),
        timezone: Some(zone),
        jobs,
        ..Found::default()
    };
    found.set_queues(|_| queue_settings(is_json));
    Ok(found)
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

/// When a job is due next, and how to read its line.
#[derive(Clone, Copy)]
struct Due<'z> {
    due: UnixMs,
    now: UnixMs,
    /// The zone of lines.
    zone: &'z str,
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
    let meta = match field(hash, "meta") {
        [] => Map::new(),
        bytes => stored_meta(bytes).unwrap_or_else(|error| {
            job.cannot(format!("its `meta` cannot be read: {error}"), Some("schedule it again"));
            Map::new()
        }),
    };
    when(&mut job, &meta, due);
    let queue = String::from_utf8_lossy(field(hash, "origin"));
    job.set("queue", if queue.is_empty() { "default" } else { &*queue });
    match call {
        Ok(call) => {
            note_changes(&mut job, &call);
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

fn when(job: &mut Job, meta: &Map<String, Value>, Due { due, now, zone }: Due<'_>) {
    let due_text = Zone::utc().to_rfc3339(due);
    let repeat = meta.get("repeat").and_then(Value::as_u64);
    // rq-scheduler stops when the count reaches 0 after a job, so at 0 it still sends one.
    let left = repeat.map(|repeat| repeat.max(1));
    let interval = meta.get("interval").and_then(Value::as_f64).filter(|length| *length > 0.0);
    match (meta.get("cron_string").and_then(Value::as_str), interval) {
        (_, Some(seconds)) => {
            lengths::set_every(job, seconds);
            job.set("anchor", due_text.clone());
            #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
            let is_far = due.0.saturating_sub(now.0) > (seconds * 1000.0) as i64;
            if is_far {
                job.set("start", due_text);
            }
            job.differs(Difference::Drift);
            job.theirs = json!({"interval": seconds, "next": due.0, "repeat": left});
        }
        (Some(line), None) => {
            cron::set(job, line, Dialect::Crontab);
            job.theirs = json!({"cron": line, "timezone": zone, "repeat": left});
        }
        (None, None) => {
            job.set("at", due_text.clone());
            job.theirs = json!({"at": due.0});
            if due <= now {
                job.cannot(
                    format!("it was due once, at {due_text}, which is past"),
                    Some("let rq-scheduler send it before you stop rq-scheduler"),
                );
            }
        }
    }
    if let Some(left) = left {
        job.set("limit", left);
    }
}

/// Leaves the job out if the worker would get arguments of another type; a tuple may become a list.
fn note_changes(job: &mut Job, call: &StoredCall) {
    let changed = call.changed;
    let lost = [
        (changed.bytes, "bytes"),
        (changed.number, "a number that JSON cannot hold"),
        (changed.key, "a key that is not a text"),
        (changed.set, "a set"),
    ];
    let lost: Vec<&str> = lost.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    if !lost.is_empty() {
        job.cannot(
            format!("its arguments hold {}", lost.join(", ")),
            Some("pass texts, numbers, lists and mappings with texts as keys"),
        );
    }
    if changed.tuple {
        job.differs(Difference::Other("a tuple in its arguments arrives as a list".to_owned()));
    }
}

fn field<'h>(hash: &'h Hash, name: &str) -> &'h [u8] {
    hash.get(name.as_bytes()).map_or(&[], Vec::as_slice)
}
