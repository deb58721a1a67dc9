//! Excluded times: holidays, closing days, weekends, hours of the night.

use std::sync::Arc;

use uuid::Uuid;

use super::calendar::{DAY_S, Date, END_S, date_of, month_length, weekday_of};
use super::moved::Move;

/// A random constant; changing it would begin a new registration for every entry with excluded times.
const ROOT: Uuid = Uuid::from_u128(0xb04e_7a91_3c5d_5f26_8d70_e2a8_16f4_9bc3);

/// A set of excluded times of the zone's calendar: runs of days or parts of them, weekdays, days of every year,
/// and hours of every day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Except {
    /// Beginning and end of each run, sorted and not adjacent; readings in seconds since 1970, without the end.
    runs: Vec<(i64, i64)>,
    /// Bits 0 (Sunday) to 6.
    weekdays: u8,
    /// Weekdays that are excluded only as the first to the fifth in a month, or as the last.
    nth: [u8; 6],
    /// Days of every year, as month and day, sorted.
    yearly: Vec<(u8, u8)>,
    /// Beginning and end of each, sorted and not adjacent; seconds of the day, without the end.
    hours: Vec<(u32, u32)>,
}

/// One way to name excluded days, or parts of them; collect them into an [`Except`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// From one date to another, both included, counted in days from 1970-01-01.
    Run(i64, i64),
    /// From one reading up to, but not including, another one, in seconds since 1970-01-01T00:00:00 on the wall.
    Part(i64, i64),
    /// Weekdays, as bits 0 (Sunday) to 6.
    Weekdays(u8),
    /// Weekdays as the first to the fifth in a month, and as the last.
    Nth([u8; 6]),
    /// A month and a day of it, every year.
    Yearly(u8, u8),
    /// On every day from one second of the day up to, but not including, another one; over midnight if the other
    /// one is not later.
    Hours(u32, u32),
}

impl FromIterator<Days> for Except {
    fn from_iter<T: IntoIterator<Item = Days>>(days: T) -> Except {
        let mut except = Except::default();
        days.into_iter().for_each(|days| except.insert(days));
        except.normalize();
        except
    }
}

impl Except {
    fn insert(&mut self, days: Days) {
        const MIDNIGHT: u32 = DAY_S as u32;
        match days {
            Days::Run(first, last) => self.runs.push((first * DAY_S, (last + 1) * DAY_S)),
            Days::Part(from, to) => self.runs.push((from, to)),
            Days::Weekdays(weekdays) => self.weekdays |= weekdays,
            Days::Nth(nth) => {
                self.nth.iter_mut().zip(nth).for_each(|(all, weekdays)| *all |= weekdays);
            }
            Days::Yearly(month, day) => self.yearly.push((month, day)),
            Days::Hours(from, to) if from < to => self.hours.push((from, to)),
            Days::Hours(from, to) => self.hours.extend([(0, to), (from, MIDNIGHT)]),
        }
    }

    /// Adds the times of another set.
    pub fn add(&mut self, other: &Except) {
        self.runs.extend_from_slice(&other.runs);
        self.weekdays |= other.weekdays;
        self.insert(Days::Nth(other.nth));
        self.yearly.extend_from_slice(&other.yearly);
        self.hours.extend_from_slice(&other.hours);
        self.normalize();
    }

    fn normalize(&mut self) {
        join(&mut self.runs);
        join(&mut self.hours);
        self.yearly.sort_unstable();
        self.yearly.dedup();
    }

    /// Whether these sets together exclude every time.
    #[must_use]
    pub fn are_always(all: &[Arc<Except>]) -> bool {
        let mut hours: Vec<_> = all.iter().flat_map(|except| &except.hours).copied().collect();
        join(&mut hours);
        // Each date comes on every weekday. Runs end.
        let lengths = |month| month_length(2001, month)..=month_length(2000, month);
        let months = (1..=12).flat_map(|month| lengths(month).map(move |length| (month, length)));
        let mut days = months.flat_map(|(month, length)| {
            (1..=length).flat_map(move |day| (0..7).map(move |week| (month, length, day, week)))
        });
        hours == [(0, DAY_S as u32)]
            || days.all(|(month, length, day, weekday)| {
                let day = Day { month, length, day, weekday };
                all.iter().any(|except| except.repeats(day))
            })
    }

    /// The first reading at or after `at` that is not excluded, both in seconds; `None` if year 9999 ends before
    /// it.
    ///
    /// Works from year 1 on. Walks day by day if only a few days are left.
    #[must_use]
    pub(crate) fn free_from(&self, mut at: i64) -> Option<i64> {
        let mut runs = self.runs[self.runs.partition_point(|run| run.1 <= at)..].iter().peekable();
        while at < END_S {
            if let Some((_, end)) = runs.next_if(|(first, _)| *first <= at) {
                at = at.max(*end);
                continue;
            }
            let day = at.div_euclid(DAY_S);
            at = match self.hours_end(at) {
                _ if self.repeats_on(day) => (day + 1) * DAY_S,
                Some(end) => day * DAY_S + end,
                None => return Some(at),
            };
        }
        None
    }

