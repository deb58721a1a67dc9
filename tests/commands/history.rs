//! `history`, and what `list` says of the past: what became of slots, with and without the service.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::output::on_a_terminal;
use super::{place_with, place_with_three};
use crate::support::cluster::time_of;
use crate::support::downbeat::{Dispatch, Downbeat, Place};
use crate::support::redis::{RedisServer, free_port};
use crate::support::sent::instant;
use crate::support::tools::needs;
use crate::support::wait::{SOON, eventually};

/// On each store, unless its server is missing.
pub(super) fn on_each_store(test: impl Fn(&dyn Fn(&str) -> Place)) {
    test(&|schedule| place_with(schedule).env("DOWNBEAT_BROKER", "spool:spool"));
    needs!(Redis);
    let server = RedisServer::start();
    let namespace = std::cell::Cell::new(0);
    test(&|schedule| {
        namespace.set(namespace.get() + 1);
        let place = place_with(schedule).env("DOWNBEAT_BROKER", &server.url());
        place.env("DOWNBEAT_NAMESPACE", &format!("n{}", namespace.get()))
    });
}

pub(super) fn stop(downbeat: &mut Downbeat) {
    downbeat.process().terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0));
}

/// Starts the service, and gives it back once it leads.
pub(super) fn lead(place: &Place) -> Downbeat {
    let downbeat = place.start(&["run", "--leader-ttl", "1s", "--grace", "3s"]);
    downbeat.wait_for_log("became leader");
    downbeat
}

#[test]
fn what_was_sent_is_shown_with_and_without_the_service() {
    on_each_store(|place_with| {
        let place = place_with(
            "timezone: Asia/Seoul\nentries: {tick: {task: t, every: 1s, jitter: 300ms, queue: q}}",
        );
        let mut downbeat = lead(&place);
        downbeat.wait_for_dispatches("tick", 0, 2);
        let running = place.events(&["tick"]);
        assert!(running.len() >= 2, "{running:?}");
        stop(&mut downbeat);
        let stopped = place.events(&["tick"]);
        assert_eq!(running, stopped[..running.len()], "the same without the service");
        let dispatches = downbeat.dispatches();
        let slots = |events: &[Value]| -> Vec<i64> {
            let slot = |event: &Value| instant(event["slot_utc"].as_str().unwrap()).0;
            events.iter().map(slot).collect()
        };
        let log = downbeat.log();
        let lines = log.iter().filter(|line| Dispatch::read(line).is_some());
        let logged_at: Vec<i64> = lines.map(|line| time_of(line).0).collect();
        let logged: Vec<i64> = dispatches.iter().map(|dispatch| dispatch.slot_ms).collect();
        assert_eq!(slots(&stopped), logged);
        for ((event, dispatch), logged_at) in stopped.iter().zip(&dispatches).zip(logged_at) {
            assert_eq!(
                (&event["outcome"], &event["kind"]),
                (&"scheduled".into(), &"scheduled".into())
            );
            assert_eq!((&event["reason"], &event["count"]), (&Value::Null, &1.into()));
            assert_eq!((&event["queue"], &event["by"]), (&"q".into(), &Value::Null));
            assert!(event["slot"].as_str().unwrap().ends_with("+09:00"), "{event}");
            let [slot, due, recorded] = ["slot_utc", "due_utc", "recorded_utc"]
                .map(|name| instant(event[name].as_str().unwrap()).0);
            assert!((slot..slot + 300).contains(&due), "{event}");
            assert_eq!(event["lateness_ms"], recorded - due, "{event}");
            // The log counts until the answer has come.
            let logged = dispatch.lateness_ms.unwrap();
            assert!((recorded - due..=logged_at - due).contains(&logged), "{logged}: {event}");
        }
    });
}

