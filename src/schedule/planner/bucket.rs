//! Limits how many missed slots go to a queue with a `catch_up_rate`.

use std::time::Duration;

use downbeat_time::UnixMs;

use crate::worker::Rate;

/// The tokens of this time may be used at once, if they are more than one: waking the leader for each slot would
/// be too often.
const BURST_MS: u64 = 100;

/// A token bucket: every missed slot takes a token, and tokens arrive at the rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    rate: Rate,
    /// In fractions of a token; as many arrive per millisecond as the rate has slots in its period.
    level: u64,
    filled_at: UnixMs,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn new(rate: Rate) -> TokenBucket {
        TokenBucket { rate, level: 0, filled_at: UnixMs::MIN }
    }

    fn token(&self) -> u64 {
        self.rate.period_ms().into()
    }

    fn per_ms(&self) -> u64 {
        self.rate.count().into()
    }

    fn burst(&self) -> u64 {
        (self.per_ms() * BURST_MS).max(self.token())
    }

    /// The capacity: more than a burst, so that waking a little late loses nothing.
    fn capacity(&self) -> u64 {
        self.burst() + self.per_ms() * BURST_MS
    }

    fn level(&self, now: UnixMs) -> u64 {
        let passed_ms = u64::try_from(now.since(self.filled_at).as_millis()).unwrap_or(u64::MAX);
        self.level.saturating_add(self.per_ms().saturating_mul(passed_ms)).min(self.capacity())
    }

    /// The number of slots that may be sent now.
    pub(super) fn tokens(&self, now: UnixMs) -> u64 {
        self.level(now) / self.token()
    }

    /// When the next slots may be sent.
    pub(super) fn ready_at(&self, now: UnixMs) -> UnixMs {
        let missing = self.burst().saturating_sub(self.level(now));
        now + Duration::from_millis(missing.div_ceil(self.per_ms()))
    }

    /// Takes the token of a slot.
    pub(super) fn take(&mut self, now: UnixMs) {
        self.level = self.level(now).saturating_sub(self.token());
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(rate: &str) -> TokenBucket {
        TokenBucket::new(rate.parse().unwrap())
    }

    #[test]
    fn tokens_come_in_at_the_rate() {
        for (rate, seconds, expected) in
            [("100/s", 60, 6_000), ("30/m", 120, 60), ("7/h", 7_200, 14)]
        {
            let mut bucket = bucket(rate);
            let (start, mut now, mut taken) = (UnixMs(0), UnixMs(0), 0);
            while now < start + Duration::from_secs(seconds) {
                while bucket.tokens(now) > 0 {
                    bucket.take(now);
                    taken += 1;
                }
                // Woken a little late.
                assert!(bucket.ready_at(now) > now);
                now = bucket.ready_at(now) + Duration::from_millis(30);
            }
            let burst = bucket.capacity() / bucket.token();
            assert!((expected..=expected + burst).contains(&taken), "{rate}: {taken}");
        }
    }

    #[test]
    fn a_clock_set_back_changes_no_tokens() {
        let mut bucket = bucket("1/s");
        bucket.take(UnixMs(100_000));
        bucket.take(UnixMs(50_000));
        assert_eq!((bucket.tokens(UnixMs(50_999)), bucket.tokens(UnixMs(51_000))), (0, 1));
    }

    proptest! {
        #[test]
        fn never_more_go_than_the_rate_and_one_burst(
            count in 1..1_000_000_u32,
            unit in prop::sample::select(vec!["s", "m", "h"]),
            waits in prop::collection::vec(0..5_000_u64, 1..50),
        ) {
            let mut bucket = bucket(&format!("{count}/{unit}"));
            let (mut now, mut taken) = (UnixMs(0), 0);
            for wait in waits {
                now = now + Duration::from_millis(wait);
                for _ in 0..bucket.tokens(now).min(1_000) {
                    bucket.take(now);
                    taken += 1;
                }
                let gathered = bucket.per_ms() * u64::try_from(now.0).unwrap();
                prop_assert!(taken * bucket.token() <= gathered + bucket.capacity());
            }
        }
    }
}
