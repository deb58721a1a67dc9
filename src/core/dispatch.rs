//! Sends due slots: plan, render, publish, settle.

use std::collections::HashSet;
use std::sync::Arc;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::carried::being_recorded;
use super::log::Log;
use super::pipe::{Work, Write};
use super::scheduler::Scheduler;
use super::takeover::term_of;
use super::{Now, Request, Wake};
use crate::leader::lease::Lease;
use crate::render;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::planner::{Action, Item};
use crate::schedule::{Entry, Kind, Planner, Schedule};
use crate::store::Fence;
use crate::store::contract::{Batch, Exception, Intend, Intent, Snapshot};
use crate::store::journal::RecordId;

/// The size of the first plan after an idle time, so that its slots do not wait for the rest to be planned.
const FIRST_SLOTS: usize = 50;

/// Slots for one request.
#[derive(Debug)]
pub(super) enum Slots {
    /// Of queues on the store.
    Stored(Vec<Item>),
    /// Of queues on carriers.
    Carried(Vec<Item>),
}

/// Slots of a request that was not answered.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// The term of the tenure that made the request.
    term: u64,
    schedule: Arc<Schedule>,
    items: Vec<(Item, Uuid)>,
}

impl Scheduler {
    /// Makes the next request, if any. The next batch is planned and rendered while requests are in flight.
    pub(super) fn lead(&mut self, lease: &Lease, now: Now) -> Wake {
        if self.pipe.is_full() {
            return Wake::NEVER;
        }
        let fence = self.pipe.fence(&lease.text, &mut self.rng);
        if self.settle_returned(&fence, now) {
            return Wake::NOW;
        }
        // Until the clock's repair, which waits for carriers, the plan is wrong.
        if self.is_stopping() || self.went_back {
            return Wake::NEVER;
        }
        self.release_queues(now);
        self.refresh_pauses(now);
        if self.run_urgent_housekeeping(&fence, lease) {
            return Wake::NOW;
        }
        while let Some(slots) = self.next_slots(now) {
            let is_sent = match slots {
                Slots::Stored(items) => self.dispatch(&fence, items, now),
                Slots::Carried(items) => self.intend(&fence, items),
            };
            if is_sent {
                return Wake::NOW;
            }
        }
        let next_release = self.troubles.next_release().unwrap_or(Wake::NEVER.since_boot);
        let wall = self.on_wall_clock(self.plan_at, now);
        let wake = Wake { wall, since_boot: next_release };
        if self.pipe.is_empty() { self.run_housekeeping(&fence, lease, wake, now) } else { wake }
    }

    /// The slots to send next. While an edit waits for carriers, they are handed nothing more.
    fn next_slots(&mut self, now: Now) -> Option<Slots> {
        let is_edited = self.is_edited();
        let may_go = |slots: &Slots| !is_edited || matches!(slots, Slots::Stored(_));
        if !self.planned.iter().any(may_go) {
            self.plan(now);
        }
        let next = self.planned.iter().position(may_go)?;
        self.planned.remove(next)
    }

    /// Plans a batch. Its entries are not planned again until the outcome is known.
    fn plan(&mut self, now: Now) {
        let at = self.planning_time(now);
        let behind = at.since(self.store_now(now));
        let Some(planner) = &mut self.planner else { return };
        planner.set_store_behind(behind);
        let max = self.batch_size.slots();
        let limit = if self.was_idle { FIRST_SLOTS.min(max) } else { max };
        let plan = planner.plan(at, limit, max);
        (self.plan_at, self.was_idle) = (plan.wake_at, plan.items.is_empty());
        plan.items.iter().for_each(|item| planner.mark_in_flight(item.entry));
        let is_carried = |item: &Item| {
            let sends = matches!(item.action, Action::Send(_));
            sends && self.renderer.is_carried(planner.entry(item.entry))
        };
        let (mut carried, stored): (Vec<_>, Vec<_>) = plan.items.into_iter().partition(is_carried);
        if !carried.is_empty() {
            // An entry's skipped slots are recorded first.
            let skipped: HashSet<u32> = stored.iter().map(|item| item.entry).collect();
            carried.retain(|item| !skipped.contains(&item.entry));
        }
        let carried = carried.chunks(max).map(|items| Slots::Carried(items.to_vec()));
        let stored =
            render::batches(&stored).into_iter().map(|items| Slots::Stored(items.to_vec()));
        self.planned.extend(carried.chain(stored));
    }

