//! Quartz lines: what they mean, what is refused, and how a clock change affects their seconds.

use super::*;

fn quartz(line: &str) -> Quartz {
    Quartz::parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).quartz
}

/// The first slots after an instant, as the zone's clock shows them.
fn slots(line: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let (quartz, zone) = (quartz(line), zone(zone_name));
    let mut at = utc(after);
    let step = |_| {
        at = quartz.next(&zone, at).unwrap();
        zone.to_rfc3339(at)
    };
    (0..count).map(step).collect()
}

#[track_caller]
fn check(zone: &str, after: &str, line: &str, expected: &[&str]) {
    assert_eq!(slots(line, zone, after, expected.len()), expected, "{line} in {zone}");
}

#[test]
fn lines_mean_what_quartz_says() {
    let table = [
        (
            "0 30 9 * * MON-FRI",
            "2025-01-01T09:30:00, 2025-01-02T09:30:00, 2025-01-03T09:30:00, 2025-01-06T09:30:00",
        ),
        ("0 0 0 ? * 1", "2025-01-05T00:00:00, 2025-01-12T00:00:00"),
        ("0 0 0 ? * 7", "2025-01-04T00:00:00, 2025-01-11T00:00:00"),
        ("0 0 0 ? * 2-6/2", "2025-01-03T00:00:00, 2025-01-06T00:00:00, 2025-01-08T00:00:00"),
        ("0 0 0 ? * Tues,saturday", "2025-01-04T00:00:00, 2025-01-07T00:00:00"),
        ("15,45 59 23 31 12 ?", "2025-12-31T23:59:15, 2025-12-31T23:59:45, 2026-12-31T23:59:15"),
        (
            "*/20 0 12 * * ?",
            "2025-01-01T12:00:00, 2025-01-01T12:00:20, 2025-01-01T12:00:40, 2025-01-02T12:00:00",
        ),
        ("50/5 * * * * ?", "2025-01-01T00:00:50, 2025-01-01T00:00:55, 2025-01-01T00:01:50"),
        ("* * * * * ?", "2025-01-01T00:00:01, 2025-01-01T00:00:02"),
        ("0 0 0 L * ?", "2025-01-31T00:00:00, 2025-02-28T00:00:00"),
        ("0 0 0 L-3 * ?", "2025-01-28T00:00:00, 2025-02-25T00:00:00"),
        ("0 0 12 L-3W 4,5 ?", "2025-04-28T12:00:00, 2025-05-28T12:00:00"),
        ("0 0 0 LW * ?", "2025-01-31T00:00:00, 2025-02-28T00:00:00, 2025-03-31T00:00:00"),
        ("0 0 0 15W 3 ?", "2025-03-14T00:00:00"),
        ("0 0 0 15,L * ?", "2025-01-15T00:00:00, 2025-01-31T00:00:00"),
        ("0 0 0 ? * 6#5", "2025-01-31T00:00:00, 2025-05-30T00:00:00"),
        ("0 0 0 ? * 6L", "2025-01-31T00:00:00, 2025-02-28T00:00:00"),
        ("0 0 0 ? * MON#1", "2025-01-06T00:00:00, 2025-02-03T00:00:00"),
        ("0 0 0 ? * L", "2025-01-04T00:00:00, 2025-01-11T00:00:00"),
        ("0 0 0 ? * SUN,6#1", "2025-01-03T00:00:00, 2025-01-05T00:00:00, 2025-01-12T00:00:00"),
        // Both day fields must match.
        ("0 0 0 L * 6", "2025-01-31T00:00:00, 2025-02-28T00:00:00, 2025-10-31T00:00:00"),
        ("0 0 0 13 * FRI", "2025-06-13T00:00:00, 2026-02-13T00:00:00"),
        ("0 0 0 1 JAN ? 2027,2030", "2027-01-01T00:00:00, 2030-01-01T00:00:00"),
        ("0 0 0 29 2 ? 2020-2040", "2028-02-29T00:00:00, 2032-02-29T00:00:00"),
        ("0 0 0 1 january ? 2027-2100/2", "2027-01-01T00:00:00, 2029-01-01T00:00:00"),
        ("0  0\t0 1 1 ? * ", "2026-01-01T00:00:00, 2027-01-01T00:00:00"),
    ];
    for (line, expected) in table {
        let expected: Vec<String> = expected.split(", ").map(|at| format!("{at}+00:00")).collect();
        assert_eq!(slots(line, "UTC", "2025-01-01T00:00:00Z", expected.len()), expected, "{line}");
    }
}

