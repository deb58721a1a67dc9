//! Registrations and progress as the text in hash fields.
//!
//! A registration is `"<since>\t<timing>"`; the timing is `-` once the entry has left. Progress is `"<through>
//! <outcome> s=<slot> n=<count> a=<first>-<last>,…"`: the outcome's word or `-`; the newest dispatched slot or
//! `-`, unless the outcome implies it; the number dispatched; the runs dispatched ahead. Fields without a value
//! are left out.
//! that were dispatched ahead. Fields without a value are left out.

use std::fmt::Write as _;

use downbeat_time::UnixMs;

use crate::schedule::outcome::Outcome;
use crate::schedule::progress::{MAX_RUNS, Progress, Run};
use crate::schedule::registration::Registration;
use crate::store::journal::read_instant;

/// The maximum length of a registration in bytes; calendars and lists of dates are part of a timing.
pub(crate) const MAX_REGISTRATION: usize = 256 << 10;
/// The maximum length of a lease in bytes.
pub(crate) const MAX_LEASE: usize = 300;
/// The maximum length of progress in bytes.
pub(crate) const MAX_PROGRESS: usize = 1_024;

/// Whether the text is `"<term> <holder>"`, as `acquire.lua` reads it.
#[must_use]
pub(crate) fn is_lease(text: &str) -> bool {
    let is_term = |term: &str| !term.is_empty() && term.bytes().all(|byte| byte.is_ascii_digit());
    let is_holder =
        |holder: &str| !holder.is_empty() && !holder.bytes().any(|byte| byte.is_ascii_control());
    let parts = text.split_once(' ');
    text.len() < MAX_LEASE && parts.is_some_and(|(term, holder)| is_term(term) && is_holder(holder))
}

/// Writes a registration.
#[must_use]
pub fn registration(since: UnixMs, timing: Option<&str>) -> String {
    format!("{}\t{}", since.0, timing.unwrap_or("-"))
}

/// Reads a registration; `None` if it is not understood.
#[must_use]
pub fn read_registration(text: &str) -> Option<Registration> {
    let (since, timing) = text.split_once('\t')?;
    let since = read_instant(since)?;
    Some(Registration { since, timing: (timing != "-").then(|| timing.into()) })
}

/// Writes progress.
#[must_use]
pub fn progress(progress: &Progress) -> String {
    let Progress { through, outcome, dispatched, count, ahead } = progress;
    let mut text = format!("{} {}", through.0, outcome.map_or("-", Outcome::as_str));
    // Writing to a String cannot fail.
    let _ = match dispatched {
        Some(slot) if is_dispatched(*outcome) && slot == through => Ok(()),
        Some(slot) => write!(text, " s={}", slot.0),
        None if is_dispatched(*outcome) => write!(text, " s=-"),
        None => Ok(()),
    };
    if *count > 0 {
        let _ = write!(text, " n={count}");
    }
    for (n, run) in ahead.iter().take(MAX_RUNS).enumerate() {
        let before = if n == 0 { " a=" } else { "," };
        let _ = write!(text, "{before}{}-{}", run.first.0, run.last.0);
    }
    text
}

/// Reads progress; `None` if it is not understood.
#[must_use]
pub fn read_progress(text: &str) -> Option<Progress> {
    if text.len() > MAX_PROGRESS {
        return None;
    }
    let mut fields = text.split(' ');
    let mut progress = Progress::through(read_instant(fields.next()?)?);
    progress.outcome = match fields.next() {
        None | Some("-") => None,
        Some(word) => Some(Outcome::from_word(word)?),
    };
    progress.dispatched = is_dispatched(progress.outcome).then_some(progress.through);
    for field in fields {
        match field.split_once('=')? {
            ("s", "-") => progress.dispatched = None,
            ("s", slot) => progress.dispatched = Some(read_instant(slot)?),
            ("n", count) => progress.count = read_count(count)?,
            ("a", runs) => progress.ahead = read_runs(runs)?,
            _ => return None,
        }
    }
    Some(progress)
}

fn is_dispatched(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Dispatched(_)))
}

/// Reads a number of at most fifteen digits.
pub(crate) fn read_count(text: &str) -> Option<u64> {
    let plain = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn read_runs(text: &str) -> Option<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    for run in text.split(',') {
        // The first number's sign is not the dash between the two.
        let dash = 1 + run.get(1..)?.find('-')?;
        let run = Run { first: read_instant(&run[..dash])?, last: read_instant(&run[dash + 1..])? };
        let after = runs.last().is_none_or(|before| before.last < run.first);
        if run.last < run.first || !after || runs.len() == MAX_RUNS {
            return None;
        }
        runs.push(run);
    }
    Some(runs)
}

/// Reads the sequence number; anything that is not a number of ours counts as 0, as in `fence.lua`.
#[must_use]
pub fn read_sequence(text: &str) -> u64 {
    let plain = text.len() <= 18 && !text.starts_with('0') && !text.starts_with('+');
    text.parse().ok().filter(|_| plain).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Kind;
    use crate::schedule::outcome::SkipReason;

    fn run(first: i64, last: i64) -> Run {
        Run { first: UnixMs(first), last: UnixMs(last) }
    }

    #[test]
    fn registrations_are_read_back() {
        for timing in [Some("1 every 1000+0"), None] {
            let read = Registration { since: UnixMs(5), timing: timing.map(Into::into) };
            assert_eq!(read_registration(&registration(UnixMs(5), timing)), Some(read));
        }
        for garbage in ["", "garbage", "5", "\t-", "nan\t-", &format!("{}\t-", "4".repeat(40))] {
            assert_eq!(read_registration(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn progress_is_read_back() {
        let full = Progress {
            through: UnixMs(-70),
            outcome: Some(Outcome::Skipped(SkipReason::TooLate)),
            dispatched: Some(UnixMs(-80)),
            count: 3,
            ahead: vec![run(-60, -50), run(-40, -40), run(1, 2)],
        };
        assert_eq!(progress(&full), "-70 too_late s=-80 n=3 a=-60--50,-40--40,1-2");
        let sent = Progress {
            outcome: Some(Outcome::Dispatched(Kind::Scheduled)),
            dispatched: Some(UnixMs(7)),
            ..Progress::through(UnixMs(7))
        };
        assert_eq!(progress(&sent), "7 scheduled");
        let earlier = Progress { dispatched: Some(UnixMs(6)), ..sent.clone() };
        let unknown = Progress { dispatched: None, ..sent.clone() };
        for value in [full, sent, earlier, unknown, Progress::through(UnixMs(0))] {
            assert_eq!(read_progress(&progress(&value)), Some(value));
        }
    }

    #[test]
    fn texts_that_are_not_progress_are_not_read() {
        let long = "4".repeat(40);
        let many = format!("1 - a={}", (0..21).map(|n| format!("{n}-{n},")).collect::<String>());
        let many = many.trim_end_matches(',');
        let garbage =
            ["", "nan", "1e3", " 1", &long, "1 flown", "1 - s", "1 - n=-1", "1 - x=1", many];
        for text in garbage.into_iter().chain(["1 - a=", "1 - a=2-1", "1 - a=1-2,2-3", "1 - a=-"]) {
            assert_eq!(read_progress(text), None, "{text}");
        }
    }

    #[test]
    fn an_unreadable_sequence_counts_as_zero() {
        assert_eq!(read_sequence("71"), 71);
        for text in ["", "0", "071", "+71", "-1", "nan", "1234567890123456789", "7 "] {
            assert_eq!(read_sequence(text), 0, "{text}");
        }
    }
}
