//! rq-scheduler: a sorted set of jobs, which are hashes of RQ with the schedule in their `meta`.

use std::path::PathBuf;

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{old, options, queues};
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

/// Imports the jobs of rq-scheduler. Their lines are read by the clock of `timezone`.
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
            Err(why) => {
                let mut lost = Job::new(names.unique(&id));
                lost.cannot(why, Some("schedule it anew"));
                lost
            }
        });
    }
    let queues =
        queues(jobs.iter().map(|job| job.text("queue")).filter(|it| !it.is_empty()), is_json);
    Ok(Found {
        source: format!("rq-scheduler in {}", reader.address()),
        old: Some(old(python, "rq-scheduler", &zone)),
        notes: notes(&zone),
        timezone: Some(zone),
        jobs,
        queues,
    })
}

fn notes(zone: &str) -> Vec<String> {
    vec![
        format!(
            "Lines are read by the clock of {zone}: rq-scheduler reads them by that of its machine, with \
             `use_local_timezone` or without; say which with --timezone."
        ),
        "rq-scheduler sends a job up to its polling interval late (60 s by default), and always with one id; here \
         each job has an id of its own."
            .to_owned(),
    ]
}

/// When a job is due next, by whose clock its line is read, and what time it is.
#[derive(Clone, Copy)]
struct Due<'z> {
    due: UnixMs,
    now: UnixMs,
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
    // An id that nobody chose says nothing.
    let is_chosen = Uuid::parse_str(id).is_err();
    let mut job = Job::new(names.unique(if is_chosen || func.is_empty() { id } else { &func }));
    job.set("task", func.clone());
    let meta = match field(hash, "meta") {
        [] => Map::new(),
        bytes => stored_meta(bytes).unwrap_or_else(|error| {
            job.cannot(format!("its `meta` cannot be read: {error}"), Some("schedule it anew"));
            Map::new()
        }),
    };
    when(&mut job, &meta, due);
    let queue = String::from_utf8_lossy(field(hash, "origin"));
    job.set("queue", if queue.is_empty() { "default" } else { &*queue });
    match call {
        Ok(call) => {
            tell_changes(&mut job, &call);
            options::set_arguments(&mut job, call.args, call.kwargs);
        }
        Err(why) => job.cannot(
            format!("its call cannot be read: {why}"),
            Some("pass texts and numbers to a function"),
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
    let mut told: Map<String, Value> = Map::new();
    for (name, value) in hash {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        if !value.is_empty() && name != "data" && name != "meta" {
            told.insert(name.into_owned(), value.into_owned().into());
        }
    }
    // rq-scheduler keeps the results of what comes again, so that its own record of the job stays.
    if job.keys.get("at").is_none() && told.get("result_ttl").is_some_and(|ttl| ttl == "-1") {
        told.remove("result_ttl");
        job.differs(Difference::Results);
    }
    options::set(job, &told);
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
    // It stops when the count reaches 0 after a job: without one left, it sends one more.
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
                    format!("it was due once, at {due_text}"),
                    Some("let rq-scheduler send it before it stops"),
                );
            }
        }
    }
    if let Some(left) = left {
        job.set("limit", left);
    }
}

/// Says what the worker would get as another type.
fn tell_changes(job: &mut Job, call: &StoredCall) {
    let changed = call.changed;
    let told = [
        (changed.bytes, "bytes"),
        (changed.number, "a number that JSON cannot hold"),
        (changed.key, "a key that is no text"),
        (changed.set, "a set"),
    ];
    let lost: Vec<&str> = told.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
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
