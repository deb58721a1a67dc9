//! The units in `systemd/`, under a systemd that is process 1 of a separate machine.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::support::downbeat::Finished;
use crate::support::machine::{Init, Machine, TICKING, units_folder};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// A lease short enough for a test to wait for its end.
const DEFAULTS: &str = "DOWNBEAT_LEADER_TTL=1s\n";

/// A machine on which the units, the user and a Redis are, and nothing has been started.
fn machine() -> Option<Machine> {
    let machine = Machine::boot(Init::Systemd)?;
    let install = "cd /usr/share/downbeat && cp *.service /etc/systemd/system/ &&
        cp downbeat.sysusers /usr/lib/sysusers.d/downbeat.conf && systemd-sysusers &&
        systemctl daemon-reload";
    machine.run(install).ok();
    machine.write("/etc/systemd/system/redis.service", REDIS);
    machine.write("/etc/default/downbeat", DEFAULTS);
    machine.write("/etc/downbeat/schedules/a.yaml", TICKING);
    Some(machine)
}

const REDIS: &str = "[Service]\nExecStart=/usr/bin/redis-server --save '' --port 6379\n";
const URL: &str = "redis://127.0.0.1:6379/0\n";

fn property(machine: &Machine, unit: &str, name: &str) -> String {
    machine.run(&format!("systemctl show --value -p {name} {unit}")).ok().trim().to_owned()
}

/// Waits until the unit's status tells of `what`.
fn wait_for_status(machine: &Machine, unit: &str, what: &str) -> String {
    eventually(SOON, &format!("the status of {unit} tells: {what}"), || {
        Some(property(machine, unit, "StatusText")).filter(|text| text.contains(what))
    })
}

fn journal(machine: &Machine, unit: &str) -> String {
    machine.run(&format!("journalctl --sync; journalctl -o cat --no-pager -u {unit}")).ok()
}

fn refused(finished: Finished) -> String {
    assert_ne!(finished.code, Some(0), "{finished:?}");
    finished.stderr
}

#[test]
fn a_service_is_started_reloaded_watched_restarted_and_stopped_and_sends_each_slot_once() {
    needs!(Redis, Systemd);
    let Some(machine) = machine() else { return };
    machine.write("/etc/credstore/downbeat.broker", URL);
    // As shipped, but for patience.
    machine.write(
        "/etc/systemd/system/downbeat.service.d/test.conf",
        "[Service]\nWatchdogSec=2\nRestartSec=1\n",
    );
    let main = || property(&machine, "downbeat", "MainPID");

    // Ready without Redis, which is told of; then with it.
    machine.run("systemctl daemon-reload && systemctl start downbeat").ok();
    wait_for_status(&machine, "downbeat", "the broker is unavailable");
    machine.run("systemctl start redis").ok();
    let status = wait_for_status(&machine, "downbeat", "leader; next is tick at 20");
    assert!(!status.contains("broker"), "{status}");
    machine.wait_for_slots(1);
    let shown = machine.run("downbeat status; systemctl status downbeat | cat").ok();
    assert!(shown.contains("leader, pid") && shown.contains("Status: \"leader"), "{shown}");
    let user = machine.run(&format!("ps -o user= -p {} || stat -c %U /proc/{0}", main())).ok();
    assert_eq!(user.trim(), "downbeat");
    let limits = machine.run(&format!("cat /proc/{}/limits", main())).ok();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    assert_eq!(core.unwrap().split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);

    // A reload that is good, one that is not.
    let first = main();
    machine.write("/etc/downbeat/schedules/b.yaml", "entries: {more: {task: t, every: 1h}}\n");
    machine.run("systemctl reload downbeat").ok();
    assert!(machine.run("downbeat list").ok().contains("more"));
    machine.write("/etc/downbeat/schedules/b.yaml", "entries: {more: {task: t, evry: 1h}}\n");
    let said = refused(machine.run("systemctl reload downbeat"));
    assert!(said.contains("Job for downbeat.service failed"), "{said}");
    let status = property(&machine, "downbeat", "StatusText");
    assert!(status.contains("the last reload failed (/etc/downbeat/schedules/b.yaml:1:"));
    assert!(journal(&machine, "downbeat").contains("reload failed; keeping the previous schedule"));
    assert_eq!(property(&machine, "downbeat", "ActiveState"), "active");
    machine.wait_for_slots(1);
    assert_eq!(main(), first);

    // Restarted meanwhile, it goes on from the files that were accepted before, until they are mended.
    machine.run("systemctl restart downbeat").ok();
    wait_for_status(
        &machine,
        "downbeat",
        "and will again after a restart; fixed files are loaded automatically; leader; next is tick",
    );
    machine.wait_for_slots(1);
    machine.run("rm /etc/downbeat/schedules/b.yaml; systemctl reload downbeat").ok();
    let status = wait_for_status(&machine, "downbeat", "leader; next is tick");
    assert!(!status.contains("next start"), "{status}");

    // It hangs: killed and started anew. It is killed: started anew.
    let restarted = |signal: &str, limit: Duration| {
        let (before, began) = (main(), Instant::now());
        machine.run(&format!("kill -{signal} {before}")).ok();
        eventually(SOON, "it is active with another process", || {
            let state = property(&machine, "downbeat", "ActiveState");
            (state == "active" && main() != before).then_some(())
        });
        assert!(began.elapsed() < limit, "{signal}: {:?}", began.elapsed());
        machine.wait_for_slots(1);
    };
    // The limit, the pause, and as long again for a busy machine.
    restarted("STOP", Duration::from_secs(6));
    assert!(journal(&machine, "downbeat").contains("Watchdog timeout"));
    restarted("KILL", Duration::from_secs(6));
    assert_eq!(property(&machine, "downbeat", "NRestarts"), "2");

    let began = Instant::now();
    machine.run("systemctl stop downbeat").ok();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(property(&machine, "downbeat", "Result"), "success");
    machine.assert_every_slot_once();
}

