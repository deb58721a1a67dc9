//! `list`: shows all entries with their last and next slots, or everything about one entry.

use std::time::Duration;

use downbeat_time::UnixMs;
use serde::Serialize;

use super::direct::Direct;
use super::history::{beside, count, late, outcome};
use super::{Exit, Failure, ask_service, block_on, configuration, load_schedule, look, show};
use crate::cli::{self, ServiceFlags};
use crate::config::{Caller, ServiceConfig};
use crate::control::{Command, Question};
use crate::manual::Refused;
use crate::pausing::in_words;
use crate::schedule::outcome::SkipReason;
use crate::schedule::pause::Pauses;
use crate::schedule::progress::State;
use crate::service::detail::{ComingSlot, EntryDetail};
use crate::service::history::{HistoryRequest, Past, PastSlot};
use crate::service::status::{EntryStatus, entry_status, pause_of, progress_in};
use crate::{clock, refused};

const TIMEOUT: Duration = Duration::from_secs(10);
/// How many last runs of an entry are shown.
const LAST_RUNS: usize = 5;
/// Width of the column of names.
const INDENT: usize = 13;

pub(super) fn list(flags: ServiceFlags, asked: &cli::List) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    if let Some(entry) = &asked.entry {
        return list_one(&service, entry, asked.output.json);
    }
    let entries = entries(&service)?;
    if asked.output.json {
        show::json(&entries)?;
        return Ok(Exit::Fine);
    }
    let row = |entry: &EntryStatus| {
        let name = match state(entry) {
            Some(state) => format!("{} ({state})", entry.entry),
            None => entry.entry.clone(),
        };
        let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
        let last = match entry.last_skipped() {
            Some(reason) => format!("{} {reason}", time(&entry.last)),
            None => time(&entry.last),
        };
        vec![
            name,
            time(&entry.next),
            last,
            time(&entry.last_sent),
            entry.queue.clone(),
            entry.timing.clone(),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    show::table(&["ENTRY", "NEXT", "LAST", "LAST SENT", "QUEUE", "WHEN"], &rows)?;
    Ok(Exit::Fine)
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

/// All entries by name: from the running service, else from the files and the broker.
pub(super) fn entries(service: &ServiceConfig) -> Result<Vec<EntryStatus>, Failure> {
    match ask_service::<Vec<EntryStatus>, String>(service, &Command::List, TIMEOUT)? {
        Some(Ok(entries)) => Ok(entries),
        Some(Err(error)) => Err(Failure::new(Exit::Unreachable, error)),
        None => {
            let (schedule, now) = (load_schedule(service)?, clock::wall());
            let (known, pauses, store_now) = read(service)?;
            let status = |entry| {
                let status = entry_status(entry, progress_in(&known, entry).as_ref(), now);
                status.with_pauses(entry, &pauses, store_now)
            };
            Ok(schedule.entries.iter().map(status).collect())
        }
    }
}

/// What the broker knows, without a running service, and the time by its clock.
fn read(service: &ServiceConfig) -> Result<(State, Pauses, UnixMs), Failure> {
    let known = block_on(async {
        let mut broker = Direct::open(service)?;
        let (state, read) = (broker.read(service.grace).await?, broker.pauses().await?);
        Ok((state, read.to_pauses(), read.now))
    })?;
    Ok(known.unwrap_or_else(|failure: Failure| {
        show::complain(&format!("downbeat: what was sent is not known: {}", failure.message));
        (State::default(), Pauses::default(), clock::wall())
    }))
}

/// The output of `--json`.
#[derive(Serialize)]
struct One {
    #[serde(flatten)]
    detail: Box<EntryDetail>,
    /// The last few runs, oldest first; `None` if the history cannot be read.
    runs: Option<Vec<PastSlot>>,
}

fn list_one(service: &ServiceConfig, entry: &str, json: bool) -> Result<Exit, Failure> {
    let command = Command::Entry(entry.to_owned());
    let detail = match ask_service::<Box<EntryDetail>, Refused>(service, &command, TIMEOUT)? {
        Some(detail) => detail?,
        None => {
            let (schedule, now) = (load_schedule(service)?, clock::wall());
            let entry = refused::find(&schedule, entry)?;
            let (known, pauses, store_now) = read(service)?;
            let mut detail = EntryDetail::new(entry, progress_in(&known, entry).as_ref(), now);
            detail.status.paused = pause_of(entry, &pauses, store_now);
            Box::new(detail)
        }
    };
    let (entry, count) = (Some(entry.to_owned()), LAST_RUNS);
    let asked = HistoryRequest { entry, count, ..HistoryRequest::default() };
    let runs = match look::ask::<Past>(service, Question::History(asked)) {
        Ok(past) => Some(past.events),
        Err(failure) => {
            show::complain(&format!("downbeat: {}", failure.message));
            None
        }
    };
    if json {
        show::json(&One { detail, runs })?;
    } else {
        print_one(&detail, runs.as_deref().unwrap_or_default())?;
    }
    Ok(Exit::Fine)
}

fn print_one(detail: &EntryDetail, runs: &[PastSlot]) -> Result<(), Failure> {
    let entry = &detail.status;
    let state = state(entry).map_or_else(String::new, |state| format!(" ({state})"));
    fact("entry", &format!("{}{state}", entry.entry))?;
    if let Some(pause) = &entry.paused {
        let of = match pause.subject.starts_with("entry:") {
            true => String::new(),
            false => format!(", as {}", in_words(&pause.subject)),
        };
        fact("paused", &format!("since {}{of}, {}", pause.from, pause.in_words()))?;
    }
    optional("description", entry.description.as_deref())?;
    fact("task", &entry.task)?;
    let resolved = detail.resolved.as_ref();
    let resolved = resolved.map_or_else(String::new, |line| format!(", as if `{line}`"));
    fact("when", &format!("{}{resolved}", entry.timing))?;
    fact("timezone", &entry.timezone)?;
    optional("start", detail.start.as_deref())?;
    optional("end", detail.end.as_deref())?;
    optional("except", detail.leaves_out_days.then_some("some days are left out"))?;
    let carrier = detail.carrier.as_ref();
    let carrier = carrier.map_or_else(String::new, |carrier| format!(", on {carrier}"));
    fact("queue", &format!("{} ({}){carrier}", entry.queue, detail.worker))?;
    fact("catch_up", &format!("{}, within {}", detail.catch_up, detail.within))?;
    optional("expires", detail.expires.as_deref())?;
    optional("jitter", detail.jitter.as_deref())?;
    optional("spread", detail.spread.as_deref())?;
    let left = detail.left.unwrap_or_default();
    let limit = entry.limit.map(|limit| format!("{limit}, of which {left} are left"));
    optional("limit", limit.as_deref())?;
    optional("max_queued", detail.max_queued.map(|max| max.to_string()).as_deref())?;
    let overlap = detail.overlap.as_ref().map(|length| format!("skip, for up to {length}"));
    optional("overlap", overlap.as_deref())?;
    optional("priority", detail.priority.map(|priority| priority.to_string()).as_deref())?;
    optional("tags", (!detail.tags.is_empty()).then(|| detail.tags.join(", ")).as_deref())?;
    print_slots(detail)?;
    let mut name = "runs";
    for run in runs {
        fact(name, &run_in_words(run))?;
        name = "";
    }
    Ok(())
}

fn print_slots(detail: &EntryDetail) -> Result<(), Failure> {
    let mut name = "next";
    for ComingSlot { slot, slot_utc, due, due_utc } in &detail.slots {
        let is_held_back = due_utc > slot_utc;
        let held_back = is_held_back.then(|| format!(", due {}", beside(slot, due)));
        let held_back = held_back.unwrap_or_default();
        fact(name, &format!("{slot} ({slot_utc}){held_back}"))?;
        name = "";
    }
    let EntryStatus { last, last_utc, last_sent, last_sent_utc, .. } = &detail.status;
    let with_utc = |time: &Option<String>, utc: &Option<String>| {
        Some(format!("{} ({})", time.as_ref()?, utc.as_ref()?))
    };
    let skipped = detail.status.last_skipped();
    let skipped = skipped.map_or_else(String::new, |reason| format!(", skipped: {reason}"));
    let last = with_utc(last, last_utc).map(|last| format!("{last}{skipped}"));
    optional("last", last.as_deref())?;
    optional("last sent", with_utc(last_sent, last_sent_utc).as_deref())
}

/// A run on one line.
fn run_in_words(run: &PastSlot) -> String {
    let mut text = format!("{} {}", run.slot, outcome(run));
    if run.count > 1 {
        text += &format!(", with {} slots", count(run.count));
    }
    if let Some(lateness_ms) = run.lateness_ms {
        text += &format!(", {} late", late(lateness_ms));
    }
    let is_paused = run.reason.as_deref() == Some(SkipReason::Paused.as_str());
    if let Some(by) = &run.by {
        text += &format!(", {} {by}", if is_paused { "by" } else { "for" });
    }
    if let Some(note) = &run.note {
        text += &format!(": {note}");
    }
    text
}

fn optional(name: &str, value: Option<&str>) -> Result<(), Failure> {
    value.map_or(Ok(()), |value| fact(name, value))
}

fn fact(name: &str, value: &str) -> Result<(), Failure> {
    show::fact(INDENT, name, value)
}
