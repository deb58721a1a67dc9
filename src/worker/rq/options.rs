//! `options:` of an entry on an RQ queue.

use crate::worker::{Message, Options};

/// `options:` of an entry on an RQ queue. Times are in seconds, -1 is forever.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RqOptions {
    /// How long the job may run; `None`: 180 s, RQ's own default.
    pub timeout: Option<i32>,
    /// How long a result is kept; `None`: 500 s.
    pub result_ttl: Option<i32>,
    /// How long a failed job is kept; `None`: a year.
    pub failure_ttl: Option<i32>,
    /// How many times a failed job is retried; `None`: not at all.
    pub retry: Option<u32>,
    /// The wait before each retry; the last one also applies to all further retries.
    pub retry_intervals: Vec<i32>,
    /// The text in dashboards; `None`: the call.
    pub description: Option<Box<str>>,
    /// Whether the job goes before those that already wait.
    pub at_front: bool,
    /// What has to end before; `None`: nothing.
    pub depends_on: Option<Dependency>,
    /// What is called when the job has succeeded.
    pub on_success: Option<Callback>,
    /// What is called when the job has failed.
    pub on_failure: Option<Callback>,
    /// What is called when somebody has stopped the job.
    pub on_stopped: Option<Callback>,
}

/// Jobs that have to finish before another one: RQ's `Dependency`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// Their ids. A job that does not exist holds nothing up.
    pub jobs: Vec<Box<str>>,
    /// Whether it is enough that they have failed.
    pub allow_failure: bool,
}

/// A function that the worker calls after a job: RQ's `Callback`.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// Its dotted path.
    pub func: Box<str>,
    /// How many seconds it may take; `None`: 60, RQ's own default.
    pub timeout: Option<i32>,
}

impl RqOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&RqOptions> {
        let Options::Rq(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}
