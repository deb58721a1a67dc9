//! What every store promises, as requests and answers. The test suite in `conformance` runs over every store.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::journal::{Record, RecordId};
use super::{Fence, Outgoing};
use crate::schedule::Guards;
use crate::schedule::outcome::{Line, Outcome, SkipReason};
use crate::schedule::pause::{Pause, Pauses, Subject};
use crate::schedule::progress::{Completeness, Progress};
use crate::schedule::registration::{Registration, RegistrationChange};
use crate::worker::Queue;

/// Why a request to a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was done: the store cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing was done: the store itself refused the request.
    #[error("{0}")]
    Refused(String),
    /// The request was sent but not answered: it may have been carried out.
    #[error("{0}")]
    Unanswered(String),
    /// The configuration is wrong, which no retry cures.
    #[error("{0}")]
    Unusable(String),
}

impl StoreError {
    /// Whether nothing was done, and a retry may succeed.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(self, StoreError::Unavailable(_) | StoreError::Refused(_))
    }

    /// Whether the store itself refused; otherwise it is unreachable or silent.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, StoreError::Refused(_) | StoreError::Unusable(_))
    }
}

/// The abilities that stores differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Several replicas can use it, so a leader can resign in favour of another.
    pub shared: bool,
    /// It can tell whether a task still runs (`overlap`).
    pub sees_results: bool,
    /// Its journal is part of its records, so progress need not be folded.
    pub folds_itself: bool,
}

