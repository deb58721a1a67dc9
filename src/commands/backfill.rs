//! `backfill`: publishes an entry's past slots.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::direct::Direct;
use super::unsent::Unsent;
use super::{
    Exit, Failure, ask_service_async, block_on, caller, check_sends, configuration, load_schedule,
    renderer, show, times,
};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{Caller, ServiceConfig};
use crate::control::Command;
use crate::manual::backfill::Slot;
use crate::manual::{self, Backfill, BackfillCalls, Backfilled, Next, Refused};
use crate::mask::mask;
use crate::render::Renderer;
use crate::schedule::Schedule;
use crate::store::contract::BackfillStep;
use crate::text::duration;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn backfill(flags: ServiceFlags, asked: &cli::Backfill) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    check_sends(&service, asked.dry_run)?;
    block_on(send_and_show(&service, asked))??;
    Ok(Exit::Fine)
}

async fn send_and_show(service: &ServiceConfig, asked: &cli::Backfill) -> Result<(), Failure> {
    let cli::Backfill { entry, from, to, queue, run, again, dry_run, output } = asked;
    let now = clock::wall();
    let (from, to) = (times::ago(from, now), times::ago(to, now));
    let (entry, queue) = (entry.clone(), queue.clone());
    let step = if *again { BackfillStep::BeginsAgain } else { BackfillStep::Begins };
    let asked_for = Backfill {
        run: *run,
        step,
        by: Some(caller()),
        dry_run: *dry_run,
        entry,
        from: from.clone(),
        to: to.clone(),
        queue,
    };
    let mut sending = RunningBackfill {
        service,
        command: CommandLine::of_this_command().between(&from, &to),
        now,
        here: None,
        calls: BackfillCalls::new(asked_for, Uuid::new_v4()),
        shows_slots: !output.json,
    };
    let done = match sending.send_all().await {
        Ok(()) if output.json => sending.show_json(),
        Err(stopped) if output.json => {
            // The failure already has its reason.
            let _ = sending.show_json();
            Err(stopped)
        }
        done => done,
    };
    if !output.json && sending.calls.sent.is_empty() && done.is_ok() {
        show::complain(&format!(
            "downbeat: {} has no slots from {} to {}",
            asked.entry, asked.from, asked.to
        ));
    }
    // Everything sent so far has been printed.
    let next = match &done {
        Ok(()) => &Next::Done,
        Err(stopped) => &stopped.next,
    };
    if let Some(end) = sending.calls.end_after(next) {
        // If the record is lost, at worst a repeat is refused.
        let _ = sending.send(&end).await;
    }
    done.map_err(|stopped| stopped.failure)
}

/// A backfill in progress.
struct RunningBackfill<'s> {
    service: &'s ServiceConfig,
    command: CommandLine,
    /// When the command began.
    now: UnixMs,
    /// Publishes if no service is running.
    here: Option<DirectPublisher>,
    calls: BackfillCalls,
    shows_slots: bool,
}

/// Why a backfill stopped.
struct Stopped {
    failure: Failure,
    next: Next,
}

