//! `explain`: what one expression means, and its next times.

use std::iter;
use std::ops::Range;
use std::time::Duration;

use downbeat_time::cron::{self, Cron, CronError, CronWarning, DayMatch, Line, Quartz};
use downbeat_time::interval::Interval;
use downbeat_time::rrule::{self, Rrule, RruleError};
use downbeat_time::{Timing, Union, UnixMs, Zone};
use serde::Serialize;

use super::{Exit, Failure, configured_schedule, show, times};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::foreign;
use crate::text::{Excerpt, duration};
use crate::tzdata::{self, Tzdata};

/// The output for a valid expression.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    expr: &'a str,
    timezone: &'a str,
    meaning: String,
    /// The crontab line with its hashes resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<Box<str>>,
    next: Vec<String>,
    /// What its author should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// For people: the meaning, the clock's zone, and how long until the next time.
    #[serde(skip)]
    in_words: String,
}

pub(super) fn explain(flags: ServiceFlags, asked: &cli::Explain) -> Result<Exit, Failure> {
    match explained(flags, asked, clock::wall()) {
        Ok(explained) if asked.output.json => show::json(&explained)?,
        Ok(explained) => {
            show::line(&explained.in_words)?;
            if let Some(resolved) = &explained.resolved {
                show::line(&format!("{} is {resolved}", explained.expr))?;
            }
            explained.next.iter().try_for_each(|slot| show::line(slot))?;
            let warnings = explained.warnings.iter();
            warnings
                .map(|text| format!("warning: {text}"))
                .try_for_each(|text| show::line(&text))?;
        }
        Err(failure) if asked.output.json => {
            show::json(&serde_json::json!({"expr": asked.expression, "error": failure.message}))?;
            return Ok(failure.exit);
        }
        Err(failure) => return Err(failure),
    }
    Ok(Exit::Fine)
}

fn explained(
    flags: ServiceFlags,
    asked: &cli::Explain,
    now: UnixMs,
) -> Result<Explained<'_>, Failure> {
    let no = |error: &dyn std::fmt::Display| Failure::new(Exit::No, error);
    let name = tzdata::parse_name(&asked.timezone).map_err(|error| no(&error))?;
    let unknown = || no(&format!("the installed zone rules have no {}", asked.timezone));
    let zone = Tzdata::load().zone(name).ok_or_else(unknown)?;
    let Read { timing, resolved, warnings } =
        read(asked, &zone).map_err(|failure| with_hint(flags, asked, failure))?;
    let from = times::ahead("--from", asked.from.as_deref(), &zone, now)?.unwrap_or(now);
    // `--from` itself counts.
    let first = timing.next(&zone, UnixMs(from.0.saturating_sub(1)));
    let slots = iter::successors(first, |slot| timing.next(&zone, *slot)).take(asked.count);
    let next = slots.map(|slot| zone.to_rfc3339(slot)).collect();
    let timezone = zone.name();
    let meaning = timing.describe(&zone);
    let clock = if timing.reads_wall_clock() { format!(", {timezone}") } else { String::new() };
    let coming = match first {
        Some(slot) if slot == from => "next now".to_owned(),
        Some(slot) => format!("next in {}", duration::in_words(slot.since(from))),
        None => "never again".to_owned(),
    };
    let in_words = format!("{meaning}{clock}; {coming}");
    let expr = &asked.expression;
    Ok(Explained { expr, timezone, meaning, resolved, next, warnings, in_words })
}

/// An expression that was read.
struct Read {
    timing: Timing,
    /// The crontab line with its hashes resolved.
    resolved: Option<Box<str>>,
    warnings: Vec<String>,
}

impl From<Timing> for Read {
    fn from(timing: Timing) -> Read {
        Read { timing, resolved: None, warnings: Vec::new() }
    }
}

/// Reads a Quartz line, a list of crontab lines, a recurrence rule, a duration, or else a crontab line.
fn read(asked: &cli::Explain, zone: &Zone) -> Result<Read, Failure> {
    let expression = &*asked.expression;
    if asked.quartz {
        let parsed = Quartz::parse(expression);
        let parsed = parsed.map_err(|error| refused_line(expression, error))?;
        let warnings = warnings(&parsed.warnings);
        return Ok(Read { warnings, ..Timing::Quartz(Box::new(parsed.quartz)).into() });
    }
    if expression.trim_start().starts_with('[') {
        return list(asked, expression);
    }
    if expression.trim_start().starts_with('{') {
        let message = "`explain` does not read mappings; write a crontab line, or `downbeat next ENTRY` \
                       for an entry of a schedule file";
        return Err(Failure::new(Exit::No, message));
    }
    // Every rule has one, and so does Celery's `crontab(minute=0)`, and a line that begins with its zone.
    if expression.contains('=') && !expression.contains('(') && !has_zone(expression) {
        let parsed = Rrule::parse(expression, zone, None);
        let parsed = parsed.map_err(|error| refused_rule(expression, error))?;
        return Ok(Timing::Rrule(parsed.rrule).into());
    }
    if let Ok(period) = duration::parse(expression) {
        let interval = Interval::new(period, Duration::ZERO, None);
        return Ok(Timing::Every(interval.map_err(|error| Failure::new(Exit::No, error))?).into());
    }
    line(asked, expression)
}

