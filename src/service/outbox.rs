//! Slots whose messages an AMQP broker takes. The loop never waits for such a broker: it writes down
//! what it intends to publish, leaves that to a task, and records what came of it when it is told.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, warn};
use uuid::Uuid;

use super::Service;
use super::render::BATCH;
use super::round::{self, report_done};
use crate::by_hand::{self, Backfill, Backfilled, Refused, Trigger, Triggered};
use crate::carrier::amqp::Amqp;
use crate::carrier::{Carrier as _, PublishOutcome};
use crate::clock::{Clock, SinceBoot};
use crate::envelope::Publication;
use crate::leader::lease::{Lease, Reading};
use crate::queue::Queue;
use crate::schedule::legacy::SkipReason;
use crate::schedule::legacy_planner::{Action, Item};
use crate::schedule::{Entry, Kind, Schedule, UnixMs};
use crate::store::{Broker, BrokerError, Exception, Fence, Note, Outcome, Reply, Stage};

/// What is on its way to AMQP brokers, and what came back.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) amqp: Amqp,
    /// Slots that are being published.
    in_hand: usize,
    /// What came back and is not recorded yet.
    returned: Vec<Returned>,
    told: mpsc::UnboundedReceiver<Told>,
    teller: mpsc::UnboundedSender<Told>,
}

/// What the tasks that publish have to say.
#[derive(Debug)]
pub(super) enum Told {
    Slots(Vec<Returned>),
    /// So many messages by hand were sent.
    ByHand(Arc<str>, Kind, usize),
}

/// A slot that is intended, with its message.
#[derive(Debug)]
pub(super) struct Errand {
    slot: Slot,
    publication: Publication,
}

/// A slot that is published while the schedule may change.
#[derive(Clone, Debug)]
struct Slot {
    schedule: Arc<Schedule>,
    item: Item,
    task_id: Uuid,
}

/// What became of a slot.
#[derive(Debug)]
pub(super) struct Returned {
    slot: Slot,
    end: End,
}

#[derive(Debug)]
enum End {
    Full,
    Carried(PublishOutcome),
}

/// Whether this stay in office still is trusted to be one.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) lease: Arc<str>,
    pub(super) leadership: watch::Receiver<Option<Lease>>,
}

impl Trust {
    fn holds(&self) -> bool {
        let lease = self.leadership.borrow();
        let ours = lease.as_ref().filter(|lease| lease.text == self.lease);
        ours.is_some_and(|lease| lease.is_trusted(SinceBoot::now()))
    }
}

impl Slot {
    fn entry(&self) -> &Entry {
        &self.schedule.entries[self.item.entry as usize]
    }
}

impl Errand {
    pub(super) fn new(
        schedule: &Arc<Schedule>,
        item: Item,
        task_id: Uuid,
        publication: Publication,
    ) -> Errand {
        let slot = Slot { schedule: Arc::clone(schedule), item, task_id };
        Errand { slot, publication }
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.slot.entry().message.queue
    }
}

impl Returned {
    /// What is to be written of it. Of what is in doubt nothing is: the intent says so already, and
    /// a slot that was in doubt before stays so when the broker refuses it.
    fn note(&self) -> Option<Note> {
        let was_in_doubt = self.slot.item.action == Action::Send(Kind::Resent);
        let stage = match &self.end {
            End::Full => Stage::Settled(Outcome::Skipped(SkipReason::QueueFull)),
            End::Carried(PublishOutcome::Published) => {
                Stage::Settled(Outcome::Dispatched(self.slot.task_id))
            }
            End::Carried(PublishOutcome::Refused(_) | PublishOutcome::Held) if !was_in_doubt => {
                Stage::Withdrawn
            }
            End::Carried(_) => return None,
        };
        let entry = self.slot.entry();
        let (name, slot) = (Arc::clone(&entry.name), self.slot.item.slot);
        let queue = Arc::clone(&entry.message.queue);
        Some(Note { entry: name, slot, stage, queue, guards: entry.guards })
    }
}

impl Outbox {
    pub(super) fn new(amqp: Amqp) -> Outbox {
        let (teller, told) = mpsc::unbounded_channel();
        Outbox { amqp, in_hand: 0, returned: Vec::new(), told, teller }
    }

