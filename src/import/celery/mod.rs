//! The schedule of a Celery application.

mod app;
pub(crate) mod crontab;
mod fields;
mod message;
mod options;
mod relative;
mod rrule;
pub(crate) mod schedules;
pub(crate) mod store;

pub(crate) use app::from_app;

/// The script that asks an application. People may read it before their Python runs it.
pub(crate) const SCRIPT: &str = include_str!("script.py");
