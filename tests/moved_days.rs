//! `move` goes to the days that a walk from day to day finds, over 20 years of three countries' holidays.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::downbeat::Place;
use crate::support::tools::{answers, needs};

/// A country, its zone, and its weekend.
const COUNTRIES: [(&str, &str, &str); 3] = [
    ("GB", "Europe/London", "sat-sun"),
    ("US", "America/New_York", "sat-sun"),
    ("EG", "Africa/Cairo", "fri-sat"),
];
/// Crontab lines as days of the month, weekdays and hours, which Python reads as well: `None` for any day.
const LINES: [(&str, &str, &[u32]); 7] = [
    ("25", "*", &[9]),
    ("1", "*", &[0]),
    ("L", "*", &[17]),
    ("15,16,17", "*", &[9, 17]),
    ("*", "1", &[2]),
    ("*", "*", &[9]),
    ("1,31", "*", &[23]),
];
const FIRST_YEAR: u32 = 2020;
const LAST_YEAR: u32 = 2039;

/// Reads a country, its weekend and zone, a line and a direction; writes the country's holidays and the slots as
/// RFC 3339, found by looking at one day after the other.
const WALK: &str = r#"
import json, sys
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo
import holidays

DAY = timedelta(days=1)
def slots(country, weekend, zone, days, weekdays, hours, direction, first, last):
    closed = holidays.country_holidays(country, years=range(first - 1, last + 2))
    free = lambda day: day.weekday() not in weekend and day not in closed
    def named(day):
        last_day = (day + DAY).day == 1
        of_month = days == "*" or str(day.day) in days.split(",") or days == "L" and last_day
        return of_month and (weekdays == "*" or str((day.weekday() + 1) % 7) in weekdays.split(","))
    step = DAY if direction == "next" else -DAY
    day, readings = date(first - 1, 12, 1), []
    while day.year <= last or day < date(last + 1, 1, 31):
        if named(day):
            there = day
            while not free(there):
                there += step
            readings += [datetime(there.year, there.month, there.day, hour) for hour in hours]
        day += DAY
    # A slot that reaches or passes one that follows it (to an earlier day: precedes it) is dropped.
    if direction == "next":
        readings.reverse()
    kept = []
    for reading in readings:
        if not kept or (reading < kept[-1] if direction == "next" else reading > kept[-1]):
            kept.append(reading)
    kept.sort()
    tz = ZoneInfo(zone)
    found = []
    for reading in kept:
        # A time that the clock skips comes right after the gap; no gap is longer than an hour here.
        at = reading.replace(tzinfo=tz)
        there = at.astimezone(ZoneInfo("UTC")).astimezone(tz)
        if there.replace(tzinfo=None) != reading:
            at = there.replace(minute=0)
        if first <= reading.year <= last:
            found.append(at.isoformat())
    return [str(day) for day in sorted(closed)], found

for line in sys.stdin:
    print(json.dumps(slots(*json.loads(line))))
"#;

fn question(country: usize, line: usize, to: &str) -> Value {
    let (country, zone, weekend) = COUNTRIES[country];
    let weekend = if weekend == "fri-sat" { [4, 5] } else { [5, 6] };
    let (days, weekdays, hours) = LINES[line];
    json!([country, weekend, zone, days, weekdays, hours, to, FIRST_YEAR, LAST_YEAR])
}

#[test]
fn moved_slots_are_those_that_a_walk_from_day_to_day_finds() {
    needs!(Python);
    let mut cases = Vec::new();
    for country in 0..COUNTRIES.len() {
        for line in 0..LINES.len() {
            cases.extend(["next", "previous"].map(|to| (country, line, to)));
        }
    }
    let asked: Vec<Value> =
        cases.iter().map(|(country, line, to)| question(*country, *line, to)).collect();
    let walked = answers(WALK, &asked);
    let place = Place::new();
    for (index, (_, zone, _)) in COUNTRIES.iter().enumerate() {
        let own = cases.iter().zip(&walked).filter(|((country, ..), _)| *country == index);
        let mut schedule = String::new();
        for ((_, line, to), answer) in own {
            if schedule.is_empty() {
                schedule = format!(
                    "timezone: {zone}\ncalendars: {{closed-{index}: {}}}\nentries:\n",
                    answer[0]
                );
            }
            let (days, weekdays, hours) = LINES[*line];
            let hours: Vec<String> = hours.iter().map(ToString::to_string).collect();
            let (hours, weekend) = (hours.join(","), COUNTRIES[index].2);
            writeln!(
                schedule,
                "  c{index}-{line}-{to}: {{task: t, cron: \"0 {hours} {days} * {weekdays}\", \
                 except: {{days: [{weekend}, closed-{index}], move: {to}}}}}",
            )
            .unwrap();
        }
        place.write_schedule(&format!("{index}.yaml"), &schedule);
    }
    for ((country, line, to), answer) in cases.iter().zip(&walked) {
        let name = format!("c{country}-{line}-{to}");
        let (from, until) =
            (format!("{FIRST_YEAR}-01-01 00:00"), format!("{}-01-01 00:00", LAST_YEAR + 1));
        let shown = place.run(&["next", &name, "--json", "--from", &from, "--to", &until]).ok();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let slots: Vec<&Value> =
            shown.as_array().unwrap().iter().map(|slot| &slot["slot"]).collect();
        let walked: Vec<&Value> = answer[1].as_array().unwrap().iter().collect();
        assert!(walked.len() > 200, "{name}: {}", walked.len());
        assert_eq!(slots, walked, "{name}");
    }
}
