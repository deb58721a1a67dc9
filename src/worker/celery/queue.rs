//! How the workers of a Celery queue are configured.

use std::sync::Arc;

use crate::worker::{Queue, ResultBackend, Worker};

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
    /// `fanout_prefix`: comes before the name of a fanout exchange in its channel. `{db}` stands for the
    /// database's number.
    pub fanout_prefix: Box<str>,
    /// `fanout_patterns`: whether a channel's name has the routing key at its end.
    pub fanout_patterns: bool,
    /// `control_exchange`: the namespace of the workers' remote control.
    pub control_exchange: Box<str>,
    /// Where messages are published if every worker gets each of them; `None`: one worker takes each.
    pub fanout: Option<Fanout>,
    /// The workers' result backend; `None` if it is unknown.
    pub results: Option<Arc<ResultBackend>>,
    /// `global_keyprefix` of the result backend: comes before `celery-task-meta-`.
    pub result_prefix: Box<str>,
}

/// A queue of which every worker gets each message, as kombu's `Broadcast`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fanout {
    /// The channel of Redis, or the exchange on AMQP.
    pub channel: Box<str>,
    /// The routing key of the workers' queues: their `task_default_routing_key`, unless the queue has its own.
    pub routing_key: Box<str>,
}

impl Default for CeleryQueue {
    fn default() -> CeleryQueue {
        CeleryQueue {
            priority_steps: [0, 3, 6, 9].into(),
            separator: "\u{6}\u{16}".into(),
            key_prefix: "".into(),
            fanout_prefix: "/{db}.".into(),
            fanout_patterns: true,
            control_exchange: "celery".into(),
            fanout: None,
            results: None,
            result_prefix: "".into(),
        }
    }
}

impl CeleryQueue {
    /// The channel of the workers' remote control, with `{db}` for the database unless the workers have another
    /// `fanout_prefix`. Workers with the same one hear the same questions.
    #[must_use]
    pub fn control_channel(&self) -> String {
        super::channel(&super::inspect::exchange(self), "", self, "{db}")
    }

    /// The settings of `queue` if its workers can be [inspected](super::Inspection): they are Celery's, and
    /// take from the broker that holds the state.
    #[must_use]
    pub fn inspectable(queue: &Queue) -> Option<&CeleryQueue> {
        let (Worker::Celery(settings), None) = (&queue.worker, &queue.amqp) else { return None };
        Some(settings)
    }
}
