//! Slots whose messages a carrier takes. The loop never waits for a carrier: it has the store record
//! that a slot is about to be handed over, leaves that to a task, and records what became of it when the
//! task reports.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, warn};
use uuid::Uuid;

use super::render::{BATCH, line};
use super::{Service, Step};
use crate::carrier::{Carrier, PublishOutcome};
use crate::clock::{Clock, SinceBoot};
use crate::envelope::Publication;
use crate::leader::lease::Lease;
use crate::manual::{
    self, Backfill, Backfilled, CarrierOnly, Refused, TakeNote, Trigger, Triggered,
};
use crate::pausing::PauseStatus;
use crate::queue::Queue;
use crate::schedule::outcome::SkipReason;
use crate::schedule::planner::{Action, Item};
use crate::schedule::{Entry, Kind, Schedule};
use crate::store::Fence;
use crate::store::contract::{
    BackfillNote, ManualNote, Noted, OpenBackfill, Reply, Settle, Settled, Store, StoreError,
};

/// What is on its way to carriers, and what came back.
#[derive(Debug)]
pub(super) struct Publishing<C> {
    pub(super) carrier: C,
    /// Entries with a slot that is being published.
    pending: HashSet<Arc<str>>,
    /// What came back and is not recorded yet.
    returned: Vec<Returned>,
    /// Tasks that send what somebody asked for.
    manual: usize,
    events: mpsc::UnboundedReceiver<Event>,
    reporter: mpsc::UnboundedSender<Event>,
}

/// What the tasks that publish report.
#[derive(Debug)]
pub(super) enum Event {
    /// What became of slots.
    Returned(Vec<Returned>),
    /// What becomes of a message that somebody asked for.
    Note(Box<ManualNote>, oneshot::Sender<Result<Noted, StoreError>>),
    /// What becomes of a backfill.
    NoteBackfill(Box<BackfillNote>, oneshot::Sender<Result<Option<OpenBackfill>, StoreError>>),
    /// Messages that somebody asked for were sent.
    ManualSent,
}

/// Has the loop's store take notes.
#[derive(Debug)]
struct Notes(mpsc::UnboundedSender<Event>);

impl TakeNote for Notes {
    async fn note(&mut self, note: ManualNote) -> Result<Noted, StoreError> {
        self.ask(|answer| Event::Note(Box::new(note), answer)).await
    }

    async fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> Result<Option<OpenBackfill>, StoreError> {
        self.ask(|answer| Event::NoteBackfill(Box::new(note), answer)).await
    }
}

impl Notes {
    async fn ask<T>(
        &self,
        event: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Event,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(event(answer));
        let stopped = |_| StoreError::Unanswered("the service has stopped".to_owned());
        answered.await.map_err(stopped)?
    }
}

/// A slot that is recorded as intended, with its message.
#[derive(Debug)]
pub(super) struct PendingPublish {
    slot: PendingSlot,
    publication: Publication,
}

/// A slot that is published while the schedule may change.
#[derive(Clone, Debug)]
struct PendingSlot {
    schedule: Arc<Schedule>,
    item: Item,
    task_id: Uuid,
}

/// What became of a slot.
#[derive(Debug)]
pub(super) struct Returned {
    slot: PendingSlot,
    result: PublishResult,
}

#[derive(Debug)]
enum PublishResult {
    QueueFull,
    Tried(PublishOutcome),
}

/// Whether this tenure is trusted still.
#[derive(Clone, Debug)]
struct Trust {
    lease: Arc<str>,
    leadership: watch::Receiver<Option<Lease>>,
}

impl Trust {
    fn holds(&self) -> bool {
        let lease = self.leadership.borrow();
        let ours = lease.as_ref().filter(|lease| lease.text == self.lease);
        ours.is_some_and(|lease| lease.is_trusted(SinceBoot::now()))
    }
}

impl PendingSlot {
    fn entry(&self) -> &Entry {
        &self.schedule.entries[self.item.entry as usize]
    }
}

