//! Warns of passwords that others on this machine can read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::text::{Problem, Severity};

/// Where a password was found. In the environment, only its own user can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PasswordSource {
    /// On the command line.
    Flag(&'static str),
    /// In a file of its own, or in the configuration file.
    File(PathBuf),
}

impl PasswordSource {
    /// The warning if others can read it. Files below `credentials` belong to the service manager,
    /// which lets nobody else read them.
    pub(super) fn warning(&self, credentials: Option<&Path>) -> Option<Problem> {
        let (place, message, hint) = match self {
            PasswordSource::Flag(flag) => {
                let hint = match *flag {
                    "--broker" => {
                        "write the address into a file of mode 640 and name that with \
                                   --broker-file, or set DOWNBEAT_BROKER"
                    }
                    _ => "set DOWNBEAT_STATE, or `state` in a configuration file of mode 640",
                };
                let message = "every user of this machine can see a password on the command line";
                ((*flag).to_owned(), message, hint.to_owned())
            }
            PasswordSource::File(path) => {
                let is_credential = credentials.is_some_and(|folder| path.starts_with(folder));
                if is_credential || is_of_a_container(path) || !is_open_to_all(path) {
                    return None;
                }
                let message = "this file holds a password and is world-readable";
                let shown = path.display().to_string();
                let hint = format!(
                    "`chmod 640 {shown}`, with the group of the user that downbeat runs as"
                );
                (shown, message, hint)
            }
        };
        let mut problem = Problem::whole(place, message).with_hint(hint);
        problem.severity = Severity::Warning;
        Some(problem)
    }
}

/// Whether users other than the owner and the group can reach and read the file.
fn is_open_to_all(path: &Path) -> bool {
    const READ: u32 = 0o004;
    const ENTER: u32 = 0o001;
    let allows = |path: &Path, right| fs::metadata(path).is_ok_and(|it| it.mode() & right != 0);
    let Ok(path) = fs::canonicalize(path) else { return false };
    allows(&path, READ) && path.ancestors().skip(1).all(|folder| allows(folder, ENTER))
}

/// Kubernetes and Docker pass secrets in files of mode 0644 and 0444, in a file system that nobody else
/// reaches: `..data/broker`, `/run/secrets/broker`.
fn is_of_a_container(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let is_kubernetes =
        |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b"..");
    path.starts_with("/run/secrets") || path.components().any(is_kubernetes)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_that_everybody_can_reach_and_read_causes_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broker");
        fs::write(&file, "redis://:s3cret@host").unwrap();
        let warns = |folder_mode, mode| {
            fs::set_permissions(folder.path(), Permissions::from_mode(folder_mode)).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            PasswordSource::File(file.clone()).warning(None).is_some()
        };
        assert!(warns(0o755, 0o644));
        assert!(!warns(0o700, 0o644) && !warns(0o750, 0o644));
        for mode in [0o600, 0o400, 0o440, 0o640, 0o660] {
            assert!(!warns(0o755, mode), "{mode:o}");
        }
        // A link is as open as its target, and nobody else reads a credential.
        let link = folder.path().join("link");
        symlink(&file, &link).unwrap();
        assert!(warns(0o755, 0o644) && PasswordSource::File(link).warning(None).is_some());
        assert_eq!(PasswordSource::File(file.clone()).warning(Some(folder.path())), None);
        // A Kubernetes volume: `broker` links to `..data/broker`, `..data` to `..2026_11_28`.
        let volume = folder.path().join("..2026_11_28");
        fs::create_dir(&volume).unwrap();
        fs::copy(&file, volume.join("broker")).unwrap();
        symlink("..2026_11_28", folder.path().join("..data")).unwrap();
        let mounted = folder.path().join("mounted");
        symlink("..data/broker", &mounted).unwrap();
        assert_eq!(PasswordSource::File(mounted).warning(None), None);
        assert_eq!(PasswordSource::File(folder.path().join("nothing")).warning(None), None);
    }
}
