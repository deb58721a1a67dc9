//! Checks who owns the runtime directory and who listens on its socket.
//!
//! Anybody can create `/tmp/downbeat-1000` before user 1000 does, listen there, read that user's
//! requests and pretend to carry them out. So a service listens only in a directory that no other user
//! can modify, and a command connects only to a socket in such a directory:
//!
//! - It is a directory, not a symbolic link, with mode 0700 or stricter.
//! - It belongs to us or to root. A command that root runs also accepts one of another user, such as
//!   `/run/downbeat` of the service's user, if only root can have put it there: each directory above it
//!   belongs to root, and nobody else may write to it.
//! - The process that listens on the socket runs as us, as root, or as the directory's owner.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::ownership::{self, Distrust, ROOT, effective_uid, normal, only_writable_by};
use crate::{host, regular_file};

/// Why a runtime directory, or its listener, is not trusted; and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// A symbolic link, whose target may change.
    #[error("{} is a symbolic link; name the directory itself with --runtime-dir", .0.display())]
    Link(PathBuf),
    /// Nothing can be in it.
    #[error("{} is not a directory; name one with --runtime-dir", .0.display())]
    NotADirectory(PathBuf),
    /// Other users may enter it, or create files in it.
    #[error(
        "{} is open to other users (mode {mode:04o}); `chmod 700` it, or set `RuntimeDirectoryMode=0700` \
         if systemd makes it, or name a directory inside it with --runtime-dir: downbeat makes that one \
         itself",
        path.display()
    )]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another user created it.
    #[error(
        "{} belongs to uid {owner}, not to uid {us}; run this as that user, or name another directory \
         with --runtime-dir", path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Our user.
        us: u32,
    },
    /// Root created it for a service of another user.
    #[error(
        "the service in {} runs as {user}, and no other user may ask it: run this with `sudo`, or as \
         `sudo -u {user} downbeat …`; --runtime-dir names another service's directory", path.display()
    )]
    OfService {
        /// The directory.
        path: PathBuf,
        /// Its owner: a name, or `#` and a number.
        user: String,
    },
    /// Another user listens.
    #[error("what listens on {} runs as uid {peer}, which is neither root nor uid {owner}", path.display())]
    Listener {
        /// The socket.
        path: PathBuf,
        /// The user who listens.
        peer: u32,
        /// The owner of the directory.
        owner: u32,
    },
}

/// What the directory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Service,
    Command,
}

/// Creates the directory if needed, and checks that a service may listen in it.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    let path = normal(path);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            regular_file::create_own_folder(&path)?;
        }
        _ => {}
    }
    check(&path, &fs::symlink_metadata(&path)?, effective_uid(), Role::Service)
        .map_err(io::Error::other)
}

/// The owner of the directory, if a command may connect in it; `None` if the directory does not exist.
pub(super) fn owner(path: &Path) -> io::Result<Option<Result<u32, Untrusted>>> {
    let path = normal(path);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    Ok(Some(check(&path, &found, effective_uid(), Role::Command).map(|()| found.uid())))
}

/// Whether the process that listens on `socket`, which runs as `peer`, may be asked.
pub(super) fn check_listener(socket: &Path, peer: u32, owner: u32) -> Result<(), Untrusted> {
    if [ROOT, effective_uid(), owner].contains(&peer) {
        return Ok(());
    }
    Err(Untrusted::Listener { path: socket.to_owned(), peer, owner })
}

fn check(path: &Path, found: &Metadata, us: u32, role: Role) -> Result<(), Untrusted> {
    let is_made_by_root = role == Role::Command && us == ROOT && only_writable_by(path, &[ROOT]);
    let user = if is_made_by_root { found.uid() } else { us };
    let path = path.to_owned();
    ownership::check(found, user, 0o077).map_err(|distrust| match distrust {
        Distrust::Link => Untrusted::Link(path),
        Distrust::NotADirectory => Untrusted::NotADirectory(path),
        // Only then is it safe to advise acting as that user.
        Distrust::Foreign(owner) if role == Role::Command && only_writable_by(&path, &[ROOT]) => {
            Untrusted::OfService { path, user: user_name(owner) }
        }
        Distrust::Foreign(owner) => Untrusted::Foreign { path, owner, us },
        Distrust::Open(mode) => Untrusted::Open { path, mode },
    })
}

/// The user's name, or `#` and the number as in sudo.
fn user_name(uid: u32) -> String {
    host::user_name(uid).unwrap_or_else(|| format!("#{uid}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};

    use super::*;

    /// The check's message for a path, as a user would read it.
    fn refusal(path: &Path, us: u32, role: Role) -> Option<String> {
        let path = normal(path);
        let found = fs::symlink_metadata(&path).unwrap();
        check(&path, &found, us, role).err().map(|error| error.to_string())
    }

    #[test]
    fn a_directory_is_ours_or_roots_alone_and_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let us = effective_uid();
        let (path, link) = (folder.path().join("own"), folder.path().join("link"));
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        symlink("own", &link).unwrap();
        let slash = PathBuf::from(format!("{}/./", link.display()));
        for role in [Role::Service, Role::Command] {
            assert_eq!(refusal(&path, us, role), None);
            for mode in [0o500, 0o2700, 0o1700] {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                assert_eq!(refusal(&path, us, role), None);
            }
            for mode in [0o755, 0o710, 0o701, 0o770, 0o1777, 0o2777] {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                let said = refusal(&path, us, role).unwrap();
                assert!(said.contains(&format!("open to other users (mode {mode:04o})")), "{said}");
                assert!(said.contains("RuntimeDirectoryMode=0700"), "{said}");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            for link in [&link, &slash] {
                assert!(refusal(link, us, role).unwrap().contains("is a symbolic link"));
            }
            let said = refusal(&path, 12_345, role);
            let foreign = us != ROOT;
            assert_eq!(said.is_some(), foreign, "{said:?}");
        }
        assert!(refusal(Path::new("/dev/null"), us, Role::Service).unwrap().contains("not a dir"));
    }

    #[test]
    fn a_listener_runs_as_us_root_or_the_owner() {
        let us = effective_uid();
        let socket = Path::new("/run/downbeat/control.sock");
        for peer in [us, ROOT, 998] {
            assert!(check_listener(socket, peer, 998).is_ok());
        }
        let said = check_listener(socket, 12_345, us).unwrap_err().to_string();
        assert!(said.contains("runs as uid 12345, which is neither root nor uid"), "{said}");
    }
}
