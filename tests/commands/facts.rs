//! `check`, `next`, `explain`, `list`: facts about a schedule, with no service around.

use std::fs;

use serde_json::Value;

use super::{place_with, place_with_three};
use crate::support::downbeat::Place;

#[test]
fn check_counts_the_entries_of_a_valid_schedule() {
    let entry = |name| format!("  {name}: {{task: t, every: 1h}}\n");
    let place = place_with(&format!("entries:\n{}{}{}", entry("a"), entry("b"), entry("c")));
    let checked = place.run(&["check"]);
    assert_eq!((checked.stdout.as_str(), checked.stderr.as_str()), ("ok: 3 entries\n", ""));
    assert_eq!(checked.code, Some(0));
    place.write_schedule("jobs.yaml", "entries: {one: {task: t, every: 1h}}");
    assert_eq!(place.run(&["check"]).ok(), "ok: 1 entry\n");
    place.write_schedule("jobs.yaml", "entries: {}");
    assert_eq!(place.run(&["check"]).ok(), "ok: 0 entries\n");
}

#[test]
fn check_tells_every_problem_of_every_file_with_its_place() {
    let place = place_with("entries:\n  a: {task: t, crom: '0 3 * * *'}\n  b: {every: 1h}\n");
    place.write_schedule("more.yaml", "entries:\n  c: {task: t, cron: '0 24 * * *'}\n");
    let checked = place.run(&["check"]);
    assert_eq!(checked.stdout, "");
    let said = checked.refused(1);
    for part in [
        "jobs.yaml:2:16: ",
        "did you mean `cron`?",
        "jobs.yaml:3:",
        "`task`",
        "more.yaml:2:25: hour `24` is out of range",
        "      c: {task: t, cron: '0 24 * * *'}\n                            ^~\n",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn check_warns_of_what_is_valid_but_odd_and_still_succeeds() {
    let place = place_with("entries: {a: {task: t, cron: '0 3 1 * mon'}}");
    let checked = place.run(&["check"]);
    assert_eq!(checked.stdout, "ok: 1 entry, 1 warning\n");
    assert!(checked.stderr.contains("jobs.yaml:1:"), "{}", checked.stderr);
    assert!(checked.stderr.contains("warning: day of month and weekday"), "{}", checked.stderr);
    assert_eq!(checked.code, Some(0));
}

#[test]
fn check_takes_paths_and_looks_at_the_configuration_too() {
    let place = place_with("entries: {b: {task: t, every: 1h}, c: {task: t, every: 1h}}");
    let other = place.path().join("other.yaml");
    fs::write(&other, "entries: {a: {task: t, every: 1h}}").unwrap();
    assert_eq!(place.run(&["check", "other.yaml"]).ok(), "ok: 1 entry\n");
    assert_eq!(place.run(&["check", "other.yaml", "schedules"]).ok(), "ok: 3 entries\n");
    let missing = place.run(&["check", "missing.yaml"]).refused(1);
    assert!(missing.contains("missing.yaml: cannot be read: no such file"), "{missing}");
    fs::write(place.path().join("downbeat.yaml"), "brokr: redis://localhost\n").unwrap();
    let said = place.run(&["--config", "downbeat.yaml", "check"]).refused(1);
    assert!(said.contains("downbeat.yaml:1:1: ") && said.contains("`broker`"), "{said}");
}

fn next(place: &Place, args: &[&str]) -> Vec<Vec<String>> {
    let printed = place.run(&[&["next"], args].concat()).ok();
    printed.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn column(rows: &[Vec<String>], column: usize) -> Vec<&str> {
    rows.iter().map(|row| row[column].as_str()).collect()
}

#[test]
fn next_begins_with_from_and_ends_before_to() {
    let place = place_with_three();
    let range = ["--from", "2027-01-01T18:00:00Z", "--to", "2027-01-03T18:00:00Z"];
    let rows = next(&place, &[&["nightly"], &range[..]].concat());
    assert_eq!(column(&rows, 0), ["2027-01-02T03:00:00+09:00", "2027-01-03T03:00:00+09:00"]);
    assert_eq!(column(&rows, 1), ["2027-01-01T18:00:00Z", "2027-01-02T18:00:00Z"]);
    assert_eq!(column(&rows, 2), ["nightly", "nightly"]);
    let later = ["--from", "2027-01-01T18:00:00.001Z", "--to", "2027-01-02T18:00:00.001Z"];
    let rows = next(&place, &[&["nightly"], &later[..]].concat());
    assert_eq!(column(&rows, 1), ["2027-01-02T18:00:00Z"]);
}

#[test]
fn next_reads_wall_time_in_each_entrys_own_zone() {
    let place = place_with_three();
    let range = ["--from", "2027-01-01 00:00", "--to", "2027-01-02 00:00"];
    let rows = next(&place, &range);
    // In order of time; what is switched off is left out unless it is asked for.
    assert_eq!(column(&rows, 2), ["nightly", "digest-berlin"]);
    assert_eq!(column(&rows, 0), ["2027-01-01T03:00:00+09:00", "2027-01-01T02:30:00+01:00"]);
    let rows = next(&place, &[&["switched-off", "--count", "2"], &range[..]].concat());
    assert_eq!(column(&rows, 0), ["2027-01-01T00:00:00+09:00", "2027-01-01T00:15:00+09:00"]);
}

#[test]
fn next_notes_what_a_clock_change_does() {
    let place = place_with_three();
    let spring = ["digest-berlin", "--from", "2027-03-27 00:00", "--to", "2027-03-30 00:00"];
    let printed = place.run(&[&["next"], &spring[..]].concat()).ok();
    let expected = "\
2027-03-27T02:30:00+01:00\t2027-03-27T01:30:00Z\tdigest-berlin
2027-03-28T03:00:00+02:00\t2027-03-28T01:00:00Z\tdigest-berlin\tafter the gap 02:00–03:00
2027-03-29T02:30:00+02:00\t2027-03-29T00:30:00Z\tdigest-berlin
";
    assert_eq!(printed, expected);
    let autumn = ["digest-berlin", "--from", "2027-10-31 00:00", "--to", "2027-11-02 00:00"];
    let rows = next(&place, &autumn);
    assert_eq!(column(&rows, 0), ["2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"]);
    assert_eq!(rows[0][3], "repeated 02:00–03:00, first time");
    assert_eq!(rows[1].len(), 3);
    let json = place.run(&[&["next", "--json"], &spring[..]].concat()).json(0);
    assert_eq!(json[0]["notes"], serde_json::json!([]));
    assert_eq!(json[1]["notes"], serde_json::json!(["after the gap 02:00–03:00"]));
}

#[test]
fn next_notes_days_left_out_and_messages_held_back() {
    let place = place_with(
        "timezone: America/New_York
entries:
  held: {task: t, cron: '0 22 * * *', jitter: 4h, except: [2027-11-05, sat]}
",
    );
    let rows = next(&place, &["--from", "2027-11-04 00:00", "--to", "2027-11-09 00:00"]);
    let slots =
        ["2027-11-04T22:00:00-04:00", "2027-11-07T22:00:00-05:00", "2027-11-08T22:00:00-05:00"];
    assert_eq!(column(&rows, 0), slots);
    let notes = [
        "due 22:12:46.178",
        "2 slots before it left out; due 22:54:37.794",
        "due 2027-11-09 01:33:59.402",
    ];
    assert_eq!(column(&rows, 3), notes);
}

#[test]
fn next_notes_what_a_line_with_hashes_stands_for() {
    let place = place_with("entries: {nightly-report: {task: t, cron: H H(1-4) * * mon#1}}");
    let rows = next(&place, &["--from", "2027-01-01 00:00", "--count", "1"]);
    assert_eq!(column(&rows, 0), ["2027-01-04T02:03:00+00:00"]);
    assert_eq!(column(&rows, 3), ["hashed: 3 2 * * mon#1"]);
}

#[test]
fn next_shows_all_slots_up_to_a_time_and_says_when_there_are_too_many() {
    let place = place_with("entries: {minutely: {task: t, every: 1m}}");
    let shown = |to: &str| place.run(&["next", "--from", "2027-01-01 00:00", "--to", to]);
    let week = shown("2027-01-07 22:40");
    assert_eq!((week.stdout.lines().count(), week.stderr.as_str()), (10_000, ""));
    let more = shown("2027-01-07 22:41");
    assert_eq!(more.stdout, week.stdout);
    let said = "downbeat: stopped after 10000 slots; continue with --from 2027-01-07T22:40:00Z, or \
                set --count\n";
    assert_eq!((more.stderr.as_str(), more.code), (said, Some(0)));
}

#[test]
fn next_shows_one_slot_of_each_entry_unless_a_count_or_an_end_is_given() {
    let place = place_with_three();
    let from = ["--from", "2027-01-01T00:00:00Z"];
    let rows = next(&place, &from);
    assert_eq!(column(&rows, 2), ["digest-berlin", "nightly"], "in order of time");
    assert_eq!(column(&rows, 1), ["2027-01-01T01:30:00Z", "2027-01-01T18:00:00Z"]);
    assert_eq!(next(&place, &["switched-off"]).len(), 1);
    assert_eq!(next(&place, &[&from[..], &["-n", "4"]].concat()).len(), 4);
    assert_eq!(next(&place, &[&from[..], &["--to", "2027-01-04"]].concat()).len(), 5);
}

#[test]
fn next_reads_a_date_as_its_midnight_and_a_length_as_time_from_now() {
    let place = place_with("timezone: Asia/Seoul\nentries: {hourly: {task: t, every: 1h}}");
    let rows = next(&place, &["--from", "2027-01-01", "--count", "1"]);
    assert_eq!(column(&rows, 0), ["2027-01-01T00:00:00+09:00"]);
    assert_eq!(next(&place, &["--to", "5h"]).len(), 5);
}

#[test]
fn next_stops_after_count_and_prints_json() {
    let place = place_with_three();
    assert_eq!(next(&place, &["--count", "20"]).len(), 20);
    assert_eq!(next(&place, &["--count", "3"]).len(), 3);
    assert!(next(&place, &["--count", "0"]).is_empty());
    let json =
        place.run(&["next", "nightly", "--from", "2027-01-01 00:00", "--count", "1", "--json"]);
    let expected = serde_json::json!([{
        "entry": "nightly",
        "slot": "2027-01-01T03:00:00+09:00",
        "slot_utc": "2026-12-31T18:00:00Z",
        "notes": [],
    }]);
    assert_eq!(json.json(0), expected);
    assert_eq!(place.run(&["next", "--count", "0", "--json"]).json(0), serde_json::json!([]));
}

#[test]
fn next_says_what_it_did_not_understand() {
    let place = place_with_three();
    let said = place.run(&["next", "nightli"]).refused(1);
    assert_eq!(said, "downbeat: no entry is named `nightli`; did you mean `nightly`?\n");
    let said = place.run(&["next", "--from", "tomorrow"]).refused(2);
    assert!(said.contains("--from: `tomorrow` is not a date and time"), "{said}");
    assert!(said.contains("write `2026-12-24 18:00`"), "{said}");
    place.run(&["next", "--count", "many"]).refused(2);
    place.run(&["next", "--count", "1000001"]).refused(2);
    place.write_schedule("jobs.yaml", "entries: {a: {task: t, cron: '0 24 * * *'}}");
    let said = place.run(&["next"]).refused(1);
    assert!(said.contains("invalid schedule\n") && said.contains("jobs.yaml:1:"), "{said}");
}

#[test]
fn explain_says_what_an_expression_means_and_when_it_comes() {
    let place = Place::new();
    let args = ["explain", "0 3 * * mon-fri", "--timezone", "Asia/Seoul"];
    let from = ["--from", "2027-01-01 00:00", "--count", "2"];
    let printed = place.run(&[&args[..], &from].concat()).ok();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "at 03:00 on Monday to Friday, Asia/Seoul; next in 3 h");
    assert_eq!(lines[1..], ["2027-01-01T03:00:00+09:00", "2027-01-04T03:00:00+09:00"]);
    let json = place.run(&[&args[..], &from, &["--json"]].concat()).json(0);
    assert_eq!(json["expr"], "0 3 * * mon-fri");
    assert_eq!(json["timezone"], "Asia/Seoul");
    let next = serde_json::json!(["2027-01-01T03:00:00+09:00", "2027-01-04T03:00:00+09:00"]);
    assert_eq!(json["next"], next);
    let printed = place.run(&["explain", "10m", "--from", "2027-01-01 00:01"]).ok();
    let words = "every 10 minutes, counted from the epoch; next in 9 min";
    assert_eq!(printed.lines().next(), Some(words));
    assert_eq!(printed.lines().nth(1), Some("2027-01-01T00:10:00+00:00"));
    assert_eq!(printed.lines().count(), 6);
}

#[test]
fn explain_tells_how_long_it_is_until_the_next_slot() {
    let place = Place::new();
    let words =
        |expr: &str, from: &str| place.run(&["explain", expr, "--from", from, "--count", "0"]).ok();
    let table = [
        ("@daily", "2027-01-01 00:00", "at 00:00 every day, UTC; next now\n"),
        ("@yearly", "2027-12-28 20:00", "at 00:00 on the 1st of January, UTC; next in 3 d 4 h\n"),
        ("0 3 * * *", "9999-12-31 04:00", "at 03:00 every day, UTC; never again\n"),
    ];
    for (expr, from, expected) in table {
        assert_eq!(words(expr, from), expected);
    }
}

#[test]
fn explain_says_where_a_mapping_is_read() {
    let said = Place::new().run(&["explain", "{minute: 0, hour: 3}"]).refused(1);
    assert!(said.contains("does not read mappings; write a crontab line"), "{said}");
}

#[test]
fn explain_of_an_entrys_name_says_how_to_see_its_slots() {
    let place = place_with_three();
    let said = place.run(&["explain", "nightly"]).refused(1);
    let hint = "; for the entry of that name: downbeat next nightly\n    nightly\n    ^";
    assert!(said.contains(hint), "{said}");
    let json = place.run(&["explain", "nightly", "--json"]).json(1);
    assert!(json["error"].as_str().unwrap().ends_with("downbeat next nightly"), "{json}");
    // Neither a schedule nor a configuration is needed to explain what is no entry.
    place.write_schedule("jobs.yaml", "entries: {nightly: {task: t, crom: 1}}");
    let said = place.run(&["--config", "nowhere.yaml", "explain", "nightly"]).refused(1);
    assert!(
        said.contains("neither a crontab line nor a length") && !said.contains("entry"),
        "{said}"
    );
}

#[test]
fn explain_joins_two_day_fields_as_told() {
    let place = Place::new();
    let days = |rule: &[&str]| {
        let args = ["explain", "0 0 1 * mon", "--from", "2027-01-01 00:00", "--count", "3"];
        let printed = place.run(&[&args[..], rule].concat()).ok();
        printed.lines().skip(1).map(|line| line[..10].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(days(&["--day-match", "or"]), ["2027-01-01", "2027-01-04", "2027-01-11"]);
    assert_eq!(days(&[]), days(&["--day-match", "or"]));
    assert_eq!(days(&["--day-match", "and"]), ["2027-02-01", "2027-03-01", "2027-11-01"]);
}

#[test]
fn explain_resolves_hashes_for_the_entry_it_is_told() {
    let place = Place::new();
    let args = ["explain", "H H(1-4) * * mon#1", "--entry", "nightly-report"];
    let from = ["--from", "2027-01-01 00:00", "--count", "1"];
    let printed = place.run(&[&args[..], &from].concat()).ok();
    let lines: Vec<_> = printed.lines().collect();
    let words = "at 02:03 on the first Monday of every month, UTC; next in 3 d 2 h";
    assert_eq!(lines[0], words);
    assert_eq!(lines[1], "H H(1-4) * * mon#1 is 3 2 * * mon#1");
    assert_eq!(lines[2..], ["2027-01-04T02:03:00+00:00"]);
    let json = place.run(&[&args[..], &from, &["--json"]].concat()).json(0);
    assert_eq!(json["resolved"], "3 2 * * mon#1");
    let said = place.run(&["explain", "0 H * * *"]).refused(1);
    assert!(said.contains("there is none; name an entry with `--entry NAME`\n"), "{said}");
    assert!(said.ends_with("\n    0 H * * *\n      ^\n"), "{said}");
    let json = place.run(&["explain", "0 3 * * *", "--entry", "a", "--json"]).json(0);
    assert!(json.get("resolved").is_none());
}

#[test]
fn explain_reads_lines_of_quartz() {
    let place = Place::new();
    let args = ["explain", "--quartz", "*/30 0 9 ? * MON-FRI 2027"];
    let printed = place.run(&[&args[..], &["--from", "2027-01-01 00:00", "--count", "3"]].concat());
    let printed = printed.ok();
    let lines: Vec<_> = printed.lines().collect();
    let words = "at 09:00:00 and 09:00:30 on Monday to Friday, in 2027, UTC; next in 9 h";
    assert_eq!(lines[0], words);
    assert_eq!(lines[1..3], ["2027-01-01T09:00:00+00:00", "2027-01-01T09:00:30+00:00"]);
    assert_eq!(lines[3], "2027-01-04T09:00:00+00:00");
    let past = place.run(&[&args[..], &["--from", "2028-01-01 00:00"]].concat()).ok();
    assert_eq!(past.lines().count(), 1);
    let said = place.run(&["explain", "--quartz", "0 0 9 ? * 0"]).refused(1);
    assert!(said.contains("`0` does not fit the weekday of a Quartz line; write `?`, 1 (Sunday)"));
    assert!(said.ends_with("\n    0 0 9 ? * 0\n              ^\n"), "{said}");
    let said = place.run(&["explain", "--quartz", "0 9 * * MON"]).refused(1);
    assert!(said.contains("write a crontab line without `quartz`"), "{said}");
    place.run(&["explain", "--quartz", "0 0 9 ? * 2", "--day-match", "and"]).refused(2);
    place.run(&["explain", "--quartz", "0 0 9 ? * 2", "--entry", "a"]).refused(2);
}

#[test]
fn explain_reads_recurrences() {
    let place = Place::new();
    let explain = |rule, from| {
        place.run(&["explain", rule, "--timezone", "Europe/London", "--from", from, "--count", "2"])
    };
    let rule = "DTSTART=20260101T170000;FREQ=MONTHLY;BYDAY=-1FR";
    let printed = explain(rule, "2027-03-01 00:00").ok();
    let lines: Vec<_> = printed.lines().collect();
    let words = "every month on the last Friday at 17:00, from 2026-01-01, Europe/London; ";
    assert_eq!(lines[0], format!("{words}next in 25 d 17 h"));
    assert_eq!(lines[1..], ["2027-03-26T17:00:00+00:00", "2027-04-30T17:00:00+01:00"]);
    let lines = "DTSTART:20260101T170000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20260201T000000";
    assert!(explain(lines, "2027-03-01 00:00").ok().ends_with("; never again\n"));
    let said = explain("DTSTART=20260101;FREQ=MONTLY", "2027-03-01 00:00").refused(1);
    assert!(said.contains("`MONTLY` is not a frequency; did you mean `MONTHLY`?\n"), "{said}");
    assert!(said.ends_with("=MONTLY\n                          ^~~~~~\n"), "{said}");
    let said = explain("FREQ=DAILY", "2027-03-01 00:00").refused(1);
    assert!(said.contains("begin with `DTSTART=20260101T090000;`\n"), "{said}");
}

#[test]
fn explain_and_next_show_no_more_slots_than_anybody_reads() {
    let place = place_with_three();
    place.run(&["explain", "@hourly", "--count", "10001"]).refused(2);
    place.run(&["next", "--count", "1000001"]).refused(2);
    let printed = place.run(&["explain", "@hourly", "--count", "10000"]).ok();
    assert_eq!(printed.lines().count(), 10_001);
}

#[test]
fn explain_points_at_what_is_wrong_with_an_expression() {
    let place = Place::new();
    let said = place.run(&["explain", "0 24 * * *"]).refused(1);
    let expected =
        "downbeat: hour `24` is out of range; did you mean `0`?\n    0 24 * * *\n      ^~\n";
    assert_eq!(said, expected);
    let json = place.run(&["explain", "0 24 * * *", "--json"]).json(1);
    let expected = serde_json::json!({
        "expr": "0 24 * * *",
        "error": "hour `24` is out of range; did you mean `0`?",
    });
    assert_eq!(json, expected);
    let said = place.run(&["explain", "0 3 * * mun"]).refused(1);
    assert!(said.ends_with("\n    0 3 * * mun\n            ^~~\n"), "{said}");
    let said = place.run(&["explain", "0 3 ☃ * *"]).refused(1);
    assert!(said.ends_with("\n    0 3 ☃ * *\n        ^\n"), "{said}");
    let said = place.run(&["explain", "0 0 3 * * *"]).refused(1);
    assert!(said.contains("6 fields have three meanings"), "{said}");
    assert!(said.contains("; write `0 3 * * *`\n"), "{said}");
    let said = place.run(&["explain", "10x"]).refused(1);
    assert!(said.contains("a length") && said.contains("`10m`"), "{said}");
    assert!(said.ends_with("\n    10x\n    ^~~\n"), "{said}");
    let said = place.run(&["explain", ""]).refused(1);
    assert!(said.contains("found 0 of five fields"), "{said}");
    let zone = ["explain", "0 3 * * *", "--timezone", "Asia/Soul"];
    let said = place.run(&zone).refused(1);
    assert!(said.contains("`Asia/Soul`; did you mean `Asia/Seoul`?"), "{said}");
    let json = place.run(&[&zone[..], &["--json"]].concat()).json(1);
    assert!(json["error"].as_str().unwrap().contains("Asia/Soul"));
    place.run(&["explain", "0 3 * * *", "--from", "noon"]).refused(2);
}

#[test]
fn list_shows_every_entry_and_whether_it_is_switched_off() {
    let place = place_with_three();
    let printed = place.run(&["list"]).ok();
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0][0], "digest-berlin");
    assert_eq!((rows[1][0], &rows[1][2..5]), ("nightly", &["-", "-", "reports"][..]));
    assert!(rows[1][1].ends_with("T03:00:00+09:00"), "{printed}");
    assert_eq!(rows[1][5], "at 03:00 every day");
    assert_eq!((rows[1][6], &rows[2][..2]), ("-", &["switched-off", "-"][..]));
    assert_eq!(rows[2][6], "disabled");
    let json = place.run(&["list", "--json"]).json(0);
    assert_eq!(json[1]["entry"], "nightly");
    assert_eq!(json[1]["task"], "reports.build");
    assert_eq!(json[1]["timezone"], "Asia/Seoul");
    assert_eq!(json[1]["description"], "For the accountants.");
    assert!(json[1]["next_utc"].as_str().unwrap().ends_with("T18:00:00Z"));
    assert_eq!((&json[2]["enabled"], &json[2]["next"]), (&false.into(), &serde_json::Value::Null));
}

#[test]
fn list_selects_entries_by_pattern_queue_tag_and_state() {
    let place = place_with(
        "entries:
          report-a: {task: t, every: 1h, queue: reports, tags: [money]}
          report-b: {task: t, every: 1h, queue: mail}
          tick: {task: t, every: 1h, queue: mail, tags: [often, money]}
        ",
    );
    let place = place.env("DOWNBEAT_BROKER", "spool:spool");
    place.run(&["pause", "report-b"]).ok();
    let listed = |args: &[&str]| {
        let json = place.run(&[&["list", "--json"], args].concat()).json(0);
        let names = json.as_array().unwrap().iter().map(|entry| entry["entry"].clone());
        names.map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (args, names) in [
        (&["report-*"][..], "report-a report-b"),
        (&["tick", "*-a"], "report-a tick"),
        (&["--queue", "mail"], "report-b tick"),
        (&["--tag", "money"], "report-a tick"),
        (&["--tag", "often", "--queue", "reports"], ""),
        (&["--tag", "money", "--queue", "mail", "t*"], "tick"),
        (&["--paused"], "report-b"),
        (&["--skipped"], ""),
    ] {
        assert_eq!(listed(args), names, "{args:?}");
    }
    assert_eq!(place.run(&["list", "x*"]).refused(1), "downbeat: no entry matches `x*`\n");
    let none = place.run(&["list", "--queue", "none"]);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "downbeat: no entry matches\n"));
}

#[test]
fn list_shows_all_of_one_entry() {
    let place = place_with(
        "
        calendars: {closed: [2027-12-24, 2027-12-25]}
        entries:
          nightly:
            task: reports.build
            cron: '0 3 * * *'
            timezone: Asia/Seoul
            start: 2027-12-23 03:00
            except: closed
            description: For the accountants, who read it every morning with their first coffee.
            queue: reports
            catch_up: all
            within: 2d
            expires: next
            jitter: 30s
            limit: 4
            max_queued: 100
            priority: 9
            tags: [money, nightly]
        ",
    );
    let shown = place.run(&["list", "nightly"]).ok();
    let expected = "\
entry        nightly
description  For the accountants, who read it every morning with their first coffee.
task         reports.build
when         at 03:00 every day
timezone     Asia/Seoul
start        2027-12-23T03:00:00+09:00
except       leaves out some times
queue        reports (celery)
catch_up     all, within 2d
expires      next
jitter       30s
limit        4, 4 left
max_queued   100
priority     9
tags         money, nightly
next         2027-12-23T03:00:00+09:00 (2027-12-22T18:00:00Z), due 03:00:11.179
             2027-12-26T03:00:00+09:00 (2027-12-25T18:00:00Z), due 03:00:03.525
";
    assert!(shown.starts_with(expected), "{shown}");
    let json = place.run(&["list", "nightly", "--json"]).json(0);
    assert_eq!(
        (&json["entry"], &json["left"], &json["worker"]),
        (&"nightly".into(), &4.into(), &"celery".into())
    );
    assert_eq!(json["slots"].as_array().unwrap().len(), 4);
    assert_eq!(json["slots"][1]["slot_utc"], "2027-12-25T18:00:00Z");
    let said = place.run(&["list", "nigthly"]).refused(1);
    assert_eq!(said, "downbeat: no entry is named `nigthly`; did you mean `nightly`?\n");
}

#[test]
fn list_shows_last_slots_with_and_without_the_service() {
    let place = place_with("entries: {tick: {task: t, every: 1s}}");
    let place = place.env("DOWNBEAT_BROKER", "spool:spool");
    let mut downbeat = place.start(&["run"]);
    downbeat.wait_for_dispatches("tick", 0, 1);
    let last = |place: &Place| {
        let json = place.run(&["list", "--json"]).json(0);
        crate::support::sent::instant(json[0]["last_utc"].as_str().unwrap()).0
    };
    let shown = last(&place);
    assert!(downbeat.dispatches().iter().any(|dispatch| dispatch.slot_ms == shown));
    downbeat.process().terminate();
    downbeat.wait(crate::support::wait::SOON);
    assert_eq!(last(&place), downbeat.dispatches().last().unwrap().slot_ms);
}

#[test]
fn check_tells_programs_where_each_problem_is() {
    let place = Place::new();
    place.write_schedule("a.yaml", "entries:\n  a: {task: t, cron: \"61 * * * *\"}\n");
    let checked = place.run(&["check", "--json"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), ""));
    let said: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(said["entries"], Value::Null);
    let problem = &said["problems"][0];
    assert_eq!((&problem["severity"], &problem["line"]), (&"error".into(), &2.into()));
    place.write_schedule("a.yaml", "entries:\n  a: {task: t, cron: \"1 * * * *\"}\n");
    let said = place.run(&["check", "--json"]).json(0);
    assert_eq!((&said["entries"], &said["problems"]), (&1.into(), &Value::Array(Vec::new())));
    let said = place.run(&["--grace", "1s", "check", "--json"]);
    assert!(said.stdout.contains("--grace"), "{}", said.stdout);
}

