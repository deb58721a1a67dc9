//! Handing manual messages to whatever takes them.

use std::future::Future;
use std::sync::Arc;

use uuid::Uuid;

use crate::carrier::{Carrier, PublishOutcome};
use crate::envelope::Publication;
use crate::queue::Queue;
use crate::schedule::outcome::Line;
use crate::service::render::OutboundMessage;
use crate::store::Outgoing;
use crate::store::contract::{ManualMessage, Sent, Store, StoreError};

/// A manual message on its way.
#[derive(Clone, Debug)]
pub struct ManualPublish {
    /// What to send.
    pub message: OutboundMessage,
    /// What to journal.
    pub line: Line,
    /// The run that it belongs to, and its place in it; see [`ManualMessage`].
    pub run: (Uuid, u64),
}

/// What became of a manual message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is in the queue.
    Sent,
    /// Its run has sent it before.
    SentBefore,
    /// The broker does not have it; why.
    NotSent(String),
    /// The broker may have it; what went wrong.
    Uncertain(String),
}

/// Takes manual messages.
pub trait Publish {
    /// Publishes a message and, where there is a journal, has it journalled.
    fn publish(&mut self, message: ManualPublish) -> impl Future<Output = Delivery> + Send;
}

/// Takes manual messages, wherever they go.
#[derive(Debug)]
pub struct Publisher<'a, S, C> {
    /// Takes those of its own queues.
    pub store: &'a mut S,
    /// Takes the others.
    pub carrier: C,
}

impl<S: Store, C: Carrier> Publish for Publisher<'_, S, C> {
    async fn publish(&mut self, message: ManualPublish) -> Delivery {
        let ManualPublish { message, line, run } = message;
        match message {
            OutboundMessage::Store(message) => send(self.store, message, line, run).await,
            OutboundMessage::Carrier(queue, publication) => {
                carry(&self.carrier, &queue, publication).await
            }
        }
    }
}

/// Takes manual messages that go to carriers.
#[derive(Debug)]
pub struct CarrierOnly<C>(pub C);

impl<C: Carrier> Publish for CarrierOnly<C> {
    async fn publish(&mut self, message: ManualPublish) -> Delivery {
        match message.message {
            OutboundMessage::Carrier(queue, publication) => {
                carry(&self.0, &queue, publication).await
            }
            OutboundMessage::Store(message) => {
                let name = &message.queue.name;
                Delivery::NotSent(format!("the queue `{name}` is not on a carrier"))
            }
        }
    }
}

async fn send(store: &mut impl Store, message: Outgoing, line: Line, run: (Uuid, u64)) -> Delivery {
    match store.send(ManualMessage { message, line, run }).await {
        Ok(Sent::Now) => Delivery::Sent,
        Ok(Sent::Already) => Delivery::SentBefore,
        Ok(Sent::Refused(why)) => Delivery::NotSent(why),
        Err(StoreError::Unanswered(why)) => Delivery::Uncertain(why),
        Err(error @ (StoreError::Unavailable(_) | StoreError::Unusable(_))) => {
            Delivery::NotSent(error.to_string())
        }
    }
}

async fn carry(carrier: &impl Carrier, queue: &Arc<Queue>, publication: Publication) -> Delivery {
    match carrier.publish_all(queue, &[publication], || true).await.pop() {
        Some(PublishOutcome::Published) => Delivery::Sent,
        Some(PublishOutcome::Refused(why)) => Delivery::NotSent(why),
        Some(PublishOutcome::Uncertain(why)) => Delivery::Uncertain(why),
        Some(PublishOutcome::Held) | None => Delivery::NotSent("it was not tried".to_owned()),
    }
}
