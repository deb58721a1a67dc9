//! Compares entries with what live Celery workers report about themselves.

mod app;
mod producer;

use std::collections::{BTreeMap, BTreeSet};

use downbeat_time::nearest;

use super::{Warnings, enabled, others};
use crate::config::language::limits::DEFAULT_QUEUE;
use crate::config::language::loaded::Loaded;
use crate::schedule::Entry;
use crate::text::{Problem, Severity};
use crate::worker::celery::{LiveWorker, WorkerAnswers};
use crate::worker::{CeleryQueue, WorkerKind};

/// Which workers to ask on Redis: the name of one queue per control channel.
#[must_use]
pub fn celery_queues(loaded: &Loaded) -> Vec<String> {
    let mut all: BTreeMap<String, &str> = BTreeMap::new();
    for (entry, settings) in enabled(loaded).filter_map(on_redis) {
        all.entry(settings.control_channel()).or_insert(&entry.message.queue.name);
    }
    all.into_values().map(str::to_owned).collect()
}

fn on_redis(entry: &Entry) -> Option<(&Entry, &CeleryQueue)> {
    Some((entry, CeleryQueue::inspectable(&entry.message.queue)?))
}

/// Warnings about entries that live workers do not run, or that their application would have sent otherwise.
/// `broker` is shown as the place of what concerns all of them.
#[must_use]
pub fn against_workers(loaded: &Loaded, broker: &str, answers: &WorkerAnswers) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut of_all = |(message, hint): (String, String)| {
        let mut problem = Problem::whole(broker, message).with_hint(hint);
        problem.severity = Severity::Warning;
        problems.push(problem);
    };
    if let Some(entry) = enabled(loaded).find(|entry| is_on_amqp(entry)) {
        let queue = &entry.message.queue.name;
        let message = format!("workers of `{queue}` and other queues on AMQP are not asked");
        of_all((message, "`celery inspect registered` asks them".to_owned()));
    }
    if enabled(loaded).find_map(on_redis).is_some() {
        missing_answers(answers).map(&mut of_all);
        problems.extend(compare(loaded, &answers.workers));
    }
    problems
}

/// Message and hint about workers that did not answer, and about answers that nobody gave.
fn missing_answers(answers: &WorkerAnswers) -> Option<(String, String)> {
    let silent = answers.silent;
    let listen = if silent == 1 { "worker listens" } else { "workers listen" };
    let (message, hint) = match (&answers.workers[..], silent) {
        ([], 0) => return Some(nobody(answers)),
        ([], _) => (
            format!("{silent} Celery {listen} and did not answer in time"),
            "those busy with a task in their own process (pool `solo`) cannot, nor those that accept no JSON \
             (`accept_content`) or have another `sep`; a longer `--timeout` may help",
        ),
        (_, 1..) => (
            format!("{silent} more Celery {listen} and did not answer in time"),
            "what only they know is reported as missing; a longer `--timeout` may help",
        ),
        _ => return None,
    };
    Some((message, hint.to_owned()))
}

/// Message and hint if nobody listens where the question was asked.
fn nobody(answers: &WorkerAnswers) -> (String, String) {
    let channels: Vec<_> = answers.channels.iter().map(|channel| format!("`{channel}`")).collect();
    let message = format!("no Celery worker listens on {}", channels.join(", "));
    let others: Vec<_> = answers
        .others
        .iter()
        .map(|(prefix, exchange)| {
            format!("`options: {{key_prefix: {prefix:?}, control_exchange: {exchange}}}`")
        })
        .collect();
    let hint = match &others[..] {
        [] => "is one running on this database, with remote control enabled? The options `key_prefix`, \
               `control_exchange` and `fanout_prefix` of the queue must be those of the workers"
            .to_owned(),
        others => format!(
            "workers with other names have been here: if they are meant, give the queue {}",
            others.join(" or ")
        ),
    };
    (message, hint)
}

fn is_on_amqp(entry: &Entry) -> bool {
    let queue = &entry.message.queue;
    queue.worker.kind() == WorkerKind::Celery && queue.amqp.is_some()
}

