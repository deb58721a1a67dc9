//! Whole recurrences, from text to slots.

mod clock_changes;
mod hostile;
mod properties;
mod rfc;
mod words;

use super::*;
use crate::sample::zone;
use crate::timing::Timing;
use crate::zone::Zone;

fn utc(text: &str) -> UnixMs {
    UnixMs::from(text.parse::<jiff::Timestamp>().unwrap())
}

fn parse(text: &str, zone: &Zone) -> Box<Rrule> {
    Rrule::parse(text, zone, None).unwrap_or_else(|error| panic!("{text}: {error}")).rrule
}

fn rrule(text: &str) -> Box<Rrule> {
    parse(text, &Zone::utc())
}

/// The first slots after an instant, as the zone's clock shows them.
fn slots(text: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let zone = zone(zone_name);
    let rrule = parse(text, &zone);
    let mut at = utc(after);
    let step = || {
        at = rrule.next(&zone, at)?;
        Some(zone.to_rfc3339(at))
    };
    std::iter::from_fn(step).take(count).collect()
}

/// The error, and the part of the text that it points at.
fn refused(text: &str) -> (String, String) {
    let error = Rrule::parse(text, &Zone::utc(), None).unwrap_err();
    (error.to_string(), text[error.span].to_owned())
}
