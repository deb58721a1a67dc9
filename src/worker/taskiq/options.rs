//! `options:` of an entry on a taskiq queue.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::worker::{Message, Options};

/// `options:` of an entry on a taskiq queue. They become labels; the labels of a task's decorator reach only
/// the messages of taskiq's own client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskiqOptions {
    /// How long an asynchronous task may run; `None`: without limit.
    pub timeout: Option<Duration>,
    /// Whether a failing task is retried; `None`: as the retry middleware says.
    pub retry_on_error: Option<bool>,
    /// How many times a failing task is run in all; `None`: as the retry middleware says.
    pub max_retries: Option<NonZeroU32>,
    /// The pause before a retry; `None`: as `SmartRetryMiddleware` says.
    pub delay: Option<Duration>,
    /// When the worker acknowledges an entry of a stream; `None`: as the worker says.
    pub ack_type: Option<AckType>,
}

impl TaskiqOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&TaskiqOptions> {
        let Options::Taskiq(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}

/// When a worker acknowledges an entry of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckType {
    /// Before the task runs.
    WhenReceived,
    /// When the task has run.
    WhenExecuted,
    /// When the task's result is stored.
    WhenSaved,
    /// When the task says so.
    Manual,
}

impl AckType {
    /// Every one.
    pub const ALL: [AckType; 4] =
        [AckType::WhenReceived, AckType::WhenExecuted, AckType::WhenSaved, AckType::Manual];

    /// The word for it in taskiq, and in schedule files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AckType::WhenReceived => "when_received",
            AckType::WhenExecuted => "when_executed",
            AckType::WhenSaved => "when_saved",
            AckType::Manual => "manual",
        }
    }
}
