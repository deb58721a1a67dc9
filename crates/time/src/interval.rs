//! `every`: equal intervals of real time from a fixed anchor.
//!
//! Slots are `anchor + phase + n × period` for every integer `n`, whatever restarts or is edited. In a schedule
//! file the anchor is `anchor`, else `start`, else the epoch. Only the remainder of `anchor + phase` matters, so
//! only that is kept.

use std::time::Duration;

use super::canonical::Form;
use super::unix_ms::UnixMs;
use super::words::Length;

/// The shortest period, 100 ms: what comes faster is a stream, not a schedule.
pub const MIN_PERIOD: Duration = Duration::from_millis(100);
/// The longest period, a thousand years, so that a slot plus a period never comes near the end of time.
pub const MAX_PERIOD: Duration = Duration::from_secs(1000 * 365 * 86_400);

/// Equal intervals of real time, counted from an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    period_ms: i64,
    /// From 0 to below the period.
    offset_ms: i64,
}

/// The error of an interval that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// The period is shorter than [`MIN_PERIOD`].
    #[error("a period of {0:?} is too short; write 100ms or more")]
    TooShort(Duration),
    /// The period is longer than [`MAX_PERIOD`].
    #[error("a period of {0:?} is too long; write at most 1000 years, or `at` for a single slot")]
    TooLong(Duration),
    /// A fraction of a millisecond: slots are whole milliseconds.
    #[error("{0:?} is not a whole number of milliseconds; round it")]
    BelowMillisecond(Duration),
    /// The phase is not below the period; the same slots can be written with one that is.
    #[error("a phase of {phase:?} is not below the period of {period:?}; write the remainder")]
    PhaseTooLong {
        /// As written.
        phase: Duration,
        /// As written.
        period: Duration,
    },
}

impl Interval {
    /// Creates slots at `anchor + phase + n × period`; without an anchor, from the epoch.
    ///
    /// # Errors
    ///
    /// When the period is not within [`MIN_PERIOD`] and [`MAX_PERIOD`], when the phase is not below the period,
    /// or when either has a fraction of a millisecond.
    pub fn new(
        period: Duration,
        phase: Duration,
        anchor: Option<UnixMs>,
    ) -> Result<Interval, IntervalError> {
        if period < MIN_PERIOD {
            return Err(IntervalError::TooShort(period));
        }
        if period > MAX_PERIOD {
            return Err(IntervalError::TooLong(period));
        }
        if phase >= period {
            return Err(IntervalError::PhaseTooLong { phase, period });
        }
        let (period_ms, phase_ms) = (whole_ms(period)?, whole_ms(phase)?);
        let anchor_ms = anchor.unwrap_or_default().0.rem_euclid(period_ms);
        Ok(Interval { period_ms, offset_ms: (anchor_ms + phase_ms) % period_ms })
    }

    /// The time between two slots.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.period_ms.unsigned_abs())
    }

    /// The first slot strictly later than `after`; `None` only at the end of time.
    #[must_use]
    pub fn next(&self, after: UnixMs) -> Option<UnixMs> {
        let wait_ms = self.offset_ms - after.0.rem_euclid(self.period_ms);
        let wait_ms = if wait_ms > 0 { wait_ms } else { wait_ms + self.period_ms };
        after.0.checked_add(wait_ms).map(UnixMs)
    }

    /// The last slot at or before `until`; `None` only at the beginning of time.
    #[must_use]
    pub fn latest(&self, until: UnixMs) -> Option<UnixMs> {
        let age_ms = until.0.rem_euclid(self.period_ms) - self.offset_ms;
        let age_ms = if age_ms >= 0 { age_ms } else { age_ms + self.period_ms };
        until.0.checked_sub(age_ms).map(UnixMs)
    }

    /// The number of slots later than `after` and not later than `until`.
    #[must_use]
    pub fn count_between(&self, after: UnixMs, until: UnixMs) -> u64 {
        u64::try_from(self.slots_until(until) - self.slots_until(after)).unwrap_or(0)
    }

    /// A number that grows by one at each slot; the period is long enough to keep differences in range.
    fn slots_until(&self, at: UnixMs) -> i64 {
        let not_yet = at.0.rem_euclid(self.period_ms) < self.offset_ms;
        at.0.div_euclid(self.period_ms) - i64::from(not_yet)
    }

    /// The period and the first slot not before the epoch: the same for every way of writing the same slots.
    pub(super) fn canonical(&self) -> String {
        format!("every {}+{}", self.period_ms, self.offset_ms)
    }

    /// Reads the form back.
    pub(super) fn from_canonical(words: &mut Form<'_>) -> Option<Interval> {
        words.literal("every")?;
        let (period_ms, offset_ms) = words.next()?.split_once('+')?;
        let (period_ms, offset_ms): (u64, i64) = (period_ms.parse().ok()?, offset_ms.parse().ok()?);
        let anchor = Some(UnixMs(offset_ms));
        let interval = Interval::new(Duration::from_millis(period_ms), Duration::ZERO, anchor);
        interval.ok().filter(|interval| interval.offset_ms == offset_ms)
    }

    /// Describes it in plain English: `every 10 minutes, counted from the epoch`.
    #[must_use]
    pub fn describe(&self) -> String {
        let period = Length(self.period_ms).of_a_period();
        match self.offset_ms {
            0 => format!("every {period}, counted from the epoch"),
            offset => format!("every {period}, counted from {}", UnixMs(offset)),
        }
    }
}

