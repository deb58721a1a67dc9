//! Refuses what no Celery worker can be sent: some of it crashes every worker that receives it.

use serde_json::Value;

use super::{CeleryOptions, CeleryQueue};
use crate::worker::{Message, Unsendable};

/// Headers that the envelope or the worker's request object already uses.
const RESERVED: &[&str] = &[
    "lang",
    "task",
    "id",
    "shadow",
    "eta",
    "expires",
    "group",
    "group_id",
    "group_index",
    "retries",
    "timelimit",
    "root_id",
    "parent_id",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "ignore_result",
    "replaced_task_nesting",
    "stamped_headers",
    "stamps",
    "celery_beat_task",
    "periodic_task_name",
    "traceparent",
    "compression",
    "headers",
    "args",
    "kwargs",
    "callbacks",
    "errbacks",
    "chain",
    "chord",
    "hostname",
    "delivery_info",
    "correlation_id",
    "reply_to",
    "properties",
    "redelivered",
    "called_directly",
    "is_eager",
    "taskset",
    "utc",
];

/// Accepts a message if every worker of a fanout can do as it says.
///
/// # Errors
/// What a fanout does not do.
pub(super) fn validate(message: &Message, settings: &CeleryQueue) -> Result<(), Unsendable> {
    if settings.fanout.is_some() {
        message.refuse_priority("a fanout has no order: every worker gets the message at once")?;
    }
    Ok(())
}

/// Accepts a message that every supported worker can read.
///
/// # Errors
///
/// The first thing found that a worker cannot handle.
pub fn check(message: &Message, settings: &CeleryQueue) -> Result<(), Unsendable> {
    if message.task.is_empty() {
        return Err(Unsendable::new("task", "the task has no name"));
    }
    let queue = &message.queue.name;
    if queue.is_empty() || queue.contains(&*settings.separator) {
        let message = format!("{queue:?} cannot be the name of a queue");
        return Err(Unsendable::new("queue", message));
    }
    check_values("args", "a list", &message.args, Value::is_array)?;
    check_values("kwargs", "a mapping", &message.kwargs, Value::is_object)?;
    check_headers(message.headers.as_deref().unwrap_or("{}"))?;
    let options = CeleryOptions::of(message);
    check_limit("time_limit", options.and_then(|options| options.time_limit))?;
    check_limit("soft_time_limit", options.and_then(|options| options.soft_time_limit))
}

fn check_values(
    field: &'static str,
    expected: &'static str,
    json: &str,
    has_shape: impl Fn(&Value) -> bool,
) -> Result<(), Unsendable> {
    let value = serde_json::from_str(json).ok().filter(has_shape);
    let value =
        value.ok_or_else(|| Unsendable::new(field, format!("{field} must be {expected}")))?;
    if is_decoded(&value) {
        // Quoted with both keys: the worker would convert it, or fail to.
        let message = format!(
            "{field} holds a mapping of \"__type__\" and \"__value__\", which the worker decodes"
        );
        return Err(Unsendable::new(field, message));
    }
    Ok(())
}

/// Whether kombu's decoder would replace a part of `value`.
fn is_decoded(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_decoded),
        Value::Object(members) => {
            let is_marked = members.len() == 2
                && members.contains_key("__type__")
                && members.contains_key("__value__");
            is_marked || members.values().any(is_decoded)
        }
        _ => false,
    }
}

fn check_headers(json: &str) -> Result<(), Unsendable> {
    let Ok(Value::Object(headers)) = serde_json::from_str(json) else {
        return Err(Unsendable::new("headers", "headers must be a mapping"));
    };
    match headers.keys().find(|name| is_reserved_header(name)) {
        Some(name) => {
            let message = format!("the header {name:?} belongs to the message format");
            Err(Unsendable::new("headers", message))
        }
        None => Ok(()),
    }
}

/// Whether a header of this name has a meaning to the worker or to us.
#[must_use]
pub(super) fn is_reserved_header(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("downbeat_")
}

fn check_limit(name: &str, seconds: Option<f64>) -> Result<(), Unsendable> {
    match seconds {
        Some(seconds) if !seconds.is_finite() || seconds <= 0.0 => {
            let message = format!("{name} must be a positive number of seconds");
            Err(Unsendable::new("options", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{Call, Options, Queue};

    fn message() -> Message {
        calling("demo.add", "q")
    }

    fn calling(task: &str, queue: &str) -> Message {
        Message {
            args: "[]".into(),
            kwargs: "{}".into(),
            call: Call::new(task, Queue::unconfigured(queue)).into(),
        }
    }

    fn refusal(message: Message) -> String {
        check(&message, &CeleryQueue::default()).unwrap_err().to_string()
    }

    #[test]
    fn an_ordinary_message_is_accepted() {
        assert_eq!(check(&message(), &CeleryQueue::default()), Ok(()));
        let mut message = message();
        message.headers = Some(r#"{"x-trace":"abc","n":5}"#.into());
        assert_eq!(check(&message, &CeleryQueue::default()), Ok(()));
    }

    #[test]
    fn what_a_worker_cannot_handle_is_refused() {
        let refused = [
            (calling("", "q"), "the task has no name"),
            (calling("demo.add", ""), r#""" cannot be the name of a queue"#),
            (Message { args: "null".into(), ..message() }, "args must be a list"),
            (Message { args: "[NaN]".into(), ..message() }, "args must be a list"),
            (Message { kwargs: "[]".into(), ..message() }, "kwargs must be a mapping"),
            (Message { kwargs: "{1:2}".into(), ..message() }, "kwargs must be a mapping"),
        ];
        for (message, reason) in refused {
            assert_eq!(refusal(message), reason);
        }
        assert!(refusal(calling("demo.add", "q\u{6}\u{16}3")).contains("queue"));
    }

    #[test]
    fn values_that_the_worker_would_decode_are_refused() {
        let args = r#"[[{"__type__":"uuid","__value__":{"hex":"00"}}]]"#;
        assert!(refusal(Message { args: args.into(), ..message() }).contains("__type__"));
    }

    #[test]
    fn headers_of_the_format_are_refused() {
        for name in ["id", "compression", "downbeat_slot", "downbeat_anything"] {
            let mut message = message();
            message.headers = Some(format!(r#"{{"{name}":1}}"#).into());
            assert!(refusal(message).contains(name));
        }
    }

    #[test]
    fn time_limits_are_positive_and_finite() {
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let options = CeleryOptions { soft_time_limit: Some(seconds), ..Default::default() };
            let mut message = message();
            message.options = Some(Box::new(Options::Celery(options)));
            assert!(refusal(message).contains("soft_time_limit must be"));
        }
    }
}
