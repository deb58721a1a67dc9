//! `pause` and `resume`: with and without the service, and what is seen of them.

use std::fs;

use serde_json::{Value, json};

use super::history::{lead, on_each_store, stop};
use super::{place_with, place_with_three};
use crate::support::downbeat::Place;
use crate::support::http::scrape;
use crate::support::redis::{RedisServer, free_port};
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

const TICKS: &str = "timezone: Asia/Seoul\nentries:\n  \
    tick: {task: t, every: 1s, queue: q, tags: [often]}\n  tock: {task: t, every: 1s, queue: q}\n";

/// What became of an entry's slots, oldest first.
fn outcomes(place: &Place, entry: &str) -> Vec<String> {
    let events = place.events(&[entry]);
    events.iter().map(|event| event["outcome"].as_str().unwrap().to_owned()).collect()
}

fn wait_for_outcome(place: &Place, entry: &str, outcome: &str, more: usize) {
    let count = || outcomes(place, entry).iter().filter(|found| *found == outcome).count();
    let before = count();
    eventually(SOON, &format!("{entry}: {outcome}"), || (count() >= before + more).then_some(()));
}

#[test]
fn a_pause_holds_with_and_without_the_service_until_somebody_resumes() {
    on_each_store(|place_with| {
        let place = place_with(TICKS);
        // The store is asked directly.
        let printed = place.run(&["pause", "tick", "--note", "database moves"]).ok();
        assert!(printed.starts_with("paused tick until resumed, by "), "{printed}");
        assert!(printed.ends_with(": database moves\n"), "{printed}");
        let mut downbeat = lead(&place);
        wait_for_outcome(&place, "tock", "scheduled", 2);
        wait_for_outcome(&place, "tick", "paused", 2);
        assert!(outcomes(&place, "tick").iter().all(|outcome| outcome == "paused"));
        let event = &place.events(&["tick"])[0];
        assert_eq!(
            (&event["reason"], &event["note"]),
            (&json!("paused"), &json!("database moves"))
        );
        assert!(event["by"].as_str().unwrap().contains('@'), "{event}");
        let resumed = place.run(&["resume", "tick"]).ok();
        assert!(resumed.starts_with("resumed tick (paused since "), "{resumed}");
        wait_for_outcome(&place, "tick", "scheduled", 2);
        // Through the service.
        place.run(&["pause", "--tag", "often"]).ok();
        let before = outcomes(&place, "tick").iter().filter(|found| *found == "scheduled").count();
        wait_for_outcome(&place, "tick", "paused", 2);
        let sent = outcomes(&place, "tick").iter().filter(|found| *found == "scheduled").count();
        assert_eq!(sent, before, "nothing goes once it has answered");
        stop(&mut downbeat);
        let resumed = place.run(&["resume", "--tag", "often"]).ok();
        assert!(resumed.starts_with("resumed tag often (paused since "), "{resumed}");
        let mut downbeat = lead(&place);
        wait_for_outcome(&place, "tick", "scheduled", 1);
        stop(&mut downbeat);
        let slots = place.events(&["tick", "--count", "1000"]);
        let slots: Vec<i64> = slots
            .iter()
            .filter(|event| event["outcome"] == "scheduled" || event["outcome"] == "paused")
            .map(|event| crate::support::sent::instant(event["slot_utc"].as_str().unwrap()).0)
            .collect();
        let mut once = slots.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), slots.len(), "no slot twice: {slots:?}");
    });
}

/// Looks at what is paused, which must not depend on whether a service runs.
fn look_everywhere(place: &Place) {
    let list = place.run(&["list"]).ok();
    let line = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("tick\t").ends_with("\tpaused until 2031-01-02T03:00:00+09:00"), "{list}");
    assert!(line("tock\t").ends_with("\tpaused"), "{list}");
    let list = place.run(&["list", "--json"]).json(0);
    let paused = &list[0]["paused"];
    assert_eq!(paused["subject"], "entry:tick");
    assert_eq!(paused["until"], "2031-01-02T03:00:00+09:00");
    assert_eq!(paused["until_utc"], "2031-01-01T18:00:00Z");
    assert_eq!(paused["note"], "why not");
    assert_eq!(list[1]["paused"]["subject"], "entry:tock");
    assert!(list[1]["paused"]["until"].is_null());
    let one = place.run(&["list", "tick"]).ok();
    assert!(one.contains("\npaused       since "), "{one}");
    assert!(one.contains(", until 2031-01-02T03:00:00+09:00, by "), "{one}");
    let status = place.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let pauses = status["pauses"].as_array().unwrap().iter();
    let subjects: Vec<_> = pauses.map(|one| one["subject"].as_str().unwrap()).collect();
    assert_eq!((subjects, &status["pause_count"]), (vec!["entry:tick", "entry:tock"], &json!(2)));
    let shown = place.run(&["status"]).stdout;
    assert!(shown.contains("\n           tock until resumed, by "), "{shown}");
    let sent = place.run(&["trigger", "tick"]).ok();
    assert!(sent.contains("; tick is paused until 2031-01-02T03:00:00+09:00, by "), "{sent}");
    let sent = place.run(&["trigger", "tock", "--json"]).json(0);
    assert_eq!((&sent["sent"], &sent["paused"]["subject"]), (&json!(true), &json!("entry:tock")));
    let range = ["--from", "2026-01-01 00:00:00", "--to", "2026-01-01 00:00:02"];
    let filled = place.run(&[&["backfill", "tock"], &range[..]].concat());
    assert_eq!(filled.stdout.lines().count(), 2, "{filled:?}");
    assert!(filled.stderr.contains("tock is paused until resumed, by "), "{filled:?}");
    assert!(filled.stderr.contains("; sending anyway"), "{filled:?}");
}

