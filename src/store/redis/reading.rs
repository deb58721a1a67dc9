//! Reads the stored state from Redis. Whatever the keys hold, reading ends and its memory is bounded, and an
//! unreadable value affects only its own entry.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use redis::{Cmd, Value};
use tokio::time::{Instant, sleep};

use super::counted::CountedQueues;
use super::keys::Keys;
use super::reply::{instant, list, text, unexpected_answer};
use super::requests::Requests;
use super::{first_format, lua, writing};
use crate::schedule::outcome::Outcome;
use crate::schedule::progress::Completeness;
use crate::store::contract::{Counters, Snapshot, StoreError};
use crate::store::journal::{
    MAX_RECORD, MAX_UNREADABLE, Record, RecordId, read_instant, read_lines, shortened,
};
use crate::store::text::{
    MAX_PROGRESS, MAX_REGISTRATION, read_count, read_progress, read_registration, read_sequence,
};

/// The number of a hash's fields read at once.
const PAGE: usize = 1_000;
/// The number of records read at once: if they have few slots, and in any case.
const MAX_RECORDS: usize = 1_000;
pub(super) const MIN_RECORDS: usize = 30;
/// A page of records with fewer slots than this is followed by a larger one.
const FEW_SLOTS: usize = 2_000;
/// The maximum number of entries read.
const MAX_ENTRIES: usize = 4_000_000;
/// The maximum number of the journal's slots read: many times what one fold covers.
const MAX_SLOTS: usize = 1_000_000;
/// The first format's marker is a time; a smaller number is a later format's number.
const FIRST_TIME: u64 = 1_000_000_000;

/// An answer slower than this counts as slow.
const SLOW_ANSWER: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The connection and keys to read from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) requests: Requests,
    pub(super) keys: Keys,
}

/// Values that cannot be read.
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
    /// The value was not read; its length in bytes.
    TooLong(usize),
}

impl Found<'_> {
    /// Parses the value with `read`, if it is a text.
    pub(super) fn read<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        match self {
            Found::Whole(value) => read(std::str::from_utf8(value).ok()?),
            Found::TooLong(_) => None,
        }
    }

    /// The value, if it was read.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        match self {
            Found::Whole(value) => Some(value),
            Found::TooLong(_) => None,
        }
    }

    pub(super) fn length(&self) -> usize {
        match self {
            Found::Whole(value) => value.len(),
            Found::TooLong(length) => *length,
        }
    }

    /// The value in a form fit to be shown.
    pub(super) fn shown(&self, of: &str) -> String {
        match self {
            Found::Whole(value) => format!("{of}: {}", shortened(value)),
            Found::TooLong(length) => format!("{of}: a value of {length} bytes"),
        }
    }
}

