//! How long a message is.

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::message::Message;
use super::queue::Via;
use super::task::{Fresh, Task};
use super::{publish, render};

/// The bytes that the entry's message takes, give or take those of this machine's name.
#[must_use]
pub fn size(entry_name: &str, message: &Message, slot: UnixMs) -> usize {
    let fresh = Fresh { delivery_tag: Uuid::nil(), trace_id: 1, span_id: 1 };
    let task = Task {
        entry_name,
        message,
        task_id: Uuid::nil(),
        slot,
        kind: "scheduled",
        expires_at: message.expires.map(|_| slot),
        now: slot,
        origin: "downbeat@host",
        fresh,
    };
    match message.queue.via() {
        Via::Store => render(&task).size(),
        Via::Amqp(amqp) => publish(&task, amqp).size(),
    }
}
