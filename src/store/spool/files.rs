//! Message files, staged and queued, and the lock.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirEntry, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use downbeat_time::UnixMs;
use rustix::fs::{FlockOperation, OFlags};
use serde::Deserialize;
use tracing::warn;
use uuid::Uuid;

use super::{SpoolError, failed};
use crate::ownership::{
    self, Distrust, ROOT, WRITABLE_BY_OTHERS, effective_uid, normal, only_writable_by,
};
use crate::regular_file;
use crate::store::{Found, Outgoing, Peeked};
use crate::worker::MAX_PEEK_BYTES;

/// The maximum size of a message: arguments and headers are bounded, and encoding enlarges them a few times.
const MAX_MESSAGE_BYTES: u64 = 16 << 20;

/// A staged message; it keeps its file name in the queue.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) name: String,
}

/// The folders of a spool.
#[derive(Debug)]
pub(super) struct Files {
    stage: PathBuf,
    queue: PathBuf,
    /// A counter in the names, so that they sort in the order of publishing.
    counter: AtomicU64,
    access: Access,
    /// `None` if the spool is read without the lock.
    lock: Option<(PathBuf, File)>,
}

impl Files {
    /// Creates the folders and takes the lock.
    pub(super) fn open(root: &Path) -> Result<Files, SpoolError> {
        Files::of_user(root, effective_uid())?.locked(root, effective_uid())
    }

    /// The same for a command. If root runs it, it also accepts another user's spool, such as the service's, if
    /// only that user and root can have put it there.
    pub(super) fn open_for_command(root: &Path) -> Result<Files, SpoolError> {
        let user = user_of_command(root);
        Files::of_user(root, user)?.locked(root, user)
    }

