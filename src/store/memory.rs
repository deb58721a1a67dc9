//! A store in memory, for tests and the simulation. It keeps the messages in queues, can be rolled back, and can
//! be damaged like a server's data.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::{Future, Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use downbeat_time::UnixMs;
use tokio::sync::watch;
use uuid::Uuid;

use super::Outgoing;
use super::contract::{
    Acquire, Acquired, Announced, BackfillNote, Batch, Capabilities, ChangePauses, Counters, Fold,
    History, HistoryQuery, Intend, ManualMessage, ManualNote, Noted, OpenBackfill, PausesChanged,
    PausesRead, PrunePauses, Register, Renewed, Reply, Sent, Settle, Snapshot, Store, StoreError,
    Trim, Trimmed,
};
use super::model::{Field, Model, QueueError, Queues};
use crate::worker::Queue;

/// A store in memory. Clones share the same data.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    resignations: watch::Receiver<Arc<str>>,
}

struct Shared {
    clock: Box<dyn Fn() -> UnixMs + Send + Sync>,
    namespace: Mutex<Namespace>,
    resignations: watch::Sender<Arc<str>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Namespace {
    model: Model,
    queues: MemoryQueues,
}

#[derive(Clone, Debug, Default)]
struct MemoryQueues {
    messages: BTreeMap<Arc<str>, Vec<Outgoing>>,
    refusing: BTreeMap<Arc<str>, String>,
    ended: HashSet<Uuid>,
}

/// Everything that a store held at some instant.
#[derive(Clone, Debug)]
pub struct Checkpoint(Namespace);

/// Damage to a store's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The journal is deleted.
    JournalDeleted,
    /// Something that is not a journal takes its place.
    JournalReplaced,
    /// This many of the oldest records are deleted.
    OldestRecordsDeleted(usize),
    /// The newest record is deleted.
    NewestRecordDeleted,
    /// The key that names the newest record is deleted.
    HeadDeleted,
    /// The key that names the newest folded record is deleted.
    FoldedDeleted,
    /// The marker is deleted.
    MarkerDeleted,
    /// The last term is deleted.
    TermDeleted,
    /// All registrations are deleted.
    RegistrationsDeleted,
    /// All progress is deleted.
    ProgressDeleted,
    /// Everything is deleted.
    Flushed,
}

impl MemoryStore {
    /// Creates an empty namespace in a store whose clock is `clock`.
    #[must_use]
    pub fn new(namespace: &str, clock: impl Fn() -> UnixMs + Send + Sync + 'static) -> MemoryStore {
        let namespace =
            Namespace { model: Model::new(namespace, false), queues: MemoryQueues::default() };
        let (sender, resignations) = watch::channel(Arc::default());
        let (clock, namespace) = (Box::new(clock), Mutex::new(namespace));
        let shared = Arc::new(Shared { clock, namespace, resignations: sender });
        MemoryStore { shared, resignations }
    }

    fn now(&self) -> UnixMs {
        (self.shared.clock)()
    }

    fn namespace(&self) -> MutexGuard<'_, Namespace> {
        self.shared.namespace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries a request out at once.
    fn done<T>(
        &self,
        request: impl FnOnce(&mut Namespace, UnixMs) -> T,
    ) -> Ready<Result<T, StoreError>> {
        let now = self.now();
        ready(Ok(request(&mut self.namespace(), now)))
    }

    /// The messages in a queue, in the order in which they were sent.
    #[must_use]
    pub fn messages(&self, queue: &str) -> Vec<Outgoing> {
        self.namespace().queues.messages.get(queue).cloned().unwrap_or_default()
    }

    /// Takes all messages out of a queue, as its workers do.
    pub fn take(&self, queue: &str) -> Vec<Outgoing> {
        self.namespace().queues.messages.remove(queue).unwrap_or_default()
    }

    /// Makes a queue refuse messages with these words; `None`: it takes them again.
    pub fn set_refusal(&self, queue: &str, words: Option<&str>) {
        let refusing = &mut self.namespace().queues.refusing;
        match words {
            Some(words) => drop(refusing.insert(queue.into(), words.to_owned())),
            None => drop(refusing.remove(queue)),
        }
    }

    /// Ends a task; until then it runs.
    pub fn end_task(&self, task_id: Uuid) {
        self.namespace().queues.ended.insert(task_id);
    }

