//! Times of day: every hour of a set with every minute and every second.

use super::periods::Freq;
use crate::calendar::DAY_S;

/// Bit masks; none is ever empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// Bits 0 to 23.
    pub(super) hours: u64,
    /// Bits 0 to 59.
    pub(super) minutes: u64,
    /// Bits 0 to 59.
    pub(super) seconds: u64,
}

impl Times {
    pub(super) const ALL_HOURS: u64 = (1 << 24) - 1;
    pub(super) const ALL_MINUTES: u64 = (1 << 60) - 1;

    /// The first time at or after `second`, both in seconds of the day.
    pub(super) fn from(&self, second: i64) -> Option<i64> {
        let [hour, minute, second] = clock(second);
        let (first_minute, first_second) = (self.minutes.trailing_zeros(), self.first_second());
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = bit_from(self.seconds, second)
            {
                return Some(second_of_day(hour, minute, second));
            }
            if let Some(minute) = bit_from(self.minutes, minute + 1) {
                return Some(second_of_day(hour, minute, first_second));
            }
        }
        let hour = bit_from(self.hours, hour + 1)?;
        Some(second_of_day(hour, first_minute, first_second))
    }

    pub(super) fn first(&self) -> i64 {
        let (hour, minute) = (self.hours.trailing_zeros(), self.minutes.trailing_zeros());
        second_of_day(hour, minute, self.first_second())
    }

    fn first_second(&self) -> u32 {
        self.seconds.trailing_zeros()
    }

    pub(super) fn count(&self) -> u32 {
        self.hours.count_ones() * self.minutes.count_ones() * self.seconds.count_ones()
    }

    /// The time at that position among all of them, from 0.
    pub(super) fn nth(&self, index: u32) -> i64 {
        let (minutes, seconds) = (self.minutes.count_ones(), self.seconds.count_ones());
        let hour = nth_bit(self.hours, index / seconds / minutes);
        let minute = nth_bit(self.minutes, index / seconds % minutes);
        second_of_day(hour, minute, nth_bit(self.seconds, index % seconds))
    }

    /// The times within the period of `reading`, which matches.
    pub(super) fn within(&self, freq: Freq, reading: i64) -> Times {
        let [hour, minute, second] = clock(reading.rem_euclid(DAY_S));
        let only = |from: Freq, value: u32, all: u64| if freq >= from { 1 << value } else { all };
        Times {
            hours: only(Freq::Hourly, hour, self.hours),
            minutes: only(Freq::Minutely, minute, self.minutes),
            seconds: only(Freq::Secondly, second, self.seconds),
        }
    }
}

/// Hour, minute and second.
pub(super) fn clock(second_of_day: i64) -> [u32; 3] {
    let second = second_of_day as u32;
    [second / 3600, second / 60 % 60, second % 60]
}

fn second_of_day(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}

/// The lowest bit at or above `from`, which is at most 60.
fn bit_from(mask: u64, from: u32) -> Option<u32> {
    let rest = mask >> from;
    (rest != 0).then(|| from + rest.trailing_zeros())
}

/// The set bit at that position, from 0; the mask has more bits.
pub(super) fn nth_bit(mut mask: u64, index: u32) -> u32 {
    for _ in 0..index {
        mask &= mask - 1;
    }
    mask.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_by_place_and_by_what_comes_next() {
        let times =
            Times { hours: 1 << 9 | 1 << 23, minutes: 1 | 1 << 59, seconds: 1 << 1 | 1 << 58 };
        let all: Vec<i64> = (0..times.count()).map(|index| times.nth(index)).collect();
        let expected = [9 * 3600 + 1, 9 * 3600 + 58, 9 * 3600 + 59 * 60 + 1];
        assert_eq!((all.len(), &all[..3], times.first()), (8, &expected[..], expected[0]));
        for second in 0..DAY_S {
            assert_eq!(times.from(second), all.iter().find(|time| **time >= second).copied());
        }
    }
}
