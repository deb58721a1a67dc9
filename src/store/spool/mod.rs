//! The embedded broker: a folder of message files that a Celery worker reads as its
//! `filesystem://` broker, and beside it a log of records. No server is needed; one process at a
//! time holds it.
//!
//! ```text
//! PATH/lock        held while a process uses the spool
//! PATH/records     what is live and how far each entry has come, one JSON line a write
//! PATH/stage/      messages that are not recorded yet
//! PATH/queue/      messages for workers
//! ```
//!
//! A message is staged (and synced), then recorded (and synced), then renamed into the queue. What
//! a crash leaves in the stage is renamed if it is recorded and deleted if not, so it is in the
//! queue exactly once, and nothing can be consumed before its record.
//!
//! Folders are made with mode 0700 and files with 0600, so workers run as the same user. Where the
//! administrator lets the group of `queue` write in it, messages have mode 0660. What is no regular
//! file is no message: it is passed over, and refused in the place of `lock` or `records`. A folder
//! that somebody else could swap, or alter staged messages in, is refused.

mod files;
mod history;
mod log;
mod records;
mod store;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use self::files::{Files, Staged};
use self::records::Records;
pub use self::store::SpoolStore;
use super::contract::StoreError;
use super::{
    Batch, Broker, BrokerError, Exception, Fence, Note, Outcome, Outgoing, Parcel, Peeked, Publish,
    Reply, Write,
};
use crate::clock;
use crate::regular_file;
use crate::schedule::legacy::{LifeChange, SkipReason, State};

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it open.
    #[error("the spool {0} is in use by another process; stop it, or name another spool")]
    Locked(PathBuf),
    /// A file or folder cannot be made, read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// Something else than we would make is in the place of a file or folder.
    #[error("{path}: {source}; move it away")]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What it is.
        source: std::io::Error,
    },
    /// A folder belongs to somebody else.
    #[error(
        "{path} belongs to uid {owner}, not to uid {us}; run this as that user, or name another spool"
    )]
    Foreign {
        /// The folder, or the lock in it.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// Others may put things into a folder, or swap them there.
    #[error("other users may write to {path} (mode {mode:04o}); `chmod {remedy}` it")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Takes from others what they must not have.
        remedy: &'static str,
    },
    /// The log of records is damaged somewhere else than at its end.
    #[error(
        "{path}:{line}: not a record ({reason}); restore the file, or move it away to start every \
         entry anew"
    )]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The log of records was written by a newer version.
    #[error(
        "{path} has format {format}, which this version of downbeat does not know; install the version \
         that wrote it"
    )]
    Newer {
        /// The log.
        path: PathBuf,
        /// Its number.
        format: u64,
    },
    /// The lock is not the file any more that we hold.
    #[error(
        "{path} was {what} while the spool was in use, so that another process may use it as well: nothing \
         more is written; stop all processes that use the spool, and start one"
    )]
    LockGone {
        /// The lock.
        path: PathBuf,
        /// `deleted` or `replaced`.
        what: &'static str,
    },
}

/// Turns an I/O error into one that says what was tried on which path.
fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> SpoolError + use<'a> {
    move |source| {
        let path = path.to_owned();
        if regular_file::is_wrong_kind(&source) {
            return SpoolError::InTheWay { path, source };
        }
        SpoolError::Io { action, path, source }
    }
}

impl From<SpoolError> for StoreError {
    fn from(error: SpoolError) -> StoreError {
        match error {
            SpoolError::LockGone { .. } => StoreError::Unusable(error.to_string()),
            _ => StoreError::Unavailable(error.to_string()),
        }
    }
}

impl From<SpoolError> for BrokerError {
    fn from(error: SpoolError) -> BrokerError {
        BrokerError::Unavailable(error.to_string())
    }
}

/// An open spool.
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    files: Files,
    records: Records,
    /// Recorded, but the rename failed; tried again before anything else.
    unmoved: VecDeque<Staged>,
    /// Staged, but not recorded.
    unwanted: Vec<Staged>,
}

