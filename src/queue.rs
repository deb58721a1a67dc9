//! Queues: each queue's kind of worker, and the settings for its messages.

mod rate;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

pub use self::rate::{MAX_RATE, Rate, RateError};
use crate::address::{AmqpAddress, RedisAddress};

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

/// A kind of worker, with the settings of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worker {
    /// Celery, protocol 2.
    Celery(CeleryQueue),
    /// RQ.
    Rq(RqQueue),
    /// Dramatiq.
    Dramatiq(DramatiqQueue),
    /// Sidekiq.
    Sidekiq(SidekiqQueue),
    /// BullMQ.
    Bullmq(BullmqQueue),
    /// Any consumer that takes JSON objects from a list.
    Json,
    /// Any consumer that reads JSON objects from a stream, such as a consumer group.
    Stream(StreamQueue),
}

/// The settings of a queue of Celery workers: their `broker_transport_options` for Redis, and their
/// result backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeleryQueue {
    /// The priorities from which a separate list is used: ascending, from 0 to 9, and including 0.
    pub priority_steps: Box<[u8]>,
    /// `sep`: separates the queue's name from a step above 0, and the parts of a binding.
    pub separator: Box<str>,
    /// `global_keyprefix`: the prefix of every key.
    pub key_prefix: Box<str>,
    /// The workers' result backend; `None` if it is unknown.
    pub results: Option<Arc<ResultBackend>>,
}

/// The Redis where Celery's workers store results: their `result_backend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultBackend {
    /// Its address.
    pub url: RedisAddress,
    /// The database of the results and that of the state, if one server has both.
    pub databases: Option<(u32, u32)>,
}

impl Default for CeleryQueue {
    fn default() -> CeleryQueue {
        CeleryQueue {
            priority_steps: [0, 3, 6, 9].into(),
            separator: "\u{6}\u{16}".into(),
            key_prefix: "".into(),
            results: None,
        }
    }
}

/// The settings of a queue of Dramatiq workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DramatiqQueue {
    /// The prefix of every key, followed by a colon.
    pub namespace: Box<str>,
}

impl Default for DramatiqQueue {
    fn default() -> DramatiqQueue {
        DramatiqQueue { namespace: "dramatiq".into() }
    }
}

/// The settings of a queue of RQ workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RqQueue {
    /// The serializer that the workers are configured with.
    pub serializer: Serializer,
}

/// How Python values become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serializer {
    /// Python's own pickles.
    #[default]
    Pickle,
    /// JSON.
    Json,
}

/// The settings of a queue of Sidekiq workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidekiqQueue {
    /// The prefix of every key, followed by a colon; `None` means no prefix.
    pub namespace: Option<Box<str>>,
}

/// The settings of a queue of BullMQ workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BullmqQueue {
    /// The prefix of every key, followed by a colon.
    pub prefix: Box<str>,
}

impl Default for BullmqQueue {
    fn default() -> BullmqQueue {
        BullmqQueue { prefix: "bull".into() }
    }
}

/// The settings of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamQueue {
    /// Roughly how many entries are kept, read or not; `None` means all.
    pub maxlen: Option<NonZeroU32>,
}

/// The name of a kind of worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerKind {
    /// Celery, protocol 2.
    Celery,
    /// RQ.
    Rq,
    /// Dramatiq.
    Dramatiq,
    /// Sidekiq.
    Sidekiq,
    /// BullMQ.
    Bullmq,
    /// Whatever takes JSON objects off a list.
    Json,
    /// Whatever reads JSON objects from a stream.
    Stream,
}

impl WorkerKind {
    /// Every kind, in the order in which they are suggested.
    pub const ALL: [WorkerKind; 7] = [
        WorkerKind::Celery,
        WorkerKind::Rq,
        WorkerKind::Dramatiq,
        WorkerKind::Sidekiq,
        WorkerKind::Bullmq,
        WorkerKind::Json,
        WorkerKind::Stream,
    ];

    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerKind::Celery => "celery",
            WorkerKind::Rq => "rq",
            WorkerKind::Dramatiq => "dramatiq",
            WorkerKind::Sidekiq => "sidekiq",
            WorkerKind::Bullmq => "bullmq",
            WorkerKind::Json => "json",
            WorkerKind::Stream => "stream",
        }
    }

    /// The kind with this word; `None` if there is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<WorkerKind> {
        WorkerKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether its workers can take messages from an AMQP broker.
    #[must_use]
    pub fn takes_amqp(self) -> bool {
        match self {
            WorkerKind::Celery | WorkerKind::Dramatiq => true,
            WorkerKind::Rq
            | WorkerKind::Sidekiq
            | WorkerKind::Bullmq
            | WorkerKind::Json
            | WorkerKind::Stream => false,
        }
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Worker {
    /// Where its workers leave results, if the configuration says so.
    #[must_use]
    pub fn results(&self) -> Option<&RedisAddress> {
        match self {
            Worker::Celery(settings) => settings.results.as_ref().map(|results| &results.url),
            Worker::Rq(_)
            | Worker::Dramatiq(_)
            | Worker::Sidekiq(_)
            | Worker::Bullmq(_)
            | Worker::Json
            | Worker::Stream(_) => None,
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> WorkerKind {
        match self {
            Worker::Celery(_) => WorkerKind::Celery,
            Worker::Rq(_) => WorkerKind::Rq,
            Worker::Dramatiq(_) => WorkerKind::Dramatiq,
            Worker::Sidekiq(_) => WorkerKind::Sidekiq,
            Worker::Bullmq(_) => WorkerKind::Bullmq,
            Worker::Json => WorkerKind::Json,
            Worker::Stream(_) => WorkerKind::Stream,
        }
    }
}

impl Queue {
    /// A queue that the configuration does not mention: Celery's, on the broker that holds the state.
    #[must_use]
    pub fn unconfigured(name: &str) -> Arc<Queue> {
        let worker = Worker::Celery(CeleryQueue::default());
        Arc::new(Queue { name: name.into(), worker, amqp: None, catch_up_rate: None })
    }

    /// Where its messages are handed over.
    #[must_use]
    pub fn via(&self) -> Via<'_> {
        self.amqp.as_ref().map_or(Via::Store, Via::Amqp)
    }
}

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
                let worker = Worker::Celery(CeleryQueue::default());
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
