//! Which times are excluded.

use proptest::prelude::*;

use super::*;

const HOUR: u32 = 3600;
const LAST_DAY: i64 = END_S / DAY_S - 1;

fn except(days: impl IntoIterator<Item = Days>) -> Except {
    days.into_iter().collect()
}

/// The first day that is left from the beginning of one on.
fn free_day(except: &Except, day: i64) -> Option<i64> {
    except.free_from(day * DAY_S).map(|at| at / DAY_S)
}

#[test]
fn days_in_runs_on_weekdays_and_every_year_are_left_out() {
    // Day 0 is a Thursday.
    let except =
        except([Days::Run(3, 4), Days::Run(0, 1), Days::Weekdays(1 << 6), Days::Yearly(1, 7)]);
    let free: Vec<_> = (0..10).filter(|day| free_day(&except, *day) == Some(*day)).collect();
    assert_eq!(free, [5, 7, 8]);
    assert_eq!(except.free_from(DAY_S / 2), Some(5 * DAY_S));
    assert_eq!(except.free_from(5 * DAY_S + 7), Some(5 * DAY_S + 7));
    let held: Vec<_> = (0..10).filter(|day| except.holds(*day)).collect();
    assert_eq!(held, [0, 1, 2, 3, 4, 6, 9]);
    assert!(except.names_weekdays());
    assert!(!self::except([Days::Yearly(1, 7)]).names_weekdays());
    assert!(!self::except([Days::Part(DAY_S, 2 * DAY_S - 1)]).holds(1));
}

#[test]
fn weekdays_can_be_left_out_by_their_place_in_the_month() {
    let free = |except: &Except| -> Vec<i64> {
        (0..31).filter(|day| free_day(except, *day) != Some(*day)).map(|day| day + 1).collect()
    };
    // 1970-01-01 is a Thursday: Mondays are 5, 12, 19, 26; Fridays 2, 9, 16, 23, 30.
    let (monday, friday) = (1 << 1, 1 << 5);
    assert_eq!(free(&except([Days::Nth([monday, 0, friday, 0, 0, 0])])), [5, 16]);
    assert_eq!(free(&except([Days::Nth([0, 0, 0, 0, friday, monday])])), [26, 30]);
}

#[test]
fn hours_and_parts_of_days_are_left_out_without_their_end() {
    let hours = except([Days::Hours(22 * HOUR, 6 * HOUR), Days::Hours(12 * HOUR, 13 * HOUR)]);
    let at = |day: i64, hour: i64| day * DAY_S + hour * 3600;
    for (from, free) in [
        (at(9, 21), at(9, 21)),
        (at(9, 22) - 1, at(9, 22) - 1),
        (at(9, 22), at(10, 6)),
        (at(10, 5), at(10, 6)),
        (at(10, 12), at(10, 13)),
    ] {
        assert_eq!(hours.free_from(from), Some(free));
    }
    let part = except([Days::Part(at(4, 18), at(6, 6)), Days::Hours(0, 8 * HOUR)]);
    assert_eq!(part.free_from(at(4, 18)), Some(at(6, 8)));
    assert_eq!(part.free_from(at(4, 17)), Some(at(4, 17)));
}

#[test]
fn when_every_day_is_left_out_there_is_none() {
    let all = except([Days::Weekdays(0x7f)]);
    assert_eq!(all.free_from(0), None);
    assert!(Except::are_always(&[Arc::new(all)]));
    let rest = except([Days::Run(5, LAST_DAY)]);
    assert_eq!((free_day(&rest, 4), free_day(&rest, 5)), (Some(4), None));
}

