//! One scheduler process and its link to the store: the service's own decisions, with requests and answers that
//! take time and get lost.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use downbeat_time::UnixMs;

use super::connections::Connection;
use super::ledger::Event as Recorded;
use super::reloads::{self, Reloading};
use super::{FOREVER, GRACE, SECOND, TTL, UPTIME, World, answer};
use crate::carrier::Carrier as _;
use crate::clock::{Now, SinceBoot};
use crate::core::campaign::{self, Campaign};
use crate::core::{
    Action, Answer, Carried, Delivery, Event, Log, Parts, Publish, Request, RequestId, Scheduler,
    Settings,
};
use crate::leader::lease::{Lease, LeaseTimes};
use crate::leader::peer::Peer;
use crate::render::Renderer;
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::progress::Completeness;
use crate::schedule::sample::DAY;
use crate::schedule::{Kind, Planner, Schedule};
use crate::store::Retention;
use crate::store::contract::{Batch, Exception, Register, Reply, Settle, Store, StoreError};
use crate::store::memory::MemoryStore;
use crate::tzdata::Tzdata;

/// Read once: reading takes longer than simulating a day.
static ZONES: LazyLock<Arc<Tzdata>> = LazyLock::new(|| Arc::new(Tzdata::bundled()));
/// The maximum time for an answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// The time in which a due slot is sent while nothing is wrong.
const MAX_LATENESS: Duration = Duration::from_secs(60);

/// One scheduler process.
pub(super) struct Replica {
    /// The process's number, unique in the simulation.
    pub(super) number: u64,
    pub(super) scheduler: Scheduler,
    pub(super) wake_at: UnixMs,
    pub(super) campaign: Campaign,
    pub(super) campaign_wakes_at: UnixMs,
    /// The name that it announces itself under.
    pub(super) name: Arc<str>,
    /// Its lease according to its campaign.
    pub(super) lease: Option<Lease>,
    /// The holder's names that it has asked for the lease under.
    pub(super) names: Vec<String>,
    /// The holder's names of earlier processes on its machine.
    pub(super) gone: Arc<[String]>,
    /// The process is stopped until then.
    pub(super) stopped_until: Option<UnixMs>,
    /// What has arrived while it is stopped.
    pub(super) inbox: VecDeque<Input>,
    /// Nothing passes between it and the store until then.
    pub(super) cut_until: UnixMs,
    /// Until then, batches are lost …
    pub(super) narrow_until: UnixMs,
    /// … that have at least this many slots.
    pub(super) lost_from: usize,
    /// Since when its writes are not answered.
    pub(super) stuck_since: Option<UnixMs>,
    /// The link that it writes over.
    pub(super) link: Link,
    /// The link that it campaigns over.
    pub(super) lease_link: Link,
    pub(super) reloading: Reloading,
    /// The tenure and the schedule whose entries are known to be live.
    known: Option<(u64, Arc<Schedule>)>,
    tenures: u64,
}

/// A link to the store.
#[derive(Default)]
pub(super) struct Link {
    /// When the last request arrives.
    pub(super) arrives: UnixMs,
    /// A packet was lost: nothing gets through until the connection is dropped.
    pub(super) stuck_until: UnixMs,
    pub(super) connection: Connection,
}

impl Link {
    /// Notes that a packet is lost.
    pub(super) fn lose_packet(&mut self, now: UnixMs) {
        self.stuck_until = self.stuck_until.max(now + DEADLINE);
    }

    /// When a packet arrives that takes until `at`: not before those sent earlier.
    pub(super) fn arrival(&mut self, at: UnixMs) -> UnixMs {
        self.arrives = self.arrives.max(at);
        self.arrives
    }
}

/// Something that a replica handles.
#[derive(Debug)]
pub(super) enum Input {
    Scheduler(Event),
    Campaign(campaign::Event),
    Reload(reloads::Event),
}

