//! A loaded schedule: its entries, the files they are from, and where they are written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::schedule::Schedule;
use crate::text::Problem;

/// A random constant. Changing it would change the hash of every schedule.
pub(crate) const HASH_ROOT: Uuid = Uuid::from_u128(0x5c0d_8f2e_91b7_5a46_8e13_60d4_c7f9_2ab5);

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
    pub(crate) fn new(path: &Path, text: &str) -> ScheduleFile {
        ScheduleFile { path: path.to_owned(), bytes: text.len() as u64, hash: hash_of(text) }
    }

    /// Whether the file has this text.
    pub(crate) fn is(&self, text: &str) -> bool {
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