fn whole_ms(length: Duration) -> Result<i64, IntervalError> {
    if !length.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(IntervalError::BelowMillisecond(length));
    }
    i64::try_from(length.as_millis()).map_err(|_| IntervalError::TooLong(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn every(period_ms: u64, phase_ms: u64) -> Interval {
        let (period, phase) = (Duration::from_millis(period_ms), Duration::from_millis(phase_ms));
        Interval::new(period, phase, None).unwrap()
    }

    #[test]
    fn slots_count_from_the_epoch_and_the_phase() {
        let interval = every(60_000, 5_000);
        assert_eq!(interval.next(UnixMs(0)), Some(UnixMs(5_000)));
        assert_eq!(interval.next(UnixMs(5_000)), Some(UnixMs(65_000)));
        assert_eq!(interval.next(UnixMs(-1)), Some(UnixMs(5_000)));
        assert_eq!(interval.next(UnixMs(-55_001)), Some(UnixMs(-55_000)));
        assert_eq!(interval.latest(UnixMs(64_999)), Some(UnixMs(5_000)));
        assert_eq!(interval.latest(UnixMs(65_000)), Some(UnixMs(65_000)));
    }

    #[test]
    fn an_anchor_moves_slots_both_ways() {
        let week = Duration::from_secs(7 * 86_400);
        let monday = UnixMs::from_secs(1_700_438_400);
        let weekly = Interval::new(week, Duration::ZERO, Some(monday)).unwrap();
        assert_eq!(weekly.next(monday - week - Duration::from_millis(1)), Some(monday - week));
        assert_eq!(weekly.next(monday), Some(monday + week));
    }

    #[test]
    fn a_period_must_be_sane_and_a_phase_below_it() {
        let ms = Duration::from_millis;
        let new = |period, phase| Interval::new(period, phase, None);
        assert_eq!(new(ms(99), ms(0)), Err(IntervalError::TooShort(ms(99))));
        assert!(matches!(new(Duration::MAX, ms(0)), Err(IntervalError::TooLong(_))));
        assert!(matches!(new(ms(100), ms(100)), Err(IntervalError::PhaseTooLong { .. })));
        let fraction = Duration::from_micros(100_500);
        assert_eq!(new(fraction, ms(0)), Err(IntervalError::BelowMillisecond(fraction)));
    }

    #[test]
    fn the_ends_of_time_hold_no_slot_and_do_not_overflow() {
        let interval = every(100, 99);
        assert_eq!(interval.next(UnixMs::MAX), None);
        assert_eq!(interval.latest(UnixMs::MIN), None);
        assert!(interval.next(UnixMs::MIN).is_some());
        assert!(interval.count_between(UnixMs::MIN, UnixMs::MAX) > 1 << 57);
        assert_eq!(interval.count_between(UnixMs(1000), UnixMs(0)), 0);
    }

    #[test]
    fn intervals_are_described_in_words() {
        assert_eq!(every(600_000, 0).describe(), "every 10 minutes, counted from the epoch");
        assert_eq!(every(86_400_000, 0).describe(), "every day, counted from the epoch");
        assert_eq!(
            every(5_400_000, 1_500).describe(),
            "every 1 hour 30 minutes, counted from 1970-01-01T00:00:01.5Z"
        );
    }

    proptest! {
        #[test]
        fn the_next_slot_is_the_first_later_one(
            period in 100..1_000_000_i64, offset in 0..1_000_000_i64, after in any::<i32>(),
        ) {
            let interval = Interval { period_ms: period, offset_ms: offset % period };
            let after = UnixMs(i64::from(after));
            let next = interval.next(after).unwrap();
            prop_assert!(next > after && next.0 - after.0 <= period);
            prop_assert_eq!((next.0 - interval.offset_ms).rem_euclid(period), 0);
            prop_assert_eq!(interval.latest(next), Some(next));
            prop_assert_eq!(interval.latest(UnixMs(next.0 - 1)), Some(UnixMs(next.0 - period)));
            prop_assert_eq!(interval.count_between(after, next), 1);
            let later = UnixMs(next.0 + 9 * period);
            prop_assert_eq!(interval.count_between(after, later), 10);
        }
    }
}
