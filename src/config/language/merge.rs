//! Reads the texts of all files and merges them into one schedule.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use uuid::Uuid;

use super::loaded::{HASH_ROOT, Loaded, Position, ScheduleFile};
use super::schedule_file::{self, Contents};
use super::shared::Shared;
use crate::schedule::{Entry, Schedule};
use crate::text::{Problem, Report, Severity};
use crate::tzdata::Tzdata;
use crate::worker::Queues;

/// A smaller schedule is read before another thread would have started.
const WORTH_THREADS: u64 = 1024 * 1024;

/// Loads the schedule from these files; `read` returns their texts, `bytes` long in all.
pub(crate) fn load_texts(
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
pub(crate) type Texts<'r> = dyn Fn(&Path) -> Result<String, Problem> + Sync + 'r;

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
        sort(problems, &self.loaded.files);
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

/// Sorts problems by file and line; those without a line come last.
fn sort(problems: &mut [Problem], files: &[ScheduleFile]) {
    let files: HashMap<String, usize> =
        files.iter().enumerate().map(|(at, file)| (file.path.display().to_string(), at)).collect();
    problems.sort_by_key(|problem| {
        let file = files.get(&problem.file).copied();
        (file, problem.line.wrapping_sub(1), problem.column)
    });
}
