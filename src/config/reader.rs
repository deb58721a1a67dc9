//! Reads a text value by value, so that a large file is never in memory as one tree.

use std::borrow::Cow;
use std::collections::HashSet;

use super::json::Json;
use super::node::{Node, Pair, Span, Value};
use super::report::Report;
use super::yaml::Yaml;

/// The text is invalid, and the report says where. Reading cannot continue.
#[derive(Debug)]
pub(super) struct Broken;

/// What [`Reader::open`] found.
pub(super) enum Opened<'t> {
    /// A mapping, whose keys and values are now read one by one.
    Map,
    /// Anything else, and a mapping with an anchor: read as a whole.
    Other(Node<'t>),
}

/// One document, read from top to bottom.
///
/// A caller enters a mapping with [`open`](Reader::open), then alternately reads a [`key`](Reader::key)
/// and its value (with [`node`](Reader::node), or `open` again) until no key is left.
pub(super) enum Reader<'t> {
    Yaml(Box<Yaml<'t>>),
    Json(Json<'t>),
}

impl<'t> Reader<'t> {
    /// Begins a document; `None` if the text is empty or has only comments.
    pub(super) fn new(json: bool, report: &mut Report<'t>) -> Result<Option<Reader<'t>>, Broken> {
        if json {
            return Ok(Json::new(report)?.map(Reader::Json));
        }
        Ok(Yaml::new(report)?.map(|yaml| Reader::Yaml(Box::new(yaml))))
    }

    pub(super) fn open(&mut self, report: &mut Report<'t>) -> Result<Opened<'t>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.open(report),
            Reader::Json(json) => json.open(report),
        }
    }

    /// The next key of the innermost open mapping; `None` closes it.
    pub(super) fn key(&mut self, report: &mut Report<'t>) -> Result<Option<Node<'t>>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.key(report),
            Reader::Json(json) => json.key(report),
        }
    }

    /// Reads a whole value.
    pub(super) fn node(&mut self, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.node(report),
            Reader::Json(json) => json.node(report),
        }
    }

    /// Checks that nothing follows the last value.
    pub(super) fn finish(&mut self, report: &mut Report<'t>) -> Result<(), Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.finish(report),
            Reader::Json(_) => Ok(()),
        }
    }
}

/// Reads the whole document as one tree; for texts that are known to be small.
pub(super) fn read_all<'t>(
    json: bool,
    report: &mut Report<'t>,
) -> Result<Option<Node<'t>>, Broken> {
    let Some(mut reader) = Reader::new(json, report)? else { return Ok(None) };
    let node = reader.node(report)?;
    reader.finish(report)?;
    Ok(Some(node))
}

/// Builds a mapping and refuses duplicate keys.
#[derive(Default)]
pub(super) struct MapBuilder<'t> {
    pairs: Vec<Pair<'t>>,
    /// Filled only once the mapping is too large for a linear search.
    names: HashSet<Cow<'t, str>>,
}

/// Mappings up to this size are searched linearly, larger ones hashed.
const MAX_LINEAR_SEARCH: usize = 16;

impl<'t> MapBuilder<'t> {
    pub(super) fn add(&mut self, key: Node<'t>, value: Node<'t>, report: &mut Report<'t>) {
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

    pub(super) fn finish(self) -> Value<'t> {
        Value::Map(self.pairs)
    }
}

/// The key as a name.
pub(super) fn owned<'t>(key: &Node<'t>) -> Cow<'t, str> {
    match &key.value {
        Value::Plain(text) | Value::Text(text) => text.clone(),
        _ => Cow::Owned(key.as_written().unwrap_or_default().to_owned()),
    }
}

pub(super) fn report_duplicate(name: &str, span: Span, first: Span, report: &mut Report<'_>) {
    let first = report.place(first);
    let message = format!("duplicate key{}, first at {first}", report.quoted(name));
    report.error(span, message).hint("keep one of the two");
}