/// A store keeps one namespace's lease, journal and controls, and takes messages in the same step.
///
/// Requests are carried out in the order of the method calls. A future does not borrow the store, so the next
/// request can be made while this one is in flight. If a request is refused or lost, later ones that name its
/// sequence number do nothing.
pub trait Store: Send + 'static {
    /// What this store can do.
    const CAPABILITIES: Capabilities;

    /// Reads everything known of the namespace. The result is consistent only under the caller's own lease,
    /// because no other leader writes meanwhile.
    fn read(&mut self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send + 'static;

    /// Writes which entries are live, and what became of slots whose registration ended. All or nothing; larger
    /// changes take several requests, and the last is marked.
    fn register(
        &mut self,
        request: Register,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static;

    /// Publishes and records a batch.
    fn dispatch(
        &mut self,
        request: Batch,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static;

    /// Records that carriers are about to publish these slots: their outcome is uncertain from now on.
    fn intend(
        &mut self,
        request: Intend,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static;

    /// Records what carriers did.
    fn settle(
        &mut self,
        request: Settle,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static;

    /// Moves progress and `folded` together.
    fn fold(
        &mut self,
        request: Fold,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static;

    /// Drops records that the history need not keep, oldest first and never past `folded`, and keeps the last
    /// outcomes of their entries. Returns whether there is more to drop.
    fn trim(
        &mut self,
        request: Trim,
    ) -> impl Future<Output = Result<Trimmed, StoreError>> + Send + 'static;

    /// Publishes one manual message and appends it to the journal; unfenced.
    fn send(
        &mut self,
        request: ManualMessage,
    ) -> impl Future<Output = Result<Sent, StoreError>> + Send + 'static;

    /// Records how far a manual message for a carrier has come; unfenced. First comes `Intended`, then the
    /// carrier publishes the message, then one of the other steps follows.
    fn note(
        &mut self,
        note: ManualNote,
    ) -> impl Future<Output = Result<Noted, StoreError>> + Send + 'static;

    /// Records that a backfill begins, continues or ends; unfenced. If it overlaps another unfinished one,
    /// returns that one and records nothing.
    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send + 'static;

    /// Reads the history from the journal and the kept outcomes, oldest first.
    fn history(
        &mut self,
        query: HistoryQuery,
    ) -> impl Future<Output = Result<History, StoreError>> + Send + 'static;

    /// Reads all pauses. Batches planned by them must name their [`PausesMark`].
    fn pauses(&mut self) -> impl Future<Output = Result<PausesRead, StoreError>> + Send + 'static;

    /// Pauses or resumes, all or nothing; unfenced.
    fn change_pauses(
        &mut self,
        request: ChangePauses,
    ) -> impl Future<Output = Result<PausesChanged, StoreError>> + Send + 'static;

    /// Drops pauses that are over, except those changed since they were read. Moves no mark. Returns the number
    /// of subjects changed.
    fn prune_pauses(
        &mut self,
        request: PrunePauses,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send + 'static;

    /// Of these entries, returns those with a slot that a carrier is publishing or may have taken.
    fn open_intents(
        &mut self,
        entries: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<Vec<Arc<str>>, StoreError>> + Send + 'static;

    /// Reads all counters.
    fn counters(&mut self) -> impl Future<Output = Result<Counters, StoreError>> + Send + 'static;

    /// Asks for the lease.
    fn acquire(
        &mut self,
        request: Acquire,
    ) -> impl Future<Output = Result<Acquired, StoreError>> + Send + 'static;

    /// Renews the caller's own lease for a full TTL.
    fn renew(
        &mut self,
        lease: Arc<str>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send + 'static;

    /// Gives up the caller's own lease and wakes the followers; does nothing if the lease is another's.
    fn resign(
        &mut self,
        lease: Arc<str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// Announces this replica and returns all announcements. `said` is JSON, or empty to leave. Drops replicas
    /// that have been silent for `forgotten_after`, and announcements from the future.
    fn announce(
        &mut self,
        replica: Arc<str>,
        said: String,
        forgotten_after: Duration,
    ) -> impl Future<Output = Result<Announced, StoreError>> + Send + 'static;

    /// Tests whether a batch would get through: sends about as many bytes the same way, and stores nothing.
    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// Waits for the next resignation and returns the lease that was given up; it is empty if an old version
    /// does not say which. If there are very many, some are left out. Never returns if nobody resigns.
    fn resigned(&mut self) -> impl Future<Output = Arc<str>> + Send;

    /// Drops the connection, if there is one: the next request makes a new one.
    fn reconnect(&mut self);
}

/// The contents of a store.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The store's clock.
    pub now: UnixMs,
    /// The sequence number that the next fenced write must name.
    pub sequence: u64,
    /// Whether anything but the journal is missing: the marker, or a hash's seal.
    pub completeness: Completeness,
    /// By entry name.
    pub registrations: Vec<(Box<str>, Registration)>,
    /// By entry name, as of `folded`.
    pub progress: Vec<(Box<str>, Progress)>,
    /// By entry name, the slot that a carrier may have taken.
    pub intents: Vec<(Box<str>, UnixMs)>,
    /// The newest folded record; `None` before the first fold.
    pub folded: Option<RecordId>,
    /// The newest record; `None` before the first.
    pub head: Option<RecordId>,
    /// The existing records after `folded`, oldest first.
    pub journal: Vec<Record>,
    /// Entries with unreadable values, and what is unreadable; at most 100.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// The total number of unreadable values.
    pub unreadable_count: usize,
}

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

/// The approximate number of slots that one `trim` drops.
pub const MAX_TRIMMED: u64 = 1_000;

/// How long to keep the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trim {
    /// The caller's lease; with another's, nothing is dropped.
    pub lease: Arc<str>,
    /// Drop records older than this.
    pub keep: Duration,
    /// Drop the oldest slots beyond this number.
    pub slots: u64,
    /// The number of an entry's outcomes to keep beyond that.
    pub outcomes: usize,
}

/// The outcome of a `trim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// Slots dropped from the journal by this call.
    pub slots: u64,
    /// Whether there is more to drop.
    pub more: bool,
}

/// A message that somebody has asked for.
#[derive(Clone, Debug)]
pub struct ManualMessage {
    /// The message to send.
    pub message: Outgoing,
    /// The line for the journal: kind `manual` or `backfill`, with task id and who asked.
    pub line: Line,
    /// The run that it belongs to, and its place in it. A run only continues with greater places, so that a
    /// repeat sends nothing twice, and only with the same entry and queue. Kept for a day.
    pub run: (Uuid, u64),
}

/// What all messages of a run have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOf {
    /// The entry's name.
    pub entry: Arc<str>,
    /// The queue's name.
    pub queue: Arc<str>,
}

/// What became of a manual message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The message is in the queue.
    Now,
    /// The same run has sent it before.
    Already,
    /// Nothing was done: the run has sent messages of another entry or to another queue.
    Other(RunOf),
    /// The queue refused it; the server's words.
    Refused(String),
}

/// A step of a manual message on its way to a carrier.
#[derive(Clone, Debug)]
pub struct ManualNote {
    /// The step.
    pub step: ManualStep,
    /// The queue that the message is counted under.
    pub queue: Arc<Queue>,
    /// As in [`ManualMessage`].
    pub line: Line,
    /// As in [`ManualMessage`].
    pub run: (Uuid, u64),
}

/// How far a manual message has come on its way to a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManualStep {
    /// The carrier is about to publish it. Until another step is recorded, for at most [`INTENT_TTL`], nobody
    /// else can continue the run.
    Intended,
    /// The carrier has it: it is journalled and counted. Recording this again changes nothing.
    Published,
    /// The carrier does not have it, or the outcome is uncertain: the run can be tried again.
    NotPublished,
}

/// The longest time that a carrier takes to answer a publisher.
pub const INTENT_TTL: Duration = Duration::from_secs(30);

/// The outcome of a [`ManualNote`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It was recorded.
    Now,
    /// The run has sent the message before.
    Already,
    /// Somebody else is about to publish a message of the run.
    Busy,
    /// The run has sent messages of another entry or to another queue.
    Other(RunOf),
}

/// A step of a backfill.
#[derive(Clone, Debug)]
pub struct BackfillNote {
    /// An id made of the entry and the person who asks: only backfills of one scope are compared.
    pub scope: Uuid,
    /// The backfill.
    pub backfill: OpenBackfill,
    /// The step.
    pub step: BackfillStep,
}

/// A backfill that has not ended: slots may have been sent without the answer arriving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBackfill {
    /// Its run.
    pub run: Uuid,
    /// The first instant of its segment.
    pub from: UnixMs,
    /// The first instant after its segment.
    pub to: UnixMs,
    /// The queue to send to instead of the entry's own.
    pub queue: Option<Box<str>>,
}

/// How far a backfill has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackfillStep {
    /// Slots of its segment are about to be sent, unless the segment overlaps that of another run. The backfill
    /// is remembered for an hour from then on.
    #[default]
    Begins,
    /// The same, but the backfills that it overlaps are forgotten.
    BeginsAgain,
    /// Every answer has arrived.
    Ends,
}

