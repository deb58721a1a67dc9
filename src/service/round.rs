//! One round: plan, render, publish, settle.

use std::collections::VecDeque;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::yield_now;
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use super::render::{self, BATCH};
use super::unfolded;
use super::{Service, Step, Wake};
use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::leader::lease::Lease;
use crate::queue::Via;
use crate::schedule::outcome::{Outcome, SkipReason};
use crate::schedule::planner::{Action, Item, Planner};
use crate::schedule::{Entry, Kind, Schedule, UnixMs};
use crate::store::Fence;
use crate::store::contract::{
    Batch, Exception, Intend, Intent, Reply, Snapshot, Store, StoreError,
};
use crate::store::journal::RecordId;
use crate::telemetry::Gathering;

/// About so many slots make a round; between rounds the loop looks at events.
const ROUND_SLOTS: usize = 10_000;
/// So many slots of a round are planned first, so that they do not wait for the others.
const FIRST_SLOTS: usize = 50;
/// Requests in flight at once: while the store carries out one, others travel, so that neither side waits
/// for the other.
const IN_FLIGHT: usize = 8;

/// What is due, planned batch by batch.
#[derive(Default)]
struct Round {
    /// Slots planned so far.
    planned: usize,
    /// Planned, and not sent off yet.
    batches: VecDeque<Slots>,
}

/// Slots that go in one request.
enum Slots {
    /// Of queues on the store.
    Stored(Vec<Item>),
    /// Of queues on carriers.
    Carried(Vec<Item>),
}

/// What a request asks for.
enum Work {
    /// Publish and record slots.
    Dispatch(Vec<(Item, Uuid)>),
    /// Record that carriers are about to be handed slots.
    Intend(Vec<(Item, Uuid)>),
    /// Move progress.
    Fold(unfolded::Step),
}

/// A request on its way.
struct InFlight {
    term: Option<u64>,
    work: Work,
    reply: Pin<Box<dyn Future<Output = Result<Reply, StoreError>> + Send>>,
}

impl<S: Store, C: Carrier, K: Clock> Service<S, C, K> {
    /// Sends what is due, and says when there is something to do again.
    pub(super) async fn round(&mut self, lease: &Lease) -> Result<Wake, StoreError> {
        let now = self.planning_time();
        if self.record_returned(lease).await? == Step::Refused {
            return Ok(Wake::at(now));
        }
        self.release_queues();
        let behind = now.since(self.store_now());
        let mut round = Round::default();
        let Some(planner) = &mut self.planner else { return Ok(Wake::at(now)) };
        planner.set_store_behind(behind);
        let wake_at = round.plan(planner, now, FIRST_SLOTS);
        if round.batches.is_empty() {
            let wake = Wake { at: wake_at, timer: self.troubles.next_release() };
            return self.keep_house(lease, wake).await;
        }
        let mut sequence = self.planner.as_ref().map_or(0, Planner::sequence);
        let (mut in_flight, mut folds_next) = (VecDeque::new(), false);
        loop {
            // While requests are in flight, the next one is planned and rendered.
            while in_flight.len() < IN_FLIGHT {
                let fence = Fence::after(&lease.text, sequence);
                let now = self.planning_time();
                let folds = in_flight.iter().any(|sent: &InFlight| sent.work.is_fold());
                let request = if !folds && std::mem::take(&mut folds_next) {
                    self.fold(&fence).await
                } else if let Some(slots) = self.planner.as_mut().and_then(|it| round.next(it, now))
                {
                    folds_next = self.must_fold();
                    match slots {
                        Slots::Stored(items) => self.dispatch(&fence, items).await,
                        Slots::Carried(items) => self.intend(&fence, items).await,
                    }
                } else {
                    break;
                };
                if let Some(request) = request {
                    sequence = fence.next;
                    in_flight.push_back(request);
                }
            }
            let Some(request) = in_flight.pop_front() else { break };
            let end = self.finish(request, lease).await;
            self.heartbeat.beat();
            self.supervisor.beat();
            match end {
                Ok(Step::Done) => {}
                // Those behind it do nothing.
                Ok(Step::Refused) => {
                    in_flight.iter().for_each(|request| self.take_back(request.work.items()));
                    return Ok(Wake::at(now));
                }
                Err(error) => {
                    in_flight.iter().for_each(|request| self.take_back(request.work.items()));
                    // Those behind it do nothing, unless it was carried out and its answer is lost.
                    if let StoreError::Unanswered(_) = error {
                        in_flight.into_iter().for_each(|request| self.leave_unanswered(request));
                    }
                    return Err(error);
                }
            }
        }
        if self.failures > 0 {
            info!("publishing again");
            (self.failures, self.troubles.error) = (0, None);
        }
        self.keep_pauses(lease).await;
        self.keep_up_trimming(lease, round.planned).await;
        Ok(Wake::at(now))
    }

