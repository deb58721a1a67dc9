//! `backfill`: slots of the past, the same with and without a service.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::json;
use uuid::Uuid;

use super::{place_with, place_with_three};
use crate::support::downbeat::Place;
use crate::support::proxy::Proxy;
use crate::support::redis::{RedisServer, free_port};
use crate::support::sent::Sent;
use crate::support::spool;
use crate::support::tools::needs;
use crate::support::wait::{START, eventually};

/// Three nights of 2026, two of them asked for.
const NIGHTS: [&str; 4] = ["--from", "2026-01-02 03:00", "--to", "2026-01-04 03:00"];

fn place(server: &RedisServer) -> Place {
    place_with_three().env("DOWNBEAT_BROKER", &server.url())
}

fn backfill(entry: &str, more: &[&str]) -> Vec<String> {
    let args = [&["backfill", entry], &NIGHTS[..], more].concat();
    args.into_iter().map(str::to_owned).collect()
}

fn run(place: &Place, args: &[String]) -> crate::support::downbeat::Finished {
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The command that goes on, as it is told, without the name of the program.
fn going_on(said: &str) -> Vec<String> {
    let (_, command) = said.split_once("`downbeat ").unwrap_or_else(|| panic!("{said}"));
    let (command, _) = command.split_once('`').unwrap();
    let split = format!("for arg in {command}; do printf '%s\\n' \"$arg\"; done");
    let words = Command::new("sh").args(["-c", &split]).output().unwrap();
    String::from_utf8(words.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Backfills in every way, which must not depend on whether a service runs.
fn backfill_in_every_way(server: &RedisServer, place: &Place) {
    let before = place.run(&["list", "--json"]).json(0);
    let printed = run(place, &backfill("nightly", &[])).ok();
    let sent = server.queue("reports");
    let slots: Vec<&str> = sent.iter().map(|sent| sent.slot.as_str()).collect();
    assert_eq!(slots, ["2026-01-01T18:00:00.000Z", "2026-01-02T18:00:00.000Z"]);
    for sent in &sent {
        assert_eq!(sent.headers["downbeat_kind"], "backfill");
        assert_eq!((&*sent.entry, &*sent.task), ("nightly", "reports.build"));
        assert_eq!((&sent.args, &sent.kwargs["tenant"]), (&json!(["daily"]), &json!(42)));
    }
    let expected = [
        format!("sent nightly to reports as {} (slot 2026-01-02T03:00:00+09:00) on ", sent[0].id),
        format!("{}\nsent nightly to reports as ", server.address()),
        format!("{} (slot 2026-01-03T03:00:00+09:00) on {}\n", sent[1].id, server.address()),
    ];
    assert_eq!(printed, expected.concat());

    // As often as one likes, each time as new tasks.
    let again = run(place, &backfill("nightly", &["--queue", "other", "--json"])).json(0);
    let others = server.queue("other");
    let [first, _] = &others[..] else { panic!("not two messages") };
    assert_ne!(first.id, sent[0].id);
    let slot = json!({
        "entry": "nightly",
        "slot": "2026-01-02T03:00:00+09:00",
        "slot_utc": "2026-01-01T18:00:00Z",
        "queue": "other",
        "broker": server.address().to_string(),
        "task_id": first.id,
        "sent_before": false,
    });
    assert_eq!((&again[0], again.as_array().unwrap().len()), (&slot, 2));

    let shown = run(place, &backfill("digest-berlin", &["--dry-run"])).ok();
    let broker = server.address();
    let expected = format!(
        "would send digest-berlin to mail (slot 2026-01-03T02:30:00+01:00) on {broker}\n\
         would send digest-berlin to mail (slot 2026-01-04T02:30:00+01:00) on {broker}\n"
    );
    assert_eq!(shown, expected);
    let json = run(place, &backfill("digest-berlin", &["--dry-run", "--json"])).json(0);
    assert_eq!(
        (&json[1]["slot"], &json[1]["task_id"]),
        (&"2026-01-04T02:30:00+01:00".into(), &json!(null))
    );
    assert!(server.queue("mail").is_empty(), "a dry run sends nothing");

    // Switched off means that it does not fire by itself; a long segment goes in several calls.
    let day = ["--from", "2026-01-02 00:00", "--to", "2026-01-03 00:00", "--queue", "off"];
    let printed = place.run(&[&["backfill", "switched-off"], &day[..]].concat());
    assert_eq!((printed.stderr.as_str(), printed.code), ("", Some(0)));
    let off: Vec<Sent> = server.queue("off");
    assert_eq!((off.len(), printed.stdout.lines().count()), (96, 96));
    assert!(off.windows(2).all(|pair| pair[1].slot_ms() == pair[0].slot_ms() + 900_000));

    let none = ["--from", "2026-01-02 04:00", "--to", "2026-01-02 05:00"];
    let nothing = place.run(&[&["backfill", "nightly"], &none[..]].concat());
    assert_eq!(
        nothing.stderr,
        "downbeat: nightly has no slots from 2026-01-02 04:00 to 2026-01-02 05:00\n"
    );
    assert_eq!(nothing.ok(), "");
    assert_eq!(place.run(&["list", "--json"]).json(0), before, "the schedule moved");

    for (args, code, said) in [
        (
            &["nightli", "--from", "2026-01-02 03:00", "--to", "2026-01-04 03:00"][..],
            1,
            "did you mean `nightly`?",
        ),
        (
            &["nightly", "--from", "then", "--to", "2026-01-04 03:00"],
            2,
            "--from: `then` is not a date and time",
        ),
        (
            &["nightly", "--from", "2026-01-02 03:00", "--to", "2999-01-04 03:00"],
            2,
            "--to: 2999-01-04T03:00:00+09:00 is still to come",
        ),
        (
            &["switched-off", "--from", "2020-01-01 00:00", "--to", "2026-01-01 00:00"],
            2,
            "over 100000 slots from ",
        ),
        (&["nightly", "--from", "2026-01-02 03:00"], 2, "--to <TIME>"),
    ] {
        let refused = place.run(&[&["backfill"], args].concat()).refused(code);
        assert!(refused.contains(said), "{args:?}: {refused}");
    }
    assert_eq!(server.queue("reports").len(), 2);
}

#[test]
fn backfill_works_without_a_service() {
    needs!(Redis);
    let server = RedisServer::start();
    backfill_in_every_way(&server, &place(&server));
}

#[test]
fn backfill_works_through_a_running_service_and_shows_in_its_log() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    backfill_in_every_way(&server, &place);
    let line = downbeat.wait_for_log("dispatched entry=\"nightly\" queue=\"other\"");
    assert!(
        line.contains("slot=2026-01-01T18:00:00Z ") && line.contains("kind=\"backfill\""),
        "{line}"
    );
    assert_eq!(place.run(&["status", "--json"]).json(0)["slots"], json!({"backfill": 100}));
}

#[test]
fn backfill_sends_messages_that_expire_as_late_as_those_of_the_present() {
    let place = place_with("entries: {a: {task: t, every: 1h, expires: 10m}}");
    let place = place.env("DOWNBEAT_BROKER", "spool:state/spool");
    let segment = ["--from", "2026-01-02 00:00", "--to", "2026-01-02 01:00"];
    place.run(&[&["backfill", "a"], &segment[..]].concat()).ok();
    let [sent] = &spool::messages(&place.state().join("spool/queue"))[..] else {
        panic!("not one message")
    };
    let left: i64 = sent.properties["expiration"].as_str().unwrap().parse().unwrap();
    assert_eq!(left, 600_000);
}

#[test]
fn backfill_stops_at_the_first_failure_and_says_where_to_go_on() {
    needs!(Redis);
    let server = RedisServer::start();
    let mut connection = server.connect();
    // Room for some of the messages.
    let used: String = redis::cmd("INFO").arg("memory").query(&mut connection).unwrap();
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let limit = used.trim().parse::<u64>().unwrap() + 1_000_000;
    let set = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(limit).to_owned();
    set.query::<()>(&mut connection).unwrap();
    let place = place(&server);
    let segment = ["--from", "2025-01-01 00:00", "--to", "2025-03-01 00:00"];
    let args = [&["backfill", "switched-off", "--json"], &segment[..]].concat();
    let stopped = place.run(&args);
    let slots = stopped.clone().json(1);
    let sent = server.queue("reports");
    assert!(!sent.is_empty() && sent.len() < 5000, "{} messages", sent.len());
    assert_eq!(slots.as_array().unwrap().len(), sent.len());
    let wait_until_all_advance = going_on(&stopped.stderr);
    let from = &wait_until_all_advance
        [wait_until_all_advance.iter().position(|arg| arg == "--from").unwrap() + 1];
    let said = format!("downbeat: the slot {from} was not sent: ");
    assert!(stopped.stderr.starts_with(&said) && stopped.stderr.contains("OOM"), "{stopped:?}");
    assert!(
        stopped.stderr.contains(&format!("slots sent before it: {};", sent.len())),
        "{stopped:?}"
    );

    let unset = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).to_owned();
    unset.query::<()>(&mut connection).unwrap();
    run(&place, &wait_until_all_advance).json(0);
    let sent = server.queue("reports");
    assert_eq!(sent.len(), 59 * 96);
    assert!(sent.windows(2).all(|pair| pair[1].slot_ms() == pair[0].slot_ms() + 900_000));
}

#[test]
fn backfill_says_when_neither_service_nor_broker_answers() {
    let url = format!("redis://127.0.0.1:{}/0", free_port());
    let place = place_with_three().env("DOWNBEAT_BROKER", &url);
    let said = run(&place, &backfill("nightly", &[])).refused(3);
    assert!(said.contains("the slot 2026-01-02T03:00:00+09:00 was not sent: "), "{said}");
    assert!(said.contains("slots sent before it: 0; continue with `downbeat backfill "), "{said}");
    run(&place, &backfill("nightly", &["--dry-run"])).ok();
}

#[test]
fn each_slot_is_filled_in_from_its_own_time() {
    needs!(Redis);
    let server = RedisServer::start();
    let text = "timezone: Asia/Seoul\nentries:\n  nightly: {task: t, cron: '0 3 * * *', queue: q, \
                args: ['{{ slot | date }}', '{{ previous_slot | date }}', '{{ task_id }}']}\n";
    let place = place_with(text).env("DOWNBEAT_BROKER", &server.url());
    run(&place, &backfill("nightly", &[])).ok();
    let args: Vec<_> = server.queue("q").into_iter().map(|sent| (sent.args, sent.id)).collect();
    let [(first, first_id), (second, second_id)] = &args[..] else { panic!("not two messages") };
    assert_eq!(*first, json!(["2026-01-02", "2026-01-01", first_id]));
    assert_eq!(*second, json!(["2026-01-03", "2026-01-02", second_id]));
}

/// Loses the answer to one slot of a backfill, and goes on with the command that is printed.
fn go_on_after_a_lost_answer(server: &RedisServer, proxy: &Proxy, place: &Place) {
    let before = server.queue("reports").len();
    // The thirtieth slot, 07:15.
    proxy.lose_the_reply_to(&["\t1767305700000\tbackfill\t"]);
    let segment = ["--from", "2026-01-02 00:00", "--to", "2026-01-02 12:00"];
    let stopped = place.run(&[&["backfill", "switched-off"], &segment[..]].concat());
    let said = stopped.clone().refused(3);
    assert!(said.contains(" may have been sent: "), "{said}");
    assert!(said.contains("; slots sent before it: 29; "), "{said}");
    assert!(said.ends_with("`, which sends nothing twice\n"), "{said}");
    let rest = run(place, &going_on(&said)).ok();
    assert!(rest.starts_with("already sent: switched-off to reports as "), "{rest}");
    assert_eq!((stopped.stdout.lines().count(), rest.lines().count()), (29, 19));
    let sent = &server.queue("reports")[before..];
    assert_eq!(sent.len(), 48);
    assert!(sent.windows(2).all(|pair| pair[1].slot_ms() == pair[0].slot_ms() + 900_000));
}

#[test]
fn a_backfill_whose_answer_is_lost_goes_on_as_it_says_without_a_double_or_a_gap() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let place = place_with_three().env("DOWNBEAT_BROKER", &proxy.url());
    go_on_after_a_lost_answer(&server, &proxy, &place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    go_on_after_a_lost_answer(&server, &proxy, &place);
}

/// 48 slots from 2026-01-02T00:00+09:00 on.
const HALF_A_DAY: [&str; 6] =
    ["backfill", "switched-off", "--from", "2026-01-02 00:00", "--to", "2026-01-02 12:00"];

/// Repeats a backfill whose answer was lost, without naming its run, and then goes on as it says.
fn repeat_after_a_lost_answer(server: &RedisServer, proxy: &Proxy, place: &Place) {
    let queued = || server.queue("reports").len();
    let run_of = |said: &str| going_on(said).last().unwrap().clone();
    // The first slot, the thirtieth and the last.
    for (mark, nth) in [
        (&["\t1767279600000\tbackfill\t"], 1),
        (&["\t1767305700000\tbackfill\t"], 30),
        (&["\t1767321900000\tbackfill\t"], 48),
    ] {
        let before = queued();
        proxy.lose_the_reply_to(mark);
        let said = place.run(&HALF_A_DAY).refused(3);
        let from_it = going_on(&said);
        let repeats: [&[String]; 2] =
            [&HALF_A_DAY.map(str::to_owned), &from_it[..from_it.len() - 2]];
        let refused = repeats.map(|repeat| run(place, repeat).refused(1));
        let [refused, _] = refused.map(|refused| {
            assert!(
                refused.contains(" has not ended and may have sent some of these "),
                "{refused}"
            );
            assert_eq!(run_of(&refused), run_of(&said));
            refused
        });
        assert_eq!(queued(), before + nth);
        // What does not overlap goes.
        let earlier =
            ["--from", "2026-01-01 00:00", "--to", "2026-01-02 00:00", "--queue", "other"];
        place.run(&[&["backfill", "switched-off"], &earlier[..]].concat()).ok();
        let rest = run(place, &going_on(&refused)).ok();
        assert_eq!(rest.matches("already sent: switched-off to reports as ").count(), nth);
        let sent = &server.queue("reports")[before..];
        assert_eq!((sent.len(), rest.lines().count()), (48, 48));
        assert!(sent.windows(2).all(|pair| pair[1].slot_ms() == pair[0].slot_ms() + 900_000));
        // It has ended.
        place.run(&HALF_A_DAY).ok();
        assert_eq!(queued(), before + 2 * 48);
    }
}

#[test]
fn a_backfill_whose_answer_is_lost_is_not_sent_by_another_run() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let place = place_with_three().env("DOWNBEAT_BROKER", &proxy.url());
    repeat_after_a_lost_answer(&server, &proxy, &place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    repeat_after_a_lost_answer(&server, &proxy, &place);
}

#[test]
fn a_backfill_that_may_have_been_sent_is_sent_again_if_one_insists() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let place = place_with_three().env("DOWNBEAT_BROKER", &proxy.url());
    proxy.lose_the_reply_to(&["\t1767305700000\tbackfill\t"]);
    place.run(&HALF_A_DAY).refused(3);
    let refused = place.run(&HALF_A_DAY).refused(1);
    assert!(refused.contains(", or use `--again` to send them again"), "{refused}");
    place.run(&[&HALF_A_DAY[..], &["--again"]].concat()).ok();
    assert_eq!(server.queue("reports").len(), 30 + 48);
    // Nothing is in doubt any more.
    place.run(&HALF_A_DAY).ok();
}

