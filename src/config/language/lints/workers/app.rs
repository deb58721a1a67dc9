//! Compares the settings of a queue with those of its workers' application.

use std::collections::BTreeSet;

use downbeat_time::Timing;

use crate::schedule::Entry;
use crate::worker::CeleryQueue;
use crate::worker::celery::{AppSettings, LiveWorker};

/// Message and hint.
type Warning = (String, String);

/// What differs between the queue of an entry and the applications of the workers that take from it.
pub(super) fn compare(
    entry: &Entry,
    settings: &CeleryQueue,
    takers: &[&LiveWorker],
) -> BTreeSet<Warning> {
    let queue = &*entry.message.queue.name;
    let of_worker = |worker: &&LiveWorker| {
        let mut found = fanout(queue, settings, worker);
        if let Some(app) = &worker.settings {
            found.extend(transport(queue, settings, app));
            found.extend(content(queue, app));
            if settings.results.is_some() || entry.guards.overlap.is_some() {
                found.extend(results(queue, settings, app));
            }
        }
        found
    };
    takers.iter().flat_map(of_worker).collect()
}

/// How to set an option of a queue.
fn option(queue: &str, name: &str, value: &str) -> String {
    format!("set it in the configuration: `queues: {{{queue}: {{options: {{{name}: {value}}}}}}}`")
}

fn fanout(queue: &str, settings: &CeleryQueue, worker: &LiveWorker) -> Vec<Warning> {
    let name = &worker.name;
    let with_key = |key: &str| match key {
        "celery" => format!("`queues: {{{queue}: {{fanout: true}}}}`"),
        key => {
            format!("`queues: {{{queue}: {{fanout: true, options: {{routing_key: {key:?}}}}}}}`")
        }
    };
    let warning = match (worker.fanouts.get(queue), &settings.fanout) {
        (Some(key), None) => (
            format!(
                "`{queue}` is a fanout for {name} (`Broadcast`), and nothing reads the list of that name"
            ),
            format!("set it in the configuration: {}", with_key(key)),
        ),
        (Some(key), Some(fanout)) if **key != *fanout.routing_key && settings.fanout_patterns => (
            format!("{name} listens to the fanout `{queue}` with the routing key {key:?}"),
            format!("set it in the configuration: {}", with_key(key)),
        ),
        (None, Some(_)) => (
            format!("`{queue}` is not a fanout for {name}: it takes messages from a list"),
            "leave out `fanout` of the queue".to_owned(),
        ),
        _ => return Vec::new(),
    };
    vec![warning]
}

fn transport(queue: &str, settings: &CeleryQueue, app: &AppSettings) -> Vec<Warning> {
    let default = CeleryQueue::default();
    let steps = app.priority_steps.as_deref().unwrap_or(&default.priority_steps);
    let separator = app.separator.as_deref().unwrap_or(&default.separator);
    let mut found = Vec::new();
    if *steps != *settings.priority_steps {
        let message = format!(
            "the workers of `{queue}` have the `priority_steps` {steps:?}, not {:?}: they look into no list of \
             another step",
            settings.priority_steps
        );
        found.push((message, option(queue, "priority_steps", &format!("{steps:?}"))));
    }
    if *separator != *settings.separator {
        let (theirs, ours) = (separator.escape_default(), settings.separator.escape_default());
        let message =
            format!("the workers of `{queue}` have the `sep` \"{theirs}\", not \"{ours}\"");
        found.push((message, option(queue, "separator", &format!("{separator:?}"))));
    }
    found
}

fn content(queue: &str, app: &AppSettings) -> Option<Warning> {
    let is_json = |content: &String| content == "json" || content == "application/json";
    if app.accept_content.is_empty() || app.accept_content.iter().any(is_json) {
        return None;
    }
    let accepted = app.accept_content.join(", ");
    let message =
        format!("the workers of `{queue}` accept only {accepted}, and drop messages in JSON");
    Some((message, "add `json` to `accept_content` of the application".to_owned()))
}

