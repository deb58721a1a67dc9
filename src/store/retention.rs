//! How long the history is kept.

use std::time::Duration;

/// How long the history is kept: until either bound is reached. An entry's last outcomes are kept longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Older slots are dropped.
    pub keep: Duration,
    /// Maximum number of slots; the oldest are dropped.
    pub slots: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { keep: Duration::from_secs(7 * 86_400), slots: 200_000 }
    }
}
