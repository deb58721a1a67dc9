//! What accompanies messages: events for Celery's consumers, and the queues' declarations. Nothing waits for
//! it, and failures are ignored.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;
use tokio::time::Instant;

use super::requests::Requests;
use crate::worker::{Queue, RedisCommand};

/// How long after a batch its streams are trimmed, together with others.
const TRIM_AFTER: Duration = Duration::from_secs(2);
/// The maximum number of successive trims; each removes at most ten thousand entries.
const MAX_TRIMS: u32 = 1_000;

/// The queues that need no declaration, and when streams are trimmed.
#[derive(Debug, Default)]
pub(super) struct QueueUpkeep {
    /// Queues that were declared.
    declared: HashSet<Arc<str>>,
    /// When each stream is next trimmed, or was last.
    trims: HashMap<Arc<str>, Instant>,
}

impl QueueUpkeep {
    /// Forgets the declarations: they may be gone with the server that held them.
    pub(super) fn forget_declarations(&mut self) {
        self.declared.clear();
    }

    /// Declares queues and trims streams that messages go to.
    pub(super) fn maintain<'q>(
        &mut self,
        queues: impl Iterator<Item = &'q Arc<Queue>>,
        requests: &Requests,
    ) {
        let mut declarations = Pipeline::new();
        let mut last: Option<&Arc<Queue>> = None;
        for queue in queues {
            if last.is_some_and(|last| Arc::ptr_eq(last, queue)) {
                continue;
            }
            last = Some(queue);
            let protocol = queue.worker.protocol();
            if !self.declared.contains(&queue.name) {
                self.declared.insert(Arc::clone(&queue.name));
                add(&mut declarations, &protocol.declare(&queue.name));
            }
            if let Some(maxlen) = protocol.maxlen() {
                self.trim(&queue.name, maxlen.get(), requests);
            }
        }
        requests.fire_and_forget(declarations);
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

fn add(pipeline: &mut Pipeline, commands: &[RedisCommand]) {
    for command in commands {
        if let [name, arguments @ ..] = &command[..] {
            pipeline.cmd(&String::from_utf8_lossy(name)).arg(arguments).ignore();
        }
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
        if let Some(channel) = queue.worker.protocol().event_channel(database) {
            pipeline.publish(channel, event);
        }
    }
    pipeline
}