#[test]
fn everything_not_wholly_understood_is_refused_with_a_hint() {
    let needs = "needs a crontab line; write one, minute first: `cron: \"H 3 * * *\"`";
    let table = [
        ("", "found 0 of six or seven fields; write second, minute, hour, day of month, month"),
        ("0 3 * * *", "found 5 of six or seven fields; write a crontab line without `quartz`"),
        ("* * * * * * * *", "found 8 of six or seven fields"),
        ("@daily", "found 1 of six or seven fields"),
        ("0 0 3 * * ?\n", "`\\n` is not part of a crontab line"),
        // What the crate reads as two fields, or as one.
        ("0 ** 3 * * ?", "`**` does not fit the minute of a Quartz line; write 0 to 59, or ranges"),
        ("** 3 * * ?", "found 5 of six or seven fields"),
        ("*5 0 3 * * ?", "`*5` does not fit the second"),
        ("0 1* 3 * * ?", "`1*` does not fit the minute"),
        ("0 */5* 3 * * ?", "`*/5*` does not fit the minute"),
        (
            "0 0 3 1, 15 * ?",
            "a day of month is missing here; write `?`, 1 to 31, or ranges upwards",
        ),
        ("0 0 3 1 - 5 * ?", "found 8 of six or seven fields"),
        ("0 0 3 1,,5 * ?", "a day of month is missing here"),
        ("0 0 3 1-5-7 * ?", "`1-5-7` does not fit the day of month"),
        ("0 0 3 1-5/2/3 * ?", "`1-5/2/3` does not fit the day of month"),
        ("0 */ 3 * * ?", "`*/` does not fit the minute"),
        ("0 +1 3 * * ?", "`+1` does not fit the minute"),
        ("0 \u{661} 3 * * ?", "`\u{661}` does not fit the minute"),
        ("0 1.5 3 * * ?", "`1.5` does not fit the minute"),
        // What the crate refuses.
        ("60 0 3 * * ?", "`60` does not fit the second of a Quartz line; write 0 to 59"),
        ("0 0 24 * * ?", "`24` does not fit the hour of a Quartz line; write 0 to 23"),
        ("0 0 3 0 * ?", "`0` does not fit the day of month"),
        ("0 0 3 ? 13 *", "`13` does not fit the month of a Quartz line; write 1 to 12, names, or"),
        (
            "0 0 3 ? * 0",
            "`0` does not fit the weekday of a Quartz line; write `?`, 1 (Sunday) to 7",
        ),
        ("0 0 3 ? * 8", "`8` does not fit the weekday"),
        ("0 0 3 ? * FRI-MON", "`FRI-MON` does not fit the weekday"),
        ("0 0 3 ? * 2,MON-5", "`MON-5` does not fit the weekday"),
        ("0 0 3 ? * MON/2", "`MON/2` does not fit the weekday"),
        ("0 0 3 ? * monkey", "`monkey` does not fit the weekday"),
        ("0 0 22-4 ? * MON", "`22-4` does not fit the hour"),
        ("0 ? 3 * * ?", "`?` does not fit the minute"),
        ("0 */60 3 * * ?", "`*/60` does not fit the minute"),
        ("0 */0 3 * * ?", "`*/0` does not fit the minute"),
        ("0 99999999999 3 * * ?", "`99999999999` does not fit the minute"),
        ("0 0 3 * * ? 1969", "`1969` does not fit the year of a Quartz line; write 1970 to 2100"),
        ("0 0 3 * * ? 2101", "`2101` does not fit the year"),
        // Kinds of days, which the crate lacks.
        ("0 0 3 L-31 * ?", "`L-31` does not say how many days before the last; write `L-1`"),
        ("0 0 3 32W * ?", "day of month `32` is out of range; write 1 to 31"),
        ("0 0 3 L/2 * ?", "`L/2` does not fit the day of month"),
        ("0 0 3 1-L * ?", "`1-L` does not fit the day of month"),
        ("0 0 3 6L * ?", "`6L` (the last such weekday of the month) is not a day of month; write"),
        ("0 0 3 ? * 6#6", "`6` does not say which one of the month; write `#1` to `#5`"),
        ("0 0 3 ? * 0#2", "weekday `0` is out of range; write 1 to 7"),
        ("0 0 3 ? * 8L", "weekday `8` is out of range; write 1 to 7"),
        ("0 0 3 ? * LW", "`LW` (the last day of the month from Monday to Friday) is not a weekday"),
        ("0 0 L * * ?", "`L` does not fit the hour of a Quartz line"),
        ("0 H 3 * * ?", &format!("`H` (a value hashed from the entry's name) {needs}")),
        ("0 0~9 3 * * ?", &format!("`0~9` (a random value) {needs}")),
        // Dates that never come.
        ("0 0 3 30 2 ?", "the date `30 2 ?` never comes"),
        ("0 0 3 29 2 ? 2027", "the date `29 2 ? 2027` never comes"),
        ("0 0 3 29 2 MON 2073-2100", "the date `29 2 MON 2073-2100` never comes"),
    ];
    for (line, expected) in table {
        let error = Quartz::parse(line).expect_err(line);
        assert!(error.to_string().starts_with(expected), "{line}: {error}");
        assert_eq!(&line[error.span], &*error.token, "{line}");
    }
}