/// The part of the history to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of this entry; `None`: of all.
    pub entry: Option<Arc<str>>,
    /// Slots from this instant on; `None`: from the oldest.
    pub from: Option<UnixMs>,
    /// Slots before this instant; `None`: up to the newest.
    pub to: Option<UnixMs>,
    /// The maximum number of events; the newest are taken.
    pub limit: usize,
}

/// What became of slots, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The events, in the order in which they were recorded.
    pub events: Vec<PastEvent>,
    /// Whether there are more events than asked for.
    pub more: bool,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEvent {
    /// When it was recorded, by the store's clock.
    pub at: UnixMs,
    /// The term of the leader that recorded it; `None` if unknown or for a manual message.
    pub term: Option<u64>,
    /// The queue; `None` if no longer known.
    pub queue: Option<Arc<str>>,
    /// What was recorded.
    pub line: Line,
}

/// The version of the stored pauses. Both numbers grow with the store's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PausesMark {
    /// Moves with every change that forbids something. Batches must name it.
    pub revision: u64,
    /// Moves with every change. Records of paused slots must name it.
    pub version: u64,
}

impl Batch {
    /// Whether slots are recorded as paused: then the version must match as well, because a resume lets them go.
    pub(super) fn records_pauses(&self) -> bool {
        let paused = Outcome::Skipped(SkipReason::Paused);
        self.writes.iter().any(|write| write.line.outcome == paused)
    }
}

/// The stored pauses of one subject, as the condition of a change: `""` if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etag(pub Box<[u8]>);

/// The pauses of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPauses {
    /// The subject that is paused.
    pub subject: Subject,
    /// Its pauses in the order in which they begin; empty if they cannot be read.
    pub pauses: Vec<Pause>,
    /// The etag that a change must name.
    pub etag: Etag,
}

/// All pauses.
#[derive(Clone, Debug, Default)]
pub struct PausesRead {
    /// The store's clock.
    pub now: UnixMs,
    /// The version of the pauses.
    pub mark: PausesMark,
    /// At most [`MAX_PAUSED`], sorted by subject.
    pub subjects: Vec<SubjectPauses>,
    /// Subjects with unreadable pauses, and the stored text; at most 100. They pause nothing.
    pub unreadable: Vec<(Arc<str>, String)>,
}

impl PausesRead {
    /// Converts the pauses for the planner.
    #[must_use]
    pub fn to_pauses(&self) -> Pauses {
        let all = self.subjects.iter();
        all.map(|subject| (subject.subject.clone(), subject.pauses.clone())).collect()
    }

