//! What holds for every expression, and for every text that is not one.

use proptest::prelude::*;

use super::*;

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
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).prop_map(
        |(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"),
    )
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
        let Ok(parsed) = Cron::parse(&line, None) else { return Ok(()) };
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
        if let Err(error) = Cron::parse(&text, None) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

/// The strict grammar, written a second time as slowly and plainly as can be.
mod grammar {
    const MONTHS: &str = "january february march april may june july august september october \
                          november december";
    const WEEKDAYS: &str = "sunday monday tuesday wednesday thursday friday saturday";

    pub(super) fn accepts(line: &str) -> bool {
        let fields: Vec<&str> = line.split([' ', '\t']).filter(|text| !text.is_empty()).collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return false };
        field(minute, 0, 59, "")
            && field(hour, 0, 23, "")
            && field(day, 1, 31, "")
            && field(month, 1, 12, MONTHS)
            && field(weekday, 0, 7, WEEKDAYS)
    }

    fn field(text: &str, first: u64, last: u64, names: &str) -> bool {
        text.split(',').all(|item| {
            let (range, step) = item.split_once('/').map_or((item, None), |(r, s)| (r, Some(s)));
            let step_fits = step.is_none_or(|step| number(step, 1, last));
            let ends: Vec<&str> = range.split('-').collect();
            let range_fits = match ends[..] {
                ["*"] => true,
                [one] => value(one, first, last, names) && (step.is_none() || last != 7),
                [one, two] => value(one, first, last, names) && value(two, first, last, names),
                _ => false,
            };
            step_fits && range_fits
        })
    }

    fn value(text: &str, first: u64, last: u64, names: &str) -> bool {
        let lower = text.to_lowercase();
        let named = text.is_ascii() && names.split(' ').any(|name| name.starts_with(&lower));
        number(text, first, last) || (named && text.len() >= 3)
    }

    fn number(text: &str, first: u64, last: u64) -> bool {
        let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        digits && text.parse().is_ok_and(|number: u64| first <= number && number <= last)
    }
}

#[test]
fn of_mutated_lines_exactly_those_of_the_grammar_are_accepted() {
    const SEEDS: [&str; 8] = [
        "*/5 * * * *",
        "0 3 * * mon-fri",
        "30 9 1,15 1 *",
        "0 22-4 * * *",
        "5/15 0-6/2 * nov-feb 7",
        "0 0 13 * fri",
        "59 23 31 12 sunday",
        "10-50/20,3 1 */2 jan,jul sat-sun",
    ];
    const PIECES: [&str; 28] = [
        "*",
        "/",
        "-",
        ",",
        " ",
        "\t",
        "0",
        "1",
        "7",
        "31",
        "60",
        "99",
        "mon",
        "SUN",
        "jan",
        "L",
        "W",
        "#",
        "?",
        "H",
        "~",
        "+",
        ".",
        "@",
        "\n",
        "é",
        "999999999999999999999",
        "x",
    ];
    let mut random = fastrand::Rng::with_seed(42);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..30_000 {
        let seed = SEEDS[random.usize(..SEEDS.len())];
        let mut line: Vec<char> = seed.chars().collect();
        for _ in 0..random.usize(1..=3) {
            let at = random.usize(..=line.len());
            let end = (at + random.usize(..3)).min(line.len());
            let piece = PIECES[random.usize(..PIECES.len())];
            line.splice(at..end, piece.chars().filter(|_| random.u8(..4) > 0));
        }
        let line: String = line.into_iter().collect();
        match Cron::parse(&line, None) {
            Ok(_) => {
                assert!(grammar::accepts(&line), "{line:?} is accepted");
                accepted += 1;
            }
            Err(error) => {
                let never = error.problem == Problem::NeverComes;
                assert!(never || !grammar::accepts(&line), "{line:?} is refused: {error}");
                assert!(line.get(error.span).is_some());
                refused += 1;
            }
        }
    }
    assert!(accepted > 1_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the clock measures the search, not a schedule")]
fn the_rarest_dates_are_found_at_once() {
    let zone = zone("America/New_York");
    let monday = Cron::parse("0 0 29 2 mon", Some(DayMatch::And)).unwrap().cron;
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
