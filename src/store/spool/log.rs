//! The log of writes: one JSON line each, appended and synced before its effects are visible. Reading it from
//! the start yields the state; rewriting makes it short again.
//!
//! A line that is not a JSON object, or names no write, is refused, because its meaning is unknown. An
//! unreadable value affects only its own entry, and stays in the log until that entry is written anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::files::{Owner, sync};
use super::{SpoolError, failed};
use crate::regular_file;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::progress::Progress;
use crate::schedule::registration::Registration;
use crate::store::contract::{PausesMark, RunOf};
use crate::store::journal;
use crate::store::model::{Change, Field, Head, Model, NewRecord, RunPlace, Running};
use crate::store::open_backfills::OpenBackfills;
use crate::store::text::{self, MAX_REGISTRATION};

/// The number of the format that is written.
const FORMAT: u64 = 2;
/// A log of this size is rewritten if that makes it much smaller.
const REWRITE_AT: u64 = 8 << 20;
/// The maximum size of a log in bytes: that of a million entries is rewritten before.
const MAX_BYTES: u64 = 4 << 30;
/// The maximum length of a line in bytes: enough for the longest registrations that one request can change.
const MAX_LINE: u64 = 256 << 20;
/// The number of entries per line in a rewritten log.
const ENTRIES_PER_LINE: usize = 1_000;

/// One line of the log.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    marked: bool,
    /// `"<since>\t<timing>"`; `null` removes a value, here and below.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    registrations: Values,
    /// `"<through> <outcome> …"`.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    progress: Values,
    /// Slots.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    intents: Values,
    /// `"<sent at> <task id>"`.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    running: Values,
    /// Each `[id, term, queue, lines]`; the term of a manual message is `""`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    journal: Vec<Value>,
    /// By run, `[place, until]`.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    runs: Values,
    /// By entry and who asked, the lines of unfinished backfills; see `open_backfills`.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    backfills: Values,
    /// The revision and the version of the pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pauses_mark: Option<(u64, u64)>,
    /// By subject.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pauses: Values,
    /// The names of staged files that this write records.
    #[serde(default, skip_serializing_if = "HashSet::is_empty")]
    staged: HashSet<String>,
    /// In a rewritten log: counters, by `"<queue>\t<outcome>"`.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    counters: Values,
    /// In a rewritten log: the newest record and the number of slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<(String, u64)>,
    // The first format, with `sequence` in every line. It is read, never written: versions that know only it
    // refuse lines without it.
    #[serde(default, skip_serializing)]
    sequence: Option<u64>,
    #[serde(default, skip_serializing)]
    lives: Values,
    #[serde(default, skip_serializing)]
    forgotten: Vec<Box<str>>,
    #[serde(default, skip_serializing)]
    settled: Values,
    #[serde(default, skip_serializing)]
    sent: Values,
}

type Values = BTreeMap<Box<str>, Value>;

/// The state read from a log.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) model: Model,
    pub(super) staged: Staging,
    /// The records in the log.
    pub(super) journal: Vec<NewRecord>,
    /// The length of the complete lines.
    length: u64,
}

/// Which staged messages are recorded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Staging {
    /// Those with these names.
    Named(HashSet<String>),
    /// Those of settled slots: the first format does not name files.
    Settled,
}

/// The log file.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    owner: Owner,
    file: File,
    length: u64,
    rewrite_at: u64,
    /// Whether the last append is neither complete nor removed.
    is_torn: bool,
}

impl Log {
    /// Reads the log, or creates one.
    pub(super) fn open(
        path: &Path,
        namespace: &str,
        owner: Owner,
    ) -> Result<(Log, Recovered), SpoolError> {
        let recovered = read(path, namespace)?;
        let opened = regular_file::append_own(path);
        let file = opened.and_then(|file| owner.give(&file).map(|()| file));
        let file = file.map_err(failed("open", path))?;
        let is_new = recovered.length == 0;
        // An incomplete last line would swallow the next one.
        file.set_len(recovered.length).map_err(failed("truncate", path))?;
        let length = recovered.length;
        let path = path.to_owned();
        let (is_torn, rewrite_at) = (false, REWRITE_AT.max(4 * length));
        let mut log = Log { path, owner, file, length, rewrite_at, is_torn };
        if is_new {
            log.append_line(&Line { format: Some(FORMAT), ..Line::default() })?;
            sync(log.path.parent().unwrap_or(&log.path))?;
        }
        Ok((log, recovered))
    }

