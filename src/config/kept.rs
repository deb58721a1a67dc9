//! Keeps the accepted schedule files in the state directory, for a start that finds the configured ones
//! invalid.
//!
//! There is one copy for each namespace and list of configured paths. So services that share a state
//! directory do not overwrite each other's copies, and a service that is pointed at other paths does
//! not run the old ones. A copy is one file:
//!
//! ```text
//! {"format":2,"accepted_at":…,"schedules":["/etc/…"],"hash":…,"files":[{"path":…,"bytes":…,"hash":…}]}
//! 0b8f1c…            the checksum of the line above
//! the texts of the files, one after the other
//! ```

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::files::{self, MAX_FILE_BYTES};
use super::language::{HASH_ROOT, Loaded, ScheduleFile, load_texts};
use crate::ownership::normal;
use crate::regular_file;
use crate::text::Problem;
use crate::tzdata::Tzdata;
use crate::worker::Queues;

/// The format of a copy; one in another format is not used.
const FORMAT: u32 = 2;
/// Maximum bytes of the first line: some hundred thousand files.
const MAX_HEADER: u64 = 64 * 1024 * 1024;
/// Writing a copy never takes this long.
const LEFTOVER_AGE_SECONDS: i64 = 3600;

/// The copy of one service's accepted schedule files.
#[derive(Clone, Debug)]
pub struct KeptFiles {
    folder: PathBuf,
    name: String,
    /// The configured paths, made absolute.
    schedules: Vec<PathBuf>,
}

/// The content of a copy.
#[derive(Debug)]
pub struct Kept {
    /// When the files were accepted.
    pub accepted_at: UnixMs,
    /// The files, loaded like any others.
    pub loaded: Loaded,
}

/// Why a copy is not used.
#[derive(Debug, Error)]
pub enum KeptError {
    /// There is something that cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Its checksums do not match.
    #[error("it is damaged")]
    Damaged,
    /// Another user could have written it.
    #[error("it belongs to another user, or others may write to it")]
    Foreign,
    /// Another version of downbeat wrote it.
    #[error("its format is {0}, and this version reads {FORMAT}")]
    Format(u32),
    /// It was renamed or copied from another one.
    #[error("it was kept for other schedule paths")]
    OtherPaths,
}

/// Why files could not be kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The file has changed since it was accepted. A reload follows anyway.
    #[error("{} has changed since it was loaded", .0.display())]
    Changed(PathBuf),
    /// There is no state directory, as in a container.
    #[error("no state directory: {}: {source}", path.display())]
    NoFolder {
        /// Where it would be.
        path: PathBuf,
        /// Why there is none.
        source: io::Error,
    },
    /// The state directory exists, but the copy cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The copy.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    accepted_at: UnixMs,
    schedules: Vec<PathBuf>,
    hash: Uuid,
    files: Vec<ScheduleFile>,
}

/// A copy with an intact header.
struct Opened {
    file: File,
    header: Header,
    /// The offset where the texts begin.
    texts: u64,
}

impl KeptFiles {
    /// The copy for a namespace and these schedule paths in this state directory.
    #[must_use]
    pub fn new(state_dir: &Path, namespace: &str, schedules: &[PathBuf]) -> KeptFiles {
        // Links are not followed: the copy belongs to the paths as configured.
        let mut unique = Vec::new();
        for path in schedules.iter().map(|path| normal(path)) {
            let path = std::path::absolute(&path).unwrap_or(path);
            if !unique.contains(&path) {
                unique.push(path);
            }
        }
        let schedules = unique;
        let mut paths = Vec::new();
        for path in &schedules {
            paths.extend_from_slice(path.as_os_str().as_encoded_bytes());
            paths.push(0);
        }
        let paths = Uuid::new_v5(&HASH_ROOT, &paths).simple().to_string();
        let name = format!("accepted-{namespace}-{}", &paths[..8]);
        KeptFiles { folder: state_dir.to_owned(), name, schedules }
    }

    /// The path of the copy.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Loads the kept files with the current configuration and zone rules; `None` if there are none.
    ///
    /// # Errors
    /// If the copy cannot be trusted. Files that are invalid, as the configuration has changed, are
    /// problems of [`Kept::loaded`].
    pub fn load(&self, queues: &Queues, tzdata: &Tzdata) -> Result<Option<Kept>, KeptError> {
        let Some(Opened { file, header, texts }) = self.open()? else { return Ok(None) };
        let mut places = HashMap::new();
        let mut end = texts;
        for kept in &header.files {
            places.insert(&*kept.path, (end, kept));
            end += kept.bytes;
        }
        let copy = self.path().display().to_string();
        let read = |path: &Path| {
            let (offset, kept) = places[path];
            let mut text = vec![0; kept.bytes as usize];
            let read = file.read_exact_at(&mut text, offset);
            let text = read.ok().and_then(|()| String::from_utf8(text).ok());
            let intact = text.filter(|text| kept.is(text));
            intact.ok_or_else(|| Problem::whole(&*copy, KeptError::Damaged.to_string()))
        };
        let paths: Vec<_> = header.files.iter().map(|kept| kept.path.clone()).collect();
        let loaded = load_texts(&paths, end - texts, &read, Vec::new(), queues, tzdata);
        Ok(Some(Kept { accepted_at: header.accepted_at, loaded }))
    }