    /// Renders a batch and sends it off.
    async fn dispatch(&mut self, fence: &Fence, mut items: Vec<Item>) -> Option<InFlight> {
        let planner = self.planner.as_ref()?;
        // A queue that has refused meanwhile is left alone.
        items.retain(|item| !self.troubles.is_held(&planner.entry(item.entry).message.queue.name));
        let (mut writes, task_ids) =
            render::render(&self.renderer, &items, |index| planner.entry(index));
        self.explain_pauses(&items, &mut writes);
        if writes.is_empty() {
            return None;
        }
        let reply = self.store.dispatch(Batch {
            fence: fence.clone(),
            pauses: self.pauses.read.mark,
            writes,
        });
        let items = items.into_iter().zip(task_ids).collect();
        Some(self.send_off(fence, Work::Dispatch(items), reply).await)
    }

    /// Has recorded what carriers are about to be handed.
    async fn intend(&mut self, fence: &Fence, items: Vec<Item>) -> Option<InFlight> {
        let planner = self.planner.as_ref()?;
        let intent = |item: Item| {
            let entry = planner.entry(item.entry);
            let (name, queue) = (Arc::clone(&entry.name), Arc::clone(&entry.message.queue));
            let intent = Intent { entry: name, slot: item.slot, queue, guards: entry.guards };
            (intent, (item, self.renderer.task_id(entry, item.slot)))
        };
        let (slots, items): (Vec<_>, Vec<_>) = items.into_iter().map(intent).unzip();
        let reply = self.store.intend(Intend {
            fence: fence.clone(),
            pauses: self.pauses.read.mark,
            slots,
        });
        Some(self.send_off(fence, Work::Intend(items), reply).await)
    }

    /// A request on its way; until its answer is here, nothing else is planned for its entries.
    async fn send_off(
        &mut self,
        fence: &Fence,
        work: Work,
        reply: impl Future<Output = Result<Reply, StoreError>> + Send + 'static,
    ) -> InFlight {
        if let Some(planner) = &mut self.planner {
            for (item, _) in work.items() {
                planner.charge(item);
                planner.mark_in_flight(item.entry);
            }
        }
        InFlight::new(fence, work, reply).await
    }

    /// What was on its way is not any more.
    fn take_back(&mut self, items: &[(Item, Uuid)]) {
        if let Some(planner) = &mut self.planner {
            items.iter().for_each(|(item, _)| planner.mark_returned(item.entry));
        }
    }

    /// Folds some of what is unfolded.
    async fn fold(&mut self, fence: &Fence) -> Option<InFlight> {
        let (step, request) = self.next_fold(fence)?;
        let reply = self.store.fold(request);
        Some(self.send_off(fence, Work::Fold(step), reply).await)
    }

    /// Waits for the answer and takes it in.
    async fn finish(&mut self, mut request: InFlight, lease: &Lease) -> Result<Step, StoreError> {
        let reply = match request.reply.as_mut().await {
            Ok(reply) => reply,
            Err(error) => {
                self.take_back(request.work.items());
                if let StoreError::Unanswered(_) = error {
                    self.leave_unanswered(request);
                }
                return Err(error);
            }
        };
        let Reply::Written { now, sequence, head, exceptions } = reply else {
            self.take_back(request.work.items());
            if let (&Reply::Early { now }, Some(planner)) = (&reply, &mut self.planner) {
                planner.unjudge(now);
            }
            self.on_refusal(&reply, lease).await?;
            return Ok(Step::Refused);
        };
        self.on_written(now, sequence, head);
        match request.work {
            Work::Dispatch(items) => self.settle(items, exceptions, head),
            Work::Intend(items) => {
                self.take_back(&items);
                let intended = self.settle_intents(items, exceptions, head);
                self.publish_intended(intended, &lease.text);
            }
            Work::Fold(step) => self.unfolded.folded(&step),
        }
        Ok(Step::Done)
    }

