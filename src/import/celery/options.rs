//! Options of Celery's `apply_async` as keys of an entry.

use downbeat_time::Zone;
use serde_json::{Map, Value};

use crate::import::literal::literal;
use crate::import::{Difference, Job, lengths};
use crate::text::instant;

/// Options that mean nothing in a message that is sent later by another program, or that say the default.
const WITHOUT_EFFECT: [&str; 12] = [
    "retry",
    "retry_policy",
    "producer",
    "connection",
    "publisher",
    "add_to_parent",
    "task_type",
    "mandatory",
    "immediate",
    "router",
    "content_encoding",
    "content_type",
];

/// Sets the keys of an entry from options as a message would carry them.
pub(super) fn set(job: &mut Job, options: &Map<String, Value>) {
    let mut own = Map::new();
    for (name, value) in options {
        match (&**name, value) {
            (_, Value::Null) => {}
            ("priority", value) => job.set("priority", value.clone()),
            ("expires", value) => expires(job, value),
            ("time_limit" | "soft_time_limit", Value::Number(seconds)) => {
                limit(&mut own, name, seconds)
            }
            ("ignore_result" | "shadow" | "argsrepr" | "kwargsrepr", value) => {
                own.insert(name.clone(), value.clone());
            }
            ("headers", Value::Object(own)) => headers(job, own.clone()),
            ("headers", _) => {}
            ("link" | "link_error" | "chain", value) => following(job, &mut own, name, value),
            ("serializer", Value::String(serializer)) if serializer == "json" => {}
            ("serializer", value) => job.differs(Difference::Other(format!(
                "the body is JSON, not {}: workers must accept it",
                value.as_str().unwrap_or("what it was")
            ))),
            ("compression", _) => {
                job.differs(Difference::Dropped("bodies are not compressed".to_owned()))
            }
            ("countdown", Value::Number(seconds)) if seconds.as_f64() == Some(0.0) => {}
            ("delivery_mode", Value::Number(mode)) if mode.as_u64() == Some(2) => {}
            ("delivery_mode", Value::String(mode)) if mode == "persistent" => {}
            ("countdown", Value::Number(_)) | ("eta", _) => job.cannot(
                format!("each message waits in a worker because of `{name}`"),
                Some("let the entry fire that much later"),
            ),
            (name, _) if WITHOUT_EFFECT.contains(&name) => {}
            (name, _) => {
                job.differs(Difference::Dropped(format!("the option `{name}` is left out")))
            }
        }
    }
    if !own.is_empty() {
        job.set("options", own);
    }
}

fn headers(job: &mut Job, mut own: Map<String, Value>) {
    let own_name = own.shift_remove("periodic_task_name");
    if own_name.is_some_and(|name| name != job.name) {
        let dropped = "the header `periodic_task_name` is the name of the entry here";
        job.differs(Difference::Dropped(dropped.to_owned()));
    }
    if !own.is_empty() {
        job.set("headers", literal(Value::Object(own)));
    }
}

fn expires(job: &mut Job, value: &Value) {
    let text = value.as_str().filter(|text| instant::parse(text, &Zone::utc()).is_ok());
    match (value.as_f64(), value["instant"].as_str().or(text)) {
        (Some(seconds), _) => lengths::set_length(job, "expires", seconds),
        (None, Some(instant)) => {
            job.set("end", instant);
            job.differs(Difference::Other(format!(
                "all messages expire at {instant}; here the entry ends then, and its messages do not expire"
            )));
        }
        (None, None) => job.differs(Difference::Dropped(
            "`expires` is left out: it is neither a length nor an instant".to_owned(),
        )),
    }
}

/// Seconds as a number: whole ones without a fraction.
fn limit(own: &mut Map<String, Value>, name: &str, seconds: &serde_json::Number) {
    let whole =
        seconds.as_f64().filter(|value| value.fract() == 0.0 && (0.0..1e12).contains(value));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    let value =
        whole.map_or_else(|| Value::Number(seconds.clone()), |value| Value::from(value as u64));
    own.insert(name.to_owned(), value);
}

/// Tasks that follow, as signatures without their empty parts. A message has a chain backwards, so that the worker takes
/// the next task from its end.
fn following(job: &mut Job, own: &mut Map<String, Value>, name: &str, value: &Value) {
    let list = match value {
        Value::Array(list) if name == "chain" => list.iter().rev().collect(),
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let signatures: Option<Vec<Value>> = list.into_iter().map(signature).collect();
    match signatures {
        Some(signatures) if signatures.is_empty() => {}
        Some(signatures) => {
            own.insert(name.to_owned(), signatures.into());
        }
        None => job.cannot(
            format!("`{name}` is a group, a chord or another construct, not a plain task"),
            Some("call it in the task itself"),
        ),
    }
}

fn signature(value: &Value) -> Option<Value> {
    let is_plain = value["subtask_type"].is_null() && value["task"].is_string();
    let kept = ["task", "args", "kwargs", "options", "immutable"].into_iter().filter_map(|part| {
        let value = &value[part];
        let is_empty = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(pairs) => pairs.is_empty(),
            _ => false,
        };
        (!is_empty).then(|| (part.to_owned(), literal(value.clone())))
    });
    is_plain.then(|| Value::Object(kept.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(options: Value) -> Job {
        let mut job = Job::new("x");
        set(&mut job, options.as_object().unwrap());
        job
    }

    #[test]
    fn options_become_keys_of_the_entry() {
        let job = with(json!({
            "priority": 3, "expires": 8.0, "time_limit": 300.0, "ignore_result": true, "retry": true,
            "headers": {"x": "{{"}, "link": {"task": "a.b", "args": [], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": true},
        }));
        assert_eq!(
            Value::Object(job.keys),
            json!({
                "priority": 3, "expires": "8s", "headers": {"x": r#"{{ "{{" }}"#},
                "options": {"time_limit": 300, "ignore_result": true, "link": [{"task": "a.b", "immutable": true}]},
            })
        );
        assert_eq!(job.differences, []);
    }

    #[test]
    fn what_has_no_counterpart_is_named() {
        assert_eq!(
            with(json!({"frobnicate": 1})).differences,
            [Difference::Dropped("the option `frobnicate` is left out".to_owned())]
        );
        assert!(with(json!({"countdown": 5})).cannot.is_some());
        assert!(
            with(json!({"link": {"task": "celery.group", "subtask_type": "group"}}))
                .cannot
                .is_some()
        );
        assert_eq!(with(json!({"serializer": "pickle"})).differences.len(), 1);
        let named = with(json!({"headers": {"periodic_task_name": "other"}}));
        assert_eq!(named.differences.len(), 1);
        assert_eq!(with(json!({"headers": {"periodic_task_name": "x"}})).differences, []);
    }

    #[test]
    fn a_chain_is_written_in_the_order_in_which_its_tasks_run() {
        let task = |name: &str| json!({"task": name, "subtask_type": null});
        let job = with(json!({"chain": [task("third"), task("second")], "ignore_result": false}));
        assert_eq!(
            job.keys["options"],
            json!({"chain": [{"task": "second"}, {"task": "third"}], "ignore_result": false})
        );
    }
}