fn compare(loaded: &Loaded, workers: &[LiveWorker]) -> Vec<Problem> {
    if workers.is_empty() {
        return Vec::new();
    }
    let mut warnings = Warnings::about(loaded);
    let mut idle: BTreeMap<&str, (&Entry, Vec<&LiveWorker>, usize)> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (entry, settings) in enabled(loaded).filter_map(on_redis) {
        let queue = &*entry.message.queue.name;
        let channel = settings.control_channel();
        let family = workers.iter().filter(|worker| worker.channel == channel);
        let (takers, rest): (Vec<_>, Vec<_>) = family.partition(|worker| takes(worker, queue));
        let task = &*entry.message.task;
        let knows = |worker: &&&LiveWorker| worker.tasks.contains_key(task);
        let knowing = takers.iter().chain(&rest).find(knows);
        let elsewhere = knowing.and_then(|worker| producer::compare(entry, settings, worker));
        let is_explained = elsewhere.as_ref().is_some_and(|difference| difference.names_queue);
        if let Some(difference) = elsewhere {
            warnings.add(entry, difference.message, difference.hint);
        }
        if takers.is_empty() {
            if !is_explained {
                idle.entry(queue).or_insert((entry, rest, 0)).2 += 1;
            }
            continue;
        }
        if !takers.iter().any(|worker| worker.tasks.contains_key(task)) {
            let (message, hint) = unregistered(entry, &takers, &rest);
            warnings.add(entry, message, hint);
        }
        if seen.insert(queue) {
            for (message, hint) in app::compare(entry, settings, &takers) {
                warnings.add(entry, message, hint);
            }
        }
    }
    for (queue, (entry, rest, count)) in idle {
        let message = format!(
            "no live worker takes from the queue `{queue}` of `{}`{}",
            entry.name,
            others(count)
        );
        warnings.add(entry, message, no_taker(queue, &rest));
    }
    let entries = enabled(loaded).filter_map(on_redis).map(|(entry, _)| entry).collect::<Vec<_>>();
    for (entry, message, hint) in app::zones(&entries, workers) {
        warnings.add(entry, message, hint);
    }
    warnings.finish()
}

/// Whether a worker takes from a queue, or gets each message of a fanout of that name.
fn takes(worker: &LiveWorker, queue: &str) -> bool {
    worker.queues.contains(queue) || worker.fanouts.contains_key(queue)
}

/// What to do about a queue that none of these workers takes from.
fn no_taker(queue: &str, workers: &[&LiveWorker]) -> String {
    let default = |worker: &&LiveWorker| worker.settings.as_ref()?.default_queue.clone();
    match workers.iter().find_map(default) {
        Some(default) if queue == DEFAULT_QUEUE && default != queue => format!(
            "the workers' `task_default_queue` is `{default}`: write `defaults: {{queue: {default}}}`"
        ),
        _ => {
            let queues: Vec<&str> = workers
                .iter()
                .flat_map(|worker| worker.queues.iter().chain(worker.fanouts.keys()))
                .map(String::as_str)
                .collect();
            suggestion(queue, &queues, "those that answered take from")
        }
    }
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
        rest.iter().copied().filter(|worker| worker.tasks.contains_key(task)).collect();
    if let Some(first) = with_task.first() {
        let queues: Vec<_> = first.queues.iter().map(|queue| format!("`{queue}`")).collect();
        let hint = format!("{} registers it, and takes from {}", first.name, queues.join(", "));
        return (message, hint);
    }
    let tasks: Vec<&str> =
        takers.iter().flat_map(|worker| worker.tasks.keys()).map(String::as_str).collect();
    let own: Vec<_> = tasks.into_iter().filter(|task| !task.starts_with("celery.")).collect();
    (message, suggestion(task, &own, "they register"))
}

/// Maximum number of names that are listed.
const LISTED: usize = 5;

fn suggestion(name: &str, known: &[&str], otherwise: &str) -> String {
    if let Some(near) = nearest(name, known.iter().copied()) {
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
