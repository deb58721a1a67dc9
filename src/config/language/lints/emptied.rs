//! Weeks, months and years that lose all slots of an entry to `except`: often the only run of a month falls on a
//! holiday.

use std::fmt;
use std::time::Duration;

use downbeat_time::{Bounds, MAX_MOVE_DAYS, UnixMs};
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::INSTANT;
use crate::config::language::bounds::unmovable;
use crate::schedule::Entry;

/// How far ahead periods are looked at: as far as calendars are kept.
const AHEAD: Duration = Duration::from_secs(731 * 86_400);
/// The maximum number of slots for which a day is searched.
const MAX_SEARCHED: usize = 200;

/// Message and hint for the longest kind of period that loses all of its slots; if slots move, for one that finds no
/// day.
pub(super) fn warning(entry: &Entry, now: UnixMs) -> Option<(String, String)> {
    let bounds = entry.bounds.as_ref().filter(|bounds| !bounds.except.is_empty())?;
    // An entry without any slot has another warning.
    entry.next_slot(now)?;
    if bounds.move_to.is_some() {
        return lost(entry, now);
    }
    let lengths = [Length::Year, Length::Month, Length::Week];
    let (first, more) = lengths.into_iter().find_map(|length| {
        let mut emptied =
            periods(entry, length, now).filter(|it| it.is_emptied(entry, bounds, now));
        Some((emptied.next()?, emptied.count()))
    })?;
    let more = match more {
        0 => String::new(),
        1 => format!(", nor in another {}", first.length),
        _ => format!(", nor in {more} more {}s", first.length),
    };
    let message = format!("`except` leaves `{}` no slot in {first}{more}", entry.name);
    let hint = match unmovable(&entry.timing) {
        None => {
            "`except: {days: […], move: next}` takes a slot to the nearest day that is left, \
             `move: previous` to one before"
        }
        Some(_) => "leave out less, if it should run in between",
    };
    Some((message, hint.to_owned()))
}

fn lost(entry: &Entry, now: UnixMs) -> Option<(String, String)> {
    let lost = entry.first_lost(now, now + AHEAD, MAX_SEARCHED)?;
    let (name, lost) = (&entry.name, entry.zone.to_rfc3339(lost));
    let message = format!("the slot of `{name}` at {lost} moves nowhere: it is left out");
    let hint = format!(
        "slots move {MAX_MOVE_DAYS} days at most, and not from hours that are left out every day"
    );
    Some((message, hint))
}

#[derive(Clone, Copy)]
enum Length {
    Week,
    Month,
    Year,
}

/// From one date to another, which is not part of it.
struct Period {
    length: Length,
    first: Date,
    end: Date,
}

/// The present period and later ones.
fn periods(entry: &Entry, length: Length, now: UnixMs) -> impl Iterator<Item = Period> {
    let day = |at| entry.zone.to_local(at).date();
    let (today, last) = (day(now), day(now + AHEAD));
    let first = match length {
        Length::Week => {
            today.saturating_sub(i64::from(today.weekday().to_monday_zero_offset()).days())
        }
        Length::Month => today.first_of_month(),
        Length::Year => today.first_of_year(),
    };
    let after = move |first: Date| {
        let end = first.saturating_add(match length {
            Length::Week => 1.week(),
            Length::Month => 1.month(),
            Length::Year => 1.year(),
        });
        Period { length, first, end }
    };
    let later = move |period: &Period| (period.end <= last).then(|| after(period.end));
    std::iter::successors(Some(after(first)), later)
}

impl Period {
    /// Whether the entry has a slot here that is yet to come and left out, and no other.
    fn is_emptied(&self, entry: &Entry, bounds: &Bounds, now: UnixMs) -> bool {
        let begins = |date: Date| entry.zone.resolve(date.at(0, 0, 0, 0));
        let (from, to) = (begins(self.first) - INSTANT, begins(self.end));
        if entry.next_slot(from).is_some_and(|slot| slot < to) {
            return false;
        }
        let start = bounds.start.map_or(from, |start| start - INSTANT);
        let own = entry.timing.next(&entry.zone, from.max(now).max(start));
        own.is_some_and(|slot| slot < to && bounds.end.is_none_or(|end| slot <= end))
    }
}

/// Shows `week`, `month` or `year`.
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Length::Week => "week",
            Length::Month => "month",
            Length::Year => "year",
        })
    }
}

/// Shows `the week of 2026-12-28`, `December 2026` or `2026`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first;
        match self.length {
            Length::Week => write!(f, "the week of {first}"),
            Length::Month => write!(f, "{}", first.strftime("%B %Y")),
            Length::Year => write!(f, "{}", first.year()),
        }
    }
}
