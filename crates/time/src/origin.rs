//! What a slot stands for: the reading of the clock that a timing names, and the day from which it was moved.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::calendar::DAY_S;
use super::unix_ms::UnixMs;
use super::wall::to_civil;
use super::zone::Zone;

/// An instant, and the reading of a zone's clock by which a timing names it.
///
/// They differ only if the clock skips the reading: then the instant is the first one after the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The instant.
    pub at: UnixMs,
    /// In seconds since 1970-01-01T00:00:00 on the wall; both have the same milliseconds.
    reading_s: i64,
}

/// A slot, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The slot itself.
    pub slot: Moment,
    /// The slot as the timing has it, before it was moved to another day; mostly the same.
    pub nominal: Moment,
}

impl Moment {
    /// An instant that is named by what the clock shows.
    #[must_use]
    pub fn at(at: UnixMs, zone: &Zone) -> Moment {
        Moment::new(at, zone.reading_at(at))
    }

    /// The moment of a reading. One that the clock skips is right after the gap, and keeps its date; one that the
    /// clock repeats is the first of the two.
    #[must_use]
    pub fn of(reading: DateTime, zone: &Zone) -> Moment {
        let at = zone.resolve(reading);
        // The first and the last hours of the calendar are no instants to `jiff`.
        let wall =
            Offset::UTC.to_timestamp(reading).map(|wall| wall.as_millisecond().div_euclid(1000));
        Moment::new(at, wall.unwrap_or(zone.reading_at(at)))
    }

    pub(super) fn new(at: UnixMs, reading_s: i64) -> Moment {
        Moment { at, reading_s }
    }

    /// The date and time of day that the timing names.
    #[must_use]
    pub fn reading(self) -> DateTime {
        to_civil(self.reading_s.saturating_mul(1000).saturating_add(self.at.0.rem_euclid(1000)))
    }

    /// Whether a clock change moved it to another date than the timing names.
    #[must_use]
    pub fn changed_date(self, zone: &Zone) -> bool {
        zone.reading_at(self.at).div_euclid(DAY_S) != self.reading_s.div_euclid(DAY_S)
    }

    /// What the zone's clock and calendar show, as [`Zone::strftime`] writes it. If a clock change moved the moment
    /// over midnight, date and time of day are those that the timing names.
    ///
    /// # Errors
    ///
    /// When the format has an unknown directive.
    pub fn strftime(self, zone: &Zone, format: &str) -> Result<String, jiff::Error> {
        match self.changed_date(zone) {
            false => zone.strftime(self.at, format),
            true => zone.strftime_skipped(self.at, self.reading(), format),
        }
    }
}

impl From<Moment> for Origin {
    fn from(slot: Moment) -> Origin {
        Origin { slot, nominal: slot }
    }
}
