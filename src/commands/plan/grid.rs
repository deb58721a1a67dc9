//! A forecast as rows of cells: one row per hour for about a day, one row per day for longer.

use std::time::Duration;

use downbeat_time::{UnixMs, Zone};
use jiff::ToSpan as _;
use jiff::civil::date;

use crate::schedule::Forecast;

/// The longest day, in minutes, when the clock is set back.
const MAX_DAY_MINUTES: usize = 25 * 60;
/// Possible minutes per cell: they divide an hour or a day.
const CELLS: [usize; 18] =
    [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440];
const HOUR: usize = 60;
const DAY: usize = 24 * HOUR;

/// Rows of cells.
pub(super) struct Grid<'a> {
    zone: &'a Zone,
    pub(super) unit: Unit,
    /// Minutes per cell.
    pub(super) cell: usize,
    pub(super) rows: Vec<Row>,
}

/// What a row stands for.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// An hour of elapsed time; the value is the start of the first row.
    Hour(UnixMs),
    /// A day of the zone's calendar; the value is the first day, counted from 1970-01-01. Clock times
    /// that occur twice share a cell, and skipped ones have none.
    Day(i64),
}

/// A row.
pub(super) struct Row {
    /// Its first minute within the range.
    pub(super) from: UnixMs,
    /// `Mon 03:00` or `Mon 01-04`.
    pub(super) label: String,
    /// Total number of slots.
    pub(super) slots: u64,
    /// The largest number of slots in a minute; `None` if the range has no minute there.
    pub(super) cells: Vec<Option<u64>>,
}

impl<'a> Grid<'a> {
    /// The forecast by the zone's clock, in the shortest cells with which a row has at most `columns`.
    pub(super) fn new(forecast: &Forecast, zone: &'a Zone, columns: usize) -> Grid<'a> {
        let reading_s = reading_s(zone, forecast.from);
        let (unit, minutes) = if forecast.minutes.len() <= MAX_DAY_MINUTES {
            let past = Duration::from_secs(reading_s.rem_euclid(3600).unsigned_abs());
            (Unit::Hour(forecast.from - past), HOUR)
        } else {
            (Unit::Day(reading_s.div_euclid(86_400)), DAY)
        };
        let fits = |cell: &usize| minutes % cell == 0 && minutes / cell <= columns;
        let cell = CELLS.into_iter().find(fits).unwrap_or(minutes);
        let mut grid = Grid { zone, unit, cell, rows: Vec::new() };
        for (minute, slots) in (0..).zip(&forecast.minutes) {
            grid.add(forecast.from + Duration::from_secs(60 * minute), *slots);
        }
        grid
    }

    fn add(&mut self, at: UnixMs, slots: u64) {
        let (row, cell) = self.place(at);
        for index in self.rows.len()..=row {
            let cells = vec![None; self.columns()];
            self.rows.push(Row { from: at, label: self.label(index), slots: 0, cells });
        }
        let row = &mut self.rows[row];
        row.slots += slots;
        row.cells[cell] = row.cells[cell].max(Some(slots));
    }

    /// Number of cells per row.
    pub(super) fn columns(&self) -> usize {
        let minutes = if matches!(self.unit, Unit::Hour(_)) { HOUR } else { DAY };
        minutes / self.cell
    }

    /// The row and cell of an instant.
    pub(super) fn place(&self, at: UnixMs) -> (usize, usize) {
        let (row, minute) = match self.unit {
            Unit::Hour(first) => {
                let minute = at.since(first).as_secs() / 60;
                (minute / 60, minute % 60)
            }
            Unit::Day(first) => {
                let minute = reading_s(self.zone, at).div_euclid(60);
                let (day, minute) = (minute.div_euclid(1440), minute.rem_euclid(1440));
                // The clock may be set back over the midnight at which the range begins.
                ((day - first).max(0).unsigned_abs(), minute.unsigned_abs())
            }
        };
        // A range has at most 366 days.
        (row as usize, minute as usize / self.cell)
    }

    fn label(&self, row: usize) -> String {
        match self.unit {
            Unit::Hour(first) => {
                let begins = first + Duration::from_secs(3600 * row as u64);
                self.zone.to_local(begins).strftime("%a %H:%M").to_string()
            }
            Unit::Day(first) => {
                let days = first.saturating_add_unsigned(row as u64).days();
                date(1970, 1, 1).saturating_add(days).strftime("%a %m-%d").to_string()
            }
        }
    }

    /// The local time at which a cell begins: `Mon 03:05`, `Mon 01-04 03:30`.
    pub(super) fn cell_label(&self, row: usize, cell: usize) -> String {
        match self.unit {
            Unit::Hour(first) => {
                let minutes = (60 * row + cell * self.cell) as u64;
                let begins = first + Duration::from_secs(60 * minutes);
                self.zone.to_local(begins).strftime("%a %H:%M").to_string()
            }
            Unit::Day(_) => {
                let minute = cell * self.cell;
                format!("{} {:02}:{:02}", self.rows[row].label, minute / 60, minute % 60)
            }
        }
    }

    /// The cells at which the axis is labelled, at least `spacing` apart, and the labels: minutes of
    /// the hour, or hours of the day.
    pub(super) fn ticks(&self, spacing: usize) -> Vec<(usize, String)> {
        let (minutes, steps) = match self.unit {
            Unit::Hour(_) => (HOUR, &[5, 10, 15, 20, 30, 60][..]),
            Unit::Day(_) => (DAY, &[60, 120, 180, 240, 360, 720, 1440][..]),
        };
        let fits = |step: &&usize| step.is_multiple_of(self.cell) && *step / self.cell >= spacing;
        let step = steps.iter().find(fits).copied().unwrap_or(minutes);
        let text = |minute: usize| match self.unit {
            Unit::Hour(_) => format!(":{minute:02}"),
            Unit::Day(_) => format!("{:02}", minute / 60),
        };
        (0..minutes).step_by(step).map(|minute| (minute / self.cell, text(minute))).collect()
    }

    /// The largest number of slots in a row.
    pub(super) fn most(&self) -> u64 {
        self.rows.iter().map(|row| row.slots).max().unwrap_or(0)
    }

    /// The scale of its cells, in at most `levels`.
    pub(super) fn scale(&self, levels: usize) -> Scale {
        let slots = || self.rows.iter().flat_map(|row| &row.cells).flatten().copied();
        let fewest = slots().filter(|slots| *slots > 0).min();
        Scale::new(fewest.unwrap_or(0), slots().max().unwrap_or(0), levels)
    }
}

/// The local time in seconds since 1970-01-01T00:00:00 local time.
fn reading_s(zone: &Zone, at: UnixMs) -> i64 {
    at.0.div_euclid(1000) + i64::from(zone.offset_at(at))
}

/// A scale of slots per minute, in levels whose lower bounds grow by equal factors.
pub(super) struct Scale {
    /// The lower bound of each level.
    floors: Vec<u64>,
    peak: u64,
}

impl Scale {
    /// Levels from the smallest number of slots, above zero, to the largest; each number has its own
    /// level if there are no more than `levels` of them.
    fn new(fewest: u64, peak: u64, levels: usize) -> Scale {
        let mut floors: Vec<u64> = if peak - fewest < levels as u64 {
            (fewest..=peak).filter(|slots| *slots > 0).collect()
        } else {
            let factor = peak as f64 / fewest as f64;
            let growth = |level: usize| libm::pow(factor, level as f64 / levels as f64);
            (0..levels).map(|level| (fewest as f64 * growth(level)).ceil() as u64).collect()
        };
        floors.dedup();
        Scale { floors, peak }
    }

