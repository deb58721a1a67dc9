//! Timings: when an entry fires. All other code only asks for the next slot after an instant.

use super::cron::{Cron, Quartz};
use super::instants::Instants;
use super::interval::Interval;
use super::rrule::Rrule;
use super::solar::Solar;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// The timing of an entry: the set of its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Readings of the zone's wall clock.
    Cron(Cron),
    /// Readings of the zone's wall clock, down to the second, in some years.
    Quartz(Box<Quartz>),
    /// Equal intervals of real time.
    Every(Interval),
    /// Instants listed one by one.
    At(Instants),
    /// A recurrence rule of RFC 5545 over the zone's wall clock.
    Rrule(Box<Rrule>),
    /// Events of the sun at a place.
    Solar(Solar),
}

// There may be a million of them.
const _: () = assert!(size_of::<Timing>() <= 32);

/// The first window in which the newest slot is searched for.
const FIRST_WINDOW_MS: i64 = 60_000;

impl Timing {
    /// The first slot strictly later than `after`, or `None` if there is none.
    ///
    /// Depends only on its arguments.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        match self {
            Timing::Cron(cron) => cron.next(zone, after),
            Timing::Quartz(quartz) => quartz.next(zone, after),
            Timing::Every(interval) => interval.next(after),
            Timing::At(instants) => instants.next(after),
            Timing::Rrule(rrule) => rrule.next(zone, after),
            Timing::Solar(solar) => solar.next(after),
        }
    }

    /// The newest slot that is later than `after` and not later than `until`.
    ///
    /// Costs a few dozen steps at most, however long the time between the two.
    #[must_use]
    pub fn last_between(&self, zone: &Zone, after: UnixMs, until: UnixMs) -> Option<UnixMs> {
        match self {
            Timing::Every(interval) => interval.latest(until).filter(|slot| *slot > after),
            Timing::At(instants) => instants.latest(until).filter(|slot| *slot > after),
            Timing::Cron(_) | Timing::Quartz(_) | Timing::Rrule(_) | Timing::Solar(_) => {
                newest_between(|at| self.next(zone, at), after, until)
            }
        }
    }

    /// The number of slots later than `after` and not later than `until`, counted up to `cap`.
    #[must_use]
    pub fn count_between(&self, zone: &Zone, after: UnixMs, until: UnixMs, cap: u64) -> u64 {
        match self {
            Timing::Every(interval) => interval.count_between(after, until).min(cap),
            Timing::At(instants) => instants.count_between(after, until).min(cap),
            Timing::Cron(_) | Timing::Quartz(_) | Timing::Rrule(_) | Timing::Solar(_) => {
                count_between(|at| self.next(zone, at), after, until, cap)
            }
        }
    }

    /// The timing in canonical form, with a version: the same for all ways of writing it. Neither the layout of
    /// a file nor new zone rules change it, and equal forms have equal slots.
    #[must_use]
    pub fn canonical(&self, zone: &Zone) -> String {
        match self {
            Timing::Cron(cron) => format!("1 {} {}", cron.canonical(), zone.name()),
            Timing::Quartz(quartz) => format!("1 {} {}", quartz.canonical(), zone.name()),
            Timing::Every(interval) => format!("1 {}", interval.canonical()),
            Timing::At(instants) => format!("1 {}", instants.canonical()),
            Timing::Rrule(rrule) => format!("1 {} {}", rrule.canonical(), zone.name()),
            Timing::Solar(solar) => format!("1 {}", solar.canonical()),
        }
    }

    /// Whether slots are readings of the zone's clock, which may skip some and show others twice.
    #[must_use]
    pub fn reads_wall_clock(&self) -> bool {
        match self {
            Timing::Cron(_) | Timing::Quartz(_) | Timing::Rrule(_) => true,
            Timing::Every(_) | Timing::At(_) | Timing::Solar(_) => false,
        }
    }

    /// Whether readings that the clock skips fire right after the gap.
    #[must_use]
    pub fn makes_up_for_gaps(&self) -> bool {
        match self {
            Timing::Cron(cron) => cron.is_fixed(),
            Timing::Quartz(quartz) => quartz.is_fixed(),
            Timing::Rrule(_) => true,
            Timing::Every(_) | Timing::At(_) | Timing::Solar(_) => false,
        }
    }

    /// Describes it in plain English: `at 03:00 on Monday to Friday`.
    #[must_use]
    pub fn describe(&self, zone: &Zone) -> String {
        match self {
            Timing::Cron(cron) => cron.describe(),
            Timing::Quartz(quartz) => quartz.describe(),
            Timing::Every(interval) => interval.describe(),
            Timing::At(instants) => instants.describe(zone),
            Timing::Rrule(rrule) => rrule.describe(),
            Timing::Solar(solar) => solar.describe(),
        }
    }

    /// The size in bytes of what it boxes.
    pub(crate) fn boxed_size(&self) -> usize {
        match self {
            Timing::Cron(_) | Timing::Every(_) | Timing::Solar(_) => 0,
            Timing::Quartz(quartz) => quartz.size(),
            Timing::At(instants) => size_of_val(instants.as_slice()),
            Timing::Rrule(rrule) => rrule.size(),
        }
    }
}

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

#[cfg(test)]
mod tests;
