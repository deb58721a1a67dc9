//! Renders planned items to the messages and lines that a broker takes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use crate::schedule::planner::{Action, Item};
use crate::schedule::{Entry, Kind, TaskIds};
use crate::store::Outgoing;
use crate::store::contract::Write;
use crate::worker::{
    self, AmqpQueue, Fresh, Message, Publication, Queue, Queues, Task, Unstorable, Via,
};

/// The maximum number of slots in one request, which keeps Redis busy for half a millisecond. Larger requests
/// are slower, because their messages exceed the caches.
pub const MAX_BATCH_SLOTS: usize = 125;
/// The size of a batch's messages, in bytes, at which the batch is cut.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// A message for a store or a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundMessage {
    /// For the store.
    Store(Outgoing),
    /// For a carrier.
    Carrier(Arc<Queue>, Publication),
}

impl OutboundMessage {
    /// The queue that it goes to.
    #[must_use]
    pub fn queue(&self) -> &Arc<Queue> {
        match self {
            OutboundMessage::Store(Outgoing { queue, .. }) | OutboundMessage::Carrier(queue, _) => {
                queue
            }
        }
    }
}

/// Shows the exact message.
impl fmt::Display for OutboundMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutboundMessage::Store(Outgoing { writes, .. }) => writes.fmt(f),
            OutboundMessage::Carrier(_, publication) => publication.fmt(f),
        }
    }
}

/// The part of a message's rendering that differs with each push.
struct Push {
    kind: Kind,
    task_id: Uuid,
    now: UnixMs,
    fresh: Fresh,
}

/// Renders scheduled and manual messages alike.
#[derive(Clone, Debug)]
pub struct Renderer {
    ids: TaskIds,
    origin: Arc<str>,
    queues: Arc<Queues>,
    events: bool,
    shadow: bool,
}

impl Renderer {
    /// Creates a renderer for the schedulers of `namespace`, on this host; with `events`, each message is
    /// accompanied by one for Celery's event consumers.
    #[must_use]
    pub fn new(namespace: &str, host: &str, queues: Arc<Queues>, events: bool) -> Renderer {
        let origin = format!("downbeat@{host}").into();
        Renderer { ids: TaskIds::new(namespace), origin, queues, events, shadow: false }
    }

    /// With `shadow`, the renderer of a shadow run: slots are recorded as sent, without a message for anybody.
    #[must_use]
    pub fn for_shadow(self, shadow: bool) -> Renderer {
        Renderer { shadow, ..self }
    }

    /// Whether it is that of a shadow run.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// Whether a carrier publishes the entry's slots. Otherwise they have a [`Write`] for the store.
    #[must_use]
    pub fn is_carried(&self, entry: &Entry) -> bool {
        !self.shadow && entry.message.queue.via() != Via::Store
    }

    /// The queue of that name, configured or not.
    #[must_use]
    pub fn queue(&self, name: &str) -> Arc<Queue> {
        self.queues.get(name)
    }

    /// Checks that the store can hold the queue.
    ///
    /// # Errors
    ///
    /// Why it cannot, and what to do.
    pub fn check_storable(&self, queue: &Queue) -> Result<(), Unstorable> {
        worker::check_storable(queue, self.queues.store())
    }

    /// The id of the slot's message, the same on every replica.
    #[must_use]
    pub fn task_id(&self, entry: &Entry, slot: UnixMs) -> Uuid {
        self.ids.id(&entry.name, slot)
    }

    /// Renders the slot's manual message from an edited text.
    #[must_use]
    pub fn outbound(
        &self,
        entry: &Entry,
        message: &Message,
        slot: UnixMs,
        kind: Kind,
        task_id: Uuid,
        now: UnixMs,
    ) -> OutboundMessage {
        let fresh = Fresh::draw(&mut fastrand::Rng::new());
        let task = self.task(entry, message, slot, Push { kind, task_id, now, fresh });
        match message.queue.via() {
            Via::Amqp(amqp) => {
                let publication = self.published(&task, amqp);
                OutboundMessage::Carrier(Arc::clone(&message.queue), publication)
            }
            Via::Store => OutboundMessage::Store(self.outgoing(&task)),
        }
    }

    /// Renders the slot's message for the carrier that its queue is on; `None` if it is on the store.
    #[must_use]
    pub fn publication(
        &self,
        entry: &Entry,
        slot: UnixMs,
        kind: Kind,
        now: UnixMs,
        rng: &mut fastrand::Rng,
    ) -> Option<Publication> {
        let Via::Amqp(amqp) = entry.message.queue.via() else { return None };
        let task_id = self.task_id(entry, slot);
        let message = entry.message_of(slot, task_id);
        let push = Push { kind, task_id, now, fresh: Fresh::draw(rng) };
        let task = self.task(entry, &message, slot, push);
        Some(self.published(&task, amqp))
    }

    fn published(&self, task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
        Publication { event: self.event(task), ..worker::publish(task, amqp) }
    }

    fn outgoing(&self, task: &Task<'_>) -> Outgoing {
        let queue = Arc::clone(&task.message.queue);
        Outgoing { queue, writes: worker::render(task), event: self.event(task) }
    }

    fn event(&self, task: &Task<'_>) -> Option<Vec<u8>> {
        self.events.then(|| worker::event(task)).flatten()
    }

