//! Manual messages: one now ([`Trigger`]), or the slots of a segment of the past ([`Backfill`]), through
//! the same rendering and routing as scheduled ones.
//!
//! Neither moves the schedule. A message lives as long from now on as one of the present would from its
//! slot on: an old slot is not expired at birth.
//!
//! An answer can be lost, and then a message may have been sent. So every message belongs to a run, whose
//! id the command that asks knows beforehand. A store sends nothing of a run twice: repeating the run is
//! safe. For a carrier, the store notes what is about to be published and what was: a repeat sends only
//! what the carrier has not confirmed, and that may be sent twice.

pub mod backfill;
mod publish;
pub mod trigger;

#[cfg(test)]
mod tests;

pub use backfill::{Backfill, Backfilled, backfill};
pub use publish::{Delivery, ManualPublish, ManualStore, Publish, Publisher};
pub use trigger::{Trigger, Triggered, trigger};

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock;
use crate::config::{Broker, MAX_NAME, instant};
use crate::envelope::{self, Misplaced, Unsendable, answer};
use crate::escape::escape;
use crate::queue::Queue;
use crate::render::{OutboundMessage, Renderer};
use crate::schedule::outcome::{Line, Outcome};
use crate::schedule::{Entry, Kind, Message, Schedule, UnixMs};
use crate::store::contract::RunOf;

/// Characters that are kept of who asked.
const MAX_BY: usize = 100;

/// Why nothing was sent, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
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
    /// No entry has that tag.
    #[error("no entry has the tag `{name}`{}", suggestion.as_deref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    NoSuchTag {
        /// What was asked for.
        name: String,
        /// A tag much like it.
        suggestion: Option<String>,
    },
    /// What was given cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// The store has not taken a change.
    #[error("nothing was changed: {0}")]
    NotChanged(String),
    /// The store cannot be reached.
    #[error("nothing was changed: {0}")]
    ChangeUnreachable(String),
    /// No answer came to a change, which may be asked for again.
    #[error("it may be done: {0}; do it again to be sure")]
    ChangeUncertain(String),
    /// The broker has not taken it.
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
        /// The first instant after it.
        to: String,
        /// Its queue, if that is not the entry's own.
        queue: Option<String>,
    },
    /// The id of the run was used before, for another entry or queue.
    #[error("the id was used before, for {entry} to {queue}")]
    Used {
        /// The entry that was sent.
        entry: String,
        /// Where to.
        queue: String,
    },
    /// No answer came.
    #[error("it may have been sent: {why}")]
    Uncertain {
        /// What went wrong.
        why: String,
        /// A repeat of the same run sends nothing twice.
        is_repeatable: bool,
    },
}

fn advice(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(near) => format!("; did you mean `{near}`?"),
        None => "; `downbeat list` names them all".to_owned(),
    }
}

/// The entry of that name, or the error that suggests another.
///
/// # Errors
/// When there is none.
pub fn find<'a>(schedule: &'a Schedule, name: &str) -> Result<&'a Entry, Refused> {
    schedule.get(name).ok_or_else(|| {
        let names = schedule.entries.iter().map(|entry| &*entry.name);
        Refused::NoSuchEntry { name: name.to_owned(), suggestion: nearest(names, name) }
    })
}

/// The name much like that.
pub(crate) fn nearest<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    let near = names
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 3);
    near.map(|(_, known)| known.to_owned())
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
    wants_result: bool,
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
        renderer.check_place(&message.queue).map_err(|Misplaced { message, hint }| {
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
    // The entry itself was checked when it was loaded: what is wrong was typed here.
    envelope::check(&message).map_err(|error| match edits.queue {
        Some(queue) => Refused::Invalid(format!("--queue {queue}: {error}")),
        None => Refused::Invalid(error.to_string()),
    })?;
    Ok(message)
}

/// The broker that a queue is on, as it may be shown.
fn broker_of(queue: &Queue, store: Option<&Broker>) -> Option<String> {
    match &queue.amqp {
        Some(amqp) => Some(amqp.url.to_string()),
        None => store.map(Broker::to_string),
    }
}

/// Who asked, fit to be journalled.
fn asked_by(by: Option<&str>) -> Option<Box<str>> {
    let shown: String = escape(by?).chars().take(MAX_BY).collect();
    (!shown.is_empty()).then(|| shown.into())
}

/// What a message is called, and who asked for it.
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    kind: Kind,
    task_id: Uuid,
    /// See [`ManualMessage`](crate::store::contract::ManualMessage).
    run: (Uuid, u64),
    by: Option<&'a str>,
}

/// A message that is ready to go.
struct Ready<'a> {
    entry: &'a Entry,
    publish: ManualPublish,
    /// Whether its worker reports what came of it.
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
        let reports_result = answer::reports_result(&message);
        let message = renderer.outbound(entry, &message, slot, kind, task_id, clock::wall());
        let line = Line::new(Arc::clone(&entry.name), slot, Outcome::Dispatched(kind));
        let line = Line { task_id: Some(task_id), by: asked_by(by), ..line };
        Ok(Ready { entry, publish: ManualPublish { message, line, run }, reports_result })
    }

    fn queue(&self) -> &Arc<Queue> {
        self.publish.message.queue()
    }

    /// Publishes it, and gives whether it was sent before.
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
                // The slot of the message that was sent is another, unless it was named.
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
