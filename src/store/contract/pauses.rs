//! Reading and changing pauses.

use std::sync::Arc;

use downbeat_time::UnixMs;

use crate::schedule::pause::{Pause, Pauses, Subject};

/// The version of the stored pauses. Both numbers grow with the store's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PausesMark {
    /// Moves with every change that forbids something. Batches must name it.
    pub revision: u64,
    /// Moves with every change. Records of paused slots must name it.
    pub version: u64,
}

/// The stored pauses of one subject, as the condition of a change: `""` if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etag(pub Box<[u8]>);

/// The pauses of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPauses {
    /// The subject that is paused.
    pub subject: Subject,
    /// Its pauses in the order in which they begin; empty if they cannot be read.
    pub pauses: Vec<Pause>,
    /// The etag that a change must name.
    pub etag: Etag,
}

/// All pauses.
#[derive(Clone, Debug, Default)]
pub struct PausesRead {
    /// The store's clock.
    pub now: UnixMs,
    /// The version of the pauses.
    pub mark: PausesMark,
    /// At most [`MAX_PAUSED`], sorted by subject.
    pub subjects: Vec<SubjectPauses>,
    /// Subjects with unreadable pauses, and the stored text; at most 100. They pause nothing.
    pub unreadable: Vec<(Arc<str>, String)>,
}

impl PausesRead {
    /// Converts the pauses for the planner.
    #[must_use]
    pub fn to_pauses(&self) -> Pauses {
        let all = self.subjects.iter();
        all.map(|subject| (subject.subject.clone(), subject.pauses.clone())).collect()
    }

    /// The pauses of one subject, and the etag that a change must name.
    #[must_use]
    pub fn of(&self, subject: &Subject) -> (&[Pause], Etag) {
        let found = self.subjects.binary_search_by(|one| one.subject.cmp(subject));
        let found = found.ok().map(|at| &self.subjects[at]);
        found.map_or((&[], Etag::default()), |found| (&found.pauses, found.etag.clone()))
    }

    /// Whether something is kept for a subject that cannot be read.
    #[must_use]
    pub fn is_unreadable(&self, subject: &Subject) -> bool {
        let (pauses, etag) = self.of(subject);
        pauses.is_empty() && etag != Etag::default()
    }
}

/// The maximum number of subjects with pauses, ended ones included.
pub const MAX_PAUSED: usize = 10_000;
/// The maximum number of subjects that one request changes.
pub const MAX_PAUSES_CHANGED: usize = 500;

/// Pauses to write.
#[derive(Clone, Debug, Default)]
pub struct ChangePauses {
    /// At most [`MAX_PAUSES_CHANGED`] different subjects. [`AT_WRITE`](crate::schedule::pause::AT_WRITE) stands
    /// for the store's clock when it writes.
    pub subjects: Vec<SubjectPauses>,
    /// Whether the change forbids something that is allowed now.
    pub forbids: bool,
}

/// The outcome of a change of pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausesChanged {
    /// Everything was written.
    Written {
        /// When, by the store's clock.
        now: UnixMs,
        /// The new version of the pauses.
        mark: PausesMark,
        /// Whether another server has it, too; `None` if there is no other.
        replicated: Option<bool>,
    },
    /// Nothing was done: somebody else has changed one of the subjects.
    Outdated,
    /// Nothing was done: there would be more than [`MAX_PAUSED`].
    TooMany,
}

/// Removes pauses that are over.
#[derive(Clone, Debug)]
pub struct PrunePauses {
    /// The caller's lease; with another's, nothing is dropped.
    pub lease: Arc<str>,
    /// At most [`MAX_PAUSES_CHANGED`], with the pauses that remain.
    pub subjects: Vec<SubjectPauses>,
}