#[test]
fn what_is_paused_shows_everywhere_with_and_without_the_service() {
    on_each_store(|place_with| {
        let place = place_with(TICKS);
        let until = ["--until", "2031-01-02 03:00", "--note", "why not"];
        place.run(&[&["pause", "tick"], &until[..]].concat()).ok();
        place.run(&["pause", "tock"]).ok();
        look_everywhere(&place);
        let _downbeat = lead(&place);
        look_everywhere(&place);
    });
}

#[test]
fn of_several_pauses_the_one_that_ends_last_is_told_and_each_is_resumed_alone() {
    on_each_store(|place_with| {
        let place = place_with(TICKS);
        let subjects = || {
            let list = place.run(&["list", "--json"]).json(0);
            [0, 1].map(|n| list[n]["paused"]["subject"].as_str().unwrap_or("").to_owned())
        };
        place.run(&["pause", "--all", "--until", "5m"]).ok();
        place.run(&["pause", "tick", "--until", "2031-01-02 03:00", "--note", "why not"]).ok();
        assert_eq!(subjects(), ["entry:tick", "all"]);
        let printed = place.run(&["pause", "--all"]).ok();
        assert!(printed.contains(" (before: until "), "{printed}");
        assert_eq!(subjects(), ["all", "all"]);
        let one = place.run(&["list", "tick"]).ok();
        assert!(one.contains(" with all entries, until resumed, by "), "{one}");
        let resumed = place.run(&["resume", "tock"]).ok();
        assert!(
            resumed.starts_with("tock is not paused\nstill paused: all entries until resumed, by")
        );
        place.run(&["pause", "tock"]).ok();
        let resumed = place.run(&["resume", "--all"]).ok();
        assert!(
            resumed.contains("\nstill paused: tick until 2031-01-02T03:00:00+09:00"),
            "{resumed}"
        );
        assert!(resumed.contains("\nstill paused: tock until resumed, by "), "{resumed}");
        let resumed = place.run(&["resume", "tock"]).ok();
        assert!(!resumed.contains("still"), "{resumed}");
        assert_eq!(subjects(), ["entry:tick", ""]);
    });
}

#[test]
fn what_cannot_be_paused_is_refused_and_what_is_so_already_is_said() {
    let place = place_with_three().env("DOWNBEAT_BROKER", "spool:spool");
    for command in ["pause", "resume"] {
        for (args, code, said) in [
            (&["nightli"][..], 1, "no entry is named `nightli`; did you mean `nightly`?"),
            (&["nightly", "nope"], 1, "no entry is named `nope`; `downbeat list` names them all"),
            (&["--tag", "x"], 1, "no entry has the tag `x`"),
            (&[], 2, "<ENTRY|--tag <TAG>|--all>"),
        ] {
            let refused = place.run(&[&[command], args].concat()).refused(code);
            assert!(refused.contains(said), "{command} {args:?}: {refused}");
        }
    }
    for (until, said) in [
        ("2026-01-01 00:00", "--until: 2025-12-31T15:00:00Z is past: it is "),
        ("0s", "is past"),
        ("soon", "--until: `soon` is not a date and time; write `2026-"),
    ] {
        let refused = place.run(&["pause", "nightly", "--until", until]).refused(2);
        assert!(refused.contains(said), "{refused}");
    }
    let refused = place.run(&["pause", "--all", "--until", "2031-01-01 00:00"]).refused(2);
    assert!(refused.contains("the entries have several zones"), "{refused}");
    let refused = place.run(&["pause", "nightly", "--note", &"x".repeat(501)]).refused(2);
    assert!(refused.contains("--note: a note has at most 500 bytes"), "{refused}");
    assert_eq!(place.run(&["resume", "nightly"]).ok(), "nightly is not paused\n");
    let all = place.run(&["resume", "--all"]).ok();
    assert_eq!(all, "nothing to resume: `pause --all` is not in effect\n");
    let all = place.run(&["pause", "--all"]).ok();
    let said = "paused all entries of namespace `downbeat` on spool:spool until resumed, by ";
    assert!(all.starts_with(said), "{all}");
    place.run(&["resume", "--all"]).ok();
    place.run(&["pause", "nightly"]).ok();
    let again = place.run(&["pause", "nightly"]).ok();
    assert!(again.starts_with("nightly is already paused until resumed, by "), "{again}");
    let answered = place.run(&["pause", "nightly", "--until", "2h", "--json"]).json(0);
    let subject = &answered["subjects"][0];
    assert_eq!((&subject["subject"], &subject["changed"]), (&json!("entry:nightly"), &json!(true)));
    assert!(subject["before"]["until"].is_null() && subject["paused"]["until"].is_string());
    assert_eq!((&answered["may_still_go"], &answered["replicated"]), (&json!([]), &Value::Null));
}

