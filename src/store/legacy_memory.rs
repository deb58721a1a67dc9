//! The dispatch and adopt scripts over plain maps: the Redis broker's twin, for the simulation only.
//! It also keeps a ledger of what became of every slot.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{Fence, Outgoing};
use crate::schedule::legacy::{Life, LifeChange, SkipReason, State};
use crate::schedule::{Guards, UnixMs};

/// What is recorded of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its message, with this id, is in the queue.
    Dispatched(Uuid),
    /// It was left out.
    Skipped(SkipReason),
}

/// One slot to record, with its message if it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// The entry's name.
    pub(crate) entry: Arc<str>,
    /// The slot.
    pub(crate) slot: UnixMs,
    /// What to record.
    pub(crate) outcome: Outcome,
    /// What to send first.
    pub(crate) message: Option<Outgoing>,
    /// What must hold for it to be sent; the same in all writes of one entry.
    pub(crate) guards: Guards,
}

/// Slots that are published and recorded together; those of one entry stand in order.
pub(crate) type Batch = Vec<Write>;

/// What a fenced write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Nothing: the lease is another's or has run out.
    Fenced,
    /// Nothing: there were writes the caller does not know of; it must read all state anew.
    Stale,
    /// Everything but the exceptions.
    Written {
        /// The broker's clock.
        now: UnixMs,
        /// The sequence number left behind.
        sequence: u64,
        /// Indexes in the batch, and what became of them instead.
        exceptions: Vec<(usize, Exception)>,
    },
}

/// Why one slot of a batch was not written as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    /// It was recorded before.
    AlreadyDone,
    /// The slot is more than a second ahead of the broker's clock.
    Early,
    /// The entry has reached its limit: the slot is neither sent nor recorded.
    Exhausted,
    /// What its entry demands does not hold: the slot is recorded as skipped for that.
    Skipped(SkipReason),
    /// The queue did not take the message; the broker's words.
    Refused(String),
}

/// What became of the slots of an entry after `after`, up to `slot`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settled {
    pub(crate) entry: Arc<str>,
    pub(crate) after: Option<UnixMs>,
    pub(crate) slot: UnixMs,
    pub(crate) outcome: Outcome,
    pub(crate) at: UnixMs,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryBroker {
    state: State,
    lease: Option<Arc<str>>,
    term: u64,
    pub(crate) ledger: Vec<Settled>,
    /// The messages in each queue.
    pub(crate) queued: HashMap<Arc<str>, u64>,
    /// When an entry's last task was sent: none is ever seen to end.
    running: HashMap<Arc<str>, UnixMs>,
    /// A queue of this name refuses messages.
    pub(crate) refusing: Option<Arc<str>>,
}

impl MemoryBroker {
    /// Gives out a new lease if none is held.
    pub(crate) fn acquire(&mut self, holder: usize) -> Option<Arc<str>> {
        if self.lease.is_some() {
            return None;
        }
        self.term += 1;
        self.lease = Some(format!("{} {holder}", self.term).into());
        self.lease.clone()
    }

    pub(crate) fn expire(&mut self) {
        self.lease = None;
    }

    pub(crate) fn read(&self, now: UnixMs) -> State {
        State { now, ..self.state.clone() }
    }

    fn refused(&self, fence: &Fence) -> Option<Reply> {
        if self.lease.as_deref() != Some(&*fence.lease) {
            return Some(Reply::Fenced);
        }
        (self.state.sequence != fence.sequence).then_some(Reply::Stale)
    }

    fn written(&mut self, now: UnixMs, next: u64, exceptions: Vec<(usize, Exception)>) -> Reply {
        self.state.sequence = next;
        Reply::Written { now, sequence: next, exceptions }
    }

