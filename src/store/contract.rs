//! What every store promises, as requests and answers. DESIGN 2.1 in code: the suite in `conformance`
//! holds each store to it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::journal::{Record, RecordId};
use super::{Fence, Outgoing};
use crate::queue::Queue;
use crate::schedule::outcome::{Line, Outcome, SkipReason};
use crate::schedule::pause::{Pause, Pauses, Subject};
use crate::schedule::progress::{Completeness, Progress};
use crate::schedule::registration::{Registration, RegistrationChange};
use crate::schedule::{Guards, UnixMs};

/// Why a store gave no answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was done: the store cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing was done: the store itself said no.
    #[error("{0}")]
    Refused(String),
    /// The request went out and no answer came: it may have been carried out.
    #[error("{0}")]
    Unanswered(String),
    /// A configuration that no retry can cure.
    #[error("{0}")]
    Unusable(String),
}

impl StoreError {
    /// Whether nothing was done, and a retry may succeed.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(self, StoreError::Unavailable(_) | StoreError::Refused(_))
    }

    /// Whether the store itself said no; otherwise it is out of reach or silent.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, StoreError::Refused(_) | StoreError::Unusable(_))
    }
}

/// What a store can do that another cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Several replicas can use it: there is somebody to make way for.
    pub shared: bool,
    /// It can tell whether a task still runs (`overlap`).
    pub sees_results: bool,
    /// Its journal is part of its records: progress need not be folded.
    pub folds_itself: bool,
}

