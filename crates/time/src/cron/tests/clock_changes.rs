//! Hand-written cases of the rule for clock changes.

use jiff::tz::TimeZone;

use super::{Zone, cron, slots, utc, zone};

#[track_caller]
fn check(zone: &str, after: &str, line: &str, expected: &[&str]) {
    assert_eq!(slots(line, zone, after, expected.len()), expected, "{line} in {zone}");
}

mod new_york {
    use super::check;

    const NY: &str = "America/New_York";
    const SPRING: &str = "2025-03-09T05:59:59Z";
    const AUTUMN: &str = "2025-11-02T04:59:59Z";

    #[test]
    fn a_fixed_reading_in_a_gap_fires_right_after_it() {
        let days = ["2025-03-09T03:00:00-04:00", "2025-03-10T02:30:00-04:00"];
        check(NY, SPRING, "30 2 * * *", &days);
    }

    #[test]
    fn fixed_readings_in_one_gap_make_one_slot() {
        let days = ["2025-03-09T03:00:00-04:00", "2025-03-10T02:00:00-04:00"];
        check(NY, SPRING, "0,30 2 * * *", &days);
        check(NY, SPRING, "0 2,3 * * *", &days);
    }

    #[test]
    fn a_wildcard_reading_in_a_gap_does_not_exist() {
        check(NY, SPRING, "*/30 2 * * *", &["2025-03-10T02:00:00-04:00"]);
        let even = ["2025-03-09T04:00:00-04:00", "2025-03-09T06:00:00-04:00"];
        check(NY, SPRING, "0 */2 * * *", &even);
        let hours = ["2025-03-09T01:00:00-05:00", "2025-03-09T03:00:00-04:00"];
        check(NY, SPRING, "0 * * * *", &hours);
    }

    #[test]
    fn a_fixed_reading_in_a_repeated_hour_fires_the_first_time() {
        let days = ["2025-11-02T01:30:00-04:00", "2025-11-03T01:30:00-05:00"];
        check(NY, AUTUMN, "30 1 * * *", &days);
        check(NY, "2025-11-02T06:10:00Z", "30 1 * * *", &days[1..]);
        let twice =
            ["2025-11-02T01:00:00-04:00", "2025-11-02T01:30:00-04:00", "2025-11-03T01:00:00-05:00"];
        check(NY, AUTUMN, "0,30 1 * * *", &twice);
    }

    #[test]
    fn a_wildcard_reading_in_a_repeated_hour_fires_both_times() {
        let hours =
            ["2025-11-02T01:00:00-04:00", "2025-11-02T01:00:00-05:00", "2025-11-02T02:00:00-05:00"];
        check(NY, AUTUMN, "0 * * * *", &hours);
        check(NY, "2025-11-02T06:10:00Z", "*/15 * * * *", &["2025-11-02T01:15:00-05:00"]);
        check(NY, "2025-11-02T05:45:00Z", "*/15 * * * *", &["2025-11-02T01:00:00-05:00"]);
    }

    #[test]
    fn the_text_decides_the_class_not_the_values() {
        let both = ["2025-11-02T01:59:00-04:00", "2025-11-02T01:00:00-05:00"];
        check(NY, "2025-11-02T05:58:30Z", "* 0-23 * * *", &both);
        let once = ["2025-11-02T01:59:00-04:00", "2025-11-02T02:00:00-05:00"];
        check(NY, "2025-11-02T05:58:30Z", "0-59 0-23 * * *", &once);
    }
}

#[test]
fn london() {
    let spring = "2025-03-30T00:59:59Z";
    check("Europe/London", spring, "30 1 * * *", &["2025-03-30T02:00:00+01:00"]);
    check("Europe/London", spring, "*/20 1 * * *", &["2025-03-31T01:00:00+01:00"]);
    let days = ["2025-10-26T01:30:00+01:00", "2025-10-27T01:30:00+00:00"];
    check("Europe/London", "2025-10-26T00:00:00Z", "30 1 * * *", &days);
}

#[test]
fn lord_howe_moves_by_half_an_hour() {
    let spring = "2025-10-04T15:29:59Z";
    check("Australia/Lord_Howe", spring, "15 2 * * *", &["2025-10-05T02:30:00+11:00"]);
    check("Australia/Lord_Howe", spring, "0 * * * *", &["2025-10-05T03:00:00+11:00"]);
    let autumn = ["2025-04-06T01:45:00+11:00", "2025-04-06T01:45:00+10:30"];
    check("Australia/Lord_Howe", "2025-04-05T14:00:00Z", "*/45 1 * * *", &autumn);
    check("Australia/Lord_Howe", "2025-04-05T14:00:00Z", "45 1 * * *", &autumn[..1]);
}

#[test]
fn sao_paulo_and_cairo_have_no_midnight_in_spring() {
    let sao_paulo = ["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"];
    check("America/Sao_Paulo", "2018-11-04T02:59:59Z", "0 0 * * *", &sao_paulo);
    let cairo = ["2025-04-25T01:00:00+03:00", "2025-04-26T00:00:00+03:00"];
    check("Africa/Cairo", "2025-04-24T21:59:59Z", "@daily", &cairo);
    check("Africa/Cairo", "2025-04-24T21:59:59Z", "30 0 25 4 *", &cairo[..1]);
}

#[test]
fn a_midnight_that_comes_twice_fires_once() {
    let sao_paulo = ["2018-02-17T23:30:00-02:00", "2018-02-18T23:30:00-03:00"];
    check("America/Sao_Paulo", "2018-02-18T01:00:00Z", "30 23 * * *", &sao_paulo);
    let cairo = ["2025-10-31T00:00:00+02:00", "2025-11-01T00:00:00+02:00"];
    check("Africa/Cairo", "2025-10-30T20:00:00Z", "0 0 * * *", &cairo);
}