    /// Publishes what is intended for one queue, in a task of its own.
    pub(super) fn publish(&mut self, queue: Arc<Queue>, errands: Vec<Errand>, trust: Trust) {
        self.in_hand += errands.len();
        let (amqp, teller) = (self.amqp.clone(), self.teller.clone());
        tokio::spawn(async move {
            let returned = deliver(&amqp, &queue, errands, &trust).await;
            // Nobody listens any more: then nobody records it either.
            let _ = teller.send(Told::Slots(returned));
        });
    }

    /// Waits for what the tasks have to say.
    pub(super) async fn told(&mut self) -> Told {
        // It cannot end: the outbox itself has a sender.
        match self.told.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_hand == 0
    }
}

/// Publishes errands of one queue, those that there is room for.
async fn deliver(amqp: &Amqp, queue: &Queue, errands: Vec<Errand>, trust: &Trust) -> Vec<Returned> {
    let counts = errands.iter().any(|errand| errand.slot.entry().guards.max_queued.is_some());
    let mut queued = match counts {
        false => Ok(0),
        true => amqp.count_waiting(queue).await,
    };
    let (mut slots, mut publications, mut returned) = (Vec::new(), Vec::new(), Vec::new());
    for Errand { slot, publication } in errands {
        let most = slot.entry().guards.max_queued;
        match (most, &mut queued) {
            (Some(_), Err(error)) => {
                let end = End::Carried(PublishOutcome::Refused(error.clone()));
                returned.push(Returned { slot, end });
            }
            (Some(most), Ok(queued)) if *queued >= u64::from(most.get()) => {
                returned.push(Returned { slot, end: End::Full });
            }
            (_, queued) => {
                if let Ok(queued) = queued {
                    *queued += 1;
                }
                slots.push(slot);
                publications.push(publication);
            }
        }
    }
    let outcomes = amqp.publish_all(queue, &publications, || trust.holds()).await;
    let ends = outcomes.into_iter().map(End::Carried);
    returned.extend(slots.into_iter().zip(ends).map(|(slot, end)| Returned { slot, end }));
    returned
}

impl<B: Broker, C: Clock> Service<B, C> {
    /// Triggers in a task of its own.
    pub(super) fn trigger_over_amqp(
        &self,
        asked: Box<Trigger>,
        answer: oneshot::Sender<Result<Triggered, Refused>>,
    ) {
        let (mut amqp, teller) = (self.outbox.amqp.clone(), self.outbox.teller.clone());
        let (renderer, schedule) = (self.renderer.clone(), Arc::clone(&self.schedule));
        let store = self.settings.broker.clone();
        tokio::spawn(async move {
            let done =
                by_hand::trigger(&mut amqp, Some(&store), &renderer, &schedule, &asked).await;
            if let Ok(triggered) = &done {
                let queue = triggered.queue.as_str().into();
                let _ = teller.send(Told::ByHand(queue, Kind::Manual, 1));
            }
            let _ = answer.send(done);
        });
    }

    /// Backfills in a task of its own.
    pub(super) fn backfill_over_amqp(
        &self,
        asked: Box<Backfill>,
        answer: oneshot::Sender<Result<Backfilled, Refused>>,
    ) {
        let (mut amqp, teller) = (self.outbox.amqp.clone(), self.outbox.teller.clone());
        let (renderer, schedule) = (self.renderer.clone(), Arc::clone(&self.schedule));
        let store = self.settings.broker.clone();
        let now = self.clock.now();
        tokio::spawn(async move {
            let done =
                by_hand::backfill(&mut amqp, Some(&store), &renderer, &schedule, &asked, now).await;
            if let Ok(done) = &done
                && let Some(slot) = done.slots.first()
            {
                let (queue, count) = (slot.queue.as_str().into(), done.slots.len());
                let _ = teller.send(Told::ByHand(queue, Kind::Backfill, count));
            }
            let _ = answer.send(done);
        });
    }

    pub(super) fn hear(&mut self, told: Told) {
        match told {
            Told::Slots(slots) => {
                self.outbox.in_hand = self.outbox.in_hand.saturating_sub(slots.len());
                self.outbox.returned.extend(slots);
            }
            Told::ByHand(queue, kind, count) => {
                (0..count).for_each(|_| self.tally.dispatched(&queue, kind));
            }
        }
    }

