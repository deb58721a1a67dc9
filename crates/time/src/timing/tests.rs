use std::time::Duration;

use super::*;
use crate::cron::{DayMatch, Line, MappingFields};
use crate::sample::zone;
use crate::solar::Event;

fn utc(text: &str) -> UnixMs {
    UnixMs::from(text.parse::<jiff::Timestamp>().unwrap())
}

fn cron(line: &str) -> Timing {
    Timing::Cron(Cron::parse(line).unwrap().cron)
}

fn quartz(line: &str) -> Timing {
    Timing::Quartz(Box::new(Quartz::parse(line).unwrap().quartz))
}

fn every(period: Duration) -> Timing {
    Timing::Every(Interval::new(period, Duration::ZERO, None).unwrap())
}

fn at<const N: usize>(instants: [i64; N]) -> Timing {
    Timing::At(Instants::new(instants.map(UnixMs).into()).unwrap())
}

#[test]
fn the_newest_slot_can_be_asked_for_over_all_of_time() {
    let zone = zone("Europe/London");
    let now = utc("2026-11-21T12:00:00Z");
    let last = |timing: Timing| timing.last_between(&zone, UnixMs::MIN, now);
    assert_eq!(last(cron("0 0 29 2 *")), Some(utc("2024-02-29T00:00:00Z")));
    assert_eq!(last(cron("* * * * *")), Some(now));
    assert_eq!(last(quartz("7 0 0 29 2 ? 2012-2023")), Some(utc("2020-02-29T00:00:07Z")));
    assert_eq!(last(quartz("7 0 0 29 2 ? 2027-2040")), None);
    assert_eq!(last(every(Duration::from_secs(86_400))), Some(utc("2026-11-21T00:00:00Z")));
    assert_eq!(last(Timing::At(UnixMs(now.0 + 1).into())), None);
    assert_eq!(cron("* * * * *").last_between(&zone, now, now), None);
    assert_eq!(cron("* * * * *").last_between(&zone, UnixMs::MIN, UnixMs(-1)), None);
}

#[test]
fn an_at_slot_comes_only_after_earlier_instants() {
    let (zone, slot) = (Zone::utc(), UnixMs(1000));
    assert_eq!(Timing::At(slot.into()).next(&zone, UnixMs(999)), Some(slot));
    assert_eq!(Timing::At(slot.into()).next(&zone, slot), None);
}

#[test]
fn the_canonical_form_does_not_depend_on_how_a_timing_is_written() {
    let seoul = zone("Asia/Seoul");
    let form = |line: &str| cron(line).canonical(&seoul);
    assert_eq!(form("0 3 * * mon-fri"), "1 cron 1 8 fffffffe 1ffe 3e and fixed Asia/Seoul");
    assert_eq!(form("\t00 3-3  * JAN-december 5,1,2-4"), form("0 3 * * mon-fri"));
    assert_eq!(form("@daily"), form("0 0 */1 * 0-7"));
    let mapping = MappingFields { minute: Some("0"), hour: Some("3"), ..Default::default() };
    let celery = Timing::Cron(Cron::from_mapping(mapping, None).unwrap().cron);
    assert_eq!(celery.canonical(&seoul), form("0 3 * * *"));
    assert_eq!(quartz("0 0 3 ? * *").canonical(&seoul), form("0 3 * * *"));
    let first = quartz("30 0 3 ? * * 2027").canonical(&seoul);
    assert_eq!(first, "1 quartz 40000000 2027 cron 1 8 fffffffe 1ffe 7f and fixed Asia/Seoul");
    assert_eq!(every(Duration::from_secs(60)).canonical(&seoul), "1 every 60000+0");
    assert_eq!(at([1_700_000_000_000]).canonical(&seoul), "1 at 1700000000000");
    assert_eq!(at([2, 1, 2]).canonical(&seoul), "1 at 1 2");
    let sunset = Timing::Solar(Solar::new(Event::Sunset, 37.57, 126.98).unwrap());
    assert_eq!(sunset.canonical(&seoul), "1 solar sunset 37570000 126980000");
    assert_eq!(sunset.canonical(&seoul), sunset.canonical(&Zone::utc()));
}

#[test]
fn the_canonical_form_tells_the_class_the_day_rule_and_the_zone() {
    let utc = Zone::utc();
    assert_ne!(cron("* * * * *").canonical(&utc), cron("0-59 0-23 * * *").canonical(&utc));
    assert_ne!(cron("* * * * *").canonical(&utc), cron("* * * * *").canonical(&zone("Etc/UTC")));
    let ruled = |rule| {
        let line = Line { day_match: Some(rule), .."0 0 1 * mon".into() };
        Timing::Cron(Cron::parse(line).unwrap().cron)
    };
    let (or, and) = (ruled(DayMatch::Or), ruled(DayMatch::And));
    assert_eq!(or.canonical(&utc), cron("0 0 1 * mon").canonical(&utc));
    assert_ne!(or.canonical(&utc), and.canonical(&utc));
}

#[test]
fn equal_slots_of_an_interval_have_one_canonical_form() {
    let day = Duration::from_secs(86_400);
    let interval = |anchor, phase| {
        Timing::Every(Interval::new(day, Duration::from_secs(phase), anchor).unwrap())
            .canonical(&Zone::utc())
    };
    assert_eq!(interval(None, 3_600), "1 every 86400000+3600000");
    assert_eq!(interval(Some(utc("2026-11-21T01:00:00Z")), 0), interval(None, 3_600));
    assert_eq!(interval(Some(utc("1969-12-31T23:00:00Z")), 7_200), interval(None, 3_600));
}

#[test]
fn timings_are_described_in_words() {
    let seoul = zone("Asia/Seoul");
    assert_eq!(cron("0 3 * * *").describe(&seoul), "at 03:00 every day");
    assert_eq!(quartz("5 0 3 ? * *").describe(&seoul), "at 03:00:05 every day");
    let noon = utc("2026-11-21T03:00:00Z").0;
    assert_eq!(at([noon]).describe(&seoul), "once, at 2026-11-21T12:00:00+09:00");
    assert_eq!(
        at([noon, noon + 1000, noon - 1000]).describe(&seoul),
        "3 times, first at 2026-11-21T11:59:59+09:00 and last at 2026-11-21T12:00:01+09:00"
    );
}
