//! Decides what a leader does: events in, actions out.
//!
//! [`Scheduler::handle`] takes an event and what the clocks show, and returns the actions that follow: requests
//! to the store, messages for carriers, lines for the log. It never waits and reads no clock; its random numbers
//! come from a seeded generator. The caller performs the actions in order, reports each answer by the id of its
//! request, and calls again by [`Scheduler::wake`] at the latest. `service` does this with real stores and
//! clocks, the simulation with thousands of seeds.

#![deny(clippy::disallowed_methods, clippy::iter_over_hash_type)]

mod batch_size;
pub mod campaign;
mod carried;
mod counters;
mod dispatch;
mod housekeeping;
mod lateness;
mod log;
mod pauses;
mod pipe;
mod refusals;
mod reloads;
mod scheduler;
mod takeover;
mod troubles;
mod unfolded;
mod unseen;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use crate::carrier::PublishOutcome;
use crate::clock::{Now, SinceBoot};
use crate::leader::lease::Lease;
use crate::schedule::Schedule;
use crate::store::Retention;
use crate::store::contract::{
    self, Batch, Capabilities, Fold, HistoryQuery, Intend, PausesRead, PrunePauses, Register,
    Reply, Settle, Snapshot, StoreError, Trim, Trimmed,
};
use crate::worker::{Publication, Queue};

pub use self::counters::{Counters, QueueStatus};
pub use self::lateness::Lateness;
pub use self::log::{Log, SkipRuns};
pub use self::refusals::RefusedWrites;
pub use self::reloads::{Reloads, Requested};
pub use self::scheduler::{ANOTHER_SERVER, Parts, Scheduler};
pub use self::troubles::{BadRecord, Troubles};

/// Settings that do not change while a scheduler runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store's capabilities.
    pub capabilities: Capabilities,
    /// How late a slot may be and still count as on time.
    pub grace: Duration,
    /// How long the history is kept.
    pub history: Retention,
}

/// The id of a request or a publish, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Something that has happened.
#[derive(Debug)]
pub enum Event {
    /// The lease as the [`campaign`] knows it; `None`: this replica does not lead.
    Lease(Option<Lease>),
    /// The store's answer to a request.
    Answered(RequestId, Result<Answer, StoreError>),
    /// The outcomes of a publish, in the order of its messages.
    Published(RequestId, Vec<Delivery>),
    /// The schedule was edited.
    Schedule(Arc<Schedule>),
    /// Somebody else has made the store count something.
    CountersMoved,
    /// Send nothing new, and settle what is in flight.
    Stop,
    /// The time that [`Scheduler::wake`] gave has come.
    Wake,
}

/// Something for the caller to do.
#[derive(Debug)]
pub enum Action {
    /// Send a request to the store, after all earlier ones; its answer is an [`Event::Answered`].
    Request(RequestId, Request),
    /// Publish messages on a carrier; their outcomes are an [`Event::Published`].
    Publish(RequestId, Publish),
    /// Tell the campaign how writes are going.
    Writes(campaign::Writes),
    /// Drop the connection to the store: the next request makes a new one.
    Reconnect,
    /// The latest schedule is in force, or will be with the next tenure.
    Applied,
    /// Write it to the log.
    Log(Log),
}

/// A request to the store.
#[derive(Clone, Debug)]
pub enum Request {
    /// See [`Store::read`](contract::Store::read).
    Read,
    /// See [`Store::counters`](contract::Store::counters).
    Counters,
    /// See [`Store::history`](contract::Store::history).
    History(HistoryQuery),
    /// See [`Store::register`](contract::Store::register).
    Register(Register),
    /// See [`Store::dispatch`](contract::Store::dispatch).
    Dispatch(Batch),
    /// See [`Store::intend`](contract::Store::intend).
    Intend(Intend),
    /// See [`Store::settle`](contract::Store::settle).
    Settle(Settle),
    /// See [`Store::fold`](contract::Store::fold).
    Fold(Fold),
    /// See [`Store::trim`](contract::Store::trim).
    Trim(Trim),
    /// See [`Store::pauses`](contract::Store::pauses).
    Pauses,
    /// See [`Store::prune_pauses`](contract::Store::prune_pauses).
    PrunePauses(PrunePauses),
}

/// The store's answer to a [`Request`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Request::Read`].
    Snapshot(Box<Snapshot>),
    /// To [`Request::Counters`].
    Counters(contract::Counters),
    /// To [`Request::History`].
    History(contract::History),
    /// To a fenced write.
    Reply(Reply),
    /// To [`Request::Trim`].
    Trimmed(Trimmed),
    /// To [`Request::Pauses`].
    Pauses(PausesRead),
    /// To [`Request::PrunePauses`]: the number of subjects changed.
    Pruned(usize),
}

/// Messages for one queue on a carrier.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The queue.
    pub queue: Arc<Queue>,
    /// The messages, in order.
    pub messages: Vec<Carried>,
    /// The deadline: no message is written from then on.
    pub not_after: SinceBoot,
}

/// One message for a carrier.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The message is left out if the queue is already this long.
    pub max_queued: Option<NonZeroU32>,
    /// The message.
    pub publication: Publication,
}

/// What became of a message for a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was left out because the queue has reached its `max_queued`.
    QueueFull,
    /// It was published, or an attempt was made.
    Tried(PublishOutcome),
}

/// When to call a scheduler again: at the earlier of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When the machine's clock shows this, or has been set.
    pub wall: UnixMs,
    /// At this time since boot.
    pub since_boot: SinceBoot,
}

impl Wake {
    /// At once: there is more to do.
    pub const NOW: Wake = Wake { wall: UnixMs::MIN, since_boot: SinceBoot(Duration::ZERO) };
    /// Only after an event.
    pub const NEVER: Wake = Wake { wall: UnixMs::MAX, since_boot: SinceBoot::NEVER };

    /// Whether it is time to call.
    #[must_use]
    pub fn is_due(&self, now: Now) -> bool {
        self.wall <= now.wall || self.since_boot <= now.since_boot
    }
}

/// A random pause that doubles with each failure up to `max`, so that replicas do not retry in step.
pub(crate) fn backoff(failures: u32, max: Duration, rng: &mut fastrand::Rng) -> Duration {
    let full = Duration::from_millis(50).saturating_mul(1 << failures.min(10)).min(max);
    full.mul_f64(0.5 + rng.f64() / 2.0)
}
