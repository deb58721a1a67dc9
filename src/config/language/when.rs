//! Reads an entry's timing: one of `cron`, `every`, `at`, `rrule` and `solar`, with the keys that
//! belong to it.

use std::time::Duration;

use downbeat_time::cron::{
    self, Cron, CronError, CronWarning, DayMatch, Line, MappingFields, Quartz,
};
use downbeat_time::interval::{Interval, MIN_PERIOD};
use downbeat_time::rrule::Rrule;
use downbeat_time::{Instants, Timing, UnixMs, Zone};

use super::bounds::instant;
use super::solar;
use crate::text::{self, Fields, Keys, Node, Problem, Report, Span, duration, expect};

const KINDS: [&str; 5] = ["cron", "every", "at", "rrule", "solar"];

/// Maximum bytes of a crontab line, or of one field in a mapping: twice all 60 minutes written out.
const MAX_CRON: usize = 400;
/// Maximum number of instants in a list of `at`.
const MAX_INSTANTS: usize = 1000;

pub(crate) static CRONTAB: Keys = Keys {
    of: "`cron` as a mapping",
    known: &["minute", "hour", "day_of_week", "day_of_month", "month_of_year", "quartz"],
    unsupported: &[],
    aliases: &[
        ("month", "month_of_year"),
        ("weekday", "day_of_week"),
        ("day", "day_of_month"),
        ("dow", "day_of_week"),
        ("dom", "day_of_month"),
    ],
};

/// Reads an entry's timing and, for a crontab line with hashes, the line they resolve to. If the timing
/// is missing, that is reported at the entry's name.
pub(super) fn read(
    name: &Node<'_>,
    fields: &Fields<'_, '_>,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<(Timing, Option<Box<str>>)> {
    let kind = kind(fields, name.span, report)?;
    let before = report.errors();
    refuse_strays(fields, kind, report);
    let node = fields.value(kind)?;
    let mut resolved = None;
    let timing = match kind {
        "cron" if node.map().is_some() => mapping(node, report),
        "cron" => {
            let entry = name.as_written().unwrap_or_default();
            line(node, day_match(fields, report), entry, report).map(|parsed| {
                resolved = parsed.resolved;
                Timing::Cron(parsed.cron)
            })
        }
        "every" => every(node, fields, zone, report).map(Timing::Every),
        "rrule" => rrule(node, fields, zone, report).map(Timing::Rrule),
        "solar" => solar::read(node, fields.key_span(kind)?, report).map(Timing::Solar),
        _ => at(node, zone, report).map(Timing::At),
    };
    timing.filter(|_| report.errors() == before).map(|timing| (timing, resolved))
}

/// The position of the key that determines the timing.
pub(super) fn span(fields: &Fields<'_, '_>) -> Option<Span> {
    KINDS.into_iter().find_map(|kind| fields.key_span(kind))
}

/// Which timing the entry has; it must have exactly one.
fn kind(fields: &Fields<'_, '_>, name: Span, report: &mut Report<'_>) -> Option<&'static str> {
    let mut present = KINDS.into_iter().filter(|kind| fields.value(kind).is_some());
    let Some(first) = present.next() else {
        if KINDS.iter().any(|kind| fields.was_meant(kind)) {
            return None;
        }
        report
            .error(name, "this entry does not say when")
            .hint("add `cron: \"0 3 * * *\"`, `every: 10m` or `at: 2026-12-24 18:00`");
        return None;
    };
    let Some(second) = present.next() else { return Some(first) };
    let (first, second) = in_order(fields, first, second);
    contradict(fields, second, first, "keep one of the two", report);
    None
}

fn in_order<'k>(fields: &Fields<'_, '_>, a: &'k str, b: &'k str) -> (&'k str, &'k str) {
    let start = |key| fields.key_span(key).unwrap_or_default().start();
    if start(a) <= start(b) { (a, b) } else { (b, a) }
}

/// Reports at `key` that it cannot be combined with `other`.
fn contradict(
    fields: &Fields<'_, '_>,
    key: &str,
    other: &str,
    hint: &str,
    report: &mut Report<'_>,
) {
    let (Some(here), Some(there)) = (fields.key_span(key), fields.key_span(other)) else { return };
    let there = report.position_in_words(there);
    let message = format!("`{key}` contradicts `{other}` at {there}");
    report.error(here, message).hint(hint);
}

/// Refuses keys that belong to another kind of timing.
fn refuse_strays(fields: &Fields<'_, '_>, kind: &str, report: &mut Report<'_>) {
    for (key, owner) in [("phase", "every"), ("anchor", "every"), ("day_match", "cron")] {
        if fields.value(key).is_some() && kind != owner {
            contradict(fields, key, kind, &format!("`{key}` goes with `{owner}` only"), report);
        }
    }
    let mapping = fields.value("cron").is_some_and(|node| node.map().is_some());
    if mapping && fields.value("day_match").is_some() {
        let hint = "in a mapping both day fields must match; write a crontab line";
        contradict(fields, "day_match", "cron", hint, report);
    }
}

/// `day_match`, if present. A wrong value is reported and then counts as `or`, so that it causes no
/// further problems.
fn day_match(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<DayMatch> {
    let node = fields.value("day_match")?;
    match node.as_written() {
        Some("and") => Some(DayMatch::And),
        Some("or") => Some(DayMatch::Or),
        _ => {
            let message = format!("expected `and` or `or`, found {}", report.found(node));
            report.error(node.span, message);
            Some(DayMatch::Or)
        }
    }
}

/// The text of a crontab line, unless it is too long.
fn line_text<'n>(node: &'n Node<'_>, report: &mut Report<'_>) -> Option<&'n str> {
    let text = expect::text(node, report)?;
    if text.len() > MAX_CRON {
        report.error(node.span, format!("a cron line of more than {MAX_CRON} bytes"));
        return None;
    }
    Some(text)
}

