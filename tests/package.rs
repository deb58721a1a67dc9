//! The Debian package, installed, upgraded, removed and purged on separate machines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::downbeat::Finished;
use crate::support::machine::{Init, Machine};
use crate::support::tools::{cargo_deb, needs, release_file, release_folder, tests_folder};
use crate::support::wait::{SOON, eventually};

const HOURLY: &str = "entries:\n  hourly: {task: t, every: 1h}\n";

/// Two versions of the package; the second has another downbeat.yaml, too.
pub(crate) struct Packages {
    pub(crate) first: PathBuf,
    pub(crate) second: PathBuf,
}

/// A package with the binary under test in place of a release build.
fn build(folder: &Path) -> PathBuf {
    let (target, package) = (folder.join("target"), folder.join("first.deb"));
    fs::create_dir_all(target.join("release")).unwrap();
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(target.join("release/downbeat"));
    ran(strip.arg(env!("CARGO_BIN_EXE_downbeat")));
    let mut build = Command::new(cargo_deb());
    build.args(["--no-build", "--fast", "--locked", "--offline", "--output"]).arg(&package);
    build.current_dir(tests_folder().join("..")).env("CARGO_TARGET_DIR", target);
    let said = ran(&mut build).stderr;
    assert!(!said.contains("warning"), "{said}");
    package
}

/// Of the release under test, if there is one.
pub(crate) static PACKAGES: LazyLock<Packages> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    // Of an earlier run.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let first = match release_folder() {
        Some(_) => release_file(".deb").unwrap(),
        None => build(&folder),
    };
    let second = folder.join("second.deb");
    let content = folder.join("content");
    ran(Command::new("dpkg-deb").arg("-R").args([&first, &content]));
    let append = |file: &str, line: &str| {
        let file = content.join(file);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("Version: ", "Version: 1:") + line).unwrap();
    };
    append("DEBIAN/control", "");
    append("etc/downbeat/downbeat.yaml", "# Of the second version.\n");
    ran(Command::new("dpkg-deb").args(["-Znone", "-b"]).args([&content, &second]));
    Packages { first, second }
});

fn ran(command: &mut Command) -> Finished {
    let finished = Finished::from(command.output().unwrap());
    assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    finished
}

/// A machine on which it has never been, with both packages in /root.
fn machine(init: Init) -> Option<Machine> {
    let machine = Machine::boot(init)?;
    // Images of containers come with rules against the start of services and against manual pages.
    let prepare = "umount /usr/bin/downbeat && rm /usr/bin/downbeat /usr/sbin/policy-rc.d -f &&
        rm -rf /etc/dpkg/dpkg.cfg.d /usr/share/downbeat";
    machine.run(prepare).ok();
    fs::copy(&PACKAGES.first, machine.path("/root/first.deb")).unwrap();
    fs::copy(&PACKAGES.second, machine.path("/root/second.deb")).unwrap();
    Some(machine)
}

/// Whoever would have to be asked is not there: nothing can be read from standard input.
fn dpkg(machine: &Machine, what: &str) -> Finished {
    let command = format!(
        "DEBIAN_FRONTEND=noninteractive timeout 300 dpkg --no-triggers --force-unsafe-io {what}"
    );
    let finished = machine.run(&command);
    assert_eq!(finished.code, Some(0), "{what}: {finished:?}");
    finished
}

/// Files and links of it where not only dpkg makes them.
fn files(machine: &Machine) -> Vec<String> {
    let find = "find /etc /run /var -xdev -name '*downbeat*' -not -path '/var/log/journal/*' \
        | sort";
    machine.run(find).ok().lines().map(str::to_owned).collect()
}

fn read(machine: &Machine, path: &str) -> String {
    fs::read_to_string(machine.path(path)).unwrap()
}

/// `active`, `inactive` or `failed`, and `enabled`, `disabled` or `masked`.
fn state(machine: &Machine, unit: &str) -> (String, String) {
    let ask =
        |what: &str| machine.run(&format!("systemctl {what} {unit}")).stdout.trim().to_owned();
    (ask("is-active"), ask("is-enabled"))
}

