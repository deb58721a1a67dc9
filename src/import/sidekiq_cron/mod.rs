//! sidekiq-cron: its schedule file, and its jobs in Redis.

mod job;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::compare::OldScheduler;
use super::interpreter::Interpreter;
use super::names::Names;
use super::redis_reader::{Hash, RedisReader};
use super::{Found, ImportError, Job, yaml};
use crate::regular_file;

/// Asks fugit, with which sidekiq-cron reads lines.
const SCRIPT: &str = include_str!("script.rb");
/// Maximum bytes of a schedule file.
const MAX_FILE: u64 = 16 << 20;
/// Set of the keys of all jobs before version 2. Since then, each namespace has a set: `cron_jobs:NAMESPACE`.
const JOBS: &str = "cron_jobs";
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
    let jobs = match yaml::read(&shown, &text) {
        Ok(jobs) => jobs,
        Err(error) if text.contains("<%") => {
            let hint = "it holds ERB, which is not run; import the output of `erb FILE`";
            return Err(ImportError::Invalid(format!("{error}; {hint}")));
        }
        Err(error) => return Err(error),
    };
    let jobs: Vec<(String, Value)> = match jobs {
        Value::Object(jobs) => jobs.into_iter().collect(),
        Value::Array(jobs) => {
            let name = |job: &Value| job["name"].as_str().unwrap_or_default().to_owned();
            jobs.into_iter().map(|job| (name(&job), job)).collect()
        }
        _ => Vec::new(),
    };
    if jobs.is_empty() {
        let hint = "a schedule file of sidekiq-cron maps names to jobs";
        return Err(ImportError::Invalid(format!("{shown}: it holds no jobs; {hint}")));
    }
    let mut names = Names::default();
    let jobs = jobs.into_iter().map(|(name, fields)| {
        let name = names.unique(name.strip_prefix(':').unwrap_or(&name));
        match fields {
            Value::Object(fields) => job::from_fields(name, &job::without_colons(fields), None),
            _ => Job::left_out(name, "it is not a mapping", Some("write a `class` and a `cron`")),
        }
    });
    Ok(found(format!("sidekiq-cron's {shown}"), jobs.collect(), None, ruby))
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
            Ok(hash) if hash.is_empty() => continue,
            Ok(hash) => from_hash(&hash, &mut names),
            Err(why) => Job::left_out(
                names.unique(&String::from_utf8_lossy(key)),
                why,
                Some("create it again"),
            ),
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
    let message = text_of("message").and_then(|text| serde_json::from_str(text).ok());
    job::from_fields(names.unique(&name), &fields, Some(message.unwrap_or_default()))
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