/// Something in flight.
pub(super) enum Packet {
    /// A request reaches the store.
    Arrives { id: RequestId, request: Box<Request>, facts: Facts, is_answered: bool },
    /// Messages reach a carrier.
    Delivers(RequestId, Publish),
    /// A request of a campaign reaches the store.
    Asks(RequestId, campaign::Request),
    /// Something reaches the replica.
    Reports(Box<Input>),
}

/// What the observer notes when a request is made.
pub(super) struct Facts {
    schedule: Option<Arc<Schedule>>,
    /// For each line, the progress of its entry before.
    from: Vec<UnixMs>,
    /// Whether everything before was settled in order, so that the slots of a line can be counted.
    is_plain: Vec<bool>,
}

impl Replica {
    pub(super) fn new(
        number: u64,
        starts_at: UnixMs,
        schedule: &Arc<Schedule>,
        seed: u64,
    ) -> Replica {
        let scheduler = Scheduler::new(Parts {
            settings: Settings {
                capabilities: MemoryStore::CAPABILITIES,
                grace: GRACE,
                history: Retention { keep: DAY * 2, slots: 1_000 },
            },
            renderer: Renderer::new("simulated", "here", Arc::default(), false),
            schedule: Arc::clone(schedule),
            zones: Arc::clone(&ZONES),
            seed,
        });
        let (times, myself) = (LeaseTimes::new(TTL), Peer::myself(&format!("r{number}")));
        let name = myself.holder.as_str().into();
        let campaign = Campaign::new(campaign::Parts { shared: true, times, myself, seed });
        Replica {
            number,
            scheduler,
            wake_at: FOREVER,
            campaign,
            campaign_wakes_at: starts_at,
            name,
            lease: None,
            names: Vec::new(),
            gone: Arc::default(),
            stopped_until: None,
            inbox: VecDeque::new(),
            cut_until: UnixMs::MIN,
            narrow_until: UnixMs::MIN,
            lost_from: 0,
            stuck_since: None,
            link: Link::default(),
            lease_link: Link::default(),
            reloading: Reloading::default(),
            known: None,
            tenures: 0,
        }
    }

    /// When it acts again if nothing happens to it.
    pub(super) fn next(&self) -> UnixMs {
        let ping_at = self.link.connection.ping_at();
        self.stopped_until.unwrap_or(self.wake_at.min(self.campaign_wakes_at).min(ping_at))
    }

    /// Whether the process has started.
    pub(super) fn has_begun(&self) -> bool {
        !self.names.is_empty()
    }

    /// When a small request that it makes now arrives; `Err`: when it is known to be lost.
    pub(super) fn arrival(&mut self, now: UnixMs, delay: Duration) -> Result<UnixMs, UnixMs> {
        let link = &mut self.link;
        if now < self.cut_until {
            link.lose_packet(now);
        }
        if now < link.stuck_until { Err(link.stuck_until) } else { Ok(link.arrival(now + delay)) }
    }

    pub(super) fn planner(&self) -> &Planner {
        self.scheduler.plans().unwrap()
    }
}

impl World {
    /// What the clocks of a replica show.
    pub(super) fn clocks(&self) -> Now {
        let since_boot = SinceBoot(UPTIME + self.now.since(self.start));
        Now { since_boot, wall: UnixMs(self.now.0 + self.machine_offset_ms) }
    }

    /// Converts a time since boot to an instant.
    pub(super) fn instant(&self, at: SinceBoot) -> UnixMs {
        match at {
            SinceBoot::NEVER => FOREVER,
            // Time moves in whole milliseconds here.
            at => self.start + at.0.saturating_sub(UPTIME) + Duration::from_millis(1),
        }
    }

    /// A stopped process continues.
    pub(super) fn resume_process(&mut self, index: usize) {
        self.replicas[index].stopped_until = None;
        while let Some(input) = self.replicas[index].inbox.pop_front() {
            self.handle_input(index, input);
        }
        self.handle_input(index, Input::Scheduler(Event::Wake));
        self.handle_input(index, Input::Campaign(campaign::Event::Wake));
    }

