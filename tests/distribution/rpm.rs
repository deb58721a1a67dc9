//! The RPM package, installed, upgraded and erased on a separate machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ran, scratch};
use crate::package::PACKAGES;
use crate::support::downbeat::Finished;
use crate::support::machine::{Init, Machine};
use crate::support::tools::{needs, release_file, release_folder, tests_folder};

const HOURLY: &str = "entries:\n  hourly: {task: t, every: 1h}\n";

/// The rpm of a Debian package.
fn build(deb: &Path, folder: &Path) -> PathBuf {
    fs::create_dir(folder).unwrap();
    ran(Command::new(tests_folder().join("../.ci/rpm")).arg(deb).arg(folder));
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
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
    needs!(Systemd, Packages, Rpm);
    let Some(machine) = Machine::boot(Init::Systemd) else { return };
    let folder = scratch("rpm");
    let first = match release_folder() {
        Some(_) => release_file(".rpm").unwrap(),
        None => build(&PACKAGES.first, &folder.join("first")),
    };
    let second = build(&PACKAGES.second, &folder.join("second"));
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
    let left = "find /etc /run /usr /var -xdev -name '*downbeat*' -not -path '/var/log/*' \
        -not -path '/var/lib/downbeat*/*' | sort";
    // Edits, instances and state are their owner's.
    let expected = "/etc/downbeat\n/etc/downbeat/downbeat.yaml.rpmnew\n/etc/downbeat/downbeat.yaml.rpmsave\n\
        /etc/downbeat/runs/downbeat.yaml\n/etc/downbeat/stopped/downbeat.yaml\n/var/lib/downbeat\n\
        /var/lib/downbeat-runs\n";
    assert_eq!(machine.run(left).ok(), expected);
}
