//! The files of `docs/deploy` for process managers: supervisor, and readers of a `Procfile`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::downbeat::{Downbeat, Place};
use crate::support::http::get;
use crate::support::machine::{Init, Machine, TICKING};
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::tools::{needs, python, supervisor, tests_folder};
use crate::support::wait::{SOON, eventually};

fn deploy(file: &str) -> String {
    fs::read_to_string(tests_folder().join("../docs/deploy").join(file)).unwrap()
}

/// A machine without systemd, with Debian's supervisor, which has started nothing but the service.
fn supervised() -> Option<Machine> {
    let machine = Machine::boot(Init::Bare)?;
    let trees = ["etc", "usr", "var"].map(|tree| supervisor().join(tree));
    let copied = Command::new("cp").arg("-r").args(trees).arg(machine.path("/")).status();
    assert!(copied.unwrap().success());
    machine.write("/etc/supervisor/conf.d/downbeat.conf", &deploy("supervisord.conf"));
    machine.write(
        "/etc/downbeat/downbeat.yaml",
        "broker: redis://127.0.0.1:6379/0\nleader: {ttl: 5s}\nruntime_dir: /var/lib/downbeat\n",
    );
    machine.write("/etc/downbeat/schedules/a.yaml", TICKING);
    let start = "systemd-sysusers /usr/share/downbeat/downbeat.sysusers &&
        install -d -o downbeat -g downbeat -m 0700 /var/lib/downbeat && mkdir -p /var/log/supervisor &&
        redis-server --daemonize yes --save '' --dir /tmp && supervisord";
    machine.run(start).ok();
    Some(machine)
}

fn pid(machine: &Machine) -> String {
    machine.run("supervisorctl pid downbeat").stdout.trim().to_owned()
}

#[test]
fn supervisor_starts_it_restarts_it_when_it_is_killed_and_stops_it_cleanly() {
    needs!(Redis, Systemd, Supervisor);
    let Some(machine) = supervised() else { return };
    let state = |wanted: &str| {
        eventually(SOON, wanted, || {
            let status = machine.run("supervisorctl status downbeat").stdout;
            status.contains(wanted).then_some(())
        });
    };
    state("RUNNING");
    machine.wait_for_slots(2);
    let first = pid(&machine);
    let user = machine.run(&format!("stat -c %U /proc/{first}")).ok();
    assert_eq!(user.trim(), "downbeat");
    eventually(SOON, "status says that it leads", || {
        let status = machine.run("downbeat status").stdout;
        status.contains(&format!(", leader, pid {first}, ")).then_some(())
    });
    machine.run(&format!("kill -9 {first}")).ok();
    state("RUNNING");
    eventually(SOON, "another process", || (pid(&machine) != first).then_some(()));
    machine.wait_for_slots(2);
    machine.run("supervisorctl stop downbeat").ok();
    state("STOPPED");
    let log = machine.run("tail -n 2 /var/log/supervisor/downbeat.log").ok();
    assert!(log.contains("resigned") && log.contains("stopped"), "{log}");
    machine.assert_every_slot_once();

    // With a mistake in its schedule it goes on from the files that were accepted before.
    machine.write("/etc/downbeat/schedules/a.yaml", "entries: [");
    machine.run("supervisorctl start downbeat").ok();
    machine.wait_for_slots(1);
    eventually(SOON, "they are known to be kept", || {
        let status = machine.run("downbeat status").stdout;
        status.contains("and will again after a restart").then_some(())
    });
    machine.run("supervisorctl stop downbeat").ok();
    // Without those, whether it is tried again depends on how soon supervisor hears of its end; that
    // it does not run and why are plain in either case.
    machine.run("rm /var/lib/downbeat/accepted-*").ok();
    machine.run("supervisorctl start downbeat");
    eventually(SOON, "it does not run", || {
        let status = machine.run("supervisorctl status downbeat").stdout;
        ["BACKOFF", "EXITED"].into_iter().any(|state| status.contains(state)).then_some(())
    });
    let log = machine.run("cat /var/log/supervisor/downbeat.log").ok();
    assert!(log.contains("/etc/downbeat/schedules/a.yaml:1:10: `[` is never closed"), "{log}");
    machine.write("/etc/downbeat/schedules/a.yaml", TICKING);
    machine.run("supervisorctl restart downbeat").ok();
    state("RUNNING");
}

#[test]
fn a_procfile_runs_it_where_the_host_says_that_things_are() {
    needs!(Redis, Python);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let place = Place::new();
    place.write_schedule("a.yaml", TICKING);
    fs::write(place.path().join("Procfile"), deploy("Procfile")).unwrap();
    let port = free_port().to_string();
    let folder = Path::new(env!("CARGO_BIN_EXE_downbeat")).parent().unwrap();
    let mut command = Command::new(python().with_file_name("honcho"));
    command.args(["start", "--port", &port]).current_dir(place.path()).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command.env("REDIS_URL", server.tcp_url()).env("DOWNBEAT_LEADER_TTL", "5s");
    command.env("XDG_RUNTIME_DIR", place.runtime()).env("XDG_STATE_HOME", place.state());
    let mut host = Downbeat::spawn(&mut command);
    server.wait_for_queue("celery", 1);
    let ready = get(&format!("127.0.0.1:{port}"), "/readyz");
    assert_eq!(ready.code, 200, "{ready:?}");
    host.process().terminate();
    host.wait(SOON);
    let said = host.out().join("\n");
    assert!(said.contains(&format!("address=0.0.0.0:{port}")), "{said}");
    assert!(said.contains("resigned") && said.contains("stopped"), "{said}");
}
