//! Manual messages: one now ([`Trigger`]), or the slots of a past segment ([`Backfill`]), rendered and routed
//! like scheduled ones.
//!
//! Neither moves the schedule. A message's lifetime counts from now, not from its slot: an old slot is not
//! expired at birth.
//!
//! An answer can be lost, and then a message may have been sent. So every message belongs to a run, whose id the
//! command knows beforehand. A store sends no message of a run twice: repeating the run is safe. For a carrier,
//! the store records what is about to be published and what was: a repeat sends only what the carrier has not
//! confirmed, and that may be sent twice.

pub mod backfill;
mod calls;
mod publish;
pub mod trigger;

#[cfg(test)]
mod tests;

pub use backfill::{Backfill, Backfilled, backfill};
pub use calls::{BackfillCalls, Next};
pub use publish::{Delivery, ManualPublish, ManualStore, Publish, Publisher};
pub use trigger::{Trigger, Triggered, trigger};

pub use crate::refused::Refused;

use std::sync::Arc;

use downbeat_time::UnixMs;
use serde_json::Value;
use uuid::Uuid;

use crate::config::Broker;
use crate::escape::escape;
use crate::render::{OutboundMessage, Renderer};
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::{Entry, Kind};
use crate::store::contract::RunOf;
use crate::text::{MAX_NAME, instant};
use crate::worker::{self, Message, Queue, Unsendable, Unstorable};

/// The maximum number of characters kept of who asked.
const MAX_BY: usize = 100;

/// Reads the time given for `flag`.
fn time(entry: &Entry, flag: &str, text: &str) -> Result<UnixMs, Refused> {
    instant::parse_with_date(text, &entry.zone)
        .map_err(|error| Refused::Invalid(format!("{flag}: {error}; {}", instant::HINT_WITH_DATE)))
}

/// What to send instead of the entry's own values.
#[derive(Clone, Copy, Debug, Default)]
struct Edits<'a> {
    args: Option<&'a Value>,
    kwargs: Option<&'a Value>,
    queue: Option<&'a str>,
    /// Whether somebody waits for the result.
    wants_result: bool,
}

/// Applies edits to a message. They are taken literally: templates are for schedule files.
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
        renderer.check_storable(&message.queue).map_err(|Unstorable { message, hint }| {
            Refused::Invalid(format!("--queue {queue}: {message}; {hint}"))
        })?;
    }
    message.wants_result |= edits.wants_result;
    if let Some(queue) = edits.queue {
        if queue.contains(char::is_control) {
            return Err(invalid("--queue: the name holds a control character"));
        }
        if queue.len() > MAX_NAME {
            let length = queue.len();
            let text = format!("--queue: the name is {length} bytes long, more than {MAX_NAME}");
            return Err(Refused::Invalid(text));
        }
    }
    // The entry itself was checked when it was loaded, so the error is in the edits.
    worker::check(&message).map_err(|error| match edits.queue {
        Some(queue) => Refused::Invalid(format!("--queue {queue}: {error}")),
        None => Refused::Invalid(error.to_string()),
    })?;
    Ok(message)
}

/// The broker that a queue is on, fit to be shown.
fn broker_of(queue: &Queue, store: Option<&Broker>) -> Option<String> {
    match &queue.amqp {
        Some(amqp) => Some(amqp.url.to_string()),
        None => store.map(Broker::to_string),
    }
}

/// Who asked, fit for the journal.
fn asked_by(by: Option<&str>) -> Option<Box<str>> {
    let shown: String = escape(by?).chars().take(MAX_BY).collect();
    (!shown.is_empty()).then(|| shown.into())
}

/// The ids of a message, and who asked for it when.
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    kind: Kind,
    task_id: Uuid,
    /// See [`ManualMessage`](crate::store::contract::ManualMessage).
    run: (Uuid, u64),
    by: Option<&'a str>,
    now: UnixMs,
}

/// Refuses to send anything in a shadow run.
fn check_sends(renderer: &Renderer, dry_run: bool) -> Result<(), Refused> {
    if renderer.is_shadow() && !dry_run { Err(Refused::Shadow) } else { Ok(()) }
}

/// A message that is ready to be sent.
struct Ready<'a> {
    entry: &'a Entry,
    publish: ManualPublish,
    /// Whether its worker reports the result.
    reports_result: Result<(), Unsendable>,
}

impl<'a> Ready<'a> {
    fn new(
        renderer: &Renderer,
        entry: &'a Entry,
        edits: Edits<'_>,
        slot: UnixMs,
        origin: Origin<'_>,
    ) -> Result<Ready<'a>, Refused> {
        let Origin { kind, task_id, run, by, now } = origin;
        let message = edited(renderer, entry.message_of(slot, task_id).into_owned(), edits)?;
        let reports_result = message.queue.worker.protocol().reports_result(&message);
        let message = renderer.outbound(entry, &message, slot, kind, task_id, now);
        let line = Line::new(Arc::clone(&entry.name), slot, Outcome::Dispatched(kind));
        let line = Line { task_id: Some(task_id), by: asked_by(by), ..line };
        Ok(Ready { entry, publish: ManualPublish { message, line, run }, reports_result })
    }

    fn queue(&self) -> &Arc<Queue> {
        self.publish.message.queue()
    }

    /// Publishes the message, and returns whether it was sent before.
    async fn publish(self, broker: &mut impl Publish) -> Result<bool, Refused> {
        let Ready { entry, publish, .. } = self;
        let queue = Arc::clone(publish.message.queue());
        let is_repeatable = matches!(publish.message, OutboundMessage::Store(_));
        let Line { slot, outcome, task_id, .. } = publish.line;
        let (name, queue, kind) = (&*entry.name, &*queue.name, outcome.as_str());
        let task_id = task_id.unwrap_or_default();
        match broker.publish(publish).await {
            Delivery::Sent => {
                tracing::info!(entry = name, queue, %slot, %task_id, kind, "dispatched");
                Ok(false)
            }
            Delivery::SentBefore => {
                // The message that was sent has another slot, unless the slot was named.
                tracing::info!(entry = name, queue, %task_id, kind,
                    "found a message of an earlier request");
                Ok(true)
            }
            Delivery::Other(RunOf { entry, queue }) => {
                Err(Refused::Used { entry: entry.to_string(), queue: queue.to_string() })
            }
            Delivery::NotSent(why) => Err(Refused::NotSent(why)),
            Delivery::Unreachable(why) => Err(Refused::Unreachable(why)),
            Delivery::Uncertain(why) => {
                tracing::warn!(entry = name, queue, %slot, %task_id, kind, error = why,
                    "failed to confirm a dispatch");
                Err(Refused::Uncertain { why, is_repeatable })
            }
        }
    }
}
