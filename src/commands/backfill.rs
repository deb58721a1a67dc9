//! `backfill`: publish an entry's slots of the past.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::direct::Direct;
use super::{
    Exit, Failure, ask_service_async, block_on, configuration, load_schedule, renderer, show,
};
use crate::by_hand::backfill::Slot;
use crate::by_hand::{self, Backfill, Backfilled, Refused};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{Caller, ServiceConfig};
use crate::control::Command;
use crate::schedule::Schedule;
use crate::service::render::Renderer;

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn backfill(flags: ServiceFlags, asked: &cli::Backfill) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let mut sent = Vec::new();
    let done = block_on(send_all(&service, asked, &mut sent))?;
    if asked.output.json {
        show::exact_json(&sent)?;
    } else if sent.is_empty() && done.is_ok() {
        show::complain(&format!(
            "downbeat: {} has no slots from {} to {}",
            asked.entry, asked.from, asked.to
        ));
    }
    done.map(|()| Exit::Fine)
}

/// Sends a few slots at a time until none is left, and shows them unless JSON is wanted.
async fn send_all(
    service: &ServiceConfig,
    asked: &cli::Backfill,
    sent: &mut Vec<Slot>,
) -> Result<(), Failure> {
    let cli::Backfill { entry, from, to, queue, dry_run, output } = asked;
    let (entry, from, to) = (entry.clone(), from.clone(), to.clone());
    let mut rest = Backfill { entry, from, to, queue: queue.clone(), dry_run: *dry_run };
    let mut here = None;
    loop {
        let done = match send(service, &mut here, &rest).await {
            Ok(done) => done,
            Err(failure) if sent.is_empty() => return Err(failure),
            Err(Failure { exit, message, .. }) => {
                let (count, from) = (sent.len(), &rest.from);
                let sent = format!("{count} slots were sent, and maybe some from {from} on");
                return Err(Failure::new(exit, format!("{message}; {sent}")));
            }
        };
        if !output.json {
            done.slots.iter().try_for_each(|slot| show::line(&in_words(slot)))?;
        }
        sent.extend(done.slots);
        show_progress(sent.len(), done.left);
        let Some(go_on) = done.go_on else { return Ok(()) };
        if let Some(failure) = done.failure {
            let count = sent.len();
            return Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "the broker did not take the slot {go_on}: {failure}; slots sent before it: \
                     {count}; go on with --from {go_on}"
                ),
            ));
        }
        rest.from = go_on;
    }
}

/// What publishes when no service runs.
struct Here {
    schedule: Schedule,
    renderer: Renderer,
    broker: Direct,
}

/// Has the running service send the first few slots, or sends them from here.
async fn send(
    service: &ServiceConfig,
    here: &mut Option<Here>,
    asked: &Backfill,
) -> Result<Backfilled, Failure> {
    let here = match here {
        Some(here) => here,
        None => {
            let command = Command::Backfill(Box::new(asked.clone()));
            let done = ask_service_async::<_, Refused>(service, &command, PATIENCE).await?;
            if let Some(done) = done {
                return Ok(done?);
            }
            here.insert(Here {
                schedule: load_schedule(service)?,
                renderer: renderer(service),
                broker: Direct::open_unless(asked.dry_run, service)?,
            })
        }
    };
    let Here { schedule, renderer, broker } = here;
    let store = broker.broker.clone();
    let now = clock::wall();
    Ok(by_hand::backfill(broker, store.as_ref(), renderer, schedule, asked, now).await?)
}

fn in_words(slot: &Slot) -> String {
    let Slot { entry, slot, queue, broker, task_id, .. } = slot;
    let broker = show::on_broker(broker.as_deref());
    match task_id {
        Some(task_id) => format!("sent {entry} to {queue} as {task_id} (slot {slot}){broker}"),
        None => format!("would send {entry} to {queue} (slot {slot}){broker}"),
    }
}

/// On a terminal that does not show the slots themselves.
fn show_progress(sent: usize, left: usize) {
    if io::stderr().is_terminal() && !io::stdout().is_terminal() && sent + left > 0 {
        let end = if left == 0 { "\n" } else { "" };
        let _ = write!(io::stderr(), "\rsent {sent} of {}{end}", sent + left);
        let _ = io::stderr().flush();
    }
}
