//! The rule for clock changes: when, and whether, a zone's clock shows the readings of a schedule.
//!
//! The caller finds the first matching reading at or after another, as if every day had 24 hours. This module
//! walks the zone's segments to find the instant. No other code knows of gaps or repeated hours: a segment says
//! which of its readings are new.
//!
//! Readings are seconds since 1970-01-01T00:00:00 on the wall.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::unix_ms::UnixMs;
use super::zone::{Segment, Zone};

/// A clock set forward by more than this moved to another time zone, or over the date line: the readings it
/// skipped belong to no day that people there lived through.
const MAX_GAP_S: i32 = 3 * 3600;
/// More than the difference of any two offsets: what was shown longer ago than this never comes again.
const MAX_REPEAT_S: i64 = 2 * 86_400;
/// The last second that `jiff` can show: 9999-12-30T22:00:00Z.
const LAST_S: i64 = 253_402_207_200;

/// How readings that the clock repeats or skips are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Every instant that shows a matching reading: skipped readings do not exist, repeated ones fire again.
    Wildcard,
    /// Each matching reading once, at the first instant that shows it or a later one.
    Fixed,
}

/// The first slot strictly later than `after`, or `None` if year 9999 ends before it.
///
/// `reading_from` returns the first matching reading at or after its argument.
pub(super) fn next(
    class: Class,
    zone: &Zone,
    after: UnixMs,
    reading_from: impl Fn(i64) -> Option<i64>,
) -> Option<UnixMs> {
    let after_s = after.0.div_euclid(1000).max(-1);
    if after_s >= LAST_S {
        return None;
    }
    let slot_s = match class {
        Class::Wildcard => next_wildcard(zone, after_s, reading_from),
        Class::Fixed => next_fixed(zone, after_s, reading_from),
    }?;
    (slot_s <= LAST_S).then_some(UnixMs::from_secs(slot_s))
}

/// The next instant that shows a matching reading.
fn next_wildcard(
    zone: &Zone,
    after_s: i64,
    reading_from: impl Fn(i64) -> Option<i64>,
) -> Option<i64> {
    let mut index = zone.segment_at(after_s);
    let mut segment = zone.segment(index);
    let mut from = after_s + 1 + i64::from(segment.offset);
    let mut reading = reading_from(from);
    loop {
        match reading {
            Some(reading) if reading < segment.wall_end() => {
                return Some(instant_of(reading, &segment));
            }
            // Nothing is left except what a clock that is soon set back may show again.
            None if segment.end > after_s + MAX_REPEAT_S => return None,
            _ => {}
        }
        index += 1;
        segment = zone.segment(index);
        let start = segment.wall_start();
        // Either readings come back that were past when the search began, or the reading that was found is
        // skipped.
        if start < from || reading.is_some_and(|reading| start > reading) {
            from = start;
            reading = reading_from(from);
        }
    }
}

/// The next instant at which the clock is for the first time at or past a matching reading.
fn next_fixed(zone: &Zone, after_s: i64, reading_from: impl Fn(i64) -> Option<i64>) -> Option<i64> {
    let mut index = zone.segment_at(after_s);
    let mut segment = zone.segment(index);
    let unseen = (after_s + 1 + i64::from(segment.offset)).max(segment.wall_fresh());
    let mut reading = reading_from(unseen)?;
    loop {
        while reading >= segment.wall_end() {
            index += 1;
            segment = zone.segment(index);
        }
        if reading >= segment.wall_start() {
            return Some(instant_of(reading, &segment));
        }
        if zone.jump_at(index) <= MAX_GAP_S {
            return Some(segment.start);
        }
        reading = reading_from(segment.wall_start())?;
    }
}

fn instant_of(reading: i64, segment: &Segment) -> i64 {
    reading - i64::from(segment.offset)
}

/// The first matching reading at or after `from_s` that falls on `slot`: what the clock shows, or a reading that it
/// skips right before. Several may fall on one slot.
pub(super) fn reading_on(
    class: Class,
    zone: &Zone,
    slot: UnixMs,
    from_s: i64,
    reading_from: impl Fn(i64) -> Option<i64>,
) -> Option<i64> {
    let slot_s = slot.0.div_euclid(1000);
    let index = zone.segment_at(slot_s);
    let segment = zone.segment(index);
    let shown = slot_s + i64::from(segment.offset);
    let follows_gap = class == Class::Fixed
        && slot_s == segment.start
        && segment.wall_fresh() < shown
        && zone.jump_at(index) <= MAX_GAP_S;
    if !follows_gap {
        return (from_s <= shown).then_some(shown);
    }
    reading_from(from_s.max(segment.wall_fresh())).filter(|reading| *reading <= shown)
}

/// The first instant at which the clock shows `reading_ms` or, right after a gap, a later one; `None` if the zone
/// never had that time.
pub(super) fn instant_at(zone: &Zone, reading_ms: i64) -> Option<UnixMs> {
    let at = zone.resolve(to_civil(reading_ms));
    let late_s = zone.reading_at(at) - reading_ms.div_euclid(1000);
    (0..=i64::from(MAX_GAP_S)).contains(&late_s).then_some(at)
}

/// A reading in milliseconds since 1970-01-01T00:00:00 on the wall, as date and time of day.
pub(super) fn to_civil(reading_ms: i64) -> DateTime {
    Offset::UTC.to_datetime(UnixMs(reading_ms).to_jiff())
}
