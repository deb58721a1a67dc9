//! The bounds of a timing: a first and a last instant, and excluded times.

use std::sync::Arc;
use std::time::Duration;

use super::except::Except;
use super::moved::{Goes, Move, Moves};
use super::origin::{Moment, Origin};
use super::timing::Timing;
use super::unix_ms::UnixMs;
use super::zone::Zone;

pub(super) const INSTANT: Duration = Duration::from_millis(1);
/// After this many excluded slots in a row, not counting those of one run of excluded times, a timing is taken to
/// have no others: at one a week that is twenty years.
pub(super) const MAX_EXCLUDED: usize = 1000;

/// The bounds of a timing: a first and a last instant, and excluded times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// No slot is earlier; `None` sets no limit. A moved slot counts by its new instant.
    pub start: Option<UnixMs>,
    /// No slot is later; `None` sets no limit. A moved slot counts by its new instant.
    pub end: Option<UnixMs>,
    /// The times that have no slots, by the zone's calendar and clock; timings can share a set.
    pub except: Vec<Arc<Except>>,
    /// Where a slot goes whose day is excluded; `None`: nowhere.
    pub move_to: Option<Move>,
}

/// The readings of a timing that fall on one slot.
pub(super) enum Readings {
    /// The first that is not excluded.
    Left(i64),
    /// All are excluded: the first one, and the first free reading after the last.
    Excluded(i64, i64),
}

impl Bounds {
    /// The first slot of `timing` later than `after` that the bounds allow.
    ///
    /// A run of excluded times costs one step, however long it is.
    pub(super) fn next(&self, timing: &Timing, zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        let slot = match self.except[..] {
            [] => timing.next(zone, self.first_after(after))?,
            _ => return Some(self.next_origin(timing, zone, after)?.slot.at),
        };
        self.allows_end(slot).then_some(slot)
    }

    /// The same slot with what it stands for.
    pub(super) fn next_origin(
        &self,
        timing: &Timing,
        zone: &Zone,
        after: UnixMs,
    ) -> Option<Origin> {
        let after = self.first_after(after);
        let origin = match self.move_to {
            None => self.next_left(timing, zone, after)?.into(),
            Some(to) => Moves { timing, zone, bounds: self, to }.next(after)?,
        };
        self.allows_end(origin.slot.at).then_some(origin)
    }

    fn next_left(&self, timing: &Timing, zone: &Zone, mut after: UnixMs) -> Option<Moment> {
        for _ in 0..MAX_EXCLUDED {
            let at = timing.next(zone, after).filter(|slot| self.allows_end(*slot))?;
            after = match self.readings(timing, zone, at)? {
                Readings::Left(reading) => return Some(Moment::new(at, reading)),
                Readings::Excluded(_, free) => at.max(zone.leaves(at, free) - INSTANT),
            }
        }
        None
    }

    /// What falls on a slot of `timing`; `None` if nothing is left up to the end of year 9999.
    pub(super) fn readings(&self, timing: &Timing, zone: &Zone, slot: UnixMs) -> Option<Readings> {
        let shown = || zone.reading_at(slot);
        let first = timing.reading_on(zone, slot, i64::MIN).unwrap_or_else(shown);
        let mut reading = first;
        loop {
            let free = self.free_from(reading)?;
            if free == reading {
                return Some(Readings::Left(reading));
            }
            match timing.reading_on(zone, slot, free) {
                Some(later) => reading = later,
                None => return Some(Readings::Excluded(first, free)),
            }
        }
    }

    /// Whether a slot of `timing` is excluded, and moves nowhere.
    pub(super) fn loses(&self, timing: &Timing, zone: &Zone, slot: UnixMs) -> bool {
        match self.move_to {
            None => !matches!(self.readings(timing, zone, slot), Some(Readings::Left(_))),
            Some(to) => {
                let goes = Moves { timing, zone, bounds: self, to }.place(slot);
                !matches!(goes, Some(Goes::To(_)))
            }
        }
    }

    /// The first reading at or after `at` that is not excluded, in seconds.
    pub(super) fn free_from(&self, mut at: i64) -> Option<i64> {
        loop {
            let free = self.except.iter().try_fold(at, |at, except| except.free_from(at))?;
            if free == at {
                return Some(free);
            }
            at = free;
        }
    }

    fn allows_end(&self, slot: UnixMs) -> bool {
        self.end.is_none_or(|end| slot <= end)
    }

    /// `after`, or the instant before the start. With excluded times there is nothing before 1970: the calendar
    /// does not reach the beginning of time.
    pub(super) fn first_after(&self, after: UnixMs) -> UnixMs {
        let first = if self.except.is_empty() { UnixMs::MIN } else { UnixMs(0) };
        let first = self.start.map_or(first, |start| start.max(first));
        after.max(first - INSTANT)
    }

    /// `until`, or the end.
    pub(super) fn last_until(&self, until: UnixMs) -> UnixMs {
        self.end.map_or(until, |end| until.min(end))
    }

    /// The bounds in canonical form, the same for every way of writing them. Begins with a space.
    pub(super) fn canonical(&self, zone: &Zone) -> String {
        let start = self.start.map(|start| format!(" from {}", start.0));
        let end = self.end.map(|end| format!(" until {}", end.0));
        let left_out = || format!(" except {} {}", Except::hash_of(&self.except), zone.name());
        let except = (!self.except.is_empty()).then(left_out);
        let moved = self.move_to.filter(|_| !self.except.is_empty());
        let moved = moved.map(|to| format!(" move {to}"));
        [start, end, except, moved].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
