//! Loads a whole schedule: every file, or every problem in them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use ring::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::files;
use super::problem::{Problem, Severity};
use super::report::Report;
use super::schedule_file::{self, Contents};
use super::shared::{self, Shared};
use crate::queue::Queues;
use crate::schedule::{Entry, Schedule};
use crate::tzdata::Tzdata;

/// A random constant. Changing it would change the hash of every schedule.
pub(super) const HASH_ROOT: Uuid = Uuid::from_u128(0x5c0d_8f2e_91b7_5a46_8e13_60d4_c7f9_2ab5);

/// A smaller schedule is read before another thread would have started.
const WORTH_THREADS: u64 = 1024 * 1024;

/// The result of loading a schedule.
#[derive(Debug, Default)]
pub struct Loaded {
    /// All entries; `None` if any problem is an error.
    pub schedule: Option<Schedule>,
    /// Errors and warnings, by file and line.
    pub problems: Vec<Problem>,
    /// The files, in the order they were read.
    pub files: Vec<ScheduleFile>,
    /// Where each entry's name is written.
    pub places: HashMap<Arc<str>, Position>,
}

/// A schedule file as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleFile {
    /// The path, as found below the configured paths.
    pub path: PathBuf,
    /// The length of the text.
    pub bytes: u64,
    /// The hash of the text.
    pub hash: Uuid,
}

impl ScheduleFile {
    fn new(path: &Path, text: &str) -> ScheduleFile {
        ScheduleFile { path: path.to_owned(), bytes: text.len() as u64, hash: hash_of(text) }
    }

    /// Whether the file has this text.
    pub(super) fn is(&self, text: &str) -> bool {
        self.bytes == text.len() as u64 && self.hash == hash_of(text)
    }
}

/// Each start hashes a lot of text; processors have instructions for SHA-256.
fn hash_of(text: &str) -> Uuid {
    let mut hasher = digest::Context::new(&digest::SHA256);
    hasher.update(HASH_ROOT.as_bytes());
    hasher.update(text.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finish().as_ref()[..16]);
    uuid::Builder::from_custom_bytes(hash).into_uuid()
}

/// A position in a schedule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index into [`Loaded::files`].
    pub file: u32,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

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

/// Loads the schedule from these files; `read` returns their texts, `bytes` long in all.
pub(super) fn load_texts(
    files: &[PathBuf],
    bytes: u64,
    read: &Texts<'_>,
    problems: Vec<Problem>,
    queues: &Queues,
    tzdata: &Tzdata,
) -> Loaded {
    let mut merging = Merging::new(problems);
    for batch in files.chunks(threads(files, bytes)) {
        for read in read_all(batch, read, queues, tzdata) {
            match read {
                Ok(file) => merging.add(file),
                Err(problem) => merging.loaded.problems.push(problem),
            }
        }
    }
    merging.finish()
}

/// Returns the text of a file.
pub(super) type Texts<'r> = dyn Fn(&Path) -> Result<String, Problem> + Sync + 'r;

/// A file that was read.
struct ReadFile {
    file: ScheduleFile,
    text: String,
    contents: Contents,
}

fn threads(files: &[PathBuf], bytes: u64) -> usize {
    if files.len() < 2 || bytes < WORTH_THREADS {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// Reads a few files at a time, so that few texts are in memory at once.
fn read_all(
    files: &[PathBuf],
    text_of: &Texts<'_>,
    queues: &Queues,
    tzdata: &Tzdata,
) -> Vec<Result<ReadFile, Problem>> {
    let read = |file| read(file, text_of, queues, tzdata);
    if let [file] = files {
        return vec![read(file)];
    }
    thread::scope(|scope| {
        let threads: Vec<_> = files.iter().map(|file| scope.spawn(move || read(file))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}

fn read(
    file: &Path,
    text_of: &Texts<'_>,
    queues: &Queues,
    tzdata: &Tzdata,
) -> Result<ReadFile, Problem> {
    let text = text_of(file)?;
    let json = file.extension().is_some_and(|end| end == "json");
    let contents = schedule_file::read(&file.display().to_string(), &text, json, queues, tzdata);
    Ok(ReadFile { file: ScheduleFile::new(file, &text), text, contents })
}

/// Merges files in their order.
struct Merging {
    loaded: Loaded,
    entries: Vec<Entry>,
    shared: Shared,
    /// The hashed names and contents of all files.
    hashes: Vec<u8>,
}

impl Merging {
    fn new(problems: Vec<Problem>) -> Merging {
        Merging {
            loaded: Loaded { problems, ..Loaded::default() },
            entries: Vec::new(),
            shared: Shared::default(),
            hashes: Vec::new(),
        }
    }

    fn add(&mut self, file: ReadFile) {
        let ReadFile { file, text, contents } = file;
        let name = file.path.file_name().unwrap_or_default();
        self.hashes.extend_from_slice(name.as_encoded_bytes());
        self.hashes.push(0);
        self.hashes.extend_from_slice(file.hash.as_bytes());

        let mut report = Report::resume(file.path.display().to_string(), &text, contents.found);
        let places = &mut self.loaded.places;
        places.reserve(contents.entries.len());
        for (entry, (span, line, column)) in contents.entries.iter().zip(contents.places) {
            match places.entry(Arc::clone(&entry.name)) {
                MapEntry::Vacant(new) => {
                    new.insert(Position { file: self.loaded.files.len() as u32, line, column });
                }
                MapEntry::Occupied(first) => {
                    let (name, Position { file, line, .. }) = (&entry.name, *first.get());
                    let first = self.loaded.files[file as usize].path.display();
                    let message = format!("duplicate entry `{name}`, first at {first}:{line}");
                    report.error(span, message).hint("rename one of the two");
                }
            }
        }
        self.shared.add(contents.additions, self.entries.len(), &mut report);
        if self.entries.is_empty() {
            // Most schedules have one file: do not copy all its entries.
            self.entries = contents.entries;
        } else {
            self.entries.extend(contents.entries);
        }
        self.loaded.problems.extend(report.finish());
        self.loaded.files.push(file);
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
