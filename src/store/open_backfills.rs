//! The unfinished backfills of one entry by one person, in memory and as text.
//!
//! Each is `"<run> <until> <from> <to> <queue>"`: when it is forgotten, the first instant of its segment and the
//! first one after it, in UTC ms. The queue is empty if it is the entry's own.

use std::time::Duration;

use downbeat_time::UnixMs;

use super::contract::{BackfillNote, BackfillStep, OpenBackfill};
use crate::store::journal::read_instant;

/// How long a backfill is remembered after it last sent something.
pub(crate) const TTL: Duration = Duration::from_secs(3600);
/// The maximum number kept; the oldest are forgotten first.
pub(crate) const MAX_OPEN: usize = 100;

/// Backfills, each with the time at which it is forgotten; the one that sent last is at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenBackfills(Vec<(UnixMs, OpenBackfill)>);

impl OpenBackfills {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn forget_old(&mut self, now: UnixMs) {
        self.0.retain(|(until, _)| *until > now);
    }

    /// The backfills after a step; `Err`: an open backfill that it overlaps.
    pub(crate) fn noting(&self, now: UnixMs, note: &BackfillNote) -> Result<Self, OpenBackfill> {
        let mut backfill = note.backfill.clone();
        let mut kept = self.clone();
        kept.forget_old(now);
        let mut in_the_way = None;
        kept.0.retain(|(_, other)| {
            if other.run == backfill.run {
                backfill.from = backfill.from.min(other.from);
                backfill.to = backfill.to.max(other.to);
                return false;
            }
            let overlaps = other.from < note.backfill.to && note.backfill.from < other.to;
            match note.step {
                BackfillStep::Begins if overlaps => {
                    in_the_way.get_or_insert_with(|| other.clone());
                    true
                }
                BackfillStep::BeginsAgain => !overlaps,
                BackfillStep::Begins | BackfillStep::Ends => true,
            }
        });
        if let Some(in_the_way) = in_the_way {
            return Err(in_the_way);
        }
        if note.step != BackfillStep::Ends {
            kept.0.push((now + TTL, backfill));
            kept.0.drain(..kept.0.len().saturating_sub(MAX_OPEN));
        }
        Ok(kept)
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(until, backfill)| {
            let OpenBackfill { run, from, to, queue } = backfill;
            format!("{run} {} {} {} {}", until.0, from.0, to.0, queue.as_deref().unwrap_or(""))
        })
    }

    /// Reads lines, and skips those that cannot be read.
    pub(crate) fn read<'l>(lines: impl Iterator<Item = &'l str>) -> OpenBackfills {
        OpenBackfills(lines.filter_map(read_line).take(MAX_OPEN).collect())
    }
}

/// Reads a backfill and the time at which it is forgotten.
pub(crate) fn read_line(line: &str) -> Option<(UnixMs, OpenBackfill)> {
    let mut words = line.splitn(5, ' ');
    let run = words.next()?.parse().ok()?;
    let mut instant = || read_instant(words.next()?);
    let (until, from, to) = (instant()?, instant()?, instant()?);
    let queue = words.next().filter(|queue| !queue.is_empty()).map(Into::into);
    Some((until, OpenBackfill { run, from, to, queue }))
}