/// Where the workers leave results, for entries that need to see them.
fn results(queue: &str, settings: &CeleryQueue, app: &AppSettings) -> Vec<Warning> {
    let Some(backend) = &app.result_backend else {
        let message = format!("the workers of `{queue}` keep no results");
        return vec![(message, "set `result_backend` of the application".to_owned())];
    };
    let mut found = Vec::new();
    let ours = settings.results.as_ref().map(|results| results.url.database);
    match (database(backend), ours) {
        (None, _) => {
            let message =
                format!("the workers of `{queue}` keep results at {backend}, which is not Redis");
            found.push((message, "set `result_backend: redis://…` of the application".to_owned()));
        }
        (Some(theirs), Some(ours)) if theirs != ours => {
            let message = format!(
                "the workers of `{queue}` keep results in database {theirs}, and `results` names {ours}"
            );
            found.push((message, option(queue, "results", &format!("{backend:?}"))));
        }
        _ => {}
    }
    match (app.has_result_prefix, &*settings.result_prefix) {
        (true, "") => {
            let message = format!(
                "the workers' `result_backend_transport_options` of `{queue}` have a `global_keyprefix`, which \
                 they do not show"
            );
            found.push((message, option(queue, "result_prefix", "…")));
        }
        (false, prefix) if !prefix.is_empty() => {
            let message = format!(
                "`result_prefix` of `{queue}` is {prefix:?}, and the results of its workers have none"
            );
            found.push((message, "leave `result_prefix` out".to_owned()));
        }
        _ => {}
    }
    let serializer = app.result_serializer.as_deref().unwrap_or("json");
    if !["json", "pickle", "msgpack"].contains(&serializer) {
        let message = format!("the workers of `{queue}` write results in {serializer}");
        found.push((message, "only `json`, `pickle` and `msgpack` can be read".to_owned()));
    }
    found
}

/// The database in the address of a Redis; `None` if it is not Redis.
fn database(backend: &str) -> Option<u32> {
    const SCHEMES: [&str; 5] =
        ["redis://", "rediss://", "redis+socket://", "socket://", "sentinel://"];
    if !SCHEMES.into_iter().any(|scheme| backend.starts_with(scheme)) {
        return None;
    }
    let (address, parameters) = backend.split_once('?').unwrap_or((backend, ""));
    let named = parameters.split('&').find_map(|parameter| {
        parameter.strip_prefix("virtual_host=").or_else(|| parameter.strip_prefix("db="))
    });
    let path = || address.split_once("://")?.1.split_once('/').map(|(_, path)| path);
    let text = named.or_else(path).unwrap_or_default();
    Some(text.trim_start_matches('/').parse().unwrap_or(0))
}

/// Entries that read a clock, if an application has another zone than all of them: beat would have used it.
pub(super) fn zones<'e>(
    entries: &[&'e Entry],
    workers: &[LiveWorker],
) -> Vec<(&'e Entry, String, String)> {
    let reads_clock = |entry: &&&Entry| {
        matches!(entry.timing, Timing::Cron(_) | Timing::Quartz(_) | Timing::Rrule(_))
    };
    let Some(first) = entries.iter().find(reads_clock) else { return Vec::new() };
    let settings = workers.iter().filter_map(|worker| worker.settings.as_ref());
    let zones: BTreeSet<&str> =
        settings.filter_map(|app| app.timezone.as_deref()).filter(|zone| *zone != "UTC").collect();
    let is_unused = |zone: &&str| entries.iter().all(|entry| entry.zone.name() != *zone);
    let warning = |zone| {
        let message = format!(
            "the `timezone` of the application is {zone}, and no entry has it: `{}` reads the clock of {}",
            first.name,
            first.zone.name()
        );
        (*first, message, format!("beat would use it; write `timezone: {zone}` beside `entries`"))
    };
    zones.into_iter().filter(is_unused).map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_result_backend_is_known_for_redis_only() {
        for (backend, expected) in [
            ("redis://host:6379/2", Some(2)),
            ("redis://host", Some(0)),
            ("rediss://:********@host:6379/3?ssl_cert_reqs=required", Some(3)),
            ("redis+socket:///run/redis.sock?virtual_host=4", Some(4)),
            ("redis+socket:///run/redis.sock", Some(0)),
            ("redis://host/?db=5", Some(5)),
            ("rpc://", None),
            ("db+postgresql://host/results", None),
        ] {
            assert_eq!(database(backend), expected, "{backend}");
        }
    }
}
