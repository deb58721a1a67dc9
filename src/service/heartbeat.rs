//! When the loop last made progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::SinceBoot;

/// A heartbeat of the loop: updated at every iteration and every response of the broker, and read by
/// whoever has to know whether the loop hangs.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Milliseconds since boot.
    last: Arc<AtomicU64>,
}

impl Heartbeat {
    /// A heartbeat that starts now.
    pub(crate) fn new() -> Heartbeat {
        Heartbeat { last: Arc::new(AtomicU64::new(now())) }
    }

    pub(super) fn beat(&self) {
        self.last.store(now(), Ordering::Relaxed);
    }

    /// How long ago the last beat was, including suspend.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.last.load(Ordering::Relaxed)))
    }
}

fn now() -> u64 {
    u64::try_from(SinceBoot::now().0.as_millis()).unwrap_or(u64::MAX)
}