#[test]
fn under_systemd_it_starts_restarts_what_runs_keeps_edits_and_leaves_nothing_of_its_own() {
    needs!(Systemd, Packages);
    let Some(machine) = machine(Init::Systemd) else { return };
    let state = |unit: &str| state(&machine, unit);
    let is = |active: &str, enabled: &str| (active.to_owned(), enabled.to_owned());
    // Since the machine was booted.
    let starts = |unit: &str| {
        let journal = format!("journalctl --sync; journalctl -o cat --no-pager -u {unit}");
        let journal = machine.run(&journal).ok();
        journal.lines().filter(|line| line.starts_with("Started ")).count()
    };
    let before = files(&machine);

    // As it is, it starts, Redis or not, and sends nothing.
    dpkg(&machine, "-i /root/first.deb");
    assert_eq!((state("downbeat"), starts("downbeat")), (is("active", "enabled"), 1));
    let listed = machine.run("downbeat list").ok();
    let disabled = listed.lines().filter(|line| line.ends_with("\tdisabled")).count();
    assert!(disabled == listed.lines().count() && disabled > 0, "{listed}");
    assert_eq!(machine.run("downbeat check").ok(), "ok: 2 entries\n");
    assert_eq!(machine.run("dpkg -V downbeat").ok(), "");
    eventually(SOON, "it tells that there is no Redis", || {
        let status = machine.run("systemctl show --value -p StatusText downbeat").ok();
        status.contains("the broker is unavailable").then_some(())
    });
    let shown = machine.run("man --where downbeat; getent passwd downbeat").ok();
    assert!(shown.starts_with("/usr/share/man/man1/downbeat.1.gz\ndownbeat:x:"), "{shown}");
    assert!(shown.ends_with(":/var/lib/downbeat:/usr/sbin/nologin\n"), "{shown}");

    // What people make of it: edits, files of their own, instances.
    let edited = read(&machine, "/etc/downbeat/schedules/example.yaml") + "# edited\n";
    machine.write("/etc/downbeat/schedules/example.yaml", &edited);
    machine.write("/etc/downbeat/schedules/own.yaml", HOURLY);
    for instance in ["runs", "stopped"] {
        machine.write(&format!("/etc/downbeat/{instance}/schedules/own.yaml"), HOURLY);
        let broker = "broker: redis://127.0.0.1:1\n";
        machine.write(&format!("/etc/downbeat/{instance}/downbeat.yaml"), broker);
        machine.run(&format!("systemctl enable --now downbeat@{instance}")).ok();
    }
    machine.run("systemctl stop downbeat@stopped && systemctl disable downbeat").ok();

    let said = dpkg(&machine, "-i /root/second.deb");
    assert!(!said.stdout.contains("onfiguration file"), "{said:?}");
    for (unit, enabled) in [("downbeat", "disabled"), ("downbeat@runs", "enabled")] {
        assert_eq!((state(unit), starts(unit)), (is("active", enabled), 2), "{unit}");
        let program = format!("readlink /proc/$(systemctl show --value -p MainPID {unit})/exe");
        assert_eq!(machine.run(&program).ok(), "/usr/bin/downbeat\n");
    }
    let unit = "downbeat@stopped";
    assert_eq!((state(unit), starts(unit)), (is("inactive", "enabled"), 1));
    assert_eq!(read(&machine, "/etc/downbeat/schedules/example.yaml"), edited);
    assert!(read(&machine, "/etc/downbeat/downbeat.yaml").ends_with("# Of the second version.\n"));
    assert!(machine.run("downbeat list").ok().contains("hourly"));

    // What was stopped stays so. A service that cannot be started is told of, and that is all.
    machine.run("systemctl enable downbeat && systemctl stop downbeat").ok();
    machine.write("/etc/downbeat/runs/downbeat.yaml", "grace: soon\n");
    let said = dpkg(&machine, "-i /root/second.deb");
    assert!(said.stderr.contains("Job for downbeat@runs.service failed"), "{said:?}");
    assert_eq!((state("downbeat"), starts("downbeat")), (is("inactive", "enabled"), 2));
    machine.write("/etc/downbeat/runs/downbeat.yaml", "broker: redis://127.0.0.1:1\n");
    machine.run("systemctl start downbeat downbeat@runs").ok();

    dpkg(&machine, "-r downbeat");
    assert_eq!(state("downbeat"), is("inactive", "masked"));
    assert_eq!(state("downbeat@runs").0, "inactive");
    assert_eq!(machine.run("ls -l /proc/[0-9]*/exe 2>&1 | grep downbeat").stdout, "");
    assert_eq!(read(&machine, "/etc/downbeat/schedules/example.yaml"), edited);
    dpkg(&machine, "-i /root/second.deb");
    assert_eq!(state("downbeat"), is("active", "enabled"));
    assert_eq!(read(&machine, "/etc/downbeat/schedules/example.yaml"), edited);

    dpkg(&machine, "-P downbeat");
    let left = machine.run("find /etc/downbeat -type f | sort; id -un downbeat").ok();
    let own = "/etc/downbeat/runs/downbeat.yaml\n/etc/downbeat/runs/schedules/own.yaml\n\
               /etc/downbeat/schedules/own.yaml\n\
               /etc/downbeat/stopped/downbeat.yaml\n/etc/downbeat/stopped/schedules/own.yaml\n";
    assert_eq!(left, format!("{own}downbeat\n"));
    machine.run("rm -r /etc/downbeat").ok();
    assert_eq!(files(&machine), before);
    assert_eq!(machine.run("systemctl list-units --all --no-legend 'downbeat*'").ok(), "");
}

