//! Solar slots are those of Celery's own `solar`.

use std::process::Command;

use downbeat_time::UnixMs;
use downbeat_time::solar::{Event, Solar};

use crate::support::tools::{needs, python};

const PLACES: [(&str, f64, f64); 20] = [
    ("Quito", -0.18, -78.47),
    ("Nairobi", -1.29, 36.82),
    ("Singapore", 1.35, 103.82),
    ("Seoul", 37.57, 126.98),
    ("New York", 40.71, -74.01),
    ("Mexico City", 19.43, -99.13),
    ("London", 51.51, -0.13),
    ("Sydney", -33.87, 151.21),
    ("Cape Town", -33.92, 18.42),
    ("Ushuaia", -54.8, -68.3),
    ("Apia", -13.83, -171.77),
    ("Suva", -18.14, 178.44),
    ("the date line", 0.0, 180.0),
    ("Anadyr", 64.73, 177.5),
    ("Reykjavik", 64.15, -21.94),
    ("Rovaniemi", 66.5, 25.73),
    ("Tromsø", 69.65, 18.96),
    ("Longyearbyen", 78.22, 15.65),
    ("Alert", 82.5, -62.35),
    ("McMurdo", -77.85, 166.67),
];
const FROM: UnixMs = UnixMs::from_secs(1_767_225_600);
const UNTIL: UnixMs = UnixMs::from_secs(1_798_761_600);

/// Writes a line for each place and event: Celery's instants in `[FROM, UNTIL)`, in milliseconds.
const CELERY: &str = r#"
import sys, ephem
from celery.schedules import solar
EPOCH, DAY_MS = ephem.Date("1970/1/1"), 86_400_000
from_ms, until_ms, events, *places = sys.argv[1:]
for place in places:
    latitude, longitude = map(float, place.split(","))
    for event in events.split(","):
        schedule, found = solar(event, latitude, longitude), []
        at = ephem.Date(EPOCH + int(from_ms) / DAY_MS)
        while True:
            at = schedule._next_event(at)
            ms = round((at - EPOCH) * DAY_MS)
            if ms >= int(until_ms):
                break
            found.append(ms)
            at = ephem.Date(at + ephem.second)
        print(*found)
"#;

/// Half a minute of this is rounding.
const TOLERANCE_MS: i64 = 60_000;
/// An event so near to noon or midnight by the sun barely takes place: the sun goes a tenth of a
/// degree beyond the height and turns back, so that seconds of arc are minutes of time.
const BARELY_MS: i64 = 20 * 60_000;
const BARELY_TOLERANCE_MS: i64 = 3 * 60_000;
const HALF_DAY_MS: i64 = 12 * 3_600_000;

fn celerys() -> Vec<Vec<i64>> {
    let mut command = Command::new(python());
    command.args(["-c", CELERY]).args([FROM, UNTIL].map(|instant| instant.0.to_string()));
    command.arg(Event::ALL.map(Event::as_str).join(","));
    command.args(PLACES.map(|(_, latitude, longitude)| format!("{latitude},{longitude}")));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8(output.stdout).unwrap();
    let instants = |line: &str| line.split_whitespace().map(|ms| ms.parse().unwrap()).collect();
    output.lines().map(instants).collect()
}

fn ours(solar: Solar) -> Vec<i64> {
    let first = solar.next(UnixMs(FROM.0 - 1));
    let slots = std::iter::successors(first, |slot| solar.next(*slot));
    slots.take_while(|slot| *slot < UNTIL).map(|slot| slot.0).collect()
}

/// Whether `at` is next to a noon, or to half a day from one.
fn is_barely(at: i64, noons: &[i64]) -> bool {
    let near = noons.iter().min_by_key(|noon| (*noon - at).abs()).unwrap();
    let into_half_day = (at - near).rem_euclid(HALF_DAY_MS);
    into_half_day.min(HALF_DAY_MS - into_half_day) <= BARELY_MS
}

#[test]
fn a_year_of_every_event_at_twenty_places_is_that_of_celery() {
    needs!(Python);
    let celerys = celerys();
    let noon = Event::ALL.iter().position(|event| *event == Event::SolarNoon).unwrap();
    let places = celerys.chunks(Event::ALL.len());
    assert_eq!(places.len(), PLACES.len());
    for ((place, latitude, longitude), celerys) in PLACES.into_iter().zip(places) {
        for (event, theirs) in Event::ALL.into_iter().zip(celerys) {
            let ours = ours(Solar::new(event, latitude, longitude).unwrap());
            assert_eq!(ours.len(), theirs.len(), "{event:?} in {place}");
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                let apart = (ours - theirs).abs();
                assert!(
                    apart <= TOLERANCE_MS
                        || apart <= BARELY_TOLERANCE_MS && is_barely(*theirs, &celerys[noon]),
                    "{event:?} in {place} at {}: {apart} ms from Celery's",
                    UnixMs(ours)
                );
            }
        }
    }
}