/// Keeps one namespace's lease, journal and controls, and takes messages in the same step.
///
/// Requests are carried out in the order in which the methods are called. A future does not borrow the
/// store, so that the next request can be made while this one is on its way; when one is refused or
/// lost, those behind it that name its sequence number do nothing.
pub trait Store: Send + 'static {
    /// What it can do.
    const CAPABILITIES: Capabilities;

    /// Everything known of the namespace. Only a read under the caller's own lease is consistent: no
    /// other leader writes meanwhile.
    fn read(&mut self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send + 'static;

    /// Writes which entries are live, and what became of slots whose registration ended. All of it or
    /// nothing; larger changes go in several requests, of which the last is marked.
    fn register(
        &mut self,
        request: Register,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static;

    /// Publishes and records a batch.
    fn dispatch(
        &mut self,
        request: Batch,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static;

    /// Records that carriers are about to be handed these slots: from now on they are in doubt.
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

    /// Drops records that the history need not keep, oldest first and never past `folded`, and keeps
    /// the last outcomes of their entries. Gives whether there is more to drop.
    fn trim(
        &mut self,
        request: Trim,
    ) -> impl Future<Output = Result<Trimmed, StoreError>> + Send + 'static;

    /// Publishes one manual message and appends it to the journal; unfenced.
    fn send(
        &mut self,
        request: ManualMessage,
    ) -> impl Future<Output = Result<Sent, StoreError>> + Send + 'static;

    /// Notes what becomes of one manual message that a carrier takes; unfenced. Intended comes first,
    /// then the carrier is handed the message, then one of the others follows.
    fn note(
        &mut self,
        note: ManualNote,
    ) -> impl Future<Output = Result<Noted, StoreError>> + Send + 'static;

    /// Notes that a backfill begins, goes on or ends; unfenced. If it overlaps another that has not ended,
    /// gives that one, and nothing is noted.
    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send + 'static;

    /// What the journal and the kept outcomes say, oldest first.
    fn history(
        &mut self,
        query: HistoryQuery,
    ) -> impl Future<Output = Result<History, StoreError>> + Send + 'static;

    /// All pauses. Whoever plans by them names their [`PausesMark`] in what is sent then.
    fn pauses(&mut self) -> impl Future<Output = Result<PausesRead, StoreError>> + Send + 'static;

    /// Pauses or resumes: all of it, or nothing; unfenced.
    fn change_pauses(
        &mut self,
        request: ChangePauses,
    ) -> impl Future<Output = Result<PausesChanged, StoreError>> + Send + 'static;

    /// Drops pauses that have ended, but for what somebody has changed since it was read. Moves no mark.
    /// Gives how many subjects were changed.
    fn prune_pauses(
        &mut self,
        request: PrunePauses,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send + 'static;

    /// Those of the entries with a slot that is being handed to a carrier, or that a carrier may have taken.
    fn open_intents(
        &mut self,
        entries: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<Vec<Arc<str>>, StoreError>> + Send + 'static;

    /// All counters.
    fn counters(&mut self) -> impl Future<Output = Result<Counters, StoreError>> + Send + 'static;

    /// Asks for the lease.
    fn acquire(
        &mut self,
        request: Acquire,
    ) -> impl Future<Output = Result<Acquired, StoreError>> + Send + 'static;

    /// Prolongs the caller's own lease by its whole TTL.
    fn renew(
        &mut self,
        lease: Arc<str>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send + 'static;

    /// Gives up the caller's own lease and wakes the followers; does nothing if it is another's.
    fn resign(
        &mut self,
        lease: Arc<str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// Tells the other replicas of this one and gives what all say of themselves; `said` is JSON, and
    /// empty to leave. Replicas silent for `forgotten_after` are dropped, and so is what was said in the
    /// future.
    fn announce(
        &mut self,
        replica: Arc<str>,
        said: String,
        forgotten_after: Duration,
    ) -> impl Future<Output = Result<Announced, StoreError>> + Send + 'static;

    /// Tries whether a batch would get through: takes the same way with about as many bytes, and stores
    /// nothing.
    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// The lease that some leader has given up since the last call, or nothing where an old version does
    /// not say which. Of very many, some are left out. Never comes back where nobody resigns.
    fn resigned(&mut self) -> impl Future<Output = Arc<str>> + Send;

    /// Gives up the connection, if there is one: the next request makes a new one.
    fn reconnect(&mut self);
}

/// What a store holds, as it stands there.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The store's clock.
    pub now: UnixMs,
    /// The sequence number that the next fenced write must name.
    pub sequence: u64,
    /// Whether anything but the journal is missing: marker gone or a hash without its seal.
    pub completeness: Completeness,
    /// By entry name.
    pub registrations: Vec<(Box<str>, Registration)>,
    /// By entry name, as of `folded`.
    pub progress: Vec<(Box<str>, Progress)>,
    /// The slot that a carrier may have taken, by entry name.
    pub intents: Vec<(Box<str>, UnixMs)>,
    /// The newest record that is folded; `None` before the first fold.
    pub folded: Option<RecordId>,
    /// The newest record; `None` before the first.
    pub head: Option<RecordId>,
    /// The records after `folded` that are there, oldest first.
    pub journal: Vec<Record>,
    /// Names of entries and what of theirs cannot be read; at most 100.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// How many that is in all.
    pub unreadable_count: usize,
}

/// Changes to registrations.
#[derive(Clone, Debug)]
pub struct Register {
    /// What must hold.
    pub fence: Fence,
    /// At most [`MAX_CHANGES`].
    pub changes: Vec<RegistrationChange>,
    /// What became of slots whose registration ended: journalled and counted by the queue they would
    /// have gone to. At most [`MAX_CHANGES`].
    pub ended: Vec<(Arc<str>, Line)>,
    /// The last part: the namespace's records are whole from now on.
    pub last: bool,
}

/// One `register` changes at most so many registrations.
pub const MAX_CHANGES: usize = 500;
/// One `fold` moves the progress of at most so many entries.
pub const MAX_FOLDED: usize = 1_000;

/// Slots that are published and recorded together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What must hold.
    pub fence: Fence,
    /// The pauses by which they were planned.
    pub pauses: PausesMark,
    /// Those of one entry stand together and in order.
    pub writes: Vec<Write>,
}

/// One slot to record, with its message if it is sent.
#[derive(Clone, Debug)]
pub struct Write {
    /// What to record.
    pub line: Line,
    /// The queue that it is counted under.
    pub queue: Arc<Queue>,
    /// What to send; `None` for what is skipped.
    pub message: Option<Outgoing>,
    /// What must hold for it to be sent; the same in all writes of one entry. The limit is the
    /// leader's business.
    pub guards: Guards,
}

/// Slots that carriers are about to be handed; at most one of an entry.
#[derive(Clone, Debug)]
pub struct Intend {
    /// What must hold.
    pub fence: Fence,
    /// The pauses by which they were planned.
    pub pauses: PausesMark,
    /// In any order.
    pub slots: Vec<Intent>,
}

/// A slot that is about to be handed to a carrier.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The entry's name.
    pub entry: Arc<str>,
    /// The slot.
    pub slot: UnixMs,
    /// Where it goes.
    pub queue: Arc<Queue>,
    /// As in [`Write`]; how full the queue is, the carrier knows.
    pub guards: Guards,
}

/// What became of intended slots; at most one of an entry.
#[derive(Clone, Debug)]
pub struct Settle {
    /// What must hold.
    pub fence: Fence,
    /// In any order.
    pub slots: Vec<Settled>,
}

/// What became of one intended slot.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The entry's name.
    pub entry: Arc<str>,
    /// Where it went.
    pub queue: Arc<Queue>,
    /// What to record; `None` when the carrier has not taken it: it is in doubt no more.
    pub line: Option<Line>,
    /// The task's id, if it was dispatched.
    pub task_id: Uuid,
    /// As in [`Write`].
    pub guards: Guards,
}

/// Progress to write, and how far the journal is folded then.
#[derive(Clone, Debug)]
pub struct Fold {
    /// What must hold.
    pub fence: Fence,
    /// At most [`MAX_FOLDED`].
    pub progress: Vec<(Arc<str>, Progress)>,
    /// Everything up to this record is folded once this is written.
    pub through: FoldedThrough,
}

/// What is remembered of a journal that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Everything.
    All,
    /// Nothing of what it recorded since it was folded: the records count as damaged until the last part of
    /// a [`Register`] is written.
    Nothing,
}

/// How far the journal is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldedThrough {
    /// No further than before: more parts follow.
    Unchanged,
    /// Up to this record.
    Record(RecordId),
    /// The journal was lost, and with this part everything that the leader remembers is in progress: a
    /// new chain begins. Whatever stands in the journal's place is replaced if it is no journal. Carried
    /// out although the journal is lost, as its earlier parts are.
    Anew(Remembered),
}

