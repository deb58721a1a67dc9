//! Reads what stands in Redis. Whatever that is, reading ends, what it takes is bounded, and what
//! cannot be read concerns its own entry alone.

use std::sync::Arc;

use redis::Value;

use super::counted::CountedQueues;
use super::keys::Keys;
use super::reply::{instant, list, odd, text};
use super::requests::Requests;
use super::{first_format, lua, writing};
use crate::schedule::UnixMs;
use crate::schedule::outcome::Outcome;
use crate::schedule::progress::Completeness;
use crate::store::contract::{Counters, Snapshot, StoreError};
use crate::store::journal::{
    MAX_RECORD, MAX_UNREADABLE, Record, RecordId, read_instant, read_lines, shortened,
};
use crate::store::text::{
    MAX_PROGRESS, MAX_REGISTRATION, read_count, read_progress, read_registration, read_sequence,
};

/// Fields of a hash that are read at once.
const PAGE: usize = 1_000;
/// Records that are read at once.
const RECORDS: usize = 30;
/// No more entries are read.
const MAX_ENTRIES: usize = 4_000_000;
/// No more slots are read of the journal: many times what is folded at once.
const MAX_SLOTS: usize = 1_000_000;
/// The first format's marker is the time at which it was written.
const FIRST_TIME: u64 = 1_000_000_000;

/// Where to read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) requests: Requests,
    pub(super) keys: Keys,
}

/// What cannot be read.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    pub(super) named: Vec<(Arc<str>, String)>,
    pub(super) count: usize,
}

impl Unreadable {
    pub(super) fn add(&mut self, entry: &[u8], what: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < MAX_UNREADABLE {
            let name = String::from_utf8_lossy(&entry[..entry.len().min(255)]);
            self.named.push((name.into(), what()));
        }
    }

    pub(super) fn append(&mut self, other: Unreadable) {
        self.count += other.count;
        self.named.extend(other.named);
        self.named.truncate(MAX_UNREADABLE);
    }
}

/// A value of a hash.
pub(super) enum Found<'v> {
    Whole(&'v [u8]),
    /// It was left where it is; its length.
    TooLong(i64),
}

impl Found<'_> {
    /// The value, if it is a text that `read` understands.
    pub(super) fn read<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        match self {
            Found::Whole(value) => read(std::str::from_utf8(value).ok()?),
            Found::TooLong(_) => None,
        }
    }

    /// What it is, fit to be shown.
    pub(super) fn shown(&self, of: &str) -> String {
        match self {
            Found::Whole(value) => format!("{of}: {}", shortened(value)),
            Found::TooLong(length) => format!("{of}: a value of {length} bytes"),
        }
    }
}

impl Source {
    /// Goes through a hash page by page. Gives what is in its place if that is no hash.
    pub(super) async fn scan(
        &self,
        key: &str,
        longest: usize,
        mut each: impl FnMut(&[u8], &Found<'_>),
    ) -> Result<Option<String>, StoreError> {
        let (mut cursor, mut left) = ("0".to_owned(), MAX_ENTRIES);
        loop {
            let mut call = lua::call(&lua::PAGE, &[key.to_owned()]);
            call.arg(&cursor).arg(PAGE).arg(longest);
            let page = list(self.requests.ask(call).await?)?;
            let Some((first, fields)) = page.split_first() else { return Err(odd()) };
            let first = text(first).ok_or_else(odd)?;
            if first == "wrong" {
                return Ok(Some(fields.first().and_then(text).unwrap_or_default()));
            }
            for pair in fields.chunks_exact(2) {
                let found = match &pair[1] {
                    Value::Int(length) => Found::TooLong(*length),
                    Value::BulkString(value) => Found::Whole(value),
                    _ => return Err(odd()),
                };
                let Value::BulkString(name) = &pair[0] else { return Err(odd()) };
                each(name, &found);
                left = left.saturating_sub(1);
            }
            if first == "0" || left == 0 {
                return Ok(None);
            }
            cursor = first;
        }
    }

    /// What is not a hash, and a page of the journal from `first` to `last`; from its end if `newest`.
    pub(super) async fn overview(
        &self,
        (first, last): (&str, &str),
        count: usize,
        newest: bool,
    ) -> Result<Overview, StoreError> {
        let keys = &self.keys;
        let keys = [keys.sequence(), keys.marker(), keys.folded(), keys.head(), keys.journal()];
        let mut call = lua::call(&lua::OVERVIEW, &keys);
        call.arg(first).arg(last).arg(count).arg(MAX_RECORD);
        call.arg(if newest { "XREVRANGE" } else { "XRANGE" });
        Overview::read(self.requests.ask(call).await?).ok_or_else(odd)
    }
}

/// What is not a hash.
#[derive(Debug)]
pub(super) struct Overview {
    pub(super) now: UnixMs,
    pub(super) sequence: String,
    pub(super) marker: String,
    folded: String,
    head: String,
    problem: String,
    pub(super) records: Vec<Record>,
}

/// What the marker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Format {
    None,
    First,
    Second,
    Newer(u64),
    Unreadable,
}