    fn settle(
        &mut self,
        items: Vec<(Item, Uuid)>,
        exceptions: Vec<(usize, Exception)>,
        head: Option<RecordId>,
    ) {
        let Some(schedule) = self.planner.as_ref().map(|planner| Arc::clone(planner.schedule()))
        else {
            return;
        };
        let _gathering = (items.len() > 1).then(Gathering::start);
        let mut exceptions = exceptions.into_iter().peekable();
        let now = self.clock.now();
        let mut recorded = Vec::with_capacity(items.len());
        for (index, (item, task_id)) in items.into_iter().enumerate() {
            let entry = &schedule.entries[item.entry as usize];
            let item = match exceptions.next_if(|(at, _)| *at == index).map(|(_, why)| why) {
                None => item,
                Some(Exception::Skipped(why)) => item.skipped(why),
                Some(Exception::Refused(error)) => {
                    self.on_queue_refusal(&entry.message.queue.name, &error, Instant::now());
                    if let Some(planner) = &mut self.planner {
                        planner.mark_returned(item.entry);
                    }
                    continue;
                }
            };
            self.on_recorded(entry, &item, task_id, now);
            if let Some(planner) = &mut self.planner {
                planner.settle(&item);
                planner.mark_returned(item.entry);
            }
            self.report_if_done(item.entry);
            recorded.push(Arc::clone(&entry.name));
        }
        self.note_recorded(head, recorded);
    }

    /// Gives the slots that may be published now; those that were left out are settled.
    fn settle_intents(
        &mut self,
        items: Vec<(Item, Uuid)>,
        exceptions: Vec<(usize, Exception)>,
        head: Option<RecordId>,
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
        self.settle(left_out, reasons, head);
        intended
    }

    /// Counts and logs what the store has recorded.
    pub(super) fn on_recorded(&mut self, entry: &Entry, item: &Item, task_id: Uuid, now: UnixMs) {
        let queue = &entry.message.queue.name;
        match item.action {
            Action::Send(kind) => {
                if self.troubles.accepted(queue) {
                    info!(%queue, "the queue takes messages again");
                }
                if kind == Kind::Scheduled {
                    self.lateness.add(now.since(entry.due(item.slot)));
                }
                self.counters.add(queue, Outcome::Dispatched(kind), 1);
            }
            Action::Skip { reason, count } => {
                self.counters.add(queue, Outcome::Skipped(reason), count);
            }
        }
        report(entry, item, task_id, now, false);
    }

    /// The queue did not take a message: it is tried again later.
    pub(super) fn on_queue_refusal(&mut self, queue: &Arc<str>, error: &str, now: Instant) {
        let failures = self.troubles.refused(queue, error, now);
        if failures == Some(1) {
            warn!(%queue, %error, "the queue refuses messages; it is tried again");
        }
        if let (Some(_), Some(planner)) = (failures, &mut self.planner) {
            planner.hold(queue);
        }
    }

    /// Lets queues be tried again that were left alone for long enough.
    fn release_queues(&mut self) {
        let Some(planner) = &mut self.planner else { return };
        for queue in self.troubles.release(Instant::now()) {
            planner.release(&queue);
        }
    }

    /// The one line in the log when an entry has reached its limit.
    pub(super) fn report_if_done(&self, index: u32) {
        if let Some(planner) = self.planner.as_ref().filter(|planner| planner.is_done(index)) {
            let Entry { name, guards, .. } = planner.entry(index);
            info!(entry = &**name, limit = guards.limit, "done: the limit is reached");
        }
    }

    /// Remembers slots whose request may have been carried out.
    fn leave_unanswered(&mut self, request: InFlight) {
        let (Some(planner), Some(term)) = (&self.planner, request.term) else { return };
        let items = request.work.items();
        if !items.is_empty() {
            let (schedule, items) = (Arc::clone(planner.schedule()), items.to_vec());
            self.unanswered.push(Unanswered { term, schedule, items });
        }
    }

