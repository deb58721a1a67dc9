//! `plan`: the load of a schedule over time, as a picture and as facts.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::output::on_a_terminal;
use super::place_with;
use crate::support::downbeat::Place;
use crate::support::tools::{needs, python};

/// A name that has to be escaped, and a queue that nothing goes to before Wednesday.
const BUSY: &str = r#"
timezone: America/New_York
defaults: {queue: reports}
entries:
  hourly: {task: t, cron: "0 * * * *"}
  "nightly <&>": {task: t, cron: "30 2 * * *"}
  also-nightly: {task: t, cron: "30 2 * * *", queue: mail}
  again-nightly: {task: t, cron: "30 2 * * *", queue: mail}
  and-nightly: {task: t, cron: "30 2 * * *", queue: mail}
  weekly: {task: t, cron: "0 12 * * wed", queue: seldom, timezone: Europe/Berlin}
  switched-off: {task: t, every: 1s, enabled: false}
"#;

fn place() -> Place {
    place_with(BUSY)
}

const DAY: [&str; 5] = ["plan", "--from", "2027-01-04 01:00", "--to", "2027-01-04 04:00"];
/// The clock is set forward on Sunday, the 14th.
const DAYS: [&str; 5] = ["plan", "--from", "2027-03-12 12:00", "--to", "2027-03-15 12:00"];

#[test]
fn plan_draws_a_day_by_the_hour() {
    let expected = "\
7 slots from 2027-01-04 01:00 to 2027-01-04 04:00, America/New_York

          :00  :05  :10  :15  :20  :25  :30  :35  :40  :45  :50  :55    slots
Mon 01:00 1...........................................................      1
Mon 02:00 1.............................4.............................      5
Mon 03:00 1...........................................................      1

slots in a minute:  .=none  1=1  2=2  3=3  4=4
busiest minute: 2027-01-04T02:30:00-05:00 with 4

busiest seconds
2027-01-04T02:30:00-05:00\t4\tagain-nightly, also-nightly, and-nightly and 1 more
2027-01-04T01:00:00-05:00\t1\thourly
2027-01-04T02:00:00-05:00\t1\thourly
2027-01-04T03:00:00-05:00\t1\thourly

slots of each queue, and the most in a minute
mail\t3\t3
reports\t4\t1
seldom\t0\t0
";
    assert_eq!(place().run(&DAY).ok(), expected);
}

#[test]
fn plan_draws_more_by_the_day_with_a_hole_where_the_clock_jumps() {
    let printed = place().run(&DAYS).ok();
    let (map, _) = printed.split_once("\nbusiest minute").unwrap();
    let expected = "\
83 slots from 2027-03-12 12:00 to 2027-03-15 12:00, America/New_York

          00  02  04  06  08  10  12  14  16  18  20  22    slots
Fri 03-12                         1.1.1.1.1.1.1.1.1.1.1.1.     12
Sat 03-13 1.1.141.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.     28
Sun 03-14 1.1.  5.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.     27
Mon 03-15 1.1.141.1.1.1.1.1.1.1.1.                             16

slots in the busiest minute of 30:  .=none  1=1  2=2  3=3  4=4  5=5";
    assert_eq!(map.trim_end(), expected);
}

#[test]
fn plan_of_nothing_is_an_empty_picture() {
    let place = place_with("entries: {once: {task: t, at: 2020-01-01 00:00}}");
    let printed =
        place.run(&["plan", "--timezone", "Asia/Kolkata", "--from", "2027-01-04 00:10"]).ok();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "0 slots from 2027-01-04 00:10 to 2027-01-05 00:10, Asia/Kolkata");
    assert_eq!((lines.len(), lines[3].len()), (30, 77));
    assert_eq!(
        lines[3].trim_start_matches("Mon 00:00"),
        format!("{}{}      0", " ".repeat(11), ".".repeat(50))
    );
    assert_eq!(lines[29], "slots in a minute:  .=none");
}

#[test]
fn plan_begins_with_the_present_hour_for_a_day() {
    let json = place_with("entries: {a: {task: t, every: 1h}}").run(&["plan", "--json"]).json(0);
    assert_eq!((&json["slots"], &json["timezone"]), (&24.into(), &"UTC".into()));
    assert!(json["from"].as_str().unwrap().ends_with(":00:00+00:00"), "{json}");
    assert_eq!(json["heat_map"]["rows"].as_array().unwrap().len(), 24);
}

