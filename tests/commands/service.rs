//! Commands act on the running service: on its broker, in its namespace, whatever is configured here. They
//! publish nowhere else when it is stopped.

use redis::Commands as _;

use super::{place_with, place_with_three};
use crate::support::downbeat::{Downbeat, Finished, Place};
use crate::support::machine::{Init, Machine};
use crate::support::redis::RedisServer;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// Nothing listens there.
const ELSEWHERE: &str = "redis://me:s3cret@127.0.0.1:1/7";

/// A service on a Redis that only the service knows of: commands are configured for another.
fn service_on(server: &RedisServer, place: &Place) -> Downbeat {
    let service = place.start(&["run", "--broker", &server.url(), "--leader-ttl", "1s"]);
    service.wait_for_log("became leader");
    service
}

/// What a command printed that warned once of the other broker, and of nothing else.
fn warned(finished: Finished, server: &RedisServer, code: i32) -> String {
    let warning = format!(
        "downbeat: warning: `broker`: the service uses {}, your configuration \
         (environment:DOWNBEAT_BROKER) says redis://me:***@127.0.0.1:1/7; the service's was used\n",
        server.address()
    );
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stderr.matches("warning: `").count(), 1, "{finished:?}");
    assert!(finished.stderr.contains(&warning), "{finished:?}");
    assert!(!finished.stderr.contains("s3cret"), "{finished:?}");
    finished.stdout
}

#[test]
fn commands_use_the_services_broker_and_warn_when_another_is_configured_here() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with_three().env("DOWNBEAT_BROKER", ELSEWHERE);
    let _service = service_on(&server, &place);
    let run = |args: &[&str], code| warned(place.run(args), &server, code);
    let broker = server.address().to_string();

    let sent = run(&["trigger", "nightly"], 0);
    assert!(sent.ends_with(&format!(" on {broker}\n")), "{sent}");
    let sent: serde_json::Value =
        serde_json::from_str(&run(&["trigger", "nightly", "--json"], 0)).unwrap();
    assert_eq!(sent["broker"], broker);
    // Many requests, one warning.
    let past = ["--from", "2026-01-01 00:00", "--to", "2026-03-01 00:00"];
    let sent = run(&[&["backfill", "nightly"], &past[..]].concat(), 0);
    assert_eq!(sent.matches(&format!(" on {broker}\n")).count(), 59, "{sent}");
    assert_eq!(server.queue("reports").len(), 61);

    assert_eq!(run(&["peek", "reports", "--json", "--count", "100"], 0).lines().count(), 61);
    let empty = place.run(&["peek", "nothing"]).stderr;
    assert!(empty.contains(&format!("nothing (celery): no messages on {broker}")), "{empty}");
    assert!(run(&["status"], 0).contains(&broker));
    assert!(run(&["list"], 0).contains("nightly"));
    assert!(run(&["reload", "--wait"], 0).contains("changed"));
    let said = place.run(&["check", "--workers", "--timeout", "100ms"]);
    assert!(
        said.stderr.contains(&format!("{broker}: warning: no Celery worker listens")),
        "{said:?}"
    );
    warned(said, &server, 0);
    run(&["resign"], 0);
}

#[test]
fn a_result_is_waited_for_where_the_service_keeps_it() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with_three().env("DOWNBEAT_BROKER", ELSEWHERE);
    let _service = service_on(&server, &place);
    for (result, said) in [("7", "succeeded: 7"), ("null", "succeeded: null")] {
        let _: () = server.connect().del("reports").unwrap();
        let mut waiting = place.start(&["trigger", "nightly", "--wait"]);
        let id = eventually(SOON, "the message", || {
            server.queue("reports").first().map(|sent| sent.id.to_string())
        });
        let outcome = format!(r#"{{"status": "SUCCESS", "result": {result}, "traceback": null}}"#);
        let _: () = server.connect().set(format!("celery-task-meta-{id}"), outcome).unwrap();
        assert_eq!(waiting.wait(SOON).code(), Some(0), "{:?}", waiting.log());
        eventually(SOON, said, || waiting.out().iter().any(|line| line == said).then_some(()));
    }
}

