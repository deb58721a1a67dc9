//! `trigger`: one manual message, the same with and without a service, and no step of the schedule.

use serde_json::{Value, json};

use super::{place_with, place_with_three};
use crate::support::downbeat::Place;
use crate::support::proxy::Proxy;
use crate::support::redis::{RedisServer, free_port};
use crate::support::sent::Sent;
use crate::support::tools::needs;

fn place(server: &RedisServer) -> Place {
    place_with_three().env("DOWNBEAT_BROKER", &server.url())
}

fn progress(place: &Place) -> Vec<(Value, Value)> {
    let list = place.run(&["list", "--json"]).json(0);
    let steps = |entry: &Value| (entry["last"].clone(), entry["next"].clone());
    list.as_array().unwrap().iter().map(steps).collect()
}

/// Triggers in every way, which must not depend on whether a service runs.
fn trigger_in_every_way(server: &RedisServer, place: &Place) {
    let before = progress(place);
    let printed = place.run(&["trigger", "nightly"]).ok();
    let [plain] = &server.queue("reports")[..] else { panic!("not one message") };
    assert!(printed.starts_with(&format!("sent nightly to reports as {} ", plain.id)), "{printed}");
    assert_eq!((plain.entry.as_str(), plain.kind.as_str()), ("nightly", "manual"));
    assert_eq!(plain.task, "reports.build");
    assert_eq!(plain.args, json!(["daily"]));
    assert_eq!(plain.kwargs, json!({"tenant": 42, "ü": "☃"}));

    let edited = ["--args", "[1, {\"é\": null}]", "--kwargs", "{\"a\": []}", "--queue", "other"];
    let slot = ["--slot", "2026-01-02 03:00", "--json"];
    let json = place.run(&[&["trigger", "nightly"], &edited[..], &slot].concat()).json(0);
    let [sent] = &server.queue("other")[..] else { panic!("not one message") };
    assert_eq!((&json["task_id"], &json["queue"]), (&sent.id.clone().into(), &"other".into()));
    assert_eq!(json["slot"], "2026-01-02T03:00:00+09:00");
    assert_eq!(json["slot_utc"], "2026-01-01T18:00:00Z");
    assert_eq!((&json["entry"], &json["sent"]), (&"nightly".into(), &true.into()));
    assert_eq!(Sent::decode(json["message"].as_str().unwrap().as_bytes()), *sent);
    assert_eq!(sent.slot, "2026-01-01T18:00:00.000Z");
    assert_eq!((&sent.args, &sent.kwargs), (&json!([1, {"é": null}]), &json!({"a": []})));
    assert_ne!(sent.id, plain.id);

    // A slot is triggered as often as one likes, each time as a new task.
    place.run(&[&["trigger", "nightly"], &edited[..], &slot].concat()).ok();
    let [_, again] = &server.queue("other")[..] else { panic!("not two messages") };
    assert_ne!(again.id, sent.id);
    // Switched off means that it does not fire by itself.
    place.run(&["trigger", "switched-off", "--queue", "off"]).ok();
    assert_eq!(server.queue("off").len(), 1);

    let dry = place.run(&["trigger", "nightly", "--dry-run"]).stderr;
    let body = "decoded body: [[\"daily\"],{\"tenant\":42,\"ü\":\"☃\"},{";
    assert!(dry.starts_with(body), "{dry}");
    let dry = place.run(&["trigger", "nightly", "--dry-run", "--json"]).json(0);
    assert_eq!(dry["body"][0], json!(["daily"]));
    let printed = place.run(&["trigger", "digest-berlin", "--dry-run"]).ok();
    let shown = Sent::decode(printed.trim_end().as_bytes());
    assert_eq!((shown.entry.as_str(), shown.kind.as_str()), ("digest-berlin", "manual"));
    assert!(server.queue("mail").is_empty(), "a dry run sends nothing");
    assert_eq!(progress(place), before, "the schedule moved");

    for (args, code, said) in [
        (&["nightli"][..], 1, "no entry is named `nightli`; did you mean `nightly`?"),
        (&["nope"], 1, "no entry is named `nope`; `downbeat list` names them all"),
        (&["nightly", "--args", "[1,"], 2, "--args is not JSON"),
        (&["nightly", "--args", "a"], 2, "; write it like '[1, \"a\"]'"),
        (&["nightly", "--kwargs", "tenant=43"], 2, "; write it like '{\"a\": 1}'"),
        (&["nightly", "--args", "{}"], 2, "--args takes a JSON array"),
        (&["nightly", "--kwargs", "[1]"], 2, "--kwargs takes a JSON object"),
        (&["nightly", "--slot", "later"], 2, "--slot: `later` is not a date and time"),
        (
            &["nightly", "--slot", "2026-01-02"],
            2,
            "--slot: 2026-01-02T00:00:00+09:00 is not a slot of `nightly`; the nearest are \
             2026-01-01T03:00:00+09:00 and 2026-01-02T03:00:00+09:00",
        ),
        (&["nightly", "--slot", "2026-01-02 03:00:01"], 2, "is not a slot of `nightly`"),
        (&["nightly", "--queue", ""], 2, "--queue"),
        (&["nightly", "--queue", "a\nb"], 2, "--queue: the name holds a control character"),
        (&[], 2, "<ENTRY>"),
    ] {
        let refused = place.run(&[&["trigger"], args].concat()).refused(code);
        assert!(refused.contains(said), "{args:?}: {refused}");
    }
    assert_eq!(server.queue("reports").len(), 1);
}