#[test]
fn plan_tells_programs_the_same() {
    let json = place().run(&[&DAYS[..], &["--json"]].concat()).json(0);
    let without = |mut json: Value, keys: &[&str]| {
        keys.iter().for_each(|key| drop(json.as_object_mut().unwrap().remove(*key)));
        json
    };
    let expected = json!({
        "from": "2027-03-12T12:00:00-05:00",
        "from_utc": "2027-03-12T17:00:00Z",
        "to": "2027-03-15T12:00:00-04:00",
        "to_utc": "2027-03-15T16:00:00Z",
        "timezone": "America/New_York",
        "slots": 83,
        "busiest_minute": {
            "minute": "2027-03-14T03:00:00-04:00",
            "minute_utc": "2027-03-14T07:00:00Z",
            "slots": 5,
        },
        "queues": [
            {"queue": "mail", "slots": 9, "peak_per_minute": 3},
            {"queue": "reports", "slots": 74, "peak_per_minute": 2},
            {"queue": "seldom", "slots": 0, "peak_per_minute": 0},
        ],
    });
    assert_eq!(without(json.clone(), &["heat_map", "busiest_seconds"]), expected);
    let expected = json!({
        "second": "2027-03-14T03:00:00-04:00",
        "second_utc": "2027-03-14T07:00:00Z",
        "slots": 5,
        "entries": ["again-nightly", "also-nightly", "and-nightly"],
        "more_entries": 2,
    });
    assert_eq!(json["busiest_seconds"][0], expected);
    assert_eq!(json["busiest_seconds"].as_array().unwrap().len(), 10);
    assert_eq!(json["heat_map"]["cell_minutes"], 30);
    let row = &json["heat_map"]["rows"][2];
    let expected = json!({"from": "2027-03-14T00:00:00-05:00", "from_utc": "2027-03-14T05:00:00Z", "slots": 27});
    assert_eq!(without(row.clone(), &["cells"]), expected);
    let cells = row["cells"].as_array().unwrap();
    assert_eq!(
        (cells.len(), &cells[..7]),
        (48, &json!([1, 0, 1, 0, null, null, 5]).as_array().unwrap()[..])
    );
}

/// The visible lines, and whether there was colour.
fn shown(place: &Place, args: &[&str]) -> Option<(Vec<String>, bool)> {
    let quoted: Vec<_> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let shown = on_a_terminal(place, &quoted.join(" "))?;
    let mut plain = String::new();
    for part in shown.split('\x1b') {
        plain += part.strip_prefix('[').map_or(part, |code| code.split_once('m').unwrap().1);
    }
    Some((plain.lines().map(str::to_owned).collect(), shown.contains("\x1b[48;5;")))
}

#[test]
fn plan_on_a_terminal_has_colours_and_eighty_columns() {
    for args in [&DAY, &DAYS] {
        let Some((lines, coloured)) = shown(&place(), args) else { return };
        assert!(coloured);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        let has = |text: &str| lines.iter().any(|line| line.starts_with(text));
        assert!(has("SECOND ") && has("QUEUE "), "{lines:#?}");
    }
    let without = place().env("NO_COLOR", "1");
    let (lines, coloured) = shown(&without, &DAY).unwrap();
    assert!(!coloured);
    let cells = |from: char, after: usize| format!("{from}{}", "·".repeat(after));
    let expected = format!("Mon 02:00 {}{}      5", cells('░', 29), cells('█', 29));
    assert_eq!(lines[4], expected);
    assert_eq!(lines[7], "slots in a minute:  ·· none  ░░ 1  ▒▒ 2  ▓▓ 3  ██ 4");
}

#[test]
fn plan_draws_a_picture_that_is_well_formed() {
    needs!(Python);
    let place = place();
    for args in [&DAY, &DAYS] {
        place.run(&[&args[..], &["--svg", "plan.svg"]].concat()).ok();
        let path = place.path().join("plan.svg");
        let script = "
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
name = lambda element: element.tag.removeprefix('{http://www.w3.org/2000/svg}')
assert name(root) == 'svg', root.tag
texts = [element.text for element in root.iter() if element.text and element.text.strip()]
print('\\n'.join(texts))
";
        let parsed = Command::new(python()).args(["-c", script]).arg(&path).output().unwrap();
        assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
        let texts = String::from_utf8(parsed.stdout).unwrap();
        let printed = place.run(args).ok();
        let heading = printed.lines().next().unwrap();
        assert!(texts.starts_with(heading), "{texts}");
        assert!(texts.contains("again-nightly, also-nightly, and-nightly and "), "{texts}");
        for part in ["none", "slots in ", "hour"] {
            assert!(texts.contains(part), "{part} is not in {texts}");
        }
    }
    let svg = fs::read_to_string(place.path().join("plan.svg")).unwrap();
    assert!(
        svg.contains(
            "<title>Sun 03-14 03:00: 5 slots in the busiest minute of 30\n5 in the second "
        )
    );
    // A name that looks like markup.
    let place = place_with("entries: {'<b>&': {task: t, every: 1h}}");
    place.run(&["plan", "--svg", "plan.svg"]).ok();
    let svg = fs::read_to_string(place.path().join("plan.svg")).unwrap();
    assert!(svg.contains(": &lt;b&gt;&amp;</title>") && !svg.contains("<b>"), "{svg}");
}

#[test]
fn plan_says_what_it_cannot_show() {
    let place = place();
    for (args, code, said) in [
        (&["--from", "noon"][..], 2, "--from: `noon` is not a date and time"),
        (
            &["--timezone", "Asia/Soul"],
            2,
            "--timezone: no time zone has the name `Asia/Soul`; did you mean `Asia/Seoul`?",
        ),
        (&["--from", "2027-01-01 00:00:30"], 2, "2027-01-01T05:00:30Z is not a whole minute"),
        (&["--from", "2027-01-01 00:00", "--to", "2027-01-01 00:00"], 2, "is empty"),
        (&["--from", "2027-01-01 00:00", "--to", "2029-01-01 00:00"], 2, "is longer than 366 days"),
        (&["--svg", "nowhere/plan.svg"], 1, "--svg: cannot write nowhere/plan.svg: No such file"),
    ] {
        let refused = place.run(&[&["plan"], args].concat()).refused(code);
        assert!(refused.contains(said), "{args:?}: {refused}");
    }
}
