//! Writes and reads the canonical form of a rule.

use super::days::Days;
use super::error::FIRST_YEAR;
use super::periods::{Freq, Periods};
use super::times::Times;
use super::{MAX_DATES, MAX_NUMBER, Rrule};
use crate::calendar::{DAY_S, Date, END_S, day_of};
use crate::canonical::{Form, is_ascending, list, mask};
use crate::unix_ms::UnixMs;
use crate::zone::Zone;

impl Rrule {
    /// The rule in canonical form, the same for all ways of writing it: masks in hexadecimal, sorted lists,
    /// readings in seconds, COUNT as the last reading that it allows.
    pub(crate) fn canonical(&self) -> String {
        let Rrule { start, days, times, .. } = self;
        let (freq, interval) = (self.periods.freq().name(), self.periods.interval());
        let (cut, Times { hours, minutes, seconds }) = (self.periods.week_start(), times);
        let Days { months, month_days, month_days_back, weekdays, weeks, weeks_back, .. } = days;
        let end = match (self.last, self.until) {
            (last, UnixMs::MAX) if last == END_S => "-".to_owned(),
            (last, UnixMs::MAX) => last.to_string(),
            (_, until) => format!("{until}"),
        };
        let of = if days.numbered_in_year { "y" } else { "m" };
        let numbered = join(&days.numbered, |(number, weekday)| format!("{number}{of}{weekday}"));
        let (year_days, positions) =
            (join(&days.year_days, i16::to_string), join(&self.positions, i16::to_string));
        let (excluded, added) =
            (join(&self.excluded, i64::to_string), join(&self.added, i64::to_string));
        format!(
            "rrule {freq} {interval} {cut} {start} {end} {months:x} {month_days:x}/{month_days_back:x} \
             {weekdays:x} {numbered} {year_days} {weeks:x}/{weeks_back:x}/{} {hours:x} {minutes:x} \
             {seconds:x} {positions} -{excluded} +{added}",
            days.week_start
        )
    }

    /// Reads the form back.
    pub(crate) fn from_canonical(words: &mut Form<'_>) -> Option<Rrule> {
        words.literal("rrule")?;
        let freq = words.next()?;
        let freq = Freq::ALL.into_iter().find(|known| known.name() == freq)?;
        let interval = words.parsed().filter(|n| (1..=MAX_NUMBER).contains(n))?;
        let cut = words.parsed().filter(|day| *day < 7)?;
        let start = reading(words.next()?)?;
        let (last, until) = match words.next()? {
            "-" => (END_S, UnixMs::MAX),
            end => match end.parse::<jiff::Timestamp>() {
                Ok(until) => (END_S, until.into()),
                Err(_) => (end.parse().ok()?, UnixMs::MAX),
            },
        };
        let days = days(words)?;
        let (hours, minutes) = (words.mask(Times::ALL_HOURS)?, words.mask(Times::ALL_MINUTES)?);
        let times = Times { hours, minutes, seconds: words.mask(Times::ALL_MINUTES)? };
        let positions = list(words.next()?, 366 * 2, |text| signed(text, 366))?.into();
        let readings =
            |text: &str| list(text, MAX_DATES, reading).filter(|readings| is_ascending(readings));
        let excluded = readings(words.next()?.strip_prefix('-')?)?.into();
        let added = readings(words.next()?.strip_prefix('+')?)?.into();
        let periods = Periods::new(freq, interval.into(), cut, start);
        let rrule = Rrule {
            start,
            periods,
            days,
            times,
            positions,
            last,
            until,
            count: None,
            excluded,
            added,
        };
        // The same check as for a rule in a schedule.
        let comes =
            rrule.chosen_from(start).is_some() && rrule.next(&Zone::utc(), UnixMs::MIN).is_some();
        comes.then_some(rrule)
    }
}

fn days(words: &mut Form<'_>) -> Option<Days> {
    let months = words.mask(Days::ALL_MONTHS.into())? as u16;
    let (month_days, month_days_back) =
        both(words.next()?.split_once('/')?, Days::ALL_MONTH_DAYS.into())?;
    let weekdays = mask(words.next()?, Days::ALL_WEEKDAYS.into())? as u8;
    let numbered = words.next()?;
    let numbered_in_year = numbered.contains('y');
    let numbered = list(numbered, 107 * 7, |text| {
        let (number, weekday) = text.split_once(['m', 'y'])?;
        let weekday = weekday.parse().ok().filter(|weekday: &u8| *weekday < 7)?;
        Some((i8::try_from(signed(number, 53)?).ok()?, weekday))
    })?;
    let year_days = list(words.next()?, 366 * 2, |text| signed(text, 366))?;
    let (weeks, week_start) = words.next()?.rsplit_once('/')?;
    let (weeks, weeks_back) = both(weeks.split_once('/')?, (1 << 54) - 2)?;
    Some(Days {
        months,
        month_days: month_days as u32,
        month_days_back: month_days_back as u32,
        weekdays,
        numbered: numbered.into(),
        numbered_in_year,
        year_days: year_days.into(),
        weeks,
        weeks_back,
        week_start: week_start.parse().ok().filter(|day| *day < 7)?,
    })
}

fn both((forth, back): (&str, &str), all: u64) -> Option<(u64, u64)> {
    Some((mask(forth, all)?, mask(back, all)?))
}

fn signed(text: &str, greatest: u16) -> Option<i16> {
    text.parse().ok().filter(|number: &i16| (1..=greatest).contains(&number.unsigned_abs()))
}

/// Reads wall seconds, within the years that a rule can begin in.
fn reading(text: &str) -> Option<i64> {
    let first = day_of(Date { year: FIRST_YEAR, month: 1, day: 1 }) * DAY_S;
    text.parse().ok().filter(|reading| (first..END_S).contains(reading))
}

/// The items separated by commas.
fn join<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(",")
}
