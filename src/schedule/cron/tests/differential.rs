//! Other implementations, where they are known to be right: the `cron` crate (Quartz: weekdays from
//! 1, both day fields must match, years up to 2100), `croner` (one day field is enough unless either
//! is exactly `*`), and the offsets of `chrono-tz`. All in UTC, away from clock changes.

use std::str::FromStr as _;

use chrono::{DateTime, Offset as _, TimeZone as _, Utc};

use super::*;

const CASES: usize = 1_500;

/// A field without anything on which the dialects differ.
fn field(random: &mut fastrand::Rng, first: u32, last: u32) -> String {
    let (one, two) = (random.u32(first..=last), random.u32(first..=last));
    let (low, high) = (one.min(two), one.max(two));
    match random.u8(..6) {
        0..=1 => "*".into(),
        2 => format!("*/{}", random.u32(2..=last.min(20))),
        3 if low < high => format!("{low}-{high}"),
        4 if low < high => format!("{low}-{high}/{}", random.u32(2..=last.min(9))),
        _ => format!("{low},{high}"),
    }
}

/// A line without its weekday, a weekday as Sunday-is-0 number, and an instant before 2090.
fn draw(random: &mut fastrand::Rng) -> (String, Option<u32>, UnixMs) {
    let fields =
        [(0, 59), (0, 23), (1, 31), (1, 12)].map(|(first, last)| field(random, first, last));
    let weekday = random.bool().then(|| random.u32(0..7));
    let after = random.i64(631_152_000..3_786_912_000);
    (fields.join(" "), weekday, UnixMs::from_secs(after))
}

fn chrono_of(at: UnixMs) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap()
}

fn of_chrono(at: DateTime<Utc>) -> UnixMs {
    UnixMs(at.timestamp_millis())
}

#[test]
fn slots_equal_those_of_the_cron_crate() {
    let (mut random, utc) = (fastrand::Rng::with_seed(1), Zone::utc());
    for _ in 0..CASES {
        let (fields, weekday, after) = draw(&mut random);
        let weekday_text = |first: u32| weekday.map_or("*".into(), |day| (day + first).to_string());
        let line = format!("{fields} {}", weekday_text(0));
        let Ok(ours) = ruled(&line, DayMatch::And) else { continue };
        let theirs = format!("0 {fields} {}", weekday_text(1));
        let theirs = cron::Schedule::from_str(&theirs).unwrap();
        let expected = theirs.after(&chrono_of(after)).next().map(of_chrono);
        // The crate knows no slots after the year 2100.
        if expected.is_some() {
            assert_eq!(ours.cron.next(&utc, after), expected, "{line} after {after}");
        }
    }
}

#[test]
fn slots_equal_those_of_croner() {
    let (mut random, utc) = (fastrand::Rng::with_seed(2), Zone::utc());
    for _ in 0..CASES {
        let (fields, weekday, after) = draw(&mut random);
        let line = format!("{fields} {}", weekday.map_or("*".into(), |day| day.to_string()));
        let Ok(ours) = ruled(&line, DayMatch::Or) else { continue };
        let theirs = croner::Cron::from_str(&line).unwrap();
        let expected = theirs.find_next_occurrence(&chrono_of(after), false).ok().map(of_chrono);
        assert_eq!(ours.cron.next(&utc, after), expected, "{line} after {after}");
    }
}

#[test]
fn offsets_of_past_years_equal_those_of_chrono_tz() {
    let until: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
    let mut different = Vec::new();
    for tz in chrono_tz::TZ_VARIANTS {
        let rules = rules(tz.name());
        let zone = Zone::from_jiff(tz, &rules);
        let changes = rules.following(Timestamp::UNIX_EPOCH).map(|change| change.timestamp());
        let agrees = |at: Timestamp| {
            let at = UnixMs::from(at);
            let theirs = tz.offset_from_utc_datetime(&chrono_of(at).naive_utc()).fix();
            zone.offset_at(at) == theirs.local_minus_utc()
        };
        let second = jiff::SignedDuration::from_secs(1);
        let mut changes = changes.take_while(|change| *change < until);
        if !changes.all(|change| agrees(change) && agrees(change - second)) {
            different.push(tz.name());
        }
    }
    // The past is corrected now and then; `chrono-tz` holds 2025b.
    assert!(different.len() < 12, "{different:?}");
}