    /// Appends a change. `staged` are the file names of its messages.
    ///
    /// # Errors
    ///
    /// When the change is not written. If the log is torn then, it may be written.
    pub(super) fn append(
        &mut self,
        change: &Change,
        staged: impl IntoIterator<Item = String>,
    ) -> Result<(), SpoolError> {
        let line = Line { staged: staged.into_iter().collect(), ..line_of(change) };
        self.append_line(&line)
    }

    fn append_line(&mut self, line: &Line) -> Result<(), SpoolError> {
        let bytes = to_bytes(line);
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Readers must find neither half a line nor a record of messages that are not sent.
            let cut = self.file.set_len(self.length).and_then(|()| self.file.sync_data());
            self.is_torn = cut.is_err();
            return Err(failed("write", &self.path)(error));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Whether the last append is neither complete nor removed.
    pub(super) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Removes a torn append.
    pub(super) fn remove_torn(&mut self, model: &Model) -> Result<(), SpoolError> {
        if self.is_torn { self.rewrite(model) } else { Ok(()) }
    }

    /// Whether the log has become long.
    pub(super) fn is_long(&self) -> bool {
        self.length > self.rewrite_at
    }

    /// Replaces the log with the current state.
    pub(super) fn rewrite(&mut self, model: &Model) -> Result<(), SpoolError> {
        let staged = self.path.with_extension("new");
        let mut length = 0;
        let owner = self.owner;
        let written = regular_file::replace_own(&self.path, &staged, |file| {
            owner.give(file)?;
            let mut writer = BufWriter::new(file);
            for line in lines_of(model) {
                let bytes = to_bytes(&line);
                writer.write_all(&bytes)?;
                length += bytes.len() as u64;
            }
            writer.flush()
        });
        self.rewrite_at = self.length + REWRITE_AT / 8;
        self.file = written.map_err(failed("replace", &self.path))?;
        (self.length, self.is_torn) = (length, false);
        self.rewrite_at = REWRITE_AT.max(4 * length);
        sync(self.path.parent().unwrap_or(&self.path))
    }
}

impl Recovered {
    fn apply_line(&mut self, line: Line) {
        self.staged = match line.sequence {
            Some(_) => Staging::Settled,
            None => Staging::Named(line.staged.clone()),
        };
        let change = match line.sequence {
            Some(_) => self.read_first_format(&line),
            None => self.read_change(&line),
        };
        self.journal.extend(change.records.iter().cloned());
        self.model.apply(change);
        for (name, count) in &line.counters {
            let outcome = name.split_once('\t').and_then(|(queue, word)| {
                Some((Arc::from(queue), Outcome::from_word(word)?.as_str()))
            });
            let counter = outcome.zip(count.as_u64());
            self.model.counters.0.extend(counter);
        }
        if let Some((id, total)) = line.head
            && let Ok(id) = id.parse()
        {
            self.model.set_head(Head { id, total });
        }
    }

