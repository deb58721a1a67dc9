//! Instants as people write them.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::Zone;
use crate::schedule::unix_ms::UnixMs;

/// Neither form of an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time; write 2026-12-24T18:00:00+09:00, or 2026-12-24 18:00 for the zone's clock"
)]
pub struct InstantError(String);

impl Zone {
    /// Reads RFC 3339 (`2026-12-24T18:00:00+09:00`, `…Z`), or a reading of this zone's clock
    /// (`2026-12-24 18:00`, seconds if need be, or a date alone for its midnight): then the first
    /// instant at which the clock shows that or a later reading. Fractions below a millisecond are
    /// cut.
    ///
    /// # Errors
    /// When `text` is neither.
    pub fn parse_instant(&self, text: &str) -> Result<UnixMs, InstantError> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(instant.into());
        }
        // A reading with a zone or an offset that could not be read is not taken for one without.
        let plain = |byte: u8| byte.is_ascii_digit() || b"-:. T".contains(&byte);
        let reading = text.bytes().all(plain).then(|| text.parse::<DateTime>());
        match reading {
            Some(Ok(reading)) => Ok(self.resolve(reading)),
            _ => Err(InstantError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        let zone = Zone::utc();
        let christmas = UnixMs::from_secs(1_798_135_200);
        for text in [
            "2026-12-24T18:00:00Z",
            "2026-12-25T03:00:00+09:00",
            "2026-12-24 18:00",
            "2026-12-24T18:00:00",
            " 2026-12-24 18:00:00.000 ",
        ] {
            assert_eq!(zone.parse_instant(text), Ok(christmas), "{text}");
        }
        for text in
            ["", "tomorrow", "18:00", "2026-13-01 00:00", "2026-12-24 18:00 KST", "1798135200"]
        {
            assert!(zone.parse_instant(text).is_err(), "{text}");
        }
    }
}
