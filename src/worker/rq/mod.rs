//! RQ's jobs, for RQ 1.16 and later: a hash with the job, and its id at the end of the queue's list.
//!
//! The job's id is the task id. `meta` has the entry's own headers, with `downbeat_entry`,
//! `downbeat_slot`, `downbeat_kind` and `traceparent`: `get_current_job().meta`. A message expires by
//! RQ's `ttl`: Redis then drops the hash, and workers skip the id.

mod decode;
mod dotted;
mod message;
mod options;
mod queue;
mod result;

use uuid::Uuid;

pub(crate) use self::decode::{StoredCall, stored_call, stored_meta};
pub use self::dotted::check as check_dotted;
pub use self::options::{Callback, Dependency, RqOptions};
pub use self::queue::{RqQueue, Serializer};
pub(crate) use super::python::unpickle::Changed;
use super::{
    DecodeError, Location, Message, Next, Protocol, RedisCommand, ResultForm, ResultKey, Task,
    TaskResult, Unsendable, Waiting, WorkerKind, Writes,
};

impl Protocol for RqQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Rq
    }

    fn render(&self, task: &Task<'_>) -> Writes {
        message::render(task, *self)
    }

    /// RQ takes the jobs of a queue in order, so priorities have no meaning.
    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        dotted::check(&message.task).map_err(|why| Unsendable::new("task", why))?;
        message.refuse_priority("RQ's queues know no priorities: `options: {at_front: true}`")
    }

    fn check(&self, message: &Message) -> Result<(), Unsendable> {
        message::check(message)
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        let bodies = Some(decode::jobs());
        vec![Location { bodies, ..Location::at(message::list_key(queue), Next::Left) }]
    }

    fn decode(&self, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(element, stored)
    }

    fn reports_result(&self, message: &Message) -> Result<(), Unsendable> {
        result::reports_result(message)
    }

    fn records_end(&self, _message: &Message) -> Result<(), Unsendable> {
        Ok(())
    }

    fn result_key(&self, _queue: &str) -> Option<ResultKey> {
        Some(ResultKey { prefix: message::JOB.to_owned(), databases: (0, 0), form: ResultForm::Rq })
    }

    fn result_queries(&self, task_id: Uuid) -> Vec<RedisCommand> {
        result::queries(task_id)
    }

    fn read_result(&self, replies: &[Option<Vec<u8>>]) -> TaskResult {
        result::read(replies, *self)
    }
}
