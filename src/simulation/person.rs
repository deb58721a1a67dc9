//! A person who triggers entries and backfills past segments by hand while the replicas run, through a service or
//! past it. Requests and replies get lost, commands are killed; and the person does exactly as told: repeats what
//! may have been sent, continues what has stopped, and begins again with what was not sent.

mod answers;
mod call;
mod records;
mod wire;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use self::call::{Answer, Asked, Call, Request};
use self::wire::Origin;
use self::wish::{Command, Does, Wish};
use super::replica::Input;
use super::{Counts, Due, FOREVER, SECOND, World};
use crate::core::Event as SchedulerEvent;
use crate::manual::{Backfill, BackfillCalls, Trigger};
use crate::render::Renderer;
use crate::schedule::Entry;
use crate::schedule::sample::{DAY, HOUR};

pub(super) use self::records::ManualRecords;

/// What the person does and meets. Each must happen in one of twenty seeds.
pub(super) const DEEDS: [&str; 21] = [
    "triggered",
    "trigger in doubt",
    "trigger not sent",
    "trigger repeated",
    "backfilled",
    "backfill in doubt",
    "backfill not sent",
    "backfill continued",
    "backfill typed anew",
    "backfill in the way",
    "backfill waits for another",
    "backfill begun again",
    "end not recorded",
    "found as sent before",
    "carrier in doubt",
    "slot left out",
    "command killed",
    "service unanswered",
    "request lost",
    "reply lost",
    "request late",
];
const BY: &str = "ann@host";
/// The maximum number of wishes that are open at once.
const MAX_OPEN: usize = 3;
/// Commands wait this long for a service.
const TIMEOUTS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(30)];

/// Something that happens to the person or to a call.
enum Event {
    /// The person wants something.
    Wants,
    /// The person types the command for this wish.
    Types(usize),
    /// A command's call begins.
    Begins(u64),
    /// A request reaches the store or a carrier.
    Arrives { call: u64, origin: Origin, request: Box<Request>, is_answered: bool },
    /// A call gets an answer.
    Answers(u64, Answer),
    /// A command gives up waiting for a service's answer to this call.
    TimesOut(usize, u64),
    /// The command that waits for this call is killed.
    Kills(usize),
}

/// A call, and where it runs.
struct Running {
    call: Option<Call>,
    asked: Asked,
    wish: usize,
    run: Uuid,
    via: Option<u64>,
    /// The slot of its last message.
    slot: UnixMs,
    /// Its process was stopped for a while.
    is_stalled: bool,
}

pub(super) struct Person {
    rng: fastrand::Rng,
    /// The entries that the person chooses from.
    choices: Vec<Arc<str>>,
    renderer: Renderer,
    agenda: BTreeMap<(UnixMs, u64), Event>,
    sequence: u64,
    wishes: Vec<Wish>,
    calls: BTreeMap<u64, Running>,
    pub(super) deeds: Counts,
}

impl Person {
    pub(super) fn new(start: UnixMs, entries: &[Entry], seed: u64) -> Person {
        let fires_often = |entry: &&Entry| entry.count_slots(start - DAY, start, 9) == 9;
        let often = entries.iter().filter(fires_often);
        let mut person = Person {
            rng: fastrand::Rng::with_seed(seed),
            choices: often.map(|entry| Arc::clone(&entry.name)).collect(),
            renderer: Renderer::new("simulated", "here", Arc::default(), false),
            agenda: BTreeMap::new(),
            sequence: 0,
            wishes: Vec::new(),
            calls: BTreeMap::new(),
            deeds: Counts::new(),
        };
        let at = start + person.within(HOUR);
        person.put(at, Event::Wants);
        person
    }

    /// When something happens next.
    pub(super) fn next(&self) -> UnixMs {
        self.agenda.keys().next().map_or(FOREVER, |(at, _)| *at)
    }

    fn put(&mut self, at: UnixMs, event: Event) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), event);
    }

    fn within(&mut self, max: Duration) -> Duration {
        Duration::from_millis(self.rng.u64(1..=u64::try_from(max.as_millis()).unwrap()))
    }

    fn one_in(&mut self, count: u8) -> bool {
        self.rng.u8(..count) == 0
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u128(self.rng.u128(..))
    }

    fn count(&mut self, deed: &'static str) {
        *self.deeds.entry(deed).or_default() += 1;
    }

    /// The number of the run's calls in progress.
    fn calls_of(&self, run: Uuid) -> usize {
        self.calls.values().filter(|call| call.run == run).count()
    }
}

