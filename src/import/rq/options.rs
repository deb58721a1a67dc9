//! Settings of RQ's jobs as keys of an entry.

use serde_json::{Map, Value, json};

use crate::import::literal::literal;
use crate::import::{Difference, Job, lengths};

/// RQ's default of `result_ttl`, which an entry need not say.
const RESULT_TTL: i64 = 500;
/// RQ's default of the timeout of a callback.
const CALLBACK_TIMEOUT: i64 = 60;

pub(super) fn set_arguments(job: &mut Job, args: Value, kwargs: Value) {
    match &args {
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Array(_) => job.set("args", literal(args)),
        _ => job.cannot("its `args` are not a list", Some("pass a list of arguments")),
    }
    match &kwargs {
        Value::Null => {}
        Value::Object(pairs) if pairs.is_empty() => {}
        Value::Object(_) => job.set("kwargs", literal(kwargs)),
        _ => {
            job.cannot("its `kwargs` are not a mapping", Some("pass a mapping of names to values"))
        }
    }
}

/// Sets keys from RQ's settings, by their names in a job's hash. Numbers may be texts.
pub(super) fn set(job: &mut Job, settings: &Map<String, Value>) {
    let mut options = Map::new();
    for name in ["timeout", "result_ttl", "failure_ttl"] {
        match settings.get(name).map(seconds) {
            Some(Some(RESULT_TTL)) if name == "result_ttl" => {}
            Some(Some(number)) => {
                options.insert(name.to_owned(), json!(number));
            }
            Some(None) => {
                job.differs(Difference::Dropped(format!("`{name}`, which is not a number")));
            }
            None => {}
        }
    }
    if let Some(ttl) = settings.get("ttl").and_then(seconds) {
        #[expect(clippy::cast_precision_loss, reason = "a lifetime has few digits")]
        lengths::set_length(job, "expires", ttl as f64);
    }
    callbacks(settings, &mut options);
    if settings.get("enqueue_at_front").and_then(seconds) == Some(1) {
        options.insert("at_front".to_owned(), json!(true));
    }
    retries_and_dependencies(settings, &mut options);
    if settings.contains_key("repeats_left") {
        job.differs(Difference::Dropped("RQ's own repeats of each job".to_owned()));
    }
    if settings.get("webhooks").is_some_and(|webhooks| !webhooks.is_null()) {
        job.differs(Difference::Dropped("its webhooks: jobs cannot have any here".to_owned()));
    }
    if !options.is_empty() {
        job.set("options", options);
    }
}

fn callbacks(settings: &Map<String, Value>, options: &mut Map<String, Value>) {
    for (theirs, ours) in
        [("success", "on_success"), ("failure", "on_failure"), ("stopped", "on_stopped")]
    {
        let part = |name: &str| settings.get(&format!("{theirs}_callback_{name}"));
        let path = part("name").and_then(Value::as_str).filter(|path| !path.is_empty());
        let Some(path) = path else { continue };
        let timeout = part("timeout").and_then(seconds);
        let callback = match timeout.filter(|timeout| *timeout != CALLBACK_TIMEOUT) {
            Some(timeout) => json!({"func": path, "timeout": timeout}),
            None => json!(path),
        };
        options.insert(ours.to_owned(), callback);
    }
}

fn retries_and_dependencies(settings: &Map<String, Value>, options: &mut Map<String, Value>) {
    let json = |name: &str| serde_json::from_str::<Value>(settings.get(name)?.as_str()?).ok();
    if let Some(count) = settings.get("retries_left").and_then(seconds).filter(|count| *count > 0) {
        options.insert("retry".to_owned(), json!(count));
        if let Some(pauses) = json("retry_intervals") {
            options.insert("retry_intervals".to_owned(), pauses);
        }
    }
    if let Some(Value::Array(jobs)) = json("dependency_ids") {
        let dependencies = match settings.get("allow_dependency_failures").and_then(seconds) {
            Some(1) => json!({"jobs": jobs, "allow_failure": true}),
            _ => jobs.into(),
        };
        options.insert("depends_on".to_owned(), dependencies);
    }
}

/// `meta` as headers, without the keys in which the scheduler keeps the schedule.
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
    let number = text.strip_suffix(['h', 'm', 's']).unwrap_or(&text);
    let unit = match &text[number.len()..] {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}
