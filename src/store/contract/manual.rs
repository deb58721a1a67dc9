//! Messages that somebody asks for.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use crate::schedule::outcome::Line;
use crate::store::Outgoing;
use crate::worker::Queue;

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
