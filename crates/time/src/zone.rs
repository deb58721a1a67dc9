//! Time zones as tables of segments with a constant offset.
//!
//! Within a segment the wall clock is the instant plus an offset, so users of a zone need not know about gaps
//! and repeated hours. The table is built once, from rules that the caller passes, and is right from 1970 to the
//! end of year 9999: a zone's yearly rule repeats with the calendar, every 400 years, so what is beyond the
//! table is looked up inside it. Instants before 1970 have the offset of the beginning of 1970.

use std::fmt;
use std::time::Duration;

use chrono_tz::Tz;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

use super::unix_ms::UnixMs;

/// The Gregorian calendar, weekdays included, repeats after this many seconds.
const CYCLE: i64 = 146_097 * 86_400;
/// 2500-01-01T00:00:00Z, the end of the table. No zone has special rules for years after 2099 (Morocco's list of
/// Ramadans, the longest, ends in 2087), so the table's last 400 years are the yearly rule alone. A test checks
/// this for every zone.
const TABLE_END: i64 = 16_725_225_600;
/// The beginning of the first segment, negated, and the end of the last one: far outside every date, and far
/// enough from the ends of `i64` to add offsets.
const FAR: i64 = i64::MAX / 4;
/// The binary logarithm of a bucket's seconds: 2^24 are a little more than half a year.
const BUCKET_BITS: u32 = 24;
/// More than any offset, so that a wall reading this much before `TABLE_END` is inside the table.
const MARGIN_S: i64 = 2 * 86_400;

/// An IANA time zone with its rules: what its clock shows at any instant.
#[derive(Clone, PartialEq)]
pub struct Zone {
    iana: Tz,
    /// The source of the table; used only for the abbreviations in [`Zone::strftime`].
    rules: TimeZone,
    /// Sorted by time; the first begins at `-FAR`.
    table: Vec<Row>,
    /// The row at the beginning of each bucket of time, from the epoch to the last row: a search begins there
    /// and takes a step or two, half the time of a binary search.
    buckets: Vec<u16>,
    /// The number of rows in the table's last 400 years: 0 if the zone's clock no longer changes.
    cycle_rows: usize,
}

#[derive(Clone, Copy, PartialEq)]
struct Row {
    start: i64,
    offset: i32,
    /// See [`Segment::fresh`].
    fresh: i32,
}

/// A time with one offset; `start..end` are seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) offset: i32,
    /// The first reading that the clock has never shown before, relative to the reading at `start`. Positive
    /// after the clock was set back: readings before it are repeated ones. Negative after it was set forward:
    /// readings from there to the start were skipped.
    fresh: i32,
}

impl Segment {
    /// The wall reading at the start, in seconds since 1970-01-01T00:00:00 on the wall.
    pub(super) fn wall_start(&self) -> i64 {
        self.start + i64::from(self.offset)
    }

    /// The wall reading at the end of the segment, which it never shows.
    pub(super) fn wall_end(&self) -> i64 {
        self.end + i64::from(self.offset)
    }

    /// The first reading that no earlier segment has shown.
    pub(super) fn wall_fresh(&self) -> i64 {
        self.wall_start() + i64::from(self.fresh)
    }
}

impl Row {
    fn wall_fresh(&self) -> i64 {
        self.start + i64::from(self.offset) + i64::from(self.fresh)
    }
}

impl Zone {
    /// Creates the zone of that name from these rules alone.
    #[must_use]
    pub fn from_jiff(iana: Tz, rules: &TimeZone) -> Zone {
        let first = rules.to_offset(Timestamp::UNIX_EPOCH).seconds();
        let mut table = vec![Row { start: -FAR, offset: first, fresh: 0 }];
        let (mut offset, mut newest_reading) = (first, -FAR);
        for change in rules.following(Timestamp::UNIX_EPOCH) {
            let (start, new) = (change.timestamp().as_second(), change.offset().seconds());
            if start >= TABLE_END {
                break;
            }
            if new == offset {
                continue;
            }
            newest_reading = newest_reading.max(start + i64::from(offset));
            // Less than the sum of all jumps, which is a few days.
            let fresh = (newest_reading - start - i64::from(new)) as i32;
            table.push(Row { start, offset: new, fresh });
            offset = new;
        }
        table.shrink_to_fit();
        let cycle_rows = table.iter().filter(|row| row.start >= TABLE_END - CYCLE).count();
        Zone { iana, rules: rules.clone(), buckets: buckets(&table), table, cycle_rows }
    }