impl World {
    /// Whatever is due happens to the person.
    pub(super) fn let_person_act(&mut self) {
        while let Some(first) = self.person.agenda.first_entry() {
            if first.key().0 > self.now {
                return;
            }
            let event = first.remove();
            match event {
                Event::Wants => self.want(),
                Event::Types(wish) => self.type_command(wish),
                Event::Begins(id) => {
                    if self.reach_process(id, event).is_some() {
                        self.begin(id);
                    }
                }
                Event::Answers(id, _) => {
                    if let Some(Event::Answers(id, answer)) = self.reach_process(id, event) {
                        self.go_on(id, Some(answer));
                    }
                }
                Event::Arrives { call, origin, request, is_answered } => {
                    self.arrive_manual(call, origin, *request, is_answered);
                }
                Event::TimesOut(wish, id) => {
                    if self.awaited(wish) == Some(id) {
                        self.person.count("service unanswered");
                        self.on_answer_to_person(wish, None);
                    }
                }
                Event::Kills(wish) => self.kill_command(wish),
            }
        }
    }

    /// Whether faults still strike.
    fn is_in_trouble(&self) -> bool {
        self.due.contains_key(&Due::Fault)
    }

    fn want(&mut self) {
        if !self.is_in_trouble() {
            return;
        }
        let within = self.fault_within * 3 / 2;
        let next = self.now + self.person.within(within);
        self.person.put(next, Event::Wants);
        let open = self.person.wishes.iter().filter(|wish| wish.is_open).count();
        if open == MAX_OPEN {
            return;
        }
        let wish = match self.person.one_in(3) {
            true => self.wanted_trigger(),
            false => self.wanted_backfill(),
        };
        let Some(wish) = wish else { return };
        self.person.wishes.push(wish);
        self.type_command(self.person.wishes.len() - 1);
    }

    fn choose_entry(&mut self) -> Option<Arc<str>> {
        let Person { rng, choices, .. } = &mut self.person;
        (!choices.is_empty()).then(|| Arc::clone(&choices[rng.usize(..choices.len())]))
    }

    fn wanted_trigger(&mut self) -> Option<Wish> {
        let name = self.choose_entry()?;
        let entry = self.files.get(&name)?.clone();
        let slot = entry.previous_slot(self.now - HOUR).filter(|_| self.person.one_in(3));
        let trigger = Trigger {
            entry: entry.name.to_string(),
            slot: slot.map(|slot| slot.to_string()),
            by: Some(BY.to_owned()),
            ..Trigger::default()
        };
        Some(Wish::new(entry, Vec::new(), Asked::Trigger(trigger)))
    }

    fn wanted_backfill(&mut self) -> Option<Wish> {
        // Perhaps a part of the last one, which may not have ended.
        let last = self.person.wishes.iter().rfind(|wish| !wish.slots.is_empty());
        let last = last.map(|wish| (Arc::clone(&wish.entry.name), wish.slots.clone()));
        let last = last.filter(|_| self.person.one_in(2));
        let name = match &last {
            Some((name, _)) => Arc::clone(name),
            None => self.choose_entry()?,
        };
        let to = match &last {
            Some((_, slots)) => slots[self.person.rng.usize(..slots.len())] + SECOND,
            None => self.now - HOUR / 6 - self.person.within(HOUR * 6),
        };
        let from = to - self.person.within(HOUR * 16);
        let entry = self.files.get(&name)?.clone();
        let slots = wish::slots(&entry, from, to);
        if slots.is_empty() {
            return None;
        }
        let backfill = Backfill {
            entry: name.to_string(),
            from: from.to_string(),
            to: to.to_string(),
            by: Some(BY.to_owned()),
            ..Backfill::default()
        };
        Some(Wish::new(entry, slots, Asked::Backfill(backfill)))
    }

    /// The person types a command: with a service on their machine, or without.
    fn type_command(&mut self, wish: usize) {
        let services = &self.replicas;
        let index = self.person.rng.usize(..services.len());
        let runs = services[index].has_begun();
        let number = services[index].number;
        let via = (runs && self.person.rng.bool()).then_some(number);
        let new = self.person.uuid();
        let does = match self.person.wishes[wish].types.clone() {
            Asked::Backfill(asked) => Does::Backfill(BackfillCalls::new(asked, new)),
            Asked::Trigger(asked) => {
                Does::Trigger(Trigger { id: Some(asked.id.unwrap_or(new)), ..asked })
            }
        };
        self.person.wishes[wish].command = Some(Command { does, via, call: 0 });
        self.call(wish);
        if self.is_in_trouble() && self.person.one_in(6) {
            let at = self.now + self.person.within(SECOND / 5);
            self.person.put(at, Event::Kills(wish));
        }
    }

