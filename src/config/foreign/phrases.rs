//! Plain English, as solid_queue, whenever and the like take it: `every day at 9am`.

use super::days;
use super::timing::{Timing, line};

/// Words that say nothing by themselves.
const FILLERS: [&str; 6] = ["at", "every", "each", "on", "the", "of"];

/// Days and a time of day, in any order.
pub(super) fn read(text: &str) -> Option<Timing> {
    let lower = text.to_lowercase().replace(" am", "am").replace(" pm", "pm");
    let words: Vec<&str> = lower.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let (mut time, mut when) = (None, None);
    for word in words.iter().filter(|word| !FILLERS.contains(word)) {
        if let Some(read) = days_of(word).filter(|_| when.is_none()) {
            when = Some(read);
        } else {
            time = Some(time_of_day(word).filter(|_| time.is_none())?);
        }
    }
    let (day, month, weekday) = match (when, time) {
        (Some(when), _) => when,
        (None, Some(_)) => days_of("day")?,
        (None, None) => return None,
    };
    let (hour, minute) = time.unwrap_or((0, 0));
    line(format!("{minute} {hour} {day} {month} {weekday}")).map(Timing::from)
}

/// The day fields of a crontab line: day of month, month, weekday.
fn days_of(word: &str) -> Option<(&'static str, &'static str, String)> {
    let any = || "*".to_owned();
    let name = word.strip_suffix('s').unwrap_or(word);
    match name {
        "day" | "daily" => Some(("*", "*", any())),
        "week" | "weekly" => Some(("*", "*", "sun".to_owned())),
        "month" | "monthly" => Some(("1", "*", any())),
        "year" | "yearly" => Some(("1", "1", any())),
        "weekday" => Some(("*", "*", "mon-fri".to_owned())),
        "weekend" => Some(("*", "*", "sat,sun".to_owned())),
        _ => days::name(name).map(|weekday| ("*", "*", weekday.to_owned())),
    }
}

/// `9am`, `4:30pm`, `09:30`, `18:00:00`, `noon`.
pub(super) fn time_of_day(word: &str) -> Option<(u8, u8)> {
    let (word, afternoon) = match (word, word.strip_suffix("am"), word.strip_suffix("pm")) {
        ("noon", ..) => return Some((12, 0)),
        ("midnight", ..) => return Some((0, 0)),
        (_, Some(morning), _) => (morning, Some(false)),
        (_, _, Some(afternoon)) => (afternoon, Some(true)),
        _ => (word, None),
    };
    let mut parts = word.split(':');
    let two = |part: &str| {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse::<u8>().ok()).flatten()
    };
    let hour = two(parts.next()?)?;
    let minute = match (parts.next(), afternoon) {
        (Some(minute), _) => two(minute)?,
        (None, Some(_)) => 0,
        (None, None) => return None,
    };
    if parts.next().is_some_and(|second| second != "00") || parts.next().is_some() {
        return None;
    }
    let hour = match afternoon {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None => hour,
    };
    (hour < 24 && minute < 60).then_some((hour, minute))
}
