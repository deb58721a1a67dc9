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
    let upper = |index: usize| item.as_bytes().get(index).map(u8::to_ascii_uppercase);
    let last = item.as_bytes().last().map(u8::to_ascii_uppercase);
    let all_but_last = &item.as_bytes()[..item.len() - 1];
    let digits = !all_but_last.is_empty() && all_but_last.iter().all(u8::is_ascii_digit);
    if item.contains('#') {
        Some("the nth weekday of the month")
    } else if item.contains('?') {
        Some("no particular day")
    } else if item.contains('~') {
        Some("a random value")
    } else if upper(0) == Some(b'H') && matches!(item.as_bytes().get(1), None | Some(b'(' | b'/')) {
        Some("a value hashed from the name")
    } else if item.eq_ignore_ascii_case("LW") || (digits && last == Some(b'W')) {
        Some("the nearest working day")
    } else if upper(0) == Some(b'L') && matches!(item.as_bytes().get(1), None | Some(b'-')) {
        Some("the last day")
    } else if last == Some(b'L') && (digits || is_weekday(&item[..item.len() - 1])) {
        Some("the last such weekday of the month")
    } else {
        None
    }
}

fn is_weekday(text: &str) -> bool {
    text.len() >= 3 && WEEKDAYS.iter().any(|name| name.starts_with(&text.to_ascii_lowercase()))
}
