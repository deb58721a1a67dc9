//! Celery's message protocol 2 in kombu's envelope, as the beat of Celery 5.7 writes it; workers read
//! it from 5.2 on.
//!
//! The envelope is one JSON object: an element of a Redis list, or a file of the `filesystem://`
//! transport. On AMQP, its parts are the headers, properties and body of the message. In addition to
//! the headers that beat writes, each message has
//!
//! | header | value |
//! | --- | --- |
//! | `periodic_task_name`, `downbeat_entry` | the entry's name |
//! | `downbeat_slot` | the slot as RFC 3339 in UTC with milliseconds: `2026-11-21T03:00:00.000Z` |
//! | `downbeat_kind` | why the message is sent: [`Task::kind`] |
//! | `traceparent` | a W3C trace with a fresh root, sampled |
//!
//! and the entry's own `headers`; a task finds all of them in `request.headers`.
//!
//! It omits one property that beat writes: with a `reply_to`, workers whose result backend is `rpc://`
//! send each result to a queue of that name, which nobody reads.

mod app;
mod check;
mod decode;
pub mod event;
mod inspect;
mod keys;
mod message;
mod options;
mod queue;
mod result;
mod stored;

use uuid::Uuid;

pub use self::app::{AppSettings, Route, TaskDefaults};
pub use self::check::check;
pub use self::inspect::{
    CONTROL_BINDINGS, Inspection, LiveWorker, Question, WorkerAnswers, control_exchange,
};
pub use self::keys::{binding_keys, binding_member, channel, list_key, list_keys};
pub use self::options::CeleryOptions;
pub use self::queue::{CeleryQueue, Fanout};
use super::{
    AmqpQueue, DecodeError, Location, Message, Next, Protocol, Publication, RedisCommand,
    ResultKey, Task, TaskResult, Unsendable, Waiting, WorkerKind, Writes,
};
use crate::address::RedisAddress;

impl Protocol for CeleryQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Celery
    }

    fn render(&self, task: &Task<'_>) -> Writes {
        message::render(task, self)
    }

    fn publish(&self, task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
        message::publish(task, amqp)
    }

    fn event(&self, task: &Task<'_>) -> Option<Vec<u8>> {
        Some(event::sent(task))
    }

    fn event_channel(&self, database: i64) -> Option<String> {
        Some(event::channel(self, database))
    }

    fn declare(&self, queue: &str) -> Vec<RedisCommand> {
        keys::bind(queue, self)
    }

    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        check::validate(message, self)
    }

    fn check(&self, message: &Message) -> Result<(), Unsendable> {
        check::check(message, self)
    }

    fn is_reserved_header(&self, name: &str) -> bool {
        check::is_reserved_header(name)
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        if self.fanout.is_some() {
            return Vec::new();
        }
        let keys = keys::list_keys(queue, self).into_iter();
        keys.map(|key| Location::at(key, Next::Right)).collect()
    }

    fn decode(&self, element: &[u8], _stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(element)
    }

    fn results(&self) -> Option<&RedisAddress> {
        self.results.as_ref().map(|results| &results.url)
    }

    fn reports_result(&self, message: &Message) -> Result<(), Unsendable> {
        result::reports_result(message, self)
    }

    fn records_end(&self, message: &Message) -> Result<(), Unsendable> {
        result::records_end(message, self)
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
