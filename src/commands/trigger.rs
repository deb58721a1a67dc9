//! `trigger`: publish an entry's message now, and wait for what comes of it.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::direct::Direct;
use super::{
    Exit, Failure, ask_service, block_on, broker_of, configuration, load_schedule, renderer, show,
};
use crate::address::RedisAddress;
use crate::broker::redis::Results;
use crate::by_hand::{self, Refused, Trigger, Triggered};
use crate::cli;
use crate::cli::ServiceFlags;
use crate::config::{Broker, ServiceConfig, duration};
use crate::control::Command;
use crate::envelope::answer::{self, Answer};

const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a result.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn trigger(flags: ServiceFlags, asked: &cli::Trigger) -> Result<Exit, Failure> {
    let service = configuration(flags, Exit::Usage)?;
    let trigger = Trigger {
        entry: asked.entry.clone(),
        slot: asked.slot.clone(),
        args: asked.args.as_deref().map(|text| json("--args", text)).transpose()?,
        kwargs: asked.kwargs.as_deref().map(|text| json("--kwargs", text)).transpose()?,
        queue: asked.queue.clone(),
        dry_run: asked.dry_run,
        told: asked.wait,
    };
    let limit = duration::parse(&asked.wait_timeout)
        .map_err(|error| Failure::usage(format!("--wait-timeout: {error}; {}", error.hint())))?;
    if asked.wait && !service.queues.iter().any(|queue| queue.worker.results().is_some()) {
        usual_results(&service)?;
    }
    let done = match ask_service(&service, &Command::Trigger(Box::new(trigger.clone())), PATIENCE)?
    {
        Some(done) => done,
        None => publish(&service, &trigger)?,
    };
    let triggered: Triggered = done?;
    if !asked.output.json {
        show::exact(&what_was_done(&triggered))?;
    }
    let answer = asked.wait.then(|| wait(&service, &triggered, limit)).transpose()?;
    match &answer {
        _ if asked.output.json => show::exact_json(&Told::new(&triggered, answer.as_ref()))?,
        Some(answer) => show::exact(&what_came_of_it(answer, limit))?,
        None => {}
    }
    Ok(answer.as_ref().map_or(Exit::Fine, exit))
}

fn what_was_done(triggered: &Triggered) -> String {
    let Triggered { entry, slot, task_id, queue, message, sent, .. } = triggered;
    if *sent {
        format!("sent {entry} to {queue} as {task_id} (slot {slot})")
    } else {
        message.clone()
    }
}

fn what_came_of_it(answer: &Answer, limit: Duration) -> String {
    match answer {
        Answer::Succeeded(None) => "succeeded".to_owned(),
        Answer::Succeeded(Some(result)) => format!("succeeded: {result}"),
        Answer::Failed(why) => format!("failed: {why}"),
        Answer::Pending(state) => {
            format!("not done within {}: {state}", duration::format(limit))
        }
    }
}

fn exit(answer: &Answer) -> Exit {
    match answer {
        Answer::Succeeded(_) => Exit::Fine,
        Answer::Failed(_) => Exit::No,
        Answer::Pending(_) => Exit::Unreachable,
    }
}

fn json(flag: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::usage(format!("{flag} is not JSON: {error}")))
}

/// Without a running service: the same message, straight to the broker.
fn publish(
    service: &ServiceConfig,
    asked: &Trigger,
) -> Result<Result<Triggered, Refused>, Failure> {
    let schedule = load_schedule(service)?;
    let renderer = renderer(service);
    let mut broker = Direct::open(service)?;
    block_on(by_hand::trigger(&mut broker, &renderer, &schedule, asked))
}

/// Where results are of queues that do not say.
fn usual_results(service: &ServiceConfig) -> Result<RedisAddress, Failure> {
    match broker_of(service) {
        Broker::Redis(url) => Ok(url),
        Broker::Spool(_) => Err(Failure::usage(
            "--wait: nobody says where results are kept; set the option `results: redis://…` of the queue",
        )),
    }
}

/// Looks until the task has come to an end or the time is up.
fn wait(service: &ServiceConfig, sent: &Triggered, limit: Duration) -> Result<Answer, Failure> {
    let queue = service.queues.get(&sent.queue);
    let unread = |error: &dyn std::fmt::Display| {
        let Triggered { entry, task_id, .. } = sent;
        let message =
            format!("{entry} was sent as {task_id}, but its result cannot be read: {error}");
        Failure::new(Exit::Unreachable, message)
    };
    let url = match queue.worker.results() {
        Some(url) => url.clone(),
        None => usual_results(service)?,
    };
    let mut results = Results::new(&url, &service.tls, PATIENCE);
    let id = sent.task_id.parse().map_err(|error| unread(&error))?;
    let questions = answer::questions(&queue, id);
    block_on(async {
        let until = Instant::now() + limit;
        loop {
            let replies = results.ask(&questions).await.map_err(|error| unread(&error))?;
            match answer::read(&queue, &replies) {
                Answer::Pending(_) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
                answer => return Ok(answer),
            }
        }
    })?
}

/// As `--json` prints it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    triggered: &'a Triggered,
    /// `succeeded`, `failed` or `pending`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    /// Why it failed, or what it is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn new(triggered: &'a Triggered, answer: Option<&'a Answer>) -> Told<'a> {
        let (outcome, result, reason) = match answer {
            None => (None, None, None),
            Some(Answer::Succeeded(result)) => (Some("succeeded"), result.as_ref(), None),
            Some(Answer::Failed(why)) => (Some("failed"), None, Some(&**why)),
            Some(Answer::Pending(state)) => (Some("pending"), None, Some(&**state)),
        };
        Told { triggered, outcome, result, reason }
    }
}
