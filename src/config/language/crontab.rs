//! `cron`: a crontab line, the arguments of Celery's `crontab(…)`, or a Quartz line.

use downbeat_time::Timing;
use downbeat_time::cron::{
    self, Cron, CronError, CronWarning, DayMatch, Line, MappingFields, Quartz,
};

use super::contradiction::contradict;
use crate::text::section::{Key, Section};
use crate::text::types::{TEXT, Type};
use crate::text::{Node, Pair, Report, add_with_hint, expect};

/// Maximum bytes of a crontab line, or of one field in a mapping: twice all 60 minutes written out.
const MAX_CRON: usize = 400;

/// Notes the value of a key of the mapping.
pub(super) type Read = for<'n, 't> fn(&'n Pair<'t>, &mut Mapping<'n, 't>);

/// What the mapping says.
#[derive(Default)]
pub(super) struct Mapping<'n, 't> {
    fields: MappingFields<'n>,
    quartz: Option<&'n Pair<'t>>,
}

/// `cron` as a mapping.
pub(super) static CRONTAB: Section<Read> = Section {
    title: "`cron` as a mapping, with the meaning of Celery's `crontab(…)`",
    of: "`cron` as a mapping",
    keys: &[FIELDS, &[QUARTZ]],
    types: &[("field", r#"{"type": ["string", "integer"]}"#)],
    ..Section::PLAIN
};

const FIELD: Type = Type { words: "number or text", schema: r##"{"$ref": "#/$defs/field"}"## };

static FIELDS: &[Key<Read>] = &[
    Key {
        name: "minute",
        aliases: &[],
        of_type: FIELD,
        default: "`*`",
        doc: "0 to 59",
        example: "minute: \"*/15\"",
        read: |pair, mapping| mapping.fields.minute = pair.value.as_written(),
    },
    Key {
        name: "hour",
        aliases: &[],
        of_type: FIELD,
        default: "`*`",
        doc: "0 to 23",
        example: "hour: 9-17",
        read: |pair, mapping| mapping.fields.hour = pair.value.as_written(),
    },
    Key {
        name: "day_of_week",
        aliases: &["weekday", "dow"],
        of_type: FIELD,
        default: "`*`",
        doc: "0 (Sunday) to 6, or names; must match as well as `day_of_month`",
        example: "day_of_week: mon-fri",
        read: |pair, mapping| mapping.fields.day_of_week = pair.value.as_written(),
    },
    Key {
        name: "day_of_month",
        aliases: &["day", "dom"],
        of_type: FIELD,
        default: "`*`",
        doc: "1 to 31",
        example: "day_of_month: \"1,15\"",
        read: |pair, mapping| mapping.fields.day_of_month = pair.value.as_written(),
    },
    Key {
        name: "month_of_year",
        aliases: &["month"],
        of_type: FIELD,
        default: "`*`",
        doc: "1 to 12, or names",
        example: "month_of_year: jan-mar",
        read: |pair, mapping| mapping.fields.month_of_year = pair.value.as_written(),
    },
];

/// It stands alone in its mapping.
pub(super) const QUARTZ: Key<Read> = Key {
    name: "quartz",
    aliases: &[],
    of_type: TEXT,
    default: "",
    doc: "stands alone: a Quartz expression of six or seven fields, which begins with the second, counts \
          weekdays from 1 for Sunday, and may end with the year",
    example: "quartz: \"0 30 9 ? * MON-FRI\"",
    read: |pair, mapping| mapping.quartz = Some(pair),
};

/// Reads the timing and, for a line with hashes, the line they resolve to.
pub(super) fn read(
    node: &Node<'_>,
    day_match: Option<&Pair<'_>>,
    entry: &str,
    report: &mut Report<'_>,
) -> Option<(Timing, Option<Box<str>>)> {
    if let Some(pairs) = node.map() {
        return mapping(node, pairs, report).map(|timing| (timing, None));
    }
    let day_match = day_match.map(|pair| self::day_match(&pair.value, report));
    let parsed = line(node, day_match, entry, report)?;
    Some((Timing::Cron(parsed.cron), parsed.resolved))
}

/// A wrong value is reported and then counts as `or`, so that it causes no further problems.
fn day_match(node: &Node<'_>, report: &mut Report<'_>) -> DayMatch {
    match node.as_written() {
        Some("and") => DayMatch::And,
        Some("or") => DayMatch::Or,
        _ => {
            let message = format!("expected `and` or `or`, found {}", report.found(node));
            report.error(node.span, message);
            DayMatch::Or
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
fn mapping(node: &Node<'_>, pairs: &[Pair<'_>], report: &mut Report<'_>) -> Option<Timing> {
    let mut mapping = Mapping::default();
    CRONTAB.each(node, report, |read, pair, _| read(pair, &mut mapping))?;
    let Some(quartz) = mapping.quartz else {
        return crontab(node, pairs, mapping.fields, report).map(Timing::Cron);
    };
    let is_other =
        |pair: &&Pair<'_>| pair.name() != quartz.name() && CRONTAB.key(pair.name()).is_some();
    for pair in pairs.iter().filter(is_other) {
        contradict(pair, quartz, "a Quartz line says it all", report);
    }
    match Quartz::parse(line_text(&quartz.value, report)?) {
        Ok(quartz) => Some(Timing::Quartz(Box::new(quartz))),
        Err(error) => refuse(&quartz.value, &error, report),
    }
}

/// The arguments of Celery's `crontab(…)`.
fn crontab(
    node: &Node<'_>,
    pairs: &[Pair<'_>],
    fields: MappingFields<'_>,
    report: &mut Report<'_>,
) -> Option<Cron> {
    let before = report.errors();
    let known = pairs.iter().filter(|pair| CRONTAB.key(pair.name()).is_some());
    known.for_each(|pair| check_field(&pair.value, report));
    if report.errors() > before {
        return None;
    }
    let value = |field: cron::Field| node.pair(field.key()).map_or(node, |pair| &pair.value);
    match Cron::from_mapping(fields, None) {
        Ok(parsed) => {
            for warning in &parsed.warnings {
                let node = match warning {
                    CronWarning::StepTooLarge { field, .. } => value(*field),
                    CronWarning::AmbiguousDays(_) => node,
                };
                warn(node, warning, report);
            }
            Some(parsed.cron)
        }
        Err(error) => refuse(error.field.map_or(node, value), &error, report),
    }
}

fn check_field(node: &Node<'_>, report: &mut Report<'_>) {
    if node.as_written().is_none_or(|text| text.is_empty() || text.len() > MAX_CRON) {
        let message = format!("expected a number or text, found {}", report.found(node));
        report.error(node.span, message).hint("write it like `*/5`, `\"1,15\"` or `mon-fri`");
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
