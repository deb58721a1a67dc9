//! Recurrence rules have the slots that `dateutil` computes, in local time and away from clock changes.
//!
//! `DOWNBEAT_RRULES=100000 cargo test rrule_dateutil` generates more rules.

use downbeat_time::rrule::Rrule;
use downbeat_time::{UnixMs, Zone};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::random::seed;
use crate::support::tools::{answers, needs};

/// Reads a recurrence, an instant and a number from each line, writes the first readings at or after
/// the instant: all of them, or as many as it finds in the time it has.
const DATEUTIL: &str = r#"
import datetime, json, signal, sys, warnings
import dateutil.parser
from dateutil.rrule import rrulestr
warnings.simplefilter("ignore")
class Late(Exception):
    pass
def late(*_):
    # Said here: now and then `dateutil` swallows the exception.
    global whole
    whole = False
    raise Late
signal.signal(signal.SIGALRM, late)
epoch = datetime.datetime(1970, 1, 1)
for line in sys.stdin:
    text, after, count = json.loads(line)
    found, whole = [], True
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            rules = rrulestr(text)
            after = epoch + datetime.timedelta(seconds=after)
            for reading in rules.xafter(after, count=count, inc=True):
                found.append(int((reading - epoch).total_seconds()))
        except ValueError:
            pass
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Late:
        pass
    print(json.dumps([found, whole]))
"#;

const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
/// Each with the seconds that are looked at from DTSTART on: as far as `dateutil` walks in time.
const FREQS: [(&str, i64); 7] = [
    ("YEARLY", 40 * 31_556_952),
    ("MONTHLY", 6 * 31_556_952),
    ("WEEKLY", 2 * 31_556_952),
    ("DAILY", 31_556_952),
    ("HOURLY", 30 * 86_400),
    ("MINUTELY", 86_400),
    ("SECONDLY", 3_600),
];
const READINGS: usize = 5;

struct Draw {
    random: fastrand::Rng,
}

impl Draw {
    fn one_in(&mut self, n: u32) -> bool {
        self.random.u32(..n) == 0
    }

    /// `;NAME=1,-2` with one to four numbers, one time in `n`.
    fn part(&mut self, n: u32, name: &str, least: i32, greatest: i32) -> String {
        if !self.one_in(n) {
            return String::new();
        }
        let count = self.random.usize(1..=4);
        let number = |_| loop {
            let number = self.random.i32(least..=greatest);
            if number != 0 || least == 0 {
                return number.to_string();
            }
        };
        let numbers: Vec<String> = (0..count).map(number).collect();
        format!(";{name}={}", numbers.join(","))
    }

    fn weekdays(&mut self, numbers: i32) -> String {
        let numbered = numbers > 0 && self.random.bool();
        let day = |_| {
            let day = WEEKDAYS[self.random.usize(..7)];
            let number = self.random.i32(1..=numbers.max(1));
            match (numbered, self.random.bool()) {
                (false, _) => day.to_owned(),
                (true, true) => format!("{number}{day}"),
                (true, false) => format!("-{number}{day}"),
            }
        };
        let days: Vec<String> = (0..3).map(day).collect();
        format!(";BYDAY={}", days[..self.random.usize(1..=3)].join(","))
    }

