//! What users of other schedulers write, and what to write here instead.
//!
//! `words` is the table: each foreign key, and ours for it. The other modules read foreign values, and
//! answer with text that the loader accepts, or not at all. All of them take time in proportion to a
//! bounded part of what is written.

mod calls;
mod days;
mod fields;
mod lines;
mod mapping;
mod on_calendar;
mod phrases;
mod timing;
mod values;
pub(super) mod words;

pub(crate) use timing::Timing;
pub(super) use values::{arguments, expires, known};
