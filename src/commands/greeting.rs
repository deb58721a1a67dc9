//! The first lines of `run`, for people: what runs, where it sends, and when.

use std::io::{self, IsTerminal as _};

use downbeat_time::UnixMs;

use super::show;
use crate::config::{Broker, LogFormat, ServiceConfig};
use crate::schedule::{Entry, Schedule};
use crate::text::duration;

/// Prints schedule, broker and next slot, if a person reads the log on a terminal.
pub(super) fn show(service: &ServiceConfig, schedule: &Schedule, broker: &Broker, now: UnixMs) {
    if service.log_format == LogFormat::Text && io::stderr().is_terminal() {
        for line in lines(service, schedule, broker, now) {
            show::complain(&line);
        }
    }
}

fn lines(
    service: &ServiceConfig,
    schedule: &Schedule,
    broker: &Broker,
    now: UnixMs,
) -> Vec<String> {
    let paths = service.schedules.iter().map(|path| path.display().to_string());
    let paths = paths.collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!("schedule   {paths} with {}", show::entries(schedule.entries.len())),
        format!("broker     {broker}, namespace {}", service.namespace),
        format!("next slot  {}", next_slot(schedule, now)),
    ];
    if service.shadow {
        lines.insert(
            0,
            "shadow     nothing is sent; `downbeat compare` shows what would be".to_owned(),
        );
    }
    lines
}

fn next_slot(schedule: &Schedule, now: UnixMs) -> String {
    let enabled = schedule.entries.iter().filter(|entry| entry.enabled);
    let next =
        |entry: &Entry| Some((entry.next_slot(now)?, entry.name.clone(), entry.zone.clone()));
    match enabled.filter_map(next).min_by_key(|(slot, ..)| *slot) {
        Some((slot, name, zone)) => {
            let time = show::short_time(&zone.to_rfc3339(slot));
            format!("{name} at {time}, in {}", duration::in_words(slot.since(now)))
        }
        None => "none: no enabled entry has another slot".to_owned(),
    }
}