pub(super) fn format(marker: &str) -> Format {
    match marker.parse::<u64>() {
        _ if marker.is_empty() => Format::None,
        Ok(1 | FIRST_TIME..) => Format::First,
        Ok(2) => Format::Second,
        Ok(number @ 3..) => Format::Newer(number),
        _ => Format::Unreadable,
    }
}

impl Overview {
    fn read(answer: Value) -> Option<Overview> {
        let fields = list(answer).ok()?;
        let [now, sequence, marker, folded, head, problem, records @ ..] = fields.as_slice() else {
            return None;
        };
        Some(Overview {
            now: instant(now)?,
            sequence: text(sequence)?,
            marker: text(marker)?,
            folded: text(folded)?,
            head: text(head)?,
            problem: text(problem)?,
            records: records.iter().map(record).collect::<Option<_>>()?,
        })
    }

    pub(super) fn folded(&self) -> Option<RecordId> {
        self.folded.parse().ok()
    }

    /// The newest record and how many slots the chain has.
    pub(super) fn head(&self) -> Option<(RecordId, u64)> {
        let (id, total) = self.head.split_once(' ')?;
        Some((id.parse().ok()?, read_count(total)?))
    }
}

/// A record, as far as it is one.
fn record(answer: &Value) -> Option<Record> {
    let Value::Array(fields) = answer else { return None };
    let (id, fields) = fields.split_first()?;
    let mut record = Record {
        id: text(id)?.parse().ok()?,
        before: None,
        term: None,
        queue: "".into(),
        total: 0,
        lines: Vec::new(),
        unreadable: Vec::new(),
    };
    for pair in fields.chunks_exact(2) {
        let value = text(&pair[1]).unwrap_or_default();
        match text(&pair[0]).as_deref() {
            Some("before") => record.before = value.parse().ok(),
            Some("term") => record.term = value.parse().ok(),
            Some("queue") => record.queue = value.into(),
            Some("total") => record.total = read_count(&value).unwrap_or(0),
            Some("lines") => match &pair[1] {
                Value::BulkString(lines) => {
                    (record.lines, record.unreadable) = read_lines(lines);
                }
                Value::Int(length) => {
                    record.unreadable.push((None, format!("a record of {length} bytes")));
                }
                _ => return None,
            },
            _ => {}
        }
    }
    Some(record)
}

/// Everything known of the namespace.
pub(super) async fn snapshot(source: &Source) -> Result<Snapshot, StoreError> {
    for _ in 0..3 {
        let (snapshot, is_moved) = snapshot_once(source).await?;
        // Somebody folded and trimmed meanwhile; under the reader's own lease nobody does.
        if !is_moved || snapshot.is_chain_whole() {
            return Ok(snapshot);
        }
    }
    Ok(snapshot_once(source).await?.0)
}

/// The snapshot, and whether the journal was folded meanwhile.
async fn snapshot_once(source: &Source) -> Result<(Snapshot, bool), StoreError> {
    let first = source.overview(("-", "+"), 1, true).await?;
    match format(&first.marker) {
        Format::First => return Ok((first_format::snapshot(source, &first).await?, false)),
        Format::Newer(number) => return Err(newer(number)),
        Format::None | Format::Second | Format::Unreadable => {}
    }
    let mut unreadable = Unreadable::default();
    let keys = &source.keys;
    let registrations = read_hash(
        source,
        keys.registrations(),
        "registration",
        MAX_REGISTRATION,
        read_registration,
    );
    let progress = read_hash(source, keys.progress(), "progress", MAX_PROGRESS, read_progress);
    let intents = read_hash(source, keys.intents(), "intent", MAX_PROGRESS, read_intent);
    let (registrations, progress, intents) = tokio::join!(registrations, progress, intents);
    let (registrations, progress, intents) = (registrations?, progress?, intents?);
    let mut snapshot = Snapshot::default();
    let folded = first.folded();
    let last = read_journal(source, folded, &mut snapshot).await?;
    snapshot.now = last.now;
    snapshot.sequence = read_sequence(&last.sequence);
    snapshot.folded = folded;
    snapshot.head = last.head().map(|(id, _)| id);
    snapshot.completeness = match format(&last.marker) {
        Format::None => Completeness::Empty,
        Format::Second if registrations.is_sealed && progress.is_sealed => Completeness::Whole,
        _ => Completeness::Damaged,
    };
    for (name, value, is_readable) in [
        ("marker", &last.marker, format(&last.marker) != Format::Unreadable),
        ("sequence", &last.sequence, is_sequence(&last.sequence)),
        ("folded", &last.folded, last.folded.is_empty() || last.folded().is_some()),
        ("head", &last.head, last.head.is_empty() || last.head().is_some()),
        ("journal", &last.problem, last.problem.is_empty()),
    ] {
        if !is_readable {
            unreadable.add(b"", || format!("{name}: {}", shortened(value.as_bytes())));
        }
    }
    for other in [registrations.unreadable, progress.unreadable, intents.unreadable] {
        unreadable.append(other);
    }
    snapshot.registrations = registrations.values;
    snapshot.progress = progress.values;
    snapshot.intents = intents.values;
    snapshot.unreadable = unreadable.named;
    snapshot.unreadable_count = unreadable.count;
    Ok((snapshot, last.folded() != folded))
}

