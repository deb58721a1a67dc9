use proptest::prelude::*;

use super::*;
use crate::arbitrary::{solar_event, solar_offset};

fn utc(text: &str) -> UnixMs {
    UnixMs::from(text.parse::<jiff::Timestamp>().unwrap())
}

fn solar(event: Event, latitude: f64, longitude: f64) -> Solar {
    Solar::new(event, latitude, longitude).unwrap()
}

/// The next `count` slots, as text.
fn slots(solar: Solar, after: &str, count: usize) -> Vec<String> {
    let next = |slot: &UnixMs| solar.next(*slot);
    std::iter::successors(solar.next(utc(after)), next).take(count).map(|s| s.to_string()).collect()
}

#[test]
fn a_place_is_on_earth_or_refused() {
    let place = |latitude, longitude| Solar::new(Event::Sunset, latitude, longitude);
    for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
        assert!(place(latitude, longitude).is_some());
    }
    for (latitude, longitude) in
        [(90.000_001, 0.0), (-91.0, 0.0), (0.0, 180.5), (f64::NAN, 0.0), (0.0, f64::INFINITY)]
    {
        assert_eq!(place(latitude, longitude), None);
    }
}

#[test]
fn the_events_of_a_day_come_in_their_order() {
    let mut last = utc("2026-11-21T12:00:00Z");
    for event in Event::ALL {
        let slot = solar(event, 37.57, 126.98).next(utc("2026-11-21T12:00:00Z")).unwrap();
        assert!(slot > last, "{event:?}");
        last = slot;
    }
    assert!(last < utc("2026-11-22T12:00:00Z"));
}

#[test]
fn an_event_moves_over_midnight_without_a_slot_twice_or_none() {
    // Sunset in Mexico City passes 00:00 UTC twice a year.
    let sunset = solar(Event::Sunset, 19.43, -99.13);
    let all = slots(sunset, "2026-01-01T00:30:00Z", 365);
    let hours = all.iter().map(|slot| &slot[11..13]);
    assert_eq!(hours.clone().min(), Some("00"));
    assert_eq!(hours.max(), Some("23"));
    let instants: Vec<UnixMs> = all.iter().map(|slot| utc(slot)).collect();
    for pair in instants.windows(2) {
        let hours = pair[1].since(pair[0]).as_secs_f64() / 3600.0;
        assert!((23.9..24.1).contains(&hours), "{pair:?}");
    }
}

#[test]
fn the_polar_night_and_the_midnight_sun_are_skipped() {
    let svalbard = |event| solar(event, 78.22, 15.65);
    let days = |event, after| {
        let slots = slots(svalbard(event), after, 3);
        slots.iter().map(|slot| slot[..10].to_owned()).collect::<Vec<_>>()
    };
    let sunrises = days(Event::Sunrise, "2026-10-25T00:00:00Z");
    assert_eq!(sunrises, ["2026-10-25", "2026-10-26", "2027-02-16"]);
    let sunsets = days(Event::Sunset, "2026-04-17T12:00:00Z");
    assert_eq!(sunsets, ["2026-04-17", "2026-08-24", "2026-08-25"]);
    // Noon comes, seen or not.
    let noons = days(Event::SolarNoon, "2026-12-20T00:00:00Z");
    assert_eq!(noons, ["2026-12-20", "2026-12-21", "2026-12-22"]);
}

#[test]
fn at_the_poles_the_sun_rises_once_a_year() {
    for (latitude, month) in [(90.0, "03"), (-90.0, "09")] {
        let all = slots(solar(Event::Sunrise, latitude, 0.0), "2026-01-01T00:00:00Z", 10);
        for (slot, year) in all.iter().zip(2026..) {
            assert_eq!(slot[..7], format!("{year}-{month}"));
        }
    }
}

#[test]
fn slots_lie_between_1970_and_9999() {
    for event in Event::ALL {
        for latitude in [-90.0, 0.0, 66.0, 89.9] {
            let solar = solar(event, latitude, 179.0);
            let first = solar.next(UnixMs::MIN).unwrap();
            assert!(first >= UnixMs(0));
            assert_eq!(solar.next(UnixMs(-1)), Some(first));
            assert_eq!((solar.next(UnixMs::MAX), solar.next(LAST)), (None, None));
            assert!(solar.next(utc("9990-01-01T00:00:00Z")).is_some());
        }
    }
}

