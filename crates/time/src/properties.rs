//! Properties of the slots of every timing, of any kind, with or without bounds.

use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::bounds::Readings;
use super::{Bounds, Slots, Timing, UnixMs, Zone, arbitrary};

/// The maximum number of slots in a range.
const MAX_SLOTS: usize = 100;
const INSTANT: Duration = Duration::from_millis(1);

/// What slots depend on.
#[derive(Clone, Debug)]
struct Series {
    timing: Timing,
    zone: Arc<Zone>,
    bounds: Option<Bounds>,
}

impl Series {
    fn slots(&self) -> Slots<'_> {
        Slots::new(&self.timing, &self.zone, self.bounds.as_ref())
    }

    fn after(&self, after: UnixMs) -> impl Iterator<Item = UnixMs> {
        successors(self.slots().next(after), |slot| self.slots().next(*slot))
    }

    /// The end of a range from `after` on, and its slots. It is a month or more long, or has the maximum number
    /// of slots.
    fn range(&self, after: UnixMs, days: u64) -> (UnixMs, Vec<UnixMs>) {
        let until = after + Duration::from_secs(days * 86_400);
        let mut found: Vec<UnixMs> =
            self.after(after).take(MAX_SLOTS).take_while(|slot| *slot <= until).collect();
        match found.pop() {
            Some(last) if found.len() == MAX_SLOTS - 1 => (last - INSTANT, found),
            last => (until, found.into_iter().chain(last).collect()),
        }
    }
}

fn series() -> impl Strategy<Value = Series> {
    let parts = (arbitrary::timing(), arbitrary::zone(), prop::option::of(arbitrary::bounds()));
    parts.prop_map(|(timing, zone, bounds)| {
        let bounds = bounds.map(|bounds| arbitrary::bounds_of(&timing, bounds));
        Series { timing, zone, bounds }
    })
}

proptest! {
    #[test]
    fn the_next_slot_is_later_and_the_same_from_any_instant_before_it(
        series in series(), after in arbitrary::instant(), between in 0.0..1.0,
    ) {
        let mut at = after;
        for slot in series.after(after).take(6) {
            prop_assert!(slot > at, "{} after {}", slot, at);
            for before in [at, arbitrary::at_fraction(at, slot - INSTANT, between), slot - INSTANT] {
                prop_assert_eq!(series.slots().next(before), Some(slot), "after {}", before);
            }
            let last = series.slots().last_between(UnixMs::MIN, slot - INSTANT);
            prop_assert_eq!(last.filter(|last| *last > at), None);
            at = slot;
        }
    }

    #[test]
    fn every_split_of_a_range_has_the_slots_of_the_whole(
        series in series(), after in arbitrary::instant(), days in 1..1000_u64,
        cuts in arbitrary::cuts(),
    ) {
        let (until, whole) = series.range(after, days);
        let mut split = Vec::new();
        for (after, until) in arbitrary::pieces(after, until, &cuts) {
            let piece: Vec<UnixMs> =
                series.after(after).take_while(|slot| *slot <= until).collect();
            let count = piece.len() as u64;
            prop_assert_eq!(series.slots().last_between(after, until), piece.last().copied());
            prop_assert_eq!(series.slots().count_between(after, until, u64::MAX), count);
            prop_assert_eq!(series.slots().count_between(after, until, 2), count.min(2));
            split.extend(piece);
        }
        prop_assert_eq!(split, whole);
    }

    #[test]
    fn bounds_leave_of_a_timing_the_slots_between_start_and_end_on_other_days(
        series in series(), after in arbitrary::instant(), days in 1..1000_u64,
    ) {
        let Some(bounds) = &series.bounds.as_ref().filter(|it| it.move_to.is_none()) else {
            return Ok(());
        };
        let plain = Series { bounds: None, ..series.clone() };
        let (until, all) = plain.range(after, days);
        let is_kept = |slot: &UnixMs| {
            let readings = bounds.readings(&series.timing, &series.zone, *slot);
            bounds.start.is_none_or(|start| start <= *slot)
                && bounds.end.is_none_or(|end| *slot <= end)
                && matches!(readings, Some(Readings::Left(_)))
        };
        let kept: Vec<UnixMs> = all.into_iter().filter(is_kept).collect();
        let found: Vec<UnixMs> = series.after(after).take_while(|slot| *slot <= until).collect();
        prop_assert_eq!(found, kept);
    }
}
