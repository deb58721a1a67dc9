//! Timings of every kind, behind one interface.

use super::cron::{Cron, Quartz};
use super::instants::Instants;
use super::interval::Interval;
use super::rrule::Rrule;
use super::search::{count_between, newest_between};
use super::solar::Solar;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// When something fires: a cron expression, a recurrence rule, an interval, listed instants or the sun.
///
/// Together with a [`Zone`] it is a set of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// A crontab line: readings of the zone's clock, to the minute.
    Cron(Cron),
    /// A Quartz line: readings of the zone's clock, to the second.
    Quartz(Box<Quartz>),
    /// Equal intervals of real time.
    Every(Interval),
    /// Instants listed one by one.
    At(Instants),
    /// A recurrence rule of RFC 5545 over readings of the zone's clock.
    Rrule(Box<Rrule>),
    /// Events of the sun at a place.
    Solar(Solar),
}

// There may be a million of them.
const _: () = assert!(size_of::<Timing>() <= 32);

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

    /// The canonical form, the same for every way of writing the timing; equal forms have equal slots.
    ///
    /// It begins with a version. New zone rules do not change it.
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

    /// Whether a reading that the clock skips fires right after the gap.
    #[must_use]
    pub fn makes_up_for_gaps(&self) -> bool {
        match self {
            Timing::Cron(cron) => cron.is_fixed(),
            Timing::Quartz(quartz) => quartz.is_fixed(),
            Timing::Rrule(_) => true,
            Timing::Every(_) | Timing::At(_) | Timing::Solar(_) => false,
        }
    }

    /// Describes the timing in plain English: `at 03:00 on Monday to Friday`.
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

    /// The size of what the timing keeps on the heap, in bytes.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        match self {
            Timing::Cron(_) | Timing::Every(_) | Timing::Solar(_) => 0,
            Timing::Quartz(quartz) => quartz.size(),
            Timing::At(instants) => size_of_val(instants.as_slice()),
            Timing::Rrule(rrule) => rrule.size(),
        }
    }
}

#[cfg(test)]
mod tests;