#[test]
fn beirut_changes_at_midnight() {
    let spring = ["2025-03-30T01:00:00+03:00", "2025-03-31T00:15:00+03:00"];
    check("Asia/Beirut", "2025-03-29T21:59:59Z", "15 0 * * *", &spring);
    let autumn = ["2025-10-25T23:59:00+03:00", "2025-10-25T23:59:00+02:00"];
    check("Asia/Beirut", "2025-10-25T20:30:00Z", "59 23 * * *", &autumn[..1]);
    check("Asia/Beirut", "2025-10-25T20:59:00Z", "*/59 23 * * *", &["2025-10-25T23:00:00+02:00"]);
    check("Asia/Beirut", "2025-10-25T21:00:00Z", "*/59 23 * * *", &autumn[1..]);
}

#[test]
fn troll_moves_by_two_hours() {
    let spring = ["2025-03-30T03:00:00+02:00", "2025-03-31T01:30:00+02:00"];
    check("Antarctica/Troll", "2025-03-30T00:59:59Z", "30 1,2 * * *", &spring[..1]);
    check("Antarctica/Troll", "2025-03-30T00:59:59Z", "30 1 * * *", &spring);
    let autumn = ["2025-10-26T01:30:00+02:00", "2025-10-26T02:30:00+02:00"];
    check("Antarctica/Troll", "2025-10-25T23:00:00Z", "30 1,2 * * *", &autumn);
}

#[test]
fn a_day_that_apia_never_had_drops_its_readings() {
    let days = ["2011-12-29T02:30:00-10:00", "2011-12-31T02:30:00+14:00"];
    check("Pacific/Apia", "2011-12-29T12:00:00Z", "30 2 * * *", &days);
    let friday = ["2012-01-06T00:00:00+14:00"];
    check("Pacific/Apia", "2011-12-29T12:00:00Z", "0 0 * * fri", &friday);
}

#[test]
fn casablanca_sets_its_clock_back_for_ramadan() {
    let back = ["2025-02-23T02:30:00+01:00", "2025-02-24T02:30:00+00:00"];
    check("Africa/Casablanca", "2025-02-23T00:00:00Z", "30 2 * * *", &back);
    let forward = ["2025-04-06T03:00:00+01:00", "2025-04-07T02:30:00+01:00"];
    check("Africa/Casablanca", "2025-04-06T00:00:00Z", "30 2 * * *", &forward);
}

#[test]
fn an_offset_with_seconds_is_read_to_the_second() {
    // Liberia kept 44 minutes 30 seconds behind UTC until 1972-01-07.
    let (cron, zone) = (cron("44 0 * * *"), zone("Africa/Monrovia"));
    let slot = |after| cron.next(&zone, utc(after)).unwrap();
    assert_eq!(slot("1972-01-05T00:00:00Z"), utc("1972-01-05T01:28:30Z"));
    assert_eq!(slot("1972-01-06T12:00:00Z"), utc("1972-01-07T00:44:30Z"));
    assert_eq!(slot("1972-01-07T00:44:30Z"), utc("1972-01-08T00:44:00Z"));
}

#[test]
fn rules_hold_beyond_the_table() {
    let days = ["2850-03-13T03:00:00-04:00", "2850-03-14T02:30:00-04:00"];
    check("America/New_York", "2850-03-13T06:59:59Z", "30 2 * * *", &days);
    check("America/New_York", "9998-12-01T00:00:00Z", "0 0 1 7 *", &["9999-07-01T00:00:00-04:00"]);
}

#[test]
fn nothing_comes_after_the_year_9999() {
    for name in ["UTC", "America/New_York", "Pacific/Kiritimati"] {
        let zone = zone(name);
        assert_eq!(cron("* * * * *").next(&zone, crate::UnixMs::MAX), None);
        assert_eq!(cron("0 0 1 1 *").next(&zone, utc("9999-01-02T00:00:00Z")), None);
        assert_eq!(cron("0 0 29 2 mon").next(&zone, utc("9999-12-30T21:00:00Z")), None);
        let last = cron("* * * * *").next(&zone, utc("9999-12-30T21:59:30Z"));
        assert_eq!(last, Some(utc("9999-12-30T22:00:00Z")));
        assert_eq!(cron("* * * * *").next(&zone, utc("9999-12-30T22:00:00Z")), None);
    }
}

#[test]
fn nothing_comes_before_the_epoch() {
    let first = cron("* * * * *").next(&zone("UTC"), crate::UnixMs::MIN);
    assert_eq!(first, Some(crate::UnixMs(0)));
}

#[test]
fn a_reading_that_is_repeated_and_then_jumped_over_fires_once() {
    // A made-up zone whose clock goes from 02:00 back to 01:00, and from 01:30 on to 02:30.
    let rules = TimeZone::posix("AAA0BBB-1,M3.2.0/1:30,M3.2.0/2").unwrap();
    let zone = Zone::from_jiff(chrono_tz::UTC, &rules);
    let slot = |line, after| cron(line).next(&zone, utc(after)).unwrap();
    let before = "2025-03-09T00:00:00Z";
    assert_eq!(slot("45 1 * * *", before), utc("2025-03-09T00:45:00Z"));
    assert_eq!(slot("45 1 * * *", "2025-03-09T00:45:00Z"), utc("2025-03-10T00:45:00Z"));
    assert_eq!(slot("15 2 * * *", before), utc("2025-03-09T01:30:00Z"));
    assert_eq!(slot("*/15 1 * * *", "2025-03-09T00:45:00Z"), utc("2025-03-09T01:00:00Z"));
    assert_eq!(slot("*/15 1 * * *", "2025-03-09T01:15:00Z"), utc("2025-03-10T00:00:00Z"));
}
