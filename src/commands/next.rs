//! `next`: coming slots.

use std::collections::BinaryHeap;
use std::num::NonZeroU32;

use serde::Serialize;

use super::{Exit, Failure, configuration, list, load_schedule, show};
use crate::by_hand;
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{ServiceConfig, instant};
use crate::schedule::{Entry, UnixMs, Zone};
use crate::service::status::EntryStatus;

/// One slot, as printed.
#[derive(Debug, Serialize)]
struct Slot<'a> {
    entry: &'a str,
    slot: String,
    slot_utc: String,
    /// What is unusual about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

pub(super) fn next(flags: ServiceFlags, asked: &cli::Next) -> Result<Exit, Failure> {
    let service = configuration(flags, Exit::Usage)?;
    let schedule = load_schedule(&service)?;
    let entries: Vec<&Entry> = if asked.entries.is_empty() {
        schedule.entries.iter().filter(|entry| entry.enabled).collect()
    } else {
        let found = asked.entries.iter().map(|name| by_hand::find(&schedule, name));
        found.collect::<Result<_, _>>()?
    };
    let slots = slots(&entries, left(&service, &entries)?, asked)?;
    if asked.output.json {
        show::json(&slots)?;
    } else {
        let row = |slot: &Slot<'_>| {
            let row = [slot.slot.clone(), slot.slot_utc.clone(), slot.entry.to_owned()];
            row.into_iter().chain(slot.note.clone()).collect::<Vec<_>>()
        };
        let rows: Vec<_> = slots.iter().map(row).collect();
        show::table(&["SLOT", "UTC", "ENTRY"], &rows)?;
    }
    Ok(Exit::Fine)
}

/// How many slots each entry still has: those that its limit leaves, if it has one.
fn left(service: &ServiceConfig, entries: &[&Entry]) -> Result<Vec<u64>, Failure> {
    if entries.iter().all(|entry| entry.guards.limit.is_none()) {
        return Ok(vec![u64::MAX; entries.len()]);
    }
    let known = list::entries(service)?;
    let left = |entry: &&Entry| {
        let found = known.binary_search_by(|known| (*known.entry).cmp(&*entry.name));
        let limit = entry.guards.limit.map(NonZeroU32::get);
        // The service may not have taken up an edited limit yet, which starts a new life.
        let same = found.ok().map(|at| &known[at]).filter(|known| known.limit == limit);
        if let Some(limit) = same.and_then(EntryStatus::reached_limit) {
            eprintln!("downbeat: `{}` is done: limit of {limit} reached", entry.name);
        }
        entry.guards.remaining(same.and_then(|known| known.sent).unwrap_or(0))
    };
    Ok(entries.iter().map(left).collect())
}

/// The first slots of all entries together, in order; after now as many as an entry has `left`.
fn slots<'a>(
    entries: &[&'a Entry],
    mut left: Vec<u64>,
    asked: &cli::Next,
) -> Result<Vec<Slot<'a>>, Failure> {
    use std::cmp::Reverse;
    let now = clock::wall();
    let mut coming = BinaryHeap::new();
    for (index, entry) in entries.iter().enumerate() {
        let from = time(entry, "--from", asked.from.as_deref())?.unwrap_or(now);
        let to = time(entry, "--to", asked.to.as_deref())?.unwrap_or(UnixMs::MAX);
        // `--from` itself counts.
        let before = UnixMs(from.0.saturating_sub(1));
        if entry.guards.limit.is_some() {
            left[index] -= entry.count_slots(now, before, left[index]);
        }
        if let Some(slot) = entry.next_slot(before) {
            coming.push(Reverse((slot, index, to, from)));
        }
    }
    let mut slots = Vec::new();
    while let Some(Reverse((slot, index, to, before))) = coming.pop() {
        if slots.len() == asked.count {
            break;
        }
        if slot >= to || (slot > now && left[index] == 0) {
            continue;
        }
        let entry = entries[index];
        left[index] -= u64::from(slot > now);
        let last = entry.guards.limit.filter(|_| slot > now && left[index] == 0);
        let last = last.map(|limit| format!("the last: limit of {limit}"));
        slots.push(Slot {
            entry: &entry.name,
            slot: entry.zone.to_rfc3339(slot),
            slot_utc: slot.to_string(),
            note: clock_change(&entry.zone, before, slot).or(last),
        });
        if let Some(next) = entry.next_slot(slot) {
            coming.push(Reverse((next, index, to, slot)));
        }
    }
    Ok(slots)
}

/// Between an entry's last slot and this one, its zone's clock was set.
fn clock_change(zone: &Zone, before: UnixMs, slot: UnixMs) -> Option<String> {
    let offset = |at: UnixMs| {
        let shown = zone.to_rfc3339(at);
        shown[shown.len() - "+00:00".len()..].to_owned()
    };
    let changed = zone.offset_at(before) != zone.offset_at(slot);
    changed.then(|| format!("clock change: {} to {}", offset(before), offset(slot)))
}

fn time(entry: &Entry, flag: &str, text: Option<&str>) -> Result<Option<UnixMs>, Failure> {
    let parse = |text: &str| instant::parse(text, &entry.zone);
    let refuse = |error| Failure::usage(format!("{flag}: {error}; {}", instant::HINT));
    text.map(parse).transpose().map_err(refuse)
}
