//! `every`: equal intervals.

use std::time::Duration;

use downbeat_time::Zone;
use downbeat_time::interval::{Interval, MIN_PERIOD};

use super::draft::Draft;
use super::instants::instant;
use super::whole_days;
use crate::config::foreign;
use crate::text::{Node, Report, Scalar, add_with_hint, duration, expect};

/// Equal intervals, counted from `anchor`, else from `start`, else from the epoch.
pub(super) fn read(
    node: &Node<'_>,
    body: &Node<'_>,
    draft: &Draft<'_, '_>,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<Interval> {
    let period = period(node, body, report);
    let phase_node = draft.phase.map(|pair| &pair.value);
    let phase =
        phase_node.map_or(Some(Duration::ZERO), |node| expect::length_or_zero(node, report));
    let anchor = match draft.anchor.or(draft.start) {
        Some(pair) => Some(instant(&pair.value, zone, report)?),
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
        Ok(interval) => {
            whole_days::warn(node, &interval, anchor, draft, zone, report);
            Some(interval)
        }
        Err(error) => {
            add_with_hint(&error.to_string(), |message| report.error(node.span, message));
            None
        }
    }
}

/// The time between two slots; `body` is the entry, as other schedulers write the unit beside the number.
fn period(node: &Node<'_>, body: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let Some(hint) = foreign_period(node, body) else { return expect::length(node, report) };
    let message = match node.as_written().map(duration::parse) {
        Some(Err(error)) => error.to_string(),
        _ => format!("expected a duration, found {}", report.found(node)),
    };
    report.error(node.span, message).hint(hint);
    None
}

/// What to write instead of another scheduler's period.
fn foreign_period(node: &Node<'_>, body: &Node<'_>) -> Option<String> {
    let error = match node.scalar() {
        Some(Scalar::Null | Scalar::Bool(_)) => return None,
        Some(_) => Some(duration::parse(node.as_written()?).err()?),
        None => None,
    };
    let has_unit = body.pair("period").is_some();
    match error {
        Some(error) if error.meant.is_some_and(|meant| meant < MIN_PERIOD) => {
            Some(format!("write at least `every: {}`", duration::format(MIN_PERIOD)))
        }
        Some(error) if error.meant.is_some() && !has_unit => Some(error.hint_after("every: ")),
        _ => {
            let timing = foreign::Timing::of(node, body.map().unwrap_or_default())?;
            Some(format!("write {timing}"))
        }
    }
}
