//! Turns manual messages, and fenced writes other than dispatches, into calls of the scripts.

use std::collections::BTreeMap;
use std::sync::Arc;

use downbeat_time::UnixMs;
use redis::Cmd;

use super::batch::{Context, add_commands, counts, term};
use super::keys::Keys;
use super::lua;
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::registration::RegistrationChange;
use crate::store::contract::{
    BackfillNote, BackfillStep, Fold, FoldedThrough, INTENT_TTL, Intend, ManualMessage, ManualNote,
    ManualStep, OpenBackfill, Register, Remembered, Settle,
};
use crate::store::journal::write_line;
use crate::store::open_backfills::{self, MAX_OPEN};
use crate::store::{Fence, text};
use crate::worker::Queue;

/// The number of the format that is written.
pub(super) const FORMAT: &str = "2";

/// How many seconds the progress of a manual run is remembered.
const RUN_TTL_S: u64 = 24 * 3600;

pub(super) fn register(context: &mut Context<'_>, request: &Register) -> Cmd {
    let keys = context.keys;
    let keys = [
        keys.lease(),
        keys.sequence(),
        keys.head(),
        keys.journal(),
        keys.counters(),
        keys.registrations(),
        keys.progress(),
        keys.intents(),
        keys.running(),
        keys.marker(),
        keys.outcomes(),
    ];
    let mut call = lua::call(&lua::REGISTER, &keys);
    add_fence(&mut call, &request.fence).arg(term(&request.fence.lease));
    call.arg(if request.last { FORMAT } else { "" });
    let ended = request.ended.iter().map(|(queue, line)| (queue, line));
    add_records(&mut call, context, ended);
    let (mut registrations, mut progress): (Vec<String>, Vec<String>) = Default::default();
    let (mut unsettled, mut certain, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
    for change in &request.changes {
        let mut register = |entry: &str, since, timing: Option<&str>| {
            registrations.extend([entry.to_owned(), text::registration(since, timing)]);
        };
        let mut settle = |entry: &str, to| progress.extend([entry.to_owned(), text::progress(to)]);
        match change {
            RegistrationChange::Begin { entry, timing, since, progress } => {
                register(entry, *since, Some(timing));
                certain.push(&**entry);
                match progress {
                    Some(to) => settle(entry, to),
                    None => unsettled.push(&**entry),
                }
            }
            RegistrationChange::Retire { entry, at, progress } => {
                register(entry, *at, None);
                if let Some(to) = progress {
                    settle(entry, to);
                }
            }
            RegistrationChange::Forget { entry } => forgotten.push(&**entry),
        }
    }
    for words in [registrations, progress] {
        call.arg(words.len()).arg(words);
    }
    for names in [unsettled, certain, forgotten] {
        call.arg(names.len()).arg(names);
    }
    call
}

pub(super) fn fold(context: &Context<'_>, request: &Fold) -> Cmd {
    let keys = context.keys;
    let keys = [
        keys.lease(),
        keys.sequence(),
        keys.head(),
        keys.journal(),
        keys.counters(),
        keys.progress(),
        keys.folded(),
    ];
    let mut call = lua::call(&lua::FOLD, &keys);
    add_fence(&mut call, &request.fence);
    match request.through {
        FoldedThrough::Unchanged => call.arg("unchanged"),
        FoldedThrough::Anew(Remembered::All) => call.arg("anew"),
        FoldedThrough::Anew(Remembered::Nothing) => call.arg("damaged"),
        FoldedThrough::Record(id) => call.arg(id.to_string()),
    };
    call.arg(2 * request.progress.len());
    for (entry, progress) in &request.progress {
        call.arg(&**entry).arg(text::progress(progress));
    }
    call
}

pub(super) fn intend(context: &mut Context<'_>, request: &Intend) -> Cmd {
    let keys = context.keys;
    let keys = [
        keys.lease(),
        keys.sequence(),
        keys.head(),
        keys.journal(),
        keys.counters(),
        keys.running(),
        keys.revision(),
        keys.intents(),
    ];
    let mut call = lua::call(&lua::INTEND, &keys);
    add_fence(&mut call, &request.fence).arg(term(&request.fence.lease));
    let newest = request.slots.iter().map(|intent| intent.slot).max().unwrap_or(UnixMs(0));
    call.arg(newest.0).arg(context.database).arg(request.pauses.revision).arg("");
    for intent in &request.slots {
        call.arg(&*intent.entry).arg(intent.slot.0);
        call.arg(&*intent.queue.name).arg(context.field(&intent.queue.name));
        match intent.guards.overlap.zip(context.result_key(&intent.queue)) {
            Some((longest, result_key)) => call.arg(longest.get()).arg(&result_key),
            None => call.arg(&[""; 4]),
        };
    }
    call
}

pub(super) fn settle(context: &mut Context<'_>, request: &Settle) -> Cmd {
    let keys = context.keys;
    let keys = [
        keys.lease(),
        keys.sequence(),
        keys.head(),
        keys.journal(),
        keys.counters(),
        keys.running(),
        keys.intents(),
    ];
    let mut call = lua::call(&lua::SETTLE, &keys);
    add_fence(&mut call, &request.fence).arg(term(&request.fence.lease));
    let lines = request.slots.iter();
    let lines = lines.filter_map(|slot| Some((&slot.queue.name, slot.line.as_ref()?)));
    add_records(&mut call, context, lines);
    call.arg(request.slots.len());
    for slot in &request.slots {
        call.arg(&*slot.entry);
    }
    let begun = request.slots.iter().filter(|slot| {
        let outcome = slot.line.as_ref().map(|line| line.outcome);
        slot.guards.overlap.is_some() && matches!(outcome, Some(Outcome::Dispatched(_)))
    });
    let words = begun.flat_map(|slot| [slot.entry.to_string(), slot.task_id.to_string()]);
    let words: Vec<String> = words.collect();
    call.arg(words.len()).arg(words);
    call
}

pub(super) fn send(context: &mut Context<'_>, request: &ManualMessage) -> Cmd {
    let (run, place) = request.run;
    let keys = context.keys;
    let nothing = keys.head();
    let keys =
        [nothing.clone(), nothing.clone(), nothing, keys.journal(), keys.counters(), keys.run(run)];
    let mut call = lua::call(&lua::SEND, &keys);
    let (queue, writes) = (&request.message.queue, &request.message.writes);
    call.arg(place).arg(RUN_TTL_S).arg(&*queue.name);
    let mut line = String::new();
    write_line(&request.line, &mut line);
    let outcome = request.line.outcome.as_str();
    call.arg(line).arg(format!("{}{outcome}", context.field(&queue.name)));
    call.arg(writes.push.command()).arg(&writes.key).arg(run_of(&request.line, queue));
    add_commands(&mut call, &writes.before);
    call.arg(1).arg(&writes.element);
    call
}

pub(super) fn note(context: &mut Context<'_>, note: &ManualNote) -> Cmd {
    let (run, place) = note.run;
    let keys = context.keys;
    let nothing = keys.head();
    let keys = [
        nothing.clone(),
        nothing.clone(),
        nothing,
        keys.journal(),
        keys.counters(),
        keys.run(run),
        keys.intended_run(run),
    ];
    let mut call = lua::call(&lua::NOTE, &keys);
    call.arg(match note.step {
        ManualStep::Intended => "intended",
        ManualStep::Published => "published",
        ManualStep::NotPublished => "not published",
    });
    call.arg(place).arg(RUN_TTL_S).arg(INTENT_TTL.as_secs()).arg(&*note.queue.name);
    let mut line = String::new();
    write_line(&note.line, &mut line);
    let outcome = note.line.outcome.as_str();
    call.arg(line).arg(format!("{}{outcome}", context.field(&note.queue.name)));
    call.arg(run_of(&note.line, &note.queue));
    call
}

/// What all messages of a run have in common, see `run.lua`.
fn run_of(line: &Line, queue: &Queue) -> String {
    format!("{}\t{}", line.entry, queue.name)
}

pub(super) fn note_backfill(keys: &Keys, note: &BackfillNote) -> Cmd {
    let mut call = lua::call(&lua::OPEN, &[keys.open_backfills(note.scope)]);
    call.arg(match note.step {
        BackfillStep::Begins => "begins",
        BackfillStep::BeginsAgain => "begins again",
        BackfillStep::Ends => "ends",
    });
    let OpenBackfill { run, from, to, queue } = &note.backfill;
    call.arg(run.to_string()).arg(from.0).arg(to.0).arg(queue.as_deref().unwrap_or(""));
    call.arg(open_backfills::TTL.as_millis().to_string()).arg(MAX_OPEN);
    call
}

fn add_fence<'c>(call: &'c mut Cmd, fence: &Fence) -> &'c mut Cmd {
    call.arg(&*fence.lease).arg(fence.sequence).arg(fence.next)
}

/// Adds a record per queue, as `records.lua` reads them.
fn add_records<'l>(
    call: &mut Cmd,
    context: &mut Context<'_>,
    lines: impl Iterator<Item = (&'l Arc<str>, &'l Line)>,
) {
    let mut by_queue: BTreeMap<&Arc<str>, Vec<&Line>> = BTreeMap::new();
    for (queue, line) in lines {
        by_queue.entry(queue).or_default().push(line);
    }
    call.arg(by_queue.len());
    for (queue, lines) in by_queue {
        let mut text = String::new();
        lines.iter().for_each(|line| write_line(line, &mut text));
        let slots: u64 = lines.iter().map(|line| line.count).sum();
        let (field, counts) = (context.field(queue), counts(lines.into_iter()));
        call.arg(&**queue).arg(slots).arg(text).arg(counts.len());
        for (outcome, slots) in counts {
            call.arg(format!("{field}{outcome}")).arg(slots);
        }
    }
}
