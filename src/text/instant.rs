//! Instants as people write them: RFC 3339, or local time in the entry's zone; on the command line, also a date.

mod meant;

use downbeat_time::{UnixMs, Zone};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

/// Says what to write.
pub const HINT: &str =
    "write `2026-12-24 18:00` for the zone's wall clock, or `2026-12-24T18:00:00+09:00`";

/// Says what to write where a date alone is an instant, too.
pub const HINT_WITH_DATE: &str = "write `2026-12-24 18:00` for the zone's wall clock, `2026-12-24` for the \
                                  beginning of that day, or `2026-12-24T18:00:00+09:00`";

/// What to write instead of a text that is not an instant.
#[must_use]
pub fn hint(text: &str) -> String {
    match meant(text) {
        Some(ours) => format!("write `{ours}`"),
        None => HINT.to_owned(),
    }
}

/// The instant that a text means to other tools, as it is written here.
#[must_use]
pub fn meant(text: &str) -> Option<String> {
    meant::meant(text).filter(|ours| parse(ours, &Zone::utc()).is_ok())
}

/// The instant of a text in either form: as it is written here, or as other tools write it.
pub(crate) fn written_here(text: &str) -> Option<String> {
    match parse(text, &Zone::utc()) {
        Ok(_) => Some(text.to_owned()),
        Err(_) => meant(text),
    }
}

/// Why a text is not an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    /// Neither of the two forms.
    #[error("`{0}` is not a date and time")]
    Form(String),
    /// No such day or time: 30 February, 25 o'clock.
    #[error("there is no `{0}`")]
    NoSuch(String),
}

/// Parses an instant, without parts below a millisecond.
///
/// A local time that the zone's clock skips is the instant right after the gap; one that occurs twice
/// is the first of the two.
///
/// # Errors
///
/// If the text has neither form, or names a day or time that does not exist.
pub fn parse(text: &str, zone: &Zone) -> Result<UnixMs, InstantError> {
    let short = || text.chars().take(40).collect::<String>();
    let Some(offset_at) = wall_end(text) else { return Err(InstantError::Form(short())) };
    if offset_at == text.len() {
        let reading: DateTime = text.parse().map_err(|_| InstantError::NoSuch(short()))?;
        return Ok(zone.resolve(reading));
    }
    let instant: Timestamp = text.parse().map_err(|_| InstantError::NoSuch(short()))?;
    Ok(UnixMs::from(instant))
}

/// Parses an instant like [`parse`]; a date alone means the first instant of that day in the zone.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_with_date(text: &str, zone: &Zone) -> Result<UnixMs, InstantError> {
    if !is_date(text) {
        return parse(text, zone);
    }
    let date: Date = text.parse().map_err(|_| InstantError::NoSuch(text.to_owned()))?;
    Ok(zone.resolve(date.to_datetime(jiff::civil::Time::midnight())))
}

/// Whether it has the form of a date alone.
fn is_date(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(fits)
}

/// Where the local time ends in `2026-12-24 18:00[:00[.000]][Z|+09:00]`; `None` if the text has another
/// form.
fn wall_end(text: &str) -> Option<usize> {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let is =
        |at: usize, allowed: &[u8]| text.as_bytes().get(at).is_some_and(|b| allowed.contains(b));
    let date = digits(0..4) && is(4, b"-") && digits(5..7) && is(7, b"-") && digits(8..10);
    if !(date && is(10, b"T t") && digits(11..13) && is(13, b":") && digits(14..16)) {
        return None;
    }
    let mut end = 16;
    if is(end, b":") && digits(end + 1..end + 3) {
        end += 3;
        if is(end, b".") && digits(end + 1..end + 2) {
            end += 1;
            while digits(end..end + 1) {
                end += 1;
            }
        }
    }
    let offset = &text[end..];
    let zulu = offset.is_empty() || offset == "Z" || offset == "z";
    let numeric = offset.len() == 6
        && is(end, b"+-")
        && digits(end + 1..end + 3)
        && is(end + 3, b":")
        && digits(end + 4..end + 6);
    (zulu || numeric).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        let zone = Zone::utc();
        let at = |text: &str| parse(text, &zone).map(|at| at.to_string());
        let same = "2026-12-24T18:00:00Z";
        for text in [
            "2026-12-24 18:00",
            "2026-12-24T18:00:00",
            "2026-12-24t18:00:00.000",
            "2026-12-24T18:00Z",
            "2026-12-25T03:00:00+09:00",
            "2026-12-25 03:00+09:00",
        ] {
            assert_eq!(at(text).unwrap(), same, "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "2026-12-24",
            "18:00",
            "24.12.2026 18:00",
            "2026-12-24 18",
            "2026-12-24 18:00 KST",
            "2026-12-24T18:00:00[Asia/Seoul]",
            "2026-12-24 18:00:",
        ] {
            assert!(matches!(at(text), Err(InstantError::Form(_))), "{text}");
        }
        for text in ["2026-02-30 18:00", "2026-12-24 25:00", "2026-12-24T18:00+99:00"] {
            assert!(matches!(at(text), Err(InstantError::NoSuch(_))), "{text}");
        }
    }

    #[test]
    fn where_a_date_is_allowed_it_is_the_beginning_of_the_day() {
        let cairo = chrono_tz::Tz::Africa__Cairo;
        let rules = jiff::tz::TimeZone::get("Africa/Cairo").ok();
        let zone = rules.map_or_else(Zone::utc, |rules| Zone::from_jiff(cairo, &rules));
        let at = |text: &str| parse_with_date(text, &zone);
        assert_eq!(at("2026-12-24"), parse("2026-12-24 00:00", &zone));
        assert_eq!(at("2026-12-24T18:00:00Z"), parse("2026-12-24 18:00Z", &zone));
        assert!(matches!(at("2026-02-30"), Err(InstantError::NoSuch(_))));
        for text in ["2026-2-30", "2026-12-2☃", "20261224", "2026-12-24 ", "24.12.2026"] {
            assert!(matches!(at(text), Err(InstantError::Form(_))), "{text}");
        }
    }
}