/// Loses the answers to two runs of the same slots, the second of which was meant.
fn lose_the_answer_to_a_run_that_is_insisted_on(
    server: &RedisServer,
    proxy: &Proxy,
    place: &Place,
) {
    let before = server.queue("reports").len();
    let queued = || server.queue("reports").len() - before;
    proxy.lose_the_reply_to(&["\t1767305700000\tbackfill\t"]);
    let first = going_on(&place.run(&HALF_A_DAY).refused(3));
    let again = [&HALF_A_DAY[..], &["--again"]].concat();
    proxy.lose_the_reply_to(&["\t1767305700000\tbackfill\t"]);
    let second = going_on(&place.run(&again).refused(3));
    assert_eq!(queued(), 60);
    // Of the first, nothing is known any more; the second is in the way of all others.
    for other in [&HALF_A_DAY.map(str::to_owned), &first[..]] {
        let refused = run(place, other).refused(1);
        assert_eq!(going_on(&refused).last(), second.last(), "{refused}");
    }
    let rest = run(place, &second).ok();
    assert_eq!((rest.matches("already sent: ").count(), rest.lines().count()), (1, 19));
    assert_eq!(queued(), 30 + 48);
    // Nor does it count as insisting to name a run.
    proxy.lose_the_reply_to(&["\t1767279600000\tbackfill\t"]);
    let third = going_on(&place.run(&HALF_A_DAY).refused(3));
    run(place, &first).refused(1);
    let insisting = [&first[..], &["--again".to_owned()]].concat();
    let rest = run(place, &insisting).ok();
    assert_eq!((rest.matches("already sent: ").count(), rest.lines().count()), (1, 19));
    assert_eq!(queued(), 30 + 48 + 1 + 18);
    run(place, &third).ok();
    assert_eq!(queued(), 48 + 48 + 48);
    // It is noted twice, and sent once.
    let lost = proxy.replies_lost();
    proxy.lose_the_reply_to(&["begins again", "downbeat:open:"]);
    place.run(&again).ok();
    assert_eq!((proxy.replies_lost(), queued()), (lost + 1, 4 * 48));
    place.run(&HALF_A_DAY).ok();
}

