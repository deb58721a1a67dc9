//! Tokens: the smallest parts of an expression, with their positions.

use std::ops::Range;

/// A part of an expression with its position.
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

    /// The parts between separators: at least one.
    pub(super) fn split(self, separator: char) -> impl Iterator<Item = Token<'a>> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let (head, tail) = rest?.split_once(separator);
            rest = tail;
            Some(head)
        })
    }

    /// The parts between white space.
    pub(super) fn fields(self) -> impl Iterator<Item = Token<'a>> {
        let mut at = self.at;
        let parts = self.text.split([' ', '\t']).map(move |text| {
            let part = Token { text, at };
            at += text.len() + 1;
            part
        });
        parts.filter(|part| !part.text.is_empty())
    }

    /// The token without its first bytes.
    pub(super) fn after(self, bytes: usize) -> Token<'a> {
        Token { text: &self.text[bytes..], at: self.at + bytes }
    }

    /// The token without its last bytes.
    pub(super) fn before(self, bytes: usize) -> Token<'a> {
        Token { text: &self.text[..self.text.len() - bytes], at: self.at }
    }

    pub(super) fn trim(self) -> Token<'a> {
        let blank = [' ', '\t'];
        let start = self.text.len() - self.text.trim_start_matches(blank).len();
        Token { text: self.text.trim_matches(blank), at: self.at + start }
    }
}

/// Reads decimal digits only: no sign, no space, no digits of other scripts.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
