//! Schedules of RQ: its own cron scheduler, and rq-scheduler.

mod cron;
mod options;
mod scheduler;

use std::path::PathBuf;

use serde_json::{Map, Value, json};

pub(crate) use self::cron::from_cron;
pub(crate) use self::scheduler::from_scheduler;
use super::compare::OldScheduler;
use super::interpreter::Interpreter;

/// Asks RQ's own classes, or rq-scheduler's.
const SCRIPT: &str = include_str!("script.py");

/// How the scheduler's own code is asked.
fn old(python: Option<PathBuf>, library: &str, timezone: &str) -> OldScheduler {
    let request = Map::from_iter([
        ("library".to_owned(), json!(library)),
        ("timezone".to_owned(), json!(timezone)),
    ]);
    OldScheduler { interpreter: Interpreter::python(python, SCRIPT), request }
}

/// The settings of the queues that jobs go to.
fn queues<'q>(names: impl Iterator<Item = &'q str>, is_json: bool) -> Map<String, Value> {
    let settings = match is_json {
        true => json!({"worker": "rq", "options": {"serializer": "json"}}),
        false => json!({"worker": "rq"}),
    };
    names.map(|name| (name.to_owned(), settings.clone())).collect()
}