    /// Reads values by entry.
    fn read_values<T>(
        &mut self,
        values: &Values,
        field: Field,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Vec<(Box<str>, Option<T>)> {
        let mut found = Vec::with_capacity(values.len());
        for (entry, value) in values {
            match value {
                Value::Null => found.push((entry.clone(), None)),
                value => match read(value) {
                    Some(read) => found.push((entry.clone(), Some(read))),
                    None => self.model.set_unreadable(entry, field, value.clone()),
                },
            }
        }
        found
    }

    fn read_change(&mut self, line: &Line) -> Change {
        let mut change = Change { sequence: line.seq, term: line.term, ..Change::default() };
        change.is_marked = line.marked;
        change.registrations =
            self.read_values(&line.registrations, Field::Registration, |value| {
                text::read_registration(
                    value.as_str().filter(|text| text.len() <= MAX_REGISTRATION)?,
                )
            });
        change.progress = self.read_values(&line.progress, Field::Progress, |value| {
            text::read_progress(value.as_str()?)
        });
        let slot = |value: &Value| value.as_i64().map(UnixMs);
        change.intents = self.read_values(&line.intents, Field::Intent, slot);
        // A task's unreadable state is not reported.
        let running = line.running.iter();
        change.running =
            running.map(|(entry, value)| (entry.clone(), read_running(value))).collect();
        for value in &line.journal {
            match read_record(value) {
                None => self.model.set_unreadable("", Field::Journal, value.clone()),
                Some((record, unreadable)) => {
                    change.records.push(record);
                    for (entry, alone) in unreadable {
                        self.model.set_unreadable(&entry, Field::Journal, alone);
                    }
                }
            }
        }
        change.pauses_mark =
            line.pauses_mark.map(|(revision, version)| PausesMark { revision, version });
        // An unreadable value stays, so that it can be reported.
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.as_str().into()),
            other => Some(other.to_string().into()),
        };
        change.pauses =
            line.pauses.iter().map(|(subject, value)| (subject.clone(), text(value))).collect();
        for (run, value) in &line.runs {
            let place = value.get(0).and_then(Value::as_u64);
            let until = value.get(1).and_then(Value::as_i64).map(UnixMs);
            let name = |index: usize| value.get(index).and_then(Value::as_str).map(Arc::from);
            let of = name(2).zip(name(3)).map(|(entry, queue)| RunOf { entry, queue });
            if let (Ok(run), Some(place), Some(until), Some(of)) =
                (Uuid::parse_str(run), place, until, of)
            {
                self.model.runs.insert(run, RunPlace { place, of, until });
            }
        }
        for (scope, value) in &line.backfills {
            let lines = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            if let Ok(scope) = Uuid::parse_str(scope) {
                self.model.set_backfills(scope, OpenBackfills::read(lines));
            }
        }
        change
    }

    /// Reads a line of the first format, whose progress is a slot and an outcome's word.
    fn read_first_format(&mut self, line: &Line) -> Change {
        let sequence = line.sequence.unwrap_or(0);
        let mut change = Change { sequence: Some(sequence), ..Change::default() };
        change.is_marked = sequence > 0;
        change.registrations = self.read_values(&line.lives, Field::Registration, |value| {
            let since = UnixMs(value.get(0)?.as_i64()?);
            let timing = match value.get(1)? {
                Value::Null => None,
                timing => Some(timing.as_str()?.into()),
            };
            Some(Registration { timing, since })
        });
        let settled = self.read_values(&line.settled, Field::Progress, |value| {
            Some((UnixMs(value.get(0)?.as_i64()?), value.get(1)?.as_str()?.to_owned()))
        });
        let mut progress: BTreeMap<Box<str>, Progress> = BTreeMap::new();
        for (entry, settled) in settled {
            let Some((slot, said)) = settled else { continue };
            let before = self.model.progress.get(&entry).cloned().unwrap_or_default();
            progress.insert(entry, first_format_progress(before, slot, &said));
        }
        let sent = self.read_values(&line.sent, Field::Progress, Value::as_u64);
        for (entry, count) in sent {
            let before = self.model.progress.get(&entry).cloned();
            let Some(count) = count else { continue };
            progress.entry(entry).or_insert(before.unwrap_or_default()).count = count;
        }
        change.progress = progress.into_iter().map(|(entry, of)| (entry, Some(of))).collect();
        for entry in &line.forgotten {
            change.registrations.push((entry.clone(), None));
            change.progress.push((entry.clone(), None));
        }
        change
    }
}

fn first_format_progress(before: Progress, slot: UnixMs, said: &str) -> Progress {
    let word = said.split(' ').next().unwrap_or_default();
    let reason = SkipReason::ALL.into_iter().find(|reason| reason.as_str() == word);
    // The reason for sending was not kept.
    let dispatched = if word == "dispatched" { Some(slot) } else { before.dispatched };
    Progress { through: slot, outcome: reason.map(Outcome::Skipped), dispatched, ..before }
}

