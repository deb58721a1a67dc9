//! Whose a directory is, and who else may write to it.
//!
//! What others can put into a directory, swap or alter there is not ours to trust, however carefully its
//! files are opened.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(crate) const ROOT: u32 = 0;

/// Bits of a mode: others than the owner may write.
pub(crate) const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a directory is not trusted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// A link may lead anywhere tomorrow.
    Link,
    NotADirectory,
    /// It belongs to this user.
    Foreign(u32),
    /// Its mode allows others what it must not.
    Open(u32),
}

/// Checks that what is `found` at a path, without following a link, is a directory of `user` or of root
/// with none of the bits `closed` in its mode.
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

/// The user that this process acts as.
pub(crate) fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The path without a slash at its end, which would make a link look like what it leads to.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let path: PathBuf = path.components().collect();
    if path.as_os_str().is_empty() { ".".into() } else { path }
}

/// Whether only these users can have put something at the path: each directory above it belongs to one
/// of them, and nobody else may write to it.
pub(crate) fn is_below_only(path: &Path, users: &[u32]) -> bool {
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
    fn a_path_is_below_users_who_own_all_above_it_alone() {
        // The folders above it are what matters, not what it is.
        assert!(is_below_only(Path::new("/usr/downbeat"), &[ROOT]));
        assert!(!is_below_only(Path::new("/usr/downbeat"), &[12_345]));
        let temporary = tempfile::tempdir_in("/tmp").unwrap();
        assert!(!is_below_only(&temporary.path().join("x"), &[ROOT, us()]));
        assert!(!is_below_only(Path::new("/tmp/downbeat-1000"), &[ROOT]));
        assert!(!is_below_only(Path::new("/nowhere/downbeat"), &[ROOT]));
    }
}
