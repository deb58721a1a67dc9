//! A real celery beat.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::tools::{python, tests_folder};
use super::wait::{START, eventually};

/// The beat of an application; killed when dropped.
#[derive(Debug)]
pub(crate) struct Beat {
    process: Process,
    folder: TempDir,
}

impl Beat {
    /// Starts beat on the application of `beatapp.py` with these settings, `beat_schedule` among them. It has sent
    /// a first task when this returns.
    pub(crate) fn start(broker: &str, settings: &Value) -> Beat {
        let folder = tempfile::Builder::new().prefix("beat").tempdir().unwrap();
        let log = File::create(folder.path().join("beat.log")).unwrap();
        let mut command = Command::new(python());
        command.args(["-m", "celery", "-A", "beatapp", "beat", "--loglevel", "INFO"]);
        command.args(["--pidfile=", "--schedule", "schedule"]);
        command.env("DOWNBEAT_TEST_BROKER", broker);
        command.env("DOWNBEAT_TEST_SETTINGS", settings.to_string());
        command.env("PYTHONPATH", tests_folder().join("support"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let process = Process::spawn("celery beat", &mut command);
        let mut beat = Beat { process, folder };
        eventually(START, "beat sends its first task", || {
            let log = beat.log();
            assert!(beat.process.exited().is_none(), "{log}");
            log.contains("Sending due task").then_some(())
        });
        beat
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("beat.log")).unwrap_or_default()
    }
}
