//! Checks who owns a directory, and who else may write to it.
//!
//! If others can create, replace or change files in a directory, its files cannot be trusted, however
//! carefully they are opened.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(crate) const ROOT: u32 = 0;

/// Mode bits that let others than the owner write.
pub(crate) const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a directory is not trusted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// A symbolic link, whose target may change.
    Link,
    NotADirectory,
    /// Another user owns it: this one.
    Foreign(u32),
    /// Its mode permits others too much.
    Open(u32),
}

/// Checks that what was `found` at a path, without following a link, is a directory of `user` or root
/// with none of the mode bits in `closed`.
pub(crate) fn check(found: &Metadata, user: u32, closed: u32) -> Result<(), Distrust> {
    if found.is_symlink() {
        return Err(Distrust::Link);
    }
    if !found.is_dir() {
        return Err(Distrust::NotADirectory);
    }
    if ![user, ROOT].contains(&found.uid()) {
        return Err(Distrust::Foreign(found.uid()));
    }
    let mode = found.mode() & 0o7777;
    if mode & closed == 0 { Ok(()) } else { Err(Distrust::Open(mode)) }
}

/// The effective user of this process.
pub(crate) fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The path without a trailing slash, which would make a link look like its target.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let path: PathBuf = path.components().collect();
    if path.as_os_str().is_empty() { ".".into() } else { path }
}

/// Whether only these users can create or replace what is at the path: they own each directory above it, and
/// nobody else may write to those.
pub(crate) fn only_writable_by(path: &Path, users: &[u32]) -> bool {
    let above = path.parent().map(|above| if above == "" { Path::new(".") } else { above });
    let Some(Ok(above)) = above.map(Path::canonicalize) else { return false };
    above.ancestors().all(|folder| {
        fs::metadata(folder).is_ok_and(|found| {
            users.contains(&found.uid()) && found.mode() & WRITABLE_BY_OTHERS == 0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_only_writable_by_the_owners_of_all_directories_above_it() {
        // The directories above the path matter, not the path itself.
        assert!(only_writable_by(Path::new("/usr/downbeat"), &[ROOT]));
        assert!(!only_writable_by(Path::new("/usr/downbeat"), &[12_345]));
        let temporary = tempfile::tempdir_in("/tmp").unwrap();
        assert!(!only_writable_by(&temporary.path().join("x"), &[ROOT, effective_uid()]));
        assert!(!only_writable_by(Path::new("/tmp/downbeat-1000"), &[ROOT]));
        assert!(!only_writable_by(Path::new("/nowhere/downbeat"), &[ROOT]));
    }
}
