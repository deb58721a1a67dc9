//! Calendar events of systemd (systemd.time(7)): `Mon..Fri *-*-* 09:30:00 Europe/Berlin`.

use std::time::Duration;

use downbeat_time::Zone;
use downbeat_time::cron::Quartz;

use super::days;
use super::timing::{Timing, When, line};
use crate::text::instant;
use crate::tzdata;

/// Names of events, as systemd defines them.
const NAMES: [(&str, &str); 9] = [
    ("minutely", "* * * * *"),
    ("hourly", "0 * * * *"),
    ("daily", "0 0 * * *"),
    ("weekly", "0 0 * * mon"),
    ("monthly", "0 0 1 * *"),
    ("quarterly", "0 0 1 1,4,7,10 *"),
    ("semiannually", "0 0 1 1,7 *"),
    ("yearly", "0 0 1 1 *"),
    ("annually", "0 0 1 1 *"),
];

/// An event, with or without `OnCalendar=` before it.
pub(super) fn read(text: &str) -> Option<Timing> {
    let text = text.strip_prefix("OnCalendar=").unwrap_or(text);
    if let Some((_, fields)) = NAMES.iter().find(|(name, _)| *name == text) {
        return line(*fields).map(Timing::from);
    }
    let mut event = Event::default();
    for word in text.split_whitespace() {
        event.add(word)?;
    }
    (!text.is_empty()).then(|| event.timing())?
}

/// The parts of an event, as written.
#[derive(Default)]
struct Event<'t> {
    weekdays: Option<String>,
    date: Option<&'t str>,
    time: Option<&'t str>,
    zone: Option<&'t str>,
}

impl<'t> Event<'t> {
    fn add(&mut self, word: &'t str) -> Option<()> {
        if self.weekdays.is_none() && self.date.is_none() && self.time.is_none() {
            self.weekdays = weekdays(word);
            if self.weekdays.is_some() {
                return Some(());
            }
        }
        let part = match word {
            _ if word.contains(':') => &mut self.time,
            _ if tzdata::parse_name(word).is_ok() => &mut self.zone,
            _ if word.contains(['-', '~']) => &mut self.date,
            _ => return None,
        };
        part.is_none().then(|| *part = Some(word))
    }

    fn timing(self) -> Option<Timing> {
        let (year, month, day) = date(self.date.unwrap_or("*-*-*"))?;
        let mut time = self.time.unwrap_or("0:0:0").split(':');
        let (hour, minute) = (field(time.next()?)?, field(time.next()?)?);
        let second = field(time.next().unwrap_or("0"))?;
        let weekday = self.weekdays.unwrap_or_else(|| "*".to_owned());
        let both_days = day != "*" && weekday != "*";
        let when = match (&*second, &*year) {
            ("0", "*") => line(format!("{minute} {hour} {day} {month} {weekday}")),
            (step, "*") if [&minute, &hour, &day, &month, &weekday].iter().all(|it| *it == "*") => {
                every(step)
            }
            _ => once([&year, &month, &day, &hour, &minute, &second])
                .or_else(|| quartz([&second, &minute, &hour, &day, &month, &weekday, &year])),
        };
        let mut timing = Timing::from(when?);
        if both_days && matches!(timing.when, When::Line(_)) {
            timing = timing.with("day_match: and");
        }
        Some(timing.with_zone(self.zone))
    }
}

/// `Mon..Fri`, `Sat,Sun`.
fn weekdays(word: &str) -> Option<String> {
    days::ranges(word, "..", |day| days::name(day).map(str::to_owned))
}

/// Year, month and day of `*-*-1`, `05-03` or `*-*~1`, the last day.
fn date(text: &str) -> Option<(String, String, String)> {
    if let Some((months, "1" | "01")) = text.split_once('~') {
        let (year, month) = months.split_once('-').unwrap_or(("*", months));
        return Some((field(year)?, field(month)?, "L".to_owned()));
    }
    let parts: Option<Vec<_>> = text.split('-').map(field).collect();
    match &parts?[..] {
        [year, month, day] => Some((year.clone(), month.clone(), day.clone())),
        [month, day] => Some(("*".to_owned(), month.clone(), day.clone())),
        _ => None,
    }
}

/// A component in the words of a crontab line, numbers without leading zeros.
fn field(text: &str) -> Option<String> {
    let number = |number: &str| match number {
        "*" => Some("*".to_owned()),
        _ => number.parse::<u32>().ok().map(|number| number.to_string()),
    };
    let item = |item: &str| -> Option<String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (item, None),
        };
        let ends: Option<Vec<_>> = range.split("..").map(number).collect();
        let range = match (ends?.join("-"), &step) {
            (zero, Some(_)) if zero == "0" => "*".to_owned(),
            (range, _) => range,
        };
        Some(step.map_or_else(|| range.clone(), |step| format!("{range}/{step}")))
    };
    let items: Option<Vec<_>> = text.split(',').map(item).collect();
    items.map(|items| items.join(","))
}

/// Seconds of every minute: `*/10`.
fn every(second: &str) -> Option<When> {
    let step: u64 = match second {
        "*" => 1,
        _ => second.strip_prefix("*/")?.parse().ok()?,
    };
    (1..=60).contains(&step).then_some(())?;
    (60 % step == 0).then(|| When::Every(Duration::from_secs(step)))
}

/// One instant.
fn once(parts: [&str; 6]) -> Option<When> {
    let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = numbers?[..] else { return None };
    let at = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    instant::parse(&at, &Zone::utc()).is_ok().then_some(When::At(at))
}

fn quartz(fields: [&str; 7]) -> Option<When> {
    let [second, minute, hour, day, month, weekday, year] = fields;
    let weekday = if weekday == "*" { "?".to_owned() } else { weekday.to_uppercase() };
    let text = format!("{second} {minute} {hour} {day} {month} {weekday} {year}");
    let text = text.strip_suffix(" *").unwrap_or(&text).to_owned();
    Quartz::parse(&text).is_ok().then_some(When::Quartz(text))
}
