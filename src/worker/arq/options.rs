//! `options:` of an entry on an arq queue.

use std::num::NonZeroU32;

use crate::worker::{Message, Options};

/// `options:` of an entry on an arq queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArqOptions {
    /// Which try the first run counts as; `None`: the first. Workers give up after `max_tries`.
    pub job_try: Option<NonZeroU32>,
}

impl ArqOptions {
    /// The options of a message to such a queue, if it has any.
    pub(super) fn of(message: &Message) -> Option<&ArqOptions> {
        let Options::Arq(options) = message.options.as_deref()? else { return None };
        Some(options)
    }
}