    fn locked(mut self, root: &Path, user: u32) -> Result<Files, SpoolError> {
        let path = root.join("lock");
        let opened = regular_file::open_or_create_own(&path);
        let lock = opened.and_then(|lock| self.owner().give(&lock).map(|()| lock));
        let lock = lock.map_err(failed("open", &path))?;
        let owner = lock.metadata().map_err(failed("open", &path))?.uid();
        if ![user, ROOT].contains(&owner) {
            return Err(SpoolError::Foreign { path, owner, us: effective_uid() });
        }
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            if error == rustix::io::Errno::WOULDBLOCK {
                SpoolError::Locked(root.to_owned())
            } else {
                failed("lock", &path)(error.into())
            }
        })?;
        self.lock = Some((path, lock));
        Ok(self)
    }

    /// The owner of the files that we create.
    pub(super) fn owner(&self) -> Owner {
        Owner(self.access.owner)
    }

    /// Checks that the lock is still the file that we hold. If it was deleted or replaced, another process can
    /// hold the spool as well.
    pub(super) fn check_lock(&self) -> Result<(), SpoolError> {
        let Some((path, lock)) = &self.lock else { return Ok(()) };
        let held = lock.metadata().map_err(failed("read", path))?;
        match fs::symlink_metadata(path) {
            Ok(found) if (found.dev(), found.ino()) == (held.dev(), held.ino()) => Ok(()),
            Ok(_) => Err(SpoolError::LockGone { path: path.clone(), what: "replaced" }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SpoolError::LockGone { path: path.clone(), what: "deleted" })
            }
            Err(error) => Err(failed("read", path)(error)),
        }
    }

    /// Creates the folders, and checks that they belong to `user` or root and who else may write to them.
    fn of_user(root: &Path, user: u32) -> Result<Files, SpoolError> {
        let root = normal(root);
        let (stage, queue) = (root.join("stage"), root.join("queue"));
        open_folder(&root, user, WRITABLE_BY_OTHERS, "go-w")?;
        open_folder(&stage, user, WRITABLE_BY_OTHERS, "go-w")?;
        // The workers' group may be let in.
        open_folder(&queue, user, 0o002, "o-w")?;
        let access = Access::to(&queue).map_err(failed("read", &queue))?;
        Ok(Files { stage, queue, counter: AtomicU64::new(0), access, lock: None })
    }

    /// Writes and syncs a message that workers cannot see yet.
    pub(super) fn stage(&self, message: &Outgoing, now: UnixMs) -> Result<Staged, SpoolError> {
        let name = self.name(&message.queue.name, now);
        let path = self.stage.join(&name);
        let write = || {
            let mut file = regular_file::create_own(&path)?;
            self.access.grant(&file)?;
            file.write_all(&message.writes.element)?;
            file.sync_all()
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&path);
            failed("write", &path)(error)
        })?;
        Ok(Staged { name })
    }

    /// `<13 digits of UTC ms><8 digits>_<uuid>.<queue>.msg`. Workers take files in name order, and expect the
    /// first dot to precede the queue's name.
    fn name(&self, queue: &str, now: UnixMs) -> String {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{:013}{number:08}_{}.{queue}.msg", now.0, Uuid::new_v4())
    }

    /// Deletes a staged message.
    pub(super) fn unstage(&self, file: &Staged) -> Result<(), SpoolError> {
        let path = self.stage.join(&file.name);
        fs::remove_file(&path).map_err(failed("delete", &path))
    }

    /// Moves a staged message to the queue.
    pub(super) fn enqueue(&self, file: &Staged) -> Result<(), SpoolError> {
        let target = self.queue.join(&file.name);
        fs::rename(self.stage.join(&file.name), &target).map_err(failed("rename to", &target))
    }

    /// The number of messages in each queue.
    pub(super) fn count_queued(&self) -> Result<HashMap<Box<str>, u64>, SpoolError> {
        let mut queues: HashMap<Box<str>, u64> = HashMap::new();
        for item in fs::read_dir(&self.queue).map_err(failed("list", &self.queue))? {
            let item = item.map_err(failed("list", &self.queue))?;
            let name = item.file_name();
            if let Some(queue) = name.to_str().and_then(queue_of).filter(|_| is_file(&item)) {
                *queues.entry(queue.into()).or_default() += 1;
            }
        }
        Ok(queues)
    }

    pub(super) fn sync_stage(&self) -> Result<(), SpoolError> {
        sync(&self.stage)
    }

    pub(super) fn sync_queue(&self) -> Result<(), SpoolError> {
        sync(&self.queue)
    }

    /// Finishes what a crash interrupted: recorded staged messages are enqueued, the others are deleted.
    pub(super) fn recover(
        &self,
        is_recorded: impl Fn(&str, UnixMs) -> bool,
    ) -> Result<(), SpoolError> {
        self.recover_those(|_, path| {
            Ok(slot_of(path)?.is_some_and(|(entry, slot)| is_recorded(&entry, slot)))
        })
    }

    /// The same, given the names of the recorded files.
    pub(super) fn recover_named(&self, names: &HashSet<String>) -> Result<(), SpoolError> {
        self.recover_those(|name, _| Ok(names.contains(name)))
    }

    fn recover_those(
        &self,
        is_recorded: impl Fn(&str, &Path) -> io::Result<bool>,
    ) -> Result<(), SpoolError> {
        for item in fs::read_dir(&self.stage).map_err(failed("list", &self.stage))? {
            let item = item.map_err(failed("list", &self.stage))?;
            let path = item.path();
            let name = item.file_name();
            let name = name.to_str().filter(|name| is_file(&item) && is_name_of_ours(name));
            let Some(name) = name else {
                warn!(path = %path.display(), "left a file in the stage that is not a message");
                continue;
            };
            match is_recorded(name, &path) {
                Ok(true) => {
                    let target = self.queue.join(name);
                    fs::rename(&path, &target).map_err(failed("rename to", &target))?;
                }
                Ok(false) => fs::remove_file(&path).map_err(failed("delete", &path))?,
                // It may be recorded.
                Err(error) => {
                    warn!(path = %path.display(), %error, "left a file in the stage that cannot be read");
                }
            }
        }
        self.sync_queue()?;
        self.sync_stage()
    }
}