    /// Passes an input to a replica, if it still runs.
    pub(super) fn report(&mut self, number: u64, input: Input) {
        let Some(index) = self.replicas.iter().position(|replica| replica.number == number) else {
            return;
        };
        if self.replicas[index].stopped_until.is_some() {
            self.replicas[index].inbox.push_back(input);
        } else {
            self.handle_input(index, input);
        }
    }

    pub(super) fn handle_input(&mut self, index: usize, input: Input) {
        match input {
            Input::Scheduler(event) => self.handle(index, event),
            Input::Campaign(event) => self.campaign(index, event),
            Input::Reload(event) => self.reload(index, event),
        }
    }

    /// Passes an input to a replica a little later.
    pub(super) fn report_soon(&mut self, number: u64, input: Input) {
        let at = self.now + self.within(SECOND / 500);
        self.put_on_wire(at, number, Packet::Reports(Box::new(input)));
    }

    /// Passes an event to a scheduler and performs the actions.
    fn handle(&mut self, index: usize, event: Event) {
        if let Event::Answered(_, Ok(Answer::Snapshot(snapshot))) = &event {
            let replica = &self.replicas[index];
            let state = snapshot.clone().take_state(GRACE);
            let is_newest = replica.lease.as_ref().is_some_and(|lease| {
                lease.continues || replica.scheduler.last_tenure() == Some(&lease.text)
            });
            let is_whole = state.completeness == Completeness::Whole;
            let remembers = replica.scheduler.remembers() && (is_whole || is_newest);
            self.excuse(&state, remembers);
        }
        self.note_answer(index, &event);
        let now = self.clocks();
        let actions = self.replicas[index].scheduler.handle(event, now);
        for action in actions {
            match action {
                Action::Request(id, request) => self.send(index, id, request),
                Action::Publish(id, publish) => {
                    let at = self.now + self.within(SECOND / 100);
                    let number = self.replicas[index].number;
                    self.put_on_wire(at, number, Packet::Delivers(id, publish));
                }
                Action::Log(log) => self.on_log(index, &log),
                Action::Writes(writes) => self.on_writes(index, writes),
                Action::Applied => self.on_applied(index),
                Action::Reconnect => {}
            }
        }
        self.look_at_entries(index);
        let wake = self.replicas[index].scheduler.wake();
        let by_wall = if wake.wall == FOREVER {
            FOREVER
        } else {
            UnixMs(wake.wall.0.saturating_sub(self.machine_offset_ms))
        };
        self.replicas[index].wake_at = by_wall.min(self.instant(wake.since_boot));
    }

    fn on_log(&mut self, index: usize, log: &Log) {
        let number = self.replicas[index].number;
        self.trace(|| format!("r{number}: {}", in_short(log)));
        let replica = &mut self.replicas[index];
        match log {
            Log::TookOver { .. } => {
                replica.tenures += 1;
                self.ledger.note_reading();
            }
            Log::Recorded { schedule, items, .. } => {
                for (item, _) in items.iter().filter(|(item, _)| item.count() == 1) {
                    let entry = &schedule.entries[item.entry as usize];
                    self.ledger.check_logged(&entry.name, item);
                }
            }
            _ => {}
        }
    }

    /// Notes entries that have become live or have left.
    fn look_at_entries(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        let Some(planner) = replica.scheduler.plans() else { return };
        let known = (replica.tenures, Arc::clone(planner.schedule()));
        let is_known = replica.known.as_ref().is_some_and(|(tenures, schedule)| {
            *tenures == known.0 && Arc::ptr_eq(schedule, &known.1)
        });
        if !is_known {
            let tenures = replica.known.replace(known).map(|(tenures, _)| tenures);
            if tenures != Some(replica.tenures) {
                self.check_shown(index);
            }
            self.open_epochs(index);
            self.check_counts(index);
        }
    }

