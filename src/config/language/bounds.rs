//! `start`, `end`, `limit` and `except` of an entry.

use std::sync::Arc;

use downbeat_time::{Bounds, Except, Zone};

use super::days::{CalendarRef, NO_DAY_HINT, days};
use super::draft::{Draft, Read};
use super::instants::{INSTANT, instant};
use crate::text::section::Key;
use crate::text::types::{COUNT, Type};
use crate::text::{Pair, Report, expect};

/// Keys of an entry that bound its timing.
pub(super) static KEYS: &[Key<Read>] = &[
    Key {
        name: "start",
        aliases: &["start_time", "starts_at"],
        of_type: INSTANT,
        default: "none",
        doc: "no slot is earlier; with `every` and no `anchor`, slots are counted from it",
        example: "start: 2026-09-01 00:00",
        read: |pair, draft, _| draft.start = Some(pair),
    },
    Key {
        name: "end",
        aliases: &["end_time", "ends_at"],
        of_type: INSTANT,
        default: "none",
        doc: "no slot is later",
        example: "end: 2030-12-31 23:59",
        read: |pair, draft, _| draft.end = Some(pair),
    },
    Key {
        name: "limit",
        aliases: &[],
        of_type: COUNT,
        default: "none",
        doc: "how many slots are sent in all, counted with their records; editing the timing resets the \
              count",
        example: "limit: 10",
        read: |pair, draft, report| draft.limit = expect::count(&pair.value, report),
    },
    Key {
        name: "except",
        aliases: &["exclude", "holidays"],
        of_type: Type { words: "days", schema: r##"{"$ref": "#/$defs/except"}"## },
        default: "none",
        doc: "days of the zone's calendar without slots: `2026-12-25`, `2026-12-24..2026-12-26`, `12-25` \
              for every year, `sat-sun`, or a calendar",
        example: "except: [sat-sun, 2026-12-24..2026-12-26, 01-01]",
        read: |pair, draft, _| draft.except = Some(pair),
    },
];

/// Types of keys that hold instants or days.
pub(super) static TYPES: &[(&str, &str)] = &[
    (
        "instant",
        r#"{
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?$",
            "examples": ["2030-01-01 00:00", "2030-01-01T00:00:00+09:00"]
        }"#,
    ),
    (
        "days",
        r#"{
            "type": "string",
            "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}( *\\.\\. *[0-9]{4}-[0-9]{2}-[0-9]{2})?|[0-9]{2}-[0-9]{2}|[A-Za-z].*)$"
        }"#,
    ),
    (
        "except",
        r##"{
            "anyOf": [
                {"$ref": "#/$defs/days"},
                {"type": "array", "items": {"$ref": "#/$defs/days"}, "maxItems": 2000}
            ]
        }"##,
    ),
];

/// Reads what narrows an entry's timing; adds the calendars it names to `calendars`.
pub(super) fn read(
    draft: &Draft<'_, '_>,
    zone: &Zone,
    calendars: &mut Vec<CalendarRef>,
    report: &mut Report<'_>,
) -> Option<Box<Bounds>> {
    let mut read =
        |pair: Option<&Pair<'_>>| pair.and_then(|pair| instant(&pair.value, zone, report));
    let (start, end) = (read(draft.start), read(draft.end));
    if let (Some(start), Some(end)) = (start, end)
        && end < start
        && let (Some(here), Some(there)) = (draft.end, draft.start)
    {
        let there = report.position_in_words(there.key.span);
        let message = format!("`end` is before `start` at {there}");
        report.error(here.key.span, message).hint("slots lie between the two, both included");
    }
    let except = draft.except.map(|pair| days(&pair.value, Some(calendars), report));
    let except = except.filter(|except| *except != Except::default());
    let except: Vec<_> = except.map(Arc::new).into_iter().collect();
    if Except::are_every_day(&except)
        && let Some(pair) = draft.except
    {
        report.error(pair.value.span, "no day is left").hint(NO_DAY_HINT);
    }
    let bounds = Bounds { start, end, except };
    (bounds != Bounds::default()).then(|| Box::new(bounds))
}
