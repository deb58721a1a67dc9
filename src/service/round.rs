//! One round: plan, render, publish, settle.

use std::collections::{HashMap, VecDeque};
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tracing::{debug, info, warn};
use uuid::Uuid;

use super::outbox::{Errand, Trust};
use super::render::{self, BATCH};
use super::tally::Tally;
use super::{Service, backoff};
use crate::clock::Clock;
use crate::leader::lease::Lease;
use crate::schedule::legacy::SkipReason;
use crate::schedule::legacy_planner::{Action, Item};
use crate::schedule::{Entry, Guards, Kind, Planner, UnixMs};
use crate::store::{Broker, BrokerError, Exception, Fence, Note, Outcome, Reply, Stage};
use crate::telemetry::Gathering;

/// Slots planned at once; between rounds the loop looks at events.
const ROUND: usize = 10_000;
/// Batches on their way at once: one is carried out while the next one travels.
const IN_FLIGHT: usize = 2;
/// The longest pause before a queue that refuses is tried again.
const LONGEST_HOLD: Duration = Duration::from_secs(30);

/// A batch that was written, but for the exceptions.
struct Answered {
    /// Its items are only intended: what is to be published by AMQP brokers.
    intends: bool,
    items: Vec<(Item, Outcome)>,
    sequence: u64,
    exceptions: Vec<(usize, Exception)>,
}

/// A batch on its way.
struct InFlight {
    lease: Arc<str>,
    intends: bool,
    items: Vec<(Item, Outcome)>,
    reply: Pin<Box<dyn Future<Output = Result<Reply, BrokerError>> + Send>>,
}

/// An item whose publish may or may not have happened.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// The lease under which it was sent.
    lease: Arc<str>,
    entry: Arc<str>,
    item: Item,
    outcome: Outcome,
}

impl<B: Broker, C: Clock> Service<B, C> {
    /// Sends what is due, and says when there is something to do again.
    pub(super) async fn round(&mut self, lease: &Lease) -> Result<UnixMs, BrokerError> {
        let now = self.planning_time();
        if !self.record_returned(lease).await? {
            return Ok(now);
        }
        let Some(planner) = &mut self.planner else { return Ok(now) };
        let plan = planner.plan(now, ROUND, BATCH);
        let is_for_amqp = |item: &Item| {
            let sends = matches!(item.action, Action::Send(_));
            sends && planner.entry(item.entry).message.queue.amqp.is_some()
        };
        let is_idle = plan.items.is_empty();
        let (for_amqp, items): (Vec<_>, Vec<_>) = plan.items.into_iter().partition(is_for_amqp);
        let intents = for_amqp.chunks(BATCH).map(|items| (true, items));
        let batches = render::batches(&items).into_iter().map(|items| (false, items));
        let mut batches = intents.chain(batches);
        let mut sequence = self.planner.as_ref().map_or(0, Planner::sequence);
        let mut in_flight = VecDeque::new();
        loop {
            // While batches are on their way, the next is rendered and those before are settled.
            while in_flight.len() < IN_FLIGHT
                && let Some((intends, items)) = batches.next()
            {
                let fence = Fence::after(&lease.text, sequence);
                sequence = fence.next;
                in_flight.extend(match intends {
                    true => self.intend(&fence, items).await,
                    false => self.send(&fence, items).await,
                });
            }
            let Some(sent) = in_flight.pop_front() else { break };
            let answer = self.answer_to(sent).await;
            self.heartbeat.beat();
            self.supervisor.beat();
            match answer {
                Ok(Some(answered)) => self.settle(answered, lease),
                // Those behind it are refused, too.
                Ok(None) => return Ok(now),
                Err(error) => {
                    // Those behind it are not carried out, or their replies are lost as well.
                    in_flight.into_iter().for_each(|sent| self.leave_unanswered(sent));
                    return Err(error);
                }
            }
        }
        if !is_idle && self.failures > 0 {
            info!("publishing again");
            (self.failures, self.tally.trouble) = (0, None);
        }
        Ok(plan.wake_at)
    }

    /// Renders a batch and sets it on its way.
    async fn send(&mut self, fence: &Fence, items: &[Item]) -> Option<InFlight> {
        let planner = self.planner.as_ref()?;
        let batch = render::render(&self.renderer, items, |index| planner.entry(index));
        let outcomes = batch.iter().map(|write| write.outcome);
        let items = items.iter().copied().zip(outcomes).collect();
        let reply = set_off(self.broker.dispatch(fence, batch)).await;
        Some(InFlight { lease: Arc::clone(&fence.lease), intends: false, items, reply })
    }

