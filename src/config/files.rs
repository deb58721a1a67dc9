//! Finds and reads schedule files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::text::Problem;
use crate::{host, regular_file};

/// Maximum size of a schedule file in bytes. A million entries fit into eight such files.
pub(super) const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;

/// Lists the schedule files at these paths, in the order of the paths and, within a directory, of the
/// names; and what is wrong with the paths.
///
/// From a directory, it takes the files `*.yaml`, `*.yml` and `*.json` directly in it, unless they are
/// hidden. Symbolic links are followed, so a mounted Kubernetes ConfigMap works.
pub(super) fn list(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => match list_directory(path) {
                Ok(found) if found.is_empty() => problems.push(no_files(path)),
                Ok(found) => files.extend(found),
                Err(error) => problems.push(unreadable(path, &error)),
            },
            // Whatever it is, reading it reports any problem.
            Ok(_) => files.push(path.clone()),
            Err(error) => problems.push(unreadable(path, &error)),
        }
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    (files, problems)
}

fn list_directory(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for item in fs::read_dir(path)? {
        let file = item?.path();
        if is_schedule_name(&file) && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file of this name in a schedule directory is a schedule file.
#[must_use]
pub fn is_schedule_name(file: &Path) -> bool {
    let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && file.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
}

fn no_files(path: &Path) -> Problem {
    Problem::whole(path.display().to_string(), "no schedule files in this directory")
        .with_hint("add a file `*.yaml`, `*.yml` or `*.json` with at least `entries: {}`")
}

/// Reads a schedule file, without the byte order mark.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    read_text(path, MAX_FILE_BYTES as u64, "split it into several files")
}

/// Reads a file of at most `max_bytes`, without the byte order mark. `too_large` is the hint if it is
/// larger.
pub(super) fn read_text(path: &Path, max_bytes: u64, too_large: &str) -> Result<String, Problem> {
    let bytes = regular_file::read(path, max_bytes);
    text(path, bytes.map_err(|error| refused(path, &error, max_bytes, too_large))?)
}

/// The problem of a file of at most `max_bytes` that could not be read. `too_large` is the hint if it
/// is larger.
pub(super) fn refused(path: &Path, error: &io::Error, max_bytes: u64, too_large: &str) -> Problem {
    if error.kind() != io::ErrorKind::FileTooLarge {
        return unreadable(path, error);
    }
    let limit = match max_bytes / 1024 {
        kib if kib < 1024 => format!("{kib} KiB"),
        kib => format!("{} MiB", kib / 1024),
    };
    Problem::whole(path.display().to_string(), format!("cannot be read: it is larger than {limit}"))
        .with_hint(too_large)
}

/// Decodes the content of a file, without the byte order mark.
pub(super) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Problem> {
    let name = path.display().to_string();
    match String::from_utf8(bytes) {
        Ok(text) => Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(error) => Err(not_utf8(name, error.as_bytes(), error.utf8_error().valid_up_to())),
    }
}

fn not_utf8(name: String, bytes: &[u8], at: usize) -> Problem {
    let before = &bytes[..at];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    // All bytes before the first invalid one are UTF-8.
    let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
    // The byte itself is not shown, as it may be part of a password.
    let message = format!("cannot be read: the byte at offset {at} is not UTF-8");
    let mut problem = Problem::whole(name, message).with_hint("save the file as UTF-8");
    problem.line = u32::try_from(line).unwrap_or(u32::MAX);
    problem.column = u32::try_from(column).unwrap_or(u32::MAX);
    problem
}

/// Names the path, the error with its number, and the user.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let mut reason = error.to_string();
    if let Some(first) = reason.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let problem = Problem::whole(path.display().to_string(), format!("cannot be read: {reason}"));
    match error.kind() {
        io::ErrorKind::NotFound => problem.with_hint("create it, or name another path"),
        io::ErrorKind::PermissionDenied => problem.with_hint(format!(
            "downbeat runs as {}; let that user read the file and enter the directories above it",
            user()
        )),
        _ => problem,
    }
}

/// The effective user, by name if the system's user list has it.
fn user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    match host::user_name(uid) {
        Some(name) => format!("user `{name}` (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_read_names_path_user_and_error() {
        let error = io::Error::from_raw_os_error(13);
        let problem = unreadable(Path::new("/etc/x.yaml"), &error);
        assert_eq!(problem.message, "cannot be read: permission denied (os error 13)");
        assert!(problem.hint.unwrap().starts_with("downbeat runs as user `"));
    }
}
