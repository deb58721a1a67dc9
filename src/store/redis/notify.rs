//! What is told beside the messages: to Celery's event consumers, and to whoever looks for a queue's
//! binding. Nothing waits for it, and a refusal concerns nobody.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;
use tokio::time::Instant;

use super::requests::Requests;
use crate::envelope::celery;
use crate::queue::{Queue, StreamQueue, Worker};

/// How long after a batch the streams that it went to are trimmed, and others with it.
const TRIM_AFTER: Duration = Duration::from_secs(2);
/// Each trim removes ten thousand entries at the most; so many follow each other.
const MAX_TRIMS: u32 = 1_000;

/// Which queues were seen to.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    /// Queues whose bindings were written.
    bound: HashSet<Arc<str>>,
    /// When each stream is trimmed next, or was last.
    trims: HashMap<Arc<str>, Instant>,
}

impl Noticed {
    /// Bindings may be gone with the server that held them.
    pub(super) fn forget_bindings(&mut self) {
        self.bound.clear();
    }

    /// Sees to the queues that messages are sent to.
    pub(super) fn see_to<'q>(
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
                    // As kombu's producer does. Workers do without.
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
        requests.mention(bindings);
    }

    /// Sees to it that a stream does not grow for ever. An add that trims as well takes five times as
    /// long; a trim of its own holds Redis for a millisecond.
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

/// What is told of messages that were sent.
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
