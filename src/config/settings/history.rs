//! `history`: how long the store keeps the outcomes of slots. Only the file sets it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::sources::Sources;
use crate::store::Retention;
use crate::text::{Keys, Node, Report, duration, expect};

pub(super) static HISTORY: Keys = Keys { of: "`history`", known: &["keep", "slots"], foreign: &[] };

const MIN_KEEP: Duration = Duration::from_secs(60);
/// In Redis, 100 slots take 6 to 9 KB.
const SLOTS: RangeInclusive<u32> = 1_000..=100_000_000;

pub(super) fn read(from: &mut Sources<'_, '_, '_>) -> Retention {
    let default = Retention::default();
    let keep = from.inner("history", &HISTORY, "keep");
    let keep = keep.and_then(|node| from.read("history.keep", node, keep_of));
    let slots = from.inner("history", &HISTORY, "slots");
    let read = |node: &Node<'_>, report: &mut Report<'_>| expect::whole(node, SLOTS, report);
    let slots = slots.and_then(|node| from.read("history.slots", node, read));
    Retention { keep: keep.unwrap_or(default.keep), slots: slots.map_or(default.slots, u64::from) }
}

fn keep_of(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let keep = expect::length(node, report)?;
    if keep >= MIN_KEEP {
        return Some(keep);
    }
    let message = format!("a history of {}", duration::format(keep));
    report.error(node.span, message).hint(format!("keep {} or more", duration::format(MIN_KEEP)));
    None
}