    /// The level of a cell; 0 for no slots.
    pub(super) fn level(&self, slots: u64) -> usize {
        self.floors.partition_point(|floor| *floor <= slots)
    }

    /// Each level from 1 on as text: `1`, `2-5`.
    pub(super) fn ranges(&self) -> Vec<String> {
        let last = self.floors.iter().skip(1).map(|next| next - 1).chain([self.peak]);
        let range = |(first, last): (&u64, u64)| match last - first {
            0 => first.to_string(),
            _ => format!("{first}-{last}"),
        };
        self.floors.iter().zip(last).map(range).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::schedule::sample::zone;

    /// A forecast in which each minute has as many slots as minutes precede it.
    fn counting(from: UnixMs, minutes: u64) -> Forecast {
        let minutes = (0..minutes).collect();
        Forecast { from, minutes, busiest: Vec::new(), queues: Vec::new() }
    }

    fn instant(text: &str) -> UnixMs {
        text.parse::<jiff::Timestamp>().unwrap().into()
    }

    fn labels<'g>(grid: &'g Grid<'_>) -> Vec<&'g str> {
        grid.rows.iter().map(|row| row.label.as_str()).collect()
    }

    #[test]
    fn a_day_has_a_row_an_hour() {
        let utc = Zone::utc();
        let forecast = counting(instant("2027-01-04T22:30:00Z"), 100);
        let grid = Grid::new(&forecast, &utc, 60);
        assert_eq!(labels(&grid), ["Mon 22:00", "Mon 23:00", "Tue 00:00"]);
        assert_eq!((grid.cell, grid.columns(), grid.most()), (1, 60, 59 * 60 / 2 + 60 * 30));
        let [first, second, third] = &grid.rows[..] else { panic!("not three rows") };
        assert_eq!((first.cells[29], first.cells[30], first.slots), (None, Some(0), 29 * 30 / 2));
        assert_eq!((second.cells[0], third.cells[9], third.cells[10]), (Some(30), Some(99), None));
        assert_eq!(second.from, instant("2027-01-04T23:00:00Z"));
        assert_eq!(grid.cell_label(1, 5), "Mon 23:05");
        // With less room, cells are longer and show their busiest minute.
        let narrow = Grid::new(&forecast, &utc, 14);
        assert_eq!((narrow.cell, narrow.columns()), (5, 12));
        assert_eq!(narrow.rows[1].cells[..2], [Some(34), Some(39)]);
    }

    #[test]
    fn more_than_a_day_has_a_row_a_day() {
        let utc = Zone::utc();
        let forecast = counting(instant("2027-01-04T12:00:00Z"), 2 * 1440);
        let grid = Grid::new(&forecast, &utc, 60);
        assert_eq!(labels(&grid), ["Mon 01-04", "Tue 01-05", "Wed 01-06"]);
        assert_eq!((grid.cell, grid.columns()), (30, 48));
        let (first, last) = (&grid.rows[0].cells, &grid.rows[2].cells);
        assert_eq!((first[23], first[24], last[23], last[24]), (None, Some(29), Some(2879), None));
        assert_eq!(grid.cell_label(1, 7), "Tue 01-05 03:30");
    }

    #[test]
    fn hours_pass_in_real_time_when_the_clock_is_set() {
        let london = zone("Europe/London");
        let spring = counting(instant("2027-03-28T00:00:00Z"), 120);
        assert_eq!(labels(&Grid::new(&spring, &london, 60)), ["Sun 00:00", "Sun 02:00"]);
        let autumn = counting(instant("2027-10-31T00:00:00Z"), 120);
        assert_eq!(labels(&Grid::new(&autumn, &london, 60)), ["Sun 01:00", "Sun 01:00"]);
        let lord_howe = zone("Australia/Lord_Howe");
        let autumn = counting(instant("2027-04-03T14:30:00Z"), 90);
        assert_eq!(labels(&Grid::new(&autumn, &lord_howe, 60)), ["Sun 01:00", "Sun 01:30"]);
        let kathmandu =
            Zone::from_jiff(chrono_tz::Asia::Kathmandu, &TimeZone::fixed(jiff::tz::offset(5)));
        assert_eq!(labels(&Grid::new(&counting(UnixMs(0), 60), &kathmandu, 60)), ["Thu 05:00"]);
    }

    #[test]
    fn days_are_the_zones_own_when_the_clock_is_set() {
        let london = zone("Europe/London");
        let days = |from: &str| {
            let forecast = counting(instant(from), 48 * 60);
            let grid = Grid::new(&forecast, &london, 24);
            grid.rows.into_iter().map(|row| (row.label, row.cells)).collect::<Vec<_>>()
        };
        let spring = days("2027-03-27T00:00:00Z");
        assert_eq!(spring[1].0, "Sun 03-28");
        // Sunday has 23 hours: nothing at one o'clock.
        assert_eq!(spring[1].1[..3], [Some(1499), None, Some(1559)]);
        assert_eq!(spring[2].1[..2], [Some(2879), None]);
        let autumn = days("2027-10-30T23:00:00Z");
        // 25 hours: the busier one of the two hours from one to two.
        assert_eq!(
            (autumn[0].0.as_str(), &autumn[0].1[..3]),
            ("Sun 10-31", &[Some(59), Some(179), Some(239)][..])
        );
    }

    #[test]
    fn the_axis_is_marked_where_there_is_room() {
        let utc = Zone::utc();
        let marks = |minutes, columns, spacing| {
            let forecast = counting(UnixMs(0), minutes);
            let ticks = Grid::new(&forecast, &utc, columns).ticks(spacing);
            let marks = ticks.iter().map(|(cell, text)| format!("{cell}{text}"));
            marks.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            marks(60, 60, 4),
            "0:00 5:05 10:10 15:15 20:20 25:25 30:30 35:35 40:40 45:45 50:50 55:55"
        );
        assert_eq!(marks(60, 20, 4), "0:00 5:15 10:30 15:45");
        assert_eq!(marks(60, 1, 4), "0:00");
        assert_eq!(marks(2000, 48, 6), "000 603 1206 1809 2412 3015 3618 4221");
        assert_eq!(marks(2000, 1, 4), "000");
    }

    #[test]
    fn levels_grow_by_equal_factors_from_the_fewest_to_the_most() {
        assert_eq!(Scale::new(0, 0, 4).ranges(), [""; 0]);
        assert_eq!(Scale::new(1, 3, 4).ranges(), ["1", "2", "3"]);
        assert_eq!(Scale::new(12, 13, 4).ranges(), ["12", "13"]);
        assert_eq!(Scale::new(1, 5, 4).ranges(), ["1", "2", "3", "4-5"]);
        let scale = Scale::new(1, 10_000, 4);
        assert_eq!(scale.ranges(), ["1-9", "10-99", "100-999", "1000-10000"]);
        let levels = [0, 1, 9, 10, 99, 100, 1000, 10_000].map(|slots| scale.level(slots));
        assert_eq!(levels, [0, 1, 1, 2, 2, 3, 4, 4]);
    }
}
