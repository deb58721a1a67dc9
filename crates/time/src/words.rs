//! Sets of numbers, and lengths of time, in plain English.

use std::fmt;

use super::cron::{MONTHS, WEEKDAYS};

pub(super) const EVERY_MONTH: u16 = 0x1ffe;
pub(super) const EVERY_WEEKDAY: u8 = 0x7f;

/// Months, as bits 1 to 12.
pub(super) fn months_in_words(months: u16) -> String {
    let around = around(u64::from(months) >> 1, u64::from(EVERY_MONTH) >> 1);
    cyclic(&around, 12, |month| capital(MONTHS[*month as usize]))
}

/// Weekdays, as bits 0 (Sunday) to 6.
pub(super) fn weekdays_in_words(weekdays: u8) -> String {
    let around = around(weekdays.into(), EVERY_WEEKDAY.into());
    cyclic(&around, 7, |day| capital(WEEKDAYS[*day as usize]))
}

fn capital(name: &str) -> String {
    let (head, tail) = name.split_at(1);
    head.to_ascii_uppercase() + tail
}

/// The set bits, lowest first.
pub(super) fn values(mask: u64) -> Vec<u32> {
    (0..64).filter(|bit| mask >> bit & 1 == 1).collect()
}

/// The set bits, starting with the run that crosses the end of the cycle, if there is one.
pub(super) fn around(mask: u64, full: u64) -> Vec<u32> {
    let mut values = values(mask);
    let crosses = mask != full && mask & 1 == 1 && mask > full >> 1;
    if crosses {
        let run = (full & !mask).ilog2() + 1;
        let start = values.iter().take_while(|value| **value < run).count();
        values.rotate_left(start);
    }
    values
}

/// Whether each value follows the one before, around a cycle of that length.
pub(super) fn is_run(values: &[u32], length: u32) -> bool {
    values.windows(2).all(|pair| (pair[0] + 1) % length == pair[1])
}

/// A run as its two ends, anything else as a list.
fn cyclic(values: &[u32], length: u32, name: impl Fn(&u32) -> String) -> String {
    match (values, values.len()) {
        ([first, .., last], 3..) if is_run(values, length) => {
            format!("{} to {}", name(first), name(last))
        }
        _ => list(values, name),
    }
}

/// `1, 2 and 3`; long runs and long equal steps are shortened.
pub(super) fn list(values: &[u32], name: impl Fn(&u32) -> String) -> String {
    let equal_steps = || values.windows(3).all(|three| three[1] - three[0] == three[2] - three[1]);
    match values {
        [first, second, third, .., last]
            if values.len() > 4 && *second > first + 1 && equal_steps() =>
        {
            format!(
                "{}, {}, {} and so on to {}",
                name(first),
                name(second),
                name(third),
                name(last)
            )
        }
        _ => {
            let runs = values.chunk_by(|one, next| one + 1 == *next);
            let parts: Vec<String> = runs.flat_map(|run| run_in_words(run, &name)).collect();
            and(&parts)
        }
    }
}

fn run_in_words(run: &[u32], name: impl Fn(&u32) -> String) -> Vec<String> {
    match run {
        [first, _, .., last] if run.len() > 2 => vec![format!("{} to {}", name(first), name(last))],
        _ => run.iter().map(name).collect(),
    }
}

/// `one, two and three`
pub(super) fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// `1st`
pub(super) fn ordinal(day: u32) -> String {
    let ending = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    format!("{day}{ending}")
}

/// Shows a length in milliseconds, largest units first: `1 hour 30 minutes`.
pub(super) struct Length(pub(super) i64);

impl Length {
    /// The length after `every`: a single unit has no number, as in `every day`.
    pub(super) fn of_a_period(&self) -> String {
        let words = self.to_string();
        match words.strip_prefix("1 ") {
            Some(unit) if !unit.contains(' ') => unit.to_owned(),
            _ => words,
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 5] = [
            (86_400_000, "day"),
            (3_600_000, "hour"),
            (60_000, "minute"),
            (1000, "second"),
            (1, "millisecond"),
        ];
        let (mut rest, mut gap) = (self.0, "");
        for (length, unit) in UNITS {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "{gap}{count} {unit}{plural}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}