    pub(crate) fn adopt(&mut self, now: UnixMs, fence: &Fence, changes: &[LifeChange]) -> Reply {
        if let Some(reply) = self.refused(fence) {
            return reply;
        }
        for change in changes.iter().cloned() {
            match change {
                LifeChange::Begin { entry, timing, since, settled, sent } => {
                    self.state.sent.insert(entry.clone(), sent);
                    if let Some(slot) = settled {
                        self.state.progress.insert(entry.clone(), slot);
                    }
                    let last = self.state.progress.get(&entry).copied();
                    let since = since.max(last.unwrap_or(UnixMs::MIN));
                    self.state.lives.insert(entry, Life { timing: Some(timing), since });
                }
                LifeChange::Retire { entry, at } => {
                    self.state.lives.insert(entry, Life { timing: None, since: at });
                }
                LifeChange::Forget { entry } => {
                    self.state.lives.remove(&entry);
                    self.state.progress.remove(&entry);
                    self.state.sent.remove(&entry);
                }
            }
        }
        self.state.marked = true;
        self.written(now, fence.next, Vec::new())
    }

    pub(crate) fn dispatch(&mut self, now: UnixMs, fence: &Fence, batch: &Batch) -> Reply {
        if let Some(reply) = self.refused(fence) {
            return reply;
        }
        let mut exceptions: Vec<(usize, Exception)> = Vec::new();
        let mut blocked: HashMap<&str, Exception> = HashMap::new();
        for (index, write) in batch.iter().enumerate() {
            let after = self.state.progress.get(&*write.entry).copied();
            let queue = write.message.as_ref().map(|message| &message.queue.name);
            let sent = self.state.sent.get(&*write.entry).copied().unwrap_or(0);
            let queued = queue.and_then(|queue| self.queued.get(queue)).copied().unwrap_or(0);
            let most = write.guards.max_queued.map_or(u64::MAX, |most| u64::from(most.get()));
            let runs = || {
                let at_most = write.guards.overlap.map_or(0, |most| u128::from(most.get()));
                let sent_at = self.running.get(&write.entry);
                sent_at.is_some_and(|sent_at| now.since(*sent_at).as_millis() < at_most)
            };
            let why = if after.is_some_and(|after| write.slot <= after) {
                Some(Exception::AlreadyDone)
            } else if let Some(why) = blocked.get(&*write.entry) {
                Some(why.clone())
            } else if write.slot.since(now).as_millis() > 1000 {
                Some(Exception::Early)
            } else if write.guards.remaining(sent) == 0 {
                Some(Exception::Exhausted)
            } else if queue.is_some() && runs() {
                Some(Exception::Skipped(SkipReason::StillRunning))
            } else if queue.is_some() && queue == self.refusing.as_ref() {
                Some(Exception::Refused("WRONGTYPE".to_owned()))
            } else if queue.is_some() && queued >= most {
                Some(Exception::Skipped(SkipReason::QueueFull))
            } else {
                None
            };
            let mut outcome = write.outcome;
            match why {
                None => {}
                Some(Exception::Skipped(reason)) => {
                    exceptions.push((index, Exception::Skipped(reason)));
                    outcome = Outcome::Skipped(reason);
                }
                Some(why) => {
                    exceptions.push((index, why.clone()));
                    if why != Exception::AlreadyDone {
                        blocked.insert(&write.entry, why);
                    }
                    continue;
                }
            }
            self.state.progress.insert((&*write.entry).into(), write.slot);
            if let (Outcome::Dispatched(_), Some(queue)) = (outcome, queue) {
                *self.queued.entry(Arc::clone(queue)).or_default() += 1;
                if write.guards.overlap.is_some() {
                    self.running.insert(Arc::clone(&write.entry), now);
                }
                if write.guards.limit.is_some() {
                    *self.state.sent.entry((&*write.entry).into()).or_default() += 1;
                }
            }
            let (entry, slot) = (Arc::clone(&write.entry), write.slot);
            self.ledger.push(Settled { entry, after, slot, outcome, at: now });
        }
        self.written(now, fence.next, exceptions)
    }
}
