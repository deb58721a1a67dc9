//! Message files: staged, queued, and the lock.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;
use serde::Deserialize;
use uuid::Uuid;

use super::{SpoolError, failed};
use crate::broker::{Found, Outgoing, Peeked};
use crate::clock;
use crate::envelope::peek::MOST_BYTES;
use crate::schedule::UnixMs;

/// A message in the stage; its name there is its name in the queue.
#[derive(Debug)]
pub(super) struct Staged {
    name: String,
}

/// The folders of a spool.
#[derive(Debug)]
pub(super) struct Files {
    stage: PathBuf,
    queue: PathBuf,
    /// Counts in the names, so that they sort in the order of publishing.
    counter: AtomicU64,
    /// `None` for a spool that is not held.
    _lock: Option<File>,
}

impl Files {
    /// Makes the folders and takes the lock.
    pub(super) fn open(root: &Path) -> Result<Files, SpoolError> {
        let mut files = Files::at(root)?;
        let path = root.join("lock");
        let lock = File::create(&path).map_err(failed("open", &path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            if error == rustix::io::Errno::WOULDBLOCK {
                SpoolError::Locked(root.to_owned())
            } else {
                failed("lock", &path)(error.into())
            }
        })?;
        files._lock = Some(lock);
        Ok(files)
    }

    /// Makes the folders.
    pub(super) fn at(root: &Path) -> Result<Files, SpoolError> {
        let (stage, queue) = (root.join("stage"), root.join("queue"));
        for folder in [&stage, &queue] {
            fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        }
        Ok(Files { stage, queue, counter: AtomicU64::new(0), _lock: None })
    }

    /// Writes and syncs a message that no worker can see.
    pub(super) fn stage(&self, message: &Outgoing) -> Result<Staged, SpoolError> {
        let name = self.name(&message.queue.name);
        let path = self.stage.join(&name);
        let write = || {
            let mut file = File::create_new(&path)?;
            file.write_all(&message.writes.element)?;
            file.sync_all()
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&path);
            failed("write", &path)(error)
        })?;
        Ok(Staged { name })
    }

    /// `<13 digits of UTC ms><8 digits>_<uuid>.<queue>.msg`. Workers take files in the order of
    /// their names, and want the first dot to stand in front of the queue's name.
    fn name(&self, queue: &str) -> String {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{:013}{number:08}_{}.{queue}.msg", clock::wall().0, Uuid::new_v4())
    }

    /// Deletes a staged message.
    pub(super) fn unstage(&self, file: &Staged) -> Result<(), SpoolError> {
        let path = self.stage.join(&file.name);
        fs::remove_file(&path).map_err(failed("delete", &path))
    }

    /// Hands a staged message to the workers.
    pub(super) fn enqueue(&self, file: &Staged) -> Result<(), SpoolError> {
        let target = self.queue.join(&file.name);
        fs::rename(self.stage.join(&file.name), &target).map_err(failed("rename to", &target))
    }

    /// How many messages lie in each queue.
    pub(super) fn count_queued(&self) -> Result<HashMap<Box<str>, u64>, SpoolError> {
        let mut queues: HashMap<Box<str>, u64> = HashMap::new();
        for item in fs::read_dir(&self.queue).map_err(failed("list", &self.queue))? {
            let name = item.map_err(failed("list", &self.queue))?.file_name();
            if let Some(queue) = name.to_str().and_then(queue_of) {
                *queues.entry(queue.into()).or_default() += 1;
            }
        }
        Ok(queues)
    }

    /// Stages and enqueues one message of which nothing is recorded.
    pub(super) fn publish(&self, message: &Outgoing) -> Result<(), SpoolError> {
        let staged = self.stage(message)?;
        self.enqueue(&staged)?;
        self.sync_queue()
    }

    pub(super) fn sync_stage(&self) -> Result<(), SpoolError> {
        sync(&self.stage)
    }

    pub(super) fn sync_queue(&self) -> Result<(), SpoolError> {
        sync(&self.queue)
    }

    /// Finishes what a crash interrupted: staged messages are enqueued if they are recorded,
    /// deleted if not.
    pub(super) fn recover(
        &self,
        is_recorded: impl Fn(&str, UnixMs) -> bool,
    ) -> Result<(), SpoolError> {
        for item in fs::read_dir(&self.stage).map_err(failed("list", &self.stage))? {
            let item = item.map_err(failed("list", &self.stage))?;
            let path = item.path();
            let recorded = slot_of(&path).is_some_and(|(entry, slot)| is_recorded(&entry, slot));
            if recorded {
                let target = self.queue.join(item.file_name());
                fs::rename(&path, &target).map_err(failed("rename to", &target))?;
            } else {
                fs::remove_file(&path).map_err(failed("delete", &path))?;
            }
        }
        self.sync_queue()?;
        self.sync_stage()
    }
}

/// What lies in a queue, in the order in which workers take it. What they take meanwhile is passed
/// over.
pub(super) fn waiting(root: &Path, queue: &str, count: usize) -> Result<Peeked, SpoolError> {
    let folder = root.join("queue");
    let mut names = Vec::new();
    let is_none = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::read_dir(&folder) {
        Err(error) if is_none(&error) => {}
        Err(error) => return Err(failed("list", &folder)(error)),
        Ok(items) => {
            for item in items {
                let name = item.map_err(failed("list", &folder))?.file_name();
                names.extend(name.into_string().ok().filter(|name| queue_of(name) == Some(queue)));
            }
        }
    }
    names.sort_unstable();
    let (mut found, mut budget) = (Vec::new(), MOST_BYTES as u64);
    for name in names.iter().take(count) {
        let path = folder.join(name);
        let mut element = Vec::new();
        let read = File::open(&path).and_then(|file| {
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
    Ok(Peeked::There { total: names.len() as u64, groups: Vec::new(), found })
}

pub(super) fn sync(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// The queue that a message file belongs to, whoever wrote it.
fn queue_of(name: &str) -> Option<&str> {
    name.strip_suffix(".msg")?.split_once('.').map(|(_, queue)| queue)
}

/// The entry and slot that a staged message was rendered for. `None` for a message by hand, and for
/// one that a crash cut short: neither is recorded.
fn slot_of(path: &Path) -> Option<(String, UnixMs)> {
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
    let Message { headers } = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let slot: jiff::Timestamp = headers.downbeat_slot.parse().ok()?;
    let by_hand = ["manual", "backfill"].contains(&headers.downbeat_kind.as_str());
    (!by_hand).then(|| (headers.downbeat_entry, slot.into()))
}