#[test]
fn another_namespace_here_than_the_services_is_warned_of() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with_three().env("DOWNBEAT_BROKER", &server.url());
    let _service = service_on(&server, &place);
    assert_eq!(place.run(&["status"]).stderr, "", "what is not set differs in nothing");
    let said = place.run(&["status", "--namespace", "shop"]);
    let expected = "downbeat: warning: `namespace`: the service uses downbeat, your configuration \
                    (--namespace) says shop; the service's was used\n";
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), expected));
}

#[test]
fn without_a_service_a_command_takes_a_broker_that_is_named_and_no_spool_of_its_own() {
    let place = place_with_three();
    let past = ["--from", "2026-01-01 00:00", "--to", "2026-01-03 00:00"];
    for args in [
        &["trigger", "nightly"][..],
        &["trigger", "nightly", "--wait"],
        &[&["backfill", "nightly"], &past[..]].concat(),
        &["peek", "reports"],
        &["status"],
        &["check", "--workers"],
    ] {
        let said = place.run(args).refused(3);
        let (nobody, named) =
            ("no service listens on ", "no broker is configured; start the service, or set");
        assert!(said.contains(nobody) && said.contains(named), "{args:?}: {said}");
        assert!(said.contains("DOWNBEAT_BROKER or --broker"), "{args:?}: {said}");
    }
    assert_eq!(std::fs::read_dir(place.state()).unwrap().count(), 0, "nothing is made");

    let list = place.run(&["list"]);
    assert!(list.stderr.contains("no broker is configured"), "{list:?}");
    assert!(list.ok().contains("nightly"), "the files say enough for that");
    for args in [
        &["trigger", "nightly", "--dry-run"][..],
        &[&["backfill", "nightly", "--dry-run"], &past[..]].concat(),
        &["check"],
        &["config"],
        &["next"],
        &["plan"],
    ] {
        place.run(args).ok();
    }
    let sent = place.run(&["trigger", "nightly", "--broker", "spool:mail"]).ok();
    assert!(sent.ends_with(" on spool:mail\n"), "{sent}");
}

#[test]
fn commands_reach_the_spool_that_run_chose_itself_through_the_service() {
    let place = place_with("entries: {a: {task: t, every: 1h, queue: q}}");
    let service = place.start(&["run"]);
    service.wait_for_log("became leader");
    let spool = format!("spool:{}", place.state().join("spool").display());
    let sent = place.run(&["trigger", "a"]).ok();
    assert!(sent.ends_with(&format!(" on {spool}\n")), "{sent}");
    let waiting = place.run(&["peek", "q"]);
    assert!(waiting.stderr.starts_with("q (celery): 1 message waits"), "{waiting:?}");
    let said = place.run(&["trigger", "a", "--wait"]).refused(2);
    assert!(said.contains("set the option `results: redis://…`"), "{said}");
    assert_eq!(place.run(&["peek", "q", "--json"]).ok().lines().count(), 1, "it was not sent");
}

const YEARLY: &str = "entries: {yearly: {task: t, cron: '0 0 1 1 *'}}\n";
/// Somebody who may read nothing of the service's.
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

