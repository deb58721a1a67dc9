//! Dramatiq's messages. On Redis: a JSON object in the queue's hash, under a random id per push, and
//! that id on the queue's list. On AMQP: only the object.
//!
//! `message_id` is the task id. `options` has what is not a standard member: the entry's own headers,
//! `downbeat_entry`, `downbeat_slot`, `downbeat_kind` and `traceparent`. Dramatiq keeps keys that it
//! does not know. `max_age`, after which a worker drops the message, counts from `message_timestamp`, the
//! time of this push.

mod decode;
mod message;
mod options;
mod queue;

pub use self::options::DramatiqOptions;
pub use self::queue::DramatiqQueue;
use super::{
    AmqpQueue, Bodies, DecodeError, Location, Message, Next, Protocol, Publication, Task,
    Unsendable, Waiting, WorkerKind, Writes,
};

/// Options that Dramatiq or its middleware use.
const RESERVED: &[&str] = &[
    "redis_message_id",
    "broker_priority",
    "eta",
    "delay",
    "max_age",
    "max_retries",
    "min_backoff",
    "max_backoff",
    "retries",
    "retry_when",
    "throws",
    "traceback",
    "requeue_timestamp",
    "on_retry_exhausted",
    "on_success",
    "on_failure",
    "time_limit",
    "notify_shutdown",
    "store_results",
    "result_ttl",
    "pipe_ignore",
    "pipe_target",
    "group_completion_uuid",
    "group_completion_callbacks",
    "traceparent",
];

impl Protocol for DramatiqQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Dramatiq
    }

    fn render(&self, task: &Task<'_>) -> Writes {
        message::render(task, self)
    }

    fn publish(&self, task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
        message::publish(task, amqp)
    }

    /// On Redis, actors have priorities and messages do not.
    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        if message.queue.amqp.is_some() {
            return Ok(());
        }
        message.refuse_priority(
            "Dramatiq's messages have no priority on Redis, only its actors have one",
        )
    }

    fn is_reserved_header(&self, name: &str) -> bool {
        RESERVED.contains(&name)
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        let bodies = Some(Bodies::Field { key: message::messages_key(queue, self) });
        vec![Location { bodies, ..Location::at(message::list_key(queue, self), Next::Left) }]
    }

    fn decode(&self, _element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(stored)
    }
}
