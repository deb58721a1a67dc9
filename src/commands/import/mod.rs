//! `import`: the schedules of another scheduler as schedule files.

mod files;
mod results;

use std::path::Path;

use downbeat_time::{UnixMs, Zone};

use super::{Exit, Failure, configuration, show, times};
use crate::address::Secret;
use crate::cli::{self, ServiceFlags, Source};
use crate::clock;
use crate::config::{Broker, Caller};
use crate::import::celery::store::Application;
use crate::import::compare::compare;
use crate::import::crontab::{self, Reading};
use crate::import::django_celery_beat::from_dump;
use crate::import::redis_reader::RedisReader;
use crate::import::report::Report;
use crate::import::verify::verify;
use crate::import::{Found, ImportError, bullmq, celery, redbeat, rq, sidekiq_cron};
use crate::tzdata::Tzdata;

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        let exit =
            if matches!(error, ImportError::Broker(_)) { Exit::Unreachable } else { Exit::No };
        Failure::new(exit, error)
    }
}

pub(super) fn import(asked: cli::Import, flags: ServiceFlags) -> Result<Exit, Failure> {
    let now = clock::wall();
    match asked.source {
        Source::CeleryBeat(asked) if asked.print_script => {
            show::exact(celery::SCRIPT.trim_end()).map(|()| Exit::Fine)
        }
        Source::CeleryBeat(asked) => {
            let app = asked.app.unwrap_or_default();
            let found = celery::from_app(&app, asked.python, asked.last_runs.as_deref())?;
            finish(found, "celery-beat", &asked.importing, now)
        }
        Source::DjangoCeleryBeat(asked) => {
            let found = from_dump(&asked.file, &application(asked.application), now)?;
            finish(found, "django-celery-beat", &asked.importing, now)
        }
        Source::Redbeat(asked) => {
            let mut redis = redis(asked.url, flags)?;
            let application = application(asked.application);
            let found = redbeat::from_redis(&mut redis, &asked.prefix, &application, now)?;
            finish(found, "redbeat", &asked.importing, now)
        }
        Source::SidekiqCron(asked) => {
            let found = match asked.source {
                Some(source) if !is_address(&source) => {
                    sidekiq_cron::from_file(Path::new(source.expose()), asked.ruby)?
                }
                source => {
                    let mut redis = redis(source, flags)?;
                    sidekiq_cron::from_redis(&mut redis, asked.redis_namespace, asked.ruby)?
                }
            };
            finish(found, "sidekiq-cron", &asked.importing, now)
        }
        Source::Bullmq(asked) => {
            let cli::Bullmq { url, prefix, queue, timezone, node, importing } = asked;
            let source = bullmq::Source { prefix, queues: queue, timezone, node };
            let found = bullmq::from_redis(&mut redis(url, flags)?, source, now)?;
            finish(found, "bullmq", &importing, now)
        }
        Source::RqCron(asked) => {
            let mut redis = redis(asked.url, flags)?;
            let found = rq::from_cron(&mut redis, asked.timezone, asked.python)?;
            finish(found, "rq-cron", &asked.importing, now)
        }
        Source::RqScheduler(asked) => {
            let mut redis = redis(asked.url, flags)?;
            let found = rq::from_scheduler(&mut redis, asked.timezone, asked.python, now)?;
            finish(found, "rq-scheduler", &asked.importing, now)
        }
        Source::Crontab(asked) => {
            let cli::Crontab { file, tasks, user_column, timezone, importing } = asked;
            let reading = Reading { tasks, has_user: user_column, timezone };
            finish(crontab::from_file(&file, &reading)?, "crontab", &importing, now)
        }
    }
}

/// Whether a source is an address, not a path.
fn is_address(source: &Secret) -> bool {
    source.expose().contains("://")
}

/// The Redis at an address, else that of the service, with the certificates of the service's configuration.
fn redis(url: Option<Secret>, flags: ServiceFlags) -> Result<RedisReader, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    match (url, service.broker) {
        (Some(url), _) => Ok(RedisReader::open(url.expose(), &service.tls)?),
        (None, Some(Broker::Redis(address))) => Ok(RedisReader::at(address, &service.tls)?),
        (None, Some(Broker::Spool(_)) | None) => {
            let message = "name the Redis to import from, such as `redis://HOST:6379/0`, as the argument or \
                           with --broker";
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

fn application(application: cli::Application) -> Application {
    let cli::Application { app, python, timezone } = application;
    Application { app, python, timezone }
}

/// Writes the files, and says what became of each job.
fn finish(
    mut found: Found,
    name: &str,
    asked: &cli::Importing,
    now: UnixMs,
) -> Result<Exit, Failure> {
    if found.jobs.is_empty() {
        let why = format!("{} has no jobs, so nothing is written", found.source);
        let sentences: Vec<String> = [vec![why], found.notes].concat();
        return Err(Failure::new(Exit::No, sentences.join("; ").trim_end_matches('.')));
    }
    let from = times::ahead("--from", asked.from.as_deref(), &Zone::utc(), now)?.unwrap_or(now);
    let verified = verify(&mut found, &Tzdata::load())?;
    let comparisons = match asked.compare {
        Some(count) => compare(&found, &verified.schedule, from, count)?,
        None => Vec::new(),
    };
    let files = match &asked.output {
        Some(folder) => files::write(folder, name, &verified, asked.replace)?,
        None if asked.output_format.json => Vec::new(),
        None => files::print(&verified, !found.queues.is_empty()).map(|()| Vec::new())?,
    };
    let report = Report::new(&found, comparisons, files);
    if asked.output_format.json {
        show::json(&report)?;
    } else {
        results::print(&report, &found, asked.output.is_some())?;
        show::problems(&verified.warnings);
    }
    Ok(if report.is_incomplete() { Exit::No } else { Exit::Fine })
}
