//! What an import says of each job, and what is expected of a store with the whole vocabulary of its library.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::downbeat::{Finished, Place};
use crate::support::redis::RedisServer;
use crate::support::tools::{apart, python, tests_folder};

/// A place whose Python has a package of `tests/requirements-apart.txt`.
pub(super) fn place_with(package: &str) -> Place {
    let packages = tests_folder().join(".tools/apart").join(package);
    Place::new()
        .env("PYTHONPATH", &packages.display().to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PATH", "/usr/bin:/bin")
}

/// Runs a script of `tests/import` in the Python with a package.
pub(super) fn run_script(package: &str, script: &str, args: &[&str]) {
    ran(apart(package).arg("-W").arg("ignore").arg(folder().join(script)).args(args));
}

/// Panics with what the command said if it failed.
pub(super) fn ran(command: &mut Command) -> Output {
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

pub(super) fn folder() -> PathBuf {
    tests_folder().join("import")
}

/// The address of a server for redis-py, over the socket.
pub(super) fn unix_url(server: &RedisServer) -> String {
    format!("unix://{}", server.socket().display())
}

/// How many instants of each job are compared: 200 in the long run.
pub(super) fn instants() -> String {
    std::env::var("DOWNBEAT_INSTANTS").unwrap_or_else(|_| "50".to_owned())
}

/// The report of an import that compares each job, and leaves some out.
pub(super) fn compared(place: &Place, source: &[&str]) -> Report {
    let (python, count) = (python().display().to_string(), instants());
    let common = ["--python", &python, "--compare", &count, "--from", "2026-11-30T12:00:00Z"];
    let args = [&["import"], source, &common, &["--output", "moved", "--json"]].concat();
    // Two hundred instants of two hundred jobs take longer than other commands.
    Report(Finished::from(place.command(&args).output().unwrap()).json(1))
}

/// What became of each job.
#[derive(Debug)]
pub(super) struct Report(pub(super) Value);

impl Report {
    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0["entries"].as_array().unwrap().iter()
    }

    /// No instant is unexplained, and the old scheduler's code told of every job that it sends.
    pub(super) fn is_proved(&self) {
        let is_fault = |entry: &&Value| {
            let comparison = &entry["comparison"];
            comparison["unexplained"].as_u64() > Some(0) || comparison["error"].is_string()
        };
        let faults: Vec<&Value> = self.entries().filter(is_fault).collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// The grades of the jobs whose name has this word, each once.
    pub(super) fn grades(&self, word: &str) -> Vec<&str> {
        let named = self.entries().filter(|entry| entry["entry"].as_str().unwrap().ends_with(word));
        let mut grades: Vec<&str> = named.map(|entry| entry["grade"].as_str().unwrap()).collect();
        assert!(!grades.is_empty(), "{word}");
        grades.sort_unstable();
        grades.dedup();
        grades
    }

    /// Prints the table of a store: how many jobs there are of each grade, and what the comparison found.
    pub(super) fn table(&self, what: &str) -> BTreeMap<&str, u64> {
        let mut table = BTreeMap::new();
        for entry in self.entries() {
            *table.entry(entry["grade"].as_str().unwrap()).or_insert(0) += 1;
            let comparison = &entry["comparison"];
            for part in ["theirs", "same"] {
                *table.entry(part).or_default() += comparison[part].as_u64().unwrap_or(0);
            }
            for (explanation, count) in comparison["explained"].as_object().into_iter().flatten() {
                *table.entry(explanation).or_default() += count.as_u64().unwrap();
            }
        }
        eprintln!("{what}: {table:?}");
        table
    }
}
