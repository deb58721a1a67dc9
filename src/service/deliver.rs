//! Hands messages to a carrier.

use crate::carrier::{Carrier, PublishOutcome};
use crate::clock::SinceBoot;
use crate::core::{Carried, Delivery, Publish};

/// Publishes the messages of one queue that it has room for, each within its time limit.
pub(super) async fn deliver(carrier: &impl Carrier, publish: Publish) -> Vec<Delivery> {
    let Publish { queue, messages, not_after } = publish;
    let is_bounded = messages.iter().any(|message| message.max_queued.is_some());
    let mut queued = if is_bounded { carrier.count_waiting(&queue).await } else { Ok(0) };
    let mut deliveries: Vec<Option<Delivery>> = Vec::with_capacity(messages.len());
    let mut publications = Vec::with_capacity(messages.len());
    for Carried { max_queued, publication } in messages {
        deliveries.push(match (max_queued, &mut queued) {
            (Some(_), Err(error)) => Some(Delivery::Tried(error.clone().into())),
            (Some(max), Ok(queued)) if *queued >= u64::from(max.get()) => Some(Delivery::QueueFull),
            (_, queued) => {
                if let Ok(queued) = queued {
                    *queued += 1;
                }
                publications.push(publication);
                None
            }
        });
    }
    let may_send = || SinceBoot::now() < not_after;
    let outcomes = carrier.publish_all(&queue, &publications, may_send).await;
    let mut tried = outcomes.into_iter().map(Delivery::Tried);
    let deliveries = deliveries.into_iter().map(|known| known.or_else(|| tried.next()));
    deliveries.map(|it| it.unwrap_or(Delivery::Tried(PublishOutcome::Held))).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::carrier::memory::MemoryCarrier;
    use crate::core::Carried;
    use crate::worker::{Publication, Queue};

    fn messages(count: u128, max_queued: Option<u32>) -> Publish {
        let max_queued = max_queued.and_then(NonZeroU32::new);
        let publication = |number| Publication {
            exchange: "".into(),
            routing_key: "mail".into(),
            headers: Vec::new(),
            priority: 0,
            correlation_id: uuid::Uuid::from_u128(number),
            expiration_ms: None,
            body: Vec::new(),
            event: None,
        };
        let message = |number| Carried { max_queued, publication: publication(number) };
        let messages = (0..count).map(message).collect();
        let queue = Queue::unconfigured("mail");
        Publish { queue, messages, not_after: SinceBoot::NEVER }
    }

    #[tokio::test]
    async fn nothing_is_handed_over_once_its_time_is_up() {
        let carrier = MemoryCarrier::default();
        let late = Publish { not_after: SinceBoot(Duration::ZERO), ..messages(2, None) };
        let held = Delivery::Tried(PublishOutcome::Held);
        assert_eq!(deliver(&carrier, late).await, [held.clone(), held]);
        assert!(carrier.messages("mail").is_empty());
    }

    #[tokio::test]
    async fn a_queue_gets_no_more_than_it_may_hold() {
        let carrier = MemoryCarrier::default();
        let published = Delivery::Tried(PublishOutcome::Published);
        let done = deliver(&carrier, messages(3, Some(2))).await;
        assert_eq!(done, [published.clone(), published, Delivery::QueueFull]);
        assert_eq!(carrier.messages("mail").len(), 2);
    }
}
