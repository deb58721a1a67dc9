//! At clock changes, readings follow the rule of fixed cron expressions.

use super::*;

#[track_caller]
fn check(zone: &str, after: &str, text: &str, expected: &[&str]) {
    assert_eq!(slots(text, zone, after, expected.len()), expected, "{text} in {zone}");
}

#[test]
fn a_reading_in_a_gap_fires_right_after_it() {
    let daily = "DTSTART:20250101T023000 RRULE:FREQ=DAILY";
    let days = ["2025-03-09T03:00:00-04:00", "2025-03-10T02:30:00-04:00"];
    check("America/New_York", "2025-03-09T05:00:00Z", daily, &days);
    let london = ["2025-03-30T02:00:00+01:00", "2025-04-06T01:15:00+01:00"];
    let sundays = "DTSTART:20250101T011500 RRULE:FREQ=WEEKLY;BYDAY=SU";
    check("Europe/London", "2025-03-24T00:00:00Z", sundays, &london);
}

#[test]
fn readings_in_one_gap_make_one_slot() {
    let half_hours = "DTSTART:20250309T010000 RRULE:FREQ=MINUTELY;INTERVAL=30";
    let slots = [
        "2025-03-09T01:00:00-05:00",
        "2025-03-09T01:30:00-05:00",
        "2025-03-09T03:00:00-04:00",
        "2025-03-09T03:30:00-04:00",
    ];
    check("America/New_York", "2025-03-09T05:00:00Z", half_hours, &slots);
    // COUNT counts readings: 01:00, 01:30, 02:00 and 02:30.
    let four = format!("{half_hours};COUNT=4");
    assert_eq!(super::slots(&four, "America/New_York", "2025-03-09T05:00:00Z", 9), slots[..3]);
}

#[test]
fn a_reading_in_a_repeated_hour_fires_the_first_time() {
    let hourly = "DTSTART:20251102T000000 RRULE:FREQ=HOURLY";
    let hours =
        ["2025-11-02T00:00:00-04:00", "2025-11-02T01:00:00-04:00", "2025-11-02T02:00:00-05:00"];
    check("America/New_York", "2025-11-02T00:00:00Z", hourly, &hours);
    let london = ["2025-10-26T01:30:00+01:00", "2025-10-27T01:30:00+00:00"];
    check("Europe/London", "2025-10-26T00:00:00Z", "DTSTART=20250101T013000;FREQ=DAILY", &london);
    check(
        "Europe/London",
        "2025-10-26T00:30:00Z",
        "DTSTART=20250101T013000;FREQ=DAILY",
        &london[1..],
    );
}

#[test]
fn a_day_that_apia_never_had_drops_its_readings() {
    let days = ["2011-12-29T02:30:00-10:00", "2011-12-31T02:30:00+14:00"];
    let daily = "DTSTART:20111201T023000 RRULE:FREQ=DAILY";
    check("Pacific/Apia", "2011-12-29T12:00:00Z", daily, &days);
    let fridays = "DTSTART:20111201T000000 RRULE:FREQ=MONTHLY;BYDAY=-1FR";
    check("Pacific/Apia", "2011-12-01T12:00:00Z", fridays, &["2012-01-27T00:00:00+14:00"]);
}

#[test]
fn until_in_utc_is_an_instant_and_without_a_zone_a_reading() {
    let slots = |until: &str| {
        let text = format!("DTSTART:20260101T090000 RRULE:FREQ=DAILY;UNTIL={until}");
        super::slots(&text, "Asia/Seoul", "2025-12-01T00:00:00Z", 9).len()
    };
    assert_eq!((slots("20260103T090000"), slots("20260103T085959")), (3, 2));
    assert_eq!((slots("20260103T000000Z"), slots("20260102T235959Z")), (3, 2));
    assert_eq!(slots("20260103"), 3, "a date alone is that whole day");
}

#[test]
fn slots_lie_between_the_epoch_and_the_year_9999() {
    let old = "DTSTART:16000101T000000 RRULE:FREQ=YEARLY";
    check("UTC", "0001-01-01T00:00:00Z", old, &["1970-01-01T00:00:00+00:00"]);
    let all = slots(old, "UTC", "9997-06-01T00:00:00Z", 9);
    assert_eq!(all, ["9998-01-01T00:00:00+00:00", "9999-01-01T00:00:00+00:00"]);
    let ended = Rrule::parse("DTSTART=19500101;FREQ=DAILY;COUNT=9", &Zone::utc(), None);
    assert_eq!(ended.unwrap_err().problem, Problem::NeverComes);
}