#[test]
fn it_is_described_in_words_and_has_one_canonical_text() {
    let sunset = solar(Event::Sunset, 37.57, 126.98);
    assert_eq!(sunset.describe(), "at sunset at 37.57° N, 126.98° E");
    assert_eq!(sunset.canonical(), "solar sunset 37570000 126980000");
    let dawn = solar(Event::DawnAstronomical, -54.801_9, -0.000_000_4);
    assert_eq!(dawn.describe(), "at astronomical dawn at 54.8019° S, 0° E");
    assert_eq!(dawn.canonical(), "solar dawn_astronomical -54801900 0");
    for event in Event::ALL {
        assert_eq!(event.words().replace(' ', "_").len(), event.as_str().len());
    }
}

#[test]
fn an_offset_may_cross_midnight_and_polar_days_have_no_slot() {
    const MINUTE_MS: i64 = 60_000;
    let tromso = solar(Event::Sunset, 69.65, 18.96).offset(-30 * MINUTE_MS).unwrap();
    // The last sunset before the midnight sun is at 00:19 in Oslo, and half an hour before it is the day before.
    let last = ["2027-05-16T21:29:00Z", "2027-05-17T21:49:00Z"];
    let slots = slots(tromso, "2027-05-16T12:00:00Z", 3);
    assert!(slots[2].as_str() > "2027-07-20", "{slots:?}");
    assert_eq!(slots[..2], last);
}

#[test]
fn the_first_slots_of_1970_are_found_with_an_offset() {
    let noon = |minutes: i64| solar(Event::SolarNoon, 0.0, 179.0).offset(minutes * 60_000).unwrap();
    let first = |minutes| noon(minutes).next(UnixMs::MIN).unwrap().to_string();
    assert_eq!(first(0), "1970-01-01T00:07:00Z");
    assert_eq!(first(10), "1970-01-01T00:17:00Z");
    assert_eq!(first(-7), "1970-01-01T00:00:00Z");
    assert_eq!(first(-8), "1970-01-02T00:00:00Z");
    // From the noon of the day before 1970.
    assert_eq!(first(23 * 60 + 59), "1970-01-01T00:06:00Z");
    assert_eq!(noon(-8).next(LAST), None);
}

#[test]
fn an_offset_is_part_of_the_text_and_shorter_than_a_day() {
    let sunset = solar(Event::Sunset, 37.57, 126.98);
    let moved = |ms| sunset.offset(ms).unwrap();
    assert_eq!(moved(-1_800_000).describe(), "30 minutes before sunset at 37.57° N, 126.98° E");
    assert_eq!(
        moved(5_400_000).describe(),
        "1 hour 30 minutes after sunset at 37.57° N, 126.98° E"
    );
    assert_eq!(moved(-1_800_000).canonical(), "solar sunset 37570000 126980000 -1800000");
    assert_eq!(moved(0), sunset);
    for too_long in [86_400_000, -86_400_000, i64::MIN, i64::MAX] {
        assert_eq!(sunset.offset(too_long), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn slots_are_whole_minutes_and_hours_apart(solar in solar_event(), after in 0..4_102_444_800_i64) {
        let slot = solar.next(UnixMs::from_secs(after)).unwrap();
        prop_assert_eq!(slot.0 % MINUTE_MS, 0);
        let later = solar.next(slot).unwrap();
        prop_assert!(later.since(slot).as_secs() >= 6 * 3600, "{slot} and {later}");
    }

    #[test]
    fn an_offset_moves_every_slot(
        solar in solar_event(), offset_ms in solar_offset(), after_s in 86_400..4_102_444_800_i64,
    ) {
        let (after, moved) = (UnixMs::from_secs(after_s), solar.offset(offset_ms).unwrap());
        let event = solar.next(UnixMs(after.0 - offset_ms)).unwrap();
        prop_assert_eq!(moved.next(after), Some(UnixMs(event.0 + offset_ms)));
    }

    #[test]
    fn skipping_finds_the_event_that_a_walk_over_all_half_days_finds(
        solar in solar_event(), after_s in 0..4_102_444_800_i64,
    ) {
        let after = UnixMs::from_secs(after_s);
        if let Some(height) = solar.event.height() {
            let place = Place::of(&solar);
            let slot_of = |number: i64| {
                let [start, end] = [number, number + 1].map(|number| place.culmination(number));
                let [before, then] =
                    [&start, &end].map(|it| place.excess(&it.sun, it.side, &height));
                let passes = before < 0.0 && then >= 0.0;
                passes.then(|| to_slot(place.crossing(&height, &start, &end)))
            };
            let first = place.half_day_of(after) - 4;
            let walked = (first..).filter_map(slot_of).find(|slot| *slot > after);
            prop_assert_eq!(solar.next(after), walked);
        }
    }
}