    pub(super) fn put_on_wire(&mut self, at: UnixMs, number: u64, packet: Packet) {
        self.sequence += 1;
        self.wire.insert((at, self.sequence), (number, packet));
    }

    fn fail(&mut self, at: UnixMs, number: u64, id: RequestId, error: StoreError) {
        let input = Input::Scheduler(Event::Answered(id, Err(error)));
        self.put_on_wire(at, number, Packet::Reports(Box::new(input)));
    }

    /// Sends a request to the store.
    fn send(&mut self, index: usize, id: RequestId, request: Request) {
        let (now, delay) = (self.now, self.within(SECOND / 200));
        let facts = self.facts(index, &request);
        let slots = match &request {
            Request::Dispatch(batch) => batch.writes.len(),
            Request::Intend(intend) => intend.slots.len(),
            _ => 0,
        };
        let is_write = !is_read(&request);
        let Replica { number, link, cut_until, narrow_until, lost_from, .. } =
            &mut self.replicas[index];
        let is_cut = now < *cut_until || now < *narrow_until && slots >= *lost_from && slots > 0;
        let number = *number;
        link.connection.on_request(&request);
        let unanswered = || StoreError::Unanswered("no answer".to_owned());
        if now < self.store_back_at {
            link.connection.close();
            let error = StoreError::Unavailable("connection refused".to_owned());
            return self.fail(now + delay, number, id, error);
        }
        if is_cut {
            link.lose_packet(now);
        }
        let is_lost = is_write && self.lose == Some(Loss::Request);
        if is_lost {
            (self.lose, link.stuck_until) = (None, now + DEADLINE);
        }
        if now < link.stuck_until {
            link.connection.close();
            let at = link.stuck_until;
            return self.fail(at, number, id, unanswered());
        }
        if let Some(lost_at) = link.connection.send(now, self.idle_timeout, delay) {
            self.closed_connections += 1;
            // A read is repeated on a new connection.
            if is_write {
                return self.fail(lost_at, number, id, unanswered());
            }
            link.arrival(lost_at);
        }
        let arrives = link.arrival(now + delay);
        let is_answered = match self.lose {
            Some(Loss::Reply) => !is_write,
            Some(Loss::SettleReply) => !matches!(request, Request::Settle(_)),
            Some(Loss::Request) | None => true,
        };
        if !is_answered {
            (self.lose, link.stuck_until) = (None, now + DEADLINE);
            self.troubled_at = now;
            self.fail(now + DEADLINE, number, id, unanswered());
        }
        let request = Box::new(request);
        self.put_on_wire(arrives, number, Packet::Arrives { id, request, facts, is_answered });
    }

    /// The progress of a request's entries.
    fn facts(&self, index: usize, request: &Request) -> Facts {
        let scheduler = &self.replicas[index].scheduler;
        let names: Vec<(&Arc<str>, UnixMs)> = match request {
            Request::Dispatch(batch) => {
                batch.writes.iter().map(|write| (&write.line.entry, write.line.slot)).collect()
            }
            Request::Settle(settle) => {
                let line = |line: &'_ Line| line.slot;
                let slots = settle.slots.iter();
                slots.map(|it| (&it.entry, it.line.as_ref().map_or(UnixMs::MIN, line))).collect()
            }
            _ => Vec::new(),
        };
        let mut facts = Facts { schedule: None, from: Vec::new(), is_plain: Vec::new() };
        let Some(planner) = scheduler.plans() else { return facts };
        facts.schedule = Some(Arc::clone(planner.schedule()));
        let mut before: Option<(&Arc<str>, UnixMs)> = None;
        for (name, slot) in names {
            let progress = planner.progress_of(name).unwrap_or_default();
            let from = before.filter(|(before, _)| *before == name).map(|(_, slot)| slot);
            facts.from.push(from.unwrap_or(progress.through));
            facts.is_plain.push(progress.ahead.is_empty());
            before = Some((name, slot));
        }
        facts
    }