    /// Renders and sends a batch. Returns whether there was anything to send.
    fn dispatch(&mut self, fence: &Fence, items: Vec<Item>, now: Now) -> bool {
        let at = self.planning_time(now);
        let Some(planner) = &mut self.planner else { return false };
        // Leaves out queues that have refused a message since the batch was planned.
        let is_held =
            |item: &Item| self.troubles.is_held(&planner.entry(item.entry).message.queue.name);
        let (held, mut items): (Vec<_>, Vec<_>) = items.into_iter().partition(is_held);
        held.iter().for_each(|item| planner.mark_returned(item.entry));
        let entry = |index| planner.entry(index);
        let (mut writes, task_ids) =
            render::render(&self.renderer, &items, entry, now.wall, &mut self.rng);
        self.pauses.explain(planner, &items, at, &mut writes);
        let left = items.split_off(writes.len());
        // An entry stays in flight if some of its slots are sent.
        let last = items.last().map(|item| item.entry);
        let left = left.iter().filter(|item| Some(item.entry) != last);
        left.for_each(|item| planner.mark_returned(item.entry));
        if writes.is_empty() {
            return false;
        }
        let items = items.into_iter().zip(task_ids).collect();
        let request =
            Request::Dispatch(Batch { fence: fence.clone(), pauses: self.pauses.mark(), writes });
        self.send(fence, request, Work::Dispatch(items));
        true
    }

    /// Has the store record the slots that carriers are about to publish.
    fn intend(&mut self, fence: &Fence, items: Vec<Item>) -> bool {
        let Some(planner) = &self.planner else { return false };
        let intent = |item: Item| {
            let entry = planner.entry(item.entry);
            let (name, queue) = (Arc::clone(&entry.name), Arc::clone(&entry.message.queue));
            let intent = Intent { entry: name, slot: item.slot, queue, guards: entry.guards };
            (intent, (item, self.renderer.task_id(entry, item.slot)))
        };
        let (slots, items): (Vec<_>, Vec<_>) = items.into_iter().map(intent).unzip();
        let request =
            Request::Intend(Intend { fence: fence.clone(), pauses: self.pauses.mark(), slots });
        self.send(fence, request, Work::Intend(items));
        true
    }

    /// Sends a fenced write.
    pub(super) fn send(&mut self, fence: &Fence, request: Request, work: Work) {
        if let Some(planner) = &mut self.planner {
            work.items().iter().for_each(|(item, _)| planner.charge(item));
        }
        let id = self.ask(request);
        self.pipe.push(id, fence, work, self.called_at);
    }

    /// Handles a write that the store carried out, but for the exceptions.
    pub(super) fn on_written(
        &mut self,
        write: Write,
        exceptions: Vec<(usize, Exception)>,
        head: Option<RecordId>,
        now: Now,
    ) {
        match write.work {
            Work::Dispatch(items) => {
                self.settle(items, exceptions, head, now);
                self.note_batch(now);
            }
            Work::Intend(items) => {
                let intended = self.settle_intents(items, exceptions, head, now);
                self.publish_intended(intended, &write.lease, now);
                self.note_batch(now);
            }
            Work::Settle(returned) => self.on_settled(returned, head, now),
            Work::Fold(step) => {
                self.unfolded.folded(&step);
                let left = self.unfolded.slots();
                self.log(Log::Folded { entries: step.entries.len(), left });
            }
            Work::Part => {}
        }
    }

    fn mark_returned(&mut self, items: &[(Item, Uuid)]) {
        if let Some(planner) = &mut self.planner {
            items.iter().for_each(|(item, _)| planner.mark_returned(item.entry));
        }
    }

    /// Plans a failed write's slots anew.
    pub(super) fn take_back(&mut self, write: Write) {
        self.mark_returned(write.work.items());
        if let Work::Settle(returned) = write.work {
            self.carrying.take_back(returned);
        }
    }

