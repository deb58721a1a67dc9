//! `overlap`: whether a task may start while the last one runs.

use std::num::NonZeroU32;
use std::time::Duration;

use super::draft::Read;
use crate::config::foreign;
use crate::text::section::{self, Key, REQUIRED, Section};
use crate::text::types::{LENGTH, Type};
use crate::text::{Node, Report, Scalar, duration, expect};

/// How long after it was sent a task counts as running, unless the entry says otherwise: as long as
/// Celery keeps results.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(86_400);
/// Maximum of `overlap`.
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 86_400);

const HINT: &str = "write `overlap: skip`, or `overlap: {skip: 2h}` to wait no longer than that";

pub(super) const KEY: Key<Read> = Key {
    name: "overlap",
    of_type: Type {
        words: "`allow`, `skip` or `{skip: LENGTH}`",
        schema: r##"{"anyOf": [{"enum": ["skip", "allow"]}, {"$ref": "#/$defs/skip"}]}"##,
    },
    default: "`allow`",
    doc: "`skip`: a slot is skipped (`still_running`) while the task of the last slot sent runs or waits, \
          until a day after it was sent, or LENGTH; for Celery's, RQ's, arq's, taskiq's and BullMQ's \
          workers, and Celery's and taskiq's need `results` of the queue",
    example: "overlap: {skip: 2h}",
    read: |pair, draft, report| draft.settings.overlap = overlap(&pair.value, report),
};

/// `overlap` as a mapping.
pub(super) static SKIP: Section<section::Read<Option<Duration>>> = Section {
    of: "`overlap`",
    keys: &[&[Key {
        name: "skip",
        of_type: LENGTH,
        default: REQUIRED,
        doc: "how long after it was sent a task holds up the next slot at most",
        example: "skip: 2h",
        read: |node, at_most, report| *at_most = length(node, report),
    }]],
    ..Section::PLAIN
};

/// For how many milliseconds at most a running task prevents the next one, if it does.
fn overlap(node: &Node<'_>, report: &mut Report<'_>) -> Option<Option<NonZeroU32>> {
    let at_most = match node.scalar() {
        Some(Scalar::Text("allow")) => return Some(None),
        Some(Scalar::Text("skip")) => DEFAULT_OVERLAP,
        None if node.map().is_some() => skip(node, report)?,
        _ => {
            let message = format!("expected `skip` or `allow`, found {}", report.found(node));
            let hint = foreign::known(KEY.name, node).unwrap_or(HINT);
            report.error(node.span, message).hint(hint);
            return None;
        }
    };
    NonZeroU32::new(u32::try_from(at_most.as_millis()).unwrap_or(u32::MAX)).map(Some)
}

fn skip(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let before = report.errors();
    let at_most = SKIP.read(node, report)?;
    if at_most.is_none() && report.errors() == before {
        report.error(node.span, "`overlap` without `skip`").hint(HINT);
    }
    at_most
}

fn length(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let at_most = expect::length(node, report)?;
    if at_most <= MAX_OVERLAP {
        return Some(at_most);
    }
    let longest = duration::format(MAX_OVERLAP);
    report.error(node.span, format!("a task holds up the next for {longest} at the most"));
    None
}
