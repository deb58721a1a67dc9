//! The spool as a store. A thread of its own carries out requests one after the other, in the order in which
//! they are made.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use downbeat_time::UnixMs;
use tokio::sync::{oneshot, watch};
use tracing::warn;

use super::SpoolError;
use super::files::{self, Files, Staged};
use super::history::HistoryFile;
use super::log::{self, Log, Staging};
use super::staged_queues::StagedQueues;
use crate::clock;
use crate::store::Peeked;
use crate::store::contract::{
    Acquire, Acquired, Announced, BackfillNote, Batch, Capabilities, ChangePauses, Counters, Fold,
    History, HistoryQuery, Intend, ManualMessage, ManualNote, Noted, OpenBackfill, PausesChanged,
    PausesRead, PrunePauses, Register, Renewed, Reply, Sent, Settle, Snapshot, Store, StoreError,
    Trim, Trimmed,
};
use crate::store::model::{Change, Decision, Model};

/// An open spool. Clones share it; it closes with the last of them.
///
/// The process that holds the lock is the leader: asking for the lease always succeeds, and it never expires.
#[derive(Clone, Debug)]
pub struct SpoolStore {
    worker: Arc<Worker>,
    resignations: watch::Receiver<Arc<str>>,
}

type Job = Box<dyn FnOnce(&mut Spool) + Send>;

/// The thread that owns the spool.
struct Worker {
    /// `None` while the thread is being stopped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    resignations: watch::Sender<Arc<str>>,
}

/// The state of the thread.
struct Spool {
    clock: Box<dyn Fn() -> UnixMs + Send>,
    model: Model,
    files: Files,
    log: Log,
    history: HistoryFile,
    /// Recorded messages whose rename failed; tried again before anything else.
    unmoved: VecDeque<Staged>,
    /// Staged messages that were not recorded.
    unwanted: Vec<Staged>,
}

impl SpoolStore {
    /// Opens the spool at `path`, creates it if needed, and finishes what a crash interrupted.
    ///
    /// # Errors
    /// When another process has it open, a folder cannot be written, or the records are damaged.
    pub fn open(path: &Path, namespace: &str) -> Result<SpoolStore, SpoolError> {
        SpoolStore::open_with_clock(path, namespace, clock::wall)
    }

    /// The same for a command, which root may run in another user's spool, such as the service's: what it writes
    /// there belongs to that user.
    ///
    /// # Errors
    /// The same.
    pub fn open_for_command(path: &Path, namespace: &str) -> Result<SpoolStore, SpoolError> {
        let files = Files::open_for_command(path)?;
        SpoolStore::of(Spool::open(path, namespace, Box::new(clock::wall), files)?, path)
    }

    /// The same with another clock.
    ///
    /// # Errors
    /// The same.
    pub fn open_with_clock(
        path: &Path,
        namespace: &str,
        clock: impl Fn() -> UnixMs + Send + 'static,
    ) -> Result<SpoolStore, SpoolError> {
        let files = Files::open(path)?;
        SpoolStore::of(Spool::open(path, namespace, Box::new(clock), files)?, path)
    }

