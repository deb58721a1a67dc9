//! The commands, one file each: what they print, and the status with which they exit.

mod backfill;
mod check;
mod compare;
mod completions;
mod config;
mod diff;
mod direct;
mod explain;
mod greeting;
mod history;
mod import;
mod list;
mod look;
mod man;
mod next;
mod pause;
mod peek;
mod plan;
mod reload;
mod resign;
mod run;
mod service_notes;
mod show;
mod status;
mod times;
mod trigger;
mod unsent;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Once};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use signal_hook::consts::SIGPIPE;
use signal_hook::low_level::emulate_default_handler;
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, ServiceFlags};
use crate::config::settings::DEFAULT_FILE;
use crate::config::{Broker, Caller, Identity, Loaded, ServiceConfig, check_environment};
use crate::control::{self, AskError};
use crate::host;
use crate::manual::Refused;
use crate::render::Renderer;
use crate::schedule::Schedule;
use crate::store::contract::StoreError;
use crate::text::{Problem, Severity};
use crate::tzdata::Tzdata;
use crate::worker::Queue;

/// How the process ends; this is the only list of exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// Success.
    Fine,
    /// A negative result: an invalid schedule, no such entry, slots that cannot be sent.
    No,
    /// Wrong usage.
    Usage,
    /// Neither the running service nor the broker answered.
    Unreachable,
    /// `run` failed.
    Failed,
    /// `run` failed in a way that a restart cannot fix.
    Config,
    /// The reader of the output is gone.
    ClosedPipe,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::Failed => 4,
            Exit::Config => 78,
            Exit::ClosedPipe => 128 + SIGPIPE as u8,
        })
    }
}

/// Why a command failed, and its exit code.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    exit: Exit,
    /// The reason, on one line.
    message: String,
    /// What is wrong with the input, if that is the reason.
    #[serde(skip)]
    problems: Vec<Problem>,
    /// Lines shown to people below the message.
    picture: Option<String>,
    /// A service was asked and did not answer: it may have done what was asked.
    #[serde(skip)]
    may_be_done: bool,
    /// Whether the broker is the reason.
    #[serde(skip)]
    is_of_broker: bool,
}

impl Failure {
    fn new(exit: Exit, message: impl ToString) -> Failure {
        let message = message.to_string();
        Failure {
            exit,
            message,
            problems: Vec::new(),
            picture: None,
            may_be_done: false,
            is_of_broker: false,
        }
    }

    /// The broker did not answer, or refused.
    fn of_store(error: &StoreError, message: impl ToString) -> Failure {
        let exit = if error.is_refusal() { Exit::No } else { Exit::Unreachable };
        Failure { is_of_broker: true, ..Failure::new(exit, message) }
    }

    /// The input is invalid.
    fn invalid(exit: Exit, message: impl ToString, problems: Vec<Problem>) -> Failure {
        Failure { problems, ..Failure::new(exit, message) }
    }

    /// The reason on one line, for output that shows no part of the input.
    fn summary(&self) -> String {
        let first = &self.message;
        let errors = || self.problems.iter().filter(|problem| problem.severity == Severity::Error);
        match (errors().next(), errors().count()) {
            (None, _) => first.clone(),
            (Some(error), 1) => format!("{first}: {}", error.line()),
            (Some(error), count) => format!("{first}: {} (and {} more)", error.line(), count - 1),
        }
    }

    fn usage(message: impl ToString) -> Failure {
        Failure::new(Exit::Usage, message)
    }
}

impl From<Refused> for Failure {
    fn from(error: Refused) -> Failure {
        let exit = match &error {
            Refused::NoSuchEntry { .. }
            | Refused::NoSuchTag { .. }
            | Refused::NotChanged(_)
            | Refused::Unfinished { .. }
            | Refused::Used { .. }
            | Refused::Shadow
            | Refused::NotSent(_) => Exit::No,
            Refused::Invalid(_) => Exit::Usage,
            Refused::Unreachable(_)
            | Refused::Uncertain { .. }
            | Refused::ChangeUnreachable(_)
            | Refused::ChangeUncertain(_) => Exit::Unreachable,
        };
        Failure::new(exit, error)
    }
}

