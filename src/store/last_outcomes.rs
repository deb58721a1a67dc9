//! The last outcomes of an entry, kept in short form when trimming drops their records.
//!
//! Each is `<slot><letter><after>[*<count>][+<delay>]`: the slot in UTC milliseconds, a capital letter for the
//! outcome, the time from slot to record, the number of slots if not one, and the time from slot to due time if
//! not zero. Numbers are in base 36. Ids, and who asked for a manual message, are not kept.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::contract::PastEvent;
use crate::schedule::Kind;
use crate::schedule::outcome::{Line, Outcome, SkipReason};

/// The maximum length of one entry's text in bytes.
pub const MAX_TEXT: usize = 400;

/// Adds newer outcomes, each with the time at which it was recorded. Keeps the newest `count`, as far as they
/// fit.
#[must_use]
pub fn add<'a>(
    before: &str,
    newer: impl IntoIterator<Item = (UnixMs, &'a Line)>,
    count: usize,
) -> String {
    let newer: Vec<String> = newer.into_iter().map(|(at, line)| write(at, line)).collect();
    let before = before.split(' ').filter(|item| !item.is_empty());
    let all: Vec<&str> = before.chain(newer.iter().map(String::as_str)).collect();
    let mut first = all.len().saturating_sub(count);
    let mut bytes: usize = all[first..].iter().map(|item| item.len() + 1).sum();
    while bytes > MAX_TEXT + 1 {
        bytes -= all[first].len() + 1;
        first += 1;
    }
    all[first..].join(" ")
}

/// Reads the outcomes, oldest first; skips what cannot be read.
pub fn read<'a>(entry: &'a Arc<str>, text: &'a str) -> impl Iterator<Item = PastEvent> + 'a {
    let items = text.get(..MAX_TEXT).unwrap_or(text).split(' ');
    items.filter_map(|item| {
        let (at, line) = read_one(entry, item)?;
        Some(PastEvent { at, term: None, queue: None, line })
    })
}

fn write(at: UnixMs, line: &Line) -> String {
    let mut text = String::with_capacity(20);
    write_number(line.slot.0, &mut text);
    text.push(letter(line.outcome));
    write_number(at.0.saturating_sub(line.slot.0), &mut text);
    if line.count != 1 {
        text.push('*');
        write_number(i64::try_from(line.count).unwrap_or(i64::MAX), &mut text);
    }
    if !line.delay.is_zero() {
        text.push('+');
        write_number(i64::try_from(line.delay.as_millis()).unwrap_or(i64::MAX), &mut text);
    }
    text
}

fn read_one(entry: &Arc<str>, item: &str) -> Option<(UnixMs, Line)> {
    let place = item.find(|c: char| c.is_ascii_uppercase())?;
    let outcome = outcome_of(item.as_bytes()[place])?;
    let slot = read_number(&item[..place])?;
    let (rest, delay) = match item[place + 1..].split_once('+') {
        Some((rest, delay)) => (rest, u64::try_from(read_number(delay)?).ok()?),
        None => (&item[place + 1..], 0),
    };
    let (after, count) = match rest.split_once('*') {
        Some((after, count)) => (after, u64::try_from(read_number(count)?).ok()?),
        None => (rest, 1),
    };
    let at = UnixMs(slot.checked_add(read_number(after)?)?);
    let line = Line::new(Arc::clone(entry), UnixMs(slot), outcome);
    Some((at, Line { count, delay: Duration::from_millis(delay), ..line }))
}

const fn letter(outcome: Outcome) -> char {
    match outcome {
        Outcome::Dispatched(Kind::Scheduled) => 'S',
        Outcome::Dispatched(Kind::CatchUp) => 'C',
        Outcome::Dispatched(Kind::Resent) => 'R',
        Outcome::Dispatched(Kind::Manual) => 'M',
        Outcome::Dispatched(Kind::Backfill) => 'B',
        Outcome::Skipped(SkipReason::TooLate) => 'L',
        Outcome::Skipped(SkipReason::Superseded) => 'P',
        Outcome::Skipped(SkipReason::Expired) => 'E',
        Outcome::Skipped(SkipReason::Retimed) => 'T',
        Outcome::Skipped(SkipReason::QueueFull) => 'Q',
        Outcome::Skipped(SkipReason::StillRunning) => 'W',
        Outcome::Skipped(SkipReason::Paused) => 'H',
        Outcome::Skipped(SkipReason::Unknown) => 'U',
    }
}

