//! The journal: one record per batch and queue, each naming the one before it.
//!
//! A record's text has one line per slot, with tabs between the fields:
//!
//! ```text
//! nightly<TAB>1798761600000                        sent on time
//! nightly<TAB>1798761600000<TAB>catch_up           sent late
//! nightly<TAB>1798761600000<TAB>too_late<TAB>n=12  twelve slots left out, this one the newest
//! nightly<TAB>1798761600000<TAB>manual<TAB>id=…<TAB>by=ann@host
//! nightly<TAB>1798761600000<TAB>paused<TAB>by=ann@host<TAB>note=database moves
//! ```
//!
//! `d=` is the time from slot to due time in milliseconds; `f=` is the first of several slots whose records were
//! lost. Unknown words or fields make a line unreadable, and that line only.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::contract::Snapshot;
use crate::schedule::Kind;
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::progress::{Completeness, State};

/// The maximum length of a line in bytes: a name has at most 255.
const MAX_LINE: usize = 1_024;
/// The maximum length of a note in bytes; the rest is cut off.
const MAX_NOTE: usize = 200;
/// The maximum length of a record in bytes: 500 slots with the longest names fit.
pub const MAX_RECORD: usize = 512 << 10;
/// The maximum number of unreadable values that are named.
pub const MAX_UNREADABLE: usize = 100;

/// The id of a record; later records have greater ones. It says when the record was written, by the store's
/// clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Milliseconds since the epoch.
    pub ms: u64,
    /// Distinguishes records of the same millisecond.
    pub number: u64,
}

impl RecordId {
    /// When the record was written.
    #[must_use]
    pub fn at(self) -> UnixMs {
        UnixMs(i64::try_from(self.ms).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

/// The error for a text that is not a record's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record's id")]
pub struct NotAnId;

impl FromStr for RecordId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<RecordId, NotAnId> {
        let (ms, number) = text.split_once('-').ok_or(NotAnId)?;
        let digits = |text: &str| {
            let plain = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| plain).ok_or(NotAnId)
        };
        Ok(RecordId { ms: digits(ms)?, number: digits(number)? })
    }
}

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// The record before it; `None` for the first of a chain.
    pub before: Option<RecordId>,
    /// The term of the leader that wrote it; `None` for manual messages.
    pub term: Option<u64>,
    /// The queue that its lines are counted under.
    pub queue: Arc<str>,
    /// The number of slots in the chain up to this record, inclusive.
    pub total: u64,
    /// What became of slots.
    pub lines: Vec<Line>,
    /// The unreadable lines.
    pub unreadable: Vec<UnreadableLine>,
}

/// An unreadable line, shortened, with its entry's name if that can be read.
pub type UnreadableLine = (Option<Arc<str>>, String);

/// Adds a line to a record's text.
pub fn write_line(line: &Line, text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "{}\t{}", line.entry, line.slot.0);
    let is_bare = line.count == 1 && line.delay.is_zero();
    if line.outcome == Outcome::Dispatched(Kind::Scheduled) && is_bare {
        return;
    }
    let _ = write!(text, "\t{}", line.outcome.as_str());
    if line.count != 1 {
        let _ = write!(text, "\tn={}", line.count);
    }
    if let Some(first) = line.first {
        let _ = write!(text, "\tf={}", first.0);
    }
    if !line.delay.is_zero() {
        let _ = write!(text, "\td={}", line.delay.as_millis());
    }
    if let Some(task_id) = &line.task_id {
        let _ = write!(text, "\tid={task_id}");
    }
    if let Some(by) = &line.by {
        let by: String = by.chars().filter(|c| !c.is_control()).take(100).collect();
        let _ = write!(text, "\tby={by}");
    }
    if let Some(note) = &line.note {
        let plain = note.char_indices().filter(|(_, c)| !c.is_control());
        let note: String = plain.take_while(|(at, _)| *at < MAX_NOTE - 3).map(|(_, c)| c).collect();
        let _ = write!(text, "\tnote={note}");
    }
}

