//! BullMQ's jobs: a hash, the job's id on the list of waiting jobs, and a marker that wakes a worker.
//! Tested with versions 4, 5 and 6.
//!
//! The id is the task id, `name` the task, `data` the entry's `kwargs`: there are no positional
//! arguments. `opts` has the rest: the entry's own headers, `downbeat_entry`, `downbeat_slot`,
//! `downbeat_kind` and `traceparent`. BullMQ keeps keys that it does not know.
//!
//! Where the jobs of a paused queue wait depends on the version, so the script checks it (`push.lua`).

mod decode;
mod message;
mod options;
mod queue;

pub use self::options::{Backoff, BullmqOptions, Keep};
pub use self::queue::BullmqQueue;
use super::{
    DecodeError, Location, Message, Protocol, ResultForm, ResultKey, Task, Unsendable, Waiting,
    WorkerKind, Writes,
};

/// Options that BullMQ knows, including its own short forms.
const RESERVED: &[&str] = &[
    "jobId",
    "attempts",
    "backoff",
    "removeOnComplete",
    "removeOnFail",
    "delay",
    "priority",
    "lifo",
    "timestamp",
    "repeat",
    "rjk",
    "repeatJobKey",
    "prevMillis",
    "parent",
    "parentKey",
    "children",
    "deduplication",
    "de",
    "debounce",
    "failParentOnFailure",
    "fpof",
    "continueParentOnFailure",
    "cpof",
    "ignoreDependencyOnFailure",
    "idof",
    "removeDependencyOnFailure",
    "rdof",
    "keepLogs",
    "kl",
    "sizeLimit",
    "stackTraceLimit",
    "telemetry",
    "tm",
    "omc",
    "traceparent",
];

impl Protocol for BullmqQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Bullmq
    }

    fn render(&self, task: &Task<'_>) -> Writes {
        message::render(task, self)
    }

    /// A job has one object as data and no expiry, and jobs with a priority wait where we do not write.
    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        if &*message.args != "[]" {
            let why = "a job of BullMQ has no args, only one object of data, which is `kwargs`";
            return Err(Unsendable::new("args", why));
        }
        message.refuse_priority("downbeat sends to BullMQ without priorities")?;
        message.refuse_expiry("BullMQ runs a job however old it is")
    }

    fn is_reserved_header(&self, name: &str) -> bool {
        RESERVED.contains(&name)
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        decode::locations(queue, self)
    }

    fn decode(&self, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(element, stored)
    }

    fn records_end(&self, _message: &Message) -> Result<(), Unsendable> {
        Ok(())
    }

    fn result_key(&self, queue: &str) -> Option<ResultKey> {
        Some(ResultKey {
            prefix: message::job_key(queue, self),
            databases: (0, 0),
            form: ResultForm::Bullmq,
        })
    }
}
