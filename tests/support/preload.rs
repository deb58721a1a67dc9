//! Libraries that programs under test preload.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::tests_folder;

/// `support/NAME.c`, compiled.
pub(crate) fn compiled(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let staged = folder.join(format!("{name}-{}.so", std::process::id()));
    let library = folder.join(format!("{name}.so"));
    let source = tests_folder().join(format!("support/{name}.c"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&staged).arg(source);
    assert!(cc.status().unwrap().success(), "cc cannot compile {name}.c");
    // Another process may do the same.
    fs::rename(staged, &library).unwrap();
    library
}
