//! Queues: which kind of worker takes from each, and what its messages look like for that.

mod rate;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

pub use self::rate::{MAX_RATE, Rate, RateError};
use crate::address::{AmqpAddress, RedisAddress};

/// A named queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The name that entries use, and workers in most kinds.
    pub name: Arc<str>,
    /// Who takes messages from it.
    pub worker: Worker,
    /// Where it is on an AMQP broker; `None`: the broker that holds the state has it as well.
    pub amqp: Option<AmqpQueue>,
    /// How fast missed slots go to it at most; `None`: as fast as they can.
    pub catch_up_rate: Option<Rate>,
}

/// What takes a queue's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via<'a> {
    /// The store, in the step that records the slot.
    Store,
    /// An AMQP broker, beside the store.
    Amqp(&'a AmqpQueue),
}

/// A queue's place on an AMQP broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpQueue {
    /// The broker.
    pub url: Arc<AmqpAddress>,
    /// Its messages are published to this exchange, and to the default one if there is none.
    pub exchange: Option<Box<str>>,
    /// The key they are published with, if it is not the queue's name.
    pub routing_key: Option<Box<str>>,
    /// Exchange, queue and binding are declared as Celery's own producer does; `false`: they are
    /// the workers' business.
    pub declare: bool,
}

impl AmqpQueue {
    /// A queue of that broker of which nothing else is said.
    #[must_use]
    pub fn on(url: Arc<AmqpAddress>) -> AmqpQueue {
        AmqpQueue { url, exchange: None, routing_key: None, declare: false }
    }
}

/// A kind of worker, and what one queue's configuration says for it.
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
    /// Whoever takes a JSON object off a list.
    Json,
    /// Whoever reads JSON objects from a stream, such as a consumer group.
    Stream(StreamQueue),
}

/// A queue of Celery workers: their `broker_transport_options` for Redis, and where results are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeleryQueue {
    /// Each has a list of its own, to which messages go from that priority on: ascending, from 0 to
    /// 9, and 0 is among them.
    pub priority_steps: Box<[u8]>,
    /// Stands between the queue's name and a step above 0, and in bindings; `sep`.
    pub separator: Box<str>,
    /// Stands in front of every key; `global_keyprefix`.
    pub key_prefix: Box<str>,
    /// Where they leave results; `None`: nobody says.
    pub results: Option<Arc<ResultBackend>>,
}

/// The Redis where Celery's workers leave results: their `result_backend`.
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

/// A queue of Dramatiq workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DramatiqQueue {
    /// Stands in front of every key, with a colon.
    pub namespace: Box<str>,
}

impl Default for DramatiqQueue {
    fn default() -> DramatiqQueue {
        DramatiqQueue { namespace: "dramatiq".into() }
    }
}

/// A queue of RQ workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RqQueue {
    /// What the workers were told to read jobs with.
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

/// A queue of Sidekiq workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidekiqQueue {
    /// Stands in front of every key, with a colon; `None`: nothing does.
    pub namespace: Option<Box<str>>,
}

/// A queue of BullMQ workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BullmqQueue {
    /// Stands in front of every key, with a colon.
    pub prefix: Box<str>,
}

impl Default for BullmqQueue {
    fn default() -> BullmqQueue {
        BullmqQueue { prefix: "bull".into() }
    }
}

/// A stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamQueue {
    /// About how many entries are kept, read or not; `None`: all.
    pub maxlen: Option<NonZeroU32>,
}

impl Worker {
    /// The words for them in the configuration.
    pub const KINDS: [&str; 7] =
        ["celery", "rq", "dramatiq", "sidekiq", "bullmq", "json", "stream"];

    /// Where its workers leave results, if the configuration says so.
    #[must_use]
    pub fn results(&self) -> Option<&RedisAddress> {
        match self {
            Worker::Celery(settings) => settings.results.as_ref().map(|results| &results.url),
            _ => None,
        }
    }

    /// The word for it in the configuration.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Worker::Celery(_) => "celery",
            Worker::Rq(_) => "rq",
            Worker::Dramatiq(_) => "dramatiq",
            Worker::Sidekiq(_) => "sidekiq",
            Worker::Bullmq(_) => "bullmq",
            Worker::Json => "json",
            Worker::Stream(_) => "stream",
        }
    }
}

impl Queue {
    /// A queue of which the configuration says nothing, on the broker that holds the state:
    /// Celery's.
    #[must_use]
    pub fn unconfigured(name: &str) -> Arc<Queue> {
        let worker = Worker::Celery(CeleryQueue::default());
        Arc::new(Queue { name: name.into(), worker, amqp: None, catch_up_rate: None })
    }

    /// What takes its messages.
    #[must_use]
    pub fn via(&self) -> Via<'_> {
        self.amqp.as_ref().map_or(Via::Store, Via::Amqp)
    }
}

/// Bytes of the name of a queue in a spool: what a file's name has room for beside the time, the number
/// and the identifier that stand in front of it.
pub const MAX_SPOOL_NAME: usize = 255 - 63;

/// The store that has the queues which are on no AMQP broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// Redis, where every key that begins with the namespace and a colon is downbeat's own.
    Redis {
        /// Holds no colon.
        namespace: Box<str>,
    },
    /// A spool, where a queue's name is part of a file's.
    Spool,
}

/// The queues that the service's configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    configured: BTreeMap<Arc<str>, Arc<Queue>>,
    /// `None`: nobody says.
    home: Option<Home>,
    /// The AMQP broker of all others.
    amqp: Option<Arc<AmqpAddress>>,
}

impl Queues {
    /// The configured queue of that name.
    #[must_use]
    pub fn configured(&self, name: &str) -> Option<&Arc<Queue>> {
        self.configured.get(name)
    }

    /// A queue of that name of which the configuration says nothing.
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

    /// The queue of that name, configured or not.
    #[must_use]
    pub fn get(&self, name: &str) -> Arc<Queue> {
        let configured = self.configured(name).map(Arc::clone);
        configured.unwrap_or_else(|| self.unconfigured(name))
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.configured.values()
    }

    /// These queues, with all others on the broker at `url`.
    #[must_use]
    pub fn with_amqp(self, url: Option<Arc<AmqpAddress>>) -> Queues {
        Queues { amqp: url, ..self }
    }

    /// These queues, with all that are on no AMQP broker in `home`.
    #[must_use]
    pub fn in_home(self, home: Home) -> Queues {
        Queues { home: Some(home), ..self }
    }

    /// The store that has those on no AMQP broker, if that is known.
    #[must_use]
    pub fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }
}

impl FromIterator<Queue> for Queues {
    fn from_iter<I: IntoIterator<Item = Queue>>(queues: I) -> Queues {
        let named = |queue: Queue| (Arc::clone(&queue.name), Arc::new(queue));
        Queues { configured: queues.into_iter().map(named).collect(), ..Queues::default() }
    }
}