    /// Reports what the store has recorded of requests that were not answered. Only a record of that
    /// very slot in the same tenure says that it was sent; all else is planned anew, or known to the
    /// store without having been ours.
    pub(super) fn report_unanswered(&mut self, snapshot: &Snapshot) {
        let now = self.clock.now();
        for Unanswered { term, schedule, items } in std::mem::take(&mut self.unanswered) {
            let recorded = snapshot.recorded_in(term);
            for (item, task_id) in items {
                let entry = &schedule.entries[item.entry as usize];
                let Some(outcome) = recorded.get(&(&*entry.name, item.slot)) else { continue };
                let action = match (*outcome, item.action) {
                    (Outcome::Dispatched(kind), _) => Action::Send(kind),
                    (Outcome::Skipped(reason), Action::Skip { count, .. }) => {
                        Action::Skip { reason, count }
                    }
                    (Outcome::Skipped(reason), Action::Send(_)) => {
                        Action::Skip { reason, count: 1 }
                    }
                };
                report(entry, &Item { action, ..item }, task_id, now, true);
            }
        }
    }
}

impl Round {
    /// Plans about so many more slots. If there are none, gives when to plan again.
    fn plan(&mut self, planner: &mut Planner, now: UnixMs, slots: usize) -> UnixMs {
        let plan = planner.plan(now, slots, BATCH);
        self.planned += plan.items.len();
        let is_carried = |item: &Item| {
            let sends = matches!(item.action, Action::Send(_));
            sends && planner.entry(item.entry).message.queue.via() != Via::Store
        };
        let (carried, stored): (Vec<_>, Vec<_>) = plan.items.into_iter().partition(is_carried);
        let carried = carried.chunks(BATCH).map(|items| Slots::Carried(items.to_vec()));
        let stored =
            render::batches(&stored).into_iter().map(|items| Slots::Stored(items.to_vec()));
        self.batches.extend(carried.chain(stored));
        plan.wake_at
    }

    /// What to send next.
    fn next(&mut self, planner: &mut Planner, now: UnixMs) -> Option<Slots> {
        if self.batches.is_empty() && self.planned < ROUND_SLOTS {
            self.plan(planner, now, BATCH);
        }
        self.batches.pop_front()
    }
}

/// Slots whose request was not answered.
pub(super) struct Unanswered {
    /// Of the tenure.
    term: u64,
    schedule: Arc<Schedule>,
    items: Vec<(Item, Uuid)>,
}

impl Work {
    fn is_fold(&self) -> bool {
        matches!(self, Work::Fold(_))
    }

    /// The slots it speaks of.
    fn items(&self) -> &[(Item, Uuid)] {
        match self {
            Work::Dispatch(items) | Work::Intend(items) => items,
            Work::Fold(_) => &[],
        }
    }
}

impl InFlight {
    /// A request that is on its way, in front of those made later.
    async fn new(
        fence: &Fence,
        work: Work,
        reply: impl Future<Output = Result<Reply, StoreError>> + Send + 'static,
    ) -> InFlight {
        let mut reply = Box::pin(reply);
        let polled = poll_fn(|context| Poll::Ready(reply.as_mut().poll(context))).await;
        // The connection's tasks send it now, instead of when the next is rendered as well.
        yield_now().await;
        let reply: Pin<Box<dyn Future<Output = _> + Send>> = match polled {
            Poll::Ready(answer) => Box::pin(ready(answer)),
            Poll::Pending => reply,
        };
        InFlight { term: term_of(&fence.lease), work, reply }
    }
}

/// The term that a lease begins with.
pub(super) fn term_of(lease: &str) -> Option<u64> {
    lease.split(' ').next().and_then(|term| term.parse().ok())
}

/// The one line in the log for each slot sent and each run of slots skipped.
fn report(entry: &Entry, item: &Item, task_id: Uuid, at: UnixMs, recovered: bool) {
    let (name, slot) = (&*entry.name, item.slot);
    let lateness_ms = at.0.saturating_sub(entry.due(slot).0);
    match item.action {
        Action::Send(kind) => {
            let queue = &*entry.message.queue.name;
            let kind = (kind != Kind::Scheduled).then(|| kind.as_str());
            let recovered = recovered.then_some(true);
            info!(entry = name, queue, %slot, lateness_ms, %task_id, kind, recovered, "dispatched");
        }
        // As somebody wants it.
        Action::Skip { reason: reason @ SkipReason::Paused, count } => {
            info!(entry = name, %slot, %reason, count, "skipped");
        }
        Action::Skip { reason, count } => {
            warn!(entry = name, %slot, %reason, count, "skipped");
        }
    }
}
