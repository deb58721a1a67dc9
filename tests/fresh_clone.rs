//! What a newcomer sees when running `downbeat run` in a fresh clone.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::tools::tests_folder;
use crate::support::wait::eventually;

/// A place whose `schedules` are those of the repository.
pub(crate) fn place_with_examples() -> Place {
    let place = Place::new();
    for file in fs::read_dir(tests_folder().join("../schedules")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), place.schedules().join(file.file_name())).unwrap();
    }
    place
}

#[test]
fn run_without_any_setting_dispatches_within_ten_seconds_and_ends_on_ctrl_c() {
    let place = place_with_examples();
    let mut command = place.command(&["run"]);
    command.env_remove("STATE_DIRECTORY").env_remove("RUNTIME_DIRECTORY");
    command.env("XDG_STATE_HOME", place.state()).env("XDG_RUNTIME_DIR", place.runtime());
    let mut downbeat = Downbeat::spawn(&mut command);
    eventually(Duration::from_secs(10), "a dispatch", || downbeat.dispatches().pop());
    let log = downbeat.log().join("\n");
    assert!(log.contains("no broker is configured: messages go to a spool"), "{log}");
    assert!(log.contains("heartbeat"), "{log}");
    downbeat.process().signal(Signal::INT);
    assert_eq!(downbeat.wait(Duration::from_secs(1)).code(), Some(0));
    assert!(downbeat.log().last().unwrap().contains("stopped"));
}