#[test]
fn times_that_are_left_out_together_can_be_always() {
    let are_always = |days: &[Days]| {
        Except::are_always(&days.iter().map(|days| Arc::new(except([*days]))).collect::<Vec<_>>())
    };
    assert!(are_always(&[Days::Weekdays(0b011_1110), Days::Weekdays(0b100_0001)]));
    assert!(!are_always(&[Days::Weekdays(0b011_1110), Days::Weekdays(0b100_0000)]));
    assert!(are_always(&[Days::Hours(0, 12 * HOUR), Days::Hours(12 * HOUR, 24 * HOUR)]));
    assert!(are_always(&[Days::Hours(9 * HOUR, 8 * HOUR), Days::Hours(7 * HOUR, 10 * HOUR)]));
    assert!(!are_always(&[Days::Hours(0, 12 * HOUR), Days::Hours(13 * HOUR, 24 * HOUR)]));
    let mondays = Days::Weekdays(0b111_1101);
    assert!(are_always(&[mondays, Days::Nth([2, 2, 2, 2, 2, 0])]));
    assert!(are_always(&[mondays, Days::Nth([2, 2, 2, 2, 0, 2])]));
    assert!(!are_always(&[mondays, Days::Nth([2, 2, 2, 2, 0, 0])]));
    let month = |month| (1..=month_length(2000, month)).map(move |day| (month, day));
    let yearly = |(month, day)| Days::Yearly(month as u8, day as u8);
    let year: Vec<_> = (1..=12).flat_map(month).map(yearly).collect();
    assert!(are_always(&year));
    let but_leap_days = [&year[..59], &year[60..]].concat();
    assert!(!are_always(&but_leap_days));
    // 1972-02-29.
    assert_eq!(free_day(&except(but_leap_days), 0), Some(789));
}

#[test]
fn the_order_and_overlap_of_what_is_named_does_not_matter() {
    let one = except([Days::Run(1, 5), Days::Run(6, 9), Days::Yearly(2, 3)]);
    let mut two = except([Days::Yearly(2, 3), Days::Run(4, 9)]);
    two.add(&except([Days::Run(1, 7)]));
    assert_eq!(one.canonical(), two.canonical());
    assert_ne!(one.canonical(), Except::default().canonical());
    let parts = except([Days::Part(DAY_S, 2 * DAY_S + 5), Days::Part(2 * DAY_S, 10 * DAY_S)]);
    assert_eq!(parts.canonical(), except([Days::Run(1, 9)]).canonical());
    let nights = except([Days::Hours(22 * HOUR, 6 * HOUR)]);
    let same = except([Days::Hours(0, 6 * HOUR), Days::Hours(22 * HOUR, 24 * HOUR)]);
    assert_eq!(nights, same);
}

fn any_days() -> impl Strategy<Value = Days> {
    prop_oneof![
        (0..200_i64, 0..20_i64).prop_map(|(first, more)| Days::Run(first, first + more)),
        (0..200 * DAY_S, 1..9 * DAY_S).prop_map(|(from, more)| Days::Part(from, from + more)),
        (0..0x7f_u8).prop_map(Days::Weekdays),
        prop::array::uniform6(0..0x7f_u8).prop_map(Days::Nth),
        (1..=12_u8, 1..=28_u8).prop_map(|(month, day)| Days::Yearly(month, day)),
        (0..DAY_S as u32, 1..=DAY_S as u32).prop_map(|(from, to)| Days::Hours(from, to)),
    ]
}

/// Whether an item names a reading.
fn names(days: Days, at: i64) -> bool {
    let (day, second) = (at.div_euclid(DAY_S), at.rem_euclid(DAY_S) as u32);
    let (weekday, date) = (1_u8 << weekday_of(day), date_of(day));
    match days {
        Days::Run(first, last) => (first..=last).contains(&day),
        Days::Part(from, to) => (from..to).contains(&at),
        Days::Weekdays(weekdays) => weekdays & weekday != 0,
        Days::Nth([nth @ .., last]) => {
            let is_last = date.day + 7 > month_length(date.year, date.month);
            nth[(date.day as usize - 1) / 7] & weekday != 0 || is_last && last & weekday != 0
        }
        Days::Yearly(month, of_month) => (month.into(), of_month.into()) == (date.month, date.day),
        Days::Hours(from, to) if from < to => (from..to).contains(&second),
        Days::Hours(from, to) => second >= from || second < to,
    }
}

proptest! {
    #[test]
    fn the_first_free_reading_is_the_first_one_not_named(
        named in prop::collection::vec(any_days(), 0..5), from in 0..250 * DAY_S,
    ) {
        let all = Arc::new(except(named.iter().copied()));
        if Except::are_always(std::slice::from_ref(&all)) {
            return Ok(());
        }
        let is_free = |at: i64| !named.iter().any(|days| names(*days, at));
        let free = all.free_from(from).unwrap();
        prop_assert!(is_free(free));
        // Each minute, and each second around the found one.
        let before = (from..free).step_by(60).take(50_000).chain((free - 90).max(from)..free);
        for at in before {
            prop_assert!(!is_free(at), "{}", at);
        }
    }
}
