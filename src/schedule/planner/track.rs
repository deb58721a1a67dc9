//! How far each entry has come, and which of its slots this process knows to be dispatched.
//!
//! Dispatched slots are remembered as runs: slots dispatched one right after another. An entry's newest run is
//! part of its track; older ones are kept separately, for entries that have any.

use downbeat_time::UnixMs;

use crate::schedule::entry::Entry;
use crate::schedule::outcome::Outcome;
use crate::schedule::progress::Run;

/// The maximum number of older runs remembered for an entry.
pub(super) const MAX_OLDER: usize = 32;
/// The shortest time between two instants.
pub(super) const INSTANT: std::time::Duration = std::time::Duration::from_millis(1);

/// How far one entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Track {
    /// The outcome of slots up to here is not remembered. If the registration began in this process, this is
    /// where it began: none of them fires.
    pub(super) known_from: UnixMs,
    /// Every slot up to here is settled. `MAX`: the entry is not live.
    pub(super) cursor: UnixMs,
    /// The newest dispatched slot of any registration; `MIN`: none is known.
    dispatched: UnixMs,
    /// How long before `dispatched` its run's first slot was: at most 49 days.
    run_ms: u32,
    /// The outcome of the newest settled slot.
    pub(super) outcome: Option<Outcome>,
}

// There may be a million of them.
const _: () = assert!(size_of::<Track>() <= 32);

impl Track {
    pub(super) const NOT_LIVE: Track = Track {
        known_from: UnixMs::MAX,
        cursor: UnixMs::MAX,
        dispatched: UnixMs::MIN,
        run_ms: 0,
        outcome: None,
    };

    /// A track settled up to `cursor`, with nothing remembered before it.
    pub(super) fn from(cursor: UnixMs) -> Track {
        Track { known_from: cursor, cursor, ..Track::NOT_LIVE }
    }

    pub(super) fn is_live(&self) -> bool {
        self.cursor != UnixMs::MAX
    }

    /// The newest dispatched slot.
    pub(super) fn dispatched(&self) -> Option<UnixMs> {
        (self.dispatched != UnixMs::MIN).then_some(self.dispatched)
    }

    /// The newest run.
    pub(super) fn run(&self) -> Option<Run> {
        let last = self.dispatched()?;
        let first = UnixMs(last.0.saturating_sub(self.run_ms.into()));
        Some(Run { first, last })
    }

    pub(super) fn set_run(&mut self, run: Option<Run>) {
        let length_ms = run.map_or(0, |run| run.last.since(run.first).as_millis());
        self.dispatched = run.map_or(UnixMs::MIN, |run| run.last);
        self.run_ms = u32::try_from(length_ms).unwrap_or(u32::MAX);
    }

    /// Sets the newest slot of the last run, if it is settled; the rest of the run is not known.
    pub(super) fn set_dispatched(&mut self, newest: Option<UnixMs>) {
        let settled = newest.filter(|slot| *slot <= self.cursor);
        self.set_run(settled.map(|slot| Run { first: slot, last: slot }));
    }

    /// Notes that a slot later than the cursor was dispatched; `first` is the first slot after the cursor.
    /// Returns the previous run if this slot does not extend it.
    pub(super) fn dispatch(&mut self, slot: UnixMs, first: Option<UnixMs>) -> Option<Run> {
        let run = self.run();
        let prolonged = run.filter(|run| run.last == self.cursor && first == Some(slot));
        let begins = prolonged.map_or(slot, |run| run.first);
        self.set_run(Some(Run { first: begins, last: slot }));
        run.filter(|run| prolonged.is_none() && run.last > self.known_from)
    }
}

/// Adds a run later than all others; the oldest is forgotten if there are too many.
pub(super) fn remember(older: &mut Vec<Run>, run: Run) {
    if older.len() >= MAX_OLDER {
        older.remove(0);
    }
    older.push(run);
}

/// Cuts the runs off after `until`.
pub(super) fn keep_until(runs: &mut Vec<Run>, until: UnixMs) {
    runs.retain_mut(|run| {
        run.last = run.last.min(until);
        run.first <= until
    });
}

/// Cuts the runs off up to `after`.
pub(super) fn keep_after(runs: &mut Vec<Run>, after: UnixMs) {
    runs.retain_mut(|run| {
        run.first = run.first.max(after + INSTANT);
        run.last > after
    });
}

