//! A rate of messages as people write it: `100/s`, `30/m`, `500/h`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use thiserror::Error;

/// Maximum number before the unit.
pub const MAX_RATE: u32 = 1_000_000;

/// Units with their milliseconds.
const UNITS: [(&str, u32); 3] = [("s", 1000), ("m", 60_000), ("h", 3_600_000)];

/// A number of messages per second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    unit: &'static str,
    period_ms: u32,
}

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RateError {
    /// `100`
    #[error("the rate `{0}` has no unit")]
    NoUnit(u32),
    /// `0/s`
    #[error("a rate of zero")]
    Zero,
    /// Over [`MAX_RATE`].
    #[error("a rate of over {MAX_RATE}")]
    TooMany,
    /// Anything else.
    #[error("this is not a rate")]
    NotOne,
}

impl RateError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            RateError::NoUnit(count) => {
                format!("write `{count}/s` for so many a second; units are s, m and h")
            }
            RateError::Zero => "entries with `catch_up: none` send no missed slots".to_owned(),
            RateError::TooMany => {
                "leave the key out: missed slots go as fast as the queue takes them".to_owned()
            }
            RateError::NotOne => {
                "write it like `100/s`, `30/m` or `500/h`, in whole numbers".to_owned()
            }
        }
    }
}

impl Rate {
    /// The number of messages per period.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.get()
    }

    /// The length of the period in milliseconds.
    #[must_use]
    pub fn period_ms(&self) -> u32 {
        self.period_ms
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Rate, RateError> {
        let (number, unit) = text.split_once('/').map_or((text, None), |(n, unit)| (n, Some(unit)));
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError::NotOne);
        }
        let count = number.parse().ok().filter(|count| *count <= MAX_RATE);
        let count = count.ok_or(RateError::TooMany)?;
        let unit = unit.ok_or(RateError::NoUnit(count))?;
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let &(unit, period_ms) = known.ok_or(RateError::NotOne)?;
        let count = NonZeroU32::new(count).ok_or(RateError::Zero)?;
        Ok(Rate { count, unit, period_ms })
    }
}

/// As people write it.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_whole_numbers_a_second_a_minute_or_an_hour() {
        for (text, count, period_ms) in
            [("100/s", 100, 1000), ("1/m", 1, 60_000), ("1000000/h", 1_000_000, 3_600_000)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count(), rate.period_ms()), (count, period_ms), "{text}");
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, error) in [
            ("100", RateError::NoUnit(100)),
            ("0/m", RateError::Zero),
            ("1000001/s", RateError::TooMany),
            ("99999999999/s", RateError::TooMany),
            ("", RateError::NotOne),
            ("/s", RateError::NotOne),
            ("1/d", RateError::NotOne),
            ("1/sec", RateError::NotOne),
            ("1 / s", RateError::NotOne),
            ("-1/s", RateError::NotOne),
            ("1.5/s", RateError::NotOne),
            ("1/s/s", RateError::NotOne),
        ] {
            assert_eq!(text.parse::<Rate>(), Err(error), "{text}");
        }
    }
}
