//! `shift` moves a slot to where `dateutil` moves it.
//!
//! `DOWNBEAT_SHIFTS=100 cargo test shift_dateutil` tries more slots of each zone and shift.

use std::fs;

use downbeat::config;
use downbeat::schedule::Schedule;
use downbeat::tzdata::Tzdata;
use downbeat::worker::Queues;
use downbeat_time::UnixMs;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::downbeat::Place;
use crate::support::random::seed;
use crate::support::tools::{answers, needs};

/// Reads a zone, an instant, a unit and an amount from each line; finds the reading that `relativedelta` leads to, and
/// the first instant at which the zone's clock shows it or a later one. Writes what the clock shows then, or the reading
/// if that is on another date; and the instant.
const DATEUTIL: &str = r#"
import json, sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo
from dateutil.relativedelta import relativedelta
UNITS = {"y": "years", "mo": "months", "w": "weeks", "d": "days"}
epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
second = timedelta(seconds=1)
def wall(instant, zone):
    return instant.astimezone(zone).replace(tzinfo=None)
def first(reading, zone):
    before = (reading - timedelta(days=2)).replace(tzinfo=timezone.utc)
    after = (reading + timedelta(days=2)).replace(tzinfo=timezone.utc)
    shown = reading.replace(tzinfo=zone).astimezone(timezone.utc)
    if wall(shown, zone) == reading:
        return shown
    # Skipped: from some second on, the clock shows a later reading.
    while after - before > second:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if wall(middle, zone) < reading:
            before = middle
        else:
            after = middle
    return after
for line in sys.stdin:
    zone, at, unit, amount = json.loads(line)
    zone = ZoneInfo(zone)
    slot = epoch + timedelta(seconds=at)
    if unit in UNITS:
        reading = wall(slot, zone) + relativedelta(**{UNITS[unit]: amount})
        instant = first(reading, zone)
    else:
        instant = slot + timedelta(hours=amount) if unit == "h" else slot + timedelta(minutes=amount)
        reading = wall(instant, zone)
    shown = wall(instant, zone)
    written = shown if shown.date() == reading.date() else reading
    print(json.dumps([written.isoformat(), int((instant - epoch).total_seconds())]))
"#;

/// Gaps of an hour, of half an hour, over midnight, of a day; and none.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Nuuk",
    "Pacific/Apia",
    "Asia/Seoul",
];
const UNITS: [(&str, i64); 6] =
    [("y", 9), ("mo", 40), ("w", 60), ("d", 400), ("h", 2000), ("min", 5000)];
const SHIFTS_OF_A_UNIT: usize = 8;

/// An entry for each zone and shift, whose arguments are the moved slot: instant, reading and date.
fn schedule(
    random: &mut fastrand::Rng,
) -> (Schedule, Vec<(String, &'static str, &'static str, i64)>) {
    let (mut text, mut known) = (String::from("entries:\n"), Vec::new());
    for zone in ZONES {
        for (unit, most) in UNITS {
            for n in 0..SHIFTS_OF_A_UNIT {
                let amount = match n {
                    0 => -1,
                    1 => 1,
                    _ => random.i64(1..=most) * if random.bool() { 1 } else { -1 },
                };
                let name = format!("{zone} {unit} {n}");
                let slot = format!("slot | shift('{amount}{unit}')");
                text += &format!(
                    "  \"{name}\": {{task: t, every: 1h, timezone: {zone}, args: [\"{{{{ {slot} }}}}\", \
                     \"{{{{ {slot} | format('%Y-%m-%dT%H:%M:%S') }}}}\", \"{{{{ {slot} | date }}}}\"]}}\n"
                );
                known.push((name, zone, unit, amount));
            }
        }
    }
    let place = Place::new();
    fs::write(place.path().join("a.yaml"), text).unwrap();
    let loaded =
        config::load(&[place.path().join("a.yaml")], &Queues::default(), &Tzdata::bundled());
    (loaded.schedule.unwrap_or_else(|| panic!("{:?}", loaded.problems)), known)
}

#[test]
fn a_shifted_slot_is_where_dateutil_moves_it() {
    needs!(Python);
    let number = std::env::var("DOWNBEAT_SHIFTS").ok().and_then(|text| text.parse().ok());
    let mut random = fastrand::Rng::with_seed(seed());
    let (schedule, known) = schedule(&mut random);
    let (from, to) = (UnixMs::from_secs(946_684_800), UnixMs::from_secs(1_750_000_000));
    let mut questions: Vec<Value> = Vec::new();
    let mut ours: Vec<(String, Value)> = Vec::new();
    for (name, zone, unit, amount) in &known {
        let entry = schedule.get(name).unwrap();
        let jumps = entry.zone.jumps(from, to);
        for n in 0..number.unwrap_or(12) {
            // Half of the slots are where the shift leads to a day on which the clock changes.
            let length = match *unit {
                "y" => 31_556_952,
                "mo" => 2_629_746,
                "w" => 604_800,
                "d" => 86_400,
                "h" => 3_600,
                _ => 60,
            };
            let at = match (n % 2, jumps.is_empty()) {
                (0, false) => {
                    let jump = jumps[random.usize(..jumps.len())].0 / 1000;
                    jump - amount * length + random.i64(-48..48) * 1800
                }
                _ => random.i64(from.0..to.0) / 1000,
            };
            questions.push(json!([zone, at, unit, amount]));
            let message = entry.message_of(UnixMs::from_secs(at), Uuid::nil());
            ours.push((
                format!("{name} {amount} {at}"),
                serde_json::from_str(&message.args).unwrap(),
            ));
        }
    }
    for ((what, ours), theirs) in ours.iter().zip(answers(DATEUTIL, &questions)) {
        let instant: Timestamp = ours[0].as_str().unwrap().parse().unwrap();
        assert_eq!(json!([ours[1], instant.as_second()]), theirs, "{what}: {ours}");
        assert_eq!(ours[2].as_str().unwrap(), &theirs[0].as_str().unwrap()[..10], "{what}");
    }
    println!("{} shifts compared", ours.len());
}
