//! Schedules of Celery: those of an application, and what other stores keep in Celery's terms.

mod app;
mod crontab;
mod fields;
mod message;
pub(crate) mod names;
mod options;
mod relative;
mod rrule;
pub(crate) mod schedules;
pub(crate) mod store;

use crate::import::interpreter::Interpreter;

pub(crate) use app::{from_app, print_script};

/// The script that asks an application, or Celery's own classes.
const SCRIPT: &str = include_str!("script.py");

/// Celery's own classes in this Python, to be asked when schedules fire.
pub(crate) fn interpreter(python: Option<std::path::PathBuf>) -> Interpreter {
    Interpreter::python(python, SCRIPT)
}
