//! `timezone` of a file or an entry.

use std::sync::Arc;

use downbeat_time::Zone;

use crate::text::types::Type;
use crate::text::{MAX_NAME, Node, Report, Scalar, add_with_hint, expect};
use crate::tzdata::{self, Tzdata};

pub(super) const ZONE: Type = Type { words: "zone", schema: r#"{"type": "string"}"# };

/// The zone that a value names.
pub(super) fn read(node: &Node<'_>, tzdata: &Tzdata, report: &mut Report<'_>) -> Option<Arc<Zone>> {
    // A number, such as `9`, is meant as an offset.
    let is_number = matches!(node.scalar(), Some(Scalar::Int(_)));
    let name = match node.as_written().filter(|_| is_number) {
        Some(number) => number,
        None => expect::name(node, "the zone's name", MAX_NAME, report)?,
    };
    let tz = match tzdata::parse_name(name) {
        Ok(tz) => tz,
        Err(error) => {
            add_with_hint(&error.to_string(), |message| report.error(node.span, message));
            return None;
        }
    };
    if let Some(current) = tzdata::current_name(name) {
        report
            .warning(node.span, format!("`{name}` is kept for old files only"))
            .hint(format!("write `{current}`, the zone's present name"));
    }
    let zone = tzdata.zone(tz);
    if zone.is_none() {
        report
            .error(node.span, format!("no rules for the zone `{name}`"))
            .hint("install the system's tzdata package");
    }
    zone
}
