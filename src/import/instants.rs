//! Instants that other schedulers write as numbers.

use downbeat_time::UnixMs;

/// The end of the year 9999, in milliseconds since 1970.
const LAST: f64 = 253_402_300_799_999.0;

/// The instant so many milliseconds after 1970; `None` if it is before 1970, or never comes.
pub(crate) fn from_millis(milliseconds: f64) -> Option<UnixMs> {
    #[expect(clippy::cast_possible_truncation, reason = "its size is checked")]
    (0.0..=LAST).contains(&milliseconds).then_some(UnixMs(milliseconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_instant_if_a_calendar_has_it() {
        assert_eq!(from_millis(1500.7), Some(UnixMs(1500)));
        for never in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e18, -1.0] {
            assert_eq!(from_millis(never), None, "{never}");
        }
    }
}
