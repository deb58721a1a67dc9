//! Acquire, renew, resign: on a thread of its own, so that no amount of work delays a renewal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::lease::{Lease, LeaseTimes, Reading};
use super::peer::Peer;
use super::tenure_file::TenureFile;
use crate::clock::{self, SinceBoot};
use crate::schedule::UnixMs;
use crate::store::contract::{Acquire, Acquired, Announced, Store, StoreError};

/// The holder where there can be only one.
pub const SOLE: &str = "sole";
/// Why a leader without peers does not resign.
const NOBODY_ELSE: &str = "only one process can use a spool; stop this one and start another";
/// From this skew on, a leader makes way for a replica whose clock is right.
const SKEW_RESIGNED_MS: i64 = 5_000;
/// Of one look at the replicas, so many lines are logged.
const MAX_WARNINGS: usize = 10;

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
    /// The replicas, this one included; of more than a hundred, some.
    pub peers: watch::Receiver<Vec<Peer>>,
    /// How many replicas there are in all.
    pub peer_count: watch::Receiver<usize>,
    /// `"<term> <holder>"` of whoever leads, as far as we know.
    pub leader: watch::Receiver<Option<String>>,
    /// When the wait for a replica that remembers is over, if there is one.
    pub waits_until: watch::Receiver<Option<UnixMs>>,
    /// Why the broker is unavailable, while it is.
    pub trouble: watch::Receiver<Option<String>>,
    /// What is wrong with the lease, while nobody can have it for that.
    pub lease_trouble: watch::Receiver<Option<String>>,
    /// How many of the campaign's calls of the broker have failed.
    pub errors: Arc<AtomicU64>,
}

/// One replica's part in finding a leader.
#[derive(Debug)]
pub struct Campaign<S> {
    store: S,
    times: LeaseTimes,
    /// Under its name from its start to its end, whatever its tenures.
    myself: Peer,
    /// The name under which the next lease is asked for: a new one for each tenure, and the same until
    /// there is one.
    holder: Arc<str>,
    /// Names our tenures to whoever is started here after us.
    tenures: Option<TenureFile>,
    schedule: watch::Receiver<String>,
    requests: mpsc::Receiver<Request>,
    leadership: watch::Sender<Option<Lease>>,
    peers: watch::Sender<Vec<Peer>>,
    peer_count: watch::Sender<usize>,
    waits_until: watch::Sender<Option<UnixMs>>,
    trouble: watch::Sender<Option<String>>,
    lease_trouble: watch::Sender<Option<String>>,
    errors: Arc<AtomicU64>,
    /// Who leads, as far as we can tell at present.
    leader: watch::Sender<Option<String>>,
    /// The lease of the last tenure that we know of, ours or another's.
    last_known: Option<String>,
    own_last: Option<String>,
    unmarked_since: Option<Instant>,
    hold_back_until: Option<Instant>,
    /// The store has answered before.
    reached: bool,
}

/// What ends a tenure.
enum End {
    Lost,
    Resigned(Option<oneshot::Sender<Result<(), String>>>),
    Left,
    /// The store cannot be used, and no retry cures that.
    Unusable(StoreError),
}

/// What came of one attempt to lead.
enum Attempt {
    Leads(Lease),
    /// It is time for the next after this pause.
    Waits(Duration),
}

impl<S: Store> Campaign<S> {
    /// A campaign that runs once `run` is awaited; `schedule` tells the hash to announce. The store is
    /// an instance of its own, so that no batch delays a renewal.
    #[must_use]
    pub fn new(
        store: S,
        times: LeaseTimes,
        myself: Peer,
        schedule: watch::Receiver<String>,
    ) -> (Campaign<S>, Reports) {
        let (to_campaign, requests) = mpsc::channel(4);
        let (leadership, leadership_seen) = watch::channel(None);
        let (peers, peers_seen) = watch::channel(Vec::new());
        let (peer_count, peer_count_seen) = watch::channel(0);
        let (leader, leader_seen) = watch::channel(None);
        let (waits_until, waits_until_seen) = watch::channel(None);
        let (trouble, trouble_seen) = watch::channel(None);
        let (lease_trouble, lease_trouble_seen) = watch::channel(None);
        let errors = Arc::default();
        let reports = Reports {
            identity: S::CAPABILITIES.shared.then(|| myself.holder.clone()),
            requests: to_campaign,
            leadership: leadership_seen,
            peers: peers_seen,
            peer_count: peer_count_seen,
            leader: leader_seen,
            waits_until: waits_until_seen,
            trouble: trouble_seen,
            lease_trouble: lease_trouble_seen,
            errors: Arc::clone(&errors),
        };
        let campaign = Campaign {
            store,
            times,
            holder: myself.holder.as_str().into(),
            tenures: None,
            myself,
            schedule,
            requests,
            leadership,
            peers,
            peer_count,
            waits_until,
            trouble,
            lease_trouble,
            errors,
            leader,
            last_known: None,
            own_last: None,
            unmarked_since: None,
            hold_back_until: None,
            reached: false,
        };
        (campaign, reports)
    }

