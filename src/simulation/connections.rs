//! A scheduler's connection to the store, which closes idle ones: requests on one that is closed are lost at once.

use std::ops::Range;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::replica::Replica;
use super::{FOREVER, World};
use crate::core::{Answer, Event, Request};
use crate::store::contract::Reply;
use crate::store::keep_alive::KeepAlive;

/// How long the store leaves an idle connection open, in seconds. A leader reads the counters whenever it has renewed
/// its lease, every 20 s; so shorter timeouts than that are noticed, and longer ones need few pings.
pub(super) const TIMEOUTS_S: Range<u64> = 12..18;
/// More than half of every timeout.
const MAX_IDLE: Duration = Duration::from_secs(3600);

/// A connection, opened on demand.
pub(super) struct Connection {
    keep_alive: KeepAlive<UnixMs>,
    is_open: bool,
    /// When it is noticed that the store has closed it.
    lost_at: Option<UnixMs>,
    /// What the store says when the connection is opened.
    timeout: Option<Duration>,
    /// When the store was last sent something.
    used_at: UnixMs,
    /// The number of requests that wait for an answer.
    in_flight: usize,
}

impl Default for Connection {
    fn default() -> Connection {
        Connection {
            keep_alive: KeepAlive::new(MAX_IDLE, UnixMs::MIN),
            is_open: false,
            lost_at: None,
            timeout: None,
            used_at: UnixMs::MIN,
            in_flight: 0,
        }
    }
}

impl Connection {
    /// When to ping.
    pub(super) fn ping_at(&self) -> UnixMs {
        let ping_at = self.keep_alive.ping_at(self.timeout, self.in_flight);
        ping_at.filter(|_| self.is_open && self.lost_at.is_none()).unwrap_or(FOREVER)
    }

    /// Notes that somebody waits for the answer to a request.
    pub(super) fn on_request(&mut self, request: &Request) {
        self.in_flight += 1;
        if is_fenced(request) {
            self.keep_alive.set_wanted(true);
        }
    }

    /// Lets the store close it: its replica leads no longer.
    pub(super) fn let_go(&mut self) {
        self.keep_alive.set_wanted(false);
    }

    /// Sends a request or a ping, on a new connection if there is none. If it is lost because the store has closed
    /// the connection, returns when that is noticed; whatever is sent before then is lost, too.
    pub(super) fn send(
        &mut self,
        now: UnixMs,
        timeout: Duration,
        noticed_after: Duration,
    ) -> Option<UnixMs> {
        self.keep_alive.on_sent(now);
        if self.lost_at.is_some_and(|lost_at| lost_at <= now) {
            self.close();
        }
        let is_idle = now.since(self.used_at) >= timeout;
        if self.is_open && self.lost_at.is_none() && is_idle {
            self.lost_at = Some(now + noticed_after);
        }
        if self.lost_at.is_none() {
            (self.is_open, self.timeout, self.used_at) = (true, Some(timeout), now);
        }
        self.lost_at
    }

    /// Drops the connection: the next request opens another.
    pub(super) fn close(&mut self) {
        (self.is_open, self.lost_at) = (false, None);
    }
}

/// Whether the store carries out the request for the leader only.
fn is_fenced(request: &Request) -> bool {
    match request {
        Request::Register(_)
        | Request::Dispatch(_)
        | Request::Intend(_)
        | Request::Settle(_)
        | Request::Fold(_) => true,
        Request::Read
        | Request::Counters
        | Request::History(_)
        | Request::Trim(_)
        | Request::Pauses
        | Request::PrunePauses(_) => false,
    }
}

impl World {
    /// A replica pings the store.
    pub(super) fn ping(&mut self, index: usize) {
        let (now, timeout, is_away) = (self.now, self.idle_timeout, self.now < self.store_back_at);
        let is_calm = self.is_calm();
        let Replica { number, link, lease, cut_until, .. } = &mut self.replicas[index];
        let is_cut = now < *cut_until;
        if is_cut {
            link.lose_packet(now);
        }
        let is_late = link.connection.send(now, timeout, Duration::ZERO).is_some();
        assert!(!is_late || !is_calm || lease.is_none(), "r{number} pings too late");
        if is_cut || is_away {
            link.connection.close();
        }
    }

    /// Notes the answer to a scheduler's request, and checks that none of a leader's fails while nothing is wrong.
    pub(super) fn note_answer(&mut self, index: usize, event: &Event) {
        let Event::Answered(_, answer) = event else { return };
        let is_calm = self.is_calm();
        let Replica { number, link, lease, .. } = &mut self.replicas[index];
        link.connection.in_flight -= 1;
        match answer {
            Ok(Answer::Reply(Reply::Fenced)) => link.connection.let_go(),
            Ok(_) => {}
            Err(error) => {
                // A single packet is lost whenever the next is sent.
                let is_lost = self.now <= link.stuck_until;
                let is_wrong = lease.is_some() && is_calm && !is_lost;
                assert!(
                    !is_wrong,
                    "r{number}'s request has failed though nothing is wrong: {error}"
                );
            }
        }
    }
}
