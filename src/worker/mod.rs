//! Kinds of workers: what each kind takes, and what it reports. Each has a folder with the settings of its
//! queues, the options of its entries, its messages, and how to read those that wait.
//!
//! Pure: nothing here reads a clock, draws a random number or waits. Whatever differs between two pushes
//! is part of the [`Task`], so equal tasks render to equal bytes.
//!
//! A new kind is a folder that implements [`Protocol`], a variant of [`Worker`], and a row of [`WorkerKind`].
//! The compiler names the other places.

pub mod arq;
pub mod bullmq;
pub mod celery;
mod decode;
pub mod dramatiq;
mod json;
mod json_writer;
mod kind;
mod location;
mod message;
mod msgpack;
mod protocol;
mod publication;
mod python;
mod queue;
mod queues;
mod rate;
pub mod result;
pub mod rq;
#[cfg(test)]
mod sample;
pub mod sidekiq;
mod size;
mod storable;
mod stream;
mod task;
pub mod taskiq;
#[cfg(test)]
mod tests;
mod unsendable;
mod validate;
mod waiting;
mod writes;

pub use self::arq::{ArqOptions, ArqQueue};
pub use self::bullmq::{BullmqOptions, BullmqQueue};
pub use self::celery::{CeleryOptions, CeleryQueue};
pub use self::decode::DecodeError;
pub use self::dramatiq::{DramatiqOptions, DramatiqQueue};
pub use self::kind::WorkerKind;
pub use self::location::{Bodies, Location, MAX_PEEK_BYTES, Next};
pub use self::message::{Call, Expires, Message, Options, Route};
pub use self::msgpack::MsgpackError;
pub use self::protocol::Protocol;
pub use self::publication::Publication;
pub use self::python::UnpickleError;
pub use self::queue::{AmqpQueue, Queue, Via};
pub use self::queues::{MAX_SPOOL_NAME, QueueStore, Queues};
pub use self::rate::{MAX_RATE, Rate, RateError};
pub use self::result::{ResultBackend, ResultForm, ResultKey, TaskResult};
pub use self::rq::{RqOptions, RqQueue};
pub use self::sidekiq::{SidekiqOptions, SidekiqQueue};
pub use self::size::size;
pub use self::storable::{Unstorable, check_storable};
pub use self::stream::StreamQueue;
pub use self::task::{Fresh, Task};
pub use self::taskiq::{TaskiqOptions, TaskiqQueue};
pub use self::unsendable::Unsendable;
pub use self::validate::{check, counts_waiting, is_reserved_header, records_end, validate};
pub use self::waiting::Waiting;
pub use self::writes::{Push, RedisCommand, Writes};
use crate::address::RedisAddress;

/// A kind of worker, with the settings of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worker {
    /// Celery, protocol 2.
    Celery(CeleryQueue),
    /// RQ.
    Rq(RqQueue),
    /// Dramatiq.
    Dramatiq(DramatiqQueue),
    /// arq.
    Arq(ArqQueue),
    /// taskiq.
    Taskiq(TaskiqQueue),
    /// Sidekiq.
    Sidekiq(SidekiqQueue),
    /// BullMQ.
    Bullmq(BullmqQueue),
    /// Any consumer that takes JSON objects from a list.
    Json,
    /// Any consumer that reads JSON objects from a stream, such as a consumer group.
    Stream(StreamQueue),
}

impl Worker {
    /// What its workers read and write.
    #[must_use]
    pub fn protocol(&self) -> &dyn Protocol {
        match self {
            Worker::Celery(settings) => settings,
            Worker::Rq(settings) => settings,
            Worker::Dramatiq(settings) => settings,
            Worker::Arq(settings) => settings,
            Worker::Taskiq(settings) => settings,
            Worker::Sidekiq(settings) => settings,
            Worker::Bullmq(settings) => settings,
            Worker::Json => &json::JsonQueue,
            Worker::Stream(settings) => settings,
        }
    }

    /// Workers of this kind, with the settings that apply if the configuration names none.
    #[must_use]
    pub fn usual(kind: WorkerKind) -> Worker {
        match kind {
            WorkerKind::Celery => Worker::Celery(CeleryQueue::default()),
            WorkerKind::Rq => Worker::Rq(RqQueue::default()),
            WorkerKind::Dramatiq => Worker::Dramatiq(DramatiqQueue::default()),
            WorkerKind::Arq => Worker::Arq(ArqQueue::default()),
            WorkerKind::Taskiq => Worker::Taskiq(TaskiqQueue::default()),
            WorkerKind::Sidekiq => Worker::Sidekiq(SidekiqQueue::default()),
            WorkerKind::Bullmq => Worker::Bullmq(BullmqQueue::default()),
            WorkerKind::Json => Worker::Json,
            WorkerKind::Stream => Worker::Stream(StreamQueue::default()),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> WorkerKind {
        self.protocol().kind()
    }

    /// Where its workers leave results, if the configuration says so.
    #[must_use]
    pub fn results(&self) -> Option<&RedisAddress> {
        self.protocol().results()
    }
}

/// Renders `task` for the workers of its queue.
///
/// They can read it for every message that [`check`] accepts.
#[must_use]
pub fn render(task: &Task<'_>) -> Writes {
    task.message.queue.worker.protocol().render(task)
}

/// Renders `task` for a queue on an AMQP broker.
#[must_use]
pub fn publish(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
    task.message.queue.worker.protocol().publish(task, amqp)
}

/// The event that a message was sent, for monitors of Celery's workers such as Flower; `None` for other
/// kinds.
#[must_use]
pub fn event(task: &Task<'_>) -> Option<Vec<u8>> {
    task.message.queue.worker.protocol().event(task)
}
