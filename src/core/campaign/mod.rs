//! One replica's campaign for the lease: it acquires, renews and resigns.
//!
//! It is a state machine like the [scheduler](super::Scheduler), but runs on a thread and a connection of its
//! own, so that no amount of work delays a renewal. At most one request and one probe are in flight.

mod interface;
mod log;
mod names;
mod peers;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use self::names::Names;
use self::peers::Peers;
use super::{Now, RequestId, backoff};
use crate::clock::SinceBoot;
use crate::leader::lease::{Lease, LeaseTimes, Reading};
use crate::leader::peer::Peer;
use crate::store::contract::{Acquire, Acquired, Renewed, StoreError};

pub use self::interface::{
    Action, Answer, Event, Named, Parts, Request, ResignError, Status, Writes,
};
pub use self::log::Log;

/// The holder's name where only one process can hold the lease.
pub const SOLE: &str = "sole";
/// Replicas woken by a resignation spread their requests over this time, so that the others find the lease
/// taken.
const RESIGNATION_SPREAD: Duration = Duration::from_millis(30);

/// One replica's part in finding a leader.
#[derive(Debug)]
pub struct Campaign {
    shared: bool,
    times: LeaseTimes,
    rng: fastrand::Rng,
    names: Names,
    peers: Peers,
    /// The lease while this replica leads.
    lease: Option<Lease>,
    asked: Option<(RequestId, PendingRequest)>,
    probe: Option<RequestId>,
    /// When the next request is due if nothing happens before.
    next_at: SinceBoot,
    /// Consecutive failed requests.
    failures: u32,
    status: Status,
    /// The lease of the last known tenure, ours or another's.
    last_known: Option<Arc<str>>,
    own_last: Option<Arc<str>>,
    unmarked_since: Option<SinceBoot>,
    hold_back_until: Option<SinceBoot>,
    /// Whether this replica holds back because it could not publish.
    waits_for_probe: bool,
    /// How long it holds back the next time it cannot publish.
    hold_back: Duration,
    /// Since when this tenure's writes have timed out.
    stuck_since: Option<SinceBoot>,
    /// Whether the store has ever answered.
    was_reached: bool,
    is_asked_to_resign: bool,
    is_leaving: bool,
    is_over: bool,
    last_id: u64,
    actions: Vec<Action>,
}

/// A request without an answer yet.
#[derive(Debug)]
enum PendingRequest {
    Name,
    Acquire {
        at: SinceBoot,
        request: Acquire,
        /// As far as this replica knows, nobody has led since it did.
        remembers: bool,
    },
    /// Keeps a lease that is ours, though the answer that granted it was lost.
    Adopt {
        at: SinceBoot,
        lease: Arc<str>,
        remembers: bool,
    },
    Renew {
        at: SinceBoot,
    },
    Announce,
    Resign {
        lease: Arc<str>,
        hold_back: HoldBack,
    },
    Farewell,
}

/// How long a replica that has resigned does not ask for the lease.
#[derive(Clone, Copy, Debug)]
struct HoldBack {
    length: Duration,
    /// It could not publish. If nobody leads, it asks as soon as its own probe has passed.
    is_stuck: bool,
}

impl HoldBack {
    const NONE: HoldBack = HoldBack::on_request(Duration::ZERO);

    const fn on_request(length: Duration) -> HoldBack {
        HoldBack { length, is_stuck: false }
    }
}

impl Campaign {
    /// Creates a campaign that has not made a request yet.
    #[must_use]
    pub fn new(parts: Parts) -> Campaign {
        let Parts { shared, times, myself, seed } = parts;
        let mut rng = fastrand::Rng::with_seed(seed);
        Campaign {
            shared,
            times,
            names: Names::new(new_holder(shared, &myself, &mut rng)),
            rng,
            peers: Peers::new(myself),
            lease: None,
            asked: None,
            probe: None,
            next_at: SinceBoot(Duration::ZERO),
            failures: 0,
            status: Status { is_starting: true, ..Status::default() },
            last_known: None,
            own_last: None,
            unmarked_since: None,
            hold_back_until: None,
            waits_for_probe: false,
            hold_back: times.ttl,
            stuck_since: None,
            was_reached: false,
            is_asked_to_resign: false,
            is_leaving: false,
            is_over: false,
            last_id: 0,
            actions: Vec::new(),
        }
    }

