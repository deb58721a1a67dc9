//! Loads the service configuration: flags override the environment, which overrides the file.
//!
//! An environment variable that is set but empty counts as unset. Relative paths in the file are
//! relative to the file's directory, all others to the working directory.

mod broker;
mod directories;
mod environment;
mod exposure;
mod history;
mod log;
mod pins;
mod queues;
mod refusal;
mod shown;
mod sources;
#[cfg(test)]
mod tests;
mod tls;
mod unit;

use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use exposure::PasswordSource;
use refusal::Refusal;
use sources::{Names, Origin, Sources};

use super::files;
use crate::address::{AmqpAddress, Secret};
use crate::store::Retention;
use crate::text::{self, Broken, Keys, Problem, Report, Severity, duration, expect};
use crate::tls::Tls;
use crate::worker::{QueueStore, Queues};

pub use broker::Broker;
pub use environment::check as check_environment;
pub use log::LogFormat;
pub use shown::Identity;
pub use sources::SettingSource;

/// The configuration file unless another is named.
pub const DEFAULT_FILE: &str = "/etc/downbeat/downbeat.yaml";
/// The default namespace.
pub const DEFAULT_NAMESPACE: &str = "downbeat";
/// The default `leader.ttl`.
pub const DEFAULT_TTL: Duration = Duration::from_secs(6);
/// The default `log.level`.
pub const DEFAULT_LOG_LEVEL: &str = "info";
/// A slow network would lose shorter leases; longer ones leave the service without a leader.
pub const TTL_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Even a configuration with thousands of queues is smaller.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
const TOO_LARGE: &str = "it should hold nothing but settings; entries belong in schedule files";

static SERVICE: Keys = Keys {
    of: "the configuration",
    known: &[
        "broker",
        "broker_file",
        "state",
        "tls",
        "schedules",
        "namespace",
        "queues",
        "events",
        "leader",
        "grace",
        "http",
        "history",
        "log",
        "state_dir",
        "runtime_dir",
    ],
    unsupported: &[],
    aliases: &[("broker_url", "broker"), ("schedule", "schedules"), ("ttl", "leader: {ttl: …}")],
};

static LEADER: Keys = Keys { of: "`leader`", known: &["ttl"], unsupported: &[], aliases: &[] };

/// Whether the word is the name of a key: problems quote nothing else of the file, as any value could be
/// a misplaced password.
fn is_key(word: &str) -> bool {
    KEYS.iter().any(|keys| keys.names(word))
}

static KEYS: [&Keys; 15] = [
    &SERVICE,
    &tls::TLS,
    &LEADER,
    &history::HISTORY,
    &log::LOG,
    &queues::QUEUE,
    &queues::CELERY,
    &queues::CELERY_AMQP,
    &queues::RQ,
    &queues::DRAMATIQ,
    &queues::DRAMATIQ_AMQP,
    &queues::SIDEKIQ,
    &queues::BULLMQ,
    &queues::STREAM,
    &queues::NONE,
];

