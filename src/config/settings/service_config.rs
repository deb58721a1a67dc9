//! The checked service configuration, and how it is loaded.

use std::iter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::broker::{self, Broker};
use super::exposure::PasswordSource;
use super::keys::{SERVICE, is_key};
use super::log::{self, DEFAULT_LOG_LEVEL, LogFormat};
use super::overrides::{Caller, Overrides};
use super::sources::{Origin, SettingSource, Sources};
use super::{directories, grace, history, http, namespace, queues, schedules, shadow, tls};
use crate::address::{AmqpAddress, Secret};
use crate::config::files;
use crate::store::Retention;
use crate::text::{self, Broken, Problem, Report, Severity, expect};
use crate::tls::Tls;
use crate::worker::{QueueStore, Queues};

/// The configuration file unless another is named.
pub const DEFAULT_FILE: &str = "/etc/downbeat/downbeat.yaml";

/// Even a configuration with thousands of queues is smaller.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;
const TOO_LARGE: &str = "it should hold nothing but settings; entries belong in schedule files";

/// The checked service configuration.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The store of lease, progress and messages, except for queues on an AMQP broker; `None` if no
    /// broker is named.
    pub broker: Option<Broker>,
    /// Why the service's broker cannot be determined, if so; `broker` may then belong to another service.
    pub unknown_broker: Option<String>,
    /// The AMQP broker of all queues that do not name their own, if there is one.
    pub amqp: Option<Arc<AmqpAddress>>,
    /// Which certificates to trust for every broker.
    pub tls: Tls,
    /// Files and directories to load the schedule from.
    pub schedules: Vec<PathBuf>,
    /// The prefix of every key in Redis: 1 to 64 of `A-Z a-z 0-9 _ . -`, and `-shadow` for a shadow run.
    pub namespace: String,
    /// Whether this is about a shadow run, which records what it would send and sends nothing. Its namespace,
    /// its directories and its spool are its own.
    pub shadow: bool,
    /// The queues that the configuration names; all others are Celery's, on the broker.
    pub queues: Arc<Queues>,
    /// Whether to notify Celery's event consumers, such as Flower, of each message to Celery.
    pub events: bool,
    /// How long the leader's lease lives.
    pub ttl: Duration,
    /// How late a slot may be sent before it counts as missed: at least `ttl` plus 2 s.
    pub grace: Duration,
    /// Where health and metrics are served, if anywhere.
    pub http: Option<SocketAddr>,
    /// How long the history is kept.
    pub history: Retention,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged: a level, or directives as in `RUST_LOG`.
    pub log_level: String,
    /// Directory for files that outlive the process. Not created here.
    pub state_dir: PathBuf,
    /// Directory for the control socket. Not created here.
    pub runtime_dir: PathBuf,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What set each setting that does not have its default. See [`ServiceConfig::settings`].
    pub sources: Vec<(&'static str, SettingSource)>,
    /// What is probably a mistake, and passwords that others on this machine can read.
    pub warnings: Vec<Problem>,
}

