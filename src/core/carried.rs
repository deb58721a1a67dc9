//! Slots of queues on carriers. The store records that a slot is about to be published, the carrier publishes
//! it, and the store records the outcome.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::log::Log;
use super::pipe::Work;
use super::scheduler::Scheduler;
use super::{Action, Carried, Delivery, Now, Publish, Request, RequestId};
use crate::carrier::PublishOutcome;
use crate::render::MAX_BATCH_SLOTS;
use crate::schedule::outcome::SkipReason;
use crate::schedule::planner::{Action as Planned, Item};
use crate::schedule::{Entry, Kind, Planner, Schedule};
use crate::store::Fence;
use crate::store::contract::{Settle, Settled};
use crate::store::journal::RecordId;
use crate::worker::Queue;

/// Slots that are with carriers, and outcomes not recorded yet.
#[derive(Debug, Default)]
pub(super) struct Carrying {
    /// Entries with a slot that is being published or whose outcome is not recorded.
    entries: BTreeSet<Arc<str>>,
    /// Publishes in flight, without slots whose outcomes no longer matter.
    published: BTreeMap<RequestId, Vec<Option<PendingSlot>>>,
    /// Outcomes that are not recorded yet.
    returned: Vec<Returned>,
}

/// A slot being published, with the schedule that it was planned from.
#[derive(Clone, Debug)]
struct PendingSlot {
    schedule: Arc<Schedule>,
    item: Item,
    task_id: Uuid,
}

/// Slots that were planned from one schedule, with their task ids.
pub(super) type PlannedSlots = (Arc<Schedule>, Vec<(Item, Uuid)>);

/// A slot and what the carrier did with it.
#[derive(Debug)]
pub(super) struct Returned {
    slot: PendingSlot,
    delivery: Delivery,
}

impl PendingSlot {
    fn entry(&self) -> &Entry {
        &self.schedule.entries[self.item.entry as usize]
    }
}

