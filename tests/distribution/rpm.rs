//! The RPM package, installed, upgraded and erased on a separate machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{ran, scratch, strip_to};
use crate::support::downbeat::Finished;
use crate::support::machine::{Init, Machine};
use crate::support::tools::{
    cargo_generate_rpm, needs, release_file, release_folder, tests_folder,
};

const HOURLY: &str = "entries:\n  hourly: {task: t, every: 1h}\n";

/// Builds the package of the sources in `tree`, with the binary under test, as `version`.
fn build(tree: &Path, folder: &Path, version: &str) -> PathBuf {
    let (target, package) = (folder.join("target"), folder.join(format!("{version}.rpm")));
    strip_to(&target.join("release/downbeat"));
    let mut build = Command::new(cargo_generate_rpm());
    build.args(["--auto-req", "builtin", "--set-metadata", &format!("version = \"{version}\"")]);
    build.arg("--target-dir").arg(target).arg("--output").arg(&package).current_dir(tree);
    ran(&mut build);
    package
}

/// A copy of the sources whose configuration another version might have.
fn changed_tree(folder: &Path) -> PathBuf {
    let (root, tree) = (tests_folder().join(".."), folder.join("tree"));
    fs::create_dir(&tree).unwrap();
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "crates",
        "docs",
        "schedules",
        "src",
    ] {
        symlink(root.join(name), tree.join(name)).unwrap();
    }
    ran(Command::new("cp").arg("-r").arg(root.join("systemd")).arg(&tree));
    let settings = tree.join("systemd/deb/downbeat.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(settings, text + "# Of the second version.\n").unwrap();
    tree
}

/// `active` or `inactive`, and `enabled` or `disabled`.
fn state(machine: &Machine, unit: &str) -> String {
    machine.run(&format!("systemctl is-active {unit}; systemctl is-enabled {unit}")).stdout
}

/// What is installed cannot satisfy any package: the machine is Debian's.
fn rpm(machine: &Machine, what: &str) -> Finished {
    let finished = machine.run(&format!("rpm --force-debian --nodeps {what}"));
    assert_eq!(finished.code, Some(0), "{what}: {finished:?}");
    finished
}

#[test]
fn it_is_installed_upgraded_and_erased_as_other_packages_of_services_are() {
    needs!(Systemd, Rpm);
    let Some(machine) = Machine::boot(Init::Systemd) else { return };
    let folder = scratch("rpm");
    let root = tests_folder().join("..");
    let first = match release_folder() {
        Some(_) => release_file(".rpm").unwrap(),
        None => build(&root, &folder, env!("CARGO_PKG_VERSION")),
    };
    let second = build(&changed_tree(&folder), &folder, "9.0.0");
    fs::copy(first, machine.path("/root/first.rpm")).unwrap();
    fs::copy(second, machine.path("/root/second.rpm")).unwrap();
    machine.run("umount /usr/bin/downbeat && rm -r /usr/bin/downbeat /usr/share/downbeat").ok();
    let read = |path: &str| fs::read_to_string(machine.path(path)).unwrap();

    // The presets of this machine enable it; an installation starts nothing.
    rpm(&machine, "--install /root/first.rpm");
    assert_eq!(state(&machine, "downbeat"), "inactive\nenabled\n");
    assert_eq!(machine.run("rpm --verify --nodeps downbeat").ok(), "");
    assert_eq!(machine.run("downbeat check").ok(), "ok: 2 entries\n");
    let user = machine.run("getent passwd downbeat").ok();
    assert!(user.ends_with(":/var/lib/downbeat:/usr/sbin/nologin\n"), "{user}");
    machine.run("systemctl start downbeat").ok();

    let edited = read("/etc/downbeat/downbeat.yaml") + "# edited\n";
    machine.write("/etc/downbeat/downbeat.yaml", &edited);
    for instance in ["runs", "stopped"] {
        machine.write(&format!("/etc/downbeat/{instance}/schedules/own.yaml"), HOURLY);
        let broker = "broker: redis://127.0.0.1:1\n";
        machine.write(&format!("/etc/downbeat/{instance}/downbeat.yaml"), broker);
        machine.run(&format!("systemctl enable downbeat@{instance}")).ok();
    }
    machine.run("systemctl start downbeat@runs").ok();
    let id = |unit: &str| machine.run(&format!("systemctl show --value -p MainPID {unit}")).ok();
    let ids = [id("downbeat"), id("downbeat@runs")];

    // What runs is restarted; an edit stays, with the new version's file beside it.
    rpm(&machine, "--upgrade /root/second.rpm");
    for (unit, old) in ["downbeat", "downbeat@runs"].into_iter().zip(ids) {
        assert_eq!(state(&machine, unit), "active\nenabled\n", "{unit}");
        assert_ne!(id(unit), old, "{unit}");
        let program = format!("readlink /proc/$(systemctl show --value -p MainPID {unit})/exe");
        assert_eq!(machine.run(&program).ok(), "/usr/bin/downbeat\n");
    }
    assert_eq!(state(&machine, "downbeat@stopped"), "inactive\nenabled\n");
    assert_eq!(read("/etc/downbeat/downbeat.yaml"), edited);
    assert!(read("/etc/downbeat/downbeat.yaml.rpmnew").ends_with("# Of the second version.\n"));

    rpm(&machine, "--erase downbeat");
    assert_eq!(machine.run("ls -l /proc/[0-9]*/exe 2>&1 | grep downbeat").stdout, "");
    let left = "find / -xdev \\( -path /proc -o -path /sys -o -path /root -o -path /var/log \\) -prune \
        -o -name '*downbeat*' -print | sort";
    // Edits, instances and state are their owner's.
    let expected = "/etc/downbeat\n/etc/downbeat/downbeat.yaml.rpmnew\n/etc/downbeat/downbeat.yaml.rpmsave\n\
        /etc/downbeat/runs/downbeat.yaml\n/etc/downbeat/stopped/downbeat.yaml\n/var/lib/downbeat\n\
        /var/lib/downbeat-runs\n";
    assert_eq!(machine.run(left).ok(), expected);
}

