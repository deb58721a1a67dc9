//! Reads a text value by value, so that a large file is never in memory as one tree.

use super::build::{Broken, Opened};
use super::json::Json;
use super::node::Node;
use super::report::Report;
use super::yaml::Yaml;

/// One document, read from top to bottom.
///
/// A caller enters a mapping with [`open`](Reader::open), then alternately reads a [`key`](Reader::key)
/// and its value (with [`node`](Reader::node), or `open` again) until no key is left.
pub(crate) enum Reader<'t> {
    Yaml(Box<Yaml<'t>>),
    Json(Json<'t>),
}

impl<'t> Reader<'t> {
    /// Begins a document; `None` if the text is empty or has only comments.
    pub(crate) fn new(json: bool, report: &mut Report<'t>) -> Result<Option<Reader<'t>>, Broken> {
        if json {
            return Ok(Json::new(report)?.map(Reader::Json));
        }
        Ok(Yaml::new(report)?.map(|yaml| Reader::Yaml(Box::new(yaml))))
    }

    pub(crate) fn open(&mut self, report: &mut Report<'t>) -> Result<Opened<'t>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.open(report),
            Reader::Json(json) => json.open(report),
        }
    }

    /// The next key of the innermost open mapping; `None` closes it.
    pub(crate) fn key(&mut self, report: &mut Report<'t>) -> Result<Option<Node<'t>>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.key(report),
            Reader::Json(json) => json.key(report),
        }
    }

    /// Reads a whole value.
    pub(crate) fn node(&mut self, report: &mut Report<'t>) -> Result<Node<'t>, Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.node(report),
            Reader::Json(json) => json.node(report),
        }
    }

    /// Checks that nothing follows the last value.
    pub(crate) fn finish(&mut self, report: &mut Report<'t>) -> Result<(), Broken> {
        match self {
            Reader::Yaml(yaml) => yaml.finish(report),
            Reader::Json(_) => Ok(()),
        }
    }
}

/// Reads the whole document as one tree; for texts that are known to be small.
pub(crate) fn read_all<'t>(
    json: bool,
    report: &mut Report<'t>,
) -> Result<Option<Node<'t>>, Broken> {
    let Some(mut reader) = Reader::new(json, report)? else { return Ok(None) };
    let node = reader.node(report)?;
    reader.finish(report)?;
    Ok(Some(node))
}
