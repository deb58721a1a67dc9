//! Reads timings back from their canonical form, so that slots of a timing that is no longer written anywhere else
//! can still be counted.
//!
//! The bounds are at the end of the form; excluded times are there only as a hash. A form that is not wholly
//! understood is unreadable: a newer version wrote it, or somebody edited it.

use std::str::{FromStr, Split};
use std::sync::Arc;

use uuid::Uuid;

use super::bounds::Bounds;
use super::cron::{Cron, Quartz};
use super::except::Except;
use super::instants::Instants;
use super::interval::Interval;
use super::rrule::Rrule;
use super::solar::Solar;
use super::timing::Timing;
use super::union::Union;
use super::unix_ms::UnixMs;
use super::zone::Zone;

/// A function that finds a zone by its IANA name.
pub type FindZone<'a> = &'a dyn Fn(&str) -> Option<Arc<Zone>>;

/// A timing and its bounds, read back from the form that [`Slots::canonical`](super::Slots::canonical) writes.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTiming {
    /// The timing.
    pub timing: Timing,
    /// The zone whose clock and calendar they use; UTC if neither needs one.
    pub zone: Arc<Zone>,
    /// The bounds, without excluded times.
    pub bounds: Bounds,
    /// The hash of the excluded times, which the form does not list; `None` if there are none.
    pub except: Option<Uuid>,
}

impl StoredTiming {
    /// Reads a canonical form; `None` if it is not understood in full, or its zone is unknown.
    #[must_use]
    pub fn read(form: &str, find_zone: FindZone<'_>) -> Option<StoredTiming> {
        let mut words = Form::of(form);
        if words.next()? != "1" {
            return None;
        }
        let timing = timing(&mut words)?;
        let mut zone = match timing.reads_wall_clock() {
            true => Some(find_zone(words.next()?)?),
            false => None,
        };
        let (mut bounds, mut except) = (Bounds::default(), None);
        while let Some(word) = words.next() {
            match word {
                "from" => bounds.start = Some(words.instant()?),
                "until" => bounds.end = Some(words.instant()?),
                "except" => {
                    except = Some(words.parsed()?);
                    zone = Some(find_zone(words.next()?)?);
                }
                "move" if except.is_some() => bounds.move_to = Some(words.parsed()?),
                _ => return None,
            }
        }
        let zone = zone.unwrap_or_else(|| Arc::new(Zone::utc()));
        Some(StoredTiming { timing, zone, bounds, except })
    }

    /// The bounds with `days` excluded, if they have the hash of the form; and whether no excluded time is missing.
    #[must_use]
    pub fn bounds_with(&self, days: Option<&[Arc<Except>]>) -> (Option<Box<Bounds>>, bool) {
        let mut bounds = self.bounds.clone();
        let known = match (self.except, days) {
            (None, _) => true,
            (Some(hash), Some(days)) if Except::hash_of(days) == hash => {
                bounds.except = days.to_vec();
                true
            }
            (Some(_), _) => {
                bounds.move_to = None;
                false
            }
        };
        ((bounds != Bounds::default()).then(|| Box::new(bounds)), known)
    }
}

fn timing(words: &mut Form<'_>) -> Option<Timing> {
    Some(match words.peek()? {
        "cron" => Timing::Cron(Cron::from_canonical(words)?),
        "quartz" => Timing::Quartz(Box::new(Quartz::from_canonical(words)?)),
        "union" => Timing::Union(Union::from_canonical(words)?),
        "every" => Timing::Every(Interval::from_canonical(words)?),
        "at" => Timing::At(Instants::from_canonical(words)?),
        "rrule" => Timing::Rrule(Box::new(Rrule::from_canonical(words)?)),
        "solar" => Timing::Solar(Solar::from_canonical(words)?),
        _ => return None,
    })
}

/// The words of a form, separated by single spaces; some may be empty.
pub(super) struct Form<'a> {
    words: std::iter::Peekable<Split<'a, char>>,
}

impl<'a> Form<'a> {
    fn of(form: &'a str) -> Form<'a> {
        Form { words: form.split(' ').peekable() }
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.words.next()
    }

    pub(super) fn peek(&mut self) -> Option<&'a str> {
        self.words.peek().copied()
    }

    /// Reads exactly this word.
    pub(super) fn literal(&mut self, word: &str) -> Option<()> {
        self.words.next_if(|next| *next == word).map(|_| ())
    }

    pub(super) fn parsed<T: FromStr>(&mut self) -> Option<T> {
        self.next()?.parse().ok()
    }

    /// Reads an instant within the years that a slot can have.
    pub(super) fn instant(&mut self) -> Option<UnixMs> {
        instant(self.next()?)
    }

    /// Reads hexadecimal bits, a subset of `all`; at least one.
    pub(super) fn mask(&mut self, all: u64) -> Option<u64> {
        mask(self.next()?, all).filter(|mask| *mask != 0)
    }
}

/// Reads milliseconds, within the years that a slot can have.
pub(super) fn instant(text: &str) -> Option<UnixMs> {
    const END_MS: i64 = 253_402_300_800_000;
    let ms = text.parse().ok().filter(|ms: &i64| (-END_MS..=END_MS).contains(ms));
    ms.map(UnixMs)
}

/// Reads hexadecimal bits, a subset of `all`.
pub(super) fn mask(text: &str, all: u64) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|mask| mask & !all == 0)
}

/// Reads a comma-separated list of at most `max` items; an empty text is an empty list.
pub(super) fn list<T>(text: &str, max: usize, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let items: Option<Vec<T>> = text.split(',').take(max + 1).map(item).collect();
    items.filter(|items| items.len() <= max)
}

/// Whether each is greater than the one before it.
pub(super) fn is_ascending<T: Ord>(items: &[T]) -> bool {
    items.is_sorted_by(|one, two| one < two)
}

#[cfg(test)]
mod tests;
