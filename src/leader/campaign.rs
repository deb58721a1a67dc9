//! Acquire, renew, resign: on a thread of its own, so that no amount of work delays a renewal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::lease::{Lease, LeaseTimes, Reading};
use super::peer::Peer;
use crate::clock::{self, SinceBoot};
use crate::schedule::UnixMs;
use crate::store::BrokerError;
use crate::store::redis::{Attempt, Lock};

/// The holder where there can be only one.
pub const SOLE: &str = "sole";
/// From this skew on, a leader makes way for a replica whose clock is right.
const SKEW_RESIGNED_MS: i64 = 5_000;

/// What the service asks of its campaign.
#[derive(Debug)]
pub enum Request {
    /// Make way for another replica; answered once the lease is given up.
    Resign(oneshot::Sender<Result<(), String>>),
    /// Resign if need be, and end.
    Leave,
}

/// What a campaign tells the service, and where the service asks something of it.
#[derive(Clone, Debug)]
pub struct Reports {
    /// The name of this replica, if there can be others.
    pub identity: Option<String>,
    /// Goes to the campaign.
    pub requests: mpsc::Sender<Request>,
    /// The lease while we lead.
    pub leadership: watch::Receiver<Option<Lease>>,
    /// All replicas, this one included.
    pub peers: watch::Receiver<Vec<Peer>>,
    /// `"<term> <holder>"` of whoever leads, as far as we know.
    pub leader: watch::Receiver<Option<String>>,
    /// When the wait for a replica that remembers is over, if there is one.
    pub waits_until: watch::Receiver<Option<UnixMs>>,
    /// Why the broker is unavailable, while it is.
    pub trouble: watch::Receiver<Option<String>>,
    /// How many of the campaign's calls of the broker have failed.
    pub errors: Arc<AtomicU64>,
}

impl Reports {
    /// For a broker that only one process can open: it leads as long as it runs. To be called within
    /// a tokio runtime.
    #[must_use]
    pub fn of_sole_leader() -> Reports {
        let (requests, asked) = mpsc::channel(1);
        tokio::spawn(refuse_to_resign(asked));
        let lease = Lease {
            text: format!("1 {SOLE}").into(),
            trusted_until: SinceBoot::NEVER,
            continues: true,
            broker_clock: None,
        };
        Reports {
            identity: None,
            requests,
            leader: watch::channel(Some(lease.text.to_string())).1,
            leadership: watch::channel(Some(lease)).1,
            peers: watch::channel(Vec::new()).1,
            waits_until: watch::channel(None).1,
            trouble: watch::channel(None).1,
            errors: Arc::default(),
        }
    }
}

/// Where there is nobody to make way for.
async fn refuse_to_resign(mut asked: mpsc::Receiver<Request>) {
    while let Some(request) = asked.recv().await {
        if let Request::Resign(answer) = request {
            let reason = "only one process can use a spool; stop this one and start another";
            let _ = answer.send(Err(reason.to_owned()));
        }
    }
}

/// One replica's part in finding a leader.
#[derive(Debug)]
pub struct Campaign {
    lock: Lock,
    times: LeaseTimes,
    myself: Peer,
    schedule: watch::Receiver<String>,
    requests: mpsc::Receiver<Request>,
    leadership: watch::Sender<Option<Lease>>,
    peers: watch::Sender<Vec<Peer>>,
    waits_until: watch::Sender<Option<UnixMs>>,
    trouble: watch::Sender<Option<String>>,
    errors: Arc<AtomicU64>,
    /// This replica's name from its start to its end, whatever its stays in office.
    identity: String,
    /// Who leads, as far as we can tell at present.
    leader: watch::Sender<Option<String>>,
    /// The lease of the last stay that we know of, ours or another's.
    last_known: Option<String>,
    own_last: Option<String>,
    unmarked_since: Option<Instant>,
    hold_back_until: Option<Instant>,
    /// The broker has answered before.
    reached: bool,
}

/// What ends a stay in office.
enum End {
    Lost,
    Resigned(Option<oneshot::Sender<Result<(), String>>>),
    Left,
    /// The broker cannot be used, and no retry cures that.
    Unusable(BrokerError),
}

impl Campaign {
    /// A campaign that runs once `run` is awaited; `schedule` tells the hash to announce.
    #[must_use]
    pub fn new(
        lock: Lock,
        times: LeaseTimes,
        myself: Peer,
        schedule: watch::Receiver<String>,
    ) -> (Campaign, Reports) {
        let (to_campaign, requests) = mpsc::channel(4);
        let (leadership, leadership_seen) = watch::channel(None);
        let (peers, peers_seen) = watch::channel(Vec::new());
        let (leader, leader_seen) = watch::channel(None);
        let (waits_until, waits_until_seen) = watch::channel(None);
        let (trouble, trouble_seen) = watch::channel(None);
        let (identity, errors) = (myself.holder.clone(), Arc::default());
        let reports = Reports {
            identity: Some(identity.clone()),
            requests: to_campaign,
            leadership: leadership_seen,
            peers: peers_seen,
            leader: leader_seen,
            waits_until: waits_until_seen,
            trouble: trouble_seen,
            errors: Arc::clone(&errors),
        };
        let campaign = Campaign {
            lock,
            times,
            myself,
            schedule,
            requests,
            leadership,
            peers,
            waits_until,
            trouble,
            errors,
            identity,
            leader,
            last_known: None,
            own_last: None,
            unmarked_since: None,
            hold_back_until: None,
            reached: false,
        };
        (campaign, reports)
    }