impl Source {
    /// Scans a hash page by page. If the key holds something else, returns what.
    pub(super) async fn scan(
        &self,
        key: &str,
        longest: usize,
        mut each: impl FnMut(&[u8], &Found<'_>),
    ) -> Result<Option<String>, StoreError> {
        let keys = [key.to_owned()];
        let (mut cursor, mut left) = ("0".to_owned(), MAX_ENTRIES);
        loop {
            let mut call = lua::call(&lua::SCAN, &keys);
            call.arg(&cursor).arg(PAGE).arg(longest).arg(MAX_FIELD);
            let page = match self.ask_paced(call).await? {
                Value::Array(page) => page,
                other => return text(&other).map(Some).ok_or_else(unexpected_answer),
            };
            let [next, Value::Array(fields), Value::Array(unread)] = &page[..] else {
                return Err(unexpected_answer());
            };
            for pair in fields.chunks_exact(2) {
                let (Value::BulkString(name), found) = (&pair[0], found(&pair[1])?) else {
                    return Err(unexpected_answer());
                };
                each(name, &found);
                left = left.saturating_sub(1);
            }
            self.read_fields(key, longest, unread, &mut each).await?;
            cursor = text(next).ok_or_else(unexpected_answer)?;
            if cursor == "0" || left == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads these fields of a hash. Skips fields that are gone by then.
    pub(super) async fn read_fields(
        &self,
        key: &str,
        longest: usize,
        names: &[Value],
        mut each: impl FnMut(&[u8], &Found<'_>),
    ) -> Result<(), StoreError> {
        let keys = [key.to_owned()];
        let mut left = names;
        while !left.is_empty() {
            let mut call = lua::call(&lua::FIELDS, &keys);
            call.arg(longest);
            let page = &left[..left.len().min(PAGE)];
            for name in page {
                let Value::BulkString(name) = name else { return Err(unexpected_answer()) };
                call.arg(&name[..]);
            }
            let values = list(self.ask_paced(call).await?)?;
            if values.is_empty() || values.len() > page.len() {
                return Ok(());
            }
            for (name, value) in left.iter().zip(&values) {
                if let (Value::BulkString(name), false) = (name, *value == Value::Nil) {
                    each(name, &found(value)?);
                }
            }
            left = &left[values.len()..];
        }
        Ok(())
    }

    /// Makes a call and, after a slow answer, pauses for as long as it took: others can renew their leases while
    /// something large is read in many requests.
    async fn ask_paced(&self, call: Cmd) -> Result<Value, StoreError> {
        let asked_at = Instant::now();
        let answer = self.requests.ask_repeatable(call).await;
        let took = asked_at.elapsed();
        if took > SLOW_ANSWER {
            sleep(took.min(MAX_PAUSE)).await;
        }
        answer
    }

    /// The type of a key's value, if it is not the expected one.
    pub(super) async fn other_type(
        &self,
        key: &str,
        expected: &str,
    ) -> Result<Option<String>, StoreError> {
        let mut call = redis::cmd("TYPE");
        call.arg(key);
        let found =
            text(&self.requests.ask_repeatable(call).await?).ok_or_else(unexpected_answer)?;
        Ok(Some(found).filter(|found| found != expected && found != "none"))
    }

    /// Reads everything but the hashes and the journal.
    pub(super) async fn overview(&self) -> Result<Overview, StoreError> {
        let keys = &self.keys;
        let keys = [keys.sequence(), keys.marker(), keys.folded(), keys.head()];
        let call = lua::call(&lua::OVERVIEW, &keys);
        Overview::read(self.requests.ask_repeatable(call).await?).ok_or_else(unexpected_answer)
    }

    /// Reads records from `first` to `last`; if `newest`, the newest of them, newest first. Returns whether more
    /// may follow. A key that is not a journal has no records.
    pub(super) async fn records(
        &self,
        (first, last): (&str, &str),
        count: usize,
        newest: bool,
    ) -> Result<(Vec<Record>, bool), StoreError> {
        let (command, from, to) =
            if newest { ("XREVRANGE", last, first) } else { ("XRANGE", first, last) };
        let mut call = lua::call(&lua::RANGE, &[self.keys.journal()]);
        call.arg(command).arg(from).arg(to).arg(count).arg(MAX_RECORD);
        let answer = list(self.ask_paced(call).await?)?;
        let [Value::Int(more), records @ ..] = &answer[..] else { return Err(unexpected_answer()) };
        let records =
            records.iter().map(record).collect::<Option<_>>().ok_or_else(unexpected_answer)?;
        Ok((records, *more == 1))
    }
}

/// Everything but the hashes and the journal.
#[derive(Debug)]
pub(super) struct Overview {
    pub(super) now: UnixMs,
    pub(super) sequence: String,
    pub(super) marker: String,
    folded: String,
    head: String,
}

/// The format that the marker names.
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
        let [now, sequence, marker, folded, head] = fields.as_slice() else { return None };
        Some(Overview {
            now: instant(now)?,
            sequence: text(sequence)?,
            marker: text(marker)?,
            folded: text(folded)?,
            head: text(head)?,
        })
    }

    pub(super) fn folded(&self) -> Option<RecordId> {
        self.folded.parse().ok()
    }

    /// The newest record and the number of slots in the chain.
    pub(super) fn head(&self) -> Option<(RecordId, u64)> {
        let (id, total) = self.head.split_once(' ')?;
        Some((id.parse().ok()?, read_count(total)?))
    }
}

/// Reads a record, as far as it is one.
fn record(answer: &Value) -> Option<Record> {
    let Value::Array(answer) = answer else { return None };
    let [id, Value::Array(fields)] = &answer[..] else { return None };
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
        let (Value::BulkString(name), value) = (&pair[0], found(&pair[1]).ok()?) else {
            // A name this long is not one of ours.
            continue;
        };
        let value = match value {
            Found::Whole(value) => value,
            Found::TooLong(length) if name == b"lines" => {
                record.unreadable = vec![(None, format!("a record of {length} bytes"))];
                continue;
            }
            Found::TooLong(_) => continue,
        };
        let text = || String::from_utf8_lossy(&value[..value.len().min(MAX_FIELD)]);
        match &name[..] {
            b"before" => record.before = text().parse().ok(),
            b"term" => record.term = text().parse().ok(),
            b"queue" => record.queue = text().into(),
            b"total" => record.total = read_count(&text()).unwrap_or(0),
            b"lines" => (record.lines, record.unreadable) = read_lines(value),
            _ => {}
        }
    }
    Some(record)
}

/// Reads a value as the scripts return it.
fn found(value: &Value) -> Result<Found<'_>, StoreError> {
    match value {
        Value::BulkString(value) => Ok(Found::Whole(value)),
        Value::Int(length) => Ok(Found::TooLong(usize::try_from(*length).unwrap_or(usize::MAX))),
        _ => Err(unexpected_answer()),
    }
}

