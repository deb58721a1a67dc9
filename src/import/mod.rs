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
mod instants;
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
use crate::text::{MAX_NAME, Report, Span, expect};

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
    /// Gives each queue that a job goes to its settings; leaves out jobs whose queue can have none.
    fn set_queues(&mut self, settings: impl Fn(&str) -> Value) {
        for job in &mut self.jobs {
            let queue = job.text("queue").to_owned();
            if queue.is_empty() || self.queues.contains_key(&queue) {
                continue;
            }
            match refused_name(&queue) {
                Some(why) => job.cannot(why, Some("give the queue another name")),
                None => drop(self.queues.insert(queue.clone(), settings(&queue))),
            }
        }
    }
}

/// Why a queue cannot have this name, if so.
fn refused_name(queue: &str) -> Option<String> {
    let mut report = Report::new("", queue);
    expect::check_name(queue, Span::new(0, 0), "the name of its queue", MAX_NAME, &mut report);
    report.finish().into_iter().next().map(|problem| problem.message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_whose_name_is_refused_leaves_out_its_jobs_only() {
        let job = |queue: &str| {
            let mut job = Job::new("x");
            job.set("queue", queue);
            job
        };
        let jobs = vec![job("mail"), job("two\nlines"), job(&"x".repeat(300)), job("")];
        let mut found = Found { jobs, ..Found::default() };
        found.set_queues(|queue| json!(queue));
        assert_eq!(Value::Object(found.queues), json!({"mail": "mail"}));
        let why = |job: &Job| job.cannot.as_ref().map(|cannot| cannot.why.clone());
        assert_eq!(why(&found.jobs[0]), None);
        assert_eq!(
            why(&found.jobs[1]).as_deref(),
            Some("the name of its queue holds a control character")
        );
        assert!(why(&found.jobs[2]).is_some());
    }
}
