use jiff::civil::DateTime;

use super::*;
use crate::schedule::sample;
use crate::schedule::template::moves::shift;

fn local(text: &str) -> DateTime {
    text.parse().unwrap()
}

/// Where a local time is moved by shifts, one after the other: what names it, and what the clock shows.
fn shifted(zone: &str, from: &str, shifts: &[&str]) -> (String, String) {
    let zone = sample::find_zone(zone).unwrap();
    let begin = Moment::at(zone.resolve(local(from)), &zone);
    let moved = shifts
        .iter()
        .fold(begin, |moment, text| shift::parse(text).unwrap().apply(moment, &zone).unwrap());
    (moved.reading().to_string(), zone.to_rfc3339(moved.at))
}

#[test]
fn months_and_years_end_where_the_month_ends() {
    for (from, by, to) in [
        ("2026-03-31T02:30", "-1mo", "2026-02-28T02:30:00"),
        ("2024-03-31T02:30", "-1mo", "2024-02-29T02:30:00"),
        ("2024-02-29T02:30", "1y", "2025-02-28T02:30:00"),
        ("2026-01-31T02:30", "1mo", "2026-02-28T02:30:00"),
        ("2026-01-31T02:30", "+13mo", "2027-02-28T02:30:00"),
        ("2026-01-01T00:00", "-1d", "2025-12-31T00:00:00"),
        ("2026-01-01T00:00", "-2w", "2025-12-18T00:00:00"),
        ("2026-01-01T00:00", "-90min", "2025-12-31T22:30:00"),
    ] {
        assert_eq!(shifted("Asia/Seoul", from, &[by]).0, to, "{from} {by}");
    }
    let back = shifted("UTC", "2026-03-31T00:00", &["-1mo", "1mo"]);
    assert_eq!(back.0, "2026-03-28T00:00:00", "each shift counts from the one before");
}

#[test]
fn days_keep_the_time_of_day_and_hours_are_real_time() {
    let zone = "Europe/Berlin";
    for (from, by, to) in [
        ("2026-03-28T12:00", "1d", "2026-03-29T12:00:00+02:00"),
        ("2026-03-28T12:00", "24h", "2026-03-29T13:00:00+02:00"),
        ("2026-10-24T12:00", "1d", "2026-10-25T12:00:00+01:00"),
        ("2026-10-24T12:00", "24h", "2026-10-25T11:00:00+01:00"),
        ("2026-10-25T12:00", "-600min", "2026-10-25T02:00:00+01:00"),
    ] {
        assert_eq!(shifted(zone, from, &[by]).1, to, "{from} {by}");
    }
}

#[test]
fn a_reading_in_a_gap_is_right_after_it_and_keeps_its_date() {
    let nominal = ("2026-03-29T02:30:00".to_owned(), "2026-03-29T03:00:00+02:00".to_owned());
    assert_eq!(shifted("Europe/Berlin", "2026-03-28T02:30", &["1d"]), nominal);
    // It is the reading that is moved on.
    let on = shifted("Europe/Berlin", "2026-03-28T02:30", &["1d", "1d"]);
    assert_eq!(on.1, "2026-03-30T02:30:00+02:00");
    // A gap over midnight, and a day that did not exist.
    let nuuk = ("2026-03-28T23:30:00".to_owned(), "2026-03-29T00:00:00-01:00".to_owned());
    assert_eq!(shifted("America/Nuuk", "2026-03-27T23:30", &["1d"]), nuuk);
    let nuuk = sample::find_zone("America/Nuuk").unwrap();
    let moved = Moment::of(local("2026-03-28T23:30"), &nuuk);
    assert_eq!(moved.strftime(&nuuk, "%F %R %a %s").unwrap(), "2026-03-28 23:30 Sat 1774746000");
    let berlin = sample::find_zone("Europe/Berlin").unwrap();
    let moved = Moment::of(local("2026-03-29T02:30"), &berlin);
    assert_eq!(moved.strftime(&berlin, "%F %R %z").unwrap(), "2026-03-29 03:00 +0200");
    let apia = ("2011-12-30T12:00:00".to_owned(), "2011-12-31T00:00:00+14:00".to_owned());
    assert_eq!(shifted("Pacific/Apia", "2011-12-29T12:00", &["1d"]), apia);
}

