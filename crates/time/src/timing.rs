//! Timings of every kind, behind one interface.

use super::cron::{Cron, Quartz};
use super::instants::Instants;
use super::interval::Interval;
use super::rrule::Rrule;
use super::search::{count_between, newest_between};
use super::solar::Solar;
use super::union::Union;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// A day of 24 hours.
const DAY_MS: u128 = 86_400_000;

/// When something fires: a cron expression, a recurrence rule, an interval, listed instants or the sun.
///
/// Together with a [`Zone`] it is a set of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// A crontab line: readings of the zone's clock, to the minute.
    Cron(Cron),
    /// A Quartz line: readings of the zone's clock, to the second.
    Quartz(Box<Quartz>),
    /// Several of these: the union of their slots.
    Union(Union),
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
            Timing::Union(union) => union.next(zone, after),
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
            Timing::Union(union) => union.last_between(zone, after, until),
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
            Timing::Cron(_)
            | Timing::Quartz(_)
            | Timing::Union(_)
            | Timing::Rrule(_)
            | Timing::Solar(_) => count_between(|at| self.next(zone, at), after, until, cap),
        }
    }

    /// The canonical form, the same for every way of writing the timing; equal forms have equal slots.
    ///
    /// It begins with a version. New zone rules do not change it.
    #[must_use]
    pub fn canonical(&self, zone: &Zone) -> String {
        match self.reads_wall_clock() {
            true => format!("1 {} {}", self.form(), zone.name()),
            false => format!("1 {}", self.form()),
        }
    }

    /// The canonical form without the version and the zone.
    pub(super) fn form(&self) -> String {
        match self {
            Timing::Cron(cron) => cron.canonical(),
            Timing::Quartz(quartz) => quartz.canonical(),
            Timing::Union(union) => union.canonical(),
            Timing::Every(interval) => interval.canonical(),
            Timing::At(instants) => instants.canonical(),
            Timing::Rrule(rrule) => rrule.canonical(),
            Timing::Solar(solar) => solar.canonical(),
        }
    }

    /// The first reading at or after `from_s` that falls on `slot`, in seconds since 1970-01-01T00:00:00 on the wall.
    ///
    /// It is what the zone's clock shows at `slot`, or a reading that the clock skips and the slot makes up for. Right
    /// after a gap several may fall on one slot.
    pub(super) fn reading_on(&self, zone: &Zone, slot: UnixMs, from_s: i64) -> Option<i64> {
        match self {
            Timing::Cron(cron) => cron.reading_on(zone, slot, from_s),
            Timing::Quartz(quartz) => quartz.reading_on(zone, slot, from_s),
            Timing::Union(union) => union.reading_on(zone, slot, from_s),
            Timing::Rrule(rrule) => rrule.reading_on(zone, slot, from_s),
            Timing::Every(_) | Timing::At(_) | Timing::Solar(_) => {
                Some(zone.reading_at(slot)).filter(|reading| *reading >= from_s)
            }
        }
    }

    /// The maximum number of slots in a day of 24 hours. Where the clock is set back, a day may have more.
    #[must_use]
    pub fn times_a_day(&self) -> u64 {
        match self {
            Timing::Cron(cron) => cron.times_a_day().into(),
            Timing::Quartz(quartz) => quartz.times_a_day().into(),
            Timing::Union(union) => union.parts().iter().map(Timing::times_a_day).sum(),
            Timing::Rrule(rrule) => rrule.times_a_day().into(),
            Timing::Every(interval) => (DAY_MS / interval.period().as_millis()) as u64 + 1,
            Timing::At(instants) => instants.as_slice().len() as u64,
            // Rising and setting, near the poles.
            Timing::Solar(_) => 2,
        }
    }

    /// Whether slots are readings of the zone's clock, which may skip some and show others twice.
    #[must_use]
    pub fn reads_wall_clock(&self) -> bool {
        match self {
            Timing::Cron(_) | Timing::Quartz(_) | Timing::Union(_) | Timing::Rrule(_) => true,
            Timing::Every(_) | Timing::At(_) | Timing::Solar(_) => false,
        }
    }

    /// Whether a reading that the clock skips fires right after the gap.
    #[must_use]
    pub fn makes_up_for_gaps(&self) -> bool {
        match self {
            Timing::Cron(cron) => cron.is_fixed(),
            Timing::Quartz(quartz) => quartz.is_fixed(),
            Timing::Union(union) => union.parts().iter().any(Timing::makes_up_for_gaps),
            Timing::Rrule(_) => true,
            Timing::Every(_) | Timing::At(_) | Timing::Solar(_) => false,
        }
    }

    /// Whether each reading of the zone's clock fires once, even if the clock shows it twice.
    #[must_use]
    pub fn fires_once_a_reading(&self) -> bool {
        match self {
            Timing::Union(union) => union.parts().iter().all(Timing::fires_once_a_reading),
            Timing::Cron(_)
            | Timing::Quartz(_)
            | Timing::Every(_)
            | Timing::At(_)
            | Timing::Rrule(_)
            | Timing::Solar(_) => self.makes_up_for_gaps(),
        }
    }

    /// Describes the timing in plain English: `at 03:00 on Monday to Friday`.
    #[must_use]
    pub fn describe(&self, zone: &Zone) -> String {
        match self {
            Timing::Cron(cron) => cron.describe(),
            Timing::Quartz(quartz) => quartz.describe(),
            Timing::Union(union) => union.describe(zone),
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
            Timing::Every(_) | Timing::Solar(_) => 0,
            Timing::Cron(cron) => cron.heap_size(),
            Timing::Quartz(quartz) => quartz.size(),
            Timing::Union(union) => union.size(),
            Timing::At(instants) => size_of_val(instants.as_slice()),
            Timing::Rrule(rrule) => rrule.size(),
        }
    }
}

#[cfg(test)]
mod tests;
