//! taskiq's messages for the brokers of taskiq-redis: a JSON object on the list of `ListQueueBroker`, or in the
//! stream of `RedisStreamBroker`. Tested with taskiq 0.13 and taskiq-redis 1.2.
//!
//! `task_id` is the task id. `labels` has the entry's options and own headers, `downbeat_entry`,
//! `downbeat_slot`, `downbeat_kind` and `traceparent`; a task finds them in `Context.message.labels`.

mod decode;
mod message;
mod options;
mod queue;
mod result;

use std::num::NonZeroU32;

use uuid::Uuid;

pub use self::options::{AckType, TaskiqOptions};
pub use self::queue::{TaskiqQueue, TaskiqStream};
use super::result::shows_end;
use super::{
    DecodeError, Location, Message, Next, Protocol, RedisCommand, ResultKey, Task, TaskResult,
    Unsendable, Waiting, WorkerKind, Writes,
};
use crate::address::RedisAddress;

/// Labels that taskiq or its middleware use.
const RESERVED: &[&str] = &[
    "timeout",
    "retry_on_error",
    "max_retries",
    "delay",
    "ack_type",
    "types_of_exceptions",
    "_retries",
    "X-Taskiq-requeue",
    "queue_name",
    "schedule",
    "traceparent",
];

impl Protocol for TaskiqQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Taskiq
    }

    fn render(&self, task: &Task<'_>) -> Writes {
        message::render(task, self)
    }

    fn maxlen(&self) -> Option<NonZeroU32> {
        self.stream.as_ref()?.maxlen
    }

    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        message.refuse_priority("taskiq's messages have no priority on Redis")?;
        message.refuse_expiry("taskiq runs a message however old it is")
    }

    fn is_reserved_header(&self, name: &str) -> bool {
        RESERVED.contains(&name)
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        let next = if self.stream.is_some() { Next::Oldest } else { Next::Right };
        vec![Location::at(queue, next)]
    }

    fn decode(&self, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(element, self.stream.as_ref().map(|_| stored))
    }

    fn results(&self) -> Option<&RedisAddress> {
        self.results.as_ref().map(|results| &results.url)
    }

    fn reports_result(&self, _message: &Message) -> Result<(), Unsendable> {
        result::reports_result(self)
    }

    fn records_end(&self, _message: &Message) -> Result<(), Unsendable> {
        shows_end(self.results.as_deref())
    }

    fn result_key(&self, _queue: &str) -> Option<ResultKey> {
        result::key(self)
    }

    fn result_queries(&self, task_id: Uuid) -> Vec<RedisCommand> {
        result::queries(task_id, self)
    }

    fn read_result(&self, replies: &[Option<Vec<u8>>]) -> TaskResult {
        result::read(replies)
    }
}
