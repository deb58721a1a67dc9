//! sidekiq-cron: its schedule file, and its jobs in Redis.

mod job;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::compare::OldScheduler;
use super::interpreter::Interpreter;
use super::names::Names;
use super::redis_reader::{Hash, RedisReader};
use super::yaml::{self, Item};
use super::{Found, ImportError, Job, json};
use crate::escape::{MAX_SHOWN, escape, shorten};
use crate::regular_file;

/// Asks fugit, with which sidekiq-cron reads lines.
const SCRIPT: &str = include_str!("script.rb");
/// Maximum bytes of a schedule file.
const MAX_FILE: u64 = 16 << 20;
/// Set of the keys of all jobs before version 2. Since then, each namespace has a set: `cron_jobs:NAMESPACE`.
const JOBS: &str = "cron_jobs";
/// What to do about a job of a file that cannot be read.
const WRITE_A_JOB: &str = "write a mapping with a `class` and a `cron`, of plain values";
/// The namespace of jobs that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// Imports a schedule file: a mapping of names to jobs, or a list of jobs. ERB in it is not run.
///
/// # Errors
///
/// If the file cannot be read, or holds no jobs.
pub(crate) fn from_file(path: &Path, ruby: Option<PathBuf>) -> Result<Found, ImportError> {
    let shown = path.display().to_string();
    let bytes =
        regular_file::read(path, MAX_FILE).map_err(|error| ImportError::of_file(path, error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| ImportError::Invalid(format!("{shown}: it is not UTF-8")))?;
    let items = match yaml::read(&shown, &text) {
        Ok(items) => items,
        Err(error) if text.contains("<%") => {
            let hint = "it holds ERB, which is not run; import the output of `erb FILE`";
            return Err(ImportError::Invalid(format!("{error}; {hint}")));
        }
        Err(error) => return Err(error),
    };
    if items.is_empty() {
        let hint = "a schedule file of sidekiq-cron maps names to jobs";
        return Err(ImportError::Invalid(format!("{shown}: it holds no jobs; {hint}")));
    }
    let (items, notes) = last_of_each_name(items);
    let mut names = Names::default();
    let jobs = items.into_iter().map(|(name, value)| {
        let name = names.unique(&name);
        match value {
            Ok(Value::Object(fields)) => job::from_fields(name, &fields, None),
            Ok(_) => Job::left_out(name, "it is not a mapping", Some(WRITE_A_JOB)),
            Err(why) => Job::left_out(name, why, Some(WRITE_A_JOB)),
        }
    });
    let mut found = found(format!("sidekiq-cron's {shown}"), jobs.collect(), None, ruby);
    found.notes.extend(notes);
    Ok(found)
}

type Named = (String, Result<Value, String>);

/// The jobs by their names. Of several with one name, sidekiq-cron keeps the last: the notes say which are not kept.
fn last_of_each_name(items: Vec<Item>) -> (Vec<Named>, Vec<String>) {
    let mut last: HashMap<String, usize> = HashMap::new();
    let (mut named, mut notes) = (Vec::new(), Vec::new());
    for item in items.into_iter().rev() {
        let of_job = || Some(item.value.as_ref().ok()?.get("name")?.as_str()?.to_owned());
        let name = item.name.clone().or_else(of_job).unwrap_or_default();
        let kept = last.get(&name).filter(|_| !name.is_empty());
        if let Some(kept) = kept {
            notes.push(format!(
                "The job `{}` on line {} comes again on line {kept}, and sidekiq-cron keeps only that one.",
                shorten(&escape(&name), MAX_SHOWN),
                item.line
            ));
        } else {
            last.insert(name.clone(), item.line);
            named.push((name, item.value));
        }
    }
    named.reverse();
    notes.reverse();
    (named, notes)
}

/// Imports the jobs in Redis; `prefix` is that of `redis-namespace`.
///
/// # Errors
///
/// If Redis does not answer, or holds none.
pub(crate) fn from_redis(
    reader: &mut RedisReader,
    prefix: Option<String>,
    ruby: Option<PathBuf>,
) -> Result<Found, ImportError> {
    let front = prefix.as_ref().map_or_else(String::new, |prefix| format!("{prefix}:"));
    let mut sets = reader.scan(format!("{front}{JOBS}:"), "set")?;
    sets.insert(0, format!("{front}{JOBS}").into_bytes());
    let mut keys = Vec::new();
    for set in &sets {
        let members = reader.smembers(set)?;
        keys.extend(members.into_iter().map(|key| [front.as_bytes(), &key].concat()));
    }
    if keys.is_empty() {
        return Err(ImportError::Invalid(format!(
            "{} holds no jobs of sidekiq-cron: there is no set `{front}{JOBS}:…`; name the database with /N, and \
             the namespace of `redis-namespace` with --redis-namespace",
            reader.address()
        )));
    }
    let mut names = Names::default();
    let mut jobs = Vec::new();
    for (key, held) in keys.iter().zip(reader.hgetall(&keys)?) {
        jobs.push(match held {
            Ok(hash) if !hash.is_empty() => from_hash(&hash, &mut names),
            held => {
                let why = held.err().unwrap_or_else(|| "its hash is gone".to_owned());
                let name = names.unique(&String::from_utf8_lossy(key));
                Job::left_out(name, why, Some("create it again, if it is still needed"))
            }
        });
    }
    Ok(found(format!("sidekiq-cron in {}", reader.address()), jobs, prefix, ruby))
}

fn from_hash(hash: &Hash, names: &mut Names) -> Job {
    let text = |bytes: &Vec<u8>| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let fields: Map<String, Value> = hash
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), text(value)))
        .collect();
    let text_of = |field: &str| fields.get(field).and_then(Value::as_str);
    let name = text_of("name").unwrap_or_default();
    let name = match text_of("namespace") {
        Some(namespace) if namespace != DEFAULT_NAMESPACE => format!("{namespace}/{name}"),
        _ => name.to_owned(),
    };
    let message = text_of("message").map_or(Ok(Value::Null), json::read);
    let members = message.as_ref().ok().and_then(Value::as_object).cloned();
    let mut job = job::from_fields(names.unique(&name), &fields, Some(members.unwrap_or_default()));
    if let Err(why) = message {
        let why = format!("its message cannot be read: {why}");
        job.cannot(why, Some("write its arguments and options into an entry"));
    }
    job
}

fn found(source: String, jobs: Vec<Job>, prefix: Option<String>, ruby: Option<PathBuf>) -> Found {
    let settings = match prefix {
        Some(prefix) => json!({"worker": "sidekiq", "options": {"namespace": prefix}}),
        None => json!({"worker": "sidekiq"}),
    };
    let program = ruby.unwrap_or_else(|| "ruby".into());
    let interpreter = Interpreter { program, flag: "-e", script: SCRIPT, option: "--ruby PATH" };
    let mut found = Found {
        source,
        jobs,
        notes: vec![
            "sidekiq-cron reads lines without a zone in UTC, and sends up to 30 s late (`cron_poll_interval`)."
                .to_owned(),
        ],
        old: Some(OldScheduler { interpreter, request: Map::new() }),
        ..Found::default()
    };
    found.set_queues(|_| settings.clone());
    found
}