/// The run between two instants, both excluded.
pub(super) fn between(after: UnixMs, before: UnixMs) -> Option<Run> {
    let run = Run { first: after + INSTANT, last: before - INSTANT };
    (run.first <= run.last).then_some(run)
}

/// An entry without the slots that are passed over, which are sorted.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    pub(super) entry: &'a Entry,
    pub(super) passed: &'a [Run],
}

impl Open<'_> {
    /// The first slot strictly later than `after`.
    pub(super) fn next(&self, after: UnixMs) -> Option<UnixMs> {
        let mut slot = self.entry.next_slot(after)?;
        for run in self.passed {
            if slot < run.first {
                break;
            }
            if slot <= run.last {
                slot = self.entry.next_slot(run.last)?;
            }
        }
        Some(slot)
    }

    /// The newest slot that is later than `after` and not later than `until`.
    pub(super) fn last(&self, after: UnixMs, until: UnixMs) -> Option<UnixMs> {
        let mut slot = self.entry.last_slot(after, until)?;
        for run in self.passed.iter().rev() {
            if slot > run.last {
                break;
            }
            if run.first <= slot {
                slot = self.entry.last_slot(after, run.first - INSTANT)?;
            }
        }
        Some(slot)
    }

    /// The number of slots later than `after` and not later than `until`, counted up to `cap`.
    pub(super) fn count(&self, after: UnixMs, until: UnixMs, cap: u64) -> u64 {
        let (mut count, mut after) = (0, after);
        for run in self.passed.iter().filter(|run| run.first <= until) {
            if run.first > after {
                count += self.entry.count_slots(after, run.first - INSTANT, cap - count);
            }
            after = after.max(run.last);
        }
        if after < until {
            count += self.entry.count_slots(after, until, cap - count);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::progress::insert_run;
    use crate::schedule::sample::every;

    fn run(first: i64, last: i64) -> Run {
        Run { first: UnixMs(first), last: UnixMs(last) }
    }

    #[test]
    fn slots_dispatched_one_right_after_another_are_one_run() {
        let mut track = Track::from(UnixMs(0));
        let next = |track: &Track| every("a", 1).next_slot(track.cursor);
        let dispatch = |track: &mut Track, slot| {
            let ended = track.dispatch(UnixMs(slot), next(track));
            track.cursor = UnixMs(slot);
            ended
        };
        for slot in [1000, 2000, 3000] {
            assert_eq!(dispatch(&mut track, slot), None);
        }
        assert_eq!(track.run(), Some(run(1000, 3000)));
        assert_eq!(dispatch(&mut track, 5000), Some(run(1000, 3000)));
        // Skipped.
        track.cursor = UnixMs(6000);
        assert_eq!(dispatch(&mut track, 7000), Some(run(5000, 5000)));
        assert_eq!(track.run(), Some(run(7000, 7000)));
    }

    #[test]
    fn a_run_is_remembered_for_49_days() {
        let mut track = Track::from(UnixMs(0));
        track.set_run(Some(run(0, 90 * 86_400_000)));
        assert_eq!(track.run(), Some(run(90 * 86_400_000 - i64::from(u32::MAX), 90 * 86_400_000)));
    }

    proptest! {
        #[test]
        fn open_slots_are_those_that_no_run_has(
            runs in prop::collection::vec((0..60_000_i64, 0..9_000_i64), 0..5),
            after in 0..60_000_i64, until in 0..60_000_i64,
        ) {
            let mut passed = Vec::new();
            for (first, length) in runs {
                insert_run(&mut passed, run(first, first + length), 99);
            }
            prop_assert!(passed.is_sorted_by(|one, two| one.last < two.first));
            let entry = every("a", 1);
            let open = Open { entry: &entry, passed: &passed };
            let is_open = |slot: &UnixMs| !passed.iter().any(|run| run.contains(*slot));
            let all: Vec<UnixMs> =
                (1..80).map(|n| UnixMs(n * 1000)).filter(is_open).filter(|s| s.0 > after).collect();
            prop_assert_eq!(open.next(UnixMs(after)), all.first().copied());
            let some: Vec<_> = all.into_iter().filter(|slot| slot.0 <= until).collect();
            prop_assert_eq!(open.last(UnixMs(after), UnixMs(until)), some.last().copied());
            let count = some.len() as u64;
            prop_assert_eq!(open.count(UnixMs(after), UnixMs(until), u64::MAX), count);
            prop_assert_eq!(open.count(UnixMs(after), UnixMs(until), 3), count.min(3));
        }
    }
}
