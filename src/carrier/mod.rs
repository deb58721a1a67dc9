//! Brokers that take messages and keep no records. Beside them a [`store`](crate::store) holds lease and
//! journal: there a slot is written down as intended before its message is handed over, and settled
//! after.

pub mod amqp;
pub mod memory;

use std::future::Future;

use crate::envelope::Publication;
use crate::queue::Queue;

/// What became of a message that was handed to a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The broker has it.
    Published,
    /// It was not tried: the caller may no longer send.
    Held,
    /// The broker does not have it; its words.
    Refused(String),
    /// It was not tried: there is no connection to the broker, and why.
    Unreachable(String),
    /// The broker may have it; what went wrong.
    Uncertain(String),
}

/// All brokers of one kind, each connected to when first needed. Clones share their connections, so
/// that messages can be published in tasks of their own.
pub trait Carrier: Clone + Send + Sync + 'static {
    /// Publishes messages to one queue, in order, and gives the outcome of each. `may_send` is asked
    /// right before each message is written; a message that is refused holds up none of the others.
    /// Takes no longer than a few deadlines. The messages' correlation ids must differ.
    fn publish_all(
        &self,
        queue: &Queue,
        messages: &[Publication],
        may_send: impl Fn() -> bool + Send,
    ) -> impl Future<Output = Vec<PublishOutcome>> + Send;

    /// How many messages wait in the queue.
    ///
    /// # Errors
    /// When there is no such queue, or the broker does not answer; its words.
    fn count_waiting(&self, queue: &Queue) -> impl Future<Output = Result<u64, String>> + Send;
}
