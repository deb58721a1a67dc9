//! What a kind of worker has to provide.

use std::num::NonZeroU32;

use uuid::Uuid;

use super::WorkerKind;
use super::decode::DecodeError;
use super::location::Location;
use super::message::Message;
use super::publication::Publication;
use super::queue::AmqpQueue;
use super::result::{NO_RESULT, ResultKey, TaskResult};
use super::task::Task;
use super::unsendable::Unsendable;
use super::waiting::Waiting;
use super::writes::{RedisCommand, Writes};
use crate::address::RedisAddress;

/// What workers of one kind read and write. The settings of a queue implement it.
///
/// The defaults are for kinds without the feature in question.
pub trait Protocol {
    /// Which kind it is.
    fn kind(&self) -> WorkerKind;

    /// Renders `task`. Workers can read the result for every message that [`Protocol::check`] accepts.
    fn render(&self, task: &Task<'_>) -> Writes;

    /// Renders `task` for a queue on an AMQP broker. Only kinds that [take
    /// AMQP](WorkerKind::takes_amqp) have such queues.
    fn publish(&self, task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
        Publication { body: self.render(task).element, ..Publication::routed(task, amqp) }
    }

    /// The event that a message was sent, for monitors of the workers.
    fn event(&self, _task: &Task<'_>) -> Option<Vec<u8>> {
        None
    }

    /// The channel for events in the Redis database of this number.
    fn event_channel(&self, _database: i64) -> Option<String> {
        None
    }

    /// Commands that this kind's own producers send once for each queue. Workers can do
    /// without them.
    fn declare(&self, _queue: &str) -> Vec<RedisCommand> {
        Vec::new()
    }

    /// Roughly how many entries of a stream are kept, read or not; `None` means all.
    fn maxlen(&self) -> Option<NonZeroU32> {
        None
    }

    /// Accepts a message if each of its keys has a meaning for this kind.
    ///
    /// # Errors
    /// The first key without a meaning.
    fn validate(&self, message: &Message) -> Result<(), Unsendable>;

    /// Accepts a message that every supported worker of this kind can read, if [`Protocol::validate`] accepts
    /// it.
    ///
    /// # Errors
    /// The first thing found that a worker cannot handle.
    fn check(&self, _message: &Message) -> Result<(), Unsendable> {
        Ok(())
    }

    /// Whether a worker would read a header of this name as its own.
    fn is_reserved_header(&self, name: &str) -> bool {
        name == "traceparent"
    }

    /// Where messages of `queue` wait in Redis, in the order in which workers look.
    fn locations(&self, queue: &str) -> Vec<Location>;

    /// Decodes a message: the waiting element, and what its [bodies](Location::bodies) hold for it. In a
    /// stream, the element is an entry's id, followed by alternating fields and values.
    ///
    /// # Errors
    /// What is wrong with it.
    fn decode(&self, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError>;

    /// Where workers leave results, if the configuration says so.
    fn results(&self) -> Option<&RedisAddress> {
        None
    }

    /// Accepts a message whose worker will report its result.
    ///
    /// # Errors
    /// Why no result would be reported.
    fn reports_result(&self, _message: &Message) -> Result<(), Unsendable> {
        Err(Unsendable::new("queue", format!("{} workers leave no result", self.kind())))
    }

    /// Accepts a message whose worker records, in the store of the messages, when the task has ended.
    ///
    /// # Errors
    /// Why it does not.
    fn records_end(&self, _message: &Message) -> Result<(), Unsendable> {
        let why = format!("{} workers do not show when a task is done", self.kind());
        Err(Unsendable::new("overlap", why))
    }

    /// Where the workers of `queue` record results, if that is on the server of the state.
    fn result_key(&self, _queue: &str) -> Option<ResultKey> {
        None
    }

    /// The commands that ask Redis, in one step, about a task that was sent. Pass the flattened replies to
    /// [`Protocol::read_result`].
    fn result_queries(&self, _task_id: Uuid) -> Vec<RedisCommand> {
        Vec::new()
    }

    /// Reads the replies; `None` is a value that Redis does not have.
    fn read_result(&self, _replies: &[Option<Vec<u8>>]) -> TaskResult {
        TaskResult::Pending(NO_RESULT.to_owned())
    }
}
