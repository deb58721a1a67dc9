//! `plan`: shows how many slots there are at which times.

mod grid;
mod svg;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use downbeat_time::{UnixMs, Zone};
use serde::Serialize;

use self::grid::Grid;
use self::text::Style;
use super::{Exit, Failure, configuration, load_schedule, show, times};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::Caller;
use crate::schedule::forecast::{QueueLoad, Second};
use crate::schedule::{Forecast, Schedule};
use crate::tzdata::{self, Tzdata};

const DAY: Duration = Duration::from_secs(86_400);
/// Maximum number of cells per row in JSON and SVG: of a minute each, or of half an hour.
const COLUMNS: usize = 60;

/// The output of `--json`. Times are RFC 3339, in the zone and in UTC.
#[derive(Debug, Serialize)]
struct Planned<'a> {
    from: String,
    from_utc: String,
    to: String,
    to_utc: String,
    timezone: &'a str,
    /// Total number of slots.
    slots: u64,
    /// The first minute with the most slots; `None` if there are no slots.
    busiest_minute: Option<Minute>,
    /// One row per hour for about a day, one row per day for longer.
    heat_map: HeatMap,
    /// At most ten, in descending order of slots.
    busiest_seconds: Vec<BusySecond<'a>>,
    /// In name order.
    queues: Vec<BusyQueue<'a>>,
}

#[derive(Debug, Serialize)]
struct Minute {
    minute: String,
    minute_utc: String,
    slots: u64,
}

#[derive(Debug, Serialize)]
struct HeatMap {
    /// Minutes per cell.
    cell_minutes: usize,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    /// The row's first minute within the range.
    from: String,
    from_utc: String,
    slots: u64,
    /// The slots of each cell's busiest minute; null for a cell outside the range, or of times that the
    /// clock skips.
    cells: Vec<Option<u64>>,
}

#[derive(Debug, Serialize)]
struct BusySecond<'a> {
    second: String,
    second_utc: String,
    slots: u64,
    /// The first few by name.
    entries: Vec<&'a str>,
    /// How many entries are not named.
    more_entries: usize,
}

#[derive(Debug, Serialize)]
struct BusyQueue<'a> {
    queue: &'a str,
    slots: u64,
    /// In its busiest minute.
    peak_per_minute: u64,
}

pub(super) fn plan(flags: ServiceFlags, asked: &cli::Plan) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let schedule = load_schedule(&service)?;
    let zone = zone(&schedule, asked.timezone.as_deref())?;
    let (from, to) = range(asked, &zone, clock::wall())?;
    let forecast = Forecast::of(&schedule.entries, from, to).map_err(Failure::usage)?;
    if let Some(path) = &asked.svg {
        let grid = Grid::new(&forecast, &zone, COLUMNS);
        let picture = svg::draw(&grid, &heading(&forecast, &zone), &forecast.busiest);
        write(path, &picture)?;
    }
    if asked.output.json {
        show::json(&planned(&forecast, &zone))?;
    } else {
        print(&forecast, &zone)?;
    }
    Ok(Exit::Fine)
}

fn write(path: &Path, picture: &str) -> Result<(), Failure> {
    let cannot = |error| format!("--svg: cannot write {}: {error}", path.display());
    fs::write(path, picture).map_err(|error| Failure::new(Exit::No, cannot(error)))
}

/// The requested zone, or that of most entries.
fn zone(schedule: &Schedule, name: Option<&str>) -> Result<Zone, Failure> {
    if let Some(name) = name {
        let no = |error: String| Failure::usage(format!("--timezone: {error}"));
        let iana = tzdata::parse_name(name).map_err(|error| no(error.to_string()))?;
        let zone = Tzdata::load().zone(iana);
        let zone = zone.ok_or_else(|| no(format!("the installed zone rules have no {name}")))?;
        return Ok((*zone).clone());
    }
    let mut zones = BTreeMap::new();
    for entry in &schedule.entries {
        zones.entry(entry.zone.name()).or_insert((0, &entry.zone)).0 += 1;
    }
    let most = zones.into_values().rev().max_by_key(|(entries, _)| *entries);
    Ok(most.map_or_else(Zone::utc, |(_, zone)| (**zone).clone()))
}

/// By default, a day from the start of the current hour.
fn range(asked: &cli::Plan, zone: &Zone, now: UnixMs) -> Result<(UnixMs, UnixMs), Failure> {
    let from = times::ahead("--from", asked.from.as_deref(), zone, now)?;
    let from = from.unwrap_or_else(|| beginning_of_hour(now, zone));
    let to = times::ahead("--to", asked.to.as_deref(), zone, now)?;
    Ok((from, to.unwrap_or(from + DAY)))
}

