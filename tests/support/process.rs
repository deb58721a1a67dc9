//! A child process that is signalled by its process id and ends with the test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait::eventually;

/// A running child; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command`.
    pub(crate) fn spawn(name: &str, command: &mut Command) -> Process {
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {name}: {error}"));
        Process { name: name.to_owned(), child }
    }

    /// The child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends `signal`; does nothing once the process has been reaped.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            let id = i32::try_from(self.child.id()).unwrap();
            // It may end on its own between the check and the signal.
            let _ = kill_process(Pid::from_raw(id).unwrap(), signal);
        }
    }

    /// The CPU time of its current threads.
    pub(crate) fn cpu_time(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of_one = |thread: PathBuf| {
            // It may have ended since it was listed.
            let text = fs::read_to_string(thread.join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        };
        threads.filter_map(|thread| of_one(thread.unwrap().path())).sum()
    }

    /// Its exit status, or `None` while it runs.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the end; panics if it does not end within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} (pid {}) ends", self.name, self.child.id());
        eventually(limit, &what, || self.exited())
    }

    /// Sends SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        // The process may be gone already.
        let _ = self.child.wait();
    }

    /// Sends SIGSTOP.
    pub(crate) fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Sends SIGCONT.
    pub(crate) fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
