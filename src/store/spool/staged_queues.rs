//! The queues that a request pushes to: its messages are staged, and become visible once it is recorded.

use std::collections::HashMap;
use std::sync::Arc;

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::files::{Files, Staged};
use crate::store::Outgoing;
use crate::store::model::{QueueError, Queues};
use crate::worker::Queue;

/// Stages the messages of a request.
pub(super) struct StagedQueues<'f> {
    files: &'f Files,
    now: UnixMs,
    pub(super) staged: Vec<Staged>,
    /// Staged messages that are not needed, but could not be deleted.
    pub(super) left: Vec<Staged>,
    /// The number of messages in each queue before this request; counted on first use.
    queued: Option<HashMap<Box<str>, u64>>,
    /// The number of this request's messages for each queue.
    added: HashMap<Arc<str>, u64>,
}

impl<'f> StagedQueues<'f> {
    pub(super) fn of(files: &'f Files, now: UnixMs) -> StagedQueues<'f> {
        let (staged, left, added) = (Vec::new(), Vec::new(), HashMap::new());
        StagedQueues { files, now, staged, left, queued: None, added }
    }
}

impl Queues for StagedQueues<'_> {
    fn push(&mut self, queue: &Arc<Queue>, messages: &[&Outgoing]) -> Result<(), QueueError> {
        let before = self.staged.len();
        for message in messages {
            match self.files.stage(message, self.now) {
                Ok(file) => self.staged.push(file),
                Err(error) => {
                    for file in self.staged.split_off(before) {
                        if self.files.unstage(&file).is_err() {
                            self.left.push(file);
                        }
                    }
                    return Err(QueueError(error.to_string()));
                }
            }
        }
        *self.added.entry(Arc::clone(&queue.name)).or_default() += messages.len() as u64;
        Ok(())
    }

    fn count_waiting(&mut self, queue: &Queue) -> Result<u64, QueueError> {
        let queued = match &mut self.queued {
            Some(queued) => queued,
            none => {
                let counted = self.files.count_queued();
                none.insert(counted.map_err(|error| QueueError(error.to_string()))?)
            }
        };
        let added = self.added.get(&queue.name).copied().unwrap_or(0);
        Ok(queued.get(&*queue.name).copied().unwrap_or(0) + added)
    }

    fn still_runs(&mut self, _: &Queue, _: Option<Uuid>) -> Result<bool, QueueError> {
        let why = "`overlap: skip` needs a state on Redis, where results can be seen";
        Err(QueueError(why.to_owned()))
    }
}
