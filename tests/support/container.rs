//! Runs downbeat as a container runtime does: as nobody, as process 1, with a read-only root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::downbeat::{Downbeat, Finished};
use super::tools::tests_folder;
use super::wait::{SOON, eventually};

/// The user in the image and the manifests.
pub(crate) const NOBODY: &str = "65532";

/// A container: what its root has besides the binary, and its environment.
#[derive(Debug, Default)]
pub(crate) struct Container {
    /// The root folder of an image; otherwise, one that has the binary under test and its libraries.
    image: Option<PathBuf>,
    env: Vec<(String, String)>,
    mounts: Vec<String>,
}

impl Container {
    /// A container of an image that is unpacked into `root`.
    pub(crate) fn of_image(root: &Path) -> Container {
        Container { image: Some(root.to_owned()), ..Container::default() }
    }

    /// Sets an environment variable.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Container {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Mounts a directory of this machine read-only.
    #[must_use]
    pub(crate) fn mount(mut self, from: &Path, to: &str) -> Container {
        self.mounts.push(format!("{}:{to}", from.display()));
        self
    }

    /// Mounts a writable directory of its own.
    #[must_use]
    pub(crate) fn tmpfs(mut self, to: &str) -> Container {
        self.mounts.push(format!("tmpfs:{to}"));
        self
    }

    /// Mounts a directory like Kubernetes' `emptyDir` with an `fsGroup`: everybody may write to it.
    #[must_use]
    pub(crate) fn empty_dir(mut self, to: &str) -> Container {
        self.mounts.push(format!("emptydir:{to}"));
        self
    }

    fn command(&self, folder: &TempDir, args: &[&str]) -> Command {
        let mut command = Command::new("bash");
        command.arg(tests_folder().join("support/container.sh"));
        let binary = Path::new(env!("CARGO_BIN_EXE_downbeat"));
        command.arg(folder.path()).arg(self.image.as_deref().unwrap_or(binary)).args(&self.mounts);
        command.arg("--").args(args).env_clear().envs(self.env.iter().cloned());
        command
    }

    /// Runs a command to its end; `None`, with the reason printed, if the kernel does not permit it.
    pub(crate) fn run(&self, args: &[&str]) -> Option<Finished> {
        let folder = tempfile::tempdir().unwrap();
        let output = self.command(&folder, args).stdin(Stdio::null()).output().unwrap();
        let finished = Finished::from(output);
        if finished.code == Some(77) {
            println!("skipped: no container of our own: {}", finished.stderr.trim());
            return None;
        }
        Some(finished)
    }

    /// Starts a command that keeps running; `None` for the same reasons as [`run`](Self::run).
    pub(crate) fn start(&self, args: &[&str]) -> Option<Running> {
        self.run(&["--version"])?.ok();
        let folder = tempfile::Builder::new().prefix("container").tempdir().unwrap();
        let downbeat = Downbeat::spawn(&mut self.command(&folder, args));
        let mut running = Running { downbeat, first: None, _folder: folder };
        let outside = running.downbeat.process().id();
        running.first = eventually(SOON, "the first process of the container", || {
            let children = format!("/proc/{outside}/task/{outside}/children");
            let child: i32 = fs::read_to_string(children).ok()?.trim().parse().ok()?;
            let program = fs::read_link(format!("/proc/{child}/exe")).ok()?;
            // Seen from outside, the container's directory precedes the path.
            program.ends_with("usr/bin/downbeat").then(|| Pid::from_raw(child))
        });
        Some(running)
    }
}

/// A running container; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) downbeat: Downbeat,
    /// Its process 1, as numbered outside.
    first: Option<Pid>,
    _folder: TempDir,
}

impl Running {
    /// Sends a signal to its process 1, as `docker stop` does.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.first.unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = self.downbeat.wait(SOON);
        self.first = None;
        status
    }

    /// Runs a command in it, as `docker exec` does.
    pub(crate) fn exec(&self, container: &Container, args: &[&str]) -> Finished {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.first.unwrap().as_raw_nonzero()));
        command.args(["--mount", "--pid", "--root", "--wd=/", "--setgid", NOBODY, "--setuid"]);
        command.args([NOBODY, "--"]).args(args);
        command.env_clear().envs(container.env.iter().cloned()).env("PATH", "/usr/bin");
        Finished::from(command.stdin(Stdio::null()).output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Everything that runs in the container ends with it.
        if let Some(first) = self.first.filter(|_| self.downbeat.process().exited().is_none()) {
            let _ = kill_process(first, Signal::KILL);
            let _ = self.downbeat.process().child().wait();
        }
    }
}
