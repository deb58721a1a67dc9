//! `trigger`: publishes an entry's message now, and can wait for its result.

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::direct::Direct;
use super::unsent::Unsent;
use super::{
    Exit, Failure, ask_service, block_on, caller, check_sends, configuration, load_schedule, look,
    renderer, show,
};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{Caller, ServiceConfig};
use crate::control::{Command, Question};
use crate::manual::trigger::Awaited;
use crate::manual::{self, Refused, Trigger, Triggered};
use crate::pausing::PauseStatus;
use crate::text::duration;
use crate::worker::TaskResult;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two requests for a result, each of which takes up to a second.
const PAUSE: Duration = Duration::from_millis(10);
/// After this long, the command says where it looks for the result, which may be in another place.
const SOON: Duration = Duration::from_secs(3);

pub(super) fn trigger(flags: ServiceFlags, asked: &cli::Trigger) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    check_sends(&service, asked.dry_run)?;
    let trigger = Trigger {
        entry: asked.entry.clone(),
        slot: asked.slot.clone(),
        args: asked.args.as_deref().map(|text| json("--args", text, "[1, \"a\"]")).transpose()?,
        kwargs: asked
            .kwargs
            .as_deref()
            .map(|text| json("--kwargs", text, "{\"a\": 1}"))
            .transpose()?,
        queue: asked.queue.clone(),
        // Generated here: the id is known even if the response is lost.
        id: Some(asked.id.unwrap_or_else(Uuid::new_v4)),
        by: Some(caller()),
        dry_run: asked.dry_run,
        wants_result: asked.wait,
    };
    let limit = duration::parse(&asked.wait_timeout)
        .map_err(|error| Failure::usage(format!("--wait-timeout: {error}; {}", error.hint())))?;
    let triggered = send(&service, &trigger, asked.id.is_some())?;
    if !asked.output.json {
        show_done(&triggered).map_err(|failure| not_shown(&triggered, failure))?;
    }
    let answer = asked.wait.then(|| wait(&service, &triggered, limit)).transpose()?;
    match &answer {
        _ if asked.output.json => show::exact_json(&Report::new(&triggered, answer.as_ref()))
            .map_err(|failure| not_shown(&triggered, failure))?,
        Some(answer) => show::line(&result_text(answer, limit))?,
        None => {}
    }
    Ok(answer.as_ref().map_or(Exit::Fine, exit))
}

/// The message was sent, but the result could not be printed.
fn not_shown(triggered: &Triggered, failure: Failure) -> Failure {
    let Triggered { entry, task_id, sent, .. } = triggered;
    if !sent {
        return failure;
    }
    let message = format!("{entry} was sent as {task_id}; {}", failure.message);
    Failure { message, ..failure }
}

/// Sends the message, through the running service or from here.
/// If it `is_repeat`, an earlier command may have sent it.
fn send(service: &ServiceConfig, trigger: &Trigger, is_repeat: bool) -> Result<Triggered, Failure> {
    let command = Command::Trigger(Box::new(trigger.clone()));
    let done = match ask_service(service, &command, TIMEOUT) {
        Ok(Some(done)) => done.map_err(Unsent::Refused),
        Ok(None) => publish(service, trigger),
        Err(failure) if failure.may_be_done && !trigger.dry_run => {
            return Err(uncertain(trigger, &failure.message, None));
        }
        Err(failure) => return Err(failure),
    };
    done.map_err(|unsent| match unsent {
        Unsent::Failed(failure) => failure,
        Unsent::Refused(refused) => refusal(trigger, refused, is_repeat),
    })
}

fn refusal(trigger: &Trigger, refused: Refused, is_repeat: bool) -> Failure {
    match refused {
        Refused::Uncertain { why, is_repeatable } => uncertain(trigger, &why, Some(is_repeatable)),
        Refused::Used { .. } => {
            let message = format!("not sent: {refused}; leave out `--id` to send a new message");
            Failure { message, ..refused.into() }
        }
        // Without the id, a message that was sent after all would be sent twice.
        Refused::NotSent(_) | Refused::Unreachable(_) if is_repeat => {
            let id = trigger.id.unwrap_or_default();
            let message = format!(
                "{refused}; if an earlier command may have sent {id}, repeat this one with the same `--id`"
            );
            Failure { message, ..refused.into() }
        }
        refused => refused.into(),
    }
}

/// It may have been sent; `is_repeatable` if it is known whether a repeat is safe.
fn uncertain(trigger: &Trigger, why: &str, is_repeatable: Option<bool>) -> Failure {
    let (entry, id) = (&trigger.entry, trigger.id.unwrap_or_default());
    let look = format!("see `downbeat history {}`", show::quoted(entry));
    let what_to_do = match is_repeatable {
        Some(true) => {
            format!("{look}, or repeat the command with `--id {id}`, which sends nothing twice")
        }
        Some(false) => {
            "its broker keeps no record of that, so a repeat may send it twice".to_owned()
        }
        None => format!(
            "{look}, or repeat the command with `--id {id}`, which sends nothing twice unless the queue \
             is on AMQP"
        ),
    };
    let message = format!("{entry} may have been sent as {id}: {why}; {what_to_do}");
    Failure::new(Exit::Unreachable, message)
}

