//! Schedules of other schedulers in, schedule files out.
//!
//! A source finds [`Job`]s: each is an entry in the keys of a schedule file, with the ways in which it behaves
//! differently. [`write`] puts them into one file, as a person would have written it. [`verify`] loads that file as the
//! service would, and leaves out what the loader refuses. [`compare`] compares the slots of the new entries with the
//! instants that the old scheduler's own code computes.
//!
//! A source is only read. Nothing in it is trusted: names and texts are bounded and escaped, and pickles in Redis are
//! read without executing anything.

pub(crate) mod bullmq;
pub(crate) mod celery;
pub(crate) mod compare;
mod cron;
pub(crate) mod crontab;
mod difference;
pub(crate) mod django_celery_beat;
mod error;
pub(crate) mod interpreter;
mod job;
mod json;
mod lengths;
mod literal;
mod names;
mod ranges;
pub(crate) mod redbeat;
pub(crate) mod redis_reader;
pub(crate) mod report;
pub(crate) mod rq;
pub(crate) mod sidekiq_cron;
pub(crate) mod verify;
pub(crate) mod write;
mod yaml;
mod zones;

use serde_json::{Map, Value};

pub(crate) use difference::Difference;
pub(crate) use error::ImportError;
pub(crate) use job::{Cannot, Grade, Job, Refused};

use self::compare::OldScheduler;

/// Maximum number of jobs of one source.
pub(crate) const MAX_JOBS: usize = 1_000_000;

/// What a source holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What it is, for people: `the Celery application shop.celery`.
    pub(crate) source: String,
    /// The zone of jobs that name none; UTC if `None`.
    pub(crate) timezone: Option<String>,
    pub(crate) jobs: Vec<Job>,
    /// `queues` of the service's configuration: those that are not plain Celery queues.
    pub(crate) queues: Map<String, Value>,
    /// Whether the jobs go to a RabbitMQ, as those of some Celery applications do.
    pub(crate) is_amqp: bool,
    /// What concerns the source as a whole, one sentence each.
    pub(crate) notes: Vec<String>,
    /// How to ask the old scheduler's own code when a job fires; `None` if it has no code that can be asked.
    pub(crate) old: Option<OldScheduler>,
}

impl Found {
    /// Gives each queue that a job goes to these settings.
    fn set_queues(&mut self, settings: &Value) {
        let names = self.jobs.iter().map(|job| job.text("queue")).filter(|name| !name.is_empty());
        self.queues = names.map(|name| (name.to_owned(), settings.clone())).collect();
    }
}
