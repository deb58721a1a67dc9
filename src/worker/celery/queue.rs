//! How the workers of a Celery queue are configured.

use std::sync::Arc;

use crate::address::RedisAddress;
use crate::worker::{Queue, Worker};

/// The settings of a queue of Celery workers: their `broker_transport_options` for Redis, and their
/// result backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeleryQueue {
    /// The priorities from which a separate list is used: ascending, from 0 to 9, and including 0.
    pub priority_steps: Box<[u8]>,
    /// `sep`: separates the queue's name from a step above 0, and the parts of a binding.
    pub separator: Box<str>,
    /// `global_keyprefix`: the prefix of every key.
    pub key_prefix: Box<str>,
    /// The workers' result backend; `None` if it is unknown.
    pub results: Option<Arc<ResultBackend>>,
}

/// The Redis where Celery's workers store results: their `result_backend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultBackend {
    /// Its address.
    pub url: RedisAddress,
    /// The database of the results and that of the state, if one server has both.
    pub databases: Option<(u32, u32)>,
}

impl Default for CeleryQueue {
    fn default() -> CeleryQueue {
        CeleryQueue {
            priority_steps: [0, 3, 6, 9].into(),
            separator: "\u{6}\u{16}".into(),
            key_prefix: "".into(),
            results: None,
        }
    }
}

impl CeleryQueue {
    /// The settings of `queue` if its workers can be [inspected](super::Inspection): they are Celery's, and
    /// take from the broker that holds the state.
    #[must_use]
    pub fn inspectable(queue: &Queue) -> Option<&CeleryQueue> {
        let (Worker::Celery(settings), None) = (&queue.worker, &queue.amqp) else { return None };
        Some(settings)
    }
}
