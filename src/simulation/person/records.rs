//! What the store should know of manual messages, noted beside it. What the store forgets, this forgets, too.

use std::collections::HashSet;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use crate::store::contract::{BackfillNote, BackfillStep, OpenBackfill};

/// How long the store remembers a backfill that has not ended.
const REMEMBERED: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct ManualRecords {
    /// The ids of messages that are recorded as sent.
    sent: HashSet<Uuid>,
    /// The backfills that have not ended.
    open: Vec<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    scope: Uuid,
    run: Uuid,
    from: UnixMs,
    to: UnixMs,
    until: UnixMs,
}

impl ManualRecords {
    pub(super) fn has_sent(&self, id: Uuid) -> bool {
        self.sent.contains(&id)
    }

    /// Notes a message that the store has recorded as sent.
    pub(super) fn send(&mut self, id: Uuid) {
        assert!(self.sent.insert(id), "recorded twice: {id}");
    }

    /// Forgets old backfills: for good, even if the clock goes back.
    pub(super) fn forget_old(&mut self, now: UnixMs) {
        self.open.retain(|open| open.until > now);
    }

    /// Whether the store remembers that the backfill has not ended.
    pub(super) fn is_open(&self, run: Uuid, now: UnixMs) -> bool {
        self.open.iter().any(|open| open.run == run && open.until > now)
    }

    /// Checks that a backfill was refused exactly if another one is in its way, and notes it.
    pub(super) fn note(&mut self, now: UnixMs, note: &BackfillNote, reply: Option<&OpenBackfill>) {
        let BackfillNote { scope, backfill, step } = note;
        let is_in_the_way = |open: &Open| {
            open.scope == *scope
                && open.run != backfill.run
                && open.from < backfill.to
                && backfill.from < open.to
        };
        if let Some(other) = reply {
            let is_known = self.open.iter().any(|it| it.run == other.run && is_in_the_way(it));
            assert!(is_known, "{other:?} is not in the way of {note:?}");
            return;
        }
        match step {
            BackfillStep::Begins => {
                let other = self.open.iter().find(|open| is_in_the_way(open));
                assert!(other.is_none(), "{other:?} is in the way of {note:?}");
            }
            BackfillStep::BeginsAgain => self.open.retain(|open| !is_in_the_way(open)),
            BackfillStep::Ends => self.open.retain(|open| open.run != backfill.run),
        }
        if *step != BackfillStep::Ends {
            let OpenBackfill { run, mut from, mut to, .. } = *backfill;
            self.open.retain(|open| {
                let is_same = open.run == run && open.scope == *scope;
                if is_same {
                    (from, to) = (from.min(open.from), to.max(open.to));
                }
                !is_same
            });
            self.open.push(Open { scope: *scope, run, from, to, until: now + REMEMBERED });
        }
    }
}
