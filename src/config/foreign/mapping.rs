//! Mappings that say when to run: `{every: 10, period: minutes}`, `{hour: 3, minute: 30}`,
//! `{type: cron, …}`.

use downbeat_time::solar::{Event, Solar};

use super::fields::{self, Dialect};
use super::timing::{Timing, When};
use super::{on_calendar, words};
use crate::text::words::{is_one_of, letters};
use crate::text::{Node, Pair, Scalar, duration};
use crate::tzdata;

/// No mapping that says when has more pairs: further ones are not looked at.
const MAX_PAIRS: usize = 32;

/// Reads a mapping that says when.
pub(super) fn read(pairs: &[Pair<'_>]) -> Option<Timing> {
    let kind = find(pairs, &["type", "trigger", "kind"]).and_then(Node::as_written);
    let kind = kind.and_then(|kind| named(kind, pairs));
    let timing = kind.or_else(|| lengths(pairs)).or_else(|| inner(pairs));
    let timing = timing.or_else(|| solar(pairs)).or_else(|| by_fields(pairs, Dialect::Celery))?;
    let zone = zone(pairs).filter(|_| timing.beside.is_empty());
    Some(timing.with_zone(zone))
}

/// What the pairs of a mapping mean beside the name of a kind of trigger.
pub(super) fn named(kind: &str, pairs: &[Pair<'_>]) -> Option<Timing> {
    match &*letters(kind) {
        "cron" => by_fields(pairs, Dialect::ApScheduler),
        "crontab" => by_fields(pairs, Dialect::Celery),
        "interval" => lengths(pairs),
        "date" => find(pairs, &["rundate"]).and_then(|date| Timing::of(date, &[])),
        _ => None,
    }
}

/// A mapping of crontab fields.
pub(super) fn by_fields(pairs: &[Pair<'_>], dialect: Dialect) -> Option<Timing> {
    let field = |pair: &Pair<'_>| Some((letters(pair.name()), fields::value(&pair.value)?));
    let fields: Vec<_> = pairs.iter().take(MAX_PAIRS).filter_map(field).collect();
    fields::read(&fields, dialect)
}

/// `{minutes: 5, seconds: 30}`.
pub(super) fn lengths(pairs: &[Pair<'_>]) -> Option<Timing> {
    const UNITS: [&str; 5] = ["weeks", "days", "hours", "minutes", "seconds"];
    let part = |unit: &&str| {
        let number = find(pairs, &[*unit])?;
        matches!(number.scalar(), Some(Scalar::Int(_) | Scalar::Float(_)))
            .then(|| format!("{} {unit}", number.as_written().unwrap_or_default()))
    };
    let parts: Vec<_> = UNITS.iter().filter_map(part).collect();
    duration::parse_any(&parts.join(" ")).map(|period| When::Every(period).into())
}

/// A number that says how often, in seconds unless `period` names a unit.
pub(super) fn count(number: &str, mapping: &[Pair<'_>]) -> Option<Timing> {
    let unit = find(mapping, &["period"]).and_then(Node::as_written).unwrap_or("seconds");
    let unit = Some(unit).filter(|unit| unit.len() <= 20)?;
    let period = duration::parse_any(&format!("{number} {unit}"))?;
    let timing = Timing::from(When::Every(period));
    Some(with_offset(timing, mapping))
}

/// A key that says when, with its value: one of theirs, or of ours.
fn inner(pairs: &[Pair<'_>]) -> Option<Timing> {
    let read = |pair: &Pair<'_>| match &*letters(pair.name()) {
        "calendar" | "calendars" => calendar(&pair.value),
        "oncalendar" => on_calendar::read(pair.value.as_written()?),
        "cron" | "every" | "at" | "rrule" => Timing::of(&pair.value, pairs),
        key if is_one_of(words::WHEN, key) => Timing::of(&pair.value, pairs),
        _ => None,
    };
    let timing = pairs.iter().take(MAX_PAIRS).find_map(read)?;
    Some(with_offset(timing, pairs))
}

/// Temporal's `{hour: 12, dayOfWeek: Fri}`, or a list of them.
pub(super) fn calendar(node: &Node<'_>) -> Option<Timing> {
    let items = node.list().unwrap_or(std::slice::from_ref(node));
    Timing::union(items, |item| by_fields(item.map()?, Dialect::Temporal))
}

/// Temporal's `offset` of an interval.
fn with_offset(timing: Timing, pairs: &[Pair<'_>]) -> Timing {
    let offset = find(pairs, &["offset", "phase"]).and_then(Node::as_written);
    match (&timing.when, offset.and_then(duration::parse_any)) {
        (When::Every(period), Some(offset)) if offset < *period && timing.beside.is_empty() => {
            timing.with(format!("phase: {}", duration::format(offset)))
        }
        _ => timing,
    }
}

fn solar(pairs: &[Pair<'_>]) -> Option<Timing> {
    let text = |names: &[&str]| find(pairs, names)?.as_written();
    let event = text(&["event", "solar"])?;
    place(event, text(&["latitude", "lat"])?, text(&["longitude", "lon", "lng"])?)
}

/// An event of the sun at a place.
pub(super) fn place(event: &str, latitude: &str, longitude: &str) -> Option<Timing> {
    let known = Event::ALL.into_iter().find(|known| known.as_str() == event)?;
    Solar::new(known, latitude.parse().ok()?, longitude.parse().ok()?)?;
    let keys = format!("event: {event}, latitude: {latitude}, longitude: {longitude}");
    Some(When::Solar(keys).into())
}

fn zone<'n>(pairs: &'n [Pair<'_>]) -> Option<&'n str> {
    let zone = find(pairs, &["timezone", "timezonename", "tz"])?.as_written()?;
    tzdata::parse_name(zone).is_ok().then_some(zone)
}

/// The value of the first key that is one of these, as letters.
pub(super) fn find<'n, 't>(pairs: &'n [Pair<'t>], keys: &[&str]) -> Option<&'n Node<'t>> {
    let pair = pairs.iter().take(MAX_PAIRS).find(|pair| keys.contains(&&*letters(pair.name())));
    pair.map(|pair| &pair.value)
}
