//! The schedule of an application, as its own Python reports it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use downbeat_time::{UnixMs, Zone};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::message::Message;
use super::{SCRIPT, schedules};
use crate::import::compare::OldScheduler;
use crate::import::interpreter::Interpreter;
use crate::import::{Found, ImportError, Job, MAX_JOBS, lengths, names, zones};

/// The routing key of a fanout that names none.
const FANOUT_KEY: &str = "celery";

/// What the script says of an application, and of its own entries or those of a store.
#[derive(Debug, Deserialize)]
pub(super) struct App<E> {
    celery: String,
    timezone: String,
    enable_utc: bool,
    /// The scheme of the broker's address.
    broker: String,
    transport_options: Map<String, Value>,
    /// `beat_cron_starting_deadline` in seconds.
    pub(super) deadline: Option<f64>,
    accept_content: Vec<String>,
    /// Whether the application is of a subclass of `Celery` with its own `send_task`.
    own_send_task: bool,
    /// Functions that may change a message before it is sent.
    receivers: Vec<String>,
    scheduler: String,
    /// Whether crontabs of django-celery-beat read the clocks of their own zones.
    pub(super) zone_aware: bool,
    pub(super) entries: Vec<E>,
}

/// What the script says of an entry of beat.
#[derive(Debug, Deserialize)]
struct AppEntry {
    name: String,
    schedule: Value,
    /// When beat last sent an interval, in milliseconds since 1970; only with the file in which beat keeps that.
    last_run: Option<i64>,
    #[serde(flatten)]
    message: Message,
}

/// Imports the schedule of an application, named as for `celery -A`. With the file in which beat keeps its last runs,
/// intervals continue from these.
///
/// # Errors
///
/// If Python cannot be run, the application cannot be imported, or the file cannot be read.
pub(crate) fn from_app(
    name: &str,
    python: Option<PathBuf>,
    last_runs: Option<&Path>,
) -> Result<Found, ImportError> {
    let interpreter = Interpreter::python(python, SCRIPT);
    let request = Map::from_iter([("app".to_owned(), json!(name))]);
    let mut with_last_runs = request.clone();
    with_last_runs.extend(last_runs.map(|path| ("last_runs".to_owned(), json!(path))));
    let app: App<AppEntry> = ask(&interpreter, with_last_runs)?;
    let (zone, is_amqp) = (app.zone()?, app.is_amqp());
    let mut found = Found {
        source: format!("the Celery application {name} (Celery {})", app.celery),
        timezone: Some(zone.name().to_owned()),
        notes: app.notes(app.entries.iter().map(|entry| &entry.message)),
        queues: app.queues(app.entries.iter().map(|entry| &entry.message)),
        old: Some(OldScheduler { interpreter, request }),
        is_amqp,
        ..Found::default()
    };
    found.notes.extend(app.other_scheduler());
    let job = |entry: &AppEntry| {
        let mut job = Job::new(entry.name.clone());
        job.set("task", entry.message.task.clone());
        schedules::set(&mut job, &entry.schedule, entry.last_run.map(UnixMs), &zone);
        set_deadline(&mut job, app.deadline);
        entry.message.set(&mut job, is_amqp);
        job.theirs = json!({"entry": entry.name});
        if let Some(last_run) = entry.last_run {
            job.theirs["since"] = json!(last_run);
        }
        job
    };
    found.jobs = app.entries.iter().map(job).collect();
    names::fit(&mut found.jobs);
    Ok(found)
}

/// Asks an application.
pub(super) fn ask<E: DeserializeOwned>(
    interpreter: &Interpreter,
    request: Map<String, Value>,
) -> Result<App<E>, ImportError> {
    let app: App<E> = interpreter.ask(&Value::Object(request))?;
    if app.entries.len() > MAX_JOBS {
        return Err(ImportError::Invalid(format!(
            "the application has more than {MAX_JOBS} entries, and more cannot be imported at once"
        )));
    }
    Ok(app)
}

