//! The events that a campaign handles and the actions that it returns.

use std::sync::Arc;

use downbeat_time::UnixMs;

use super::Log;
use crate::clock::SinceBoot;
use crate::core::RequestId;
use crate::leader::lease::{Lease, LeaseTimes};
use crate::leader::peer::Peer;
use crate::store::contract::{Acquire, Acquired, Announced, Renewed, StoreError};

/// What a campaign is built from.
#[derive(Debug)]
pub struct Parts {
    /// Whether other replicas can exist.
    pub shared: bool,
    /// The lease's TTL and the intervals that follow from it.
    pub times: LeaseTimes,
    /// This replica, under a name that stays the same in all its tenures.
    pub myself: Peer,
    /// Seeds all random numbers.
    pub seed: u64,
}

/// Something that has happened.
#[derive(Debug)]
pub enum Event {
    /// The answer to a request.
    Answered(RequestId, Result<Answer, StoreError>),
    /// A leader has given up this lease; empty if an old version does not say which.
    Resigned(Arc<str>),
    /// How the scheduler's writes are going.
    Writes(Writes),
    /// The content hash of the schedule that is now loaded.
    Schedule(String),
    /// Somebody asks this replica to resign.
    Resign,
    /// The service has stopped: resign if this replica leads, and end.
    Leave,
    /// The time that [`Campaign::wake`](super::Campaign::wake) gave has come.
    Wake,
}

/// How the scheduler's writes are going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// The store has carried out a write.
    Succeed,
    /// No write made since then has been answered.
    TimeOut(SinceBoot),
}

/// Something for the caller to do.
#[derive(Debug)]
pub enum Action {
    /// Make a request; its answer is an [`Event::Answered`].
    Request(RequestId, Request),
    /// This is the lease from now on; `None`: this replica does not lead.
    Lease(Option<Lease>),
    /// Answer everybody who has asked this replica to resign.
    Answer(Result<(), ResignError>),
    /// Write it to the log.
    Log(Log),
    /// The campaign is over: the service has stopped, or the store is unusable, which no retry cures.
    End(Result<(), StoreError>),
}

/// Why a replica that was asked to resign has not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResignError {
    /// No other replica can exist.
    #[error("only one process can use a spool; stop this one and start another")]
    Alone,
    /// It follows.
    #[error("this replica does not lead")]
    NotLeading,
    /// It leads no longer, but the store did not confirm that the lease is given up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A request of the campaign.
#[derive(Clone, Debug)]
pub enum Request {
    /// Record on this machine who is about to ask for the lease; see [`tenure_file`](crate::leader::TenureFile).
    Name(Arc<str>),
    /// See [`Store::acquire`](crate::store::contract::Store::acquire).
    Acquire(Acquire),
    /// See [`Store::renew`](crate::store::contract::Store::renew).
    Renew(Arc<str>),
    /// See [`Store::resign`](crate::store::contract::Store::resign).
    Resign(Arc<str>),
    /// See [`Store::announce`](crate::store::contract::Store::announce).
    Announce(String),
    /// See [`Store::probe`](crate::store::contract::Store::probe).
    Probe,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Request::Name`].
    Named(Named),
    /// To [`Request::Acquire`].
    Acquired(Acquired),
    /// To [`Request::Renew`].
    Renewed(Renewed),
    /// To [`Request::Resign`].
    Resigned,
    /// To [`Request::Announce`].
    Announced(Announced),
    /// To [`Request::Probe`].
    Probed,
}

/// The name that a replica acquires the lease under.
#[derive(Clone, Debug)]
pub struct Named {
    /// The holder's name for the request.
    pub holder: Arc<str>,
    /// Holders whose processes are gone.
    pub gone: Arc<[String]>,
}

/// The campaign's status, as `status` and the metrics show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `"<term> <holder>"` of whoever leads, as far as we know.
    pub leader: Option<Arc<str>>,
    /// The replicas, this one included; if there are more than a hundred, only some.
    pub peers: Vec<Peer>,
    /// The total number of replicas.
    pub peer_count: usize,
    /// When this replica stops waiting for one that remembers, if it waits.
    pub waits_until: Option<UnixMs>,
    /// Why the store is unavailable, while it is.
    pub trouble: Option<StoreError>,
    /// Whether the store has not answered or failed yet: the process has just started.
    pub is_starting: bool,
    /// What is wrong with the lease while nobody can acquire it.
    pub lease_trouble: Option<String>,
    /// The number of the campaign's requests that have failed.
    pub errors: u64,
}