    /// Sets on its way what is to be published by AMQP brokers next.
    async fn intend(&mut self, fence: &Fence, items: &[Item]) -> Option<InFlight> {
        let planner = self.planner.as_ref()?;
        let note = |item: &Item| {
            let entry = planner.entry(item.entry);
            let (name, slot, stage) = (Arc::clone(&entry.name), item.slot, Stage::Intended);
            let queue = Arc::clone(&entry.message.queue);
            let note = Note { entry: name, slot, stage, queue, guards: entry.guards };
            (note, (*item, Outcome::Dispatched(self.renderer.task_id(entry, slot))))
        };
        let (notes, items): (Vec<_>, Vec<_>) = items.iter().map(note).unzip();
        let reply = set_off(self.broker.note(fence, &notes)).await;
        Some(InFlight { lease: Arc::clone(&fence.lease), intends: true, items, reply })
    }

    /// Has the slots published that are intended now.
    fn publish(&mut self, intended: Vec<(Item, Uuid)>, lease: &Lease) {
        let Some(planner) = &mut self.planner else { return };
        let schedule = Arc::clone(planner.schedule());
        let mut rng = fastrand::Rng::new();
        let mut by_queue: HashMap<Arc<str>, Vec<Errand>> = HashMap::new();
        for (item, task_id) in intended {
            let entry = &schedule.entries[item.entry as usize];
            let (Action::Send(kind), Some(amqp)) = (item.action, &entry.message.queue.amqp) else {
                continue;
            };
            planner.lend(&entry.name);
            let message = self.renderer.publication(entry, amqp, item.slot, kind, &mut rng);
            let errands = by_queue.entry(Arc::clone(&entry.message.queue.name)).or_default();
            errands.push(Errand::new(&schedule, item, task_id, message));
        }
        let leadership = self.reports.leadership.clone();
        let trust = Trust { lease: Arc::clone(&lease.text), leadership };
        for errands in by_queue.into_values() {
            let queue = Arc::clone(errands[0].queue());
            self.outbox.publish(queue, errands, trust.clone());
        }
    }

    /// Waits for the reply; `None` when nothing was written and we have to read anew.
    async fn answer_to(&mut self, mut sent: InFlight) -> Result<Option<Answered>, BrokerError> {
        match sent.reply.as_mut().await {
            Ok(Reply::Written { now, sequence, exceptions }) => {
                self.written(now, sequence);
                let InFlight { intends, items, .. } = sent;
                Ok(Some(Answered { intends, items, sequence, exceptions }))
            }
            Ok(reply) => {
                let fenced = reply == Reply::Fenced;
                warn!(slots = sent.items.len(), fenced, "wrote nothing: the broker knows better");
                self.stand_back(&reply);
                Ok(None)
            }
            Err(error) => {
                self.leave_unanswered(sent);
                Err(error)
            }
        }
    }

    fn settle(&mut self, answered: Answered, lease: &Lease) {
        let Answered { intends, items, sequence, mut exceptions } = answered;
        let mut intended = Vec::new();
        let Some(planner) = &mut self.planner else { return };
        let _gathering = (items.len() > 1).then(Gathering::start);
        exceptions.sort_by_key(|(index, _)| *index);
        let mut exceptions = exceptions.into_iter().peekable();
        let (now, tally) = (self.clock.now(), &mut self.tally);
        for (index, (item, outcome)) in items.into_iter().enumerate() {
            let entry = planner.entry(item.entry);
            match exceptions.next_if(|(at, _)| *at == index).map(|(_, why)| why) {
                None if intends => {
                    if let Outcome::Dispatched(task_id) = outcome {
                        intended.push((item, task_id));
                    }
                }
                exception @ (None | Some(Exception::Skipped(_))) => {
                    let (item, outcome) = match exception {
                        Some(Exception::Skipped(why)) => (item.skipped(why), Outcome::Skipped(why)),
                        _ => (item, outcome),
                    };
                    if let Outcome::Dispatched(_) = outcome {
                        accepted(&entry.message.queue.name, tally);
                    }
                    recorded(&item, outcome, entry, tally, now);
                    planner.settle(&item);
                    if planner.is_done(item.entry) {
                        report_done(planner.entry(item.entry));
                    }
                }
                Some(Exception::AlreadyDone) => {
                    debug!(entry = %entry.name, slot = %item.slot, "was already recorded");
                    planner.pass(&item);
                }
                Some(Exception::Exhausted) => {
                    if !planner.is_done(item.entry) {
                        report_done(entry);
                        planner.exhaust(item.entry);
                    }
                }
                Some(Exception::Early) => {
                    debug!(entry = %entry.name, slot = %item.slot, "early by the broker's clock");
                    planner.unjudge(&item);
                }
                Some(Exception::Refused(error)) => {
                    let queue = Arc::clone(&entry.message.queue.name);
                    refused(&queue, &error, sequence, planner, tally, now);
                }
            }
        }
        if !intended.is_empty() {
            self.publish(intended, lease);
        }
    }

