//! Calls in Python or in a shell's style: `crontab(minute=0, hour='*/3')`, `timedelta(seconds=30)`,
//! `rate(5 minutes)`.

use super::fields::{self, Dialect};
use super::timing::{Timing, When};
use super::{lines, mapping};
use crate::text::duration;
use crate::text::words::letters;

/// An argument: its name, if it has one, and its value without quotes.
type Argument<'a> = (Option<&'a str>, &'a str);

/// Reads a call; of a dotted name the last part counts.
pub(super) fn read(text: &str) -> Option<Timing> {
    let (name, inside) = text.trim_end_matches(',').strip_suffix(')')?.split_once('(')?;
    let name = name.rsplit('.').next()?.to_ascii_lowercase();
    let arguments = arguments(inside)?;
    let first = || arguments.first().map(|(_, value)| *value);
    match &*name {
        "crontab" | "crontrigger" => crontab(&name, &arguments),
        "cron" => lines::event_bridge(inside).or_else(|| Timing::parse(first()?)),
        "timedelta" | "intervaltrigger" => lengths(&arguments),
        "rate" | "schedule" | "at" | "datetrigger" | "from_crontab" | "every" => {
            Timing::parse(first()?)
        }
        "solar" => match arguments[..] {
            [(_, event), (_, latitude), (_, longitude), ..] => {
                mapping::place(event, latitude, longitude)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The fields of Celery's `crontab(…)` or APScheduler's `CronTrigger(…)`.
fn crontab(name: &str, arguments: &[Argument<'_>]) -> Option<Timing> {
    if let [(None, line)] = arguments
        && line.contains(' ')
    {
        return Timing::parse(line);
    }
    // The order of the others has changed over the years.
    let positional = ["minute", "hour"].iter();
    let mut positional = positional.map(|name| (*name).to_owned());
    let named = arguments.iter().map(|(name, value)| {
        let name = name.map(letters).or_else(|| positional.next())?;
        Some((name, (*value).to_owned()))
    });
    let dialect = if name == "crontab" { Dialect::Celery } else { Dialect::ApScheduler };
    fields::read(&named.collect::<Option<Vec<_>>>()?, dialect)
}

/// `seconds=30, minutes=1`.
fn lengths(arguments: &[Argument<'_>]) -> Option<Timing> {
    let part = |(name, value): &Argument<'_>| name.map(|name| format!("{value} {name}"));
    let parts: Vec<_> = arguments.iter().filter_map(part).collect();
    duration::parse_any(&parts.join(" ")).map(|period| When::Every(period).into())
}

/// Splits at commas outside of quotes and brackets.
fn arguments(inside: &str) -> Option<Vec<Argument<'_>>> {
    let (mut parts, mut start, mut quote, mut depth) = (Vec::new(), 0, None, 0_u32);
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = quote.filter(|_| c != open),
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[start..]);
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    Some(parts.map(argument).collect())
}

fn argument(text: &str) -> Argument<'_> {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if is_name(name.trim()) => (Some(name.trim()), value.trim()),
        _ => (None, text),
    };
    let inside =
        ['\'', '"'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    (name, inside.unwrap_or(value))
}
