//! `start`, `end`, `limit` and `except` of an entry.

use std::sync::Arc;

use downbeat_time::{Bounds, Except, Move, Timing, Zone};

use super::days::{self, CalendarRef, NO_DAY_HINT};
use super::draft::{Draft, Read};
use super::instants::{INSTANT, instant};
use crate::text::section::Key;
use crate::text::types::{COUNT, Type};
use crate::text::{Pair, Report, duration, expect};

/// Maximum number of slots on one day of an entry whose slots move: finding one goes through those of some days.
const MAX_MOVED_A_DAY: u64 = 100;

/// Keys of an entry that bound its timing.
pub(super) static KEYS: &[Key<Read>] = &[
    Key {
        name: "start",
        of_type: INSTANT,
        default: "none",
        doc: "no slot is earlier; with `every` and no `anchor`, slots are counted from it",
        example: "start: 2026-09-01 00:00",
        read: |pair, draft, _| draft.start = Some(pair),
    },
    Key {
        name: "end",
        of_type: INSTANT,
        default: "none",
        doc: "no slot is later",
        example: "end: 2030-12-31 23:59",
        read: |pair, draft, _| draft.end = Some(pair),
    },
    Key {
        name: "limit",
        of_type: COUNT,
        default: "none",
        doc: "how many slots are sent in all, counted with their records; editing the timing resets the \
              count",
        example: "limit: 10",
        read: |pair, draft, report| draft.limit = expect::count(&pair.value, report),
    },
    Key {
        name: "except",
        of_type: Type { words: "days or mapping", schema: r##"{"$ref": "#/$defs/except"}"## },
        default: "none",
        doc: "times of the zone's calendar without slots: `2026-12-25`, `2026-12-24..2026-12-26`, `12-25` \
              for every year, `sat-sun`, `mon#1`, hours (`22:00-06:00`), parts of days \
              (`2026-12-24T18:00..2026-12-26T06:00`), or a calendar; a mapping moves the slots to other days",
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
    ("days", days::PATTERN),
    (
        "excepted",
        r##"{
            "anyOf": [
                {"$ref": "#/$defs/days"},
                {"type": "array", "items": {"$ref": "#/$defs/days"}, "maxItems": 2000}
            ]
        }"##,
    ),
    ("except", r##"{"anyOf": [{"$ref": "#/$defs/excepted"}, {"$ref": "#/$defs/moved"}]}"##),
];

/// Reads what narrows an entry's timing, if that is known; adds the calendars it names to `calendars`.
pub(super) fn read(
    draft: &Draft<'_, '_>,
    timing: Option<&Timing>,
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
    let named = calendars.len();
    let except = draft.except.map(|pair| days::except(&pair.value, calendars, report));
    let (except, move_to) = except.unwrap_or_default();
    let except: Vec<_> = Some(except)
        .filter(|except| *except != Except::default())
        .map(Arc::new)
        .into_iter()
        .collect();
    if Except::are_always(&except)
        && let Some(pair) = draft.except
    {
        report.error(pair.value.span, "no day is left").hint(NO_DAY_HINT);
    }
    if let (Some(_), Some(pair)) = (move_to, draft.except)
        && let Some((why, hint)) = timing.and_then(unmovable)
    {
        let span = pair.value.pair("move").map_or(pair.key.span, |pair| pair.value.span);
        report.error(span, why).hint(hint);
    }
    let move_to: Option<Move> = move_to.filter(|_| !except.is_empty() || calendars.len() > named);
    let bounds = Bounds { start, end, except, move_to };
    (bounds != Bounds::default()).then(|| Box::new(bounds))
}

/// Message and hint if the slots of a timing cannot move: they have no time of day, or come too often for another
/// day to matter.
pub(super) fn unmovable(timing: &Timing) -> Option<(String, &'static str)> {
    const DAY_MS: u128 = 86_400_000;
    if let Timing::Every(interval) = timing
        && !interval.period().as_millis().is_multiple_of(DAY_MS)
    {
        let period = duration::format(interval.period());
        let why = format!("slots of `every: {period}` have no time of day to keep on another day");
        return Some((why, "write the times as `cron`, count whole days, or leave out `move`"));
    }
    if let Timing::Solar(_) = timing {
        let why = "`move` is not for `solar`: every day has its own event of the sun";
        return Some((why.to_owned(), "leave out `move`"));
    }
    if timing.times_a_day() <= MAX_MOVED_A_DAY {
        return None;
    }
    let why =
        format!("`move` is for up to {MAX_MOVED_A_DAY} slots a day; this entry may have more");
    Some((why, "leave out `move`: the days that are left have enough slots"))
}
