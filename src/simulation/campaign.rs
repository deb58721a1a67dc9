//! One replica's campaign, and its link to the lease.

use std::time::Duration;

use super::replica::{Input, Packet};
use super::{SECOND, TTL, World, answer};
use crate::core::RequestId;
use crate::core::campaign::{Action, Answer, Event, Log, Named, Request, Writes};
use crate::leader::lease::LeaseTimes;
use crate::store::contract::{Store, StoreError};

/// The time in which a leader that cannot publish has resigned, if another replica can lead.
const RESIGNS_WITHIN: Duration = Duration::from_secs(3 * TTL.as_secs());

impl World {
    /// Passes an event to a campaign and performs the actions.
    pub(super) fn campaign(&mut self, index: usize, event: Event) {
        let (now, number) = (self.clocks(), self.replicas[index].number);
        for action in self.replicas[index].campaign.handle(event, now) {
            match action {
                Action::Request(id, request) => self.ask_for_campaign(index, id, request),
                Action::Lease(lease) => {
                    self.replicas[index].lease.clone_from(&lease);
                    if lease.is_none() {
                        self.replicas[index].stuck_since = None;
                    }
                    self.check_that_it_can_publish(index);
                    let event = crate::core::Event::Lease(lease);
                    self.report_soon(number, Input::Scheduler(event));
                }
                Action::Answer(_) => {}
                Action::Log(log) => {
                    self.trace(|| format!("r{number}: {log:?}"));
                    self.stuck_resignations += u64::from(matches!(log, Log::CannotPublish(_)));
                }
                Action::End(end) => panic!("{end:?}"),
            }
        }
        let wake = self.replicas[index].campaign.wake();
        self.replicas[index].campaign_wakes_at = self.instant(wake);
    }

    /// Notes how a scheduler's writes are going.
    pub(super) fn on_writes(&mut self, index: usize, writes: Writes) {
        let number = self.replicas[index].number;
        let since = match writes {
            Writes::Succeed => None,
            Writes::TimeOut(since) => Some(self.instant(since)),
        };
        let replica = &mut self.replicas[index];
        let since = since.map(|since| replica.stuck_since.unwrap_or(since));
        replica.stuck_since = since.filter(|_| replica.lease.is_some());
        self.report_soon(number, Input::Campaign(Event::Writes(writes)));
    }

    /// Checks that a leader that cannot publish has resigned in time.
    fn check_that_it_can_publish(&self, index: usize) {
        let Some(since) = self.replicas[index].stuck_since else { return };
        let since = since.max(self.disturbed_until + TTL);
        let number = self.replicas[index].number;
        assert!(self.now.since(since) < RESIGNS_WITHIN, "r{number} has been stuck since {since}");
    }

    fn ask_for_campaign(&mut self, index: usize, id: RequestId, request: Request) {
        let (now, delay) = (self.now, self.within(SECOND / 200));
        let replica = &mut self.replicas[index];
        let number = replica.number;
        if let Request::Name(holder) = request {
            if replica.names.last().is_none_or(|last| **last != *holder) {
                replica.names.push(holder.to_string());
            }
            let gone = replica.gone.clone();
            let answer = Ok(Answer::Named(Named { holder, gone }));
            return self.report_soon(number, Input::Campaign(Event::Answered(id, answer)));
        }
        if let Request::Resign(_) = request {
            replica.link.connection.let_go();
        }
        let is_lost = now < replica.cut_until
            || matches!(request, Request::Probe) && now < replica.narrow_until;
        if now < self.store_back_at {
            let away = StoreError::Unavailable("connection refused".to_owned());
            return self.report_soon(number, Input::Campaign(Event::Answered(id, Err(away))));
        }
        if is_lost {
            return self.leave_unanswered(number, id);
        }
        let link = &mut replica.lease_link;
        let arrives = link.arrival(now + delay);
        self.put_on_wire(arrives, number, Packet::Asks(id, request));
    }

    fn leave_unanswered(&mut self, number: u64, id: RequestId) {
        let answer = Err(StoreError::Unanswered("no answer".to_owned()));
        let at = self.now + LeaseTimes::new(TTL).deadline;
        let input = Input::Campaign(Event::Answered(id, answer));
        self.put_on_wire(at, number, Packet::Reports(Box::new(input)));
    }

    /// A campaign's request reaches the store.
    pub(super) fn arrive_from_campaign(&mut self, number: u64, id: RequestId, request: Request) {
        if self.now < self.store_back_at {
            return self.leave_unanswered(number, id);
        }
        if self.now < self.hung_until {
            self.leave_unanswered(number, id);
            // It is carried out later, when nobody waits for it any more.
            return self.put_on_wire(self.hung_until, number, Packet::Asks(id, request));
        }
        let needs_room = matches!(request, Request::Acquire(_) | Request::Announce(_));
        let answered = if needs_room && self.now < self.full_until {
            Err(StoreError::Refused("OOM".to_owned()))
        } else {
            Ok(self.carry_out_for_campaign(number, request))
        };
        self.report_soon(number, Input::Campaign(Event::Answered(id, answered)));
    }

    fn carry_out_for_campaign(&mut self, number: u64, request: Request) -> Answer {
        let store = &mut self.store;
        match request {
            Request::Acquire(request) => Answer::Acquired(answer(store.acquire(request))),
            Request::Renew(lease) => Answer::Renewed(answer(store.renew(lease, TTL))),
            Request::Announce(said) => {
                let replica = self.replicas.iter().find(|replica| replica.number == number);
                let name = replica.map(|replica| replica.name.clone()).unwrap_or_default();
                Answer::Announced(answer(store.announce(name, said, TTL * 3)))
            }
            Request::Resign(lease) => {
                answer(store.resign(lease.clone()));
                for number in self.replicas.iter().map(|it| it.number).collect::<Vec<_>>() {
                    self.report_soon(number, Input::Campaign(Event::Resigned(lease.clone())));
                }
                Answer::Resigned
            }
            Request::Probe => {
                answer(store.probe());
                Answer::Probed
            }
            Request::Name(_) => unreachable!("it stays on the machine"),
        }
    }
}
