//! Publishes manual messages to stores and carriers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};
use uuid::Uuid;

use crate::carrier::{Carrier, PublishOutcome};
use crate::render::OutboundMessage;
use crate::schedule::outcome::Line;
use crate::store::Outgoing;
use crate::store::contract::{
    BackfillNote, ManualMessage, ManualNote, ManualStep, Noted, OpenBackfill, RunOf, Sent, Store,
    StoreError,
};
use crate::worker::{Publication, Queue};

/// Why nothing is sent while another process sends the same run.
const BUSY: &str = "the same run is being sent by another process, or was until it ended without a word \
                    less than 30 s ago";
/// The pause before the record of a published message is retried.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A manual message to publish.
#[derive(Clone, Debug)]
pub struct ManualPublish {
    /// The message to send.
    pub message: OutboundMessage,
    /// The line for the journal.
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
    /// Its run has sent messages of another entry or to another queue, so it was not sent.
    Other(RunOf),
    /// The broker does not have it; the reason.
    NotSent(String),
    /// The broker does not have it, because there is no way to the broker.
    Unreachable(String),
    /// The broker may have it; the error.
    Uncertain(String),
}

impl Delivery {
    /// The message was not sent because the store failed.
    fn not_tried(error: &StoreError) -> Delivery {
        let why = error.to_string();
        if error.is_refusal() { Delivery::NotSent(why) } else { Delivery::Unreachable(why) }
    }
}

/// Publishes manual messages.
pub trait Publish {
    /// Publishes a message and, if there is a journal, records it.
    fn publish(&mut self, message: ManualPublish) -> impl Future<Output = Delivery> + Send;

    /// As [`Store::note_backfill`].
    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send;
}

/// What manual messages need from a store.
pub trait ManualStore {
    /// As [`Store::send`].
    fn send(
        &mut self,
        message: ManualMessage,
    ) -> impl Future<Output = Result<Sent, StoreError>> + Send;

    /// As [`Store::note`].
    fn note(&mut self, note: ManualNote) -> impl Future<Output = Result<Noted, StoreError>> + Send;

    /// As [`Store::note_backfill`].
    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send;

    /// Waits before a request is repeated. The simulation has a time of its own.
    fn pause(&mut self, length: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(length)
    }
}

impl<S: Store> ManualStore for S {
    fn send(
        &mut self,
        message: ManualMessage,
    ) -> impl Future<Output = Result<Sent, StoreError>> + Send {
        Store::send(self, message)
    }

    fn note(&mut self, note: ManualNote) -> impl Future<Output = Result<Noted, StoreError>> + Send {
        Store::note(self, note)
    }

    fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> impl Future<Output = Result<Option<OpenBackfill>, StoreError>> + Send {
        Store::note_backfill(self, note)
    }
}

/// Publishes manual messages to a store or a carrier.
#[derive(Debug)]
pub struct Publisher<'a, S, C> {
    /// The store for messages of its own queues, and for records of the others.
    pub store: &'a mut S,
    /// The carrier for other queues.
    pub carrier: C,
}

impl<S: ManualStore + Send, C: Carrier> Publish for Publisher<'_, S, C> {
    async fn publish(&mut self, publish: ManualPublish) -> Delivery {
        let ManualPublish { message, line, run } = publish;
        match message {
            OutboundMessage::Store(message) => send(self.store, message, line, run).await,
            OutboundMessage::Carrier(queue, publication) => {
                let noted = Carried { queue, line, run };
                carry(self.store, &self.carrier, noted, publication).await
            }
        }
    }

    async fn note_backfill(
        &mut self,
        note: BackfillNote,
    ) -> Result<Option<OpenBackfill>, StoreError> {
        self.store.note_backfill(note).await
    }
}

async fn send(
    store: &mut impl ManualStore,
    message: Outgoing,
    line: Line,
    run: (Uuid, u64),
) -> Delivery {
    match store.send(ManualMessage { message, line, run }).await {
        Ok(Sent::Now) => Delivery::Sent,
        Ok(Sent::Already) => Delivery::SentBefore,
        Ok(Sent::Other(of)) => Delivery::Other(of),
        Ok(Sent::Refused(why)) => Delivery::NotSent(why),
        Err(StoreError::Unanswered(why)) => Delivery::Uncertain(why),
        Err(error) => Delivery::not_tried(&error),
    }
}

