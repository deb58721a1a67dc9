//! A JSON object in a stream (XADD, as the field `message`), for custom workers. It is the object of
//! [lists](super::json).

mod decode;
mod queue;

use std::num::NonZeroU32;

pub use self::queue::StreamQueue;
use super::json::message::object;
use super::{
    DecodeError, Location, Message, Next, Protocol, Push, Task, Unsendable, Waiting, WorkerKind,
    Writes,
};

impl Protocol for StreamQueue {
    fn kind(&self) -> WorkerKind {
        WorkerKind::Stream
    }

    /// Writes the object to the stream with the queue's name.
    fn render(&self, task: &Task<'_>) -> Writes {
        Writes::element(Push::Stream, task.message.queue.name.to_string(), object(task))
    }

    fn maxlen(&self) -> Option<NonZeroU32> {
        self.maxlen
    }

    /// Refuses priorities, as there is only one stream.
    fn validate(&self, message: &Message) -> Result<(), Unsendable> {
        message.refuse_priority("a stream knows no priorities")
    }

    fn locations(&self, queue: &str) -> Vec<Location> {
        vec![Location::at(queue, Next::Oldest)]
    }

    fn decode(&self, element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
        decode::decode(element, stored)
    }
}
