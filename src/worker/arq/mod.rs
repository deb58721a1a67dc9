//! arq's jobs: a text under the job's id, and the id in a sorted set, scored by when it is due. Tested with
//! version 0.28.
//!
//! The id is the task id, `f` the function's name, `a` and `k` its arguments. The entry's own headers,
//! `downbeat_entry`, `downbeat_slot`, `downbeat_kind` and `traceparent` are beside them: workers pass over
//! members that they do not know, and functions do not see them.
//!
//! An id stays in the set until its job has ended, so a job that is pushed again under its id while it waits
//! or runs does not run twice.

mod decode;
mod message;
mod options;
mod queue;
mod result;

use uuid::Uuid;

pub use self::options::ArqOptions;
pub use self::queue::{ArqQueue, ArqSerializer};
use super::{
    DecodeError, Location, Message, Next, Protocol, RedisCommand, ResultForm, ResultKey, Task,
    TaskResult, Unsendable, Waiting, WorkerKind, Writes,
};

/// Members of a job.
const RESERVED: &[&str] = &["t", "f", "a", "k", "et", "traceparent"];

impl Protocol for ArqQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Arq
    }

    fn render(&self, task: &Task<'_>) -> Writes {
        message::render(task, *self)
    }

    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        message.refuse_priority("arq's jobs have no priority")
    }

    fn check(&self, message: &Message) -> Result<(), Unsendable> {
        message::check(message)
    }

    fn is_reserved_header(&self, name: &str) -> bool {
        RESERVED.contains(&name)
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        let bodies = Some(decode::jobs());
        vec![Location { bodies, ..Location::at(queue, Next::Lowest) }]
    }

    fn decode(&self, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(element, stored)
    }

    /// Whether a function keeps its result is not visible here.
    fn reports_result(&self, _message: &Message) -> Result<(), Unsendable> {
        Ok(())
    }

    fn records_end(&self, _message: &Message) -> Result<(), Unsendable> {
        Ok(())
    }

    fn result_key(&self, queue: &str) -> Option<ResultKey> {
        Some(ResultKey { prefix: queue.to_owned(), databases: (0, 0), form: ResultForm::Arq })
    }

    fn result_queries(&self, task_id: Uuid) -> Vec<RedisCommand> {
        result::queries(task_id)
    }

    fn read_result(&self, replies: &[Option<Vec<u8>>]) -> TaskResult {
        result::read(replies)
    }
}
