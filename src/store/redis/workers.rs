//! What Celery workers tell of themselves.

use serde::{Deserialize, Serialize};

use crate::envelope::celery::LiveWorker;

/// What came of asking workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Those that told both their tasks and their queues, or one of them.
    pub workers: Vec<LiveWorker>,
    /// How many listen and did not answer everything in time.
    pub silent: u64,
}
