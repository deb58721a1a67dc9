//! Fenced writes on their way to the store.
//!
//! Each names the sequence number that the one before it leaves behind, so several can be on their way at
//! once: when one does nothing, those behind it do nothing either.

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

/// Writes on their way at once: while the store carries out one, others travel, so that neither side waits
/// for the other.
const MAX_WRITES: usize = 8;

/// Writes in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    writes: VecDeque<Write>,
    /// Where the writes have got to that are confirmed.
    confirmed: Position,
    /// The sequence number that the last one on its way leaves behind.
    sequence: u64,
}

/// Where writes have got to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    pub(super) sequence: u64,
    pub(super) head: Option<RecordId>,
}

/// A write on its way.
#[derive(Debug)]
pub(super) struct Write {
    id: RequestId,
    /// The lease that it names.
    pub(super) lease: Arc<str>,
    pub(super) work: Work,
    pub(super) asked_at: SinceBoot,
    /// Answers can come in any order; they count in that of the writes.
    answer: Option<Result<Reply, StoreError>>,
}

/// What a write asks for.
#[derive(Debug)]
pub(super) enum Work {
    /// Publish and record slots.
    Dispatch(Vec<(Item, Uuid)>),
    /// Record that carriers are about to be handed slots.
    Intend(Vec<(Item, Uuid)>),
    /// Record what carriers did.
    Settle(Vec<Returned>),
    /// Move progress.
    Fold(unfolded::Step),
    /// Part of what is written before anything else is sent.
    Part,
}

impl Work {
    /// The slots that it asks the store to publish or to intend.
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

    /// Whether progress is being folded.
    pub(super) fn has_fold(&self) -> bool {
        self.writes.iter().any(|write| matches!(write.work, Work::Fold(_)))
    }

    /// Where the writes have got to that are confirmed.
    pub(super) fn confirmed(&self) -> Position {
        self.confirmed
    }

    /// Nothing is on its way: what is written next follows what the store knows.
    pub(super) fn begin_at(&mut self, position: Position) {
        (self.confirmed, self.sequence) = (position, position.sequence);
    }

    /// What the next write must match.
    pub(super) fn fence(&self, lease: &Arc<str>, rng: &mut fastrand::Rng) -> Fence {
        Fence::drawn(lease, self.sequence, rng)
    }

    /// A write with this fence is on its way.
    pub(super) fn push(&mut self, id: RequestId, fence: &Fence, work: Work, asked_at: SinceBoot) {
        self.sequence = fence.next;
        let lease = Arc::clone(&fence.lease);
        self.writes.push_back(Write { id, lease, work, asked_at, answer: None });
    }

    /// Takes an answer in. Gives whether it is one to a write of the pipe: those that were given up are not.
    pub(super) fn answer(&mut self, id: RequestId, answer: Result<Reply, StoreError>) -> bool {
        let write = self.writes.iter_mut().find(|write| write.id == id);
        write.map(|write| write.answer = Some(answer)).is_some()
    }

    /// The oldest write, once it is answered.
    pub(super) fn pop_answered(&mut self) -> Option<(Write, Result<Reply, StoreError>)> {
        let answer = self.writes.front_mut()?.answer.take()?;
        self.writes.pop_front().map(|write| (write, answer))
    }

    /// The oldest write has left that behind.
    pub(super) fn confirm(&mut self, position: Position) {
        self.confirmed = position;
        if self.writes.is_empty() {
            self.sequence = position.sequence;
        }
    }

    /// Gives up all writes that are left, whose answers will not be known. What is written next follows what
    /// is confirmed.
    pub(super) fn give_up(&mut self) -> VecDeque<Write> {
        self.sequence = self.confirmed.sequence;
        std::mem::take(&mut self.writes)
    }
}
