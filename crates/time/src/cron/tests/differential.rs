//! Comparison with other implementations, as far as they are known to be right: the `cron` crate (Quartz:
//! weekdays from 1, both day fields must match, years up to 2100), `croner` (one day field is enough unless
//! either is exactly `*`), and the offsets of `chrono-tz`. All in UTC, away from clock changes.

use std::str::FromStr as _;

use chrono::{DateTime, Offset as _, TimeZone as _, Utc};

use super::*;
use crate::cron::field::{MONTHS, WEEKDAYS};

const CASES: usize = 1_500;

/// A field that means the same in all dialects.
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

/// A line without its weekday, a weekday with Sunday as 0, and an instant before 2090.
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

/// A Quartz line, without years that the crate does not know.
fn draw_quartz(random: &mut fastrand::Rng) -> String {
    let fields = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7)];
    let mut fields = fields.map(|(first, last)| match random.u8(..8) {
        0 => format!("{}/{}", random.u32(first..=last), random.u32(1..=last.min(9))),
        _ => field(random, first, last),
    });
    let (month, weekday) = (random.usize(..12), random.usize(..6));
    match random.u8(..8) {
        0 => fields[3] = "?".into(),
        1 => fields[4] = capital(MONTHS[month]),
        2 => fields[5] = format!("{}-{}", &WEEKDAYS[weekday][..3], WEEKDAYS[weekday + 1]),
        3 => fields[5] = "?".into(),
        _ => {}
    }
    let year = random.u32(2020..2090);
    let year = match random.u8(..6) {
        0 => format!(" {year}"),
        1 => format!(" {year}-{}", year + 9),
        2 => format!(" {year}/7"),
        3 => " *".into(),
        _ => String::new(),
    };
    fields.join(" ") + &year
}

fn capital(name: &str) -> String {
    name[..3].to_ascii_uppercase()
}

#[test]
fn slots_of_quartz_equal_those_of_the_cron_crate() {
    let (mut random, utc) = (fastrand::Rng::with_seed(3), Zone::utc());
    let mut compared = 0;
    for _ in 0..4 * CASES {
        let line = draw_quartz(&mut random);
        let theirs = cron::Schedule::from_str(&line).unwrap();
        let from = random.i64(1_577_836_800..3_786_912_000);
        let mut after = UnixMs(from * 1000 + random.i64(0..1000));
        let ours = match Quartz::parse(&line) {
            Ok(ours) => ours.quartz,
            // The crate takes dates that never come.
            Err(error) if error.problem == Problem::NeverComes => {
                let epoch = DateTime::from_timestamp_millis(0).unwrap();
                assert_eq!(theirs.after(&epoch).next(), None, "{line}");
                continue;
            }
            Err(error) => panic!("{line}: {error}"),
        };
        for expected in theirs.after(&chrono_of(after)).take(3).map(of_chrono) {
            assert_eq!(ours.next(&utc, after), Some(expected), "{line} after {after}");
            after = expected;
            compared += 1;
        }
    }
    assert!(compared > 2 * CASES, "{compared} slots compared");
}

#[test]
fn slots_equal_those_of_croner() {
    let (mut random, utc) = (fastrand::Rng::with_seed(2), Zone::utc());
    for _ in 0..CASES {
        let (fields, weekday, after) = draw(&mut random);
        let line = format!("{fields} {}", weekday.map_or("*".into(), |day| day.to_string()));
        let Ok(ours) = ruled(&line, DayMatch::Or) else { continue };
        agree_with_croner(&line, ours.cron, &utc, after);
    }
}

/// `L` and `W` are never in one line: `croner` reads `L` as `LW` there.
#[test]
fn special_days_equal_those_of_croner() {
    let (mut random, utc) = (fastrand::Rng::with_seed(4), Zone::utc());
    for _ in 0..2 * CASES {
        let day = random.u32(1..=31);
        let days = match random.u8(..6) {
            0 => "L".into(),
            1 => format!("{day},L"),
            2 => "LW".into(),
            3 => format!("{day}W"),
            4 => format!("1,{day}W,15W"),
            _ => "*".to_string(),
        };
        let (weekday, nth) = (random.u32(0..=7), random.u32(1..=5));
        let weekdays = match random.u8(..5) {
            0 => format!("{weekday}L"),
            1 => format!("{weekday}#{nth}"),
            2 => format!("{weekday}#{nth},3L,1#1"),
            3 => weekday.to_string(),
            _ => "*".to_string(),
        };
        let month = field(&mut random, 1, 12);
        let line = format!("0 3 {days} {month} {weekdays}");
        let after = UnixMs::from_secs(random.i64(631_152_000..3_786_912_000));
        let both = random.bool();
        let rule = if both { DayMatch::And } else { DayMatch::Or };
        let Ok(ours) = ruled(&line, rule) else { continue };
        // `+` makes croner require both.
        let plus = if both { "+" } else { "" };
        agree_with_croner(&format!("0 3 {days} {month} {plus}{weekdays}"), ours.cron, &utc, after);
    }
}

fn agree_with_croner(line: &str, ours: Cron, utc: &Zone, after: UnixMs) {
    let theirs = croner::Cron::from_str(line).unwrap();
    let expected = theirs.find_next_occurrence(&chrono_of(after), false).ok().map(of_chrono);
    assert_eq!(ours.next(utc, after), expected, "{line} after {after}");
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
