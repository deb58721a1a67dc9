//! `downbeat import`: schedules of other schedulers, and the switch as the guides describe it.

mod celery_beat;
mod celery_stores;
mod projects;
mod stored;
mod switch;

use std::fs;

use crate::support::tools::tests_folder;

/// The text of a page of docs/ below a heading, up to the next one of its level.
fn section(page: &str, heading: &str) -> String {
    let text = fs::read_to_string(tests_folder().join("../docs").join(page)).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}
