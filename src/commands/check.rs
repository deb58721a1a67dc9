//! `check`: every problem of the schedule files and the configuration.

use std::path::PathBuf;

use super::{Exit, Failure, configuration, render, show};
use crate::cli::ServiceFlags;
use crate::clock;
use crate::config;
use crate::tzdata::Tzdata;

pub(super) fn check(flags: ServiceFlags, paths: Vec<PathBuf>) -> Result<Exit, Failure> {
    let service = configuration(flags, Exit::No)?;
    let paths = if paths.is_empty() { service.schedules } else { paths };
    let loaded = config::load(&paths, &Tzdata::load());
    let warnings = config::warnings(&loaded, clock::wall());
    let problems: Vec<_> = loaded.problems.into_iter().chain(warnings).collect();
    if !problems.is_empty() {
        eprintln!("{}", render(&problems));
    }
    match loaded.schedule {
        Some(schedule) => {
            let entries = schedule.entries.len();
            let warnings = match problems.len() {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                n => format!(", {n} warnings"),
            };
            let entries =
                if entries == 1 { "1 entry".into() } else { format!("{entries} entries") };
            show::line(&format!("ok: {entries}{warnings}"))?;
            Ok(Exit::Fine)
        }
        None => Ok(Exit::No),
    }
}
