//! The log of records: appended and synced, one JSON line for each write, merged at the start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::files::sync;
use super::{SpoolError, failed};
use crate::regular_file;
use crate::schedule::UnixMs;
use crate::schedule::legacy::{Life, LifeChange, State};
use crate::store::{Outcome, Write};

/// A log of this size is rewritten, if that makes it much smaller.
const REWRITE_AT: u64 = 8 << 20;
/// No log is larger: that of a million entries is rewritten before.
const MAX_BYTES: u64 = 4 << 30;

/// One write: what it changes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Line {
    sequence: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lives: BTreeMap<Box<str>, (i64, Option<Box<str>>)>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    forgotten: BTreeSet<Box<str>>,
    /// Slot and outcome.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    settled: BTreeMap<Box<str>, (i64, String)>,
    /// How many slots of its present life an entry with a limit has dispatched.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sent: BTreeMap<Box<str>, u64>,
}

/// The state and the file that holds it.
#[derive(Debug)]
pub(super) struct Records {
    path: PathBuf,
    file: File,
    length: u64,
    rewrite_at: u64,
    state: State,
}

impl Records {
    /// Reads the log, or begins one, and rewrites it in its shortest form.
    pub(super) fn open(path: &Path) -> Result<Records, SpoolError> {
        let (state, _) = read(path)?;
        let (file, length) = replace(path, &state)?;
        sync(path.parent().unwrap_or(path))?;
        let rewrite_at = REWRITE_AT.max(4 * length);
        Ok(Records { path: path.to_owned(), file, length, rewrite_at, state })
    }