    /// Gives slots that were planned but not sent back to the planner.
    pub(super) fn take_back_planned(&mut self) {
        let Some(planner) = &mut self.planner else { return };
        for slots in self.planned.drain(..) {
            let (Slots::Stored(items) | Slots::Carried(items)) = slots;
            items.iter().for_each(|item| planner.mark_returned(item.entry));
        }
        self.plan_at = UnixMs::MIN;
    }

    fn settle(
        &mut self,
        items: Vec<(Item, Uuid)>,
        exceptions: Vec<(usize, Exception)>,
        head: Option<RecordId>,
        now: Now,
    ) {
        let Some(planner) = &self.planner else { return };
        let schedule = Arc::clone(planner.schedule());
        let mut exceptions = exceptions.into_iter().peekable();
        let mut recorded = Vec::with_capacity(items.len());
        for (index, (item, task_id)) in items.into_iter().enumerate() {
            let entry = &schedule.entries[item.entry as usize];
            let item = match exceptions.next_if(|(at, _)| *at == index).map(|(_, why)| why) {
                None => item,
                Some(Exception::Skipped(why)) => item.skipped(why),
                Some(Exception::Refused(error)) => {
                    self.on_queue_refusal(&entry.message.queue.name, &error, now);
                    self.mark_returned(&[(item, task_id)]);
                    continue;
                }
            };
            self.count_slot(entry, &item, now);
            if let Some(planner) = &mut self.planner {
                planner.settle(&item);
                planner.mark_returned(item.entry);
            }
            recorded.push((item, task_id));
        }
        self.on_recorded(&schedule, recorded, head, now);
    }

