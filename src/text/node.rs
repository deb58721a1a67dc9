//! A value as written, and its position in the text.

use std::borrow::Cow;
use std::rc::Rc;

use super::scalar::Scalar;
use super::span::Span;

/// Maximum nesting of collections, counting aliases.
pub(crate) const MAX_DEPTH: usize = 64;

/// A value and its position.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) value: Value<'t>,
}

#[derive(Debug)]
pub(crate) enum Value<'t> {
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
pub(crate) struct Pair<'t> {
    pub(crate) key: Node<'t>,
    pub(crate) value: Node<'t>,
}

impl<'t> Pair<'t> {
    pub(crate) fn name(&self) -> &str {
        self.key.as_written().unwrap_or_default()
    }
}

impl<'t> Node<'t> {
    /// The value itself, aliases followed.
    pub(crate) fn target(&self) -> &Node<'t> {
        let mut node = self;
        while let Value::Shared(shared) = &node.value {
            node = shared;
        }
        node
    }

    /// The text of a scalar, whatever its type.
    pub(crate) fn as_written(&self) -> Option<&str> {
        match &self.target().value {
            Value::Plain(text) | Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.target().value {
            Value::Plain(text) => Some(Scalar::core(text)),
            Value::Text(text) => Some(Scalar::Text(text)),
            _ => None,
        }
    }

    pub(crate) fn map(&self) -> Option<&[Pair<'t>]> {
        match &self.target().value {
            Value::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The pair of a mapping with this key.
    pub(crate) fn pair(&self, key: &str) -> Option<&Pair<'t>> {
        self.map()?.iter().find(|pair| pair.name() == key)
    }

    /// Whether this is a merge key of YAML 1.1.
    pub(crate) fn is_merge_key(&self) -> bool {
        matches!(&self.value, Value::Plain(text) if text == "<<")
    }

    pub(crate) fn list(&self) -> Option<&[Node<'t>]> {
        match &self.target().value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The position of a part of a scalar's text: exact, unless the text before it has escapes other
    /// than `\n`.
    pub(crate) fn part(&self, source: &str, part: std::ops::Range<usize>) -> Span {
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
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => Cow::Borrowed(text),
        Some((cut, _)) => Cow::Owned(format!("{}…", &text[..cut])),
    }
}