    /// Whether it excludes the whole day, counted from 1970-01-01, not counting hours of every day.
    #[must_use]
    pub fn holds(&self, day: i64) -> bool {
        let run = self.runs.get(self.runs.partition_point(|run| run.1 <= day * DAY_S));
        run.is_some_and(|run| run.0 <= day * DAY_S && run.1 >= (day + 1) * DAY_S)
            || self.repeats_on(day)
    }

    /// Whether it has whole weekdays, such as every Saturday.
    #[must_use]
    pub fn names_weekdays(&self) -> bool {
        self.weekdays != 0
    }

    /// On how many days in a row, from that of the reading on, its time of day is surely excluded: at least one if
    /// it is on this day. Hours of every day do not count.
    pub(super) fn days_on(&self, at: i64, to: Move) -> i64 {
        let run = self.runs.get(self.runs.partition_point(|run| run.1 <= at));
        match run.filter(|run| run.0 <= at) {
            Some((from, _)) if to == Move::Previous => (at - from) / DAY_S + 1,
            Some((_, end)) => (end - at + DAY_S - 1) / DAY_S,
            None => self.repeats_on(at.div_euclid(DAY_S)).into(),
        }
    }

    /// Whether the whole day is left, not counting hours of every day.
    pub(super) fn leaves_day(&self, day: i64) -> bool {
        let run = self.runs.get(self.runs.partition_point(|run| run.1 <= day * DAY_S));
        run.is_none_or(|run| run.0 >= (day + 1) * DAY_S) && !self.repeats_on(day)
    }

    /// Whether the reading's time of day is excluded every day.
    pub(super) fn has_time_of(&self, at: i64) -> bool {
        self.hours_end(at).is_some()
    }

    /// The end of the excluded hours that a reading is in, in seconds of its day.
    fn hours_end(&self, at: i64) -> Option<i64> {
        let second = at.rem_euclid(DAY_S) as u32;
        let hours = self.hours.iter().find(|(from, to)| (*from..*to).contains(&second));
        hours.map(|(_, to)| i64::from(*to))
    }

    fn repeats_on(&self, day: i64) -> bool {
        if self.yearly.is_empty() && self.nth == [0; 6] {
            return self.weekdays >> weekday_of(day) & 1 == 1;
        }
        let weekday = weekday_of(day);
        let Date { year, month, day } = date_of(day);
        self.repeats(Day { month, length: month_length(year, month), day, weekday })
    }

    fn repeats(&self, date: Day) -> bool {
        let Day { month, length, day, weekday } = date;
        let is_in = |weekdays: u8| weekdays >> weekday & 1 == 1;
        let is_last = day + 7 > length;
        is_in(self.weekdays)
            || is_in(self.nth[(day as usize - 1) / 7])
            || is_last && is_in(self.nth[5])
            || self.yearly.binary_search(&(month as u8, day as u8)).is_ok()
    }

    /// The canonical form of all times in these sets.
    pub(super) fn hash_of(all: &[Arc<Except>]) -> Uuid {
        let mut together = Except::default();
        all.iter().for_each(|except| together.add(except));
        together.canonical()
    }

    /// The same for every way of naming the same times; short, however many there are. What is not there does not
    /// show, so that sets of whole days have the form that they always had.
    fn canonical(&self) -> Uuid {
        let (days, parts) = self.days_and_parts();
        let mut text = format!("{days:?} {} {:?}", self.weekdays, self.yearly);
        if self.nth != [0; 6] {
            text += &format!(" nth {:?}", self.nth);
        }
        if !parts.is_empty() {
            text += &format!(" parts {parts:?}");
        }
        if !self.hours.is_empty() {
            text += &format!(" hours {:?}", self.hours);
        }
        Uuid::new_v5(&ROOT, text.as_bytes())
    }

    /// The whole days of the runs, as first and last, and what remains.
    fn days_and_parts(&self) -> (Spans, Spans) {
        let (mut days, mut parts) = (Vec::new(), Vec::new());
        for (from, to) in self.runs.iter().copied() {
            let (first, end) = ((from + DAY_S - 1).div_euclid(DAY_S), to.div_euclid(DAY_S));
            if first >= end {
                parts.push((from, to));
                continue;
            }
            days.push((first, end - 1));
            let rests = [(from, first * DAY_S), (end * DAY_S, to)];
            parts.extend(rests.into_iter().filter(|(from, to)| from < to));
        }
        (days, parts)
    }
}

/// First and last days, or beginnings and ends.
type Spans = Vec<(i64, i64)>;

/// A date as far as it repeats.
#[derive(Clone, Copy)]
struct Day {
    month: u32,
    /// Of the month.
    length: u32,
    day: u32,
    weekday: u32,
}

/// Sorts ranges without their ends, and joins those that overlap or touch.
fn join<T: Ord + Copy>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|later, range| {
        let is_joined = later.0 <= range.1;
        if is_joined {
            range.1 = range.1.max(later.1);
        }
        is_joined
    });
    ranges.retain(|(from, to)| from < to);
}

#[cfg(test)]
mod tests;
