//! `except` and `calendars`: what they leave out, and where slots move.

use downbeat_time::Move;

use super::*;

/// Problems of an entry that fires every 10 minutes, with this `except`.
fn problems(except: &str) -> String {
    let text = format!("entries:\n  a: {{task: t, every: 10m, except: {except}}}\n");
    refused("a.yaml", text)
}

/// The first few slots of an entry from a time on, by its zone's clock.
fn slots(text: &str, name: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = schedule(text);
    let entry = schedule.get(name).unwrap();
    let from = UnixMs(entry.zone.resolve(from.parse().unwrap()).0 - 1);
    let next = |slot: &UnixMs| entry.next_slot(*slot);
    let slots = std::iter::successors(next(&from), next).take(count);
    slots.map(|slot| entry.zone.to_rfc3339(slot)[..16].to_owned()).collect()
}

const WINDOW: &str = "timezone: America/New_York
calendars:
  freeze: [\"2026-12-24T18:00..2026-12-26T06:00\"]
  nights: [\"22:00-06:00\"]
entries:
  a: {task: t, every: 10m, except: [freeze]}
  b: {task: t, every: 10m, except: [nights]}
  c: {task: t, every: 10m, except: [mon#1]}
  d: {task: t, every: 10m, except: [monL, 5#2, \"2026-12-24 18:00 .. 2026-12-25\", 12:00 - 13:30]}
";

#[test]
fn hours_parts_of_days_and_weekdays_of_a_month_are_left_out() {
    let next = |name, from| slots(WINDOW, name, from, 2);
    assert_eq!(next("a", "2026-12-24T17:50"), ["2026-12-24T17:50", "2026-12-26T06:00"]);
    assert_eq!(next("b", "2026-12-24T21:50"), ["2026-12-24T21:50", "2026-12-25T06:00"]);
    assert_eq!(next("c", "2026-12-06T23:50"), ["2026-12-06T23:50", "2026-12-08T00:00"]);
    assert_eq!(next("c", "2026-12-14T00:00")[0], "2026-12-14T00:00");
    assert_eq!(next("d", "2026-12-28T00:00")[0], "2026-12-29T00:00", "the last Monday");
    assert_eq!(next("d", "2026-12-11T00:00")[0], "2026-12-12T00:00", "the second Friday");
    assert_eq!(
        next("d", "2026-12-24T18:00")[0],
        "2026-12-26T00:00",
        "an end that is a date is a day"
    );
    assert_eq!(next("d", "2026-12-23T11:50"), ["2026-12-23T11:50", "2026-12-23T13:30"]);
}

#[test]
fn a_calendar_that_does_not_exist_is_answered_with_what_to_write() {
    let said = problems("[holidays-us]");
    assert!(said.contains("there is no calendar `holidays-us`"), "{said}");
    assert!(said.contains("`calendars: {holidays-us: [2026-12-25, 01-01]}`"), "{said}");
    assert!(problems("weekends").contains("did you mean `sat-sun`?"));
}

#[test]
fn times_that_are_not_wholly_understood_are_refused_with_what_to_write() {
    for (except, message, hint) in [
        ("22-06", "there is no `22-06`", "`22:00-06:00`"),
        ("\"22:00-25:00\"", "`22:00-25:00` are not hours of a day", "`00:00` to `24:00`"),
        ("\"24:00-06:00\"", "`24:00-06:00` are not hours of a day", "`00:00` to `24:00`"),
        ("\"22:0-6:00\"", "`22:0-6:00` are not hours of a day", "`22:00-06:00`"),
        ("\"22:00..06:00\"", "`22:00..06:00` is not a span of days", "`22:00-06:00`"),
        ("\"08:00-08:00\"", "`08:00-08:00` ends when it begins", "`12:00-13:00` for an hour"),
        ("\"00:00-24:00\"", "no day is left", "six weekdays"),
        ("[\"00:00-12:00\", \"12:00-00:00\"]", "no day is left", "six weekdays"),
        ("10pm-6am", "`10pm-6am` is not a date", "`22:00-06:00`"),
        ("\"mon 22:00-06:00\"", "`mon 22:00-06:00`", "`22:00-06:00`"),
        ("\"2026-12-24T18:00\"", "is one instant", "`2026-12-24T18:00..2026-12-26T06:00`"),
        ("\"2026-12-24T18:00Z..2026-12-26\"", "is not a date and time", "without an offset"),
        ("\"2026-12-26T06:00..2026-12-24T18:00\"", "ends before it begins", ""),
        ("\"2026-12-24T18:00..2026-12-24T18:00\"", "ends before it begins", ""),
        ("\"2026-02-30T18:00..2026-03-01\"", "there is no `2026-02-30`", ""),
        ("\"mon#6\"", "`mon#6` names no days", "`mon#1` to `mon#5`, or `monL`"),
        ("\"fri#L\"", "`fri#L` names no days", "`friL`"),
        ("{days: sat, move: following}", "expected `next` or `previous`", "write `move: next`"),
        ("{days: sat, move: nxt}", "expected `next` or `previous`", "did you mean `next`?"),
        ("{move: next}", "`except` has no `days`", "move: next"),
        ("{days: sat, roll: next}", "unknown key `roll` in `except`", "`move`"),
        ("{days: sat, move: next}", "slots of `every: 10m` have no time of day", "`cron`"),
    ] {
        let said = problems(except);
        assert!(said.contains(message) && said.contains(hint), "{except}: {said}");
    }
}

#[test]
fn what_comes_too_often_does_not_move() {
    let moved = |timing: &str| {
        let text =
            format!("entries:\n  a: {{task: t, {timing}, except: {{days: sat, move: next}}}}\n");
        load_text("a.yaml", text.as_bytes()).1
    };
    assert!(moved("cron: \"*/10 * * * *\"").contains("`move` is for up to 100 slots a day"));
    assert!(moved("every: 36h").contains("slots of `every: 1d12h` have no time of day"));
    let sun = moved("solar: {event: sunset, latitude: 51.5, longitude: -0.1}");
    assert!(sun.contains("every day has its own event of the sun"), "{sun}");
    for fine in [
        "cron: \"*/15 * * * *\"",
        "every: 2d",
        "at: 2027-01-02 09:00",
        "rrule: FREQ=WEEKLY, start: 2027-01-02 09:00",
    ] {
        assert_eq!(moved(fine), "", "{fine}");
    }
}

#[test]
fn business_days_are_found_where_slots_move() {
    let text = "timezone: Europe/London
calendars:
  bank: [2027-01-01, 2027-05-03, 2026-12-25, 2026-12-28, 2027-05-31, 2027-08-30]
entries:
  first: {task: t, cron: \"0 9 1 * *\", except: {days: [sat-sun, bank], move: next}}
  last: {task: t, cron: \"0 17 L * *\", except: {days: [sat-sun, bank], move: previous}}
  payday: {task: t, cron: \"0 9 25 * *\", except: {days: [sat-sun, bank], move: previous}}
";
    assert_eq!(
        slots(text, "first", "2027-01-01T00:00", 2),
        ["2027-01-04T09:00", "2027-02-01T09:00"]
    );
    assert_eq!(slots(text, "last", "2027-05-01T00:00", 1), ["2027-05-28T17:00"]);
    assert_eq!(slots(text, "payday", "2026-12-01T00:00", 1), ["2026-12-24T09:00"]);
    let schedule = schedule(text);
    let payday = schedule.get("payday").unwrap();
    assert_eq!(payday.bounds.as_ref().unwrap().move_to, Some(Move::Previous));
    assert!(payday.canonical_timing().ends_with(" Europe/London move previous"));
    let [slot] = &slots(text, "payday", "2026-12-01T00:00", 1)[..] else { panic!() };
    let slot = payday.zone.resolve(slot.parse().unwrap());
    assert_eq!(
        payday.moved_from(slot).map(|slot| slot.to_string()).unwrap(),
        "2026-12-25T09:00:00Z"
    );
}

#[test]
fn a_mapping_without_a_move_and_a_list_say_the_same() {
    let text = "calendars: {c: [12-25]}\nentries:\n  a: {task: t, every: 1d, except: {days: [sat, c]}}\n  \
                b: {task: t, every: 1d, except: [c, sat]}\n  c: {task: t, every: 1d, except: {days: [], move: next}}\n  \
                d: {task: t, every: 1d}\n";
    let schedule = schedule(text);
    let canonical = |name| schedule.get(name).unwrap().canonical_timing();
    assert_eq!(canonical("a"), canonical("b"));
    assert_eq!(canonical("c"), canonical("d"));
}
