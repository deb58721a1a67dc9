//! The history file beside the log: one line per record, oldest first, after the last outcomes of entries whose
//! records were dropped. What is missing at its end is still in the log, which is only rewritten after this file
//! is written.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use downbeat_time::UnixMs;
use serde_json::Value;
use tracing::warn;

use super::files::Owner;
use super::log::{read_record, record_text};
use super::{SpoolError, failed};
use crate::regular_file;
use crate::schedule::outcome::Line;
use crate::store::contract::{History, HistoryQuery, PastEvent, Trim};
use crate::store::journal::RecordId;
use crate::store::last_outcomes;
use crate::store::model::{NewRecord, Selection};

/// The maximum size of the file in bytes.
const MAX_BYTES: u64 = 4 << 30;
/// The maximum length of a line in bytes.
const MAX_LINE: u64 = 16 << 20;
/// The maximum number of bytes kept back while the file cannot be written.
const MAX_PENDING: usize = 1 << 20;
/// The number of entries whose kept outcomes share one line.
const ENTRIES_PER_LINE: usize = 1_000;

/// The history file.
#[derive(Debug)]
pub(super) struct HistoryFile {
    path: PathBuf,
    owner: Owner,
    /// The newest record that is written or kept back.
    newest: Option<RecordId>,
    /// Lines that could not be written yet.
    pending: Vec<u8>,
    /// The size, once counted.
    size: Option<Size>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    slots: u64,
    oldest: Option<UnixMs>,
}

/// The contents of one line.
enum Item {
    Record(NewRecord),
    /// By entry name.
    Kept(BTreeMap<Arc<str>, String>),
}

impl HistoryFile {
    /// The file at that path, for reading only.
    pub(super) fn at(path: &Path) -> HistoryFile {
        let (path, owner, pending) = (path.to_owned(), Owner::default(), Vec::new());
        HistoryFile { path, owner, newest: None, pending, size: None }
    }

    /// Opens the file for appending; cuts off an incomplete last line.
    pub(super) fn open(path: &Path, owner: Owner) -> Result<HistoryFile, SpoolError> {
        let mut history = HistoryFile { owner, ..HistoryFile::at(path) };
        let staged = history.staged();
        regular_file::remove_staged(&staged).map_err(failed("delete", &staged))?;
        let (mut newest, mut length) = (None, 0);
        let whole = history.lines(|line| {
            length += line.len() as u64;
            if line.starts_with(b"[") {
                newest = Some(line.to_vec());
            }
        });
        let whole = whole.map_err(failed("read", path))?;
        if !whole {
            let cut = regular_file::append_own(path).and_then(|file| file.set_len(length));
            cut.map_err(failed("truncate", path))?;
        }
        let newest = newest.and_then(|line| serde_json::from_slice(&line).ok());
        history.newest = newest.and_then(|value: Value| Some(read_record(&value)?.0.id));
        Ok(history)
    }

