//! `config`: which settings are in force, and what set them.

use std::fs;

use serde_json::Value;

use super::place_with_three;

#[test]
fn config_shows_every_setting_what_set_it_and_no_secret() {
    let place = place_with_three()
        .env("DOWNBEAT_GRACE", "20s")
        .env("REDIS_URL", "redis://me:s3cret@host/1");
    let file = place.path().join("downbeat.yaml");
    fs::write(&file, "http: 9632\nlog:\n  format: logfmt\nqueues: {mail: {worker: sidekiq}}\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let args = ["config", "--config", file, "--namespace", "shop"];
    let shown = place.run(&args).ok();
    let expected = [
        format!("config\t{file}\t--config"),
        "broker\tredis://me:***@host:6379/1\tenvironment:REDIS_URL".to_owned(),
        "state\tnone\tdefault".to_owned(),
        "tls.ca\tnone\tdefault".to_owned(),
        "tls.cert\tnone\tdefault".to_owned(),
        "tls.key\tnone\tdefault".to_owned(),
        "tls.pin\tnone\tdefault".to_owned(),
        "schedules\t./schedules\tdefault".to_owned(),
        "namespace\tshop\t--namespace".to_owned(),
        "shadow\tfalse\tdefault".to_owned(),
        format!("queues\t{{\"mail\":{{\"worker\":\"sidekiq\"}}}}\t{file}:4:9"),
        "events\tfalse\tdefault".to_owned(),
        "leader.ttl\t6s\tdefault".to_owned(),
        "grace\t20s\tenvironment:DOWNBEAT_GRACE".to_owned(),
        format!("http\t127.0.0.1:9632\t{file}:1:7"),
        "history.keep\t1w\tdefault".to_owned(),
        "history.slots\t200000\tdefault".to_owned(),
        format!("log.format\tlogfmt\t{file}:3:11"),
        "log.level\tinfo\tdefault".to_owned(),
        format!("state_dir\t{}\tdefault", place.state().display()),
        format!("runtime_dir\t{}\tdefault", place.runtime().display()),
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);

    let json = place.run(&[&args[..], &["--json"]].concat()).json(0);
    assert_eq!(json["http"]["value"], "127.0.0.1:9632");
    assert_eq!(json["http"]["source"], format!("{file}:1:7"));
    assert_eq!(
        (&json["log.level"]["value"], &json["log.level"]["source"]),
        (&"info".into(), &Value::Null)
    );
    assert_eq!(json.as_object().unwrap().len(), expected.len());
    assert!(!json.to_string().contains("s3cret"));
}

#[test]
fn config_without_a_broker_shows_the_spool_that_is_used() {
    let place = place_with_three();
    let spool = place.state().join("spool");
    let json = place.run(&["config", "--json"]).json(0);
    assert_eq!(json["broker"]["value"], format!("spool:{}", spool.display()));
    assert!(json["config"]["value"].is_null() && json["http"]["value"].is_null());
}

#[test]
fn config_and_check_tell_what_is_wrong_with_a_setting_and_where() {
    let place = place_with_three();
    fs::write(place.path().join("c.yaml"), "log: {level: info}\nhttp: everywhere\n").unwrap();
    for args in [["config", "--config", "c.yaml"], ["check", "--config", "c.yaml"]] {
        let said = place.run(&args).refused(1);
        assert!(said.contains("c.yaml:2:7: this is not an address to listen on"), "{said}");
    }
    let said = place.run(&["run", "--config", "c.yaml"]).refused(78);
    assert!(said.contains("c.yaml:2:7: "), "{said}");
    let said = place.run(&["check", "--http", "1.2.3.4"]).refused(1);
    assert!(said.starts_with("--http: this is not an address to listen on\n"), "{said}");
}
