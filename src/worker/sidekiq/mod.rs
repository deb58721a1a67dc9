//! Sidekiq's jobs: a JSON object on the queue's list, and the queue's name in the set of all queues,
//! which the dashboard reads.
//!
//! `jid` is the first 24 hexadecimal digits of the task id. The entry's own headers are members beside
//! the standard ones, where middleware finds them, with `downbeat_entry`, `downbeat_slot`,
//! `downbeat_kind` and `traceparent`.

mod decode;
mod message;
mod options;
mod queue;

pub use self::options::SidekiqOptions;
pub use self::queue::SidekiqQueue;
use super::{
    DecodeError, Location, Message, Next, Protocol, Task, Unsendable, Waiting, WorkerKind, Writes,
};

/// Members that Sidekiq or its commercial editions use.
const RESERVED: &[&str] = &[
    "class",
    "args",
    "jid",
    "queue",
    "retry",
    "created_at",
    "enqueued_at",
    "at",
    "bid",
    "wrapped",
    "backtrace",
    "dead",
    "retry_queue",
    "retry_count",
    "failed_at",
    "retried_at",
    "error_message",
    "error_class",
    "error_backtrace",
    "unique_for",
    "unique_until",
    "unlocks_at",
    "expires_in",
    "expiry",
    "encrypt",
    "locale",
    "cattr",
    "profile",
    "traceparent",
];

impl Protocol for SidekiqQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Sidekiq
    }

    fn render(&self, task: &Task<'_>) -> Writes {
        message::render(task, self)
    }

    /// Sidekiq's jobs have positional arguments only, no priority within a queue, and no expiry.
    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        if &*message.kwargs != "{}" {
            return Err(Unsendable::new("kwargs", "Sidekiq jobs have no kwargs, only args"));
        }
        message.refuse_priority("Sidekiq's queues know no priorities")?;
        message.refuse_expiry("Sidekiq runs a job however old it is")
    }

    fn is_reserved_header(&self, name: &str) -> bool {
        RESERVED.contains(&name)
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        vec![Location::at(message::list_key(queue, self), Next::Right)]
    }

    fn decode(&self, element: &[u8], _stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(element)
    }
}