/// A batch on its way into the queue.
#[derive(Debug, Default)]
struct Staging {
    staged: Vec<Staged>,
    /// What to record.
    writes: Vec<Write>,
    exceptions: Vec<(usize, Exception)>,
    /// Slots dispatched once this batch is recorded, of entries with a limit.
    sent: HashMap<Arc<str>, u64>,
    /// Messages in each queue before this batch; listed when first asked for.
    queued: Option<HashMap<Box<str>, u64>>,
    /// Messages of this batch for each queue.
    added: HashMap<Arc<str>, u64>,
}

impl Spool {
    /// Opens the spool at `path`, making it if need be, and finishes what a crash interrupted.
    ///
    /// # Errors
    /// When another process has it open, a folder cannot be written, or the records are damaged.
    pub fn open(path: &Path) -> Result<Spool, SpoolError> {
        let files = Files::open(path)?;
        let records = Records::open(&path.join("records"))?;
        files.recover(|entry, slot| records.is_settled(entry, slot))?;
        let inner = Inner { files, records, unmoved: VecDeque::new(), unwanted: Vec::new() };
        Ok(Spool { shared: Arc::new(Mutex::new(inner)) })
    }

    /// What is live and how far each entry has come, read without holding the spool.
    ///
    /// # Errors
    /// When the records cannot be read or are damaged.
    pub fn peek(path: &Path) -> Result<State, SpoolError> {
        records::read(&path.join("records")).map(|(state, _)| state)
    }

    /// The first `count` messages that lie in a queue, read without holding the spool.
    ///
    /// # Errors
    /// When the folder or a message cannot be read.
    pub fn waiting(path: &Path, queue: &str, count: usize) -> Result<Peeked, SpoolError> {
        files::waiting(path, queue, count)
    }

    /// Puts one message into the queue without opening the spool: for a message by hand, of which
    /// nothing is recorded.
    ///
    /// # Errors
    /// When the message cannot be written.
    pub fn drop_in(path: &Path, message: &Outgoing) -> Result<(), SpoolError> {
        Files::of_command(path)?.publish(message)
    }

    fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, BrokerError>> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move {
            // Handed on in the order of asking, which threads that wait for it would not keep.
            let mut inner = shared.lock_owned().await;
            let done = tokio::task::spawn_blocking(move || work(&mut inner)).await;
            done.map_err(|error| BrokerError::Unavailable(format!("the spool failed: {error}")))
        }
    }
}

impl Broker for Spool {
    async fn read(&mut self) -> Result<State, BrokerError> {
        self.with(|inner| State { now: clock::wall(), ..inner.records.state().clone() }).await
    }

    async fn adopt(&mut self, fence: &Fence, changes: &[LifeChange]) -> Result<Reply, BrokerError> {
        let (fence, changes) = (fence.clone(), changes.to_vec());
        self.with(move |inner| {
            if fence.sequence != inner.records.state().sequence {
                return Ok(Reply::Stale);
            }
            inner.records.adopt(fence.next, &changes)?;
            Ok(inner.written(Vec::new()))
        })
        .await?
    }

    fn dispatch(
        &mut self,
        fence: &Fence,
        batch: Batch,
    ) -> impl Future<Output = Result<Reply, BrokerError>> + Send + 'static {
        let fence = fence.clone();
        let done = self.with(move |inner| inner.dispatch(&fence, batch));
        async move { done.await? }
    }

    /// No queue of a spool is on AMQP: whoever knows of such a queue refuses to run.
    fn note(
        &mut self,
        _: &Fence,
        _: &[Note],
    ) -> impl Future<Output = Result<Reply, BrokerError>> + Send + 'static {
        let error = "a spool keeps no book of other brokers' messages".to_owned();
        std::future::ready(Err(BrokerError::Unusable(error)))
    }
}

impl Publish for Spool {
    async fn publish(&mut self, message: Parcel) -> Result<(), BrokerError> {
        let message = message.for_store()?;
        self.with(move |inner| inner.files.publish(&message).map_err(BrokerError::from)).await?
    }
}