/// Reads one line; `None` if it is not understood.
#[must_use]
pub fn read_line(text: &str) -> Option<Line> {
    if text.len() > MAX_LINE {
        return None;
    }
    let mut fields = text.split('\t');
    let entry = fields.next().filter(|name| !name.is_empty())?;
    let slot = read_instant(fields.next()?)?;
    let outcome = match fields.next() {
        Some(word) => Outcome::from_word(word)?,
        None => Outcome::Dispatched(Kind::Scheduled),
    };
    let mut line = Line::new(entry.into(), slot, outcome);
    for field in fields {
        match field.split_once('=')? {
            ("n", count) => line.count = count.parse().ok().filter(|n| (1..=10_000).contains(n))?,
            ("f", first) => line.first = Some(read_instant(first)?),
            ("d", delay) => line.delay = Duration::from_millis(delay.parse::<u32>().ok()?.into()),
            ("id", id) => line.task_id = Some(id.parse().ok()?),
            ("by", by) => line.by = Some(by.into()),
            ("note", note) => line.note = Some(note.into()),
            _ => return None,
        }
    }
    Some(line)
}

/// Reads a record's text: its lines and the unreadable ones.
#[must_use]
pub fn read_lines(text: &[u8]) -> (Vec<Line>, Vec<UnreadableLine>) {
    let (mut lines, mut unreadable) = (Vec::new(), Vec::new());
    if text.len() > MAX_RECORD {
        return (lines, vec![(None, format!("a record of {} bytes", text.len()))]);
    }
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let read = std::str::from_utf8(line).ok().and_then(read_line);
        if let Some(line) = read {
            lines.push(line);
            continue;
        }
        if unreadable.len() == MAX_UNREADABLE {
            unreadable.push((None, "more lines of the same record".to_owned()));
        }
        if unreadable.len() > MAX_UNREADABLE {
            continue;
        }
        let entry = line.split(|byte| *byte == b'\t').next();
        let entry = entry.and_then(|name| std::str::from_utf8(name).ok());
        let entry = entry.filter(|name| !name.is_empty() && name.len() < line.len());
        unreadable.push((entry.map(Arc::from), shortened(line)));
    }
    (lines, unreadable)
}

/// Reads an instant in UTC milliseconds, within the years that a schedule can have.
#[must_use]
pub fn read_instant(text: &str) -> Option<UnixMs> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain).map(UnixMs)
}

/// A stored text made fit to be shown: at most 60 bytes, and no raw bytes.
#[must_use]
pub fn shortened(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(60)]);
    let more = if text.len() > 60 { "…" } else { "" };
    format!("`{}`{more}", crate::escape::escape(&shown))
}

impl Snapshot {
    /// Replays the journal from `folded` to `head`, and returns the resulting state. If the chain breaks,
    /// records are missing. Slots more than `grace` ahead of `now` were recorded while a clock was ahead: they
    /// move no progress, and dispatched ones are settled ahead.
    ///
    /// Takes the values of entries out of the snapshot, because a copy of a million would be large; the journal
    /// stays.
    #[must_use]
    pub fn take_state(&mut self, grace: Duration) -> State {
        let horizon = self.now + grace;
        let mut state = State {
            now: self.now,
            sequence: self.sequence,
            completeness: self.completeness,
            registrations: std::mem::take(&mut self.registrations).into_iter().collect(),
            progress: std::mem::take(&mut self.progress).into_iter().collect(),
            intents: std::mem::take(&mut self.intents).into_iter().collect(),
            unreadable: std::mem::take(&mut self.unreadable),
            unreadable_count: self.unreadable_count,
        };
        if self.completeness == Completeness::Whole && !self.is_chain_whole() {
            state.completeness = Completeness::Damaged;
        }
        let (mut ahead, mut is_anybodys) = (Vec::new(), false);
        for record in &self.journal {
            for line in record.lines.iter().filter(|line| line.outcome.is_scheduled()) {
                let progress = state.progress.entry((&*line.entry).into()).or_default();
                if line.slot <= horizon {
                    progress.apply(line);
                } else if !progress.is_settled(line.slot) {
                    ahead.push(line);
                }
            }
            for (entry, what) in &record.unreadable {
                state.unreadable_count += 1;
                let is_named = entry.is_some() && state.unreadable.len() < MAX_UNREADABLE;
                // Manual messages move no progress.
                is_anybodys |= !is_named && record.term.is_some();
                if state.unreadable.len() < MAX_UNREADABLE {
                    let entry = entry.clone().unwrap_or_else(|| "".into());
                    state.unreadable.push((entry, what.clone()));
                }
            }
        }
        // The line may belong to any entry.
        if is_anybodys && state.completeness == Completeness::Whole {
            state.completeness = Completeness::Damaged;
        }
        for line in &ahead {
            if let (Outcome::Dispatched(_), Some(progress)) =
                (line.outcome, state.progress.get_mut(&*line.entry))
            {
                progress.count += 1;
            }
        }
        state.apply_ahead(ahead);
        state.intents.retain(|entry, slot| {
            state.progress.get(entry).is_none_or(|progress| progress.through < *slot)
        });
        state
    }