#[test]
fn fixed_seconds_follow_the_rule_of_clock_changes() {
    let spring = "2025-03-09T05:59:59Z";
    let days = ["2025-03-09T03:00:00-04:00", "2025-03-10T02:30:05-04:00"];
    check("America/New_York", spring, "5 30 2 * * ?", &days);
    let few =
        ["2025-03-09T03:00:00-04:00", "2025-03-10T02:00:15-04:00", "2025-03-10T02:00:45-04:00"];
    check("America/New_York", spring, "15,45 0 2 * * ?", &few);
    let autumn = ["2025-11-02T01:30:05-04:00", "2025-11-03T01:30:05-05:00"];
    check("America/New_York", "2025-11-02T04:59:59Z", "5 30 1 * * ?", &autumn);
    check("America/New_York", "2025-11-02T06:10:00Z", "5 30 1 * * ?", &autumn[1..]);
}

#[test]
fn wildcard_seconds_follow_the_rule_of_clock_changes() {
    let half = ["2025-03-09T01:59:30-05:00", "2025-03-09T03:00:00-04:00"];
    check("America/New_York", "2025-03-09T06:59:10Z", "*/30 0-59 0-23 * * ?", &half);
    check(
        "America/New_York",
        "2025-03-09T06:59:10Z",
        "*/30 0 2 * * ?",
        &["2025-03-10T02:00:00-04:00"],
    );
    let twice =
        ["2025-11-02T01:59:59-04:00", "2025-11-02T01:00:00-05:00", "2025-11-02T01:00:01-05:00"];
    check("America/New_York", "2025-11-02T05:59:58Z", "* * * * * ?", &twice);
    let once = ["2025-11-02T01:59:59-04:00", "2025-11-02T02:00:00-05:00"];
    check("America/New_York", "2025-11-02T05:59:58Z", "0-59 0-59 0-23 * * ?", &once);
    assert_eq!(quartz("*/30 0 2 * * ?").cron.class, Class::Wildcard);
    assert_eq!(quartz("0 */2 2 * * ?").cron.class, Class::Wildcard);
    assert_eq!(quartz("0 0 * * * ?").cron.class, Class::Wildcard);
    assert_eq!(quartz("0 0 2 * * *").cron.class, Class::Fixed);
}

#[test]
fn an_offset_with_seconds_is_read_to_the_second() {
    // Liberia kept 44 minutes 30 seconds behind UTC until 1972-01-07.
    check(
        "Africa/Monrovia",
        "1972-01-05T00:00:00Z",
        "7 44 0 * * ?",
        &["1972-01-05T00:44:07-00:45"],
    );
    let slot = quartz("7 44 0 * * ?").next(&zone("Africa/Monrovia"), utc("1972-01-05T00:00:00Z"));
    assert_eq!(slot, Some(utc("1972-01-05T01:28:37Z")));
}