impl Returned {
    /// What is recorded of it. Nothing is of a slot in doubt: its intent stands already, and a slot
    /// that was in doubt before stays so when the carrier refuses it.
    fn settled(&self) -> Option<Settled> {
        let was_uncertain = self.slot.item.action == Action::Send(Kind::Resent);
        let (entry, item) = (self.slot.entry(), &self.slot.item);
        let line = match &self.result {
            PublishResult::QueueFull => Some(line(entry, &item.skipped(SkipReason::QueueFull))),
            PublishResult::Tried(PublishOutcome::Published) => Some(line(entry, item)),
            PublishResult::Tried(
                PublishOutcome::Refused(_) | PublishOutcome::Unreachable(_) | PublishOutcome::Held,
            ) if !was_uncertain => None,
            PublishResult::Tried(_) => return None,
        };
        Some(Settled {
            entry: Arc::clone(&entry.name),
            queue: Arc::clone(&entry.message.queue),
            line,
            task_id: self.slot.task_id,
            guards: entry.guards,
        })
    }
}

impl<C: Carrier> Publishing<C> {
    pub(super) fn new(carrier: C) -> Publishing<C> {
        let (reporter, events) = mpsc::unbounded_channel();
        let (pending, returned) = (HashSet::new(), Vec::new());
        Publishing { carrier, pending, returned, manual: 0, events, reporter }
    }

    /// Publishes what is intended for one queue, in a task of its own.
    fn publish(&mut self, queue: Arc<Queue>, slots: Vec<PendingPublish>, trust: Trust) {
        let names = slots.iter().map(|pending| Arc::clone(&pending.slot.entry().name));
        self.pending.extend(names);
        let (carrier, reporter) = (self.carrier.clone(), self.reporter.clone());
        tokio::spawn(async move {
            let returned = deliver(&carrier, &queue, slots, &trust).await;
            // The loop is gone: then nothing records it either.
            let _ = reporter.send(Event::Returned(returned));
        });
    }

    /// What takes manual messages in a task of its own, which reports [`Event::ManualSent`].
    fn begin_manual(&mut self) -> CarrierOnly<C, Notes> {
        self.manual += 1;
        CarrierOnly { carrier: self.carrier.clone(), notes: Notes(self.reporter.clone()) }
    }

    /// Waits for what the tasks report.
    pub(super) async fn event(&mut self) -> Event {
        // It cannot end: this half holds a sender itself.
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// What the tasks have reported by now.
    #[cfg(test)]
    pub(super) fn try_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Whether something came back that is not recorded.
    #[cfg(test)]
    pub(super) fn has_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    /// The entries with a slot that is being published, or whose result is not recorded.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Arc<str>> {
        self.pending.iter()
    }

    /// Whether every task has reported.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.len() == self.returned.len() && self.manual == 0
    }
}

