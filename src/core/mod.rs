//! What decides: events in, actions out.
//!
//! [`Scheduler::handle`] takes an event and what the clocks show, and returns the actions that follow: requests
//! of the store, messages for carriers, lines for the log. It never waits and reads no clock; its random numbers
//! come from a seeded generator. The caller performs the actions in order, reports each answer by the id of its
//! request, and calls again at the latest when [`Scheduler::wake`] says so. [`service`](crate::service) does that
//! with real stores and clocks, the simulation with thousands of seeds.

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
mod scheduler;
mod takeover;
mod troubles;
mod unfolded;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

pub use self::counters::{Counters, QueueStatus};
pub use self::lateness::Lateness;
pub use self::log::Log;
pub use self::refusals::RefusedWrites;
pub use self::scheduler::{ANOTHER_SERVER, Parts, Scheduler};
pub use self::troubles::{BadRecord, Troubles};
use crate::carrier::PublishOutcome;
use crate::clock::SinceBoot;
use crate::config::History;
use crate::envelope::Publication;
use crate::leader::lease::Lease;
use crate::queue::Queue;
use crate::schedule::{Schedule, UnixMs};
use crate::store::contract::{
    self, Batch, Capabilities, Fold, HistoryQuery, Intend, PausesRead, PrunePauses, Register,
    Reply, Settle, Snapshot, StoreError, Trim, Trimmed,
};

/// What the clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time that nobody sets, suspend included.
    pub since_boot: SinceBoot,
    /// The machine's clock.
    pub wall: UnixMs,
}

/// What does not change while a scheduler runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the store can do.
    pub capabilities: Capabilities,
    /// A slot up to this late is on time.
    pub grace: Duration,
    /// How long the history is kept.
    pub history: History,
}

/// Names a request or a publish among all others of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// The lease as the [`campaign`] knows it; `None`: this replica does not lead.
    Lease(Option<Lease>),
    /// The store's answer to a request.
    Answered(RequestId, Result<Answer, StoreError>),
    /// What became of messages for a carrier, in their order.
    Published(RequestId, Vec<Delivery>),
    /// The schedule was edited.
    Schedule(Arc<Schedule>),
    /// Others than the scheduler have had the store count something.
    CountersMoved,
    /// Nothing new is to be sent; what is on its way is settled.
    Stop,
    /// It is time.
    Wake,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Ask the store, after all earlier requests; the answer is an [`Event::Answered`].
    Request(RequestId, Request),
    /// Hand messages to a carrier; what becomes of them is an [`Event::Published`].
    Publish(RequestId, Publish),
    /// Tell the campaign how writes fare.
    Writes(campaign::Writes),
    /// Give up the connection to the store: the next request makes a new one.
    Reconnect,
    /// The schedule given last is in force, or will be with the next tenure.
    Applied,
    /// Say it in the log.
    Log(Log),
}

/// What the store is asked.
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

/// What the store answers.
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
    /// To [`Request::PrunePauses`]: how many subjects were changed.
    Pruned(usize),
}

/// Messages for one queue of a carrier.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Where they go.
    pub queue: Arc<Queue>,
    /// In order.
    pub messages: Vec<Carried>,
    /// None is written from then on.
    pub not_after: SinceBoot,
}

/// One message for a carrier.
#[derive(Clone, Debug)]
pub struct Carried {
    /// It is left out while the queue holds so many.
    pub max_queued: Option<NonZeroU32>,
    /// The message.
    pub publication: Publication,
}

/// What became of a message for a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was left out: the queue holds as many as it may.
    QueueFull,
    /// It was handed over, or that was tried.
    Tried(PublishOutcome),
}

/// When a scheduler is to be called again, whatever happens: at the earlier of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When the machine's clock shows that, or something else than it would by itself.
    pub wall: UnixMs,
    /// At that time since boot.
    pub since_boot: SinceBoot,
}

impl Wake {
    /// There is more to do.
    pub const NOW: Wake = Wake { wall: UnixMs::MIN, since_boot: SinceBoot(Duration::ZERO) };
    /// Only an event changes anything.
    pub const NEVER: Wake = Wake { wall: UnixMs::MAX, since_boot: SinceBoot::NEVER };

    /// Whether it is time.
    #[must_use]
    pub fn is_due(&self, now: Now) -> bool {
        self.wall <= now.wall || self.since_boot <= now.since_boot
    }
}

/// A pause that grows with each failure up to `max`, and is never the same on two replicas.
pub(crate) fn backoff(failures: u32, max: Duration, rng: &mut fastrand::Rng) -> Duration {
    let full = Duration::from_millis(50).saturating_mul(1 << failures.min(10)).min(max);
    full.mul_f64(0.5 + rng.f64() / 2.0)
}