#[test]
fn a_backfill_that_is_insisted_on_doubles_nothing_of_its_own() {
    needs!(Redis);
    let server = RedisServer::start();
    let proxy = Proxy::start(&server);
    let place = place_with_three().env("DOWNBEAT_BROKER", &proxy.url());
    lose_the_answer_to_a_run_that_is_insisted_on(&server, &proxy, &place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    lose_the_answer_to_a_run_that_is_insisted_on(&server, &proxy, &place);
}

/// Uses an id a second time, for something else.
fn use_ids_twice(place: &Place) {
    let id = Uuid::new_v4().to_string();
    place.run(&["trigger", "nightly", "--id", &id]).ok();
    for other in [&["digest-berlin"][..], &["nightly", "--queue", "other"]] {
        let said = place.run(&[&["trigger"], other, &["--id", &id]].concat()).refused(1);
        let expected = "downbeat: not sent: the id was used before, for nightly to reports; leave out `--id` to \
                        send a new message\n";
        assert_eq!(said, expected);
    }
    assert!(place.run(&["trigger", "nightly", "--id", &id]).ok().starts_with("already sent: "));

    let run_id = Uuid::new_v4().to_string();
    let nights = |more: &[&str]| run(place, &backfill("nightly", more));
    nights(&["--run", &run_id]).ok();
    let said = nights(&["--run", &run_id, "--queue", "other"]).refused(1);
    let expected = "the slot 2026-01-02T03:00:00+09:00 was not sent: the id was used before, for nightly to \
                    reports; slots sent before it: 0; continue with `--queue reports`, or start a new run \
                    without `--run`\n";
    assert!(said.ends_with(expected), "{said}");
    assert!(nights(&["--run", &run_id]).ok().starts_with("already sent: nightly to reports as "));
    nights(&["--queue", "other"]).ok();
}

#[test]
fn an_id_that_was_used_for_another_entry_or_queue_is_refused() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    use_ids_twice(&place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    use_ids_twice(&place);
    let other = server.queue("other");
    assert_eq!((other.len(), server.queue("mail").len()), (4, 0));
    assert!(other.iter().all(|sent| sent.kind == "backfill"));
    let spool = place_with_three().env("DOWNBEAT_BROKER", "spool:state/spool");
    use_ids_twice(&spool);
}

#[test]
fn a_backfill_of_which_nothing_was_sent_is_repeated_as_it_stands() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let mut connection = server.connect();
    redis::cmd("SET").arg("reports").arg("no list").query::<()>(&mut connection).unwrap();
    let said = place.run(&HALF_A_DAY).refused(1);
    assert!(said.contains(" was not sent: "), "{said}");
    redis::cmd("DEL").arg("reports").query::<()>(&mut connection).unwrap();
    place.run(&HALF_A_DAY).ok();
    assert_eq!(server.queue("reports").len(), 48);
}