    /// Follows and leads in turn until told to leave.
    ///
    /// # Errors
    /// When the broker turns out to be one that cannot be used, which no retry cures. Nothing more is
    /// written to it.
    pub async fn run(mut self) -> Result<(), BrokerError> {
        while let Some(lease) = self.follow().await? {
            info!(term = lease.term(), holder = %self.myself.holder, "became leader");
            self.own_last = Some(lease.text.to_string());
            self.leadership.send_replace(Some(lease.clone()));
            let end = self.lead(lease.clone()).await;
            self.leadership.send_replace(None);
            self.leader.send_replace(None);
            match end {
                End::Lost => info!(term = lease.term(), "stepped down"),
                End::Resigned(answer) => {
                    let resigned = self.lock.resign(&lease.text).await;
                    info!(term = lease.term(), "resigned");
                    self.hold_back_until = Some(Instant::now() + self.times.ttl / 2);
                    if let Some(answer) = answer {
                        let _ = answer.send(resigned.map_err(|error| error.to_string()));
                    }
                }
                End::Left => {
                    if self.lock.resign(&lease.text).await.is_ok() {
                        info!(term = lease.term(), "resigned");
                    }
                    break;
                }
                End::Unusable(error) => return Err(error),
            }
        }
        let _ = self.lock.announce(&self.identity, "").await;
        Ok(())
    }

    /// Waits for the lease; `None` when told to leave.
    async fn follow(&mut self) -> Result<Option<Lease>, BrokerError> {
        let mut failures = 0;
        loop {
            let pause = match self.stand().await {
                Ok(Ok(lease)) => return Ok(Some(lease)),
                Ok(Err(pause)) => {
                    failures = 0;
                    pause
                }
                Err(error @ BrokerError::Unusable(_)) => return Err(error),
                Err(error) => {
                    self.report(Some(&error));
                    self.leader.send_replace(None);
                    failures += 1;
                    backoff(failures, self.times.renew_every)
                }
            };
            let again_at = Instant::now() + pause;
            tokio::select! {
                () = sleep_until(again_at) => {}
                () = self.lock.resigned() => {
                    // A little apart from each other, so that one finds the lease taken.
                    let apart = Duration::from_millis(fastrand::u64(0..30));
                    tokio::time::sleep(apart).await;
                }
                request = self.requests.recv() => match request {
                    Some(Request::Resign(answer)) => {
                        let _ = answer.send(Err("this replica does not lead".to_owned()));
                    }
                    Some(Request::Leave) | None => return Ok(None),
                },
            }
        }
    }

    /// Asks for the lease once: got it, or how long to wait before asking again.
    async fn stand(&mut self) -> Result<Result<Lease, Duration>, BrokerError> {
        if let Some(until) = self.hold_back_until.filter(|until| *until > Instant::now()) {
            let _ = self.announce().await;
            let left = until.saturating_duration_since(Instant::now());
            return Ok(Err(left.min(self.times.renew_every)));
        }
        let remembers = self.own_last.is_some() && self.last_known == self.own_last;
        let waited = self.unmarked_since.is_some_and(|since| since.elapsed() >= self.times.ttl);
        self.myself.holder = self.myself.new_holder();
        let asked_at = SinceBoot::now();
        let (attempt, shown) = self.lock.acquire(&self.myself.holder, remembers || waited).await?;
        let broker_clock = Some(self.read_clock(shown));
        self.report(None);
        if !matches!(attempt, Attempt::Unmarked) {
            self.unmarked_since = None;
            self.waits_until.send_replace(None);
        }
        match attempt {
            Attempt::Acquired(text) => {
                self.last_known = Some(text.to_string());
                self.leader.send_replace(self.last_known.clone());
                let trusted_until = self.times.trusted_until(asked_at);
                Ok(Ok(Lease { text, trusted_until, continues: remembers, broker_clock }))
            }
            Attempt::Held(lease, left) => {
                if self.last_known.as_ref() != Some(&lease) {
                    info!(leader = %lease, "following");
                }
                self.last_known = Some(lease);
                self.leader.send_replace(self.last_known.clone());
                // A full Redis refuses this, and is not away.
                let _ = self.announce().await;
                let jitter = Duration::from_millis(fastrand::u64(1..50));
                Ok(Err(left.min(self.times.ttl) + jitter))
            }
            Attempt::Unmarked => {
                self.leader.send_replace(None);
                let ttl = self.times.ttl;
                let since = *self.unmarked_since.get_or_insert_with(|| {
                    self.waits_until.send_replace(Some(clock::wall() + ttl));
                    warn!(
                        wait_ms = ttl.as_millis(),
                        "the namespace is new or was flushed; waiting for a replica that remembers"
                    );
                    Instant::now()
                });
                Ok(Err((since + ttl).saturating_duration_since(Instant::now())))
            }
        }
    }

