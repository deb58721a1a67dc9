//! A brute-force oracle that shares no code with the evaluator: it walks every real minute around a clock
//! change, reads the wall clock with `jiff` and applies the rule literally. Expressions are drawn as sets of
//! values together with their text, so the parser is tested, too.
//!
//! `DOWNBEAT_ORACLE_CHANGES=all cargo test --release --lib oracle` takes every change of every zone instead of
//! some hundred.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::rules;
use super::special_days::is_nearest;
use crate::cron::{Cron, DayMatch, Line};
use crate::unix_ms::UnixMs;
use crate::zone::Zone;

const EXPRESSIONS_A_CHANGE: usize = 8;

/// One field: its text and the values that it matches.
pub(super) struct Drawn {
    pub(super) text: String,
    pub(super) values: u64,
}

impl Drawn {
    pub(super) fn has(&self, value: i8) -> bool {
        self.values >> value & 1 == 1
    }

    pub(super) fn star(&self) -> bool {
        self.text.starts_with('*')
    }
}

/// A day field: drawn values, or a special kind of day.
enum Days {
    Values(Drawn),
    Kind { text: String, is_one: fn(Date, u32) -> bool, wanted: u32 },
}

fn is_weekday(day: Date, wanted: u32) -> bool {
    day.weekday().to_sunday_zero_offset() as u32 == wanted % 7
}

impl Days {
    fn draw(random: &mut fastrand::Rng, near: Date) -> Days {
        let length = near.days_in_month() as u32;
        let day = near.day() as u32;
        let (text, is_one, wanted): (_, fn(Date, u32) -> bool, _) = match random.u8(..8) {
            0 => ("L".into(), |day, _| day.day() == day.days_in_month(), 0),
            1 => {
                let is_one = |day: Date, _| is_nearest(day, day.days_in_month());
                ("LW".into(), is_one, 0)
            }
            2 => {
                let wanted = (day + random.u32(..3)).clamp(2, length + 1) - 1;
                (format!("{wanted}W"), |day, wanted| is_nearest(day, wanted as i8), wanted)
            }
            _ => return Days::Values(field(random, 1, 31, day)),
        };
        Days::Kind { text, is_one, wanted }
    }

    fn draw_weekdays(random: &mut fastrand::Rng, near: Date) -> Days {
        let weekday = near.weekday().to_sunday_zero_offset() as u32;
        let nth = (near.day() as u32).div_ceil(7);
        let (text, is_one, wanted): (_, fn(Date, u32) -> bool, _) = match random.u8(..8) {
            0 => {
                let is_one = |day: Date, wanted: u32| {
                    is_weekday(day, wanted) && day.day() + 7 > day.days_in_month()
                };
                (format!("{weekday}L"), is_one, weekday)
            }
            1 => {
                let is_one = |day: Date, wanted: u32| {
                    is_weekday(day, wanted) && (day.day() as u32).div_ceil(7) == wanted / 7
                };
                (format!("{weekday}#{nth}"), is_one, nth * 7 + weekday)
            }
            _ => return Days::Values(field(random, 0, 6, weekday)),
        };
        Days::Kind { text, is_one, wanted }
    }

    fn text(&self) -> &str {
        match self {
            Days::Values(Drawn { text, .. }) | Days::Kind { text, .. } => text,
        }
    }

    fn star(&self) -> bool {
        self.text().starts_with('*')
    }

    fn has(&self, day: Date, value: i8) -> bool {
        match self {
            Days::Values(values) => values.has(value),
            Days::Kind { is_one, wanted, .. } => is_one(day, *wanted),
        }
    }
}

/// An expression drawn around a date, so that it often fires near it.
struct Expression {
    minute: Drawn,
    hour: Drawn,
    day: Days,
    month: Drawn,
    weekday: Days,
}