#[test]
fn an_entry_that_has_left_can_be_resumed() {
    let place = place_with_three().env("DOWNBEAT_BROKER", "spool:spool");
    place.run(&["pause", "nightly"]).ok();
    fs::remove_file(place.schedules().join("jobs.yaml")).unwrap();
    place.write_schedule("jobs.yaml", "entries: {other: {task: t, every: 1h}}");
    let resumed = place.run(&["resume", "nightly"]).ok();
    assert!(resumed.starts_with("resumed nightly (paused since "), "{resumed}");
    place.run(&["resume", "nightly"]).refused(1);
    // Nor does that need schedule files.
    place.run(&["pause", "other"]).ok();
    fs::remove_file(place.schedules().join("jobs.yaml")).unwrap();
    let resumed = place.run(&["resume", "other"]).ok();
    assert!(resumed.starts_with("resumed other (paused since "), "{resumed}");
}

#[test]
fn without_a_store_nothing_is_changed_and_that_is_said() {
    let url = format!("redis://:s3cret@127.0.0.1:{}/0", free_port());
    let place = place_with_three().env("DOWNBEAT_BROKER", &url);
    let said = place.run(&["pause", "nightly"]).refused(3);
    assert!(said.starts_with("downbeat: nothing was changed: no connection to "), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    let unnamed = place_with_three().run(&["resume", "nightly"]).refused(3);
    assert!(unnamed.contains("no broker is configured"), "{unnamed}");
}

#[test]
fn pauses_are_part_of_the_metrics_and_unreadable_ones_are_named() {
    needs!(Redis);
    let server = RedisServer::start();
    let port = free_port().to_string();
    let place = place_with(TICKS).env("DOWNBEAT_BROKER", &server.url()).env("DOWNBEAT_HTTP", &port);
    place.run(&["pause", "tick", "--until", "2031-01-02 03:00", "--note", "a \"b\"\n"]).ok();
    let garbage = ["downbeat:pauses", "tag:x", "garbage\u{1b}"];
    redis::cmd("HSET").arg(&garbage).exec(&mut server.connect()).unwrap();
    let _downbeat = lead(&place);
    let metrics = eventually(SOON, "the pause is a metric", || {
        let text = scrape(&format!("127.0.0.1:{port}"));
        text.contains("\ndownbeat_pauses 1\n").then_some(text)
    });
    let line = metrics.lines().find(|line| line.starts_with("downbeat_pause_end_timestamp"));
    let line = line.unwrap();
    assert!(line.contains("subject=\"entry:tick\"") && line.ends_with("} 1925056800"), "{line}");
    assert!(line.contains("note=\"a \\\"b\\\"\""), "{line}");
    let status = place.run(&["status"]);
    let trouble = "the pause of `tag:x` cannot be read and has no effect; resume it to remove it: \
                   pause: `garbage";
    assert!(status.stdout.contains(trouble), "{status:?}");
    assert!(!status.stdout.contains('\u{1b}'), "{status:?}");
    let resumed = place.run(&["resume", "--tag", "x"]).ok();
    assert!(resumed.starts_with("resumed"), "{resumed}");
    eventually(SOON, "the trouble is over", || {
        (!place.run(&["status"]).stdout.contains("cannot be read")).then_some(())
    });
    assert!(place.run(&["list"]).ok().contains("paused"), "the other pause is left alone");
}
