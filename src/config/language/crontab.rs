//! `cron`: a crontab line, the arguments of Celery's `crontab(…)`, a Quartz line, or a list of these.

use downbeat_time::cron::{
    self, Cron, CronError, CronWarning, DayMatch, Line, MappingFields, Quartz,
};
use downbeat_time::{Timing, Union, Zone};

use super::contradiction::contradict;
use super::elsewhere;
use crate::config::foreign::{self, words};
use crate::text::section::{Key, Section};
use crate::text::types::{TEXT, Type};
use crate::text::{Node, Pair, Report, Scalar, Span, add_with_hint, expect};

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
    foreign: words::CRONTAB,
    elsewhere: elsewhere::CRON,
    types: &[
        ("field", r#"{"type": ["string", "integer"]}"#),
        (
            "expression",
            r##"{"anyOf": [{"type": "string"}, {"$ref": "#/$defs/crontab"}, {"$ref": "#/$defs/quartz"}]}"##,
        ),
    ],
    ..Section::PLAIN
};

const FIELD: Type = Type { words: "number or text", schema: r##"{"$ref": "#/$defs/field"}"## };

static FIELDS: &[Key<Read>] = &[
    Key {
        name: "minute",
        of_type: FIELD,
        default: "`*`",
        doc: "0 to 59",
        example: "minute: \"*/15\"",
        read: |pair, mapping| mapping.fields.minute = pair.value.as_written(),
    },
    Key {
        name: "hour",
        of_type: FIELD,
        default: "`*`",
        doc: "0 to 23",
        example: "minute: 0\nhour: 9-17",
        read: |pair, mapping| mapping.fields.hour = pair.value.as_written(),
    },
    Key {
        name: "day_of_week",
        of_type: FIELD,
        default: "`*`",
        doc: "0 (Sunday) to 6, or names; must match as well as `day_of_month`",
        example: "minute: 0\nday_of_week: mon-fri",
        read: |pair, mapping| mapping.fields.day_of_week = pair.value.as_written(),
    },
    Key {
        name: "day_of_month",
        of_type: FIELD,
        default: "`*`",
        doc: "1 to 31",
        example: "minute: 0\nday_of_month: \"1,15\"",
        read: |pair, mapping| mapping.fields.day_of_month = pair.value.as_written(),
    },
    Key {
        name: "month_of_year",
        of_type: FIELD,
        default: "`*`",
        doc: "1 to 12, or names",
        example: "minute: 0\nmonth_of_year: jan-mar",
        read: |pair, mapping| mapping.fields.month_of_year = pair.value.as_written(),
    },
];

/// It stands alone in its mapping.
pub(super) const QUARTZ: Key<Read> = Key {
    name: "quartz",
    of_type: TEXT,
    default: "",
    doc: "stands alone: a Quartz expression of six or seven fields, which begins with the second, counts \
          weekdays from 1 for Sunday, and may end with the year; `L`, `L-3`, `LW`, `15W`, `6L` and `6#5` are \
          kinds of days",
    example: "quartz: \"0 30 9 ? * MON-FRI\"",
    read: |pair, mapping| mapping.quartz = Some(pair),
};

/// How the lines of an entry are read.
#[derive(Clone, Copy)]
struct Lines<'a> {
    day_match: Option<DayMatch>,
    entry: &'a str,
    zone: &'a Zone,
    /// Whether it is a list of them.
    is_list: bool,
}

/// A timing and, if it has hashes, the line that it resolves to.
type Resolved = (Timing, Option<Box<str>>);

