//! The queues that one file names.

use std::collections::HashMap;
use std::sync::Arc;

use super::limits::DEFAULT_QUEUE;
use crate::worker::{self, Queue, Queues, Unstorable};

/// The queues that one file names, each stored and checked once.
pub(super) struct FileQueues<'q> {
    queues: &'q Queues,
    named: HashMap<Arc<str>, NamedQueue>,
}

#[derive(Clone)]
pub(super) struct NamedQueue {
    pub(super) queue: Arc<Queue>,
    /// Whether the store can hold it.
    pub(super) storable: Result<(), Unstorable>,
}

impl<'q> FileQueues<'q> {
    pub(super) fn new(queues: &'q Queues) -> FileQueues<'q> {
        FileQueues { queues, named: HashMap::new() }
    }

    /// The queue of entries that name none, in a file whose `defaults` name this one.
    pub(super) fn default_queue(&mut self, named: Option<&Arc<Queue>>) -> Arc<Queue> {
        named.map_or_else(|| self.get(DEFAULT_QUEUE).queue, Arc::clone)
    }

    pub(super) fn get(&mut self, name: &str) -> NamedQueue {
        if let Some(known) = self.named.get(name) {
            return known.clone();
        }
        let queue = self.queues.get(name);
        let storable = worker::check_storable(&queue, self.queues.store());
        let named = NamedQueue { queue, storable };
        self.named.insert(Arc::clone(&named.queue.name), named.clone());
        named
    }
}
