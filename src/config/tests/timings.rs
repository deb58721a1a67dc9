//! Lists of cron lines, offsets of the sun, and whole days in zones whose clocks change.

use super::*;
use crate::text::Severity;

/// The only entry of a file, `a` with these keys.
fn entry(keys: &str) -> Entry {
    let text = format!("entries:\n  a: {{task: t, {keys}}}\n");
    let (loaded, shown) = load_text("a.yaml", text.as_bytes());
    let schedule = loaded.schedule.unwrap_or_else(|| panic!("{shown}"));
    schedule.get("a").unwrap().clone()
}

/// What loading says of an entry with these keys: messages with their hints.
fn said(keys: &str) -> Vec<String> {
    let text = format!("timezone: Europe/Berlin\nentries:\n  a: {{task: t, {keys}}}\n");
    let (loaded, _) = load_text("a.yaml", text.as_bytes());
    let said = |problem: &crate::text::Problem| {
        format!("{}; {}", problem.message, problem.hint.as_deref().unwrap_or_default())
    };
    loaded.problems.iter().map(said).collect()
}

fn slots(entry: &Entry, after: &str, count: usize) -> Vec<String> {
    let after = UnixMs::from(after.parse::<jiff::Timestamp>().unwrap());
    let next = |slot: &UnixMs| entry.next_slot(*slot);
    let slots = std::iter::successors(next(&after), next);
    slots.take(count).map(|slot| entry.zone.to_rfc3339(slot)).collect()
}

#[test]
fn a_list_of_one_line_is_that_line() {
    let (list, line) = (entry("cron: [\"0 3 * * *\"]"), entry("cron: \"0 3 * * *\""));
    assert_eq!(list.canonical_timing(), line.canonical_timing());
    assert_eq!(list, line);
}

#[test]
fn a_list_may_have_lines_mappings_and_quartz_lines() {
    let all = entry(
        r#"cron: ["0 3 * * *", {minute: 30, hour: 3}, {quartz: "0 0 4 * * ?"}, "@hourly", "0 3 * * *  "]"#,
    );
    let expected =
        ["2027-01-01T03:00:00+00:00", "2027-01-01T03:30:00+00:00", "2027-01-01T04:00:00+00:00"];
    assert_eq!(slots(&all, "2027-01-01T02:00:00Z", 3), expected);
}

#[test]
fn each_line_of_a_list_is_hashed_from_the_entrys_name() {
    let both = entry("cron: [\"H 3 * * *\", \"H 15 * * *\", \"0 9 * * *\"]");
    let one = entry("cron: \"H 3 * * *\"");
    let minute = |line: &str| line.split(' ').next().unwrap().to_owned();
    let resolved = |entry: &Entry| entry.about.as_ref().unwrap().resolved.clone().unwrap();
    let minute = minute(&resolved(&one));
    assert_eq!(*resolved(&both), format!("{minute} 3 * * *, {minute} 15 * * *"));
}

#[test]
fn day_match_is_about_every_line_of_a_list() {
    let both = entry("cron: [\"0 3 1 * mon\", \"0 4 1 * fri\"], day_match: and");
    let expected = ["2027-01-01T04:00:00+00:00", "2027-02-01T03:00:00+00:00"];
    assert_eq!(slots(&both, "2026-12-31T00:00:00Z", 2), expected);
}

#[test]
fn a_foreign_line_in_a_list_is_answered_for_itself() {
    for (line, hint) in [
        ("0 0 12 * * ?", "write `\"0 12 * * *\"`"),
        ("@every 5m", "write an entry of its own with `every: 5m`"),
        (
            "TZ=Asia/Seoul 0 5 * * *",
            "write an entry of its own with `cron: \"0 5 * * *\"` and `timezone: Asia/Seoul`",
        ),
    ] {
        let text = format!("entries: {{a: {{task: t, cron: [\"0 3 * * *\", \"{line}\"]}}}}");
        let said = load_text("a.yaml", text.as_bytes()).1;
        assert!(said.trim_end().ends_with(&format!("hint: {hint}")), "{said}");
    }
}

#[test]
fn equal_lines_of_a_list_are_warned_of() {
    let same = ["the same slots as those of line 3, column 23; remove one of the two"];
    assert_eq!(said("cron: [\"0 3 * * *\", \"00 3 * * *\"]"), same);
    assert_eq!(said("cron: [\"0 3 * * *\", {quartz: \"0 0 3 * * ?\"}]"), same);
}

