//! `next`: shows future slots.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, IsTerminal as _};
use std::num::NonZeroU32;
use std::time::Duration;

use downbeat_time::{Origin, UnixMs};
use serde::Serialize;

use super::{Exit, Failure, configuration, list, load_schedule, service_notes, show, times};
use crate::cli::{self, ServiceFlags};
use crate::config::{Caller, ServiceConfig};
use crate::schedule::Entry;
use crate::service::status::EntryStatus;
use crate::text::duration;
use crate::{clock, refused};

/// Maximum number of slots without `--count`.
const MAX_SLOTS: usize = 10_000;
/// Slots left out are counted up to this number.
const MAX_LEFT_OUT: u64 = 1000;
/// Minimum time between two slots.
const INSTANT: Duration = Duration::from_millis(1);

/// One slot as printed.
#[derive(Debug, Serialize)]
struct Slot<'a> {
    entry: &'a str,
    slot: String,
    slot_utc: String,
    /// The slot before it was moved to another day, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    nominal_slot: Option<String>,
    /// Notes for people about this slot.
    notes: Vec<String>,
    #[serde(skip)]
    at: UnixMs,
}

pub(super) fn next(flags: ServiceFlags, asked: &cli::Next) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let now = clock::wall();
    let schedule = load_schedule(&service)?;
    let entries: Vec<&Entry> = if asked.entries.is_empty() {
        schedule.entries.iter().filter(|entry| entry.enabled).collect()
    } else {
        let found = asked.entries.iter().map(|name| refused::find(&schedule, name));
        found.collect::<Result<_, _>>()?
    };
    let left = left(&service, &entries, now)?;
    let (slots, rest) = slots(&entries, left, asked, now)?;
    if asked.output.json {
        show::json(&slots)?;
    } else {
        print(&slots, now)?;
        service_notes::complain(&service);
    }
    if asked.count.is_none()
        && let Some(rest) = rest
    {
        show::complain(&format!(
            "downbeat: stopped after {MAX_SLOTS} slots; continue with --from {rest}, or set --count"
        ));
    }
    Ok(Exit::Fine)
}

const IN_PIPE: [show::Column; 4] = [
    show::Column::whole("SLOT"),
    show::Column::whole("UTC"),
    show::Column::whole("ENTRY"),
    show::Column::whole("NOTES"),
];
const ON_TERMINAL: [show::Column; 4] = [
    show::Column::whole("SLOT"),
    show::Column::whole("IN"),
    show::Column::cut("ENTRY", 12),
    show::Column::whole("NOTES").or(""),
];

fn print(slots: &[Slot<'_>], now: UnixMs) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        let left = |slot: &Slot<'_>| match slot.at > now {
            true => duration::in_words(slot.at.since(now)),
            false => "past".to_owned(),
        };
        let row = |slot: &Slot<'_>| {
            let time = show::short_time(&slot.slot);
            vec![time, left(slot), slot.entry.to_owned(), slot.notes.join("; ")]
        };
        return show::table(&ON_TERMINAL, &slots.iter().map(row).collect::<Vec<_>>());
    }
    let row = |slot: &Slot<'_>| {
        let row = [slot.slot.clone(), slot.slot_utc.clone(), slot.entry.to_owned()];
        let notes = (!slot.notes.is_empty()).then(|| slot.notes.join("; "));
        row.into_iter().chain(notes).collect::<Vec<_>>()
    };
    show::table(&IN_PIPE, &slots.iter().map(row).collect::<Vec<_>>())
}

/// How many slots each entry has left: as many as its limit allows, if it has one.
fn left(service: &ServiceConfig, entries: &[&Entry], now: UnixMs) -> Result<Vec<u64>, Failure> {
    if entries.iter().all(|entry| entry.guards.limit.is_none()) {
        return Ok(vec![u64::MAX; entries.len()]);
    }
    let (known, _) = list::entries(service, now)?;
    let left = |entry: &&Entry| {
        let found = known.binary_search_by(|known| (*known.entry).cmp(&*entry.name));
        let limit = entry.guards.limit.map(NonZeroU32::get);
        // The service may not have applied an edited limit yet, which starts a new registration.
        let same = found.ok().map(|at| &known[at]).filter(|known| known.limit == limit);
        if let Some(limit) = same.and_then(EntryStatus::reached_limit) {
            show::complain(&format!(
                "downbeat: `{}` is done: it has reached its limit of {limit}",
                entry.name
            ));
        }
        entry.guards.remaining(same.and_then(|known| known.sent).unwrap_or(0))
    };
    Ok(entries.iter().map(left).collect())
}

