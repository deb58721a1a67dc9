//! A carrier in memory, for tests and the simulation: it keeps the messages, and can fail as a broker can.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Carrier, CarrierError, PublishOutcome};
use crate::worker::{Publication, Queue};

/// A broker in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryCarrier {
    broker: Arc<Mutex<Broker>>,
}

#[derive(Clone, Debug, Default)]
struct Broker {
    queues: BTreeMap<Arc<str>, MemoryQueue>,
    /// Messages that it refuses.
    refused: HashSet<Uuid>,
}

/// One of its queues.
#[derive(Clone, Debug, Default)]
struct MemoryQueue {
    messages: Vec<Publication>,
    fault: Option<Fault>,
}

/// A failure to take and confirm a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The broker refuses the message.
    Refuse,
    /// The broker cannot be reached.
    BeAway,
    /// The broker takes the message, but its answer is lost.
    LoseAnswer,
    /// The message is lost on its way.
    LoseMessage,
}

impl MemoryCarrier {
    fn broker(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the broker refuse that message, as if no queue took it.
    pub fn refuse(&self, correlation_id: Uuid) {
        self.broker().refused.insert(correlation_id);
    }

    /// Applies a fault to every message for the queue; `None`: it takes them again.
    pub fn set_fault(&self, queue: &str, fault: Option<Fault>) {
        self.broker().queues.entry(queue.into()).or_default().fault = fault;
    }

    /// The messages in a queue, in the order in which they were published.
    #[must_use]
    pub fn messages(&self, queue: &str) -> Vec<Publication> {
        self.broker().queues.get(queue).map(|queue| queue.messages.clone()).unwrap_or_default()
    }

    /// Takes all messages out of a queue.
    #[must_use]
    pub fn take(&self, queue: &str) -> Vec<Publication> {
        self.broker()
            .queues
            .get_mut(queue)
            .map(|queue| std::mem::take(&mut queue.messages))
            .unwrap_or_default()
    }
}

impl Carrier for MemoryCarrier {
    async fn publish_all(
        &self,
        queue: &Queue,
        messages: &[Publication],
        may_send: impl Fn() -> bool + Send,
    ) -> Vec<PublishOutcome> {
        let Broker { queues, refused } = &mut *self.broker();
        let queue = queues.entry(Arc::clone(&queue.name)).or_default();
        let publish = |message: &Publication| {
            if !may_send() {
                return PublishOutcome::Held;
            }
            if refused.contains(&message.correlation_id) {
                return PublishOutcome::Refused("no queue wants the message".to_owned());
            }
            if matches!(queue.fault, None | Some(Fault::LoseAnswer)) {
                queue.messages.push(message.clone());
            }
            match queue.fault {
                None => PublishOutcome::Published,
                Some(Fault::Refuse) => PublishOutcome::Refused("the queue refuses".to_owned()),
                Some(Fault::BeAway) => PublishOutcome::Unreachable("no connection".to_owned()),
                Some(Fault::LoseAnswer | Fault::LoseMessage) => {
                    PublishOutcome::Uncertain("no answer".to_owned())
                }
            }
        };
        messages.iter().map(publish).collect()
    }

    async fn count_waiting(&self, queue: &Queue) -> Result<u64, CarrierError> {
        let broker = self.broker();
        let Some(queue) = broker.queues.get(&queue.name) else { return Ok(0) };
        match queue.fault {
            Some(Fault::Refuse) => Err(CarrierError::Refused("the queue refuses".to_owned())),
            Some(Fault::BeAway) => Err(CarrierError::Unreachable("no connection".to_owned())),
            Some(Fault::LoseAnswer | Fault::LoseMessage) | None => Ok(queue.messages.len() as u64),
        }
    }
}
