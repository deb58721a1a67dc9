//! Properties of every rule; the values themselves are compared with `dateutil` in another test.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::rrule_text;
use crate::calendar::DAY_S;

proptest! {
    #[test]
    fn a_search_from_anywhere_finds_what_a_walk_from_dtstart_meets(
        text in rrule_text(), ahead in 0..4_000_000_000_i64,
    ) {
        let Ok(parsed) = Rrule::parse(&text, &Zone::utc(), None) else { return Ok(()) };
        let rrule = parsed.rrule;
        let mut reading = rrule.start;
        let mut walked = Vec::new();
        while let Some(found) = rrule.chosen_from(reading).filter(|_| walked.len() < 40) {
            prop_assert!(found >= reading && rrule.has(found), "{} in {}", found, text);
            walked.push(found);
            reading = found + 1;
        }
        for pair in walked.windows(2) {
            let between = pair[0] + 1 + ahead % (pair[1] - pair[0]);
            prop_assert_eq!(rrule.chosen_from(between), Some(pair[1]), "{} from {}", &text, between);
            prop_assert!(between == pair[1] || !rrule.has(between));
        }
        prop_assert_eq!(rrule.chosen_from(i64::MIN / 4), walked.first().copied());
        // From far away, too: a later search never finds anything earlier.
        let far = rrule.start + ahead;
        if let Some(found) = rrule.chosen_from(far) {
            prop_assert!(found >= far && rrule.has(found));
            let between = far + (found - far) / 2;
            prop_assert_eq!(rrule.chosen_from(between), Some(found), "{} from {}", &text, between);
        }
    }

    #[test]
    fn count_ends_a_rule_where_a_walk_does(text in rrule_text(), count in 1..60_usize) {
        let Ok(endless) = Rrule::parse(&text, &Zone::utc(), None) else { return Ok(()) };
        let counted = format!("{text};COUNT={count}");
        let counted = Rrule::parse(&counted, &Zone::utc(), None);
        let walk = |rrule: &Rrule| {
            let mut at = UnixMs::MIN;
            let step = || { at = rrule.next(&Zone::utc(), at)?; Some(at) };
            std::iter::from_fn(step).take(count + 1).collect::<Vec<_>>()
        };
        let mut expected = walk(&endless.rrule);
        expected.truncate(count);
        match counted {
            Ok(counted) => prop_assert_eq!(walk(&counted.rrule), expected),
            // Only rules that hardly ever come are not counted that far.
            Err(error) => {
                prop_assert_eq!(error.problem, Problem::CountTooLarge);
                let years = expected[expected.len() - 1].since(expected[0]).as_secs() / 31_556_952;
                prop_assert!(years > 500, "{} years", years);
            }
        }
    }
}

#[test]
fn weeks_are_those_of_iso_8601() {
    let week_of = |week: i64| rrule(&format!("DTSTART=19700101;FREQ=YEARLY;BYWEEKNO={week}"));
    let (forth, back): (Vec<_>, Vec<_>) =
        (1..=53).map(|week| (week_of(week), week_of(-week))).unzip();
    let mut date = jiff::civil::date(1970, 1, 1);
    for day in 0..20_000 {
        let week = date.iso_week_date();
        let number = week.week() as usize - 1;
        let from_end = (week.weeks_in_year() - week.week()) as usize;
        let reading = day * DAY_S;
        assert!(forth[number].has(reading) && back[from_end].has(reading), "{date}");
        assert!(!forth[(number + 1) % 53].has(reading), "{date}");
        assert!(!back[(from_end + 1) % 53].has(reading), "{date}");
        date = date.tomorrow().unwrap();
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "the clock measures the search, not a schedule")]
fn far_counts_and_rare_readings_are_found_at_once() {
    let utc_zone = Zone::utc();
    let start = std::time::Instant::now();
    let daily = rrule("DTSTART=20260101T090000;FREQ=DAILY;COUNT=500000");
    // 499,999 days later.
    let last = utc("3394-12-14T09:00:00Z");
    assert_eq!(daily.next(&utc_zone, UnixMs(last.0 - 1)), Some(last));
    assert_eq!(daily.next(&utc_zone, last), None);
    let rare = [
        "FREQ=YEARLY;INTERVAL=9;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=SECONDLY;BYMONTH=1;BYHOUR=3;BYMINUTE=0;BYSECOND=0",
        "FREQ=SECONDLY;INTERVAL=3599;BYMINUTE=0;BYSECOND=0",
        "FREQ=MINUTELY;INTERVAL=1439;BYHOUR=9;BYMINUTE=0",
        "FREQ=SECONDLY;INTERVAL=1000000000",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR;BYMONTH=1",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5;BYMONTH=2",
        "FREQ=SECONDLY;COUNT=1000000000",
        "FREQ=WEEKLY;BYDAY=MO,TU;COUNT=400000",
    ];
    let rare = rare.map(|rule| rrule(&format!("DTSTART=20260101T090000;{rule}")));
    // A thousand searches in less than a millisecond each, even unoptimized.
    for years in 0..100 {
        let after = UnixMs(last.0 / 50 + years * 31_556_952_000);
        for rule in &rare {
            let _ = rule.next(&utc_zone, after);
        }
    }
    for never in [
        "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=SECONDLY;BYMONTH=1;BYSETPOS=2",
        "FREQ=YEARLY;BYDAY=MO;BYSETPOS=54",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=8",
    ] {
        let never = refused(&format!("DTSTART=20260101T090000;{never}")).0;
        assert!(never.starts_with("the rule never comes"), "{never}");
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn readings_that_are_centuries_apart_are_found() {
    let thursdays = "DTSTART=20030215T130000;FREQ=MONTHLY;INTERVAL=82;BYMONTHDAY=-8;BYDAY=3TH";
    let expected =
        ["2126-02-21", "2413-02-21", "3315-02-21"].map(|day| format!("{day}T13:00:00+00:00"));
    assert_eq!(slots(thursdays, "UTC", "2003-01-01T00:00:00Z", 3), expected);
}
