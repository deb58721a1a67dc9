//! Lease arithmetic: how long a leader may trust its lease. Pure.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use crate::clock::SinceBoot;

/// One tenure of this replica.
#[derive(Clone, Debug)]
pub struct Lease {
    /// `"<term> <holder>"`: identifies this tenure.
    pub text: Arc<str>,
    /// When the leader stops trusting the lease; nobody else can have it before.
    pub trusted_until: SinceBoot,
    /// `true` if, as far as we know, nobody led since our own last tenure: our memory is up to date.
    pub continues: bool,
    /// A reading of the broker's clock, if it has one of its own.
    pub broker_clock: Option<Reading>,
}

/// A reading of the broker's clock.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The broker's wall time.
    pub shown: UnixMs,
    /// Our own time since boot.
    pub at: SinceBoot,
}

impl Lease {
    /// Whether the lease cannot have expired yet.
    #[must_use]
    pub fn is_trusted(&self, now: SinceBoot) -> bool {
        now < self.trusted_until
    }

    /// The term of this tenure.
    #[must_use]
    pub fn term(&self) -> &str {
        term(&self.text)
    }
}

/// The term in `"<term> <holder>"`.
pub(crate) fn term(lease: &str) -> &str {
    lease.split(' ').next().unwrap_or_default()
}

/// The holder in `"<term> <holder>"`.
pub(crate) fn holder(lease: &str) -> Option<&str> {
    lease.split_once(' ').map(|(_, holder)| holder)
}

impl Reading {
    /// The time on the broker's clock now, if it runs as fast as ours.
    #[must_use]
    pub fn now(&self, now: SinceBoot) -> UnixMs {
        self.shown + now.0.saturating_sub(self.at.0)
    }
}

/// A lease's TTL and the durations derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// The lease expires this long after the last renewal.
    pub ttl: Duration,
    /// The time between renewals.
    pub renew_every: Duration,
    /// The maximum time for a call to the broker.
    pub deadline: Duration,
    /// The lease is trusted for this much less than its TTL.
    pub margin: Duration,
}

impl LeaseTimes {
    /// Derives the durations from the TTL. At 6 s: renewed every 2 s, calls take at most 1.5 s, trusted for 5 s.
    #[must_use]
    pub fn new(ttl: Duration) -> LeaseTimes {
        LeaseTimes { ttl, renew_every: ttl / 3, deadline: ttl / 4, margin: ttl / 6 }
    }

    /// Until when a lease is trusted that was granted to a request made at `asked_at`: counted from the request,
    /// so that a slow answer does not extend it.
    #[must_use]
    pub fn trusted_until(&self, asked_at: SinceBoot) -> SinceBoot {
        SinceBoot(asked_at.0 + self.ttl - self.margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_does_not_extend_the_trust() {
        let times = LeaseTimes::new(Duration::from_secs(6));
        let asked_at = SinceBoot(Duration::from_secs(100));
        assert_eq!(times.trusted_until(asked_at), SinceBoot(Duration::from_secs(105)));
    }

    #[test]
    fn a_suspend_ends_the_trust() {
        let times = LeaseTimes::new(Duration::from_secs(6));
        let asked_at = SinceBoot(Duration::from_secs(100));
        let trusted_until = times.trusted_until(asked_at);
        let text = "1 me".into();
        let lease = Lease { text, trusted_until, continues: true, broker_clock: None };
        assert!(lease.is_trusted(SinceBoot(Duration::from_secs(104))));
        // The lid was closed for an hour; the clock since boot counts that.
        assert!(!lease.is_trusted(SinceBoot(Duration::from_secs(3704))));
    }

    #[test]
    fn the_trust_outlives_a_renewal_that_has_to_be_tried_twice() {
        for ttl in [1, 6, 60].map(Duration::from_secs) {
            let times = LeaseTimes::new(ttl);
            assert!(times.renew_every + 2 * times.deadline <= ttl - times.margin);
        }
    }
}
