//! Zones that other crons allow in a line: `CRON_TZ=Asia/Seoul 0 3 * * *` (robfig/cron, Kubernetes), and one more
//! field at the end (fugit). Here the zone is a key of its own.

use chrono_tz::{TZ_VARIANTS, Tz};

use super::error::{CronError, Problem};
use crate::token::Token;

/// The names before a zone at the beginning of a line.
const NAMES: [&str; 2] = ["CRON_TZ", "TZ"];

/// Refuses a trimmed line of at most `fields` fields with a zone before or after them. `reads` says whether a line is
/// understood.
pub(super) fn refuse_zone(
    line: Token<'_>,
    fields: usize,
    reads: impl Fn(&str) -> bool,
) -> Result<(), CronError> {
    let (Some(first), Some(last)) = (line.fields().next(), line.fields().last()) else {
        return Ok(());
    };
    let (written, name, rest) = if let Some(zone) = assigned(first.text) {
        (first, zone, line.after(first.text.len()).trim())
    } else if has_one_more(line, fields) && is_zone(last.text) {
        (last, last.text, line.before(last.text.len()).trim())
    } else {
        return Ok(());
    };
    let problem = Problem::ZoneInLine { zone: find(name) };
    let suggestion = reads(rest.text).then(|| rest.text.to_owned());
    Err(CronError { suggestion, ..CronError::of_line(problem, written) })
}

/// What is assigned to `CRON_TZ` or `TZ`.
fn assigned(field: &str) -> Option<&str> {
    let (name, zone) = field.split_once('=')?;
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)).then_some(zone)
}

fn has_one_more(line: Token<'_>, fields: usize) -> bool {
    match line.fields().count() {
        2 => line.text.starts_with('@'),
        count => count > fields,
    }
}

/// Whether it is a zone, or one of its region.
fn is_zone(text: &str) -> bool {
    let region = text.split_once('/').map(|(region, _)| region);
    let is_of_region = |tz: &Tz| {
        let named = tz.name().split_once('/').map(|(region, _)| region);
        named.zip(region).is_some_and(|(one, two)| one.eq_ignore_ascii_case(two))
    };
    find(text).is_some() || TZ_VARIANTS.iter().any(is_of_region)
}

/// The zone's name in its right case.
fn find(name: &str) -> Option<&'static str> {
    TZ_VARIANTS.iter().map(|tz| tz.name()).find(|zone| zone.eq_ignore_ascii_case(name))
}
