//! What every store promises, as requests and answers. The test suite in `conformance` runs over every store.

mod error;
mod history;
mod lease;
mod manual;
mod pauses;
mod snapshot;
mod writes;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use self::error::StoreError;
pub use self::history::{History, HistoryQuery, MAX_TRIMMED, PastEvent, Trim, Trimmed};
pub use self::lease::{
    Acquire, Acquired, Announced, Announcement, MAX_ANNOUNCEMENT, MAX_REPLICAS, Renewed,
};
pub use self::manual::{
    BackfillNote, BackfillStep, INTENT_TTL, ManualMessage, ManualNote, ManualStep, Noted,
    OpenBackfill, RunOf, Sent,
};
pub use self::pauses::{
    ChangePauses, Etag, MAX_PAUSED, MAX_PAUSES_CHANGED, PausesChanged, PausesMark, PausesRead,
    PrunePauses, SubjectPauses,
};
pub use self::snapshot::{Counters, MAX_COUNTED_QUEUES, OTHER_QUEUES, Snapshot};
pub use self::writes::{
    Batch, Exception, Fold, FoldedThrough, Intend, Intent, MAX_CHANGES, MAX_FOLDED, Register,
    Remembered, Reply, Settle, Settled, Write,
};

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
