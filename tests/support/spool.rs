//! Messages as files, as workers with kombu's `filesystem://` transport read them.

use std::fs;
use std::path::{Path, PathBuf};

use downbeat::store::spool::{SpoolError, SpoolStore};
use tempfile::TempDir;
use uuid::Uuid;

use super::sent::Sent;
use super::wait::{SOON, eventually};

/// Tries to open a spool that was released. A process that another test is starting also holds the lock
/// until it runs its own program.
pub(crate) fn try_open_released(
    mut open: impl FnMut() -> Result<SpoolStore, SpoolError>,
) -> Result<SpoolStore, SpoolError> {
    eventually(SOON, "the lock is released", || match open() {
        Err(SpoolError::Locked(_)) => None,
        opened => Some(opened),
    })
}

/// The same if it must succeed.
pub(crate) fn open_released(open: impl FnMut() -> Result<SpoolStore, SpoolError>) -> SpoolStore {
    try_open_released(open).unwrap()
}

/// A directory that serves as a broker.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    dropped: u32,
}

impl Folder {
    /// A directory without messages.
    pub(crate) fn new() -> Folder {
        let folder = tempfile::Builder::new().prefix("spool").tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        Folder { folder, dropped: 0 }
    }

    /// The URL for [`CeleryWorker`](super::celery::CeleryWorker).
    pub(crate) fn celery_url(&self) -> String {
        celery_url(&self.data())
    }

    /// The directory of the messages.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Adds a message atomically: a worker crashes on a partial file.
    pub(crate) fn drop_message(&mut self, queue: &str, envelope: &[u8]) {
        let staged = self.data().join(format!(".stage-{}", Uuid::new_v4()));
        fs::write(&staged, envelope).unwrap();
        self.dropped += 1;
        let name = format!("{:013}_{}.{queue}.msg", self.dropped, Uuid::new_v4());
        fs::rename(&staged, self.data().join(name)).unwrap();
    }

    /// The names of the message files, in the order in which a worker takes them.
    pub(crate) fn files(&self) -> Vec<String> {
        files(&self.data())
    }
}

/// The URL for [`CeleryWorker`](super::celery::CeleryWorker), for a directory of messages.
pub(crate) fn celery_url(messages: &Path) -> String {
    format!("filesystem://{}", messages.display())
}

/// The names of the message files in a directory, in the order in which a worker takes them.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "msg"))
        .collect();
    names.sort();
    names
}

/// The messages in a directory without workers, in the order in which one would take them.
pub(crate) fn messages(folder: &Path) -> Vec<Sent> {
    files(folder).iter().map(|name| Sent::decode(&fs::read(folder.join(name)).unwrap())).collect()
}
