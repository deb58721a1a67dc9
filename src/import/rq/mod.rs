//! Schedules of RQ: its own cron scheduler, and rq-scheduler.

mod cron;
mod options;
mod scheduler;
mod when;

use std::path::PathBuf;

use serde_json::{Map, Value, json};

pub(crate) use self::cron::from_cron;
pub(crate) use self::scheduler::from_scheduler;
use super::compare::OldScheduler;
use super::interpreter::Interpreter;

/// Asks RQ's own classes, or rq-scheduler's.
const SCRIPT: &str = include_str!("script.py");

/// The scheduler's own code, as it can be asked.
fn old(python: Option<PathBuf>, library: &str, timezone: &str) -> OldScheduler {
    let request = Map::from_iter([
        ("library".to_owned(), json!(library)),
        ("timezone".to_owned(), json!(timezone)),
    ]);
    OldScheduler { interpreter: Interpreter::python(python, SCRIPT), request }
}

/// The settings of a queue whose jobs are pickles, or JSON.
fn queue_settings(is_json: bool) -> Value {
    match is_json {
        true => json!({"worker": "rq", "options": {"serializer": "json"}}),
        false => json!({"worker": "rq"}),
    }
}
