//! A real Celery worker that records what it does.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::tools::{python, tests_folder};
use super::wait::{SOON, eventually};

/// A line of the worker's record; see `worker.py`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event {
    /// It is ready for messages.
    Ready,
    /// It ran a task.
    Run(Box<Run>),
    /// It dropped an expired message without running it.
    Revoked {
        /// Task id.
        id: String,
    },
    /// It could not read a message, or does not know its task.
    Rejected {
        /// The reason it gives.
        reason: String,
    },
}

/// One execution, as the task itself saw it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    /// Task id.
    pub(crate) id: String,
    /// The name by which it was called.
    pub(crate) task: String,
    /// Positional arguments.
    pub(crate) args: Value,
    /// Keyword arguments.
    pub(crate) kwargs: Value,
    /// `request.headers`: the ones that Celery does not use.
    pub(crate) headers: Value,
    /// The message's routing key, which is its queue.
    pub(crate) queue: String,
    /// The message's priority.
    pub(crate) priority: Option<u8>,
    /// `request.expires`, as the worker passes it on.
    pub(crate) expires: Option<String>,
    /// `request.origin`.
    pub(crate) origin: String,
    /// What logs show as its arguments.
    pub(crate) argsrepr: Option<String>,
    /// What they show as its keyword arguments.
    pub(crate) kwargsrepr: Option<String>,
    /// When the task ran, in seconds since 1970.
    pub(crate) received: f64,
}

/// A worker with one process that runs one task at a time; killed when dropped.
#[derive(Debug)]
pub(crate) struct CeleryWorker {
    process: Process,
    folder: TempDir,
}

impl CeleryWorker {
    /// Starts a worker on `queues` of `broker`: a Celery URL, or `filesystem://FOLDER`. It is ready for
    /// messages when this returns.
    ///
    /// It knows `demo.add`, which returns the sum, `demo.echo`, which returns its arguments,
    /// `demo.hold`, which ends when somebody pushes to the list `gate` at the socket it is given, and
    /// `demo.fail`, which fails; it also runs a task of any other name.
    pub(crate) fn start(broker: &str, queues: &[&str]) -> CeleryWorker {
        CeleryWorker::start_with(broker, queues, &serde_json::json!({}))
    }

    /// The same with additional Celery settings.
    pub(crate) fn start_with(broker: &str, queues: &[&str], settings: &Value) -> CeleryWorker {
        CeleryWorker::spawn(broker, queues, settings, |_| {})
    }

    /// The same with a name, and with additional tasks: their names, separated by spaces.
    pub(crate) fn start_named(
        name: &str,
        broker: &str,
        queues: &[&str],
        settings: &Value,
        tasks: &str,
    ) -> CeleryWorker {
        CeleryWorker::spawn(broker, queues, settings, |command| {
            command.args(["--hostname", name]).env("DOWNBEAT_TEST_TASKS", tasks);
        })
    }

    fn spawn(
        broker: &str,
        queues: &[&str],
        settings: &Value,
        adapt: impl Fn(&mut Command),
    ) -> CeleryWorker {
        let folder = tempfile::Builder::new().prefix("celery").tempdir().unwrap();
        let log = File::create(folder.path().join("worker.log")).unwrap();
        let mut command = Command::new(python());
        command.args(["-m", "celery", "-A", "worker", "worker", "--queues", &queues.join(",")]);
        command.args(["--pool", "solo", "--loglevel", "INFO"]);
        command.args(["--without-gossip", "--without-mingle", "--without-heartbeat"]);
        command.env("DOWNBEAT_TEST_BROKER", broker);
        command.env("DOWNBEAT_TEST_SETTINGS", settings.to_string());
        command.env("DOWNBEAT_TEST_JOURNAL", folder.path().join("journal"));
        command.env("PYTHONPATH", tests_folder().join("support"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        // Tests may run as root, and some workers take pickles.
        command.env("C_FORCE_ROOT", "1");
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        adapt(&mut command);
        let process = Process::spawn("celery worker", &mut command);
        let mut worker = CeleryWorker { process, folder };
        worker.wait_for("the worker is ready", |events| {
            events.iter().any(|event| matches!(event, Event::Ready)).then_some(())
        });
        worker
    }

    /// The worker's process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Everything it has recorded, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        let journal = fs::read_to_string(self.folder.path().join("journal")).unwrap_or_default();
        // The last line may be incomplete.
        let whole = journal.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Every execution so far, in order.
    pub(crate) fn runs(&self) -> Vec<Run> {
        runs(self.events())
    }

    /// Waits until it has run at least `count` tasks, and returns all executions.
    pub(crate) fn wait_for_runs(&mut self, count: usize) -> Vec<Run> {
        self.wait_for(&format!("{count} runs"), |events| {
            Some(runs(events)).filter(|runs| runs.len() >= count)
        })
    }

    /// Waits until `look` finds what it wants among the events.
    ///
    /// Panics with the worker's log if it does not, or if the worker ends.
    pub(crate) fn wait_for<T>(&mut self, what: &str, look: impl Fn(Vec<Event>) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + SOON;
        eventually(2 * SOON, what, || {
            let found = look(self.events());
            let has_ended = self.process.exited().is_some();
            if found.is_none() && (has_ended || tokio::time::Instant::now() > deadline) {
                panic!("the worker did not get there: {what}\n{}", self.log());
            }
            found
        })
    }

    /// The worker's own log.
    pub(crate) fn log(&self) -> String {
        let path: PathBuf = self.folder.path().join("worker.log");
        fs::read_to_string(path).unwrap_or_default()
    }
}

fn runs(events: Vec<Event>) -> Vec<Run> {
    let run = |event| if let Event::Run(run) = event { Some(*run) } else { None };
    events.into_iter().filter_map(run).collect()
}
