//! Days and dates of the Gregorian calendar, years 0 to 9999, by arithmetic alone.
//!
//! From Neri and Schneider, "Euclidean affine functions and their application to calendar
//! algorithms" (2022), figures 12 and 13: no loops and no tables. Days count from 1970-01-01.

/// Days from 0000-03-01, where the algorithms count from, to 1970-01-01.
const EPOCH: i64 = 719_468;
/// The seconds of a day, as readings count them.
pub(super) const DAY_S: i64 = 86_400;
/// 10000-01-01T00:00:00, after the last reading, in seconds since 1970-01-01T00:00:00.
pub(super) const END_S: i64 = 253_402_300_800;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u32,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to 31.
    pub(super) day: u32,
}

/// The date of a day, which must be in year 0 (from March) to 9999.
pub(super) fn date_of(day: i64) -> Date {
    let shifted = (day + EPOCH) as u32;
    let century_days = 4 * shifted + 3;
    let century = century_days / 146_097;
    let year_days = century_days % 146_097 / 4 * 4 + 3;
    let product = 2_939_745 * u64::from(year_days);
    let year_of_century = (product >> 32) as u32;
    let day_of_year = product as u32 / 2_939_745 / 4;
    let month_days = 2_141 * day_of_year + 197_913;
    let (month, day) = (month_days >> 16, (month_days & 0xffff) / 2_141 + 1);
    let year = 100 * century + year_of_century;
    if day_of_year >= 306 {
        Date { year: year + 1, month: month - 12, day }
    } else {
        Date { year, month, day }
    }
}

/// The day of a date.
pub(super) fn day_of(date: Date) -> i64 {
    let (year, month) = match date.month {
        1 | 2 => (date.year - 1, date.month + 12),
        _ => (date.year, date.month),
    };
    let century = year / 100;
    let years = 1_461 * year / 4 - century + century / 4;
    let months = (979 * month - 2_919) / 32;
    i64::from(years + months + date.day - 1) - EPOCH
}

/// 0 (Sunday) to 6.
pub(super) fn weekday_of(day: i64) -> u32 {
    // 0000-03-01 is a Wednesday.
    ((day + EPOCH) as u32 + 3) % 7
}

/// 28 to 31.
pub(super) fn month_length(year: u32, month: u32) -> u32 {
    if month == 2 {
        return if is_leap(year) { 29 } else { 28 };
    }
    // Long and short months alternate, with a second start in August.
    30 | (month ^ month >> 3)
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Bits 1 to `last`.
pub(super) fn days_up_to(last: u32) -> u32 {
    ((2_u64 << last) - 2) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_from_1969_to_9999_equals_jiffs_calendar() {
        let mut expected = jiff::civil::date(1969, 12, 31);
        let last = jiff::civil::Date::MAX;
        for day in -1.. {
            let Date { year, month, day: of_month } = date_of(day);
            assert_eq!((year, month), (expected.year() as u32, expected.month() as u32));
            assert_eq!(of_month, expected.day() as u32);
            assert_eq!(day_of(date_of(day)), day);
            assert_eq!(weekday_of(day), expected.weekday().to_sunday_zero_offset() as u32);
            assert_eq!(month_length(year, month), expected.days_in_month() as u32);
            if expected == last {
                break;
            }
            expected = expected.tomorrow().unwrap();
        }
    }

    #[test]
    fn day_masks_begin_at_bit_one() {
        assert_eq!(days_up_to(1), 0b10);
        assert_eq!(days_up_to(31), !1);
    }
}