/// Reads a log. An incomplete last line was being written when the machine stopped, and counts as not written.
pub(super) fn read(path: &Path, namespace: &str) -> Result<Recovered, SpoolError> {
    let mut recovered = Recovered {
        model: Model::new(namespace, true),
        staged: Staging::Named(HashSet::new()),
        journal: Vec::new(),
        length: 0,
    };
    let file = match regular_file::open_own_within(path, MAX_BYTES) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(recovered),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let length = regular_file::read_line(&mut reader, MAX_LINE, &mut bytes)
            .map_err(failed("read", path))?;
        if !bytes.ends_with(b"\n") {
            break;
        }
        recovered.length += length as u64;
        if bytes.len() == 1 {
            continue;
        }
        let corrupt =
            |reason: String| SpoolError::Corrupt { path: path.to_owned(), line: number, reason };
        let line: Line =
            serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        match line.format {
            Some(FORMAT) | None => {}
            Some(format) => return Err(SpoolError::Newer { path: path.to_owned(), format }),
        }
        if line.seq.or(line.sequence).or(line.format).or(line.term).is_none() && line.is_bare() {
            return Err(corrupt("it names no write".to_owned()));
        }
        recovered.apply_line(line);
    }
    Ok(recovered)
}

impl Line {
    /// Whether the line has no content that needs a sequence number.
    fn is_bare(&self) -> bool {
        let Line { registrations, progress, intents, running, runs, backfills, counters, .. } =
            self;
        let values =
            [registrations, progress, intents, running, runs, backfills, counters, &self.pauses];
        self.journal.is_empty() && values.into_iter().all(BTreeMap::is_empty)
    }
}

fn registration_text(registration: &Registration) -> Value {
    text::registration(registration.since, registration.timing.as_deref()).into()
}

fn running_text(running: &Running) -> Value {
    format!("{} {}", running.sent_at.0, running.task_id).into()
}

fn read_running(value: &Value) -> Option<Running> {
    let (sent_at, task_id) = value.as_str()?.split_once(' ')?;
    Some(Running { sent_at: journal::read_instant(sent_at)?, task_id: task_id.parse().ok()? })
}

fn values<T>(changes: &[(Box<str>, Option<T>)], write: impl Fn(&T) -> Value) -> Values {
    let value = |of: &Option<T>| of.as_ref().map_or(Value::Null, &write);
    changes.iter().map(|(entry, of)| (entry.clone(), value(of))).collect()
}

/// Reads a record and, for each unreadable line, its entry and a record of that line alone.
pub(super) fn read_record(value: &Value) -> Option<(NewRecord, Vec<(String, Value)>)> {
    let field = |n| value.get(n).and_then(Value::as_str);
    let (id, term, queue, text) = (field(0)?, field(1)?, field(2)?, field(3)?);
    let (mut lines, mut unreadable) = (Vec::new(), Vec::new());
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        match journal::read_line(line) {
            Some(read) => lines.push(read),
            None => {
                let entry = line.split('\t').next().unwrap_or_default();
                unreadable.push((entry.to_owned(), vec![id, term, queue, line].into()));
            }
        }
    }
    let record =
        NewRecord { id: id.parse().ok()?, term: term.parse().ok(), queue: queue.into(), lines };
    Some((record, unreadable))
}

pub(super) fn record_text(record: &NewRecord) -> Value {
    let mut lines = String::new();
    record.lines.iter().for_each(|line| journal::write_line(line, &mut lines));
    let term = record.term.map(|term| term.to_string()).unwrap_or_default();
    vec![record.id.to_string(), term, record.queue.to_string(), lines].into()
}

fn run_text(run: Uuid, RunPlace { place, of, until }: &RunPlace) -> (Box<str>, Value) {
    let value = json!([place, until.0, &*of.entry, &*of.queue]);
    (run.to_string().into(), value)
}

fn backfills_text((scope, open): (&Uuid, &OpenBackfills)) -> (Box<str>, Value) {
    (scope.to_string().into(), open.lines().collect())
}

