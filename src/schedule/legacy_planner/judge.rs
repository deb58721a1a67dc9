//! On time, missed or too late: what becomes of an entry's due slots.

use std::time::Duration;

use super::{Action, COUNT_CAP, Item, window};
use crate::schedule::entry::{CatchUp, Entry};
use crate::schedule::kind::Kind;
use crate::schedule::legacy::SkipReason;
use crate::schedule::unix_ms::UnixMs;

/// The verdict on a run of slots: those after the judgement before it, up to `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) through: UnixMs,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send(Kind),
    Skip(SkipReason),
}

impl Judgement {
    pub(super) fn new(through: UnixMs, verdict: Verdict) -> Judgement {
        Judgement { through, verdict }
    }
}

const INSTANT: Duration = Duration::from_millis(1);

/// Judges the slots that came due since the last judgement; those before keep theirs.
pub(super) fn judge(
    entry: &Entry,
    cursor: UnixMs,
    judgements: &mut Vec<Judgement>,
    now: UnixMs,
    grace: Duration,
) {
    let from = judgements.last().map_or(cursor, |last| last.through.max(cursor));
    // From here on slots are told apart by the instants that part their due times.
    let due = entry.due_through(from, now);
    let Some(first) = entry.next_slot(from).filter(|slot| *slot <= due) else { return };
    let missed = entry.due_through(from, now - grace - INSTANT);
    if first > missed {
        return pronounce(judgements, due, Verdict::Send(Kind::Scheduled));
    }
    let Some(newest) = entry.last_slot(from, missed) else { return };
    let on_time = entry.next_slot(newest).is_some_and(|slot| slot <= due);
    let too_late = Verdict::Skip(SkipReason::TooLate);
    let too_old = entry.due_through(from, now - window(entry, grace) - INSTANT);
    if first <= too_old {
        pronounce(judgements, too_old.min(newest), too_late);
    }
    if newest > too_old {
        match entry.catch_up {
            CatchUp::All => pronounce(judgements, newest, Verdict::Send(Kind::CatchUp)),
            CatchUp::None => pronounce(judgements, newest, too_late),
            CatchUp::Latest => {
                let superseded = Verdict::Skip(SkipReason::Superseded);
                if on_time {
                    pronounce(judgements, newest, superseded);
                } else {
                    pronounce(judgements, newest - INSTANT, superseded);
                    pronounce(judgements, newest, Verdict::Send(Kind::CatchUp));
                }
            }
        }
    }
    if on_time {
        pronounce(judgements, due, Verdict::Send(Kind::Scheduled));
    }
}

fn pronounce(judgements: &mut Vec<Judgement>, through: UnixMs, verdict: Verdict) {
    match judgements.last_mut() {
        Some(last) if last.verdict == verdict => last.through = through,
        _ => judgements.push(Judgement { through, verdict }),
    }
}

/// Turns judgements into items, oldest slot first, at most `most` of them.
///
/// A slot to be sent may have grown too old since it was judged; then it is skipped.
pub(super) fn unroll(
    (index, entry): (u32, &Entry),
    cursor: UnixMs,
    judgements: &[Judgement],
    now: UnixMs,
    grace: Duration,
    most: usize,
    items: &mut Vec<Item>,
) {
    let full = items.len() + most;
    let mut from = cursor;
    for judgement in judgements.iter().filter(|judgement| judgement.through > cursor) {
        match judgement.verdict {
            Verdict::Skip(reason) => {
                skip_run((index, entry), from, judgement.through, reason, items);
                from = judgement.through;
            }
            Verdict::Send(kind) => {
                let window = if kind == Kind::Resent { entry.within } else { window(entry, grace) };
                let too_old = entry.due_through(from, now - window - INSTANT);
                let too_old = too_old.min(judgement.through);
                skip_run((index, entry), from, too_old, SkipReason::TooLate, items);
                from = from.max(too_old);
                while let Some(slot) = entry.next_slot(from).filter(|s| *s <= judgement.through) {
                    if items.len() >= full {
                        return;
                    }
                    let expired = entry.expires_at(slot).is_some_and(|until| until <= now);
                    if expired {
                        skip((index, slot), SkipReason::Expired, 1, items);
                    } else {
                        items.push(Item { entry: index, slot, action: Action::Send(kind) });
                    }
                    from = slot;
                }
            }
        }
        if items.len() >= full {
            return;
        }
    }
}

fn skip_run(
    (index, entry): (u32, &Entry),
    from: UnixMs,
    through: UnixMs,
    reason: SkipReason,
    items: &mut Vec<Item>,
) {
    if through <= from {
        return;
    }
    if let Some(slot) = entry.last_slot(from, through) {
        let count = entry.count_slots(from, slot, COUNT_CAP);
        skip((index, slot), reason, count, items);
    }
}

/// Adds to the run of skipped slots that ends the list, or starts one.
fn skip((entry, slot): (u32, UnixMs), why: SkipReason, slots: u64, items: &mut Vec<Item>) {
    match items.last_mut() {
        Some(Item { entry: last, slot: newest, action: Action::Skip { reason, count } })
            if *last == entry && *reason == why =>
        {
            *newest = slot;
            *count = count.saturating_add(slots).min(COUNT_CAP);
        }
        _ => items.push(Item { entry, slot, action: Action::Skip { reason: why, count: slots } }),
    }
}
