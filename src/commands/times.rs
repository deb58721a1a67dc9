//! Times as people type them: what schedule files allow, a date alone, or a length of time.

use downbeat_time::{UnixMs, Zone};

use super::Failure;
use crate::text::{duration, instant};

/// A length as the instant that long before now; another time as it is typed.
pub(super) fn ago(text: &str, now: UnixMs) -> String {
    match duration::parse(text) {
        Ok(length) => (now - length).to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Reads the time given for `flag`; a length is that long after now.
pub(super) fn ahead(
    flag: &str,
    text: Option<&str>,
    zone: &Zone,
    now: UnixMs,
) -> Result<Option<UnixMs>, Failure> {
    let read = |text: &str| match duration::parse(text) {
        Ok(length) => Ok(now + length),
        Err(_) => instant::parse_with_date(text, zone),
    };
    let refuse = |error| Failure::usage(format!("{flag}: {error}; {}", instant::HINT_WITH_DATE));
    text.map(read).transpose().map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_798_102_800_000);

    #[test]
    fn a_length_is_before_or_after_now_and_a_date_begins_at_midnight() {
        let zone = Zone::utc();
        for (text, before, after) in [
            ("2h", "2026-12-24T07:00:00Z", "2026-12-24T11:00:00Z"),
            ("2026-12-24", "2026-12-24", "2026-12-24T00:00:00Z"),
            ("2026-12-24 18:00", "2026-12-24 18:00", "2026-12-24T18:00:00Z"),
        ] {
            assert_eq!(ago(text, NOW), before);
            let read = ahead("--from", Some(text), &zone, NOW).unwrap();
            assert_eq!(read.map(|at| at.to_string()).as_deref(), Some(after));
        }
    }

    #[test]
    fn what_is_no_time_is_left_for_the_error() {
        for text in ["tomorrow", "2026-12-2☃", "2h ago"] {
            assert_eq!(ago(text, NOW), text);
            let refused = ahead("--from", Some(text), &Zone::utc(), NOW).unwrap_err();
            assert!(refused.message.starts_with(&format!("--from: `{text}` is not a date")));
        }
    }
}
