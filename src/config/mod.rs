//! Schedule files and the service configuration: text in, checked values or every problem out.
//!
//! Loading goes in one direction: `files` finds and reads the texts; `reader` (`yaml`, `json`) returns
//! their values one by one, each with its position; `schedule_file` and `entry` check them and build
//! [`Entry`](crate::schedule::Entry)s; `problem` says what is wrong and where. YAML is version 1.2,
//! core schema: `no` and `on` are text.
//!
//! Hostile input costs time and memory in proportion to its length: the constants exported here bound
//! files, nesting, names, arguments and the number of problems reported.

mod bounds;
pub mod duration;
mod entry;
mod expect;
mod fields;
mod files;
pub mod instant;
mod json;
mod json_text;
mod kept;
mod lints;
mod load;
mod node;
mod options;
pub mod problem;
mod reader;
pub mod reference;
mod report;
mod schedule_file;
pub mod service;
mod settings;
mod shared;
mod solar;
mod syntax;
mod templates;
mod when;
mod yaml;

#[cfg(test)]
mod tests;

pub use bounds::{MAX_CALENDAR_NAME, MAX_EXCEPT};
pub use entry::{
    DEFAULT_QUEUE, DEFAULT_WITHIN, MAX_DESCRIPTION, MAX_ENTRY_NAME, MAX_TAG, MAX_TAGS,
};
pub use expect::MAX_COUNT;
pub use files::{MAX_FILE_BYTES, is_schedule_name};
pub use json_text::{MAX_ARGUMENTS, MAX_HEADERS};
pub use kept::{KeepError, Kept, KeptError, KeptFiles};
pub use lints::{against_workers, celery_queues, unnamed_queues, warnings};
pub use load::{Loaded, Position, ScheduleFile, load};
pub use node::MAX_DEPTH;
pub use problem::{Excerpt, Problem, Severity};
pub use report::MAX_PROBLEMS;
pub use schedule_file::MAX_FILE_ENTRIES;
pub use service::{
    Broker, Caller, History, Identity, LogFormat, Overrides, ServiceConfig, SettingSource,
    check_environment,
};
pub use settings::MAX_NAME;
pub use when::{MAX_CRON, MAX_INSTANTS};
