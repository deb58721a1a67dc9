//! `options:` of an entry on a Sidekiq queue.

use crate::worker::{Message, Options};

/// `options:` of an entry on a Sidekiq queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SidekiqOptions {
    /// How many times a failed job is retried; `None`: Sidekiq's default, 25 times.
    pub retry: Option<u32>,
}

impl SidekiqOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&SidekiqOptions> {
        let Options::Sidekiq(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}
