//! The language of schedule files: entries, when they fire, what they send, and calendars.
//!
//! `schedule_file` reads one file, `merge` makes all files one [`Schedule`](crate::schedule::Schedule),
//! and `lints` warns of what is valid and still odd. [`reference`] describes every key.

mod bounds;
pub(super) mod entry;
pub(super) mod json_text;
pub(super) mod limits;
mod lints;
mod loaded;
mod merge;
pub(super) mod message;
pub(super) mod options;
mod queues;
pub mod reference;
pub(super) mod schedule_file;
mod shared;
pub(super) mod solar;
pub(super) mod when;

pub use lints::{against_workers, celery_queues, unnamed_queues, warnings};
pub(crate) use loaded::HASH_ROOT;
pub use loaded::{Loaded, Position, ScheduleFile};
pub(crate) use merge::load_texts;