#[test]
fn slots_end_with_the_last_listed_year_or_in_9999() {
    let (utc_zone, after) = (zone("UTC"), utc("2100-12-31T23:59:59Z"));
    assert_eq!(quartz("0 0 3 * * ? 2020").next(&utc_zone, utc("2020-12-31T03:00:00Z")), None);
    assert_eq!(quartz("0 0 3 * * ? 2027/1").next(&utc_zone, after), None);
    for line in ["0 0 3 * * ?", "0 0 3 * * ? *"] {
        assert_eq!(quartz(line).next(&utc_zone, after), Some(utc("2101-01-01T03:00:00Z")));
        assert_eq!(quartz(line).next(&utc_zone, utc("9999-12-30T21:59:30Z")), None);
    }
    // The year is the one on the zone's clock.
    let seoul = zone("Asia/Seoul");
    let first = quartz("0 0 0 * * ? 2027").next(&seoul, utc("2020-01-01T00:00:00Z"));
    assert_eq!(first, Some(utc("2026-12-31T15:00:00Z")));
}

#[test]
fn the_canonical_form_is_that_of_a_crontab_line_which_says_the_same() {
    let form = |line| quartz(line).canonical();
    assert_eq!(form("0 30 9 ? * MON-FRI"), cron("30 9 * * mon-fri").canonical());
    assert_eq!(form("0 */5 * ? * * *"), cron("*/5 * * * *").canonical());
    assert_eq!(form("0 30 9 L-3,LW * ?"), cron("30 9 L-3,LW * *").canonical());
    assert_eq!(form("0 30 9 ? * 6#5,1L"), cron("30 9 * * 5#5,0L").canonical());
    assert_ne!(form("0 30 9 ? * MON-FRI"), form("1 30 9 ? * MON-FRI"));
    assert_eq!(form("5 0 3 * * ?"), "quartz 20 * cron 1 8 fffffffe 1ffe 7f and fixed");
    let years = "quartz 1 2027,2028 cron 1 8 fffffffe 1ffe 7f and fixed";
    assert_eq!(form("0 0 3 * * ? 2027-2028"), years);
}

#[test]
fn lines_are_described_in_plain_english() {
    let expected = [
        ("0 30 9 ? * MON-FRI", "at 09:30 on Monday to Friday"),
        ("15 30 9 ? * MON-FRI", "at 09:30:15 on Monday to Friday"),
        ("0,30 0 9 * * ?", "at 09:00:00 and 09:00:30 every day"),
        ("* * * * * ?", "every second"),
        ("*/10 * * * * ?", "every 10 seconds"),
        ("5,35 * * * * ?", "every minute at seconds 5 and 35"),
        ("5 * * ? * SUN", "every minute at second 5 on Sunday"),
        ("*/10 0 * * * ?", "every 10 seconds of the minute, every hour at minute 0"),
        ("30 */15 9-17 * * ?", "at second 30 of the minute, every 15 minutes from 09:00 to 17:59"),
        ("* 0 3 1 * ?", "every second of the minute, at 03:00 on the 1st of every month"),
        ("0 0 3 1 JAN ? 2027", "at 03:00 on the 1st of January, in 2027"),
        ("0 0 3 * * ? 2027,2029-2031", "at 03:00 every day, in 2027 and 2029 to 2031"),
    ];
    for (line, words) in expected {
        assert_eq!(quartz(line).describe(), words, "{line}");
    }
}

#[test]
fn the_last_hour_of_a_list_of_years_is_repeated_like_any_other() {
    let line = "* 0 1 2 11 ? 2025";
    let again = ["2025-11-02T01:00:59-04:00", "2025-11-02T01:00:00-05:00"];
    check("America/New_York", "2025-11-02T05:00:58Z", line, &again);
    let (quartz, zone) = (quartz(line), zone("America/New_York"));
    assert_eq!(quartz.next(&zone, utc("2025-11-02T06:00:58Z")), Some(utc("2025-11-02T06:00:59Z")));
    assert_eq!(quartz.next(&zone, utc("2025-11-02T06:00:59Z")), None);
}