#[test]
fn task_ids_and_terms_are_those_of_the_messages_and_of_the_leader() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with("entries: {tick: {task: t, every: 1s, queue: q}}");
    let place = place.env("DOWNBEAT_BROKER", &server.url());
    let mut downbeat = lead(&place);
    downbeat.wait_for_dispatches("tick", 0, 2);
    stop(&mut downbeat);
    let shown = place.events(&[]);
    let ids: Vec<&str> = shown.iter().map(|event| event["task_id"].as_str().unwrap()).collect();
    let sent = server.queue("q");
    assert_eq!(ids, sent.iter().map(|message| message.id.as_str()).collect::<Vec<_>>());
    assert!(shown.iter().all(|event| event["term"] == 1), "{shown:?}");
    let mut downbeat = lead(&place);
    downbeat.wait_for_dispatches("tick", 0, 1);
    stop(&mut downbeat);
    assert_eq!(place.events(&["--count", "1"])[0]["term"], 2);
}

#[test]
fn a_message_that_somebody_asked_for_says_who_and_moves_nothing() {
    on_each_store(|place_with| {
        let place = place_with("entries: {nightly: {task: t, cron: '0 3 * * *', queue: q}}");
        let triggered = |place: &Place| place.run(&["trigger", "nightly", "--json"]).json(0);
        let mut downbeat = lead(&place);
        let with_service = triggered(&place);
        stop(&mut downbeat);
        let without = triggered(&place);
        let backfill =
            ["backfill", "nightly", "--from", "2026-01-01 00:00", "--to", "2026-01-03 00:00"];
        place.run(&backfill).ok();
        let shown = place.events(&["nightly"]);
        let kinds: Vec<&str> = shown.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["manual", "manual", "backfill", "backfill"]);
        for (event, triggered) in shown.iter().zip([with_service, without]) {
            assert_eq!(event["task_id"], triggered["task_id"]);
            assert_eq!(event["slot_utc"], triggered["slot_utc"]);
        }
        for event in &shown {
            assert!(event["by"].as_str().unwrap().contains('@'), "{event}");
            let [due, lateness, term] =
                ["due", "lateness_ms", "term"].map(|name| event[name].clone());
            assert_eq!([due, lateness, term], [Value::Null, Value::Null, Value::Null], "{event}");
        }
        let listed = place.run(&["list", "--json"]).json(0);
        assert_eq!((&listed[0]["last"], &listed[0]["last_sent"]), (&Value::Null, &Value::Null));
    });
}

#[test]
fn what_was_skipped_says_why_and_is_told_from_what_was_sent_in_the_list() {
    on_each_store(|place_with| {
        let place = place_with("entries: {tick: {task: t, every: 1s, queue: q, max_queued: 1}}");
        let mut downbeat = lead(&place);
        let list = || place.run(&["list", "--json"]).json(0)[0].clone();
        let listed = eventually(SOON, "a slot is skipped", || {
            Some(list()).filter(|entry| entry["last_outcome"] == "queue_full")
        });
        let sent = downbeat.dispatches()[0].slot_ms;
        let time = |time: &Value| instant(time.as_str().unwrap()).0;
        assert_eq!(time(&listed["last_sent_utc"]), sent);
        assert!(time(&listed["last_utc"]) > sent);
        let rows = place.run(&["list"]).ok();
        let row: Vec<&str> = rows.trim_end().split('\t').collect();
        assert!(row[2].ends_with("+00:00 queue_full"), "{rows}");
        assert_eq!(instant(row[3]).0, sent, "{rows}");
        stop(&mut downbeat);
        let listed = list();
        assert_eq!(
            (&listed["last_outcome"], time(&listed["last_sent_utc"])),
            (&"queue_full".into(), sent)
        );
        let shown = place.events(&[]);
        assert_eq!(shown[0]["kind"], "scheduled");
        for event in &shown[1..] {
            assert_eq!((&event["reason"], &event["kind"]), (&"queue_full".into(), &Value::Null));
            assert_eq!((&event["task_id"], &event["queue"]), (&Value::Null, &"q".into()));
        }
        let table = place.run(&["history"]).ok();
        assert!(table.lines().nth(1).unwrap().contains("\tskipped (queue_full)\t"), "{table}");
    });
}

