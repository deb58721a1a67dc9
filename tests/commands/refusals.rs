//! What `run` refuses to start with, and wrong usage.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::{place_with, place_with_three};
use crate::support::downbeat::{Finished, Place};
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::needs;
use crate::support::wait::SOON;

#[test]
fn wrong_usage_ends_with_two_and_a_hint() {
    let place = place_with_three();
    for args in [&[][..], &["frob"], &["run", "--nope"], &["trigger"], &["explain"]] {
        let said = place.run(args).refused(2);
        assert!(said.contains("Usage: downbeat"), "{args:?}: {said}");
    }
    let said = place.run(&["--broker", "http://host", "list"]).refused(2);
    assert!(said.contains("--broker: an unknown kind of broker"), "{said}");
    let help = place.run(&["--help"]).ok();
    assert!(help.contains("Exit status: "), "{help}");
    assert!(place.run(&["--version"]).ok().starts_with("downbeat "));
}

#[test]
fn run_refuses_an_invalid_schedule_with_all_problems() {
    let place =
        place_with("entries:\n  a: {task: t, crom: x}\n  b: {task: t, cron: '0 24 * * *'}\n");
    let said = place.run(&["run"]).refused(78);
    for part in ["invalid schedule\n", "jobs.yaml:2:16: ", "jobs.yaml:3:"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(fs::read_dir(place.state()).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn run_refuses_a_missing_and_an_empty_schedule_folder() {
    let place = Place::new();
    let said = place.run(&["run", "--schedules", "nowhere"]).refused(78);
    assert!(said.contains("nowhere: cannot be read: no such file"), "{said}");
    assert!(said.contains("hint: create it, or name another path"), "{said}");
    let said = place.run(&["run"]).refused(78);
    assert!(said.contains("./schedules: no schedule files in this directory"), "{said}");
}

#[test]
fn run_refuses_an_invalid_configuration() {
    let place = place_with_three();
    let said = place.run(&["run", "--leader-ttl", "1", "--grace", "soon"]).refused(78);
    assert!(said.contains("invalid configuration\n"), "{said}");
    assert!(said.contains("--leader-ttl: ") && said.contains("--grace: "), "{said}");
    let said = place.run(&["run", "--config", "nowhere.yaml"]).refused(78);
    assert!(said.contains("nowhere.yaml: cannot be read"), "{said}");
}

#[test]
fn no_command_goes_on_with_a_variable_that_it_does_not_know_or_cannot_read() {
    let place = place_with_three();
    let not_utf_8 = OsStr::from_bytes(b"redis://:s3cret@\xff");
    for (args, exit) in [
        (&["run"][..], 78),
        (&["check"], 1),
        (&["config"], 1),
        (&["next"], 2),
        (&["plan"], 2),
        (&["list"], 2),
        (&["status"], 2),
        (&["peek", "reports"], 2),
        (&["trigger", "nightly"], 2),
        (&["reload"], 2),
        (&["resign"], 2),
    ] {
        let mut command = place.command(args);
        command.env("DOWNBEAT_BROKER_URL", "redis://:s3cret@host").env("REDIS_URL", not_utf_8);
        // Kubernetes', of services named `downbeat` and `downbeat-redis`; and the client's.
        command.env("DOWNBEAT_PORT", "tcp://10.0.0.1:9632").env("DOWNBEAT_REDIS_SERVICE_HOST", "x");
        command.env("DOWNBEAT_URL", "http://host").env("DOWNBEAT_TOKEN", "s3cret");
        let said = Finished::from(command.output().unwrap()).refused(exit);
        let expected = "environment:DOWNBEAT_BROKER_URL: unknown variable\n\
                        hint: did you mean `DOWNBEAT_BROKER`?\n\
                        environment:REDIS_URL: its value is not UTF-8\n";
        assert!(said.ends_with(expected), "{args:?}: {said}");
    }
}

#[test]
fn run_under_a_service_manager_wants_a_broker() {
    let place = place_with_three().env("NOTIFY_SOCKET", "@downbeat-test");
    let refused = place.run(&["run"]);
    assert!(!refused.stderr.contains("started"), "{refused:?}");
    let said = refused.refused(78);
    assert!(said.contains("no broker is configured; set `broker: redis://…`"), "{said}");
}

#[test]
fn run_names_the_state_directory_that_it_cannot_write() {
    let place = place_with_three();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let state = file.join("state");
    let said = place.run(&["run", "--state-dir", state.to_str().unwrap()]).refused(78);
    assert!(said.contains(&format!("cannot make the folder {}/spool", state.display())), "{said}");
}

#[test]
fn run_goes_on_without_a_control_socket_and_says_why() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with_three().env("DOWNBEAT_BROKER", &server.url());
    let first = place.start(&["run"]);
    first.wait_for_log("became leader");
    let second = place.start(&["run"]);
    let line = second.wait_for_log("another downbeat on this machine uses");
    let path = place.runtime().display().to_string();
    let said = format!(
        "uses {path}, and commands ask that one; give this one a directory of its own with --runtime-dir"
    );
    assert!(line.contains(&said) && !line.contains("error="), "{line}");
    second.wait_for_log("became follower");
    assert!(place.run(&["status"]).ok().contains(", leader, pid"), "the first one answers");
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let third = place.start(&["run", "--runtime-dir", file.join("x").to_str().unwrap()]);
    let line = third.wait_for_log("no control socket");
    assert!(line.contains("Not a directory") && line.contains("file/x"), "{line}");
    third.wait_for_log("became follower");
}

#[test]
fn a_missing_runtime_directory_is_made() {
    let place = place_with_three();
    fs::remove_dir(place.runtime()).unwrap();
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    assert!(place.run(&["status"]).ok().contains(", leader, pid"));
}

#[test]
fn no_password_is_shown_anywhere() {
    needs!(Redis);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let mut connection = server.connect();
    let set = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("right").to_owned();
    set.query::<()>(&mut connection).unwrap();
    let url = server.tcp_url().replace("127.0.0.1", "me:wr0ng-s3cret@127.0.0.1");
    let place = place_with_three().env("DOWNBEAT_BROKER", &url).env("RUST_LOG", "trace");
    let mut downbeat = place.start(&["run"]);
    let line = downbeat.wait_for_log("redis refused the login");
    assert!(line.contains("found the broker unavailable") && !line.contains("answer"), "{line}");
    assert!(line.contains("WARN"), "{line}");
    let mut all = String::new();
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["list"],
        &["next", "--count", "1"],
        &["plan"],
        &["trigger", "nightly"],
        &["backfill", "nightly", "--from", "2026-01-02 00:00", "--to", "2026-01-03 00:00"],
        &["reload", "--wait"],
        &["resign"],
        &["check"],
    ] {
        let here = place.run(args);
        let elsewhere = place.run(&[args, &["--runtime-dir", "none"]].concat());
        for run in [here, elsewhere] {
            all += &run.stdout;
            all += &run.stderr;
        }
    }
    downbeat.process().signal(rustix::process::Signal::USR1);
    downbeat.wait_for_log(" state ");
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    all += &downbeat.log().join("\n");
    assert!(all.contains("redis refused the login"), "{all}");
    assert!(!all.contains("s3cret"), "{all}");
}