/// A crontab line.
fn line(
    node: &Node<'_>,
    day_match: Option<DayMatch>,
    entry: &str,
    report: &mut Report<'_>,
) -> Option<cron::Parsed> {
    let text = line_text(node, report)?;
    match Cron::parse(Line { text, day_match, entry: Some(entry) }) {
        Ok(parsed) => {
            for warning in &parsed.warnings {
                warn(node, warning, report);
            }
            Some(parsed)
        }
        Err(error) => refuse(node, &error, report),
    }
}

/// Either a Quartz line, alone in its mapping, or the arguments of Celery's `crontab(…)`.
fn mapping(node: &Node<'_>, report: &mut Report<'_>) -> Option<Timing> {
    let fields = CRONTAB.sort(node, report)?;
    let Some(quartz) = fields.value("quartz") else {
        return crontab(node, &fields, report).map(Timing::Cron);
    };
    for key in CRONTAB.known {
        if *key != "quartz" && fields.value(key).is_some() {
            contradict(&fields, key, "quartz", "a Quartz line says it all", report);
        }
    }
    match Quartz::parse(line_text(quartz, report)?) {
        Ok(quartz) => Some(Timing::Quartz(Box::new(quartz))),
        Err(error) => refuse(quartz, &error, report),
    }
}

/// The arguments of Celery's `crontab(…)`.
fn crontab(node: &Node<'_>, fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<Cron> {
    let before = report.errors();
    for key in CRONTAB.known {
        if let Some(value) = fields.value(key)
            && value.as_written().is_none_or(|text| text.is_empty() || text.len() > MAX_CRON)
        {
            let message = format!("expected a number or text, found {}", report.found(value));
            report.error(value.span, message).hint("write it like `*/5`, `\"1,15\"` or `mon-fri`");
        }
    }
    if report.errors() > before {
        return None;
    }
    let text = |key| fields.value(key).and_then(Node::as_written);
    let parsed = Cron::from_mapping(
        MappingFields {
            minute: text("minute"),
            hour: text("hour"),
            day_of_week: text("day_of_week"),
            day_of_month: text("day_of_month"),
            month_of_year: text("month_of_year"),
        },
        None,
    );
    match parsed {
        Ok(parsed) => {
            for warning in &parsed.warnings {
                let field = match warning {
                    CronWarning::StepTooLarge { field, .. } => fields.value(field.key()),
                    CronWarning::AmbiguousDays(_) => None,
                };
                warn(field.unwrap_or(node), warning, report);
            }
            Some(parsed.cron)
        }
        Err(error) => {
            let field = error.field.and_then(|field| fields.value(field.key()));
            refuse(field.unwrap_or(node), &error, report)
        }
    }
}