/// `[package.metadata.NAME]` of Cargo.toml.
fn metadata(name: &str) -> Value {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"]);
    let all: Value = serde_json::from_str(&ran(cargo.current_dir(tests_folder())).stdout).unwrap();
    let packages = all["packages"].as_array().unwrap();
    let own = packages.iter().find(|package| package["name"] == "downbeat").unwrap();
    own["metadata"][name].clone()
}

#[test]
fn its_files_are_those_of_the_debian_package_but_for_what_only_one_of_both_knows() {
    let deb: BTreeSet<[String; 3]> = metadata("deb")["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| {
            [0, 1, 2]
                .map(|column| asset[column].as_str().unwrap().trim_start_matches('/').to_owned())
        })
        .collect();
    let rpm = metadata("generate-rpm")["assets"].clone();
    let files = rpm.as_array().unwrap().iter().filter(|asset| asset["dir"] != true);
    let rpm: BTreeMap<[String; 3], Value> = files
        .map(|asset| {
            let columns = ["source", "dest", "mode"];
            let columns =
                columns.map(|key| asset[key].as_str().unwrap().trim_start_matches('/').to_owned());
            (columns, asset["config"].clone())
        })
        .collect();
    let sources = |files: Vec<&[String; 3]>| -> Vec<String> {
        files.into_iter().map(|[source, ..]| source.clone()).collect()
    };
    let completions = "systemd/deb/completions.zsh";
    let only_deb = sources(deb.iter().filter(|file| !rpm.contains_key(*file)).collect());
    let expected = ["copyright", "lintian-overrides"].map(|name| format!("systemd/deb/{name}"));
    let mut expected = expected.to_vec();
    expected.extend(
        [completions, "systemd/init.d/downbeat", "systemd/logrotate.d/downbeat"].map(str::to_owned),
    );
    expected.sort();
    assert_eq!(only_deb, expected);
    let only_rpm = sources(rpm.keys().filter(|file| !deb.contains(*file)).collect());
    assert_eq!(only_rpm, ["LICENSE-*", completions]);
    for ([_, to, _], config) in rpm {
        assert_eq!(config == "noreplace", to.starts_with("etc/"), "{to}");
    }
}