    /// The zone whose clock shows UTC.
    #[must_use]
    pub fn utc() -> Zone {
        Zone::from_jiff(Tz::UTC, &TimeZone::UTC)
    }

    /// Whether the zone's clock shows UTC, whatever its name.
    #[must_use]
    pub(crate) fn is_utc(&self) -> bool {
        matches!(self.table[..], [Row { offset: 0, .. }])
    }

    /// The IANA name: `Asia/Seoul`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.iana.name()
    }

    /// The IANA name as a type.
    #[must_use]
    pub fn iana(&self) -> Tz {
        self.iana
    }

    /// How far the zone's clock is ahead of UTC at `at`, in seconds.
    #[must_use]
    pub fn offset_at(&self, at: UnixMs) -> i32 {
        self.row_at(fold(at.0.div_euclid(1000), TABLE_END).0).offset
    }

    /// What the zone's clock and calendar show at `at`, limited to the years that `jiff` can show.
    #[must_use]
    pub fn to_local(&self, at: UnixMs) -> DateTime {
        self.offset(at).to_datetime(at.to_jiff())
    }

    /// RFC 3339 with the zone's offset, and with milliseconds only if there are some:
    /// `2026-11-21T12:00:00+09:00`.
    #[must_use]
    pub fn to_rfc3339(&self, at: UnixMs) -> String {
        at.to_jiff().display_with_offset(self.offset(at)).to_string()
    }

    /// What the zone's clock and calendar show at `at`, in a format of C's `strftime` with the names of the C
    /// locale (English), as extended and limited by [`jiff::fmt::strtime`].
    ///
    /// # Errors
    ///
    /// When the format has an unknown directive.
    pub fn strftime(&self, at: UnixMs, format: &str) -> Result<String, jiff::Error> {
        let zoned = at.to_jiff().to_zoned_datetime(self.rules.clone());
        if zoned.offset() == self.offset(at) {
            return strftime(&zoned, format);
        }
        // Before 1970 the table has its own offset, and no abbreviation for it.
        strftime(&at.to_jiff().to_zoned_datetime(TimeZone::fixed(self.offset(at))), format)
    }

    /// The first instant at which the zone's clock shows `reading` or a later one.
    ///
    /// For a reading that is shown twice it is the first of the two; for one that is skipped, the instant right
    /// after the gap.
    #[must_use]
    pub fn resolve(&self, reading: DateTime) -> UnixMs {
        // The first and the last hours of the calendar are no instants to `jiff`.
        let end = if reading.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let wall = Offset::UTC.to_timestamp(reading).unwrap_or(end);
        let (wall_s, cycles) = fold(wall.as_second(), TABLE_END - MARGIN_S);
        let index = self.table[1..].partition_point(|row| row.wall_fresh() <= wall_s);
        let row = &self.table[index];
        let started = cycles.saturating_add(row.start).saturating_mul(1000);
        let shown = (wall_s + cycles - i64::from(row.offset)) * 1000;
        UnixMs(started.max(shown + i64::from(wall.subsec_millisecond()))).min(Timestamp::MAX.into())
    }

    /// What the zone's clock shows at `at`, in whole seconds since 1970-01-01T00:00:00 on the wall.
    pub(super) fn reading_at(&self, at: UnixMs) -> i64 {
        at.0.div_euclid(1000) + i64::from(self.offset_at(at))
    }

    /// The first second later than `at` at which the clock shows neither the reading at `at` nor a later one before
    /// `until_s`. It may be set back in between.
    pub(super) fn leaves(&self, at: UnixMs, until_s: i64) -> UnixMs {
        let from_s = self.reading_at(at);
        let mut index = self.segment_at(at.0.div_euclid(1000));
        let mut segment = self.segment(index);
        while segment.wall_end() <= until_s {
            index += 1;
            segment = self.segment(index);
            if segment.wall_start() < from_s {
                return UnixMs::from_secs(segment.start);
            }
        }
        UnixMs::from_secs(segment.start.max(until_s - i64::from(segment.offset)))
    }

    /// What the clock would show at `reading`, which it skips right before `at`, by [`Zone::strftime`].
    pub(super) fn strftime_skipped(
        &self,
        at: UnixMs,
        reading: DateTime,
        format: &str,
    ) -> Result<String, jiff::Error> {
        let before = self.offset(at - Duration::from_secs(1));
        let skipped = reading.to_zoned_datetime(TimeZone::fixed(before))?;
        let mut shown = BrokenDownTime::from(&skipped);
        shown.set_timestamp(Some(at.to_jiff()));
        write(&shown, format)
    }

    fn offset(&self, at: UnixMs) -> Offset {
        Offset::from_seconds(self.offset_at(at)).unwrap_or(Offset::UTC)
    }

    fn row_at(&self, folded: i64) -> &Row {
        &self.table[self.row_index(folded)]
    }

    fn row_index(&self, folded: i64) -> usize {
        // There is one row before the epoch, and one after the last bucket.
        let bucket = (folded.max(0) >> BUCKET_BITS) as usize;
        let first = self.buckets.get(bucket).map_or(self.table.len() - 1, |row| usize::from(*row));
        let later = self.table[first + 1..].iter();
        first + later.take_while(|row| row.start <= folded).count()
    }

    /// The number of the segment with the second `at`; segments are numbered by time, also beyond the table.
    pub(super) fn segment_at(&self, at: i64) -> usize {
        let (folded, shift) = fold(at, TABLE_END);
        // `shift` is a whole number of cycles, and not negative.
        self.row_index(folded) + (shift / CYCLE) as usize * self.cycle_rows
    }

    /// The segment of that number.
    pub(super) fn segment(&self, index: usize) -> Segment {
        let (row, start) = self.row(index);
        let at_rest = self.cycle_rows == 0 && index + 1 >= self.table.len();
        let end = if at_rest { FAR } else { self.row(index + 1).1 };
        Segment { start, end, offset: row.offset, fresh: row.fresh }
    }

    /// Whether the clock will still be changed in 2040: as long as its rules stay as they are.
    #[must_use]
    pub fn keeps_changing(&self) -> bool {
        const YEAR_2040: i64 = 2_208_988_800;
        self.table.last().is_some_and(|row| row.start > YEAR_2040)
    }

    /// The first instant from `from` on at which this zone's clock shows something else than the other's, up to
    /// the end of the tables; `None` if there is none.
    #[must_use]
    pub fn differs_from(&self, other: &Zone, from: UnixMs) -> Option<UnixMs> {
        let starts =
            self.table.iter().chain(&other.table).map(|row| UnixMs::from_secs(row.start.max(0)));
        let candidates = starts.filter(|start| *start > from).chain([from]);
        candidates.filter(|at| self.offset_at(*at) != other.offset_at(*at)).min()
    }

    /// The instants later than `from` and earlier than `to` at which the clock is set forward.
    #[must_use]
    pub fn jumps(&self, from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
        let first = self.segment_at(from.0.div_euclid(1000)) + 1;
        let starts = (first..).map(|index| (index, UnixMs::from_secs(self.segment(index - 1).end)));
        let coming = starts.take_while(|(_, start)| *start < to);
        coming.filter(|(index, _)| self.jump_at(*index) > 0).map(|(_, start)| start).collect()
    }

    /// How far the clock was set forward at the segment's beginning; negative if it was set back.
    pub(super) fn jump_at(&self, index: usize) -> i32 {
        match index {
            0 => 0,
            _ => self.row(index).0.offset - self.row(index - 1).0.offset,
        }
    }

    /// A segment's row and its true start.
    fn row(&self, index: usize) -> (&Row, i64) {
        if let Some(row) = self.table.get(index) {
            return (row, row.start);
        }
        // Only zones with a yearly rule have segments beyond the table.
        let beyond = index - self.table.len();
        let (cycles, row) = (beyond / self.cycle_rows + 1, beyond % self.cycle_rows);
        let row = &self.table[self.table.len() - self.cycle_rows + row];
        (row, row.start + cycles as i64 * CYCLE)
    }
}

pub(super) fn strftime(at: &ZonedDateTime, format: &str) -> Result<String, jiff::Error> {
    write(&BrokenDownTime::from(at), format)
}

fn write(shown: &BrokenDownTime, format: &str) -> Result<String, jiff::Error> {
    shown.to_string_with_config(&Config::new().custom(PosixCustom::new()), format)
}

fn buckets(table: &[Row]) -> Vec<u16> {
    let last_start = table.last().map_or(0, |row| row.start.max(0));
    let row_at = |at: i64| table[1..].partition_point(|row| row.start <= at);
    // A table has about a thousand rows.
    (0..=last_start >> BUCKET_BITS).map(|bucket| row_at(bucket << BUCKET_BITS) as u16).collect()
}

/// `at` moved into the table by whole cycles, if it is at or after `end`; and by how much.
fn fold(at: i64, end: i64) -> (i64, i64) {
    if at < end {
        return (at, 0);
    }
    let shift = ((at - end) / CYCLE + 1) * CYCLE;
    (at - shift, shift)
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests;
