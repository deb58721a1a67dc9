//! What this replica announces, and how it reacts to the other replicas' announcements.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Action, Campaign, HoldBack, Log, PendingRequest, Request, Writes};
use crate::core::Now;
use crate::leader::peer::Peer;
use crate::store::contract::{Announced, Announcement};

/// From this skew on, a leader resigns in favour of a replica whose clock is right.
const SKEW_RESIGNED_MS: i64 = 5_000;
/// The longest time that a replica holds back after it could not publish.
const MAX_HOLD_BACK: Duration = Duration::from_secs(600);
/// The most warnings logged per reading of the replicas.
pub(super) const MAX_WARNINGS: usize = 10;

/// This replica and the others.
#[derive(Debug)]
pub(super) struct Peers {
    /// This replica's next announcement.
    pub(super) myself: Peer,
    /// Whether a living leader says that its writes time out.
    pub(super) is_leader_stuck: bool,
    /// Each replica's last announcement, as read and as parsed.
    known: BTreeMap<String, (String, Peer)>,
}

impl Peers {
    pub(super) fn new(myself: Peer) -> Peers {
        Peers { myself, is_leader_stuck: false, known: BTreeMap::new() }
    }

    /// Whether any replica, this one included, says that it leads.
    pub(super) fn has_leader(&self) -> bool {
        self.living().any(|peer| peer.tenure.is_some())
    }

    fn living(&self) -> impl Iterator<Item = &Peer> {
        self.known.values().map(|(_, peer)| peer).filter(|peer| !peer.dead)
    }

    fn others(&self) -> impl Iterator<Item = &Peer> {
        self.living().filter(|peer| peer.holder != self.myself.holder)
    }

    /// Reads the announcements. Parses only those that have changed.
    fn read(&mut self, announcements: Vec<Announcement>, ttl: Duration) {
        let mut before = std::mem::take(&mut self.known);
        for announcement in announcements {
            let known = before.remove(&announcement.replica);
            let peer = match known {
                Some((said, peer)) if said == announcement.said => {
                    Some(peer.with_age(announcement.age, ttl))
                }
                _ => Peer::read(&announcement, ttl),
            };
            if let Some(peer) = peer {
                self.known.insert(announcement.replica, (announcement.said, peer));
            }
        }
    }
}

impl Campaign {
    pub(super) fn announce(&mut self) {
        if self.shared && !self.is_leaving {
            let said = serde_json::to_string(&self.peers.myself).unwrap_or_default();
            self.ask(Request::Announce(said), PendingRequest::Announce);
        }
    }

    pub(super) fn on_announced(&mut self, announced: Announced, now: Now) {
        let Announced { replicas, count } = announced;
        self.peers.read(replicas, self.times.ttl);
        self.warn();
        self.status.peers = self.peers.known.values().map(|(_, peer)| peer.clone()).collect();
        self.status.peer_count = count;
        if self.lease.is_some() {
            self.yield_to_better(now);
        } else {
            self.look_at_leader();
        }
    }

    /// Resigns if another replica can lead better.
    fn yield_to_better(&mut self, now: Now) {
        let skew_ms = self.peers.myself.skew_ms;
        let is_off = skew_ms.unsigned_abs() > SKEW_RESIGNED_MS.unsigned_abs();
        if is_off && self.peers.others().any(|peer| !peer.is_skewed()) {
            self.log(Log::ClockIsOff(skew_ms));
            return self.resign(HoldBack::on_request(self.times.ttl / 2));
        }
        let stuck_for = self.stuck_since.map(|since| now.since_boot.since(since));
        if let Some(stuck_for) = stuck_for.filter(|stuck_for| *stuck_for >= self.times.ttl)
            && self.peers.others().any(|peer| peer.ready)
        {
            self.log(Log::CannotPublish(stuck_for));
            let length = self.hold_back;
            self.hold_back = (length * 2).min(MAX_HOLD_BACK);
            self.resign(HoldBack { length, is_stuck: true });
        }
    }

    /// Probes the store while the leader cannot publish.
    fn look_at_leader(&mut self) {
        let is_stuck = self.peers.others().any(|peer| peer.tenure.is_some() && peer.stuck);
        self.peers.is_leader_stuck = is_stuck;
        if is_stuck {
            self.probe();
        } else {
            self.peers.myself.ready = false;
        }
    }

    pub(super) fn probe(&mut self) {
        if self.probe.is_none() {
            let id = self.new_id();
            self.probe = Some(id);
            self.actions.push(Action::Request(id, Request::Probe));
        }
    }

    pub(super) fn on_probed(&mut self, has_passed: bool, now: Now) {
        let is_new = has_passed != self.peers.myself.ready;
        self.peers.myself.ready = has_passed;
        if has_passed && self.waits_for_probe && !self.peers.has_leader() {
            self.hold_back_until = None;
        }
        if is_new && self.lease.is_none() {
            // Tells the other replicas soon.
            self.next_at = self.next_at.min(now.since_boot);
        }
    }

    pub(super) fn on_writes(&mut self, writes: Writes, now: Now) {
        match writes {
            Writes::Succeed => {
                self.hold_back = self.times.ttl;
                self.stuck_since = None;
            }
            Writes::TimeOut(since) => {
                if self.lease.is_some() && self.stuck_since.is_none() {
                    self.stuck_since = Some(since);
                    // Tells the other replicas soon.
                    self.next_at = self.next_at.min(now.since_boot);
                }
            }
        }
        self.peers.myself.stuck = self.stuck_since.is_some();
    }

    /// Logs each change of what is wrong once, not with every reading.
    fn warn(&mut self) {
        let mut warnings = Vec::new();
        let myself = &self.peers.myself;
        for peer in self.peers.living() {
            let before = self.status.peers.iter().find(|known| known.holder == peer.holder);
            if peer.schedule != myself.schedule
                && before.is_none_or(|before| before.schedule != peer.schedule)
            {
                warnings.push(Log::DifferentSchedule {
                    replica: peer.holder.clone(),
                    theirs: peer.schedule.clone(),
                    ours: myself.schedule.clone(),
                });
            }
            if peer.is_skewed() && before.is_none_or(|before| !before.is_skewed()) {
                let (replica, skew_ms) = (peer.holder.clone(), peer.skew_ms);
                warnings.push(Log::SkewedClock { replica, skew_ms });
            }
        }
        warnings.into_iter().take(MAX_WARNINGS).for_each(|warning| self.log(warning));
    }
}