pub(super) fn newer(format: u64) -> StoreError {
    StoreError::Unusable(format!(
        "the namespace is kept in format {format}, by a newer version than this one"
    ))
}

fn is_sequence(text: &str) -> bool {
    ["", "0"].contains(&text) || read_sequence(text) > 0
}

/// The values of a hash by entry name.
pub(super) struct Hash<T> {
    pub(super) values: Vec<(Box<str>, T)>,
    /// The seal is there: it is the hash that was written last.
    is_sealed: bool,
    pub(super) unreadable: Unreadable,
}

pub(super) async fn read_hash<T>(
    source: &Source,
    key: String,
    what: &str,
    longest: usize,
    read: fn(&str) -> Option<T>,
) -> Result<Hash<T>, StoreError> {
    let mut hash = Hash { values: Vec::new(), is_sealed: false, unreadable: Unreadable::default() };
    let Hash { values, is_sealed, unreadable } = &mut hash;
    let wrong = source
        .scan(&key, longest, |name, found| {
            if name.is_empty() {
                *is_sealed = found.read(|seal| (seal == writing::FORMAT).then_some(())).is_some();
                return;
            }
            let entry = std::str::from_utf8(name).ok().filter(|name| name.len() <= MAX_NAME);
            match entry.zip(found.read(read)) {
                Some((entry, value)) => values.push((entry.into(), value)),
                None => unreadable.add(name, || found.shown(what)),
            }
        })
        .await?;
    if let Some(wrong) = wrong {
        hash.unreadable.add(b"", || format!("{what}: a {wrong} instead of a hash"));
    }
    Ok(hash)
}

/// Bytes of an entry's name.
const MAX_NAME: usize = 255;

/// A slot; older versions have two words behind it.
pub(super) fn read_intent(text: &str) -> Option<UnixMs> {
    read_instant(text.strip_suffix(" intended -").unwrap_or(text))
}

/// Reads the records behind `folded`. Gives what else was there when the last of them was read.
async fn read_journal(
    source: &Source,
    folded: Option<RecordId>,
    snapshot: &mut Snapshot,
) -> Result<Overview, StoreError> {
    let mut from = folded.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
    let mut slots = 0;
    loop {
        let mut page = source.overview((&from, "+"), RECORDS, false).await?;
        let records = std::mem::take(&mut page.records);
        slots += records.iter().map(|record| 1 + record.lines.len()).sum::<usize>();
        let is_last = records.len() < RECORDS || slots > MAX_SLOTS;
        if let Some(last) = records.last() {
            from = format!("({}", last.id);
        }
        snapshot.journal.extend(records);
        if is_last {
            return Ok(page);
        }
    }
}

/// Fields of counters that are read: several outcomes of as many queues as are counted apart.
const MAX_COUNTERS: usize = 4_000;

/// Goes through the counters.
async fn scan_counters(
    source: &Source,
    mut each: impl FnMut(&str, &'static str, u64),
) -> Result<(), StoreError> {
    let mut left = MAX_COUNTERS;
    let key = source.keys.counters();
    // Whatever else is in their place counts as nothing.
    source
        .scan(&key, MAX_COUNT, |name, found| {
            let field = std::str::from_utf8(name).ok().and_then(|field| field.rsplit_once('\t'));
            let Some((queue, word)) = field else { return };
            let outcome = Outcome::from_word(word).map(Outcome::as_str);
            if let Some((outcome, count)) = outcome.zip(found.read(read_count))
                && left > 0
            {
                left -= 1;
                each(queue, outcome, count);
            }
        })
        .await
        .map(drop)
}

/// Digits of a counter.
const MAX_COUNT: usize = 20;

/// How many slots had which outcome.
pub(super) async fn counters(source: &Source) -> Result<Counters, StoreError> {
    let mut counters = Counters::default();
    let all = &mut counters.0;
    scan_counters(source, |queue, outcome, count| {
        all.insert((queue.into(), outcome), count);
    })
    .await?;
    Ok(counters)
}

/// The queues that are counted apart already.
pub(super) async fn counted_queues(source: &Source) -> Result<CountedQueues, StoreError> {
    let mut counted = CountedQueues::default();
    scan_counters(source, |queue, _, _| counted.add(queue)).await?;
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_tells_the_format() {
        assert_eq!(format(""), Format::None);
        assert_eq!(format("1798761600000"), Format::First);
        assert_eq!(format("2"), Format::Second);
        assert_eq!(format("3"), Format::Newer(3));
        for garbage in ["nan", "0", "-2", "(list)", &"4".repeat(40)] {
            assert_eq!(format(garbage), Format::Unreadable, "{garbage}");
        }
    }
}
