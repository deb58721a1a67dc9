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
mod publish;
pub mod trigger;

#[cfg(test)]
mod tests;

pub use backfill::{Backfill, Backfilled, backfill};
pub use publish::{Delivery, ManualPublish, ManualStore, Publish, Publisher};
pub use trigger::{Trigger, Triggered, trigger};

use std::sync::Arc;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock;
use crate::config::Broker;
use crate::escape::escape;
use crate::render::{OutboundMessage, Renderer};
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::{Entry, Kind, Schedule};
use crate::store::contract::RunOf;
use crate::text::{MAX_NAME, instant};
use crate::worker::{self, Message, Queue, Unsendable, Unstorable};

/// The maximum number of characters kept of who asked.
const MAX_BY: usize = 100;

/// Why nothing was sent, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "reason", content = "about", rename_all = "snake_case")]
pub enum Refused {
    /// There is no entry of that name.
    #[error("no entry is named `{name}`{}", hint(suggestion.as_deref()))]
    NoSuchEntry {
        /// The name that was asked for.
        name: String,
        /// A similar name.
        suggestion: Option<String>,
    },
    /// No entry has that tag.
    #[error("no entry has the tag `{name}`{}", suggestion.as_deref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    NoSuchTag {
        /// The tag that was asked for.
        name: String,
        /// A similar tag.
        suggestion: Option<String>,
    },
    /// The request is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The store has refused a change.
    #[error("nothing was changed: {0}")]
    NotChanged(String),
    /// The store cannot be reached.
    #[error("nothing was changed: {0}")]
    ChangeUnreachable(String),
    /// A change was not answered; it may be requested again.
    #[error("it may be done: {0}; do it again to be sure")]
    ChangeUncertain(String),
    /// The broker has refused the message.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The broker cannot be reached.
    #[error("not sent: {0}")]
    Unreachable(String),
    /// Another backfill of the entry by the same person has not ended.
    #[error("run {run} from {from} to {to} has not ended and may have sent some of these slots")]
    Unfinished {
        /// Its run.
        run: Uuid,
        /// The first instant of its segment, RFC 3339 in the entry's zone.
        from: String,
        /// The first instant after its segment.
        to: String,
        /// Its queue, if that is not the entry's own.
        queue: Option<String>,
    },
    /// The run's id was used before, for another entry or queue.
    #[error("the id was used before, for {entry} to {queue}")]
    Used {
        /// The entry whose messages were sent.
        entry: String,
        /// The queue that they went to.
        queue: String,
    },
    /// The broker did not answer: the message may have been sent.
    #[error("it may have been sent: {why}")]
    Uncertain {
        /// The error.
        why: String,
        /// Whether a repeat of the same run sends nothing twice.
        is_repeatable: bool,
    },
}

fn hint(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(near) => format!("; did you mean `{near}`?"),
        None => "; `downbeat list` names them all".to_owned(),
    }
}

/// Finds the entry of that name, or suggests another.
///
/// # Errors
///
/// When there is none.
pub fn find<'a>(schedule: &'a Schedule, name: &str) -> Result<&'a Entry, Refused> {
    schedule.get(name).ok_or_else(|| {
        let names = schedule.entries.iter().map(|entry| &*entry.name);
        Refused::NoSuchEntry { name: name.to_owned(), suggestion: nearest(names, name) }
    })
}

/// The most similar name.
pub(crate) fn nearest<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    let near = names
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 3);
    near.map(|(_, known)| known.to_owned())
}

/// Reads the time given for `flag`.
fn time(entry: &Entry, flag: &str, text: &str) -> Result<UnixMs, Refused> {
    instant::parse(text, &entry.zone)
        .map_err(|error| Refused::Invalid(format!("{flag}: {error}; {}", instant::HINT)))
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

/// The ids of a message, and who asked for it.
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    kind: Kind,
    task_id: Uuid,
    /// See [`ManualMessage`](crate::store::contract::ManualMessage).
    run: (Uuid, u64),
    by: Option<&'a str>,
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
        let Origin { kind, task_id, run, by } = origin;
        let message = edited(renderer, entry.message_of(slot, task_id).into_owned(), edits)?;
        let reports_result = message.queue.worker.protocol().reports_result(&message);
        let message = renderer.outbound(entry, &message, slot, kind, task_id, clock::wall());
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
                tracing::info!(entry = name, queue, %task_id, kind, "already sent");
                Ok(true)
            }
            Delivery::Other(RunOf { entry, queue }) => {
                Err(Refused::Used { entry: entry.to_string(), queue: queue.to_string() })
            }
            Delivery::NotSent(why) => Err(Refused::NotSent(why)),
            Delivery::Unreachable(why) => Err(Refused::Unreachable(why)),
            Delivery::Uncertain(why) => {
                tracing::warn!(entry = name, queue, %slot, %task_id, kind, error = why,
                    "may have been sent");
                Err(Refused::Uncertain { why, is_repeatable })
            }
        }
    }
}