    /// Returns the slots that may be published now, and settles those that were left out.
    fn settle_intents(
        &mut self,
        items: Vec<(Item, Uuid)>,
        exceptions: Vec<(usize, Exception)>,
        head: Option<RecordId>,
        now: Now,
    ) -> Vec<(Item, Uuid)> {
        let (mut intended, mut left_out, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        let mut exceptions = exceptions.into_iter().peekable();
        for (index, slot) in items.into_iter().enumerate() {
            match exceptions.next_if(|(at, _)| *at == index) {
                None => intended.push(slot),
                Some((_, why)) => {
                    reasons.push((left_out.len(), why));
                    left_out.push(slot);
                }
            }
        }
        self.settle(left_out, reasons, head, now);
        intended
    }

    /// Counts a recorded slot.
    pub(super) fn count_slot(&mut self, entry: &Entry, item: &Item, now: Now) {
        let queue = &entry.message.queue.name;
        match item.action {
            Action::Send(kind) => {
                if self.troubles.accepted(queue) {
                    // The queue may still be held: this message was on its way when another was refused.
                    self.planner.iter_mut().for_each(|planner| planner.release(queue));
                    self.log(Log::QueueAccepts(Arc::clone(queue)));
                }
                if kind == Kind::Scheduled {
                    self.lateness.add(now.wall.since(entry.due(item.slot)));
                }
                self.counters.add(queue, Outcome::Dispatched(kind), 1);
                self.unseen_results.sent(entry, now.wall);
            }
            Action::Skip { reason, count } => {
                self.counters.add(queue, Outcome::Skipped(reason), count);
                if reason == SkipReason::StillRunning && self.unseen_results.skipped(entry, count) {
                    self.log(Log::NoResultSeen(Arc::clone(&entry.name)));
                }
            }
        }
    }

    /// Logs recorded and settled slots, and notes their entries for folding.
    pub(super) fn on_recorded(
        &mut self,
        schedule: &Arc<Schedule>,
        items: Vec<(Item, Uuid)>,
        head: Option<RecordId>,
        now: Now,
    ) {
        if items.is_empty() {
            return;
        }
        let entry = |item: &Item| &schedule.entries[item.entry as usize];
        let names = items.iter().map(|(item, _)| Arc::clone(&entry(item).name)).collect();
        self.note_recorded(head, names, now);
        let limited = items.iter().map(|(item, _)| entry(item));
        let mut done: Vec<&Entry> =
            limited.filter(|entry| entry.guards.limit.is_some() && self.is_done(entry)).collect();
        done.dedup_by_key(|entry| &entry.name);
        let limit_reached = |entry: &Entry| Log::LimitReached {
            entry: Arc::clone(&entry.name),
            limit: entry.guards.limit,
        };
        let done: Vec<Log> = done.into_iter().map(limit_reached).collect();
        let (schedule, at) = (Arc::clone(schedule), now.wall);
        self.log(Log::Recorded { schedule, items, at, recovered: false });
        done.into_iter().for_each(|log| self.log(log));
    }

    /// Whether an entry has reached its limit.
    fn is_done(&self, entry: &Entry) -> bool {
        let planner = self.planner.as_ref();
        let index = planner.and_then(|planner| Some(planner.find(&entry.name)?.0));
        planner.zip(index).is_some_and(|(planner, index)| planner.is_done(index))
    }

    /// Holds a queue that refused a message; it is tried again later.
    pub(super) fn on_queue_refusal(&mut self, queue: &Arc<str>, error: &str, now: Now) {
        let failures = self.troubles.refused(queue, error, now.since_boot, &mut self.rng);
        if failures == Some(1) {
            let (queue, error) = (Arc::clone(queue), error.to_owned());
            self.log(Log::QueueRefuses { queue, error });
        }
        if let (Some(_), Some(planner)) = (failures, &mut self.planner) {
            planner.hold(queue);
        }
    }

    /// Releases queues that have been held long enough.
    fn release_queues(&mut self, now: Now) {
        let Some(planner) = &mut self.planner else { return };
        for queue in self.troubles.release(now.since_boot) {
            planner.release(&queue);
        }
    }

    /// Remembers the slots of a write that may have been carried out.
    pub(super) fn leave_unanswered(&mut self, write: &Write) {
        let (Some(planner), Some(term)) = (&self.planner, term_of(&write.lease)) else { return };
        let slots = match &write.work {
            Work::Dispatch(items) | Work::Intend(items) => {
                vec![(Arc::clone(planner.schedule()), items.clone())]
            }
            Work::Settle(returned) => being_recorded(returned),
            Work::Fold(_) | Work::Part => Vec::new(),
        };
        let unanswered = |(schedule, items)| Unanswered { term, schedule, items };
        self.unanswered.extend(slots.into_iter().map(unanswered));
    }

    /// Reports slots of unanswered requests that the store has recorded. Only a record of that very slot in the
    /// same tenure proves that it was sent by us; other slots are planned anew, or were recorded by another
    /// leader. If the store `has_forgotten` records, a slot that it does not have is uncertain.
    pub(super) fn resolve_unanswered(
        &mut self,
        snapshot: &Snapshot,
        has_forgotten: bool,
        planner: &mut Planner,
        now: Now,
    ) {
        for Unanswered { term, schedule, items } in std::mem::take(&mut self.unanswered) {
            let recorded = snapshot.recorded_in(term);
            let as_recorded = |entry: &Entry, item: Item| {
                let outcome = *recorded.get(&(&*entry.name, item.slot))?;
                Some(match (outcome, item.action) {
                    (Outcome::Dispatched(kind), _) => Action::Send(kind),
                    (Outcome::Skipped(reason), Action::Skip { count, .. }) => {
                        Action::Skip { reason, count }
                    }
                    (Outcome::Skipped(reason), Action::Send(_)) => {
                        Action::Skip { reason, count: 1 }
                    }
                })
            };
            let mut reported = Vec::new();
            for (item, task_id) in items {
                let entry = &schedule.entries[item.entry as usize];
                match as_recorded(entry, item) {
                    Some(action) => reported.push((Item { action, ..item }, task_id)),
                    None if has_forgotten => planner.mark_open_uncertain(&entry.name, item.slot),
                    None => {}
                }
            }
            if !reported.is_empty() {
                let (items, at) = (reported, now.wall);
                self.log(Log::Recorded { schedule, items, at, recovered: true });
            }
        }
    }
}
