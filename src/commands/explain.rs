//! `explain`: what one expression means, and its next times.

use std::iter;
use std::ops::Range;
use std::time::Duration;

use downbeat_time::cron::{self, Cron, CronError, DayMatch, Line, Quartz};
use downbeat_time::interval::Interval;
use downbeat_time::rrule::{self, Rrule, RruleError};
use downbeat_time::{Timing, UnixMs, Zone};
use serde::Serialize;

use super::{Exit, Failure, configured_schedule, show, times};
use crate::cli::{self, ServiceFlags};
use crate::clock;
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
    let (timing, resolved) =
        timing(asked, &zone).map_err(|failure| with_hint(flags, asked, failure))?;
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
    Ok(Explained { expr: &asked.expression, timezone, meaning, resolved, next, in_words })
}

/// Parses a Quartz line, a recurrence rule, a duration, or else a crontab line; with hashes, also
/// returns the line they resolve to.
fn timing(asked: &cli::Explain, zone: &Zone) -> Result<(Timing, Option<Box<str>>), Failure> {
    let expression = &asked.expression;
    if asked.quartz {
        let quartz = Quartz::parse(expression);
        let quartz = quartz.map_err(|error| pointed(asked, error.to_string(), error.span))?;
        return Ok((Timing::Quartz(Box::new(quartz)), None));
    }
    // Every rule has one, and so does Celery's `crontab(minute=0)`.
    if expression.contains('=') && !expression.contains('(') {
        let parsed = Rrule::parse(expression, zone, None);
        let parsed = parsed.map_err(|error| refused_rule(asked, error))?;
        return Ok((Timing::Rrule(parsed.rrule), None));
    }
    let day_match = asked.day_match.map(|rule| match rule {
        cli::DayMatch::And => DayMatch::And,
        cli::DayMatch::Or => DayMatch::Or,
    });
    if let Ok(period) = duration::parse(expression) {
        let interval = Interval::new(period, Duration::ZERO, None);
        let timing = interval.map_err(|error| Failure::new(Exit::No, error))?;
        return Ok((Timing::Every(timing), None));
    }
    let line = Line { text: expression, day_match, entry: asked.entry.as_deref() };
    let parsed = Cron::parse(line).map_err(|error| refused_line(asked, error))?;
    Ok((Timing::Cron(parsed.cron), parsed.resolved))
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

fn refused_line(asked: &cli::Explain, error: CronError) -> Failure {
    let message = match error.problem {
        // One word could have been meant as a duration.
        cron::Problem::FieldCount(1) => {
            let expression = &asked.expression;
            format!("`{expression}` is neither a crontab line nor a length: {error}, or `10m`")
        }
        cron::Problem::ManyDialects(_) => format!("{error}; here that is `--quartz`"),
        cron::Problem::NoEntry => format!("{error} with `--entry NAME`"),
        _ => error.to_string(),
    };
    pointed(asked, message, error.span)
}

fn refused_rule(asked: &cli::Explain, error: RruleError) -> Failure {
    let message = match error.problem {
        // An entry could have a `start`.
        rrule::Problem::NoStart => "the rule does not say from when on it counts; begin with \
                                    `DTSTART=20260101T090000;`"
            .to_owned(),
        _ => error.to_string(),
    };
    pointed(asked, message, error.span)
}

/// The message and, for people, the expression with a caret under the wrong part.
fn pointed(asked: &cli::Explain, message: String, span: Range<usize>) -> Failure {
    let expression = &asked.expression;
    let Range { start, end } = span;
    let excerpt = Excerpt::of(expression, start.min(expression.len()), end.saturating_sub(start));
    let under = "~".repeat(excerpt.width.saturating_sub(1));
    let picture = format!("    {}\n    {}^{under}", excerpt.line, " ".repeat(excerpt.caret));
    let picture = (!expression.is_empty()).then_some(picture);
    Failure { picture, ..Failure::new(Exit::No, message) }
}
