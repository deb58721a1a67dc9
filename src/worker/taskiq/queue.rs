//! How the workers of a taskiq queue are configured.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::worker::ResultBackend;

/// The settings of a queue of taskiq workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskiqQueue {
    /// The stream of `RedisStreamBroker`; `None`: the list of `ListQueueBroker`.
    pub stream: Option<TaskiqStream>,
    /// The Redis of the workers' `RedisAsyncResultBackend`; `None` if it is unknown.
    pub results: Option<Arc<ResultBackend>>,
    /// Its `prefix_str`.
    pub result_prefix: Option<Box<str>>,
}

/// The settings of a stream of taskiq workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskiqStream {
    /// The workers' `consumer_group_name`.
    pub group: Box<str>,
    /// Roughly how many entries are kept, read or not; `None` means all.
    pub maxlen: Option<NonZeroU32>,
}

impl Default for TaskiqStream {
    fn default() -> TaskiqStream {
        TaskiqStream { group: "taskiq".into(), maxlen: None }
    }
}
