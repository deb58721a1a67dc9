//! `options:` of an entry on a Celery queue.

use std::sync::Arc;

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
    /// What logs and monitors show instead of the arguments.
    pub argsrepr: Option<Box<str>>,
    /// What they show instead of the keyword arguments.
    pub kwargsrepr: Option<Box<str>>,
    /// What runs after the task: the third part of the body, as compact JSON. `None`: nothing.
    pub embed: Option<Arc<str>>,
}

impl CeleryOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&CeleryOptions> {
        let Options::Celery(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}
