//! Publishing one message by hand, through the same rendering and routing as scheduled ones. It
//! never moves the schedule.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::broker::{Broker, BrokerError, Outgoing};
use crate::clock;
use crate::config::instant;
use crate::envelope::celery::{self, Unsendable};
use crate::schedule::{Entry, Kind, Message, Schedule};
use crate::service::render::Renderer;

/// What to send.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trigger {
    /// The entry's name.
    pub entry: String,
    /// The slot that the message speaks of, RFC 3339 or wall time in the entry's zone; now if none.
    pub slot: Option<String>,
    /// Instead of the entry's own.
    pub args: Option<Value>,
    /// Instead of the entry's own.
    pub kwargs: Option<Value>,
    /// Instead of the entry's own.
    pub queue: Option<String>,
    /// Show the message, send nothing.
    pub dry_run: bool,
}

/// What was sent, or would have been.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Triggered {
    /// The entry's name.
    pub entry: String,
    /// The slot that the message speaks of, RFC 3339 in the entry's zone.
    pub slot: String,
    /// The same in UTC.
    pub slot_utc: String,
    /// The message's id, drawn afresh.
    pub task_id: String,
    /// Where it went.
    pub queue: String,
    /// The exact message.
    pub message: String,
    /// `false` for a dry run.
    pub sent: bool,
}

/// Why nothing was sent.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum TriggerError {
    /// No entry of that name.
    #[error("no entry is named `{name}`{}", suggestion.as_ref().map_or(String::new(), |near| format!("; did you mean `{near}`?")))]
    NoSuchEntry {
        /// What was asked for.
        name: String,
        /// A name much like it.
        suggestion: Option<String>,
    },
    /// What was given cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// The broker did not take it.
    #[error("the broker did not take the message: {0}")]
    Broker(String),
}

impl From<BrokerError> for TriggerError {
    fn from(error: BrokerError) -> TriggerError {
        TriggerError::Broker(error.to_string())
    }
}

/// Publishes the message, unless it is a dry run.
///
/// # Errors
/// When there is no such entry, the arguments do not fit, or the broker does not take it.
pub async fn publish(
    broker: &mut impl Broker,
    renderer: &Renderer,
    schedule: &Schedule,
    trigger: &Trigger,
) -> Result<Triggered, TriggerError> {
    let (triggered, message) = compose(renderer, schedule, trigger)?;
    if !trigger.dry_run {
        broker.publish(message).await?;
        let Triggered { entry, queue, slot_utc, task_id, .. } = &triggered;
        let kind = Kind::Manual.as_str();
        tracing::info!(entry, queue, slot = %slot_utc, %task_id, kind, "dispatched");
    }
    Ok(triggered)
}

/// The message, and what there is to say of it.
///
/// # Errors
/// When there is no such entry or the arguments do not fit.
pub fn compose(
    renderer: &Renderer,
    schedule: &Schedule,
    trigger: &Trigger,
) -> Result<(Triggered, Outgoing), TriggerError> {
    let entry = find(schedule, &trigger.entry)?;
    let message = edited(&entry.message, trigger)?;
    let slot = match trigger.slot.as_deref().map(|text| instant::parse(text, &entry.zone)) {
        None => clock::wall(),
        Some(Ok(slot)) => slot,
        Some(Err(error)) => {
            return Err(TriggerError::Invalid(format!("--slot: {error}; {}", instant::HINT)));
        }
    };
    let task_id = Uuid::new_v4();
    let rng = &mut fastrand::Rng::new();
    let outgoing = renderer.message(entry, &message, slot, Kind::Manual, task_id, rng);
    let triggered = Triggered {
        entry: entry.name.to_string(),
        slot: entry.zone.to_rfc3339(slot),
        slot_utc: slot.to_string(),
        task_id: task_id.to_string(),
        queue: message.queue.to_string(),
        message: String::from_utf8_lossy(&outgoing.payload).into_owned(),
        sent: !trigger.dry_run,
    };
    Ok((triggered, outgoing))
}

/// The entry of that name, or the error that suggests another.
///
/// # Errors
/// When there is none.
pub fn find<'a>(schedule: &'a Schedule, name: &str) -> Result<&'a Entry, TriggerError> {
    schedule.get(name).ok_or_else(|| {
        let names = schedule.entries.iter().map(|entry| &*entry.name);
        let near = names
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .min()
            .filter(|(distance, _)| *distance <= 1 + name.chars().count() / 3);
        TriggerError::NoSuchEntry {
            name: name.to_owned(),
            suggestion: near.map(|(_, known)| known.to_owned()),
        }
    })
}

fn edited(message: &Message, trigger: &Trigger) -> Result<Message, TriggerError> {
    let mut message = message.clone();
    if let Some(args) = &trigger.args {
        message.args = args.to_string().into();
    }
    if let Some(kwargs) = &trigger.kwargs {
        message.kwargs = kwargs.to_string().into();
    }
    if let Some(queue) = &trigger.queue {
        message.queue = queue.as_str().into();
    }
    // The entry itself was checked when it was loaded: what is wrong was typed here.
    celery::check(&message).map_err(|error| {
        TriggerError::Invalid(match error {
            Unsendable::Shape { field: "args", .. } => {
                "--args takes a JSON array, like '[1, \"a\"]'".to_owned()
            }
            Unsendable::Shape { .. } => {
                "--kwargs takes a JSON object, like '{\"a\": 1}'".to_owned()
            }
            Unsendable::Queue { .. } => format!("--queue: {error}"),
            _ => error.to_string(),
        })
    })?;
    Ok(message)
}
