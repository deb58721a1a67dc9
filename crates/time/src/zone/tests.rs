use super::*;
use crate::sample::{rules, zone};

fn utc(text: &str) -> UnixMs {
    UnixMs::from(text.parse::<Timestamp>().unwrap())
}

#[test]
fn offsets_equal_the_rules_on_both_sides_of_every_change_until_9999() {
    for name in ["America/New_York", "Africa/Cairo", "Antarctica/Troll", "Africa/Monrovia"] {
        let (zone, rules) = (zone(name), rules(name));
        for change in rules.following(Timestamp::UNIX_EPOCH) {
            let at = UnixMs::from(change.timestamp());
            assert_eq!(zone.offset_at(at), change.offset().seconds(), "{name} {at}");
            let before = rules.to_offset(change.timestamp() - jiff::SignedDuration::from_millis(1));
            assert_eq!(zone.offset_at(UnixMs(at.0 - 1)), before.seconds(), "{name} before {at}");
        }
    }
}

#[test]
fn every_zone_repeats_after_400_years() {
    for name in chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name()) {
        let rules = rules(name);
        let from = Timestamp::from_second(TABLE_END - CYCLE - 400 * 86_400).unwrap();
        let until = from + jiff::SignedDuration::from_secs(800 * 86_400);
        for change in rules.following(from).take_while(|change| change.timestamp() < until) {
            let later = change.timestamp() + jiff::SignedDuration::from_secs(CYCLE);
            assert_eq!(rules.to_offset(later), change.offset(), "{name} {later}");
            let just_before = later - jiff::SignedDuration::from_secs(1);
            assert_ne!(rules.to_offset(just_before), change.offset(), "{name} {later}");
        }
    }
}

#[test]
fn segments_are_numbered_seamlessly_beyond_the_table() {
    for name in ["America/New_York", "Asia/Seoul", "UTC", "Australia/Lord_Howe"] {
        let zone = zone(name);
        let mut previous = zone.segment(0);
        for index in 1..zone.table.len() + 3 * zone.cycle_rows {
            let segment = zone.segment(index);
            assert_eq!(previous.end, segment.start);
            assert_eq!(zone.jump_at(index), segment.offset - previous.offset);
            assert_eq!(zone.segment_at(segment.start), index);
            assert_eq!(zone.segment_at(segment.start - 1), index - 1);
            previous = segment;
        }
    }
}

#[test]
fn a_reading_shown_once_resolves_to_itself() {
    let zone = zone("America/New_York");
    for text in ["1970-06-01T00:00:00Z", "2026-07-01T12:34:56.789Z", "9876-07-01T12:00:00Z"] {
        assert_eq!(zone.resolve(zone.to_local(utc(text))), utc(text));
    }
}

#[test]
fn a_repeated_reading_resolves_to_the_first() {
    let reading = "2025-11-02T01:30:00".parse().unwrap();
    assert_eq!(zone("America/New_York").resolve(reading), utc("2025-11-02T05:30:00Z"));
}

#[test]
fn a_reading_in_a_gap_resolves_to_the_instant_after_it() {
    let new_york = zone("America/New_York");
    for reading in ["2025-03-09T02:00:00", "2025-03-09T02:59:59", "2025-03-09T03:00:00"] {
        assert_eq!(new_york.resolve(reading.parse().unwrap()), utc("2025-03-09T07:00:00Z"));
    }
    let apia = zone("Pacific/Apia");
    assert_eq!(apia.resolve("2011-12-30T12:00:00".parse().unwrap()), utc("2011-12-30T10:00:00Z"));
}

#[test]
fn the_ends_of_the_calendar_are_clamped() {
    let zone = zone("Pacific/Kiritimati");
    assert!(zone.resolve(DateTime::MAX) <= UnixMs::from(Timestamp::MAX));
    assert!(zone.resolve(DateTime::MIN) < UnixMs(0));
    assert_eq!(zone.to_rfc3339(UnixMs::MAX), "9999-12-31T12:00:00.999999999+14:00");
    assert!(!zone.to_rfc3339(UnixMs::MIN).is_empty());
}

#[test]
fn times_are_shown_with_the_offset_of_the_instant() {
    let zone = zone("America/New_York");
    assert_eq!(zone.to_rfc3339(utc("2025-11-02T05:30:00Z")), "2025-11-02T01:30:00-04:00");
    assert_eq!(zone.to_rfc3339(utc("2025-11-02T06:30:00.25Z")), "2025-11-02T01:30:00.25-05:00");
    assert_eq!(Zone::utc().to_rfc3339(UnixMs(0)), "1970-01-01T00:00:00+00:00");
}

#[test]
fn a_zone_takes_tens_of_kilobytes_at_most() {
    for tz in chrono_tz::TZ_VARIANTS {
        let zone = zone(tz.name());
        let bytes = zone.table.capacity() * size_of::<Row>() + zone.buckets.capacity() * 2;
        assert!(bytes < 24 * 1024, "{tz}: {bytes} bytes");
    }
}

#[test]
fn strftime_knows_the_abbreviation_of_the_time_and_follows_the_table_before_1970() {
    let shown = |name: &str, at: &str| zone(name).strftime(utc(at), "%F %T %Z %z %s %Q").unwrap();
    // The same offset under another name, which jiff writes in capitals.
    let guam = "2000-12-22T00:00:00Z";
    assert_eq!(shown("Pacific/Guam", guam), "2000-12-22 10:00:00 GST +1000 977443200 Pacific/Guam");
    let guam = "2001-01-01T00:00:00Z";
    assert_eq!(
        shown("Pacific/Guam", guam),
        "2001-01-01 10:00:00 CHST +1000 978307200 Pacific/Guam"
    );
    let summer = "2500-07-01T00:00:00Z";
    assert!(shown("Europe/Berlin", summer).contains("02:00:00 CEST +0200"));
    // Seoul was at +08:30 for most of the fifties; the table begins with 1970.
    let early = "1955-01-01T00:00:00Z";
    assert_eq!(zone("Asia/Seoul").to_rfc3339(utc(early)), "1955-01-01T09:00:00+09:00");
    assert_eq!(shown("Asia/Seoul", early), "1955-01-01 09:00:00 +09 +0900 -473385600 +0900");
    assert_eq!(shown("UTC", early), "1955-01-01 00:00:00 UTC +0000 -473385600 UTC");
}

#[test]
fn a_clock_keeps_changing_if_its_rules_say_so() {
    for (name, changes) in [
        ("America/New_York", true),
        ("Australia/Lord_Howe", true),
        // Until 2026.
        ("Africa/Casablanca", false),
        ("Asia/Seoul", false),
        ("Pacific/Apia", false),
        ("UTC", false),
    ] {
        assert_eq!(zone(name).keeps_changing(), changes, "{name}");
    }
}

#[test]
fn two_clocks_differ_from_the_first_instant_at_which_they_show_something_else() {
    let new_year = utc("2027-01-01T00:00:00Z");
    let differs = |one, two, from| zone(one).differs_from(&zone(two), from);
    let spring = Some(utc("2027-03-28T01:00:00Z"));
    assert_eq!(differs("Europe/London", "UTC", new_year), spring);
    assert_eq!(differs("UTC", "Europe/London", new_year), spring);
    let summer = utc("2027-07-01T00:00:00Z");
    assert_eq!(differs("UTC", "Europe/London", summer), Some(summer));
    // They differed long ago.
    assert_eq!(differs("Asia/Seoul", "Asia/Tokyo", new_year), None);
}
