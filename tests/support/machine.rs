//! A throw-away copy of this machine, for tests that install services and users.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::downbeat::Finished;
use super::process::Process;
use super::sent::Sent;
use super::tools::tests_folder;
use super::wait::{SOON, eventually};

/// One message a second.
pub(crate) const TICKING: &str = "entries:\n  tick: {task: t, every: 1s}\n";

/// What runs as process 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// systemd, which has started only its journal.
    Systemd,
    /// Nothing that manages services.
    Bare,
}

/// A machine with the binary under test at `/usr/bin/downbeat` and the directory `systemd` at
/// `/usr/share/downbeat`; dropping it ends everything that was started in it.
#[derive(Debug)]
pub(crate) struct Machine {
    // Dropped before its directory.
    script: Process,
    init: String,
    _folder: TempDir,
}

impl Machine {
    /// Boots a machine; `None`, with the reason printed, if the kernel does not permit it.
    pub(crate) fn boot(init: Init) -> Option<Machine> {
        let folder = tempfile::Builder::new().prefix("machine").tempdir().unwrap();
        let mut command = Command::new("bash");
        command.arg(tests_folder().join("support/machine.sh"));
        command.arg(if init == Init::Systemd { "systemd" } else { "bare" });
        command.arg(folder.path()).arg(env!("CARGO_BIN_EXE_downbeat")).arg(units_folder());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut script = Process::spawn("machine.sh", &mut command);
        let mut init = String::new();
        BufReader::new(script.child().stdout.take().unwrap()).read_line(&mut init).unwrap();
        if init.is_empty() {
            let status = script.wait(SOON);
            let said = std::io::read_to_string(script.child().stderr.take().unwrap()).unwrap();
            assert_eq!(status.code(), Some(77), "machine.sh: {said}");
            println!("skipped: no machine of our own: {}", said.trim());
            return None;
        }
        Some(Machine { script, init: init.trim().to_owned(), _folder: folder })
    }

    /// Runs a shell script in it as root, to its end.
    pub(crate) fn run(&self, script: &str) -> Finished {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init]);
        command.args([
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--",
        ]);
        command.args(["sh", "-c", script]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        Finished::from(command.stdin(Stdio::null()).output().unwrap())
    }

    /// How often each slot of [`TICKING`] is in the Redis on the default port.
    fn slots(&self) -> BTreeMap<i64, usize> {
        let mut slots = BTreeMap::new();
        let list = self.run("redis-cli --raw LRANGE celery 0 -1").ok();
        // For an empty list, it prints an empty line.
        for line in list.lines().filter(|line| !line.is_empty()) {
            let sent = Sent::decode(line.as_bytes());
            *slots.entry(sent.slot_ms()).or_default() += usize::from(sent.entry == "tick");
        }
        slots
    }

    /// Waits until `more` slots of [`TICKING`] have been sent.
    pub(crate) fn wait_for_slots(&self, more: usize) {
        let before = self.slots().len();
        eventually(SOON, "more slots", || (self.slots().len() >= before + more).then_some(()));
    }

    /// Panics if a slot of [`TICKING`] was sent twice, or not at all.
    pub(crate) fn assert_every_slot_once(&self) {
        let slots = self.slots();
        let (first, last) = (*slots.keys().next().unwrap(), *slots.keys().last().unwrap());
        let expected: BTreeMap<i64, usize> =
            (first..=last).step_by(1000).map(|at| (at, 1)).collect();
        assert_eq!(slots, expected);
        println!("{} slots, each once", slots.len());
    }

    /// The path of its file, as seen by this process.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(&self.init).join("root").join(path.trim_start_matches('/'))
    }

    /// Writes a file, and creates the directories above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A link in its place would lead out of the machine.
        let new = path.with_file_name("written");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The end of its standard input makes it end everything.
        drop(self.script.child().stdin.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.script.exited().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The project's units, init script and defaults.
pub(crate) fn units_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}