fn line_of(change: &Change) -> Line {
    Line {
        seq: change.sequence,
        term: change.term,
        marked: change.is_marked,
        registrations: values(&change.registrations, registration_text),
        progress: values(&change.progress, |progress| text::progress(progress).into()),
        intents: values(&change.intents, |slot| slot.0.into()),
        running: values(&change.running, running_text),
        journal: change.records.iter().map(record_text).collect(),
        runs: change.run.iter().map(|(run, place)| run_text(*run, place)).collect(),
        backfills: change
            .backfills
            .iter()
            .map(|(scope, open)| backfills_text((scope, open)))
            .collect(),
        pauses_mark: change.pauses_mark.map(pauses_mark),
        pauses: change.pauses.iter().cloned().map(pauses_text).collect(),
        ..Line::default()
    }
}

fn pauses_mark(mark: PausesMark) -> (u64, u64) {
    (mark.revision, mark.version)
}

fn pauses_text((subject, text): (Box<str>, Option<Box<str>>)) -> (Box<str>, Value) {
    (subject, text.map_or(Value::Null, |text| String::from(text).into()))
}

/// The state as lines.
fn lines_of(model: &Model) -> impl Iterator<Item = Line> + '_ {
    let first = Line { format: Some(FORMAT), ..Line::default() };
    let registrations = pages(
        &model.registrations,
        |registrations| Line { registrations, ..Line::default() },
        registration_text,
    );
    let progress = pages(
        &model.progress,
        |progress| Line { progress, ..Line::default() },
        |of| text::progress(of).into(),
    );
    let bad = model.unreadable.0.iter().map(|((entry, field), raw)| {
        let value = || [(entry.clone(), raw.clone())].into();
        match field {
            Field::Registration => Line { registrations: value(), ..Line::default() },
            Field::Progress => Line { progress: value(), ..Line::default() },
            Field::Intent => Line { intents: value(), ..Line::default() },
            Field::Journal => Line { journal: vec![raw.clone()], ..Line::default() },
        }
    });
    let intents =
        pages(&model.intents, |intents| Line { intents, ..Line::default() }, |slot| slot.0.into());
    let running =
        pages(&model.running, |running| Line { running, ..Line::default() }, running_text);
    let mut runs = model.runs.iter();
    let runs = std::iter::from_fn(move || {
        let page = runs.by_ref().take(ENTRIES_PER_LINE);
        let runs: Values = page.map(|(run, place)| run_text(*run, place)).collect();
        (!runs.is_empty()).then(|| Line { runs, ..Line::default() })
    });
    let counter = |((queue, word), count): (&(Arc<str>, &str), &u64)| {
        (format!("{queue}\t{word}").into(), (*count).into())
    };
    let last = Line {
        seq: Some(model.sequence),
        term: Some(model.term),
        marked: model.is_marked,
        backfills: model.backfills.iter().map(backfills_text).collect(),
        counters: model.counters.0.iter().map(counter).collect(),
        head: model.head.map(|head| (head.id.to_string(), head.total)),
        pauses_mark: Some(model.pauses_mark)
            .filter(|mark| *mark != PausesMark::default())
            .map(pauses_mark),
        pauses: model
            .pauses
            .iter()
            .map(|(subject, text)| pauses_text((subject.clone(), Some(text.clone()))))
            .collect(),
        ..Line::default()
    };
    let entries = registrations.chain(progress).chain(bad).chain(intents).chain(running);
    [first].into_iter().chain(entries).chain(runs).chain([last])
}

/// The values in lines of limited size.
fn pages<'a, T>(
    map: &'a HashMap<Box<str>, T>,
    line: impl Fn(Values) -> Line + 'a,
    write: impl Fn(&T) -> Value + 'a,
) -> impl Iterator<Item = Line> + 'a {
    let mut left = map.iter();
    std::iter::from_fn(move || {
        let page = left.by_ref().take(ENTRIES_PER_LINE);
        let values: Values = page.map(|(entry, of)| (entry.clone(), write(of))).collect();
        (!values.is_empty()).then(|| line(values))
    })
}

fn to_bytes(line: &Line) -> Vec<u8> {
    // Maps with string keys, numbers and strings: JSON can represent them all.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
