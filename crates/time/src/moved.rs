//! Slots that move to another day because their own is excluded.
//!
//! A slot keeps its time of day, and goes to the nearest day, later or earlier, on which that time is not excluded.
//! The order of slots never changes: one that would reach or pass a slot that follows it (to an earlier day: that
//! precedes it) is dropped, for that one does its work. So of several slots that move to one instant, one remains.
//!
//! Where a slot goes depends on nothing but the timing, the zone and the excluded times.

use std::fmt;
use std::str::FromStr;

use super::bounds::{Bounds, INSTANT, MAX_EXCLUDED, Readings};
use super::calendar::{DAY_S, END_S};
use super::origin::{Moment, Origin};
use super::timing::Timing;
use super::unix_ms::UnixMs;
use super::wall::{instant_at, to_civil};
use super::zone::Zone;

/// No slot moves further, in days. A slot that finds no day within a year is left out.
pub const MAX_MOVE_DAYS: i64 = 366;

/// Where a slot goes whose day is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// To the nearest later day.
    Next,
    /// To the nearest earlier day.
    Previous,
}

/// A timing whose slots move.
pub(super) struct Moves<'a> {
    pub(super) timing: &'a Timing,
    pub(super) zone: &'a Zone,
    pub(super) bounds: &'a Bounds,
    pub(super) to: Move,
}

/// Where a slot of the timing goes.
pub(super) enum Goes {
    To(Origin),
    /// It is left out, and so is every other one up to this instant.
    Nowhere(UnixMs),
}

impl Moves<'_> {
    /// The first slot strictly later than `after`.
    pub(super) fn next(&self, after: UnixMs) -> Option<Origin> {
        match self.to {
            Move::Next => self.next_from_before(after),
            Move::Previous => self.next_from_later(after),
        }
    }

    /// Slots move to an earlier day: of those that come after `after`, the first that stays after it.
    fn next_from_later(&self, after: UnixMs) -> Option<Origin> {
        let (mut from, mut dropped) = (after, 0);
        while dropped < MAX_EXCLUDED {
            let nominal = self.timing.next(self.zone, from)?;
            (from, dropped) = match self.place(nominal)? {
                Goes::To(origin) if origin.slot.at > after => return Some(origin),
                Goes::To(_) => (nominal, 0),
                Goes::Nowhere(until) => (nominal.max(until), dropped + 1),
            };
        }
        None
    }

    /// Slots move to a later day. One that goes to `after` or before drops all that precede it. Of those that follow
    /// the last such slot, the one that goes to the earliest instant.
    fn next_from_before(&self, after: UnixMs) -> Option<Origin> {
        let mut from = self.all_settled_before(after);
        let (mut best, mut dropped): (Option<Origin>, _) = (None, 0);
        while dropped < MAX_EXCLUDED
            && let Some(nominal) = self.timing.next(self.zone, from)
            && best.is_none_or(|best| nominal <= best.slot.at)
        {
            (from, dropped) = match self.place(nominal) {
                Some(Goes::To(origin)) => {
                    let earlier = best.filter(|best| best.slot.at < origin.slot.at);
                    best = (origin.slot.at > after).then(|| earlier.unwrap_or(origin));
                    (nominal, 0)
                }
                Some(Goes::Nowhere(until)) => (nominal.max(until), dropped + 1),
                None => break,
            };
        }
        best
    }

    /// An instant up to which no slot of the timing goes beyond `after`. Every slot stops at the latest on the next
    /// day that is left as a whole, and within [`MAX_MOVE_DAYS`].
    fn all_settled_before(&self, after: UnixMs) -> UnixMs {
        // If the clock is set back over midnight, a day comes twice.
        let last = self.zone.reading_at(after).div_euclid(DAY_S) - 1;
        let is_left = |day: &i64| self.bounds.except.iter().all(|except| except.leaves_day(*day));
        let day = (last - MAX_MOVE_DAYS..last).rev().find(is_left);
        let day = day.map_or(last - MAX_MOVE_DAYS, |left| left + 1).max(0);
        let begins = instant_at(self.zone, day * DAY_S * 1000);
        // In a zone that has left out the day, a day earlier does as well.
        begins.unwrap_or_else(|| UnixMs::from_secs((day - 1) * DAY_S)) - INSTANT
    }

    /// Where a slot of the timing goes; `None` if nothing is left up to the end of year 9999.
    pub(super) fn place(&self, nominal: UnixMs) -> Option<Goes> {
        let (reading, free) = match self.bounds.readings(self.timing, self.zone, nominal)? {
            Readings::Left(reading) => {
                return Some(Goes::To(Moment::new(nominal, reading).into()));
            }
            Readings::Excluded(first, free) => (first, free),
        };
        let nominal = Moment::new(nominal, reading);
        if self.bounds.except.iter().any(|except| except.has_time_of(reading)) {
            // The same time of day is excluded on every other day, too.
            return Some(Goes::Nowhere(nominal.at));
        }
        Some(match self.nearest_day(nominal.at, reading) {
            Some(slot) => Goes::To(Origin { slot, nominal }),
            None => Goes::Nowhere(self.first_with_a_day(free)),
        })
    }

    /// The same time on the nearest day that is left.
    fn nearest_day(&self, nominal: UnixMs, reading: i64) -> Option<Moment> {
        let mut days = 0;
        while days <= MAX_MOVE_DAYS {
            let there = match self.to {
                Move::Next => reading + days * DAY_S,
                Move::Previous => reading - days * DAY_S,
            };
            if !(0..END_S).contains(&there) {
                return None;
            }
            let excluded = self.bounds.except.iter().map(|except| except.days_on(there, self.to));
            days += match excluded.max() {
                None | Some(0) => {
                    let at = instant_at(self.zone, there * 1000 + nominal.0.rem_euclid(1000));
                    match at {
                        Some(at) => return Some(Moment::new(at, there)),
                        None => 1,
                    }
                }
                Some(days) => days,
            };
        }
        None
    }

    /// The instant up to which slots find no day, given the first reading that is not excluded.
    fn first_with_a_day(&self, free: i64) -> UnixMs {
        let reading = match self.to {
            Move::Next => free - (MAX_MOVE_DAYS + 1) * DAY_S,
            Move::Previous => free - DAY_S,
        };
        self.zone.resolve(to_civil(reading.max(0) * 1000)) - INSTANT
    }
}

/// Shows `next` or `previous`.
impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Move::Next => "next",
            Move::Previous => "previous",
        })
    }
}

/// Reads what is shown.
impl FromStr for Move {
    type Err = ();

    fn from_str(text: &str) -> Result<Move, ()> {
        match text {
            "next" => Ok(Move::Next),
            "previous" => Ok(Move::Previous),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests;
