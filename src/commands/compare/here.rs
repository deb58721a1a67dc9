//! What the shadow run recorded as sent.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use downbeat_time::UnixMs;
use serde_json::Value;

use crate::commands::{Exit, Failure, look, named_broker};
use crate::compare::{Arguments, Here};
use crate::config::{Broker, ServiceConfig};
use crate::control::{LeaderAnswer, Question};
use crate::schedule::{Entry, Schedule};
use crate::service::history::{HistoryRequest, MAX_COUNT, Past, PastSlot};
use crate::worker::celery::event::shown_arguments;
use crate::worker::{Message, Queue};

/// The slots that a shadow run recorded.
pub(super) struct Recorded {
    pub(super) slots: Vec<Here>,
    /// The first slot of all, of whatever queue; `None` if there is none.
    pub(super) since: Option<UnixMs>,
    pub(super) notes: Vec<String>,
    /// The enabled entries that could have had one.
    pub(super) entries: Vec<Arc<str>>,
}

/// Reads the slots of these times that go to a queue that `uses` accepts.
pub(super) fn read(
    shadow: &ServiceConfig,
    schedule: &Schedule,
    times: Range<Option<UnixMs>>,
    uses: impl Fn(&Queue) -> bool,
) -> Result<Recorded, Failure> {
    let text = |at: Option<UnixMs>| at.map(|at| at.to_string());
    let (from, to) = (text(times.start), text(times.end));
    let question = HistoryRequest { entry: None, from, to, count: MAX_COUNT };
    let Past { events, more } = look::ask(shadow, Question::History(question))?;
    let mut notes = Vec::new();
    if more {
        notes.push(format!("only the newest {MAX_COUNT} slots of the shadow run were read"));
    }
    let since = events.iter().map(|event| event.slot_utc).min();
    let sent = events.iter().filter(|event| event.kind.is_some());
    let gone = sent.clone().filter(|event| schedule.get(&event.entry).is_none()).count();
    if gone > 0 {
        let note = "slots of entries that are not in the schedule files are left out";
        notes.push(format!("{note}: {gone}"));
    }
    let entries = schedule.entries.iter().filter(|it| it.enabled && uses(&it.message.queue));
    let entries = entries.map(|entry| Arc::clone(&entry.name)).collect();
    let known = sent.filter_map(|event| Some((event, schedule.get(&event.entry)?)));
    let known = known.filter(|(_, entry)| uses(&entry.message.queue));
    Ok(Recorded { slots: slots(known), since, notes, entries })
}

/// Each slot once; one that was recorded anew is the same.
fn slots<'a>(events: impl Iterator<Item = (&'a PastSlot, &'a Entry)>) -> Vec<Here> {
    let (mut seen, mut fixed) = (HashSet::new(), HashMap::new());
    let mut slots = Vec::new();
    for (event, entry) in events.filter(|(event, _)| seen.insert((&event.entry, event.slot_utc))) {
        let arguments = match &entry.templates {
            None => {
                let of_entry =
                    fixed.entry(&*entry.name).or_insert_with(|| arguments(&entry.message));
                Arc::clone(of_entry)
            }
            Some(_) => {
                let task_id = event.task_id.unwrap_or_default();
                arguments(&entry.message_of(event.slot_utc, task_id))
            }
        };
        slots.push(Here {
            entry: Arc::clone(&entry.name),
            at: event.due_utc.unwrap_or(event.slot_utc),
            task: Arc::clone(&entry.message.task),
            arguments,
        });
    }
    slots
}

fn arguments(message: &Message) -> Arc<[Arguments; 2]> {
    let value = |json: &str| serde_json::from_str(json).unwrap_or(Value::Null);
    let values = Arguments::Values { args: value(&message.args), kwargs: value(&message.kwargs) };
    let [args, kwargs] = shown_arguments(message);
    Arc::new([values, Arguments::Text { args, kwargs }])
}

/// Fails if no shadow run records anything. A spool does not show that to others.
pub(super) fn check_leads(shadow: &ServiceConfig) -> Result<(), Failure> {
    let LeaderAnswer { leader } = look::ask(shadow, Question::Leader)?;
    if leader.is_some() || !matches!(named_broker(shadow), Ok(Broker::Redis(_))) {
        return Ok(());
    }
    let message = format!(
        "no shadow run is at work in the namespace {}; start one with `downbeat run --shadow`",
        shadow.namespace
    );
    Err(Failure::new(Exit::No, message))
}