    /// Renews until the lease is lost, given up or no longer to be trusted.
    async fn lead(&mut self, mut lease: Lease) -> End {
        let mut failures = 0;
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                request = self.requests.recv() => match request {
                    Some(Request::Resign(answer)) => return End::Resigned(Some(answer)),
                    Some(Request::Leave) | None => return End::Left,
                },
            }
            let asked_at = SinceBoot::now();
            match self.lock.renew(&lease.text).await {
                Ok((true, shown)) => {
                    failures = 0;
                    pause = self.times.renew_every;
                    lease.trusted_until = self.times.trusted_until(asked_at);
                    lease.broker_clock = Some(self.read_clock(shown));
                    self.leadership.send_replace(Some(lease.clone()));
                    self.report(None);
                    let _ = self.announce().await;
                    if self.should_make_way() {
                        warn!(skew_ms = self.myself.skew_ms, "made way: this clock is off");
                        return End::Resigned(None);
                    }
                }
                Ok((false, _)) => {
                    warn!(term = lease.term(), "lost the lease");
                    return End::Lost;
                }
                Err(error @ BrokerError::Unusable(_)) => return End::Unusable(error),
                Err(error) => {
                    self.report(Some(&error));
                    failures += 1;
                    pause = backoff(failures, self.times.renew_every / 2);
                }
            }
            if !lease.is_trusted(SinceBoot::now()) {
                warn!(term = lease.term(), "the lease could not be renewed in time");
                return End::Lost;
            }
        }
    }

    fn read_clock(&mut self, shown: crate::schedule::UnixMs) -> Reading {
        self.myself.skew_ms = clock::wall().0.saturating_sub(shown.0);
        Reading { shown, at: SinceBoot::now() }
    }

    fn should_make_way(&self) -> bool {
        let saner = |peer: &Peer| peer.holder != self.identity && !peer.is_skewed();
        self.myself.skew_ms.abs() > SKEW_RESIGNED_MS && self.peers.borrow().iter().any(saner)
    }

    async fn announce(&mut self) -> Result<(), BrokerError> {
        self.myself.schedule.clone_from(&self.schedule.borrow());
        let said = serde_json::to_string(&self.myself).unwrap_or_default();
        let peers = self.lock.announce(&self.identity, &said).await?;
        let peers: Vec<Peer> = peers.into_iter().filter_map(Peer::read).collect();
        self.warn_of(&peers);
        self.peers.send_replace(peers);
        Ok(())
    }

    /// One line for each change of what is wrong, not one for each look.
    fn warn_of(&self, peers: &[Peer]) {
        let known = self.peers.borrow();
        for peer in peers {
            let before = known.iter().find(|known| known.holder == peer.holder);
            let differs = peer.schedule != self.myself.schedule;
            if differs && before.is_none_or(|before| before.schedule != peer.schedule) {
                warn!(replica = %peer.holder, theirs = %peer.schedule, ours = %self.myself.schedule,
                    "another replica has a different schedule");
            }
            if peer.is_skewed() && before.is_none_or(|before| !before.is_skewed()) {
                warn!(replica = %peer.holder, skew_ms = peer.skew_ms,
                    "a replica's clock differs from the broker's");
            }
        }
    }

    /// Logs the broker's coming and going, once each.
    fn report(&mut self, error: Option<&BrokerError>) {
        let reached = self.reached;
        self.reached |= error.is_none();
        self.errors.fetch_add(error.is_some().into(), Ordering::Relaxed);
        let error = error.map(ToString::to_string);
        self.trouble.send_if_modified(|trouble| {
            match (&trouble, &error) {
                (None, Some(error)) if reached => warn!(%error, "the broker went away"),
                (None, Some(error)) => {
                    warn!(%error, "the broker is unavailable; trying again");
                }
                (Some(_), None) if reached => info!("the broker is back"),
                (Some(_), None) => info!("the broker answers"),
                // Another error of the same absence is for `status` only.
                _ => {}
            }
            let changed = *trouble != error;
            *trouble = error;
            changed
        });
    }
}

/// A pause that grows with each failure up to `most`, and is never the same on two replicas.
pub(crate) fn backoff(failures: u32, most: Duration) -> Duration {
    let full = Duration::from_millis(50).saturating_mul(1 << failures.min(10)).min(most);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}
