//! Opens files that another user may have put there.
//!
//! Opening never blocks on a pipe. What is not a regular file is refused, judged by the opened file and
//! not by what the path named a moment earlier. Reading is bounded. A file that exists is never
//! truncated.
//!
//! There are two kinds of paths. A *configured* one, such as a schedule, a secret or a certificate, is
//! the user's choice, and its symbolic links are followed: Kubernetes mounts ConfigMaps and secrets as
//! links. A file *of our own* in our own directory, such as a lock, a record or a message, is never a
//! link, so a link there is refused.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, BufRead, ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Our files are for our own user only.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Reads a configured file of at most `max_bytes`. Links are followed.
///
/// # Errors
/// If it cannot be read, is not a regular file, or is larger ([`ErrorKind::FileTooLarge`]).
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    read_all(open_with(OpenOptions::new().read(true), OFlags::empty(), path)?, max_bytes)
}

/// Opens a file of our own for reading.
///
/// # Errors
/// If it cannot be opened, or is not a regular file.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), OFlags::NOFOLLOW, path)
}

/// The same, unless the file is larger than `max_bytes`.
///
/// # Errors
/// If it cannot be opened, is not a regular file, or is larger ([`ErrorKind::FileTooLarge`]).
pub(crate) fn open_own_within(path: &Path, max_bytes: u64) -> io::Result<File> {
    let file = open_own(path)?;
    if file.metadata()?.len() > max_bytes { Err(too_large(max_bytes)) } else { Ok(file) }
}

/// Reads the next line with its line end, or the rest; nothing at the end of the file. Takes at most
/// `max_bytes` into memory.
///
/// # Errors
/// If it cannot be read, or is longer ([`ErrorKind::FileTooLarge`]).
pub(crate) fn read_line(
    reader: &mut impl BufRead,
    max_bytes: u64,
    line: &mut Vec<u8>,
) -> io::Result<usize> {
    let read = reader.take(max_bytes.saturating_add(1)).read_until(b'\n', line)?;
    if read as u64 > max_bytes {
        let message = format!("a line is longer than {max_bytes} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(read)
}

/// Opens a file of our own for reading and writing, and creates it (mode 0600) if it does not exist.
/// Its content stays.
///
/// # Errors
/// If it cannot be opened, or is not a regular file.
pub(crate) fn open_or_create_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(FILE_MODE);
    open_with(&mut options, OFlags::NOFOLLOW, path)
}

/// Opens a file of our own for appending, and creates it (mode 0600) if it does not exist.
///
/// # Errors
/// If it cannot be opened, or is not a regular file.
pub(crate) fn append_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE);
    open_with(&mut options, OFlags::NOFOLLOW, path)
}

/// Creates a file of our own (mode 0600) for appending.
///
/// # Errors
/// If it cannot be created, or already exists.
pub(crate) fn create_own(path: &Path) -> io::Result<File> {
    // With O_EXCL, links are not followed, and nothing that exists is opened.
    OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Writes a file of our own (mode 0600) to `staged`, syncs it and renames it to `path`, so that a
/// reader finds either the old or the new content. Returns the file, for appending. The caller syncs
/// the directory: once the file is renamed, the old one is gone whether or not that works.
///
/// `staged` is a path in the same directory that no other process writes to at the same time.
///
/// # Errors
/// If it cannot be written or renamed, or `write` fails; the file at `path` is then still the old one.
pub(crate) fn replace_own<E: From<io::Error>>(
    path: &Path,
    staged: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<File, E> {
    remove_staged(staged)?;
    let mut file = create_own(staged)?;
    let replaced = write(&mut file).and_then(|()| {
        file.sync_all()?;
        Ok(fs::rename(staged, path)?)
    });
    replaced.inspect_err(|_| drop(fs::remove_file(staged))).map(|()| file)
}

/// Removes what a crash may have left at the staged path of [`replace_own`].
///
/// # Errors
/// If it is a directory, or cannot be removed.
pub(crate) fn remove_staged(staged: &Path) -> io::Result<()> {
    let Err(error) = fs::remove_file(staged) else { return Ok(()) };
    match fs::symlink_metadata(staged) {
        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(()),
        Ok(found) if found.is_dir() => Err(wrong_file_kind(staged)),
        _ => Err(error),
    }
}

/// Creates a directory of our own, and those above it, if they do not exist (mode 0700).
///
/// # Errors
/// If one cannot be created, or something else than a directory exists there.
pub(crate) fn create_own_folder(path: &Path) -> io::Result<()> {
    let created = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
    created.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => io::Error::new(ErrorKind::InvalidInput, "not a folder"),
        _ => error,
    })
}

