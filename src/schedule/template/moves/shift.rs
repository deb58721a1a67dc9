//! Lengths by which instants are moved: `-1d`, `2w`, `-1mo`.

use thiserror::Error;

use crate::schedule::template::parse::shortened;

/// A length of time, backward if negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// How many; never 0, and at most 100 years.
    pub amount: i32,
    /// Of what.
    pub unit: Unit,
}

/// A unit of a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 60 s of real time.
    Minute,
    /// 3600 s of real time.
    Hour,
    /// A day of the calendar, whatever its length.
    Day,
    /// Seven days.
    Week,
    /// A month of the calendar.
    Month,
    /// Twelve months.
    Year,
}

/// Units, the most of them in a shift (100 years), and other words for them.
const UNITS: [(&str, Unit, u32, &[&str]); 6] = [
    ("min", Unit::Minute, 52_596_000, &["mins", "minute", "minutes"]),
    ("h", Unit::Hour, 876_600, &["hr", "hrs", "hour", "hours"]),
    ("d", Unit::Day, 36_525, &["day", "days"]),
    ("w", Unit::Week, 5_218, &["wk", "week", "weeks"]),
    ("mo", Unit::Month, 1_200, &["mon", "mth", "month", "months"]),
    ("y", Unit::Year, 100, &["yr", "yrs", "year", "years"]),
];

/// Why a text is not a shift. Texts in it are shortened to fit a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShiftError {
    /// Another form.
    #[error("`{0}` is not a shift")]
    NotOne(String),
    /// A number alone.
    #[error("the shift `{0}` has no unit")]
    NoUnit(String),
    /// `1m`
    #[error("`m` could mean months or minutes")]
    MonthOrMinute(String),
    /// A unit in another spelling, and ours.
    #[error("unknown unit `{0}` in a shift")]
    OtherUnit(String, String),
    /// Letters that are not a unit.
    #[error("unknown unit `{0}` in a shift")]
    UnknownUnit(String),
    /// Business days.
    #[error("`shift` does not count business days")]
    BusinessDays(String),
    /// `1mo2d`: does the sign belong to both?
    #[error("a shift of several units")]
    Several,
    /// `0d`
    #[error("a shift by nothing")]
    Nothing,
    /// Over 100 years.
    #[error("a shift of over 100 years")]
    TooFar,
}

impl ShiftError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            ShiftError::NoUnit(number) => {
                format!("write `{number}d` for days; units are y, mo, w, d, h and min")
            }
            ShiftError::MonthOrMinute(number) => {
                format!("write `{number}mo` for months, `{number}min` for minutes")
            }
            ShiftError::OtherUnit(_, ours) => format!("write `{ours}`"),
            ShiftError::BusinessDays(count) => {
                format!("write `{{{{ slot | business_days({count}) }}}}`")
            }
            ShiftError::Several => {
                "shift twice, in the order you mean: `shift(\"-1mo\") | shift(\"2d\")`".to_owned()
            }
            ShiftError::Nothing => "leave it out".to_owned(),
            ShiftError::NotOne(_) | ShiftError::UnknownUnit(_) | ShiftError::TooFar => {
                "write a number and a unit, like `-1d`: y, mo, w and d by the calendar, h and min by \
                 real time"
                    .to_owned()
            }
        }
    }
}

/// Parses a number, negative for backward, and a unit, with or without blanks between the two.
///
/// # Errors
///
/// If the text has another form, an unknown unit or several, or is 0 or over 100 years.
pub(in crate::schedule::template) fn parse(text: &str) -> Result<Shift, ShiftError> {
    let is_backward = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let (number, word) = unsigned.split_at(end);
    if number.is_empty() {
        return Err(ShiftError::NotOne(shortened(text)));
    }
    let signed = format!("{}{}", if is_backward { "-" } else { "" }, shortened(number));
    let (unit, most) = unit(word.trim_start_matches(' '), signed)?;
    let amount = number.parse::<u32>().ok().filter(|amount| *amount <= most);
    let amount = amount.and_then(|amount| i32::try_from(amount).ok()).ok_or(ShiftError::TooFar)?;
    match amount {
        0 => Err(ShiftError::Nothing),
        _ => Ok(Shift { amount: if is_backward { -amount } else { amount }, unit }),
    }
}

/// The unit of that name, and the most of it. `number` is what is before it, for the error.
fn unit(word: &str, number: String) -> Result<(Unit, u32), ShiftError> {
    if let Some((_, unit, most, _)) = UNITS.iter().find(|(name, ..)| *name == word) {
        return Ok((*unit, *most));
    }
    let lower = word.to_lowercase();
    let is_business_day = ["business", "workday", "working", "weekday", "bday", "bd"];
    Err(match &*lower {
        "" => ShiftError::NoUnit(number),
        "m" => ShiftError::MonthOrMinute(number),
        _ if is_business_day.iter().any(|start| lower.starts_with(start)) => {
            ShiftError::BusinessDays(number)
        }
        _ if lower.contains(|c: char| c.is_ascii_digit()) => ShiftError::Several,
        _ => {
            let known = UNITS
                .iter()
                .find(|(name, _, _, others)| *name == lower || others.contains(&&*lower));
            match known {
                Some((name, ..)) => ShiftError::OtherUnit(shortened(word), number + name),
                None => ShiftError::UnknownUnit(shortened(word)),
            }
        }
    })
}
