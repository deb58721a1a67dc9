//! What the items of an expression are not.

use super::field::WEEKDAYS;
use crate::schedule::token::number;

/// What an extension of other crons means, if the item is one.
pub(super) fn unsupported(item: &str) -> Option<&'static str> {
    let upper = item.to_ascii_uppercase();
    let begins = |starts: [&str; 2]| starts.iter().any(|start| upper.starts_with(start));
    let before = |end: char| upper.strip_suffix(end).unwrap_or_default();
    if upper.contains('#') {
        Some("the nth weekday of the month")
    } else if upper.contains('?') {
        Some("no particular day")
    } else if upper.contains('~') {
        Some("a random value")
    } else if upper == "H" || begins(["H(", "H/"]) {
        Some("a value hashed from the name")
    } else if upper == "LW" || number(before('W')).is_some() {
        Some("the nearest working day")
    } else if upper == "L" || begins(["L-", "L/"]) {
        Some("the last day")
    } else if number(before('L')).is_some() || is_weekday(before('L')) {
        Some("the last such weekday of the month")
    } else {
        None
    }
}

fn is_weekday(text: &str) -> bool {
    text.len() >= 3 && WEEKDAYS.iter().any(|name| name.starts_with(&text.to_ascii_lowercase()))
}
