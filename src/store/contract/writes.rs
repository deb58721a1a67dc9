//! Fenced writes, and the replies to them.

use std::sync::Arc;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::PausesMark;
use crate::schedule::Guards;
use crate::schedule::outcome::{Line, Outcome, SkipReason};
use crate::schedule::progress::Progress;
use crate::schedule::registration::RegistrationChange;
use crate::store::journal::RecordId;
use crate::store::{Fence, Outgoing};
use crate::worker::Queue;

/// Changes to registrations.
#[derive(Clone, Debug)]
pub struct Register {
    /// The condition for the write.
    pub fence: Fence,
    /// At most [`MAX_CHANGES`].
    pub changes: Vec<RegistrationChange>,
    /// What became of slots whose registration ended: journalled and counted by the queue they would have gone
    /// to. At most [`MAX_CHANGES`].
    pub ended: Vec<(Arc<str>, Line)>,
    /// Whether this is the last part: the namespace's records are complete from now on.
    pub last: bool,
}

/// The maximum number of registrations that one `register` changes.
pub const MAX_CHANGES: usize = 500;
/// The maximum number of entries whose progress one `fold` moves.
pub const MAX_FOLDED: usize = 1_000;

/// Slots that are published and recorded together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The condition for the write.
    pub fence: Fence,
    /// The pauses that the slots were planned by.
    pub pauses: PausesMark,
    /// The slots, those of one entry together and in order.
    pub writes: Vec<Write>,
}

/// One slot to record, with its message if it is sent.
#[derive(Clone, Debug)]
pub struct Write {
    /// What to record.
    pub line: Line,
    /// The queue that the slot is counted under.
    pub queue: Arc<Queue>,
    /// The message to send; `None` if the slot is skipped.
    pub message: Option<Outgoing>,
    /// The conditions for sending it; the same in all writes of one entry. The leader takes care of the limit.
    pub guards: Guards,
}

/// Slots that carriers are about to publish; at most one per entry.
#[derive(Clone, Debug)]
pub struct Intend {
    /// The condition for the write.
    pub fence: Fence,
    /// The pauses that the slots were planned by.
    pub pauses: PausesMark,
    /// The slots, in any order.
    pub slots: Vec<Intent>,
}

/// A slot that a carrier is about to publish.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The entry's name.
    pub entry: Arc<str>,
    /// The slot.
    pub slot: UnixMs,
    /// The queue that it goes to.
    pub queue: Arc<Queue>,
    /// As in [`Write`]; the carrier checks how full the queue is.
    pub guards: Guards,
}

/// What became of intended slots; at most one per entry.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The condition for the write.
    pub fence: Fence,
    /// The slots, in any order.
    pub slots: Vec<Settled>,
}

/// What became of one intended slot.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The entry's name.
    pub entry: Arc<str>,
    /// The queue that it went to.
    pub queue: Arc<Queue>,
    /// What to record; `None` if the carrier has not taken it, so that it is no longer uncertain.
    pub line: Option<Line>,
    /// The task's id, if it was dispatched.
    pub task_id: Uuid,
    /// As in [`Write`].
    pub guards: Guards,
}

/// Progress to write, and how far the journal is folded afterwards.
#[derive(Clone, Debug)]
pub struct Fold {
    /// The condition for the write.
    pub fence: Fence,
    /// At most [`MAX_FOLDED`].
    pub progress: Vec<(Arc<str>, Progress)>,
    /// How far the journal is folded once this is written.
    pub through: FoldedThrough,
}

/// What the leader remembers of a lost journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Everything.
    All,
    /// Nothing recorded since the last fold: the records count as damaged until the last part of a [`Register`]
    /// is written.
    Nothing,
}

/// How far the journal is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldedThrough {
    /// As far as before: more parts follow.
    Unchanged,
    /// Up to this record.
    Record(RecordId),
    /// To the end of a lost journal: with this part, everything that the leader remembers is in progress, and a
    /// new chain begins. Replaces whatever is in the journal's place if it is not a journal. Like the earlier
    /// parts, it is carried out although the journal is lost.
    Anew(Remembered),
}

/// The outcome of a fenced write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing was written: the lease is another's or has expired.
    Fenced,
    /// Nothing was written: the caller does not know of all writes, and must read all state anew.
    Stale,
    /// Nothing was written: the pauses have changed since the slots were planned, and must be read anew.
    Revised,
    /// Nothing was written: the journal does not end with the record that `head` names; it was evicted or
    /// deleted.
    Lost,
    /// Nothing was written: a slot is more than a second ahead of the store's clock.
    Early {
        /// The store's clock.
        now: UnixMs,
    },
    /// Everything but the exceptions was written.
    Written {
        /// The store's clock.
        now: UnixMs,
        /// The sequence number left behind.
        sequence: u64,
        /// The newest record, if there is one.
        head: Option<RecordId>,
        /// Indexes of slots that were not written as asked, in ascending order, and why.
        exceptions: Vec<(usize, Exception)>,
    },
}

/// Why a slot was not written as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// A condition of its entry does not hold: the slot is recorded and counted as skipped for this reason.
    Skipped(SkipReason),
    /// The queue refused the message; the server's words, shortened. Nothing of this queue's part is recorded.
    Refused(String),
}

impl Batch {
    /// Whether slots are recorded as paused: then the version must match as well, because a resume lets them go.
    pub(in crate::store) fn records_pauses(&self) -> bool {
        let paused = Outcome::Skipped(SkipReason::Paused);
        self.writes.iter().any(|write| write.line.outcome == paused)
    }
}
