//! Entries with missed slots. They take turns, so that none waits for another's backlog.

use std::collections::{BTreeMap, HashMap, btree_map};
use std::iter::Peekable;
use std::sync::Arc;

use downbeat_time::UnixMs;

/// The entries of each queue, in the order of their turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog {
    queues: BTreeMap<Arc<str>, BTreeMap<u64, u32>>,
    entries: HashMap<u32, Place>,
    /// The number of turns given out.
    last: u64,
}

/// An entry's place in the backlog.
#[derive(Clone, Copy, Debug)]
struct Place {
    turn: u64,
    /// When it is also due on the agenda, for slots on time.
    due: Option<UnixMs>,
}

impl Backlog {
    /// Adds an entry after all others.
    pub(super) fn push(&mut self, queue: &Arc<str>, index: u32, due: Option<UnixMs>) {
        self.last += 1;
        let turn = self.last;
        match self.queues.get_mut(queue) {
            Some(turns) => drop(turns.insert(turn, index)),
            None => drop(self.queues.insert(Arc::clone(queue), BTreeMap::from([(turn, index)]))),
        }
        self.entries.insert(index, Place { turn, due });
    }

    /// Removes an entry of the queue. If it was there, returns when it is due on the agenda.
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

    /// All entries of the queues that `are_ready`, in the order of their turns.
    pub(super) fn turns(&self, are_ready: impl Fn(&str) -> bool) -> Turns<'_> {
        let ready = self.queues.iter().filter(|(queue, _)| are_ready(queue));
        Turns { queues: ready.map(|(_, turns)| turns.iter().peekable()).collect(), last: 0 }
    }
}

/// The entries of some queues, in the order of their turns.
pub(super) struct Turns<'a> {
    queues: Vec<Peekable<btree_map::Iter<'a, u64, u32>>>,
    /// The queue that had the last turn.
    last: usize,
}

impl Turns<'_> {
    /// The number of entries left.
    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(ExactSizeIterator::len).sum()
    }

    /// Skips the rest of the last entry's queue.
    pub(super) fn skip_queue(&mut self) {
        drop(self.queues.swap_remove(self.last));
    }
}

impl Iterator for Turns<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let queues = self.queues.iter_mut().enumerate();
        let turns = queues.filter_map(|(at, turns)| Some((*turns.peek()?.0, at)));
        (_, self.last) = turns.min()?;
        self.queues[self.last].next().map(|(_, index)| *index)
    }
}