/// Whether the text begins as a line with `CRON_TZ=`, not as a rule.
fn has_zone(text: &str) -> bool {
    let name = text.trim_start().split('=').next().unwrap_or_default();
    ["CRON_TZ", "TZ"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Reads several crontab lines as the union of their slots.
fn list(asked: &cli::Explain, expression: &str) -> Result<Read, Failure> {
    let lines: Vec<String> = serde_json::from_str(expression).map_err(|_| {
        let message = "a list of crontab lines is written as `[\"30 9 * * *\", \"0 16 * * *\"]`";
        Failure::new(Exit::No, message)
    })?;
    let read = lines.iter().map(|text| line(asked, text)).collect::<Result<Vec<_>, _>>()?;
    let (mut parts, mut resolved, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for read in read {
        parts.push(read.timing);
        resolved.extend(read.resolved);
        warnings.extend(read.warnings);
    }
    let timing = Union::of(parts).ok_or_else(|| {
        Failure::new(Exit::No, format!("expected 1 to {} lines, found {}", Union::MAX, lines.len()))
    })?;
    let resolved = (!resolved.is_empty()).then(|| resolved.join(", ").into());
    Ok(Read { timing, resolved, warnings })
}

fn line(asked: &cli::Explain, text: &str) -> Result<Read, Failure> {
    let day_match = asked.day_match.map(|rule| match rule {
        cli::DayMatch::And => DayMatch::And,
        cli::DayMatch::Or => DayMatch::Or,
    });
    let line = Line { text, day_match, entry: asked.entry.as_deref() };
    let parsed = Cron::parse(line).map_err(|error| refused_line(text, error))?;
    let (timing, warnings) = (Timing::Cron(parsed.cron), warnings(&parsed.warnings));
    Ok(Read { timing, resolved: parsed.resolved, warnings })
}

/// How day fields combine is part of the meaning.
fn warnings(warnings: &[CronWarning]) -> Vec<String> {
    let warnings = warnings.iter().filter(|it| !matches!(it, CronWarning::AmbiguousDays(_)));
    warnings.map(ToString::to_string).collect()
}

/// The failure; if the expression is an entry's name, with a hint at the right command.
fn with_hint(flags: ServiceFlags, asked: &cli::Explain, failure: Failure) -> Failure {
    let name = &asked.expression;
    if configured_schedule(flags).is_none_or(|schedule| schedule.get(name).is_none()) {
        return failure;
    }
    let hint = format!("for the entry of that name: downbeat next {name}");
    Failure { message: format!("{}; {hint}", failure.message), ..failure }
}

fn refused_line(text: &str, error: CronError) -> Failure {
    if let Some(message) = foreign(text, &error) {
        return pointed(text, message, error.span);
    }
    let message = match error.problem {
        // One word could have been meant as a duration.
        cron::Problem::FieldCount(1) => {
            format!("`{text}` is neither a crontab line nor a length: {error}, or `10m`")
        }
        cron::Problem::ManyDialects(_) => format!("{error}; here that is `--quartz`"),
        cron::Problem::ZoneInLine { zone: Some(zone) } => {
            format!("{error}; here that is `--timezone {zone}`")
        }
        cron::Problem::NoEntry => format!("{error} with `--entry NAME`"),
        _ => error.to_string(),
    };
    pointed(text, message, error.span)
}

/// What is wrong, and what the expression of another scheduler is here.
fn foreign(text: &str, error: &dyn std::error::Error) -> Option<String> {
    // A rule of this kind lacks a start, which is said better below.
    let timing = foreign::Timing::parse(text).filter(|timing| !timing.is_rule())?.expression();
    // What was refused is no hint.
    if timing.trim_matches('`') == text.trim() {
        return None;
    }
    let message = error.to_string();
    let message = message.split("; ").next().unwrap_or_default();
    Some(format!("{message}; write {timing}"))
}

fn refused_rule(text: &str, error: RruleError) -> Failure {
    if let Some(message) = foreign(text, &error) {
        return pointed(text, message, error.span);
    }
    let message = match error.problem {
        // An entry could have a `start`.
        rrule::Problem::NoStart => "the rule does not say from when on it counts; begin with \
                                    `DTSTART=20260101T090000;`"
            .to_owned(),
        _ => error.to_string(),
    };
    pointed(text, message, error.span)
}

/// The message and, for people, the expression with a caret under the wrong part.
fn pointed(text: &str, message: String, span: Range<usize>) -> Failure {
    let Range { start, end } = span;
    let excerpt = Excerpt::of(text, start.min(text.len()), end.saturating_sub(start));
    let under = "~".repeat(excerpt.width.saturating_sub(1));
    let picture = format!("    {}\n    {}^{under}", excerpt.line, " ".repeat(excerpt.caret));
    let picture = (!text.is_empty()).then_some(picture);
    Failure { picture, ..Failure::new(Exit::No, message) }
}
