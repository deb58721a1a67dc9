//! Publishing by hand: one message now ([`Trigger`]), or the slots of a stretch of the past
//! ([`Backfill`]), through the same rendering and routing as scheduled ones.
//!
//! Neither moves the schedule. Each message has a fresh id, and lives as long from now on as one of
//! the present would from its slot on: an old slot is not expired at birth.

pub mod backfill;
pub mod trigger;

pub use backfill::{Backfill, Backfilled, backfill};
pub use trigger::{Trigger, Triggered, trigger};

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::carrier::{Carrier, PublishOutcome};
use crate::config::{Broker, instant};
use crate::envelope::{self, Publication, Unsendable, answer};
use crate::queue::Queue;
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::{Entry, Kind, Message, Schedule, UnixMs};
use crate::service::render::Renderer;
use crate::store::Parcel;
use crate::store::contract::{ManualMessage, Sent, Store, StoreError};

/// Why nothing was sent.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "reason", content = "about", rename_all = "snake_case")]
pub enum Refused {
    /// No entry of that name.
    #[error("no entry is named `{name}`{}", advice(suggestion.as_deref()))]
    NoSuchEntry {
        /// What was asked for.
        name: String,
        /// A name much like it.
        suggestion: Option<String>,
    },
    /// What was given cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// The broker did not take it, or did not say so.
    #[error("sending failed: {0}")]
    Broker(String),
}

fn advice(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(near) => format!("; did you mean `{near}`?"),
        None => "; `downbeat list` names them all".to_owned(),
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        Refused::Broker(error.to_string())
    }
}

/// Takes manual messages, wherever they go.
#[derive(Debug)]
pub struct Publisher<'a, S, C> {
    /// Takes those of its own queues.
    pub store: &'a mut S,
    /// Takes the others.
    pub carrier: C,
}

/// Takes manual messages.
pub trait Publish {
    /// Publishes a message and has it journalled.
    fn publish(
        &mut self,
        message: Parcel,
        line: Line,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<S: Store, C: Carrier> Publish for Publisher<'_, S, C> {
    async fn publish(&mut self, message: Parcel, line: Line) -> Result<(), StoreError> {
        match message {
            Parcel::Store(message) => {
                let run = (Uuid::new_v4(), 1);
                match self.store.send(ManualMessage { message, line, run }).await? {
                    Sent::Now | Sent::Already => Ok(()),
                    Sent::Refused(error) => Err(StoreError::Unavailable(error)),
                }
            }
            Parcel::Amqp(queue, publication) => carry(&self.carrier, &queue, publication).await,
        }
    }
}

/// Takes manual messages that go to carriers.
#[derive(Debug)]
pub struct CarrierOnly<C>(pub C);

impl<C: Carrier> Publish for CarrierOnly<C> {
    async fn publish(&mut self, message: Parcel, _: Line) -> Result<(), StoreError> {
        match message {
            Parcel::Amqp(queue, publication) => carry(&self.0, &queue, publication).await,
            Parcel::Store(_) => Err(StoreError::Unusable("the queue is on the store".to_owned())),
        }
    }
}

async fn carry<C: Carrier>(
    carrier: &C,
    queue: &Queue,
    publication: Publication,
) -> Result<(), StoreError> {
    match carrier.publish_all(queue, &[publication], || true).await.pop() {
        Some(PublishOutcome::Published) => Ok(()),
        Some(PublishOutcome::Refused(error)) => Err(StoreError::Unavailable(error)),
        Some(PublishOutcome::Uncertain(error)) => {
            Err(StoreError::Unanswered(format!("it may have been sent: {error}")))
        }
        Some(PublishOutcome::Held) | None => Err(StoreError::Unavailable("not sent".to_owned())),
    }
}

/// The entry of that name, or the error that suggests another.
///
/// # Errors
/// When there is none.
pub fn find<'a>(schedule: &'a Schedule, name: &str) -> Result<&'a Entry, Refused> {
    schedule.get(name).ok_or_else(|| {
        let names = schedule.entries.iter().map(|entry| &*entry.name);
        let near = names
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .min()
            .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 3);
        Refused::NoSuchEntry {
            name: name.to_owned(),
            suggestion: near.map(|(_, known)| known.to_owned()),
        }
    })
}

