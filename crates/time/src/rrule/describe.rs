//! Describes a recurrence in plain English, by what it matches rather than how it was written.

use super::Rrule;
use super::days::Days;
use super::periods::Freq;
use super::times::{Times, clock};
use crate::calendar::{DAY_S, END_S, date_of};
use crate::unix_ms::UnixMs;
use crate::words::{and, list, months_in_words, ordinal, values, weekdays_in_words};

/// The maximum number of times a day that are listed; more are described by hour, minute and second.
const MAX_TIMES: u32 = 6;
/// The maximum number of dates that are listed; more are counted.
const MAX_LISTED_DATES: usize = 3;

impl Rrule {
    /// Describes it in plain English: `every month on the last Friday at 09:00, from 2026-01-01, 10 times`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut days = self.days_in_words().into_iter();
        let on = days.next().map(|days| format!(" on {days}")).unwrap_or_default();
        let (freq, months, times) =
            (self.freq_in_words(), self.months_in_words(), self.times_in_words());
        let positions = list_of_places(&self.positions);
        let parts = [
            (!positions.is_empty()).then(|| format!("of these only the {positions}")),
            Some(format!("from {}", self.start_in_words())),
            self.end_in_words(),
            dates_in_words("but not on", &self.excluded),
            dates_in_words("and also on", &self.added),
        ];
        let conditions = days.map(|days| format!("if that is {days}"));
        let all = std::iter::once(format!("{freq}{on}{months}{times}"));
        all.chain(conditions).chain(parts.into_iter().flatten()).collect::<Vec<_>>().join(", ")
    }

    fn freq_in_words(&self) -> String {
        let unit = match self.periods.freq() {
            Freq::Yearly => "year",
            Freq::Monthly => "month",
            Freq::Weekly => "week",
            Freq::Daily => "day",
            Freq::Hourly => "hour",
            Freq::Minutely => "minute",
            Freq::Secondly => "second",
        };
        match self.periods.interval() {
            1 => format!("every {unit}"),
            interval => format!("every {interval} {unit}s"),
        }
    }

    /// `the 1st and 15th`, `Monday to Friday`: all of these must match.
    fn days_in_words(&self) -> Vec<String> {
        let days = &self.days;
        let forth = list(&values(days.month_days.into()), |day| ordinal(*day));
        let back: Vec<i16> = backwards(days.month_days_back.into()).collect();
        let dates = [
            (!forth.is_empty()).then(|| format!("the {forth}")),
            (!back.is_empty()).then(|| format!("the {} day", list_of_places(&back))),
        ];
        let clauses = [
            (!days.year_days.is_empty())
                .then(|| format!("the {} day of the year", list_of_places(&days.year_days))),
            (days.month_days != Days::ALL_MONTH_DAYS)
                .then(|| and(&dates.into_iter().flatten().collect::<Vec<_>>())),
            (days.weekdays != Days::ALL_WEEKDAYS).then(|| weekdays(days)),
        ];
        clauses.into_iter().flatten().collect()
    }

    /// Months and weeks of the year, with a space before each.
    fn months_in_words(&self) -> String {
        let days = &self.days;
        let by_date = days.month_days != Days::ALL_MONTH_DAYS;
        let in_or_of = if by_date || !days.numbered.is_empty() { "of" } else { "in" };
        let months = match days.months {
            Days::ALL_MONTHS if by_date && self.periods.freq() != Freq::Monthly => {
                " of every month".to_owned()
            }
            Days::ALL_MONTHS => String::new(),
            months => format!(" {in_or_of} {}", months_in_words(months)),
        };
        let forth = values(days.weeks).into_iter().map(|week| format!("week {week}"));
        let back = backwards(days.weeks_back).map(|week| format!("the {} week", place(&week)));
        let weeks = and(&forth.chain(back).collect::<Vec<_>>());
        if weeks.is_empty() { months } else { format!("{months} in {weeks}") }
    }

    /// Times of day with a space in front, if there is anything to say.
    fn times_in_words(&self) -> String {
        let (freq, times) = (self.periods.freq(), self.times);
        let within_days = freq > Freq::Daily;
        if !within_days && times.count() <= MAX_TIMES {
            let at = (0..times.count()).map(|index| time_in_words(times.nth(index)));
            return format!(" at {}", and(&at.collect::<Vec<_>>()));
        }
        let said = |name: &str, mask: u64, all: u64, usual: bool| {
            let s = if mask.count_ones() == 1 { "" } else { "s" };
            let said = (mask != all || !within_days) && !usual;
            said.then(|| format!("{name}{s} {}", list(&values(mask), u32::to_string)))
        };
        let hours = said("hour", times.hours, Times::ALL_HOURS, false);
        let rest = [
            said("minute", times.minutes, Times::ALL_MINUTES, false),
            said("second", times.seconds, Times::ALL_MINUTES, times.seconds == 1),
        ];
        let rest = rest.into_iter().flatten().collect::<Vec<_>>();
        let rest = if rest.is_empty() { String::new() } else { format!(" at {}", and(&rest)) };
        rest + &hours.map(|hours| format!(" in the {hours}")).unwrap_or_default()
    }

    fn start_in_words(&self) -> String {
        // The time of day is already described, unless periods are shorter than a day.
        let whole_days = self.periods.freq() <= Freq::Daily;
        if whole_days { date_in_words(self.start) } else { reading_in_words(self.start) }
    }

    fn end_in_words(&self) -> Option<String> {
        match (self.count, self.last, self.until) {
            (Some(1), ..) => Some("once".to_owned()),
            (Some(count), ..) => Some(format!("{count} times")),
            (_, _, until) if until != UnixMs::MAX => Some(format!("until {until}")),
            (_, END_S, _) => None,
            (_, last, _) => Some(format!("until {}", reading_in_words(last))),
        }
    }
}