    /// Sets the lease, which expires after `ttl`, or never.
    pub fn set_lease(&self, text: Option<&str>, ttl: Option<Duration>) {
        let until = ttl.map(|ttl| self.now() + ttl);
        self.namespace().model.set_lease(text.map(Arc::from), until);
    }

    /// Replaces a value of an entry with something unreadable. Returns whether there was a value.
    #[cfg(test)]
    pub(crate) fn garble(&self, entry: &str, field: Field) -> bool {
        let model = &mut self.namespace().model;
        let is_there = match field {
            Field::Registration => model.registrations.contains_key(entry),
            Field::Progress => model.progress.contains_key(entry),
            Field::Intent => model.intents.contains_key(entry),
            Field::Journal => false,
        };
        if is_there {
            model.set_unreadable(entry, field, "garbage".into());
        }
        is_there
    }

    /// Whether the journal is lost, so that messages are counted only.
    #[cfg(test)]
    pub(crate) fn has_lost_journal(&self) -> bool {
        self.namespace().model.is_lost()
    }

    /// Copies everything in the store.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.namespace().clone())
    }

    /// Restores everything, messages included.
    pub fn roll_back(&self, checkpoint: &Checkpoint) {
        self.namespace().clone_from(&checkpoint.0);
    }

    /// Damages the data.
    pub fn damage(&self, damage: Damage) {
        let mut namespace = self.namespace();
        let model = &mut namespace.model;
        let journal = model.journal.as_mut();
        match damage {
            Damage::JournalDeleted => model.journal = Some([].into()),
            Damage::JournalReplaced => model.journal = None,
            Damage::OldestRecordsDeleted(count) => {
                journal
                    .into_iter()
                    .for_each(|journal| drop(journal.drain(..count.min(journal.len()))));
            }
            Damage::NewestRecordDeleted => drop(journal.and_then(|journal| journal.pop_back())),
            Damage::HeadDeleted => model.head = None,
            Damage::FoldedDeleted => model.folded = None,
            Damage::MarkerDeleted => model.is_marked = false,
            Damage::TermDeleted => model.term = 0,
            Damage::RegistrationsDeleted => {
                model.registrations.clear();
                model.unreadable.0.retain(|(_, field), _| *field != Field::Registration);
                model.registrations_sealed = false;
            }
            Damage::ProgressDeleted => {
                model.progress.clear();
                model.unreadable.0.retain(|(_, field), _| *field != Field::Progress);
                model.progress_sealed = false;
            }
            Damage::Flushed => {
                let queues = std::mem::take(&mut namespace.queues);
                namespace.model = namespace.model.emptied();
                namespace.queues.refusing = queues.refusing;
            }
        }
    }
}

impl MemoryQueues {
    fn check_accepts(&self, queue: &Queue) -> Result<(), QueueError> {
        self.refusing.get(&queue.name).map_or(Ok(()), |words| Err(QueueError(words.clone())))
    }
}

impl Queues for MemoryQueues {
    fn push(&mut self, queue: &Arc<Queue>, messages: &[&Outgoing]) -> Result<(), QueueError> {
        self.check_accepts(queue)?;
        let list = self.messages.entry(Arc::clone(&queue.name)).or_default();
        list.extend(messages.iter().copied().cloned());
        Ok(())
    }

    fn count_waiting(&mut self, queue: &Queue) -> Result<u64, QueueError> {
        self.check_accepts(queue)?;
        Ok(self.messages.get(&queue.name).map_or(0, |list| list.len() as u64))
    }

    fn still_runs(&mut self, _: &Queue, task_id: Option<Uuid>) -> Result<bool, QueueError> {
        Ok(task_id.is_some_and(|id| !self.ended.contains(&id)))
    }
}

impl Store for MemoryStore {
    const CAPABILITIES: Capabilities =
        Capabilities { shared: true, sees_results: true, folds_itself: false };

    fn read(&mut self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send + 'static {
        self.done(|namespace, now| namespace.model.read(now))
    }

    fn register(
        &mut self,
        request: Register,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.done(|Namespace { model, .. }, now| {
            model.carry_out(now, model.decide_register(now, &request))
        })
    }

    fn dispatch(
        &mut self,
        request: Batch,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.done(|Namespace { model, queues }, now| {
            model.carry_out(now, model.decide_dispatch(now, &request, queues))
        })
    }

    fn intend(
        &mut self,
        request: Intend,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.done(|Namespace { model, queues }, now| {
            model.carry_out(now, model.decide_intend(now, &request, queues))
        })
    }

