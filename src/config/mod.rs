//! Schedule files and the service configuration: text in, checked values or every problem out.
//!
//! Loading goes in one direction: `files` finds and reads the texts, [`crate::text`] returns their values
//! with their positions, [`language`] checks them and builds [`Entry`](crate::schedule::Entry)s.
//! [`settings`] does the same for the service's configuration. `foreign` says for both what to write instead of
//! another scheduler's words.

mod files;
pub(crate) mod foreign;
mod kept;
pub mod language;
mod load;
mod log;
pub mod settings;

#[cfg(test)]
mod tests;

pub use files::is_schedule_name;
pub use kept::{KeepError, Kept, KeptError, KeptFiles};
pub(crate) use language::limits::MAX_ENTRY_NAME;
pub use language::{
    Loaded, Position, ScheduleFile, against_workers, celery_queues, unnamed_queues, warnings,
};
pub use load::load;
pub(crate) use load::load_text;
pub use log::log;
pub use settings::{
    Broker, Caller, Identity, LogFormat, Overrides, ServiceConfig, SettingSource, check_environment,
};
