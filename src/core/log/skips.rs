//! Runs of equal skips: when slots of an entry are skipped one after the other for one reason, the first has a line
//! of its own; the others are counted, and written as one line every hour and when the run ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use tracing::{info, warn};

use crate::schedule::outcome::SkipReason;
use crate::schedule::planner::COUNT_CAP;

/// A run that goes on is written this often.
const WRITTEN_EVERY: Duration = Duration::from_secs(3600);
/// Skips of further entries are written one by one.
const MAX_RUNS: usize = 10_000;

/// Runs of equal skips that have not ended.
#[derive(Debug, Default)]
pub struct SkipRuns(BTreeMap<Arc<str>, Run>);

/// Slots of an entry that were skipped one after the other for one reason.
#[derive(Debug)]
struct Run {
    /// Those that are not written yet; `count` is 0 if there are none.
    rest: Skipped,
    written_at: UnixMs,
}

/// Skipped slots: the newest, why, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skipped {
    pub(super) slot: UnixMs,
    pub(super) reason: SkipReason,
    pub(super) count: u64,
    /// Whether there may have been more.
    pub(super) at_least: bool,
}

impl Skipped {
    pub(super) fn new(slot: UnixMs, reason: SkipReason, count: u64) -> Skipped {
        Skipped { slot, reason, count, at_least: count >= COUNT_CAP }
    }

    pub(super) fn write(self, entry: &str) {
        let Skipped { slot, reason, count, at_least } = self;
        let at_least = at_least.then_some(true);
        match reason {
            // Somebody paused it on purpose.
            SkipReason::Paused => info!(entry, %slot, %reason, count, at_least, "skipped"),
            _ => warn!(entry, %slot, %reason, count, at_least, "skipped"),
        }
    }
}

impl SkipRuns {
    /// The lines to write for skipped slots of an entry, recorded at `at`.
    pub(super) fn skip(
        &mut self,
        entry: &Arc<str>,
        skipped: Skipped,
        at: UnixMs,
    ) -> [Option<Skipped>; 2] {
        if let Some(run) = self.0.get_mut(entry).filter(|run| run.rest.reason == skipped.reason) {
            return [run.go_on(skipped, at), None];
        }
        let ended = self.end(entry);
        if self.0.len() < MAX_RUNS {
            let rest = Skipped { count: 0, at_least: false, ..skipped };
            self.0.insert(Arc::clone(entry), Run { rest, written_at: at });
        }
        [ended, Some(skipped)]
    }

    /// Ends the run of an entry, which is no longer skipped for this reason; returns the line to write for it.
    pub(super) fn end(&mut self, entry: &str) -> Option<Skipped> {
        self.0.remove(entry)?.rest()
    }

    /// Ends all runs and writes their lines, as when this replica no longer leads or its schedule has changed.
    pub fn end_all(&mut self) {
        for (entry, run) in std::mem::take(&mut self.0) {
            run.rest().into_iter().for_each(|rest| rest.write(&entry));
        }
    }
}

impl Run {
    /// Adds to the run; returns the line to write, once an hour. After the clock was set back, that is at once.
    fn go_on(&mut self, more: Skipped, at: UnixMs) -> Option<Skipped> {
        let Skipped { count, at_least, .. } = self.rest;
        self.rest =
            Skipped { count: count + more.count, at_least: at_least || more.at_least, ..more };
        if at >= self.written_at && at.since(self.written_at) < WRITTEN_EVERY {
            return None;
        }
        self.written_at = at;
        let rest = Skipped { count: 0, at_least: false, ..more };
        Some(std::mem::replace(&mut self.rest, rest))
    }

    fn rest(&self) -> Option<Skipped> {
        (self.rest.count > 0).then_some(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    /// The counts of the lines for a skip at that minute.
    fn skip(runs: &mut SkipRuns, minute: i64, reason: SkipReason, count: u64) -> Vec<u64> {
        let at = UnixMs(minute * MINUTE_MS);
        let lines = runs.skip(&"a".into(), Skipped::new(at, reason, count), at);
        lines.into_iter().flatten().map(|line| line.count).collect()
    }

    #[test]
    fn equal_skips_one_after_the_other_have_one_line_with_their_count() {
        let mut runs = SkipRuns::default();
        assert_eq!(skip(&mut runs, 0, SkipReason::QueueFull, 1), [1]);
        assert_eq!(skip(&mut runs, 1, SkipReason::QueueFull, 1), [0; 0]);
        assert_eq!(skip(&mut runs, 2, SkipReason::QueueFull, 2), [0; 0]);
        // Another reason ends the run.
        assert_eq!(skip(&mut runs, 3, SkipReason::Paused, 1), [3, 1]);
        assert_eq!(skip(&mut runs, 4, SkipReason::Paused, 5), [0; 0]);
        // So does a dispatch; a run of one has been written.
        let rest = runs.end("a").unwrap();
        assert_eq!((rest.count, rest.slot), (5, UnixMs(4 * MINUTE_MS)));
        assert_eq!(skip(&mut runs, 5, SkipReason::Paused, 1), [1]);
        assert!(runs.end("a").is_none());
    }

    #[test]
    fn a_run_that_goes_on_is_written_every_hour() {
        let mut runs = SkipRuns::default();
        let lines = (0..=150).flat_map(|minute| skip(&mut runs, minute, SkipReason::QueueFull, 1));
        assert_eq!(lines.collect::<Vec<_>>(), [1, 60, 60]);
        assert_eq!(runs.end("a").unwrap().count, 30);
    }

    #[test]
    fn a_count_that_was_cut_says_at_least() {
        let mut runs = SkipRuns::default();
        assert_eq!(skip(&mut runs, 0, SkipReason::TooLate, COUNT_CAP), [COUNT_CAP]);
        skip(&mut runs, 1, SkipReason::TooLate, 1);
        assert!(!runs.end("a").unwrap().at_least);
        skip(&mut runs, 2, SkipReason::TooLate, 1);
        skip(&mut runs, 3, SkipReason::TooLate, COUNT_CAP);
        assert!(runs.end("a").unwrap().at_least);
    }
}
