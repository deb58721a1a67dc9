//! What a taskiq worker reports about a task through `RedisAsyncResultBackend`: one key, once the task has
//! ended, in a pickle of plain values or in what its serializer writes.

use serde_json::Value;
use uuid::Uuid;

use super::TaskiqQueue;
use crate::worker::python::unpickle;
use crate::worker::result::{NO_RESULT, NO_RESULTS, last_line};
use crate::worker::{RedisCommand, ResultForm, ResultKey, TaskResult, Unsendable};

/// By default, taskiq keeps no results.
pub(super) fn reports_result(settings: &TaskiqQueue) -> Result<(), Unsendable> {
    match settings.results {
        Some(_) => Ok(()),
        None => Err(Unsendable::new("queue", NO_RESULTS)),
    }
}

/// Where results are, if on the server of the state.
pub(super) fn key(settings: &TaskiqQueue) -> Option<ResultKey> {
    let databases = settings.results.as_ref()?.databases?;
    Some(ResultKey { prefix: prefix(settings), databases, form: ResultForm::Taskiq })
}

fn prefix(settings: &TaskiqQueue) -> String {
    settings.result_prefix.as_ref().map_or_else(String::new, |prefix| format!("{prefix}:"))
}

pub(super) fn queries(task_id: Uuid, settings: &TaskiqQueue) -> Vec<RedisCommand> {
    vec![vec![b"GET".to_vec(), format!("{}{task_id}", prefix(settings)).into()]]
}

pub(super) fn read(replies: &[Option<Vec<u8>>]) -> TaskResult {
    let Some(Some(stored)) = replies.first() else {
        return TaskResult::Pending(NO_RESULT.to_owned());
    };
    let said = match stored.first() {
        Some(0x80) => unpickle::to_json(stored).ok(),
        _ => serde_json::from_slice::<Value>(stored).ok(),
    };
    let Some(mut said) = said.filter(Value::is_object) else {
        let why = "its result is neither a pickle of plain values nor JSON, and cannot be read";
        return TaskResult::Failed(why.to_owned());
    };
    match said["is_err"].as_bool() {
        Some(false) => TaskResult::Succeeded(Some(said["return_value"].take())),
        _ => TaskResult::Failed(why(&said["error"]).unwrap_or_else(|| "it failed".to_owned())),
    }
}

/// The exception and its arguments.
fn why(error: &Value) -> Option<String> {
    let text = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    let message = match &error["exc_message"] {
        Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Null => String::new(),
        other => text(other),
    };
    let exception = error["exc_type"].as_str()?;
    let separator = if message.is_empty() { "" } else { ": " };
    last_line(&format!("{exception}{separator}{message}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::worker::python::pickle;

    #[test]
    fn an_ended_task_is_distinguished_from_a_pending_one_however_it_is_stored() {
        assert_eq!(read(&[None]), TaskResult::Pending(NO_RESULT.to_owned()));
        let result =
            r#"{"is_err":false,"log":null,"return_value":[1,"é"],"error":null}"#.as_bytes();
        let succeeded = TaskResult::Succeeded(Some(json!([1, "é"])));
        assert_eq!(read(&[Some(result.to_vec())]), succeeded);
        assert_eq!(read(&[Some(pickle::of_json(result, 0).unwrap())]), succeeded);
        for other in [&b"\x85"[..], b"", b"[]", b"\x80\x04"] {
            assert!(matches!(read(&[Some(other.to_vec())]), TaskResult::Failed(_)), "{other:?}");
        }
    }

    #[test]
    fn a_failure_names_its_exception() {
        let said =
            |error: &str| read(&[Some(format!(r#"{{"is_err":true,"error":{error}}}"#).into())]);
        let failed = |why: &str| TaskResult::Failed(why.to_owned());
        let error =
            r#"{"exc_type":"ValueError","exc_message":["no such ☃",7],"exc_module":"builtins"}"#;
        assert_eq!(said(error), failed("ValueError: no such ☃, 7"));
        assert_eq!(said(r#"{"exc_type":"KeyError","exc_message":[]}"#), failed("KeyError"));
        assert_eq!(said("null"), failed("it failed"));
    }
}
