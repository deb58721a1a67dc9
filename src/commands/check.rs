//! `check`: reports every problem of the schedule files and the configuration and, if asked to,
//! compares them with live workers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};

use super::direct::{Direct, Store};
use super::{Exit, Failure, load_configuration, look, show};
use crate::cli::{self, ServiceFlags};
use crate::clock;
use crate::config::{self, Broker, Caller, ServiceConfig};
use crate::control::Question;
use crate::text::{Problem, duration};
use crate::tzdata::Tzdata;
use crate::worker::CeleryQueue;
use crate::worker::celery::WorkerAnswers;

/// Maximum of `--timeout`; slower workers are of no use here.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The output of `--json`.
#[derive(Debug, Serialize)]
struct Checked {
    /// Number of entries; `None` if the schedule is invalid.
    entries: Option<usize>,
    /// Number of Celery workers that answered; `None` if none were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<usize>,
    problems: Vec<Problem>,
}

pub(super) fn check(flags: ServiceFlags, asked: cli::Check) -> Result<Exit, Failure> {
    let timeout = timeout(&asked.timeout)?;
    let checked = checked(flags, asked.paths, asked.workers.then_some(timeout), clock::wall())?;
    let exit = if checked.entries.is_some() { Exit::Fine } else { Exit::No };
    if asked.output.json {
        show::json(&checked)?;
        return Ok(exit);
    }
    show::problems(&checked.problems);
    if let Some(entries) = checked.entries {
        let warnings = match checked.problems.len() {
            0 => String::new(),
            count => format!(", {}", show::number(count, "warning")),
        };
        let workers = checked.workers.map_or_else(String::new, |count| match count {
            1 => "; 1 Celery worker answered".to_owned(),
            count => format!("; {count} Celery workers answered"),
        });
        show::line(&format!("ok: {}{warnings}{workers}", show::entries(entries)))?;
    }
    Ok(exit)
}

fn timeout(text: &str) -> Result<Duration, Failure> {
    let timeout = duration::parse(text)
        .map_err(|error| Failure::usage(format!("--timeout: {error}; {}", error.hint())))?;
    if timeout > MAX_TIMEOUT {
        return Err(Failure::usage("--timeout: at most 1m"));
    }
    Ok(timeout)
}

fn checked(
    flags: ServiceFlags,
    paths: Vec<PathBuf>,
    timeout: Option<Duration>,
    now: UnixMs,
) -> Result<Checked, Failure> {
    let service = match load_configuration(flags, Caller::Command) {
        Ok(service) => service,
        Err(problems) => return Ok(Checked { entries: None, workers: None, problems }),
    };
    let paths = if paths.is_empty() { &service.schedules } else { &paths };
    let loaded = config::load(paths, &service.queues, &Tzdata::load());
    let mut warnings = config::warnings(&loaded, now);
    warnings.extend(config::unnamed_queues(&loaded, &service.queues));
    let mut answered = None;
    if let (Some(timeout), Some(_)) = (timeout, &loaded.schedule) {
        let queues = config::celery_queues(&loaded);
        let question = Question::Workers { queues, timeout };
        let Workers { broker, asked } = look::ask(&service, question)?;
        answered = Some(asked.workers.len());
        warnings.extend(config::against_workers(&loaded, &broker, &asked));
    }
    let problems = service.warnings.into_iter().chain(loaded.problems).chain(warnings).collect();
    let entries = loaded.schedule.map(|schedule| schedule.entries.len());
    Ok(Checked { entries, workers: answered, problems })
}

/// The live workers that responded.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Workers {
    /// The broker, without secrets.
    broker: String,
    asked: WorkerAnswers,
}

/// Asks the workers of Celery's queues that are not on AMQP, once per control channel.
pub(super) async fn ask_workers(
    service: &ServiceConfig,
    queues: &[String],
    timeout: Duration,
) -> Result<Workers, Failure> {
    let direct = Direct::open(service)?;
    let Store::Redis(mut redis) = direct.store else {
        let message = "--workers asks Celery workers over Redis, but the broker is a spool; name the \
                       workers' broker with --broker";
        return Err(Failure::usage(message));
    };
    let mut families = BTreeMap::new();
    for queue in queues.iter().map(|queue| service.queues.get(queue)) {
        if let Some(settings) = CeleryQueue::inspectable(&queue) {
            families.entry(settings.control_channel()).or_insert_with(|| settings.clone());
        }
    }
    let mut all = WorkerAnswers::default();
    for settings in families.values() {
        let asked = redis.ask_workers(settings, timeout, clock::wall()).await;
        let asked = asked.map_err(|error| {
            let message = format!("--workers: the broker is unavailable: {error}");
            Failure::of_store(&error, message)
        })?;
        all.workers.extend(asked.workers);
        all.silent += asked.silent;
        all.channels.extend(asked.channels);
        all.others.extend(asked.others);
    }
    let broker = direct.broker.as_ref().map(Broker::to_string).unwrap_or_default();
    Ok(Workers { broker, asked: all })
}
