//! `rrule`: a recurrence of RFC 5545.

use downbeat_time::Zone;
use downbeat_time::rrule::Rrule;

use super::draft::Draft;
use super::instants::instant;
use crate::config::foreign;
use crate::text::{Node, Report, add_with_hint, expect};

/// A recurrence rule; the local time of `start` serves as its DTSTART.
pub(super) fn read(
    node: &Node<'_>,
    draft: &Draft<'_, '_>,
    zone: &Zone,
    report: &mut Report<'_>,
) -> Option<Box<Rrule>> {
    let text = expect::text(node, report)?;
    let start = match draft.start {
        Some(pair) => Some(instant(&pair.value, zone, report)?),
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
            let message = error.to_string();
            match foreign::Timing::parse(text).filter(|timing| !timing.is_rule()) {
                Some(timing) => {
                    let message = "this is not a recurrence rule";
                    report.error(span, message).hint(format!("write {timing}"));
                }
                None => add_with_hint(&message, |message| report.error(span, message)),
            }
            None
        }
    }
}
