//! What a campaign takes in and gives out.

use std::sync::Arc;

use super::Log;
use crate::clock::SinceBoot;
use crate::core::RequestId;
use crate::leader::lease::{Lease, LeaseTimes};
use crate::leader::peer::Peer;
use crate::schedule::UnixMs;
use crate::store::contract::{Acquire, Acquired, Announced, Renewed, StoreError};

/// What a campaign is made of.
#[derive(Debug)]
pub struct Parts {
    /// Whether there can be other replicas.
    pub shared: bool,
    /// What the lease lives by.
    pub times: LeaseTimes,
    /// Under its name from its start to its end, whatever its tenures.
    pub myself: Peer,
    /// Seeds all random numbers.
    pub seed: u64,
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// The answer to a request.
    Answered(RequestId, Result<Answer, StoreError>),
    /// A leader has given up this lease; empty where an old version does not say which.
    Resigned(Arc<str>),
    /// What the scheduler writes.
    Writes(Writes),
    /// The content hash of the schedule that is loaded now.
    Schedule(String),
    /// Somebody asks this replica to make way.
    Resign,
    /// The service has ended: resign if need be, and end.
    Leave,
    /// It is time.
    Wake,
}

/// How writes fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// The store has carried one out.
    Succeed,
    /// None was answered that was asked for since then.
    TimeOut(SinceBoot),
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Ask; the answer is an [`Event::Answered`].
    Request(RequestId, Request),
    /// This is the lease from now on; `None`: this replica does not lead.
    Lease(Option<Lease>),
    /// Answer all who have asked this replica to make way.
    Answer(Result<(), String>),
    /// Say it in the log.
    Log(Log),
    /// The campaign is over: it was left, or the store cannot be used, which no retry cures.
    End(Result<(), StoreError>),
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// Have it known on this machine who is about to ask for the lease; see
    /// [`tenure_file`](crate::leader::TenureFile).
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

/// What is answered.
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

/// Who asks for the lease.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name to ask under.
    pub holder: Arc<str>,
    /// Holders whose processes are gone.
    pub gone: Arc<[String]>,
}

/// How a campaign stands, for those who want to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// `"<term> <holder>"` of whoever leads, as far as we know.
    pub leader: Option<Arc<str>>,
    /// The replicas, this one included; of more than a hundred, some.
    pub peers: Vec<Peer>,
    /// How many replicas there are in all.
    pub peer_count: usize,
    /// When the wait for a replica that remembers is over, if there is one.
    pub waits_until: Option<UnixMs>,
    /// Why the store is unavailable, while it is.
    pub trouble: Option<String>,
    /// What is wrong with the lease, while nobody can have it for that.
    pub lease_trouble: Option<String>,
    /// How many of the campaign's requests have failed.
    pub errors: u64,
}