/// The user that a command's spool has to belong to.
fn user_of_command(root: &Path) -> u32 {
    let root = normal(root);
    let owner = fs::symlink_metadata(&root).map_or(ROOT, |found| found.uid());
    let is_trusted = effective_uid() == ROOT && only_writable_by(&root, &[ROOT, owner]);
    if is_trusted { owner } else { effective_uid() }
}

/// The owner for files that root creates in another user's spool; `None` if they stay ours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Owner(Option<(u32, u32)>);

impl Owner {
    /// Changes the owner of a new file.
    pub(super) fn give(self, file: &File) -> io::Result<()> {
        match self.0 {
            Some((user, group)) => std::os::unix::fs::fchown(file, Some(user), Some(group)),
            None => Ok(()),
        }
    }
}

/// Opens or creates a folder of the spool. It must belong to `user` or root, with none of the bits `closed` in
/// its mode.
fn open_folder(
    path: &Path,
    user: u32,
    closed: u32,
    remedy: &'static str,
) -> Result<(), SpoolError> {
    regular_file::create_own_folder(path).map_err(failed("make the folder", path))?;
    let found = fs::symlink_metadata(path).map_err(failed("read", path))?;
    let path = path.to_owned();
    let in_the_way = |path, what| {
        let source = io::Error::new(io::ErrorKind::InvalidInput, what);
        SpoolError::InTheWay { path, source }
    };
    ownership::check(&found, user, closed).map_err(|distrust| match distrust {
        Distrust::Link => in_the_way(path, "not a folder but a symbolic link"),
        Distrust::NotADirectory => in_the_way(path, "not a folder"),
        Distrust::Foreign(owner) => SpoolError::Foreign { path, owner, us: effective_uid() },
        Distrust::Open(mode) => SpoolError::Open { path, mode, remedy },
    })
}

/// Reads the messages in a queue, in the order in which workers take them. Skips those taken meanwhile.
pub(super) fn waiting(root: &Path, queue: &str, count: usize) -> Result<Peeked, SpoolError> {
    let folder = root.join("queue");
    let mut names = Vec::new();
    let is_none = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::read_dir(&folder) {
        Err(error) if is_none(&error) => {}
        Err(error) => return Err(failed("list", &folder)(error)),
        Ok(items) => {
            for item in items {
                let item = item.map_err(failed("list", &folder))?;
                let name = item.file_name().into_string().ok();
                let name = name.filter(|name| queue_of(name) == Some(queue));
                names.extend(name.filter(|_| is_file(&item)));
            }
        }
    }
    names.sort_unstable();
    let (mut found, mut budget) = (Vec::new(), MAX_PEEK_BYTES as u64);
    for name in names.iter().take(count) {
        let path = folder.join(name);
        let mut element = Vec::new();
        let read = regular_file::open_own(&path).and_then(|file| {
            let bytes = file.metadata()?.len();
            file.take(budget + 1).read_to_end(&mut element)?;
            Ok(bytes)
        });
        match read {
            Ok(bytes) if element.len() as u64 > budget => {
                found.push(Found::TooLarge { place: 0, bytes });
            }
            Ok(_) => {
                budget -= element.len() as u64;
                found.push(Found::Whole { place: 0, element, stored: Vec::new() });
            }
            Err(error) if is_none(&error) => {}
            Err(error) => return Err(failed("read", &path)(error)),
        }
    }
    Ok(Peeked::Messages { total: names.len() as u64, groups: Vec::new(), found })
}

/// Who besides us may take messages: nobody, unless we or root let the queue folder's group write in it, as a
/// worker must. Permissions set by other owners do not count.
#[derive(Debug, PartialEq)]
struct Access {
    /// Whether the group may read and write messages.
    group: bool,
    /// The folder's owner and group, for messages that root puts into another user's folder.
    owner: Option<(u32, u32)>,
}

