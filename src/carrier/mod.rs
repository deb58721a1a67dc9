//! Carriers: brokers that take messages and keep no records. A [`store`](crate::store) holds lease and journal:
//! it records a slot as intended before its message is published, and as settled afterwards.

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod memory;
#[cfg(not(feature = "amqp"))]
mod without_amqp;

use std::future::Future;

use crate::worker::{Publication, Queue};

#[cfg(feature = "amqp")]
pub use self::amqp::Amqp;
#[cfg(not(feature = "amqp"))]
pub use self::without_amqp::Amqp;

/// What became of a message for a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The broker has it.
    Published,
    /// It was not tried: the caller may no longer send.
    Held,
    /// The broker does not have it; the broker's words.
    Refused(String),
    /// It was not tried because there is no connection to the broker; the reason.
    Unreachable(String),
    /// The broker may have it; the error.
    Uncertain(String),
}

/// Why a carrier did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// The broker was reached, but refused or did not answer in time.
    #[error("{0}")]
    Refused(String),
    /// There is no connection to the broker.
    #[error("{0}")]
    Unreachable(String),
}

impl From<CarrierError> for PublishOutcome {
    fn from(error: CarrierError) -> PublishOutcome {
        match error {
            CarrierError::Refused(why) => PublishOutcome::Refused(why),
            CarrierError::Unreachable(why) => PublishOutcome::Unreachable(why),
        }
    }
}

/// All brokers of one kind; connects to each on first use. Clones share their connections, so that messages can
/// be published in tasks of their own.
pub trait Carrier: Clone + Send + Sync + 'static {
    /// Publishes messages to one queue, in order, and returns the outcome of each. Calls `may_send` right before
    /// each message is written; a refused message delays none of the others. Takes at most a few deadlines. The
    /// messages' correlation ids must differ.
    fn publish_all(
        &self,
        queue: &Queue,
        messages: &[Publication],
        may_send: impl Fn() -> bool + Send,
    ) -> impl Future<Output = Vec<PublishOutcome>> + Send;

    /// Returns the number of messages in the queue.
    ///
    /// # Errors
    ///
    /// When there is no such queue, or the broker does not answer.
    fn count_waiting(
        &self,
        queue: &Queue,
    ) -> impl Future<Output = Result<u64, CarrierError>> + Send;
}
