//! Describes an expression in plain English, by what it matches rather than how it was written.

use super::{Cron, DayMatch, Quartz};
use crate::words::{
    EVERY_MONTH, EVERY_WEEKDAY, and, around, is_run, list, months_in_words, ordinal, values,
    weekdays_in_words,
};

pub(super) const EVERY_HOUR: u64 = (1 << 24) - 1;
pub(super) const EVERY_DAY: u32 = !1;
/// The maximum number of times a day that are listed; more are described by minute and hour.
const MAX_TIMES: u32 = 6;

impl Cron {
    /// Describes it in plain English: `at 03:00 on Monday to Friday`, `every 2 hours at minute 0`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.with_days(self.times_in_words())
    }

    fn with_days(&self, times: String) -> String {
        match self.days_in_words() {
            Some(days) => format!("{times} {days}"),
            None if times.starts_with("at ") => format!("{times} every day"),
            None => times,
        }
    }

    fn times_in_words(&self) -> String {
        let hours = u64::from(self.hours);
        let minutes = step_of(self.minutes, 60).map(|step| every(step, "minute"));
        match (minutes, step_of(hours, 24)) {
            (Some(minutes), Some(1)) => minutes,
            (Some(minutes), _) => format!("{minutes} {}", hours_in_words(hours)),
            (None, Some(1)) => format!("every hour at {}", minutes_in_words(self.minutes)),
            (None, Some(step)) => {
                format!("every {step} hours at {}", minutes_in_words(self.minutes))
            }
            (None, None) if self.hours.count_ones() * self.minutes.count_ones() <= MAX_TIMES => {
                format!("at {}", and(&self.times(&[String::new()])))
            }
            (None, None) => {
                format!(
                    "at {} of every hour {}",
                    minutes_in_words(self.minutes),
                    hours_in_words(hours)
                )
            }
        }
    }

    /// Every time of day, with each of these endings.
    fn times(&self, endings: &[String]) -> Vec<String> {
        let (hours, minutes) = (values(self.hours.into()), values(self.minutes));
        let minutes =
            hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (hour, minute)));
        let times = minutes.flat_map(|(hour, minute)| {
            endings.iter().map(move |ending| format!("{hour:02}:{minute:02}{ending}"))
        });
        times.collect()
    }

    /// `None` if every day matches.
    fn days_in_words(&self) -> Option<String> {
        let months = (self.months != EVERY_MONTH).then(|| months_in_words(self.months));
        let of = months.as_deref().unwrap_or("every month");
        let within = months.as_ref().map_or(String::new(), |months| format!(" in {months}"));
        let every_day = self.days & EVERY_DAY == EVERY_DAY;
        let every_weekday = self.weekdays == EVERY_WEEKDAY;
        let (days, weekdays) = (self.dates_in_words(), self.weekdays_in_words());
        match (every_day, every_weekday, self.day_match) {
            (true, true, _) | (true, _, DayMatch::Or) | (_, true, DayMatch::Or) => {
                months.map(|months| format!("every day in {months}"))
            }
            (true, false, _) if self.special.is_some() => Some(format!("on {weekdays} of {of}")),
            (true, false, _) => Some(format!("on {weekdays}{within}")),
            (false, true, _) => Some(format!("on {days} of {of}")),
            (false, false, DayMatch::And) => {
                Some(format!("on {days} of {of}, if that is {weekdays}"))
            }
            (false, false, DayMatch::Or) => {
                Some(format!("on {days} of {of}, and on {weekdays}{within}"))
            }
        }
    }

    /// `the 1st and 15th, the last day and the weekday nearest the 20th`
    pub(super) fn dates_in_words(&self) -> String {
        let special = self.special.as_deref().copied().unwrap_or_default();
        let dates = |mask: u32| list(&values((mask & EVERY_DAY).into()), |day| ordinal(*day));
        let nearest = special.nearest & EVERY_DAY;
        let s = if nearest.count_ones() > 1 { "s" } else { "" };
        let before_last = counted_back(special.before_last);
        let near_before_last = counted_back(special.near_before_last);
        let parts = [
            (self.days & EVERY_DAY != 0).then(|| format!("the {}", dates(self.days))),
            (nearest != 0).then(|| format!("the weekday{s} nearest the {}", dates(nearest))),
            before_last,
            near_before_last.map(|days| format!("the weekday nearest {days}")),
            (self.days & 1 != 0).then(|| "the last day".to_string()),
            (special.nearest & 1 != 0).then(|| "the last weekday (Monday to Friday)".to_string()),
        ];
        and(&parts.into_iter().flatten().collect::<Vec<_>>())
    }

    /// `Monday to Thursday and the last Friday`
    pub(super) fn weekdays_in_words(&self) -> String {
        const NTH: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "last"];
        let weekly = (self.weekdays != 0).then(|| weekdays_in_words(self.weekdays));
        let nth = self.special.as_ref().map_or([0; 6], |special| special.nth);
        let nth = NTH.into_iter().zip(nth).filter(|(_, week)| *week != 0);
        let nth = nth.map(|(nth, week)| format!("the {nth} {}", weekdays_in_words(week)));
        and(&weekly.into_iter().chain(nth).collect::<Vec<_>>())
    }
}