#[test]
fn a_name_that_is_none_is_answered_with_the_entries_that_it_could_mean() {
    let entry = |name| format!("  {name}: {{task: t, every: 1h}}\n");
    let names = ["nightly-report", "nightly-export", "old-report"];
    let place = place_with(&format!("entries:\n{}", names.map(entry).concat()));
    let place = place.env("DOWNBEAT_BROKER", "spool:spool");
    for command in [&["next"][..], &["list"], &["trigger", "--dry-run"], &["pause"]] {
        for (name, meant) in [
            ("nightly", "`nightly-export` or `nightly-report`"),
            ("nighly-report", "`nightly-report`"),
            ("port", "`nightly-export`, `nightly-report` or `old-report`"),
        ] {
            let said = place.run(&[command, &[name]].concat()).refused(1);
            let answer = format!("downbeat: no entry is named `{name}`; did you mean {meant}?\n");
            assert!(said.ends_with(&answer), "{command:?}: {said}");
        }
    }
}

#[test]
fn a_date_alone_is_the_beginning_of_the_day_wherever_a_time_is_typed() {
    let place = place_with(
        "timezone: Europe/Berlin\nentries:\n  a: {task: t, cron: '0 */8 * * *', queue: q}\n",
    );
    let place = place.env("DOWNBEAT_BROKER", "spool:spool");
    let slots =
        |from: &str, to: &str| column(&next(&place, &["--from", from, "--to", to]), 0).join(" ");
    let day = "2026-03-27T00:00:00+01:00 2026-03-27T08:00:00+01:00 2026-03-27T16:00:00+01:00";
    assert_eq!(slots("2026-03-27", "2026-03-28"), day);
    assert_eq!(slots("2026-03-27 00:00", "2026-03-28T00:00:00+01:00"), day);
    let backfill = ["backfill", "a", "--from", "2026-03-27", "--to", "2026-03-28", "--dry-run"];
    assert_eq!(place.run(&backfill).ok().lines().count(), 3);
    let explain = ["explain", "1h", "--timezone", "Europe/Berlin", "--from", "2026-03-27"];
    assert!(place.run(&explain).ok().contains("\n2026-03-27T00:00:00+01:00\n"));
    place.run(&["plan", "--from", "2026-03-27", "--to", "2026-03-28"]).ok();
    place.run(&["history", "a", "--from", "2026-03-27", "--to", "2026-03-28"]).ok();
    let slot = ["trigger", "a", "--slot", "2026-03-27", "--dry-run", "--json"];
    assert_eq!(place.run(&slot).json(0)["slot"], "2026-03-27T00:00:00+01:00");
    let paused = place.run(&["pause", "a", "--until", "2126-03-27"]).ok();
    assert!(paused.contains("until 2126-03-27T00:00:00+01:00"), "{paused}");
    let said = place.run(&["next", "--from", "2026-02-30"]).refused(2);
    assert!(said.contains("--from: there is no `2026-02-30`"), "{said}");
    let said = place.run(&["next", "--from", "27.03.2026"]).refused(2);
    assert!(said.contains("`2026-12-24` for the beginning of that day"), "{said}");
}

#[test]
fn a_backfill_takes_lengths_before_now() {
    let place = place_with("entries: {a: {task: t, every: 1m}}");
    let place = place.env("DOWNBEAT_BROKER", "spool:spool");
    let shown = place.run(&["backfill", "a", "--from", "2h", "--to", "1h", "--dry-run"]).ok();
    assert_eq!(shown.lines().count(), 60, "{shown}");
}