impl Returned {
    /// What the store should record. Nothing if the outcome is uncertain: the intent is already recorded. A slot
    /// that was uncertain before stays so when the carrier refuses it.
    fn settled(&self) -> Option<Settled> {
        let was_uncertain = self.slot.item.action == Planned::Send(Kind::Resent);
        let (entry, item) = (self.slot.entry(), &self.slot.item);
        let line = match &self.delivery {
            Delivery::QueueFull => Some(item.skipped(SkipReason::QueueFull).line(entry)),
            Delivery::Tried(PublishOutcome::Published) => Some(item.line(entry)),
            Delivery::Tried(
                PublishOutcome::Refused(_) | PublishOutcome::Unreachable(_) | PublishOutcome::Held,
            ) if !was_uncertain => None,
            Delivery::Tried(_) => return None,
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

impl Carrying {
    /// Handles the outcomes of a publish.
    pub(super) fn on_published(&mut self, id: RequestId, deliveries: Vec<Delivery>) {
        let slots = self.published.remove(&id).unwrap_or_default();
        let returned = |(slot, delivery)| Some(Returned { slot: slot?, delivery });
        self.returned.extend(slots.into_iter().zip(deliveries).filter_map(returned));
    }

    /// Takes back outcomes whose write failed.
    pub(super) fn take_back(&mut self, mut returned: Vec<Returned>) {
        returned.append(&mut self.returned);
        self.returned = returned;
    }

    /// The entries with a slot that is being published or whose outcome is not recorded.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter()
    }

    /// Whether no publish is in flight and every outcome is recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Scheduler {
    /// Publishes slots whose intents are recorded, while the tenure is trusted.
    pub(super) fn publish_intended(
        &mut self,
        intended: Vec<(Item, Uuid)>,
        lease: &Arc<str>,
        now: Now,
    ) {
        let Some(planner) = &self.planner else { return };
        let schedule = Arc::clone(planner.schedule());
        let mut by_queue: BTreeMap<Arc<str>, (Arc<Queue>, Vec<_>, Vec<_>)> = BTreeMap::new();
        for (item, task_id) in intended {
            let entry = &schedule.entries[item.entry as usize];
            let Planned::Send(kind) = item.action else { continue };
            let publication =
                self.renderer.publication(entry, item.slot, kind, now.wall, &mut self.rng);
            let Some(publication) = publication else { continue };
            let queue = &entry.message.queue;
            let (_, slots, messages) = by_queue
                .entry(Arc::clone(&queue.name))
                .or_insert_with(|| (Arc::clone(queue), Vec::new(), Vec::new()));
            self.carrying.entries.insert(Arc::clone(&entry.name));
            slots.push(Some(PendingSlot { schedule: Arc::clone(&schedule), item, task_id }));
            messages.push(Carried { max_queued: entry.guards.max_queued, publication });
        }
        let not_after = self.trusted_until(lease);
        for (queue, slots, messages) in by_queue.into_values() {
            let id = self.new_id();
            self.carrying.published.insert(id, slots);
            self.actions.push(Action::Publish(id, Publish { queue, messages, not_after }));
        }
    }

    /// Leaves outcomes unrecorded at the end of a tenure: they are uncertain to the next leader.
    pub(super) fn leave_unrecorded(&mut self) {
        for Returned { slot, delivery } in std::mem::take(&mut self.carrying.returned) {
            let (entry, task_id) = (Arc::clone(&slot.entry().name), slot.task_id);
            self.forget_pending(&entry);
            if matches!(delivery, Delivery::Tried(PublishOutcome::Published)) {
                self.log(Log::NotRecorded { entry, slot: slot.item.slot, task_id });
            }
        }
    }

    /// Keeps only slots that are open and whose intents the store has, at a takeover. One that is not open was
    /// settled by another leader, or by a record of our own that was not answered: recorded again, it would count
    /// twice. An open one without an intent is uncertain: the store has forgotten that it was about to be sent.
    pub(super) fn keep_intended(
        &mut self,
        planner: &mut Planner,
        intents: &HashMap<Box<str>, UnixMs>,
    ) {
        let mut is_kept = |pending: &PendingSlot| {
            let (name, slot) = (&pending.entry().name, pending.item.slot);
            let is_intended = intents.get(&**name).is_some_and(|intended| slot <= *intended);
            if !is_intended {
                planner.mark_open_uncertain(name, slot);
            }
            is_intended && planner.is_open(name, slot)
        };
        for pending in self.carrying.published.values_mut().flatten() {
            pending.take_if(|pending| !is_kept(pending));
        }
        self.carrying.returned.retain(|returned| is_kept(&returned.slot));
        let published = self.carrying.published.values().flatten().flatten();
        let pending = published.chain(self.carrying.returned.iter().map(|returned| &returned.slot));
        self.carrying.entries = pending.map(|pending| Arc::clone(&pending.entry().name)).collect();
    }

    /// Notes that the entry has no slot with a carrier any more.
    fn forget_pending(&mut self, entry: &Arc<str>) {
        self.carrying.entries.remove(entry);
        if let Some(planner) = &mut self.planner
            && let Some((index, _)) = planner.find(entry)
        {
            planner.mark_returned(index);
        }
    }

    /// Has the store record outcomes. Returns whether there were any.
    pub(super) fn settle_returned(&mut self, fence: &Fence, now: Now) -> bool {
        if self.carrying.returned.is_empty() {
            return false;
        }
        let (mut to_record, rest): (Vec<_>, Vec<_>) =
            self.carrying.returned.drain(..).partition(|returned| returned.settled().is_some());
        self.carrying.returned = to_record.split_off(to_record.len().min(MAX_BATCH_SLOTS));
        rest.into_iter().for_each(|returned| {
            self.on_returned(returned, now);
        });
        if to_record.is_empty() {
            return false;
        }
        let slots = to_record.iter().filter_map(Returned::settled).collect();
        let request = Request::Settle(Settle { fence: fence.clone(), slots });
        self.send(fence, request, Work::Settle(to_record));
        true
    }

    /// Handles outcomes that the store has recorded.
    pub(super) fn on_settled(&mut self, returned: Vec<Returned>, head: Option<RecordId>, now: Now) {
        let recorded: Vec<PendingSlot> =
            returned.into_iter().filter_map(|returned| self.on_returned(returned, now)).collect();
        for (schedule, items) in by_schedule(&recorded) {
            self.on_recorded(&schedule, items, head, now);
        }
    }

    /// Settles a slot once its outcome is recorded as far as it needs to be. Returns what was recorded.
    fn on_returned(&mut self, returned: Returned, now: Now) -> Option<PendingSlot> {
        let Returned { slot, delivery } = returned;
        let (entry, item) = (slot.entry(), slot.item);
        self.carrying.entries.remove(&entry.name);
        let planner = self.planner.as_mut()?;
        // Found by name: the schedule may have changed.
        let index = planner.find(&entry.name).map(|(index, _)| index);
        index.into_iter().for_each(|index| planner.mark_returned(index));
        let (recorded, refusal) = match delivery {
            Delivery::QueueFull => (Some(item.skipped(SkipReason::QueueFull)), None),
            Delivery::Tried(PublishOutcome::Published) => (Some(item), None),
            Delivery::Tried(PublishOutcome::Held) => (None, None),
            Delivery::Tried(
                PublishOutcome::Refused(error) | PublishOutcome::Unreachable(error),
            ) => (None, Some(error)),
            Delivery::Tried(PublishOutcome::Uncertain(error)) => {
                if let Some(index) = index {
                    planner.mark_uncertain(index, item.slot);
                }
                let (entry, slot) = (Arc::clone(&entry.name), item.slot);
                self.log(Log::MayHaveBeenSent { entry, slot, error: error.clone() });
                (None, Some(error))
            }
        };
        if let Some(error) = refusal {
            self.on_queue_refusal(&entry.message.queue.name, &error, now);
        }
        let item = recorded?;
        self.count_slot(entry, &item, now);
        if let (Some(index), Some(planner)) = (index, &mut self.planner) {
            planner.settle(&Item { entry: index, ..item });
        }
        Some(PendingSlot { item, ..slot })
    }
}

/// Groups slots by schedule.
fn by_schedule<'a>(slots: impl IntoIterator<Item = &'a PendingSlot>) -> Vec<PlannedSlots> {
    let mut found: Vec<PlannedSlots> = Vec::new();
    for PendingSlot { schedule, item, task_id } in slots {
        match found.last_mut().filter(|(last, _)| Arc::ptr_eq(last, schedule)) {
            Some((_, items)) => items.push((*item, *task_id)),
            None => found.push((Arc::clone(schedule), vec![(*item, *task_id)])),
        }
    }
    found
}

/// The slots whose outcomes are being recorded.
pub(super) fn being_recorded(returned: &[Returned]) -> Vec<PlannedSlots> {
    by_schedule(returned.iter().map(|returned| &returned.slot))
}
