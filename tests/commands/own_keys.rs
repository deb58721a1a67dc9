//! Queues on Redis whose messages would go to keys that are downbeat's own.

use std::fs;

use super::{place_with, place_with_three};
use crate::support::redis::RedisServer;
use crate::support::tools::needs;

const DAY: [&str; 4] = ["--from", "2026-01-02 00:00", "--to", "2026-01-03 00:00"];

fn keys(server: &RedisServer) -> Vec<String> {
    redis::cmd("KEYS").arg("*").query(&mut server.connect()).unwrap()
}

#[test]
fn no_manual_message_goes_to_a_key_of_downbeats_own() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with_three().env("DOWNBEAT_BROKER", &server.url());
    let trigger = ["trigger", "nightly", "--queue", "downbeat:lease"];
    let backfill = [&["backfill", "nightly", "--queue", "downbeat:lease"], &DAY[..]].concat();
    let refused = || {
        for args in [&trigger[..], &backfill] {
            for more in [&[][..], &["--dry-run"]] {
                let said = place.run(&[args, more].concat()).refused(2);
                let expected = "downbeat: --queue downbeat:lease: messages would go to the key \
                                `downbeat:lease`, and every key that begins with `downbeat:` is \
                                downbeat's own; choose another name or prefix for the queue, or another \
                                `namespace`\n";
                assert_eq!(said, expected, "{args:?}");
            }
        }
    };
    refused();
    assert_eq!(keys(&server), [""; 0]);
    let shop = [&["--namespace", "shop"], &trigger[..]].concat();
    place.run(&shop).ok();
    assert_eq!(server.queue("downbeat:lease").len(), 1, "it is another's");
    let clear = redis::cmd("DEL").arg("downbeat:lease").to_owned();
    clear.query::<()>(&mut server.connect()).unwrap();

    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    refused();
    assert!(place.run(&["status"]).ok().contains(", leader, pid"));
    // A file's name may hold a colon.
    let spool = ["--broker", "spool:spool", "--runtime-dir", "none"];
    place.run(&[&spool, &trigger[..]].concat()).ok();
}

#[test]
fn no_schedule_names_a_queue_at_a_key_of_downbeats_own() {
    needs!(Redis);
    let server = RedisServer::start();
    let bad = "entries:\n  a: {task: t, every: 1h, queue: \"downbeat:lease\"}\n";
    let said = "jobs.yaml:2:34: messages would go to the key `downbeat:lease`, and every key that begins \
                with `downbeat:` is downbeat's own";
    let place = place_with(bad).env("DOWNBEAT_BROKER", &server.url());
    for (args, exit) in [(["check"], 1), (["run"], 78)] {
        let refused = place.run(&args).refused(exit);
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(keys(&server), [""; 0]);
    place.write_schedule("jobs.yaml", "entries:\n  a: {task: t, every: 1h}\n");
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    place.write_schedule("jobs.yaml", &format!("defaults: {{queue: \"downbeat:x\"}}\n{bad}"));
    let refused = place.run(&["reload", "--wait"]).refused(1);
    assert!(refused.contains("downbeat's own"), "{refused}");
    assert!(place.run(&["status"]).ok().contains(", leader, pid"));
}

#[test]
fn no_configuration_names_a_queue_at_a_key_of_downbeats_own() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with_three().env("DOWNBEAT_BROKER", &server.url());
    let config = place.path().join("downbeat.yaml");
    for (queues, key) in [
        ("'downbeat:journal': {worker: json}", "downbeat:journal"),
        ("celery: {options: {key_prefix: 'downbeat:'}}", "downbeat:celery"),
        ("downbeat: {options: {separator: ':'}}", "downbeat:3"),
        ("mail: {worker: bullmq, options: {prefix: downbeat}}", "downbeat:mail:wait"),
        ("mail: {worker: sidekiq, options: {namespace: downbeat}}", "downbeat:queue:mail"),
    ] {
        fs::write(&config, format!("queues:\n  {queues}\n")).unwrap();
        for (command, exit) in [(&["check"][..], 1), (&["run"], 78), (&["trigger", "nightly"], 2)] {
            let args = [&["--config", "downbeat.yaml"], command].concat();
            let refused = place.run(&args).refused(exit);
            let said =
                format!("downbeat.yaml:2:3: messages would go to the key `{key}`, and every ");
            assert!(refused.contains(&said), "{refused}");
        }
    }
    fs::write(&config, "namespace: rq\nqueues:\n  mail: {worker: rq}\n").unwrap();
    let refused = place.run(&["--config", "downbeat.yaml", "check"]).refused(1);
    assert!(refused.contains("3:3: messages would go to the key `rq:queue:mail`"), "{refused}");
    assert_eq!(keys(&server), [""; 0]);
}
