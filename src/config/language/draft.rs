//! The values of an entry or of `defaults` as they are read.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::json_text::JsonText;
use super::options::OptionsText;
use crate::schedule::CatchUp;
use crate::text::{Pair, Report};
use crate::worker::{Expires, Queue};

/// Reads the value of a key of an entry. What depends on other keys is only noted.
pub(super) type Read = for<'n, 't> fn(&'n Pair<'t>, &mut Draft<'n, 't>, &mut Report<'_>);

/// What one mapping says; `None` for absent keys and wrong values.
#[derive(Default)]
pub(super) struct Draft<'n, 't> {
    pub(super) task: Option<&'n str>,
    /// The keys that say when; there must be exactly one.
    pub(super) timings: Vec<(TimingKey, &'n Pair<'t>)>,
    pub(super) timezone: Option<&'n Pair<'t>>,
    pub(super) day_match: Option<&'n Pair<'t>>,
    pub(super) phase: Option<&'n Pair<'t>>,
    pub(super) anchor: Option<&'n Pair<'t>>,
    pub(super) start: Option<&'n Pair<'t>>,
    pub(super) end: Option<&'n Pair<'t>>,
    pub(super) except: Option<&'n Pair<'t>>,
    pub(super) limit: Option<NonZeroU32>,
    pub(super) enabled: Option<bool>,
    pub(super) description: Option<Box<str>>,
    pub(super) tags: Vec<Box<str>>,
    pub(super) queue: Option<&'n Pair<'t>>,
    pub(super) headers: Option<&'n Pair<'t>>,
    pub(super) options: Option<&'n Pair<'t>>,
    /// The rest of what `defaults` may set.
    pub(super) settings: MessageSettings,
}

/// Which key says when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TimingKey {
    Cron,
    Every,
    At,
    Rrule,
    Solar,
}

/// What a file's `defaults` may set for its entries; `None` for an absent key.
#[derive(Clone, Default)]
pub(super) struct MessageSettings {
    pub(super) args: Option<JsonText>,
    pub(super) kwargs: Option<JsonText>,
    pub(super) headers: Option<JsonText>,
    pub(super) queue: Option<Arc<Queue>>,
    pub(super) priority: Option<u8>,
    pub(super) routing_key: Option<Box<str>>,
    pub(super) exchange: Option<Box<str>>,
    pub(super) expires: Option<Expires>,
    /// `Some(None)`: explicitly left to the worker.
    pub(super) options: Option<Option<OptionsText>>,
    pub(super) jitter: Option<Duration>,
    pub(super) catch_up: Option<CatchUp>,
    pub(super) within: Option<Duration>,
    pub(super) max_queued: Option<NonZeroU32>,
    /// `Some(None)`: tasks may overlap.
    pub(super) overlap: Option<Option<NonZeroU32>>,
}

impl MessageSettings {
    /// These values, with those of `defaults` for absent keys: whole values, never merged.
    pub(super) fn or(self, defaults: &MessageSettings) -> MessageSettings {
        MessageSettings {
            args: self.args.or_else(|| defaults.args.clone()),
            kwargs: self.kwargs.or_else(|| defaults.kwargs.clone()),
            headers: self.headers.or_else(|| defaults.headers.clone()),
            queue: self.queue.or_else(|| defaults.queue.clone()),
            priority: self.priority.or(defaults.priority),
            routing_key: self.routing_key.or_else(|| defaults.routing_key.clone()),
            exchange: self.exchange.or_else(|| defaults.exchange.clone()),
            expires: self.expires.or(defaults.expires),
            options: self.options.or_else(|| defaults.options.clone()),
            jitter: self.jitter.or(defaults.jitter),
            catch_up: self.catch_up.or(defaults.catch_up),
            within: self.within.or(defaults.within),
            max_queued: self.max_queued.or(defaults.max_queued),
            overlap: self.overlap.or(defaults.overlap),
        }
    }
}
