//! Turns a batch into a call of the dispatch script.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use downbeat_time::UnixMs;
use redis::Cmd;

use super::counted::CountedQueues;
use super::keys::Keys;
use super::lua;
use super::merge::{merged, with_short_name};
use crate::schedule::TaskIds;
use crate::schedule::outcome::Line;
use crate::store::contract::{Batch, Write};
use crate::store::journal::write_line;
use crate::worker::{Push, Queue, RedisCommand, ResultKey, Writes};

/// The maximum number of slots in a record: a script cannot push many more at once.
const MAX_SLOTS: usize = 500;

/// The length in bytes of most slots' lines in a record.
const LINE: usize = 64;

/// Slots of one queue whose messages go to the same list, recorded together.
struct Part<'b> {
    queue: &'b Arc<Queue>,
    /// The list that its messages go to; `None` while it has none.
    place: Option<(Push, &'b str)>,
    /// Whether its slots must be decided one by one.
    is_guarded: bool,
    /// Indexes in the batch.
    items: Vec<usize>,
}

/// Maps the script's exceptions back to the batch.
pub(super) struct Layout {
    parts: Vec<Vec<usize>>,
    /// The indexes of guarded slots, in the order in which the script counts them.
    guarded: Vec<usize>,
}

impl Layout {
    /// The batch indexes for a number of the script.
    pub(super) fn items(&self, number: i64) -> &[usize] {
        let index = |number: u64| usize::try_from(number).ok()?.checked_sub(1);
        match number {
            1.. => {
                let index = index(number.unsigned_abs());
                index.and_then(|at| self.guarded.get(at..=at)).unwrap_or_default()
            }
            _ => {
                let part = index(number.unsigned_abs()).and_then(|index| self.parts.get(index));
                part.map_or(&[], Vec::as_slice)
            }
        }
    }
}

/// What the calls of a request share.
pub(super) struct Context<'c> {
    pub(super) keys: &'c Keys,
    pub(super) ids: TaskIds,
    pub(super) database: i64,
    pub(super) counted: &'c mut CountedQueues,
}

impl Context<'_> {
    /// The prefix of the queue's counter fields, in front of the outcome.
    pub(super) fn field(&mut self, queue: &Arc<str>) -> String {
        format!("{}\t", self.counted.name(queue))
    }

    /// Where the queue's workers store the state of a task: its form, the database ('': the state's) and the
    /// key without the task's id. `None`: the state is not visible.
    pub(super) fn result_key(&self, queue: &Queue) -> Option<[String; 3]> {
        let ResultKey { prefix, databases: (there, here), form } =
            queue.worker.protocol().result_key(&queue.name)?;
        let elsewhere = there != here && i64::from(there) != self.database;
        let there = if elsewhere { there.to_string() } else { String::new() };
        Some([form.as_str().to_owned(), there, prefix])
    }
}

/// The term in `"<term> <holder>"`.
pub(super) fn term(lease: &str) -> &str {
    lease.split(' ').next().unwrap_or_default()
}

/// The number of slots by outcome.
pub(super) fn counts<'l>(lines: impl Iterator<Item = &'l Line>) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.outcome.as_str()).or_default() += line.count;
    }
    counts
}

pub(super) fn dispatch(context: &mut Context<'_>, batch: &Batch) -> (Cmd, Layout) {
    let writes = &batch.writes;
    let parts = parts(writes);
    let keys = context.keys;
    let keys = [
        keys.lease(),
        keys.sequence(),
        keys.head(),
        keys.journal(),
        keys.counters(),
        keys.running(),
        keys.revision(),
    ];
    let messages = writes.iter().filter_map(|write| write.message.as_ref());
    let size: usize = messages.map(|message| message.writes.size()).sum();
    let mut call = lua::large_call(&lua::DISPATCH, &keys, size + writes.len() * LINE);
    let fence = &batch.fence;
    let newest = writes.iter().map(|write| write.line.slot).max().unwrap_or(UnixMs(0));
    call.arg(&*fence.lease).arg(fence.sequence).arg(fence.next).arg(term(&fence.lease));
    call.arg(newest.0).arg(context.database).arg(batch.pauses.revision);
    match batch.records_pauses() {
        true => call.arg(batch.pauses.version),
        false => call.arg(""),
    };
    let alone = add_alone(&mut call, context, writes);
    call.arg(parts.len());
    for part in &parts {
        call.arg(&*part.queue.name);
        let (command, key) = part.place.map_or(("", ""), |(push, key)| (push.command(), key));
        call.arg(command).arg(key);
        if part.is_guarded {
            add_guarded(&mut call, context, part, writes, &alone);
        } else {
            add_flat(&mut call, context, part, writes);
        }
    }
    let guarded = parts.iter().filter(|part| part.is_guarded).flat_map(|part| &part.items);
    let guarded = guarded.copied().collect();
    let parts = parts.into_iter().map(|part| part.items).collect();
    (call, Layout { parts, guarded })
}

