//! Reads the history, and drops what need not be kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use downbeat_time::UnixMs;
use redis::Value;

use super::lua;
use super::reading::{MIN_RECORDS, Source, next_count};
use super::reply::{list, text};
use crate::schedule::outcome::Line;
use crate::store::contract::{
    History, HistoryQuery, MAX_TRIMMED, PastEvent, StoreError, Trim, Trimmed,
};
use crate::store::journal::{Record, RecordId};
use crate::store::last_outcomes::{self, MAX_TEXT};

/// The number of oldest records read first; it doubles each time, because a record may hold hundreds of slots or
/// one.
const FIRST_RECORDS: usize = 2;
/// How much older a record can be than a slot in it, in milliseconds.
const MAX_AHEAD_MS: i64 = 1_000;

/// Drops some of the oldest records.
pub(super) async fn trim(source: &Source, request: &Trim) -> Result<Trimmed, StoreError> {
    let overview = source.overview().await?;
    let (Some(folded), Some((head, total))) = (overview.folded(), overview.head()) else {
        return Ok(Trimmed { slots: 0, more: false });
    };
    let (records, mut more) = oldest_records(source).await?;
    let is_dispensable = |record: &&Record| {
        let is_old = overview.now.since(record.id.at()) > request.keep;
        let is_far = total.saturating_sub(record.total) >= request.slots;
        (is_old || is_far) && record.id <= folded && record.id < head
    };
    let mut dropped: Vec<&Record> = Vec::new();
    let mut slots = 0;
    for record in records.iter().take_while(is_dispensable) {
        if slots >= MAX_TRIMMED {
            more = true;
            break;
        }
        slots += slots_of(record);
        dropped.push(record);
    }
    more &= records.get(dropped.len()).as_ref().is_none_or(is_dispensable);
    let (Some(oldest), Some(newest)) = (dropped.first(), dropped.last()) else {
        return Ok(Trimmed { slots: 0, more: false });
    };
    let is_done = drop_records(source, request, (oldest.id, newest.id), &dropped).await?;
    Ok(if is_done { Trimmed { slots, more } } else { Trimmed { slots: 0, more: false } })
}

/// Reads the oldest records with at least [`MAX_TRIMMED`] slots, if there are that many, and no more records
/// than that takes if each holds one slot. Returns whether more may follow.
async fn oldest_records(source: &Source) -> Result<(Vec<Record>, bool), StoreError> {
    let (mut records, mut count) = (Vec::<Record>::new(), FIRST_RECORDS);
    loop {
        let from = records.last().map_or_else(|| "-".to_owned(), |last| format!("({}", last.id));
        let (page, more) = source.records((&from, "+"), count, false).await?;
        records.extend(page);
        count = next_count(count, &records);
        let slots: u64 = records.iter().map(slots_of).sum();
        if !more || slots >= MAX_TRIMMED || records.len() as u64 >= MAX_TRIMMED {
            return Ok((records, more));
        }
    }
}

fn slots_of(record: &Record) -> u64 {
    record.lines.iter().map(|line| line.count).sum()
}

/// Drops records from `oldest` to `newest`, and keeps their entries' last outcomes.
async fn drop_records(
    source: &Source,
    request: &Trim,
    (oldest, newest): (RecordId, RecordId),
    dropped: &[&Record],
) -> Result<bool, StoreError> {
    let keys = &source.keys;
    let mut by_entry: HashMap<&Arc<str>, Vec<(UnixMs, &Line)>> = HashMap::new();
    for record in dropped {
        for line in &record.lines {
            by_entry.entry(&line.entry).or_default().push((record.id.at(), line));
        }
    }
    let entries: Vec<_> = by_entry.into_iter().collect();
    let mut call = lua::call(&lua::FIELDS, &[keys.outcomes()]);
    call.arg(MAX_TEXT);
    for (entry, _) in &entries {
        call.arg(&***entry);
    }
    let kept = list(source.requests.ask_repeatable(call).await?)?;
    let keys = [keys.lease(), keys.outcomes(), keys.head(), keys.journal(), keys.counters()];
    let mut call = lua::call(&lua::TRIM, &keys);
    call.arg(&*request.lease).arg(oldest.to_string());
    let RecordId { ms, number } = newest;
    call.arg(RecordId { ms, number: number.saturating_add(1) }.to_string());
    call.arg(2 * entries.len());
    for (index, (entry, lines)) in entries.into_iter().enumerate() {
        let before = kept.get(index).and_then(text).unwrap_or_default();
        call.arg(&**entry).arg(last_outcomes::add(&before, lines, request.outcomes));
    }
    Ok(source.requests.ask(call).await? == Value::Int(1))
}

