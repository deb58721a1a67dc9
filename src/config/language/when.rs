//! An entry's timing: one of `cron`, `every`, `at`, `rrule` and `solar`, with the keys that belong to it.

use downbeat_time::{Timing, Zone};

use super::contradiction::contradict;
use super::draft::{Draft, Read, TimingKey};
use super::instants::{self, INSTANT};
use super::zone::ZONE;
use super::{crontab, interval, rrule, solar};
use crate::text::section::Key;
use crate::text::types::{LENGTH, TEXT, Type};
use crate::text::words::Refused;
use crate::text::{Node, Pair, Report, Span};

/// Keys that say when; an entry has exactly one.
pub(super) static TIMINGS: &[Key<Read>] = &[
    Key {
        name: "cron",
        of_type: Type {
            words: "crontab line, mapping or list",
            schema: r##"{"anyOf": [{"$ref": "#/$defs/expression"}, {"type": "array", "items": {"$ref": "#/$defs/expression"}, "minItems": 1, "maxItems": 100}]}"##,
        },
        default: ONE_OF,
        doc: "readings of the zone's clock; of a list, those of each line, one slot an instant",
        example: "cron: \"0 3 * * mon-fri\"",
        read: |pair, draft, _| draft.timings.push((TimingKey::Cron, pair)),
    },
    Key {
        name: "every",
        of_type: LENGTH,
        default: ONE_OF,
        doc: "equal steps of real time, at least `100ms`, counted from the anchor, not from when the \
              service starts",
        example: "every: 10m",
        read: |pair, draft, _| draft.timings.push((TimingKey::Every, pair)),
    },
    Key {
        name: "at",
        of_type: Type {
            words: "instant or list",
            schema: r##"{"anyOf": [{"$ref": "#/$defs/instant"}, {"type": "array", "items": {"$ref": "#/$defs/instant"}, "minItems": 1, "maxItems": 1000}]}"##,
        },
        default: ONE_OF,
        doc: "these instants only",
        example: "at: [2030-01-01 00:00, 2030-01-02T00:00:00Z]",
        read: |pair, draft, _| draft.timings.push((TimingKey::At, pair)),
    },
    Key {
        name: "rrule",
        of_type: TEXT,
        default: ONE_OF,
        doc: "a recurrence of RFC 5545, read by the zone's clock",
        example: "rrule: \"DTSTART:20260101T090000\\nRRULE:FREQ=MONTHLY;BYDAY=-1FR\"",
        read: |pair, draft, _| draft.timings.push((TimingKey::Rrule, pair)),
    },
    Key {
        name: "solar",
        of_type: Type { words: "mapping", schema: r##"{"$ref": "#/$defs/solar"}"## },
        default: ONE_OF,
        doc: "an event of the sun at a place, to the minute; days without it are skipped",
        example: "solar: {event: sunset, latitude: 37.57, longitude: 126.98}",
        read: |pair, draft, _| draft.timings.push((TimingKey::Solar, pair)),
    },
];

const ONE_OF: &str = "one of the five";

/// Keys that say more about the timing.
pub(super) static KEYS: &[Key<Read>] = &[
    Key {
        name: "timezone",
        of_type: ZONE,
        default: "the file's",
        doc: "the IANA zone whose clock the entry reads",
        example: "timezone: Europe/Berlin",
        read: |pair, draft, _| draft.timezone = Some(pair),
    },
    Key {
        name: "day_match",
        of_type: Type { words: "`and` or `or`", schema: r#"{"enum": ["and", "or"]}"# },
        default: "cron's rule",
        doc: "how a crontab line combines its two day fields when both are restricted",
        example: "cron: \"0 10 1 * mon\"\nday_match: or",
        read: |pair, draft, _| draft.day_match = Some(pair),
    },
    Key {
        name: "phase",
        of_type: LENGTH,
        default: "`0s`",
        doc: "with `every`: moves the slots; below the period",
        example: "every: 6h\nphase: 17m",
        read: |pair, draft, _| draft.phase = Some(pair),
    },
    Key {
        name: "anchor",
        of_type: INSTANT,
        default: "`start`, else 1970-01-01 in UTC",
        doc: "with `every`: one of the slots, before the phase is added",
        example: "every: 2w\nanchor: 2026-01-05 12:00",
        read: |pair, draft, _| draft.anchor = Some(pair),
    },
];

/// Keys that only go with one kind of timing.
pub(super) static COMPANIONS: [(&str, &str); 3] =
    [("phase", "every"), ("anchor", "every"), ("day_match", "cron")];

/// Reads an entry's timing and, for a crontab line with hashes, the line they resolve to. If the timing
/// is missing, that is reported at the entry's name.
pub(super) fn read(
    name: &Node<'_>,
    body: &Node<'_>,
    draft: &Draft<'_, '_>,
    refused: &Refused,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<(Timing, Option<Box<str>>)> {
    let (key, pair) = only_timing(draft, refused, name.span, report)?;
    let before = report.errors();
    refuse_strays(draft, pair, report);
    let node = &pair.value;
    let mut resolved = None;
    let timing = match key {
        TimingKey::Cron => {
            let entry = name.as_written().unwrap_or_default();
            let read = crontab::read(node, draft.day_match, entry, zone, report);
            read.map(|(timing, line)| {
                resolved = line;
                timing
            })
        }
        TimingKey::Every => interval::read(node, body, draft, zone, report).map(Timing::Every),
        TimingKey::At => instants::read(node, zone, report).map(Timing::At),
        TimingKey::Rrule => rrule::read(node, draft, zone, report).map(Timing::Rrule),
        TimingKey::Solar => solar::read(node, pair.key.span, report).map(Timing::Solar),
    };
    timing.filter(|_| report.errors() == before).map(|timing| (timing, resolved))
}

/// Which timing the entry has; it must have exactly one.
fn only_timing<'n, 't>(
    draft: &Draft<'n, 't>,
    refused: &Refused,
    name: Span,
    report: &mut Report<'_>,
) -> Option<(TimingKey, &'n Pair<'t>)> {
    match draft.timings[..] {
        [only] => return Some(only),
        [(_, first), (_, second), ..] => {
            contradict(second, first, "keep one of the two", report);
        }
        [] if TIMINGS.iter().any(|key| refused.was_meant(key.name)) => {}
        [] => {
            report
                .error(name, "this entry does not say when")
                .hint("add `cron: \"0 3 * * *\"`, `every: 10m` or `at: 2026-12-24 18:00`");
        }
    }
    None
}

/// Refuses keys that belong to another kind of timing.
fn refuse_strays(draft: &Draft<'_, '_>, timing: &Pair<'_>, report: &mut Report<'_>) {
    for pair in [draft.phase, draft.anchor, draft.day_match].into_iter().flatten() {
        let key = pair.name();
        let owner = COMPANIONS.iter().find(|(companion, _)| *companion == key);
        if let Some((_, owner)) = owner.filter(|(_, owner)| *owner != timing.name()) {
            contradict(pair, timing, &format!("`{key}` goes with `{owner}` only"), report);
        }
    }
    if let Some(day_match) = draft.day_match
        && timing.name() == "cron"
        && !crontab::has_line(&timing.value)
    {
        let hint = "in a mapping both day fields must match; write a crontab line";
        contradict(day_match, timing, hint, report);
    }
}
