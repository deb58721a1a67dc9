//! Searches that ask a series of slots only for its next one.

use super::unix_ms::UnixMs;

/// The first window in which the newest slot is searched for.
const FIRST_WINDOW_MS: i64 = 60_000;

/// The newest slot of `next` that is later than `after` and not later than `until`, in at most a few dozen
/// steps.
pub(super) fn newest_between(
    next: impl Fn(UnixMs) -> Option<UnixMs>,
    after: UnixMs,
    until: UnixMs,
) -> Option<UnixMs> {
    let next_until = |at, until| next(at).filter(|slot| *slot <= until);
    let (mut slot, mut empty_from) = look_back(next_until, after, until)?;
    // One slot is known, and an instant after which there is none: halve the time between.
    while let Some(next) = next_until(slot, empty_from) {
        slot = next;
        let middle = UnixMs(slot.0 + (empty_from.0 - slot.0) / 2);
        match next_until(middle, empty_from) {
            Some(later) => slot = later,
            None => empty_from = middle,
        }
    }
    Some(slot)
}

/// A slot in `(after, until]`, and an instant after which there is none; windows before `until` grow until one
/// has a slot.
fn look_back(
    next_until: impl Fn(UnixMs, UnixMs) -> Option<UnixMs>,
    after: UnixMs,
    until: UnixMs,
) -> Option<(UnixMs, UnixMs)> {
    let (mut window_ms, mut empty_from) = (FIRST_WINDOW_MS, until);
    loop {
        // The widest window reaches back to `after`, wherever it is.
        let from = match window_ms {
            i64::MAX => after,
            _ => UnixMs(until.0.saturating_sub(window_ms)).max(after),
        };
        match next_until(from, until) {
            Some(slot) => return Some((slot, empty_from)),
            // The widest window reaches back before every slot.
            None if from == after || window_ms == i64::MAX => return None,
            None => empty_from = from,
        }
        window_ms = window_ms.saturating_mul(8);
    }
}

/// The number of slots of `next` that are later than `after` and not later than `until`, counted up to `cap`.
pub(super) fn count_between(
    next: impl Fn(UnixMs) -> Option<UnixMs>,
    after: UnixMs,
    until: UnixMs,
    cap: u64,
) -> u64 {
    let (mut count, mut slot) = (0, after);
    while count < cap {
        match next(slot) {
            Some(next) if next <= until => slot = next,
            _ => break,
        }
        count += 1;
    }
    count
}
