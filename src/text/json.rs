//! Reads JSON, keeping the position of every key and value.
//!
//! `serde_json` checks the syntax of the whole text first, so the rest can assume that it is valid.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::build::{Broken, MapBuilder, Opened};
use super::node::{MAX_DEPTH, Node, Value};
use super::report::Report;
use super::span::Span;
use super::syntax;

/// One JSON document.
pub(crate) struct Json<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Json<'t> {
    /// `None` when the text is blank.
    pub(crate) fn new(report: &mut Report<'t>) -> Result<Option<Json<'t>>, Broken> {
        let text = report.text();
        if text.trim().is_empty() {
            return Ok(None);
        }
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(IgnoredAny) => Ok(Some(Json { text, at: 0 })),
            Err(error) => {
                syntax::report_json(&error, report);
                Err(Broken)
            }
        }
    }

    pub(crate) fn open(&mut self, report: &mut Report<'t>) -> Result<Opened<'t>, Broken> {
        if self.peek() != b'{' {
            return self.node(report).map(Opened::Other);
        }
        self.at += 1;
        Ok(Opened::Map)
    }

    pub(crate) fn key(&mut self, report: &mut Report<'t>) -> Result<Option<Node<'t>>, Broken> {
        if self.take(b'}') {
            return Ok(None);
        }
        self.take(b',');
        self.peek();
        let key = self.string(report)?;
        self.take(b':');
        Ok(Some(key))
    }

    pub(crate) fn node(&mut self, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        self.value(0, report)
    }

    fn value(&mut self, depth: usize, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        match self.peek() {
            b'"' => self.string(report),
            b'{' | b'[' if depth >= MAX_DEPTH => {
                syntax::report_depth(Span::new(self.at, self.at + 1), report);
                Err(Broken)
            }
            b'{' => self.map(depth + 1, report),
            b'[' => self.list(depth + 1, report),
            _ => Ok(self.word()),
        }
    }

    fn map(&mut self, depth: usize, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        let span = Span::new(self.at, self.at + 1);
        self.at += 1;
        let mut map = MapBuilder::default();
        while let Some(key) = self.key(report)? {
            let value = self.value(depth, report)?;
            map.add(key, value, report);
        }
        Ok(Node { span, value: map.finish() })
    }

    fn list(&mut self, depth: usize, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        let span = Span::new(self.at, self.at + 1);
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(b']') {
            self.take(b',');
            items.push(self.value(depth, report)?);
        }
        Ok(Node { span, value: Value::List(items) })
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Node<'t> {
        let rest = &self.text[self.at..];
        let is_end = |c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace();
        let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        let span = Span::new(self.at, self.at + word.len());
        self.at += word.len();
        Node { span, value: Value::Plain(Cow::Borrowed(word)) }
    }

    fn string(&mut self, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        let mut end = start + 1;
        let mut escaped = false;
        loop {
            let rest = bytes.get(end..).unwrap_or_default();
            end += rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
            if bytes.get(end) != Some(&b'\\') {
                break;
            }
            escaped = true;
            end += 2;
        }
        self.at = end + 1;
        let span = Span::new(start, self.at);
        if !escaped {
            let text = Cow::Borrowed(&self.text[start + 1..end]);
            return Ok(Node { span, value: Value::Text(text) });
        }
        match serde_json::from_str::<String>(&self.text[start..self.at]) {
            Ok(text) => Ok(Node { span, value: Value::Text(Cow::Owned(text)) }),
            Err(_) => {
                report.error(span, "this text holds an escape that is not a character");
                Err(Broken)
            }
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }
}