impl Expression {
    fn draw(random: &mut fastrand::Rng, near: DateTime) -> Expression {
        let hour = near.hour() as u32;
        Expression {
            minute: field(random, 0, 59, near.minute() as u32),
            hour: field(random, 0, 23, hour),
            day: Days::draw(random, near.date()),
            month: if random.u8(..4) == 0 {
                field(random, 1, 12, near.month() as u32)
            } else {
                Drawn { text: "*".into(), values: !0 }
            },
            weekday: Days::draw_weekdays(random, near.date()),
        }
    }

    fn text(&self) -> String {
        let Expression { minute, hour, day, month, weekday } = self;
        let (day, weekday) = (day.text(), weekday.text());
        [&minute.text, &hour.text, day, &month.text, weekday].join(" ")
    }

    fn wildcard(&self) -> bool {
        self.minute.star() || self.hour.star()
    }

    fn matches(&self, reading: DateTime) -> bool {
        let date = reading.date();
        let day = self.day.has(date, date.day());
        let weekday = self.weekday.has(date, date.weekday().to_sunday_zero_offset());
        let day_matches =
            if self.day.star() || self.weekday.star() { day && weekday } else { day || weekday };
        self.minute.has(reading.minute())
            && self.hour.has(reading.hour())
            && self.month.has(reading.month())
            && day_matches
    }
}

/// A random field; half of the lists have the value `near`.
fn field(random: &mut fastrand::Rng, first: u32, last: u32, near: u32) -> Drawn {
    let length = last - first + 1;
    let step = random.u32(1..=last.min(30));
    let wrap = |value: u32| (value - first) % length + first;
    let (from, span) = (random.u32(first..=last), random.u32(0..length));
    let (text, values): (String, Vec<u32>) = match random.u8(..6) {
        0 | 1 => ("*".into(), (first..=last).collect()),
        2 => (format!("*/{step}"), (first..=last).step_by(step as usize).collect()),
        3 => {
            let values = (from..=from + span).step_by(step as usize).map(wrap).collect();
            (format!("{from}-{}/{step}", wrap(from + span)), values)
        }
        4 => (format!("{near}"), vec![near]),
        _ => (format!("{from},{near}"), vec![from, near]),
    };
    Drawn { text, values: values.iter().fold(0, |mask, value| mask | 1 << value) }
}

/// Equal steps of real time and what the clock shows at each.
pub(super) struct Walk {
    step: SignedDuration,
    pub(super) moments: Vec<(Timestamp, DateTime)>,
}

impl Walk {
    /// From this long before the change to this long after it.
    pub(super) fn around(
        change: Timestamp,
        rules: &TimeZone,
        reach: SignedDuration,
        step: SignedDuration,
    ) -> Walk {
        let steps = 2 * reach.as_secs() / step.as_secs();
        let shown = |index: i64| {
            let at = change - reach + SignedDuration::from_secs(index * step.as_secs());
            (at, rules.to_datetime(at))
        };
        Walk { step, moments: (0..=steps).map(shown).collect() }
    }

    /// Every slot on the walk, by the rule. Do not trust those at its beginning: what the clock showed before is
    /// not known.
    pub(super) fn slots(&self, wildcard: bool, matches: impl Fn(DateTime) -> bool) -> Vec<UnixMs> {
        let mut newest = self.moments[0].1;
        let mut previous = self.moments[0].1;
        let mut slots = Vec::new();
        for (at, reading) in &self.moments[1..] {
            let fires = if wildcard {
                matches(*reading)
            } else {
                let jump = previous.duration_until(*reading) - self.step;
                let mut unseen = newest + self.step;
                if jump > SignedDuration::from_hours(3) {
                    unseen = unseen.max(*reading);
                }
                let mut fires = false;
                while unseen <= *reading {
                    fires |= matches(unseen);
                    unseen += self.step;
                }
                fires
            };
            newest = newest.max(*reading);
            previous = *reading;
            if fires {
                slots.push(UnixMs::from(*at));
            }
        }
        slots
    }

