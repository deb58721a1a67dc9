//! The queues of a configuration, and the store that holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::queue::{AmqpQueue, Queue};
use super::{Worker, WorkerKind};
use crate::address::AmqpAddress;

/// Maximum bytes of a queue's name in a spool: what a file name has left after the time, the number and
/// the identifier before it.
pub const MAX_SPOOL_NAME: usize = 255 - 63;

/// The store that holds the queues on no AMQP broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueStore {
    /// Redis, where every key that begins with the namespace and a colon belongs to downbeat.
    Redis {
        /// The namespace; it has no colon.
        namespace: Box<str>,
    },
    /// A spool, where a queue's name is part of a file name.
    Spool,
}

/// The queues that the service's configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    configured: BTreeMap<Arc<str>, Arc<Queue>>,
    /// `None` if unknown.
    store: Option<QueueStore>,
    /// The AMQP broker of all other queues.
    amqp: Option<Arc<AmqpAddress>>,
}

impl Queues {
    /// The configured queue of this name.
    #[must_use]
    pub fn configured(&self, name: &str) -> Option<&Arc<Queue>> {
        self.configured.get(name)
    }

    /// A queue of this name that the configuration does not mention.
    #[must_use]
    pub fn unconfigured(&self, name: &str) -> Arc<Queue> {
        match &self.amqp {
            None => Queue::unconfigured(name),
            Some(url) => {
                let amqp = Some(AmqpQueue::on(Arc::clone(url)));
                let worker = Worker::usual(WorkerKind::Celery);
                Arc::new(Queue { name: name.into(), worker, amqp, catch_up_rate: None })
            }
        }
    }

    /// The queue of this name, configured or not.
    #[must_use]
    pub fn get(&self, name: &str) -> Arc<Queue> {
        let configured = self.configured(name).map(Arc::clone);
        configured.unwrap_or_else(|| self.unconfigured(name))
    }

    /// All configured queues, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.configured.values()
    }

    /// These queues, with all others on the broker at `url`.
    #[must_use]
    pub fn with_amqp(self, url: Option<Arc<AmqpAddress>>) -> Queues {
        Queues { amqp: url, ..self }
    }

    /// These queues, with those on no AMQP broker in `store`.
    #[must_use]
    pub fn in_store(self, store: QueueStore) -> Queues {
        Queues { store: Some(store), ..self }
    }

    /// The store of the queues on no AMQP broker, if known.
    #[must_use]
    pub fn store(&self) -> Option<&QueueStore> {
        self.store.as_ref()
    }
}

impl FromIterator<Queue> for Queues {
    fn from_iter<I: IntoIterator<Item = Queue>>(queues: I) -> Queues {
        let named = |queue: Queue| (Arc::clone(&queue.name), Arc::new(queue));
        Queues { configured: queues.into_iter().map(named).collect(), ..Queues::default() }
    }
}