impl RunningBackfill<'_> {
    /// Sends a few slots at a time until none is left.
    async fn send_all(&mut self) -> Result<(), Stopped> {
        loop {
            let count = self.calls.sent.len();
            let done = match self.send(&self.calls.rest.clone()).await {
                Ok(done) => done,
                Err(Unsent::Refused(refused)) => {
                    let next = self.calls.on_refusal(&refused);
                    let failure = self.command.refusal(refused, &self.calls, &next);
                    return Err(Stopped { failure, next });
                }
                Err(Unsent::Failed(failure)) => {
                    let next = self.calls.on_failure(failure.may_be_done);
                    let failure = match next {
                        Next::NotBegun => failure,
                        _ => self.command.ended(&failure, &self.calls),
                    };
                    return Err(Stopped { failure, next });
                }
            };
            if let Some(pause) = done.paused.as_ref().filter(|_| count == 0) {
                let (entry, pause) = (&self.calls.rest.entry, pause.in_words());
                show::complain(&format!("downbeat: {entry} is paused {pause}; sending anyway"));
            }
            let shown = match self.shows_slots {
                true => done.slots.iter().try_for_each(|slot| show::try_line(&in_words(slot))),
                false => show::check_reader(),
            };
            let (left, go_on, after) = (done.left, done.go_on.clone(), done.after.clone());
            let refused = done.failure.clone();
            let next = self.calls.on_answer(done);
            self.check_shown(shown, go_on.as_deref())?;
            show_progress(self.calls.sent.len(), left);
            match (next, refused) {
                (Next::Done, _) => return Ok(()),
                (next, Some(refused)) => {
                    let failure = self.command.stopped_at(&refused, &self.calls, after.as_deref());
                    return Err(Stopped { failure, next });
                }
                (_, None) => {}
            }
        }
    }

    fn show_json(&self) -> Result<(), Stopped> {
        let text = serde_json::to_string_pretty(&self.calls.sent).map_err(io::Error::from);
        let shown = text.and_then(|text| show::try_exact(&text));
        self.check_shown(shown, None)
    }

    /// Stops if what was sent cannot be printed; `go_on` is the first slot left.
    fn check_shown(&self, shown: io::Result<()>, go_on: Option<&str>) -> Result<(), Stopped> {
        let Err(error) = shown else { return Ok(()) };
        let failure = show::write_failure(&error);
        let (count, run) = (self.calls.sent.len(), self.calls.run());
        let dry_run = self.calls.rest.dry_run;
        let message = match go_on {
            // A dry run can be repeated.
            _ if dry_run && failure.exit == Exit::ClosedPipe => return Ok(()),
            _ if dry_run => failure.message,
            Some(from) => {
                let command = self.command.continue_command(from, run);
                format!("{}; slots sent: {count}; continue with `{command}`", failure.message)
            }
            None => {
                let command = self.command.repeating(run);
                format!("{}; all {count} slots were sent; `{command}` shows them", failure.message)
            }
        };
        let next = Next::Stopped { not_sent: false };
        Err(Stopped { failure: Failure { message, ..failure }, next })
    }

    /// Makes one call, through the running service or from here.
    async fn send(&mut self, asked: &Backfill) -> Result<Backfilled, Unsent> {
        let here = match &mut self.here {
            Some(here) => here,
            none => {
                let command = Command::Backfill(Box::new(asked.clone()));
                let answer = ask_service_async(self.service, &command, TIMEOUT).await?;
                if let Some(done) = answer {
                    return done.map_err(Unsent::Refused);
                }
                none.insert(DirectPublisher {
                    schedule: load_schedule(self.service)?,
                    renderer: renderer(self.service),
                    broker: Direct::open_unless(asked.dry_run, self.service)?,
                })
            }
        };
        let DirectPublisher { schedule, renderer, broker } = here;
        let store = broker.broker.clone();
        let paused = broker.pause_of(schedule, &asked.entry).await;
        let done =
            manual::backfill(broker, store.as_ref(), renderer, schedule, asked, self.now).await;
        Ok(Backfilled { paused, ..done? })
    }
}

/// A command line without its first word.
struct CommandLine(Vec<String>);

/// What to do when a backfill stops.
impl CommandLine {
    /// The service or the broker refused to send anything.
    fn refusal(&self, refused: Refused, calls: &BackfillCalls, next: &Next) -> Failure {
        let message = match next {
            Next::InTheWay(other) => {
                let command = self.continued(other);
                format!(
                    "{refused}; continue it with `{command}`, which sends nothing twice unless the queue is on \
                     AMQP, or use `--again` to send them again"
                )
            }
            Next::Stopped { .. } => return self.ended(&refused.into(), calls),
            Next::NotBegun | Next::Call | Next::Done => refused.to_string(),
        };
        Failure { message, ..refused.into() }
    }

    /// The broker did not take the first slot left, or did not confirm it.
    fn stopped_at(&self, refused: &Refused, calls: &BackfillCalls, after: Option<&str>) -> Failure {
        let go_on = &calls.rest.from;
        let command = self.continue_command(go_on, calls.run());
        let before = format!("slots sent before it: {}", calls.sent.len());
        let message = match refused {
            Refused::Uncertain { why, is_repeatable: true } => format!(
                "the slot {go_on} may have been sent: {why}; {before}; continue with `{command}`, which \
                 sends nothing twice"
            ),
            Refused::Uncertain { why, is_repeatable: false } => {
                let without = after.map(|after| format!("; `--from {after}` leaves it out"));
                format!(
                    "the slot {go_on} may have been sent: {why}; {before}; its broker keeps no record of that: \
                     `{command}` may send it twice{}",
                    without.unwrap_or_default()
                )
            }
            Refused::NotSent(why) | Refused::Unreachable(why) => {
                format!("the slot {go_on} was not sent: {why}; {before}; continue with `{command}`")
            }
            Refused::Used { queue, .. } => format!(
                "the slot {go_on} was not sent: {refused}; {before}; continue with `--queue {}`, or start a \
                 new run without `--run`",
                show::quoted(queue)
            ),
            refused => format!("{refused}; {before}; continue with `{command}`"),
        };
        Failure { message, ..refused.clone().into() }
    }

    /// The call that began with the first slot left failed.
    fn ended(&self, failure: &Failure, calls: &BackfillCalls) -> Failure {
        let (from, count) = (&calls.rest.from, calls.sent.len());
        let (message, command) = (&failure.message, self.continue_command(from, calls.run()));
        let rest = if failure.may_be_done {
            format!(
                "slots from {from} on may have been sent; continue with `{command}`, which sends nothing \
                 twice unless the queue is on AMQP"
            )
        } else {
            format!("continue with `{command}`")
        };
        let message = format!("{message}; slots sent before: {count}; {rest}");
        Failure::new(failure.exit, message)
    }
}