/// When the journal has a line of the unit's process `pid` with `text` in it, in milliseconds.
fn logged_at(machine: &Machine, pid: &str, text: &str) -> i64 {
    let what = format!("process {pid} logs: {text}");
    eventually(SOON, &what, || find_logged(machine, pid, text))
}

/// The same, or `None` if there is no such line yet.
fn find_logged(machine: &Machine, pid: &str, text: &str) -> Option<i64> {
    let lines = machine.run(&format!("journalctl --sync; journalctl -o json _PID={pid}")).ok();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut wanted = lines.filter(|line| line["MESSAGE"].as_str().unwrap().contains(text));
    let at = wanted.next()?["__REALTIME_TIMESTAMP"].as_str().unwrap().parse::<i64>().unwrap();
    Some(at / 1000)
}

#[test]
fn after_a_crash_the_service_leads_again_at_once_and_after_several_it_pauses() {
    needs!(Redis, Systemd);
    let Some(machine) = machine() else { return };
    machine.write("/etc/credstore/downbeat.broker", URL);
    // The lease of a service that nobody has configured; what has run out meanwhile goes all the same.
    machine.write("/etc/default/downbeat", "DOWNBEAT_GRACE=1m\n");
    machine.write("/etc/downbeat/schedules/a.yaml", "entries: {tick: {task: t, every: 100ms}}\n");
    machine.run("systemctl start redis downbeat").ok();
    let main = || property(&machine, "downbeat", "MainPID");
    let crash = || {
        let before = main();
        logged_at(&machine, &before, "dispatched");
        let killed_at = machine.run(&format!("date +%s%3N; kill -9 {before}")).ok();
        let after = eventually(SOON, "another process", || {
            Some(main()).filter(|main| ![&before, "0"].contains(&&**main))
        });
        let silence =
            logged_at(&machine, &after, "dispatched") - killed_at.trim().parse::<i64>().unwrap();
        (after, silence)
    };
    let (after, silence) = crash();
    println!("the next message came {silence} ms after the kill");
    logged_at(&machine, &after, "found the leader's process gone; replacing its lease");
    // A third of the lease, which is renewed as often; the machine is shared with other tests.
    assert!(silence < 2_000, "{silence} ms");
    // On a busy machine, three starts may take more than the ten seconds within which they count.
    let pauses = |after: &str| {
        find_logged(&machine, after, "the last starts have crashed; pausing before this one")
    };
    let (after, silence) = std::iter::repeat_with(crash)
        .take(10)
        .find(|(after, _)| pauses(after).is_some())
        .expect("no start has paused");
    assert!((2_000..5_000).contains(&silence), "{silence} ms");
    // A stop while it pauses is one.
    machine.run(&format!("kill -9 {after}")).ok();
    wait_for_status(&machine, "downbeat", "pausing after several crashes");
    let began = Instant::now();
    machine.run("systemctl stop downbeat").ok();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(property(&machine, "downbeat", "Result"), "success");
    // Those that are asked for are none.
    for _ in 0..3 {
        machine.run("systemctl restart downbeat").ok();
    }
    let last = main();
    logged_at(&machine, &last, "dispatched");
    assert_eq!(journal(&machine, "downbeat").matches("pausing before this one").count(), 2);
}