/// Reads the timing and, for lines with hashes, the lines they resolve to.
pub(super) fn read(
    node: &Node<'_>,
    day_match: Option<&Pair<'_>>,
    entry: &str,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<Resolved> {
    let day_match = day_match.filter(|_| has_line(node));
    let day_match = day_match.map(|pair| self::day_match(&pair.value, report));
    let lines = Lines { day_match, entry, zone, is_list: node.list().is_some() };
    match node.list() {
        Some(items) => lines.list(node, items, report),
        None => lines.one(node, report),
    }
}

/// Whether the value has a crontab line, which `day_match` is about.
pub(super) fn has_line(node: &Node<'_>) -> bool {
    let is_line = |node: &Node<'_>| node.map().is_none();
    node.list().map_or_else(|| is_line(node), |items| items.iter().any(is_line))
}

impl Lines<'_> {
    fn one(self, node: &Node<'_>, report: &mut Report<'_>) -> Option<Resolved> {
        if let Some(pairs) = node.map() {
            return self.mapping(node, pairs, report).map(|timing| (timing, None));
        }
        let parsed = self.line(node, report)?;
        Some((Timing::Cron(parsed.cron), parsed.resolved))
    }

    /// The union of several; equal ones are warned of.
    fn list(
        self,
        node: &Node<'_>,
        items: &[Node<'_>],
        report: &mut Report<'_>,
    ) -> Option<Resolved> {
        if !(1..=Union::MAX).contains(&items.len()) {
            let message = format!("expected 1 to {} lines, found {}", Union::MAX, items.len());
            report.error(node.span, message).hint("write `[\"30 9 * * *\", \"0 16 * * *\"]`");
            return None;
        }
        let before = report.errors();
        let (mut parts, mut resolved) = (Vec::new(), Vec::new());
        let mut forms: Vec<(String, Span)> = Vec::new();
        for item in items {
            let Some((timing, line)) = self.item(item, report) else { continue };
            let form = timing.canonical(self.zone);
            if let Some((_, first)) = forms.iter().find(|(other, _)| *other == form) {
                let first = report.position_in_words(*first);
                let message = format!("the same slots as those of {first}");
                report.warning(item.span, message).hint("remove one of the two");
            }
            forms.push((form, item.span));
            parts.push(timing);
            resolved.extend(line);
        }
        let resolved = (!resolved.is_empty()).then(|| resolved.join(", ").into());
        (report.errors() == before).then_some((Union::of(parts)?, resolved))
    }

    fn item(self, item: &Node<'_>, report: &mut Report<'_>) -> Option<Resolved> {
        if item.list().is_some() {
            let message = "expected a crontab line, found a list".to_owned();
            report.error(item.span, message).hint("write all lines in one list");
            return None;
        }
        self.one(item, report)
    }

    /// A crontab line.
    fn line(self, node: &Node<'_>, report: &mut Report<'_>) -> Option<cron::Parsed> {
        if let Some(timing) = foreign_number(node) {
            let message = format!("expected a crontab line, found {}", report.found(node));
            report.error(node.span, message).hint(self.hint(&timing));
            return None;
        }
        let text = line_text(node, report)?;
        let line = Line { text, day_match: self.day_match, entry: Some(self.entry) };
        match Cron::parse(line) {
            Ok(parsed) => {
                for warning in &parsed.warnings {
                    warn(node, warning, report);
                }
                Some(parsed)
            }
            Err(error) => self.refuse_line(node, &error, report),
        }
    }

    /// Refuses a line; if it is one of another scheduler, the hint is what it is here.
    fn refuse_line<T>(
        self,
        node: &Node<'_>,
        error: &CronError,
        report: &mut Report<'_>,
    ) -> Option<T> {
        // A day that never comes is one to other schedulers, too.
        let is_foreign = error.problem != cron::Problem::NeverComes;
        let timing = is_foreign.then(|| foreign::Timing::parse(node.as_written()?)).flatten();
        let Some(timing) = timing else { return refuse(node, error, report) };
        let span = node.part(report.text(), error.span.clone());
        let message = error.to_string();
        let message = message.split("; ").next().unwrap_or_default();
        report.error(span, message).hint(self.hint(&timing));
        None
    }

    /// What to write for a foreign line. In a list, it takes the place of that line alone.
    fn hint(self, timing: &foreign::Timing) -> String {
        let instead = if self.is_list { timing.as_item() } else { timing.to_string() };
        format!("write {instead}")
    }

    /// Either a Quartz line, alone in its mapping, or the arguments of Celery's `crontab(…)`.
    fn mapping(
        self,
        node: &Node<'_>,
        pairs: &[Pair<'_>],
        report: &mut Report<'_>,
    ) -> Option<Timing> {
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
        if quartz.value.list().is_some() {
            let message = "expected a Quartz line, found a list";
            let hint = "write one mapping for each: \
                        `cron: [{quartz: \"0 30 9 * * ?\"}, {quartz: \"0 0 16 * * ?\"}]`";
            report.error(quartz.value.span, message).hint(hint);
            return None;
        }
        match Quartz::parse(line_text(&quartz.value, report)?) {
            Ok(parsed) => {
                for warning in &parsed.warnings {
                    warn(&quartz.value, warning, report);
                }
                Some(Timing::Quartz(Box::new(parsed.quartz)))
            }
            Err(error) => self.refuse_line(&quartz.value, &error, report),
        }
    }
}

/// A wrong value is reported and then counts as `or`, so that it causes no further problems.
fn day_match(node: &Node<'_>, report: &mut Report<'_>) -> DayMatch {
    let words = [("and", DayMatch::And), ("or", DayMatch::Or)];
    let hint = foreign::known("day_match", node);
    expect::one_of(node, &words, hint, report).unwrap_or(DayMatch::Or)
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

/// A number where a line is expected: seconds, as in Celery.
fn foreign_number(node: &Node<'_>) -> Option<foreign::Timing> {
    match node.scalar()? {
        Scalar::Int(_) | Scalar::Float(_) => foreign::Timing::of(node, &[]),
        _ => None,
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
    warn_of_every_minute(node, fields, report);
    let value = |field: cron::Field| node.pair(field.key()).map_or(node, |pair| &pair.value);
    match Cron::from_mapping(fields, None) {
        Ok(parsed) => {
            for warning in &parsed.warnings {
                let node = match warning {
                    CronWarning::StepTooLarge { field, .. }
                    | CronWarning::UnevenSteps { field, .. } => value(*field),
                    CronWarning::AmbiguousDays(_) => node,
                };
                warn(node, warning, report);
            }
            Some(parsed.cron)
        }
        Err(error) => refuse(error.field.map_or(node, value), &error, report),
    }
}

/// Warns of a mapping without a minute: what is left out means every one, other than in APScheduler or
/// Temporal.
fn warn_of_every_minute(node: &Node<'_>, fields: MappingFields<'_>, report: &mut Report<'_>) {
    if fields.minute.is_none() && fields != MappingFields::default() {
        report
            .warning(node.span, "no `minute`: this fires every minute of the rest")
            .hint("add `minute: 0`, or `minute: \"*\"` if that is meant");
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
        CronWarning::StepTooLarge { span, .. } | CronWarning::UnevenSteps { span, .. } => {
            node.part(report.text(), span.clone())
        }
        CronWarning::AmbiguousDays(_) => node.span,
    };
    add_with_hint(&warning.to_string(), |message| report.warning(span, message));
}