    /// The same, where a file names its tenures: with its lock, those of processes that are gone are replaced.
    #[must_use]
    pub fn with_tenures(mut self, file: TenureFile) -> Campaign<S> {
        self.tenures = Some(file);
        self
    }

    /// Follows and leads in turn until told to leave.
    ///
    /// # Errors
    /// When the store turns out to be one that cannot be used, which no retry cures. Nothing more is
    /// written to it.
    pub async fn run(mut self) -> Result<(), StoreError> {
        self.holder = self.new_holder();
        while let Some(lease) = self.follow().await? {
            debug!(term = lease.term(), holder = %self.holder, "acquired the lease");
            self.own_last = Some(lease.text.to_string());
            self.myself.tenure.clone_from(&self.own_last);
            self.leadership.send_replace(Some(lease.clone()));
            let end = self.lead(lease.clone()).await;
            self.leadership.send_replace(None);
            self.leader.send_replace(None);
            self.myself.tenure = None;
            self.holder = self.new_holder();
            match end {
                End::Lost => info!(term = lease.term(), "stepped down"),
                End::Resigned(answer) => {
                    let resigned = self.store.resign(Arc::clone(&lease.text)).await;
                    info!(term = lease.term(), "resigned");
                    self.hold_back_until = Some(Instant::now() + self.times.ttl / 2);
                    if let Some(answer) = answer {
                        let _ = answer.send(resigned.map_err(|error| error.to_string()));
                    }
                }
                End::Left => {
                    let resigned = self.store.resign(Arc::clone(&lease.text)).await.is_ok();
                    // Where nobody else can lead, it is no news.
                    if resigned && S::CAPABILITIES.shared {
                        info!(term = lease.term(), "resigned");
                    }
                    break;
                }
                End::Unusable(error) => return Err(error),
            }
        }
        if S::CAPABILITIES.shared {
            let _ = self.say(String::new()).await;
        }
        if let Some(tenures) = &mut self.tenures {
            tenures.note_end();
        }
        Ok(())
    }

    /// The name that a lease is asked for under.
    fn new_holder(&mut self) -> Arc<str> {
        if !S::CAPABILITIES.shared {
            return SOLE.into();
        }
        let holder = self.myself.new_holder();
        let Some(tenures) = &mut self.tenures else { return holder.into() };
        tenures.lock();
        tenures.name(&holder).into()
    }