    fn task<'a>(
        &'a self,
        entry: &'a Entry,
        message: &'a Message,
        slot: UnixMs,
        push: Push,
    ) -> Task<'a> {
        let Push { kind, task_id, now, fresh } = push;
        Task {
            entry_name: &entry.name,
            message,
            task_id,
            slot,
            kind: kind.as_str(),
            expires_at: expires_at(entry, slot, kind, now),
            now,
            origin: &self.origin,
            fresh,
        }
    }

    /// Renders an item of a queue on the store, and returns the message's id as well.
    #[must_use]
    pub fn write(
        &self,
        entry: &Entry,
        item: &Item,
        now: UnixMs,
        rng: &mut fastrand::Rng,
    ) -> (Write, Uuid) {
        let (task_id, message) = match item.action {
            Action::Skip { .. } => (Uuid::nil(), None),
            Action::Send(_) if self.shadow => (self.task_id(entry, item.slot), None),
            Action::Send(kind) => {
                let task_id = self.task_id(entry, item.slot);
                let message = entry.message_of(item.slot, task_id);
                let fresh = Fresh::draw(rng);
                let push = Push { kind, task_id, now, fresh };
                let task = self.task(entry, &message, item.slot, push);
                (task_id, Some(self.outgoing(&task)))
            }
        };
        let queue = Arc::clone(&entry.message.queue);
        let write = Write { line: item.line(entry), queue, message, guards: entry.guards };
        (write, task_id)
    }
}

/// When the message expires. A manual message's lifetime counts from now.
fn expires_at(entry: &Entry, slot: UnixMs, kind: Kind, now: UnixMs) -> Option<UnixMs> {
    let until = entry.expires_at(slot)?;
    match kind {
        Kind::Manual | Kind::Backfill => Some(now + until.since(slot).max(Duration::from_secs(1))),
        Kind::Scheduled | Kind::CatchUp | Kind::Resent => Some(until),
    }
}

/// Splits a plan into batches; the items of one entry stay together.
#[must_use]
pub fn batches(items: &[Item]) -> Vec<&[Item]> {
    let mut batches = Vec::with_capacity(items.len() / MAX_BATCH_SLOTS + 1);
    let mut start = 0;
    let mut end = 0;
    for run in items.chunk_by(|a, b| a.entry == b.entry) {
        if end > start && end + run.len() - start > MAX_BATCH_SLOTS {
            batches.push(&items[start..end]);
            start = end;
        }
        end += run.len();
    }
    if end > start {
        batches.push(&items[start..end]);
    }
    batches
}

/// Renders a batch, and returns the messages' ids as well. Stops before an item that would make the batch too
/// large; the rest stays due.
#[must_use]
pub fn render<'a>(
    renderer: &Renderer,
    items: &[Item],
    entry: impl Fn(u32) -> &'a Entry,
    now: UnixMs,
    rng: &mut fastrand::Rng,
) -> (Vec<Write>, Vec<Uuid>) {
    let mut size = 0;
    let mut writes = Vec::with_capacity(items.len());
    let mut task_ids = Vec::with_capacity(items.len());
    for item in items {
        if size > MAX_BATCH_BYTES {
            break;
        }
        let (write, task_id) = renderer.write(entry(item.entry), item, now, rng);
        size += write.message.as_ref().map_or(0, |message| message.writes.size());
        writes.push(write);
        task_ids.push(task_id);
    }
    (writes, task_ids)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::schedule::sample::every;
    use crate::schedule::template::{Form, Hole, SlotTemplate, Template, Templates, Which};

    #[test]
    fn whenever_a_slot_is_sent_its_templates_are_filled_in_from_it() {
        let mut entry = every("a", 60);
        entry.message.args = r#"["{{ slot | unix }}","{{ task_id }}"]"#.into();
        let unix = SlotTemplate { which: Which::This, moves: Box::default(), form: Form::Unix };
        let slot = Hole::new(1..20, true, Template::Slot(unix));
        let id = Hole::new(21..36, true, Template::TaskId);
        entry.templates = Templates { args: [slot, id].into(), ..Templates::default() }.some();
        let renderer = Renderer::new("n", "h", Arc::default(), false);
        for kind in [Kind::Scheduled, Kind::CatchUp, Kind::Resent] {
            let slot = UnixMs::from_secs(1_800_000_000);
            let item = Item { entry: 0, slot, action: Action::Send(kind) };
            let (write, _) = renderer.write(&entry, &item, slot, &mut fastrand::Rng::with_seed(1));
            let payload = write.message.unwrap().writes.element;
            let envelope: Value = serde_json::from_slice(&payload).unwrap();
            let body = base64::prelude::BASE64_STANDARD.decode(envelope["body"].as_str().unwrap());
            let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
            let id = renderer.task_id(&entry, slot).to_string();
            assert_eq!(body[0], json!([1_800_000_000, id]), "{kind:?}");
            assert_eq!(envelope["headers"]["argsrepr"], format!("[1800000000, '{id}']"));
        }
    }

    fn items(runs: &[(u32, usize)]) -> Vec<Item> {
        let item = |entry| {
            move |n| Item {
                entry,
                slot: UnixMs(i64::try_from(n).unwrap_or(0)),
                action: Action::Send(Kind::Scheduled),
            }
        };
        runs.iter().flat_map(|(entry, count)| (0..*count).map(item(*entry))).collect()
    }

    #[test]
    fn no_entry_is_spread_over_two_batches() {
        let items = items(&[(0, 30), (1, 50), (2, 46), (3, MAX_BATCH_SLOTS), (4, 1)]);
        let cut = batches(&items);
        let sizes: Vec<_> = cut.iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [80, 46, MAX_BATCH_SLOTS, 1]);
        assert!(batches(&[]).is_empty());
    }
}
