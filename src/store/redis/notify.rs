//! What accompanies messages: events for Celery's consumers, and the queues' bindings. Nothing waits for it, and
//! failures are ignored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;
use tokio::time::Instant;

use super::requests::Requests;
use crate::envelope::celery;
use crate::queue::{Queue, StreamQueue, Worker};

/// How long after a batch its streams are trimmed, together with others.
const TRIM_AFTER: Duration = Duration::from_secs(2);
/// The maximum number of successive trims; each removes at most ten thousand entries.
const MAX_TRIMS: u32 = 1_000;

/// The queues that need no binding, and when streams are trimmed.
#[derive(Debug, Default)]
pub(super) struct QueueUpkeep {
    /// Queues whose bindings were written.
    bound: HashSet<Arc<str>>,
    /// When each stream is next trimmed, or was last.
    trims: HashMap<Arc<str>, Instant>,
}

impl QueueUpkeep {
    /// Forgets the bindings: they may be gone with the server that held them.
    pub(super) fn forget_bindings(&mut self) {
        self.bound.clear();
    }

    /// Writes bindings and trims streams of the queues that messages go to.
    pub(super) fn maintain<'q>(
        &mut self,
        queues: impl Iterator<Item = &'q Arc<Queue>>,
        requests: &Requests,
    ) {
        let mut bindings = Pipeline::new();
        let mut last: Option<&Arc<Queue>> = None;
        for queue in queues {
            if last.is_some_and(|last| Arc::ptr_eq(last, queue)) {
                continue;
            }
            last = Some(queue);
            match &queue.worker {
                Worker::Celery(settings) if !self.bound.contains(&queue.name) => {
                    self.bound.insert(Arc::clone(&queue.name));
                    // As kombu's producer does. Workers do not need it.
                    for key in celery::binding_keys(&queue.name, settings) {
                        bindings.sadd(key, celery::binding_member(&queue.name, settings)).ignore();
                    }
                }
                Worker::Stream(StreamQueue { maxlen: Some(maxlen) }) => {
                    self.trim(&queue.name, maxlen.get(), requests);
                }
                _ => {}
            }
        }
        requests.fire_and_forget(bindings);
    }

    /// Keeps a stream from growing forever. An add that trims takes five times as long; a separate trim blocks
    /// Redis for a millisecond.
    fn trim(&mut self, stream: &Arc<str>, maxlen: u32, requests: &Requests) {
        let now = Instant::now();
        if self.trims.get(stream).is_some_and(|at| *at > now) {
            return;
        }
        let (at, requests, key) = (now + TRIM_AFTER, requests.clone(), Arc::clone(stream));
        self.trims.insert(Arc::clone(stream), at);
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            for _ in 0..MAX_TRIMS {
                let mut call = redis::cmd("XTRIM");
                call.arg(&*key).arg("MAXLEN").arg("~").arg(maxlen);
                let Ok(redis::Value::Int(1..)) = requests.ask(call).await else { return };
            }
        });
    }
}

/// The events for messages that were sent.
pub(super) fn events<'m>(
    sent: impl IntoIterator<Item = (&'m Queue, &'m [u8])>,
    database: i64,
) -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.ignore_errors();
    for (queue, event) in sent {
        if let Worker::Celery(settings) = &queue.worker {
            pipeline.publish(celery::event::channel(settings, database), event);
        }
    }
    pipeline
}