/// The settings of the command line; `None` for an absent flag.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--broker`
    pub broker: Option<Secret>,
    /// `--broker-file`
    pub broker_file: Option<PathBuf>,
    /// `--state`
    pub state: Option<Secret>,
    /// `--tls-ca`
    pub tls_ca: Option<PathBuf>,
    /// `--tls-cert`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
    /// `--tls-pin`
    pub tls_pin: Option<String>,
    /// `--schedules`, once for each use.
    pub schedules: Vec<PathBuf>,
    /// `--namespace`
    pub namespace: Option<String>,
    /// `--leader-ttl`
    pub leader_ttl: Option<String>,
    /// `--grace`
    pub grace: Option<String>,
    /// `--http`
    pub http: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
    /// `--log-level`
    pub log_level: Option<String>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--runtime-dir`
    pub runtime_dir: Option<PathBuf>,
    /// Who reads the configuration.
    pub caller: Caller,
}

/// Who reads the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// The service itself.
    #[default]
    Service,
    /// A command outside the service: a secret that only the service may read is not a problem, and the
    /// command looks for the credentials that systemd passes to the service.
    Command,
}

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
    /// The prefix of every key in Redis: 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub namespace: String,
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
        let name = file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let mut report = Report::without_values(name, &text, is_key);
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

    /// The directories where a command looks for the service's socket: its own runtime directory and,
    /// unless one was configured, the system's.
    pub fn runtime_dirs(&self) -> impl Iterator<Item = &Path> {
        let system = Path::new(directories::RUNTIME);
        let is_named = self.source("runtime_dir").is_some();
        let system = Some(system).filter(|system| !is_named && *system != self.runtime_dir);
        iter::once(&*self.runtime_dir).chain(system)
    }
}

/// The file to read, if any, and what named it. `default` is used if it exists and no other is named.
fn config_file(
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
    let schedules = schedules(&overrides, &mut from);
    let names = Names { key: "namespace", flag: "--namespace", env: "DOWNBEAT_NAMESPACE" };
    let namespace = from.setting(names, overrides.namespace);
    let namespace = from.check(namespace.as_ref(), namespace_of);
    let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    // Without a broker, `run` uses its own spool.
    let home = match &broker {
        Some(Broker::Redis(_)) => QueueStore::Redis { namespace: namespace.as_str().into() },
        Some(Broker::Spool(_)) | None => QueueStore::Spool,
    };
    let queues = from.node("queues", |node, report| {
        queues::read(node, broker.as_ref(), &home, amqp.as_ref(), report)
    });
    if let (Some(file), Some(queues)) = (&file, &queues)
        && hold_password(queues, amqp.as_deref())
    {
        from.note_password_source(PasswordSource::File(file.clone()));
    }
    let events = from.node("events", expect::boolean).flatten();
    let ttl = ttl(overrides.leader_ttl, &mut from);
    let grace = grace(overrides.grace, ttl, &mut from);
    let http = http(overrides.http, &mut from);
    let history = history::read(&mut from);
    let log_format = log::format(overrides.log_format, &mut from);
    let log_level = log::level(overrides.log_level, &mut from);
    let names = Names { key: "state_dir", flag: "--state-dir", env: "DOWNBEAT_STATE_DIR" };
    let state_dir = directory(names, overrides.state_dir, &mut from);
    let names = Names { key: "runtime_dir", flag: "--runtime-dir", env: "DOWNBEAT_RUNTIME_DIR" };
    let runtime_dir = directory(names, overrides.runtime_dir, &mut from);

    let env = from.env;
    let mut unknown_broker = from.unknown_broker.take();
    let (problems, sources) = from.finish();
    if overrides.caller == Caller::Command && mixes_services(&sources) {
        unknown_broker = Some("the broker of the file may be another service's".to_owned());
    }
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(problems);
    }
    Ok(ServiceConfig {
        broker,
        unknown_broker,
        tls,
        schedules: schedules.unwrap_or_else(directories::schedules),
        namespace,
        queues: Arc::new(queues.unwrap_or_default().with_amqp(amqp.clone()).in_store(home)),
        amqp,
        events: events.unwrap_or(false),
        ttl,
        grace,
        http,
        history,
        log_format: log_format.unwrap_or_default(),
        log_level: log_level.unwrap_or_else(|| DEFAULT_LOG_LEVEL.to_owned()),
        state_dir: state_dir.unwrap_or_else(|| directories::state(env)),
        runtime_dir: runtime_dir.unwrap_or_else(|| directories::runtime(env)),
        file,
        sources,
        warnings: problems,
    })
}

/// Whether a queue's own address has a password. That of `amqp` is the broker's.
fn hold_password(queues: &Queues, amqp: Option<&AmqpAddress>) -> bool {
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

fn schedules(overrides: &Overrides, from: &mut Sources<'_, '_, '_>) -> Option<Vec<PathBuf>> {
    if !overrides.schedules.is_empty() {
        from.note("schedules", &Origin::Flag("--schedules"));
        return Some(overrides.schedules.clone());
    }
    if let Some(list) = from.variable("schedules", "DOWNBEAT_SCHEDULES") {
        // An address that is split at its colons leaves its password before an `@`.
        let is_odd = |path: &str| path.contains('@') && !path.starts_with(['/', '.']);
        if list.text.contains("://") || list.text.split(':').any(is_odd) {
            let hint = "an address goes into DOWNBEAT_BROKER or DOWNBEAT_STATE";
            from.error(&list.place, "this looks like an address, not like a list of paths", hint);
            return None;
        }
        return Some(
            list.text.split(':').filter(|path| !path.is_empty()).map(Into::into).collect(),
        );
    }
    from.paths("schedules")
}

fn namespace_of(text: &str) -> Result<String, Refusal> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let hint = "use 1 to 64 letters, digits, `_`, `.` and `-`";
    Err(Refusal::new("this cannot be a namespace", hint))
}

fn ttl(flag: Option<String>, from: &mut Sources<'_, '_, '_>) -> Duration {
    let names = Names { key: "leader.ttl", flag: "--leader-ttl", env: "DOWNBEAT_LEADER_TTL" };
    let inner = from.inner("leader", &LEADER, "ttl");
    let given = from.setting_at(names, flag, inner);
    let (least, greatest) = TTL_RANGE;
    let ttl = from.check(given.as_ref(), |text| {
        let ttl = duration::parse(text)?;
        if (least..=greatest).contains(&ttl) {
            return Ok(ttl);
        }
        let (least, greatest) = (duration::format(least), duration::format(greatest));
        let message = format!("a lease of {}", duration::format(ttl));
        Err(Refusal::new(message, format!("choose one from {least} to {greatest}")))
    });
    ttl.unwrap_or(DEFAULT_TTL)
}

/// A slot that is due just after a leader died must still be in time when the next one has taken over,
/// which takes up to the lease plus 2 s.
fn grace(flag: Option<String>, ttl: Duration, from: &mut Sources<'_, '_, '_>) -> Duration {
    let names = Names { key: "grace", flag: "--grace", env: "DOWNBEAT_GRACE" };
    let least = ttl + Duration::from_secs(2);
    let given = from.setting(names, flag);
    let grace = from.check(given.as_ref(), |text| {
        let grace = duration::parse(text)?;
        if grace >= least {
            return Ok(grace);
        }
        let message = format!(
            "a grace of {} is shorter than a takeover, which can take {}",
            duration::format(grace),
            duration::format(least)
        );
        Err(Refusal::new(message, "raise `grace`, or lower `leader: {ttl: …}`"))
    });
    grace.unwrap_or(Duration::from_secs(15).max(2 * ttl + Duration::from_secs(3)))
}

/// `PORT` counts unless our own setting is there: a hosting platform that sets it forwards outside
/// requests to that port.
fn http(flag: Option<String>, from: &mut Sources<'_, '_, '_>) -> Option<SocketAddr> {
    let names = Names { key: "http", flag: "--http", env: "DOWNBEAT_HTTP" };
    if let Some(given) = from.setting(names, flag) {
        return from.check(Some(&given), http_of);
    }
    let port = from.variable(names.key, "PORT");
    from.check(port.as_ref(), |text| match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::UNSPECIFIED, port).into()),
        Err(_) => {
            let hint = "unset it, or set `http`, which goes before it";
            Err(Refusal::new("this is not a port", hint))
        }
    })
}

/// An address to listen on; a port alone means loopback.
fn http_of(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        let hint = "write `127.0.0.1:9632`, `[::1]:9632`, or a port alone; `0.0.0.0:9632` listens \
                    on every interface";
        Refusal::new("this is not an address to listen on", hint)
    })
}

fn directory(
    names: Names,
    flag: Option<PathBuf>,
    from: &mut Sources<'_, '_, '_>,
) -> Option<PathBuf> {
    // A path need not be UTF-8, so the flag's is not converted to text.
    if let Some(path) = flag {
        from.note(names.key, &Origin::Flag(names.flag));
        return Some(path);
    }
    let given = from.setting(names, None)?;
    let base = from.base_of(&given);
    from.path(Some(&given), &base)
}
