//! Settings of RQ's jobs as keys of an entry.

use serde_json::{Map, Value, json};

use crate::import::literal::literal;
use crate::import::{Difference, Job, lengths};

/// RQ's own defaults, which need not be said.
const RESULT_TTL: i64 = 500;

/// Arguments as the entry has them.
pub(super) fn set_arguments(job: &mut Job, args: Value, kwargs: Value) {
    if args.as_array().is_some_and(|args| !args.is_empty()) {
        job.set("args", literal(args));
    }
    if kwargs.as_object().is_some_and(|kwargs| !kwargs.is_empty()) {
        job.set("kwargs", literal(kwargs));
    }
}

/// The settings by RQ's names; the values are numbers, or texts of them.
pub(super) fn set(job: &mut Job, told: &Map<String, Value>) {
    let mut options = Map::new();
    for (theirs, ours) in
        [("timeout", "timeout"), ("result_ttl", "result_ttl"), ("failure_ttl", "failure_ttl")]
    {
        match told.get(theirs).map(seconds) {
            Some(Some(RESULT_TTL)) if ours == "result_ttl" => {}
            Some(Some(number)) => {
                options.insert(ours.to_owned(), json!(number));
            }
            Some(None) => {
                job.differs(Difference::Dropped(format!("`{theirs}`, which is no number")))
            }
            None => {}
        }
    }
    if let Some(ttl) = told.get("ttl").and_then(seconds) {
        #[expect(clippy::cast_precision_loss, reason = "a lifetime has few digits")]
        lengths::set_length(job, "expires", ttl as f64);
    }
    for name in ["success", "failure", "stopped"] {
        let text = |part: &str| told.get(&format!("{name}_callback_{part}"));
        let Some(path) = text("name").and_then(Value::as_str).filter(|path| !path.is_empty())
        else {
            continue;
        };
        let ours = if name == "stopped" { "on_stopped".to_owned() } else { format!("on_{name}") };
        let value = match text("timeout").and_then(seconds).filter(|timeout| *timeout != 60) {
            Some(timeout) => json!({"func": path, "timeout": timeout}),
            None => json!(path),
        };
        options.insert(ours, value);
    }
    if told.get("enqueue_at_front").and_then(seconds) == Some(1) {
        options.insert("at_front".to_owned(), json!(true));
    }
    retries(job, told, &mut options);
    if told.get("webhooks").is_some_and(|webhooks| !webhooks.is_null()) {
        job.differs(Difference::Dropped("its webhooks: here no job has any".to_owned()));
    }
    if !options.is_empty() {
        job.set("options", options);
    }
}

fn retries(job: &mut Job, told: &Map<String, Value>, options: &mut Map<String, Value>) {
    let json = |name: &str| serde_json::from_str::<Value>(told.get(name)?.as_str()?).ok();
    if let Some(count) = told.get("retries_left").and_then(seconds).filter(|count| *count > 0) {
        options.insert("retry".to_owned(), json!(count));
        if let Some(pauses) = json("retry_intervals") {
            options.insert("retry_intervals".to_owned(), pauses);
        }
    }
    if let Some(Value::Array(jobs)) = json("dependency_ids") {
        match told.get("allow_dependency_failures").and_then(seconds) {
            Some(1) => options
                .insert("depends_on".to_owned(), json!({"jobs": jobs, "allow_failure": true})),
            _ => options.insert("depends_on".to_owned(), jobs.into()),
        };
    }
    if told.contains_key("repeats_left") {
        job.differs(Difference::Dropped("RQ's own repeats of each job".to_owned()));
    }
}

/// `meta` as headers, apart from what the scheduler itself keeps there.
pub(super) fn set_meta(job: &mut Job, mut meta: Map<String, Value>, own: &[&str]) {
    meta.retain(|key, _| !own.contains(&&**key));
    if !meta.is_empty() {
        job.set("headers", literal(Value::Object(meta)));
    }
}

/// A number of seconds: `180`, `"180"`, or RQ's `1h`, `3m`, `5s`.
fn seconds(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let text = value.as_str()?.to_ascii_lowercase();
    let (number, unit) = match text.strip_suffix(['h', 'm', 's']) {
        Some(number) => (number, &text[number.len()..]),
        None => (&*text, "s"),
    };
    let length = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    number.parse::<i64>().ok()?.checked_mul(length)
}