    fn leave_unanswered(&mut self, sent: InFlight) {
        let Some(planner) = self.planner.as_ref() else { return };
        let reason = SkipReason::StillRunning;
        let named = |(item, outcome): (Item, Outcome)| {
            let Entry { name, guards, .. } = planner.entry(item.entry);
            let (item, outcome) = match sent.intends {
                false => (item, outcome),
                // What is only intended is not recorded, unless it was skipped.
                true if guards.overlap.is_some() => {
                    (item.skipped(reason), Outcome::Skipped(reason))
                }
                true => return None,
            };
            let (lease, entry) = (Arc::clone(&sent.lease), Arc::clone(name));
            Some(Unanswered { lease, entry, item, outcome })
        };
        self.unanswered.extend(sent.items.into_iter().filter_map(named));
    }

    /// Now that the broker was read: what it has recorded of the unanswered items is done. If
    /// another replica led meanwhile, it may have been the one who sent them, and has said so.
    pub(super) fn settle_unanswered(&mut self, lease: &Lease) {
        let Some(planner) = &self.planner else { return };
        let now = self.clock.now();
        for Unanswered { lease: sent_under, entry, item, outcome } in self.unanswered.drain(..) {
            let nobody_led_since = lease.continues || sent_under == lease.text;
            if nobody_led_since
                && let Some((index, entry)) = planner.find(&entry)
                && let Some(until) = planner.settled_until(index)
                && until >= item.slot
            {
                let Guards { max_queued, overlap, .. } = entry.guards;
                let may_be_skipped = max_queued.is_some() || overlap.is_some();
                if matches!(item.action, Action::Send(_)) && may_be_skipped {
                    // Only the record of an entry's last slot is kept: which it was is not known.
                    self.tally.unanswered(&entry.message.queue.name);
                    let (entry, slot) = (&*entry.name, item.slot);
                    warn!(entry, %slot, "the answer was lost: dispatched, or skipped for what the entry demands");
                } else {
                    self.tally.count(&item, entry);
                    report(&item, outcome, entry, now, true);
                }
                if until == item.slot && planner.is_done(index) {
                    report_done(entry);
                }
            }
        }
    }
}

/// Polls a call once, so that it is on its way, and in front of those that are set off later.
async fn set_off<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> Pin<Box<dyn Future<Output = T> + Send>> {
    let mut call = Box::pin(call);
    match poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
        Poll::Ready(answer) => Box::pin(ready(answer)),
        Poll::Pending => call,
    }
}

/// Counts and tells what the broker has recorded.
pub(super) fn recorded(
    item: &Item,
    outcome: Outcome,
    entry: &Entry,
    tally: &mut Tally,
    now: UnixMs,
) {
    tally.count(item, entry);
    if item.action == Action::Send(Kind::Scheduled) {
        tally.late(now.since(entry.due(item.slot)));
    }
    report(item, outcome, entry, now, false);
}

pub(super) fn accepted(queue: &str, tally: &mut Tally) {
    if let Some(queue) = tally.accepted(queue) {
        info!(%queue, "the queue takes messages again");
    }
}

/// A queue refused a message of the write with that sequence number: it is left alone for a while.
pub(super) fn refused(
    queue: &Arc<str>,
    error: &str,
    sequence: u64,
    planner: &mut Planner,
    tally: &mut Tally,
    now: UnixMs,
) {
    let Some(failures) = tally.refused(queue, error, sequence) else { return };
    if failures == 1 {
        warn!(%queue, %error, "the queue refuses messages; it is tried again");
    }
    planner.hold(queue, now + backoff(failures + 3, LONGEST_HOLD));
}

/// The one line in the log when an entry has reached its limit.
pub(super) fn report_done(entry: &Entry) {
    let limit = entry.guards.limit;
    info!(entry = &*entry.name, limit, "done: the limit is reached");
}

/// The one line in the log for each slot sent and each run of slots skipped.
fn report(item: &Item, outcome: Outcome, entry: &Entry, at: UnixMs, recovered: bool) {
    let (name, slot) = (&*entry.name, item.slot);
    let lateness_ms = at.0.saturating_sub(entry.due(slot).0);
    match (item.action, outcome) {
        (Action::Send(kind), Outcome::Dispatched(task_id)) => {
            let queue = &*entry.message.queue.name;
            let kind = (kind != Kind::Scheduled).then(|| kind.as_str());
            let recovered = recovered.then_some(true);
            info!(entry = name, queue, %slot, lateness_ms, %task_id, kind, recovered, "dispatched");
        }
        (Action::Skip { reason, count }, _) => {
            warn!(entry = name, %slot, %reason, count, "skipped");
        }
        (Action::Send(_), Outcome::Skipped(_)) => {}
    }
}