/// What a fenced write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: the lease is another's or has run out.
    Fenced,
    /// Nothing: there were writes the caller does not know of; it must read all state anew.
    Stale,
    /// Nothing: the pauses are not those by which the slots were planned; they must be read anew.
    Revised,
    /// Nothing: the journal is not the one whose newest record `head` names; it was evicted or deleted.
    Lost,
    /// Nothing: a slot is more than a second ahead of the store's clock.
    Early {
        /// The store's clock.
        now: UnixMs,
    },
    /// Everything but the exceptions.
    Written {
        /// The store's clock.
        now: UnixMs,
        /// The sequence number left behind.
        sequence: u64,
        /// The newest record, if there is one.
        head: Option<RecordId>,
        /// Indexes of what was not written as it stands, in ascending order, and why.
        exceptions: Vec<(usize, Exception)>,
    },
}

/// Why one slot was not written as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// What its entry demands does not hold: the slot is recorded and counted as skipped for that.
    Skipped(SkipReason),
    /// The queue did not take the message; the store's words, shortened. Nothing of its queue's part is
    /// recorded.
    Refused(String),
}

/// About as many slots as one `trim` drops.
pub const MAX_TRIMMED: u64 = 1_000;

/// How long the history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trim {
    /// The caller's lease; with another's, nothing is dropped.
    pub lease: Arc<str>,
    /// Drop what is older.
    pub keep: Duration,
    /// Drop the oldest beyond so many slots.
    pub slots: u64,
    /// So many outcomes of an entry are kept beyond that.
    pub outcomes: usize,
}

/// What `trim` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// Slots dropped from the journal by this call.
    pub slots: u64,
    /// There is more to drop.
    pub more: bool,
}

/// A message that somebody asked for.
#[derive(Clone, Debug)]
pub struct ManualMessage {
    /// What to send.
    pub message: Outgoing,
    /// What to journal: kind `manual` or `backfill`, with task id and who asked.
    pub line: Line,
    /// The run that it belongs to, and its place in it: a run goes on only with greater places, so that
    /// a repeat sends nothing twice, and only with the same entry and queue. Kept for a day.
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
    /// It is in the queue.
    Now,
    /// It was sent before, by the same run.
    Already,
    /// Nothing was done: the run has sent something else.
    Other(RunOf),
    /// The queue did not take it; the store's words.
    Refused(String),
}

