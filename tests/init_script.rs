//! `/etc/init.d/downbeat` on a separate machine without systemd: it does what the Linux Standard Base
//! requires, and trusts no process id from a file.

use std::process::Command;
use std::time::Duration;

use crate::support::downbeat::Finished;
use crate::support::machine::{Init, Machine};
use crate::support::tools::{logrotate, needs};
use crate::support::wait::{SOON, eventually};

const PIDFILE: &str = "/run/downbeat.pid";
const HOURLY: &str = "entries:\n  hourly: {task: t, every: 1h}\n";

/// The service is installed, and has never been started.
fn machine() -> Option<Machine> {
    let machine = Machine::boot(Init::Bare)?;
    let install = "cd /usr/share/downbeat && cp init.d/downbeat /etc/init.d/ &&
        cp default/downbeat /etc/default/ && systemd-sysusers $PWD/downbeat.sysusers";
    machine.run(install).ok();
    // A Redis that is not there is no reason not to start.
    machine.write("/etc/downbeat/downbeat.yaml", "broker: redis://127.0.0.1:1\n");
    machine.write("/etc/downbeat/schedules/a.yaml", HOURLY);
    Some(machine)
}

/// Does `actions` one after the other; each must end as it says.
fn act(machine: &Machine, actions: &[(&str, i32)]) -> Finished {
    let mut last = None;
    for (action, code) in actions {
        let done = machine.run(&format!("/etc/init.d/downbeat {action}"));
        assert_eq!(done.code, Some(*code), "{action} in {actions:?}: {done:?}");
        last = Some(done);
    }
    last.unwrap()
}

fn pid(machine: &Machine) -> String {
    machine.run(&format!("cat {PIDFILE}")).ok().trim().to_owned()
}

/// Processes that run the program.
fn running(machine: &Machine) -> usize {
    let command = "ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c /usr/bin/downbeat";
    machine.run(command).stdout.trim().parse().unwrap()
}

#[test]
fn every_action_ends_as_the_standard_says_whether_it_runs_or_not() {
    needs!(Systemd, InitScripts);
    let Some(machine) = machine() else { return };
    act(&machine, &[("status", 3), ("stop", 0), ("try-restart", 0), ("reload", 7), ("status", 3)]);
    act(&machine, &[("force-reload", 7), ("frobnicate", 2), ("", 2), ("status", 3)]);
    act(&machine, &[("start", 0), ("status", 0)]);
    // Ready means that it can be asked.
    assert!(machine.run("downbeat list").ok().contains("hourly"));
    let first = pid(&machine);
    act(&machine, &[("start", 0), ("reload", 0), ("force-reload", 0), ("status", 0)]);
    assert_eq!((pid(&machine), running(&machine)), (first.clone(), 1));
    act(&machine, &[("restart", 0), ("status", 0)]);
    let second = pid(&machine);
    act(&machine, &[("try-restart", 0), ("status", 0)]);
    assert!(second != first && second != pid(&machine) && running(&machine) == 1);
    let process = machine.run(&format!("stat -c %U /proc/{}; ls -l {PIDFILE}", pid(&machine))).ok();
    assert!(process.starts_with("downbeat\n-rw-r--r-- 1 root root"), "{process}");
    act(&machine, &[("stop", 0), ("status", 3), ("stop", 0), ("restart", 0), ("stop", 0)]);
    assert_eq!(running(&machine), 0);
    assert!(!machine.path(PIDFILE).exists());
    let log = machine.run("cat /var/log/downbeat.log").ok();
    assert_eq!(log.matches(" stopped").count(), 4, "{log}");

    // Cut short while it is written to, as logrotate does.
    act(&machine, &[("start", 0)]);
    machine.run(&format!(": >/var/log/downbeat.log; kill -USR1 {}", pid(&machine))).ok();
    eventually(SOON, "a line in the log", || {
        let log = std::fs::read_to_string(machine.path("/var/log/downbeat.log")).unwrap();
        (!log.starts_with('\0') && log.contains(" state ")).then_some(())
    });
    act(&machine, &[("stop", 0)]);

    let as_nobody = "setpriv --reuid nobody --regid nogroup --clear-groups /etc/init.d/downbeat";
    assert_eq!(machine.run(&format!("{as_nobody} start")).code, Some(4));
    act(&machine, &[("start", 0)]);
    assert_eq!(machine.run(&format!("{as_nobody} status")).code, Some(0));
    assert_eq!(machine.run(&format!("{as_nobody} stop")).code, Some(4));
    act(&machine, &[("stop", 0)]);
}

