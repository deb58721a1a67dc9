//! BullMQ's job schedulers (since 5.16): for each queue a sorted set of their ids, and a hash for each.

mod options;

use std::path::PathBuf;

use downbeat_time::{UnixMs, Zone};
use serde_json::{Map, Value, json};

use super::compare::OldScheduler;
use super::cron::{self, Dialect};
use super::interpreter::Interpreter;
use super::literal::literal;
use super::names::Names;
use super::redis_reader::{Hash, RedisReader};
use super::{Difference, Found, ImportError, Job, instants, json, lengths};
use crate::escape::{MAX_SHOWN, escape, shorten};
use crate::text::instant;

/// Asks BullMQ's own functions.
const SCRIPT: &str = include_str!("script.js");
const ADD_AGAIN: &str = "add it again with `upsertJobScheduler`";
/// What the key of a queue's schedulers ends with.
const REPEAT: &[u8] = b":repeat";

/// Where the schedulers are, and what is not in Redis.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) prefix: String,
    /// All queues if empty.
    pub(crate) queues: Vec<String>,
    /// The zone of patterns without `tz`; UTC if `None`.
    pub(crate) timezone: Option<String>,
    pub(crate) node: Option<PathBuf>,
}

/// Imports the job schedulers of these queues.
///
/// # Errors
///
/// If Redis does not answer, or holds none.
pub(crate) fn from_redis(
    reader: &mut RedisReader,
    source: Source,
    now: UnixMs,
) -> Result<Found, ImportError> {
    let (queues, others) = match &source.queues[..] {
        [] => queues(reader, &source.prefix)?,
        named => (named.to_vec(), Vec::new()),
    };
    let zone = source.timezone.unwrap_or_else(|| "UTC".to_owned());
    let program = source.node.unwrap_or_else(|| "node".into());
    let interpreter = Interpreter { program, flag: "-e", script: SCRIPT, option: "--node PATH" };
    let request = Map::from_iter([("timezone".to_owned(), json!(zone))]);
    let mut found = Found {
        source: format!("BullMQ in {}", reader.address()),
        notes: notes(&zone),
        timezone: Some(zone),
        old: Some(OldScheduler { interpreter, request }),
        ..Found::default()
    };
    found.notes.extend(others);
    let mut names = Names::default();
    let is_one_queue = queues.len() == 1;
    for queue in &queues {
        let key = format!("{}:{queue}:repeat", source.prefix);
        let schedulers = reader.zrange(&key)?;
        let keys: Vec<Vec<u8>> =
            schedulers.iter().map(|(id, _)| [key.as_bytes(), b":", id].concat()).collect();
        for ((id, next), held) in schedulers.iter().zip(reader.hgetall(&keys)?) {
            let id = String::from_utf8_lossy(id);
            let name = if is_one_queue { id.to_string() } else { format!("{queue}/{id}") };
            let mut job = Job::new(names.unique(&name));
            let next = instants::from_millis(*next)
                .ok_or_else(|| format!("its next job is due {next} ms after 1970"));
            match held.and_then(|hash| Ok((hash, next?))) {
                Ok((hash, next)) => fill(&mut job, &hash, next, now),
                Err(why) => job.cannot(why, Some(ADD_AGAIN)),
            }
            job.set("queue", queue.clone());
            found.jobs.push(job);
        }
    }
    found.set_queues(|_| match &*source.prefix {
        "bull" => json!({"worker": "bullmq"}),
        prefix => json!({"worker": "bullmq", "options": {"prefix": prefix}}),
    });
    if found.jobs.is_empty() {
        return Err(ImportError::Invalid(format!(
            "no job scheduler in {}: no queue with the prefix `{}` has one; name another with --prefix, or the \
             database with /N",
            reader.address(),
            source.prefix
        )));
    }
    Ok(found)
}

/// The queues that have schedulers, and notes on keys that look like more of them.
fn queues(
    reader: &mut RedisReader,
    prefix: &str,
) -> Result<(Vec<String>, Vec<String>), ImportError> {
    let front = format!("{prefix}:");
    let keys = reader.scan(&front, "zset")?;
    let queue = |key: &Vec<u8>| {
        let queue = key.strip_prefix(front.as_bytes())?.strip_suffix(REPEAT)?;
        Some(String::from_utf8_lossy(queue).into_owned())
    };
    let (others, queues): (Vec<String>, Vec<String>) =
        keys.iter().filter_map(queue).partition(|queue| queue.contains(':'));
    let note = |other: String| {
        let (more, _) = other.rsplit_once(':').unwrap_or_default();
        let shown = |text: String| shorten(&escape(&text), MAX_SHOWN).into_owned();
        format!(
            "`{}` is left out, because a queue has no `:` in its name. To import it, name its prefix: `--prefix {}`.",
            shown(format!("{front}{other}:repeat")),
            shown(format!("{front}{more}"))
        )
    };
    Ok((queues, others.into_iter().map(note).collect()))
}

