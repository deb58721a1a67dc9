//! One burst of the real binary.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use downbeat_time::UnixMs;
use redis::Connection;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::job::{Job, QUEUE};
use crate::relay::Relay;
use crate::support::certificates::Authority;
use crate::support::downbeat::Place;
use crate::support::process::Process;
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::wait::wall_clock;

/// How much before the instant everything is to be ready and quiet, and a millisecond more for each
/// hundred entries.
const READY: Duration = Duration::from_millis(250);

/// How downbeat reaches Redis.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Direct,
    /// With a round trip of 2 ms.
    Delayed,
    Tls,
}

impl Way {
    pub(crate) const OTHERS: [Way; 2] = [Way::Delayed, Way::Tls];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::Delayed => "delayed",
            Way::Tls => "tls",
        }
    }
}

/// How long a run may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// From the start to the instant, plus a millisecond for each twenty entries.
    lead: Duration,
    /// Work that follows a burst when there is nothing else to do has begun by then.
    idle: Duration,
}

impl Patience {
    pub(crate) const BENCH: Patience =
        Patience { lead: Duration::from_millis(2500), idle: Duration::from_secs(2) };
    pub(crate) const TEST: Patience =
        Patience { lead: Duration::from_millis(3500), idle: Duration::from_millis(100) };
}

/// What a burst took.
pub(crate) struct Burst {
    /// From the instant to the first message.
    pub(crate) first_ms: f64,
    /// From the instant to the last message.
    pub(crate) seconds: f64,
    /// Redis' own CPU a message until then.
    pub(crate) redis_us: f64,
    /// The same, and what followed.
    pub(crate) redis_us_in_all: f64,
    /// Downbeat's own, in all.
    pub(crate) own_us: f64,
}

/// Measures one burst on a new server, which is left as it was then, without downbeat.
pub(crate) fn burst(job: &Job, way: Way, patience: Patience) -> (RedisServer, Burst) {
    let (place, authority) = (Place::new(), Authority::new());
    let tls_port = free_port();
    let args = if way == Way::Tls { tls(&authority, tls_port) } else { Vec::new() };
    let server = RedisServer::start_with(Options { tcp: true, args, ..Options::default() });
    let (url, place) = match way {
        Way::Direct => (server.tcp_url(), place),
        Way::Delayed => {
            let relay = Relay::start(server.port(), Duration::from_millis(1), false);
            (relay.url(), place)
        }
        Way::Tls => {
            let ca = authority.ca().display().to_string();
            (format!("rediss://127.0.0.1:{tls_port}/0"), place.env("DOWNBEAT_TLS_CA", &ca))
        }
    };
    let mut connection = server.connect();
    let (leader, due) = lead(job, &place, &url, &mut connection, patience);
    warm_up(job, &mut connection);
    sleep_until(due.0 as f64 - 5.0);
    let (redis, own) = (redis_cpu(&mut connection), leader.cpu_time());
    let (first_ms, last_ms) = watch(job, &place, &mut connection, due);
    let redis_us = job.us_a_message(redis_cpu(&mut connection) - redis);
    let rest = until_quiet(|| redis_cpu(&mut connection), patience.idle);
    let redis_us_in_all = redis_us + job.us_a_message(rest);
    let own_us = job.us_a_message(leader.cpu_time() - own);
    (server, Burst { first_ms, seconds: last_ms / 1e3, redis_us, redis_us_in_all, own_us })
}

fn tls(authority: &Authority, port: u16) -> Vec<String> {
    let pair = authority.sign("127.0.0.1");
    let files = [pair.cert, pair.key, authority.ca()].map(|path| path.display().to_string());
    let names = ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"].map(str::to_owned);
    let mut args: Vec<_> =
        names.into_iter().zip(files).flat_map(|(name, file)| [name, file]).collect();
    args.extend(["--tls-auth-clients", "no", "--tls-port"].map(str::to_owned));
    args.push(port.to_string());
    args
}

