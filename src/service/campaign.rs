//! Runs a replica's [campaign](crate::core::campaign): performs its actions and reports to the service. It has a
//! thread of its own, so that no amount of work delays a renewal.

use std::future::{Future, ready};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, error_span};

use crate::clock::{Now, SinceBoot};
use crate::core::RequestId;
use crate::core::campaign::{
    self as core, Action, Answer, Event, Named, Parts, ResignError, Status, Writes,
};
use crate::leader::{Lease, LeaseTimes, Peer, TenureFile};
use crate::pending::Pending;
use crate::store::contract::{Store, StoreError};

/// Replicas that are silent for this many TTLs are forgotten.
const FORGOTTEN_AFTER_TTLS: u32 = 3;

/// A request of the service to its campaign.
#[derive(Debug)]
pub enum Request {
    /// Resign in favour of another replica; answered once the lease is given up.
    Resign(oneshot::Sender<Result<(), ResignError>>),
    /// How writes are going.
    Writes(Writes),
    /// The content hash of the schedule that is now loaded.
    Schedule(String),
    /// Resign if this replica leads, and end.
    Leave,
}

/// The service's end: what the campaign reports, and the channel for requests to it.
#[derive(Clone, Debug)]
pub struct Reports {
    /// This replica's name, if there can be others.
    pub identity: Option<String>,
    /// Requests to the campaign.
    pub requests: mpsc::UnboundedSender<Request>,
    /// The lease while this replica leads.
    pub leadership: watch::Receiver<Option<Lease>>,
    /// The campaign's status. Changes when another replica leads, and when trouble begins or ends.
    pub status: watch::Receiver<Status>,
}

/// A campaign with the store and files that it uses.
#[derive(Debug)]
pub struct Campaign<S> {
    core: core::Campaign,
    store: S,
    times: LeaseTimes,
    /// The name that this replica announces itself under.
    name: Arc<str>,
    /// Records our tenures for the next process on this machine.
    tenures: Option<TenureFile>,
    requests: mpsc::UnboundedReceiver<Request>,
    leadership: watch::Sender<Option<Lease>>,
    status: watch::Sender<Status>,
    pending: Pending<(RequestId, Result<Answer, StoreError>)>,
    /// Answers that wait until the lease is given up.
    resigning: Vec<oneshot::Sender<Result<(), ResignError>>>,
}

impl<S: Store> Campaign<S> {
    /// Creates a campaign that starts when `run` is awaited. The store is an instance of its own, so that no
    /// batch delays a renewal.
    #[must_use]
    pub fn new(store: S, times: LeaseTimes, myself: Peer) -> (Campaign<S>, Reports) {
        let (to_campaign, requests) = mpsc::unbounded_channel();
        let (leadership, leadership_seen) = watch::channel(None);
        let name = myself.holder.as_str().into();
        let identity = S::CAPABILITIES.shared.then(|| myself.holder.clone());
        let (shared, seed) = (S::CAPABILITIES.shared, fastrand::u64(..));
        let core = core::Campaign::new(Parts { shared, times, myself, seed });
        let (status, status_seen) = watch::channel(core.status().clone());
        let reports = Reports {
            identity,
            requests: to_campaign,
            leadership: leadership_seen,
            status: status_seen,
        };
        let campaign = Campaign {
            core,
            store,
            times,
            name,
            tenures: None,
            requests,
            leadership,
            status,
            pending: Pending::default(),
            resigning: Vec::new(),
        };
        (campaign, reports)
    }

    /// The same with a file that names its tenures: with the file's lock, it replaces leases of processes that
    /// are gone.
    #[must_use]
    pub fn with_tenures(mut self, file: TenureFile) -> Campaign<S> {
        self.tenures = Some(file);
        self
    }

    /// Campaigns until told to leave.
    ///
    /// # Errors
    ///
    /// When the store is unusable, which no retry cures. Nothing more is written to it.
    pub async fn run(self) -> Result<(), StoreError> {
        // At the highest level, so that no log level hides the span.
        self.campaign().instrument(error_span!("campaign")).await
    }