fn notes(zone: &str) -> Vec<String> {
    vec![
        format!(
            "Patterns without `tz` are read in {zone}. BullMQ reads them in the time zone of the worker's machine: \
             name it with --timezone."
        ),
        "BullMQ adds a scheduler's next job when a worker starts the one before. While no worker runs, it skips \
         times; downbeat sends each slot."
            .to_owned(),
        "BullMQ keeps finished jobs unless the job or the worker says otherwise. Where a scheduler says nothing, its \
         entry says `remove_on_complete: false`, which overrides the worker's own setting."
            .to_owned(),
        "Job ids change from `repeat:ID:MS` to the task id. Remove the old schedulers with \
         `await queue.removeJobScheduler(ID)`, which also removes their delayed job."
            .to_owned(),
    ]
}

fn fill(job: &mut Job, hash: &Hash, next: UnixMs, now: UnixMs) {
    let text = |name: &str| {
        let value = String::from_utf8_lossy(hash.get(name.as_bytes())?).into_owned();
        Some(value).filter(|value| !value.is_empty())
    };
    let number = |name: &str| text(name)?.parse().ok().filter(|number: &f64| number.is_finite());
    job.set("task", text("name").unwrap_or_default());
    if !hash.contains_key(&b"ic"[..]) {
        job.cannot(
            "it is a repeatable job of BullMQ before 5.16, whose data is in its next job only",
            Some("add it with `upsertJobScheduler`"),
        );
        return;
    }
    let mut theirs = Map::new();
    for name in ["pattern", "tz"] {
        theirs.extend(text(name).map(|value| (name.to_owned(), json!(value))));
    }
    theirs.extend(number("every").map(|every| ("every".to_owned(), json!(every))));
    theirs.insert("next".to_owned(), json!(next.0));
    match (text("pattern"), number("every")) {
        (Some(pattern), _) => cron::set(job, &pattern, Dialect::CronParser),
        (None, Some(every)) => {
            lengths::set_every(job, every / 1000.0);
            job.set("anchor", Zone::utc().to_rfc3339(next));
        }
        (None, None) => job.cannot("it has neither `pattern` nor `every`", None),
    }
    if let Some(zone) = text("tz") {
        job.set("timezone", zone);
    }
    for (name, key) in [("startDate", "start"), ("endDate", "end")] {
        let Some(written) = text(name) else { continue };
        let read = match number(name) {
            Some(ms) => instants::from_millis(ms),
            None => instant::parse(&written, &Zone::utc()).ok(),
        };
        let Some(at) = read else {
            job.cannot(
                format!("its `{name}` is {written}, and not an instant"),
                Some("write `start` or `end` into an entry"),
            );
            continue;
        };
        theirs.insert(name.to_owned(), at.0.into());
        // The anchor already says when steps begin; only a start that is still to come says more.
        if key == "end" || at > now {
            job.set(key, Zone::utc().to_rfc3339(at));
        }
    }
    for name in ["every", "limit", "ic"] {
        if let Some(written) = text(name).filter(|_| number(name).is_none()) {
            job.cannot(format!("its `{name}` is {written}, and not a number"), Some(ADD_AGAIN));
        }
    }
    set_limit(job, number("limit"), number("ic"), &mut theirs);
    job.theirs = Value::Object(theirs);
    set_data(job, text("data"));
    options::set(job, text("opts").as_deref().unwrap_or("{}"));
}

/// Sets how many jobs are left. The count includes the delayed job, which is removed with its scheduler.
fn set_limit(
    job: &mut Job,
    limit: Option<f64>,
    count: Option<f64>,
    theirs: &mut Map<String, Value>,
) {
    let Some(limit) = limit else { return };
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    let left = (limit - count.unwrap_or(1.0) + 1.0) as i64;
    if left < 1 {
        return job.cannot(format!("its limit of {limit} jobs is used up"), None);
    }
    job.set("limit", left);
    theirs.insert("left".to_owned(), left.into());
}

fn set_data(job: &mut Job, data: Option<String>) {
    match data.map(|data| json::read(&data)) {
        None => {}
        Some(Ok(Value::Object(data))) if data.is_empty() => {}
        Some(Ok(Value::Object(data))) => job.set("kwargs", literal(Value::Object(data))),
        Some(Ok(_)) => {
            job.cannot("its data is not an object", Some("put it into one: `{value: …}`"));
        }
        Some(Err(error)) => job.cannot(format!("its data cannot be read: {error}"), None),
    }
}

/// Notes an option that an entry cannot have.
fn drop_option(job: &mut Job, name: &str) {
    job.differs(Difference::Dropped(format!("the option `{name}`")));
}