#[test]
fn a_backfill_into_a_spool_that_was_killed_is_not_sent_by_another_run() {
    let place = place_with("entries: {minutely: {task: t, every: 1m}}");
    let place = place.env("DOWNBEAT_BROKER", "spool:state/spool");
    let queue = place.state().join("spool/queue");
    let segment = ["--from", "2026-01-01 00:00", "--to", "2026-01-01 10:00"];
    let backfill = [&["backfill", "minutely"], &segment[..]].concat();
    // Nobody reads what it prints, and 600 lines are more than a pipe holds: it cannot end.
    let mut command = place.command(&backfill);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    eventually(START, "a slot is sent", || {
        (queue.exists() && !spool::files(&queue).is_empty()).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let refused = place.run(&backfill).refused(1);
    let killed = spool::files(&queue).len();
    assert!(killed < 600, "{killed}");
    let rest = run(&place, &going_on(&refused)).ok();
    assert_eq!(rest.matches("already sent: ").count(), killed);
    assert_eq!(place.run(&backfill).ok().lines().count(), 600, "it has ended");
    let sent = spool::messages(&queue);
    let ids: BTreeSet<_> = sent.iter().map(|sent| &sent.id).collect();
    let slots: BTreeSet<_> = sent.iter().map(Sent::slot_ms).collect();
    assert_eq!((sent.len(), ids.len(), slots.len()), (1200, 1200, 600));
}

/// Runs it without anybody who reads its output; gives what it complained of.
fn without_a_reader(place: &Place, args: &[String]) -> String {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let output = place.command(&args).stdin(Stdio::null()).stdout(writer).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.signal(), Some(Signal::PIPE.as_raw()), "{:?} {stderr}", output.status);
    stderr
}

/// Its 48 slots, which go in three calls.
fn stop_with_the_output(server: &RedisServer, place: &Place) {
    let half_a_day = HALF_A_DAY.map(str::to_owned);
    for json in [&[][..], &["--json".to_owned()]] {
        let before = server.queue("reports").len();
        let queued = || server.queue("reports").len() - before;
        let args = [&half_a_day, json].concat();
        let said = without_a_reader(place, &args);
        assert!(said.contains("downbeat: cannot write to standard output: "), "{said}");
        assert!(said.contains("; slots sent: 20; continue with `downbeat backfill "), "{said}");
        assert_eq!(queued(), 20, "it stops after the call at hand");
        let refused = place.run(&HALF_A_DAY).refused(1);
        assert!(refused.contains("; continue it with `downbeat backfill "), "{refused}");
        assert_eq!(queued(), 20, "nothing counts as shown");
        let rest = run(place, &going_on(&said));
        assert_eq!(rest.stdout.matches("2026-01-02T05:00:00+09:00").count(), 1, "{rest:?}");
        assert!(!rest.ok().contains("already sent"));
        let sent = &server.queue("reports")[before..];
        assert_eq!(sent.len(), 48);
        assert!(sent.windows(2).all(|pair| pair[1].slot_ms() == pair[0].slot_ms() + 900_000));
    }

    // All at one call.
    let before = server.queue("other").len();
    let nights = backfill("nightly", &["--queue", "other"]);
    let said = without_a_reader(place, &nights);
    assert!(said.contains("; all 2 slots were sent; `downbeat backfill nightly "), "{said}");
    run(place, &nights).refused(1);
    let shown = run(place, &going_on(&said)).ok();
    assert_eq!(shown.matches("already sent: nightly to other as ").count(), 2);
    assert_eq!(server.queue("other").len(), before + 2);

    // What was only shown can be shown again.
    let mut dry = place.command(&[&HALF_A_DAY[..], &["--dry-run"]].concat());
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = dry.stdin(Stdio::null()).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn a_backfill_ends_with_its_output_and_goes_on_where_it_ended() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    stop_with_the_output(&server, &place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    stop_with_the_output(&server, &place);
}

#[test]
fn a_manual_message_whose_sending_cannot_be_shown_is_named() {
    needs!(Redis);
    let server = RedisServer::start();
    let place = place(&server);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&HALF_A_DAY).stdout(full()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("No space left on device (os error 28); slots sent: 20; "), "{said}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(run(&place, &going_on(&said)).ok().lines().count(), 28);
    assert_eq!(server.queue("reports").len(), 48);
    for json in [&[][..], &["--json"]] {
        let trigger = [&["trigger", "nightly", "--queue", "other"], json].concat();
        let output = place.command(&trigger).stdout(full()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let id = server.queue("other").pop().unwrap().id;
        let sent = format!("downbeat: nightly was sent as {id}; cannot write to standard output: ");
        assert!(said.starts_with(&sent), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
}

/// What the broker itself refuses is a negative result; only without its answer it is unreachable.
fn be_refused_by_the_broker(server: &mut RedisServer, place: &Place) {
    let set = |server: &RedisServer, name: &str, value: &str| {
        let set = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).to_owned();
        set.query::<()>(&mut server.connect()).unwrap();
    };
    redis::cmd("SET").arg("wrong").arg("x").query::<()>(&mut server.connect()).unwrap();
    for (queue, memory, word) in [("wrong", "0", "WRONGTYPE"), ("right", "1", "OOM")] {
        set(server, "maxmemory", memory);
        let trigger = ["trigger", "nightly", "--queue", queue].map(str::to_owned);
        for args in [&trigger[..], &backfill("nightly", &["--queue", queue])] {
            let said = run(place, args).refused(1);
            assert!(said.contains("not sent: ") && said.contains(word), "{said}");
        }
    }
    set(server, "maxmemory", "0");
}

#[test]
fn what_the_broker_refuses_is_a_negative_result_and_its_silence_is_none() {
    needs!(Redis);
    let mut server = RedisServer::start();
    let place = place(&server);
    be_refused_by_the_broker(&mut server, &place);
    let downbeat = place.start(&["run", "--leader-ttl", "1s"]);
    downbeat.wait_for_log("became leader");
    be_refused_by_the_broker(&mut server, &place);
    server.kill();
    place.run(&["trigger", "nightly"]).refused(3);
    run(&place, &backfill("nightly", &[])).refused(3);
    drop(downbeat);
    for args in [&["trigger", "nightly"][..], &["history"], &["peek", "reports"], &["status"]] {
        place.run(args).refused(3);
    }

    let server = RedisServer::start();
    let no_right =
        redis::cmd("ACL").arg(&["SETUSER", "default", "-@scripting", "-xrange"]).to_owned();
    let place = place_with_three().env("DOWNBEAT_BROKER", &server.url());
    no_right.query::<()>(&mut server.connect()).unwrap();
    for args in [&["trigger", "nightly"][..], &["history"], &["peek", "reports"], &["status"]] {
        let said = place.run(args).refused(1);
        assert!(said.contains("docs/brokers.md says what the user needs"), "{args:?}: {said}");
    }
}
