//! `solar`: an event of the sun and the place where it is observed.

use std::ops::RangeInclusive;

use downbeat_time::solar::{Event, Solar};

use crate::text::{Fields, Keys, Node, Report, Scalar, Span, nearest};

pub(crate) static SOLAR: Keys = Keys {
    of: "`solar`",
    known: &["event", "latitude", "longitude"],
    unsupported: &[],
    aliases: &[
        ("lat", "latitude"),
        ("lon", "longitude"),
        ("lng", "longitude"),
        ("long", "longitude"),
    ],
};

const EXAMPLE: &str = "write `solar: {event: sunset, latitude: 37.57, longitude: 126.98}`";

/// Reads the value of `solar`; reports missing keys at `key`.
pub(super) fn read(node: &Node<'_>, key: Span, report: &mut Report<'_>) -> Option<Solar> {
    if node.map().is_none() {
        let message = format!("expected an event and its place, found {}", report.found(node));
        report.error(node.span, message).hint(EXAMPLE);
        return None;
    }
    let fields = SOLAR.sort(node, report)?;
    let mut value = |name| required(&fields, name, key, report);
    let [event, latitude, longitude] = SOLAR.known else { return None };
    let (event, latitude, longitude) = (value(event), value(latitude), value(longitude));
    let event = event.and_then(|node| self::event(node, report));
    let latitude = latitude.and_then(|node| degrees(node, Solar::LATITUDES, report));
    let longitude = longitude.and_then(|node| degrees(node, Solar::LONGITUDES, report));
    Solar::new(event?, latitude?, longitude?)
}

fn required<'n, 't>(
    fields: &Fields<'n, 't>,
    name: &str,
    key: Span,
    report: &mut Report<'_>,
) -> Option<&'n Node<'t>> {
    let value = fields.value(name);
    if value.is_none() && !fields.was_meant(name) {
        report.error(key, format!("`solar` has no `{name}`")).hint(EXAMPLE);
    }
    value
}

fn event(node: &Node<'_>, report: &mut Report<'_>) -> Option<Event> {
    let text = node.as_written().unwrap_or_default();
    let event = Event::ALL.into_iter().find(|event| event.as_str() == text);
    if event.is_none() {
        let names = Event::ALL.map(Event::as_str);
        let hint = match nearest(&text.to_lowercase().replace([' ', '-'], "_"), &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("events: {}", names.join(", ")),
        };
        let message = format!("expected an event of the sun, found {}", report.found(node));
        report.error(node.span, message).hint(hint);
    }
    event
}

fn degrees(node: &Node<'_>, range: RangeInclusive<f64>, report: &mut Report<'_>) -> Option<f64> {
    let degrees = match node.scalar() {
        Some(Scalar::Int(degrees)) => Some(degrees as f64),
        Some(Scalar::Float(degrees)) => Some(degrees),
        _ => None,
    };
    let degrees = degrees.filter(|degrees| range.contains(degrees));
    if degrees.is_none() {
        let (least, most) = range.into_inner();
        let message =
            format!("expected degrees from {least} to {most}, found {}", report.found(node));
        report.error(node.span, message).hint(
            "write a number like `37.57`; north and east are positive, south and west negative",
        );
    }
    degrees
}
