//! A real RQ worker whose jobs record what they were called with.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::redis::RedisServer;
use super::tools::{python, tests_folder};
use super::wait::{SOON, eventually};

/// One execution, as the job itself saw it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    /// The job's id.
    pub(crate) id: String,
    /// Positional arguments.
    pub(crate) args: Value,
    /// Keyword arguments.
    pub(crate) kwargs: Value,
    /// `get_current_job().meta`.
    pub(crate) meta: Value,
    /// `origin`.
    pub(crate) queue: String,
    /// The text that dashboards show.
    pub(crate) description: Value,
    /// Its maximum run time in seconds.
    pub(crate) timeout: Value,
}

/// A worker that runs each job in a separate process; killed when dropped.
#[derive(Debug)]
pub(crate) struct RqWorker {
    process: Process,
    folder: TempDir,
}

impl RqWorker {
    /// Starts `rq worker` with `args`: options, such as `--serializer json`, and queues.
    ///
    /// It knows the jobs of `rq_jobs.py`: `rq_jobs.echo` returns its arguments, `rq_jobs.fail` fails,
    /// `rq_jobs.nap` sleeps for a number of seconds, `rq_jobs.hold` ends when somebody pushes to the
    /// list `gate` at the socket it is given.
    pub(crate) fn start(server: &RedisServer, args: &[&str]) -> RqWorker {
        let url = rq_url(server);
        RqWorker::spawn(server, &[&["rq.cli", "worker", "--url", &url], args].concat())
    }

    /// The same with another version of RQ, as `tests/requirements-apart.txt` names it.
    pub(crate) fn start_version(server: &RedisServer, version: &str, args: &[&str]) -> RqWorker {
        let url = rq_url(server);
        let all = [&["rq.cli", "worker", "--url", &url], args].concat();
        let mut command = rq_command(server, &all);
        let paths =
            [tests_folder().join(".tools/apart").join(version), tests_folder().join("support")];
        command.env("PYTHONPATH", std::env::join_paths(paths).unwrap());
        RqWorker::spawn_command(command)
    }

    /// Starts django-rq's `rqworker` on the queue `images`; its settings are in `rq_django.py`.
    pub(crate) fn start_django(server: &RedisServer) -> RqWorker {
        RqWorker::spawn(server, &["django", "rqworker", "images"])
    }

    fn spawn(server: &RedisServer, args: &[&str]) -> RqWorker {
        RqWorker::spawn_command(rq_command(server, args))
    }

    fn spawn_command(mut command: Command) -> RqWorker {
        let folder = tempfile::Builder::new().prefix("rq").tempdir().unwrap();
        let log = File::create(folder.path().join("worker.log")).unwrap();
        command.env("DOWNBEAT_TEST_JOURNAL", folder.path().join("journal"));
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let process = Process::spawn("rq worker", &mut command);
        RqWorker { process, folder }
    }

    /// The worker's process, not that of a job.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Every execution so far, in order.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let journal = read(&self.folder.path().join("journal"));
        // The last line may be incomplete.
        let whole = journal.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until it has run at least `count` jobs, and returns all executions.
    ///
    /// Panics with the worker's log if it does not, or if the worker ends.
    pub(crate) fn wait_for_runs(&mut self, count: usize) -> Vec<Run> {
        let deadline = tokio::time::Instant::now() + SOON;
        eventually(2 * SOON, &format!("{count} runs"), || {
            let runs = self.runs();
            let has_ended = self.process.exited().is_some();
            if runs.len() < count && (has_ended || tokio::time::Instant::now() > deadline) {
                panic!("{} of {count} runs\n{}", runs.len(), self.log());
            }
            (runs.len() >= count).then_some(runs)
        })
    }

    /// The worker's own log.
    pub(crate) fn log(&self) -> String {
        read(&self.folder.path().join("worker.log"))
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn rq_url(server: &RedisServer) -> String {
    format!("unix://{}?db=0", server.socket().display())
}

/// `python -m` with `args`, for a module that uses this server.
fn rq_command(server: &RedisServer, args: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg("-m").args(args);
    command.env("DOWNBEAT_TEST_BROKER", rq_url(server));
    command.env("DJANGO_SETTINGS_MODULE", "rq_django");
    command.env("PYTHONPATH", tests_folder().join("support"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What `rq info` prints about the queues in its machine-readable form.
pub(crate) fn rq_info(server: &RedisServer) -> String {
    let url = rq_url(server);
    let output = rq_command(server, &["rq.cli", "info", "--raw", "-Q", "--url", &url]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// What django-rq's `rqstats` reports about the queue `images`.
pub(crate) fn django_stats(server: &RedisServer) -> Value {
    let output = rq_command(server, &["django", "rqstats", "--json"]).output().unwrap();
    let stats: Value = serde_json::from_slice(&output.stdout).unwrap();
    stats["queues"][0].clone()
}
