//! A value as written, and its position in the text.

use std::borrow::Cow;
use std::rc::Rc;

use super::report::Report;

/// Maximum nesting of collections, counting aliases.
pub const MAX_DEPTH: usize = 64;

/// A range of bytes of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Texts are far smaller than 4 GiB, so offsets fit.
    pub(super) fn new(start: usize, end: usize) -> Span {
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { start: short(start), len: short(end.saturating_sub(start)) }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    pub(super) fn len(self) -> usize {
        self.len as usize
    }

    pub(super) fn end(self) -> usize {
        self.start() + self.len()
    }
}

/// A value and its position.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) span: Span,
    pub(super) value: Value<'t>,
}

#[derive(Debug)]
pub(super) enum Value<'t> {
    /// An unquoted scalar: its text determines its type.
    Plain(Cow<'t, str>),
    /// A quoted scalar, or a block scalar.
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    /// In the order of the file; keys are scalars and unique.
    Map(Vec<Pair<'t>>),
    /// An anchored value, or an alias of one. Shared, so that aliases take no memory.
    Shared(Rc<Node<'t>>),
}

#[derive(Debug)]
pub(super) struct Pair<'t> {
    pub(super) key: Node<'t>,
    pub(super) value: Node<'t>,
}

impl<'t> Pair<'t> {
    pub(super) fn name(&self) -> &str {
        self.key.as_written().unwrap_or_default()
    }
}

/// The meaning of a scalar under the core schema of YAML 1.2.
///
/// Unlike in YAML 1.1, `no` and `on` are text, `0o17` is fifteen, and neither `1_000` nor `12:30`
/// is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i128),
    /// An integer beyond 64 bits.
    Huge,
    Float(f64),
    Text(&'a str),
}

impl<'t> Node<'t> {
    /// The value itself, aliases followed.
    pub(super) fn target(&self) -> &Node<'t> {
        let mut node = self;
        while let Value::Shared(shared) = &node.value {
            node = shared;
        }
        node
    }

    /// The text of a scalar, whatever its type.
    pub(super) fn as_written(&self) -> Option<&str> {
        match &self.target().value {
            Value::Plain(text) | Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.target().value {
            Value::Plain(text) => Some(Scalar::core(text)),
            Value::Text(text) => Some(Scalar::Text(text)),
            _ => None,
        }
    }

    pub(super) fn map(&self) -> Option<&[Pair<'t>]> {
        match &self.target().value {
            Value::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Node<'t>]> {
        match &self.target().value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// For "expected …, found …": the type, and the value if the report may quote values.
    pub(super) fn found(&self, report: &Report<'_>) -> String {
        let quotes = report.quotes_values();
        match &self.target().value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            _ => match self.scalar() {
                Some(Scalar::Null) | None => "nothing".to_owned(),
                Some(Scalar::Bool(value)) => value.to_string(),
                Some(Scalar::Text(text)) if quotes => format!("the text `{}`", shortened(text)),
                Some(Scalar::Text("")) => "an empty text".to_owned(),
                Some(Scalar::Text(_)) => "text".to_owned(),
                _ if quotes => {
                    format!("the number {}", shortened(self.as_written().unwrap_or_default()))
                }
                _ => "a number".to_owned(),
            },
        }
    }

    /// The position of a part of a scalar's text: exact, unless the text before it has escapes other
    /// than `\n`.
    pub(super) fn part(&self, source: &str, part: std::ops::Range<usize>) -> Span {
        let node = self.target();
        let place = || {
            let text = node.as_written()?.as_bytes();
            let written = source.get(node.span.start()..node.span.end())?.as_bytes();
            let quote = usize::from(matches!(written.first(), Some(b'"' | b'\'')));
            let start = quote + written_len(text.get(..part.start)?, &written[quote..])?;
            let end = start + written_len(text.get(part)?, &written[start..])?;
            Some(Span::new(node.span.start() + start, node.span.start() + end))
        };
        place().unwrap_or(node.span)
    }
}

/// How many bytes of `written` represent `text`, if it is written literally: line by line, where a line
/// end may be folded to a blank or be an escape, and lines may be indented.
fn written_len(text: &[u8], written: &[u8]) -> Option<usize> {
    let blanks = |rest: &[u8]| rest.iter().take_while(|byte| **byte == b' ').count();
    let mut at = 0;
    for (index, byte) in text.iter().enumerate() {
        let rest = &written[at..];
        at += match (byte, rest) {
            (byte, [same, ..]) if same == byte && *byte != b'\n' => 1,
            (b'\n', [b'\\', b'n', ..]) => 2,
            (b'\n' | b' ', [b'\r', b'\n', ..]) => 2,
            (b'\n' | b' ', [b'\n', ..]) => 1,
            _ => return None,
        };
        if written[at - 1] == b'\n' {
            at += blanks(&written[at..]).saturating_sub(blanks(&text[index + 1..]));
        }
    }
    Some(at)
}

/// At most 40 characters of a text, for a message.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => Cow::Borrowed(text),
        Some((cut, _)) => Cow::Owned(format!("{}…", &text[..cut])),
    }
}

