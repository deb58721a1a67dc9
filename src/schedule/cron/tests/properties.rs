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

fn quartz() -> impl Strategy<Value = String> {
    let year = prop_oneof![Just("*"), Just("2027"), Just("2020-2090/3"), Just("2096-2100")];
    let second = prop_oneof![1 => Just("0".to_owned()), 3 => field(0, 59)];
    (second, field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(1, 7), year).prop_map(
        |(second, minute, hour, day, month, weekday, year)| {
            format!("{second} {minute} {hour} {day} {month} {weekday} {year}")
        },
    )
}

thread_local! {
    static ZONES: [Zone; 4] =
        ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"].map(zone);
}

/// Slots come one after the other, whatever instant between them is asked from.
fn check_order(
    next: impl Fn(&Zone, UnixMs) -> Option<UnixMs>,
    zone_index: usize,
    after: i64,
) -> Result<(), TestCaseError> {
    ZONES.with(|zones| {
        let (zone, mut at) = (&zones[zone_index], UnixMs(after));
        for _ in 0..4 {
            let Some(slot) = next(zone, at) else { break };
            prop_assert!(slot > at, "{} after {}", slot, at);
            prop_assert_eq!(next(zone, UnixMs(slot.0 - 1)), Some(slot));
            let between = UnixMs(at.0 + (slot.0 - at.0) / 2);
            if between < slot {
                prop_assert_eq!(next(zone, between), Some(slot));
            }
            at = slot;
        }
        Ok(())
    })
}

proptest! {
    #[test]
    fn the_next_slot_is_later_and_is_found_again_from_just_before(
        line in line(), after in 0..4_102_444_800_000_i64, zone_index in 0..4_usize,
    ) {
        let line = Line { entry: Some("a"), ..(&*line).into() };
        let Ok(parsed) = Cron::parse(line) else { return Ok(()) };
        prop_assert!(parsed.cron.next(&Zone::utc(), UnixMs(after)).is_some());
        check_order(|zone, at| parsed.cron.next(zone, at), zone_index, after)?;
    }

    #[test]
    fn the_next_second_is_later_and_is_found_again_from_just_before(
        line in quartz(), after in 0..4_102_444_800_000_i64, zone_index in 0..4_usize,
    ) {
        let Ok(quartz) = Quartz::parse(&line) else { return Ok(()) };
        check_order(|zone, at| quartz.next(zone, at), zone_index, after)?;
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_errors_point_inside_it(text in "\\PC{0,40}") {
        let line = Line { entry: Some("a"), ..(&*text).into() };
        for error in [Cron::parse(line).err(), Quartz::parse(&text).err()].into_iter().flatten() {
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
