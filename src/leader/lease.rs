//! Pure: how long a leader may believe that it leads.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::SinceBoot;
use crate::schedule::UnixMs;

/// One tenure.
#[derive(Clone, Debug)]
pub struct Lease {
    /// `"<term> <holder>"`: names this tenure and no other.
    pub text: Arc<str>,
    /// When the leader stops believing itself; before that nobody else can have the lease.
    pub trusted_until: SinceBoot,
    /// `true` when, as far as we know, nobody led since our own last tenure: what we remember is
    /// the newest there is.
    pub continues: bool,
    /// A reading of the broker's clock, if it has one of its own.
    pub broker_clock: Option<Reading>,
}

/// What the broker's clock showed, and when.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The broker's wall time.
    pub shown: UnixMs,
    /// Our own time since boot.
    pub at: SinceBoot,
}

impl Lease {
    /// Whether the lease cannot have run out yet.
    #[must_use]
    pub fn is_trusted(&self, now: SinceBoot) -> bool {
        now < self.trusted_until
    }

    /// The number of this tenure.
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
    /// What the broker's clock shows now, if it runs as ours does.
    #[must_use]
    pub fn now(&self, now: SinceBoot) -> UnixMs {
        self.shown + now.0.saturating_sub(self.at.0)
    }
}

/// The lengths that a lease lives by, all derived from its TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// The lease runs out so long after the last renewal.
    pub ttl: Duration,
    /// It is renewed so often.
    pub renew_every: Duration,
    /// No call to the broker takes longer.
    pub deadline: Duration,
    /// It is trusted so much less than its TTL.
    pub margin: Duration,
}

impl LeaseTimes {
    /// At 6 s: renewed every 2 s, calls bounded by 1.5 s, trusted for 5 s.
    #[must_use]
    pub fn new(ttl: Duration) -> LeaseTimes {
        LeaseTimes { ttl, renew_every: ttl / 3, deadline: ttl / 4, margin: ttl / 6 }
    }

    /// Until when a lease is trusted that was asked for at `asked_at` and granted: counted from
    /// the question, so that a slow answer cannot stretch it.
    #[must_use]
    pub fn trusted_until(&self, asked_at: SinceBoot) -> SinceBoot {
        SinceBoot(asked_at.0 + self.ttl - self.margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_does_not_stretch_the_trust() {
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
