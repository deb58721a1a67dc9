//! Stands in for the AMQP carrier in a build without the feature `amqp`. No message gets here: such a build
//! refuses AMQP addresses.

use std::time::Duration;

use super::{Carrier, CarrierError, PublishOutcome};
use crate::address::AddressError;
use crate::tls::Tls;
use crate::worker::{Publication, Queue};

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
        Err(refusal())
    }

    async fn publish_all(
        &self,
        _: &Queue,
        messages: &[Publication],
        _: impl Fn() -> bool + Send,
    ) -> Vec<PublishOutcome> {
        vec![PublishOutcome::from(refusal()); messages.len()]
    }
}

fn refusal() -> CarrierError {
    CarrierError::Refused(AddressError::WithoutAmqp.to_string())
}
