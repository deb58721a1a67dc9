//! Excluded days: holidays, closing days, weekends.

use std::sync::Arc;

use uuid::Uuid;

use super::calendar::{Date, date_of, weekday_of};

/// The last day of year 9999, counted from 1970-01-01.
const LAST_DAY: i64 = 2_932_896;

/// A random constant; changing it would begin a new registration for every entry with excluded days.
const ROOT: Uuid = Uuid::from_u128(0xb04e_7a91_3c5d_5f26_8d70_e2a8_16f4_9bc3);

/// A set of excluded days: runs of dates, weekdays, and days of every year.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Except {
    /// First and last day of each run, sorted and not adjacent.
    runs: Vec<(i64, i64)>,
    /// Bits 0 (Sunday) to 6.
    weekdays: u8,
    /// Days of every year, as month and day, sorted.
    yearly: Vec<(u8, u8)>,
}

/// One way to name excluded days; collect them into an [`Except`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// From one date to another, both included, counted in days from 1970-01-01.
    Run(i64, i64),
    /// Weekdays, as bits 0 (Sunday) to 6.
    Weekdays(u8),
    /// A month and a day of it, every year.
    Yearly(u8, u8),
}

impl FromIterator<Days> for Except {
    fn from_iter<T: IntoIterator<Item = Days>>(days: T) -> Except {
        let mut except = Except::default();
        for days in days {
            match days {
                Days::Run(first, last) => except.runs.push((first, last)),
                Days::Weekdays(weekdays) => except.weekdays |= weekdays,
                Days::Yearly(month, day) => except.yearly.push((month, day)),
            }
        }
        except.normalize();
        except
    }
}

impl Except {
    /// Adds the days of another set.
    pub fn add(&mut self, other: &Except) {
        self.runs.extend_from_slice(&other.runs);
        self.weekdays |= other.weekdays;
        self.yearly.extend_from_slice(&other.yearly);
        self.normalize();
    }

    fn normalize(&mut self) {
        self.runs.sort_unstable();
        self.runs.dedup_by(|later, run| {
            let joined = later.0 <= run.1 + 1;
            if joined {
                run.1 = run.1.max(later.1);
            }
            joined
        });
        self.yearly.sort_unstable();
        self.yearly.dedup();
    }

    /// Whether these sets together exclude every day.
    #[must_use]
    pub fn are_every_day(all: &[Arc<Except>]) -> bool {
        let weekdays = all.iter().fold(0, |days, except| days | except.weekdays);
        let mut yearly: Vec<_> = all.iter().flat_map(|except| &except.yearly).collect();
        yearly.sort_unstable();
        yearly.dedup();
        // Each of the other days comes within 40 years, on every weekday.
        weekdays == 0x7f || yearly.len() == 366
    }

    /// The first day at or after `day` that is not excluded; `None` if year 9999 ends before it.
    ///
    /// Works from year 1 on. Walks day by day if only a few days are left.
    #[must_use]
    pub(crate) fn free_from(&self, mut day: i64) -> Option<i64> {
        let mut runs = self.runs[self.runs.partition_point(|run| run.1 < day)..].iter().peekable();
        while day <= LAST_DAY {
            match runs.peek() {
                Some((first, last)) if *first <= day => {
                    day = day.max(last + 1);
                    runs.next();
                }
                _ if self.repeats_on(day) => day += 1,
                _ => return Some(day),
            }
        }
        None
    }

    fn repeats_on(&self, day: i64) -> bool {
        self.weekdays >> weekday_of(day) & 1 == 1
            || !self.yearly.is_empty() && {
                let Date { month, day, .. } = date_of(day);
                self.yearly.binary_search(&(month as u8, day as u8)).is_ok()
            }
    }

    /// The canonical form of all days in these sets.
    pub(super) fn hash_of(all: &[Arc<Except>]) -> Uuid {
        let mut together = Except::default();
        all.iter().for_each(|except| together.add(except));
        together.canonical()
    }

    /// The same for every way of naming the same days; short, however many there are.
    fn canonical(&self) -> Uuid {
        let text = format!("{:?} {} {:?}", self.runs, self.weekdays, self.yearly);
        Uuid::new_v5(&ROOT, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::month_length;

    #[test]
    fn days_in_runs_on_weekdays_and_every_year_are_left_out() {
        // Day 0 is a Thursday.
        let except: Except =
            [Days::Run(3, 4), Days::Run(0, 1), Days::Weekdays(1 << 6), Days::Yearly(1, 7)]
                .into_iter()
                .collect();
        let free: Vec<_> = (0..10).filter(|day| except.free_from(*day) == Some(*day)).collect();
        assert_eq!(free, [5, 7, 8]);
        assert_eq!(except.free_from(0), Some(5));
    }

    #[test]
    fn when_every_day_is_left_out_there_is_none() {
        let all: Except = [Days::Weekdays(0x7f)].into_iter().collect();
        assert_eq!(all.free_from(0), None);
        assert!(Except::are_every_day(&[Arc::new(all)]));
        let rest: Except = [Days::Run(5, LAST_DAY)].into_iter().collect();
        assert_eq!((rest.free_from(4), rest.free_from(5)), (Some(4), None));
    }

    #[test]
    fn days_that_are_left_out_together_can_be_every_day() {
        let both = |one: Days, two: Days| {
            Except::are_every_day(&[one, two].map(|days| Arc::new([days].into_iter().collect())))
        };
        assert!(both(Days::Weekdays(0b011_1110), Days::Weekdays(0b100_0001)));
        assert!(!both(Days::Weekdays(0b011_1110), Days::Weekdays(0b100_0000)));
        let month = |month| (1..=month_length(2000, month)).map(move |day| (month, day));
        let yearly = |(month, day)| Days::Yearly(month as u8, day as u8);
        let year: Vec<_> = (1..=12).flat_map(month).map(yearly).collect();
        let except = |days: &[Days]| [Arc::new(days.iter().copied().collect::<Except>())];
        assert!(Except::are_every_day(&except(&year)));
        let [leap_days] = except(&[&year[..59], &year[60..]].concat());
        assert!(!Except::are_every_day(std::slice::from_ref(&leap_days)));
        // 1972-02-29.
        assert_eq!(leap_days.free_from(0), Some(789));
    }

    #[test]
    fn the_order_and_overlap_of_what_is_named_does_not_matter() {
        let one: Except =
            [Days::Run(1, 5), Days::Run(6, 9), Days::Yearly(2, 3)].into_iter().collect();
        let mut two: Except = [Days::Yearly(2, 3), Days::Run(4, 9)].into_iter().collect();
        two.add(&[Days::Run(1, 7)].into_iter().collect());
        assert_eq!(one.canonical(), two.canonical());
        assert_ne!(one.canonical(), Except::default().canonical());
    }

    proptest! {
        #[test]
        fn the_first_free_day_is_the_first_one_not_named(
            runs in prop::collection::vec((0_i64..200, 0_i64..20), 0..6),
            weekdays in 0_u8..0x7f, from in 0_i64..250,
        ) {
            let runs: Vec<_> = runs.into_iter().map(|(first, more)| (first, first + more)).collect();
            let named = runs.iter().map(|(first, last)| Days::Run(*first, *last));
            let except: Except = named.chain([Days::Weekdays(weekdays)]).collect();
            let free = |day: &i64| {
                !runs.iter().any(|(first, last)| first <= day && day <= last)
                    && weekdays >> weekday_of(*day) & 1 == 0
            };
            prop_assert_eq!(except.free_from(from), (from..).find(free));
        }
    }
}
