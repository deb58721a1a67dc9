//! What Celery workers report about themselves.

use serde::{Deserialize, Serialize};

use crate::worker::celery::LiveWorker;

/// The answers of the workers that were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerAnswers {
    /// Workers that reported their tasks, their queues or both.
    pub workers: Vec<LiveWorker>,
    /// The number of listeners that did not answer everything in time.
    pub silent: u64,
}