/// What becomes of a manual message that a carrier takes.
#[derive(Clone, Debug)]
pub struct ManualNote {
    /// How far it has come.
    pub step: ManualStep,
    /// The queue that it is counted under.
    pub queue: Arc<Queue>,
    /// As in [`ManualMessage`].
    pub line: Line,
    /// As in [`ManualMessage`].
    pub run: (Uuid, u64),
}

/// How far a manual message has come on its way to a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManualStep {
    /// The carrier is about to be handed it. Until one of the other steps is noted, at most for
    /// [`INTENT_KEPT`], nobody else goes on with the run.
    Intended,
    /// The carrier has it: it is journalled and counted. Noted again, it changes nothing.
    Published,
    /// The carrier does not have it, or nobody knows: the run can be tried again.
    NotPublished,
}

/// No carrier keeps a publisher waiting for longer.
pub const INTENT_KEPT: Duration = Duration::from_secs(30);

/// What came of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is noted.
    Now,
    /// The run has sent the message before.
    Already,
    /// Somebody else is about to hand over a message of the run.
    Busy,
    /// The run has sent something else.
    Other(RunOf),
}

/// What becomes of a backfill.
#[derive(Clone, Debug)]
pub struct BackfillNote {
    /// The entry and who asks, as one id: only backfills of one scope are compared.
    pub scope: Uuid,
    /// The backfill.
    pub backfill: OpenBackfill,
    /// How far it has come.
    pub step: BackfillStep,
}

/// A backfill that has not ended: slots may have been sent whose answer never arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBackfill {
    /// Its run.
    pub run: Uuid,
    /// The first instant of its segment.
    pub from: UnixMs,
    /// The first instant after it.
    pub to: UnixMs,
    /// Instead of the entry's own.
    pub queue: Option<Box<str>>,
}

/// How far a backfill has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackfillStep {
    /// Slots of its segment are about to be sent, unless the segment overlaps that of another run. From then
    /// on, it is remembered for an hour.
    #[default]
    Begins,
    /// The same, and those that it overlaps are forgotten.
    BeginsAgain,
    /// Every answer has arrived.
    Ends,
}

/// What part of the history is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of one entry, or of all.
    pub entry: Option<Arc<str>>,
    /// Slots from here on; `None`: from the oldest.
    pub from: Option<UnixMs>,
    /// Slots before this instant; `None`: up to the newest.
    pub to: Option<UnixMs>,
    /// Of those, the newest so many.
    pub limit: usize,
}

/// What became of slots, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// By the time at which they were recorded.
    pub events: Vec<PastEvent>,
    /// There are more than were asked for.
    pub more: bool,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEvent {
    /// When it was recorded, by the store's clock.
    pub at: UnixMs,
    /// The term of the leader that recorded it; `None` for manual messages and where it is no longer
    /// known.
    pub term: Option<u64>,
    /// The queue; `None` where it is no longer known.
    pub queue: Option<Arc<str>>,
    /// What was recorded.
    pub line: Line,
}

/// Tells one state of the pauses from another. Both grow with the store's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PausesMark {
    /// Moves with every change that forbids something. What is sent must name it.
    pub revision: u64,
    /// Moves with every change. What is recorded as paused must name it.
    pub version: u64,
}

impl Batch {
    /// Whether slots are recorded as paused: then there must have been no change at all, as one that
    /// resumes lets them go.
    pub(super) fn records_pauses(&self) -> bool {
        let paused = Outcome::Skipped(SkipReason::Paused);
        self.writes.iter().any(|write| write.line.outcome == paused)
    }
}

/// The pauses of one subject, as they stand in the store: `""` if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etag(pub Box<[u8]>);

/// The pauses of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPauses {
    /// What is paused.
    pub subject: Subject,
    /// In the order in which they began; none where they cannot be read.
    pub pauses: Vec<Pause>,
    /// What a change must name.
    pub etag: Etag,
}

/// All pauses.
#[derive(Clone, Debug, Default)]
pub struct PausesRead {
    /// The store's clock.
    pub now: UnixMs,
    /// Which state of them that is.
    pub mark: PausesMark,
    /// At most [`MAX_PAUSED`], in the order of their subjects.
    pub subjects: Vec<SubjectPauses>,
    /// Subjects whose pauses cannot be read, and what stands there; at most 100. They pause nothing.
    pub unreadable: Vec<(Arc<str>, String)>,
}

