//! What became of each job, for people and programs.

use serde::Serialize;

use super::compare::Comparison;
use super::{Cannot, Found, Grade, Job};

/// What became of a source.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) source: String,
    pub(crate) entries: Vec<Imported>,
    pub(crate) notes: Vec<String>,
    /// The files that were written.
    pub(crate) files: Vec<String>,
}

/// What became of one job.
#[derive(Debug, Serialize)]
pub(crate) struct Imported {
    pub(crate) entry: String,
    pub(crate) grade: Grade,
    pub(crate) differences: Vec<Told>,
    #[serde(flatten)]
    pub(crate) cannot: Option<Cannot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comparison: Option<Comparison>,
}

/// One difference.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

impl Report {
    pub(crate) fn new(
        found: &Found,
        comparisons: Vec<Option<Comparison>>,
        files: Vec<String>,
    ) -> Report {
        let comparisons = comparisons.into_iter().chain(std::iter::repeat(None));
        let entries = found
            .jobs
            .iter()
            .zip(comparisons)
            .map(|(job, comparison)| Imported::new(job, comparison));
        Report {
            source: found.source.clone(),
            entries: entries.collect(),
            notes: found.notes.clone(),
            files,
        }
    }

    /// Whether a job is left out, or a comparison shows a fault.
    pub(crate) fn is_incomplete(&self) -> bool {
        let is_fault =
            |entry: &Imported| entry.comparison.as_ref().is_some_and(Comparison::is_fault);
        self.entries.iter().any(|entry| entry.grade == Grade::Cannot || is_fault(entry))
    }
}

impl Imported {
    fn new(job: &Job, comparison: Option<Comparison>) -> Imported {
        let told = |difference: &super::Difference| {
            let detail = difference.detail();
            let text = if detail.is_empty() { difference.meaning() } else { detail };
            Told { code: difference.code(), text: text.to_owned() }
        };
        Imported {
            entry: job.name.clone(),
            grade: job.grade(),
            differences: job.differences.iter().map(told).collect(),
            cannot: job.cannot.clone(),
            comparison,
        }
    }
}
