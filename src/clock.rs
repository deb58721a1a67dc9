//! The two clocks: wall time, which decides what is due, and time since boot, which decides how long a
//! lease is trusted. Nothing else reads a clock, except for pauses and deadlines.

use std::future::Future;
use std::io;
use std::ops::Add;
use std::os::fd::OwnedFd;
use std::time::Duration;

use downbeat_time::UnixMs;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Wall time.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> UnixMs;

    /// Returns once the clock shows `wake_at` or later, or early if the clock was set: the caller reads
    /// it again.
    fn sleep_until(&self, wake_at: UnixMs) -> impl Future<Output = ()> + Send;
}

/// The machine's clock.
///
/// It sleeps on a kernel timer of the wall clock itself: accurate to well under a millisecond, correct
/// across a suspend, and woken when the clock is set.
#[derive(Debug)]
pub struct SystemClock {
    timer: AsyncFd<OwnedFd>,
}

impl SystemClock {
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the kernel provides no timer.
    pub fn new() -> io::Result<SystemClock> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
        #[expect(deprecated, reason = "an owned descriptor cannot be closed under it")]
        let timer = AsyncFd::new(timer)?;
        Ok(SystemClock { timer })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        wall()
    }

    async fn sleep_until(&self, wake_at: UnixMs) {
        let it_value = Timespec {
            tv_sec: wake_at.0.div_euclid(1000).max(0),
            // A time of all zeros would disarm the timer.
            tv_nsec: (wake_at.0.rem_euclid(1000) * 1_000_000).max(1),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        let timer = self.timer.get_ref();
        if timerfd_settime(timer, flags, &Itimerspec { it_interval, it_value }).is_err() {
            return tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if let Ok(mut ready) = self.timer.readable().await {
            // Read, or cancelled because the clock was set: either way the caller checks the time.
            let _ = rustix::io::read(timer, &mut [0; 8]);
            ready.clear_ready();
        }
    }
}

/// The machine's current wall time.
#[must_use]
pub fn wall() -> UnixMs {
    let now = clock_gettime(ClockId::Realtime);
    UnixMs(now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000))
}

/// Time since boot without suspend, as service managers measure it.
#[must_use]
pub fn monotonic() -> Duration {
    reading(ClockId::Monotonic)
}

fn reading(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let secs = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(secs, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// What the clocks show at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time that includes suspend.
    pub since_boot: SinceBoot,
    /// The machine's clock.
    pub wall: UnixMs,
}

impl Now {
    /// Reads the machine's clocks.
    #[must_use]
    pub fn read() -> Now {
        Now { since_boot: SinceBoot::now(), wall: wall() }
    }
}

/// Time since boot, including suspend; setting the wall clock does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SinceBoot(pub Duration);

impl SinceBoot {
    /// Later than every reading.
    pub const NEVER: SinceBoot = SinceBoot(Duration::MAX);

    /// The current reading.
    #[must_use]
    pub fn now() -> SinceBoot {
        SinceBoot(reading(ClockId::Boottime))
    }

    /// How long ago `earlier` was; zero if it is in the future.
    #[must_use]
    pub fn since(self, earlier: SinceBoot) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for SinceBoot {
    type Output = SinceBoot;

    fn add(self, length: Duration) -> SinceBoot {
        SinceBoot(self.0.saturating_add(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_ends_when_the_clock_shows_the_time() {
        let clock = SystemClock::new().unwrap();
        let wake_at = clock.now() + Duration::from_millis(30);
        clock.sleep_until(wake_at).await;
        assert!(clock.now() >= wake_at);
        clock.sleep_until(UnixMs(0)).await;
    }

    #[tokio::test]
    async fn a_sleep_given_up_does_not_shorten_the_next() {
        let clock = SystemClock::new().unwrap();
        let soon = clock.now() + Duration::from_millis(5);
        tokio::select! {
            () = clock.sleep_until(soon) => {}
            () = tokio::task::yield_now() => {}
        }
        let wake_at = clock.now() + Duration::from_millis(30);
        clock.sleep_until(wake_at).await;
        assert!(clock.now() >= wake_at);
    }
}