    /// The campaign's status.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// When to call [`Campaign::handle`] with [`Event::Wake`] if nothing else happens before.
    #[must_use]
    pub fn wake(&self) -> SinceBoot {
        let asks_at = if self.asked.is_none() { self.next_at } else { SinceBoot::NEVER };
        let trusted_until = self.lease.as_ref().map(|lease| lease.trusted_until);
        trusted_until.map_or(asks_at, |until| until.min(asks_at))
    }

    /// Handles an event and returns the actions to perform, in order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        match event {
            Event::Answered(id, answer) => self.on_answered(id, answer, now),
            Event::Resigned(lease) => self.on_resigned(&lease, now),
            Event::Writes(writes) => self.on_writes(writes, now),
            Event::Schedule(hash) => self.peers.myself.schedule = hash,
            Event::Resign => self.on_resign(),
            Event::Leave => self.is_leaving = true,
            Event::Wake => {}
        }
        self.turn(now);
        std::mem::take(&mut self.actions)
    }

    /// Makes the next request if it is due.
    fn turn(&mut self, now: Now) {
        if let Some(lease) = self.lease.take_if(|lease| !lease.is_trusted(now.since_boot)) {
            self.log(Log::NotRenewed(Arc::clone(&lease.text)));
            self.step_down(lease.text, now);
        }
        if self.asked.is_some() || self.is_over {
            return;
        }
        match &self.lease {
            Some(_) if self.is_leaving => self.resign(HoldBack::NONE),
            Some(_) if self.is_asked_to_resign => {
                self.resign(HoldBack::on_request(self.times.ttl / 2))
            }
            Some(lease) if self.shared && self.next_at <= now.since_boot => {
                let request = Request::Renew(Arc::clone(&lease.text));
                self.ask(request, PendingRequest::Renew { at: now.since_boot });
            }
            Some(_) => {}
            None if self.is_leaving && self.shared => {
                self.ask(Request::Announce(String::new()), PendingRequest::Farewell);
            }
            None if self.is_leaving => self.end(Ok(())),
            None if self.next_at <= now.since_boot => self.follow(now),
            None => {}
        }
    }

    /// Asks for the lease, unless this replica has just given it up.
    fn follow(&mut self, now: Now) {
        if let Some(until) = self.hold_back_until.filter(|until| *until > now.since_boot) {
            self.next_at = until.min(now.since_boot + self.times.renew_every);
            if self.waits_for_probe && !self.peers.has_leader() {
                // A replica that could not publish may be able to again, and no other replica leads.
                self.probe();
            }
            return self.announce();
        }
        self.hold_back_until = None;
        if self.shared {
            self.ask(Request::Name(self.names.drawn()), PendingRequest::Name);
        } else {
            self.acquire(now);
        }
    }

    fn acquire(&mut self, now: Now) {
        let ttl = self.times.ttl;
        let remembers = self.own_last.is_some() && self.last_known == self.own_last;
        let waited = self.unmarked_since.is_some_and(|since| now.since_boot.since(since) >= ttl);
        let even_unmarked = remembers || waited || !self.shared;
        let request = Acquire { holder: self.names.holder(), ttl, even_unmarked, replaces: None };
        self.ask_for_lease(request, remembers, now.since_boot);
    }

    fn ask_for_lease(&mut self, request: Acquire, remembers: bool, at: SinceBoot) {
        let asked = PendingRequest::Acquire { at, request: request.clone(), remembers };
        self.ask(Request::Acquire(request), asked);
    }

    fn on_answered(&mut self, id: RequestId, answer: Result<Answer, StoreError>, now: Now) {
        if self.probe.take_if(|probe| *probe == id).is_some() {
            return self.on_probed(answer.is_ok(), now);
        }
        let Some((_, asked)) = self.asked.take_if(|(asked, _)| *asked == id) else { return };
        match (asked, answer) {
            (PendingRequest::Name, Ok(Answer::Named(named))) => {
                self.names.update(named);
                self.acquire(now);
            }
            (
                PendingRequest::Acquire { at, request, remembers },
                Ok(Answer::Acquired(acquired)),
            ) => {
                self.report(None);
                self.on_acquired(acquired, request, remembers, at, now);
            }
            (PendingRequest::Adopt { at, lease, remembers }, Ok(Answer::Renewed(renewed))) => {
                self.report(None);
                if renewed.kept {
                    self.begin(lease, remembers, renewed.now, at, now);
                }
            }
            (PendingRequest::Renew { at }, Ok(Answer::Renewed(renewed))) => {
                self.report(None);
                self.on_renewed(renewed, at, now);
            }
            (PendingRequest::Announce, Ok(Answer::Announced(announced))) => {
                self.on_announced(announced, now)
            }
            // A full store refuses announcements; it is not away.
            (PendingRequest::Announce, _) => {}
            (PendingRequest::Resign { lease, hold_back }, answer) => {
                self.on_given_up(lease, hold_back, answer.map(drop), now);
            }
            (PendingRequest::Farewell, _) => self.end(Ok(())),
            (_, Err(error @ StoreError::Unusable(_))) => self.end(Err(error)),
            (PendingRequest::Renew { .. }, Err(error)) => {
                self.fail(&error, self.times.renew_every / 2, now)
            }
            (_, Err(error)) => {
                self.status.leader = None;
                self.fail(&error, self.times.renew_every, now);
            }
            (asked, Ok(answer)) => debug_assert!(false, "{answer:?} is not an answer to {asked:?}"),
        }
    }

    fn on_acquired(
        &mut self,
        acquired: Acquired,
        mut request: Acquire,
        remembers: bool,
        asked_at: SinceBoot,
        now: Now,
    ) {
        if !matches!(acquired, Acquired::Unmarked { .. }) {
            (self.unmarked_since, self.status.waits_until) = (None, None);
        }
        if !matches!(acquired, Acquired::Unreadable { .. }) {
            self.status.lease_trouble = None;
        }
        match acquired {
            Acquired::Ours { lease, now: shown } => {
                self.begin(lease, remembers, shown, asked_at, now);
            }
            Acquired::Held { lease, .. }
                if request.replaces.is_none() && self.names.is_gone(&lease) =>
            {
                let lease = Arc::<str>::from(lease);
                self.log(Log::LeaderGone(Arc::clone(&lease)));
                request.replaces = Some(lease);
                self.ask_for_lease(request, remembers, now.since_boot);
            }
            Acquired::Held { lease, .. } if self.names.is_ours(&lease) => {
                // The answer to an earlier request was lost; the lease has been ours since then.
                let (lease, at) = (Arc::<str>::from(lease), now.since_boot);
                let asked = PendingRequest::Adopt { at, lease: Arc::clone(&lease), remembers };
                self.ask(Request::Renew(lease), asked);
            }
            Acquired::Held { lease, left, now: shown } => {
                self.read_clock(shown, now);
                self.note_leader(lease.into(), left, now);
            }
            Acquired::Unmarked { now: shown } => {
                self.read_clock(shown, now);
                self.wait_for_who_remembers(now);
            }
            Acquired::Unreadable { why, now: shown } => {
                self.read_clock(shown, now);
                self.status.leader = None;
                if self.status.lease_trouble.as_ref() != Some(&why) {
                    self.log(Log::Unreadable(why.clone()));
                }
                self.status.lease_trouble = Some(why);
                self.next_at = now.since_boot + self.times.renew_every;
                self.announce();
            }
        }
    }

    /// Starts a tenure with an acquired lease.
    fn begin(
        &mut self,
        text: Arc<str>,
        continues: bool,
        shown: UnixMs,
        asked_at: SinceBoot,
        now: Now,
    ) {
        self.log(Log::Acquired(Arc::clone(&text)));
        self.last_known = Some(Arc::clone(&text));
        self.own_last = Some(Arc::clone(&text));
        self.status.leader = Some(Arc::clone(&text));
        self.peers.myself.tenure = Some(text.to_string());
        (self.failures, self.is_asked_to_resign) = (0, false);
        let (mut trusted_until, mut broker_clock) = (SinceBoot::NEVER, None);
        self.next_at = SinceBoot::NEVER;
        if self.shared {
            trusted_until = self.times.trusted_until(asked_at);
            broker_clock = Some(self.read_clock(shown, now));
            self.next_at = asked_at + self.times.renew_every;
            self.announce();
        }
        let lease = Lease { text, trusted_until, continues, broker_clock };
        self.lease = Some(lease.clone());
        self.actions.push(Action::Lease(Some(lease)));
    }

    fn on_renewed(&mut self, renewed: Renewed, asked_at: SinceBoot, now: Now) {
        let Some(lease) = &self.lease else { return };
        if !renewed.kept {
            let text = Arc::clone(&lease.text);
            self.log(Log::Lost(Arc::clone(&text)));
            return self.step_down(text, now);
        }
        let reading = self.read_clock(renewed.now, now);
        self.failures = 0;
        self.next_at = asked_at + self.times.renew_every;
        if let Some(lease) = &mut self.lease {
            lease.trusted_until = self.times.trusted_until(asked_at);
            lease.broker_clock = Some(reading);
            self.actions.push(Action::Lease(Some(lease.clone())));
        }
        self.announce();
    }

    /// Notes another leader, whose lease can expire in `left`.
    fn note_leader(&mut self, lease: Arc<str>, left: Duration, now: Now) {
        if self.last_known.as_ref() != Some(&lease) {
            self.log(Log::Following(Arc::clone(&lease)));
        }
        self.last_known = Some(Arc::clone(&lease));
        self.status.leader = Some(lease);
        self.failures = 0;
        let jitter = Duration::from_millis(self.rng.u64(1..50));
        // The others count a replica as dead if it is silent for a TTL.
        self.next_at = now.since_boot + (left + jitter).min(self.times.renew_every);
        self.announce();
    }

    /// Waits for replicas that remember: the namespace is empty and nobody leads.
    fn wait_for_who_remembers(&mut self, now: Now) {
        let ttl = self.times.ttl;
        self.status.leader = None;
        self.failures = 0;
        if self.unmarked_since.is_none() {
            self.unmarked_since = Some(now.since_boot);
            self.status.waits_until = Some(now.wall + ttl);
            self.log(Log::Unmarked(ttl));
        }
        let ends_at =
            self.unmarked_since.map(|since| since + ttl).filter(|at| *at > now.since_boot);
        let latest = now.since_boot + self.times.renew_every;
        self.next_at = ends_at.map_or(latest, |at| at.min(latest));
    }

    /// Asks for the lease soon if the leader that we know of has resigned. Other resignations are noise:
    /// followers ask often enough.
    fn on_resigned(&mut self, lease: &str, now: Now) {
        let is_known = self.last_known.as_deref().is_none_or(|known| known == lease);
        if self.lease.is_some() || !is_known && !lease.is_empty() {
            return;
        }
        let mut at = now.since_boot + RESIGNATION_SPREAD.mul_f64(self.rng.f64());
        if self.peers.is_leader_stuck && !self.peers.myself.ready {
            // Replicas whose probe has passed go first.
            at = at + self.times.renew_every;
        }
        self.next_at = self.next_at.min(at);
    }

    fn on_resign(&mut self) {
        let refusal = match &self.lease {
            Some(_) if self.shared => {
                self.is_asked_to_resign = true;
                return;
            }
            Some(_) => ResignError::Alone,
            None => ResignError::NotLeading,
        };
        self.actions.push(Action::Answer(Err(refusal)));
    }

    /// Gives up the lease and holds back for a while.
    fn resign(&mut self, hold_back: HoldBack) {
        let Some(Lease { text, .. }) = self.lease.take() else { return };
        self.end_tenure();
        let asked = PendingRequest::Resign { lease: Arc::clone(&text), hold_back };
        self.ask(Request::Resign(text), asked);
    }

    fn on_given_up(
        &mut self,
        lease: Arc<str>,
        hold_back: HoldBack,
        answer: Result<(), StoreError>,
        now: Now,
    ) {
        // Without other replicas this is not worth logging.
        if self.shared && (answer.is_ok() || !self.is_leaving) {
            self.log(Log::Resigned(lease));
        }
        self.hold_back_until = Some(now.since_boot + hold_back.length);
        self.waits_for_probe = hold_back.is_stuck;
        self.next_at = now.since_boot;
        self.is_asked_to_resign = false;
        self.actions.push(Action::Answer(answer.map_err(ResignError::from)));
    }

    fn end(&mut self, end: Result<(), StoreError>) {
        self.is_over = true;
        self.actions.push(Action::End(end));
    }

    /// Stops leading because the lease is gone, and asks for the next one at once.
    fn step_down(&mut self, lease: Arc<str>, now: Now) {
        self.end_tenure();
        self.log(Log::SteppedDown(lease));
        self.next_at = now.since_boot;
        if std::mem::take(&mut self.is_asked_to_resign) {
            self.actions.push(Action::Answer(Err(ResignError::NotLeading)));
        }
    }

    fn end_tenure(&mut self) {
        self.lease = None;
        self.status.leader = None;
        self.peers.myself.tenure = None;
        self.peers.myself.stuck = false;
        self.stuck_since = None;
        self.failures = 0;
        self.names.renew(new_holder(self.shared, &self.peers.myself, &mut self.rng));
        self.actions.push(Action::Lease(None));
    }

    /// Schedules a retry after an error, with a pause that grows up to `max`.
    fn fail(&mut self, error: &StoreError, max: Duration, now: Now) {
        self.report(Some(error));
        self.failures += 1;
        self.next_at = now.since_boot + backoff(self.failures, max, &mut self.rng);
    }

    /// Notes whether the store answers, and logs each change once.
    fn report(&mut self, error: Option<&StoreError>) {
        let answered_before = self.was_reached;
        self.status.is_starting = false;
        self.was_reached |= error.is_none();
        self.status.errors += u64::from(error.is_some());
        match (&self.status.trouble, error) {
            (None, Some(error)) => {
                self.log(Log::Away { error: error.to_string(), answered_before });
            }
            (Some(_), None) => self.log(Log::Back { answered_before }),
            // Another error while it is away is only shown in `status`.
            _ => {}
        }
        self.status.trouble = error.cloned();
    }

    fn read_clock(&mut self, shown: UnixMs, now: Now) -> Reading {
        self.peers.myself.skew_ms = now.wall.0.saturating_sub(shown.0);
        Reading { shown, at: now.since_boot }
    }

    fn ask(&mut self, request: Request, asked: PendingRequest) {
        let id = self.new_id();
        self.asked = Some((id, asked));
        self.actions.push(Action::Request(id, request));
    }

    fn new_id(&mut self) -> RequestId {
        self.last_id += 1;
        RequestId(self.last_id)
    }

    fn log(&mut self, log: Log) {
        self.actions.push(Action::Log(log));
    }
}

/// Makes the holder's name for this replica's next tenure.
fn new_holder(shared: bool, myself: &Peer, rng: &mut fastrand::Rng) -> Arc<str> {
    if shared { myself.new_holder(rng).into() } else { SOLE.into() }
}
