//! A JSON object on a list (LPUSH; consumers take from the right) or in a stream (XADD, as the field
//! `message`), for custom workers.
//!
//! | member | value |
//! | --- | --- |
//! | `id` | the task id |
//! | `task`, `args`, `kwargs` | as the entry says; always there |
//! | `headers` | the entry's own headers, and those of downbeat: `downbeat_entry`, `downbeat_slot`, `downbeat_kind`, `traceparent` |
//! | `expires` | after this a worker should drop the message: RFC 3339 in UTC, or null |

pub(super) mod message;

use super::{
    DecodeError, Location, Message, Next, Protocol, Push, Task, Unsendable, Waiting, WorkerKind,
    Writes,
};

/// A list; there is nothing to configure.
#[derive(Debug)]
pub(super) struct JsonQueue;

impl Protocol for JsonQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Json
    }

    /// Writes the object to the list with the queue's name.
    fn render(&self, task: &Task<'_>) -> Writes {
        let key = task.message.queue.name.to_string();
        Writes::element(Push::Left, key, message::object(task))
    }

    /// Refuses priorities, as there is only one list.
    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        message.refuse_priority("a plain list knows no priorities")
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        vec![Location::at(queue, Next::Right)]
    }

    fn decode(&self, element: &[u8], _stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        message::decode(element)
    }
}

#[cfg(test)]
mod tests {
    use downbeat_time::UnixMs;
    use serde_json::{Value, json};

    use super::*;
    use crate::worker::{StreamQueue, Worker, sample};

    #[test]
    fn the_object_has_everything_of_the_entry_and_its_origin() {
        let mut message = sample::message("jobs", Worker::Json);
        message.headers = Some(r#"{"campaign":"spring"}"#.into());
        let expires_at = Some(UnixMs(1_795_230_060_000));
        let task = Task { expires_at, ..sample::task(&message) };
        let writes = JsonQueue.render(&task);
        assert_eq!((writes.push, writes.key.as_str()), (Push::Left, "jobs"));
        let object: Value = serde_json::from_slice(&writes.element).unwrap();
        let expected = json!({
            "id": task.task_id.to_string(),
            "task": "demo.add",
            "args": [1, "zwei"],
            "kwargs": {"deep": {"ü": [null, true]}},
            "headers": {
                "campaign": "spring",
                "downbeat_entry": task.entry_name,
                "downbeat_slot": "2026-11-21T03:00:00.000Z",
                "downbeat_kind": "catch_up",
                "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
            },
            "expires": "2026-11-21T03:01:00.000Z",
        });
        assert_eq!(object, expected);
        let in_stream = Writes { push: Push::Stream, ..writes };
        assert_eq!(StreamQueue::default().render(&task), in_stream);
    }
}
