//! Progress: how far each entry has come, and what a store knows of a namespace's schedule.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::outcome::{Line, Outcome, SkipReason};
use super::registration::Registration;

/// The maximum number of runs settled ahead that are remembered for one entry; further ones are merged with the
/// last, so that the slots between count as settled, too.
pub const MAX_RUNS: usize = 20;

/// Slots of one entry from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first slot.
    pub first: UnixMs,
    /// The last slot; never earlier than the first.
    pub last: UnixMs,
}

/// How far one entry has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every slot up to here is settled.
    pub through: UnixMs,
    /// The outcome of the newest settled slot; `None` if it is not known.
    pub outcome: Option<Outcome>,
    /// The newest dispatched slot of any registration.
    pub dispatched: Option<UnixMs>,
    /// The number of dispatched slots of this registration; kept only for entries with a limit.
    pub count: u64,
    /// Settled slots later than `through`, sorted and apart from each other: they were dispatched while a clock
    /// was ahead, and are passed over. At most [`MAX_RUNS`].
    pub ahead: Vec<Run>,
}

impl Run {
    /// Whether the slot is in the run.
    #[must_use]
    pub fn contains(&self, slot: UnixMs) -> bool {
        self.first <= slot && slot <= self.last
    }
}

impl Progress {
    /// Progress up to an instant, with nothing else known.
    #[must_use]
    pub fn through(through: UnixMs) -> Progress {
        Progress { through, ..Progress::default() }
    }

    /// Applies a line of the journal that is newer than all applied before and whose slot was not settled ahead
    /// of its time. Lines up to `through` were already folded; manual messages never move progress.
    pub fn apply(&mut self, line: &Line) {
        if !line.outcome.is_scheduled() || self.is_settled(line.slot) {
            return;
        }
        self.through = line.slot;
        self.outcome = Some(line.outcome);
        if matches!(line.outcome, Outcome::Dispatched(_)) {
            self.dispatched = Some(line.slot);
            self.count += 1;
        }
        self.ahead.retain(|run| run.last > line.slot);
    }

    /// Whether the slot is settled.
    #[must_use]
    pub fn is_settled(&self, slot: UnixMs) -> bool {
        slot <= self.through || self.ahead.iter().any(|run| run.contains(slot))
    }

    /// Adds slots that were settled ahead of their time.
    pub fn settle_ahead(&mut self, run: Run) {
        insert_run(&mut self.ahead, run, MAX_RUNS);
    }
}

/// Adds a run to others, which are sorted and apart from each other; if there are more than `max`, the last are
/// merged.
pub fn insert_run(runs: &mut Vec<Run>, run: Run, max: usize) {
    let at = runs.partition_point(|other| other.last < run.first);
    let joined = runs[at..].iter().take_while(|other| other.first <= run.last).count();
    let (first, last) = match joined {
        0 => (run.first, run.last),
        _ => (run.first.min(runs[at].first), run.last.max(runs[at + joined - 1].last)),
    };
    runs.splice(at..at + joined, [Run { first, last }]);
    if runs.len() > max
        && let Some(last) = runs.pop()
        && let Some(merged) = runs.last_mut()
    {
        merged.last = last.last;
    }
}

/// Whether a store's records are complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// The namespace was never used here, or everything of it was deleted.
    #[default]
    Empty,
    /// All records are there.
    Whole,
    /// Records are missing, and it is not known of which entries: part of the journal, or a whole hash.
    Damaged,
}

/// Everything that a store has of a namespace's schedule, read at once, with the journal replayed.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The store's clock when it was read.
    pub now: UnixMs,
    /// The sequence number that the next fenced write must name.
    pub sequence: u64,
    /// Whether records are missing.
    pub completeness: Completeness,
    /// By entry name.
    pub registrations: HashMap<Box<str>, Registration>,
    /// By entry name.
    pub progress: HashMap<Box<str>, Progress>,
    /// By entry name, the slot that a carrier may have taken, if it is later than the entry's progress.
    pub intents: HashMap<Box<str>, UnixMs>,
    /// Entries with unreadable values, and what is unreadable; at most 100.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// The total number of unreadable values.
    pub unreadable_count: usize,
}

impl State {
    /// Whether it has something that only a clock more than `grace` ahead of the store's can have written. Then
    /// the history of slots later than `now` should be added as well.
    #[must_use]
    pub fn is_ahead(&self, grace: Duration) -> bool {
        let horizon = self.now + grace;
        let is_ahead =
            |progress: &Progress| progress.through > horizon || !progress.ahead.is_empty();
        self.registrations.values().any(|registration| registration.since > horizon)
            || self.progress.values().any(is_ahead)
    }

    /// Applies lines of the journal or the history, in the order of recording: dispatched slots later than `now`
    /// will be passed over.
    pub fn apply_ahead<'a>(&mut self, lines: impl IntoIterator<Item = &'a Line>) {
        for (entry, runs) in dispatched_after(self.now, lines) {
            let progress = self.progress.entry(entry.into()).or_default();
            runs.into_iter().for_each(|run| progress.settle_ahead(run));
        }
    }
}

/// The runs of slots later than `now` that were dispatched, or may have been, by entry; `lines` are in the order
/// of recording. Slots dispatched one after another are one run: everything between them is settled.
#[must_use]
pub fn dispatched_after<'a>(
    now: UnixMs,
    lines: impl IntoIterator<Item = &'a Line>,
) -> HashMap<&'a str, Vec<Run>> {
    // Each entry's runs, and whether the last one may continue.
    let mut found: HashMap<&str, (Vec<Run>, bool)> = HashMap::new();
    let is_ahead = |line: &&Line| line.slot > now && line.outcome.is_scheduled();
    for line in lines.into_iter().filter(is_ahead) {
        let (runs, is_open) = found.entry(&line.entry).or_default();
        let is_dispatched = matches!(line.outcome, Outcome::Dispatched(_));
        let first = match line.outcome {
            Outcome::Dispatched(_) => Some(line.slot),
            // Their records were lost: each of them may have been dispatched.
            Outcome::Skipped(SkipReason::Unknown) => {
                let after_now = UnixMs(now.0 + 1);
                let at_first = if line.count > 1 { after_now } else { line.slot };
                Some(line.first.unwrap_or(at_first).max(after_now))
            }
            Outcome::Skipped(_) => None,
        };
        match runs.last_mut().filter(|run| *is_open && run.last < line.slot) {
            Some(run) if is_dispatched => run.last = line.slot,
            _ => runs.extend(first.map(|first| Run { first, last: line.slot })),
        }
        *is_open = is_dispatched;
    }
    found.into_iter().map(|(entry, (runs, _))| (entry, runs)).collect()
}
