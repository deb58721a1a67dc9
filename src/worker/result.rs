//! What workers report about a task after it was sent, if their kind reports anything.

use serde::{Deserialize, Serialize};

use super::unsendable::Unsendable;
use crate::address::RedisAddress;

/// Why there is no result to wait for.
pub const NO_RESULTS: &str = "no result backend is configured for this queue; set the option \
                              `results: redis://…` of the queue";

/// The state of a task that has not ended, if its workers say nothing before.
pub const NO_RESULT: &str = "no result";

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

/// The Redis where workers store results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultBackend {
    /// Its address.
    pub url: RedisAddress,
    /// The database of the results and that of the state, if one server has both.
    pub databases: Option<(u32, u32)>,
}

/// Accepts a backend on the server of the state: there, results show when a task is done.
pub(super) fn shows_end(backend: Option<&ResultBackend>) -> Result<(), Unsendable> {
    let why = match backend {
        None => {
            "results show when a task is done, and nobody says where they are: set the option `results` of \
             the queue"
        }
        Some(ResultBackend { databases: None, .. }) => {
            "results show when a task is done, and `results` of the queue names another server than the one \
             that holds the state, or writes its address otherwise"
        }
        Some(_) => return Ok(()),
    };
    Err(Unsendable::new("overlap", why))
}

/// Where workers record how far a task has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultKey {
    /// The key without the task id at its end; for arq, the sorted set with the ids of jobs that have not ended.
    pub prefix: String,
    /// The database of the key, and the database of the state.
    pub databases: (u32, u32),
    /// How it is recorded there.
    pub form: ResultForm,
}

/// How workers record how far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultForm {
    /// A text of Celery's, JSON, MessagePack or a pickle, with a `status`. It is missing until the task ends.
    Celery,
    /// A hash of RQ's, with a `status`.
    Rq,
    /// A member of arq's queue, until the job has ended.
    Arq,
    /// A key of taskiq's, which is missing until the task ends.
    Taskiq,
    /// A hash of BullMQ's, with a time in `finishedOn` once the job has ended.
    Bullmq,
}

impl ResultForm {
    /// The word that the script uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResultForm::Celery => "celery",
            ResultForm::Rq => "rq",
            ResultForm::Arq => "arq",
            ResultForm::Taskiq => "taskiq",
            ResultForm::Bullmq => "bullmq",
        }
    }

    /// Whether nothing is recorded before a task ends, so that one that is recorded elsewhere seems to run on.
    pub(crate) fn is_missing_until_the_end(self) -> bool {
        match self {
            ResultForm::Celery | ResultForm::Taskiq => true,
            ResultForm::Rq | ResultForm::Arq | ResultForm::Bullmq => false,
        }
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
