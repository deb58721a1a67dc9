//! `options:` of an entry on a Celery queue.

use crate::worker::{Message, Options};

/// `options:` of an entry on a Celery queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CeleryOptions {
    /// Seconds until the worker kills the task.
    pub time_limit: Option<f64>,
    /// Seconds until the task gets `SoftTimeLimitExceeded`.
    pub soft_time_limit: Option<f64>,
    /// Overrides the task's own setting.
    pub ignore_result: Option<bool>,
    /// The name to show instead of the task's.
    pub shadow: Option<Box<str>>,
}

impl CeleryOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&CeleryOptions> {
        let Options::Celery(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}
