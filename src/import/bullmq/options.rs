//! The options of a scheduler's jobs as options of an entry.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::drop_option;
use crate::import::literal::literal;
use crate::import::{Difference, Job};
use crate::text::duration;
use crate::worker::{BullmqQueue, Protocol as _};

/// Options that BullMQ sets for each job itself, or that change nothing.
const OF_EACH_JOB: [&str; 11] = [
    "repeat",
    "jobId",
    "prevMillis",
    "repeatJobKey",
    "rjk",
    "timestamp",
    "delay",
    "telemetry",
    "tm",
    "omc",
    "stackTraceLimit",
];

/// Sets `options` and `headers` from a JSON object.
pub(super) fn set(job: &mut Job, text: &str) {
    let Ok(Value::Object(theirs)) = serde_json::from_str(text) else {
        return job.cannot("its options are not a JSON object", None);
    };
    let (mut options, mut headers) = (Map::new(), Map::new());
    if !theirs.contains_key("removeOnComplete") {
        options.insert("remove_on_complete".to_owned(), json!(false));
    }
    let queue = BullmqQueue::default();
    for (name, value) in theirs {
        let ours = match &*name {
            "removeOnComplete" => keep(job, &name, &value).map(|kept| ("remove_on_complete", kept)),
            "removeOnFail" => keep(job, &name, &value).map(|kept| ("remove_on_fail", kept)),
            "attempts" => {
                let count = value.as_f64().filter(|count| *count != 0.0);
                #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
                count.map(|count| ("attempts", json!(count as i64)))
            }
            "backoff" => backoff(job, &value).map(|backoff| ("backoff", backoff)),
            "priority" if value.as_f64() == Some(0.0) => None,
            "priority" => {
                job.differs(Difference::Dropped(format!(
                    "its priority of {value}: BullMQ runs jobs without a priority first"
                )));
                None
            }
            "lifo" if value == Value::Bool(false) => None,
            name if OF_EACH_JOB.contains(&name) => None,
            name if queue.is_reserved_header(name) => {
                drop_option(job, name);
                None
            }
            name => {
                headers.insert(name.to_owned(), value);
                None
            }
        };
        options.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    }
    if !options.is_empty() {
        job.set("options", options);
    }
    if !headers.is_empty() {
        job.set("headers", literal(Value::Object(headers)));
    }
}

/// How long finished jobs are kept: whether at all, how many, or up to which age.
fn keep(job: &mut Job, name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::Number(count) => Some(newest(count.as_f64()?)),
        Value::Object(kept) => {
            let (age, count) = (kept.get("age"), kept.get("count"));
            if age.is_some() && count.is_some() {
                drop_option(job, &format!("{name}.count"));
            }
            match (age.and_then(Value::as_f64), count.and_then(Value::as_f64)) {
                (Some(age), _) => {
                    let age = Duration::try_from_secs_f64(age).ok()?;
                    Some(json!(duration::format(age)))
                }
                (None, Some(count)) => Some(newest(count)),
                (None, None) => None,
            }
        }
        _ => None,
    }
}

/// So many of the newest jobs: 0 keeps none, a negative number keeps all.
#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
fn newest(count: f64) -> Value {
    match count as i64 {
        0 => json!(true),
        count if count < 0 => json!(false),
        count => json!(count),
    }
}

fn backoff(job: &mut Job, value: &Value) -> Option<Value> {
    let length = |ms: &Value| {
        let length = Duration::try_from_secs_f64(ms.as_f64()? / 1000.0).ok()?;
        Some(duration::format(length)).filter(|_| !length.is_zero())
    };
    if value.is_number() {
        return length(value).map(|pause| json!(pause));
    }
    let kind = value["type"].as_str().unwrap_or("fixed");
    if value.get("jitter").is_some_and(|jitter| jitter.as_f64() != Some(0.0)) {
        drop_option(job, "backoff.jitter");
    }
    match (kind, length(&value["delay"])) {
        ("fixed", Some(pause)) => Some(json!(pause)),
        ("exponential", Some(pause)) => Some(json!({"type": "exponential", "delay": pause})),
        (_, None) if kind == "fixed" => None,
        _ => {
            drop_option(job, &format!("backoff.type: {kind}"));
            None
        }
    }
}