#[test]
fn trigger_works_without_a_service() {
    needs!(Redis);
    let server = RedisServer::start();
    trigger_in_every_way(&server, &place(&server));
}

#[test]
fn trigger_works_through_a_running_service_and_shows_in_its_log() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    trigger_in_every_way(&server, &place);
    let manual = downbeat.dispatches();
    assert_eq!(manual.len(), 4);
    assert!(manual.iter().all(|dispatch| dispatch.kind.as_deref() == Some("manual")));
    // Written like every other line: slots in UTC, names quoted.
    let line = downbeat.wait_for_log("dispatched entry=\"nightly\" queue=\"other\"");
    assert!(line.contains("slot=2026-01-01T18:00:00Z "), "{line}");
    assert_eq!(place.run(&["status", "--json"]).json(0)["slots"], json!({"manual": 4}));
}

/// Every template, and braces that are none.
const TEMPLATES: &str = r#"
timezone: Asia/Seoul
entries:
  filled:
    task: t
    cron: "0 3 * * mon-fri"
    queue: filled
    args: ["{{ slot }}", "{{ previous_slot | date }}", '{{ slot | format("%Y-%m") }}']
    kwargs: {entry: "{{ entry }}", id: "{{ task_id }}", "at {}": ["{{ slot | unix }}", '{{ "{{" }}']}
    headers: {x-text: "of {{ slot | date }}, after {{ previous_slot | unix }}"}
  once: {task: t, at: 2030-01-01 00:00, queue: filled, args: ["{{ previous_slot }}", "{{ previous_slot }}."]}
"#;

fn check_filled(sent: &Sent) {
    let args = json!(["2026-11-23T03:00:00+09:00", "2026-11-20", "2026-11"]);
    assert_eq!((&sent.args, &sent.slot), (&args, &"2026-11-22T18:00:00.000Z".to_owned()));
    let kwargs = json!({"entry": "filled", "id": sent.id, "at {}": [1_795_370_400, "{{"]});
    assert_eq!(sent.kwargs, kwargs);
    assert_eq!(sent.headers["x-text"], "of 2026-11-23, after 1795111200");
}