#[test]
fn a_reading_that_is_shown_twice_is_the_first_of_the_two() {
    let first = "2026-10-25T02:30:00+02:00";
    assert_eq!(shifted("Europe/Berlin", "2026-10-24T02:30", &["1d"]).1, first);
    assert_eq!(shifted("Europe/Berlin", "2026-10-26T02:30", &["-1d"]).1, first);
    assert_eq!(
        shifted("Europe/Berlin", "2026-10-25T01:30", &["2h"]).1,
        "2026-10-25T02:30:00+01:00"
    );
}

#[test]
fn the_longest_shifts_are_100_years() {
    for text in ["100y", "-1200mo", "5218w", "36525d", "-876600h", "52596000min"] {
        assert!(shift::parse(text).is_ok(), "{text}");
        let moved = shifted("UTC", "1999-01-01T00:00", &[text]).0;
        assert!(
            moved.starts_with("2098-12-3") || moved.starts_with("2099") || moved.starts_with("18")
        );
    }
    for text in ["101y", "1201mo", "5219w", "36526d", "876601h", "52596001min"] {
        assert_eq!(shift::parse(text), Err(ShiftError::TooFar), "{text}");
    }
}

#[test]
fn beyond_the_calendar_there_is_nothing() {
    let zone = Zone::utc();
    let last = Moment::at(downbeat_time::UnixMs::MAX, &zone);
    assert_eq!(shift::parse("1y").unwrap().apply(last, &zone), None);
    let days = Step::BusinessDays(BusinessDays { count: 5, calendar: None });
    for far in [downbeat_time::UnixMs::MAX, downbeat_time::UnixMs::MIN] {
        assert_eq!(days.apply(Moment::at(far, &zone), &zone, |_| None), None);
    }
}

fn business_day(from: &str, count: i32, calendar: Option<&Except>) -> Option<String> {
    let days = BusinessDays { count, calendar: None };
    days.from(from.parse().unwrap(), calendar).map(|date| date.to_string())
}

#[test]
fn business_days_are_counted_from_any_day() {
    for (from, count, to) in [
        ("2026-11-23", -1, "2026-11-20"),
        ("2026-11-23", 1, "2026-11-24"),
        ("2026-11-21", -1, "2026-11-20"),
        ("2026-11-22", -1, "2026-11-20"),
        ("2026-11-21", 1, "2026-11-23"),
        ("2026-11-20", 1, "2026-11-23"),
        ("2026-11-20", 10, "2026-12-04"),
        ("2026-11-20", -1000, "2023-01-20"),
    ] {
        assert_eq!(business_day(from, count, None).as_deref(), Some(to), "{from} {count}");
    }
}

#[test]
fn a_calendar_adds_its_days_and_has_its_own_weekend_if_it_names_weekdays() {
    use downbeat_time::Days;
    let bank: Except = [Days::Yearly(12, 25), Days::Yearly(12, 28)].into_iter().collect();
    assert_eq!(business_day("2026-12-24", 1, Some(&bank)).as_deref(), Some("2026-12-29"));
    assert_eq!(business_day("2026-12-29", -1, Some(&bank)).as_deref(), Some("2026-12-24"));
    // Friday and Saturday.
    let gulf: Except = [Days::Weekdays(0b110_0000)].into_iter().collect();
    assert_eq!(business_day("2026-11-26", 1, Some(&gulf)).as_deref(), Some("2026-11-29"));
    let never: Except = [Days::Run(0, 2_932_896)].into_iter().collect();
    assert_eq!(business_day("2026-11-26", 1, Some(&never)), None);
}
