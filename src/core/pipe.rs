//! Fenced writes in flight to the store.
//!
//! Each names the sequence number that the one before it leaves behind, so several can be in flight at once: if
//! one writes nothing, those behind it write nothing either.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use super::carried::Returned;
use super::{RequestId, unfolded};
use crate::clock::SinceBoot;
use crate::schedule::planner::Item;
use crate::store::Fence;
use crate::store::contract::{Reply, StoreError};
use crate::store::journal::RecordId;

/// The maximum number of writes in flight: enough that the store and the leader never wait for each other.
const MAX_WRITES: usize = 8;

/// The writes in flight, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    writes: VecDeque<Write>,
    /// The position after the last confirmed write.
    confirmed: Position,
    /// The sequence number that the last write in flight leaves behind.
    sequence: u64,
}

/// A position in the sequence of writes: the state that a write leaves behind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    pub(super) sequence: u64,
    pub(super) head: Option<RecordId>,
}

/// A write in flight.
#[derive(Debug)]
pub(super) struct Write {
    id: RequestId,
    /// The lease that the write names.
    pub(super) lease: Arc<str>,
    pub(super) work: Work,
    pub(super) asked_at: SinceBoot,
    /// Set once answered. Answers can arrive in any order, but are handled in the order of the writes.
    answer: Option<Result<Reply, StoreError>>,
}

/// What a write does.
#[derive(Debug)]
pub(super) enum Work {
    /// Publish and record slots.
    Dispatch(Vec<(Item, Uuid)>),
    /// Record slots that carriers are about to publish.
    Intend(Vec<(Item, Uuid)>),
    /// Record what carriers did.
    Settle(Vec<Returned>),
    /// Move progress.
    Fold(unfolded::Step),
    /// Write part of what must be written before anything is sent.
    Part,
}

impl Work {
    /// The slots that the write publishes or intends.
    pub(super) fn items(&self) -> &[(Item, Uuid)] {
        match self {
            Work::Dispatch(items) | Work::Intend(items) => items,
            Work::Settle(_) | Work::Fold(_) | Work::Part => &[],
        }
    }
}

impl Pipe {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.writes.len() >= MAX_WRITES
    }

    /// Whether a fold is in flight.
    pub(super) fn has_fold(&self) -> bool {
        self.writes.iter().any(|write| matches!(write.work, Work::Fold(_)))
    }

    /// The position after the last confirmed write.
    pub(super) fn confirmed(&self) -> Position {
        self.confirmed
    }

    /// Starts at a position read from the store, with nothing in flight.
    pub(super) fn begin_at(&mut self, position: Position) {
        (self.confirmed, self.sequence) = (position, position.sequence);
    }

    /// The fence for the next write.
    pub(super) fn fence(&self, lease: &Arc<str>, rng: &mut fastrand::Rng) -> Fence {
        Fence::drawn(lease, self.sequence, rng)
    }

    /// Adds a write that is about to be sent.
    pub(super) fn push(&mut self, id: RequestId, fence: &Fence, work: Work, asked_at: SinceBoot) {
        self.sequence = fence.next;
        let lease = Arc::clone(&fence.lease);
        self.writes.push_back(Write { id, lease, work, asked_at, answer: None });
    }

    /// Notes an answer. Returns whether it belongs to a write of the pipe: abandoned writes do not.
    pub(super) fn answer(&mut self, id: RequestId, answer: Result<Reply, StoreError>) -> bool {
        let write = self.writes.iter_mut().find(|write| write.id == id);
        write.map(|write| write.answer = Some(answer)).is_some()
    }

    /// Takes the oldest write once it is answered.
    pub(super) fn pop_answered(&mut self) -> Option<(Write, Result<Reply, StoreError>)> {
        let answer = self.writes.front_mut()?.answer.take()?;
        self.writes.pop_front().map(|write| (write, answer))
    }

    /// Confirms the position that the oldest write left behind.
    pub(super) fn confirm(&mut self, position: Position) {
        self.confirmed = position;
        if self.writes.is_empty() {
            self.sequence = position.sequence;
        }
    }

    /// Abandons all writes in flight. The next write follows the confirmed position.
    pub(super) fn abandon(&mut self) -> VecDeque<Write> {
        self.sequence = self.confirmed.sequence;
        std::mem::take(&mut self.writes)
    }
}