#[test]
fn a_list_has_at_most_a_hundred_lines() {
    let lines = |count: usize| {
        let lines: Vec<String> =
            (0..count).map(|at| format!("\"{} {} * * *\"", at % 60, at / 60)).collect();
        said(&format!("cron: [{}]", lines.join(", ")))
    };
    assert_eq!(lines(100), [""; 0]);
    assert!(lines(101)[0].starts_with("expected 1 to 100 lines, found 101; write `["));
}

#[test]
fn the_sun_is_offset_in_either_direction() {
    let sun = |offset: &str| {
        let keys = format!("solar: {{event: sunset, latitude: 37.57, longitude: 126.98{offset}}}");
        slots(&entry(&format!("timezone: Asia/Seoul, {keys}")), "2027-03-01T00:00:00Z", 1).remove(0)
    };
    assert_eq!(sun(""), "2027-03-01T18:25:00+09:00");
    assert_eq!(sun(", offset: 0s"), sun(""));
    assert_eq!(sun(", offset: -30m"), "2027-03-01T17:55:00+09:00");
    assert_eq!(sun(", offset: 1h30m"), "2027-03-01T19:55:00+09:00");
    assert_eq!(sun(", offset: +1h30m"), "2027-03-01T19:55:00+09:00");
    // Over midnight, from the sunset of the day before.
    assert_eq!(sun(", offset: 15h"), "2027-03-01T09:24:00+09:00");
}

#[test]
fn an_offset_is_a_length_below_a_day() {
    let said = |offset: &str| {
        said(&format!("solar: {{event: sunset, latitude: 0, longitude: 0, offset: {offset}}}"))
            .remove(0)
    };
    let day = "`offset` is less than 24h, found the text `-24h`; write a length below a day, counted from";
    assert!(said("-24h").starts_with(day), "{}", said("-24h"));
    assert!(said("1w").starts_with("`offset` is less than 24h"));
    assert!(said("-30").contains("has no unit; write `30s`"));
    let expected =
        "expected a length, found the text `before`; write `-30m` for half an hour before";
    assert!(said("before").starts_with(expected), "{}", said("before"));
    assert!(said("[]").starts_with("expected a length, found a list"));
}

#[test]
fn what_keeps_the_hour_is_read_and_begins_alike() {
    let table = [
        ("every: 1d, anchor: 2026-01-05 09:00", "cron: \"0 9 * * *\""),
        ("every: 1w, start: 2026-12-07 09:00", "cron: \"0 9 * * mon\""),
        ("every: 24h, phase: 9h", "cron: \"0 10 * * *\""),
        ("every: 1d, anchor: 2026-07-05 09:00:05", "cron: {quartz: \"5 0 9 * * ?\"}"),
        ("every: 7d, anchor: 2026-07-05 09:00:05", "cron: {quartz: \"5 0 9 ? * SUN\"}"),
        (
            "every: 2w, anchor: 2026-01-05 09:00",
            r#"rrule: "DTSTART:20260105T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2""#,
        ),
        (
            "every: 3d, anchor: 2026-01-05 09:00",
            r#"rrule: "DTSTART:20260105T090000\nRRULE:FREQ=DAILY;INTERVAL=3""#,
        ),
    ];
    for (keys, instead) in table {
        let [warning] = &said(keys)[..] else { panic!("{keys}: {:?}", said(keys)) };
        assert!(warning.contains(&format!("write `{instead}` instead of `every`")), "{warning}");
        let [old, new] =
            [keys, instead].map(|keys| entry(&format!("timezone: Europe/Berlin, {keys}")));
        // In the season of the anchor.
        let after =
            if keys.contains("-07-") { "2026-07-06T00:00:00Z" } else { "2026-12-08T00:00:00Z" };
        assert_eq!(slots(&old, after, 3), slots(&new, after, 3), "{keys}");
        assert_eq!(said(instead), [""; 0]);
    }
}

#[test]
fn ten_thousand_warnings_of_whole_days_are_cut() {
    let entries: String =
        (0..10_000).map(|at| format!("  e{at}: {{task: t, every: 1d, phase: {at}s}}\n")).collect();
    let text = format!("timezone: Europe/Berlin\nentries:\n{entries}");
    let (loaded, _) = load_text("a.yaml", text.as_bytes());
    assert!(loaded.schedule.is_some());
    assert!((1..1000).contains(&loaded.problems.len()), "{}", loaded.problems.len());
    assert!(loaded.problems.iter().all(|problem| problem.severity == Severity::Warning));
}
