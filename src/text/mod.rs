//! Text with places: YAML and JSON as values that know where they are written, and problems that say
//! what is wrong, and where.
//!
//! `Reader` returns the values of a text one by one, as `Node`s. `section` and `keys` read mappings with
//! known keys, `expect` reads basic types, and `Report` collects every [`Problem`]. YAML is version 1.2,
//! core schema: `no` and `on` are text.
//!
//! Hostile input costs time and memory in proportion to its length: constants bound nesting, names and
//! the number of problems reported.

mod build;
pub mod duration;
mod excerpt;
pub(crate) mod expect;
pub(crate) mod flow;
pub mod instant;
mod json;
mod keys;
mod node;
mod problem;
mod reader;
mod report;
mod scalar;
pub(crate) mod section;
mod span;
mod syntax;
pub(crate) mod types;
pub(crate) mod words;
mod yaml;

pub(crate) use build::{Broken, Opened, owned, report_duplicate};
pub use excerpt::Excerpt;
pub use expect::MAX_NAME;
pub(crate) use keys::{Fields, Keys};
pub(crate) use node::{MAX_DEPTH, Node, Pair, Value, shortened};
pub(crate) use problem::add_with_hint;
pub use problem::{Problem, Severity, render, summary};
pub(crate) use reader::{Reader, read_all};
pub(crate) use report::{MAX_PROBLEMS, Paused, Report};
pub(crate) use scalar::Scalar;
pub(crate) use span::Span;
pub(crate) use syntax::report_yaml;