/// Sets `within`: beat skips a crontab's run that is later than this deadline.
pub(super) fn set_deadline(job: &mut Job, deadline: Option<f64>) {
    if let (Some(deadline), true) = (deadline, job.keys.contains_key("cron")) {
        lengths::set_length(job, "within", deadline);
    }
}

impl<E> App<E> {
    /// The zone of schedules that name none.
    pub(super) fn zone(&self) -> Result<Arc<Zone>, ImportError> {
        let name = zones::named(&self.timezone).unwrap_or_else(|| self.timezone.clone());
        zones::zone(&name)
    }

    /// What is not imported here.
    fn other_scheduler(&self) -> Option<String> {
        let instead = match &*self.scheduler {
            "celery.beat:PersistentScheduler" => return None,
            other if other.starts_with("django_celery_beat.") => {
                ": `downbeat import django-celery-beat` imports them"
            }
            other if other.starts_with("redbeat.") => ": `downbeat import redbeat` imports them",
            _ => "",
        };
        let scheduler = &self.scheduler;
        Some(format!("Entries that `{scheduler}` keeps elsewhere are not imported{instead}."))
    }

    pub(super) fn is_amqp(&self) -> bool {
        self.broker.starts_with("amqp") || self.broker == "pyamqp"
    }

    /// What to know of the application as a whole.
    pub(super) fn notes<'m>(&self, messages: impl Iterator<Item = &'m Message>) -> Vec<String> {
        let mut notes = Vec::new();
        let unregistered = messages.filter(|message| !message.registered);
        let unregistered: BTreeSet<&str> = unregistered.map(|message| &*message.task).collect();
        if !unregistered.is_empty() {
            let names = unregistered.into_iter().collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "The application does not register these tasks; make sure that the workers do: {names}."
            ));
        }
        if !self.enable_utc {
            notes.push(
                "`enable_utc` is off, so beat reads times without an offset in its machine's time zone."
                    .to_owned(),
            );
        }
        if self.own_send_task {
            notes.push(
                "The application's class has its own `send_task`, which is not called.".to_owned(),
            );
        }
        if !self.receivers.is_empty() {
            notes.push(format!(
                "These receivers of the signal `before_task_publish` may change messages; they are not called: {}.",
                self.receivers.join(", ")
            ));
        }
        if self.is_amqp() {
            notes.push(
                "The application's broker is RabbitMQ: run with `broker: amqp://…` and `state: redis://…`."
                    .to_owned(),
            );
        }
        if !self.accept_content.iter().any(|kind| kind.contains("json")) {
            notes.push(format!(
                "Workers accept only {}, and downbeat sends JSON: add `json` to `accept_content`.",
                self.accept_content.join(", ")
            ));
        }
        notes
    }

    /// `queues` of the service: transport options of the workers, and which queues are fanouts.
    pub(super) fn queues<'m>(
        &self,
        messages: impl Iterator<Item = &'m Message>,
    ) -> Map<String, Value> {
        let common =
            if self.is_amqp() { Map::new() } else { queue_options(&self.transport_options) };
        let mut queues = Map::new();
        for message in messages {
            let (mut settings, mut options) = (Map::new(), common.clone());
            if message.fanout {
                settings.insert("fanout".to_owned(), json!(true));
                if !self.is_amqp() && message.routing_key != FANOUT_KEY {
                    options.insert("routing_key".to_owned(), json!(message.routing_key));
                }
            }
            if !options.is_empty() {
                settings.insert("options".to_owned(), Value::Object(options));
            }
            if !settings.is_empty() {
                queues.insert(message.queue.clone(), Value::Object(settings));
            }
        }
        queues
    }
}

/// The workers' `broker_transport_options` as options of a queue.
fn queue_options(transport: &Map<String, Value>) -> Map<String, Value> {
    let names = [
        ("priority_steps", "priority_steps"),
        ("sep", "separator"),
        ("global_keyprefix", "key_prefix"),
        ("fanout_prefix", "fanout_prefix"),
        ("fanout_patterns", "fanout_patterns"),
    ];
    let kept = names
        .into_iter()
        .filter_map(|(theirs, ours)| Some((ours.to_owned(), transport.get(theirs)?.clone())));
    kept.collect()
}
