//! `list`: all entries with their last and next slots.

use std::time::Duration;

use super::status::open_broker;
use super::{Exit, Failure, ask_service, block_on, configuration, load_schedule, show};
use crate::cli::ServiceFlags;
use crate::clock;
use crate::config::ServiceConfig;
use crate::control::Command;
use crate::service::status::{EntryStatus, entry_status};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn list(flags: ServiceFlags, json: bool) -> Result<Exit, Failure> {
    let service = configuration(flags, Exit::Usage)?;
    let entries = match ask_service::<Vec<EntryStatus>, String>(&service, &Command::List, PATIENCE)?
    {
        Some(Ok(entries)) => entries,
        Some(Err(error)) => return Err(Failure::new(Exit::Unreachable, error)),
        None => read_entries(&service)?,
    };
    if json {
        show::json(&entries)?;
        return Ok(Exit::Fine);
    }
    let row = |entry: &EntryStatus| {
        let name =
            if entry.enabled { entry.entry.clone() } else { format!("{} (disabled)", entry.entry) };
        let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
        vec![name, time(&entry.next), time(&entry.last), entry.queue.clone(), entry.timing.clone()]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    show::table(&["ENTRY", "NEXT", "LAST", "QUEUE", "WHEN"], &rows)?;
    Ok(Exit::Fine)
}

/// Without a running service: the files here, and what the broker knows.
fn read_entries(service: &ServiceConfig) -> Result<Vec<EntryStatus>, Failure> {
    let schedule = load_schedule(service)?;
    let known = block_on(async { open_broker(service)?.read().await })?;
    let known = known.unwrap_or_else(|failure| {
        eprintln!("downbeat: last slots are not known: {}", failure.message);
        crate::schedule::progress::State::default()
    });
    let now = clock::wall();
    Ok(schedule.entries.iter().map(|entry| entry_status(entry, &known.progress, now)).collect())
}