#[test]
fn bad_files_fail_a_start_and_a_reload_and_leave_what_runs_as_it_is() {
    needs!(Systemd, InitScripts);
    let Some(machine) = machine() else { return };
    act(&machine, &[("start", 0)]);
    let first = pid(&machine);
    // What is edited before it was kept is not kept.
    eventually(SOON, "the files are kept", || {
        (machine.run("ls /var/lib/downbeat/accepted-*").code == Some(0)).then_some(())
    });
    machine.write("/etc/downbeat/schedules/a.yaml", "entries:\n  hourly: {task: t, evry: 1h}\n");
    let refused = act(&machine, &[("reload", 1)]);
    assert!(refused.stderr.contains("schedules/a.yaml:2:21: "), "{refused:?}");
    act(&machine, &[("status", 0)]);
    assert_eq!(pid(&machine), first);
    assert!(machine.run("downbeat status").stdout.contains("REFUSED"));

    // A restart goes on from the files that were accepted before.
    act(&machine, &[("restart", 0), ("status", 0)]);
    eventually(SOON, "they are known to be kept", || {
        let status = machine.run("downbeat status").stdout;
        status.contains("and will again after a restart").then_some(())
    });

    // Without those it does not wait for what will never be ready.
    machine.run("rm /var/lib/downbeat/accepted-*").ok();
    let refused = act(&machine, &[("restart", 1)]);
    assert!(refused.stdout.contains("see /var/log/downbeat.log"), "{refused:?}");
    act(&machine, &[("status", 3)]);
    let log = machine.run("cat /var/log/downbeat.log").ok();
    assert!(log.contains("downbeat: invalid schedule\n"), "{log}");
    machine.write("/etc/downbeat/schedules/a.yaml", HOURLY);
    // A setting of the defaults reaches the program.
    machine.write("/etc/default/downbeat", "DOWNBEAT_GRACE=soon\n");
    act(&machine, &[("start", 1), ("status", 3)]);
    assert!(machine.run("cat /var/log/downbeat.log").ok().contains("DOWNBEAT_GRACE: "));
    machine.run("rm /etc/default/downbeat").ok();
    act(&machine, &[("start", 0), ("reload", 0), ("stop", 0)]);
}

#[test]
fn a_number_left_in_the_file_blocks_no_start_and_kills_no_stranger() {
    needs!(Systemd, InitScripts);
    let Some(machine) = machine() else { return };
    act(&machine, &[("start", 0)]);
    let process = machine.path(&format!("/proc/{}", pid(&machine)));
    machine.run(&format!("kill -KILL {}", pid(&machine))).ok();
    eventually(SOON, "it is dead", || (!process.exists()).then_some(()));
    act(&machine, &[("status", 1), ("stop", 0), ("status", 3)]);
    for rubbish in ["", "4194303", "rubbish", "-1"] {
        machine.write(PIDFILE, rubbish);
        act(&machine, &[("start", 0), ("status", 0), ("stop", 0)]);
    }
    // Someone else's by now: another program, and the program itself under another user.
    for stranger in ["sleep 1000", "setpriv --reuid nobody --clear-groups downbeat run"] {
        let env = "NOTIFY_SOCKET= DOWNBEAT_RUNTIME_DIR=/tmp/other";
        let begin = format!("{env} setsid {stranger} >/tmp/log 2>&1 & echo $!");
        let stranger = machine.run(&begin).ok().trim().to_owned();
        let name = machine.path(&format!("/proc/{stranger}/comm"));
        let is_alive = || name.exists();
        eventually(Duration::from_secs(5), "it has begun", || {
            let name = std::fs::read_to_string(&name).unwrap();
            (name != "setsid\n" && name != "sh\n" && name != "setpriv\n").then_some(())
        });
        machine.write(PIDFILE, &stranger);
        act(&machine, &[("status", 1), ("reload", 7), ("stop", 0)]);
        for action in ["start", "restart"] {
            machine.write(PIDFILE, &stranger);
            act(&machine, &[(action, 0), ("status", 0)]);
            assert_ne!(pid(&machine), stranger);
            act(&machine, &[("stop", 0)]);
        }
        assert!(is_alive(), "{stranger}: {}", machine.run("cat /tmp/log").stdout);
        machine.run(&format!("kill {stranger}")).ok();
    }
}

/// Ends the script after a while, and with it what it waits for.
fn act_in_time(machine: &Machine, action: &str) -> Finished {
    machine.run(&format!("timeout 60 /etc/init.d/downbeat {action}"))
}