    /// Handles the next event in flight.
    pub(super) fn arrive(&mut self, number: u64, packet: Packet) {
        match packet {
            Packet::Reports(input) => self.report(number, *input),
            Packet::Asks(id, request) => self.arrive_from_campaign(number, id, request),
            Packet::Delivers(id, publish) => {
                let Publish { queue, messages, not_after } = publish;
                let publications: Vec<_> =
                    messages.into_iter().map(|Carried { publication, .. }| publication).collect();
                let since_boot = self.clocks().since_boot;
                let published =
                    self.carrier.publish_all(&queue, &publications, || since_boot < not_after);
                let deliveries = answer_of(published).into_iter().map(Delivery::Tried).collect();
                let is_slow = self.now < self.carrier_slow_until;
                let at = self.now + self.within(if is_slow { TTL * 2 } else { SECOND / 100 });
                let input = Input::Scheduler(Event::Published(id, deliveries));
                self.put_on_wire(at, number, Packet::Reports(Box::new(input)));
            }
            Packet::Arrives { id, request, facts, mut is_answered } => {
                if self.now < self.store_back_at {
                    if is_answered {
                        let lost = StoreError::Unanswered("no answer".to_owned());
                        self.fail(self.now + DEADLINE, number, id, lost);
                    }
                    return;
                }
                if self.now < self.hung_until {
                    if std::mem::take(&mut is_answered) {
                        let lost = StoreError::Unanswered("no answer".to_owned());
                        self.fail(self.now + DEADLINE, number, id, lost);
                    }
                    let packet = Packet::Arrives { id, request, facts, is_answered };
                    return self.put_on_wire(self.hung_until, number, packet);
                }
                if self.now < self.busy_until {
                    let packet = Packet::Arrives { id, request, facts, is_answered };
                    return self.put_on_wire(self.busy_until, number, packet);
                }
                if matches!(*request, Request::Dispatch(_)) {
                    self.busy_until = self.now + self.each_batch_takes;
                }
                let recorded = self.ledger.events.len();
                let answer = self.carry_out(*request, &facts);
                if !is_answered {
                    return self.ledger.leave_unanswered(recorded);
                }
                let at = self.now + self.within(SECOND / 200);
                let input = Input::Scheduler(Event::Answered(id, answer));
                self.put_on_wire(at, number, Packet::Reports(Box::new(input)));
            }
        }
    }

    /// The store carries out a request, and the observer takes note.
    fn carry_out(&mut self, request: Request, facts: &Facts) -> Result<Answer, StoreError> {
        let is_write = !is_read(&request);
        if is_write && self.now < self.full_until {
            return Err(StoreError::Refused("OOM".to_owned()));
        }
        let store = &mut self.store;
        Ok(match request {
            Request::Read => Answer::Snapshot(Box::new(answer(store.read()))),
            Request::Counters => Answer::Counters(answer(store.counters())),
            Request::History(query) => Answer::History(answer(store.history(query))),
            Request::Trim(trim) => Answer::Trimmed(answer(store.trim(trim))),
            Request::Pauses => Answer::Pauses(answer(store.pauses())),
            Request::PrunePauses(prune) => Answer::Pruned(answer(store.prune_pauses(prune))),
            Request::Fold(fold) => Answer::Reply(answer(store.fold(fold))),
            Request::Intend(intend) => Answer::Reply(answer(store.intend(intend))),
            Request::Dispatch(batch) => Answer::Reply(self.dispatch(batch, facts)),
            Request::Settle(settle) => Answer::Reply(self.settle(settle, facts)),
            Request::Register(register) => Answer::Reply(self.register(register)),
        })
    }