    fn of(mut spool: Spool, path: &Path) -> Result<SpoolStore, SpoolError> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let run = move || waiting.into_iter().for_each(|job| job(&mut spool));
        let thread = std::thread::Builder::new().name("spool".to_owned()).spawn(run);
        let thread = thread.map_err(super::failed("start a thread for", path))?;
        let (sender, resignations) = watch::channel(Arc::default());
        let worker = Worker { jobs: Some(jobs), thread: Some(thread), resignations: sender };
        Ok(SpoolStore { worker: Arc::new(worker), resignations })
    }

    /// Reads everything known of the namespace without holding the spool.
    ///
    /// # Errors
    /// When the records cannot be read or are damaged.
    pub fn peek(path: &Path, namespace: &str, now: UnixMs) -> Result<Snapshot, SpoolError> {
        let recovered = log::read(&path.join("records"), namespace)?;
        Ok(recovered.model.read(now))
    }

    /// Reads all counters without holding the spool.
    ///
    /// # Errors
    /// When the records cannot be read or are damaged.
    pub fn peek_counters(path: &Path, namespace: &str) -> Result<Counters, SpoolError> {
        Ok(log::read(&path.join("records"), namespace)?.model.counters)
    }

    /// Reads all pauses without holding the spool.
    ///
    /// # Errors
    /// When the records cannot be read or are damaged.
    pub fn peek_pauses(
        path: &Path,
        namespace: &str,
        now: UnixMs,
    ) -> Result<PausesRead, SpoolError> {
        Ok(log::read(&path.join("records"), namespace)?.model.read_pauses(now))
    }

    /// Reads the first `count` messages of a queue without holding the spool.
    ///
    /// # Errors
    /// When the folder or a message cannot be read.
    pub fn waiting(path: &Path, queue: &str, count: usize) -> Result<Peeked, SpoolError> {
        files::waiting(path, queue, count)
    }

    /// Reads the history without holding the spool.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn peek_history(path: &Path, query: &HistoryQuery) -> Result<History, SpoolError> {
        HistoryFile::at(&path.join("history")).select(query)
    }

    /// Sends work to the thread, after everything sent before.
    fn ask<T, W>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&mut Spool) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |spool| drop(answer.send(work(spool))));
        // If the thread has ended, nobody answers.
        let _ = self.worker.jobs.as_ref().map(|jobs| jobs.send(job));
        async move {
            let ended = |_| StoreError::Unanswered("the spool's thread has ended".to_owned());
            answered.await.map_err(ended)?
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Drop for Worker {
    /// Waits for the thread, so that the lock is free once the last handle is gone.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Spool {
    fn open(
        path: &Path,
        namespace: &str,
        clock: Box<dyn Fn() -> UnixMs + Send>,
        files: Files,
    ) -> Result<Spool, SpoolError> {
        let owner = files.owner();
        let (log, recovered) = Log::open(&path.join("records"), namespace, owner)?;
        let model = recovered.model;
        match &recovered.staged {
            Staging::Named(names) => files.recover_named(names)?,
            Staging::Settled => files.recover(|entry, slot| {
                model.progress.get(entry).is_some_and(|progress| progress.through >= slot)
            })?,
        }
        let mut history = HistoryFile::open(&path.join("history"), owner)?;
        history.append(&recovered.journal);
        let (unmoved, unwanted) = (VecDeque::new(), Vec::new());
        let mut spool = Spool { clock, model, files, log, history, unmoved, unwanted };
        match spool.rewrite() {
            // It would stay so, and the log would grow.
            Err(error @ SpoolError::InTheWay { .. }) => return Err(error),
            Err(error) => warn!(%error, "failed to shorten the log of records"),
            Ok(()) => {}
        }
        Ok(spool)
    }

    /// Finishes what is unfinished, so that something can be written.
    fn prepare(&mut self) -> Result<(), SpoolError> {
        self.files.check_lock()?;
        self.log.remove_torn(&self.model)?;
        self.move_staged()?;
        self.delete_unwanted()
    }

    /// Writes a change to the log and applies it.
    fn commit(&mut self, change: Change, staged: Vec<Staged>) -> Result<(), StoreError> {
        if let Err(error) = self.record(&change, &staged) {
            self.unwanted.extend(staged);
            if self.log.is_torn() {
                // It may be recorded: then its messages are enqueued after a crash.
                return Err(StoreError::Unanswered(error.to_string()));
            }
            // Files that cannot be deleted now must be deleted before their slots are recorded with other files.
            let _ = self.delete_unwanted();
            return Err(error.into());
        }
        self.history.append(&change.records);
        if !change.forgotten.is_empty()
            && let Err(error) = self.history.forget(&change.forgotten)
        {
            warn!(%error, "failed to forget the outcomes of entries that left");
        }
        self.model.apply(change);
        self.unmoved = staged.into();
        // It is recorded, so it will be moved; but it must not count as sent yet.
        self.move_staged().map_err(|error| StoreError::Unanswered(error.to_string()))?;
        if self.log.is_long() {
            self.shorten();
        }
        Ok(())
    }

    fn record(&mut self, change: &Change, staged: &[Staged]) -> Result<(), SpoolError> {
        if !staged.is_empty() {
            self.files.sync_stage()?;
        }
        self.log.append(change, staged.iter().map(|file| file.name.clone()))
    }

    /// Rewrites the log. If that fails, the long one stays in use: it holds everything.
    fn shorten(&mut self) {
        if let Err(error) = self.rewrite() {
            warn!(%error, "failed to shorten the log of records");
        }
    }

    fn rewrite(&mut self) -> Result<(), SpoolError> {
        self.history.sync()?;
        self.log.rewrite(&self.model)
    }

    /// Renames recorded messages into the queue; those that fail are tried again next time.
    fn move_staged(&mut self) -> Result<(), SpoolError> {
        if self.unmoved.is_empty() {
            return Ok(());
        }
        while let Some(file) = self.unmoved.front() {
            self.files.enqueue(file)?;
            self.unmoved.pop_front();
        }
        self.files.sync_queue()
    }

    /// Deletes staged messages that were not recorded.
    fn delete_unwanted(&mut self) -> Result<(), SpoolError> {
        while let Some(file) = self.unwanted.last() {
            self.files.unstage(file)?;
            self.unwanted.pop();
        }
        Ok(())
    }

    /// Carries out a fenced request.
    fn write(
        &mut self,
        decide: impl FnOnce(&Model, UnixMs, &mut StagedQueues<'_>) -> Result<Decision, Reply>,
    ) -> Result<Reply, StoreError> {
        self.prepare()?;
        let now = (self.clock)();
        let mut queues = StagedQueues::of(&self.files, now);
        let decided = decide(&self.model, now, &mut queues);
        let StagedQueues { staged, left, .. } = queues;
        self.unwanted.extend(left);
        match decided {
            Err(reply) => Ok(reply),
            Ok(Decision { change, exceptions }) => {
                self.commit(change, staged)?;
                Ok(self.model.written(now, exceptions))
            }
        }
    }

    fn send(&mut self, request: &ManualMessage) -> Result<Sent, StoreError> {
        self.prepare()?;
        let now = (self.clock)();
        self.model.forget_runs(now);
        let mut queues = StagedQueues::of(&self.files, now);
        let decided = self.model.decide_send(now, request, &mut queues);
        let StagedQueues { staged, left, .. } = queues;
        self.unwanted.extend(left);
        match decided {
            Ok(change) => self.commit(change, staged).map(|()| Sent::Now),
            Err(sent) => Ok(sent),
        }
    }

    fn note(&mut self, note: &ManualNote) -> Result<Noted, StoreError> {
        self.prepare()?;
        match self.model.decide_note((self.clock)(), note) {
            Ok(change) => self.commit(change, Vec::new()).map(|()| Noted::Now),
            Err(noted) => Ok(noted),
        }
    }

    fn note_backfill(&mut self, note: &BackfillNote) -> Result<Option<OpenBackfill>, StoreError> {
        self.prepare()?;
        match self.model.decide_backfill((self.clock)(), note) {
            Ok(change) => self.commit(change, Vec::new()).map(|()| None),
            Err(other) => Ok(Some(other)),
        }
    }

    fn change_pauses(&mut self, request: &ChangePauses) -> Result<PausesChanged, StoreError> {
        self.prepare()?;
        let now = (self.clock)();
        match self.model.decide_pauses(now, request) {
            Ok(change) => {
                self.commit(change, Vec::new())?;
                Ok(self.model.pauses_written(now))
            }
            Err(instead) => Ok(instead),
        }
    }

    fn prune_pauses(&mut self, request: &PrunePauses) -> Result<usize, StoreError> {
        self.prepare()?;
        let change = self.model.decide_prune((self.clock)(), request);
        let count = change.pauses.len();
        if count > 0 {
            self.commit(change, Vec::new())?;
        }
        Ok(count)
    }

    fn read(&mut self) -> Result<Snapshot, StoreError> {
        self.prepare()?;
        Ok(self.model.read((self.clock)()))
    }

    fn acquire(&mut self, request: &Acquire) -> Result<Acquired, StoreError> {
        self.prepare()?;
        let now = (self.clock)();
        let term = self.model.term + 1;
        self.commit(Change { term: Some(term), ..Change::default() }, Vec::new())?;
        let lease: Arc<str> = format!("{term} {}", request.holder).into();
        self.model.set_lease(Some(Arc::clone(&lease)), None);
        Ok(Acquired::Ours { lease, now })
    }

    fn renew(&mut self, lease: &str) -> Result<Renewed, StoreError> {
        self.files.check_lock()?;
        let now = (self.clock)();
        Ok(Renewed { kept: self.model.holds(now, lease), now })
    }

    fn trim(&mut self, request: &Trim) -> Result<Trimmed, StoreError> {
        self.files.check_lock()?;
        let now = (self.clock)();
        let holds = self.model.holds(now, &request.lease);
        let slots = if holds { self.history.trim(now, request)? } else { 0 };
        Ok(Trimmed { slots, more: false })
    }
}

impl Store for SpoolStore {
    const CAPABILITIES: Capabilities =
        Capabilities { shared: false, sees_results: false, folds_itself: true };

    fn read(&mut self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send + 'static {
        self.ask(Spool::read)
    }

    fn register(
        &mut self,
        request: Register,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.write(|model, now, _| model.decide_register(now, &request)))
    }

    fn dispatch(
        &mut self,
        request: Batch,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.ask(move |spool| {
            spool.write(|model, now, queues| model.decide_dispatch(now, &request, queues))
        })
    }

    fn intend(
        &mut self,
        request: Intend,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.ask(move |spool| {
            spool.write(|model, now, queues| model.decide_intend(now, &request, queues))
        })
    }

    fn settle(
        &mut self,
        request: Settle,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.write(|model, now, _| model.decide_settle(now, &request)))
    }

    fn fold(
        &mut self,
        request: Fold,
    ) -> impl Future<Output = Result<Reply, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.write(|model, now, _| model.decide_fold(now, &request)))
    }

    fn trim(
        &mut self,
        request: Trim,
    ) -> impl Future<Output = Result<Trimmed, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.trim(&request))
    }

    fn send(
        &mut self,
        request: ManualMessage,
    ) -> impl Future<Output = Result<Sent, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.send(&request))
    }

    fn note(
        &mut self,
        note: ManualNote,
    ) -> impl Future<Output = Result<Noted, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.note(&note))
    }

    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.note_backfill(&note))
    }

    fn history(
        &mut self,
        query: HistoryQuery,
    ) -> impl Future<Output = Result<History, StoreError>> + Send + 'static {
        self.ask(move |spool| Ok(spool.history.select(&query)?))
    }

    fn pauses(&mut self) -> impl Future<Output = Result<PausesRead, StoreError>> + Send + 'static {
        self.ask(|spool| Ok(spool.model.read_pauses((spool.clock)())))
    }

    fn change_pauses(
        &mut self,
        request: ChangePauses,
    ) -> impl Future<Output = Result<PausesChanged, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.change_pauses(&request))
    }

    fn prune_pauses(
        &mut self,
        request: PrunePauses,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.prune_pauses(&request))
    }

    fn open_intents(
        &mut self,
        entries: Vec<Arc<str>>,
    ) -> impl Future<Output = Result<Vec<Arc<str>>, StoreError>> + Send + 'static {
        self.ask(move |spool| Ok(spool.model.open_intents(entries)))
    }

    fn counters(&mut self) -> impl Future<Output = Result<Counters, StoreError>> + Send + 'static {
        self.ask(|spool| Ok(spool.model.counters.clone()))
    }

    fn acquire(
        &mut self,
        request: Acquire,
    ) -> impl Future<Output = Result<Acquired, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.acquire(&request))
    }

    fn renew(
        &mut self,
        lease: Arc<str>,
        _: Duration,
    ) -> impl Future<Output = Result<Renewed, StoreError>> + Send + 'static {
        self.ask(move |spool| spool.renew(&lease))
    }

    fn resign(
        &mut self,
        lease: Arc<str>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let resignations = self.worker.resignations.clone();
        self.ask(move |spool| {
            let now = (spool.clock)();
            if spool.model.resign(now, &lease) {
                resignations.send_replace(lease);
            }
            Ok(())
        })
    }

    fn announce(
        &mut self,
        replica: Arc<str>,
        said: String,
        forgotten_after: Duration,
    ) -> impl Future<Output = Result<Announced, StoreError>> + Send + 'static {
        self.ask(move |spool| {
            let now = (spool.clock)();
            Ok(spool.model.announce(now, replica, said, forgotten_after))
        })
    }

    fn probe(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        self.ask(|_| Ok(()))
    }

    async fn resigned(&mut self) -> Arc<str> {
        if self.resignations.changed().await.is_err() {
            std::future::pending().await
        }
        Arc::clone(&self.resignations.borrow_and_update())
    }

    fn reconnect(&mut self) {}
}
