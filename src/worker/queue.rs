//! A queue: its name, its workers, and where its messages are handed over.

use std::sync::Arc;

use super::celery::Fanout;
use super::location::{Bodies, Location, Next};
use super::rate::Rate;
use super::{Worker, WorkerKind};
use crate::address::AmqpAddress;

/// A named queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The name that entries use, and in most kinds also the workers.
    pub name: Arc<str>,
    /// The kind of worker that takes its messages.
    pub worker: Worker,
    /// Where it is on an AMQP broker; `None` if it is on the broker that holds the state.
    pub amqp: Option<AmqpQueue>,
    /// How fast missed slots may be sent to it; `None` means without limit.
    pub catch_up_rate: Option<Rate>,
}

/// Where a queue's messages are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via<'a> {
    /// To the store, in the step that records the slot.
    Store,
    /// To an AMQP broker, separately from the store.
    Amqp(&'a AmqpQueue),
}

/// A queue's route on an AMQP broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpQueue {
    /// The broker.
    pub url: Arc<AmqpAddress>,
    /// The exchange to publish to; `None` means the default exchange.
    pub exchange: Option<Box<str>>,
    /// The routing key, if it is not the queue's name.
    pub routing_key: Option<Box<str>>,
    /// Whether to declare exchange, queue and binding as Celery's own producer does; if not, the
    /// workers do it.
    pub declare: bool,
}

impl AmqpQueue {
    /// A queue on that broker with default settings.
    #[must_use]
    pub fn on(url: Arc<AmqpAddress>) -> AmqpQueue {
        AmqpQueue { url, exchange: None, routing_key: None, declare: false }
    }
}

impl Queue {
    /// A queue that the configuration does not mention: Celery's, on the broker that holds the state.
    #[must_use]
    pub fn unconfigured(name: &str) -> Arc<Queue> {
        let worker = Worker::usual(WorkerKind::Celery);
        Arc::new(Queue { name: name.into(), worker, amqp: None, catch_up_rate: None })
    }

    /// Where its messages are handed over.
    #[must_use]
    pub fn via(&self) -> Via<'_> {
        self.amqp.as_ref().map_or(Via::Store, Via::Amqp)
    }

    /// Whether every worker gets each of its messages, and none waits.
    #[must_use]
    pub fn is_fanout(&self) -> bool {
        self.fanout().is_some()
    }

    /// Where its messages are published if every worker gets each of them.
    pub(super) fn fanout(&self) -> Option<&Fanout> {
        if let Worker::Celery(settings) = &self.worker { settings.fanout.as_ref() } else { None }
    }

    /// Where its messages wait in Redis, in the order in which workers look.
    #[must_use]
    pub fn locations(&self) -> Vec<Location> {
        self.worker.protocol().locations(&self.name)
    }

    /// Every list and sorted set in which its messages wait for workers.
    #[must_use]
    pub fn lists(&self) -> Vec<String> {
        let is_list = |location: &Location| match location.next {
            Next::Left | Next::Right | Next::Lowest => true,
            Next::Oldest => false,
        };
        let lists = self.locations().into_iter().filter(is_list);
        lists.map(|location| location.key).collect()
    }

    /// Whether messages stay in it after they were read, so that its length says nothing.
    #[must_use]
    pub fn keeps_read_messages(&self) -> bool {
        self.lists().is_empty()
    }

    /// A key of each sort that messages to it are written to: all others share a prefix with one of
    /// these, at least up to the first colon.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for Location { key, bodies, .. } in self.locations() {
            keys.push(key);
            keys.extend(bodies.map(Bodies::into_key));
        }
        for command in self.worker.protocol().declare(&self.name) {
            keys.extend(command.get(1).map(|key| String::from_utf8_lossy(key).into_owned()));
        }
        keys
    }
}
