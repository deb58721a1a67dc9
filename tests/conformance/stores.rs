//! The stores that there are.

mod memory;
mod redis;
mod spool;
mod troubled;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub(super) use self::memory::MemoryRig;
pub(super) use self::redis::{RedisRig, TroubledRig};
pub(super) use self::spool::SpoolRig;
use downbeat_time::UnixMs;

use crate::support::wait::wall_clock;

/// A queue that can be had refuse.
const REFUSING: &str = "refusing";

/// A clock that shows what it is set to.
#[derive(Clone, Debug)]
pub(super) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(super) fn new() -> TestClock {
        TestClock(Arc::new(AtomicI64::new(wall_clock().0)))
    }

    pub(super) fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}
