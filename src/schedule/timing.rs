//! When an entry fires: to everybody else a timing is only "the next slot after t".

use super::cron::Cron;
use super::interval::Interval;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// The set of an entry's slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Readings of the zone's wall clock.
    Cron(Cron),
    /// Equal steps of real time.
    Every(Interval),
    /// One instant.
    At(UnixMs),
}

impl Timing {
    /// The first slot strictly later than `after`, or `None` when there is none.
    ///
    /// Depends on nothing but its arguments.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        match self {
            Timing::Cron(cron) => cron.next(zone, after),
            Timing::Every(interval) => interval.next(after),
            Timing::At(slot) => (*slot > after).then_some(*slot),
        }
    }
}
