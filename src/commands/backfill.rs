//! `backfill`: publish an entry's slots of the past.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use uuid::Uuid;

use super::direct::Direct;
use super::{
    Exit, Failure, ask_service_async, block_on, caller, configuration, load_schedule, renderer,
    show,
};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{Caller, ServiceConfig};
use crate::control::Command;
use crate::manual::backfill::Slot;
use crate::manual::{self, Backfill, Backfilled, Refused};
use crate::mask::mask;
use crate::schedule::Schedule;
use crate::service::render::Renderer;

const TIMEOUT: Duration = Duration::from_secs(30);

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
    let cli::Backfill { entry, from, to, queue, run, dry_run, output } = asked;
    let (entry, from, to, queue) = (entry.clone(), from.clone(), to.clone(), queue.clone());
    // Drawn here: whatever becomes of an answer, the run is known.
    let run = run.unwrap_or_else(Uuid::new_v4);
    let (by, dry_run) = (Some(caller()), *dry_run);
    let mut rest = Backfill { entry, from, to, queue, run: Some(run), by, dry_run };
    let mut here = None;
    loop {
        let done = match send(service, &mut here, &rest).await {
            Ok(done) => done,
            Err(failure) if sent.is_empty() && !failure.may_be_done || dry_run => {
                return Err(failure);
            }
            Err(failure) => return Err(ended(&failure, sent.len(), &rest.from, run)),
        };
        if !output.json {
            done.slots.iter().try_for_each(|slot| show::line(&in_words(slot)))?;
        }
        sent.extend(done.slots);
        show_progress(sent.len(), done.left);
        let Some(go_on) = done.go_on else { return Ok(()) };
        if let Some(refused) = done.failure {
            return Err(stopped(&refused, sent.len(), &go_on, done.after.as_deref(), run));
        }
        rest.from = go_on;
    }
}

/// The broker has not taken the slot `go_on`, or did not say so.
fn stopped(
    refused: &Refused,
    count: usize,
    go_on: &str,
    after: Option<&str>,
    run: Uuid,
) -> Failure {
    let command = going_on(go_on, run);
    let before = format!("slots sent before it: {count}");
    let message = match refused {
        Refused::Uncertain { why, is_repeatable: true } => format!(
            "the slot {go_on} may have been sent: {why}; {before}; go on with `{command}`, which sends \
             nothing twice"
        ),
        Refused::Uncertain { why, is_repeatable: false } => {
            let without = after.map(|after| format!(", and `--from {after}` leaves it out"));
            format!(
                "the slot {go_on} may have been sent: {why}; {before}; its broker keeps no record of that: \
                 `{command}` may send it twice{}",
                without.unwrap_or_default()
            )
        }
        Refused::NotSent(why) => {
            format!("the slot {go_on} was not sent: {why}; {before}; go on with `{command}`")
        }
        refused => format!("{refused}; {before}; go on with `{command}`"),
    };
    Failure::new(Exit::Unreachable, message)
}

/// The call that began with `from` has failed.
fn ended(failure: &Failure, count: usize, from: &str, run: Uuid) -> Failure {
    let (message, command) = (&failure.message, going_on(from, run));
    let rest = if failure.may_be_done {
        format!(
            "slots from {from} on may have been sent; go on with `{command}`, which sends nothing twice \
             unless the queue is on AMQP"
        )
    } else {
        format!("go on with `{command}`")
    };
    let message = format!("{message}; slots sent before: {count}; {rest}");
    Failure::new(failure.exit, message)
}

/// The command that goes on with the run: this one, but for where it begins.
fn going_on(from: &str, run: Uuid) -> String {
    let typed = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    command_line(typed, from, run)
}

fn command_line(typed: impl Iterator<Item = String>, from: &str, run: Uuid) -> String {
    let mut command = "downbeat".to_owned();
    let mut typed = typed.peekable();
    while let Some(arg) = typed.next() {
        let replaced = ["--from", "--run"];
        if replaced.contains(&arg.as_str()) {
            typed.next();
        } else if !replaced.iter().any(|flag| arg.starts_with(&format!("{flag}="))) {
            command = command + " " + &show::quoted(&mask(&arg));
        }
    }
    format!("{command} --from {} --run {run}", show::quoted(from))
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
            let done = ask_service_async::<_, Refused>(service, &command, TIMEOUT).await?;
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
    Ok(manual::backfill(broker, store.as_ref(), renderer, schedule, asked, now).await?)
}

fn in_words(slot: &Slot) -> String {
    let Slot { entry, slot, queue, broker, task_id, sent_before, .. } = slot;
    let broker = show::on_broker(broker.as_deref());
    let verb = if *sent_before { "sent before:" } else { "sent" };
    match task_id {
        Some(task_id) => format!("{verb} {entry} to {queue} as {task_id} (slot {slot}){broker}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_goes_on_is_the_one_that_was_typed_but_for_where_it_begins() {
        let typed =
            "--broker redis://me:s3cret@host backfill o'clock --to 2027 --from=a --queue q --run b";
        let typed = typed.split(' ').map(str::to_owned);
        let slot = "2026-01-02T03:00:00+09:00";
        let run = Uuid::from_u128(7);
        assert_eq!(
            command_line(typed.chain(["--from", "2026-01-01 00:00"].map(str::to_owned)), slot, run),
            "downbeat --broker 'redis://me:***@host' backfill 'o'\\''clock' --to 2027 --queue q --from \
             2026-01-02T03:00:00+09:00 --run 00000000-0000-0000-0000-000000000007"
        );
    }
}
