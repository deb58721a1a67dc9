//! What a release consists of: the files of `.ci/release` in the folder `DOWNBEAT_RELEASE_FILES`, or else files
//! with the binary under test.

mod content;
mod image;
mod rpm;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::downbeat::Finished;

fn ran(command: &mut Command) -> Finished {
    let finished = Finished::from(command.output().unwrap());
    assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    finished
}

/// An empty folder for files of such tests, the same in each run.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The binary under test, stripped, at `path`.
fn strip_to(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    ran(Command::new("strip").arg("-o").arg(path).arg(env!("CARGO_BIN_EXE_downbeat")));
}
