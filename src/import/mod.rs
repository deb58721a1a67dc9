//! Schedules of other schedulers in, schedule files out.
//!
//! A source finds [`Job`]s: each is an entry in the keys of a schedule file, with what it would do otherwise
//! than before. [`write`] makes one file of them, as a person would have written it. [`verify`] loads that file as
//! the service would, so that whatever the loader refuses is named and left out. [`compare`] sets the instants
//! that the old scheduler's own code computes beside the slots of the new entries.
//!
//! Nothing of a source is changed. What it holds is data: names and texts are bounded and escaped.

pub(crate) mod celery;
pub(crate) mod compare;
pub(crate) mod crontab;
mod difference;
mod error;
pub(crate) mod interpreter;
mod job;
mod lengths;
mod literal;
pub(crate) mod report;
pub(crate) mod verify;
pub(crate) mod write;

use serde_json::{Map, Value};

pub(crate) use difference::Difference;
pub(crate) use error::ImportError;
pub(crate) use job::{Cannot, Grade, Job};

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
    /// What concerns the source as a whole, one sentence each.
    pub(crate) notes: Vec<String>,
    /// How to ask the old scheduler's own code when a job fires; `None` if it has no code that can be asked.
    pub(crate) old: Option<OldScheduler>,
}
