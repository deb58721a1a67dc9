//! Readings of UTC, of which each message and each line of the log has one.

use std::fmt;

use jiff::Timestamp;

const SECONDS_A_DAY: i64 = 86_400;

/// `2026-11-21T03:00:00.000412`: always as long, without a zone.
#[derive(Debug)]
pub(crate) struct Reading([u8; 26]);

impl Reading {
    /// To the microsecond. A year before 0 is shown as 0: RFC 3339 has none, and no slot is there.
    pub(crate) fn of(timestamp: Timestamp) -> Reading {
        let (seconds, nanos) = (timestamp.as_second(), timestamp.subsec_nanosecond());
        let (seconds, nanos) =
            if nanos < 0 { (seconds - 1, nanos + 1_000_000_000) } else { (seconds, nanos) };
        let (year, month, day) = date(seconds.div_euclid(SECONDS_A_DAY));
        let second = seconds.rem_euclid(SECONDS_A_DAY);
        let mut text = *b"0000-00-00T00:00:00.000000";
        text[..4].copy_from_slice(&digits::<4>(year.max(0)));
        text[5..7].copy_from_slice(&digits::<2>(month));
        text[8..10].copy_from_slice(&digits::<2>(day));
        text[11..13].copy_from_slice(&digits::<2>(second / 3600));
        text[14..16].copy_from_slice(&digits::<2>(second / 60 % 60));
        text[17..19].copy_from_slice(&digits::<2>(second % 60));
        text[20..].copy_from_slice(&digits::<6>(i64::from(nanos) / 1000));
        Reading(text)
    }

    /// To the millisecond.
    pub(crate) fn millis(&self) -> &[u8] {
        &self.0[..23]
    }

    /// To the second, and if there is a fraction, with as many digits as it has.
    pub(crate) fn shortest(&self) -> &str {
        let zeros = self.0[20..].iter().rev().take_while(|digit| **digit == b'0').count();
        self.text(if zeros == 6 { 19 } else { 26 - zeros })
    }

    fn text(&self, length: usize) -> &str {
        // All of it is ASCII.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

/// To the microsecond.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(26))
    }
}

/// Year, month and day in the Gregorian calendar, `days` after 1970-01-01: Howard Hinnant's
/// `civil_from_days` (<https://howardhinnant.github.io/date_algorithms.html>), in years that begin in March.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

/// The last digits of a number that is not negative.
fn digits<const N: usize>(mut number: i64) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn readings_are_those_of_jiff(ns in -62_167_219_200_i128 * 1_000_000_000..253_402_207_200 * 1_000_000_000) {
            let timestamp = Timestamp::from_nanosecond(ns / 1000 * 1000).unwrap();
            let reading = Reading::of(timestamp);
            prop_assert_eq!(format!("{}Z", reading.shortest()), timestamp.to_string());
            prop_assert_eq!(format!("{reading}Z"), format!("{timestamp:.6}"));
            let millis = format!("{timestamp:.3}");
            prop_assert_eq!(reading.millis(), &millis.as_bytes()[..23]);
        }
    }

    #[test]
    fn a_fraction_has_the_digits_that_it_needs() {
        for (ms, shortest) in [
            (1_700_000_000_000, "2023-11-14T22:13:20"),
            (1_700_000_000_500, "2023-11-14T22:13:20.5"),
            (1_700_000_000_007, "2023-11-14T22:13:20.007"),
        ] {
            let timestamp = Timestamp::from_millisecond(ms).unwrap();
            assert_eq!(Reading::of(timestamp).shortest(), shortest);
        }
    }
}