impl Inner {
    fn written(&self, exceptions: Vec<(usize, Exception)>) -> Reply {
        let sequence = self.records.state().sequence;
        Reply::Written { now: clock::wall(), sequence, exceptions }
    }

    fn dispatch(&mut self, fence: &Fence, batch: Batch) -> Result<Reply, BrokerError> {
        if fence.sequence != self.records.state().sequence {
            return Ok(Reply::Stale);
        }
        self.move_staged()?;
        self.delete_unwanted()?;
        let Staging { staged, writes, exceptions, .. } = self.stage(batch);
        let settled = self.files.sync_stage();
        let settled = settled.and_then(|()| self.records.settle(fence.next, &writes));
        if let Err(error) = settled {
            self.unwanted = staged;
            // What cannot be deleted now must be before its slots are recorded with other files.
            let _ = self.delete_unwanted();
            return Err(error.into());
        }
        self.unmoved = staged.into();
        self.move_staged()?;
        Ok(self.written(exceptions))
    }

    /// Writes and syncs the messages of what is new, though not the folder.
    fn stage(&self, batch: Batch) -> Staging {
        let mut staging = Staging::default();
        let mut stopped: Option<(Arc<str>, Exception)> = None;
        for (index, mut write) in batch.into_iter().enumerate() {
            if self.records.is_settled(&write.entry, write.slot) {
                staging.exceptions.push((index, Exception::AlreadyDone));
                continue;
            }
            let why = match &stopped {
                Some((entry, why)) if *entry == write.entry => Err(why.clone()),
                _ => self.stage_one(&mut write, &mut staging),
            };
            if let Err(why) = why {
                staging.exceptions.push((index, why.clone()));
                let Exception::Skipped(reason) = why else {
                    stopped = Some((write.entry, why));
                    continue;
                };
                write.outcome = Outcome::Skipped(reason);
            }
            staging.writes.push(write);
        }
        staging
    }

    /// Stages a slot's message, if it has one and its entry's conditions hold.
    fn stage_one(&self, write: &mut Write, staging: &mut Staging) -> Result<(), Exception> {
        let refused = |error: SpoolError| Exception::Refused(error.to_string());
        let sent = staging.sent.entry(Arc::clone(&write.entry));
        let sent = sent.or_insert_with(|| self.records.sent(&write.entry));
        if write.guards.remaining(*sent) == 0 {
            return Err(Exception::Exhausted);
        }
        let Some(message) = write.message.take() else { return Ok(()) };
        if write.guards.overlap.is_some() {
            let why = "`overlap: skip` needs a state on Redis, where results can be seen";
            return Err(Exception::Refused(why.to_owned()));
        }
        let added = staging.added.entry(Arc::clone(&message.queue.name)).or_default();
        if let Some(most) = write.guards.max_queued {
            let queued = match &mut staging.queued {
                Some(queued) => queued,
                none => none.insert(self.files.count_queued().map_err(refused)?),
            };
            let queued = queued.get(&*message.queue.name).copied().unwrap_or(0);
            if queued + *added >= u64::from(most.get()) {
                return Err(Exception::Skipped(SkipReason::QueueFull));
            }
        }
        staging.staged.push(self.files.stage(&message).map_err(refused)?);
        *added += 1;
        *sent += 1;
        Ok(())
    }

    /// Renames what is recorded into the queue; what does not go stays for the next time.
    fn move_staged(&mut self) -> Result<(), SpoolError> {
        while let Some(file) = self.unmoved.front() {
            self.files.enqueue(file)?;
            self.unmoved.pop_front();
        }
        self.files.sync_queue()
    }

    /// Deletes what was staged in vain.
    fn delete_unwanted(&mut self) -> Result<(), SpoolError> {
        while let Some(file) = self.unwanted.last() {
            self.files.unstage(file)?;
            self.unwanted.pop();
        }
        Ok(())
    }
}