impl PausesRead {
    /// As the planner takes them.
    #[must_use]
    pub fn to_pauses(&self) -> Pauses {
        let all = self.subjects.iter();
        all.map(|subject| (subject.subject.clone(), subject.pauses.clone())).collect()
    }

    /// Those of one subject, and what a change must name.
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

/// No more subjects are paused at once, pauses that have ended included.
pub const MAX_PAUSED: usize = 10_000;
/// One request changes the pauses of at most so many subjects.
pub const MAX_PAUSES_CHANGED: usize = 500;

/// Pauses to write.
#[derive(Clone, Debug, Default)]
pub struct ChangePauses {
    /// At most [`MAX_PAUSES_CHANGED`], each of another subject. In them,
    /// [`AT_WRITE`](crate::schedule::pause::AT_WRITE) is the store's clock when it writes.
    pub subjects: Vec<SubjectPauses>,
    /// Something may not go any more that may go now.
    pub forbids: bool,
}

/// What became of a change of pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausesChanged {
    /// All of it is written.
    Written {
        /// When, by the store's clock.
        now: UnixMs,
        /// Which state of the pauses that is.
        mark: PausesMark,
        /// Whether another server has it, too; `None` where there is no other.
        replicated: Option<bool>,
    },
    /// Nothing was done: somebody has changed one of the subjects meanwhile.
    Outdated,
    /// Nothing was done: there would be more than [`MAX_PAUSED`].
    TooMany,
}

/// Pauses that are left when those that have ended are dropped.
#[derive(Clone, Debug)]
pub struct PrunePauses {
    /// The caller's lease; with another's, nothing is dropped.
    pub lease: Arc<str>,
    /// At most [`MAX_PAUSES_CHANGED`], with those that are left.
    pub subjects: Vec<SubjectPauses>,
}

/// How many slots, by queue and by the word of their outcome; manual messages among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<(Arc<str>, &'static str), u64>);

/// So many queues are counted apart by the store.
pub const MAX_COUNTED_QUEUES: usize = 200;
/// The rest are counted under this name.
pub const OTHER_QUEUES: &str = "(other)";

/// Asks for the lease.
#[derive(Clone, Debug)]
pub struct Acquire {
    /// Host, pid and a fresh random number.
    pub holder: Arc<str>,
    /// How long the lease lasts.
    pub ttl: Duration,
    /// Whether it may be had where no marker is.
    pub even_unmarked: bool,
    /// `"<term> <holder>"` of a tenure whose process is known to be gone: while the lease is exactly
    /// this one, it counts as run out.
    pub replaces: Option<Arc<str>>,
}

/// What came of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is the caller's: `"<term> <holder>"`.
    Ours {
        /// The tenure.
        lease: Arc<str>,
        /// The store's clock.
        now: UnixMs,
    },
    /// It is another's, and cannot run out before `left` is over.
    Held {
        /// `"<term> <holder>"`, or what stands there instead, shortened.
        lease: String,
        /// How long it is still good for.
        left: Duration,
        /// The store's clock.
        now: UnixMs,
    },
    /// Nobody leads, and nothing is known of the namespace.
    Unmarked {
        /// The store's clock.
        now: UnixMs,
    },
    /// The key holds no lease of ours, or one that never runs out: it is taken over once it has stood
    /// there unchanged for one TTL (ask again with the same holder).
    Unreadable {
        /// What is wrong, for people.
        why: String,
        /// The store's clock.
        now: UnixMs,
    },
}

/// What came of renewing the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// `false`: it is another's or has run out.
    pub kept: bool,
    /// The store's clock.
    pub now: UnixMs,
}

/// What the replicas say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// At most [`MAX_REPLICAS`].
    pub replicas: Vec<Announcement>,
    /// How many there are in all.
    pub count: usize,
}

/// What one replica said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// Its name.
    pub replica: String,
    /// JSON, unread; at most [`MAX_ANNOUNCEMENT`] bytes.
    pub said: String,
    /// How long ago that was, by the store's clock.
    pub age: Duration,
}

/// No more replicas are told of.
pub const MAX_REPLICAS: usize = 100;
/// No announcement is longer.
pub const MAX_ANNOUNCEMENT: usize = 4_096;
