//! The scheduler's log events.

mod skips;
mod write;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use crate::schedule::Schedule;
use crate::schedule::pause::Pause;
use crate::schedule::planner::{Ended, Item, Repaired};
use crate::store::contract::StoreError;

pub use skips::SkipRuns;

/// A log event of the scheduler. The scheduler itself writes none: see [`Log::write`].
#[derive(Clone, Debug)]
pub enum Log {
    /// A tenure has begun.
    TookOver {
        /// Its term.
        term: Box<str>,
        /// The number of entries in the schedule.
        entries: usize,
        /// The number of registrations that were changed.
        changes: usize,
        /// A few of the entries that are new, or have a new timing.
        began: Option<String>,
        /// A few of the entries that have left.
        retired: Option<String>,
    },
    /// The store has recorded slots.
    Recorded {
        /// The schedule that the items refer to.
        schedule: Arc<Schedule>,
        /// The slots with their outcomes and task ids.
        items: Vec<(Item, Uuid)>,
        /// When the answer arrived.
        at: UnixMs,
        /// Whether the answer was lost, and the record was found later.
        recovered: bool,
    },
    /// Slots ended with their registration.
    Ended(Vec<Ended>),
    /// Implausible records were repaired.
    Repaired(Vec<Repaired>),
    /// Records could not be read: how many, and one of them.
    Unreadable {
        /// The number of records.
        records: usize,
        /// The entry of the first one.
        entry: Arc<str>,
        /// What is wrong with the first one.
        what: String,
    },
    /// Records are missing.
    RecordsMissing {
        /// Whether this process remembers them and writes them again; otherwise nobody does.
        remembered: bool,
    },
    /// The store has nothing of the namespace, and this process remembers nothing.
    NothingKnown,
    /// The store has lost all records, and this process remembers them.
    AllRecordsLost,
    /// The store has lost some records that this process remembers.
    RecordsLost,
    /// Another leader has recorded this many slots since this process led.
    OthersRecorded(u64),
    /// The journal was evicted or deleted with this many slots that were not folded.
    JournalLost(usize),
    /// A new journal has begun.
    JournalBegun,
    /// The store did not carry out a request.
    CouldNotPublish {
        /// The error.
        error: StoreError,
        /// The pause before the next attempt.
        pause: Duration,
    },
    /// The store carries out requests again.
    Publishing,
    /// The store refused a write; why.
    WroteNothing(&'static str),
    /// Writes are fenced though the lease is being renewed.
    AnotherServer,
    /// The store refused a batch because a slot is ahead of its clock.
    Early,
    /// The clock that decides what is due went back by this much.
    ClockWentBack(Duration),
    /// A queue refuses messages, and why.
    QueueRefuses {
        /// The queue's name.
        queue: Arc<str>,
        /// The server's words.
        error: String,
    },
    /// A queue takes messages again.
    QueueAccepts(Arc<str>),
    /// An entry has dispatched its maximum number of slots.
    LimitReached {
        /// The entry's name.
        entry: Arc<str>,
        /// The maximum.
        limit: Option<NonZeroU32>,
    },
    /// Slots of an entry are skipped again and again, and no result of its tasks was ever seen.
    NoResultSeen(Arc<str>),
    /// A carrier has taken a message, but the store has not recorded it.
    NotRecorded {
        /// The entry's name.
        entry: Arc<str>,
        /// The slot.
        slot: UnixMs,
        /// The message's id.
        task_id: Uuid,
    },
    /// A carrier may have taken a message.
    MayHaveBeenSent {
        /// The entry's name.
        entry: Arc<str>,
        /// The slot.
        slot: UnixMs,
        /// The error.
        error: String,
    },
    /// Progress was folded.
    Folded {
        /// The number of entries whose progress moved.
        entries: usize,
        /// The number of slots still unfolded.
        left: usize,
    },
    /// Progress could not be folded.
    CouldNotFold(StoreError),
    /// This many slots were trimmed from the journal.
    Trimmed(u64),
    /// Somebody has paused or resumed since the slots were planned.
    Revised,
    /// A pause of all entries is in force.
    AllPaused(Pause),
    /// The pause of all entries is over.
    AllResumed,
    /// Pauses of this many subjects were dropped because they are over.
    DroppedPauses(usize),
    /// Pauses that are over could not be dropped.
    CouldNotDropPauses(StoreError),
    /// The journal could not be trimmed.
    CouldNotTrim(StoreError),
}

/// The maximum number of entries that one line names.
const MAX_NAMED: usize = 10;

/// A few of the names, and the number of the others; `None` if there are none.
pub(super) fn few<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let shown = names.by_ref().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 if shown.is_empty() => None,
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_a_few_are_shown_and_the_rest_counted() {
        assert_eq!(few([].into_iter()), None);
        assert_eq!(few(["a", "b"].into_iter()).unwrap(), "a, b");
        assert_eq!(
            few(["x"; 12].into_iter()).unwrap(),
            format!("{} and 2 more", ["x"; 10].join(", "))
        );
    }
}
