//! Loads a whole schedule: all files, or all of what is wrong with them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use uuid::Uuid;

use super::files;
use super::problem::{Problem, Severity};
use super::report::Report;
use super::schedule_file::{self, Contents};
use super::shared::{self, Shared};
use crate::queue::Queues;
use crate::schedule::{Entry, Schedule};
use crate::tzdata::Tzdata;

/// Drawn once; changing it would change every schedule's hash.
const HASH_ROOT: Uuid = Uuid::from_u128(0x5c0d_8f2e_91b7_5a46_8e13_60d4_c7f9_2ab5);

/// Schedules smaller than this are read before another thread would have started.
const WORTH_THREADS: u64 = 1024 * 1024;

/// What came of loading a schedule.
#[derive(Debug, Default)]
pub struct Loaded {
    /// All entries; `None` when any problem is an error.
    pub schedule: Option<Schedule>,
    /// Errors and warnings, by file and line.
    pub problems: Vec<Problem>,
    /// The files that were read, in that order.
    pub files: Vec<PathBuf>,
    /// Where the name of each entry stands.
    pub places: HashMap<Arc<str>, Place>,
}

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Position in [`Loaded::files`].
    pub file: u32,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

/// Loads the schedule of these files and directories, for these queues and all others.
///
/// Of a directory the files `*.yaml`, `*.yml` and `*.json` in it are read in name order, without
/// hidden ones and directories below it. All problems of all files are reported, except that a
/// file that is not valid YAML or JSON is given up at the first such place.
#[must_use]
pub fn load(paths: &[PathBuf], queues: &Queues, tzdata: &Tzdata) -> Loaded {
    let (files, problems) = files::list(paths);
    let mut merging = Merging::new();
    merging.loaded.problems = problems;
    if paths.is_empty() {
        let problem = Problem::whole("schedules", "no schedule file or directory is named");
        merging.loaded.problems.push(problem);
    }
    for batch in files.chunks(threads(&files)) {
        for (path, read) in batch.iter().zip(read_all(batch, queues, tzdata)) {
            match read {
                Ok(file) => merging.add(path, file),
                Err(problem) => merging.loaded.problems.push(problem),
            }
        }
    }
    merging.finish()
}

/// One file, read.
struct ReadFile {
    text: String,
    contents: Contents,
}

fn threads(files: &[PathBuf]) -> usize {
    let length = |file: &PathBuf| std::fs::metadata(file).map_or(0, |found| found.len());
    if files.len() < 2 || files.iter().map(length).sum::<u64>() < WORTH_THREADS {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// Reads a few files at the same time, so that only their texts are in memory at once.
fn read_all(files: &[PathBuf], queues: &Queues, tzdata: &Tzdata) -> Vec<Result<ReadFile, Problem>> {
    if let [file] = files {
        return vec![read(file, queues, tzdata)];
    }
    thread::scope(|scope| {
        let threads: Vec<_> =
            files.iter().map(|file| scope.spawn(move || read(file, queues, tzdata))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}

fn read(file: &Path, queues: &Queues, tzdata: &Tzdata) -> Result<ReadFile, Problem> {
    let text = files::read(file)?;
    let json = file.extension().is_some_and(|end| end == "json");
    let contents = schedule_file::read(&file.display().to_string(), &text, json, queues, tzdata);
    Ok(ReadFile { text, contents })
}

/// Puts files together in their order.
struct Merging {
    loaded: Loaded,
    entries: Vec<Entry>,
    shared: Shared,
    /// Name and content of every file, hashed.
    hashes: Vec<u8>,
}

impl Merging {
    fn new() -> Merging {
        Merging {
            loaded: Loaded::default(),
            entries: Vec::new(),
            shared: Shared::default(),
            hashes: Vec::new(),
        }
    }

    fn add(&mut self, path: &Path, file: ReadFile) {
        let ReadFile { text, contents } = file;
        let name = path.file_name().unwrap_or_default();
        self.hashes.extend_from_slice(name.as_encoded_bytes());
        self.hashes.push(0);
        self.hashes.extend_from_slice(Uuid::new_v5(&HASH_ROOT, text.as_bytes()).as_bytes());

        let mut report = Report::resume(path.display().to_string(), &text, contents.found);
        self.loaded.places.reserve(contents.entries.len());
        for (entry, place) in contents.entries.iter().zip(contents.places) {
            let (line, column) = report.position(place);
            if let Some(Place { file, line, .. }) = self.loaded.places.get(&entry.name) {
                let first = self.loaded.files[*file as usize].display();
                let message = format!("duplicate entry `{}`, first at {first}:{line}", entry.name);
                report.error(place, message).hint("rename one of the two");
                continue;
            }
            let place = Place { file: self.loaded.files.len() as u32, line, column };
            self.loaded.places.insert(Arc::clone(&entry.name), place);
        }
        self.shared.add(contents.additions, self.entries.len(), &mut report);
        self.entries.extend(contents.entries);
        self.loaded.problems.extend(report.finish());
        self.loaded.files.push(path.to_owned());
    }

    fn finish(mut self) -> Loaded {
        let problems = &mut self.loaded.problems;
        self.shared.apply(&mut self.entries, problems);
        shared::sort(problems, &self.loaded.files);
        let fatal = problems.iter().any(|p| p.severity == Severity::Error);
        if !fatal {
            let mut entries = self.entries;
            entries.shrink_to_fit();
            entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            let hash = Uuid::new_v5(&HASH_ROOT, &self.hashes);
            self.loaded.schedule = Some(Schedule { entries, hash });
        }
        self.loaded
    }
}