#[test]
fn slots_missed_in_a_row_are_one_line_with_their_number() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place_with("entries: {tick: {task: t, every: 1s, catch_up: none}}");
    let place = place.env("DOWNBEAT_BROKER", &server.url());
    let mut downbeat = lead(&place);
    let last = downbeat.wait_for_dispatches("tick", 0, 1).pop().unwrap().slot_ms;
    downbeat.process().kill();
    let missed = || instant(&jiff::Timestamp::now().to_string()).0 > last + 6_000;
    eventually(SOON, "slots are missed", || missed().then_some(()));
    let mut downbeat = lead(&place);
    downbeat.wait_for_dispatches("tick", 0, 1);
    stop(&mut downbeat);
    let shown = place.events(&["tick"]);
    let skipped: Vec<_> = shown.iter().filter(|event| event["reason"] == "too_late").collect();
    let [skipped] = &skipped[..] else { panic!("not one line: {shown:?}") };
    let count = skipped["count"].as_i64().unwrap();
    assert!(count >= 2, "{skipped}");
    // Line by line, the slots follow each other without a gap.
    let mut next = instant(shown[0]["slot_utc"].as_str().unwrap()).0;
    for event in &shown {
        next += 1_000 * (event["count"].as_i64().unwrap() - 1);
        assert_eq!(instant(event["slot_utc"].as_str().unwrap()).0, next, "{shown:?}");
        next += 1_000;
    }
    let row = place.run(&["history"]).ok();
    let row = row.lines().find(|line| line.contains("too_late")).unwrap();
    assert_eq!(row.split('\t').nth(5), Some(&*count.to_string()), "{row}");
}

#[test]
fn an_entry_that_was_edited_disabled_or_removed_keeps_its_past() {
    on_each_store(|place_with| {
        let place = place_with("entries: {tick: {task: t, every: 1s}}");
        let mut downbeat = lead(&place);
        downbeat.wait_for_dispatches("tick", 0, 1);
        let reload = |schedule: &str| {
            place.write_schedule("jobs.yaml", schedule);
            place.run(&["reload", "--wait"]).ok();
        };
        let list = || place.run(&["list", "--json"]).json(0)[0].clone();
        for edited in ["cron: '0 3 1 1 *'", "every: 1s, enabled: false"] {
            reload(&format!("entries: {{tick: {{task: t, {edited}}}}}"));
            let sent = downbeat.dispatches().last().unwrap().slot_ms;
            let running = list();
            let last_sent = running["last_sent_utc"].as_str();
            assert_eq!(last_sent.map(|slot| instant(slot).0), Some(sent), "{edited}: {running}");
        }
        reload("entries: {tock: {task: t, cron: '0 3 1 1 *'}}");
        let shown = place.events(&["tick"]);
        assert!(!shown.is_empty());
        stop(&mut downbeat);
        assert_eq!(place.events(&["tick"]), shown);
        place.run(&["list", "tick"]).refused(1);
        assert_eq!(place.events(&["tock"]), Vec::<Value>::new());
        let said = place.run(&["history", "tok"]).refused(1);
        assert_eq!(said, "downbeat: no entry is named `tok`; did you mean `tock`?\n");
        // Without readable files, times are in UTC.
        place.write_schedule("jobs.yaml", "entries: {tick: {task: t, evry: 1s}}");
        let past = place.run(&["history", "tick", "--json"]);
        assert!(past.stderr.contains("invalid schedule, so times are in UTC"), "{past:?}");
        assert_eq!(past.json(0)["events"], Value::Array(shown.clone()));
        fs::remove_file(place.schedules().join("jobs.yaml")).unwrap();
        for schedules in ["schedules", "nowhere"] {
            let past = place.run(&["history", "tick", "--json", "--schedules", schedules]);
            assert!(
                past.stderr.contains("no readable schedule files, so times are in UTC"),
                "{past:?}"
            );
            assert_eq!(past.json(0)["events"], Value::Array(shown.clone()));
        }
    });
}

