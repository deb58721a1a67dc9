//! Entries with missed slots. They take turns, so that none waits for another's backlog.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::schedule::unix_ms::UnixMs;

/// The entries of each queue, in the order in which it is their turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog {
    queues: BTreeMap<Arc<str>, BTreeMap<u64, u32>>,
    entries: HashMap<u32, Place>,
    /// So many turns were given out.
    last: u64,
}

/// Where an entry is planned.
#[derive(Clone, Copy, Debug)]
struct Place {
    turn: u64,
    /// When it is due on the agenda as well, for slots that are on time.
    due: Option<UnixMs>,
}

impl Backlog {
    /// Adds an entry, behind all others.
    pub(super) fn push(&mut self, queue: &Arc<str>, index: u32, due: Option<UnixMs>) {
        self.last += 1;
        let turn = self.last;
        match self.queues.get_mut(queue) {
            Some(turns) => drop(turns.insert(turn, index)),
            None => drop(self.queues.insert(Arc::clone(queue), BTreeMap::from([(turn, index)]))),
        }
        self.entries.insert(index, Place { turn, due });
    }

    /// Removes an entry of the queue. If it was there, gives when it is due on the agenda.
    pub(super) fn remove(&mut self, queue: &str, index: u32) -> Option<Option<UnixMs>> {
        let Place { turn, due } = self.entries.remove(&index)?;
        if let Some(turns) = self.queues.get_mut(queue) {
            turns.remove(&turn);
            if turns.is_empty() {
                self.queues.remove(queue);
            }
        }
        Some(due)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn contains(&self, index: u32) -> bool {
        self.entries.contains_key(&index)
    }

    /// When the entry is due on the agenda.
    pub(super) fn due(&self, index: u32) -> Option<UnixMs> {
        self.entries.get(&index)?.due
    }

    /// The queues, and how many entries each has.
    pub(super) fn queues(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.queues.iter().map(|(queue, turns)| (queue, turns.len()))
    }

    /// All entries of the queues that `are_ready`, by whose turn it is.
    pub(super) fn turns(&self, are_ready: impl Fn(&str) -> bool) -> impl Iterator<Item = u32> {
        let ready = self.queues.iter().filter(|(queue, _)| are_ready(queue));
        let mut queues: Vec<_> = ready.map(|(_, turns)| turns.iter().peekable()).collect();
        std::iter::from_fn(move || {
            let waiting = queues.iter_mut().filter_map(|turns| Some((*turns.peek()?.0, turns)));
            let (_, turns) = waiting.min_by_key(|(turn, _)| *turn)?;
            turns.next().map(|(_, index)| *index)
        })
    }
}
