//! `run`: runs the service in the foreground.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{info, warn};

use super::{
    Exit, Failure, broker_for_run, check_usable, configuration, greeting, look, renderer,
    run_as_task, runtime,
};
use crate::carrier::Amqp;
use crate::cli::{self, ServiceFlags};
use crate::clock::{self, SystemClock};
use crate::config::{
    self, Broker, Caller, Identity, Kept, KeptFiles, Loaded, ScheduleFile, ServiceConfig,
};
use crate::control::{self, Api};
use crate::leader::{LeaseTimes, Peer, TenureFile};
use crate::pausing::writer::PauseWriter;
use crate::schedule::Schedule;
use crate::service::campaign::{self, Campaign};
use crate::service::reload::{Loader, short_hash};
use crate::service::{Parts, Request, Service, Settings};
use crate::signals::Signals;
use crate::store::contract::{Store, StoreError};
use crate::store::redis::RedisStore;
use crate::store::spool::{SpoolError, SpoolStore};
use crate::supervisor::Supervisor;
use crate::text::Problem;
use crate::tzdata::Tzdata;
use crate::watch::{self, Watch};
use crate::{host, http, telemetry};

/// The service answers no requests while it waits for the broker, so no wait is longer.
const MAX_CALL: Duration = Duration::from_secs(5);
/// The time limit for finishing what is being sent, and for leaving, whatever the broker does.
const EXIT_TIMEOUT: Duration = Duration::from_secs(3);
/// The unit restarts a service at once; one that keeps crashing must not keep the machine busy.
const CRASH_PAUSE: Duration = Duration::from_secs(2);

pub(super) fn run(flags: ServiceFlags, asked: cli::Run) -> Result<Exit, Failure> {
    let done = run_to_the_end(flags, asked);
    if let Err(failure) = &done {
        let errno = if failure.exit == Exit::Config { Errno::INVAL } else { Errno::IO };
        supervisor().failed(&failure.summary(), errno);
    }
    done
}

fn supervisor() -> Supervisor {
    Supervisor::from_env(&|name| std::env::var_os(name))
}

fn run_to_the_end(flags: ServiceFlags, asked: cli::Run) -> Result<Exit, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Failed, error);
    disable_core_dumps();
    let signals = Signals::catch().map_err(failed)?;
    let service = configuration(flags, Caller::Service, Exit::Config)?;
    telemetry::init(service.log_format, &service.log_level);
    service.warnings.iter().for_each(config::log);
    let mut tenures = tenures(&service);
    if is_started_too_often(&mut tenures) && signals.stop_within(CRASH_PAUSE).map_err(failed)? {
        tenures.note_end();
        return Ok(Exit::Fine);
    }
    let runtime = runtime().map_err(failed)?;
    let done = run_as_task(&runtime, serve(service, asked, signals, tenures));
    // A hanging blocking call must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(100));
    done.map(|()| Exit::Fine)
}

/// The file in which the service records its tenures.
fn tenures(service: &ServiceConfig) -> TenureFile {
    let Identity { broker, state, namespace } = service.identity();
    TenureFile::new(&service.state_dir, &namespace, &state.or(broker).unwrap_or_default())
}

/// Whether a service manager that does not pause by itself keeps restarting the service.
fn is_started_too_often(tenures: &mut TenureFile) -> bool {
    if std::env::var_os("NOTIFY_SOCKET").is_none() || !tenures.note_start() {
        return false;
    }
    let pause_ms = CRASH_PAUSE.as_millis();
    warn!(pause_ms, "the last starts have crashed; pausing before this one");
    supervisor().starting("pausing after several crashes");
    true
}

/// Prevents core dumps, which would contain the broker's password. It lowers only the soft limit, so a
/// core dump is still possible (`prlimit --core=unlimited --pid …`), and debuggers attach as usual.
fn disable_core_dumps() {
    let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
    // If the call is filtered, the service manager has set the limit (`LimitCORE=0`).
    let _ = setrlimit(Resource::Core, limit);
}