    fn open(&self) -> Result<Option<Opened>, KeptError> {
        let file = match regular_file::open_own(&self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let found = file.metadata()?;
        let ours = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
        if !ours || found.mode() & 0o022 != 0 {
            return Err(KeptError::Foreign);
        }
        let mut lines = BufReader::new(&file).take(MAX_HEADER);
        let mut line = |end: &mut u64| {
            let mut line = Vec::new();
            *end += lines.read_until(b'\n', &mut line)? as u64;
            line.pop();
            Ok::<_, io::Error>(line)
        };
        let mut texts = 0;
        let (header, checksum) = (line(&mut texts)?, line(&mut texts)?);
        if checksum != checksum_of(&header).as_bytes() {
            return Err(KeptError::Damaged);
        }
        let header: Header = read_header(&header)?;
        if header.schedules != self.schedules {
            return Err(KeptError::OtherPaths);
        }
        let bounded = header.files.iter().all(|kept| kept.bytes <= MAX_FILE_BYTES as u64);
        if !bounded || texts + header.bytes() != found.len() {
            return Err(KeptError::Damaged);
        }
        Ok(Some(Opened { file, header, texts }))
    }

    /// Keeps the files of an accepted schedule instead of the previous ones. Returns when they were
    /// accepted: `now`, or earlier if they are unchanged.
    ///
    /// Reads them again, one at a time, as the texts of a schedule may take much more memory than its
    /// entries.
    ///
    /// # Errors
    /// If that fails. The previous copy stays: an older schedule is better than none.
    pub fn keep(
        &self,
        hash: Uuid,
        files: &[ScheduleFile],
        now: UnixMs,
    ) -> Result<UnixMs, KeepError> {
        if let Ok(Some(Opened { header, .. })) = self.open()
            && header.hash == hash
        {
            return Ok(header.accepted_at);
        }
        let (schedules, files) = (self.schedules.clone(), files.to_vec());
        self.replace(&Header { format: FORMAT, accepted_at: now, schedules, hash, files })?;
        Ok(now)
    }

    /// When the files of the copy were accepted, if there is a usable copy.
    #[must_use]
    pub fn accepted_at(&self) -> Option<UnixMs> {
        self.open().ok().flatten().map(|opened| opened.header.accepted_at)
    }

    fn replace(&self, header: &Header) -> Result<(), KeepError> {
        let no_folder = |source| KeepError::NoFolder { path: self.folder.clone(), source };
        regular_file::create_own_folder(&self.folder).map_err(no_folder)?;
        let folder = File::open(&self.folder).map_err(no_folder)?;
        self.remove_leftovers(header.accepted_at);
        // Another replica may use the directory, so each write has its own name. A lock on the
        // directory could be held by anyone who can read it.
        let staged = self.folder.join(format!("{}.{}.new", self.name, Uuid::new_v4().simple()));
        let path = self.path();
        let replaced = regular_file::replace_own(&path, &staged, |file| write(file, header));
        replaced.and_then(|_| Ok(folder.sync_all()?)).map_err(|error| match error {
            WriteError::Changed(file) => KeepError::Changed(file),
            WriteError::Io(source) => KeepError::Unwritable { path, source },
        })
    }

    /// Removes leftovers of writes of this copy that crashed a while ago.
    fn remove_leftovers(&self, now: UnixMs) {
        let staged = format!("{}.", self.name);
        for item in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = item.file_name();
            let is_staged = name.to_str().is_some_and(|name| {
                name.starts_with(&staged) && Path::new(name).extension() == Some("new".as_ref())
            });
            let is_old =
                |found: Metadata| found.mtime() < now.0.div_euclid(1000) - LEFTOVER_AGE_SECONDS;
            if is_staged && item.metadata().is_ok_and(is_old) {
                let _ = fs::remove_file(item.path());
            }
        }
    }
}

impl Header {
    /// Total length of all texts.
    fn bytes(&self) -> u64 {
        self.files.iter().map(|kept| kept.bytes).sum()
    }
}

fn read_header(line: &[u8]) -> Result<Header, KeptError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Ok(Format { format }) = serde_json::from_slice(line) else {
        return Err(KeptError::Damaged);
    };
    if format != FORMAT {
        return Err(KeptError::Format(format));
    }
    serde_json::from_slice(line).map_err(|_| KeptError::Damaged)
}

fn checksum_of(header: &[u8]) -> String {
    Uuid::new_v5(&HASH_ROOT, header).to_string()
}

/// Why a new copy could not be completed.
#[derive(Debug, Error)]
enum WriteError {
    #[error("{} has changed", .0.display())]
    Changed(PathBuf),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes a new copy if the files are still the accepted ones.
fn write(copy: &mut File, header: &Header) -> Result<(), WriteError> {
    let line = serde_json::to_vec(header).map_err(io::Error::from)?;
    copy.write_all(&line)?;
    write!(copy, "\n{}\n", checksum_of(&line))?;
    for file in &header.files {
        let Some(text) = files::read(&file.path).ok().filter(|text| file.is(text)) else {
            return Err(WriteError::Changed(file.path.clone()));
        };
        copy.write_all(text.as_bytes())?;
    }
    Ok(())
}
