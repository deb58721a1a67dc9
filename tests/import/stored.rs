//! Fills stores, imports them, and reads the report on each job.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};

use redis::Commands as _;
use serde_json::Value;

use crate::support::downbeat::{Finished, Place};
use crate::support::redis::RedisServer;
use crate::support::tools::{apart, tests_folder};

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

/// Every key with its value, as Redis serializes it.
pub(super) fn values(server: &RedisServer) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut redis = server.connect();
    let keys: Vec<Vec<u8>> = redis.keys("*").unwrap();
    let value = |key: Vec<u8>| {
        let value = redis::cmd("DUMP").arg(&key).query(&mut redis).unwrap();
        (key, value)
    };
    keys.into_iter().map(value).collect()
}

/// How many instants of each job are compared: 200 with `tests/run --long`.
fn instants() -> String {
    std::env::var("DOWNBEAT_INSTANTS").unwrap_or_else(|_| "20".to_owned())
}

/// What became of each job.
#[derive(Debug)]
pub(super) struct Report(pub(super) Value);

impl Report {
    /// Imports and compares. Some jobs must be left out, and no instant may be unexplained.
    pub(super) fn of(place: &Place, source: &[&str]) -> Report {
        let mut command =
            place.command(&[&["import"], source, &["--compare", &instants(), "--json"]].concat());
        // The whole PATH, for Node and Ruby.
        command.env("PATH", std::env::var_os("PATH").unwrap());
        // Two hundred instants of two hundred jobs take longer than other commands.
        let report = Report(Finished::from(command.output().unwrap()).json(1));
        let is_fault = |entry: &&Value| {
            let comparison = &entry["comparison"];
            comparison["unexplained"].as_u64() > Some(0) || comparison["error"].is_string()
        };
        let faults: Vec<&Value> = report.entries().filter(is_fault).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        eprintln!("{}: {:?}", report.0["source"], report.table());
        report
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0["entries"].as_array().unwrap().iter()
    }

    pub(super) fn entry(&self, name: &str) -> &Value {
        self.entries().find(|entry| entry["entry"] == name).unwrap()
    }

    /// How many jobs have this grade.
    pub(super) fn count(&self, grade: &str) -> usize {
        self.entries().filter(|entry| entry["grade"] == grade).count()
    }

    /// The reasons for which jobs are left out.
    pub(super) fn reasons(&self) -> BTreeSet<&str> {
        self.entries().filter_map(|entry| entry["why"].as_str()).collect()
    }

    /// The grades of the jobs whose names end with this word, each once.
    pub(super) fn grades(&self, word: &str) -> Vec<&str> {
        let named = self.entries().filter(|entry| entry["entry"].as_str().unwrap().ends_with(word));
        let grades: BTreeSet<&str> = named.map(|entry| entry["grade"].as_str().unwrap()).collect();
        assert!(!grades.is_empty(), "{word}");
        grades.into_iter().collect()
    }

    /// How many jobs there are of each grade, and what the comparison found.
    fn table(&self) -> BTreeMap<String, u64> {
        let mut table = BTreeMap::new();
        let mut add = |what: String, count: u64| *table.entry(what).or_default() += count;
        for entry in self.entries() {
            add(format!("graded {}", entry["grade"].as_str().unwrap()), 1);
            let comparison = &entry["comparison"];
            for part in ["theirs", "same"] {
                add(format!("instants {part}"), comparison[part].as_u64().unwrap_or(0));
            }
            for (explanation, count) in comparison["explained"].as_object().into_iter().flatten() {
                add(format!("explained {explanation}"), count.as_u64().unwrap());
            }
        }
        table
    }
}
