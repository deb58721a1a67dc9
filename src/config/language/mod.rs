//! The language of schedule files: entries, when they fire, what they send, and calendars.
//!
//! `schedule_file` reads one file, and `merge` combines all files into one
//! [`Schedule`](crate::schedule::Schedule). `lints` warns of what is valid but probably a mistake, and
//! `reference` describes every key.

mod about;
mod bounds;
mod common;
mod contradiction;
mod crontab;
mod days;
mod draft;
mod elsewhere;
mod entry;
mod instants;
mod interval;
pub(super) mod json_text;
pub(super) mod limits;
mod lints;
mod literal;
mod loaded;
mod merge;
mod message;
mod message_size;
mod options;
mod overlap;
mod queues;
pub mod reference;
mod rrule;
pub(super) mod schedule_file;
mod shared;
mod shell_variables;
mod solar;
mod when;
mod whole_days;
mod zone;

pub use lints::{against_workers, celery_queues, unnamed_queues, warnings};
pub(crate) use loaded::HASH_ROOT;
pub use loaded::{Loaded, Position, ScheduleFile};
pub(crate) use merge::load_texts;