#[test]
fn the_newest_are_shown_and_how_to_see_more_is_said() {
    on_each_store(|place_with| {
        let place = place_with("entries: {a: {task: t, every: 1h}, b: {task: t, every: 1h}}");
        for entry in ["a", "b"] {
            let day = ["--from", "2026-01-01 00:00", "--to", "2026-01-02 00:00"];
            place.run(&[&["backfill", entry], &day[..]].concat()).ok();
        }
        let hours = |args: &[&str]| {
            let mut hours = BTreeMap::new();
            for event in place.events(args) {
                let hour = event["slot_utc"].as_str().unwrap()[11..13].parse::<u32>().unwrap();
                hours
                    .entry(event["entry"].as_str().unwrap().to_owned())
                    .or_insert_with(Vec::new)
                    .push(hour);
            }
            hours
        };
        assert_eq!(hours(&["--count", "2"]), BTreeMap::from([("b".to_owned(), vec![22, 23])]));
        let range = ["--from", "2026-01-01T20:00:00Z", "--to", "2026-01-01T22:00:00Z"];
        let both = ["a", "b"].map(|name| (name.to_owned(), vec![20, 21]));
        assert_eq!(hours(&range), BTreeMap::from(both));
        let wall = ["a", "--from", "2026-01-01 23:00"];
        assert_eq!(hours(&wall), BTreeMap::from([("a".to_owned(), vec![23])]));

        let all = place.run(&["history"]);
        assert_eq!((all.stdout.lines().count(), all.stderr.as_str()), (48, ""));
        let few = place.run(&["history", "--count", "3"]);
        assert_eq!(few.stdout.lines().count(), 3);
        let said =
            "downbeat: there are older slots; to see them, use --count 30, or an earlier --to\n";
        assert_eq!(few.stderr, said);
        assert_eq!(place.run(&["history", "--count", "3", "--json"]).json(0)["more"], true);
        assert_eq!(place.run(&["history", "--json"]).json(0)["more"], false);
        assert!(hours(&["--from", "1h"]).is_empty(), "slots of the last hour");
        assert_eq!(hours(&["a", "--from", "2026-01-02"]), BTreeMap::new());
        assert_eq!(hours(&["a", "--from", "5000w", "--to", "2026-01-02"])["a"].len(), 24);
        let none = place.run(&["history", "a", "--from", "2027-01-01T00:00:00Z"]);
        assert_eq!(none.stderr, "downbeat: no slots found\n");
        assert_eq!(none.ok(), "");
        for (args, said) in [
            (&["--from", "noon"][..], "--from: `noon` is not a date and time; write "),
            (&["a", "--to", "2026-02-30 00:00"], "--to: there is no `2026-02-30 00:00`"),
            (&["--count", "0"], "0 is not in 1..=10000"),
        ] {
            let refused = place.run(&[&["history"], args].concat()).refused(2);
            assert!(refused.contains(said), "{refused}");
        }
    });
}

#[test]
fn the_past_fits_a_terminal_and_is_plain_in_a_pipe() {
    let place = place_with_three().env("DOWNBEAT_BROKER", "spool:spool");
    let day = ["--from", "2026-01-01 00:00", "--to", "2026-01-02 00:00"];
    place.run(&[&["backfill", "nightly"], &day[..]].concat()).ok();
    place.run(&[&["backfill", "digest-berlin"], &day[..]].concat()).ok();
    let piped = place.run(&["history"]).ok();
    let columns: Vec<usize> = piped.lines().map(|line| line.matches('\t').count()).collect();
    assert_eq!(columns, [11, 11], "{piped}");
    assert!(piped.starts_with("2026-01-01T03:00:00+09:00\tsent (backfill)\t-\t"), "{piped}");
    let Some(shown) = on_a_terminal(&place, "history") else { return };
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("SLOT ") && lines[0].contains(" OUTCOME "), "{shown}");
    // What says nothing of any slot has no column.
    assert!(
        !shown.contains("TERM") && !shown.contains("LATE") && !shown.contains(" - "),
        "{shown}"
    );
    let of_one = on_a_terminal(&place, "history nightly").unwrap();
    assert!(!of_one.contains("ENTRY"), "{of_one}");
    let all_of_one = on_a_terminal(&place, "list nightly").unwrap();
    assert!(all_of_one.lines().all(|line| line.chars().count() <= 80), "{all_of_one}");
}