impl CommandLine {
    fn of_this_command() -> CommandLine {
        CommandLine(
            std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect(),
        )
    }

    /// The command with these instants in place of lengths, which count from now: a repeat comes later.
    fn between(mut self, from: &str, to: &str) -> CommandLine {
        let is_length = |text: &str| duration::parse(text).is_ok();
        for at in 0..self.0.len() {
            for (option, instant) in [("--from", from), ("--to", to)] {
                let is_value = at > 0 && self.0[at - 1] == option;
                if is_value && is_length(&self.0[at]) {
                    self.0[at] = instant.to_owned();
                } else if is_with_value(&self.0[at], option)
                    && is_length(&self.0[at][option.len() + 1..])
                {
                    self.0[at] = format!("{option}={instant}");
                }
            }
        }
        self
    }

    fn repeating(&self, run: Uuid) -> String {
        format!("{} --run {run}", self.without(&["--run"], &[]))
    }

    fn continue_command(&self, from: &str, run: Uuid) -> String {
        format!(
            "{} --from {} --run {run}",
            self.without(&["--from", "--run"], &[]),
            show::quoted(from)
        )
    }

    /// The command that continues another backfill.
    fn continued(&self, Backfill { run, from, to, queue, .. }: &Backfill) -> String {
        let run = run.unwrap_or_default();
        let mut command = self.without(&["--from", "--to", "--queue", "--run"], &["--again"]);
        if let Some(queue) = queue {
            command = command + " --queue " + &show::quoted(queue);
        }
        let [from, to] = [from, to].map(|at| show::quoted(at));
        format!("{command} --from {from} --to {to} --run {run}")
    }

    /// Removes these options with their values, and these flags.
    fn without(&self, options: &[&str], flags: &[&str]) -> String {
        let mut command = "downbeat".to_owned();
        let mut typed = self.0.iter();
        while let Some(arg) = typed.next() {
            if options.contains(&arg.as_str()) {
                typed.next();
            } else if !flags.contains(&arg.as_str())
                && !options.iter().any(|option| is_with_value(arg, option))
            {
                command = command + " " + &show::quoted(&mask(arg));
            }
        }
        command
    }
}

/// Whether it is `OPTION=VALUE`.
fn is_with_value(arg: &str, option: &str) -> bool {
    arg.strip_prefix(option).is_some_and(|rest| rest.starts_with('='))
}

/// Publishes if no service is running.
struct DirectPublisher {
    schedule: Schedule,
    renderer: Renderer,
    broker: Direct,
}

fn in_words(slot: &Slot) -> String {
    let Slot { entry, slot, queue, broker, task_id, sent_before, .. } = slot;
    let broker = show::on_broker(broker.as_deref());
    let verb = if *sent_before { "already sent:" } else { "sent" };
    match task_id {
        Some(task_id) => format!("{verb} {entry} to {queue} as {task_id} (slot {slot}){broker}"),
        None => format!("would send {entry} to {queue} (slot {slot}){broker}"),
    }
}

/// Shows progress on a terminal that does not show the slots themselves.
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
    fn the_command_to_continue_is_the_original_one_with_another_start() {
        let typed =
            "--broker redis://me:s3cret@host backfill o'clock --to 2027 --from=a --queue q --run b";
        let typed: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        let slot = "2026-01-02T03:00:00+09:00";
        let run = Uuid::from_u128(7);
        let more = ["--from", "2026-01-01 00:00"].map(str::to_owned);
        assert_eq!(
            CommandLine([&typed[..], &more].concat()).continue_command(slot, run),
            "downbeat --broker 'redis://me:***@host' backfill 'o'\\''clock' --to 2027 --queue q --from \
             2026-01-02T03:00:00+09:00 --run 00000000-0000-0000-0000-000000000007"
        );
        let lengths = ["--from=2h", "--to", "1h", "--queue", "2h"].map(str::to_owned);
        let repeat =
            CommandLine(lengths.to_vec()).between("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
        assert_eq!(
            repeat.repeating(run),
            "downbeat --from=2026-01-01T00:00:00Z --to 2026-01-01T01:00:00Z --queue 2h --run \
             00000000-0000-0000-0000-000000000007"
        );
        let again = CommandLine([&typed[..], &["--again".to_owned()]].concat());
        assert_eq!(
            again.continued(&Backfill {
                run: Some(run),
                from: slot.to_owned(),
                to: "2026-02-02T00:00:00+09:00".to_owned(),
                ..Backfill::default()
            }),
            "downbeat --broker 'redis://me:***@host' backfill 'o'\\''clock' --from \
             2026-01-02T03:00:00+09:00 --to 2026-02-02T00:00:00+09:00 --run \
             00000000-0000-0000-0000-000000000007"
        );
    }
}