    /// A recurrence on which RFC 5545 and `dateutil` agree, and an instant.
    fn recurrence(&mut self) -> (String, i64) {
        let freq = self.random.usize(..7);
        let (name, span_s) = FREQS[freq];
        let mut start = self.random.i64(0..2_500_000_000);
        if self.random.bool() {
            start -= start % 3600;
        }
        let interval = match self.random.u8(..4) {
            0 => self.random.i64(2..100),
            1 => self.random.i64(2..8),
            _ => 1,
        };
        let months = self.part(4, "BYMONTH", 1, 12);
        let month_days =
            if freq == 2 { String::new() } else { self.part(4, "BYMONTHDAY", -31, 31) };
        let year_days = if matches!(freq, 1..=3) {
            String::new()
        } else {
            self.part(6, "BYYEARDAY", -366, 366)
        };
        // The last weeks are left out: `dateutil` miscounts some that reach into the next year.
        let weeks = if freq == 0 { self.part(4, "BYWEEKNO", -51, 51) } else { String::new() };
        let numbers = match freq {
            0 if !weeks.is_empty() => 0,
            0 if months.is_empty() => 53,
            0 | 1 => 5,
            _ => 0,
        };
        let weekdays = if self.one_in(3) { self.weekdays(numbers) } else { String::new() };
        let hours = self.part(4, "BYHOUR", 0, 23);
        let minutes = self.part(4, "BYMINUTE", 0, 59);
        let seconds = self.part(6, "BYSECOND", 0, 59);
        let others =
            [months, month_days, year_days, weeks, weekdays, hours, minutes, seconds].concat();
        let mut rule = format!("FREQ={name};INTERVAL={interval}{others}");
        if self.one_in(3) {
            let first = self.random.usize(..7);
            rule += &format!(";WKST={}", WEEKDAYS[first]);
        }
        if !others.is_empty() && self.one_in(4) {
            rule += &self.part(1, "BYSETPOS", -4, 4);
            // `dateutil` takes the week of DTSTART from that day on: let it begin there.
            let first = WEEKDAYS.iter().position(|day| rule.contains(&format!("WKST={day}")));
            let weekday = (start.div_euclid(86_400) + 3).rem_euclid(7);
            if freq == 2 {
                start -= (weekday - first.unwrap_or(0) as i64).rem_euclid(7) * 86_400;
            }
        }
        match self.random.u8(..6) {
            0 => rule += &format!(";COUNT={}", self.random.u32(1..60)),
            1 => rule += &format!(";UNTIL={}", shown(start + self.random.i64(0..span_s))),
            _ => {}
        }
        let mut text = format!("DTSTART:{}\nRRULE:{rule}", shown(start));
        for property in ["EXDATE", "RDATE"] {
            if self.one_in(6) {
                let days = self.random.i64(0..30) * 86_400;
                text += &format!("\n{property}:{},{}", shown(start), shown(start + days));
            }
        }
        (text, start + self.random.i64(-86_400..span_s * interval.min(4)))
    }
}

fn shown(reading: i64) -> String {
    Timestamp::from_second(reading).unwrap().strftime("%Y%m%dT%H%M%S").to_string()
}

/// What `dateutil` finds for each of them, and whether that is all.
fn found_by_dateutil(recurrences: &[(String, i64)]) -> Vec<(Vec<i64>, bool)> {
    let question = |(text, after): &(String, i64)| json!([text, after, READINGS]);
    let questions: Vec<Value> = recurrences.iter().map(question).collect();
    let readings = |found| serde_json::from_value(found).unwrap();
    answers(DATEUTIL, &questions).into_iter().map(readings).collect()
}

#[test]
fn readings_equal_those_of_dateutil() {
    needs!(Python);
    let number = std::env::var("DOWNBEAT_RRULES").ok().and_then(|text| text.parse().ok());
    let mut draw = Draw { random: fastrand::Rng::with_seed(seed()) };
    let recurrences: Vec<_> = (0..number.unwrap_or(3_000)).map(|_| draw.recurrence()).collect();
    let theirs = found_by_dateutil(&recurrences);
    let utc = Zone::utc();
    let (mut whole, mut compared) = (0, 0);
    for ((text, after), (expected, all)) in recurrences.iter().zip(theirs) {
        let after = (*after).max(0);
        let ours: Vec<i64> = match Rrule::parse(text, &utc, None) {
            Ok(parsed) => {
                let mut at = UnixMs(after * 1000 - 1);
                let step = || {
                    at = parsed.rrule.next(&utc, at)?;
                    Some(at.0 / 1000)
                };
                std::iter::from_fn(step).take(READINGS).collect()
            }
            Err(error) => {
                let never = error.to_string().starts_with("the rule never comes");
                assert!(never, "{text}: {error}");
                Vec::new()
            }
        };
        let shared = if all { READINGS } else { expected.len() };
        assert_eq!(ours[..ours.len().min(shared)], expected, "{text}\nfrom {}", shown(after));
        whole += usize::from(all);
        compared += expected.len();
    }
    println!("{whole} of {} rules whole, {compared} readings", recurrences.len());
    assert!(whole * 3 > recurrences.len() * 2, "{whole} rules were compared whole");
}