/// A message for a carrier, as the store records it.
#[derive(Clone)]
struct Carried {
    queue: Arc<Queue>,
    line: Line,
    run: (Uuid, u64),
}

impl Carried {
    fn note(&self, step: ManualStep) -> ManualNote {
        let Carried { queue, line, run } = self.clone();
        ManualNote { step, queue, line, run }
    }
}

/// Publishes a message that the store knows of beforehand, and records it. An uncertain message is not recorded:
/// a repeat of its run publishes it again.
async fn carry(
    store: &mut impl ManualStore,
    carrier: &impl Carrier,
    carried: Carried,
    publication: Publication,
) -> Delivery {
    match store.note(carried.note(ManualStep::Intended)).await {
        Ok(Noted::Now) => {}
        Ok(Noted::Already) => return Delivery::SentBefore,
        Ok(Noted::Other(of)) => return Delivery::Other(of),
        Ok(Noted::Busy) => return Delivery::NotSent(BUSY.to_owned()),
        Err(error) => return Delivery::not_tried(&error),
    }
    let outcome = carrier.publish_all(&carried.queue, &[publication], || true).await.pop();
    if outcome == Some(PublishOutcome::Published) {
        journal(store, &carried).await;
        return Delivery::Sent;
    }
    if let Err(error) = store.note(carried.note(ManualStep::NotPublished)).await {
        debug!(%error, "failed to record an unsent message; its run can be repeated after 30 s");
    }
    match outcome {
        Some(PublishOutcome::Refused(why)) => Delivery::NotSent(why),
        Some(PublishOutcome::Unreachable(why)) => Delivery::Unreachable(why),
        Some(PublishOutcome::Uncertain(why)) => Delivery::Uncertain(why),
        Some(PublishOutcome::Published | PublishOutcome::Held) | None => {
            Delivery::NotSent("it was not tried".to_owned())
        }
    }
}

/// Records a message that a carrier has taken. If the store does not answer, tries again: recording it twice
/// does no harm.
async fn journal(store: &mut impl ManualStore, carried: &Carried) {
    for pause in [Some(RETRY_AFTER), Some(2 * RETRY_AFTER), None] {
        let Err(error) = store.note(carried.note(ManualStep::Published)).await else { return };
        let Some(pause) = pause else {
            let Line { entry, slot, task_id, .. } = &carried.line;
            let task_id = task_id.unwrap_or_default();
            warn!(entry = &**entry, %slot, %task_id, %error, "failed to record a slot that was sent");
            return;
        };
        store.pause(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use downbeat_time::UnixMs;

    use super::*;
    use crate::render::Renderer;
    use crate::schedule::Kind;
    use crate::schedule::outcome::Outcome;
    use crate::schedule::sample::every;

    /// A store that answers nothing.
    struct Silent;

    fn unanswered<T>() -> Result<T, StoreError> {
        Err(StoreError::Unanswered("no answer".to_owned()))
    }

    impl ManualStore for Silent {
        async fn send(&mut self, _: ManualMessage) -> Result<Sent, StoreError> {
            unanswered()
        }

        async fn note(&mut self, _: ManualNote) -> Result<Noted, StoreError> {
            unanswered()
        }

        async fn note_backfill(
            &mut self,
            _: BackfillNote,
        ) -> Result<Option<OpenBackfill>, StoreError> {
            unanswered()
        }
    }

    #[tokio::test]
    async fn a_message_whose_answer_is_lost_may_have_been_sent() {
        let (entry, slot, id) = (every("e", 60), UnixMs::from_secs(60), Uuid::from_u128(7));
        let renderer = Renderer::new("n", "h", Arc::default(), false);
        let message = entry.message_of(slot, id).into_owned();
        let outbound = renderer.outbound(&entry, &message, slot, Kind::Manual, id, slot);
        let OutboundMessage::Store(outgoing) = outbound else { panic!("its queue is on a store") };
        let line = Line::new(Arc::clone(&entry.name), slot, Outcome::Dispatched(Kind::Manual));
        let delivery = send(&mut Silent, outgoing, line, (id, 0)).await;
        assert_eq!(delivery, Delivery::Uncertain("no answer".to_owned()));
    }
}