#[test]
fn what_a_restart_cannot_cure_is_told_and_not_tried_again() {
    needs!(Systemd);
    let Some(machine) = machine() else { return };
    let fails = |what: &str, said: &[&str]| {
        machine.run("systemctl reset-failed downbeat; journalctl --rotate --vacuum-time=1us").ok();
        refused(machine.run("systemctl start downbeat"));
        let journal = journal(&machine, "downbeat");
        for part in said {
            assert!(journal.contains(part), "{what}: {part}: {journal}");
        }
        let shown = machine.run("systemctl show -p NRestarts,ExecMainStatus,ActiveState downbeat");
        let expected = "NRestarts=0\nExecMainStatus=78\nActiveState=failed\n";
        assert_eq!(shown.ok(), expected, "{what}: {journal}");
    };
    fails("no broker", &["no broker is configured; set `broker: redis://…`"]);
    machine.write("/etc/downbeat/downbeat.yaml", "broker_file: broker\n");
    fails("no secret", &["downbeat.yaml:1:14: the broker's file cannot be read: no such file"]);
    machine.write("/etc/credstore/downbeat.broker", URL);
    machine.run("chmod 600 /etc/downbeat/schedules/a.yaml").ok();
    let unreadable = [
        "/etc/downbeat/schedules/a.yaml: cannot be read: permission denied (os error 13)",
        "downbeat runs as user `downbeat` (uid ",
    ];
    fails("a file of root's", &unreadable);
    let status = property(&machine, "downbeat", "StatusText");
    assert!(status.contains("a.yaml: cannot be read: permission denied"), "{status}");
    machine.run("rm -r /etc/downbeat/schedules").ok();
    fails("no schedule", &["/etc/downbeat/schedules: cannot be read: no such file"]);
    machine.write("/etc/downbeat/schedules/a.yaml", TICKING);
    // A spool where the sandbox allows no writing.
    machine.write("/etc/default/downbeat", "DOWNBEAT_BROKER=spool:/var/spool/downbeat\n");
    let read_only = "cannot make the folder /var/spool/downbeat: Read-only file system";
    fails("a read-only folder", &[read_only]);
    machine.write("/etc/default/downbeat", "");
    machine.run("systemctl start downbeat").ok();
}

#[test]
fn instances_and_dynamic_users_have_everything_of_their_own() {
    needs!(Redis, Systemd);
    let Some(machine) = machine() else { return };
    machine.run("systemctl start redis").ok();
    for name in ["a", "b"] {
        machine.write(&format!("/etc/default/downbeat-{name}"), DEFAULTS);
        let entry = format!("entries:\n  of-{name}: {{task: t, every: 1s, queue: {name}}}\n");
        machine.write(&format!("/etc/downbeat/{name}/schedules/x.yaml"), &entry);
    }
    machine.write("/etc/downbeat/a/downbeat.yaml", "grace: 20s\n");
    machine.write("/etc/credstore/downbeat-a.broker", URL);
    machine.write("/etc/downbeat/b/downbeat.yaml", &format!("broker: {URL}"));
    // A user that nobody has made.
    let dynamic = "[Service]\nDynamicUser=yes\nUser=downbeat-b\n";
    machine.write("/etc/systemd/system/downbeat@b.service.d/user.conf", dynamic);
    machine.run("systemctl daemon-reload && systemctl start downbeat@a downbeat@b").ok();
    for name in ["a", "b"] {
        let next = format!("leader; next is of-{name} at 20");
        wait_for_status(&machine, &format!("downbeat@{name}"), &next);
        let sent = format!("test $(redis-cli LLEN {name}) -gt 0");
        eventually(SOON, "messages", || (machine.run(&sent).code == Some(0)).then_some(()));
        let list = machine.run(&format!("downbeat list --runtime-dir /run/downbeat-{name}")).ok();
        assert!(list.contains(&format!("of-{name}")), "{list}");
        assert!(machine.path(&format!("/var/lib/downbeat-{name}")).exists());
    }
    let keys = machine.run("redis-cli --scan").ok();
    let of = |name: &str| keys.lines().any(|key| key.contains(&format!("downbeat-{name}")));
    assert!(of("a") && of("b") && !keys.contains("downbeat:"), "{keys}");
    machine.run("systemctl reload downbeat@b && systemctl stop downbeat@a").ok();
    assert_eq!(property(&machine, "downbeat@b", "ActiveState"), "active");
}

#[test]
fn nothing_is_wrong_with_the_units_and_they_are_exposed_to_little() {
    needs!(Systemd);
    let folder = tempfile::tempdir().unwrap();
    let analyze = |args: &[&str], unit: &std::path::Path| {
        let mut command = Command::new("systemd-analyze");
        Finished::from(command.args(args).arg(unit).env("SYSTEMD_COLORS", "0").output().unwrap())
    };
    for unit in ["downbeat.service", "downbeat@.service"] {
        let text = fs::read_to_string(units_folder().join(unit)).unwrap();
        let copy = folder.path().join(unit);
        // The check wants the program to be there.
        let binary = env!("CARGO_BIN_EXE_downbeat");
        fs::write(&copy, text.replace("/usr/bin/downbeat ", &format!("{binary} "))).unwrap();
        let verified = analyze(&["verify", "--man=no"], &copy);
        assert_eq!(verified.stderr, "", "{unit}");
        assert_eq!(verified.ok(), "");
        let scored = analyze(&["security", "--offline=yes", "--threshold=11"], &copy);
        let score = scored.stdout.lines().last().unwrap_or_default().to_owned();
        println!("{unit}: {score}");
        assert_eq!(scored.code, Some(0), "{unit}: {score}");
    }
}

#[test]
fn an_instance_differs_from_the_service_in_names_alone() {
    let lines = |unit: &str| {
        let text = fs::read_to_string(units_folder().join(unit)).unwrap();
        let text = text.replace("downbeat-%i", "downbeat").replace("downbeat %i", "downbeat");
        let settings = text.lines().filter(|line| !line.starts_with(['#']) && !line.is_empty());
        let settings = settings.filter(|line| !line.starts_with("Environment=DOWNBEAT_"));
        settings.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines("downbeat.service"), lines("downbeat@.service"));
}