fn refuse<T>(node: &Node<'_>, error: &CronError, report: &mut Report<'_>) -> Option<T> {
    let span = match node.map() {
        Some(_) => node.span,
        None => node.part(report.text(), error.span.clone()),
    };
    add_with_hint(&error.to_string(), |message| report.error(span, message));
    None
}

fn warn(node: &Node<'_>, warning: &CronWarning, report: &mut Report<'_>) {
    let span = match warning {
        CronWarning::StepTooLarge { span, .. } => node.part(report.text(), span.clone()),
        CronWarning::AmbiguousDays(_) => node.span,
    };
    add_with_hint(&warning.to_string(), |message| report.warning(span, message));
}

/// Splits an error of the time engine at `; ` into message and hint, and adds it.
pub(super) fn add_with_hint<'r>(text: &str, add: impl FnOnce(String) -> &'r mut Problem) {
    match text.split_once("; ") {
        Some((message, hint)) => add(message.to_owned()).hint(hint),
        None => add(text.to_owned()),
    };
}

/// Equal intervals, counted from `anchor`, else from `start`, else from the epoch.
fn every(
    node: &Node<'_>,
    fields: &Fields<'_, '_>,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<Interval> {
    let period = expect::length(node, report);
    let phase_node = fields.value("phase");
    let phase =
        phase_node.map_or(Some(Duration::ZERO), |node| expect::length_or_zero(node, report));
    let anchor = match fields.value("anchor").or_else(|| fields.value("start")) {
        Some(node) => Some(instant(node, zone, report)?),
        None => None,
    };
    let (period, phase) = (period?, phase?);
    if period < MIN_PERIOD {
        let message = format!("`every` is at least {}", duration::format(MIN_PERIOD));
        report.error(node.span, message);
        return None;
    }
    if phase >= period {
        let message =
            format!("`phase` is not below `every`, which is {}", duration::format(period));
        report
            .error(phase_node.map_or(node.span, |node| node.span), message)
            .hint("write the remainder");
        return None;
    }
    match Interval::new(period, phase, anchor) {
        Ok(interval) => Some(interval),
        Err(error) => {
            add_with_hint(&error.to_string(), |message| report.error(node.span, message));
            None
        }
    }
}

/// One instant, or a list of them in any order.
fn at(node: &Node<'_>, zone: &Zone, report: &mut Report<'_>) -> Option<Instants> {
    let Some(items) = node.list() else {
        return instant(node, zone, report).map(Instants::from);
    };
    if items.len() > MAX_INSTANTS {
        report
            .error(node.span, format!("{} instants, more than {MAX_INSTANTS}", items.len()))
            .hint("write a rule that gives them, or several entries");
        return None;
    }
    report.spend(size_of_val(items));
    let read = |item| Some((instant(item, zone, report)?, item.span));
    let mut read: Vec<(UnixMs, Span)> = items.iter().filter_map(read).collect();
    read.sort_by_key(|(instant, span)| (*instant, span.start()));
    for pair in read.windows(2) {
        if let [(first, there), (second, here)] = pair
            && first == second
        {
            let there = report.position_in_words(*there);
            report
                .warning(*here, format!("this instant is in the list already, at {there}"))
                .hint("it makes one slot; remove one of the two");
        }
    }
    let instants = Instants::new(read.into_iter().map(|(instant, _)| instant).collect());
    if items.is_empty() {
        report
            .error(node.span, "a list of no instants: this entry would never fire")
            .hint(text::instant::HINT);
    }
    instants
}

/// A recurrence rule; the local time of `start` serves as its DTSTART.
fn rrule(
    node: &Node<'_>,
    fields: &Fields<'_, '_>,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<Box<Rrule>> {
    let text = expect::text(node, report)?;
    let start = match fields.value("start") {
        Some(node) => Some(instant(node, zone, report)?),
        None => None,
    };
    match Rrule::parse(text, zone, start) {
        Ok(parsed) => {
            for warning in &parsed.warnings {
                let span = node.part(report.text(), warning.span.clone());
                add_with_hint(&warning.to_string(), |message| report.warning(span, message));
            }
            Some(parsed.rrule)
        }
        Err(error) => {
            let span = node.part(report.text(), error.span.clone());
            add_with_hint(&error.to_string(), |message| report.error(span, message));
            None
        }
    }
}
