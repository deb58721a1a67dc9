//! The control socket of the real binary, over plain HTTP.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::downbeat::{Downbeat, Place};
use crate::support::http::{Answer, ask_socket};
use crate::support::wait::{SOON, wall_clock};

/// Names that a path could be taken apart by.
const NAMES: [&str; 5] = ["plain", "a/b c", "100%/%2F?x=1&y#z", "이름", ".."];

fn socket(place: &Place) -> PathBuf {
    place.runtime().join("control.sock")
}

/// A leader on a spool, whose entries never come due.
fn idle() -> (Place, Downbeat) {
    let place = Place::new();
    let entry = |name: &&str| format!("  {}: {{task: t, cron: '0 0 1 1 *'}}\n", json!(name));
    let entries: String = NAMES.iter().map(entry).collect();
    place.write_schedule("a.yaml", &format!("entries:\n{entries}"));
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_log("became leader");
    (place, downbeat)
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn ask(place: &Place, method: &str, path: &str, body: &str) -> Answer {
    Answer::read(&ask_socket(&socket(place), &request(method, path, body)))
}

#[test]
fn what_commands_ask_can_be_asked_by_anything_that_speaks_http() {
    let (place, _downbeat) = idle();
    let status = ask(&place, "GET", "/v1/status", "");
    assert_eq!(status.code, 200);
    assert!(status.head.contains("\r\ncontent-type: application/json\r\n"), "{status:?}");
    assert!(status.head.contains("\r\ndownbeat-namespace: downbeat\r\n"), "{status:?}");
    assert!(status.head.contains("\r\ndownbeat-broker: spool:"), "{status:?}");
    let tidy = |mut status: Value| {
        assert!(status["last_tick"].take().is_string());
        // The files are kept a moment after the start.
        status["schedule"]["kept_at"].take();
        status
    };
    let output = tidy(place.run(&["status", "--json"]).json(0));
    assert_eq!(tidy(status.json()), output);
    assert_eq!(tidy(ask(&place, "GET", "/status", "").json()), output);

    let entries = ask(&place, "GET", "/v1/entries", "").json();
    assert_eq!(entries, place.run(&["list", "--json"]).json(0));
    assert_eq!(entries.as_array().unwrap().len(), NAMES.len());
    assert_eq!(ask(&place, "POST", "/v1/reload?wait=true", "").code, 200);
    assert_eq!(ask(&place, "POST", "/v1/reload", "").code, 202);
    place.write_schedule("b.yaml", "entries: {b: {task: t, crom: x}}\n");
    let refused = ask(&place, "POST", "/v1/reload?wait=true", "");
    assert_eq!(refused.code, 422);
    let why = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(why.contains("b.yaml:1:24: unknown key `crom` in an entry"), "{why}");
    let resigned = ask(&place, "POST", "/v1/resign", "");
    assert_eq!(resigned.code, 409, "{resigned:?}");
    assert_eq!(place.run(&["resign"]).code, Some(1));

    let leader = ask(&place, "GET", "/v1/leader", "");
    assert_eq!((leader.code, leader.json()), (200, json!({"leader": null})));
    let messages = ask(&place, "GET", "/v1/queues/celery/messages?count=3", "");
    assert_eq!((messages.code, &messages.json()["messages"]), (200, &json!([])));
    let asked = ask(&place, "POST", "/v1/workers/inspect", r#"{"queues": ["celery"]}"#);
    assert_eq!(asked.code, 422, "{asked:?}");
    assert!(asked.json()["error"].as_str().unwrap().contains("the broker is a spool"), "{asked:?}");
    for path in ["/livez", "/readyz", "/leaderz", "/metrics", "/"] {
        assert_eq!(ask(&place, "GET", path, "").code, 200, "{path}");
    }
}

#[test]
fn an_entry_is_triggered_by_its_name_whatever_is_in_it() {
    let (place, _downbeat) = idle();
    for (number, name) in NAMES.into_iter().enumerate() {
        let triggered: Value = place.run(&["trigger", name, "--json"]).json(0);
        assert_eq!((&triggered["entry"], &triggered["sent"]), (&name.into(), &true.into()));
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/v1/entries/{encoded}/trigger");
        let asked = ask(&place, "POST", &path, r#"{"args": [1], "dry_run": true}"#);
        assert_eq!(asked.code, 200, "{asked:?}");
        let asked = asked.json();
        assert_eq!((&asked["entry"], &asked["sent"]), (&name.into(), &false.into()));
        let messages = ask(&place, "GET", "/v1/queues/celery/messages", "").json();
        assert_eq!(messages["messages"].as_array().unwrap().len(), number + 1);
    }
    let backfill =
        json!({"from": "2020-01-01T00:00:00Z", "to": "2023-01-01T00:00:00Z", "dry_run": true})
            .to_string();
    let slots = ask(&place, "POST", "/v1/entries/a%2Fb%20c/backfill", &backfill).json();
    assert_eq!(slots["slots"].as_array().unwrap().len(), 3);
    for (path, body, code) in [
        ("/v1/entries/plane/trigger", "", 404),
        ("/v1/entries/plane/backfill", &*backfill, 404),
        ("/v1/entries/plain/trigger", r#"{"args": 1}"#, 422),
        ("/v1/entries/plain/backfill", r#"{"from": "soon", "to": "later"}"#, 422),
    ] {
        let answer = ask(&place, "POST", path, body);
        assert_eq!(answer.code, code, "{answer:?}");
        assert!(answer.json()["error"].is_string() && answer.json()["detail"].is_object());
    }
    let output = place.run(&["trigger", "plane"]).refused(1);
    assert!(output.contains("no entry is named `plane`; did you mean `plain`?"), "{output}");
    let output = place.run(&["trigger", ""]).refused(1);
    assert!(output.contains("no entry is named ``"), "{output}");
}

#[test]
fn what_is_not_there_or_not_asked_properly_is_refused_in_json() {
    let (place, _downbeat) = idle();
    let unknown = ask(&place, "GET", "/v1/nowhere", "");
    assert_eq!(unknown.code, 404);
    assert!(unknown.json()["error"].as_str().unwrap().contains("`GET /` lists all"), "{unknown:?}");
    assert!(unknown.head.contains("\r\ndownbeat-namespace: downbeat\r\n"), "{unknown:?}");
    let wrong = ask(&place, "GET", "/v1/resign", "");
    assert_eq!(wrong.code, 405);
    assert!(wrong.head.contains("\r\nallow: post\r\n") && wrong.json()["error"].is_string());
    assert!(ask(&place, "DELETE", "/v1/entries", "").head.contains("\r\nallow: get,head\r\n"));
    let head = ask(&place, "HEAD", "/v1/status", "");
    assert_eq!((head.code, head.body.as_str()), (200, ""));
    assert_eq!(ask(&place, "HEAD", "/v1/reload", "").code, 405);
    let body = ask(&place, "POST", "/v1/entries/plain/trigger", "{");
    assert_eq!((body.code, body.json()["error"].is_string()), (400, true));
    // Whoever asks before sending it all, as curl does, is told at once.
    let large = "POST /v1/entries/plain/trigger HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n";
    let large = Answer::read(&ask_socket(&socket(&place), large));
    assert_eq!(large.code, 413);
    assert!(large.json()["error"].as_str().unwrap().contains("longer than 1048576"), "{large:?}");
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000));
    assert_eq!(Answer::read(&ask_socket(&socket(&place), &long)).code / 100, 4);
    let line = Answer::read(&ask_socket(&socket(&place), "{\"command\":\"status\"}\n\n"));
    assert_eq!(line.code, 400);
}

#[test]
fn requests_that_are_sent_at_once_are_answered_in_order() {
    let (place, _downbeat) = idle();
    let path = |name: &str| format!("/v1/entries/{name}/trigger");
    let body = "{\"dry_run\": true}";
    let length = body.len();
    let mut all = String::new();
    for name in ["plain", "nowhere", ".."] {
        let path = path(name);
        all +=
            &format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    }
    all += "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    all += &request("GET", "/leaderz", "");
    let answers = ask_socket(&socket(&place), &all);
    let codes: Vec<_> =
        answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(codes, ["200", "404", "200", "200", "200"], "{answers}");
    let place_of = |text: &str| answers.find(text).unwrap_or_else(|| panic!("{text}: {answers}"));
    let places = [
        place_of(r#""entry":"plain""#),
        place_of("no entry is named `nowhere`"),
        place_of(r#""entry":"..""#),
        place_of("the main loop last ran"),
        place_of("\r\n\r\nleader\n"),
    ];
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn clients_of_the_socket_that_hang_cost_no_slot_and_no_answer() {
    let place = Place::new();
    place.write_schedule("a.yaml", "entries: {tick: {task: t, every: 1s}}\n");
    let downbeat = place.start(&["run"]);
    downbeat.wait_for_dispatches("tick", 0, 1);
    let from = wall_clock();
    let mut hanging = Vec::new();
    for _ in 0..60 {
        for said in ["", "GET /v1/sta", "POST /v1/resign HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
            let mut stream = UnixStream::connect(socket(&place)).unwrap();
            // It may have been hung up on already, which is as it should be.
            let _ = stream.write_all(said.as_bytes());
            hanging.push(stream);
        }
    }
    // More than may be open; what is asked properly is answered nevertheless.
    assert_eq!(ask(&place, "GET", "/v1/status", "").code, 200);
    place.run(&["status", "--live"]).ok();
    let slots: Vec<_> = downbeat.wait_for_dispatches("tick", from.0, 3);
    assert!(slots.windows(2).all(|two| two[1].slot_ms - two[0].slot_ms == 1000), "{slots:?}");
    hanging[0].set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(hanging[0].read(&mut [0]).unwrap(), 0, "the first was hung up on");
}

#[test]
fn the_socket_is_gone_once_the_service_has_stopped() {
    let (place, mut downbeat) = idle();
    let mut open = UnixStream::connect(socket(&place)).unwrap();
    open.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut byte = [0];
    assert_eq!(open.read(&mut byte).unwrap(), 1);
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
    assert!(!socket(&place).exists());
    let output = place.run(&["resign"]).refused(3);
    assert!(output.contains("no service listens on"), "{output}");
}
