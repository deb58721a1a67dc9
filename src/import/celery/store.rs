//! What stores of Celery's entries have in common: they hold an entry's own options, and only the application knows
//! what the task, the routes and the default queue add.

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

/// What is asked for beside the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// The application, named as for `celery -A`.
    pub(crate) app: Option<String>,
    pub(crate) python: Option<PathBuf>,
    /// The zone of schedules that name none.
    pub(crate) timezone: Option<String>,
}

/// What a store says of a message.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Sent {
    pub(crate) task: String,
    pub(crate) args: Value,
    pub(crate) kwargs: Value,
    pub(crate) options: Map<String, Value>,
}

/// What becomes of the messages of a store.
#[derive(Debug)]
pub(crate) struct Routed {
    /// Everything but the jobs.
    pub(crate) found: Found,
    /// The zone of schedules that name none.
    pub(crate) zone: Arc<Zone>,
    /// Whether crontabs of django-celery-beat read the clocks of their own zones.
    pub(crate) zone_aware: bool,
    messages: Vec<Message>,
    /// Whether the application said what it adds.
    is_known: bool,
    is_amqp: bool,
    deadline: Option<f64>,
}

/// Asks the application, if one is named, what it makes of the messages of a store.
///
/// # Errors
///
/// If the zone is none, its Python cannot be run, or the application cannot be imported.
pub(crate) fn route(sent: &[Sent], asked: &Asked) -> Result<Routed, ImportError> {
    let interpreter = Interpreter::python(asked.python.clone(), SCRIPT);
    let named = asked.timezone.as_deref().map(zones::zone).transpose()?;
    let mut routed = match &asked.app {
        Some(name) => {
            let request = [("app".to_owned(), json!(name)), ("messages".to_owned(), json!(sent))];
            let app: App<Message> = app::ask(&interpreter, Map::from_iter(request))?;
            if app.entries.len() != sent.len() {
                let counts = format!("{} of {} messages", app.entries.len(), sent.len());
                return Err(ImportError::Interpreter(format!("{name} told of {counts}")));
            }
            known(app, named)?
        }
        None => unknown(sent, named.unwrap_or_else(|| Arc::new(Zone::utc()))),
    };
    let zone = routed.zone.name();
    routed.found.timezone = Some(zone.to_owned());
    let request = Map::from_iter([("timezone".to_owned(), json!(zone))]);
    routed.found.old = Some(OldScheduler { interpreter, request });
    Ok(routed)
}

fn known(app: App<Message>, named: Option<Arc<Zone>>) -> Result<Routed, ImportError> {
    let found = Found {
        notes: app.notes(app.entries.iter()),
        queues: app.queues(app.entries.iter()),
        ..Found::default()
    };
    let zone = named.map_or_else(|| app.zone(), Ok)?;
    let (is_amqp, deadline, zone_aware) = (app.is_amqp(), app.deadline, app.zone_aware);
    let messages = app.entries;
    Ok(Routed { found, zone, zone_aware, messages, is_known: true, is_amqp, deadline })
}

fn unknown(sent: &[Sent], zone: Arc<Zone>) -> Routed {
    let message = |sent: &Sent| {
        let mut options = sent.options.clone();
        let queue = options.remove("queue");
        Message {
            task: sent.task.clone(),
            registered: true,
            args: sent.args.clone(),
            kwargs: sent.kwargs.clone(),
            queue: queue.as_ref().and_then(Value::as_str).unwrap_or(DEFAULT_QUEUE).to_owned(),
            options,
            ..Message::default()
        }
    };
    let note = "What the application decides is not in the store: routes, options of the tasks' decorators, and its \
                default queue. Name it with --app, or compare with the workers by `downbeat check --workers`.";
    let found = Found { notes: vec![note.to_owned()], ..Found::default() };
    let messages = sent.iter().map(message).collect();
    Routed {
        found,
        zone,
        zone_aware: true,
        messages,
        is_known: false,
        is_amqp: false,
        deadline: None,
    }
}

impl Routed {
    /// Sets everything of a job but its name and its timing, which must be there before.
    pub(crate) fn set(&self, job: &mut Job, index: usize, sent: &Sent) {
        app::set_deadline(job, self.deadline);
        if let Some(message) = self.messages.get(index) {
            message.set(job, self.is_amqp);
        }
        if self.is_known {
            return;
        }
        if !sent.options.contains_key("queue") {
            job.differs(Difference::Unrouted);
        }
        for name in ["exchange", "routing_key"] {
            if sent.options.get(name).and_then(Value::as_str).is_some_and(|name| !name.is_empty()) {
                let dropped = format!("`{name}`, which matters on RabbitMQ");
                job.differs(Difference::Dropped(dropped));
            }
        }
    }
}
