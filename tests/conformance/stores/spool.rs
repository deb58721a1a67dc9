//! The spool.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use downbeat::store::memory::Damage;
use downbeat::store::spool::SpoolStore;
use downbeat::worker::Queue;
use tempfile::TempDir;
use uuid::Uuid;

use super::TestClock;
use crate::conformance::rig::Rig;
use crate::support::spool::{files, open_released};

/// A spool in a folder of its own.
pub(in crate::conformance) struct SpoolRig {
    clock: TestClock,
    folder: TempDir,
}

impl SpoolRig {
    pub(in crate::conformance) fn new() -> SpoolRig {
        SpoolRig::by(TestClock::new())
    }

    pub(in crate::conformance) fn by(clock: TestClock) -> SpoolRig {
        SpoolRig { clock, folder: tempfile::Builder::new().prefix("spool").tempdir().unwrap() }
    }

    pub(in crate::conformance) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn queue(&self, queue: &str) -> Vec<PathBuf> {
        let (folder, end) = (self.path().join("queue"), format!(".{queue}.msg"));
        let names = files(&folder).into_iter().filter(|name| name.ends_with(&end));
        names.map(|name| folder.join(name)).collect()
    }
}

impl Rig for SpoolRig {
    type Store = SpoolStore;
    type Checkpoint = TempDir;

    fn open(&mut self) -> SpoolStore {
        open_released(|| {
            let clock = self.clock.clone();
            SpoolStore::open_with_clock(self.path(), "test", move || clock.now())
        })
    }

    fn another(&mut self, store: &SpoolStore) -> SpoolStore {
        store.clone()
    }

    fn queue_with_results(&self) -> Arc<Queue> {
        Queue::unconfigured("q")
    }

    fn reopen(&mut self, store: SpoolStore) -> SpoolStore {
        drop(store);
        self.open()
    }

    fn messages(&mut self, queue: &str) -> Vec<String> {
        self.queue(queue).iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    fn take(&mut self, queue: &str) {
        self.queue(queue).iter().for_each(|path| fs::remove_file(path).unwrap());
    }

    fn refuse(&mut self) -> &'static str {
        // No file can have such a name.
        "no/file"
    }

    fn stop_refusing(&mut self) -> bool {
        false
    }

    /// What is missing of the records is refused when they are opened.
    fn damage(&mut self, _: Damage) -> bool {
        false
    }

    fn checkpoint(&mut self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.path(), copy.path());
        copy
    }

    fn roll_back(&mut self, store: SpoolStore, checkpoint: &TempDir) -> SpoolStore {
        drop(store);
        for name in ["records", "history", "lock"] {
            let _ = fs::remove_file(self.path().join(name));
        }
        for name in ["stage", "queue"] {
            fs::remove_dir_all(self.path().join(name)).unwrap();
        }
        copy_folder(checkpoint.path(), self.path());
        self.open()
    }

    async fn pass(&mut self, time: Duration) {
        self.clock.pass(time);
    }

    fn set_endless_lease(&mut self, _: &str) -> bool {
        false
    }

    fn end_task(&mut self, _: Uuid) {}
}

fn copy_folder(from: &Path, to: &Path) {
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_folder(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}
