//! The bounds of a timing: a first and a last instant, and excluded days.

use std::sync::Arc;
use std::time::Duration;

use super::except::Except;
use super::unix_ms::UnixMs;
use super::zone::Zone;

const INSTANT: Duration = Duration::from_millis(1);
/// After this many excluded slots in a row, not counting those of one run of days, a timing is taken to have no
/// others: at one a week that is twenty years.
const MAX_EXCLUDED: usize = 1000;

/// The bounds of a timing: a first and a last instant, and excluded days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// No slot is earlier; `None` sets no limit.
    pub start: Option<UnixMs>,
    /// No slot is later; `None` sets no limit.
    pub end: Option<UnixMs>,
    /// The days that have no slots, by the zone's calendar; timings can share a set.
    pub except: Vec<Arc<Except>>,
}

impl Bounds {
    /// The first slot of `timing` later than `after` that the bounds allow.
    ///
    /// A run of excluded days costs one step, however long it is.
    pub(super) fn next(
        &self,
        zone: &Zone,
        after: UnixMs,
        timing: impl Fn(UnixMs) -> Option<UnixMs>,
    ) -> Option<UnixMs> {
        let mut after = self.first_after(after);
        for _ in 0..MAX_EXCLUDED {
            let slot = timing(after).filter(|slot| self.end.is_none_or(|end| *slot <= end))?;
            if self.except.is_empty() {
                return Some(slot);
            }
            let day = zone.day_at(slot);
            let free = self.free_from(day)?;
            if free == day {
                return Some(slot);
            }
            // If the clock is set back over midnight, a day begins twice.
            after = slot.max(zone.day_begins(free) - INSTANT);
        }
        None
    }

    /// The first day at or after `day` that is not excluded.
    fn free_from(&self, mut day: i64) -> Option<i64> {
        loop {
            let free = self.except.iter().try_fold(day, |day, except| except.free_from(day))?;
            if free == day {
                return Some(free);
            }
            day = free;
        }
    }

    /// `after`, or the instant before the start. With excluded days there is nothing before 1970: the calendar
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
        [start, end, except].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
