//! Runs the real binary in fresh directories.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::lines::Lines;
use super::process::Process;
use super::sent::instant;
use super::wait::{SOON, START, eventually};

/// A machine for downbeat: its schedule files, its state, its control socket.
///
/// Everything started in one place, one after the other or at the same time, shares them.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Place {
    /// A place without schedule files, whose working directory contains the directory `schedules`.
    pub(crate) fn new() -> Place {
        let folder = tempfile::Builder::new().prefix("downbeat").tempdir().unwrap();
        for name in ["schedules", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        DirBuilder::new().mode(0o700).create(folder.path().join("runtime")).unwrap();
        Place { folder, env: Vec::new() }
    }

    /// Sets an environment variable for everything that is started here.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Place {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The working directory.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The directory of the schedule files.
    pub(crate) fn schedules(&self) -> PathBuf {
        self.path().join("schedules")
    }

    /// `$STATE_DIRECTORY`.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// `$RUNTIME_DIRECTORY`.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.path().join("runtime")
    }

    /// Writes a schedule file under another name and renames it, as an editor does.
    pub(crate) fn write_schedule(&self, name: &str, text: &str) {
        let staged = self.path().join(format!("{name}.staged"));
        fs::write(&staged, text).unwrap();
        fs::rename(staged, self.schedules().join(name)).unwrap();
    }

    /// The binary with `args`, not started; it inherits nothing of the caller's environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_downbeat"));
        command.args(args).current_dir(self.path()).env_clear();
        command.env("STATE_DIRECTORY", self.state()).env("RUNTIME_DIRECTORY", self.runtime());
        command.env("HOME", self.path()).envs(self.env.iter().cloned());
        command
    }

    /// The same, run by a shell after `setup`, which sets what a process inherits.
    pub(crate) fn command_after(&self, setup: &str, args: &[&str]) -> Command {
        let command = self.command(args);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{setup}; exec \"$0\" \"$@\""));
        shell.arg(command.get_program()).args(command.get_args());
        shell.current_dir(self.path()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    }

    /// Runs a command to its end; panics if it takes too long.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let id = Pid::from_child(&child);
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || done.send(child.wait_with_output().unwrap()));
        is_done.recv_timeout(START).map(Finished::from).unwrap_or_else(|_| {
            let _ = kill_process(id, Signal::KILL);
            let killed = is_done.recv().map(Finished::from);
            panic!("no end within {START:?}: {args:?}: {killed:?}")
        })
    }

    /// What `history --json` with these arguments shows.
    pub(crate) fn events(&self, args: &[&str]) -> Vec<Value> {
        let past = self.run(&[&["history", "--json"], args].concat()).json(0);
        past["events"].as_array().unwrap().clone()
    }

    /// The slots of an entry in the history, in order. None has two outcomes.
    pub(crate) fn settled(&self, entry: &str) -> Vec<i64> {
        let events = self.events(&[entry, "--count", "10000"]);
        let slot = |event: &Value| instant(event["slot"].as_str().unwrap()).0;
        let mut slots: Vec<i64> = events.iter().map(slot).collect();
        slots.sort_unstable();
        assert!(slots.is_sorted_by(|one, two| one < two), "{events:?}");
        slots
    }

    /// Starts a command that keeps running, such as `run`.
    pub(crate) fn start(&self, args: &[&str]) -> Downbeat {
        Downbeat::spawn(&mut self.command(args))
    }
}

/// The result of a command.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Finished {
    /// Standard output; panics unless it exited with 0.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Standard error; panics unless it exited with `code`.
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }

    /// The JSON value that it printed; panics unless it exited with `code`.
    pub(crate) fn json(self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Finished {
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A running command; killed when dropped.
#[derive(Debug)]
pub(crate) struct Downbeat {
    process: Process,
    log: Lines,
    out: Lines,
}

impl Downbeat {
    /// Starts `command`, which need not come from a [`Place`].
    pub(crate) fn spawn(command: &mut Command) -> Downbeat {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn("downbeat", command);
        let log = Lines::of(process.child().stderr.take().unwrap());
        let out = Lines::of(process.child().stdout.take().unwrap());
        Downbeat { process, log, out }
    }

    /// The process: `kill`, `pause`, `resume`, `terminate`, `signal`.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// All lines on standard error so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.all()
    }

    /// The last line on standard error so far that `is_wanted`.
    pub(crate) fn last_log(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.log.last(is_wanted)
    }

    /// All lines on standard output so far.
    pub(crate) fn out(&self) -> Vec<String> {
        self.out.all()
    }

    /// Waits for a line on standard error that contains `text`, and returns it.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_log_from(0, text).1
    }

    /// The same among the lines from number `from` on; also returns the line's number, so that the next
    /// search can begin after it.
    pub(crate) fn wait_for_log_from(&self, from: usize, text: &str) -> (usize, String) {
        self.log.wait_for(from, SOON, text, |line| line.contains(text))
    }

    /// Waits for the end and all output; panics if it does not end within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let status = self.process.wait(limit);
        self.log.wait_for_end(SOON);
        self.out.wait_for_end(SOON);
        status
    }

    /// Every `dispatched` line of the log so far.
    pub(crate) fn dispatches(&self) -> Vec<Dispatch> {
        self.log().iter().filter_map(|line| Dispatch::read(line)).collect()
    }

    /// Waits until `entry` was dispatched `count` times since `from`, and returns these dispatches.
    pub(crate) fn wait_for_dispatches(
        &self,
        entry: &str,
        from: i64,
        count: usize,
    ) -> Vec<Dispatch> {
        eventually(SOON, &format!("{count} dispatches of {entry} since {from}"), || {
            let mut dispatches = self.dispatches();
            dispatches.retain(|dispatch| dispatch.entry == entry && dispatch.slot_ms >= from);
            (dispatches.len() >= count).then_some(dispatches)
        })
    }
}

/// One `dispatched` line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    /// The entry's name.
    pub(crate) entry: String,
    /// Its slot.
    pub(crate) slot_ms: i64,
    /// Its lateness; `None` for a manual message.
    pub(crate) lateness_ms: Option<i64>,
    /// Its kind, unless it is simply scheduled.
    pub(crate) kind: Option<String>,
}

impl Dispatch {
    /// Parses a log line, if it is one of these.
    pub(crate) fn read(line: &str) -> Option<Dispatch> {
        let (_, fields) = line.split_once(" dispatched ")?;
        let field = |name: &str| {
            let mut values = fields.split(' ').filter_map(|field| field.split_once('='));
            values.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
        };
        Some(Dispatch {
            entry: field("entry")?.to_owned(),
            slot_ms: instant(field("slot")?).0,
            lateness_ms: field("lateness_ms").map(|text| text.parse().unwrap()),
            kind: field("kind").map(str::to_owned),
        })
    }
}