/// `the 3rd day before the last`
fn counted_back(counts: u32) -> Option<String> {
    let s = if counts.count_ones() > 1 { "s" } else { "" };
    let days = || list(&values(counts.into()), |day| ordinal(*day));
    (counts != 0).then(|| format!("the {} day{s} before the last", days()))
}

impl Quartz {
    /// Describes it in plain English: `at 09:30:15 on Monday to Friday, in 2027 and 2028`.
    #[must_use]
    pub fn describe(&self) -> String {
        let years = |years: &[u16]| {
            let years: Vec<u32> = years.iter().copied().map(u32::from).collect();
            list(&years, ToString::to_string)
        };
        match &self.years {
            None => self.any_year_in_words(),
            Some(some) => format!("{}, in {}", self.any_year_in_words(), years(some)),
        }
    }

    fn any_year_in_words(&self) -> String {
        let Quartz { cron, seconds, .. } = self;
        let times = cron.hours.count_ones() * cron.minutes.count_ones();
        let every_minute =
            step_of(cron.minutes, 60) == Some(1) && step_of(cron.hours.into(), 24) == Some(1);
        let values = values(*seconds);
        let plural = if values.len() == 1 { "" } else { "s" };
        let at = || format!("at second{plural} {}", list(&values, ToString::to_string));
        let step = step_of(*seconds, 60);
        match step {
            _ if *seconds == 1 => cron.describe(),
            _ if times * seconds.count_ones() <= MAX_TIMES => {
                let endings: Vec<String> =
                    values.iter().map(|second| format!(":{second:02}")).collect();
                cron.with_days(format!("at {}", and(&cron.times(&endings))))
            }
            Some(step) if every_minute => cron.with_days(every(step, "second")),
            None if every_minute => cron.with_days(format!("every minute {}", at())),
            Some(step) => format!("{} of the minute, {}", every(step, "second"), cron.describe()),
            None => format!("{} of the minute, {}", at(), cron.describe()),
        }
    }
}

/// `every second`, `every 10 seconds`
fn every(step: u32, unit: &str) -> String {
    match step {
        1 => format!("every {unit}"),
        _ => format!("every {step} {unit}s"),
    }
}

/// The step, if the mask has every n-th value of a cycle, from 0 on.
fn step_of(mask: u64, length: u32) -> Option<u32> {
    let steps = (1..=length / 2).filter(|step| length.is_multiple_of(*step));
    let full = |step: u32| (0..length).step_by(step as usize).fold(0, |mask, at| mask | 1 << at);
    steps.into_iter().find(|step| full(*step) == mask)
}

fn minutes_in_words(minutes: u64) -> String {
    let plural = if minutes.count_ones() == 1 { "" } else { "s" };
    format!("minute{plural} {}", list(&values(minutes), ToString::to_string))
}

