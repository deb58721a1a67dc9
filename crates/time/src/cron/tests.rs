//! Whole expressions, from text to slots.

mod clock_changes;
mod dialect;
mod differential;
mod hashed;
mod mutations;
mod oracle;
mod oracle_of_seconds;
mod quartz;
mod special_days;
mod uneven;
mod zoned;

use jiff::Timestamp;

use super::*;
use crate::sample::{rules, zone};
use crate::unix_ms::UnixMs;
use crate::zone::Zone;

fn utc(text: &str) -> UnixMs {
    UnixMs::from(text.parse::<Timestamp>().unwrap())
}

fn cron(line: &str) -> Cron {
    Cron::parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).cron
}

/// Parses a line with a rule for its two day fields.
fn ruled(text: &str, day_match: DayMatch) -> Result<Parsed, CronError> {
    Cron::parse(Line { day_match: Some(day_match), ..text.into() })
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

/// The days (and times other than midnight) of an expression's first slots in UTC, in a year that
/// begins on a Wednesday.
fn days(line: &str, count: usize) -> String {
    let short = |slot: &String| slot[5..16].replace("T00:00", "").replace('T', " ");
    let slots = slots(line, "UTC", "2025-01-01T00:00:00Z", count);
    slots.iter().map(short).collect::<Vec<_>>().join(", ")
}