fn outcome_of(byte: u8) -> Option<Outcome> {
    let sent = Kind::ALL.into_iter().map(Outcome::Dispatched);
    let mut all = sent.chain(SkipReason::ALL.into_iter().map(Outcome::Skipped));
    all.find(|outcome| letter(*outcome) == char::from(byte))
}

/// Writes a number in base 36.
fn write_number(number: i64, text: &mut String) {
    if number < 0 {
        text.push('-');
    }
    let (mut left, mut digits) = (number.unsigned_abs(), Vec::with_capacity(13));
    loop {
        digits.push(char::from_digit(u32::try_from(left % 36).unwrap_or(0), 36));
        left /= 36;
        if left == 0 {
            break;
        }
    }
    text.extend(digits.into_iter().rev().flatten());
}

/// Reads a number in base 36, within the years that a schedule can have.
fn read_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=10).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    i64::from_str_radix(text, 36).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slot: i64, outcome: Outcome) -> Line {
        Line::new("a".into(), UnixMs(slot), outcome)
    }

    fn read_all(text: &str) -> Vec<PastEvent> {
        read(&"a".into(), text).collect()
    }

    #[test]
    fn every_outcome_is_read_back_with_its_numbers() {
        let kinds = Kind::ALL.into_iter().map(Outcome::Dispatched);
        let reasons = SkipReason::ALL.into_iter().map(Outcome::Skipped);
        for outcome in kinds.chain(reasons) {
            for slot in [1_798_761_600_000, -1, 0] {
                let lines = [
                    line(slot, outcome),
                    Line { count: 12, ..line(slot, outcome) },
                    Line { delay: Duration::from_millis(90_001), ..line(slot, outcome) },
                    Line { count: 10_000, delay: Duration::from_secs(1), ..line(slot, outcome) },
                ];
                for (line, after) in lines.into_iter().zip([37, 0, -900, 86_400_000]) {
                    let at = UnixMs(slot + after);
                    let read = read_all(&add("", [(at, &line)], 20));
                    assert_eq!(read, [PastEvent { at, term: None, queue: None, line }]);
                }
            }
        }
    }

    #[test]
    fn the_newest_are_kept_as_far_as_they_fit() {
        let sent = Outcome::Dispatched(Kind::Scheduled);
        let mut text = String::new();
        for n in 0..50 {
            let slot = 1_798_761_600_000 + n * 60_000;
            let delay = Duration::from_millis(43_210);
            let line = Line { delay, ..line(slot, sent) };
            text = add(&text, [(UnixMs(slot + 43_217), &line)], 20);
            let wanted = usize::try_from(n).unwrap() + 1;
            let slots: Vec<_> = read_all(&text).iter().map(|event| event.line.slot).collect();
            assert_eq!(slots.len(), wanted.min(20));
            assert_eq!(slots.last(), Some(&line.slot));
            assert!(text.len() <= MAX_TEXT);
        }
        let (slot, count) = (-99_999_999_999_999, 10_000);
        let long = Line { count, delay: Duration::from_secs(1 << 32), ..line(slot, sent) };
        let text = add(&text, std::iter::repeat_n((UnixMs(99_999_999_999_999), &long), 20), 20);
        assert!(text.len() <= MAX_TEXT && read_all(&text).len() >= 9, "{text}");
        assert_eq!(read_all(&add(&text, [], 3)).len(), 3);
        assert_eq!(add(&text, [], 0), "");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for garbage in
            ["", "S", "1S", "S1", "1Z1", "1S1*", "1S1+", "1S1*x*", "nan", "é1S1", "1S\u{e9}"]
        {
            assert_eq!(read_all(garbage), [], "{garbage}");
        }
        let long = format!("1S1 {}", "4".repeat(500));
        assert_eq!(read_all(&long).len(), 1);
        assert_eq!(read_all("1S1 flown 2S2").len(), 2);
        assert_eq!(read_all(&"é".repeat(300)), []);
    }
}
