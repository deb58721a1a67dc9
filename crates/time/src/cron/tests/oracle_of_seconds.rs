//! The brute-force oracle of `oracle`, second by second, for Quartz lines.

use std::ops::RangeInclusive;

use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::oracle::{Drawn, Walk, asks, changes};
use crate::cron::Quartz;
use crate::zone::Zone;

const EXPRESSIONS_A_CHANGE: usize = 6;
const REACH_MIN: i64 = 75;

struct Expression {
    /// Second, minute, hour, day of month, month, weekday (from 1).
    fields: [Drawn; 6],
    years: RangeInclusive<i16>,
}

impl Expression {
    fn draw(random: &mut fastrand::Rng, near: DateTime) -> Expression {
        let weekday = near.weekday().to_sunday_zero_offset() as u32 + 1;
        let year = near.year();
        let fields = [
            field(random, 0, 59, near.second() as u32),
            field(random, 0, 59, near.minute() as u32),
            field(random, 0, 23, near.hour() as u32),
            field(random, 1, 31, near.day() as u32),
            field(random, 1, 12, near.month() as u32),
            field(random, 1, 7, weekday),
        ];
        Expression { fields, years: year - random.i16(0..2)..=year + random.i16(0..2) }
    }

    fn text(&self) -> String {
        let fields = self.fields.each_ref().map(|field| field.text.as_str()).join(" ");
        format!("{fields} {}-{}", self.years.start(), self.years.end())
    }

    fn wildcard(&self) -> bool {
        self.fields[..3].iter().any(Drawn::star)
    }

    fn matches(&self, reading: DateTime) -> bool {
        let shown = [
            reading.second(),
            reading.minute(),
            reading.hour(),
            reading.day(),
            reading.month(),
            reading.weekday().to_sunday_zero_offset() + 1,
        ];
        let fields_match = self.fields.iter().zip(shown).all(|(field, value)| field.has(value));
        fields_match && self.years.contains(&reading.year())
    }
}

/// A random field, usually with the value `near`.
fn field(random: &mut fastrand::Rng, first: u32, last: u32, near: u32) -> Drawn {
    let step = random.u32(1..=last.min(30));
    let (low, high) = (random.u32(first..=near), random.u32(near..=last));
    let (text, values): (String, Vec<u32>) = match random.u8(..7) {
        0..=2 => ("*".into(), (first..=last).collect()),
        3 => (format!("*/{step}"), (first..=last).step_by(step as usize).collect()),
        4 => (format!("{low}-{high}/{step}"), (low..=high).step_by(step as usize).collect()),
        5 => (format!("{low}-{high}"), (low..=high).collect()),
        _ => (format!("{low},{near}"), vec![low, near]),
    };
    Drawn { text, values: values.iter().fold(0, |mask, value| mask | 1 << value) }
}

fn judge(zone: &Zone, rules: &TimeZone, change: Timestamp, random: &mut fastrand::Rng) {
    let (reach, second) = (SignedDuration::from_mins(REACH_MIN), SignedDuration::from_secs(1));
    let walk = Walk::around(change, rules, reach, second);
    for _ in 0..EXPRESSIONS_A_CHANGE {
        let near = walk.moments[random.usize(..walk.moments.len())].1;
        let expression = Expression::draw(random, near);
        let Ok(parsed) = Quartz::parse(&expression.text()) else { continue };
        let quartz = parsed.quartz;
        let slots = walk.slots(expression.wildcard(), |reading| expression.matches(reading));
        for after in asks(random, change, REACH_MIN - 5) {
            let expected = slots.iter().find(|slot| **slot > after).copied();
            let found = quartz.next(zone, after).filter(|slot| *slot <= walk.end());
            let text = expression.text();
            assert_eq!(found, expected, "`{text}` in {zone:?} after {after}, change at {change}");
        }
    }
}

#[test]
fn the_evaluator_equals_a_walk_over_every_second_around_clock_changes() {
    let mut random = fastrand::Rng::with_seed(20_261_122);
    for (zone, rules, change) in changes(&mut random, 6) {
        judge(&zone, &rules, change, &mut random);
    }
}