/// `Monday to Friday, the last Sunday and the 20th Tuesday of the year`
fn weekdays(days: &Days) -> String {
    let weekly = (days.weekdays != 0).then(|| weekdays_in_words(days.weekdays));
    let of = if days.numbered_in_year { " of the year" } else { "" };
    let numbered = days.numbered.chunk_by(|one, next| one.0 == next.0).map(|run| {
        let names = weekdays_in_words(run.iter().fold(0, |mask, (_, weekday)| mask | 1 << weekday));
        format!("the {} {names}{of}", place(&run[0].0.into()))
    });
    and(&weekly.into_iter().chain(numbered).collect::<Vec<_>>())
}

/// `first`, `20th`, `last`, `second last`
fn place(place: &i16) -> String {
    const FEW: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
    let number = u32::from(place.unsigned_abs());
    let name = match FEW.get(number.saturating_sub(1) as usize) {
        Some(name) => (*name).to_owned(),
        None => ordinal(number),
    };
    match place {
        -1 => "last".to_owned(),
        ..0 => name + " last",
        _ => name,
    }
}

/// The bits of a mask that counts from the end: -1 for the last.
fn backwards(mask: u64) -> impl Iterator<Item = i16> {
    values(mask).into_iter().rev().map(|bit| -(bit as i16))
}

fn list_of_places(places: &[i16]) -> String {
    let (back, forth) = places.split_at(places.partition_point(|place| *place < 0));
    and(&forth.iter().chain(back.iter().rev()).map(place).collect::<Vec<_>>())
}

fn dates_in_words(what: &str, dates: &[i64]) -> Option<String> {
    match dates {
        [] => None,
        few if few.len() <= MAX_LISTED_DATES => {
            let few: Vec<String> = few.iter().map(|reading| reading_in_words(*reading)).collect();
            Some(format!("{what} {}", and(&few)))
        }
        many => Some(format!("{what} {} dates", many.len())),
    }
}

fn reading_in_words(reading: i64) -> String {
    format!("{} {}", date_in_words(reading), time_in_words(reading.rem_euclid(DAY_S)))
}

fn date_in_words(reading: i64) -> String {
    let date = date_of(reading.div_euclid(DAY_S));
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

fn time_in_words(second_of_day: i64) -> String {
    match clock(second_of_day) {
        [hour, minute, 0] => format!("{hour:02}:{minute:02}"),
        [hour, minute, second] => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}