impl ServiceConfig {
    /// Loads the configuration. It reads files and creates nothing.
    ///
    /// # Errors
    ///
    /// All problems of flags, environment and file, in that order. The file is the one that `--config`
    /// or `DOWNBEAT_CONFIG` names, else [`DEFAULT_FILE`] if it exists.
    pub fn load(
        overrides: Overrides,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ServiceConfig, Vec<Problem>> {
        let (file, named) = config_file(&overrides, env, Path::new(DEFAULT_FILE));
        let text = match &file {
            Some(path) => files::read_text(path, MAX_FILE_BYTES, TOO_LARGE)
                .map_err(|problem| vec![problem])?,
            None => String::new(),
        };
        from_text(overrides, env, file, named, &text)
    }

    /// Loads the text of a configuration file that would be at `file`, and nothing else: neither flags nor
    /// variables. Queues are taken to be on a Redis, or on a RabbitMQ with the state on a Redis.
    pub(crate) fn parse(
        file: PathBuf,
        text: &str,
        is_amqp: bool,
    ) -> Result<ServiceConfig, Vec<Problem>> {
        let redis = Some(Secret::from("redis://127.0.0.1:6379/0".to_owned()));
        let amqp = Some(Secret::from("amqp://127.0.0.1:5672//".to_owned()));
        let (broker, state) = if is_amqp { (amqp, redis) } else { (redis, None) };
        let overrides =
            Overrides { broker, state, caller: Caller::Command, ..Overrides::default() };
        from_text(overrides, &|_| None, Some(file), None, text)
    }

    /// The directories where a command looks for the service's socket: its own runtime directory and,
    /// unless one was configured, the system's.
    pub fn runtime_dirs(&self) -> impl Iterator<Item = &Path> {
        let system = Path::new(if self.shadow { shadow::RUNTIME } else { directories::RUNTIME });
        let is_named = self.source("runtime_dir").is_some();
        let system = Some(system).filter(|system| !is_named && *system != self.runtime_dir);
        iter::once(&*self.runtime_dir).chain(system)
    }
}

fn from_text(
    overrides: Overrides,
    env: &dyn Fn(&str) -> Option<String>,
    file: Option<PathBuf>,
    named: Option<Origin>,
    text: &str,
) -> Result<ServiceConfig, Vec<Problem>> {
    let name = file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let mut report = Report::without_values(name, text, is_key);
    let json = file.as_ref().is_some_and(|path| path.extension().is_some_and(|e| e == "json"));
    // A file in which everything is commented out sets nothing.
    let root = match &file {
        Some(_) => match text::read_all(json, &mut report) {
            Ok(root) => root,
            Err(Broken) => return Err(report.finish()),
        },
        None => None,
    };
    let fields = root.as_ref().and_then(|root| SERVICE.sort(root, &mut report));
    let base = file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let mut sources = Sources::new(env, fields, base, report, overrides.caller);
    if let Some(place) = named {
        sources.note("config", &place);
    }
    read(overrides, sources, file.clone())
}

/// The file to read, if any, and what named it. `default` is used if it exists and no other is named.
pub(super) fn config_file(
    overrides: &Overrides,
    env: &dyn Fn(&str) -> Option<String>,
    default: &Path,
) -> (Option<PathBuf>, Option<Origin>) {
    if let Some(path) = &overrides.config {
        return (Some(path.clone()), Some(Origin::Flag("--config")));
    }
    if let Some(path) = env("DOWNBEAT_CONFIG").filter(|path| !path.is_empty()) {
        return (Some(path.into()), Some(Origin::Env("DOWNBEAT_CONFIG")));
    }
    // It may exist in a directory that cannot be entered: reading it reports the problem.
    (default.try_exists().unwrap_or(true).then(|| default.to_owned()), None)
}

fn read(
    overrides: Overrides,
    mut from: Sources<'_, '_, '_>,
    file: Option<PathBuf>,
) -> Result<ServiceConfig, Vec<Problem>> {
    let (broker, amqp) = broker::read(&overrides, file.as_deref(), &mut from);
    let tls = tls::read(&overrides, &mut from);
    let schedules = schedules::read(&overrides, &mut from);
    let namespace = namespace::read(overrides.namespace, &mut from);
    // Without a broker, `run` uses its own spool.
    let home = match &broker {
        Some(Broker::Redis(_)) => QueueStore::Redis { namespace: namespace.as_str().into() },
        Some(Broker::Spool(_)) | None => QueueStore::Spool,
    };
    let queues = from.node("queues", |node, report| {
        queues::read(node, broker.as_ref(), &home, amqp.as_ref(), report)
    });
    if let (Some(file), Some(queues)) = (&file, &queues)
        && any_has_password(queues, amqp.as_deref())
    {
        from.note_password_source(PasswordSource::File(file.clone()));
    }
    let events = from.node("events", expect::boolean).flatten();
    let ttl = grace::ttl(overrides.leader_ttl, &mut from);
    let grace = grace::grace(overrides.grace, ttl, &mut from);
    let http = http::read(overrides.http, &mut from);
    let history = history::read(&mut from);
    let log_format = log::format(overrides.log_format, &mut from);
    let log_level = log::level(overrides.log_level, &mut from);
    let state_dir = directories::state(overrides.state_dir, &mut from);
    let runtime_dir = directories::runtime(overrides.runtime_dir, &mut from);

    if overrides.shadow {
        from.note("shadow", &Origin::Flag("--shadow"));
    }
    let mut unknown_broker = from.unknown_broker.take();
    let (problems, sources) = from.finish();
    if overrides.caller == Caller::Command && mixes_services(&sources) {
        unknown_broker = Some("the broker of the file may be another service's".to_owned());
    }
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(problems);
    }
    let service = ServiceConfig {
        broker,
        unknown_broker,
        tls,
        schedules: schedules.unwrap_or_else(directories::schedules),
        namespace,
        shadow: false,
        queues: Arc::new(queues.unwrap_or_default().with_amqp(amqp.clone()).in_store(home)),
        amqp,
        events: events.unwrap_or(false),
        ttl,
        grace,
        http,
        history,
        log_format: log_format.unwrap_or_default(),
        log_level: log_level.unwrap_or_else(|| DEFAULT_LOG_LEVEL.to_owned()),
        state_dir,
        runtime_dir,
        file,
        sources,
        warnings: problems,
    };
    Ok(if overrides.shadow { shadow::of(service) } else { service })
}

/// Whether a queue's own address has a password. That of `amqp` is the broker's.
fn any_has_password(queues: &Queues, amqp: Option<&AmqpAddress>) -> bool {
    queues.iter().any(|queue| {
        let own = queue.amqp.as_ref().filter(|own| amqp != Some(&*own.url));
        let of_results = queue.worker.results().is_some_and(|results| results.has_password());
        of_results || own.is_some_and(|own| own.url.has_password())
    })
}

/// Whether this command's runtime directory was set explicitly, but neither the broker nor the file that
/// names it.
fn mixes_services(sources: &[(&'static str, SettingSource)]) -> bool {
    let source = |key: &str| sources.iter().find(|(set, _)| *set == key).map(|(_, source)| source);
    let is_chosen =
        |key: &str| matches!(source(key), Some(SettingSource::Flag(_) | SettingSource::Env(_)));
    is_chosen("runtime_dir")
        && !is_chosen("config")
        && !is_chosen("broker")
        && source("broker").is_some()
}
