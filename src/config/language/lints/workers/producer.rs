//! What an application adds to a message when it sends one itself, as beat does: the options of the task's
//! decorator and its routes.

use crate::config::language::limits::DEFAULT_QUEUE;
use crate::schedule::Entry;
use crate::worker::CeleryQueue;
use crate::worker::celery::{LiveWorker, TaskDefaults, list_key};

/// How an entry differs from what its application would send.
pub(super) struct Difference {
    pub(super) message: String,
    pub(super) hint: String,
    /// Whether the application would use another queue.
    pub(super) names_queue: bool,
}

/// Compares an entry with what the application of a worker that knows its task would send.
pub(super) fn compare(
    entry: &Entry,
    settings: &CeleryQueue,
    worker: &LiveWorker,
) -> Option<Difference> {
    let task = &*entry.message.task;
    let defaults = worker.tasks.get(task)?;
    if let Some(class) = &defaults.sent_by {
        return Some(own_apply_async(entry, class));
    }
    let queue = other_queue(entry, defaults, worker);
    let names_queue = queue.is_some();
    let missing = [queue, priority(entry, settings, defaults, worker), expires(entry, defaults)];
    let missing: Vec<_> = missing.into_iter().flatten().map(|key| format!("`{key}`")).collect();
    if missing.is_empty() {
        return None;
    }
    let message = format!(
        "the application sends `{task}` differently from `{}`: by its routes or the task's decorator, with {}",
        entry.name,
        missing.join(", ")
    );
    let hint = format!("beat would do the same; write {} in the entry", missing.join(" and "));
    Some(Difference { message, hint, names_queue })
}

fn own_apply_async(entry: &Entry, class: &str) -> Difference {
    let message = format!(
        "`{}` of `{}` has its own `apply_async` (`{class}`), which runs only where the application sends it",
        entry.message.task, entry.name
    );
    let hint =
        "for one task at a time, write `overlap: skip`; other checks belong in the task".to_owned();
    Difference { message, hint, names_queue: false }
}

/// The queue of the decorator or of a route, if the entry's is only a default.
fn other_queue(entry: &Entry, defaults: &TaskDefaults, worker: &LiveWorker) -> Option<String> {
    let app = worker.settings.as_ref();
    let route = || app?.route(&entry.message.task)?.queue.as_ref();
    let expected = defaults.queue.as_ref().or_else(route)?;
    let own = &*entry.message.queue.name;
    let is_default = own == DEFAULT_QUEUE || app?.default_queue.as_deref() == Some(own);
    (is_default && own != expected).then(|| format!("queue: {expected}"))
}

/// A priority that changes the list which the message goes to.
fn priority(
    entry: &Entry,
    settings: &CeleryQueue,
    defaults: &TaskDefaults,
    worker: &LiveWorker,
) -> Option<String> {
    let app = worker.settings.as_ref();
    let route = || app?.route(&entry.message.task)?.priority;
    let expected = defaults.priority.or_else(route)?;
    let list = |priority| list_key(&entry.message.queue.name, settings, priority);
    let is_missing = entry.message.priority.is_none() && settings.fanout.is_none();
    (is_missing && list(None) != list(Some(expected))).then(|| format!("priority: {expected}"))
}

/// Seconds get their unit; dates and lengths are as Python shows them.
fn expires(entry: &Entry, defaults: &TaskDefaults) -> Option<String> {
    let expected = defaults.expires.as_deref().filter(|_| entry.message.expires.is_none())?;
    Some(match expected.parse::<f64>() {
        Ok(seconds) if seconds.fract() == 0.0 => format!("expires: {seconds}s"),
        Ok(seconds) => format!("expires: {}ms", (seconds * 1000.0).round()),
        Err(_) => format!("expires: {expected}"),
    })
}
