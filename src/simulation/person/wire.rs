//! How the requests of a call reach the store and carriers, and what the observer notes.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::call::{Answer, Reply, Request};
use super::{Event, Running};
use crate::carrier::memory::Fault;
use crate::carrier::{Carrier as _, PublishOutcome};
use crate::schedule::Kind;
use crate::schedule::outcome::{Line, Outcome};
use crate::simulation::ledger::Event as Recorded;
use crate::simulation::replica::answer_of;
use crate::simulation::{Due, SECOND, World, answer};
use crate::store::contract::{
    BackfillNote, BackfillStep, ManualMessage, ManualNote, ManualStep, Noted, Sent, Store,
    StoreError,
};
use crate::worker::{Publication, Queue};

/// The maximum time for an answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The time in which a request that is late arrives.
const LATE: Duration = Duration::from_secs(20);

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    wish: usize,
    run: Uuid,
    slot: UnixMs,
    /// Another process may have gone on with the run meanwhile.
    may_be_late: bool,
    /// It arrives after it was given up.
    is_late: bool,
}

fn unanswered() -> Answer {
    Err(StoreError::Unanswered("no answer".to_owned()))
}

impl World {
    /// A call asks for something.
    pub(super) fn pass_on(&mut self, id: u64, request: Request) {
        let is_shared = self.person.calls_of(self.person.calls[&id].run) > 1;
        let Running { wish, run, via, slot, is_stalled, .. } =
            self.person.calls.get_mut(&id).unwrap();
        match &request {
            Request::Send(message) => *slot = message.line.slot,
            Request::Note(note) => *slot = note.line.slot,
            Request::NoteBackfill(_) | Request::Publish(..) | Request::Pause(_) => {}
        }
        let may_be_late = *is_stalled || is_shared;
        let (wish, run, slot, is_late) = (*wish, *run, *slot, *is_stalled);
        let mut origin = Origin { wish, run, slot, may_be_late, is_late };
        let (now, via) = (self.now, *via);
        let delay = self.person.within(SECOND / 200);
        let arrives = |origin, request, is_answered| {
            let request = Box::new(request);
            Event::Arrives { call: id, origin, request, is_answered }
        };
        if let Request::Pause(length) = request {
            return self.person.put(now + length, Event::Answers(id, Ok(Reply::Paused)));
        }
        if matches!(request, Request::Publish(..)) {
            return self.person.put(now + delay * 2, arrives(origin, request, true));
        }
        if now < self.store_back_at {
            let away = StoreError::Unavailable("connection refused".to_owned());
            return self.person.put(now + delay, Event::Answers(id, Err(away)));
        }
        if let Some(service) = self.replicas.iter_mut().find(|it| Some(it.number) == via) {
            return match service.arrival(now, delay) {
                Ok(at) => self.person.put(at, arrives(origin, request, true)),
                Err(at) => self.person.put(at, Event::Answers(id, unanswered())),
            };
        }
        if !self.is_in_trouble() || !self.person.one_in(16) {
            return self.person.put(now + delay, arrives(origin, request, true));
        }
        self.person.put(now + DEADLINE, Event::Answers(id, unanswered()));
        match self.person.rng.u8(..3) {
            0 => self.person.count("request lost"),
            1 => {
                self.person.count("reply lost");
                self.person.put(now + delay, arrives(origin, request, false));
            }
            _ => {
                self.person.count("request late");
                origin.is_late = true;
                let at = now + DEADLINE + self.person.within(LATE);
                self.person.put(at, arrives(origin, request, false));
            }
        }
    }

    /// A request reaches the store or a carrier.
    pub(super) fn arrive_manual(
        &mut self,
        call: u64,
        origin: Origin,
        request: Request,
        is_answered: bool,
    ) {
        let (now, delay) = (self.now, self.person.within(SECOND / 200));
        if let Request::Publish(queue, messages) = request {
            let outcomes = self.publish_manual(origin, &queue, &messages);
            let reply = Ok(Reply::Published(outcomes));
            return self.person.put(now + delay * 2, Event::Answers(call, reply));
        }
        let is_away = now < self.store_back_at;
        if is_away || now < self.hung_until {
            if is_answered {
                self.person.put(now + DEADLINE, Event::Answers(call, unanswered()));
            }
            if !is_away {
                let (request, is_answered) = (Box::new(request), false);
                let origin = Origin { is_late: true, ..origin };
                let again = Event::Arrives { call, origin, request, is_answered };
                self.person.put(self.hung_until, again);
            }
            return;
        }
        let reply = if now < self.full_until {
            Err(StoreError::Refused("OOM".to_owned()))
        } else {
            Ok(self.carry_out_manual(origin, request))
        };
        if is_answered {
            self.person.put(now + delay, Event::Answers(call, reply));
        }
    }

