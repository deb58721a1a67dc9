//! What the readers of YAML and JSON share.

use std::borrow::Cow;
use std::collections::HashSet;

use super::node::{Node, Pair, Value};
use super::report::Report;
use super::span::Span;

/// The text is invalid, and the report says where. Reading cannot continue.
#[derive(Debug)]
pub(crate) struct Broken;

/// What [`Reader::open`](super::reader::Reader::open) found.
pub(crate) enum Opened<'t> {
    /// A mapping, whose keys and values are now read one by one.
    Map,
    /// Anything else, and a mapping with an anchor: read as a whole.
    Other(Node<'t>),
}

/// Builds a mapping and refuses duplicate keys.
#[derive(Default)]
pub(crate) struct MapBuilder<'t> {
    pairs: Vec<Pair<'t>>,
    /// Filled only once the mapping is too large for a linear search.
    names: HashSet<Cow<'t, str>>,
}

/// Mappings up to this size are searched linearly, larger ones hashed.
const MAX_LINEAR_SEARCH: usize = 16;

impl<'t> MapBuilder<'t> {
    pub(crate) fn add(&mut self, key: Node<'t>, value: Node<'t>, report: &mut Report<'t>) {
        if let Some(first) = self.first(&key) {
            report_duplicate(key.as_written().unwrap_or_default(), key.span, first, report);
            return;
        }
        self.pairs.push(Pair { key, value });
        if self.pairs.len() == MAX_LINEAR_SEARCH {
            self.names = self.pairs.iter().map(|pair| owned(&pair.key)).collect();
        } else if self.pairs.len() > MAX_LINEAR_SEARCH {
            self.names.extend(self.pairs.last().map(|pair| owned(&pair.key)));
        }
    }

    fn first(&self, key: &Node<'t>) -> Option<Span> {
        let name = key.as_written()?;
        if self.pairs.len() >= MAX_LINEAR_SEARCH && !self.names.contains(name) {
            return None;
        }
        self.pairs.iter().find(|pair| pair.name() == name).map(|pair| pair.key.span)
    }

    pub(crate) fn finish(self) -> Value<'t> {
        Value::Map(self.pairs)
    }
}

/// The key as a name.
pub(crate) fn owned<'t>(key: &Node<'t>) -> Cow<'t, str> {
    match &key.value {
        Value::Plain(text) | Value::Text(text) => text.clone(),
        _ => Cow::Owned(key.as_written().unwrap_or_default().to_owned()),
    }
}

pub(crate) fn report_duplicate(name: &str, span: Span, first: Span, report: &mut Report<'_>) {
    let first = report.position_in_words(first);
    let message = format!("duplicate key{}, first at {first}", report.quoted(name));
    report.error(span, message).hint("keep one of the two");
}
