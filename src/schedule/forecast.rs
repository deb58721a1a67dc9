//! Forecasts the load of a schedule on its queues: how many messages are due when.
//!
//! Counts exactly, by due time. Slots are walked a day at a time, so memory depends only on the length of the
//! range in minutes; ranges that would take too many steps are refused.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::{Timing, UnixMs};

use super::entry::Entry;

/// The longest range: a year, leap or not.
pub const MAX_RANGE: Duration = Duration::from_secs(366 * 86_400);
/// The number of busiest seconds reported.
pub const BUSIEST: usize = 10;
/// The number of entries named for each of them.
pub const NAMED: usize = 3;

/// The maximum number of steps, each a search for a slot of about 50 ns; a few seconds in all.
const MAX_STEPS: u64 = 100_000_000;

const MINUTE_MS: i64 = 60_000;
const DAY: Duration = Duration::from_secs(86_400);
/// The shortest time between two slots.
const INSTANT: Duration = Duration::from_millis(1);

/// The number of messages due in each minute, and where they pile up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The first minute.
    pub from: UnixMs,
    /// Slots in each minute from `from` on.
    pub minutes: Vec<u64>,
    /// At most [`BUSIEST`], the one with most slots first; among equal ones the earliest.
    pub busiest: Vec<Second>,
    /// The queues of all entries counted, sorted by name.
    pub queues: Vec<QueueLoad>,
}

/// One of the busiest seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Second {
    /// Its beginning.
    pub at: UnixMs,
    /// Slots in it.
    pub slots: u64,
    /// At most [`NAMED`] of its entries, sorted by name.
    pub entries: Vec<Arc<str>>,
    /// The number of further entries.
    pub more: usize,
}

/// The load of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLoad {
    /// Its name.
    pub name: Arc<str>,
    /// Slots in all.
    pub slots: u64,
    /// Slots in the queue's busiest minute.
    pub peak: u64,
}

/// Why there is no forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForecastError {
    /// `from` or `to` is not a whole minute.
    #[error("{0} is not a whole minute; slots are counted by the minute")]
    NotWhole(UnixMs),
    /// The range ends where it begins, or before.
    #[error("the range from {from} to {to} is empty")]
    Empty {
        /// As asked.
        from: UnixMs,
        /// As asked.
        to: UnixMs,
    },
    /// The range is longer than [`MAX_RANGE`].
    #[error("the range from {from} to {to} is longer than 366 days; ask for a part of it")]
    TooLong {
        /// As asked.
        from: UnixMs,
        /// As asked.
        to: UnixMs,
    },
    /// The range has too many slots.
    #[error("there are too many slots to count; ask for a shorter range")]
    TooMany,
}

impl Forecast {
    /// Counts the slots of `entries`, sorted by name, that are due from `from` up to but not including `to`;
    /// disabled entries have none.
    ///
    /// # Errors
    ///
    /// When the range is not in whole minutes, empty or too long, or has too many slots.
    pub fn of(entries: &[Entry], from: UnixMs, to: UnixMs) -> Result<Forecast, ForecastError> {
        Forecast::within(MAX_STEPS, entries, from, to)
    }

    fn within(
        mut steps: u64,
        entries: &[Entry],
        from: UnixMs,
        to: UnixMs,
    ) -> Result<Forecast, ForecastError> {
        check(from, to)?;
        let enabled: Vec<&Entry> = entries.iter().filter(|entry| entry.enabled).collect();
        let mut courses: Vec<Course<'_>> =
            enabled.iter().map(|entry| Course::new(entry, from)).collect();
        courses.sort_by(|a, b| a.queue().cmp(b.queue()));
        let mut forecast =
            Forecast { from, minutes: Vec::new(), busiest: Vec::new(), queues: queues(&courses) };
        let mut day_begins = from;
        while day_begins < to {
            let day = Day { from: day_begins, to: to.min(day_begins + DAY) };
            forecast.count_day(&mut courses, day, &mut steps)?;
            day_begins = day.to;
        }
        for second in &mut forecast.busiest {
            second.name_entries(&enabled);
        }
        Ok(forecast)
    }

    /// The total number of slots.
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.minutes.iter().sum()
    }

    fn count_day(
        &mut self,
        courses: &mut [Course<'_>],
        day: Day,
        steps: &mut u64,
    ) -> Result<(), ForecastError> {
        let first = self.minutes.len();
        self.minutes.resize(first + day.minutes(), 0);
        let mut counts = Counts::new(day);
        let by_queue = courses.chunk_by_mut(|a, b| a.queue() == b.queue());
        for (courses, queue) in by_queue.zip(&mut self.queues) {
            for course in courses {
                let taken = course.count(&mut counts);
                *steps = steps.checked_sub(taken).ok_or(ForecastError::TooMany)?;
            }
            for (minute, slots) in self.minutes[first..].iter_mut().zip(counts.take_minutes()) {
                queue.slots += slots;
                queue.peak = queue.peak.max(slots);
                *minute += slots;
            }
        }
        for (at, slots) in counts.seconds() {
            self.offer(at, slots);
        }
        Ok(())
    }

    /// Keeps a second if it is among the busiest; seconds come in order.
    fn offer(&mut self, at: UnixMs, slots: u64) {
        let full = self.busiest.len() == BUSIEST;
        if slots == 0 || full && self.busiest.last().is_some_and(|last| last.slots >= slots) {
            return;
        }
        let place = self.busiest.partition_point(|second| second.slots >= slots);
        self.busiest.truncate(BUSIEST - 1);
        self.busiest.insert(place, Second { at, slots, entries: Vec::new(), more: 0 });
    }
}

