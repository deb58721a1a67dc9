//! `options:` of an entry on a BullMQ queue.

use std::time::Duration;

use crate::worker::{Message, Options};

/// `options:` of an entry on a BullMQ queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BullmqOptions {
    /// How many times a failing job is attempted in all; `None`: once.
    pub attempts: Option<u32>,
    /// The pause between attempts; `None`: none.
    pub backoff: Option<Backoff>,
    /// Which completed jobs are kept; `None`: not this one.
    pub remove_on_complete: Option<Keep>,
    /// Which failed jobs are kept; `None`: as the worker says, else all.
    pub remove_on_fail: Option<Keep>,
}

impl BullmqOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&BullmqOptions> {
        let Options::Bullmq(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}

/// The pause before a job is attempted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Whether it doubles each time.
    pub exponential: bool,
    /// The first pause.
    pub delay: Duration,
}

/// Which finished jobs of a queue are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The job is removed.
    Nothing,
    /// The job is kept.
    All,
    /// The newest ones are kept, up to this number.
    Newest(u32),
    /// Those that finished at most this long ago are kept, in whole seconds.
    Younger(Duration),
}
