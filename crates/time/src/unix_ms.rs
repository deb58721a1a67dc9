//! Instants in whole milliseconds of UTC.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::utc::UtcText;

/// The first instant of the year 0.
const YEAR_0: jiff::Timestamp = jiff::Timestamp::constant(-62_167_219_200, 0);

/// An instant: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Slots, due times and wall-clock times all have this type; a variable's name says which it is. Arithmetic
/// saturates, so far dates cannot overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Before every slot.
    pub const MIN: UnixMs = UnixMs(i64::MIN);
    /// After every slot.
    pub const MAX: UnixMs = UnixMs(i64::MAX);

    /// The instant of a number of whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> UnixMs {
        UnixMs(secs.saturating_mul(1000))
    }

    /// How much later `self` is than `earlier`; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: UnixMs) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant as a `jiff` timestamp, clamped to the years that `jiff` can show.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl From<jiff::Timestamp> for UnixMs {
    fn from(timestamp: jiff::Timestamp) -> UnixMs {
        UnixMs(timestamp.as_millisecond())
    }
}

/// Shows RFC 3339 in UTC, with milliseconds only if there are some: `2026-11-21T03:00:00Z`.
impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = self.to_jiff();
        if timestamp < YEAR_0 {
            return timestamp.fmt(f);
        }
        f.write_str(UtcText::of(timestamp).shortest())?;
        f.write_str("Z")
    }
}

/// The same text as shown.
impl Serialize for UnixMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// RFC 3339, with any offset.
impl<'de> Deserialize<'de> for UnixMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UnixMs, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<jiff::Timestamp>().map(UnixMs::from).map_err(D::Error::custom)
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for UnixMs {
    type Output = UnixMs;

    fn add(self, length: Duration) -> UnixMs {
        UnixMs(self.0.saturating_add(millis(length)))
    }
}

impl Sub<Duration> for UnixMs {
    type Output = UnixMs;

    fn sub(self, length: Duration) -> UnixMs {
        UnixMs(self.0.saturating_sub(millis(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_since_never_goes_negative() {
        assert_eq!(UnixMs::MAX + Duration::MAX, UnixMs::MAX);
        assert_eq!(UnixMs::MIN - Duration::from_secs(1), UnixMs::MIN);
        assert_eq!(UnixMs(5).since(UnixMs(9)), Duration::ZERO);
        assert_eq!(UnixMs(9).since(UnixMs(5)), Duration::from_millis(4));
    }

    #[test]
    fn it_is_shown_as_rfc_3339() {
        assert_eq!(UnixMs::from_secs(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(UnixMs(1_700_000_000_250).to_string(), "2023-11-14T22:13:20.25Z");
        assert_eq!(UnixMs(-62_167_219_200_001).to_string(), "-000001-12-31T23:59:59.999Z");
        let json = serde_json::to_string(&UnixMs(1_700_000_000_250)).unwrap();
        assert_eq!(json, "\"2023-11-14T22:13:20.25Z\"");
        assert_eq!(serde_json::from_str::<UnixMs>(&json).unwrap(), UnixMs(1_700_000_000_250));
    }
}
