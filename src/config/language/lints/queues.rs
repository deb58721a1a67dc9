//! Warns of queues that entries name and the configuration does not.

use std::collections::BTreeMap;

use downbeat_time::nearest;

use super::{Warnings, enabled, others};
use crate::config::language::limits::DEFAULT_QUEUE;
use crate::config::language::loaded::Loaded;
use crate::schedule::Entry;
use crate::text::Problem;
use crate::worker::Queues;

/// Warnings about queues that entries name but the configuration does not: they are Celery's, or
/// misspelt. There are none for Celery's default queue, or if the configuration names no queues.
#[must_use]
pub fn unnamed_queues(loaded: &Loaded, queues: &Queues) -> Vec<Problem> {
    let named: Vec<&str> = queues.iter().map(|queue| &*queue.name).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let mut unnamed: BTreeMap<&str, (&Entry, usize)> = BTreeMap::new();
    for entry in enabled(loaded) {
        let name = &*entry.message.queue.name;
        if name != DEFAULT_QUEUE && queues.configured(name).is_none() {
            unnamed.entry(name).or_insert((entry, 0)).1 += 1;
        }
    }
    let mut warnings = Warnings::about(loaded);
    for (name, (entry, count)) in unnamed {
        let message = format!(
            "the queue `{name}` of `{}`{} is not in the configuration: only Celery workers can take from it",
            entry.name,
            others(count)
        );
        let hint = match nearest(name, named.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("if that is so, name it: `queues: {{{name}: {{worker: celery}}}}`"),
        };
        warnings.add(entry, message, hint);
    }
    warnings.finish()
}
