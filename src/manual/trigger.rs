//! Sends one message now.

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Edits, Origin, Publish, Ready, Refused, broker_of, time};
use crate::config::Broker;
use crate::pausing::PauseStatus;
use crate::refused::find;
use crate::render::Renderer;
use crate::schedule::{Entry, Kind, Schedule};
use crate::worker::result::NO_RESULTS;
use crate::worker::{Queue, WorkerKind};

/// A request to send one message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trigger {
    /// The entry's name.
    pub entry: String,
    /// A slot of the entry, in RFC 3339, wall time of its zone or a date; now if none.
    pub slot: Option<String>,
    /// The args to send instead of the entry's own.
    pub args: Option<Value>,
    /// The kwargs to send instead of the entry's own.
    pub kwargs: Option<Value>,
    /// The queue to send to instead of the entry's own.
    pub queue: Option<String>,
    /// The message's id, and its run's: if it was used before, nothing is sent again. If none, a new one.
    pub id: Option<Uuid>,
    /// Who asks, for the journal.
    pub by: Option<String>,
    /// Whether to show the message and send nothing.
    pub dry_run: bool,
    /// Whether to ask for the result; refused if no worker would report it.
    pub wants_result: bool,
}

/// The message that was sent, or would have been.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Triggered {
    /// The entry's name.
    pub entry: String,
    /// The message's slot, RFC 3339 in the entry's zone.
    pub slot: String,
    /// The same in UTC.
    pub slot_utc: String,
    /// The message's id.
    pub task_id: String,
    /// The queue that it went to.
    pub queue: String,
    /// The queue's broker, without secrets; for a dry run, if one is named.
    pub broker: Option<String>,
    /// The exact message.
    pub message: String,
    /// `false` for a dry run, and if it was sent before.
    pub sent: bool,
    /// Whether a message with this id was sent before, so that this one was not.
    pub sent_before: bool,
    /// The pause of the entry, which does not stop manual messages.
    #[serde(default)]
    pub paused: Option<PauseStatus>,
    /// Where its result is looked for, if somebody waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Awaited>,
}

/// Where a worker leaves the result of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Awaited {
    /// The server, without secrets.
    pub server: String,
    /// The key in it.
    pub key: String,
    /// Whether the option `results` of the queue can name another server.
    pub is_configurable: bool,
}

/// Publishes the message, unless it is a dry run. `broker` puts messages into `store`, except those of queues on
/// carriers.
///
/// # Errors
///
/// When there is no such entry, the arguments are invalid, or the broker refuses the message or does not answer.
pub async fn trigger(
    broker: &mut impl Publish,
    store: Option<&Broker>,
    renderer: &Renderer,
    schedule: &Schedule,
    asked: &Trigger,
    now: UnixMs,
) -> Result<Triggered, Refused> {
    let entry = find(schedule, &asked.entry)?;
    super::check_sends(renderer, asked.dry_run)?;
    let Trigger { args, kwargs, queue, .. } = asked;
    let edits = Edits {
        args: args.as_ref(),
        kwargs: kwargs.as_ref(),
        queue: queue.as_deref(),
        wants_result: asked.wants_result,
    };
    let slot = match asked.slot.as_deref() {
        None => now,
        Some(text) => slot(entry, text)?,
    };
    let task_id = asked.id.unwrap_or_else(Uuid::new_v4);
    let (kind, run, by) = (Kind::Manual, (task_id, 0), asked.by.as_deref());
    let origin = Origin { kind, task_id, run, by, now };
    let ready = Ready::new(renderer, entry, edits, slot, origin)?;
    let mut triggered = Triggered {
        entry: entry.name.to_string(),
        slot: entry.zone.to_rfc3339(slot),
        slot_utc: slot.to_string(),
        task_id: task_id.to_string(),
        queue: ready.queue().name.to_string(),
        broker: broker_of(ready.queue(), store),
        message: ready.publish.message.to_string(),
        sent: false,
        sent_before: false,
        paused: None,
        awaited: None,
    };
    if asked.wants_result {
        ready.reports_result.clone().map_err(|why| Refused::Invalid(format!("--wait: {why}")))?;
        if ready.queue().worker.results().is_none() && matches!(store, Some(Broker::Spool(_))) {
            return Err(Refused::Invalid(format!("--wait: {NO_RESULTS}")));
        }
        triggered.awaited = awaited(ready.queue(), store, task_id);
    }
    if !asked.dry_run {
        triggered.sent_before = ready.publish(broker).await?;
        triggered.sent = !triggered.sent_before;
    }
    Ok(triggered)
}

/// The slot that is asked for.
fn slot(entry: &Entry, text: &str) -> Result<UnixMs, Refused> {
    let at = time(entry, "--slot", text)?;
    if entry.is_slot(at) {
        return Ok(at);
    }
    let near = entry.previous_slot(at).into_iter().chain(entry.next_slot(at));
    let near: Vec<_> = near.map(|at| entry.zone.to_rfc3339(at)).collect();
    let nearest = match &near[..] {
        [] => "it has none".to_owned(),
        [only] => format!("the nearest is {only}"),
        [before, after, ..] => format!("the nearest are {before} and {after}"),
    };
    let (at, name) = (entry.zone.to_rfc3339(at), &entry.name);
    Err(Refused::Invalid(format!("--slot: {at} is not a slot of `{name}`; {nearest}")))
}

/// Where the worker of a queue leaves a task's result.
fn awaited(queue: &Queue, store: Option<&Broker>, task_id: Uuid) -> Option<Awaited> {
    let server = match queue.worker.results() {
        Some(address) => address.to_string(),
        None => store?.to_string(),
    };
    // The first query reads the key.
    let queries = queue.worker.protocol().result_queries(task_id);
    let key = String::from_utf8_lossy(queries.first()?.get(1)?).into_owned();
    let is_configurable = queue.worker.kind() == WorkerKind::Celery;
    Some(Awaited { server, key, is_configurable })
}