/// Publishes the messages of one queue that it has room for.
async fn deliver<C: Carrier>(
    carrier: &C,
    queue: &Queue,
    slots: Vec<PendingPublish>,
    trust: &Trust,
) -> Vec<Returned> {
    let max_queued = |slot: &PendingSlot| slot.entry().guards.max_queued;
    let mut queued = match slots.iter().any(|pending| max_queued(&pending.slot).is_some()) {
        false => Ok(0),
        true => carrier.count_waiting(queue).await,
    };
    let (mut tried, mut publications, mut returned) = (Vec::new(), Vec::new(), Vec::new());
    for PendingPublish { slot, publication } in slots {
        match (max_queued(&slot), &mut queued) {
            (Some(_), Err(error)) => {
                let result = PublishResult::Tried(PublishOutcome::Refused(error.clone()));
                returned.push(Returned { slot, result });
            }
            (Some(most), Ok(queued)) if *queued >= u64::from(most.get()) => {
                returned.push(Returned { slot, result: PublishResult::QueueFull });
            }
            (_, queued) => {
                if let Ok(queued) = queued {
                    *queued += 1;
                }
                tried.push(slot);
                publications.push(publication);
            }
        }
    }
    let outcomes = carrier.publish_all(queue, &publications, || trust.holds()).await;
    let results = outcomes.into_iter().map(PublishResult::Tried);
    returned.extend(tried.into_iter().zip(results).map(|(slot, result)| Returned { slot, result }));
    returned
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// Hands slots to their carriers that are recorded as intended.
    pub(super) fn publish_intended(&mut self, intended: Vec<(Item, Uuid)>, lease: &Arc<str>) {
        let Some(planner) = &mut self.planner else { return };
        let schedule = Arc::clone(planner.schedule());
        let mut rng = fastrand::Rng::new();
        let mut by_queue: HashMap<Arc<str>, Vec<PendingPublish>> = HashMap::new();
        for (item, task_id) in intended {
            let entry = &schedule.entries[item.entry as usize];
            let Action::Send(kind) = item.action else { continue };
            let publication = self.renderer.publication(entry, item.slot, kind, &mut rng);
            let Some(publication) = publication else { continue };
            planner.mark_in_flight(item.entry);
            let slot = PendingSlot { schedule: Arc::clone(&schedule), item, task_id };
            let of_queue = by_queue.entry(Arc::clone(&entry.message.queue.name)).or_default();
            of_queue.push(PendingPublish { slot, publication });
        }
        let leadership = self.reports.leadership.clone();
        let trust = Trust { lease: Arc::clone(lease), leadership };
        for slots in by_queue.into_values() {
            let queue = Arc::clone(&slots[0].slot.entry().message.queue);
            self.publishing.publish(queue, slots, trust.clone());
        }
    }

    /// Triggers in a task of its own.
    pub(super) fn trigger_over_carrier(
        &mut self,
        asked: Box<Trigger>,
        paused: Option<PauseStatus>,
        answer: oneshot::Sender<Result<Triggered, Refused>>,
    ) {
        let mut carrier = self.publishing.begin_manual();
        let reporter = self.publishing.reporter.clone();
        let (renderer, schedule) = (self.renderer.clone(), Arc::clone(&self.schedule));
        let store = self.settings.broker.clone();
        tokio::spawn(async move {
            let done =
                manual::trigger(&mut carrier, Some(&store), &renderer, &schedule, &asked).await;
            let _ = reporter.send(Event::ManualSent);
            let _ = answer.send(done.map(|done| Triggered { paused, ..done }));
        });
    }

    /// Backfills in a task of its own.
    pub(super) fn backfill_over_carrier(
        &mut self,
        asked: Box<Backfill>,
        paused: Option<PauseStatus>,
        answer: oneshot::Sender<Result<Backfilled, Refused>>,
    ) {
        let mut carrier = self.publishing.begin_manual();
        let reporter = self.publishing.reporter.clone();
        let (renderer, schedule) = (self.renderer.clone(), Arc::clone(&self.schedule));
        let store = self.settings.broker.clone();
        let now = self.clock.now();
        tokio::spawn(async move {
            let done =
                manual::backfill(&mut carrier, Some(&store), &renderer, &schedule, &asked, now);
            let done = done.await;
            let _ = reporter.send(Event::ManualSent);
            let _ = answer.send(done.map(|done| Backfilled { paused, ..done }));
        });
    }

    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Returned(slots) => self.publishing.returned.extend(slots),
            Event::Note(note, answer) => {
                let noted = self.store.note(*note);
                // The loop does not wait for it.
                tokio::spawn(async move { answer.send(noted.await) });
            }
            Event::NoteBackfill(note, answer) => {
                let noted = self.store.note_backfill(*note);
                tokio::spawn(async move { answer.send(noted.await) });
            }
            Event::ManualSent => {
                self.publishing.manual -= 1;
                self.counters_read_at = None;
            }
        }
    }

    /// Without the lead nothing can be recorded: what was published is in doubt to whoever leads next.
    pub(super) fn leave_unrecorded(&mut self) {
        for Returned { slot, result } in std::mem::take(&mut self.publishing.returned) {
            let (name, task_id) = (&slot.entry().name, slot.task_id);
            if matches!(result, PublishResult::Tried(PublishOutcome::Published)) {
                warn!(entry = &**name, slot = %slot.item.slot, %task_id, "dispatched, but not recorded");
            }
            self.publishing.pending.remove(name);
            if let Some(planner) = &mut self.planner
                && let Some((index, _)) = planner.find(name)
            {
                planner.mark_returned(index);
            }
        }
    }

    /// Records what came back.
    pub(super) async fn record_returned(&mut self, lease: &Lease) -> Result<Step, StoreError> {
        let (to_record, rest): (Vec<_>, Vec<_>) =
            self.publishing.returned.drain(..).partition(|returned| returned.settled().is_some());
        self.publishing.returned = to_record;
        rest.into_iter().for_each(|returned| {
            self.on_returned(returned);
        });
        while !self.publishing.returned.is_empty() {
            let Some(planner) = &self.planner else { return Ok(Step::Refused) };
            let fence = Fence::after(&lease.text, planner.sequence());
            let count = self.publishing.returned.len().min(BATCH);
            let slots =
                self.publishing.returned[..count].iter().filter_map(Returned::settled).collect();
            let reply = self.store.settle(Settle { fence, slots }).await?;
            let Reply::Written { now, sequence, head, .. } = reply else {
                self.on_refusal(&reply, lease).await?;
                return Ok(Step::Refused);
            };
            self.on_written(now, sequence, head);
            let recorded: Vec<_> = self.publishing.returned.drain(..count).collect();
            let entries = recorded.into_iter().filter_map(|returned| self.on_returned(returned));
            let entries = entries.collect();
            self.note_recorded(head, entries);
        }
        Ok(Step::Done)
    }

    /// Takes in what became of a slot, once that is recorded as far as it is to be. Gives the entry's
    /// name if an outcome was recorded.
    fn on_returned(&mut self, returned: Returned) -> Option<Arc<str>> {
        let Returned { slot, result } = returned;
        let (entry, item) = (slot.entry(), slot.item);
        let queue = &entry.message.queue.name;
        self.publishing.pending.remove(&entry.name);
        let planner = self.planner.as_mut()?;
        // By its name: the schedule may have changed.
        let index = planner.find(&entry.name).map(|(index, _)| index);
        index.into_iter().for_each(|index| planner.mark_returned(index));
        let (recorded, refusal) = match result {
            PublishResult::QueueFull => (Some(item.skipped(SkipReason::QueueFull)), None),
            PublishResult::Tried(PublishOutcome::Published) => (Some(item), None),
            PublishResult::Tried(PublishOutcome::Held) => (None, None),
            PublishResult::Tried(
                PublishOutcome::Refused(error) | PublishOutcome::Unreachable(error),
            ) => (None, Some(error)),
            PublishResult::Tried(PublishOutcome::Uncertain(error)) => {
                let name = &*entry.name;
                debug!(entry = name, slot = %item.slot, %error, "may have been sent");
                if let Some(index) = index {
                    planner.mark_uncertain(index, item.slot);
                }
                (None, Some(error))
            }
        };
        if let Some(error) = refusal {
            self.on_queue_refusal(queue, &error, Instant::now());
        }
        let item = recorded?;
        let now = self.clock.now();
        self.on_recorded(entry, &item, slot.task_id, now);
        if let (Some(index), Some(planner)) = (index, &mut self.planner) {
            planner.settle(&Item { entry: index, ..item });
            self.report_if_done(index);
        }
        Some(Arc::clone(&entry.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenure_is_trusted_while_its_own_lease_is() {
        let lease = |text: &str, trusted_until| {
            Some(Lease { text: text.into(), trusted_until, continues: false, broker_clock: None })
        };
        let (campaign, leadership) = watch::channel(lease("1 me", SinceBoot::NEVER));
        let trust = Trust { lease: "1 me".into(), leadership };
        assert!(trust.holds());
        let ended = [lease("1 me", SinceBoot::now()), lease("2 me", SinceBoot::NEVER), None];
        for ended in ended {
            campaign.send_replace(ended);
            assert!(!trust.holds());
        }
    }
}
