//! UTC timestamps as text, formatted fast: a program may need one for each message and each line of its log.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::Offset;

/// A UTC timestamp as text, to the microsecond: `2026-11-21T03:00:00.000412`.
///
/// It is always of this length, and has no `Z`.
#[derive(Debug)]
pub struct UtcText([u8; 26]);

impl UtcText {
    /// Formats to the microsecond. A year before 0 is shown as 0: RFC 3339 has none, and there are no slots.
    #[must_use]
    pub fn of(timestamp: Timestamp) -> UtcText {
        let reading = Offset::UTC.to_datetime(timestamp);
        let (date, time) = (reading.date(), reading.time());
        let mut text = *b"0000-00-00T00:00:00.000000";
        text[..4].copy_from_slice(&digits::<4>(date.year().max(0).into()));
        text[5..7].copy_from_slice(&digits::<2>(date.month().into()));
        text[8..10].copy_from_slice(&digits::<2>(date.day().into()));
        text[11..13].copy_from_slice(&digits::<2>(time.hour().into()));
        text[14..16].copy_from_slice(&digits::<2>(time.minute().into()));
        text[17..19].copy_from_slice(&digits::<2>(time.second().into()));
        text[20..].copy_from_slice(&digits::<6>(time.subsec_nanosecond() / 1000));
        UtcText(text)
    }

    /// The text, cut to the millisecond.
    #[must_use]
    pub fn millis(&self) -> &str {
        self.text(23)
    }

    /// The text to the second; if there is a fraction, with as many digits as it has.
    #[must_use]
    pub fn shortest(&self) -> &str {
        let zeros = self.0[20..].iter().rev().take_while(|digit| **digit == b'0').count();
        self.text(if zeros == 6 { 19 } else { 26 - zeros })
    }

    fn text(&self, length: usize) -> &str {
        // All of it is ASCII.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

/// The text to the microsecond.
impl fmt::Display for UtcText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(26))
    }
}

/// The last digits of a number that is not negative.
fn digits<const N: usize>(mut number: i32) -> [u8; N] {
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
            let reading = UtcText::of(timestamp);
            prop_assert_eq!(format!("{}Z", reading.shortest()), timestamp.to_string());
            prop_assert_eq!(format!("{reading}Z"), format!("{timestamp:.6}"));
            let millis = format!("{timestamp:.3}");
            prop_assert_eq!(reading.millis(), &millis[..23]);
        }
    }

    #[test]
    fn a_fraction_has_as_many_digits_as_needed() {
        for (ms, shortest) in [
            (1_700_000_000_000, "2023-11-14T22:13:20"),
            (1_700_000_000_500, "2023-11-14T22:13:20.5"),
            (1_700_000_000_007, "2023-11-14T22:13:20.007"),
        ] {
            let timestamp = Timestamp::from_millisecond(ms).unwrap();
            assert_eq!(UtcText::of(timestamp).shortest(), shortest);
        }
    }
}
