//! What a Celery worker reports about a task through the Redis result backend: one key.

use serde_json::Value;
use uuid::Uuid;

use super::stored::{self, Stored};
use super::{CeleryOptions, CeleryQueue};
use crate::worker::result::{NO_RESULT, NO_RESULTS, last_line, shows_end};
use crate::worker::{Message, RedisCommand, ResultForm, ResultKey, TaskResult, Unsendable};

/// The key of a result without the task id.
const RESULT: &str = "celery-task-meta-";

/// A result is kept unless the entry says otherwise; the settings of the task and the application are
/// not visible here.
pub(super) fn reports_result(message: &Message, settings: &CeleryQueue) -> Result<(), Unsendable> {
    if settings.fanout.is_some() {
        let why = "every worker runs it and leaves its own result under the same id";
        return Err(Unsendable::new("queue", why));
    }
    if message.queue.amqp.is_some() && settings.results.is_none() {
        return Err(Unsendable::new("queue", NO_RESULTS));
    }
    match CeleryOptions::of(message).and_then(|options| options.ignore_result) {
        Some(true) => Err(Unsendable::new("options", "`ignore_result` leaves no result")),
        _ => Ok(()),
    }
}

/// A result shows that the task has ended, if it is on the server of the state.
pub(super) fn records_end(message: &Message, settings: &CeleryQueue) -> Result<(), Unsendable> {
    if settings.fanout.is_some() {
        let why = "every worker runs it, so its end cannot be seen: leave `overlap` out";
        return Err(Unsendable::new("overlap", why));
    }
    shows_end(settings.results.as_deref())?;
    reports_result(message, settings).map_err(|error| Unsendable::new("overlap", error.message))
}

/// Where results are, if on the server of the state.
pub(super) fn key(settings: &CeleryQueue) -> Option<ResultKey> {
    let databases = settings.results.as_ref()?.databases?;
    Some(ResultKey { prefix: prefix(settings), databases, form: ResultForm::Celery })
}

/// The key of a result without the task id. As Celery does, it puts a `_` between two words.
fn prefix(settings: &CeleryQueue) -> String {
    let prefix = &*settings.result_prefix;
    let is_joined = prefix.is_empty() || prefix.ends_with([':', '_', '-', '.']);
    [prefix, if is_joined { "" } else { "_" }, RESULT].concat()
}

pub(super) fn queries(task_id: Uuid, settings: &CeleryQueue) -> Vec<RedisCommand> {
    vec![vec![b"GET".to_vec(), format!("{}{task_id}", prefix(settings)).into()]]
}

pub(super) fn read(replies: &[Option<Vec<u8>>]) -> TaskResult {
    let Some(Some(bytes)) = replies.first() else {
        return TaskResult::Pending(NO_RESULT.to_owned());
    };
    let Some(stored) = stored::read(bytes) else {
        let why = "its result cannot be read: `result_serializer` of the workers must be `json`, `msgpack` \
                   or `pickle`";
        return TaskResult::Failed(why.to_owned());
    };
    match &*stored.status {
        "SUCCESS" => TaskResult::Succeeded(stored.result),
        // Revoked: it expired, or somebody withdrew it.
        "FAILURE" | "REVOKED" => TaskResult::Failed(why(&stored)),
        status => TaskResult::Pending(last_line(status).unwrap_or_else(|| "no status".to_owned())),
    }
}

/// The exception, if the result names one.
fn why(stored: &Stored) -> String {
    let traceback = stored.traceback.as_deref().and_then(last_line);
    let exception = || {
        let result = stored.result.as_ref()?;
        let message = match &result["exc_message"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                let text =
                    |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
                parts.iter().map(text).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        };
        last_line(&format!("{}: {message}", result["exc_type"].as_str()?))
    };
    traceback.or_else(exception).unwrap_or_else(|| stored.status.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> TaskResult {
        read(&[Some(json.into())])
    }

    fn failed(why: &str) -> TaskResult {
        TaskResult::Failed(why.to_owned())
    }

    #[test]
    fn an_ended_task_is_distinguished_from_a_pending_one() {
        assert_eq!(read(&[None]), TaskResult::Pending(NO_RESULT.to_owned()));
        assert_eq!(said(r#"{"status":"RETRY"}"#), TaskResult::Pending("RETRY".to_owned()));
        assert_eq!(
            said(r#"{"status":"SUCCESS","result":[1,"é"],"traceback":null}"#),
            TaskResult::Succeeded(Some(serde_json::json!([1, "é"])))
        );
        assert!(matches!(read(&[Some(b"\x80\x05".to_vec())]), TaskResult::Failed(_)));
    }

    #[test]
    fn the_key_has_the_prefix_that_the_workers_have() {
        let key = |prefix: &str| {
            super::prefix(&CeleryQueue { result_prefix: prefix.into(), ..CeleryQueue::default() })
        };
        assert_eq!(key(""), "celery-task-meta-");
        assert_eq!(key("shop-"), "shop-celery-task-meta-");
        assert_eq!(key("shop"), "shop_celery-task-meta-");
    }

    #[test]
    fn a_failure_names_its_exception() {
        let traceback = r#"{"status":"FAILURE","result":{"exc_type":"ValueError","exc_message":["no"]},
            "traceback":"Traceback (most recent call last):\nValueError: no such ☃\n"}"#;
        assert_eq!(said(traceback), failed("ValueError: no such ☃"));
        let revoked = r#"{"status":"REVOKED","traceback":null,
            "result":{"exc_type":"TaskRevokedError","exc_message":["expired",5]}}"#;
        assert_eq!(said(revoked), failed("TaskRevokedError: expired, 5"));
        assert_eq!(said(r#"{"status":"FAILURE","result":null}"#), failed("FAILURE"));
    }
}