    /// The store carries out a request, and the observer takes note.
    fn carry_out_manual(&mut self, origin: Origin, request: Request) -> Reply {
        self.ledger.manual.forget_old(self.store_now());
        match request {
            Request::Send(message) => Reply::Sent(self.send_manual(origin, message)),
            Request::Note(note) => Reply::Noted(self.note_manual(origin, note)),
            Request::NoteBackfill(note) => {
                let other = answer(self.store.note_backfill(note.clone()));
                let now = self.store_now();
                self.trace(|| format!("noted {note:?}: {other:?}"));
                self.ledger.manual.note(now, &note, other.as_ref());
                if other.is_none() {
                    self.note_run(origin, &note);
                }
                Reply::NotedBackfill(other)
            }
            Request::Publish(..) | Request::Pause(_) => unreachable!("no request to the store"),
        }
    }

    /// Notes that the store knows of a run.
    fn note_run(&mut self, Origin { wish, run, is_late, .. }: Origin, note: &BackfillNote) {
        let wish = &mut self.person.wishes[wish];
        if note.step == BackfillStep::Ends {
            // The run may have been continued since.
            wish.is_forgotten |= is_late;
            wish.noted.remove(&run);
        } else {
            wish.is_forgotten |= wish.noted.iter().any(|other| *other != run);
            wish.noted.insert(run);
        }
    }

    fn send_manual(&mut self, origin: Origin, message: ManualMessage) -> Sent {
        let (line, queue) = (message.line.clone(), Arc::clone(&message.message.queue.name));
        let is_journalled = !self.store.has_lost_journal();
        let sent = answer(Store::send(&mut self.store, message));
        let id = line.task_id.unwrap();
        self.trace(|| format!("{} {} {id} manual: {sent:?}", line.entry, line.slot));
        match sent {
            Sent::Now => self.record_manual(origin, line, queue, is_journalled, true),
            // Before the store was rolled back, perhaps.
            Sent::Already => {
                assert!(self.person.wishes[origin.wish].has_sent(id), "never sent: {line:?}");
            }
            Sent::Refused(_) => {}
            Sent::Other(_) => panic!("{sent:?}: {line:?}"),
        }
        sent
    }

    fn note_manual(&mut self, origin: Origin, note: ManualNote) -> Noted {
        let (step, line, queue) = (note.step, note.line.clone(), Arc::clone(&note.queue.name));
        let is_journalled = !self.store.has_lost_journal();
        let noted = answer(Store::note(&mut self.store, note));
        let id = line.task_id.unwrap();
        self.trace(|| format!("{} {} {id} {step:?}: {noted:?}", line.entry, line.slot));
        match (&noted, step) {
            (Noted::Now, ManualStep::Published) => {
                self.record_manual(origin, line, queue, is_journalled, false);
            }
            (Noted::Already, _) => {
                // A run goes on with later slots only.
                let wish = &self.person.wishes[origin.wish];
                let was_left_out = wish.left_out.contains(&line.slot);
                assert!(was_left_out || wish.has_sent(id), "never sent: {line:?}");
            }
            (Noted::Now | Noted::Busy, _) => {}
            (Noted::Other(_), _) => panic!("{noted:?}: {line:?}"),
        }
        noted
    }

    /// Notes a message that the store has recorded as sent.
    fn record_manual(
        &mut self,
        origin: Origin,
        line: Line,
        queue: Arc<str>,
        is_journalled: bool,
        is_in_store: bool,
    ) {
        let wish = &mut self.person.wishes[origin.wish];
        let kind = if wish.slots.is_empty() { Kind::Manual } else { Kind::Backfill };
        assert_eq!(line.outcome, Outcome::Dispatched(kind), "{line:?}");
        let id = line.task_id.unwrap();
        self.ledger.manual.send(id);
        wish.sent.entry(line.slot).or_default().insert(id);
        let (from, at) = (line.slot, self.store_now());
        let event = Recorded { from, line, queue, at };
        self.ledger.record_manual(event, is_journalled, is_in_store);
    }

    /// A carrier gets messages, and the observer takes note.
    fn publish_manual(
        &mut self,
        origin: Origin,
        queue: &Queue,
        messages: &[Publication],
    ) -> Vec<PublishOutcome> {
        let [Publication { correlation_id: id, .. }] = messages else { panic!("one at a time") };
        let is_recorded = self.ledger.manual.has_sent(*id);
        assert!(!is_recorded || origin.may_be_late, "{id} was recorded, and is published again");
        let is_healthy = !self.due.contains_key(&Due::CarrierRepaired);
        let is_in_doubt = self.is_in_trouble() && is_healthy && self.person.one_in(16);
        if is_in_doubt {
            let faults = [Fault::LoseAnswer, Fault::LoseMessage];
            let fault = faults[self.person.rng.usize(..faults.len())];
            self.carrier.set_fault(&queue.name, Some(fault));
        }
        let count = || answer_of(self.carrier.count_waiting(queue)).unwrap_or(0);
        let before = count();
        let outcomes = answer_of(self.carrier.publish_all(queue, messages, || true));
        let has_taken = count() > before;
        if is_in_doubt {
            self.carrier.set_fault(&queue.name, None);
        }
        self.trace(|| format!("{id} manual: {outcomes:?}"));
        if has_taken {
            let sent = &mut self.person.wishes[origin.wish].sent;
            sent.entry(origin.slot).or_default().insert(*id);
        }
        outcomes
    }
}
