//! Takes the place of the AMQP carrier in a build without the feature `amqp`, which refuses AMQP addresses.

use std::time::Duration;

use super::{Carrier, CarrierError, PublishOutcome};
use crate::tls::Tls;
use crate::worker::{Publication, Queue};

const REFUSED: &str = "this downbeat was built without AMQP";

/// No AMQP broker at all.
#[derive(Clone, Debug)]
pub struct Amqp;

impl Amqp {
    /// Creates the carrier, which refuses every message.
    #[must_use]
    pub fn new(_: Duration, _: &Tls) -> Amqp {
        Amqp
    }
}

impl Carrier for Amqp {
    async fn count_waiting(&self, _: &Queue) -> Result<u64, CarrierError> {
        Err(CarrierError::Refused(REFUSED.to_owned()))
    }

    async fn publish_all(
        &self,
        _: &Queue,
        messages: &[Publication],
        _: impl Fn() -> bool + Send,
    ) -> Vec<PublishOutcome> {
        vec![PublishOutcome::Refused(REFUSED.to_owned()); messages.len()]
    }
}
