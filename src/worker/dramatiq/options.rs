//! `options:` of an entry on a Dramatiq queue.

use std::time::Duration;

use crate::worker::{Message, Options};

/// `options:` of an entry on a Dramatiq queue; `None`: as the actor says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DramatiqOptions {
    /// How many times a failed message is retried.
    pub max_retries: Option<u32>,
    /// How long the actor may run.
    pub time_limit: Option<Duration>,
    /// The shortest pause before a message is run again.
    pub min_backoff: Option<Duration>,
    /// The longest pause before a message is run again.
    pub max_backoff: Option<Duration>,
}

impl DramatiqOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&DramatiqOptions> {
        let Options::Dramatiq(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}