    /// A command makes its next call.
    fn call(&mut self, wish: usize) {
        let number = self.person.sequence;
        let Some(command) = &mut self.person.wishes[wish].command else { return };
        command.call = number;
        let via = command.via;
        let (run, asked, timeout) = match &command.does {
            Does::Backfill(calls) => {
                (calls.run(), Asked::Backfill(calls.rest.clone()), TIMEOUTS[1])
            }
            Does::Ends(calls, next) => {
                let end = calls.end_after(next).unwrap();
                (calls.run(), Asked::Backfill(end), TIMEOUTS[1])
            }
            Does::Trigger(trigger) => {
                (trigger.id.unwrap(), Asked::Trigger(trigger.clone()), TIMEOUTS[0])
            }
        };
        self.person.wishes[wish].runs.insert(run);
        let (slot, is_stalled) = (UnixMs::MIN, false);
        let running = Running { call: None, asked, wish, run, via, slot, is_stalled };
        self.person.calls.insert(number, running);
        let at = self.now + self.person.within(SECOND / 200);
        self.person.put(at, Event::Begins(number));
        if via.is_some() {
            // Or the connection to the service breaks.
            let breaks = self.is_in_trouble() && self.person.one_in(24);
            let timeout = if breaks { self.person.within(SECOND / 5) } else { timeout };
            self.person.put(self.now + timeout, Event::TimesOut(wish, number));
        }
    }

    /// The call that a command waits for.
    fn awaited(&self, wish: usize) -> Option<u64> {
        self.person.wishes[wish].command.as_ref().map(|command| command.call)
    }

    /// Returns the event if the process of the call runs. What arrives while it is stopped waits.
    fn reach_process(&mut self, id: u64, event: Event) -> Option<Event> {
        let running = self.person.calls.get_mut(&id)?;
        let Some(via) = running.via else { return Some(event) };
        let Some(replica) = self.replicas.iter().find(|replica| replica.number == via) else {
            let wish = running.wish;
            self.person.calls.remove(&id);
            if self.awaited(wish) == Some(id) {
                self.on_answer_to_person(wish, None);
            }
            return None;
        };
        if let Some(until) = replica.stopped_until {
            running.is_stalled = true;
            self.person.put(until.max(self.now) + Duration::from_millis(1), event);
            return None;
        }
        Some(event)
    }

    fn begin(&mut self, id: u64) {
        let now = self.clocks().wall;
        let running = self.person.calls.get_mut(&id).unwrap();
        let service = self.replicas.iter().find(|replica| Some(replica.number) == running.via);
        let schedule = service.map_or(&self.files, |replica| replica.scheduler.schedule());
        let (renderer, schedule) = (self.person.renderer.clone(), Arc::clone(schedule));
        running.call = Some(Call::new(running.asked.clone(), renderer, schedule, now));
        self.go_on(id, None);
    }

    fn go_on(&mut self, id: u64, answer: Option<Answer>) {
        let running = self.person.calls.get_mut(&id).unwrap();
        match running.call.as_mut().unwrap().go_on(answer) {
            call::Turn::Asks(request) => self.pass_on(id, request),
            call::Turn::Ends(done) => {
                let Running { wish, via, .. } = *running;
                if let Some(number) = via {
                    self.report_soon(number, Input::Scheduler(SchedulerEvent::CountersMoved));
                }
                self.person.calls.remove(&id);
                if self.awaited(wish) == Some(id) {
                    self.on_answer_to_person(wish, Some(done));
                }
            }
        }
    }

    /// A command is killed, or its terminal is closed, before it says anything. Its run is remembered.
    fn kill_command(&mut self, wish: usize) {
        let now = self.store_now();
        let Some(command) = &self.person.wishes[wish].command else { return };
        let Does::Backfill(calls) = &command.does else { return };
        if !self.ledger.manual.is_open(calls.run(), now) {
            return;
        }
        if command.via.is_none() {
            self.person.calls.remove(&command.call);
        }
        self.person.count("command killed");
        self.person.wishes[wish].command = None;
        // Whoever begins again on purpose sends twice.
        self.person.wishes[wish].begin_anew();
        self.type_later(wish);
    }

    fn type_later(&mut self, wish: usize) {
        let max = if self.is_in_trouble() { HOUR / 4 } else { HOUR / 30 };
        let at = self.now + self.person.within(max);
        self.person.put(at, Event::Types(wish));
    }

    /// Checks that the person got everything.
    pub(super) fn check_wishes(&self) {
        let carried = self.carrier.messages("carried");
        let ids: BTreeSet<_> = carried.iter().map(|message| message.correlation_id).collect();
        for wish in &self.person.wishes {
            let name = &wish.entry.name;
            assert!(!wish.is_open, "{name} is never done: {:?}", wish.types);
            let mut sent = wish.sent.values().flatten().filter(|_| wish.is_carried());
            assert!(sent.all(|id| ids.contains(id)), "not all of {name} is in its queue");
        }
    }
}