/// The maximum number of bytes read of a field's name, and of a record's fields other than its lines.
const MAX_FIELD: usize = 1_024;

/// Reads everything known of the namespace.
pub(super) async fn snapshot(source: &Source) -> Result<Snapshot, StoreError> {
    let mut overview = source.overview().await?;
    for _ in 0..3 {
        let snapshot = snapshot_as_of(source, &overview).await?;
        if snapshot.is_chain_whole() {
            return Ok(snapshot);
        }
        // Somebody may have folded and trimmed meanwhile, but not under the reader's own lease.
        let folded = overview.folded();
        overview = source.overview().await?;
        if overview.folded() == folded {
            return Ok(snapshot);
        }
    }
    snapshot_as_of(source, &overview).await
}

async fn snapshot_as_of(source: &Source, overview: &Overview) -> Result<Snapshot, StoreError> {
    let format = format(&overview.marker);
    match format {
        Format::First => return first_format::snapshot(source, overview).await,
        Format::Newer(number) => return Err(newer(number)),
        Format::None | Format::Second | Format::Unreadable => {}
    }
    let keys = &source.keys;
    let mut timings = HashSet::new();
    let registration = |text: &str| {
        let mut registration = read_registration(text)?;
        // Many entries have the same timing.
        registration.timing = registration.timing.map(|timing| shared(timing, &mut timings));
        Some(registration)
    };
    let registrations =
        read_hash(source, keys.registrations(), "registration", MAX_REGISTRATION, registration);
    let progress = read_hash(source, keys.progress(), "progress", MAX_PROGRESS, read_progress);
    let intents = read_hash(source, keys.intents(), "intent", MAX_INTENT, read_intent);
    let journal = read_journal(source, overview);
    let (registrations, progress, intents, journal) =
        tokio::join!(registrations, progress, intents, journal);
    let (registrations, progress, intents) = (registrations?, progress?, intents?);
    let is_sealed = registrations.is_sealed && progress.is_sealed;
    let mut unreadable = overview.unreadable();
    if let Some(other) = source.other_type(&keys.journal(), "stream").await? {
        unreadable.add(b"", || format!("journal: a {other} instead of a stream"));
    }
    for other in [registrations.unreadable, progress.unreadable, intents.unreadable] {
        unreadable.append(other);
    }
    Ok(Snapshot {
        now: overview.now,
        sequence: read_sequence(&overview.sequence),
        completeness: match format {
            Format::None => Completeness::Empty,
            Format::Second if is_sealed => Completeness::Whole,
            _ => Completeness::Damaged,
        },
        registrations: registrations.values,
        progress: progress.values,
        intents: intents.values,
        folded: overview.folded(),
        head: overview.head().map(|(id, _)| id),
        journal: journal?,
        unreadable: unreadable.named,
        unreadable_count: unreadable.count,
    })
}

/// The equal text that is already known, or this one.
fn shared(text: Arc<str>, known: &mut HashSet<Arc<str>>) -> Arc<str> {
    if let Some(known) = known.get(&text) {
        return Arc::clone(known);
    }
    known.insert(Arc::clone(&text));
    text
}