fn hours_in_words(hours: u64) -> String {
    let around = around(hours, EVERY_HOUR);
    match (around.first(), around.last()) {
        (Some(first), Some(last)) if is_run(&around, 24) => {
            format!("from {first:02}:00 to {last:02}:59")
        }
        _ => format!("in the hours {}", list(&values(hours), ToString::to_string)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_described_in_plain_english() {
        let expected = [
            ("* * * * *", "every minute"),
            ("*/15 * * * *", "every 15 minutes"),
            ("0,30 * * * *", "every 30 minutes"),
            ("0 * * * *", "every hour at minute 0"),
            ("5,20 * * * *", "every hour at minutes 5 and 20"),
            ("*/7 * * * *", "every hour at minutes 0, 7, 14 and so on to 56"),
            ("0 */2 * * *", "every 2 hours at minute 0"),
            ("* 3 * * *", "every minute from 03:00 to 03:59"),
            ("*/10 9-17 * * mon-fri", "every 10 minutes from 09:00 to 17:59 on Monday to Friday"),
            ("*/10 22-4 * * *", "every 10 minutes from 22:00 to 04:59"),
            ("*/5 3,7 * * *", "every 5 minutes in the hours 3 and 7"),
            ("7 9-17 * * *", "at minute 7 of every hour from 09:00 to 17:59 every day"),
            ("0 3 * * mon-fri", "at 03:00 on Monday to Friday"),
            ("0 3,15 * * *", "at 03:00 and 15:00 every day"),
            ("30 9 1,15 1 *", "at 09:30 on the 1st and 15th of January"),
            ("0 0 1 * *", "at 00:00 on the 1st of every month"),
            ("0 0 */2 * *", "at 00:00 on the 1st, 3rd, 5th and so on to 31st of every month"),
            ("0 0 1-7 */3 *", "at 00:00 on the 1st to 7th of January, April, July and October"),
            ("0 0 13 * fri", "at 00:00 on the 13th of every month, and on Friday"),
            ("0 0 13 6 fri", "at 00:00 on the 13th of June, and on Friday in June"),
            (
                "0 0 */13 * fri",
                "at 00:00 on the 1st, 14th and 27th of every month, if that is Friday",
            ),
            ("0 0 * * fri-mon", "at 00:00 on Friday to Monday"),
            ("0 0 * * sat,sun", "at 00:00 on Saturday and Sunday"),
            ("0 0 * nov-feb *", "at 00:00 every day in November to February"),
            ("0 0 1-31 * mon", "at 00:00 every day"),
            ("@yearly", "at 00:00 on the 1st of January"),
            ("0 0 L * *", "at 00:00 on the last day of every month"),
            ("0 0 LW 6 *", "at 00:00 on the last weekday (Monday to Friday) of June"),
            ("0 0 15W * ?", "at 00:00 on the weekday nearest the 15th of every month"),
            (
                "0 0 1,15,10W,20W,L * *",
                "at 00:00 on the 1st and 15th, the weekdays nearest the 10th and 20th and the last \
                 day of every month",
            ),
            ("0 9 L-3 * *", "at 09:00 on the 3rd day before the last of every month"),
            (
                "0 9 L-5,L-1,L-3W 6 *",
                "at 09:00 on the 1st and 5th days before the last and the weekday nearest the 3rd day \
                 before the last of June",
            ),
            ("0 9 * * fri#2", "at 09:00 on the second Friday of every month"),
            (
                "0 9 * 1 mon#1,fri#1,friL",
                "at 09:00 on the first Monday and Friday and the last Friday of January",
            ),
            ("0 9 * * sun,fri#2", "at 09:00 on Sunday and the second Friday of every month"),
            ("0 9 L * fri#2", "at 09:00 on the last day of every month, and on the second Friday"),
            (
                "0 9 L */2 fri",
                "at 09:00 on the last day of January, March, May and so on to November, and on Friday in January, March, May and so on to November",
            ),
            ("0 9 *,L * *", "at 09:00 every day"),
        ];
        for (line, words) in expected {
            assert_eq!(Cron::parse(line).unwrap().cron.describe(), words, "{line}");
        }
    }

    #[test]
    fn constants_are_what_star_matches() {
        let star = Cron::parse("* * * * *").unwrap().cron;
        assert_eq!(u64::from(star.hours), EVERY_HOUR);
        let days = (star.days, star.months, star.weekdays);
        assert_eq!(days, (EVERY_DAY, EVERY_MONTH, EVERY_WEEKDAY));
    }
}
