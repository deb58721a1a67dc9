//! `trigger`: publish an entry's message now.

use std::sync::Arc;
use std::time::Duration;

use super::direct::Direct;
use super::{Exit, Failure, ask_service, block_on, configuration, load_schedule, show};
use crate::by_hand::{self, Refused, Trigger, Triggered};
use crate::cli;
use crate::cli::ServiceFlags;
use crate::config::ServiceConfig;
use crate::control::Command;
use crate::service::render::Renderer;

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn trigger(flags: ServiceFlags, asked: &cli::Trigger) -> Result<Exit, Failure> {
    let service = configuration(flags, Exit::Usage)?;
    let trigger = Trigger {
        entry: asked.entry.clone(),
        slot: asked.slot.clone(),
        args: asked.args.as_deref().map(|text| json("--args", text)).transpose()?,
        kwargs: asked.kwargs.as_deref().map(|text| json("--kwargs", text)).transpose()?,
        queue: asked.queue.clone(),
        dry_run: asked.dry_run,
    };
    let done = match ask_service(&service, &Command::Trigger(Box::new(trigger.clone())), PATIENCE)?
    {
        Some(done) => done,
        None => publish(&service, &trigger)?,
    };
    let triggered: Triggered = done?;
    if asked.output.json {
        show::json(&triggered)?;
    } else if triggered.sent {
        let Triggered { entry, task_id, queue, slot, .. } = triggered;
        show::line(&format!("sent {entry} to {queue} as {task_id} (slot {slot})"))?;
    } else {
        show::line(&triggered.message)?;
    }
    Ok(Exit::Fine)
}

fn json(flag: &str, text: &str) -> Result<serde_json::Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::usage(format!("{flag} is not JSON: {error}")))
}

/// Without a running service: the same message, straight to the broker.
fn publish(
    service: &ServiceConfig,
    asked: &Trigger,
) -> Result<Result<Triggered, Refused>, Failure> {
    let schedule = load_schedule(service)?;
    let renderer =
        Renderer::new(&service.namespace, &crate::host::name(), Arc::clone(&service.queues));
    let mut broker = Direct::open(service)?;
    block_on(by_hand::trigger(&mut broker, &renderer, &schedule, asked))
}
