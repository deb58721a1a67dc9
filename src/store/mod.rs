//! Where messages and records go. A broker keeps, of one namespace, what is live and how far each
//! entry has come, and takes messages and their records in one step.

pub mod contract;
pub mod journal;
pub mod last_outcomes;
#[cfg(test)]
pub(crate) mod legacy_memory;
pub mod memory;
pub(crate) mod model;
pub mod redis;
pub mod spool;
pub mod text;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use uuid::Uuid;

use crate::envelope::{Publication, Writes};
use crate::queue::Queue;
use crate::schedule::legacy::{LifeChange, SkipReason, State};
use crate::schedule::{Guards, UnixMs};

/// What a fenced write must match to be done at all.
#[derive(Clone, Debug)]
pub struct Fence {
    /// `"<term> <holder>"`, as the lease holds it.
    pub lease: Arc<str>,
    /// The sequence number that the last write known to the caller has left behind.
    pub sequence: u64,
    /// The sequence number that this write leaves behind.
    pub next: u64,
}

impl Fence {
    /// The write after the one that left `sequence` behind.
    ///
    /// Numbers grow by steps drawn at random. So the next call can be sent before the reply to this
    /// one is there: should this one do nothing, or the broker forget it, the number that the next
    /// one names is none that the broker could have by another way.
    #[must_use]
    pub fn after(lease: &Arc<str>, sequence: u64) -> Fence {
        let next = sequence.saturating_add(fastrand::u64(1..1 << 20));
        Fence { lease: Arc::clone(lease), sequence, next }
    }
}

/// A message for a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it goes.
    pub queue: Arc<Queue>,
    /// What its workers take.
    pub writes: Writes,
    /// What to tell Celery's event consumers once it is there; see [`event`](crate::envelope::event).
    pub event: Option<Vec<u8>>,
}

/// A message by hand, for whichever broker its queue is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// For the one that holds the state.
    Store(Outgoing),
    /// For an AMQP broker.
    Amqp(Arc<Queue>, Publication),
}

impl Parcel {
    /// Where it goes.
    #[must_use]
    pub fn queue(&self) -> &Arc<Queue> {
        match self {
            Parcel::Store(Outgoing { queue, .. }) | Parcel::Amqp(queue, _) => queue,
        }
    }

    /// What a store can take.
    fn for_store(self) -> Result<Outgoing, BrokerError> {
        match self {
            Parcel::Store(outgoing) => Ok(outgoing),
            Parcel::Amqp(queue, _) => Err(misplaced(&queue)),
        }
    }
}

pub(crate) fn misplaced(queue: &Queue) -> BrokerError {
    BrokerError::Unusable(format!("the queue `{}` is on another broker", queue.name))
}

/// The exact message.
impl fmt::Display for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Parcel::Store(Outgoing { writes, .. }) => writes.fmt(f),
            Parcel::Amqp(_, publication) => publication.fmt(f),
        }
    }
}

/// What is recorded of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its message, with this id, is in the queue.
    Dispatched(Uuid),
    /// It was left out.
    Skipped(SkipReason),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Dispatched(task_id) => write!(f, "dispatched {task_id}"),
            Outcome::Skipped(reason) => write!(f, "{reason} -"),
        }
    }
}

/// One slot to record, with its message if it is sent.
#[derive(Clone, Debug)]
pub struct Write {
    /// The entry's name.
    pub entry: Arc<str>,
    /// The slot.
    pub slot: UnixMs,
    /// What to record.
    pub outcome: Outcome,
    /// What to send first.
    pub message: Option<Outgoing>,
    /// What must hold for it to be sent; the same in all writes of one entry.
    pub guards: Guards,
}

/// Slots that are published and recorded together; those of one entry stand in order.
pub type Batch = Vec<Write>;

/// What is noted of a slot whose message an AMQP broker takes. It is first intended and then, when
/// that broker has answered, settled or withdrawn; an intent that was neither is in doubt.
#[derive(Clone, Debug)]
pub struct Note {
    /// The entry's name; only one note of a call speaks of it.
    pub entry: Arc<str>,
    /// The slot.
    pub slot: UnixMs,
    /// What is to become of it, or has.
    pub stage: Stage,
    /// Where it goes.
    pub queue: Arc<Queue>,
    /// As in [`Write`]; how full the queue is, its own broker knows.
    pub guards: Guards,
}