    async fn campaign(mut self) -> Result<(), StoreError> {
        let mut event = Event::Wake;
        loop {
            if let Some(end) = self.handle(event) {
                if let (Ok(()), Some(tenures)) = (&end, &mut self.tenures) {
                    tenures.note_end();
                }
                return end;
            }
            let pause = self.core.wake().since(SinceBoot::now());
            event = tokio::select! {
                biased;
                (id, answer) = self.pending.next() => Event::Answered(id, answer),
                request = self.requests.recv() => match request {
                    Some(Request::Resign(answer)) => {
                        self.resigning.push(answer);
                        Event::Resign
                    }
                    Some(Request::Writes(writes)) => Event::Writes(writes),
                    Some(Request::Schedule(hash)) => Event::Schedule(hash),
                    Some(Request::Leave) | None => Event::Leave,
                },
                () = tokio::time::sleep(pause.min(self.times.ttl)) => Event::Wake,
                lease = self.store.resigned() => Event::Resigned(lease),
            };
        }
    }

    /// Passes an event to the campaign and performs the actions. Returns how the campaign ends once it does.
    fn handle(&mut self, event: Event) -> Option<Result<(), StoreError>> {
        let mut end = None;
        for action in self.core.handle(event, Now::read()) {
            match action {
                Action::Request(id, request) => self.ask(id, request),
                Action::Lease(lease) => drop(self.leadership.send_replace(lease)),
                Action::Answer(answer) => {
                    for resigning in self.resigning.drain(..) {
                        // The receiver may be gone.
                        let _ = resigning.send(answer.clone());
                    }
                }
                Action::Log(log) => log.write(),
                Action::End(result) => end = Some(result),
            }
        }
        self.report();
        end
    }

    fn ask(&mut self, id: RequestId, request: core::Request) {
        match request {
            core::Request::Name(holder) => {
                let named = self.name_tenure(holder);
                self.wait(id, ready(Ok(named)), Answer::Named);
            }
            core::Request::Acquire(request) => {
                let acquired = self.store.acquire(request);
                self.wait(id, acquired, Answer::Acquired);
            }
            core::Request::Renew(lease) => {
                let renewed = self.store.renew(lease, self.times.ttl);
                self.wait(id, renewed, Answer::Renewed);
            }
            core::Request::Resign(lease) => {
                let resigned = self.store.resign(lease);
                self.wait(id, resigned, |()| Answer::Resigned);
            }
            core::Request::Announce(said) => {
                let forgotten_after = self.times.ttl * FORGOTTEN_AFTER_TTLS;
                let announced = self.store.announce(Arc::clone(&self.name), said, forgotten_after);
                self.wait(id, announced, Answer::Announced);
            }
            core::Request::Probe => {
                let probed = self.store.probe();
                self.wait(id, probed, |()| Answer::Probed);
            }
        }
    }

    fn wait<T: Send + 'static>(
        &mut self,
        id: RequestId,
        answer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        read: impl FnOnce(T) -> Answer + Send + 'static,
    ) {
        self.pending.push(async move { (id, answer.await.map(read)) });
    }

    /// Records on this machine who is about to ask for the lease.
    fn name_tenure(&mut self, holder: Arc<str>) -> Named {
        let Some(tenures) = &mut self.tenures else {
            return Named { holder, gone: Arc::default() };
        };
        tenures.lock();
        Named { holder: tenures.name(&holder).into(), gone: tenures.gone() }
    }

    /// Publishes the campaign's status.
    fn report(&self) {
        let status = self.core.status();
        self.status.send_if_modified(|seen| {
            let of_interest = |status: &Status| {
                let Status { leader, trouble, lease_trouble, .. } = status;
                (leader.clone(), trouble.clone(), lease_trouble.clone())
            };
            let is_changed = of_interest(seen) != of_interest(status);
            if seen != status {
                seen.clone_from(status);
            }
            is_changed
        });
    }
}