async fn serve(
    mut service: ServiceConfig,
    asked: cli::Run,
    signals: Signals,
    tenures: TenureFile,
) -> Result<(), Failure> {
    let tzdata = Arc::new(Tzdata::load());
    let watch = Watch::begin(&service.schedules);
    let (schedule, loader, files) = load(&service, asked.strict, &tzdata)?;
    let broker = broker(&service)?;
    service.broker = Some(broker.clone());
    greeting::show(&service, &schedule, &broker, clock::wall());
    if service.shadow {
        info!(
            namespace = service.namespace,
            "shadow run: nothing is sent, slots are only recorded"
        );
    }
    info!(
        version = env!("CARGO_PKG_VERSION"),
        entries = schedule.entries.len(),
        schedule = short_hash(&schedule),
        tzdata = %tzdata,
        "started"
    );
    loader.keep(schedule.hash, files, clock::wall());
    let http = service.http.map(open_http).transpose()?;
    let (requests, requested) = mpsc::channel(64);
    let announced = short_hash(&schedule);
    let stopping = Arc::new(Notify::new());
    tokio::spawn(signals.forward(requests.clone(), Arc::clone(&stopping)));
    tokio::spawn(watch.forward(requests.clone()));
    tokio::spawn(watch::reload_daily(requests.clone()));
    let control = listen(&service).await;
    let backend = look::backend(service.clone(), requests.clone());
    let api = Api::new(requests, backend);
    let listeners = Listeners { http, control, api };

    let parts = Parts {
        settings: Settings {
            namespace: service.namespace.clone(),
            broker: broker.clone(),
            grace: service.grace,
            history: service.history,
        },
        clock: SystemClock::new().map_err(|error| Failure::new(Exit::Failed, error))?,
        renderer: renderer(&service),
        loader,
        schedule,
        supervisor: supervisor(),
        carrier: Amqp::new(MAX_CALL, &service.tls),
        zones: tzdata,
    };
    let times = LeaseTimes::new(service.ttl);
    let run = Run { parts, times, tenures, announced, requested, stopping, listeners };
    match broker {
        Broker::Redis(url) => {
            let store = |timeout| RedisStore::new(&url, &service.tls, &service.namespace, timeout);
            let of_pauses = store(times.ttl.min(MAX_CALL));
            run.on(store(times.ttl.min(MAX_CALL)), store(times.deadline), of_pauses).await
        }
        Broker::Spool(path) => {
            let spool = open_spool(&path, &service.namespace)?;
            let queue = (!service.shadow).then(|| path.join("queue"));
            let queue = queue.as_deref().map(|queue| tracing::field::display(queue.display()));
            info!(queue, "using a spool");
            run.on(spool.clone(), spool.clone(), spool).await
        }
    }
}

/// A service that is ready to run.
struct Run {
    parts: Parts<Amqp, SystemClock>,
    times: LeaseTimes,
    tenures: TenureFile,
    /// The hash of the schedule, as announced to other replicas.
    announced: String,
    requested: mpsc::Receiver<Request>,
    stopping: Arc<Notify>,
    listeners: Listeners,
}

impl Run {
    /// Runs on this store until stopped; the campaign and the writer of pauses have their own handles.
    async fn on<S: Store>(self, store: S, of_campaign: S, of_pauses: S) -> Result<(), Failure> {
        let Run { parts, times, tenures, announced, requested, stopping, listeners } = self;
        let myself = Peer { schedule: announced, ..Peer::myself(&host::name()) };
        let (campaign, reports) = Campaign::new(of_campaign, times, myself);
        let to_campaign = reports.requests.clone();
        let mut campaign = begin(campaign.with_tenures(tenures))?;
        let mut service = Service::new(parts, store, PauseWriter::open(of_pauses), reports);
        let answering = listeners.serve(&mut service)?;
        tokio::select! {
            () = work(service, requested, &stopping) => {}
            Ok(Err(error)) = &mut campaign => return Err(Failure::new(Exit::Config, error)),
        }
        let _ = to_campaign.send(campaign::Request::Leave);
        if tokio::time::timeout(EXIT_TIMEOUT, campaign).await.is_err() {
            warn!("the lease could not be given up; it runs out by itself");
        }
        // The last client gets to read its response.
        drop(answering);
        Ok(())
    }
}

/// Campaigns on a separate thread, so that no amount of work delays a renewal; the receiver is notified
/// when it ends.
fn begin<S: Store>(
    campaign: Campaign<S>,
) -> Result<oneshot::Receiver<Result<(), StoreError>>, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Failed, error);
    let runtime = runtime().map_err(failed)?;
    let (end, ended) = oneshot::channel();
    let run = move || {
        let done = run_as_task(&runtime, campaign.run());
        // Nobody waits for this once the process has run out of time.
        let _ = end.send(done);
    };
    let begun = thread::Builder::new().name("campaign".to_owned()).spawn(run);
    begun.map(|_| ended).map_err(failed)
}

/// Serves until stopped, and then finishes what is being sent.
async fn work<S: Store>(
    service: Service<S, Amqp, SystemClock>,
    requested: mpsc::Receiver<Request>,
    stopping: &Notify,
) {
    let too_long = async {
        stopping.notified().await;
        tokio::time::sleep(EXIT_TIMEOUT).await;
    };
    tokio::select! {
        () = service.run(requested) => {}
        () = too_long => warn!("stopped without an answer to what was being sent"),
    }
}

/// The listening sockets.
struct Listeners {
    http: Option<http::Server>,
    control: Option<control::Server>,
    api: Api,
}

impl Listeners {
    /// Serves requests until the returned value is dropped.
    fn serve<S: Store>(
        self,
        service: &mut Service<S, Amqp, SystemClock>,
    ) -> Result<(Option<http::Serving>, Option<control::Serving>), Failure> {
        let failed = |error: io::Error| Failure::new(Exit::Failed, error);
        let Listeners { http, control, api } = self;
        // Each view costs the loop a little per iteration, so the control socket keeps none.
        let heartbeat = service.heartbeat();
        let control = control.map(|server| server.serve(http::on_socket(heartbeat, api)));
        let http = http.map(|server| server.serve(service.view()));
        Ok((http.transpose().map_err(failed)?, control.transpose().map_err(failed)?))
    }
}

