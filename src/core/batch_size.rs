//! How many slots go in one request: fewer after one was not answered, as large ones may be lost where small
//! ones get through.

use std::time::Duration;

use crate::clock::SinceBoot;
use crate::render::BATCH;

/// After so long without a time-out it is doubled again.
const GROWS_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct BatchSize {
    slots: usize,
    /// While it is not the largest.
    grows_at: SinceBoot,
}

impl Default for BatchSize {
    fn default() -> BatchSize {
        BatchSize { slots: BATCH, grows_at: SinceBoot(Duration::ZERO) }
    }
}

impl BatchSize {
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// A request with so many slots was not answered.
    pub(super) fn shrink(&mut self, slots: usize, now: SinceBoot) {
        self.slots = (self.slots.min(slots) / 2).max(1);
        self.grows_at = now + GROWS_AFTER;
    }

    /// A request was answered.
    pub(super) fn grow(&mut self, now: SinceBoot) {
        if self.slots < BATCH && now >= self.grows_at {
            self.slots = (self.slots * 2).min(BATCH);
            self.grows_at = now + GROWS_AFTER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_halved_after_a_time_out_and_grows_slowly() {
        let (mut size, mut now) = (BatchSize::default(), SinceBoot(Duration::from_secs(1_000)));
        size.shrink(40, now);
        assert_eq!(size.slots(), 20);
        (0..10).for_each(|_| size.shrink(20, now));
        assert_eq!(size.slots(), 1);
        let mut sizes = Vec::new();
        while size.slots() < BATCH {
            size.grow(now);
            size.grow(now);
            sizes.push(size.slots());
            now = now + GROWS_AFTER;
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 125]);
    }
}
