//! Values of a text, and what they are in JSON.

use std::rc::Rc;

use serde_json::{Map, Value};

/// About what a value takes in memory besides its text.
const VALUE: usize = 64;

/// A value of the text. Aliases share it, so that they take no memory.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    /// How many collections are nested in it.
    pub(super) height: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Value),
    List(Vec<Rc<Node>>),
    /// In the order of the file, with merge keys and keys that are there twice.
    Map(Vec<Pair>),
    /// What has no counterpart in JSON, in one clause.
    Odd(String),
}

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Rc<Node>,
}

impl Node {
    /// The value in JSON; `left` is how many bytes all values may still take.
    pub(super) fn value(&self, left: &mut usize) -> Result<Value, String> {
        let mut pay = |bytes: usize| {
            *left = left.checked_sub(VALUE + bytes).ok_or("aliases repeat too many values")?;
            Ok::<(), String>(())
        };
        match &self.kind {
            Kind::Odd(why) => Err(why.clone()),
            Kind::Scalar(value) => {
                pay(value.as_str().map_or(0, str::len))?;
                Ok(value.clone())
            }
            Kind::List(nodes) => {
                pay(0)?;
                nodes.iter().map(|node| node.value(left)).collect()
            }
            Kind::Map(pairs) => {
                pay(pairs.iter().map(|pair| VALUE + pair.key.len()).sum())?;
                let mut map = Map::new();
                for Pair { key, node, .. } in pairs {
                    match (&**key, node.value(left)?) {
                        ("<<", Value::Object(more)) => map.extend(more),
                        // Of several merged mappings, the first counts.
                        ("<<", Value::Array(many)) if many.iter().all(Value::is_object) => {
                            let pairs = many.into_iter().rev().filter_map(|more| match more {
                                Value::Object(more) => Some(more),
                                _ => None,
                            });
                            map.extend(pairs.flatten());
                        }
                        (_, value) => drop(map.insert(key.clone(), value)),
                    }
                }
                Ok(Value::Object(map))
            }
        }
    }
}
