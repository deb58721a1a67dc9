//! The schedule of an application, which its own Python is asked for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{SCRIPT, options, schedules};
use crate::import::compare::OldScheduler;
use crate::import::interpreter::Interpreter;
use crate::import::literal::literal;
use crate::import::{Difference, Found, ImportError, Job, MAX_JOBS, lengths};

/// What the script says of an application.
#[derive(Debug, Deserialize)]
struct App {
    celery: String,
    timezone: String,
    enable_utc: bool,
    /// The scheme of the broker's address.
    broker: String,
    transport_options: Map<String, Value>,
    /// `beat_cron_starting_deadline` in seconds.
    deadline: Option<f64>,
    accept_content: Vec<String>,
    scheduler: String,
    entries: Vec<AppEntry>,
}

/// What the script says of an entry of beat.
#[derive(Debug, Deserialize)]
struct AppEntry {
    name: String,
    task: String,
    registered: bool,
    args: Value,
    kwargs: Value,
    schedule: Value,
    queue: String,
    fanout: bool,
    options: Map<String, Value>,
    /// What JSON cannot carry and what code decides, each with its kind.
    problems: Vec<Vec<String>>,
}

/// Imports the schedule of an application, named as for `celery -A`.
///
/// # Errors
///
/// If its Python cannot be run, or the application cannot be imported.
pub(crate) fn from_app(name: &str, python: Option<PathBuf>) -> Result<Found, ImportError> {
    let interpreter = Interpreter::python(python, SCRIPT);
    let request = Map::from_iter([("app".to_owned(), json!(name))]);
    let app: App = interpreter.ask(&Value::Object(request.clone()))?;
    if app.entries.len() > MAX_JOBS {
        return Err(ImportError::Invalid(format!(
            "the application has more than {MAX_JOBS} entries, and more cannot be imported at once"
        )));
    }
    let is_amqp = app.broker.starts_with("amqp") || app.broker == "pyamqp";
    let mut found = Found {
        source: format!("the Celery application {name} (Celery {})", app.celery),
        timezone: Some(app.timezone.clone()),
        notes: notes(&app),
        old: Some(OldScheduler { interpreter, request }),
        ..Found::default()
    };
    for entry in &app.entries {
        if entry.fanout {
            found.queues.insert(entry.queue.clone(), json!({"fanout": true}));
        }
        found.jobs.push(job(entry, app.deadline, is_amqp));
    }
    let settings = queue_options(&app.transport_options);
    if !settings.is_empty() {
        for entry in &app.entries {
            let queue = found
                .queues
                .entry(entry.queue.clone())
                .or_insert_with(|| json!({"worker": "celery"}));
            queue["options"] = Value::Object(settings.clone());
        }
    }
    Ok(found)
}

/// What concerns the whole application.
fn notes(app: &App) -> Vec<String> {
    let mut notes = Vec::new();
    if !app.enable_utc {
        notes.push(
            "`enable_utc` is off: beat reads times without a zone by the clock of its machine."
                .to_owned(),
        );
    }
    if !app.accept_content.iter().any(|kind| kind.contains("json")) {
        notes.push(format!(
            "Workers accept {} only, and downbeat sends JSON: add `json` to `accept_content`.",
            app.accept_content.join(", ")
        ));
    }
    if app.scheduler != "celery.beat:PersistentScheduler" {
        notes.push(format!(
            "The application's scheduler is `{}`: what it keeps elsewhere is not here.",
            app.scheduler
        ));
    }
    let unregistered = app.entries.iter().filter(|entry| !entry.registered);
    let unregistered: BTreeSet<&str> = unregistered.map(|entry| &*entry.task).collect();
    if !unregistered.is_empty() {
        let names = unregistered.into_iter().collect::<Vec<_>>().join(", ");
        notes.push(format!(
            "The application itself does not know these tasks; their workers have to: {names}."
        ));
    }
    notes
}

fn job(entry: &AppEntry, deadline: Option<f64>, is_amqp: bool) -> Job {
    let mut job = Job::new(entry.name.clone());
    job.set("task", entry.task.clone());
    schedules::set(&mut job, &entry.schedule);
    if let (Some(deadline), true) = (deadline, job.keys.contains_key("cron")) {
        lengths::set_length(&mut job, "within", deadline);
    }
    for (key, value) in [("args", &entry.args), ("kwargs", &entry.kwargs)] {
        let is_empty = value.as_array().is_none_or(Vec::is_empty)
            && value.as_object().is_none_or(Map::is_empty);
        if !is_empty {
            job.set(key, literal(value.clone()));
        }
    }
    job.set("queue", entry.queue.clone());
    options::set(&mut job, &entry.options, is_amqp);
    entry.problems.iter().for_each(|problem| tell(&mut job, problem));
    job.theirs = json!({"entry": entry.name});
    job
}

/// What the script could not turn into JSON, or what the application's code decides.
fn tell(job: &mut Job, problem: &[String]) {
    let [kind, rest @ ..] = problem else { return };
    let part = |index: usize| rest.get(index).map_or("?", String::as_str);
    match &**kind {
        "lazy" => job.cannot(
            format!("`{}` is computed when it is sent: {}", part(0), part(1)),
            Some("write a template, such as `{{ slot | date }}`, or compute it in the task"),
        ),
        "json" => job.cannot(
            format!("`{}` cannot be sent as JSON: {}", part(0), part(1)),
            Some("pass texts and numbers"),
        ),
        "apply_async" => job.differs(Difference::Other(format!(
            "`{}` has an `apply_async` of its own, which is not called",
            part(0)
        ))),
        "route" => job.differs(Difference::Other(format!("the router failed: {}", part(0)))),
        other => job.differs(Difference::Other(other.to_owned())),
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
