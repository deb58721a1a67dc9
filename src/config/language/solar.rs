//! `solar`: an event of the sun and the place where it is observed.

use std::ops::RangeInclusive;

use downbeat_time::solar::{Event, Solar};

use crate::text::section::{Key, REQUIRED, Read, Section};
use crate::text::types::Type;
use crate::text::{Node, Report, Scalar, Span, nearest};

const EXAMPLE: &str = "write `solar: {event: sunset, latitude: 37.57, longitude: 126.98}`";

/// What the mapping says.
#[derive(Default)]
pub(super) struct Draft {
    event: Option<Event>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

pub(super) static SOLAR: Section<Read<Draft>> = Section {
    title: "`solar`",
    of: "`solar`",
    keys: &[&[
        Key {
            name: "event",
            aliases: &[],
            of_type: Type {
                words: "name",
                schema: r#"{"enum": ["dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset", "dusk_civil", "dusk_nautical", "dusk_astronomical"]}"#,
            },
            default: REQUIRED,
            doc: "`dawn_astronomical`, `dawn_nautical`, `dawn_civil`, `sunrise`, `solar_noon`, `sunset`, \
                  `dusk_civil`, `dusk_nautical` or `dusk_astronomical`",
            example: "event: dawn_civil",
            read: |node, draft, report| draft.event = event(node, report),
        },
        Key {
            name: "latitude",
            aliases: &["lat"],
            of_type: Type {
                words: "number",
                schema: r#"{"type": "number", "minimum": -90, "maximum": 90}"#,
            },
            default: REQUIRED,
            doc: "degrees, north is positive",
            example: "latitude: -33.86",
            read: |node, draft, report| draft.latitude = degrees(node, Solar::LATITUDES, report),
        },
        Key {
            name: "longitude",
            aliases: &["lon", "lng", "long"],
            of_type: Type {
                words: "number",
                schema: r#"{"type": "number", "minimum": -180, "maximum": 180}"#,
            },
            default: REQUIRED,
            doc: "degrees, east is positive",
            example: "longitude: 151.21",
            read: |node, draft, report| draft.longitude = degrees(node, Solar::LONGITUDES, report),
        },
    ]],
    ..Section::PLAIN
};

/// Reads the value of `solar`; reports missing keys at `key`.
pub(super) fn read(node: &Node<'_>, key: Span, report: &mut Report<'_>) -> Option<Solar> {
    if node.map().is_none() {
        let message = format!("expected an event and its place, found {}", report.found(node));
        report.error(node.span, message).hint(EXAMPLE);
        return None;
    }
    let mut draft = Draft::default();
    let refused =
        SOLAR.each(node, report, |read, pair, report| read(&pair.value, &mut draft, report))?;
    for Key { name, .. } in SOLAR.own_keys() {
        if node.pair(name).is_none() && !refused.was_meant(name) {
            report.error(key, format!("`solar` has no `{name}`")).hint(EXAMPLE);
        }
    }
    Solar::new(draft.event?, draft.latitude?, draft.longitude?)
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