/// Groups slots by where they go. Skipped slots join their queue's messages.
fn parts(writes: &[Write]) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    // For each list, the part that still has room.
    let mut open: HashMap<(&str, bool), Vec<usize>> = HashMap::new();
    let mut start = 0;
    for run in writes.chunk_by(|a, b| a.line.entry == b.line.entry && a.queue == b.queue) {
        let items = start..start + run.len();
        start = items.end;
        let mut place = run.iter().find_map(place_of);
        let is_guarded = run.iter().any(is_guarded);
        for index in items {
            let write = &writes[index];
            place = place_of(write).or(place);
            let open = open.entry((&*write.queue.name, is_guarded)).or_default();
            let fits = |part: &Part<'_>| {
                let same = part.place.is_none() || place.is_none() || part.place == place;
                same && part.items.len() < MAX_SLOTS
            };
            let found = open.iter().copied().find(|part| fits(&parts[*part]));
            let part = found.unwrap_or_else(|| {
                open.retain(|part| parts[*part].items.len() < MAX_SLOTS);
                open.push(parts.len());
                parts.push(Part { queue: &write.queue, place, is_guarded, items: Vec::new() });
                parts.len() - 1
            });
            parts[part].place = parts[part].place.or(place);
            parts[part].items.push(index);
        }
    }
    parts
}

fn place_of(write: &Write) -> Option<(Push, &str)> {
    let Writes { push, key, .. } = &write.message.as_ref()?.writes;
    Some((*push, key))
}

fn is_guarded(write: &Write) -> bool {
    let guards = write.guards;
    write.message.is_some() && (guards.max_queued.is_some() || guards.overlap.is_some())
}

/// Adds the entries that must not overlap, and returns each one's number.
fn add_alone<'b>(
    call: &mut Cmd,
    context: &Context<'_>,
    writes: &'b [Write],
) -> HashMap<&'b str, usize> {
    let mut numbers = HashMap::new();
    let mut found = Vec::new();
    for write in writes.iter().filter(|write| write.message.is_some()) {
        let Some(longest) = write.guards.overlap else { continue };
        let Some(result_key) = context.result_key(&write.queue) else { continue };
        if !numbers.contains_key(&*write.line.entry) {
            numbers.insert(&*write.line.entry, found.len() + 1);
            found.push((&*write.line.entry, longest, result_key));
        }
    }
    call.arg(found.len());
    for (entry, longest, result_key) in found {
        call.arg(entry).arg(longest.get()).arg(&result_key);
    }
    numbers
}

fn add_flat(call: &mut Cmd, context: &mut Context<'_>, part: &Part<'_>, writes: &[Write]) {
    let items = || part.items.iter().map(|item| &writes[*item]);
    let mut text = String::with_capacity(part.items.len() * LINE);
    items().for_each(|write| write_line(&write.line, &mut text));
    let slots: u64 = items().map(|write| write.line.count).sum();
    call.arg("flat").arg(slots).arg(text);
    let (field, counts) =
        (context.field(&part.queue.name), counts(items().map(|write| &write.line)));
    call.arg(counts.len());
    for (outcome, slots) in counts {
        call.arg(format!("{field}{outcome}")).arg(slots);
    }
    let messages = || items().filter_map(|write| Some(&write.message.as_ref()?.writes));
    let commands = merged(messages());
    call.arg(commands.len());
    for words in commands {
        call.arg(words.len());
        for word in words {
            call.arg(&*word);
        }
    }
    call.arg(messages().count());
    for writes in messages() {
        call.arg(&writes.element);
    }
}

fn add_guarded(
    call: &mut Cmd,
    context: &mut Context<'_>,
    part: &Part<'_>,
    writes: &[Write],
    alone: &HashMap<&str, usize>,
) {
    let lists = part.queue.lists();
    call.arg("guarded").arg(context.field(&part.queue.name)).arg(lists.len()).arg(lists);
    call.arg(part.items.len());
    for Write { line, message, guards, .. } in part.items.iter().map(|item| &writes[*item]) {
        let Line { entry, slot, outcome, count, delay, .. } = line;
        let mut text = String::new();
        write_line(line, &mut text);
        let slot = slot.0.to_string();
        let rest = text.get(entry.len() + 1 + slot.len()..).unwrap_or_default();
        let mut when_skipped = String::new();
        if !delay.is_zero() {
            // Writing to a String cannot fail.
            let _ = write!(when_skipped, "\td={}", delay.as_millis());
        }
        let task_id = line.task_id.unwrap_or_else(|| context.ids.id(entry, line.slot));
        call.arg(&**entry).arg(slot).arg(rest).arg(when_skipped).arg(*count);
        call.arg(outcome.as_str()).arg(alone.get(&**entry).copied().unwrap_or(0));
        call.arg(guards.max_queued.map_or(0, std::num::NonZeroU32::get));
        call.arg(task_id.to_string());
        let writes = message.as_ref().map(|message| &message.writes);
        add_commands(call, writes.map_or(&[], |writes| &writes.before));
        match writes {
            Some(writes) => call.arg(1).arg(&writes.element),
            None => call.arg(0),
        };
    }
}

/// Adds commands that run first, as `push.lua` reads them.
pub(super) fn add_commands(call: &mut Cmd, commands: &[RedisCommand]) {
    call.arg(commands.len());
    for words in commands {
        let words = with_short_name(words);
        call.arg(words.len()).arg(words);
    }
}