    fn dispatch(&mut self, batch: Batch, facts: &Facts) -> Reply {
        let writes = batch.writes.clone();
        let reply = answer(self.store.dispatch(batch));
        if let Reply::Written { exceptions, .. } = &reply {
            let mut exceptions = exceptions.iter().peekable();
            for (index, write) in writes.into_iter().enumerate() {
                let line = match exceptions.next_if(|(at, _)| *at == index) {
                    None => write.line,
                    Some((_, Exception::Refused(_))) => continue,
                    Some((_, Exception::Skipped(reason))) => {
                        let outcome = Outcome::Skipped(*reason);
                        Line { outcome, count: 1, ..write.line }
                    }
                };
                self.note(facts, index, line, &write.queue.name);
            }
        }
        self.counted(reply)
    }

    fn settle(&mut self, settle: Settle, facts: &Facts) -> Reply {
        let slots = settle.slots.clone();
        let reply = answer(self.store.settle(settle));
        if let Reply::Written { .. } = &reply {
            for (index, settled) in slots.into_iter().enumerate() {
                if let Some(line) = settled.line {
                    self.note(facts, index, line, &settled.queue.name);
                }
            }
        }
        self.counted(reply)
    }

    fn register(&mut self, register: Register) -> Reply {
        let at = self.store_now();
        let state = answer(self.store.read()).take_state(GRACE);
        let ended = register.ended.clone();
        let begun: Vec<Arc<str>> =
            register.changes.iter().map(|change| change.entry().into()).collect();
        let reply = answer(self.store.register(register));
        if let Reply::Written { .. } = &reply {
            self.begun.extend(begun);
            for (queue, line) in ended {
                let name = &*line.entry;
                let through = state.progress.get(name).map(|progress| progress.through);
                let since = state.registrations.get(name).map(|known| known.since);
                let from = through.max(since).unwrap_or(UnixMs::MIN);
                self.ledger.pass(&line.entry, from, at);
                self.ledger.record(Recorded { from, line, queue, at });
            }
        }
        self.counted(reply)
    }

    /// Counts the refusals of each guard.
    fn counted(&mut self, reply: Reply) -> Reply {
        let guard = match &reply {
            Reply::Written { .. } => return reply,
            Reply::Fenced => "fenced",
            Reply::Stale => "stale",
            Reply::Lost => "lost",
            Reply::Revised => "revised",
            Reply::Early { .. } => "early",
        };
        *self.refused.entry(guard).or_default() += 1;
        reply
    }

    /// Notes a line that the store has recorded.
    fn note(&mut self, facts: &Facts, index: usize, line: Line, queue: &Arc<str>) {
        let (from, at) = (facts.from[index], self.store_now());
        let event = Recorded { from, line, queue: Arc::clone(queue), at };
        let schedule = facts.schedule.as_ref().unwrap();
        if let Some(entry) = schedule.get(&event.line.entry) {
            if facts.is_plain[index] {
                let count = entry.count_slots(event.from, event.line.slot, 10_000);
                assert_eq!(event.line.count, count, "{event:?}");
            }
            self.ledger.check(entry, &event);
            let is_on_time = event.line.outcome == Outcome::Dispatched(Kind::Scheduled);
            let late = event.at.since(entry.due(event.line.slot));
            let is_late = is_on_time && late > MAX_LATENESS;
            assert!(!is_late || !self.is_calm(), "late by {late:?}: {event:?}");
        }
        let Line { entry, slot, outcome, count, .. } = &event.line;
        self.trace(|| format!("recorded {entry} {slot} {outcome:?} x{count} after {}", event.from));
        self.ledger.record(event);
    }
}

/// What is lost of the next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Request,
    Reply,
    /// The reply to the next write that records what a carrier did.
    SettleReply,
}

/// The output of a future that is ready at once.
pub(super) fn answer_of<T>(future: impl Future<Output = T>) -> T {
    answer(async { Ok(future.await) })
}

/// A log event in short.
fn in_short(log: &Log) -> String {
    match log {
        Log::Recorded { items, .. } => format!("recorded {} items", items.len()),
        log => format!("{log:?}").chars().take(200).collect(),
    }
}

fn is_read(request: &Request) -> bool {
    matches!(request, Request::Read | Request::Counters | Request::History(_) | Request::Pauses)
}