    /// The path for rewriting the file.
    fn staged(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    /// Appends records; skips those already there. A failure costs no slot: it is logged, and retried with the
    /// next record.
    pub(super) fn append(&mut self, records: &[NewRecord]) {
        for record in records.iter().filter(|record| !record.lines.is_empty()) {
            if self.newest.is_some_and(|newest| record.id <= newest) {
                continue;
            }
            self.newest = Some(record.id);
            if let Some(size) = &mut self.size {
                size.slots += slots_of(record);
                size.oldest.get_or_insert(record.id.at());
            }
            if self.pending.len() < MAX_PENDING {
                self.pending.extend_from_slice(record_text(record).to_string().as_bytes());
                self.pending.push(b'\n');
            }
        }
        if let Err(error) = self.flush() {
            warn!(%error, path = %self.path.display(), "failed to write the history");
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut file = regular_file::append_own(&self.path)?;
        self.owner.give(&file)?;
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(&self.pending) {
            // Half a line would swallow the next one.
            let _ = file.set_len(before);
            return Err(error);
        }
        self.pending.clear();
        Ok(())
    }

    /// Writes everything to the disk.
    pub(super) fn sync(&mut self) -> Result<(), SpoolError> {
        let synced = self.flush().and_then(|()| match regular_file::open_own(&self.path) {
            Ok(file) => file.sync_all(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        });
        synced.map_err(failed("write", &self.path))
    }

    /// Passes each complete line to `each`, with its end. Returns whether nothing follows them.
    fn lines(&self, mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        let file = match regular_file::open_own_within(&self.path, MAX_BYTES) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while regular_file::read_line(&mut reader, MAX_LINE, &mut line)? > 0 {
            if !line.ends_with(b"\n") {
                return Ok(false);
            }
            each(&line);
            line.clear();
        }
        Ok(true)
    }

    /// Passes each item of the file to `each`; skips what cannot be read.
    fn items(&self, mut each: impl FnMut(Item)) -> io::Result<()> {
        self.lines(|line| match serde_json::from_slice::<Value>(line) {
            Ok(value @ Value::Array(_)) => {
                read_record(&value).into_iter().for_each(|(record, _)| each(Item::Record(record)));
            }
            Ok(Value::Object(kept)) => {
                let text = |(entry, text): (String, Value)| {
                    Some((Arc::from(entry), text.as_str()?.to_owned()))
                };
                each(Item::Kept(kept.into_iter().filter_map(text).collect()));
            }
            _ => {}
        })?;
        Ok(())
    }

    fn read(&self, each: impl FnMut(Item)) -> Result<(), SpoolError> {
        self.items(each).map_err(failed("read", &self.path))
    }

    /// Reads the events of a query, oldest first.
    pub(super) fn select(&self, query: &HistoryQuery) -> Result<History, SpoolError> {
        let mut kept: Vec<PastEvent> = Vec::new();
        let mut selection = Selection::new(query);
        self.read(|item| match item {
            Item::Kept(outcomes) => {
                let is_asked_for =
                    |entry: &Arc<str>| query.entry.as_ref().is_none_or(|asked| asked == entry);
                let outcomes = outcomes.iter().filter(|(entry, _)| is_asked_for(entry));
                kept.extend(outcomes.flat_map(|(entry, text)| last_outcomes::read(entry, text)));
            }
            Item::Record(record) => {
                // They come before all records in the file.
                kept.sort_by_key(|event| event.at);
                kept.drain(..).for_each(|event| selection.add(event));
                record.events().for_each(|event| selection.add(event));
            }
        })?;
        kept.sort_by_key(|event| event.at);
        kept.into_iter().for_each(|event| selection.add(event));
        Ok(selection.finish())
    }

    /// Drops what need not be kept, once it is a tenth of the file or more; the newest record stays. Returns the
    /// number of slots dropped.
    pub(super) fn trim(&mut self, now: UnixMs, request: &Trim) -> Result<u64, SpoolError> {
        let size = self.size()?;
        let is_old = |keep| size.oldest.is_some_and(|oldest| now.since(oldest) > keep);
        let (slots, keep) = (request.slots, request.keep);
        if size.slots <= slots.saturating_add(slots / 10) && !is_old(keep.saturating_add(keep / 10))
        {
            return Ok(0);
        }
        self.sync()?;
        let mut records: Vec<(RecordId, u64)> = Vec::new();
        self.read(|item| {
            if let Item::Record(record) = item {
                records.push((record.id, slots_of(&record)));
            }
        })?;
        let (mut left, mut first) = (size.slots, 0);
        while first + 1 < records.len() {
            let (id, slots) = records[first];
            let without = left.saturating_sub(slots);
            if now.since(id.at()) <= keep && without < request.slots {
                break;
            }
            left = without;
            first += 1;
        }
        let Some((oldest, _)) = records.get(first).copied().filter(|_| first > 0) else {
            return Ok(0);
        };
        self.drop_before(oldest, request.outcomes)?;
        self.size = Some(Size { slots: left, oldest: Some(oldest.at()) });
        Ok(size.slots - left)
    }

    fn size(&mut self) -> Result<Size, SpoolError> {
        if let Some(size) = self.size {
            return Ok(size);
        }
        let mut size = Size::default();
        self.read(|item| {
            if let Item::Record(record) = item {
                size.slots += slots_of(&record);
                size.oldest.get_or_insert(record.id.at());
            }
        })?;
        Ok(*self.size.insert(size))
    }

    /// Rewrites the file from that record on.
    fn drop_before(&self, oldest: RecordId, outcomes: usize) -> Result<(), SpoolError> {
        let mut kept: BTreeMap<Arc<str>, String> = BTreeMap::new();
        let mut dropped: HashMap<Arc<str>, Vec<(UnixMs, Line)>> = HashMap::new();
        self.read(|item| match item {
            Item::Kept(before) => kept.extend(before),
            Item::Record(record) if record.id < oldest => {
                let at = record.id.at();
                for line in record.lines {
                    dropped.entry(Arc::clone(&line.entry)).or_default().push((at, line));
                }
            }
            Item::Record(_) => {}
        })?;
        for (entry, lines) in dropped {
            let before = kept.get(&entry).map_or("", String::as_str);
            let lines = lines.iter().map(|(at, line)| (*at, line));
            let text = last_outcomes::add(before, lines, outcomes);
            kept.insert(entry, text);
        }
        self.write_anew(&kept, |record| record.id >= oldest)
    }

    /// Forgets the kept outcomes of entries.
    pub(super) fn forget(&mut self, entries: &[Box<str>]) -> Result<(), SpoolError> {
        let mut kept: BTreeMap<Arc<str>, String> = BTreeMap::new();
        self.read(|item| {
            if let Item::Kept(before) = item {
                kept.extend(before);
            }
        })?;
        let before = kept.len();
        entries.iter().for_each(|entry| drop(kept.remove(&**entry)));
        if kept.len() == before {
            return Ok(());
        }
        self.sync()?;
        self.write_anew(&kept, |_| true)
    }

    fn write_anew(
        &self,
        kept: &BTreeMap<Arc<str>, String>,
        stays: impl Fn(&NewRecord) -> bool,
    ) -> Result<(), SpoolError> {
        let staged = self.staged();
        let write = |file: &mut File| -> io::Result<()> {
            self.owner.give(file)?;
            let mut writer = BufWriter::new(file);
            let kept: Vec<_> = kept.iter().collect();
            for page in kept.chunks(ENTRIES_PER_LINE) {
                let page: serde_json::Map<String, Value> = page
                    .iter()
                    .map(|(entry, text)| (entry.to_string(), (**text).clone().into()))
                    .collect();
                writeln!(writer, "{}", Value::Object(page))?;
            }
            let mut result = Ok(());
            self.items(|item| match item {
                Item::Record(record) if result.is_ok() && stays(&record) => {
                    result = writeln!(writer, "{}", record_text(&record));
                }
                _ => {}
            })?;
            result.and_then(|()| writer.flush())
        };
        let written = regular_file::replace_own(&self.path, &staged, write);
        written.map(drop).map_err(failed("replace", &self.path))
    }
}

fn slots_of(record: &NewRecord) -> u64 {
    record.lines.iter().map(|line| line.count).sum()
}
