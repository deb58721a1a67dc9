//! `explain`: what one expression means, and its next times.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use super::{Exit, Failure, show};
use crate::cli;
use crate::clock;
use crate::config::{Excerpt, duration, instant};
use crate::schedule::cron::{Cron, CronError, DayMatch, Problem};
use crate::schedule::interval::Interval;
use crate::schedule::{Timing, UnixMs};
use crate::tzdata::{self, Tzdata};

/// What is printed for an expression that is understood.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    expr: &'a str,
    timezone: &'a str,
    meaning: String,
    next: Vec<String>,
}

pub(super) fn explain(asked: &cli::Explain) -> Result<Exit, Failure> {
    match explained(asked) {
        Ok(explained) if asked.output.json => show::json(&explained)?,
        Ok(explained) => {
            show::line(&format!("{} ({})", explained.meaning, explained.timezone))?;
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

fn explained(asked: &cli::Explain) -> Result<Explained<'_>, Failure> {
    let no = |error: &dyn std::fmt::Display| Failure::new(Exit::No, error);
    let name = tzdata::parse_name(&asked.timezone).map_err(|error| no(&error))?;
    let unknown = || no(&format!("no tzdata has the zone {}", asked.timezone));
    let zone = Tzdata::load().zone(name).ok_or_else(unknown)?;
    let timing = timing(asked)?;
    let from = match asked.from.as_deref().map(|text| instant::parse(text, &zone)) {
        None => clock::wall(),
        Some(Ok(from)) => UnixMs(from.0.saturating_sub(1)),
        Some(Err(error)) => {
            return Err(Failure::usage(format!("--from: {error}; {}", instant::HINT)));
        }
    };
    let mut next = Vec::new();
    let mut slot = from;
    while next.len() < asked.count
        && let Some(found) = timing.next(&zone, slot)
    {
        next.push(zone.to_rfc3339(found));
        slot = found;
    }
    let timezone = zone.name();
    let meaning = timing.describe(&zone);
    Ok(Explained { expr: &asked.expression, timezone, meaning, next })
}

/// A length, or else a crontab line.
fn timing(asked: &cli::Explain) -> Result<Timing, Failure> {
    let day_match = asked.day_match.map(|rule| match rule {
        cli::DayMatch::And => DayMatch::And,
        cli::DayMatch::Or => DayMatch::Or,
    });
    if let Ok(period) = duration::parse(&asked.expression) {
        let interval = Interval::new(period, Duration::ZERO, None);
        return interval.map(Timing::Every).map_err(|error| Failure::new(Exit::No, error));
    }
    let parsed = Cron::parse(&asked.expression, day_match);
    parsed.map(|parsed| Timing::Cron(parsed.cron)).map_err(|error| refused(asked, &error))
}

/// The error with, for people, the expression and a caret under the token that is wrong.
fn refused(asked: &cli::Explain, error: &CronError) -> Failure {
    let expression = &asked.expression;
    let message = match error.problem {
        // One word could have been meant as a length.
        Problem::FieldCount(1) => {
            format!("`{expression}` is neither a crontab line nor a length: {error}, or `10m`")
        }
        _ => error.to_string(),
    };
    let Range { start, end } = error.span;
    let excerpt = Excerpt::of(expression, start.min(expression.len()), end.saturating_sub(start));
    let under = "~".repeat(excerpt.width.saturating_sub(1));
    let picture = format!("    {}\n    {}^{under}", excerpt.line, " ".repeat(excerpt.caret));
    let picture = (!expression.is_empty()).then_some(picture);
    Failure { picture, ..Failure::new(Exit::No, message) }
}