impl<'a> Scalar<'a> {
    /// Section 10.3.2 of the YAML 1.2.2 specification. JSON's scalars mean the same.
    pub(super) fn core(text: &'a str) -> Scalar<'a> {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
            "true" | "True" | "TRUE" => Scalar::Bool(true),
            "false" | "False" | "FALSE" => Scalar::Bool(false),
            _ => Scalar::number(text).unwrap_or(Scalar::Text(text)),
        }
    }

    fn number(text: &'a str) -> Option<Scalar<'a>> {
        // Most scalars are names, which the first byte settles.
        if !text.as_bytes()[0].is_ascii_digit() && !matches!(text.as_bytes()[0], b'-' | b'+' | b'.')
        {
            return None;
        }
        if let Some(digits) = text.strip_prefix("0o") {
            return radix(digits, 8, |b| matches!(b, b'0'..=b'7'));
        }
        if let Some(digits) = text.strip_prefix("0x") {
            return radix(digits, 16, |b| b.is_ascii_hexdigit());
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return Some(integer(text.parse().ok()));
        }
        match unsigned {
            ".inf" | ".Inf" | ".INF" if text.starts_with('-') => {
                Some(Scalar::Float(f64::NEG_INFINITY))
            }
            ".inf" | ".Inf" | ".INF" => Some(Scalar::Float(f64::INFINITY)),
            ".nan" | ".NaN" | ".NAN" if unsigned == text => Some(Scalar::Float(f64::NAN)),
            _ if is_decimal(unsigned) => text.parse().ok().map(Scalar::Float),
            _ => None,
        }
    }
}

fn radix(digits: &str, radix: u32, is_digit: fn(u8) -> bool) -> Option<Scalar<'static>> {
    let valid = !digits.is_empty() && digits.bytes().all(is_digit);
    valid.then(|| integer(i128::from_str_radix(digits, radix).ok()))
}

fn integer(value: Option<i128>) -> Scalar<'static> {
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    value.filter(|value| range.contains(value)).map_or(Scalar::Huge, Scalar::Int)
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0 && exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_follow_the_core_schema_of_yaml_1_2() {
        let table = [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("null", Scalar::Null),
            ("True", Scalar::Bool(true)),
            ("FALSE", Scalar::Bool(false)),
            ("12", Scalar::Int(12)),
            ("-3", Scalar::Int(-3)),
            ("+3", Scalar::Int(3)),
            ("010", Scalar::Int(10)),
            ("0o17", Scalar::Int(15)),
            ("0xff", Scalar::Int(255)),
            ("18446744073709551615", Scalar::Int(u64::MAX.into())),
            ("18446744073709551616", Scalar::Huge),
            ("-9223372036854775809", Scalar::Huge),
            ("1.5", Scalar::Float(1.5)),
            (".5", Scalar::Float(0.5)),
            ("1.", Scalar::Float(1.0)),
            ("1e3", Scalar::Float(1000.0)),
            ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
        ];
        for (text, meaning) in table {
            assert_eq!(Scalar::core(text), meaning, "{text}");
        }
        let texts = ["no", "on", "Yes", "1_000", "12:30", "2026-12-24", "1h", ".", "-", "e1", "1e"];
        for text in texts.into_iter().chain(["+.nan", "0o", "0x", "0o8", "-0o7", "1.5.2", "--1"]) {
            assert_eq!(Scalar::core(text), Scalar::Text(text));
        }
    }
}