/// Runs the command and reports its result.
#[must_use]
pub fn execute(cli: Cli) -> Exit {
    let flags = cli.service;
    let done = match cli.command {
        Command::Run(asked) => run::run(flags, asked),
        Command::Check(check) => check::check(flags, check),
        Command::Diff(asked) => diff::diff(flags, &asked),
        Command::Next(next) => next::next(flags, &next),
        Command::Plan(plan) => plan::plan(flags, &plan),
        Command::Explain(explain) => explain::explain(flags, &explain),
        Command::List(asked) => list::list(flags, &asked),
        Command::History(asked) => history::history(flags, &asked),
        Command::Trigger(trigger) => trigger::trigger(flags, &trigger),
        Command::Backfill(backfill) => backfill::backfill(flags, &backfill),
        Command::Pause(asked) => pause::pause(flags, asked),
        Command::Resume(asked) => pause::resume(flags, asked),
        Command::Peek(peek) => peek::peek(flags, &peek),
        Command::Compare(asked) => compare::compare(flags, &asked),
        Command::Status(asked) => status::status(flags, asked),
        Command::Reload(asked) => reload::reload(flags, asked.wait),
        Command::Resign => resign::resign(flags),
        Command::Config(output) => config::config(flags, output.json),
        Command::Import(asked) => import::import(asked, flags),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man => man::man(),
        Command::Schema => {
            show::exact_json(&crate::config::language::reference::schema()).map(|()| Exit::Fine)
        }
    };
    let exit = done.unwrap_or_else(|failure| {
        show::complain(&format!("downbeat: {}", failure.message));
        show::problems(&failure.problems);
        if let Some(picture) = failure.picture {
            show::complain_lines(&picture);
        }
        failure.exit
    });
    if exit == Exit::ClosedPipe {
        // The usual end of a process that writes to a closed pipe.
        let _ = emulate_default_handler(SIGPIPE);
    }
    exit
}

/// The effective configuration; problems are a failure with `exit`.
fn configuration(
    flags: ServiceFlags,
    caller: Caller,
    exit: Exit,
) -> Result<ServiceConfig, Failure> {
    load_configuration(flags, caller)
        .map_err(|problems| Failure::invalid(exit, "invalid configuration", problems))
}

/// The effective configuration, or all its problems.
fn load_configuration(flags: ServiceFlags, caller: Caller) -> Result<ServiceConfig, Vec<Problem>> {
    let overrides = flags.overrides(caller);
    let mut problems = check_environment(std::env::vars_os());
    // A value that is not UTF-8 is among the problems.
    let env = |name: &str| std::env::var(name).ok();
    match ServiceConfig::load(overrides, &env) {
        Ok(service) if problems.is_empty() => Ok(service),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// Asks the running service, and warns if its settings differ from this command's; `None` if none is
/// running. Tries this runtime directory first, then the system's.
fn ask_service<T: DeserializeOwned, E: DeserializeOwned>(
    service: &ServiceConfig,
    command: &control::Command,
    timeout: Duration,
) -> Result<Option<Result<T, E>>, Failure> {
    block_on(ask_service_async(service, command, timeout))?
}

/// The same for commands that also talk to a broker.
async fn ask_service_async<T: DeserializeOwned, E: DeserializeOwned>(
    service: &ServiceConfig,
    command: &control::Command,
    timeout: Duration,
) -> Result<Option<Result<T, E>>, Failure> {
    let answered = ask_identified(service, command, timeout).await?;
    Ok(answered.map(|(_, answer)| answer))
}

/// The same, with the identity of the service that answered.
async fn ask_identified<T: DeserializeOwned, E: DeserializeOwned>(
    service: &ServiceConfig,
    command: &control::Command,
    timeout: Duration,
) -> Result<Option<(Identity, Result<T, E>)>, Failure> {
    static WARNED: Once = Once::new();
    for directory in service.runtime_dirs() {
        let answered = control::ask(directory, command, timeout).await;
        if let Some((identity, answer)) =
            answered.map_err(|error| no_answer(directory, &error, timeout))?
        {
            WARNED.call_once(|| {
                for difference in service.differences(&identity) {
                    show::complain(&format!("downbeat: warning: {difference}"));
                }
            });
            return Ok(Some((identity, answer)));
        }
    }
    Ok(None)
}

/// The failure if a listening service could not be asked.
fn no_answer(runtime_dir: &Path, error: &AskError, timeout: Duration) -> Failure {
    let socket = control::socket_path(runtime_dir);
    let socket = socket.display();
    let message = match error {
        AskError::Untrusted(_) => error.to_string(),
        AskError::Io(error) | AskError::Unanswered(error)
            if error.kind() == io::ErrorKind::TimedOut =>
        {
            format!("the service on {socket} did not answer within {} s", timeout.as_secs())
        }
        AskError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => format!(
            "no permission to use the socket {socket}: use `sudo`, or run this as the service's user"
        ),
        AskError::Io(error) | AskError::Unanswered(error) => {
            format!("the service on {socket} did not answer: {error}")
        }
    };
    let may_be_done = matches!(error, AskError::Unanswered(_));
    Failure { may_be_done, ..Failure::new(Exit::Unreachable, message) }
}

/// Who runs this command: `user@host`, and with `sudo` also the original user.
fn caller() -> String {
    let uid = rustix::process::getuid();
    let behind_sudo = uid.is_root().then(|| std::env::var("SUDO_USER").ok()).flatten();
    let user = behind_sudo.or_else(|| host::user_name(uid.as_raw()));
    format!("{}@{}", user.unwrap_or_else(|| uid.as_raw().to_string()), host::name())
}

/// Where `run` sends messages: to the configured broker, else to its own spool.
fn broker_for_run(service: &ServiceConfig) -> Broker {
    let own = || Broker::Spool(service.state_dir.join("spool"));
    service.broker.clone().unwrap_or_else(own)
}

/// Where messages go if no service is running. The broker must be named: a guess would send messages
/// where no worker reads them.
fn named_broker(service: &ServiceConfig) -> Result<Broker, Failure> {
    let file = service.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE)).display();
    let what_to_do = match (&service.broker, &service.unknown_broker) {
        (_, Some(why)) => format!("{why}; start the service, or name its broker with --broker"),
        (Some(broker), None) => {
            return check_usable(service, broker, Exit::Usage).map(|()| broker.clone());
        }
        (None, None) => format!(
            "no broker is configured; start the service, or set `broker: redis://…` in {file}, \
             DOWNBEAT_BROKER or --broker"
        ),
    };
    let socket = control::socket_path(&service.runtime_dir);
    let message = format!("no service listens on {}, and {what_to_do}", socket.display());
    Err(Failure::new(Exit::Unreachable, message))
}

