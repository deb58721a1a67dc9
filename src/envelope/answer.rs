//! What workers report about a task after it was sent, if their kind reports anything.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Command, Unsendable, bullmq, celery, rq};
use crate::queue::{Queue, Worker};
use crate::schedule::Message;

/// Why there is no result to wait for.
pub const NO_RESULTS: &str = "no result backend is configured for this queue; set the option \
                              `results: redis://…` of the queue";

/// How far a task has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskResult {
    /// It has not ended; its status in the worker's words.
    Pending(String),
    /// It succeeded, with its result if that can be shown.
    Succeeded(#[serde(with = "listed")] Option<serde_json::Value>),
    /// It failed or will never run; why, in one line.
    Failed(String),
}

/// Serializes an optional value as a list of at most one, as `null` is a result, too.
mod listed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Value>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Value>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.pop())
    }
}

/// Accepts a message whose worker will report its result.
///
/// # Errors
/// Why no result would be reported.
pub fn reports_result(message: &Message) -> Result<(), Unsendable> {
    match &message.queue.worker {
        Worker::Celery(_) => celery::reports_result(message),
        Worker::Rq(_) => rq::reports_result(message),
        worker @ (Worker::Dramatiq(_)
        | Worker::Sidekiq(_)
        | Worker::Bullmq(_)
        | Worker::Json
        | Worker::Stream(_)) => {
            let why = format!("{} workers leave no result", worker.kind());
            Err(Unsendable::new("queue", why))
        }
    }
}

/// Accepts a message whose worker records, in the store of the messages, when the task has ended.
///
/// # Errors
/// Why it cannot be seen.
pub(super) fn records_end(message: &Message) -> Result<(), Unsendable> {
    let worker = &message.queue.worker;
    let why = match worker {
        Worker::Celery(settings) => {
            if settings.results.is_none() {
                "results show when a task is done, and nobody says where they are: set the option \
                 `results` of the queue"
                    .to_owned()
            } else if result_key(&message.queue).is_none() {
                "results show when a task is done, and `results` of the queue names another server \
                 than the one that holds the state, or writes its address otherwise"
                    .to_owned()
            } else {
                let said = celery::reports_result(message);
                return said.map_err(|error| Unsendable::new("overlap", error.message));
            }
        }
        Worker::Rq(_) | Worker::Bullmq(_) => return Ok(()),
        Worker::Dramatiq(_) | Worker::Sidekiq(_) | Worker::Json | Worker::Stream(_) => {
            format!("{} workers do not show when a task is done", worker.kind())
        }
    };
    Err(Unsendable::new("overlap", why))
}

/// Where workers record how far a task has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultKey {
    /// The key without the task id at its end.
    pub prefix: String,
    /// The database of the key, and the database of the state.
    pub databases: (u32, u32),
}

/// Where the workers of `queue` record results, if that is on the server of the state.
#[must_use]
pub fn result_key(queue: &Queue) -> Option<ResultKey> {
    let (prefix, databases) = match &queue.worker {
        Worker::Celery(settings) => {
            (celery::RESULT.to_owned(), settings.results.as_ref()?.databases?)
        }
        Worker::Rq(_) => (rq::JOB.to_owned(), (0, 0)),
        Worker::Bullmq(settings) => (bullmq::job_key(&queue.name, settings), (0, 0)),
        Worker::Dramatiq(_) | Worker::Sidekiq(_) | Worker::Json | Worker::Stream(_) => return None,
    };
    Some(ResultKey { prefix, databases })
}

/// The commands that ask Redis, in one step, about a task that was sent to `queue`. Pass the flattened
/// replies to [`read`].
#[must_use]
pub fn result_queries(queue: &Queue, task_id: Uuid) -> Vec<Command> {
    match &queue.worker {
        Worker::Celery(_) => celery::result_queries(task_id),
        Worker::Rq(_) => rq::result_queries(task_id),
        Worker::Dramatiq(_)
        | Worker::Sidekiq(_)
        | Worker::Bullmq(_)
        | Worker::Json
        | Worker::Stream(_) => Vec::new(),
    }
}

/// Reads the replies; `None` is a value that Redis does not have.
#[must_use]
pub fn read(queue: &Queue, replies: &[Option<Vec<u8>>]) -> TaskResult {
    match &queue.worker {
        Worker::Celery(_) => celery::answer(replies),
        Worker::Rq(settings) => rq::answer(replies, *settings),
        Worker::Dramatiq(_)
        | Worker::Sidekiq(_)
        | Worker::Bullmq(_)
        | Worker::Json
        | Worker::Stream(_) => TaskResult::Pending("no result".to_owned()),
    }
}

/// The last line of a traceback, which names the exception.
pub(super) fn last_line(traceback: &str) -> Option<String> {
    /// Maximum number of characters.
    const MAX_CHARS: usize = 1000;
    let line = traceback.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().take(MAX_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_traceback_names_the_exception() {
        let traceback = "Traceback (most recent call last):\n  File \"a\"\nValueError: no\n\n";
        assert_eq!(last_line(traceback).as_deref(), Some("ValueError: no"));
        assert_eq!(last_line(" \n"), None);
    }
}
