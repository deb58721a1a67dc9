//! What must be written before anything is sent, in parts, one behind the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::vec;

use super::{NewTenure, queue_name};
use crate::core::Request;
use crate::schedule::outcome::Line;
use crate::schedule::planner::{Change, Ended, Planner, Repaired};
use crate::schedule::progress::Progress;
use crate::store::Fence;
use crate::store::contract::{Fold, FoldedThrough, MAX_CHANGES, MAX_FOLDED, Register, Remembered};

/// The writes that precede anything sent.
#[derive(Debug)]
pub(in crate::core) struct Writing {
    /// The tenure to write under.
    pub(in crate::core) lease: Arc<str>,
    pub(super) parts: VecDeque<Part>,
    pub(super) purpose: Purpose,
}

impl Writing {
    /// The next write. Registrations are those of the purpose's planner, or else of `present`.
    pub(super) fn next_request(
        &mut self,
        fence: &Fence,
        present: Option<&Planner>,
    ) -> Option<Request> {
        let part = self.parts.pop_front()?;
        let fence = fence.clone();
        match part {
            Part::Register(mut registering) => {
                let planner = match &self.purpose {
                    Purpose::Takeover(tenure) => Some(&tenure.planner),
                    Purpose::Reload { planner, .. } => Some(&**planner),
                    Purpose::Repair | Purpose::Journal => present,
                };
                let request = registering.next_request(fence, planner?);
                if !registering.is_done() {
                    self.parts.push_front(Part::Register(registering));
                }
                Some(Request::Register(request))
            }
            Part::Fold { progress, through } => {
                Some(Request::Fold(Fold { fence, progress, through }))
            }
        }
    }

    /// Whether a tenure begins with these writes.
    pub(in crate::core) fn is_takeover(&self) -> bool {
        matches!(self.purpose, Purpose::Takeover(_))
    }
}

/// One write, or all those that change registrations.
#[derive(Debug)]
pub(super) enum Part {
    Register(Registering),
    Fold { progress: Vec<(Arc<str>, Progress)>, through: FoldedThrough },
}

/// Registrations that are still to be changed, and what became of slots that ended with them. Slots are recorded
/// in the same write as the change that ended them; there is at least one write.
#[derive(Debug)]
pub(super) struct Registering {
    changes: vec::IntoIter<Change>,
    /// By entry, with their queue.
    ended: BTreeMap<Arc<str>, (Arc<str>, Line)>,
    /// Only a takeover has read everything in the store, and so can mark it complete.
    is_takeover: bool,
}

/// What begins once everything is written.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A tenure.
    Takeover(Box<NewTenure>),
    /// Planning by an edited schedule.
    Reload { planner: Box<Planner>, ended: Vec<Ended>, repaired: Vec<Repaired> },
    /// Planning with records repaired that were ahead of the clock.
    Repair,
    /// A new journal, because the old one was lost.
    Journal,
}

impl Registering {
    pub(super) fn new(changes: Vec<Change>, ended: &[Ended], is_takeover: bool) -> Registering {
        let line = |ended: &Ended| (Arc::clone(&ended.entry), (queue_name(ended), ended.line()));
        let ended = ended.iter().map(line).collect();
        Registering { changes: changes.into_iter(), ended, is_takeover }
    }

    /// The next write of changes; `planner` is the one that they belong to.
    pub(super) fn next_request(&mut self, fence: Fence, planner: &Planner) -> Register {
        let changes = self.changes.by_ref().take(MAX_CHANGES);
        let changes: Vec<_> = changes.map(|change| planner.written(change)).collect();
        let ended = changes.iter().filter_map(|change| self.ended.remove(change.entry()));
        let mut ended: Vec<_> = ended.collect();
        if self.changes.as_slice().is_empty() {
            // The rest ended without a change.
            let left = std::iter::from_fn(|| self.ended.pop_first().map(|(_, line)| line));
            ended.extend(left.take(MAX_CHANGES - ended.len()));
        }
        Register { fence, changes, ended, last: self.is_takeover && self.is_done() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.changes.as_slice().is_empty() && self.ended.is_empty()
    }
}

/// The parts that write progress; the last one begins a new journal.
pub(super) fn new_journal(
    progress: Vec<(Arc<str>, Progress)>,
    remembered: Remembered,
) -> Vec<Part> {
    let mut parts: Vec<Part> = progress
        .chunks(MAX_FOLDED)
        .map(|progress| Part::Fold {
            progress: progress.to_vec(),
            through: FoldedThrough::Unchanged,
        })
        .collect();
    if parts.is_empty() {
        parts.push(Part::Fold { progress: Vec::new(), through: FoldedThrough::Unchanged });
    }
    if let Some(Part::Fold { through, .. }) = parts.last_mut() {
        *through = FoldedThrough::Anew(remembered);
    }
    parts
}