#[test]
fn the_list_of_one_entry_has_its_last_runs() {
    on_each_store(|place_with| {
        let place = place_with("entries: {tick: {task: t, every: 1s, limit: 7}}");
        let mut downbeat = lead(&place);
        downbeat.wait_for_dispatches("tick", 0, 7);
        let of_one = || place.run(&["list", "tick", "--json"]).json(0);
        let running = eventually(SOON, "all are recorded", || {
            Some(of_one()).filter(|entry| entry["left"] == 0)
        });
        assert_eq!(running["runs"], Value::Array(place.events(&["--count", "5"])));
        assert_eq!((&running["slots"], &running["sent"]), (&json!([]), &7.into()));
        let place_of = |name: &str| {
            let shown = place.run(&["list", "tick"]).ok();
            let found = shown.lines().position(|line| line.starts_with(name));
            (found.unwrap_or_else(|| panic!("no {name}: {shown}")), shown)
        };
        let (at, shown) = place_of("runs ");
        let runs: Vec<_> = shown.lines().skip(at).collect();
        assert_eq!(runs.len(), 5, "{shown}");
        assert!(
            runs.iter().all(|run| run.contains(" sent, ") && run.ends_with(" late")),
            "{shown}"
        );
        assert!(shown.starts_with("entry        tick (done: limit of 7 reached)\n"), "{shown}");
        place_of("last sent ");
        stop(&mut downbeat);
        assert_eq!(of_one(), running, "the same without the service");
    });
}

#[test]
fn an_entrys_last_outcomes_outlive_the_records_of_busier_ones() {
    on_each_store(|place_with| {
        let place = place_with(
            "entries: {rare: {task: t, every: 1s, limit: 2}, busy: {task: t, every: 1m}}",
        );
        fs::write(place.path().join("c.yaml"), "history: {slots: 1000}\n").unwrap();
        let place = place.env("DOWNBEAT_CONFIG", "c.yaml");
        let mut downbeat = lead(&place);
        downbeat.wait_for_dispatches("rare", 0, 2);
        stop(&mut downbeat);
        let before = place.events(&["rare"]);
        let days = ["--from", "2026-01-01 00:00", "--to", "2026-01-03 00:00"];
        place.run(&[&["backfill", "busy"], &days[..]].concat()).ok();
        let downbeat = lead(&place);
        let kept = eventually(SOON, "the journal is trimmed", || {
            Some(place.events(&["rare"])).filter(|events| events[0]["queue"].is_null())
        });
        eventually(SOON, "little more is left than is to be kept", || {
            let count = place.events(&["busy", "--count", "10000"]).len();
            (1_000..2_000).contains(&count).then_some(())
        });
        drop(downbeat);
        let without_place = |event: &Value| {
            let mut event = event.clone();
            let (queue, term) = (event["queue"].take(), event["term"].take());
            (event, queue.is_null() && term.is_null())
        };
        assert_eq!(kept.len(), 2);
        for (kept, before) in kept.iter().zip(&before) {
            assert_eq!(without_place(kept), (without_place(before).0, true));
        }
    });
}

#[test]
fn a_store_that_does_not_answer_has_no_history() {
    let url = format!("redis://:s3cret@127.0.0.1:{}/0", free_port());
    let place = place_with_three().env("DOWNBEAT_BROKER", &url);
    let said = place.run(&["history"]).refused(3);
    assert!(said.starts_with("downbeat: the history cannot be read: "), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    // All else of an entry is shown.
    let shown = place.run(&["list", "nightly"]);
    assert!(shown.stderr.contains("the history cannot be read: "), "{shown:?}");
    assert!(shown.ok().contains("\nwhen         at 03:00 every day\n"));
    let unnamed = place_with_three().run(&["history"]).refused(3);
    assert!(unnamed.contains("no broker is configured"), "{unnamed}");
}
