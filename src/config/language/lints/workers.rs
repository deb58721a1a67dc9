//! Compares entries with what live Celery workers report about themselves.

use std::collections::BTreeMap;

use super::{Warnings, enabled, others};
use crate::config::language::loaded::Loaded;
use crate::schedule::Entry;
use crate::text::{Problem, Severity, nearest};
use crate::worker::celery::LiveWorker;
use crate::worker::{CeleryQueue, WorkerKind};

/// Which workers to ask on Redis: the name of one queue per key prefix.
#[must_use]
pub fn celery_queues(loaded: &Loaded) -> Vec<String> {
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    for (entry, settings) in enabled(loaded).filter_map(on_redis) {
        all.entry(&settings.key_prefix).or_insert(&entry.message.queue.name);
    }
    all.into_values().map(str::to_owned).collect()
}

fn on_redis(entry: &Entry) -> Option<(&Entry, &CeleryQueue)> {
    Some((entry, CeleryQueue::inspectable(&entry.message.queue)?))
}

/// Warnings about entries whose task no live worker of their queue has registered, and about queues
/// without a worker. `broker` is shown as the place of what concerns all of them; `silent` is how many
/// workers are connected but did not answer.
#[must_use]
pub fn against_workers(
    loaded: &Loaded,
    broker: &str,
    workers: &[LiveWorker],
    silent: u64,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut of_all = |message: String, hint: &str| {
        let mut problem = Problem::whole(broker, message).with_hint(hint);
        problem.severity = Severity::Warning;
        problems.push(problem);
    };
    if let Some(entry) = enabled(loaded).find(|entry| is_on_amqp(entry)) {
        let queue = &entry.message.queue.name;
        let message = format!("workers of `{queue}` and other queues on AMQP are not asked");
        of_all(message, "`celery inspect registered` asks them");
    }
    if enabled(loaded).find_map(on_redis).is_none() {
        return problems;
    }
    let others = if silent == 1 { "worker listens" } else { "workers listen" };
    match (workers, silent) {
        ([], 0) => {
            of_all(
                "no Celery worker listens".to_owned(),
                "is one running, with remote control enabled?",
            );
            return problems;
        }
        ([], _) => {
            of_all(
                format!("{silent} Celery {others} and did not answer in time"),
                "those busy with a task in their own process (pool `solo`) cannot; a longer `--timeout` may help",
            );
            return problems;
        }
        (_, 1..) => of_all(
            format!("{silent} more Celery {others} and did not answer in time"),
            "what only they know is reported as missing; a longer `--timeout` may help",
        ),
        _ => {}
    }
    problems.extend(compare(loaded, workers));
    problems
}

fn is_on_amqp(entry: &Entry) -> bool {
    let queue = &entry.message.queue;
    queue.worker.kind() == WorkerKind::Celery && queue.amqp.is_some()
}

fn compare(loaded: &Loaded, workers: &[LiveWorker]) -> Vec<Problem> {
    let mut warnings = Warnings::about(loaded);
    let mut idle: BTreeMap<&str, (&Entry, Vec<&LiveWorker>, usize)> = BTreeMap::new();
    for (entry, settings) in enabled(loaded).filter_map(on_redis) {
        let queue = &*entry.message.queue.name;
        let family = workers.iter().filter(|worker| worker.key_prefix == settings.key_prefix);
        let (takers, rest): (Vec<_>, Vec<_>) =
            family.partition(|worker| worker.queues.contains(queue));
        if takers.is_empty() {
            idle.entry(queue).or_insert((entry, rest, 0)).2 += 1;
        } else if !takers.iter().any(|worker| worker.tasks.contains(&*entry.message.task)) {
            let (message, hint) = unregistered(entry, &takers, &rest);
            warnings.add(entry, message, hint);
        }
    }
    for (queue, (entry, rest, count)) in idle {
        let message = format!(
            "no live worker takes from the queue `{queue}` of `{}`{}",
            entry.name,
            others(count)
        );
        let queues: Vec<&str> =
            rest.iter().flat_map(|worker| &worker.queues).map(String::as_str).collect();
        warnings.add(entry, message, suggestion(queue, &queues, "those that answered take from"));
    }
    warnings.finish()
}

/// Message and hint for a task that none of the workers of its queue has.
fn unregistered(entry: &Entry, takers: &[&LiveWorker], rest: &[&LiveWorker]) -> (String, String) {
    let (task, queue) = (&*entry.message.task, &entry.message.queue.name);
    let message = format!(
        "`{task}` of `{}` is registered by no live worker that takes from `{queue}` ({})",
        entry.name,
        names(takers)
    );
    let with_task: Vec<_> =
        rest.iter().copied().filter(|worker| worker.tasks.contains(task)).collect();
    if let Some(first) = with_task.first() {
        let queues: Vec<_> = first.queues.iter().map(|queue| format!("`{queue}`")).collect();
        let hint = format!("{} registers it, and takes from {}", first.name, queues.join(", "));
        return (message, hint);
    }
    let tasks: Vec<&str> =
        takers.iter().flat_map(|worker| &worker.tasks).map(String::as_str).collect();
    let own: Vec<_> = tasks.into_iter().filter(|task| !task.starts_with("celery.")).collect();
    (message, suggestion(task, &own, "they register"))
}

/// Maximum number of names that are listed.
const LISTED: usize = 5;

fn suggestion(name: &str, known: &[&str], otherwise: &str) -> String {
    if let Some(near) = nearest(name, known) {
        return format!("did you mean `{near}`?");
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    known.dedup();
    let listed: Vec<_> = known.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    match known.len().checked_sub(LISTED) {
        _ if known.is_empty() => format!("{otherwise} nothing"),
        None | Some(0) => format!("{otherwise} {}", listed.join(", ")),
        Some(more) => format!("{otherwise} {} and {more} more", listed.join(", ")),
    }
}

fn names(workers: &[&LiveWorker]) -> String {
    let listed: Vec<_> = workers.iter().take(LISTED).map(|worker| worker.name.as_str()).collect();
    let more = if workers.len() > LISTED { ", …" } else { "" };
    format!("{}{more}", listed.join(", "))
}
