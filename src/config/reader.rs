//! Reads a text value by value, so that a big file never stands in memory as one tree.

use std::borrow::Cow;
use std::collections::HashSet;

use super::json::Json;
use super::node::{Node, Pair, Span, Value};
use super::report::Report;
use super::yaml::Yaml;

/// The text is not valid; the report says where. Reading cannot go on.
#[derive(Debug)]
pub(super) struct Broken;

/// What stands where a mapping may be opened.
pub(super) enum Opened<'t> {
    /// A mapping: its keys and values are now read one by one.
    Map,
    /// Anything else, and mappings with an anchor: read as a whole.
    Other(Node<'t>),
}

/// One document, read from top to bottom.
///
/// A caller goes down with [`open`](Reader::open), then reads a [`key`](Reader::key) and a value
/// (with [`node`](Reader::node), or again with `open`) in turn until there is no key left.
pub(super) enum Reader<'t> {
    Yaml(Box<Yaml<'t>>),
    Json(Json<'t>),
}

impl<'t> Reader<'t> {
    /// Begins a document; `None` when there is nothing in it, or only comments.
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

    /// The next key of the mapping opened last; `None` closes it.
    pub(super) fn key(&mut self, report: &mut Report<'t>) -> Result<Option<Node<'t>>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.key(report),
            Reader::Json(json) => json.key(report),
        }
    }

    /// A whole value.
    pub(super) fn node(&mut self, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.node(report),
            Reader::Json(json) => json.node(report),
        }
    }

    /// Checks that nothing follows the value read last.
    pub(super) fn finish(&mut self, report: &mut Report<'t>) -> Result<(), Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.finish(report),
            Reader::Json(_) => Ok(()),
        }
    }
}

/// Reads the whole document as one tree, for texts that are known to be small.
pub(super) fn read_all<'t>(
    json: bool,
    report: &mut Report<'t>,
) -> Result<Option<Node<'t>>, Broken> {
    let Some(mut reader) = Reader::new(json, report)? else { return Ok(None) };
    let node = reader.node(report)?;
    reader.finish(report)?;
    Ok(Some(node))
}

/// Builds a mapping, refusing keys that it has already.
#[derive(Default)]
pub(super) struct MapBuilder<'t> {
    pairs: Vec<Pair<'t>>,
    /// Filled only once the mapping is too big to be searched quickly.
    names: HashSet<Cow<'t, str>>,
}

/// Mappings up to this size are searched, bigger ones hashed.
const SEARCHED: usize = 16;

impl<'t> MapBuilder<'t> {
    pub(super) fn add(&mut self, key: Node<'t>, value: Node<'t>, report: &mut Report<'t>) {
        if let Some(first) = self.first(&key) {
            report_duplicate(key.as_written().unwrap_or_default(), key.span, first, report);
            return;
        }
        self.pairs.push(Pair { key, value });
        if self.pairs.len() == SEARCHED {
            self.names = self.pairs.iter().map(|pair| owned(&pair.key)).collect();
        } else if self.pairs.len() > SEARCHED {
            self.names.extend(self.pairs.last().map(|pair| owned(&pair.key)));
        }
    }

    fn first(&self, key: &Node<'t>) -> Option<Span> {
        let name = key.as_written()?;
        if self.pairs.len() >= SEARCHED && !self.names.contains(name) {
            return None;
        }
        self.pairs.iter().find(|pair| pair.name() == name).map(|pair| pair.key.span)
    }

    pub(super) fn finish(self) -> Value<'t> {
        Value::Map(self.pairs)
    }
}

/// The name that a key is.
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
