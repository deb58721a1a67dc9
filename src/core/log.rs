//! What a scheduler says in the log.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::schedule::planner::{Ended, Item, Repaired};
use crate::schedule::{Schedule, UnixMs};
use crate::store::contract::StoreError;

/// One event, in the past tense. How it reads is for whoever writes the log.
#[derive(Clone, Debug)]
pub enum Log {
    /// A tenure has begun.
    TookOver {
        /// Its term.
        term: Box<str>,
        /// Entries of the schedule.
        entries: usize,
        /// Changes of registrations that were written.
        changes: usize,
    },
    /// The store has recorded slots.
    Recorded {
        /// The schedule that the items speak of.
        schedule: Arc<Schedule>,
        /// What became of slots, and the ids of their tasks.
        items: Vec<(Item, Uuid)>,
        /// When the answer was there.
        at: UnixMs,
        /// The first answer was lost; that they were recorded has shown since.
        recovered: bool,
    },
    /// Slots ended with their registration.
    Ended(Vec<Ended>),
    /// Records that could not be right were mended.
    Repaired(Vec<Repaired>),
    /// Records that could not be read: how many, and one of them.
    Unreadable {
        /// In all.
        records: usize,
        /// The entry of the first.
        entry: Arc<str>,
        /// What is wrong with that.
        what: String,
    },
    /// Records are missing.
    RecordsMissing {
        /// What this process remembers is written again; otherwise nobody remembers.
        remembered: bool,
    },
    /// Nothing is known of the namespace, and this process remembers nothing.
    NothingKnown,
    /// The store has lost all records, and this process remembers them.
    AllRecordsLost,
    /// The store has lost some records that this process remembers.
    RecordsLost,
    /// Another leader has recorded so many slots since this process led.
    OthersRecorded(u64),
    /// The journal was evicted or deleted with so many slots that were not folded.
    JournalLost(usize),
    /// A new journal has begun.
    JournalBegun,
    /// The store did not do what it was asked.
    CouldNotPublish {
        /// Why.
        error: StoreError,
        /// It is asked again after so long.
        pause: Duration,
    },
    /// The store does what it is asked again.
    Publishing,
    /// The store wrote nothing, as it knows better; why.
    WroteNothing(&'static str),
    /// Writes are fenced by a lease that is renewed all the same.
    AnotherServer,
    /// The store wrote nothing, as a slot is ahead of its clock.
    Early,
    /// The clock that decides what is due went back by so much.
    ClockWentBack(Duration),
    /// A queue refuses messages, and why.
    QueueRefuses {
        /// Its name.
        queue: Arc<str>,
        /// Its words.
        error: String,
    },
    /// A queue takes messages again.
    QueueAccepts(Arc<str>),
    /// An entry has dispatched as many slots as it may.
    LimitReached {
        /// Its name.
        entry: Arc<str>,
        /// So many.
        limit: Option<NonZeroU32>,
    },
    /// A carrier has taken a message, and the store has no record of that.
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
        /// What went wrong.
        error: String,
    },
    /// Progress of so many entries was folded, and so many slots are left.
    Folded {
        /// Whose progress moved.
        entries: usize,
        /// Slots still to be folded.
        left: usize,
    },
    /// Progress could not be folded.
    CouldNotFold(StoreError),
    /// So many slots were dropped from the journal.
    Trimmed(u64),
    /// Somebody has paused or resumed since the slots were planned.
    Revised,
    /// Pauses of so many subjects were dropped, as they have ended.
    DroppedPauses(usize),
    /// Pauses that have ended could not be dropped.
    CouldNotDropPauses(StoreError),
    /// The journal could not be trimmed.
    CouldNotTrim(StoreError),
}
