//! Loads the schedule from files and directories.

use std::path::{Path, PathBuf};

use super::files;
use super::language::{Loaded, load_texts};
use crate::text::Problem;
use crate::tzdata::Tzdata;
use crate::worker::Queues;

/// Loads the schedule from these files and directories, given the configured queues.
///
/// From a directory, it reads the files `*.yaml`, `*.yml` and `*.json` in name order, but neither
/// hidden files nor subdirectories. It reports all problems of all files, but of a file that is not
/// valid YAML or JSON only those up to the first syntax error.
#[must_use]
pub fn load(paths: &[PathBuf], queues: &Queues, tzdata: &Tzdata) -> Loaded {
    let (files, mut problems) = files::list(paths);
    if paths.is_empty() {
        problems.push(Problem::whole("schedules", "no schedule file or directory is named"));
    }
    let length = |file: &PathBuf| std::fs::metadata(file).map_or(0, |found| found.len());
    let bytes = files.iter().map(length).sum();
    load_texts(&files, bytes, &files::read, problems, queues, tzdata)
}

/// Loads a schedule from the text of one file that would be at `path`.
#[must_use]
pub(crate) fn load_text(path: PathBuf, text: &str, queues: &Queues, tzdata: &Tzdata) -> Loaded {
    let read = |_: &Path| Ok(text.to_owned());
    load_texts(&[path], text.len() as u64, &read, Vec::new(), queues, tzdata)
}
