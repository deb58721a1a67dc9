//! How late slots are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The bounds, from what a timer can do at best to a generous grace.
const BOUNDS_MS: [u64; 15] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000];

/// A histogram of dispatch time − due time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// The number of slots measured.
    pub slots: u64,
    /// The sum of their lateness in milliseconds.
    pub sum_ms: u64,
    /// For each bound in milliseconds, the number of slots that were at most this late.
    pub within_ms: BTreeMap<u64, u64>,
}

impl Default for Lateness {
    fn default() -> Lateness {
        Measured::default().to_lateness()
    }
}

/// A histogram being measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    slots: u64,
    sum_ms: u64,
    /// For each bound, the slots that exceed every smaller bound.
    counts: [u64; BOUNDS_MS.len()],
}

impl Measured {
    pub(super) fn add(&mut self, lateness: Duration) {
        let lateness_ms = u64::try_from(lateness.as_millis()).unwrap_or(u64::MAX);
        self.slots += 1;
        self.sum_ms = self.sum_ms.saturating_add(lateness_ms);
        if let Some(at) = BOUNDS_MS.iter().position(|bound| lateness_ms <= *bound) {
            self.counts[at] += 1;
        }
    }

    pub(super) fn to_lateness(&self) -> Lateness {
        let mut within = 0;
        let counts = BOUNDS_MS.into_iter().zip(self.counts).map(|(bound, count)| {
            within += count;
            (bound, within)
        });
        Lateness { slots: self.slots, sum_ms: self.sum_ms, within_ms: counts.collect() }
    }
}

impl Lateness {
    /// The smallest bound in milliseconds that covers `percent` of the slots; `None` if no bound does.
    #[must_use]
    pub fn bound_of(&self, percent: u64) -> Option<u64> {
        let wanted = self.slots.saturating_mul(percent).div_ceil(100);
        self.within_ms.iter().find(|(_, slots)| **slots >= wanted).map(|(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_slots_up_to_exactly_as_late() {
        let mut measured = Measured::default();
        for lateness_ms in [0, 1, 2, 3, 70_000] {
            measured.add(Duration::from_millis(lateness_ms));
        }
        let lateness = measured.to_lateness();
        assert_eq!((lateness.slots, lateness.sum_ms), (5, 70_006));
        let within = |bound: u64| lateness.within_ms[&bound];
        assert_eq!([1, 2, 5, 60_000].map(within), [2, 3, 4, 4]);
        assert_eq!(
            [40, 60, 80, 99].map(|p| lateness.bound_of(p)),
            [Some(1), Some(2), Some(5), None]
        );
    }
}
