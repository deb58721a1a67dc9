//! Times as people type them: what schedule files allow, a date alone, or a length of time.

use downbeat_time::{UnixMs, Zone};

use super::Failure;
use crate::text::{duration, instant};

/// The same time with an hour: a date alone means its midnight.
pub(super) fn with_hour(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let is_date = text.len() == 10
        && text
            .char_indices()
            .all(|(at, c)| if matches!(at, 4 | 7) { c == '-' } else { is_digit(c) });
    if is_date { format!("{text} 00:00") } else { text.to_owned() }
}

/// A length as the instant that long before now; another time as [`with_hour`] gives it.
pub(super) fn ago(text: &str, now: UnixMs) -> String {
    match duration::parse(text) {
        Ok(length) => (now - length).to_string(),
        Err(_) => with_hour(text),
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
        Err(_) => instant::parse(&with_hour(text), zone),
    };
    let refuse = |error| Failure::usage(format!("{flag}: {error}; {}", instant::HINT));
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
            ("2026-12-24", "2026-12-24 00:00", "2026-12-24T00:00:00Z"),
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