    /// The pauses of one subject, and the etag that a change must name.
    #[must_use]
    pub fn of(&self, subject: &Subject) -> (&[Pause], Etag) {
        let found = self.subjects.binary_search_by(|one| one.subject.cmp(subject));
        let found = found.ok().map(|at| &self.subjects[at]);
        found.map_or((&[], Etag::default()), |found| (&found.pauses, found.etag.clone()))
    }

    /// Whether something is kept for a subject that cannot be read.
    #[must_use]
    pub fn is_unreadable(&self, subject: &Subject) -> bool {
        let (pauses, etag) = self.of(subject);
        pauses.is_empty() && etag != Etag::default()
    }
}

/// The maximum number of subjects with pauses, ended ones included.
pub const MAX_PAUSED: usize = 10_000;
/// The maximum number of subjects that one request changes.
pub const MAX_PAUSES_CHANGED: usize = 500;

/// Pauses to write.
#[derive(Clone, Debug, Default)]
pub struct ChangePauses {
    /// At most [`MAX_PAUSES_CHANGED`] different subjects. [`AT_WRITE`](crate::schedule::pause::AT_WRITE) stands
    /// for the store's clock when it writes.
    pub subjects: Vec<SubjectPauses>,
    /// Whether the change forbids something that is allowed now.
    pub forbids: bool,
}

/// The outcome of a change of pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausesChanged {
    /// Everything was written.
    Written {
        /// When, by the store's clock.
        now: UnixMs,
        /// The new version of the pauses.
        mark: PausesMark,
        /// Whether another server has it, too; `None` if there is no other.
        replicated: Option<bool>,
    },
    /// Nothing was done: somebody else has changed one of the subjects.
    Outdated,
    /// Nothing was done: there would be more than [`MAX_PAUSED`].
    TooMany,
}

/// Removes pauses that are over.
#[derive(Clone, Debug)]
pub struct PrunePauses {
    /// The caller's lease; with another's, nothing is dropped.
    pub lease: Arc<str>,
    /// At most [`MAX_PAUSES_CHANGED`], with the pauses that remain.
    pub subjects: Vec<SubjectPauses>,
}

/// The number of slots by queue and outcome, manual messages included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<(Arc<str>, &'static str), u64>);

/// The maximum number of queues with counters of their own.
pub const MAX_COUNTED_QUEUES: usize = 200;
/// The name that the other queues are counted under.
pub const OTHER_QUEUES: &str = "(other)";

/// A request for the lease.
#[derive(Clone, Debug)]
pub struct Acquire {
    /// Host, pid and a new random number.
    pub holder: Arc<str>,
    /// How long the lease lasts.
    pub ttl: Duration,
    /// Whether the lease may be taken in a namespace without a marker.
    pub even_unmarked: bool,
    /// `"<term> <holder>"` of a tenure whose process is known to be gone: if the lease is exactly this one, it
    /// counts as expired.
    pub replaces: Option<Arc<str>>,
}

/// The outcome of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has the lease.
    Ours {
        /// `"<term> <holder>"`.
        lease: Arc<str>,
        /// The store's clock.
        now: UnixMs,
    },
    /// The lease is another's, and cannot expire before `left` is over.
    Held {
        /// `"<term> <holder>"`, or what the key holds instead, shortened.
        lease: String,
        /// The remaining time.
        left: Duration,
        /// The store's clock.
        now: UnixMs,
    },
    /// Nobody leads, and the store has nothing of the namespace.
    Unmarked {
        /// The store's clock.
        now: UnixMs,
    },
    /// The key holds no lease of ours, or one that never expires. It is taken over after it has been there
    /// unchanged for one TTL (ask again with the same holder).
    Unreadable {
        /// What is wrong, in words.
        why: String,
        /// The store's clock.
        now: UnixMs,
    },
}

/// The outcome of renewing the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// `false`: the lease is another's or has expired.
    pub kept: bool,
    /// The store's clock.
    pub now: UnixMs,
}

/// The announcements of the replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// At most [`MAX_REPLICAS`].
    pub replicas: Vec<Announcement>,
    /// The total number of replicas.
    pub count: usize,
}

/// One replica's announcement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// The replica's name.
    pub replica: String,
    /// Unparsed JSON; at most [`MAX_ANNOUNCEMENT`] bytes.
    pub said: String,
    /// The time since the announcement, by the store's clock.
    pub age: Duration,
}

/// The maximum number of replicas returned.
pub const MAX_REPLICAS: usize = 100;
/// The maximum length of an announcement in bytes.
pub const MAX_ANNOUNCEMENT: usize = 4_096;
