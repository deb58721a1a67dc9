//! `check`: every problem of the schedule files and the configuration.

use std::path::PathBuf;

use serde::Serialize;

use super::{Exit, Failure, load_configuration, render, show};
use crate::cli::ServiceFlags;
use crate::clock;
use crate::config::{self, Problem};
use crate::tzdata::Tzdata;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    /// How many entries there are; none when the schedule is invalid.
    entries: Option<usize>,
    problems: Vec<Problem>,
}

pub(super) fn check(flags: ServiceFlags, paths: Vec<PathBuf>, json: bool) -> Result<Exit, Failure> {
    let checked = checked(flags, paths);
    let exit = if checked.entries.is_some() { Exit::Fine } else { Exit::No };
    if json {
        show::json(&checked)?;
        return Ok(exit);
    }
    if !checked.problems.is_empty() {
        eprintln!("{}", render(&checked.problems));
    }
    if let Some(entries) = checked.entries {
        let count =
            |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let entries = count(entries, "entry", "entries");
        let warnings = match checked.problems.len() {
            0 => String::new(),
            n => format!(", {}", count(n, "warning", "warnings")),
        };
        show::line(&format!("ok: {entries}{warnings}"))?;
    }
    Ok(exit)
}

fn checked(flags: ServiceFlags, paths: Vec<PathBuf>) -> Checked {
    let service = match load_configuration(flags) {
        Ok(service) => service,
        Err(problems) => return Checked { entries: None, problems },
    };
    let paths = if paths.is_empty() { service.schedules } else { paths };
    let loaded = config::load(&paths, &service.queues, &Tzdata::load());
    let warnings = config::warnings(&loaded, clock::wall());
    let problems = loaded.problems.into_iter().chain(warnings).collect();
    Checked { entries: loaded.schedule.map(|schedule| schedule.entries.len()), problems }
}
