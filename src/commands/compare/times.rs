//! Which times to compare.

use std::time::Duration;

use downbeat_time::{UnixMs, Zone};

use super::length;
use crate::cli;
use crate::commands::Failure;
use crate::commands::times;
use crate::text::{duration, instant};

/// How long to listen to events unless told otherwise.
pub(super) const DEFAULT_LENGTH: Duration = Duration::from_secs(60);
/// Nobody waits longer in front of a terminal.
const MAX_LENGTH: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The times as they were asked for.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) now: UnixMs,
    pub(super) from: Option<UnixMs>,
    pub(super) to: Option<UnixMs>,
    length: Option<Duration>,
}

impl Times {
    /// Lengths are before now for what lies in the past, and after now for events.
    pub(super) fn read(asked: &cli::Compare, now: UnixMs) -> Result<Times, Failure> {
        let (from, to) = (past("--from", asked.from.as_deref(), now)?, asked.to.as_deref());
        let to = match asked.with_events {
            true => times::ahead("--to", to, &Zone::utc(), now)?,
            false => past("--to", to, now)?,
        };
        let length = asked.length.as_deref().map(|text| length("--for", text)).transpose()?;
        let times = Times { now, from, to, length };
        times.check(asked.with_events)?;
        Ok(times)
    }

    fn check(&self, with_events: bool) -> Result<(), Failure> {
        let from = self.from.unwrap_or(if with_events { self.now } else { UnixMs::MIN });
        let end = self.end(from);
        if end.is_some_and(|end| end <= from) {
            return Err(Failure::usage(
                "the end is not after the beginning; look at --from, --to and --for",
            ));
        }
        if with_events && end.is_some_and(|end| end.since(self.now) > MAX_LENGTH) {
            let longest = duration::in_words(MAX_LENGTH);
            return Err(Failure::usage(format!(
                "listening for longer than {longest}; end earlier with --for or --to"
            )));
        }
        Ok(())
    }

    /// The end, if there is one, of what begins at `from`.
    pub(super) fn end(&self, from: UnixMs) -> Option<UnixMs> {
        self.to.or_else(|| Some(from + self.length?))
    }
}

fn past(flag: &str, text: Option<&str>, now: UnixMs) -> Result<Option<UnixMs>, Failure> {
    let read = |text: &str| instant::parse_with_date(&times::ago(text, now), &Zone::utc());
    let refuse = |error| Failure::usage(format!("{flag}: {error}; {}", instant::HINT_WITH_DATE));
    text.map(read).transpose().map_err(refuse)
}
