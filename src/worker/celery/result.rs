//! What a Celery worker reports about a task through the Redis result backend: one key, in JSON.

use serde_json::Value;
use uuid::Uuid;

use super::{CeleryOptions, CeleryQueue};
use crate::worker::result::{NO_RESULTS, last_line};
use crate::worker::{Message, RedisCommand, ResultForm, ResultKey, TaskResult, Unsendable};

/// The key of a result without the task id.
const RESULT: &str = "celery-task-meta-";

/// A result is kept unless the entry says otherwise; the settings of the task and the application are
/// not visible here.
pub(super) fn reports_result(message: &Message, settings: &CeleryQueue) -> Result<(), Unsendable> {
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
    let why = if settings.results.is_none() {
        "results show when a task is done, and nobody says where they are: set the option `results` of \
         the queue"
    } else if key(settings).is_none() {
        "results show when a task is done, and `results` of the queue names another server than the one \
         that holds the state, or writes its address otherwise"
    } else {
        let reports = reports_result(message, settings);
        return reports.map_err(|error| Unsendable::new("overlap", error.message));
    };
    Err(Unsendable::new("overlap", why))
}

/// Where results are, if on the server of the state.
pub(super) fn key(settings: &CeleryQueue) -> Option<ResultKey> {
    let databases = settings.results.as_ref()?.databases?;
    Some(ResultKey { prefix: RESULT.to_owned(), databases, form: ResultForm::Celery })
}

pub(super) fn queries(task_id: Uuid) -> Vec<RedisCommand> {
    vec![vec![b"GET".to_vec(), format!("{RESULT}{task_id}").into()]]
}

pub(super) fn read(replies: &[Option<Vec<u8>>]) -> TaskResult {
    let Some(Some(text)) = replies.first() else {
        return TaskResult::Pending("no result".to_owned());
    };
    let Ok(said) = serde_json::from_slice::<Value>(text) else {
        return TaskResult::Failed("its result is not in JSON and cannot be read".to_owned());
    };
    match said["status"].as_str().unwrap_or_default() {
        "SUCCESS" => TaskResult::Succeeded(Some(said["result"].clone())),
        // Revoked: it expired, or somebody withdrew it.
        status @ ("FAILURE" | "REVOKED") => TaskResult::Failed(why(&said, status)),
        status => TaskResult::Pending(last_line(status).unwrap_or_else(|| "no status".to_owned())),
    }
}

/// The exception, if the result names one.
fn why(said: &Value, status: &str) -> String {
    let traceback = said["traceback"].as_str().and_then(last_line);
    let result = &said["result"];
    let exception = || {
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
    traceback.or_else(exception).unwrap_or_else(|| status.to_owned())
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
        assert_eq!(read(&[None]), TaskResult::Pending("no result".to_owned()));
        assert_eq!(said(r#"{"status":"RETRY"}"#), TaskResult::Pending("RETRY".to_owned()));
        assert_eq!(
            said(r#"{"status":"SUCCESS","result":[1,"é"],"traceback":null}"#),
            TaskResult::Succeeded(Some(serde_json::json!([1, "é"])))
        );
        assert!(matches!(read(&[Some(b"\x80\x05".to_vec())]), TaskResult::Failed(_)));
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
