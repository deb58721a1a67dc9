//! YAML files of Ruby programs as JSON values, read as Psych does: by YAML 1.1, and the last of two equal keys counts.

mod composer;
mod node;
mod scalar;

use serde_json::Value;

use self::composer::Composer;
use self::node::{Kind, Node, Pair};
use super::ImportError;
use crate::text::{Report, summary};

/// Maximum bytes of all values, including those that aliases repeat.
const MAX_BYTES: usize = 320 << 20;

/// A value of the mapping or the list that a document is.
#[derive(Debug, PartialEq)]
pub(crate) struct Item {
    /// Its key; `None` in a list.
    pub(crate) name: Option<String>,
    /// The line of its key, or on which it begins, counted from 1.
    pub(crate) line: usize,
    /// The value; or why it has no counterpart in JSON, in one clause.
    pub(crate) value: Result<Value, String>,
}

/// Reads a document; empty if it is neither a mapping nor a list.
///
/// # Errors
///
/// If the text is not YAML, or the document as a whole has no counterpart in JSON; `file` is its name.
pub(crate) fn read(file: &str, text: &str) -> Result<Vec<Item>, ImportError> {
    let mut report = Report::new(file, text);
    let mut composer = Composer::new(text);
    let Ok(root) = composer.document(&mut report) else {
        return Err(ImportError::Invalid(format!("{file}: {}", summary(&report.finish()))));
    };
    let mut left = MAX_BYTES;
    let mut item = |name: Option<&String>, line: usize, node: &Node| Item {
        name: name.cloned(),
        line,
        value: node.value(&mut left),
    };
    match &root.kind {
        Kind::Map(pairs) => {
            let of_pair = |Pair { key, line, node }: &Pair| item(Some(key), *line, node);
            Ok(pairs.iter().map(of_pair).collect())
        }
        Kind::List(nodes) => Ok(nodes.iter().map(|node| item(None, node.line, node)).collect()),
        Kind::Scalar(_) => Ok(Vec::new()),
        Kind::Odd(why) => Err(ImportError::Invalid(format!("{file}: {why}"))),
    }
}

#[cfg(test)]
mod tests;