    pub(super) fn end(&self) -> UnixMs {
        UnixMs::from(self.moments[self.moments.len() - 1].0)
    }
}

/// The changes to test: one of each kind for some zones, or all for all zones.
pub(super) fn changes(
    random: &mut fastrand::Rng,
    one_zone_in: usize,
) -> impl Iterator<Item = (Zone, TimeZone, Timestamp)> + use<> {
    let all = std::env::var("DOWNBEAT_ORACLE_CHANGES").is_ok_and(|text| text == "all");
    let from: Timestamp = "1973-01-01T00:00:00Z".parse().unwrap();
    let until: Timestamp = "2040-01-01T00:00:00Z".parse().unwrap();
    let mut random = random.fork();
    let names = chrono_tz::TZ_VARIANTS.into_iter();
    let names = names.enumerate().filter(move |(index, _)| all || index % one_zone_in == 0);
    names.flat_map(move |(_, tz)| {
        let rules = rules(tz.name());
        let changes = rules.following(from).map(|change| change.timestamp());
        let changes: Vec<Timestamp> = changes.take_while(|change| *change < until).collect();
        let zone = Zone::from_jiff(tz, &rules);
        let chosen = match random.choice(&changes) {
            Some(change) if !all => vec![*change],
            _ => changes,
        };
        chosen.into_iter().map(move |change| (zone.clone(), rules.clone(), change))
    })
}

/// A few instants around a change to search from.
pub(super) fn asks(random: &mut fastrand::Rng, change: Timestamp, reach_min: i64) -> Vec<UnixMs> {
    let reach_ms = reach_min * 60_000;
    let asks = (0..4).map(|_| random.i64(-reach_ms..reach_ms)).chain([-reach_ms]);
    asks.map(|ask| UnixMs(UnixMs::from(change).0 + ask)).collect()
}

fn judge(zone: &Zone, rules: &TimeZone, change: Timestamp, random: &mut fastrand::Rng) {
    let (day, minute) = (SignedDuration::from_hours(27), SignedDuration::from_mins(1));
    let walk = Walk::around(change, rules, day, minute);
    for _ in 0..EXPRESSIONS_A_CHANGE {
        let near = walk.moments[random.usize(26 * 60..29 * 60)].1;
        let expression = Expression::draw(random, near);
        let slots = walk.slots(expression.wildcard(), |reading| expression.matches(reading));
        // Dates that never come are refused, and some draws have one.
        let Ok(parsed) = Cron::parse(&*expression.text()) else { continue };
        for after in asks(random, change, 180) {
            let expected = slots.iter().find(|slot| **slot > after).copied();
            let found = parsed.cron.next(zone, after).filter(|slot| *slot <= walk.end());
            let text = expression.text();
            assert_eq!(found, expected, "`{text}` in {zone:?} after {after}, change at {change}");
        }
    }
}

#[test]
fn the_evaluator_equals_a_walk_over_every_minute_around_clock_changes() {
    let mut random = fastrand::Rng::with_seed(20_261_121);
    for (zone, rules, change) in changes(&mut random, 1) {
        judge(&zone, &rules, change, &mut random);
    }
}

#[test]
fn the_day_rule_is_what_was_asked_for() {
    let parse = |text, day_match| {
        Cron::parse(Line { text, day_match, entry: None }).unwrap().cron.day_match
    };
    assert_eq!(parse("0 0 13 * fri", None), DayMatch::Or);
    assert_eq!(parse("0 0 13 * fri", Some(DayMatch::And)), DayMatch::And);
    assert_eq!(parse("0 0 */2 * fri", None), DayMatch::And);
    assert_eq!(parse("0 0 */2 * fri", Some(DayMatch::Or)), DayMatch::Or);
    assert_eq!(parse("0 0 * * fri", Some(DayMatch::Or)), DayMatch::And);
}