#[test]
fn with_the_service_stopped_a_command_uses_its_credential_or_none_at_all() {
    let Some(machine) = Machine::boot(Init::Bare) else { return };
    machine.write("/etc/downbeat/schedules/a.yaml", YEARLY);
    machine.write("/etc/downbeat/downbeat.yaml", "broker: spool:/tmp/wrong\n");
    machine.write("/etc/credstore/downbeat.broker", "spool:/tmp/right\n");
    machine.run("chmod 700 /etc/credstore; chmod 600 /etc/credstore/*; chmod 1777 /tmp").ok();
    let trigger =
        |who: &str, args: &str| machine.run(&format!("{who} downbeat trigger yearly {args}"));
    let refused = |who: &str, args: &str, why: &str| {
        let said = trigger(who, args).refused(3);
        assert!(said.contains("no service listens on ") && said.contains(why), "{said}");
        assert!(said.contains("start the service, or name its broker with --broker"), "{said}");
    };

    let sent = trigger("", "").ok();
    assert!(sent.ends_with(" on spool:/tmp/right\n"), "{sent}");
    let unreadable =
        "this user cannot read /etc/credstore/downbeat.broker, which may name its broker";
    refused(NOBODY, "", unreadable);
    let shown = machine.run(&format!("{NOBODY} downbeat config; {NOBODY} downbeat check")).ok();
    assert!(shown.contains(&format!("not known: {unreadable}")), "{shown}");
    // A broker that is named is the one.
    let sent = trigger(NOBODY, "--broker spool:/tmp/named").ok();
    assert!(sent.ends_with(" on spool:/tmp/named\n"), "{sent}");

    // Whether it is there is not to be seen, either.
    machine.run("rm /etc/credstore/downbeat.broker").ok();
    refused(NOBODY, "", unreadable);
    machine.write("/etc/default/downbeat", "DOWNBEAT_BROKER=spool:/tmp/other\n");
    refused("", "", "/etc/default/downbeat, read when the service starts, names its broker");
    machine.write("/etc/default/downbeat", "#DOWNBEAT_BROKER=spool:/tmp/other\n");
    refused(
        "",
        "--runtime-dir /run/downbeat-shop",
        "the broker of the file may be another service's",
    );
    assert_eq!(machine.run("ls -d /tmp/wrong /tmp/other").stdout, "", "nothing went elsewhere");
    let sent = trigger("", "").ok();
    assert!(sent.ends_with(" on spool:/tmp/wrong\n"), "now it is the service's: {sent}");

    let sent = trigger("", "--runtime-dir /run/own --config /etc/downbeat/downbeat.yaml").ok();
    assert!(sent.ends_with(" on spool:/tmp/wrong\n"), "a file that is named goes with it: {sent}");

    machine.write("/tmp/own.yaml", "broker_file: secret\n");
    machine.write("/tmp/secret", "spool:/tmp/right\n");
    machine.run("chmod 600 /tmp/secret").ok();
    refused(NOBODY, "--config /tmp/own.yaml", "this user cannot read the broker's file");
    let run = machine.run(&format!("{NOBODY} downbeat run --config /tmp/own.yaml"));
    let said = run.refused(78);
    assert!(said.contains("the broker's file cannot be read: permission denied"), "{said}");
}

#[test]
fn who_may_not_ask_the_service_is_told_who_may() {
    let Some(machine) = Machine::boot(Init::Bare) else { return };
    machine.write("/etc/downbeat/schedules/a.yaml", YEARLY);
    machine.write("/etc/downbeat/downbeat.yaml", "broker: spool:/var/lib/downbeat/spool\n");
    let start = "install -d -m 700 -o daemon /run/downbeat /var/lib/downbeat &&
        setsid setpriv --reuid daemon --clear-groups downbeat run >/dev/null 2>&1 </dev/null &
        until downbeat status; do sleep 0.1; done";
    machine.run(start).ok();
    for command in ["status", "trigger yearly", "peek celery", "reload", "list"] {
        let said = machine.run(&format!("{NOBODY} downbeat {command}")).refused(3);
        let expected = "the service in /run/downbeat runs as daemon, and no other user may ask it: run \
                        this with `sudo`, or as `sudo -u daemon downbeat …`";
        assert!(said.contains(expected), "{command}: {said}");
    }
    let sent = machine.run("setpriv --reuid daemon --clear-groups downbeat trigger yearly").ok();
    assert!(sent.ends_with(" on spool:/var/lib/downbeat/spool\n"), "{sent}");
}
