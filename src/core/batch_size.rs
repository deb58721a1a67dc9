//! The maximum number of slots in one request. It shrinks after a time-out, because small requests may get
//! through where large ones are lost.

use std::time::Duration;

use crate::clock::SinceBoot;
use crate::render::MAX_BATCH_SLOTS;

/// The size doubles again after this long without a time-out.
const GROWS_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct BatchSize {
    slots: usize,
    /// Set while the size is below the maximum.
    grows_at: SinceBoot,
}

impl Default for BatchSize {
    fn default() -> BatchSize {
        BatchSize { slots: MAX_BATCH_SLOTS, grows_at: SinceBoot(Duration::ZERO) }
    }
}

impl BatchSize {
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// Halves the size after a request with `slots` slots timed out.
    pub(super) fn shrink(&mut self, slots: usize, now: SinceBoot) {
        self.slots = (self.slots.min(slots) / 2).max(1);
        self.grows_at = now + GROWS_AFTER;
    }

    /// Grows the size again if it is time; called when a request was answered.
    pub(super) fn grow(&mut self, now: SinceBoot) {
        if self.slots < MAX_BATCH_SLOTS && now >= self.grows_at {
            self.slots = (self.slots * 2).min(MAX_BATCH_SLOTS);
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
        while size.slots() < MAX_BATCH_SLOTS {
            size.grow(now);
            size.grow(now);
            sizes.push(size.slots());
            now = now + GROWS_AFTER;
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 125]);
    }
}