    fn settle(
        &mut self,
        request: Settle,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.done(|Namespace { model, .. }, now| {
            model.carry_out(now, model.decide_settle(now, &request))
        })
    }

    fn fold(
        &mut self,
        request: Fold,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.done(|Namespace { model, .. }, now| {
            model.carry_out(now, model.decide_fold(now, &request))
        })
    }

    fn trim(
        &mut self,
        request: Trim,
    ) -> impl Future<Output = Result<Trimmed, StoreError>> + Send + 'static {
        self.done(|namespace, now| namespace.model.trim(now, &request))
    }

    fn send(
        &mut self,
        request: ManualMessage,
    ) -> impl Future<Output = Result<Sent, StoreError>> + Send + 'static {
        self.done(|Namespace { model, queues }, now| {
            model.forget_runs(now);
            match model.decide_send(now, &request, queues) {
                Ok(change) => {
                    model.apply(change);
                    Sent::Now
                }
                Err(sent) => sent,
            }
        })
    }

    fn note(
        &mut self,
        note: ManualNote,
    ) -> impl Future<Output = Result<Noted, StoreError>> + Send + 'static {
        self.done(|Namespace { model, .. }, now| match model.decide_note(now, &note) {
            Ok(change) => {
                model.apply(change);
                Noted::Now
            }
            Err(noted) => noted,
        })
    }

    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send + 'static {
        self.done(|Namespace { model, .. }, now| match model.decide_backfill(now, &note) {
            Ok(change) => {
                model.apply(change);
                None
            }
            Err(other) => Some(other),
        })
    }

    fn history(
        &mut self,
        query: HistoryQuery,
    ) -> impl Future<Output = Result<History, StoreError>> + Send + 'static {
        self.done(|namespace, _| namespace.model.history(&query))
    }

    fn pauses(&mut self) -> impl Future<Output = Result<PausesRead, StoreError>> + Send + 'static {
        self.done(|namespace, now| namespace.model.read_pauses(now))
    }

    fn change_pauses(
        &mut self,
        request: ChangePauses,
    ) -> impl Future<Output = Result<PausesChanged, StoreError>> + Send + 'static {
        self.done(|Namespace { model, .. }, now| match model.decide_pauses(now, &request) {
            Ok(change) => {
                model.apply(change);
                model.pauses_written(now)
            }
            Err(instead) => instead,
        })
    }

    fn prune_pauses(
        &mut self,
        request: PrunePauses,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send + 'static {
        self.done(|Namespace { model, .. }, now| {
            let change = model.decide_prune(now, &request);
            let count = change.pauses.len();
            model.apply(change);
            count
        })
    }

    fn open_intents(
        &mut self,
        entries: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<Vec<Arc<str>>, StoreError>> + Send + 'static {
        self.done(|namespace, _| {
            let mut snapshot = namespace.model.read(UnixMs(0));
            let open = snapshot.take_state(Duration::MAX).intents;
            entries.into_iter().filter(|entry| open.contains_key(&**entry)).collect()
        })
    }

    fn counters(&mut self) -> impl Future<Output = Result<Counters, StoreError>> + Send + 'static {
        self.done(|namespace, _| namespace.model.counters.clone())
    }

    fn acquire(
        &mut self,
        request: Acquire,
    ) -> impl Future<Output = Result<Acquired, StoreError>> + Send + 'static {
        self.done(|namespace, now| namespace.model.acquire(now, &request))
    }

    fn renew(
        &mut self,
        lease: Arc<str>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send + 'static {
        self.done(|namespace, now| namespace.model.renew(now, &lease, ttl))
    }

    fn resign(
        &mut self,
        lease: Arc<str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let resigned = self.namespace().model.resign(self.now(), &lease);
        if resigned {
            self.shared.resignations.send_replace(lease);
        }
        ready(Ok(()))
    }

    fn announce(
        &mut self,
        replica: Arc<str>,
        said: String,
        forgotten_after: Duration,
    ) -> impl Future<Output = Result<Announced, StoreError>> + Send + 'static {
        self.done(|namespace, now| namespace.model.announce(now, replica, said, forgotten_after))
    }

    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        ready(Ok(()))
    }

    async fn resigned(&mut self) -> Arc<str> {
        if self.resignations.changed().await.is_err() {
            std::future::pending().await
        }
        Arc::clone(&self.resignations.borrow_and_update())
    }

    fn reconnect(&mut self) {}
}
