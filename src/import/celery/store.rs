//! What django-celery-beat and RedBeat have in common: they store an entry's own options. Only the application knows
//! what decorators, routes and the default queue add.

use std::path::PathBuf;
use std::sync::Arc;

use downbeat_time::Zone;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::SCRIPT;
use super::app::{self, App};
use super::message::Message;
use crate::import::compare::OldScheduler;
use crate::import::interpreter::Interpreter;
use crate::import::{Difference, Found, ImportError, Job, zones};

/// The queue of an application that names no default.
const DEFAULT_QUEUE: &str = "celery";

/// The application whose entries a store holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Application {
    /// Its name, as for `celery -A`; `None` if it is not to be asked.
    pub(crate) app: Option<String>,
    pub(crate) python: Option<PathBuf>,
    /// The zone of schedules that name none.
    pub(crate) timezone: Option<String>,
}

/// A message as the store has it, before routes and the options of the task.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct StoredMessage {
    pub(crate) task: String,
    pub(crate) args: Value,
    pub(crate) kwargs: Value,
    pub(crate) options: Map<String, Value>,
}

/// The messages of a store after routing, with what else the application says.
#[derive(Debug)]
pub(crate) struct Routed {
    /// The source without its jobs.
    pub(crate) found: Found,
    /// The zone of schedules that name none.
    pub(crate) zone: Arc<Zone>,
    /// Whether crontabs of django-celery-beat read the clocks of their own zones.
    pub(crate) zone_aware: bool,
    messages: Vec<Message>,
    /// Whether the application was asked.
    is_by_application: bool,
    deadline: Option<f64>,
}

/// Routes the messages of a store as the application does; if none is named, as far as the store says.
///
/// # Errors
///
/// If the zone does not exist, Python cannot be run, or the application cannot be imported.
pub(crate) fn route(
    messages: &[StoredMessage],
    application: &Application,
) -> Result<Routed, ImportError> {
    let interpreter = Interpreter::python(application.python.clone(), SCRIPT);
    let named = application.timezone.as_deref().map(zones::zone).transpose()?;
    let mut routed = match &application.app {
        Some(name) => {
            let request =
                [("app".to_owned(), json!(name)), ("messages".to_owned(), json!(messages))];
            let app: App<Message> = app::ask(&interpreter, Map::from_iter(request))?;
            if app.entries.len() != messages.len() {
                let counts = format!("{} of {} messages", app.entries.len(), messages.len());
                return Err(ImportError::Interpreter(format!("{name} routed {counts}")));
            }
            by_application(app, named)?
        }
        None => by_store(messages, named.unwrap_or_else(|| Arc::new(Zone::utc()))),
    };
    let zone = routed.zone.name();
    routed.found.timezone = Some(zone.to_owned());
    let request = Map::from_iter([("timezone".to_owned(), json!(zone))]);
    routed.found.old = Some(OldScheduler { interpreter, request });
    Ok(routed)
}

fn by_application(app: App<Message>, named: Option<Arc<Zone>>) -> Result<Routed, ImportError> {
    let found = Found {
        notes: app.notes(app.entries.iter()),
        queues: app.queues(app.entries.iter()),
        is_amqp: app.is_amqp(),
        ..Found::default()
    };
    let zone = named.map_or_else(|| app.zone(), Ok)?;
    let (deadline, zone_aware) = (app.deadline, app.zone_aware);
    let messages = app.entries;
    Ok(Routed { found, zone, zone_aware, messages, is_by_application: true, deadline })
}

fn by_store(stored: &[StoredMessage], zone: Arc<Zone>) -> Routed {
    let message = |stored: &StoredMessage| {
        let queue = stored.options.get("queue");
        let mut options = stored.options.clone();
        options.retain(|name, _| !["queue", "exchange", "routing_key"].contains(&&**name));
        Message {
            task: stored.task.clone(),
            registered: true,
            args: stored.args.clone(),
            kwargs: stored.kwargs.clone(),
            queue: queue.and_then(Value::as_str).unwrap_or(DEFAULT_QUEUE).to_owned(),
            options,
            ..Message::default()
        }
    };
    let note = "The store does not have what the application decides: routes, options of decorators, and the default \
                queue. Name the application with --app, or compare the queues with those of the workers: \
                `downbeat check --workers`.";
    let found = Found { notes: vec![note.to_owned()], ..Found::default() };
    let messages = stored.iter().map(message).collect();
    Routed { found, zone, zone_aware: true, messages, is_by_application: false, deadline: None }
}

impl Routed {
    /// Sets what the message at this index says. The job must have its timing before.
    pub(crate) fn set(&self, job: &mut Job, index: usize, stored: &StoredMessage) {
        app::set_deadline(job, self.deadline);
        if let Some(message) = self.messages.get(index) {
            message.set(job, self.found.is_amqp);
        }
        if self.is_by_application {
            return;
        }
        if !stored.options.contains_key("queue") {
            job.differs(Difference::Unrouted);
        }
        for name in ["exchange", "routing_key"] {
            if stored.options.get(name).and_then(Value::as_str).is_some_and(|name| !name.is_empty())
            {
                let dropped =
                    format!("`{name}` is left out: the application knows which queue it leads to");
                job.differs(Difference::Dropped(dropped));
            }
        }
    }
}
