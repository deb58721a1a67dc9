//! `solar`: an event of the sun and the place where it is observed.

use std::ops::RangeInclusive;

use downbeat_time::nearest;
use downbeat_time::solar::{Event, Solar};

use super::elsewhere;
use crate::config::foreign::words;
use crate::text::duration::{self, DurationProblem};
use crate::text::section::{Key, REQUIRED, Read, Section};
use crate::text::types::Type;
use crate::text::{Node, Report, Scalar, Span};

const EXAMPLE: &str = "write `solar: {event: sunset, latitude: 37.57, longitude: 126.98}`";

/// What the mapping says.
#[derive(Default)]
pub(super) struct Draft {
    event: Option<Event>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    offset_ms: i64,
}

pub(super) static SOLAR: Section<Read<Draft>> = Section {
    title: "`solar`",
    of: "`solar`",
    keys: &[&[
        Key {
            name: "event",
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
            of_type: Type {
                words: "number",
                schema: r#"{"type": "number", "minimum": -180, "maximum": 180}"#,
            },
            default: REQUIRED,
            doc: "degrees, east is positive",
            example: "longitude: 151.21",
            read: |node, draft, report| draft.longitude = degrees(node, Solar::LONGITUDES, report),
        },
        Key {
            name: "offset",
            of_type: Type {
                words: "length, with `-` for before",
                schema: r#"{
                    "type": "string",
                    "pattern": "^[-+]?(?=.)([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
                    "examples": ["-30m", "1h30m"]
                }"#,
            },
            default: "`0s`",
            doc: "how long after the event, less than 24 hours; the slot belongs to the day that it then \
                  falls on, and a day without the event has none",
            example: "offset: -30m",
            read: |node, draft, report| draft.offset_ms = offset_ms(node, report).unwrap_or(0),
        },
    ]],
    foreign: words::SOLAR,
    elsewhere: elsewhere::SOLAR,
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
    for Key { name, .. } in SOLAR.own_keys().filter(|key| key.default == REQUIRED) {
        if node.pair(name).is_none() && !refused.was_meant(name) {
            report.error(key, format!("`solar` has no `{name}`")).hint(EXAMPLE);
        }
    }
    Solar::new(draft.event?, draft.latitude?, draft.longitude?)?.offset(draft.offset_ms)
}

fn event(node: &Node<'_>, report: &mut Report<'_>) -> Option<Event> {
    let text = node.as_written().unwrap_or_default();
    let event = Event::ALL.into_iter().find(|event| event.as_str() == text);
    if event.is_none() {
        let names = Event::ALL.map(Event::as_str);
        let hint = match nearest(text, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("events: {}", names.join(", ")),
        };
        let message = format!("expected an event of the sun, found {}", report.found(node));
        report.error(node.span, message).hint(hint);
    }
    event
}

/// A length with or without a sign, in milliseconds.
fn offset_ms(node: &Node<'_>, report: &mut Report<'_>) -> Option<i64> {
    let written = node.as_written().unwrap_or_default();
    let (sign, length) = match written.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, written.strip_prefix('+').unwrap_or(written)),
    };
    let (message, hint) = match duration::parse(length) {
        Ok(length) if length.as_millis() < u128::from(Solar::DAY_MS.unsigned_abs()) => {
            return i64::try_from(length.as_millis()).ok().map(|length| sign * length);
        }
        Ok(_) => {
            let message = format!("`offset` is less than 24h, found {}", report.found(node));
            (message, "write a length below a day, counted from the nearest event".to_owned())
        }
        Err(error)
            if matches!(error.problem, DurationProblem::NoUnit(_) | DurationProblem::Fraction) =>
        {
            (error.to_string(), error.hint())
        }
        Err(_) => (
            format!("expected a length, found {}", report.found(node)),
            "write `-30m` for half an hour before the event, `30m` for after it".to_owned(),
        ),
    };
    report.error(node.span, message).hint(hint);
    None
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
