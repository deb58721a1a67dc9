//! Slots whose messages a carrier takes. The store records that a slot is about to be handed over, the
//! carrier is handed it, and the store records what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::log::Log;
use super::pipe::Work;
use super::scheduler::Scheduler;
use super::{Action, Carried, Delivery, Now, Publish, Request, RequestId};
use crate::carrier::PublishOutcome;
use crate::queue::Queue;
use crate::render::BATCH;
use crate::schedule::outcome::SkipReason;
use crate::schedule::planner::{Action as Planned, Item};
use crate::schedule::{Entry, Kind, Schedule};
use crate::store::Fence;
use crate::store::contract::{Settle, Settled};
use crate::store::journal::RecordId;

/// What is on its way to carriers, and what came back.
#[derive(Debug, Default)]
pub(super) struct Carrying {
    /// Entries with a slot that is being published, or whose result is not recorded.
    entries: BTreeSet<Arc<str>>,
    /// What carriers were handed.
    published: BTreeMap<RequestId, Vec<PendingSlot>>,
    /// What came back and is not recorded yet.
    returned: Vec<Returned>,
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
    delivery: Delivery,
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
    /// What became of messages that a carrier was handed.
    pub(super) fn on_published(&mut self, id: RequestId, deliveries: Vec<Delivery>) {
        let slots = self.published.remove(&id).unwrap_or_default();
        let returned = slots.into_iter().zip(deliveries);
        self.returned.extend(returned.map(|(slot, delivery)| Returned { slot, delivery }));
    }

    /// What was to be recorded is not.
    pub(super) fn take_back(&mut self, mut returned: Vec<Returned>) {
        returned.append(&mut self.returned);
        self.returned = returned;
    }

    /// The entries with a slot that is being published, or whose result is not recorded.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter()
    }

    /// Whether nothing is on its way, and everything that came back is recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Scheduler {
    /// Hands slots to their carriers that are recorded as intended, while the tenure is trusted.
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
            slots.push(PendingSlot { schedule: Arc::clone(&schedule), item, task_id });
            messages.push(Carried { max_queued: entry.guards.max_queued, publication });
        }
        let not_after = self.trusted_until(lease);
        for (queue, slots, messages) in by_queue.into_values() {
            let id = self.new_id();
            self.carrying.published.insert(id, slots);
            self.actions.push(Action::Publish(id, Publish { queue, messages, not_after }));
        }
    }

    /// Without the lead nothing can be recorded: what was published is in doubt to whoever leads next.
    pub(super) fn leave_unrecorded(&mut self) {
        for Returned { slot, delivery } in std::mem::take(&mut self.carrying.returned) {
            let (entry, task_id) = (Arc::clone(&slot.entry().name), slot.task_id);
            self.forget_pending(&entry);
            if matches!(delivery, Delivery::Tried(PublishOutcome::Published)) {
                self.log(Log::NotRecorded { entry, slot: slot.item.slot, task_id });
            }
        }
    }

    /// The entry has no slot with a carrier any more.
    fn forget_pending(&mut self, entry: &Arc<str>) {
        self.carrying.entries.remove(entry);
        if let Some(planner) = &mut self.planner
            && let Some((index, _)) = planner.find(entry)
        {
            planner.mark_returned(index);
        }
    }

    /// Has recorded what came back. Gives whether there was something to record.
    pub(super) fn settle_returned(&mut self, fence: &Fence, now: Now) -> bool {
        if self.carrying.returned.is_empty() {
            return false;
        }
        let (mut to_record, rest): (Vec<_>, Vec<_>) =
            self.carrying.returned.drain(..).partition(|returned| returned.settled().is_some());
        self.carrying.returned = to_record.split_off(to_record.len().min(BATCH));
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

    /// What became of slots is recorded.
    pub(super) fn on_settled(&mut self, returned: Vec<Returned>, head: Option<RecordId>, now: Now) {
        let recorded: Vec<(Arc<Schedule>, Item, Uuid)> =
            returned.into_iter().filter_map(|returned| self.on_returned(returned, now)).collect();
        let is_one = |(one, ..): &(Arc<Schedule>, _, _), (other, ..): &(Arc<Schedule>, _, _)| {
            Arc::ptr_eq(one, other)
        };
        for of_a_schedule in recorded.chunk_by(is_one) {
            let schedule = &of_a_schedule[0].0;
            let items = of_a_schedule.iter().map(|(_, item, task_id)| (*item, *task_id)).collect();
            self.on_recorded(schedule, items, head, now);
        }
    }

    /// Takes in what became of a slot, once that is recorded as far as it is to be. Gives what was
    /// recorded.
    fn on_returned(&mut self, returned: Returned, now: Now) -> Option<(Arc<Schedule>, Item, Uuid)> {
        let Returned { slot, delivery } = returned;
        let (entry, item) = (slot.entry(), slot.item);
        self.carrying.entries.remove(&entry.name);
        let planner = self.planner.as_mut()?;
        // By its name: the schedule may have changed.
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
        Some((Arc::clone(&slot.schedule), item, slot.task_id))
    }
}
