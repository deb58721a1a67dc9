//! The slots of a timing: in a zone, within bounds.

use std::iter;

use super::bounds::{Bounds, INSTANT};
use super::origin::{Moment, Origin};
use super::search;
use super::timing::Timing;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// The slots of a timing: the instants at which it fires in a zone, within bounds.
///
/// They depend on these three alone, so a search from any instant finds the same ones.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a> {
    timing: &'a Timing,
    zone: &'a Zone,
    bounds: Option<&'a Bounds>,
}

impl<'a> Slots<'a> {
    /// The slots of `timing` in `zone`: all, or those that the bounds allow.
    #[must_use]
    pub fn new(timing: &'a Timing, zone: &'a Zone, bounds: Option<&'a Bounds>) -> Slots<'a> {
        Slots { timing, zone, bounds }
    }

    /// The first slot strictly later than `after`, or `None` if there is none.
    #[must_use]
    pub fn next(self, after: UnixMs) -> Option<UnixMs> {
        match self.bounds {
            None => self.timing.next(self.zone, after),
            Some(bounds) => bounds.next(self.timing, self.zone, after),
        }
    }

    /// What a slot stands for. Any other instant stands for itself.
    #[must_use]
    pub fn origin(self, slot: UnixMs) -> Origin {
        let found = self.excluding().and_then(|bounds| {
            let origin = bounds.next_origin(self.timing, self.zone, slot - INSTANT);
            origin.filter(|origin| origin.slot.at == slot)
        });
        found.unwrap_or_else(|| {
            let reading = self.timing.reading_on(self.zone, slot, i64::MIN);
            let shown = || self.zone.reading_at(slot);
            Moment::new(slot, reading.unwrap_or_else(shown)).into()
        })
    }

    /// The first of the timing's own slots later than `after` and not later than `until` that is excluded and finds
    /// no other day. Looks at `cap` slots at most.
    ///
    /// Without a [`Move`](super::Move) that is every excluded one.
    #[must_use]
    pub fn first_lost(self, after: UnixMs, until: UnixMs, cap: usize) -> Option<UnixMs> {
        let bounds = self.excluding()?;
        let next = |slot: &UnixMs| self.timing.next(self.zone, *slot);
        let own = iter::successors(next(&after), next).take(cap).take_while(|slot| *slot <= until);
        let mut own = own.filter(|slot| bounds.start.is_none_or(|start| start <= *slot));
        own.find(|slot| bounds.loses(self.timing, self.zone, *slot))
    }

    /// The bounds, if they exclude any times.
    fn excluding(self) -> Option<&'a Bounds> {
        self.bounds.filter(|bounds| !bounds.except.is_empty())
    }

    /// The newest slot that is later than `after` and not later than `until`.
    ///
    /// Costs a few dozen steps at most, however long the time between the two.
    #[must_use]
    pub fn last_between(self, after: UnixMs, until: UnixMs) -> Option<UnixMs> {
        let Some(bounds) = self.bounds else {
            return self.timing.last_between(self.zone, after, until);
        };
        let (after, until) = (bounds.first_after(after), bounds.last_until(until));
        search::newest_between(|at| self.next(at), after, until)
    }

    /// The number of slots later than `after` and not later than `until`, counted up to `cap`.
    #[must_use]
    pub fn count_between(self, after: UnixMs, until: UnixMs, cap: u64) -> u64 {
        match self.bounds {
            None => self.timing.count_between(self.zone, after, until, cap),
            Some(_) => search::count_between(|at| self.next(at), after, until, cap),
        }
    }

    /// The canonical form of timing and bounds, which [`StoredTiming::read`](super::StoredTiming::read) reads back.
    #[must_use]
    pub fn canonical(self) -> String {
        let mut canonical = self.timing.canonical(self.zone);
        if let Some(bounds) = self.bounds {
            canonical += &bounds.canonical(self.zone);
        }
        canonical
    }
}