#[test]
fn what_stands_in_the_place_of_its_number_is_not_read_and_goes_with_a_start() {
    needs!(Systemd, InitScripts);
    let Some(machine) = machine() else { return };
    machine.run("echo 1 >/root/precious").ok();
    for kind in ["mkfifo", "ln -s /root/precious", "ln -s /nowhere"] {
        let plant = format!("rm -f {PIDFILE} && {kind} {PIDFILE}");
        for (action, code) in [("status", 1), ("reload", 7), ("stop", 0), ("start", 0)] {
            machine.run(&plant).ok();
            let done = act_in_time(&machine, action);
            assert_eq!(done.code, Some(code), "{kind}, {action}: {done:?}");
        }
        act(&machine, &[("status", 0), ("stop", 0), ("status", 3)]);
        assert!(!machine.path("/nowhere").exists());
    }
    assert_eq!(machine.run("cat /root/precious").ok(), "1\n");
}

#[test]
fn a_start_follows_no_link_gives_nothing_away_and_says_what_is_in_the_way() {
    needs!(Systemd, InitScripts);
    let Some(machine) = machine() else { return };
    machine.run("mkdir /root/folder && echo precious >/root/folder/file").ok();
    let log = "/var/log/downbeat.log";
    for (path, what, said) in [
        ("/run/downbeat", "ln -s /root/folder", "set RUNTIME_DIRECTORY in /etc/default/downbeat"),
        ("/var/lib/downbeat", "ln -s /root/folder", "set STATE_DIRECTORY in /etc/default"),
        (log, "ln -s /root/folder/file", "is not a file: remove it, or set LOGFILE in /etc/def"),
        (log, "ln -s /nowhere", "is not a file: remove it"),
        (log, "mkfifo", "is not a file: remove it"),
    ] {
        machine.run(&format!("rm -rf {path}; {what} {path}")).ok();
        let refused = act_in_time(&machine, "start");
        assert_eq!(refused.code, Some(1), "{path}: {refused:?}");
        assert!(refused.stdout.contains(said), "{path}: {refused:?}");
        machine.run(&format!("rm {path}")).ok();
    }
    let left = "cat /root/folder/file; stat -c %U:%a /root/folder /root/folder/file; ls /nowhere";
    let left = machine.run(left).stdout;
    assert_eq!(left, "precious\nroot:755\nroot:644\n");
    // Where others may put a link in place of the log, root writes none.
    machine.run("install -d -o downbeat /var/log/own").ok();
    machine.write("/etc/default/downbeat", "LOGFILE=/var/log/own/downbeat.log\n");
    let refused = act_in_time(&machine, "start");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("/var/log/own/, where the log would be, is not root's alone"));
    machine.write("/etc/default/downbeat", "LOGFILE=/dev/null\n");
    act(&machine, &[("start", 0), ("status", 0), ("stop", 0)]);
    let folders = machine.run("stat -c %U:%a /run/downbeat /var/lib/downbeat").ok();
    assert_eq!(folders, "downbeat:700\ndownbeat:700\n");
}

#[test]
fn its_log_is_rotated_for_nobody_else_to_read_and_no_link_is() {
    needs!(Systemd, InitScripts, Logrotate);
    let Some(machine) = machine() else { return };
    let copied = Command::new("cp").arg("-r").arg(logrotate()).arg(machine.path("/opt/")).status();
    assert!(copied.unwrap().success());
    // On Debian the folder is root's; on Ubuntu a group may write in it, and logrotate.conf says `su`.
    machine.write("/root/ubuntu", "su root adm\ninclude /etc/logrotate.d/downbeat\n");
    machine.run("cp /usr/share/downbeat/logrotate.d/downbeat /etc/logrotate.d/downbeat").ok();
    let rotate = |file: &str| {
        let libraries = "LD_LIBRARY_PATH=$(dirname $(find /opt/logrotate -name 'libpopt.so.0'))";
        let command =
            format!("{libraries} /opt/logrotate/usr/sbin/logrotate -f -s /root/state {file}");
        machine.run(&command).ok()
    };
    act(&machine, &[("start", 0)]);
    rotate("/etc/logrotate.d/downbeat");
    machine.run("chgrp adm /var/log && chmod g+w /var/log").ok();
    machine.run(&format!("kill -USR1 {}", pid(&machine))).ok();
    eventually(SOON, "a line in the log", || {
        let log = std::fs::read(machine.path("/var/log/downbeat.log")).unwrap();
        (!log.is_empty()).then_some(())
    });
    rotate("/root/ubuntu");
    let logs = machine.run("cd /var/log && stat -c '%n %U:%a' downbeat.log*").ok();
    let expected = ["downbeat.log", "downbeat.log.1.gz", "downbeat.log.2.gz"];
    assert_eq!(logs, expected.map(|name| format!("{name} root:600\n")).concat());
    act(&machine, &[("stop", 0)]);
    machine.run("echo precious >/root/file && ln -sf /root/file /var/log/downbeat.log").ok();
    rotate("/root/ubuntu");
    assert_eq!(machine.run("cat /root/file").ok(), "precious\n");
}
