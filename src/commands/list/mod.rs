//! `list`: shows entries with their last and next slots, or everything about one entry.

mod one;
mod selection;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use downbeat_time::{UnixMs, Zone};

use self::selection::Selection;
use super::direct::Direct;
use super::{
    Exit, Failure, ask_service, block_on, configuration, load_schedule, service_notes, show,
};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{Caller, ServiceConfig};
use crate::control::Command;
use crate::schedule::pause::Pauses;
use crate::schedule::progress::State;
use crate::service::status::{EntryStatus, entry_status, progress_in};
use crate::text::{duration, instant};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn list(flags: ServiceFlags, asked: &cli::List) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let now = clock::wall();
    let selection = Selection::new(asked);
    if let Some(entry) = selection.one_entry() {
        return one::list_one(&service, entry, now, asked.output.json);
    }
    let (all, is_running) = entries(&service, now)?;
    if is_running {
        service_notes::complain(&service);
    } else if service_notes::are_read() {
        show::complain("downbeat: no service runs here; entries are those of the schedule files");
        service_notes::complain_of_pauses(&all);
    }
    let entries = selection.select(all)?;
    if asked.output.json {
        show::json(&entries)?;
    } else if io::stdout().is_terminal() {
        show::table(&ON_TERMINAL, &rows(&entries, |entry| on_terminal(entry, now)))?;
    } else {
        show::table(&IN_PIPE, &rows(&entries, in_pipe))?;
    }
    Ok(Exit::Fine)
}

fn rows(entries: &[EntryStatus], row: impl Fn(&EntryStatus) -> Vec<String>) -> Vec<Vec<String>> {
    entries.iter().map(row).collect()
}

const IN_PIPE: [show::Column; 7] = [
    show::Column::whole("ENTRY"),
    show::Column::whole("NEXT"),
    show::Column::whole("LAST"),
    show::Column::whole("LAST SENT"),
    show::Column::whole("QUEUE"),
    show::Column::whole("WHEN"),
    show::Column::whole("STATE"),
];

fn in_pipe(entry: &EntryStatus) -> Vec<String> {
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| NOTHING.to_owned());
    let last = match entry.last_skipped() {
        Some(reason) => format!("{} {reason}", time(&entry.last)),
        None => time(&entry.last),
    };
    let state = state(entry).unwrap_or_else(|| NOTHING.to_owned());
    let (name, queue, timing) = (entry.entry.clone(), entry.queue.clone(), entry.timing.clone());
    vec![name, time(&entry.next), last, time(&entry.last_sent), queue, timing, state]
}

const ON_TERMINAL: [show::Column; 5] = [
    show::Column::cut("ENTRY", 12),
    show::Column::whole("NEXT"),
    show::Column::cut("LAST", 11),
    show::Column::cut("QUEUE", 6),
    show::Column::cut("WHEN", 8).spare(1),
];
const NOTHING: &str = "-";

/// The next slot, or why there is none; and what became of the last one, how long ago.
fn on_terminal(entry: &EntryStatus, now: UnixMs) -> Vec<String> {
    let next = match &entry.next {
        _ if !entry.enabled => "disabled".to_owned(),
        _ if entry.reached_limit().is_some() => "done".to_owned(),
        _ if entry.paused.is_some() => "paused".to_owned(),
        Some(next) => show::short_time(next),
        None => NOTHING.to_owned(),
    };
    let last = entry.last_utc.as_deref().and_then(|at| instant::parse(at, &Zone::utc()).ok());
    let last = last.map_or_else(
        || NOTHING.to_owned(),
        |at| {
            let outcome = entry.last_skipped().unwrap_or("sent");
            format!("{outcome} {} ago", about(now.since(at)))
        },
    );
    vec![entry.entry.clone(), next, last, entry.queue.clone(), entry.timing.clone()]
}

/// A length in its largest unit: `18 h`.
fn about(length: Duration) -> String {
    let words = duration::in_words(length);
    match words.match_indices(' ').nth(1) {
        Some((end, _)) if length >= Duration::from_secs(1) => words[..end].to_owned(),
        _ => words.replace("less than ", "<"),
    }
}

/// Why the entry has no next slot, or why it will not be sent.
fn state(entry: &EntryStatus) -> Option<String> {
    match entry.reached_limit() {
        _ if !entry.enabled => Some("disabled".to_owned()),
        Some(limit) => Some(format!("done: limit of {limit} reached")),
        None => entry.paused.as_ref().map(|pause| match &pause.until {
            Some(until) => format!("paused until {until}"),
            None => "paused".to_owned(),
        }),
    }
}

/// All entries by name, and whether they come from a running service; else they come from the files and
/// the broker.
pub(super) fn entries(
    service: &ServiceConfig,
    now: UnixMs,
) -> Result<(Vec<EntryStatus>, bool), Failure> {
    match ask_service::<Vec<EntryStatus>, String>(service, &Command::List, TIMEOUT)? {
        Some(Ok(entries)) => Ok((entries, true)),
        Some(Err(error)) => Err(Failure::new(Exit::Unreachable, error)),
        None => {
            let schedule = load_schedule(service)?;
            let (known, pauses, store_now) = read(service, now)?;
            let status = |entry| {
                let status = entry_status(entry, progress_in(&known, entry).as_ref(), now);
                status.with_pauses(entry, &pauses, store_now)
            };
            Ok((schedule.entries.iter().map(status).collect(), false))
        }
    }
}

/// What the broker knows, without a running service, and the time by its clock.
fn read(service: &ServiceConfig, now: UnixMs) -> Result<(State, Pauses, UnixMs), Failure> {
    let known = block_on(async {
        let mut broker = Direct::open(service)?;
        let (state, read) = (broker.read(service.grace).await?, broker.pauses().await?);
        Ok((state, read.to_pauses(), read.now))
    })?;
    Ok(known.unwrap_or_else(|failure: Failure| {
        show::complain(&format!("downbeat: the last slots are not known: {}", failure.message));
        (State::default(), Pauses::default(), now)
    }))
}