    /// Makes the log short. Where that fails the long one goes on: it holds everything.
    fn rewrite(&mut self) {
        match replace(&self.path, &self.state) {
            Ok((file, length)) => {
                (self.file, self.length) = (file, length);
                self.rewrite_at = REWRITE_AT.max(4 * length);
                if let Err(error) = sync(self.path.parent().unwrap_or(&self.path)) {
                    warn!(%error, "could not sync the spool's folder");
                }
            }
            Err(error) => {
                self.rewrite_at = self.length + REWRITE_AT / 8;
                warn!(%error, "could not shorten the log of records");
            }
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn is_settled(&self, entry: &str, slot: UnixMs) -> bool {
        self.state.progress.get(entry).is_some_and(|settled| *settled >= slot)
    }

    /// How many slots of its present life an entry with a limit has dispatched.
    pub(super) fn sent(&self, entry: &str) -> u64 {
        self.state.sent.get(entry).copied().unwrap_or(0)
    }

    /// Records slots; those of one entry stand in order.
    pub(super) fn settle(&mut self, next: u64, writes: &[Write]) -> Result<(), SpoolError> {
        let mut line = Line { sequence: next, ..Line::default() };
        for write in writes {
            let entry = || Box::from(&*write.entry);
            line.settled.insert(entry(), (write.slot.0, write.outcome.to_string()));
            if let (Outcome::Dispatched(_), Some(_)) = (write.outcome, write.guards.limit) {
                *line.sent.entry(entry()).or_insert_with(|| self.sent(&write.entry)) += 1;
            }
        }
        self.append(line)
    }

    /// Records which entries are live. A life never reaches back behind the entry's progress.
    pub(super) fn adopt(&mut self, next: u64, changes: &[LifeChange]) -> Result<(), SpoolError> {
        let mut line = Line { sequence: next, ..Line::default() };
        for change in changes {
            match change.clone() {
                LifeChange::Begin { entry, timing, since, settled, sent } => {
                    if sent > 0 || self.sent(&entry) > 0 {
                        line.sent.insert(entry.clone(), sent);
                    }
                    if let Some(slot) = settled {
                        line.settled.insert(entry.clone(), (slot.0, "restored -".to_owned()));
                    }
                    let last = self.state.progress.get(&entry).copied();
                    let since = since.max(last.unwrap_or(UnixMs::MIN));
                    line.lives.insert(entry, (since.0, Some(timing)));
                }
                LifeChange::Retire { entry, at } => {
                    line.lives.insert(entry, (at.0, None));
                }
                LifeChange::Forget { entry } => {
                    line.forgotten.insert(entry);
                }
            }
        }
        self.append(line)
    }

    fn append(&mut self, line: Line) -> Result<(), SpoolError> {
        let bytes = to_line(&line);
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Nobody may find half a line, nor a record of what is not going to be sent.
            self.file.set_len(self.length).map_err(failed("truncate", &self.path))?;
            return Err(failed("write", &self.path)(error));
        }
        self.length += bytes.len() as u64;
        merge(&mut self.state, line);
        if self.length > self.rewrite_at {
            self.rewrite();
        }
        Ok(())
    }
}

/// Writes the state as one line in the log's place; gives the file to go on with, and its length.
fn replace(path: &Path, state: &State) -> Result<(File, u64), SpoolError> {
    let line = to_line(&snapshot(state));
    let staged = path.with_extension("new");
    let replaced = regular_file::replace_own(path, &staged, |file| file.write_all(&line));
    let file = replaced.map_err(failed("replace", path))?;
    Ok((file, line.len() as u64))
}

/// Reads a log: the state, and the length of what is whole. A last line without its end was being
/// written when the machine stopped, and counts as not written.
pub(super) fn read(path: &Path) -> Result<(State, usize), SpoolError> {
    let text = match regular_file::read_own(path, MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut state = State::default();
    for (number, line) in text[..whole].split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let line = serde_json::from_slice(line).map_err(|error| SpoolError::Corrupt {
            path: path.to_owned(),
            line: number + 1,
            reason: error.to_string(),
        })?;
        merge(&mut state, line);
    }
    Ok((state, whole))
}

fn merge(state: &mut State, line: Line) {
    state.sequence = line.sequence;
    state.marked |= line.sequence > 0;
    for (entry, (since, timing)) in line.lives {
        state.lives.insert(entry, Life { since: UnixMs(since), timing });
    }
    for (entry, (slot, _)) in line.settled {
        state.progress.insert(entry, UnixMs(slot));
    }
    state.sent.extend(line.sent);
    for entry in line.forgotten {
        state.lives.remove(&entry);
        state.progress.remove(&entry);
        state.sent.remove(&entry);
    }
}

fn snapshot(state: &State) -> Line {
    let lives = state
        .lives
        .iter()
        .map(|(entry, life)| (entry.clone(), (life.since.0, life.timing.clone())));
    let settled = state
        .progress
        .iter()
        .map(|(entry, slot)| (entry.clone(), (slot.0, "settled -".to_owned())));
    Line {
        sequence: state.sequence,
        lives: lives.collect(),
        forgotten: BTreeSet::new(),
        settled: settled.collect(),
        sent: state.sent.iter().map(|(entry, sent)| (entry.clone(), *sent)).collect(),
    }
}

fn to_line(line: &Line) -> Vec<u8> {
    // Maps with string keys, numbers and strings: nothing that JSON cannot hold.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::schedule::Guards;
    use uuid::Uuid;

    fn settled(slot: i64) -> Write {
        Write {
            entry: "a".into(),
            slot: UnixMs(slot),
            outcome: Outcome::Dispatched(Uuid::nil()),
            message: None,
            guards: Guards::default(),
        }
    }

    #[test]
    fn a_line_cut_short_counts_as_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let mut records = Records::open(&path).unwrap();
        records.settle(1, &[settled(1), settled(2)]).unwrap();
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"sequence\":2,\"settled\":{\"a\":[3");
        fs::write(&path, text).unwrap();
        let records = Records::open(&path).unwrap();
        assert!(records.is_settled("a", UnixMs(2)));
        assert!(!records.is_settled("a", UnixMs(3)));
        assert_eq!(records.state().sequence, 1);
    }

    #[test]
    fn a_rewrite_that_fails_loses_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let mut records = Records::open(&path).unwrap();
        // Nothing can be written aside, as on a disk that is full but for the log's last block.
        fs::create_dir(path.with_extension("new")).unwrap();
        let begin = |n| LifeChange::Begin {
            entry: format!("{n}-{}", "x".repeat(1000)).into(),
            timing: "t".into(),
            since: UnixMs(0),
            settled: None,
            sent: 0,
        };
        let lives: Vec<LifeChange> = (0..1000).map(begin).collect();
        let mut sequence = 0;
        while records.length <= REWRITE_AT + 2 * (1 << 20) {
            sequence += 1;
            records.adopt(sequence, &lives).unwrap();
        }
        records.settle(sequence + 1, &[settled(7)]).unwrap();
        assert!(records.is_settled("a", UnixMs(7)));
        assert_eq!(records.state().lives.len(), 1000);
        fs::remove_dir(path.with_extension("new")).unwrap();
        for more in 2..5 {
            records.adopt(sequence + more, &lives).unwrap();
        }
        assert!(records.length < REWRITE_AT, "it is rewritten once that is possible");
        assert!(records.is_settled("a", UnixMs(7)));
        drop(records);
        let records = Records::open(&path).unwrap();
        assert!(records.is_settled("a", UnixMs(7)));
    }

    #[test]
    fn damage_in_the_middle_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        fs::write(&path, "{\"sequence\":1}\nnonsense\n{\"sequence\":2}\n").unwrap();
        let error = Records::open(&path).unwrap_err().to_string();
        assert!(error.contains("records:2: not a record"), "{error}");
    }

    #[test]
    fn a_life_never_reaches_back_behind_progress() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open(&folder.path().join("records")).unwrap();
        records.settle(1, &[settled(500)]).unwrap();
        let begin = LifeChange::Begin {
            entry: "a".into(),
            timing: "t".into(),
            since: UnixMs(100),
            settled: None,
            sent: 0,
        };
        records.adopt(2, &[begin]).unwrap();
        assert_eq!(records.state().lives["a"].since, UnixMs(500));
    }
}