impl Access {
    fn to(queue: &Path) -> io::Result<Access> {
        let found = fs::metadata(queue)?;
        Ok(Access::of(effective_uid(), (found.uid(), found.gid()), found.mode()))
    }

    fn of(us: u32, owner: (u32, u32), mode: u32) -> Access {
        let is_trusted = us == ROOT || [us, ROOT].contains(&owner.0);
        let owner = (us == ROOT && owner.0 != ROOT).then_some(owner);
        Access { group: is_trusted && mode & 0o020 != 0, owner }
    }

    fn grant(&self, file: &File) -> io::Result<()> {
        Owner(self.owner).give(file)?;
        // Whatever the umask is.
        if self.group { file.set_permissions(Permissions::from_mode(0o660)) } else { Ok(()) }
    }
}

pub(super) fn sync(folder: &Path) -> Result<(), SpoolError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::DIRECTORY.bits().cast_signed());
    options.open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Whether it is a regular file. A file that a worker takes meanwhile is not.
fn is_file(item: &DirEntry) -> bool {
    item.file_type().is_ok_and(|kind| kind.is_file())
}

/// The queue that a message file belongs to, whoever wrote it.
fn queue_of(name: &str) -> Option<&str> {
    name.strip_suffix(".msg")?.split_once('.').map(|(_, queue)| queue)
}

/// Whether the name has the form of [`Files::name`]: only such files in the stage are ours to delete.
fn is_name_of_ours(name: &str) -> bool {
    const DIGITS: usize = 13 + 8;
    let Some((number, rest)) = name.split_once('_') else { return false };
    let is_number = number.len() >= DIGITS && number.bytes().all(|digit| digit.is_ascii_digit());
    let id = rest.split_once('.').map(|(id, _)| id);
    is_number && id.is_some_and(|id| Uuid::parse_str(id).is_ok()) && queue_of(name).is_some()
}

/// The entry and slot of a staged message. `None` for a manual message, and for one that a crash cut short:
/// neither is recorded.
fn slot_of(path: &Path) -> io::Result<Option<(String, UnixMs)>> {
    #[derive(Deserialize)]
    struct Message {
        headers: Headers,
    }
    #[derive(Deserialize)]
    struct Headers {
        downbeat_entry: String,
        downbeat_slot: String,
        downbeat_kind: String,
    }
    let file = BufReader::new(regular_file::open_own(path)?.take(MAX_MESSAGE_BYTES));
    let Message { headers } = match serde_json::from_reader(file) {
        Ok(message) => message,
        Err(error) if error.is_io() => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    let is_manual = ["manual", "backfill"].contains(&headers.downbeat_kind.as_str());
    let slot: Option<jiff::Timestamp> = headers.downbeat_slot.parse().ok();
    Ok(slot.filter(|_| !is_manual).map(|slot| (headers.downbeat_entry, slot.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::MAX_SPOOL_NAME;

    #[test]
    fn the_longest_name_of_a_queue_makes_the_longest_name_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of_user(folder.path(), effective_uid()).unwrap();
        let queue = "q".repeat(MAX_SPOOL_NAME);
        let name = files.name(&queue, UnixMs(1_800_000_000_000));
        assert_eq!((name.len(), queue_of(&name)), (255, Some(&*queue)));
        assert!(is_name_of_ours(&name));
        fs::write(files.queue.join(name), "").unwrap();
    }

    #[test]
    fn messages_are_for_a_group_only_if_we_or_root_say_so() {
        let (us, other) = ((1000, 1000), (1001, 1001));
        let access = |group, owner| Access { group, owner };
        for owner in [us, (0, 1000)] {
            assert_eq!(Access::of(us.0, owner, 0o40_770), access(true, None));
            assert_eq!(Access::of(us.0, owner, 0o40_755), access(false, None));
        }
        assert_eq!(Access::of(us.0, other, 0o42_770), access(false, None));
        assert_eq!(Access::of(0, other, 0o42_770), access(true, Some(other)));
        assert_eq!(Access::of(0, (0, 0), 0o40_700), access(false, None));
    }
}
