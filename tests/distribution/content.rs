//! What is in the wheel and in the source distribution.

use std::path::Path;
use std::process::Command;

use super::ran;
use super::wheel::{VERSION, wheel};
use crate::support::tools::{needs, python, release_file};

/// The names in an archive, as Python's module `zipfile` or `tarfile` reads them.
fn listed(module: &str, archive: &Path) -> Vec<String> {
    let list = "import sys, zipfile, tarfile
archive = sys.argv[2]
names = zipfile.ZipFile(archive).namelist() if sys.argv[1] == 'zipfile' else tarfile.open(archive).getnames()
print(*sorted(names), sep='\\n')";
    let listed = ran(Command::new(python()).args(["-c", list, module]).arg(archive));
    listed.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_wheel_holds_the_program_the_package_licences_and_a_list_of_its_parts() {
    needs!(Python, Wheel);
    let names = listed("zipfile", &wheel());
    let about = format!("downbeat-{VERSION}.dist-info");
    let expected = [
        format!("downbeat-{VERSION}.data/scripts/downbeat"),
        format!("{about}/METADATA"),
        format!("{about}/RECORD"),
        format!("{about}/WHEEL"),
        format!("{about}/licenses/LICENSE-APACHE"),
        format!("{about}/licenses/LICENSE-MIT"),
        format!("{about}/sboms/downbeat.cyclonedx.json"),
        "downbeat/__init__.py".to_owned(),
        "downbeat/__main__.py".to_owned(),
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_source_distribution_holds_what_a_build_takes_and_no_more() {
    needs!(Python, Wheel);
    let root = format!("downbeat-{VERSION}/");
    let names = listed("tarfile", &release_file(&format!("downbeat-{VERSION}.tar.gz")).unwrap());
    let names: Vec<&str> = names.iter().map(|name| name.strip_prefix(&root).unwrap()).collect();
    for needed in
        ["Cargo.lock", "crates/time/src/lib.rs", "src/main.rs", "python/downbeat/__main__.py"]
    {
        assert!(names.contains(&needed), "{needed}: {names:?}");
    }
    let expected = ["src/", "crates/time/", "python/", "LICENSE-"];
    let others =
        names.into_iter().filter(|name| !expected.iter().any(|start| name.starts_with(start)));
    assert_eq!(
        others.collect::<Vec<_>>(),
        [".clippy.toml", "Cargo.lock", "Cargo.toml", "PKG-INFO", "README.md", "pyproject.toml"]
    );
}

#[test]
fn the_checkers_of_the_package_index_find_nothing() {
    needs!(Python, Wheel);
    let sources = release_file(&format!("downbeat-{VERSION}.tar.gz")).unwrap();
    ran(Command::new(python())
        .args(["-m", "twine", "check", "--strict"])
        .arg(wheel())
        .arg(sources));
    ran(Command::new(python()).args(["-m", "check_wheel_contents"]).arg(wheel()));
}