impl Overview {
    /// The fields that are not ours.
    fn unreadable(&self) -> Unreadable {
        let mut unreadable = Unreadable::default();
        let is_readable = |text: &str, read: bool| text.is_empty() || read;
        let sequence = &self.sequence;
        for (name, text, is_readable) in [
            ("marker", &self.marker, format(&self.marker) != Format::Unreadable),
            (
                "sequence",
                sequence,
                sequence == "0" || is_readable(sequence, read_sequence(sequence) > 0),
            ),
            ("folded", &self.folded, is_readable(&self.folded, self.folded().is_some())),
            ("head", &self.head, is_readable(&self.head, self.head().is_some())),
        ] {
            if !is_readable {
                unreadable.add(b"", || format!("{name}: {}", shortened(text.as_bytes())));
            }
        }
        unreadable
    }
}

pub(super) fn newer(format: u64) -> StoreError {
    StoreError::Unusable(format!(
        "the namespace is kept in format {format}, by a newer version than this one"
    ))
}

/// A hash's values by entry name.
pub(super) struct Hash<T> {
    pub(super) values: Vec<(Box<str>, T)>,
    /// Whether the seal is there: the hash is the one that was written last.
    is_sealed: bool,
    pub(super) unreadable: Unreadable,
}

pub(super) async fn read_hash<T>(
    source: &Source,
    key: String,
    what: &str,
    longest: usize,
    mut read: impl FnMut(&str) -> Option<T>,
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
            match entry.zip(found.read(&mut read)) {
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

/// The maximum length of an intent in bytes.
pub(super) const MAX_INTENT: usize = MAX_PROGRESS;
/// The maximum length of an entry's name in bytes.
const MAX_NAME: usize = 255;

/// Reads a slot; older versions write two words after it.
pub(super) fn read_intent(text: &str) -> Option<UnixMs> {
    read_instant(text.strip_suffix(" intended -").unwrap_or(text))
}

/// The number of records to read next.
pub(super) fn next_count(count: usize, records: &[Record]) -> usize {
    let slots: usize = records.iter().map(|record| record.lines.len()).sum();
    if slots < FEW_SLOTS { (2 * count).min(MAX_RECORDS) } else { MIN_RECORDS }
}

/// Reads the records after `folded`, up to `head`, without waiting for what is appended meanwhile.
async fn read_journal(source: &Source, overview: &Overview) -> Result<Vec<Record>, StoreError> {
    let mut from = overview.folded().map_or_else(|| "-".to_owned(), |id| format!("({id}"));
    let to = overview.head().map_or_else(|| "+".to_owned(), |(id, _)| id.to_string());
    let (mut journal, mut slots, mut count) = (Vec::new(), 0, MIN_RECORDS);
    loop {
        let (records, more) = source.records((&from, &to), count, false).await?;
        slots += records.iter().map(|record| 1 + record.lines.len()).sum::<usize>();
        let is_last = !more || slots > MAX_SLOTS;
        count = next_count(count, &records);
        if let Some(last) = records.last() {
            from = format!("({}", last.id);
        }
        journal.extend(records);
        if is_last {
            return Ok(journal);
        }
    }
}

/// The maximum number of counters read: several outcomes for each queue with its own counters.
const MAX_COUNTERS: usize = 4_000;

/// Scans the counters.
async fn scan_counters(
    source: &Source,
    mut each: impl FnMut(&str, &'static str, u64),
) -> Result<(), StoreError> {
    let mut left = MAX_COUNTERS;
    let key = source.keys.counters();
    // Anything else under the key counts as nothing.
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

/// The maximum number of digits of a counter.
const MAX_COUNT: usize = 20;

/// Reads the number of slots by queue and outcome.
pub(super) async fn counters(source: &Source) -> Result<Counters, StoreError> {
    let mut counters = Counters::default();
    let all = &mut counters.0;
    scan_counters(source, |queue, outcome, count| {
        all.insert((queue.into(), outcome), count);
    })
    .await?;
    Ok(counters)
}

/// Reads which queues have counters of their own.
pub(super) async fn counted_queues(source: &Source) -> Result<CountedQueues, StoreError> {
    let mut counted = CountedQueues::default();
    scan_counters(source, |queue, _, _| counted.add(queue)).await?;
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_names_the_format() {
        assert_eq!(format(""), Format::None);
        assert_eq!(format("1798761600000"), Format::First);
        assert_eq!(format("2"), Format::Second);
        assert_eq!(format("3"), Format::Newer(3));
        for garbage in ["nan", "0", "-2", "(list)", &"4".repeat(40)] {
            assert_eq!(format(garbage), Format::Unreadable, "{garbage}");
        }
    }
}
