//! The smallest parts of an expression: where they stand, and what they are not.

use std::ops::Range;

use super::field::WEEKDAYS;

/// A part of an expression that knows where it stands.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Byte offset in the whole text.
    pub(super) at: usize,
}

impl<'a> Token<'a> {
    pub(super) fn span(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    pub(super) fn split_once(self, separator: char) -> (Token<'a>, Option<Token<'a>>) {
        match self.text.split_once(separator) {
            None => (self, None),
            Some((head, tail)) => {
                let at = self.at + head.len() + separator.len_utf8();
                (Token { text: head, at: self.at }, Some(Token { text: tail, at }))
            }
        }
    }

    pub(super) fn trim(self) -> Token<'a> {
        let blank = [' ', '\t'];
        let start = self.text.len() - self.text.trim_start_matches(blank).len();
        Token { text: self.text.trim_matches(blank), at: self.at + start }
    }
}

/// Decimal digits only: no sign, no blank, no other script's digits.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

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