/// Starts downbeat so that it leads when the entries are due, and gives that instant.
pub(crate) fn lead(
    job: &Job,
    place: &Place,
    url: &str,
    connection: &mut Connection,
    patience: Patience,
) -> (Process, UnixMs) {
    let configuration = place.path().join("downbeat.yaml");
    let queues = format!("queues: {{{QUEUE}: {{worker: {}}}}}", job.worker.kind());
    fs::write(&configuration, queues).unwrap();
    let log = log(place);
    let mut lead = patience.lead + Duration::from_millis(job.entries as u64 / 20);
    loop {
        let due = wall_clock() + lead;
        place.write_schedule("burst.json", &job.schedule(due));
        let mut command = place.command(&["run", "--broker", url, "--leader-ttl", "1s"]);
        command.env("DOWNBEAT_CONFIG", &configuration).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).unwrap());
        let leader = Process::spawn("downbeat", &mut command);
        let ready = READY + Duration::from_millis(job.entries as u64 / 100);
        sleep_until(due.0 as f64 - ready.as_secs_f64() * 1e3);
        if fs::read_to_string(&log).unwrap().contains("became leader") {
            return (leader, due);
        }
        // The machine is busy.
        drop(leader);
        lead *= 2;
        assert!(lead < Duration::from_secs(120), "it does not lead");
        let () = redis::cmd("FLUSHALL").arg("SYNC").query(connection).unwrap();
    }
}

/// Not beside the schedules: they are watched, and so is what holds their folder.
fn log(place: &Place) -> PathBuf {
    place.state().join("log")
}

/// Lets Redis have the memory from the kernel that it will need, as one has that has run for a while:
/// the yardsticks, which come later, find it so.
fn warm_up(job: &Job, connection: &mut Connection) {
    for messages in job.messages.chunks(500) {
        let elements: Vec<_> = messages.iter().map(|message| &message.element).collect();
        let () = redis::cmd("RPUSH").arg("warm-up").arg(&elements).query(connection).unwrap();
    }
    let () = redis::cmd("DEL").arg("warm-up").query(connection).unwrap();
}

/// Milliseconds from the instant to the first and the last message. It asks seldom, as Redis has
/// better to do.
pub(crate) fn watch(
    job: &Job,
    place: &Place,
    connection: &mut Connection,
    due: UnixMs,
) -> (f64, f64) {
    let (due, mut first) = (due.0 as f64, None);
    sleep_until(due);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let queued = job.queued(connection);
        let after = wall_ms() - due;
        if queued >= job.entries {
            return (first.unwrap_or(after), after);
        }
        let left = first
            .map_or(0.0, |first| (job.entries - queued) as f64 * (after - first) / queued as f64);
        if queued > 0 {
            first.get_or_insert(after);
        }
        if Instant::now() > deadline {
            let log = fs::read_to_string(log(place)).unwrap();
            let begin = log.lines().take(20).collect::<Vec<_>>().join("\n");
            panic!("only {queued} of {} messages came; the log begins with\n{begin}", job.entries);
        }
        // At first the estimate may be far off.
        sleep(Duration::from_secs_f64((left / 2e3).clamp(0.0002, 0.002)));
    }
}

/// The CPU time that passes until little has for a while, beyond what then passes all the time. At
/// least `idle` passes.
fn until_quiet(mut cpu: impl FnMut() -> Duration, idle: Duration) -> Duration {
    let slice = idle / 10;
    let (mut quiet, mut spent) = (Vec::new(), Vec::new());
    let mut before = cpu();
    while quiet.len() < 10 {
        sleep(slice);
        let after = cpu();
        quiet.push(after - before);
        if after - before > slice / 20 {
            spent.append(&mut quiet);
        }
        before = after;
    }
    let always = quiet.iter().sum::<Duration>() / 10;
    spent.iter().map(|used| used.saturating_sub(always)).sum()
}

/// How long Redis has run.
pub(crate) fn redis_cpu(connection: &mut Connection) -> Duration {
    let info: String = redis::cmd("INFO").arg("cpu").query(connection).unwrap();
    let seconds = |name: &str| -> f64 {
        let mut fields = info.lines().filter_map(|line| line.split_once(':'));
        fields.find(|field| field.0 == name).unwrap().1.parse().unwrap()
    };
    Duration::from_secs_f64(seconds("used_cpu_user") + seconds("used_cpu_sys"))
}

fn sleep_until(ms: f64) {
    sleep(Duration::from_secs_f64((ms - wall_ms()).max(0.0) / 1e3));
}

/// Milliseconds of the wall clock, with what is below them.
fn wall_ms() -> f64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