    /// Waits for the lease; `None` when told to leave.
    async fn follow(&mut self) -> Result<Option<Lease>, StoreError> {
        let mut failures = 0;
        loop {
            let pause = match self.try_to_lead().await {
                Ok(Attempt::Leads(lease)) => return Ok(Some(lease)),
                Ok(Attempt::Waits(pause)) => {
                    failures = 0;
                    pause
                }
                Err(error @ StoreError::Unusable(_)) => return Err(error),
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
                () = self.store.resigned() => {
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

    /// Asks for the lease once, unless it was just given up.
    async fn try_to_lead(&mut self) -> Result<Attempt, StoreError> {
        if let Some(until) = self.hold_back_until.filter(|until| *until > Instant::now()) {
            let _ = self.announce().await;
            let left = until.saturating_duration_since(Instant::now());
            return Ok(Attempt::Waits(left.min(self.times.renew_every)));
        }
        if S::CAPABILITIES.shared && self.tenures.as_mut().is_some_and(TenureFile::lock) {
            self.holder = self.new_holder();
        }
        let remembers = self.own_last.is_some() && self.last_known == self.own_last;
        let waited = self.unmarked_since.is_some_and(|since| since.elapsed() >= self.times.ttl);
        let asked_at = SinceBoot::now();
        let (holder, ttl) = (Arc::clone(&self.holder), self.times.ttl);
        let even_unmarked = remembers || waited || !S::CAPABILITIES.shared;
        let mut request = Acquire { holder, ttl, even_unmarked, replaces: None };
        let mut acquired = self.store.acquire(request.clone()).await?;
        if let Acquired::Held { lease, .. } = &acquired
            && self.tenures.as_ref().is_some_and(|tenures| tenures.is_gone(lease))
        {
            info!(leader = %lease, "the leader's process is gone; taking over at once");
            request.replaces = Some(lease.as_str().into());
            acquired = self.store.acquire(request).await?;
        }
        self.report(None);
        if !matches!(acquired, Acquired::Unmarked { .. }) {
            self.unmarked_since = None;
            self.waits_until.send_replace(None);
        }
        if !matches!(acquired, Acquired::Unreadable { .. }) {
            self.lease_trouble.send_replace(None);
        }
        match acquired {
            Acquired::Ours { lease, now } => {
                Ok(Attempt::Leads(self.begin(lease, asked_at, remembers, now)))
            }
            Acquired::Held { lease, .. } if self.is_ours(&lease) => {
                // The answer to an earlier question was lost, and the lease has been ours since.
                let (lease, asked_at) = (Arc::<str>::from(lease), SinceBoot::now());
                let renewed = self.store.renew(Arc::clone(&lease), ttl).await?;
                if !renewed.kept {
                    return Ok(Attempt::Waits(Duration::ZERO));
                }
                Ok(Attempt::Leads(self.begin(lease, asked_at, remembers, renewed.now)))
            }
            Acquired::Held { lease, left, now } => {
                self.read_clock(now);
                Ok(Attempt::Waits(self.note_leader(lease, left).await))
            }
            Acquired::Unmarked { now } => {
                self.read_clock(now);
                Ok(Attempt::Waits(self.wait_for_who_remembers()))
            }
            Acquired::Unreadable { why, now } => {
                self.read_clock(now);
                self.note_unreadable_lease(why);
                let _ = self.announce().await;
                Ok(Attempt::Waits(self.times.renew_every))
            }
        }
    }

    /// Another leads, whose lease can expire in `left`. Gives how long to wait.
    async fn note_leader(&mut self, lease: String, left: Duration) -> Duration {
        if self.last_known.as_ref() != Some(&lease) {
            info!(leader = %lease, "following");
        }
        self.last_known = Some(lease);
        self.leader.send_replace(self.last_known.clone());
        // A full Redis refuses this, and is not away.
        let _ = self.announce().await;
        let jitter = Duration::from_millis(fastrand::u64(1..50));
        // Others take for dead who says nothing for a TTL.
        (left + jitter).min(self.times.renew_every)
    }

    /// Nothing is known of the namespace, and nobody leads. Gives how long to wait.
    fn wait_for_who_remembers(&mut self) -> Duration {
        let ttl = self.times.ttl;
        self.leader.send_replace(None);
        let since = *self.unmarked_since.get_or_insert_with(|| {
            self.waits_until.send_replace(Some(clock::wall() + ttl));
            warn!(
                wait_ms = ttl.as_millis(),
                "the namespace is new or was flushed; waiting for a replica that remembers"
            );
            Instant::now()
        });
        let left = (since + ttl).checked_duration_since(Instant::now());
        let left = left.filter(|left| !left.is_zero());
        let renew_every = self.times.renew_every;
        left.map_or(renew_every, |left| left.min(renew_every))
    }

    /// What stands in the place of the lease is none, or never runs out.
    fn note_unreadable_lease(&mut self, why: String) {
        let wait_ms = self.times.ttl.as_millis();
        self.leader.send_replace(None);
        self.lease_trouble.send_if_modified(|trouble| {
            let is_new = trouble.as_ref() != Some(&why);
            if is_new {
                warn!(%why, wait_ms,
                    "the lease cannot be used; taking it over once it has stood unchanged");
            }
            *trouble = Some(why);
            is_new
        });
    }

    /// Whether a lease bears the name under which we ask for one.
    fn is_ours(&self, lease: &str) -> bool {
        lease.split_once(' ').is_some_and(|(_, holder)| *holder == *self.holder)
    }

    fn begin(
        &mut self,
        text: Arc<str>,
        asked_at: SinceBoot,
        continues: bool,
        now: UnixMs,
    ) -> Lease {
        self.last_known = Some(text.to_string());
        self.leader.send_replace(self.last_known.clone());
        let (mut trusted_until, mut broker_clock) = (SinceBoot::NEVER, None);
        if S::CAPABILITIES.shared {
            trusted_until = self.times.trusted_until(asked_at);
            broker_clock = Some(self.read_clock(now));
        }
        Lease { text, trusted_until, continues, broker_clock }
    }

    async fn lead(&mut self, lease: Lease) -> End {
        if S::CAPABILITIES.shared { self.keep(lease).await } else { self.lead_alone().await }
    }

    /// Renews until the lease is lost, given up or no longer to be trusted.
    async fn keep(&mut self, mut lease: Lease) -> End {
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
            match self.store.renew(Arc::clone(&lease.text), self.times.ttl).await {
                Ok(renewed) if renewed.kept => {
                    failures = 0;
                    pause = self.times.renew_every;
                    lease.trusted_until = self.times.trusted_until(asked_at);
                    lease.broker_clock = Some(self.read_clock(renewed.now));
                    self.leadership.send_replace(Some(lease.clone()));
                    self.report(None);
                    let _ = self.announce().await;
                    if self.should_make_way() {
                        warn!(skew_ms = self.myself.skew_ms, "made way: this clock is off");
                        return End::Resigned(None);
                    }
                }
                Ok(_) => {
                    warn!(term = lease.term(), "lost the lease");
                    return End::Lost;
                }
                Err(error @ StoreError::Unusable(_)) => return End::Unusable(error),
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

    /// Leads where there is nobody to make way for.
    async fn lead_alone(&mut self) -> End {
        loop {
            match self.requests.recv().await {
                Some(Request::Resign(answer)) => {
                    let _ = answer.send(Err(NOBODY_ELSE.to_owned()));
                }
                Some(Request::Leave) | None => return End::Left,
            }
        }
    }

    fn read_clock(&mut self, shown: UnixMs) -> Reading {
        self.myself.skew_ms = clock::wall().0.saturating_sub(shown.0);
        Reading { shown, at: SinceBoot::now() }
    }

    fn should_make_way(&self) -> bool {
        let saner =
            |peer: &Peer| peer.holder != self.myself.holder && !peer.dead && !peer.is_skewed();
        let is_off = self.myself.skew_ms.unsigned_abs() > SKEW_RESIGNED_MS.unsigned_abs();
        is_off && self.peers.borrow().iter().any(saner)
    }

    async fn announce(&mut self) -> Result<(), StoreError> {
        if !S::CAPABILITIES.shared {
            return Ok(());
        }
        self.myself.schedule.clone_from(&self.schedule.borrow());
        let announced = self.say(serde_json::to_string(&self.myself).unwrap_or_default()).await?;
        let read = |announcement| Peer::read(announcement, self.times.ttl);
        let peers: Vec<Peer> = announced.replicas.into_iter().filter_map(read).collect();
        self.warn_of(&peers);
        self.peers.send_replace(peers);
        self.peer_count.send_replace(announced.count);
        Ok(())
    }

    async fn say(&mut self, said: String) -> Result<Announced, StoreError> {
        let name = self.myself.holder.as_str().into();
        self.store.announce(name, said, self.times.ttl * 3).await
    }

    /// One line for each change of what is wrong, not one for each look.
    fn warn_of(&self, peers: &[Peer]) {
        let known = self.peers.borrow();
        let mut warnings = 0..MAX_WARNINGS;
        for peer in peers.iter().filter(|peer| !peer.dead) {
            let before = known.iter().find(|known| known.holder == peer.holder);
            let differs = peer.schedule != self.myself.schedule;
            if differs
                && before.is_none_or(|before| before.schedule != peer.schedule)
                && warnings.next().is_some()
            {
                warn!(replica = %peer.holder, theirs = %peer.schedule, ours = %self.myself.schedule,
                    "another replica has a different schedule");
            }
            if peer.is_skewed()
                && before.is_none_or(|before| !before.is_skewed())
                && warnings.next().is_some()
            {
                warn!(replica = %peer.holder, skew_ms = peer.skew_ms,
                    "a replica's clock differs from the broker's");
            }
        }
    }

    /// Logs the broker's coming and going, once each.
    fn report(&mut self, error: Option<&StoreError>) {
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

#[cfg(test)]
mod tests;