/// Loads the schedule for the first time and returns its files; later loads are the loader's. If the
/// files are invalid, uses the ones that were last accepted.
fn load(
    service: &ServiceConfig,
    strict: bool,
    tzdata: &Arc<Tzdata>,
) -> Result<(Arc<Schedule>, Loader, Vec<ScheduleFile>), Failure> {
    let (paths, queues) = (service.schedules.clone(), Arc::clone(&service.queues));
    let zones = Arc::clone(tzdata);
    let load = Arc::new(move || {
        zones.refresh();
        config::load(&paths, &queues, &zones)
    });
    let copy = KeptFiles::new(&service.state_dir, &service.namespace, &service.schedules);
    let loader = Loader::new(load.clone(), Arc::clone(tzdata), clock::wall());
    let loader = loader.keeping(copy.clone(), strict);
    let loaded = load();
    if let Some(schedule) = loaded.schedule {
        loaded.problems.iter().for_each(config::log);
        return Ok((Arc::new(schedule), loader, loaded.files));
    }
    let place = copy.path();
    let kept = if strict { Ok(None) } else { copy.load(&service.queues, tzdata) };
    let unusable = match kept {
        Ok(Some(Kept { accepted_at, loaded: Loaded { schedule: Some(schedule), files, .. } })) => {
            let now = clock::wall();
            let loader = loader.started_from_kept(accepted_at, &place, &loaded.problems, now);
            return Ok((Arc::new(schedule), loader, files));
        }
        Ok(Some(Kept { loaded, .. })) => {
            let problems: Vec<_> = loaded.problems.iter().map(Problem::to_string).collect();
            Some(format!("invalid\n{}", problems.join("\n")))
        }
        Ok(None) => None,
        Err(error) => Some(error.to_string()),
    };
    let picture = unusable
        .map(|why| format!("the files kept in {} cannot be used either: {why}", place.display()));
    Err(Failure { picture, ..Failure::invalid(Exit::Config, "invalid schedule", loaded.problems) })
}

/// The configured broker; without one an own spool, but only if a person has started the service.
fn broker(service: &ServiceConfig) -> Result<Broker, Failure> {
    if service.broker.is_none() {
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
            let message = "no broker is configured; set `broker: redis://…` in the configuration, \
                           or DOWNBEAT_BROKER";
            return Err(Failure::new(Exit::Config, message));
        }
        if service.shadow {
            warn!("no broker is configured: a spool in the state directory keeps the records");
        } else {
            warn!("no broker is configured: messages go to a spool, for a worker on this machine");
        }
    }
    let broker = broker_for_run(service);
    check_usable(service, &broker, Exit::Config).map(|()| broker)
}

fn open_spool(path: &Path, namespace: &str) -> Result<SpoolStore, Failure> {
    SpoolStore::open(path, namespace).map_err(|error| {
        let exit = match &error {
            // Somebody may free space, or repair the disk.
            SpoolError::Io { source, .. } if is_passing(source) => Exit::Failed,
            SpoolError::Io { .. }
            | SpoolError::InTheWay { .. }
            | SpoolError::Foreign { .. }
            | SpoolError::Open { .. }
            | SpoolError::Locked(_)
            | SpoolError::LockGone { .. }
            | SpoolError::Newer { .. }
            | SpoolError::Corrupt { .. } => Exit::Config,
        };
        Failure::new(exit, error)
    })
}

/// Whether a failed write may succeed later without a change of configuration.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    !matches!(error.kind(), NotADirectory | PermissionDenied | ReadOnlyFilesystem)
}

/// Opens the address for health and metrics; once configured, it must work.
fn open_http(address: SocketAddr) -> Result<http::Server, Failure> {
    let opened = http::Server::bind(address).and_then(|server| Ok((server.address()?, server)));
    let (address, server) = opened.map_err(|error| {
        let exit = if is_passing(&error) { Exit::Failed } else { Exit::Config };
        let message = format!("cannot serve health and metrics on {address}: {error}");
        let hint =
            "hint: stop what listens there, or choose another address with `http:` or --http";
        Failure { picture: Some(hint.to_owned()), ..Failure::new(exit, message) }
    })?;
    info!(%address, "serving health and metrics");
    Ok(server)
}

/// Opens the control socket if possible; the service works without it.
async fn listen(service: &ServiceConfig) -> Option<control::Server> {
    match control::Server::bind(&service.runtime_dir).await {
        Ok(server) => Some(server),
        Err(error) => {
            let path = service.runtime_dir.display();
            if error.kind() == io::ErrorKind::AddrInUse {
                warn!(
                    "another downbeat on this machine uses {path}, and commands ask that one; give \
                     this one a directory of its own with --runtime-dir"
                );
            } else {
                let hint = match error.get_ref() {
                    // It says itself what to do.
                    Some(error) if error.is::<control::Untrusted>() => "",
                    _ => "; name a directory that this user can write to with --runtime-dir",
                };
                warn!(
                    "no control socket in {path}, so commands cannot ask this process: \
                     {error}{hint}"
                );
            }
            None
        }
    }
}