fn check(from: UnixMs, to: UnixMs) -> Result<(), ForecastError> {
    if let Some(odd) = [from, to].into_iter().find(|at| at.0 % MINUTE_MS != 0) {
        return Err(ForecastError::NotWhole(odd));
    }
    if from >= to {
        return Err(ForecastError::Empty { from, to });
    }
    if to.since(from) > MAX_RANGE {
        return Err(ForecastError::TooLong { from, to });
    }
    Ok(())
}

/// The load of the queues of courses that are sorted by queue.
fn queues(courses: &[Course<'_>]) -> Vec<QueueLoad> {
    let runs = courses.chunk_by(|a, b| a.queue() == b.queue());
    runs.map(|run| QueueLoad { name: Arc::clone(run[0].queue()), slots: 0, peak: 0 }).collect()
}

impl Second {
    fn name_entries(&mut self, entries: &[&Entry]) {
        let end = self.at + Duration::from_secs(1);
        for entry in entries {
            let first = first_due(entry, self.at);
            if first.is_none_or(|slot| entry.due(slot) >= end) {
                continue;
            }
            match self.entries.len() {
                NAMED => self.more += 1,
                _ => self.entries.push(Arc::clone(&entry.name)),
            }
        }
    }
}

/// The first slot whose message is due at or after `from`.
fn first_due(entry: &Entry, from: UnixMs) -> Option<UnixMs> {
    entry.next_slot(entry.due_through(UnixMs::MIN, from - INSTANT))
}

/// A part of the range: at most a day, in whole minutes.
#[derive(Clone, Copy)]
struct Day {
    from: UnixMs,
    to: UnixMs,
}

impl Day {
    fn minutes(self) -> usize {
        (self.to.since(self.from).as_secs() / 60) as usize
    }
}

/// The counts of a day: minutes per queue, seconds for all queues together.
struct Counts {
    day: Day,
    minutes: Vec<u64>,
    seconds: Vec<u64>,
    /// Slots of this queue in every second, in addition.
    steady: u64,
    /// The same for all earlier queues.
    steady_before: u64,
}

impl Counts {
    fn new(day: Day) -> Counts {
        let minutes = day.minutes();
        let (minutes, seconds) = (vec![0; minutes], vec![0; minutes * 60]);
        Counts { day, minutes, seconds, steady: 0, steady_before: 0 }
    }

    fn add(&mut self, due: UnixMs) {
        let second = due.since(self.day.from).as_secs() as usize;
        self.seconds[second] += 1;
        self.minutes[second / 60] += 1;
    }

    /// Takes the queue's minutes, and starts at zero for the next queue.
    fn take_minutes(&mut self) -> impl Iterator<Item = u64> {
        let steady = mem::take(&mut self.steady);
        self.steady_before += steady;
        self.minutes.iter_mut().map(move |slots| mem::take(slots) + 60 * steady)
    }

    fn seconds(&self) -> impl Iterator<Item = (UnixMs, u64)> {
        let at = |index: usize| self.day.from + Duration::from_secs(index as u64);
        let seconds = self.seconds.iter().enumerate();
        seconds.map(move |(index, slots)| (at(index), slots + self.steady_before))
    }
}

/// An entry, and how far its slots have been counted.
struct Course<'a> {
    entry: &'a Entry,
    /// The first slot not counted yet.
    slot: Option<UnixMs>,
}

impl<'a> Course<'a> {
    fn new(entry: &'a Entry, from: UnixMs) -> Course<'a> {
        Course { entry, slot: first_due(entry, from) }
    }

    fn queue(&self) -> &'a Arc<str> {
        &self.entry.message.queue.name
    }

    /// Counts the slots due in the day, and returns the number of steps taken.
    fn count(&mut self, counts: &mut Counts) -> u64 {
        if let Some(slots) = every_second(self.entry) {
            counts.steady += slots;
            return 1;
        }
        let mut steps = 1;
        while let Some(slot) = self.slot.filter(|slot| *slot < counts.day.to) {
            let due = self.entry.due(slot);
            if due >= counts.day.to {
                break;
            }
            counts.add(due);
            self.slot = self.entry.next_slot(slot);
            steps += 1;
        }
        steps
    }
}

/// The number of slots in each whole second, if it is always the same: there may be too many to walk.
fn every_second(entry: &Entry) -> Option<u64> {
    let Timing::Every(interval) = &entry.timing else { return None };
    let period_ms = u64::try_from(interval.period().as_millis()).ok()?;
    let plain = entry.bounds.is_none() && entry.delay.is_none();
    (plain && 1000_u64.is_multiple_of(period_ms)).then(|| 1000 / period_ms)
}

#[cfg(test)]
mod tests;
