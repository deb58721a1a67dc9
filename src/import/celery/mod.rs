//! The schedule of a Celery application.

mod app;
mod options;
mod schedules;

pub(crate) use app::from_app;

/// The script that asks an application. People may read it before their Python runs it.
pub(crate) const SCRIPT: &str = include_str!("script.py");
