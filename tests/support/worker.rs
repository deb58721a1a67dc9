//! Workers of other kinds than Celery: programs that write a line of JSON for each event of a message.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::wait::{SOON, eventually};

/// A worker; killed when dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Process,
    folder: TempDir,
}

impl Worker {
    /// Starts `command`, which writes to the file that DOWNBEAT_TEST_JOURNAL names.
    pub(crate) fn spawn(name: &str, command: &mut Command) -> Worker {
        let folder = tempfile::Builder::new().prefix("worker").tempdir().unwrap();
        let log = File::create(folder.path().join("worker.log")).unwrap();
        command.env("DOWNBEAT_TEST_JOURNAL", folder.path().join("journal"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Worker { process: Process::spawn(name, command), folder }
    }

    /// Everything it has recorded, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let journal = fs::read_to_string(self.folder.path().join("journal")).unwrap_or_default();
        // The last line may be incomplete.
        let whole = journal.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until `look` finds what it wants among the events; panics with the worker's log if it does
    /// not, or if the worker ends.
    pub(crate) fn wait_for<T>(&mut self, what: &str, look: impl Fn(&[Value]) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + SOON;
        eventually(2 * SOON, what, || {
            let found = look(&self.events());
            let has_ended = self.process.exited().is_some();
            if found.is_none() && (has_ended || tokio::time::Instant::now() > deadline) {
                let log = fs::read_to_string(self.folder.path().join("worker.log"));
                let (log, events) = (log.unwrap_or_default(), self.events());
                panic!("the worker did not get there: {what}\n{events:#?}\n{log}");
            }
            found
        })
    }

    /// Waits until there are `count` events, and returns all of them.
    pub(crate) fn wait_for_events(&mut self, count: usize) -> Vec<Value> {
        self.wait_for(&format!("{count} events"), |events| {
            (events.len() >= count).then(|| events.to_vec())
        })
    }
}
