//! Durations as people write them: `90s`, `5m`, `1h30m`, `2d`, `1w`, `500ms`.

mod meant;

use std::fmt::Write as _;
use std::time::Duration;

use thiserror::Error;

/// The longest accepted duration: 100 years of 365 days.
pub const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Units in descending order, with their milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct DurationError {
    /// What is wrong.
    pub problem: DurationProblem,
    /// What it means to other tools.
    pub meant: Option<Duration>,
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationProblem {
    /// A bare number.
    #[error("the duration `{0}` has no unit")]
    NoUnit(String),
    /// Letters that are not a unit.
    #[error("unknown unit `{0}` in a duration")]
    UnknownUnit(String),
    /// `1.5h`
    #[error("a duration is written with whole numbers")]
    Fraction,
    /// `30m1h`, `1h1h`
    #[error("units of a duration go from long to short, each once")]
    Order,
    /// Over [`MAX_DURATION`].
    #[error("a duration of over 100 years")]
    TooLong,
    /// Anything else.
    #[error("`{0}` is not a duration")]
    NotOne(String),
}

impl DurationError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        self.hint_after("")
    }

    /// What to write instead, each time after `key`: `every: `.
    #[must_use]
    pub fn hint_after(&self, key: &str) -> String {
        match (&self.problem, self.meant) {
            (DurationProblem::TooLong, _) => "leave the key out".to_owned(),
            (DurationProblem::NoUnit(_), Some(length)) => {
                let secs = length.as_secs();
                // JavaScript counts milliseconds.
                let rest = match secs.is_multiple_of(1000) {
                    true => format!(", or `{key}{}` for milliseconds", format(length / 1000)),
                    false => "; units are w, d, h, m, s and ms".to_owned(),
                };
                format!("write `{key}{secs}s` for seconds{rest}")
            }
            (_, Some(meant)) => format!("write `{key}{}`", format(meant)),
            (_, None) => "write it like `90s`, `5m`, `1h30m`, `2d`, `1w` or `500ms`".to_owned(),
        }
    }
}

/// The duration that a text means to this program or, else, to another tool.
#[must_use]
pub fn parse_any(text: &str) -> Option<Duration> {
    parse(text).map_or_else(|error| error.meant, Some)
}

/// Parses a duration in whole milliseconds.
///
/// # Errors
///
/// If a number has no unit, a unit is unknown or out of order, or the sum exceeds [`MAX_DURATION`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    read(text).map_err(|problem| DurationError { problem, meant: meant::meant(text) })
}

fn read(text: &str) -> Result<Duration, DurationProblem> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DurationProblem::NoUnit(text.chars().take(40).collect()));
    }
    let (mut rest, mut total, mut shorter_than) = (text, 0_u64, u64::MAX);
    loop {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, char::is_alphabetic);
        if after.starts_with('.') && rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(DurationProblem::Fraction);
        }
        if number.is_empty() || unit.is_empty() {
            return Err(DurationProblem::NotOne(text.chars().take(40).collect()));
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let Some(&(_, millis)) = known else {
            return Err(DurationProblem::UnknownUnit(unit.chars().take(40).collect()));
        };
        if millis >= shorter_than {
            return Err(DurationProblem::Order);
        }
        shorter_than = millis;
        total = add(total, number, millis).ok_or(DurationProblem::TooLong)?;
        if after.is_empty() {
            return Ok(Duration::from_millis(total));
        }
        rest = after;
    }
}

fn split(text: &str, belongs: fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn add(total: u64, number: &str, millis: u64) -> Option<u64> {
    let sum = number.parse::<u64>().ok()?.checked_mul(millis)?.checked_add(total)?;
    (u128::from(sum) <= MAX_DURATION.as_millis()).then_some(sum)
}

/// The shortest text that [`parse`] reads back as this duration, without parts below a millisecond.
#[must_use]
pub fn format(length: Duration) -> String {
    let mut rest = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        // 8 days read better than 1w1d.
        let fits = if unit == "w" { rest.is_multiple_of(millis) } else { rest >= millis };
        if fits && rest > 0 {
            let _ = write!(text, "{}{unit}", rest / millis);
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A duration in its two largest units, for people: `3 d 4 h`, `5 h`, `10 s`.
#[must_use]
pub fn in_words(length: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let secs = length.as_secs();
    let Some(first) = UNITS.iter().position(|(_, unit)| secs >= *unit) else {
        return "less than 1 s".to_owned();
    };
    let mut rest = secs;
    let mut words = Vec::new();
    for (name, unit) in UNITS.iter().skip(first).take(2) {
        if rest >= *unit {
            words.push(format!("{} {name}", rest / unit));
        }
        rest %= unit;
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written() {
        let table = [
            ("500ms", 500),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("1w2d3h4m5s6ms", 788_645_006),
            ("0s", 0),
        ];
        for (text, millis) in table {
            let length = parse(text).unwrap();
            assert_eq!(length.as_millis(), millis, "{text}");
            assert_eq!(parse(&format(length)).unwrap(), length, "{text}");
        }
        assert_eq!(format(Duration::from_secs(90)), "1m30s");
        assert_eq!(format(Duration::from_secs(8 * 86_400)), "8d");
        assert_eq!(format(Duration::from_secs(14 * 86_400)), "2w");
        assert_eq!(format(Duration::ZERO), "0s");
    }

    #[test]
    fn a_bad_length_says_what_to_write() {
        let table = [
            ("30", "the duration `30` has no unit"),
            ("5 m", "`5 m` is not a duration"),
            ("", "`` is not a duration"),
            ("-5m", "`-5m` is not a duration"),
            ("h", "`h` is not a duration"),
            ("1h30", "`1h30` is not a duration"),
            ("5min", "unknown unit `min` in a duration"),
            ("5M", "unknown unit `M` in a duration"),
            ("1.5h", "a duration is written with whole numbers"),
            ("30m1h", "units of a duration go from long to short, each once"),
            ("1h1h", "units of a duration go from long to short, each once"),
            ("5221w", "a duration of over 100 years"),
            ("99999999999999999999s", "a duration of over 100 years"),
        ];
        for (text, message) in table {
            let error = parse(text).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(!error.hint().is_empty());
        }
        assert_eq!(
            parse("30").unwrap_err().hint().split(';').next(),
            Some("write `30s` for seconds")
        );
    }

    #[test]
    fn words_are_the_two_largest_units() {
        let table = [
            (0, "less than 1 s"),
            (1, "1 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min 59 s"),
            (18_000, "5 h"),
            (18_059, "5 h"),
            (273_600, "3 d 4 h"),
            (86_400 * 400 + 3599, "400 d"),
        ];
        for (secs, words) in table {
            assert_eq!(in_words(Duration::from_secs(secs)), words, "{secs}");
        }
    }
}