/// Fails with `exit` unless the broker can hold the messages of every queue.
fn check_usable(service: &ServiceConfig, broker: &Broker, exit: Exit) -> Result<(), Failure> {
    let needs_redis =
        |queue: &&Arc<Queue>| !queue.worker.kind().takes_spool() || queue.amqp.is_some();
    let on_redis = service.queues.iter().find(needs_redis);
    if let (Broker::Spool(_), Some(queue)) = (broker, on_redis) {
        let (name, kind) = (&queue.name, queue.worker.kind());
        let message = if queue.amqp.is_some() {
            format!(
                "the queue `{name}` is on an AMQP broker, and a spool cannot record AMQP messages; \
                 set `broker: redis://…`"
            )
        } else {
            format!(
                "the queue `{name}` is for {kind} workers, which cannot read a spool; set \
                 `broker: redis://…`"
            )
        };
        return Err(Failure::new(exit, message));
    }
    Ok(())
}

/// The renderer for this configuration.
fn renderer(service: &ServiceConfig) -> Renderer {
    let queues = Arc::clone(&service.queues);
    let renderer = Renderer::new(&service.namespace, &host::name(), queues, service.events);
    renderer.for_shadow(service.shadow)
}

/// Fails for a shadow run, unless nothing is to be sent.
fn check_sends(service: &ServiceConfig, dry_run: bool) -> Result<(), Failure> {
    if service.shadow && !dry_run { Err(Refused::Shadow.into()) } else { Ok(()) }
}

/// The failure of commands that need a running service.
fn no_service(service: &ServiceConfig) -> Failure {
    let socket = control::socket_path(&service.runtime_dir);
    let message = format!(
        "no service listens on {}; is it running, with the same --runtime-dir?",
        socket.display()
    );
    Failure::new(Exit::Unreachable, message)
}

/// The schedule of these settings, if settings and files are valid.
fn configured_schedule(flags: ServiceFlags) -> Option<Schedule> {
    load(&load_configuration(flags, Caller::Command).ok()?).schedule
}

/// The loaded schedule; problems are a failure.
fn load_schedule(service: &ServiceConfig) -> Result<Schedule, Failure> {
    let Loaded { schedule, problems, .. } = load(service);
    schedule.ok_or_else(|| Failure::invalid(Exit::No, "invalid schedule", problems))
}

fn load(service: &ServiceConfig) -> Loaded {
    crate::config::load(&service.schedules, &service.queues, &Tzdata::load())
}

/// Runs work that talks to the broker.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = runtime().map_err(|error| Failure::new(Exit::No, error))?;
    Ok(runtime.block_on(work))
}

/// Runs long-lived work as a task. Each wake-up of the future that `block_on` itself polls costs tokio
/// two more system calls.
fn run_as_task<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match runtime.block_on(runtime.spawn(work)) {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A single-threaded runtime. Work that must not wait for other work has its own thread.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
