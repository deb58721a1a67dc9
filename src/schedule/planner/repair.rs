//! Repairs what was settled while a clock was ahead.

use std::collections::HashMap;
use std::sync::Arc;

use downbeat_time::UnixMs;

use super::judge::Judgement;
use super::takeover::MAX_PASSED;
use super::track::{INSTANT, keep_until};
use super::{Change, Planner};
use crate::schedule::outcome::Line;
use crate::schedule::progress::{Run, dispatched_after, insert_run};

/// An entry with implausible records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The entry's name.
    pub entry: Arc<str>,
    /// What was wrong.
    pub what: String,
}

/// The writes needed after a clock was set back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// The repaired registrations and progress.
    pub changes: Vec<Change>,
    /// Their entries.
    pub repaired: Vec<Repaired>,
}

impl Planner {
    /// Whether an entry is settled further ahead of `now` than the grace because the store's clock was set back.
    /// Then [`Planner::repair`] must be called.
    #[must_use]
    pub fn needs_repair(&self, now: UnixMs) -> bool {
        (0..).take(self.tracks.len()).any(|index| self.is_ahead(index, now))
    }

    /// Repairs entries after the store's clock was set back to `now`: those settled further ahead of it than the
    /// grace continue from now. Slots that are still on time are sent, too, if the wrong clock skipped them.
    /// Slots dispatched ahead, as far as this planner or `history` knows, are passed over when their time comes;
    /// slots skipped ahead are judged anew. The history has what was recorded of slots from a grace before `now`
    /// on, in order: much of it may be another leader's.
    ///
    /// The changes must be written, and everything folded, before anything is sent.
    #[must_use]
    pub fn repair<'a>(
        &mut self,
        now: UnixMs,
        history: impl IntoIterator<Item = &'a Line>,
    ) -> Repair {
        self.look(now);
        let on_time_after = now - self.grace - INSTANT;
        let history: Vec<&Line> = history.into_iter().collect();
        let dispatched = dispatched_after(now, history.iter().copied());
        let settled = newest_slots(now, &history);
        let mut repair = Repair::default();
        for index in (0..).take(self.tracks.len()) {
            if !self.is_ahead(index, now) {
                if self.judgements.contains_key(&index) {
                    self.take_off_agenda(index);
                    self.forget_judgements_ahead(index, now);
                    self.put_on_agenda(index);
                }
                continue;
            }
            self.take_off_agenda(index);
            let name = Arc::clone(&self.entry(index).name);
            let newest = settled.get(&*name).copied();
            let cursor = self.settled_in_time(index, now).max(newest.unwrap_or(on_time_after));
            let what = self.set_back(index, now, cursor);
            for run in dispatched.get(&*name).into_iter().flatten() {
                self.pass_after(index, *run, cursor);
            }
            self.put_on_agenda(index);
            let since = self.tracks[index as usize].known_from;
            repair.changes.push(self.registration(index, since));
            repair.repaired.push(Repaired { entry: name, what });
        }
        repair
    }

    /// How far the entry was settled before the clock was ahead: at least the slots that are no longer on time,
    /// and those that this planner dispatched. If it does not remember the time before, everything up to now.
    fn settled_in_time(&self, index: u32, now: UnixMs) -> UnixMs {
        let known_from = self.tracks[index as usize].known_from;
        if known_from > now {
            return now;
        }
        let runs = self.runs(index);
        let newest = runs.iter().rev().find(|run| run.first <= now).map(|run| run.last.min(now));
        newest.unwrap_or(known_from).max(known_from).max(now - self.grace - INSTANT)
    }

    /// Whether a live entry is settled further than possible at `now`.
    pub(super) fn is_ahead(&self, index: u32, now: UnixMs) -> bool {
        let track = &self.tracks[index as usize];
        track.is_live() && track.cursor > now + self.grace
    }

    /// Sets the entry back to `cursor`, which is not later than `now`, and says what was wrong. Does not change
    /// the agenda.
    pub(super) fn set_back(&mut self, index: u32, now: UnixMs, cursor: UnixMs) -> String {
        self.forget_judgements_ahead(index, now);
        let was_through = self.tracks[index as usize].cursor;
        for run in self.runs(index) {
            self.pass_after(index, run, cursor);
        }
        let mut runs = self.runs(index);
        keep_until(&mut runs, cursor);
        self.set_runs(index, runs);
        let track = &mut self.tracks[index as usize];
        track.known_from = track.known_from.min(cursor);
        track.cursor = cursor;
        settled_ahead(was_through)
    }

    /// Passes over the part of the run that is later than `after`.
    pub(super) fn pass_after(&mut self, index: u32, run: Run, after: UnixMs) {
        if run.last > after {
            let run = Run { first: run.first.max(after + INSTANT), last: run.last };
            self.pass(index, run);
        }
    }

    /// Passes over the run. If there are too many, settled ones are forgotten first.
    pub(super) fn pass(&mut self, index: u32, run: Run) {
        let cursor = self.tracks[index as usize].cursor;
        let passed = self.passed.entry(index).or_default();
        if passed.len() >= MAX_PASSED && passed[0].last <= cursor {
            passed.remove(0);
        }
        insert_run(passed, run, MAX_PASSED);
    }

    /// Drops judgements of slots further ahead than the grace. Those that are to be sent again stay marked.
    fn forget_judgements_ahead(&mut self, index: u32, now: UnixMs) {
        let horizon = now + self.grace;
        let Some(judgements) = self.judgements.get_mut(&index) else { return };
        if judgements.last().is_none_or(|last| last.through <= horizon) {
            return;
        }
        let mut after = UnixMs::MIN;
        for judgement in std::mem::take(judgements) {
            if judgement.through <= horizon {
                judgements.push(judgement);
            } else if judgement.is_resent() {
                if after < now {
                    judgements.push(Judgement { through: now, ..judgement });
                }
                let run = Run { first: after.max(now) + INSTANT, last: judgement.through };
                insert_run(self.forgotten.entry(index).or_default(), run, MAX_PASSED);
            }
            after = judgement.through;
        }
        if judgements.is_empty() {
            self.judgements.remove(&index);
        }
    }
}

/// What is wrong with an entry that a clock that was ahead has settled up to `through`.
pub(super) fn settled_ahead(through: UnixMs) -> String {
    format!("its slots up to {through} were settled by a clock that was ahead")
}

/// For each entry, the newest slot up to `now` with a recorded outcome: everything before it was settled.
fn newest_slots<'a>(now: UnixMs, history: &[&'a Line]) -> HashMap<&'a str, UnixMs> {
    let mut newest = HashMap::new();
    let lines = history.iter().filter(|line| line.outcome.is_scheduled() && line.slot <= now);
    for line in lines {
        let known = newest.entry(&*line.entry).or_insert(line.slot);
        *known = line.slot.max(*known);
    }
    newest
}
