//! `every`: equal intervals.

use std::time::Duration;

use downbeat_time::Zone;
use downbeat_time::interval::{Interval, MIN_PERIOD};

use super::draft::Draft;
use super::instants::instant;
use crate::text::{Node, Report, add_with_hint, duration, expect};

/// Equal intervals, counted from `anchor`, else from `start`, else from the epoch.
pub(super) fn read(
    node: &Node<'_>,
    draft: &Draft<'_, '_>,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<Interval> {
    let period = expect::length(node, report);
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
        Ok(interval) => Some(interval),
        Err(error) => {
            add_with_hint(&error.to_string(), |message| report.error(node.span, message));
            None
        }
    }
}
