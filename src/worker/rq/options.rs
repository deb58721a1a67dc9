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
}

impl RqOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&RqOptions> {
        let Options::Rq(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}