/// A time as it was typed after `flag`.
fn time(entry: &Entry, flag: &str, text: &str) -> Result<UnixMs, Refused> {
    instant::parse(text, &entry.zone)
        .map_err(|error| Refused::Invalid(format!("{flag}: {error}; {}", instant::HINT)))
}

/// What is sent instead of the entry's own.
#[derive(Clone, Copy, Debug, Default)]
struct Edits<'a> {
    args: Option<&'a Value>,
    kwargs: Option<&'a Value>,
    queue: Option<&'a str>,
    /// Whether the result is waited for.
    result: bool,
}

/// What was typed stands as it is: templates are for schedule files.
fn edited(renderer: &Renderer, mut message: Message, edits: Edits<'_>) -> Result<Message, Refused> {
    let invalid = |text: &str| Refused::Invalid(text.to_owned());
    if let Some(args) = edits.args {
        if !args.is_array() {
            return Err(invalid("--args takes a JSON array, like '[1, \"a\"]'"));
        }
        message.args = args.to_string().into();
    }
    if let Some(kwargs) = edits.kwargs {
        if !kwargs.is_object() {
            return Err(invalid("--kwargs takes a JSON object, like '{\"a\": 1}'"));
        }
        message.kwargs = kwargs.to_string().into();
    }
    if let Some(queue) = edits.queue {
        message.queue = renderer.queue(queue);
        if let Some(why) = renderer.unusable_name(&message.queue) {
            return Err(Refused::Invalid(format!("--queue {queue}: {why}")));
        }
    }
    message.wants_result |= edits.result;
    if edits.queue.is_some_and(|queue| queue.contains(char::is_control)) {
        return Err(Refused::Invalid("--queue: the name holds a control character".to_owned()));
    }
    // The entry itself was checked when it was loaded: what is wrong was typed here.
    envelope::check(&message).map_err(|error| match edits.queue {
        Some(queue) => Refused::Invalid(format!("--queue {queue}: {error}")),
        None => Refused::Invalid(error.to_string()),
    })?;
    Ok(message)
}

/// The queue that a message by hand would go to; `None` when there is no such entry.
#[must_use]
pub fn queue_of(
    renderer: &Renderer,
    schedule: &Schedule,
    entry: &str,
    instead: Option<&str>,
) -> Option<Arc<Queue>> {
    let entry = schedule.get(entry)?;
    Some(match instead {
        Some(name) => renderer.queue(name),
        None => Arc::clone(&entry.message.queue),
    })
}

/// The broker that a queue is on, as it may be shown.
fn broker_of(queue: &Queue, store: Option<&Broker>) -> Option<String> {
    match &queue.amqp {
        Some(amqp) => Some(amqp.url.to_string()),
        None => store.map(Broker::to_string),
    }
}

/// A message that is ready to go.
struct Ready<'a> {
    entry: &'a Entry,
    slot: UnixMs,
    kind: Kind,
    task_id: Uuid,
    parcel: Parcel,
    /// Whether its worker will tell what came of it.
    told: Result<(), Unsendable>,
}

impl<'a> Ready<'a> {
    fn new(
        renderer: &Renderer,
        entry: &'a Entry,
        edits: Edits<'_>,
        slot: UnixMs,
        kind: Kind,
    ) -> Result<Ready<'a>, Refused> {
        let task_id = Uuid::new_v4();
        let message = edited(renderer, entry.message_of(slot, task_id).into_owned(), edits)?;
        let parcel = renderer.parcel(entry, &message, slot, kind, task_id);
        Ok(Ready { entry, slot, kind, task_id, parcel, told: answer::is_told(&message) })
    }

    async fn publish(self, broker: &mut impl Publish) -> Result<(), StoreError> {
        let Ready { entry, slot, kind, task_id, parcel, .. } = self;
        let queue = Arc::clone(&parcel.queue().name);
        let line = Line::new(Arc::clone(&entry.name), slot, Outcome::Dispatched(kind));
        broker.publish(parcel, Line { task_id: Some(task_id), ..line }).await?;
        let (entry, kind) = (&*entry.name, kind.as_str());
        tracing::info!(entry, queue = &*queue, %slot, %task_id, kind, "dispatched");
        Ok(())
    }
}
