use std::collections::BTreeMap;
use std::iter::successors;

use downbeat_time::arbitrary;
use downbeat_time::interval::Interval;
use proptest::prelude::*;

use super::*;
use crate::schedule::delay::Delay;
use crate::schedule::sample::{HOUR, any, cron, entry, every};
use crate::worker::Queue;

/// 2027-01-01T00:00:00Z
const NEW_YEAR: UnixMs = UnixMs::from_secs(1_798_761_600);

fn every_ms(name: &str, period: u64) -> Entry {
    let interval = Interval::new(Duration::from_millis(period), Duration::ZERO, None);
    entry(name, Timing::Every(interval.unwrap()))
}

fn to_queue(mut entry: Entry, queue: &str) -> Entry {
    entry.message.queue = Queue::unconfigured(queue);
    entry
}

fn hour(entries: &[Entry]) -> Forecast {
    Forecast::of(entries, NEW_YEAR, NEW_YEAR + HOUR).unwrap()
}

#[test]
fn slots_are_counted_by_minute_second_and_queue() {
    let forecast = hour(&[
        to_queue(cron("a", "*/30 * * * *"), "reports"),
        to_queue(every("b", 1800), "mail"),
        to_queue(every("c", 20), "mail"),
        to_queue(every("d", 1800), "reports"),
        to_queue(every("e", 1800), "reports"),
    ]);
    assert_eq!((forecast.from, forecast.minutes.len()), (NEW_YEAR, 60));
    assert_eq!((forecast.minutes[0], forecast.minutes[1], forecast.minutes[30]), (7, 3, 7));
    assert_eq!(forecast.slots(), 60 * 3 + 8);
    let queue = |name: &str, slots, peak| QueueLoad { name: name.into(), slots, peak };
    assert_eq!(forecast.queues, [queue("mail", 182, 4), queue("reports", 6, 3)]);
    let [first, second, third, ..] = &forecast.busiest[..] else { panic!("no three seconds") };
    assert_eq!((first.at, first.slots, first.more), (NEW_YEAR, 5, 2));
    assert_eq!(first.entries, ["a", "b", "c"].map(Arc::from));
    assert_eq!((second.at, second.slots), (NEW_YEAR + HOUR / 2, 5));
    let next = NEW_YEAR + Duration::from_secs(20);
    assert_eq!((third.at, third.slots, third.entries.clone()), (next, 1, vec!["c".into()]));
    assert_eq!(forecast.busiest.len(), BUSIEST);
}

#[test]
fn disabled_entries_have_no_slots() {
    let off = Entry { enabled: false, ..every("a", 60) };
    let forecast = hour(&[off]);
    assert_eq!((forecast.slots(), forecast.busiest.len(), forecast.queues.len()), (0, 0, 0));
}

#[test]
fn days_of_thousands_of_entries_that_fire_ten_times_a_second_are_counted_at_once() {
    let entries: Vec<Entry> = (0..5000).map(|n| every_ms(&n.to_string(), 100)).collect();
    let forecast = Forecast::of(&entries, NEW_YEAR, NEW_YEAR + 3 * DAY).unwrap();
    assert_eq!(forecast.slots(), 5000 * 10 * 3 * 86_400);
    assert_eq!(forecast.minutes.iter().max(), Some(&(5000 * 600)));
    assert_eq!(forecast.busiest[0].slots, 50_000);
    assert_eq!(forecast.busiest[0].more, 5000 - NAMED);
}

#[test]
fn messages_held_back_count_when_they_are_due() {
    let mut late = every("late", 3600);
    // The last of two places: half of the window.
    late.delay = Some(Box::new(Delay::spread(HOUR, 1, 2)));
    // The slot before the range is due in it, the one at its end is not.
    let forecast = Forecast::of(&[late], NEW_YEAR + HOUR / 4, NEW_YEAR + HOUR).unwrap();
    let due: Vec<usize> = (0..45).filter(|minute| forecast.minutes[*minute] > 0).collect();
    assert_eq!(due, [15]);
    assert_eq!(forecast.busiest[0].at, NEW_YEAR + HOUR / 2);
    assert_eq!(forecast.busiest[0].entries, [Arc::from("late")]);
}