fn beginning_of_hour(now: UnixMs, zone: &Zone) -> UnixMs {
    let reading_ms = now.0 + i64::from(zone.offset_at(now)) * 1000;
    UnixMs(now.0 - reading_ms.rem_euclid(3_600_000))
}

fn minute(forecast: &Forecast, index: usize) -> UnixMs {
    forecast.from + Duration::from_secs(60 * index as u64)
}

/// The first of those with the most slots.
fn busiest_minute(forecast: &Forecast) -> Option<(UnixMs, u64)> {
    let slots = forecast.minutes.iter().copied().max().filter(|slots| *slots > 0)?;
    let index = forecast.minutes.iter().position(|minute| *minute == slots)?;
    Some((minute(forecast, index), slots))
}

/// `480 slots from 2027-01-04 14:00 to 2027-01-05 14:00, Asia/Seoul`.
fn heading(forecast: &Forecast, zone: &Zone) -> String {
    let local = |at| zone.to_local(at).strftime("%Y-%m-%d %H:%M").to_string();
    let to = minute(forecast, forecast.minutes.len());
    let (slots, name) = (forecast.slots(), zone.name());
    let plural = if slots == 1 { "" } else { "s" };
    format!("{slots} slot{plural} from {} to {}, {name}", local(forecast.from), local(to))
}

/// The entries of a second as text: `a, b, c and 9 more`.
fn names(second: &Second) -> String {
    let names = second.entries.join(", ");
    if second.more == 0 { names } else { format!("{names} and {} more", second.more) }
}

fn planned<'a>(forecast: &'a Forecast, zone: &'a Zone) -> Planned<'a> {
    let (local, utc) = (|at| zone.to_rfc3339(at), |at: UnixMs| at.to_string());
    let grid = Grid::new(forecast, zone, COLUMNS);
    let (from, to) = (forecast.from, minute(forecast, forecast.minutes.len()));
    let row = |row: grid::Row| Row {
        from: local(row.from),
        from_utc: utc(row.from),
        slots: row.slots,
        cells: row.cells,
    };
    let second = |second: &'a Second| BusySecond {
        second: local(second.at),
        second_utc: utc(second.at),
        slots: second.slots,
        entries: second.entries.iter().map(|name| &**name).collect(),
        more_entries: second.more,
    };
    let queue = |QueueLoad { name, slots, peak }: &'a QueueLoad| BusyQueue {
        queue: name,
        slots: *slots,
        peak_per_minute: *peak,
    };
    Planned {
        from: local(from),
        from_utc: utc(from),
        to: local(to),
        to_utc: utc(to),
        timezone: zone.name(),
        slots: forecast.slots(),
        busiest_minute: busiest_minute(forecast).map(|(at, slots)| Minute {
            minute: local(at),
            minute_utc: utc(at),
            slots,
        }),
        heat_map: HeatMap {
            cell_minutes: grid.cell,
            rows: grid.rows.into_iter().map(row).collect(),
        },
        busiest_seconds: forecast.busiest.iter().map(second).collect(),
        queues: forecast.queues.iter().map(queue).collect(),
    }
}

fn print(forecast: &Forecast, zone: &Zone) -> Result<(), Failure> {
    let style = match (io::stdout().is_terminal(), show::is_coloured(&io::stdout())) {
        (false, _) => Style::Plain,
        (true, false) => Style::Shades,
        (true, true) => Style::Colour,
    };
    let width = show::width();
    let most = Grid::new(forecast, zone, 1).most();
    let grid = Grid::new(forecast, zone, text::columns(width, most));
    show::line(&heading(forecast, zone))?;
    show::line("")?;
    text::draw(&grid, style, width).iter().try_for_each(|line| show::own(line))?;
    let Some((at, slots)) = busiest_minute(forecast) else { return Ok(()) };
    show::line(&format!("busiest minute: {} with {slots}", zone.to_rfc3339(at)))?;
    show::line("")?;
    show::line("busiest seconds")?;
    let row =
        |second: &Second| vec![zone.to_rfc3339(second.at), second.slots.to_string(), names(second)];
    let rows: Vec<_> = forecast.busiest.iter().map(row).collect();
    let columns = [
        show::Column::whole("SECOND"),
        show::Column::whole("SLOTS"),
        show::Column::cut("ENTRIES", 20),
    ];
    show::table(&columns, &rows)?;
    show::line("")?;
    show::line("slots of each queue, and the most in a minute")?;
    let row = |queue: &QueueLoad| {
        vec![queue.name.to_string(), queue.slots.to_string(), queue.peak.to_string()]
    };
    let rows: Vec<_> = forecast.queues.iter().map(row).collect();
    let columns =
        [show::Column::cut("QUEUE", 20), show::Column::whole("SLOTS"), show::Column::whole("PEAK")];
    show::table(&columns, &rows)
}