    /// Whether the records lead from `folded` to `head` without a gap.
    #[must_use]
    pub fn is_chain_whole(&self) -> bool {
        let mut last = self.folded;
        for record in &self.journal {
            if record.before != last {
                return false;
            }
            last = Some(record.id);
        }
        last == self.head
    }

    /// The slots that a tenure has recorded since `folded`, by entry and slot.
    #[must_use]
    pub fn recorded_in(&self, term: u64) -> HashMap<(&str, UnixMs), Outcome> {
        let records = self.journal.iter().filter(|record| record.term == Some(term));
        let lines = records.flat_map(|record| &record.lines);
        lines.map(|line| ((&*line.entry, line.slot), line.outcome)).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::schedule::outcome::SkipReason;
    use crate::schedule::progress::Progress;

    fn id(ms: u64) -> RecordId {
        RecordId { ms, number: 0 }
    }

    fn sent(entry: &str, slot: i64) -> Line {
        Line::new(entry.into(), UnixMs(slot), Outcome::Dispatched(Kind::Scheduled))
    }

    fn record(ms: u64, before: Option<u64>, lines: Vec<Line>) -> Record {
        let (id, before) = (id(ms), before.map(id));
        let (queue, total) = ("q".into(), ms);
        Record { id, before, term: Some(1), queue, total, lines, unreadable: Vec::new() }
    }

    #[test]
    fn lines_are_read_back_as_they_were_written() {
        let plain = sent("nightly report", 1_798_761_600_000);
        let skipped = Line { count: 12, ..plain.clone() };
        let skipped = Line { outcome: Outcome::Skipped(SkipReason::TooLate), ..skipped };
        let late = Line { delay: Duration::from_secs(90), ..plain.clone() };
        let (task_id, by) = (Some(Uuid::from_u128(7)), Some("ann@host".into()));
        let manual = Line { task_id, by, ..plain.clone() };
        let manual = Line { outcome: Outcome::Dispatched(Kind::Manual), ..manual };
        let lost = Line { first: Some(UnixMs(1_798_761_000_000)), count: 2, ..plain.clone() };
        let lost = Line { outcome: Outcome::Skipped(SkipReason::Unknown), ..lost };
        let (by, note) = (Some("ann@host".into()), Some("a=b: database moves".into()));
        let paused = Line { by, note, count: 3, ..plain.clone() };
        let paused = Line { outcome: Outcome::Skipped(SkipReason::Paused), ..paused };
        let lines = vec![plain, skipped, late, manual, lost, paused];
        let mut text = String::new();
        lines.iter().for_each(|line| write_line(line, &mut text));
        assert!(text.starts_with("nightly report\t1798761600000\nnightly"), "{text}");
        assert_eq!(read_lines(text.as_bytes()), (lines, vec![]));
    }

    #[test]
    fn an_unreadable_line_affects_only_its_own_entry() {
        for bad in ["b\tnan", "b\t1\tflown", "b\t1\ttoo_late\tn=0", "b\t1\ttoo_late\tx", "b\t1e3"] {
            let text = format!("a\t1\n{bad}\nc\t2");
            let (lines, unreadable) = read_lines(text.as_bytes());
            assert_eq!(lines, [sent("a", 1), sent("c", 2)], "{bad}");
            assert_eq!(unreadable[0].0.as_deref(), Some("b"));
        }
        let long = format!("b\t{}", "4".repeat(40));
        assert_eq!(read_line(&long), None);
        assert_eq!(read_lines(b"\xff\xfe\n").1, [(None, "`\u{fffd}\u{fffd}`".to_owned())]);
        assert_eq!(read_lines(&vec![b'x'; MAX_RECORD + 1]).1.len(), 1);
        let many = read_lines("b\n".repeat(MAX_RECORD / 2).as_bytes()).1;
        assert_eq!((many.len(), &many[MAX_UNREADABLE].0), (MAX_UNREADABLE + 1, &None));
    }

    #[test]
    fn a_snapshot_is_whole_when_its_records_lead_from_folded_to_head() {
        let journal = vec![record(2, Some(1), vec![]), record(3, Some(2), vec![])];
        let (folded, head) = (Some(id(1)), Some(id(3)));
        let completeness = Completeness::Whole;
        let whole = Snapshot { folded, head, journal, completeness, ..Snapshot::default() };
        let completeness = |change: fn(&mut Snapshot)| {
            let mut changed = whole.clone();
            change(&mut changed);
            changed.take_state(Duration::ZERO).completeness
        };
        assert_eq!(completeness(|_| ()), Completeness::Whole);
        for change in [
            |s: &mut Snapshot| drop(s.journal.remove(0)),
            |s: &mut Snapshot| drop(s.journal.pop()),
            |s: &mut Snapshot| s.journal.clear(),
            |s: &mut Snapshot| s.head = None,
            |s: &mut Snapshot| s.folded = None,
            |s: &mut Snapshot| s.head = Some(RecordId { ms: 9, number: 9 }),
        ] {
            assert_eq!(completeness(change), Completeness::Damaged);
        }
    }

    #[test]
    fn progress_is_what_was_folded_and_what_came_after() {
        let folded = Progress { count: 3, ..Progress::through(UnixMs(10)) };
        let skipped = Line { outcome: Outcome::Skipped(SkipReason::TooLate), ..sent("a", 30) };
        let manual = Line { outcome: Outcome::Dispatched(Kind::Manual), ..sent("a", 99) };
        let journal = vec![
            record(1, None, vec![sent("a", 10), sent("a", 20), sent("b", 5)]),
            record(2, Some(1), vec![skipped, manual]),
        ];
        let mut snapshot = Snapshot {
            progress: vec![("a".into(), folded)],
            intents: vec![("a".into(), UnixMs(30)), ("b".into(), UnixMs(6))],
            head: Some(id(2)),
            journal,
            completeness: Completeness::Whole,
            ..Snapshot::default()
        };
        let state = snapshot.take_state(Duration::from_millis(99));
        let a = &state.progress["a"];
        assert_eq!((a.through, a.dispatched, a.count), (UnixMs(30), Some(UnixMs(20)), 4));
        assert_eq!(a.outcome, Some(Outcome::Skipped(SkipReason::TooLate)));
        assert_eq!(state.progress["b"].through, UnixMs(5));
        // A recorded slot is no longer uncertain.
        assert_eq!(state.intents.into_iter().collect::<Vec<_>>(), [("b".into(), UnixMs(6))]);
        assert_eq!(snapshot.recorded_in(1).len(), 5);
        assert!(snapshot.recorded_in(2).is_empty());
    }
    #[test]
    fn what_was_dispatched_ahead_of_the_clock_moves_no_progress_and_is_settled() {
        let skipped = Line { outcome: Outcome::Skipped(SkipReason::TooLate), ..sent("a", 95) };
        let lines = vec![sent("a", 90), sent("a", 91), skipped, sent("b", 92)];
        let mut snapshot = Snapshot {
            now: UnixMs(20),
            journal: vec![record(1, None, vec![sent("a", 10)]), record(2, Some(1), lines)],
            head: Some(id(2)),
            completeness: Completeness::Whole,
            ..Snapshot::default()
        };
        let state = snapshot.take_state(Duration::from_millis(5));
        let a = &state.progress["a"];
        assert_eq!((a.through, a.dispatched), (UnixMs(10), Some(UnixMs(10))));
        assert!(a.is_settled(UnixMs(90)) && a.is_settled(UnixMs(91)));
        assert!(!a.is_settled(UnixMs(11)) && !a.is_settled(UnixMs(95)), "{a:?}");
        assert!(state.progress["b"].is_settled(UnixMs(92)));
    }
}