fn open_with(options: &mut OpenOptions, flags: OFlags, path: &Path) -> io::Result<File> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    let file = opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) if flags.contains(OFlags::NOFOLLOW) => not_regular("a symbolic link"),
        // A socket, or a pipe that nobody reads, opened for writing.
        Some(Errno::NXIO) => not_regular("a pipe or socket"),
        Some(Errno::ISDIR) => not_regular("a directory"),
        _ => error,
    })?;
    let found = file.metadata()?;
    if found.is_file() { Ok(file) } else { Err(not_regular(kind(&found))) }
}

/// Whether the error is about the file itself: of another kind than expected, or too large. Retrying
/// does not help.
pub(crate) fn is_wrong_kind(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::FileTooLarge)
}

fn wrong_file_kind(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{} is in the way", path.display()))
}

fn not_regular(found: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("not a regular file but {found}"))
}

fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else {
        "a device"
    }
}

fn read_all(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > max_bytes {
        return Err(too_large(max_bytes));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // It may have grown meanwhile, and files such as those in /proc do not report their length.
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { Err(too_large(max_bytes)) } else { Ok(bytes) }
}

fn too_large(max_bytes: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("larger than {max_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::fs::{CWD, Mode};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// One of each kind of file except a regular one, with the kind's name.
    fn others(folder: &Path) -> Vec<(PathBuf, &'static str)> {
        let path = |name: &str| folder.join(name);
        rustix::fs::mkfifoat(CWD, path("fifo"), Mode::RWXU).unwrap();
        fs::create_dir(path("directory")).unwrap();
        UnixListener::bind(path("socket")).unwrap();
        vec![
            (path("fifo"), "pipe"),
            (path("directory"), "a directory"),
            (path("socket"), "socket"),
            ("/dev/null".into(), "a device"),
        ]
    }

    /// Fails instead of waiting forever.
    fn within_a_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || done.send(work()));
        is_done.recv_timeout(SOON).expect("it does not wait")
    }

    #[test]
    fn anything_but_a_regular_file_is_refused_by_name_and_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for (path, found) in others(folder.path()) {
            let opened = within_a_time(move || {
                let read = read(&path, 9).map(drop);
                [read, open_own(&path).map(drop), open_or_create_own(&path).map(drop)]
            });
            for opened in opened {
                let error = opened.unwrap_err();
                assert!(error.to_string().contains(found), "{found}: {error}");
                assert!(is_wrong_kind(&error), "{found}: {error}");
            }
        }
    }

    #[test]
    fn links_are_followed_to_configured_files_but_not_to_our_own() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "text").unwrap();
        symlink("target", &link).unwrap();
        assert_eq!(read(&link, 9).unwrap(), b"text");
        for opened in [open_own(&link), open_or_create_own(&link)] {
            let error = opened.unwrap_err().to_string();
            assert_eq!(error, "not a regular file but a symbolic link");
        }
        assert_eq!(create_own(&link).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let dangling = folder.path().join("dangling");
        symlink("nowhere", &dangling).unwrap();
        open_or_create_own(&dangling).unwrap_err();
        assert!(!folder.path().join("nowhere").exists());
    }

    #[test]
    fn existing_files_are_never_truncated_and_new_ones_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let old = folder.path().join("old");
        fs::write(&old, "text").unwrap();
        drop(open_or_create_own(&old).unwrap());
        assert_eq!(fs::read(&old).unwrap(), b"text");
        create_own(&old).unwrap_err();
        let (made, folders) = (folder.path().join("a/b/made"), folder.path().join("a/b"));
        create_own_folder(&folders).unwrap();
        drop(open_or_create_own(&made).unwrap());
        drop(create_own(&folders.join("other")).unwrap());
        assert_eq!((mode(&made), mode(&folders.join("other"))), (0o600, 0o600));
        assert_eq!((mode(&folders), mode(&folder.path().join("a"))), (0o700, 0o700));
    }

    #[test]
    fn more_than_the_bound_is_not_read_even_if_a_file_hides_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path, 1 << 20).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(
            read(Path::new("/proc/self/stat"), 3).unwrap_err().kind(),
            ErrorKind::FileTooLarge
        );
    }
}