fn show_done(triggered: &Triggered) -> Result<(), Failure> {
    let Triggered {
        entry, slot, task_id, queue, broker, message, sent, sent_before, paused, ..
    } = triggered;
    let verb = match (sent, sent_before) {
        (_, true) => "already sent:",
        (true, _) => "sent",
        (false, false) => {
            show::exact(message)?;
            if let Some(body) = body(message) {
                show::complain(&format!("decoded body: {body}"));
            }
            return Ok(());
        }
    };
    let broker = show::on_broker(broker.as_deref());
    let paused = paused.as_ref().map(PauseStatus::in_words);
    let paused = paused.map_or_else(String::new, |pause| format!("; {entry} is paused {pause}"));
    show::line(&format!("{verb} {entry} to {queue} as {task_id} (slot {slot}){broker}{paused}"))
}

/// The body of a message of Celery, which is JSON in base64.
fn body(message: &str) -> Option<Value> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_base64 = message.pointer("/properties/body_encoding")? == "base64";
    let bytes = BASE64_STANDARD.decode(message.get("body")?.as_str()?).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|_| is_base64)
}

fn result_text(answer: &TaskResult, limit: Duration) -> String {
    match answer {
        TaskResult::Succeeded(None) => "succeeded".to_owned(),
        TaskResult::Succeeded(Some(result)) => format!("succeeded: {result}"),
        TaskResult::Failed(why) => format!("failed: {why}"),
        TaskResult::Pending(state) => {
            format!("not finished within {}: {state}", duration::format(limit))
        }
    }
}

fn exit(answer: &TaskResult) -> Exit {
    match answer {
        TaskResult::Succeeded(_) => Exit::Fine,
        TaskResult::Failed(_) => Exit::No,
        TaskResult::Pending(_) => Exit::Unreachable,
    }
}

fn json(flag: &str, text: &str, example: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("{flag} is not JSON: {error}; write it like '{example}'"))
    })
}

/// Sends the same message directly to the broker, without a running service.
fn publish(service: &ServiceConfig, asked: &Trigger) -> Result<Triggered, Unsent> {
    let schedule = load_schedule(service)?;
    let renderer = renderer(service);
    let mut broker = Direct::open_unless(asked.dry_run, service)?;
    let store = broker.broker.clone();
    block_on(async {
        let paused = broker.pause_of(&schedule, &asked.entry).await;
        let now = clock::wall();
        let done = manual::trigger(&mut broker, store.as_ref(), &renderer, &schedule, asked, now);
        let done = done.await;
        Ok(Triggered { paused, ..done? })
    })?
}

/// Polls until the task has ended or the time is up.
fn wait(service: &ServiceConfig, sent: &Triggered, limit: Duration) -> Result<TaskResult, Failure> {
    let unread = |failure: Failure| {
        let Triggered { entry, task_id, .. } = sent;
        let why = failure.message;
        let message =
            format!("{entry} was sent as {task_id}, but its result cannot be read: {why}");
        Failure::new(Exit::Unreachable, message)
    };
    let begun = Instant::now();
    let until = begun + limit;
    let mut explained = false;
    loop {
        let within = until.saturating_duration_since(Instant::now());
        let (queue, task_id) = (sent.queue.clone(), sent.task_id.clone());
        let question = Question::Outcome { queue, task_id, within };
        let answer = look::ask(service, question).map_err(unread)?;
        match &answer {
            TaskResult::Pending(_) => {
                let is_over = Instant::now() >= until;
                if !explained && (is_over || begun.elapsed() >= SOON) {
                    explain_wait(sent);
                    explained = true;
                }
                if is_over {
                    return Ok(answer);
                }
                thread::sleep(PAUSE);
            }
            TaskResult::Succeeded(_) | TaskResult::Failed(_) => return Ok(answer),
        }
    }
}

/// Says where the result is looked for, and what to do if it is elsewhere.
fn explain_wait(sent: &Triggered) {
    let Triggered { queue, awaited: Some(Awaited { server, key, is_configurable }), .. } = sent
    else {
        return;
    };
    let mut said = format!(
        "downbeat: no result yet; looking for `{key}` on {server}. `downbeat peek {}` shows whether a worker has \
         taken the message",
        show::quoted(queue)
    );
    if *is_configurable {
        said += &format!(
            ". The workers' `result_backend` must be that server; if they keep results elsewhere, set `results` \
             and `result_prefix`: `queues: {{{queue}: {{worker: celery, options: {{results: redis://…}}}}}}`"
        );
    }
    show::complain(&said);
}

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    triggered: &'a Triggered,
    /// The decoded body of a message that was not sent, if it is encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// `succeeded`, `failed` or `pending`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    /// Why it failed, or what it is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn new(triggered: &'a Triggered, answer: Option<&'a TaskResult>) -> Report<'a> {
        let (outcome, result, reason) = match answer {
            None => (None, None, None),
            Some(TaskResult::Succeeded(result)) => (Some("succeeded"), result.as_ref(), None),
            Some(TaskResult::Failed(why)) => (Some("failed"), None, Some(&**why)),
            Some(TaskResult::Pending(state)) => (Some("pending"), None, Some(&**state)),
        };
        let is_dry_run = !triggered.sent && !triggered.sent_before;
        let body = if is_dry_run { body(&triggered.message) } else { None };
        Report { triggered, body, outcome, result, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_that_is_refused_keeps_its_id() {
        let trigger = Trigger { id: Some(Uuid::from_u128(7)), ..Trigger::default() };
        for refused in [Refused::NotSent("OOM".to_owned()), Refused::Unreachable("OOM".to_owned())]
        {
            let first = refusal(&trigger, refused.clone(), false);
            assert_eq!(first.message, "not sent: OOM");
            let repeat = refusal(&trigger, refused, true);
            assert_eq!(
                repeat.message,
                "not sent: OOM; if an earlier command may have sent \
                 00000000-0000-0000-0000-000000000007, repeat this one with the same `--id`"
            );
            assert_eq!(repeat.exit, first.exit);
        }
    }
}