/// Reads the history from the journal and the kept outcomes.
pub(super) async fn history(source: &Source, query: &HistoryQuery) -> Result<History, StoreError> {
    let mut events = VecDeque::new();
    let mut more = read_journal(source, query, &mut events).await?;
    if !more {
        let mut kept = read_outcomes(source, query, &events).await?;
        more = kept.len() > query.limit - events.len();
        kept.truncate(query.limit - events.len());
        kept.into_iter().for_each(|event| events.push_front(event));
    }
    Ok(History { events: events.into(), more })
}

/// Reads the journal from its end until there are enough events; returns whether there are more.
async fn read_journal(
    source: &Source,
    query: &HistoryQuery,
    events: &mut VecDeque<PastEvent>,
) -> Result<bool, StoreError> {
    // A slot is never recorded before its time.
    let from = query.from.map_or(0, |from| from.0.saturating_sub(MAX_AHEAD_MS).max(0));
    let (first, mut last, mut count) = (from.to_string(), "+".to_owned(), MIN_RECORDS);
    loop {
        let (records, more) = source.records((&first, &last), count, true).await?;
        for record in &records {
            for line in record.lines.iter().rev().filter(|line| is_asked_for(line, query)) {
                if events.len() >= query.limit {
                    return Ok(true);
                }
                events.push_front(PastEvent {
                    at: record.id.at(),
                    term: record.term,
                    queue: Some(Arc::clone(&record.queue)),
                    line: line.clone(),
                });
            }
        }
        match records.last() {
            Some(oldest) if more => last = format!("({}", oldest.id),
            _ => return Ok(false),
        }
        count = next_count(count, &records);
    }
}

fn is_asked_for(line: &Line, query: &HistoryQuery) -> bool {
    query.entry.as_ref().is_none_or(|entry| *entry == line.entry)
        && query.from.is_none_or(|from| line.slot >= from)
        && query.to.is_none_or(|to| line.slot < to)
}

/// Whether the event is in the list, which is in the order of recording.
fn is_among(events: &VecDeque<PastEvent>, event: &PastEvent) -> bool {
    let first = events.partition_point(|other| other.at < event.at);
    let mut at_once = events.range(first..).take_while(|other| other.at == event.at);
    at_once.any(|other| other.line.slot == event.line.slot && other.line.entry == event.line.entry)
}

/// Reads the outcomes that trimming kept, without events already read before they were dropped: as many as there
/// is room for and one more, newest first.
/// as there is room for and one more, newest first.
async fn read_outcomes(
    source: &Source,
    query: &HistoryQuery,
    events: &VecDeque<PastEvent>,
) -> Result<Vec<PastEvent>, StoreError> {
    let mut found: Vec<PastEvent> = Vec::new();
    let room = (query.limit - events.len()).saturating_add(1);
    let cut = |found: &mut Vec<PastEvent>| {
        found.sort_by_key(|event| std::cmp::Reverse((event.at, event.line.slot)));
        found.truncate(room);
    };
    let mut add = |entry: &Arc<str>, text: &str| {
        let kept = last_outcomes::read(entry, text);
        let is_wanted =
            |event: &PastEvent| is_asked_for(&event.line, query) && !is_among(events, event);
        found.extend(kept.filter(is_wanted));
        if found.len() > room.saturating_mul(2).max(10_000) {
            cut(&mut found);
        }
    };
    let key = source.keys.outcomes();
    if let Some(entry) = &query.entry {
        let mut call = lua::call(&lua::FIELDS, &[key]);
        call.arg(MAX_TEXT).arg(&**entry);
        let kept = list(source.requests.ask_repeatable(call).await?)?;
        add(entry, &kept.first().and_then(text).unwrap_or_default());
    } else {
        // Anything else under the key is not history.
        source
            .scan(&key, MAX_TEXT, |entry, found| {
                if let (Ok(entry), Some(text)) =
                    (std::str::from_utf8(entry), found.read(|text| Some(text.to_owned())))
                {
                    add(&entry.into(), &text);
                }
            })
            .await?;
    }
    cut(&mut found);
    Ok(found)
}