#[test]
fn templates_are_filled_in_from_the_slot_that_is_asked_for() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with(TEMPLATES).env("DOWNBEAT_BROKER", &server.url());
    let slot = ["trigger", "filled", "--slot", "2026-11-23 03:00"];
    let decoded = |args: &[&str]| Sent::decode(place.run(args).ok().trim_end().as_bytes());
    check_filled(&decoded(&[&slot[..], &["--dry-run"]].concat()));
    let once = decoded(&["trigger", "once", "--slot", "2030-01-01 00:00", "--dry-run"]);
    assert_eq!(once.args, json!([null, "."]));
    // What is typed is meant as it is.
    let typed = ["--args", r#"["{{ slot }}"]"#, "--dry-run"];
    let typed = decoded(&[&slot[..], &typed].concat());
    assert_eq!((&typed.args, &typed.kwargs["entry"]), (&json!(["{{ slot }}"]), &"filled".into()));

    place.run(&slot).ok();
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    check_filled(&decoded(&[&slot[..], &["--dry-run"]].concat()));
    place.run(&slot).ok();
    let sent = server.queue("filled");
    assert_eq!(sent.len(), 2);
    sent.iter().for_each(check_filled);
}

#[test]
fn trigger_says_when_neither_service_nor_broker_answers() {
    let url = format!("redis://127.0.0.1:{}/0", free_port());
    let place = place_with_three().env("DOWNBEAT_BROKER", &url);
    let said = place.run(&["trigger", "nightly"]).refused(3);
    assert!(said.contains("not sent: no connection to redis://127.0.0.1"), "{said}");
    place.run(&["trigger", "nightly", "--dry-run"]).ok();
}

/// Loses the answer to a trigger, and does as the command says.
fn repeat_what_may_have_been_sent(server: &RedisServer, proxy: &Proxy, place: &Place) {
    let before = server.queue("reports").len();
    proxy.lose_the_reply_to(&["\tmanual\t"]);
    let said = place.run(&["trigger", "nightly"]).refused(3);
    let (_, id) =
        said.split_once("nightly may have been sent as ").unwrap_or_else(|| panic!("{said}"));
    let (id, _) = id.split_once(':').unwrap();
    let what_to_do = format!(
        "see `downbeat history nightly`, or repeat the command with `--id {id}`, which sends nothing twice\n"
    );
    assert!(said.ends_with(&what_to_do), "{said}");
    let repeated = place.run(&["trigger", "nightly", "--id", id]).ok();
    assert!(
        repeated.starts_with(&format!("already sent: nightly to reports as {id} ")),
        "{repeated}"
    );
    let json = place.run(&["trigger", "nightly", "--id", id, "--json"]).json(0);
    assert_eq!((&json["sent"], &json["sent_before"]), (&false.into(), &true.into()));
    let sent = server.queue("reports");
    assert_eq!((sent.len(), sent[before].id.as_str()), (before + 1, id));
}

#[test]
fn a_trigger_whose_answer_is_lost_is_repeated_as_it_says_without_a_double() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let place = place_with_three().env("DOWNBEAT_BROKER", &proxy.url());
    repeat_what_may_have_been_sent(&server, &proxy, &place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    repeat_what_may_have_been_sent(&server, &proxy, &place);
    let line = downbeat.wait_for_log("failed to confirm a dispatch");
    assert!(line.contains("entry=\"nightly\"") && line.contains("kind=\"manual\""), "{line}");
}

#[test]
fn a_trigger_that_a_queue_refuses_was_not_sent() {
    needs!(Redis);
    let server = RedisServer::start();
    let _: () = redis::Commands::set(&mut server.connect(), "reports", "no list").unwrap();
    let said = place(&server).run(&["trigger", "nightly"]).refused(1);
    assert!(said.contains("not sent: ") && said.contains("WRONGTYPE"), "{said}");
}

#[test]
fn a_service_that_hangs_may_have_sent_what_it_was_asked_for() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let mut downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    downbeat.process().pause();
    let said = place.run(&["trigger", "nightly"]).refused(3);
    assert!(said.contains("nightly may have been sent as "), "{said}");
    assert!(said.contains("did not answer within 10 s"), "{said}");
    assert!(said.ends_with("which sends nothing twice unless the queue is on AMQP\n"), "{said}");
}