    /// Out of office nothing can be recorded: what was published is in doubt to whoever leads next.
    pub(super) fn leave_unrecorded(&mut self) {
        for Returned { slot, end } in std::mem::take(&mut self.outbox.returned) {
            let (entry, item) = (slot.entry(), slot.item);
            if matches!(end, End::Carried(PublishOutcome::Published)) {
                self.tally.count(&item, entry);
                let (name, task_id) = (&*entry.name, slot.task_id);
                warn!(entry = name, slot = %item.slot, %task_id, "dispatched, but not recorded");
            }
            if let Some(planner) = &mut self.planner {
                planner.give_back(&entry.name);
            }
        }
    }

    /// Records what came back; `false` when nothing was written and we have to read anew.
    pub(super) async fn record_returned(&mut self, lease: &Lease) -> Result<bool, BrokerError> {
        let (noted, rest): (Vec<_>, Vec<_>) =
            self.outbox.returned.drain(..).partition(|returned| returned.note().is_some());
        self.outbox.returned = noted;
        rest.into_iter().for_each(|returned| self.settle_returned(returned, None));
        while !self.outbox.returned.is_empty() {
            let Some(planner) = &self.planner else { return Ok(false) };
            let fence = Fence::after(&lease.text, planner.sequence());
            let some = self.outbox.returned.len().min(BATCH);
            let notes: Vec<_> =
                self.outbox.returned[..some].iter().filter_map(Returned::note).collect();
            let reply = self.broker.note(&fence, &notes).await?;
            let Reply::Written { now, sequence, exceptions } = reply else {
                self.stand_back(&reply);
                return Ok(false);
            };
            self.written(now, sequence);
            let recorded: Vec<_> = self.outbox.returned.drain(..some).collect();
            for (index, returned) in recorded.into_iter().enumerate() {
                let exception = exceptions.iter().find(|(at, _)| *at == index).map(|(_, why)| why);
                self.settle_returned(returned, exception);
            }
        }
        Ok(true)
    }

    fn settle_returned(&mut self, returned: Returned, exception: Option<&Exception>) {
        let Returned { slot, end } = returned;
        let (entry, item) = (slot.entry(), slot.item);
        let queue = &entry.message.queue.name;
        let Some(planner) = &mut self.planner else { return };
        planner.give_back(&entry.name);
        // By its name: the schedule may be another by now.
        let index = planner.find(&entry.name).map(|(index, _)| index);
        let (item, outcome, complaint) = match end {
            End::Full => {
                let reason = SkipReason::QueueFull;
                (item.skipped(reason), Some(Outcome::Skipped(reason)), None)
            }
            End::Carried(PublishOutcome::Published) => {
                round::accepted(queue, &mut self.tally);
                (item, Some(Outcome::Dispatched(slot.task_id)), None)
            }
            End::Carried(PublishOutcome::Held) => (item, None, None),
            End::Carried(PublishOutcome::Refused(error)) => (item, None, Some(error)),
            End::Carried(PublishOutcome::Uncertain(error)) => {
                let name = &*entry.name;
                debug!(entry = name, slot = %item.slot, %error, "it is not known whether it went");
                if let Some(index) = index {
                    planner.doubt(index, item.slot);
                }
                (item, None, Some(error))
            }
        };
        let now = self.clock.now();
        if let Some(error) = complaint {
            let sequence = planner.sequence();
            round::refused(queue, &error, sequence, planner, &mut self.tally, now);
        }
        let Some(outcome) = outcome else { return };
        round::recorded(&item, outcome, entry, &mut self.tally, now);
        let Some(index) = index else { return };
        let item = Item { entry: index, ..item };
        match exception {
            Some(Exception::AlreadyDone) => planner.pass(&item),
            _ => planner.settle(&item),
        }
        if planner.is_done(index) {
            report_done(planner.entry(index));
        }
    }

    /// What the broker's reply to a fenced write tells beside its exceptions.
    pub(super) fn written(&mut self, now: UnixMs, sequence: u64) {
        if self.broker_clock.is_some() {
            self.broker_clock = Some(Reading { shown: now, at: SinceBoot::now() });
        }
        if let Some(planner) = &mut self.planner {
            planner.advance(sequence);
        }
    }
}