/// How far a message has come that an AMQP broker takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is about to be published.
    Intended,
    /// This is recorded of it.
    Settled(Outcome),
    /// The broker has not taken it.
    Withdrawn,
}

/// What a fenced write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: the lease is another's or has run out.
    Fenced,
    /// Nothing: there were writes the caller does not know of; it must read all state anew.
    Stale,
    /// Everything but the exceptions.
    Written {
        /// The broker's clock.
        now: UnixMs,
        /// The sequence number left behind.
        sequence: u64,
        /// Indexes in the batch, and what became of them instead.
        exceptions: Vec<(usize, Exception)>,
    },
}

/// Why one slot of a batch was not written as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// It was recorded before.
    AlreadyDone,
    /// The slot is more than a second ahead of the broker's clock.
    Early,
    /// The entry has reached its limit: the slot is neither sent nor recorded.
    Exhausted,
    /// What its entry demands does not hold: the slot is recorded as skipped for that.
    Skipped(SkipReason),
    /// The queue did not take the message; the broker's words.
    Refused(String),
}

/// What was found where messages wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Peeked {
    /// Messages, or none.
    There {
        /// How many wait in all, as far as that can be counted.
        total: u64,
        /// Who reads a stream.
        groups: Vec<Group>,
        /// The first of them, in the order in which they are taken.
        found: Vec<Found>,
    },
    /// Something that messages of this kind cannot be in.
    Wrong {
        /// Where.
        key: String,
        /// What it is instead.
        found: String,
    },
}

/// One message of those that wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// All of it.
    Whole {
        /// The number of its place, from 0 on.
        place: usize,
        /// What a worker would take from there.
        element: Vec<u8>,
        /// What is kept for it elsewhere.
        stored: Vec<Option<Vec<u8>>>,
    },
    /// It was left where it is.
    TooLarge {
        /// The number of its place, from 0 on.
        place: usize,
        /// Its size.
        bytes: u64,
    },
}

/// A group of consumers of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many entries it was not given, if Redis can tell.
    pub lag: Option<u64>,
    /// How many it was given and has not acknowledged.
    pub pending: u64,
}

/// Why the broker did not answer a call; it may or may not have carried it out.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No connection, no answer in time, or an answer that says "not now".
    #[error("{0}")]
    Unavailable(String),
    /// A configuration that no retry can cure.
    #[error("{0}")]
    Unusable(String),
}

/// Keeps one namespace's state and takes its messages.
pub trait Broker: Publish + 'static {
    /// Everything known of the namespace, as of one instant.
    fn read(&mut self) -> impl Future<Output = Result<State, BrokerError>> + Send;

    /// Writes which entries are live; all of it or nothing.
    fn adopt(
        &mut self,
        fence: &Fence,
        changes: &[LifeChange],
    ) -> impl Future<Output = Result<Reply, BrokerError>> + Send;

    /// Publishes and records a batch.
    ///
    /// Calls are carried out in the order in which their futures are first polled. The future does
    /// not borrow the broker, so that the next batch can be rendered and sent meanwhile; it must
    /// hold no slots of this one's entries, and is not carried out when this one is not.
    fn dispatch(
        &mut self,
        fence: &Fence,
        batch: Batch,
    ) -> impl Future<Output = Result<Reply, BrokerError>> + Send + 'static;

    /// Writes down how far messages have come that AMQP brokers take; in order, as
    /// [`Broker::dispatch`] is.
    fn note(
        &mut self,
        fence: &Fence,
        notes: &[Note],
    ) -> impl Future<Output = Result<Reply, BrokerError>> + Send + 'static;
}

/// Takes messages by hand.
pub trait Publish: Send {
    /// Publishes one message, unfenced and unrecorded.
    fn publish(&mut self, message: Parcel) -> impl Future<Output = Result<(), BrokerError>> + Send;
}