#[test]
fn without_systemd_its_init_script_does_the_same() {
    needs!(Systemd, InitScripts, Packages);
    let Some(machine) = machine(Init::Bare) else { return };
    // Nor is there what makes users for systemd; but a runlevel.
    machine.run("rm /usr/bin/systemd-sysusers /sbin/runlevel").ok();
    machine.write("/sbin/runlevel", "#!/bin/sh\necho N 3\n");
    machine.run("chmod 755 /sbin/runlevel").ok();
    let before = files(&machine);
    let pid = || machine.run("cat /run/downbeat.pid 2>/dev/null").stdout;
    let status = || machine.run("/etc/init.d/downbeat status").code;

    let said = dpkg(&machine, "-i /root/first.deb");
    assert_eq!(status(), Some(0), "{said:?}");
    let first = pid();
    let user = machine.run("stat -c %U /proc/$(cat /run/downbeat.pid)").ok();
    assert_eq!(user, "downbeat\n");
    let links = || machine.run("ls /etc/rc3.d /etc/rc6.d | grep -c downbeat").stdout;
    assert_eq!(links(), "2\n");
    dpkg(&machine, "-i /root/second.deb");
    assert_eq!(status(), Some(0));
    assert_ne!(pid(), first);
    machine.run("/etc/init.d/downbeat stop").ok();
    dpkg(&machine, "-i /root/second.deb");
    assert_eq!(status(), Some(3));
    machine.run("/etc/init.d/downbeat start").ok();

    dpkg(&machine, "-r downbeat");
    assert_eq!((status(), pid().as_str()), (Some(3), ""));
    assert!(machine.path("/var/log/downbeat.log").exists());
    dpkg(&machine, "-i /root/second.deb");
    assert_eq!(status(), Some(0));
    dpkg(&machine, "-P downbeat");
    eventually(SOON, "no process of it is left", || {
        machine.run("ls -l /proc/[0-9]*/exe 2>&1 | grep downbeat").stdout.is_empty().then_some(())
    });
    assert_eq!(files(&machine), before);
}

#[test]
fn a_purge_follows_no_link_and_needs_neither_the_user_nor_any_folder() {
    needs!(Systemd, InitScripts, Packages);
    let Some(machine) = machine(Init::Bare) else { return };
    let before = files(&machine);
    machine.run("mkdir -p /root/folder && echo precious >/root/folder/file").ok();
    // Who would be given the number of a deleted user owns what that one has left.
    for user_is_gone in [true, false] {
        dpkg(&machine, "-i /root/first.deb");
        let plant = "/etc/init.d/downbeat stop; cd /var/lib && rm -rf downbeat &&
            ln -s /root/folder downbeat &&
            install -d -o downbeat downbeat-own && mkfifo downbeat-own/pipe &&
            ln -s /root/folder downbeat-own/link && mkdir downbeat-roots &&
            ln -s /root/folder downbeat-link && chown -h downbeat downbeat-link downbeat-own/*
            rm -rf /run/downbeat && ln -s /root/folder /run/downbeat && mkfifo /run/downbeat.pid
            ln -sf /root/folder/file /var/log/downbeat.log && mkfifo /var/log/downbeat.log.1";
        machine.run(plant).ok();
        if user_is_gone {
            machine.run("userdel downbeat && rm -rf /etc/systemd/system /var/lib/downbeat").ok();
        }
        dpkg(&machine, "-P downbeat");
        let left = "cat /root/folder/file; stat -c %U:%a /root/folder /root/folder/file";
        assert_eq!(machine.run(left).ok(), "precious\nroot:755\nroot:644\n");
        // What is not the service's is nobody's business.
        machine.run("cd /var/lib && rmdir downbeat-roots && rm downbeat-link").ok();
        assert_eq!(files(&machine), before);
    }
}

#[test]
fn shellcheck_finds_nothing_in_any_script() {
    needs!(Shellcheck);
    let scripts = [
        ".ci/check-release",
        ".ci/image",
        ".ci/release",
        ".ci/rpm",
        "systemd/deb/postinst",
        "systemd/deb/postrm",
        "systemd/deb/prerm",
        "systemd/init.d/downbeat",
        "tests/run",
        "tests/support/container.sh",
        "tests/support/machine.sh",
    ];
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(scripts).current_dir(tests_folder().join(".."));
    assert_eq!(ran(&mut shellcheck).stdout, "");
}

#[test]
fn lintian_finds_nothing_in_the_package() {
    needs!(Packages, Lintian);
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--info", "--fail-on", "error,warning"]).arg(&PACKAGES.first);
    let finished = Finished::from(lintian.output().unwrap());
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{}", finished.stderr);
}