/// The first slots of all entries in order, at most `left` after now for each; and the time of the one
/// after them. Without `--count` or `--to`, only the first slot of each entry.
fn slots<'a>(
    entries: &[&'a Entry],
    mut left: Vec<u64>,
    asked: &cli::Next,
    now: UnixMs,
) -> Result<(Vec<Slot<'a>>, Option<UnixMs>), Failure> {
    let is_one_each = asked.count.is_none() && asked.to.is_none();
    let count = asked.count.unwrap_or(if is_one_each { usize::MAX } else { MAX_SLOTS });
    let mut coming = BinaryHeap::new();
    for (index, entry) in entries.iter().enumerate() {
        let time = |flag, text| times::ahead(flag, text, &entry.zone, now);
        let from = time("--from", asked.from.as_deref())?.unwrap_or(now);
        let to = time("--to", asked.to.as_deref())?.unwrap_or(UnixMs::MAX);
        // `--from` itself counts.
        let before = from - INSTANT;
        if entry.guards.limit.is_some() {
            left[index] -= entry.count_slots(now, before, left[index]);
        }
        if let Some(slot) = entry.next_slot(before).filter(|slot| *slot < to) {
            coming.push(Reverse((slot, index, to)));
        }
    }
    let mut slots = Vec::new();
    while let Some(Reverse((slot, index, to))) = coming.pop() {
        if slot > now && left[index] == 0 {
            continue;
        }
        if slots.len() == count {
            return Ok((slots, Some(slot)));
        }
        let entry = entries[index];
        left[index] -= u64::from(slot > now);
        let is_last = slot > now && left[index] == 0;
        slots.push(Slot {
            entry: &entry.name,
            slot: entry.zone.to_rfc3339(slot),
            slot_utc: slot.to_string(),
            nominal_slot: entry.moved_from(slot).map(|at| entry.zone.to_rfc3339(at)),
            notes: notes(entry, slot, is_last),
            at: slot,
        });
        let next = entry.next_slot(slot).filter(|next| !is_one_each && *next < to);
        coming.extend(next.map(|next| Reverse((next, index, to))));
    }
    Ok((slots, None))
}

/// What is special about a slot; the last one reaches its entry's limit.
fn notes(entry: &Entry, slot: UnixMs, is_last: bool) -> Vec<String> {
    let limit = entry.guards.limit.filter(|_| is_last);
    let notes = [
        entry
            .about
            .as_ref()
            .and_then(|about| Some(format!("hashed: {}", about.resolved.as_ref()?))),
        entry.clock_change(slot).map(|change| change.to_string()),
        nominal(entry, slot),
        left_out(entry, slot),
        held_back(entry, slot),
        limit.map(|limit| format!("the last: limit of {limit}")),
    ];
    notes.into_iter().flatten().collect()
}

/// From which day a slot was moved, and which date and time count if a clock change moved it over midnight.
fn nominal(entry: &Entry, slot: UnixMs) -> Option<String> {
    let Origin { slot: there, nominal } = entry.origin(slot);
    let counts = there
        .changed_date(&entry.zone)
        .then(|| format!("counts as {}", there.reading().strftime("%F %R")));
    let moved = (nominal != there).then(|| format!("moved from {}", nominal.reading().date()));
    let notes: Vec<String> = moved.into_iter().chain(counts).collect();
    (!notes.is_empty()).then(|| notes.join(", "))
}

/// How many slots before this one the entry leaves out.
fn left_out(entry: &Entry, slot: UnixMs) -> Option<String> {
    let bounds = entry.bounds.as_ref().filter(|bounds| !bounds.except.is_empty())?;
    let nominal = |slot| entry.origin(slot).nominal.at;
    let until = nominal(slot) - INSTANT;
    let start = bounds.start.map_or(UnixMs::MIN, |start| start - INSTANT);
    let after = entry.last_slot(start, slot - INSTANT).map_or(start, nominal);
    match entry.timing.count_between(&entry.zone, after, until, MAX_LEFT_OUT) {
        0 => None,
        1 => Some("1 slot before it left out".to_owned()),
        MAX_LEFT_OUT => Some(format!("{MAX_LEFT_OUT} slots or more before it left out")),
        count => Some(format!("{count} slots before it left out")),
    }
}

/// When its message is due, if later than the slot.
fn held_back(entry: &Entry, slot: UnixMs) -> Option<String> {
    let due = entry.due(slot);
    let (local, day) = (entry.zone.to_local(due), entry.zone.to_local(slot).date());
    let date = if local.date() == day { String::new() } else { format!("{} ", local.date()) };
    (due > slot).then(|| format!("due {date}{}", local.time()))
}
