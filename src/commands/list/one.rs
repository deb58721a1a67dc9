//! `list ENTRY`: everything about one entry.

use downbeat_time::UnixMs;
use serde::Serialize;

use super::{TIMEOUT, read, state};
use crate::commands::history::{beside, count, late, outcome};
use crate::commands::{Exit, Failure, ask_service, load_schedule, look, show};
use crate::config::ServiceConfig;
use crate::control::{Command, Question};
use crate::manual::Refused;
use crate::pausing::in_words;
use crate::refused;
use crate::schedule::outcome::SkipReason;
use crate::service::detail::{ComingSlot, EntryDetail};
use crate::service::history::{HistoryRequest, Past, PastSlot};
use crate::service::status::{EntryStatus, pause_of, progress_in};

/// How many last outcomes of an entry are shown.
const LAST_RUNS: usize = 5;
/// Width of the column of names.
const INDENT: usize = 13;

/// The output of `--json`.
#[derive(Serialize)]
struct One {
    #[serde(flatten)]
    detail: Box<EntryDetail>,
    /// The last few runs, oldest first; `None` if the history cannot be read.
    runs: Option<Vec<PastSlot>>,
}

pub(super) fn list_one(
    service: &ServiceConfig,
    entry: &str,
    now: UnixMs,
    json: bool,
) -> Result<Exit, Failure> {
    let command = Command::Entry(entry.to_owned());
    let detail = match ask_service::<Box<EntryDetail>, Refused>(service, &command, TIMEOUT)? {
        Some(detail) => detail?,
        None => {
            let schedule = load_schedule(service)?;
            let entry = refused::find(&schedule, entry)?;
            let (known, pauses, store_now) = read(service, now)?;
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
        let with = match pause.subject.starts_with("entry:") {
            true => String::new(),
            false => format!(" with {}", in_words(&pause.subject)),
        };
        fact("paused", &format!("since {}{with}, {}", pause.from, pause.in_words()))?;
    }
    optional("description", entry.description.as_deref())?;
    fact("task", &entry.task)?;
    let resolved = detail.resolved.as_ref();
    let resolved = resolved.map_or_else(String::new, |line| format!(", here `{line}`"));
    fact("when", &format!("{}{resolved}", entry.timing))?;
    fact("timezone", &entry.timezone)?;
    optional("start", detail.start.as_deref())?;
    optional("end", detail.end.as_deref())?;
    let except = detail.moves_to.as_ref().map_or_else(
        || "leaves out some times".to_owned(),
        |to| format!("leaves out some times; slots move to the {to} day that is left"),
    );
    optional("except", detail.leaves_out_days.then_some(&except))?;
    let carrier = detail.carrier.as_ref();
    let carrier = carrier.map_or_else(String::new, |carrier| format!(", on {carrier}"));
    fact("queue", &format!("{} ({}){carrier}", entry.queue, detail.worker))?;
    fact("catch_up", &format!("{}, within {}", detail.catch_up, detail.within))?;
    optional("expires", detail.expires.as_deref())?;
    optional("jitter", detail.jitter.as_deref())?;
    optional("spread", detail.spread.as_deref())?;
    let left = detail.left.unwrap_or_default();
    let limit = entry.limit.map(|limit| format!("{limit}, {left} left"));
    optional("limit", limit.as_deref())?;
    optional("max_queued", detail.max_queued.map(|max| max.to_string()).as_deref())?;
    let overlap = detail.overlap.as_ref().map(|length| format!("skip, for up to {length}"));
    optional("overlap", overlap.as_deref())?;
    optional("priority", detail.priority.map(|priority| priority.to_string()).as_deref())?;
    optional("tags", (!entry.tags.is_empty()).then(|| entry.tags.join(", ")).as_deref())?;
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
    for ComingSlot { slot, slot_utc, nominal_slot, due, due_utc } in &detail.slots {
        let moved = nominal_slot.as_ref();
        let moved = moved.map_or_else(String::new, |nominal| format!(", moved from {nominal}"));
        let is_held_back = due_utc > slot_utc;
        let held_back = is_held_back.then(|| format!(", due {}", beside(slot, due)));
        let held_back = held_back.unwrap_or_default();
        fact(name, &format!("{slot} ({slot_utc}){moved}{held_back}"))?;
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
