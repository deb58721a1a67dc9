//! Which years, months, weeks, … of a rule count: every INTERVAL-th one, starting with that of DTSTART.

use crate::calendar::{DAY_S, Date, END_S, date_of, day_of, weekday_of};

/// The frequency: what INTERVAL counts, and what BYSETPOS chooses within, longest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freq {
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
    Secondly,
}

impl Freq {
    pub(super) const ALL: [Freq; 7] = [
        Freq::Yearly,
        Freq::Monthly,
        Freq::Weekly,
        Freq::Daily,
        Freq::Hourly,
        Freq::Minutely,
        Freq::Secondly,
    ];

    /// The name in rules.
    pub(super) fn name(self) -> &'static str {
        match self {
            Freq::Yearly => "YEARLY",
            Freq::Monthly => "MONTHLY",
            Freq::Weekly => "WEEKLY",
            Freq::Daily => "DAILY",
            Freq::Hourly => "HOURLY",
            Freq::Minutely => "MINUTELY",
            Freq::Secondly => "SECONDLY",
        }
    }

    /// Seconds in a period; `None` if they differ.
    pub(super) fn length_s(self) -> Option<i64> {
        match self {
            Freq::Yearly | Freq::Monthly => None,
            Freq::Weekly => Some(7 * DAY_S),
            Freq::Daily => Some(DAY_S),
            Freq::Hourly => Some(3600),
            Freq::Minutely => Some(60),
            Freq::Secondly => Some(1),
        }
    }
}

/// The periods of a rule, numbered without gaps; all readings are in seconds since 1970 on the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Periods {
    freq: Freq,
    interval: i64,
    /// The first day of a week, 0 (Sunday) to 6.
    week_start: u32,
    /// The number of DTSTART's period.
    origin: i64,
}

impl Periods {
    pub(super) fn new(freq: Freq, interval: i64, week_start: u32, start: i64) -> Periods {
        let periods = Periods { freq, interval, week_start, origin: 0 };
        Periods { origin: periods.number_of(start), ..periods }
    }

    pub(super) fn freq(&self) -> Freq {
        self.freq
    }

    pub(super) fn interval(&self) -> i64 {
        self.interval
    }

    pub(super) fn week_start(&self) -> u32 {
        self.week_start
    }

    /// The first reading in a counted period at or after `reading`, which is not before DTSTART.
    pub(super) fn counted_from(&self, reading: i64) -> i64 {
        if self.interval == 1 {
            return reading;
        }
        let number = self.number_of(reading);
        match (number - self.origin) % self.interval {
            0 => reading,
            past => self.start_of(number + self.interval - past),
        }
    }

    /// The period of a reading, up to the beginning of the next one.
    pub(super) fn around(&self, reading: i64) -> (i64, i64) {
        let number = self.number_of(reading);
        (self.start_of(number), self.start_of(number + 1))
    }

    fn number_of(&self, reading: i64) -> i64 {
        let date = || date_of(reading.div_euclid(DAY_S));
        match (self.freq, self.freq.length_s()) {
            (_, Some(length_s)) => (reading - self.week_shift_s()).div_euclid(length_s),
            (Freq::Yearly, _) => i64::from(date().year),
            _ => i64::from(date().year) * 12 + i64::from(date().month) - 1,
        }
    }

    fn start_of(&self, number: i64) -> i64 {
        let (year, month) = match (self.freq, self.freq.length_s()) {
            (_, Some(length_s)) => return number * length_s + self.week_shift_s(),
            (Freq::Yearly, _) => (number, 1),
            _ => (number.div_euclid(12), number.rem_euclid(12) + 1),
        };
        match u32::try_from(year) {
            Ok(year) if year <= 9999 => day_of(Date { year, month: month as u32, day: 1 }) * DAY_S,
            _ => END_S,
        }
    }

    /// The time from 1970-01-01 to the first day of a week.
    fn week_shift_s(&self) -> i64 {
        match self.freq {
            Freq::Weekly => (i64::from(self.week_start) - i64::from(weekday_of(0))) * DAY_S,
            _ => 0,
        }
    }
}