#[test]
fn a_range_is_of_whole_minutes_and_not_too_long() {
    let of = |from, to| Forecast::of(&[], from, to).unwrap_err().to_string();
    assert_eq!(
        of(NEW_YEAR, UnixMs(NEW_YEAR.0 + 1)),
        "2027-01-01T00:00:00.001Z is not a whole minute; slots are counted by the minute"
    );
    let empty = "the range from 2027-01-01T00:00:00Z to 2027-01-01T00:00:00Z is empty";
    assert_eq!(of(NEW_YEAR, NEW_YEAR), empty);
    assert_eq!(
        of(NEW_YEAR, NEW_YEAR + MAX_RANGE + Duration::from_secs(60)),
        "the range from 2027-01-01T00:00:00Z to 2028-01-02T00:01:00Z is longer than 366 days; ask \
         for a part of it"
    );
}

#[test]
fn work_is_bounded() {
    let entries = [every("a", 60), every("b", 60)];
    let within = |steps| Forecast::within(steps, &entries, NEW_YEAR, NEW_YEAR + 3 * DAY);
    assert_eq!(within(3 * 2 * 1441 - 1).unwrap_err(), ForecastError::TooMany);
    assert_eq!(within(3 * 2 * 1441).unwrap().slots(), 3 * 2 * 1440);
}

/// The same as [`Forecast::of`], the slow way.
fn walk(entries: &[Entry], from: UnixMs, to: UnixMs) -> BTreeMap<i64, u64> {
    let mut seconds = BTreeMap::new();
    for entry in entries {
        // Messages are due before the next slot, so only the newest slot before the range can be due in it.
        let before = from - INSTANT;
        let first = entry.last_slot(UnixMs::MIN, before).or_else(|| entry.next_slot(before));
        let slots = successors(first, |slot| entry.next_slot(*slot));
        for slot in slots.take_while(|slot| *slot < to) {
            let due = entry.due(slot);
            if from <= due && due < to {
                *seconds.entry(due.0.div_euclid(1000)).or_default() += 1;
            }
        }
    }
    seconds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn every_slot_is_counted_once(
        entries in prop::collection::vec(any::entry(), 1..4),
        from in arbitrary::instant(),
        minutes in 1_i64..1800,
        cut in 0.0..1.0,
    ) {
        let from = UnixMs(from.0 - from.0.rem_euclid(MINUTE_MS));
        let to = UnixMs(from.0 + minutes * MINUTE_MS);
        let forecast = Forecast::of(&entries, from, to).unwrap();
        let seconds = walk(&entries, from, to);
        let mut expected = vec![0; minutes as usize];
        for (second, slots) in &seconds {
            expected[((second * 1000 - from.0) / MINUTE_MS) as usize] += slots;
        }
        prop_assert_eq!(&forecast.minutes, &expected);
        let mut busiest: Vec<(u64, i64)> = seconds.iter().map(|(at, n)| (*n, -at)).collect();
        busiest.sort_unstable();
        let said: Vec<_> = forecast.busiest.iter().map(|s| (s.slots, -s.at.0 / 1000)).collect();
        prop_assert_eq!(said, busiest.into_iter().rev().take(BUSIEST).collect::<Vec<_>>());
        let cut = UnixMs(from.0 + (minutes as f64 * cut) as i64 * MINUTE_MS);
        if from < cut {
            let [first, rest] = [(from, cut), (cut, to)].map(|(a, b)| Forecast::of(&entries, a, b));
            prop_assert_eq!([first.unwrap().minutes, rest.unwrap().minutes].concat(), expected.clone());
        }
        prop_assert_eq!(forecast.queues[0].slots, forecast.slots());
        prop_assert_eq!(Some(&forecast.queues[0].peak), expected.iter().max());
    }
}
