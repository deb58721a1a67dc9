//! `list`: all entries with their last and next slots.

use std::time::Duration;

use super::direct::Direct;
use super::{Exit, Failure, ask_service, block_on, configuration, load_schedule, show};
use crate::cli::ServiceFlags;
use crate::clock;
use crate::config::{Caller, ServiceConfig};
use crate::control::Command;
use crate::schedule::progress::State;
use crate::service::status::{EntryStatus, entry_status, progress_in};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn list(flags: ServiceFlags, json: bool) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let entries = entries(&service)?;
    if json {
        show::json(&entries)?;
        return Ok(Exit::Fine);
    }
    let row = |entry: &EntryStatus| {
        let name = match entry.reached_limit() {
            _ if !entry.enabled => format!("{} (disabled)", entry.entry),
            Some(limit) => format!("{} (done: limit of {limit} reached)", entry.entry),
            None => entry.entry.clone(),
        };
        let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
        vec![name, time(&entry.next), time(&entry.last), entry.queue.clone(), entry.timing.clone()]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    show::table(&["ENTRY", "NEXT", "LAST", "QUEUE", "WHEN"], &rows)?;
    Ok(Exit::Fine)
}

/// All entries in name order: from the running service, else from the files and the broker.
pub(super) fn entries(service: &ServiceConfig) -> Result<Vec<EntryStatus>, Failure> {
    match ask_service::<Vec<EntryStatus>, String>(service, &Command::List, PATIENCE)? {
        Some(Ok(entries)) => Ok(entries),
        Some(Err(error)) => Err(Failure::new(Exit::Unreachable, error)),
        None => read_entries(service),
    }
}

/// Without a running service: the files here, and what the broker knows.
fn read_entries(service: &ServiceConfig) -> Result<Vec<EntryStatus>, Failure> {
    let schedule = load_schedule(service)?;
    let known = block_on(async { Direct::open(service)?.read(service.grace).await })?;
    let known = known.unwrap_or_else(|failure| {
        show::complain(&format!("downbeat: what was sent is not known: {}", failure.message));
        State::default()
    });
    let now = clock::wall();
    let status = |entry| entry_status(entry, progress_in(&known, entry).as_ref(), now);
    Ok(schedule.entries.iter().map(status).collect())
}
