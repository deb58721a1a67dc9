//! One message, now.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Edits, Publish, Ready, Refused, broker_of, find, time};
use crate::clock;
use crate::config::Broker;
use crate::envelope::answer::NO_RESULTS;
use crate::schedule::{Kind, Schedule};
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
    /// Ask for the result; refuse it if no worker would tell what came of it.
    #[serde(default)]
    pub told: bool,
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
    /// The broker that the queue is on, without secrets; of a dry run, if one is named.
    #[serde(default)]
    pub broker: Option<String>,
    /// The exact message.
    pub message: String,
    /// `false` for a dry run.
    pub sent: bool,
}

/// Publishes the message, unless it is a dry run. `store` is where `broker` puts the messages of
/// queues that are on no AMQP broker.
///
/// # Errors
/// When there is no such entry, the arguments do not fit, or the broker does not take it.
pub async fn trigger(
    broker: &mut impl Publish,
    store: Option<&Broker>,
    renderer: &Renderer,
    schedule: &Schedule,
    asked: &Trigger,
) -> Result<Triggered, Refused> {
    let entry = find(schedule, &asked.entry)?;
    let Trigger { args, kwargs, queue, .. } = asked;
    let edits = Edits {
        args: args.as_ref(),
        kwargs: kwargs.as_ref(),
        queue: queue.as_deref(),
        result: asked.told,
    };
    let slot = match asked.slot.as_deref() {
        None => clock::wall(),
        Some(text) => time(entry, "--slot", text)?,
    };
    let ready = Ready::new(renderer, entry, edits, slot, Kind::Manual)?;
    let triggered = Triggered {
        entry: entry.name.to_string(),
        slot: entry.zone.to_rfc3339(slot),
        slot_utc: slot.to_string(),
        task_id: ready.task_id.to_string(),
        queue: ready.parcel.queue().name.to_string(),
        broker: broker_of(ready.parcel.queue(), store),
        message: ready.parcel.to_string(),
        sent: !asked.dry_run,
    };
    if asked.told {
        ready.told.clone().map_err(|why| Refused::Invalid(format!("--wait: {why}")))?;
        if ready.parcel.queue().worker.results().is_none()
            && matches!(store, Some(Broker::Spool(_)))
        {
            return Err(Refused::Invalid(format!("--wait: {NO_RESULTS}")));
        }
    }
    if !asked.dry_run {
        ready.publish(broker).await?;
    }
    Ok(triggered)
}
