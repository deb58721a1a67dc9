//! What holds for every expression, and for every text that is not one.

use proptest::prelude::*;

use super::*;

/// A field of a kind of day, or hashed, or as [`field`].
fn special(items: &'static [&'static str], first: u32, last: u32) -> impl Strategy<Value = String> {
    let special = prop::sample::select(items);
    prop_oneof![
        2 => field(first, last),
        1 => special.clone().prop_map(str::to_owned),
        1 => (field(first, last), special).prop_map(|(one, two)| format!("{one},{two}")),
    ]
}

/// A valid field in one of the shapes of the grammar.
fn field(first: u32, last: u32) -> impl Strategy<Value = String> {
    let value = first..=last;
    let item = (value.clone(), value, 1..=last.min(30), 0..5_u8).prop_map(
        move |(from, to, step, shape)| match shape {
            0 => format!("*/{step}"),
            1 => format!("{from}-{to}"),
            2 => format!("{from}-{to}/{step}"),
            3 => format!("{from}"),
            _ => "*".to_string(),
        },
    );
    prop_oneof![2 => Just("*".to_string()), 3 => item.clone(), 1 => (item.clone(), item)
        .prop_map(|(one, two)| format!("{one},{two}"))]
}

fn line() -> impl Strategy<Value = String> {
    const DAYS: &[&str] = &["L", "LW", "1W", "15W", "30W", "L,15", "?", "H", "H/5", "H(29-31)"];
    const WEEKDAYS: &[&str] = &["0L", "friL", "mon#1", "7#5", "sat#4", "?", "H", "H(mon-fri)"];
    let (day, weekday) = (special(DAYS, 1, 31), special(WEEKDAYS, 0, 7));
    let (minute, hour) = (special(&["H", "H/20"], 0, 59), special(&["H", "H(22-4)"], 0, 23));
    (minute, hour, day, field(1, 12), weekday).prop_map(|(minute, hour, day, month, weekday)| {
        format!("{minute} {hour} {day} {month} {weekday}")
    })
}

proptest! {
    #[test]
    fn the_next_slot_is_later_and_is_found_again_from_just_before(
        line in line(), after in 0..4_102_444_800_000_i64, zone_index in 0..4_usize,
    ) {
        thread_local! {
            static ZONES: [Zone; 4] =
                ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"].map(zone);
        }
        let line = Line { entry: Some("a"), ..(&*line).into() };
        let Ok(parsed) = Cron::parse(line) else { return Ok(()) };
        ZONES.with(|zones| {
            let zone = &zones[zone_index];
            let mut at = UnixMs(after);
            for _ in 0..4 {
                let slot = parsed.cron.next(zone, at).unwrap();
                prop_assert!(slot > at, "{} after {}", slot, at);
                prop_assert_eq!(parsed.cron.next(zone, UnixMs(slot.0 - 1)), Some(slot));
                let between = UnixMs(at.0 + (slot.0 - at.0) / 2);
                if between < slot {
                    prop_assert_eq!(parsed.cron.next(zone, between), Some(slot));
                }
                at = slot;
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_errors_point_inside_it(text in "\\PC{0,40}") {
        if let Err(error) = Cron::parse(&*text) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the clock measures the search, not a schedule")]
fn the_rarest_dates_are_found_at_once() {
    let zone = zone("America/New_York");
    let monday = ruled("0 0 29 2 mon", DayMatch::And).unwrap().cron;
    let mut at = utc("2073-01-01T00:00:00Z");
    for expected in ["2112-02-29T00:00:00-05:00", "2140-02-29T00:00:00-05:00"] {
        at = monday.next(&zone, at).unwrap();
        assert_eq!(zone.to_rfc3339(at), expected);
    }
    // A thousand of the longest searches, in far less than a millisecond each even unoptimized.
    let start = std::time::Instant::now();
    for year in 0..1000 {
        let after = UnixMs(utc("2072-03-01T00:00:00Z").0 + year * 365 * 86_400_000 * 7);
        let _ = monday.next(&zone, after);
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(1), "{:?}", start.elapsed());
}
