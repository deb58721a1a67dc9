//! The job: its hash, and its id.

use downbeat_time::UnixMs;

use super::{Callback, Dependency, RqOptions, RqQueue, Serializer};
use crate::worker::json_writer::JsonWriter;
use crate::worker::python::{pickle, repr};
use crate::worker::{Message, Push, RedisCommand, Task, Unsendable, Writes};

/// The list that RQ's workers take job ids from.
pub(super) fn list_key(queue: &str) -> String {
    format!("rq:queue:{queue}")
}

/// The key of a job without its id.
pub(super) const JOB: &str = "rq:job:";

fn job_key(task: &Task<'_>) -> String {
    format!("{JOB}{}", task.task_id)
}

/// Writes the job, adds the queue to the set of all queues, and pushes the id. Whether a job has to wait for
/// those that it depends on shows only in that step (`push.lua`).
pub(super) fn render(task: &Task<'_>, settings: RqQueue) -> Writes {
    let list = list_key(&task.message.queue.name);
    let job = job_key(task);
    // Fields of an earlier job with this id would mix with the new ones.
    let mut before = vec![command(&["DEL", &job]), hash(task, &job, settings.serializer)];
    if let Some(UnixMs(expires_at)) = task.expires_at {
        before.push(command(&["PEXPIREAT", &job, &expires_at.to_string()]));
    }
    before.push(command(&["SADD", "rq:queues", &list]));
    let push = match RqOptions::of(task.message) {
        Some(RqOptions { depends_on: Some(_), .. }) => Push::RqDependent,
        // Workers take from the head.
        Some(RqOptions { at_front: true, .. }) => Push::Left,
        _ => Push::Right,
    };
    Writes { before, push, key: list, element: task.task_id.to_string().into() }
}

pub(super) fn command(words: &[&str]) -> RedisCommand {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn hash(task: &Task<'_>, key: &str, serializer: Serializer) -> RedisCommand {
    let message = task.message;
    let default = RqOptions::default();
    let options = RqOptions::of(message).unwrap_or(&default);
    let now = reading(task.now);
    let mut command = command(&["HSET", key]);
    let mut field = |name: &str, value: Vec<u8>| command.extend([name.into(), value]);
    field("created_at", now.clone());
    field("enqueued_at", now);
    field("status", b"queued".to_vec());
    field("origin", message.queue.name.as_bytes().to_vec());
    field("description", description(message, options).into());
    field("data", serialized(&call(message), CALL_TUPLES, serializer));
    field("meta", serialized(&meta(task), 0, serializer));
    let mut number = |name: &str, value: Option<i64>| {
        if let Some(value) = value {
            field(name, value.to_string().into());
        }
    };
    number("timeout", options.timeout.map(Into::into));
    number("result_ttl", options.result_ttl.map(Into::into));
    number("failure_ttl", options.failure_ttl.map(Into::into));
    number("ttl", task.expires_at.map(|until| seconds_left(task.now, until)));
    number("retries_left", options.retry.map(Into::into));
    if !options.retry_intervals.is_empty() {
        field("retry_intervals", format!("{:?}", options.retry_intervals).into());
    }
    let callbacks = [
        ("success", &options.on_success),
        ("failure", &options.on_failure),
        ("stopped", &options.on_stopped),
    ];
    for (event, callback) in callbacks {
        let Some(Callback { func, timeout }) = callback else { continue };
        field(&format!("{event}_callback_name"), func.as_bytes().to_vec());
        if let Some(timeout) = timeout {
            field(&format!("{event}_callback_timeout"), timeout.to_string().into());
        }
    }
    if let Some(dependency) = &options.depends_on {
        add_dependency(dependency, options.at_front, &mut field);
    }
    command
}

/// `dependency_id` is the only one that versions before 1.5 of RQ read.
fn add_dependency(
    Dependency { jobs, allow_failure }: &Dependency,
    at_front: bool,
    field: &mut impl FnMut(&str, Vec<u8>),
) {
    let first = jobs.first().map(|id| id.as_bytes().to_vec());
    field("dependency_id", first.unwrap_or_default());
    // Ids are made of letters, digits, hyphens and underscores.
    field("dependency_ids", format!("{jobs:?}").into());
    if *allow_failure {
        field("allow_dependency_failures", b"1".to_vec());
    }
    if at_front {
        field("enqueue_at_front", b"1".to_vec());
    }
}

/// `2026-11-21T03:00:00.000Z`: workers crash on an offset.
fn reading(instant: UnixMs) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(24);
    json.utc_reading(instant).raw("Z");
    json.into_bytes()
}

/// Whole seconds, at least one: RQ restarts the lifetime when it retries a job.
fn seconds_left(now: UnixMs, until: UnixMs) -> i64 {
    let left = until.since(now).as_millis().div_ceil(1000).max(1);
    i64::try_from(left).unwrap_or(i64::MAX)
}

/// The call as Python would write it.
fn description(message: &Message, options: &RqOptions) -> String {
    if let Some(description) = &options.description {
        return description.to_string();
    }
    let args = repr(&message.args);
    let args = args.strip_prefix('[').unwrap_or(&args);
    let args = args.strip_suffix(']').unwrap_or(args);
    let (comma, kwargs) = match &*message.kwargs {
        "{}" => ("", String::new()),
        kwargs => (if args.is_empty() { "" } else { ", " }, format!("**{}", repr(kwargs))),
    };
    format!("{}({args}{comma}{kwargs})", message.task)
}

/// Function, instance, args and kwargs.
fn call(message: &Message) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(64 + message.args.len() + message.kwargs.len());
    json.raw("[").string(&message.task).raw(",null,").raw(&message.args);
    json.raw(",").raw(&message.kwargs).raw("]");
    json.into_bytes()
}

/// RQ's producer pickles the call and its args as tuples.
const CALL_TUPLES: u8 = 2;

fn meta(task: &Task<'_>) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(256);
    json.raw("{").members(task.message.headers.as_deref()).provenance(task).raw("}");
    json.into_bytes()
}

/// Everything that [`check`] accepts can be pickled.
fn serialized(json: &[u8], tuples: u8, serializer: Serializer) -> Vec<u8> {
    match serializer {
        Serializer::Pickle => pickle::of_json(json, tuples).unwrap_or_default(),
        Serializer::Json => json.to_vec(),
    }
}

/// Accepts a message that can be pickled.
pub(super) fn check(message: &Message) -> Result<(), Unsendable> {
    match pickle::of_json(&call(message), CALL_TUPLES) {
        Ok(_) => Ok(()),
        Err(error) => Err(Unsendable::new("args", format!("cannot be pickled: {error}"))),
    }
}

#[cfg(test)]
mod tests;
